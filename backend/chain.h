/* SPDX-License-Identifier: Apache-2.0
 *
 * What the generic kernels know of the function they emit: an anchor operation (or none), the element-wise
 * operations behind it, a trailing constant pad (or none). The anchor's emitter produces register values
 * place by place; az_chain_finish takes them through the operations and stores the results. */
#ifndef AZ_BACKEND_CHAIN_H
#define AZ_BACKEND_CHAIN_H

#include "backend/iter.h"
#include "backend/kernel.h"

#define AZ_CHAIN_OPS     48
#define AZ_CHAIN_ARGS    5
#define AZ_CHAIN_RESULTS 16

typedef struct az_chain_arg {
	const az_value *value; /* NULL: absent */
	int32_t from;          /* operation of the chain that makes it; AZ_FROM_* */
	az_view view;
	LLVMValueRef hoisted; /* scalar loaded before the row, NULL if not */
} az_chain_arg;

enum { AZ_FROM_OUTSIDE = -1, AZ_FROM_ANCHOR = -2 };

typedef struct az_chain {
	const az_func *func;
	const az_op *anchor, *pad; /* NULL: none */
	const az_type *shape;      /* of the value before the pad: the space walked over */
	uint32_t op_count;
	const az_op *op[AZ_CHAIN_OPS];
	az_chain_arg arg[AZ_CHAIN_OPS][AZ_CHAIN_ARGS];
	uint32_t result_count;
	int32_t result_from[AZ_CHAIN_RESULTS];
	az_view result[AZ_CHAIN_RESULTS];
} az_chain;

/* Reads the structure; false when the function is no such group or an anchor that is no contraction has
 * elements of less than 8 bits.
 * The anchor, if any, is the first operation; every element-wise operation of the function must
 * broadcast to the shape of the last one. */
bool az_chain_parse(const az_func *func, az_chain *chain);
/* Binds views to pointers (operands, then results). */
void az_chain_bind(az_emitter *e, az_chain *chain, const LLVMValueRef *params);
/* All views, to collapse the space of a chain without anchor; returns how many. */
uint32_t az_chain_views(az_chain *chain, az_view **views, uint32_t max);
/* Loads what does not change along the last dimension. */
void az_chain_row(az_emitter *e, az_chain *chain, const az_place *place);
/* Evaluates at a place and stores; `anchor` is its value there (NULL without anchor). */
bool az_chain_finish(az_emitter *e, az_chain *chain, const az_place *place, LLVMValueRef anchor);
/* Evaluates everywhere and fills the border; x: where the anchor's value lies, read as it is (NULL without anchor). */
bool az_chain_walk(az_emitter *e, az_chain *chain, const az_view *x);
/* Fills the border that the trailing pad adds. */
bool az_chain_fill_pad(az_emitter *e, az_chain *chain);
/* The pointer or constant behind a value of the function. */
LLVMValueRef az_chain_base(az_emitter *e, const az_func *func, const az_value *value,
	const LLVMValueRef *params);
/* The pointer of result i. */
LLVMValueRef az_chain_result_base(const az_func *func, uint32_t i, const LLVMValueRef *params);
/* Lanes for the chain's element-wise code and an anchor computing on `elem`. */
uint32_t az_chain_lanes(const az_emitter *e, const az_chain *chain);

/* match of the kernels whose anchor is one operation: parses and compares. */
bool az_chain_is(const az_func *func, az_chain *chain, az_opcode code);

#endif
