/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hooks of the interpreter share: their interface, elements unpacked into plain arrays, and
 * copies by strides. Scratch memory is a mark in the arena that the caller of the hook resets; results
 * are written whole. Invariant of unpacked integers: the value itself as int64_t, bipolar as -1 or 1,
 * u64 as its bits (the few operations that care look at the element). */
#ifndef AZ_IR_EVAL_PART_H
#define AZ_IR_EVAL_PART_H

#include "ir/eval/eval.h"

typedef struct az_eval {
	az_ctx *ctx;
	const az_op *op;
	az_arena *scratch;
	const az_tensor *const *args; /* NULL where absent */
	az_tensor *results;
	uint32_t depth; /* of calls */
} az_eval;

/* Reports and returns false, or fills the results. */
typedef bool az_eval_hook(az_eval *e);

#define OP(name, family, ...) az_eval_hook az_eval_##family;
#include "ir/ops.def"

/* Reports "<op>: <message>" at the operation and returns false. */
bool az_eval_error(const az_eval *e, const char *format, ...) AZ_PRINTF(2, 3);
/* Evaluates with results whose data the caller has allocated. */
bool az_eval_into(az_eval *e);
/* A function, into results whose data the caller has allocated. */
bool az_eval_body(const az_func *func, az_arena *arena, uint32_t depth, const az_tensor *inputs,
	az_tensor *results,
	void (*observe)(void *data, const az_value *value, const az_tensor *tensor), void *data);

/* Elements as an array to compute with: f16, bf16 and f32 as float, f64 as double, all others as
 * int64_t. Where the memory already looks like that it is used in place: never write to a loaded one. */
typedef enum az_wide_kind { AZ_WIDE_F32, AZ_WIDE_F64, AZ_WIDE_INT } az_wide_kind;

typedef struct az_wide {
	az_wide_kind kind;
	bool huge; /* of u64: order is that without sign */
	uint64_t count;
	union {
		float *f;
		double *d;
		int64_t *i;
	};
} az_wide;

az_wide_kind az_wide_kind_of(az_elem elem);
az_wide az_wide_new(az_arena *arena, az_wide_kind kind, uint64_t count);
az_wide az_wide_load(az_arena *arena, const az_tensor *tensor);
/* Broadcast (numpy) to the shape of `to` first. */
az_wide az_wide_load_as(az_arena *arena, const az_tensor *tensor, const az_type *to);
/* Where to compute a result; az_wide_store puts it into the tensor: floats round to nearest even,
 * integers wrap around. */
az_wide az_wide_result(az_arena *arena, const az_tensor *tensor);
void az_wide_store(const az_wide *wide, az_tensor *tensor);
/* Elements first, first + 1, ... of an integer tensor. */
void az_unpack_ints(const az_tensor *tensor, uint64_t first, uint64_t count, int64_t *out);

/* Elements of `bits` bits each, `count` of them in a row. */
void az_copy_run(void *to, uint64_t to_index, const void *from, uint64_t from_index, uint64_t count,
	unsigned bits);

/* An index space and, for each of its dimensions, how far apart elements lie in the source. */
typedef struct az_strided {
	uint32_t rank; /* up to AZ_STRIDED_MAX */
	int64_t dim[2 * AZ_RANK_MAX], stride[2 * AZ_RANK_MAX];
	int64_t base; /* source element of index zero */
} az_strided;

/* Row-major walk over the index space: to[0], to[1], ... = from[...]. */
void az_copy_strided(void *to, const void *from, const az_strided *map, unsigned bits);
void az_row_major(uint32_t rank, const int64_t *dim, int64_t *stride);
/* The map that broadcasts `from` to the shape of `to`. */
az_strided az_strided_broadcast(const az_type *from, const az_type *to);

/* A shape seen from one axis: elements before, along and after it. */
typedef struct az_axis_view {
	int64_t outer, length, inner;
} az_axis_view;

az_axis_view az_axis_view_of(const az_type *type, int64_t axis);

/* acc[at + j] = reduction(acc[at + j], x[from + j]); integer sums take x - zero. */
void az_wide_fold(az_reduction kind, const az_wide *acc, uint64_t at, const az_wide *x,
	uint64_t from, uint64_t count, int64_t zero);
/* What a fold starts with: 0, 1, or the least or largest value of the element. */
void az_wide_fill(const az_wide *acc, az_reduction kind, az_elem elem);

#endif
