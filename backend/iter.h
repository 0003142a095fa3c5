/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking over tensors: views (where the elements of an operand lie as a function of a place in the space
 * walked over) and loop nests whose last dimension is taken some lanes at a time, ragged rest included.
 * Nothing outside a tensor is read or written. */
#ifndef AZ_BACKEND_ITER_H
#define AZ_BACKEND_ITER_H

#include "backend/emit.h"

#define AZ_ITER_RANK (2 * AZ_RANK_MAX)

/* Element index = offset + sum of (index[d] / group[d]) * stride[d]. */
typedef struct az_view {
	LLVMValueRef base;
	LLVMValueRef constant; /* not NULL: every element is this register value */
	az_elem elem;
	int64_t offset; /* in elements, as the strides */
	int64_t stride[AZ_ITER_RANK];
	int64_t group[AZ_ITER_RANK]; /* 1 unless the operand has one element per group of places */
} az_view;

/* A place: lanes elements along the last dimension, of which the first `valid` exist. */
typedef struct az_place {
	uint32_t rank;
	LLVMValueRef index[AZ_ITER_RANK];
	uint32_t lanes, valid;
	bool even; /* the last index is a multiple of lanes */
} az_place;

/* Row-major strides of a shape. */
void az_view_dense(az_view *view, LLVMValueRef base, az_elem elem, uint32_t rank,
	const int64_t *dim);
/* A view of `type` broadcast (numpy) to a space of `rank` dimensions. */
void az_view_broadcast(az_view *view, LLVMValueRef base, const az_type *type, uint32_t rank);
/* The element at a place as an index from base, and its address (of 8 bits or more). */
LLVMValueRef az_view_index(az_emitter *e, const az_view *view, const az_place *place);
LLVMValueRef az_view_at(az_emitter *e, const az_view *view, const az_place *place);
/* Does the view give one element for all lanes? */
bool az_view_is_splat(const az_view *view, uint32_t rank);
LLVMValueRef az_view_load(az_emitter *e, const az_view *view, const az_place *place);
void az_view_store(az_emitter *e, const az_view *view, const az_place *place, LLVMValueRef value);

/* `valid` of `lanes` consecutive elements; the other lanes are 0. */
LLVMValueRef az_load_part(az_emitter *e, az_elem elem, LLVMValueRef at, uint32_t lanes,
	uint32_t valid);
void az_store_part(az_emitter *e, az_elem elem, LLVMValueRef value, LLVMValueRef at,
	uint32_t valid);
/* Lanes [first, first + count) of a vector; count 1 gives a scalar. */
LLVMValueRef az_lanes_of(az_emitter *e, LLVMValueRef vector, uint32_t first, uint32_t count);

/* Removes dimensions of length 1 and joins neighbours that all views run through as one. Returns the
 * new rank, at least 1. */
uint32_t az_iter_collapse(uint32_t rank, int64_t *dim, az_view *const *views, uint32_t count);

/* Calls body once or twice (whole vectors, rest) inside loops over begin <= index < end; `row`, if given,
 * once before that in the loops of all dimensions but the last (its place has no last index). Empty
 * ranges make no code. False when a callback says so. */
typedef bool az_body(az_emitter *e, void *data, const az_place *place);
bool az_iterate(az_emitter *e, uint32_t rank, const int64_t *begin, const int64_t *end,
	uint32_t lanes, az_body *row, az_body *body, void *data);

/* A loop over [begin, end) whose bounds are known when it runs only, and which may be empty. Used like
 * az_loop_begin and az_loop_end. */
void az_span_begin(az_emitter *e, az_loop *loop, LLVMValueRef begin, LLVMValueRef end,
	uint32_t count, const LLVMValueRef *initial);
void az_span_end(az_emitter *e, az_loop *loop, const LLVMValueRef *next);

/* i64 helpers on runtime values. */
LLVMValueRef az_index_min(az_emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_index_max(az_emitter *e, LLVMValueRef a, LLVMValueRef b);
/* Floor of a / by for by > 0 and a >= 0. */
LLVMValueRef az_index_div(az_emitter *e, LLVMValueRef a, int64_t by);

/* Fills `dim` of the region with one element value given as a register scalar; the region is
 * [begin, end) of a dense tensor of shape dim. */
bool az_fill(az_emitter *e, LLVMValueRef base, az_elem elem, uint32_t rank, const int64_t *dim,
	const int64_t *begin, const int64_t *end, LLVMValueRef value);

/* Copies elements between two views over a space, in any order. */
bool az_copy(az_emitter *e, az_view from, az_view to, uint32_t rank, const int64_t *dim);

/* The same through registers, where `from` may be a constant. */
bool az_copy_converted(az_emitter *e, az_view from, az_view to, uint32_t rank, const int64_t *dim);

/* Read-only data of the object being emitted, aligned to 64. */
LLVMValueRef az_rodata(az_emitter *e, const void *bytes, size_t size);

#endif
