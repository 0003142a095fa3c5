/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel pool: max_pool, avg_pool and sum_pool on [N, 1 to 3 spatial dimensions, C], any window, with what
 * follows. Vectors lie along the channels. Each spatial dimension is cut into segments: the places
 * whose window lies inside, walked by a loop, and the few at the borders, each with its own constant range of
 * taps; where borders are long, one loop computes its range as it runs. Nothing is padded in memory. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"

#include <math.h>

#define SPATIAL_MAX  3
#define BORDER_MAX   4  /* border places per dimension that get code of their own */
#define UNROLLED_MAX 16 /* taps written out one by one */

typedef struct segment {
	int64_t begin, end;  /* output places */
	int64_t first, last; /* taps [first, last) when fixed */
	bool fixed;
} segment;

typedef struct pool {
	az_chain chain;
	az_view x;
	az_opcode code;
	uint32_t spatial;
	int64_t in[SPATIAL_MAX], out[SPATIAL_MAX], window[SPATIAL_MAX], stride[SPATIAL_MAX];
	int64_t begin[SPATIAL_MAX], end[SPATIAL_MAX], dilation[SPATIAL_MAX];
	bool include_pad;
	int64_t zero;
	az_elem elem, sum;        /* of x, of the result */
	segment now[SPATIAL_MAX]; /* the segments of the nest being emitted */
} pool;

static void read_pool(pool *p, const az_op *op)
{
	az_ints window, stride, pad, dilation;
	p->code = op->code;
	switch (op->code) {
	case AZ_OP_max_pool:
		window = op->attr.max_pool.window, stride = op->attr.max_pool.stride;
		pad = op->attr.max_pool.pad, dilation = op->attr.max_pool.dilation;
		break;
	case AZ_OP_avg_pool:
		window = op->attr.avg_pool.window, stride = op->attr.avg_pool.stride;
		pad = op->attr.avg_pool.pad, dilation = op->attr.avg_pool.dilation;
		p->include_pad = op->attr.avg_pool.include_pad;
		break;
	default:
		window = op->attr.sum_pool.window, stride = op->attr.sum_pool.stride;
		pad = op->attr.sum_pool.pad, dilation = op->attr.sum_pool.dilation;
		p->zero = op->attr.sum_pool.zero;
		break;
	}
	const az_type *x = az_op_arg(op, 0)->type, *y = op->results[0]->type;
	p->elem = x->elem;
	p->sum = y->elem;
	p->spatial = x->rank - 2u;
	for (uint32_t i = 0; i < p->spatial; i++) {
		p->in[i] = x->dim[1 + i];
		p->out[i] = y->dim[1 + i];
		p->window[i] = az_ints_at(window, i, 1);
		p->stride[i] = az_ints_at(stride, i, 1);
		p->dilation[i] = az_ints_at(dilation, i, 1);
		p->begin[i] = az_ints_at(pad, 2 * i, 0);
		p->end[i] = az_ints_at(pad, 2 * i + 1, 0);
	}
}

bool az_pool_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return az_chain_is(func, &chain, AZ_OP_max_pool) ||
	       az_chain_is(func, &chain, AZ_OP_avg_pool) ||
	       az_chain_is(func, &chain, AZ_OP_sum_pool);
}

/* --- Segments -------------------------------------------------------------------------------------------- */

static int64_t ceil_div(int64_t a, int64_t b)
{
	return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/* Taps of place o whose elements lie in [0, limit). */
static segment taps_at(const pool *p, uint32_t i, int64_t o, int64_t limit)
{
	int64_t start = o * p->stride[i] - p->begin[i];
	int64_t first = AZ_MAX(ceil_div(-start, p->dilation[i]), 0);
	int64_t last = AZ_MIN(ceil_div(limit - start, p->dilation[i]), p->window[i]);
	return (segment){o, o + 1, first, AZ_MAX(first, last), true};
}

/* The segments of dimension i into out; returns how many. */
static uint32_t cut(const pool *p, uint32_t i, segment out[2 * BORDER_MAX + 1])
{
	int64_t lo = 0, hi = p->out[i];
	while (lo < hi && taps_at(p, i, lo, p->in[i]).last - taps_at(p, i, lo, p->in[i]).first !=
				  p->window[i])
		lo++;
	while (hi > lo &&
		taps_at(p, i, hi - 1, p->in[i]).last - taps_at(p, i, hi - 1, p->in[i]).first !=
			p->window[i])
		hi--;
	if (lo + p->out[i] - hi > BORDER_MAX) {
		out[0] = (segment){0, p->out[i], 0, 0, false};
		return 1;
	}
	uint32_t count = 0;
	for (int64_t o = 0; o < lo; o++)
		out[count++] = taps_at(p, i, o, p->in[i]);
	if (lo < hi)
		out[count++] = (segment){lo, hi, 0, p->window[i], true};
	for (int64_t o = hi; o < p->out[i]; o++)
		out[count++] = taps_at(p, i, o, p->in[i]);
	return count;
}

/* --- One place ------------------------------------------------------------------------------------------- */

typedef struct taps {
	LLVMValueRef first[SPATIAL_MAX], last[SPATIAL_MAX];
} taps;

/* ceil(a / by) clamped to [0, most], by > 0. */
static LLVMValueRef runtime_ceil_div(az_emitter *e, LLVMValueRef a, int64_t by, int64_t most)
{
	LLVMValueRef positive = az_index_max(e, a, az_index(e, 0));
	LLVMValueRef q = az_index_div(e, az_add(e, positive, az_index(e, by - 1)), by);
	return az_index_min(e, q, az_index(e, most));
}

static void runtime_taps(az_emitter *e, const pool *p, uint32_t i, LLVMValueRef o, int64_t limit,
	LLVMValueRef *first, LLVMValueRef *last)
{
	LLVMValueRef start = az_add(e, az_mul(e, o, p->stride[i]), az_index(e, -p->begin[i]));
	LLVMValueRef minus = LLVMBuildSub(e->b, az_index(e, 0), start, "");
	LLVMValueRef room = az_add(e, minus, az_index(e, limit));
	*first = runtime_ceil_div(e, minus, p->dilation[i], p->window[i]);
	*last = az_index_max(e, runtime_ceil_div(e, room, p->dilation[i], p->window[i]), *first);
}

static LLVMValueRef tap_value(az_emitter *e, pool *p, const az_place *place,
	const LLVMValueRef *tap)
{
	az_place at = *place;
	for (uint32_t i = 0; i < p->spatial; i++) {
		LLVMValueRef o = az_mul(e, place->index[1 + i], p->stride[i]);
		LLVMValueRef k = az_mul(e, tap[i], p->dilation[i]);
		at.index[1 + i] = az_add(e, az_add(e, o, k), az_index(e, -p->begin[i]));
	}
	return az_view_load(e, &p->x, &at);
}

static LLVMValueRef accumulate(az_emitter *e, const pool *p, LLVMValueRef acc, LLVMValueRef x)
{
	if (p->code == AZ_OP_max_pool)
		return az_more(e, p->elem, true, acc, x);
	if (az_elem_is_float(p->elem))
		return az_fadd(e, acc, x);
	if (p->sum.bits > 32 && p->elem.bits <= 32) {
		LLVMTypeRef wide = LLVMTypeOf(acc);
		x = az_elem_is_signed(p->elem) ? LLVMBuildSExt(e->b, x, wide, "")
					       : LLVMBuildZExt(e->b, x, wide, "");
	}
	if (p->zero)
		x = LLVMBuildSub(e->b, x, az_int_like(e, x, p->zero), "");
	return LLVMBuildAdd(e->b, acc, x, "");
}

static LLVMValueRef start_value(az_emitter *e, const pool *p, uint32_t lanes)
{
	LLVMTypeRef type = az_vec_type(az_register_type(e, p->sum), lanes);
	if (p->code != AZ_OP_max_pool)
		return LLVMConstNull(type);
	if (az_elem_is_float(p->elem))
		return az_real(e, type, -INFINITY);
	if (p->elem.kind == AZ_KIND_BOOL)
		return LLVMConstNull(type);
	if (p->elem.kind == AZ_KIND_UINT)
		return az_int(e, type, 0);
	return az_int(e, type, az_elem_min(p->elem));
}

/* The sum or maximum over all taps, dimension by dimension in index order. */
static LLVMValueRef over_taps(az_emitter *e, pool *p, const az_place *place, const taps *range,
	uint32_t dim, LLVMValueRef *tap, LLVMValueRef acc)
{
	if (dim == p->spatial)
		return accumulate(e, p, acc, tap_value(e, p, place, tap));
	LLVMValueRef first = range->first[dim], last = range->last[dim];
	if (LLVMIsAConstantInt(first) && LLVMIsAConstantInt(last)) {
		int64_t a = LLVMConstIntGetSExtValue(first), b = LLVMConstIntGetSExtValue(last);
		int64_t total = b - a;
		for (uint32_t d = dim + 1; d < p->spatial; d++)
			total *= p->window[d];
		if (total <= UNROLLED_MAX) {
			for (int64_t k = a; k < b; k++) {
				tap[dim] = az_index(e, k);
				acc = over_taps(e, p, place, range, dim + 1, tap, acc);
			}
			return acc;
		}
	}
	az_loop loop;
	az_span_begin(e, &loop, first, last, 1, &acc);
	tap[dim] = loop.i;
	acc = over_taps(e, p, place, range, dim + 1, tap, loop.carried[0]);
	az_span_end(e, &loop, &acc);
	return loop.carried[0];
}

/* How many places the mean of this window counts. */
static LLVMValueRef count_of(az_emitter *e, const pool *p, const az_place *place, const taps *range)
{
	LLVMValueRef count = az_index(e, 1);
	for (uint32_t i = 0; i < p->spatial; i++) {
		LLVMValueRef first = range->first[i], last = range->last[i];
		bool whole = p->now[i].fixed && p->now[i].last - p->now[i].first == p->window[i];
		if (p->include_pad && !whole) {
			/* Padded places count, those past the padding do not. */
			LLVMValueRef unused;
			first = az_index(e, 0);
			runtime_taps(e, p, i, place->index[1 + i], p->in[i] + p->end[i], &unused,
				&last);
		}
		count = LLVMBuildMul(e->b, count, LLVMBuildSub(e->b, last, first, ""), "");
	}
	/* A window that saw nothing has the sum 0, and gives it. */
	count = az_index_max(e, count, az_index(e, 1));
	LLVMValueRef narrow = LLVMBuildTrunc(e->b, count, e->i32, "");
	LLVMTypeRef type = az_register_type(e, p->elem);
	return az_splat(e, LLVMBuildSIToFP(e->b, narrow, type, ""), place->lanes);
}

static bool body(az_emitter *e, void *data, const az_place *place)
{
	pool *p = data;
	taps range;
	LLVMValueRef tap[SPATIAL_MAX];
	for (uint32_t i = 0; i < p->spatial; i++) {
		range.first[i] = az_index(e, p->now[i].first);
		range.last[i] = az_index(e, p->now[i].last);
		if (!p->now[i].fixed)
			runtime_taps(e, p, i, place->index[1 + i], p->in[i], &range.first[i],
				&range.last[i]);
	}
	LLVMValueRef acc = start_value(e, p, place->lanes);
	acc = over_taps(e, p, place, &range, 0, tap, acc);
	if (p->code == AZ_OP_avg_pool)
		acc = az_fdiv(e, acc, count_of(e, p, place, &range));
	return az_chain_finish(e, &p->chain, place, az_to_grid(e, p->sum, acc));
}

static bool row(az_emitter *e, void *data, const az_place *place)
{
	pool *p = data;
	az_chain_row(e, &p->chain, place);
	return true;
}

/* A nest for every combination of segments. */
static bool emit_segments(az_emitter *e, pool *p, uint32_t dim, int64_t *begin, int64_t *end)
{
	if (dim == p->spatial) {
		uint32_t rank = p->spatial + 2;
		return az_iterate(e, rank, begin, end, az_chain_lanes(e, &p->chain), row, body, p);
	}
	segment list[2 * BORDER_MAX + 1];
	uint32_t count = cut(p, dim, list);
	for (uint32_t s = 0; s < count; s++) {
		p->now[dim] = list[s];
		begin[1 + dim] = list[s].begin;
		end[1 + dim] = list[s].end;
		if (!emit_segments(e, p, dim + 1, begin, end))
			return false;
	}
	return true;
}

bool az_pool_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	pool p = {.zero = 0};
	(void)tile;
	if (!az_chain_parse(func, &p.chain) || !p.chain.anchor)
		return az_error(e->ctx, func->loc, "pool: \"%s\" is no window group", func->name);
	const az_op *op = p.chain.anchor;
	read_pool(&p, op);
	az_chain_bind(e, &p.chain, params);
	const az_type *x = az_op_arg(op, 0)->type, *y = op->results[0]->type;
	az_view_dense(&p.x, az_chain_base(e, func, az_op_arg(op, 0), params), x->elem, x->rank,
		x->dim);
	int64_t begin[AZ_ITER_RANK] = {0}, end[AZ_ITER_RANK] = {0};
	end[0] = y->dim[0];
	end[y->rank - 1] = y->dim[y->rank - 1];
	return emit_segments(e, &p, 0, begin, end) && az_chain_fill_pad(e, &p.chain);
}
