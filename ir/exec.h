/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a network, as a table of functions, so that passes can calibrate or compare without knowing
 * who runs: the interpreter (ir/eval) and the JIT (backend) implement it. A data stream yields samples. */
#ifndef AZ_IR_EXEC_H
#define AZ_IR_EXEC_H

#include "ir/graph.h"
#include "ir/tensor.h"

typedef struct az_exec az_exec; /* a network made ready; opaque */

typedef struct az_exec_api {
	const char *name; /* "interpreter", "jit" */
	/* Makes main of the module ready. The module may be at any stage and is not changed; it must
	 * outlive the result. NULL after reporting. */
	az_exec *(*compile)(const az_module *module);
	/* Inputs and outputs in the order of main's parameters and results; types must equal theirs;
	 * output buffers are the caller's. Reports and returns false on failure. */
	bool (*run)(az_exec *exec, const az_tensor *inputs, az_tensor *outputs);
	void (*free)(az_exec *exec);
} az_exec_api;

/* Samples for the inputs of a network, in a fixed order, any number of times. */
typedef struct az_stream {
	void *data;
	uint64_t count; /* samples */
	bool made_up;   /* they stand in for data that is not there */
	/* Fills the input tensors (main's parameter types) with sample i. Reports. */
	bool (*get)(void *data, uint64_t i, az_tensor *inputs);
	/* Class of sample i, or -1 when there are no labels; NULL: no labels at all. */
	int64_t (*label)(void *data, uint64_t i);
} az_stream;

#endif
