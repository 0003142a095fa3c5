/* SPDX-License-Identifier: Apache-2.0
 *
 * What still computes in float in a network that was to be integer, and why. An island whose operands and
 * results are stored integers and which one kernel computes in registers is integer, also where its
 * definition is dequantize, add, quantize. What counts as float:
 *
 *   - a sum or a maximum of floats: convolution, product, softmax, pool, reduction, linear resize
 *   - a float value that lies in memory between two kernels
 *
 * The boundary is excepted: element-wise operations and movement of float inputs before their quantizers,
 * and movement of float results behind the kernel that makes them. */
#ifndef AZ_PASSES_FLOAT_LEFT_H
#define AZ_PASSES_FLOAT_LEFT_H

#include "ir/graph.h"

typedef struct az_float_left {
	const az_op *op;    /* in main, or in a function that main calls */
	const char *layer;  /* the node it came from, else its value's name; never NULL */
	const char *reason; /* in words, in the arena */
} az_float_left;

typedef AZ_VEC(az_float_left) az_float_left_list;

/* In the order of main; at most one entry per operation. Stage selected or placed: there a call is a
 * kernel. Before, every operation counts as one, so islands that will be fused are listed too. */
void az_float_left_find(const az_module *module, az_arena *arena, az_float_left_list *out);

#endif
