/* SPDX-License-Identifier: Apache-2.0
 *
 * What a network costs on its target, as a table of functions that the backend implements: measured
 * on the emitted object, not computed from a formula. */
#ifndef AZ_IR_COST_H
#define AZ_IR_COST_H

#include "ir/graph.h"

typedef struct az_layer_cost {
	az_name name; /* location of the anchor operation, or its value's name */
	az_name op;
	az_name kernel;
	uint64_t macs;
	uint64_t weight_bytes; /* as packed in the object */
	uint64_t code_bytes;   /* of the kernel function; shared ones count where first used */
} az_layer_cost;

typedef struct az_cost {
	uint64_t text_bytes, rodata_bytes, weight_bytes; /* weights are part of rodata */
	uint64_t data_bytes, bss_bytes;
	uint64_t arena_bytes, arena_lower_bound_bytes, stack_bytes;
	uint64_t io_bytes; /* input and output buffers */
	uint64_t macs;
	uint32_t layer_count;
	const az_layer_cost *layer; /* in the arena given */
} az_cost;

typedef struct az_cost_api {
	const char *name;
	/* The module must be placed. Reports. */
	bool (*measure)(const az_module *module, az_arena *arena, az_cost *out);
} az_cost_api;

/* Multiply-accumulates of one operation (convolutions and matrix products; 0 for others). */
uint64_t az_op_macs(const az_op *op);

#endif
