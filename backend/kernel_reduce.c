/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels reduce and arg_reduce: over any axes, elements in index order, with what follows. Vectors lie
 * along the last dimension when that one is kept; when it is reduced, results are computed one at a time,
 * and only sums whose order does not show (integers, or floats under --float) take vectors. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"

#include <math.h>

typedef struct reduction {
	az_chain chain;
	az_view x; /* in the space of the result, reduced dimensions without stride */
	az_elem from, to;
	az_reduction kind;
	int64_t zero;
	uint32_t count; /* reduced dimensions, outermost first */
	int64_t size[AZ_RANK_MAX], stride[AZ_RANK_MAX];
	int64_t total; /* elements per result */
	bool last_kept;
	/* arg_reduce */
	bool largest, prefer_last;
} reduction;

/* Stride of x for every dimension of the result, given which dimensions are reduced. */
static void place_view(reduction *r, const az_op *op, const bool *over, LLVMValueRef base)
{
	const az_type *x = az_op_arg(op, 0)->type, *y = op->results[0]->type;
	az_view dense;
	az_view_dense(&dense, base, x->elem, x->rank, x->dim);
	r->x = dense;
	bool drop = y->rank != x->rank;
	uint32_t at = 0;
	r->total = 1;
	r->last_kept = false;
	for (uint32_t d = 0; d < AZ_ITER_RANK; d++)
		r->x.stride[d] = 0;
	for (uint32_t d = 0; d < x->rank; d++) {
		if (over[d]) {
			r->size[r->count] = x->dim[d];
			r->stride[r->count++] = dense.stride[d];
			r->total *= x->dim[d];
			at += !drop;
		} else {
			r->x.stride[at] = dense.stride[d];
			r->last_kept = at + 1u == y->rank && d + 1u == x->rank;
			at++;
		}
	}
}

/* Joins reduced dimensions that lie behind one another. */
static void join_reduced(reduction *r)
{
	for (uint32_t i = r->count; i-- > 1;) {
		if (r->stride[i - 1] != r->stride[i] * r->size[i])
			continue;
		r->size[i - 1] *= r->size[i];
		r->stride[i - 1] = r->stride[i];
		for (uint32_t k = i; k + 1 < r->count; k++) {
			r->size[k] = r->size[k + 1];
			r->stride[k] = r->stride[k + 1];
		}
		r->count--;
	}
}

/* --- Combining ------------------------------------------------------------------------------------------- */

static LLVMValueRef widen(az_emitter *e, const reduction *r, LLVMValueRef x)
{
	if (az_elem_is_float(r->from))
		return x;
	if (r->to.bits > 32 && r->from.bits <= 32) {
		LLVMTypeRef wide = az_type_like(e->i64, x);
		x = az_elem_is_signed(r->from) ? LLVMBuildSExt(e->b, x, wide, "")
					       : LLVMBuildZExt(e->b, x, wide, "");
	}
	if (r->zero)
		x = LLVMBuildSub(e->b, x, az_int_like(e, x, r->zero), "");
	return x;
}

static LLVMValueRef combine(az_emitter *e, const reduction *r, LLVMValueRef acc, LLVMValueRef x)
{
	bool real = az_elem_is_float(r->from);
	switch (r->kind) {
	case AZ_reduction_max:
	case AZ_reduction_min:
		return az_more(e, r->from, r->kind == AZ_reduction_max, acc, x);
	case AZ_reduction_prod:
		return real ? az_fmul(e, acc, x) : LLVMBuildMul(e->b, acc, x, "");
	default:
		x = widen(e, r, x);
		return real ? az_fadd(e, acc, x) : LLVMBuildAdd(e->b, acc, x, "");
	}
}

static LLVMValueRef identity(az_emitter *e, const reduction *r, uint32_t lanes)
{
	LLVMTypeRef type = az_vec_type(az_register_type(e, r->to), lanes);
	bool real = az_elem_is_float(r->to);
	bool max = r->kind == AZ_reduction_max, min = r->kind == AZ_reduction_min;
	if (!max && !min) {
		int64_t v = r->kind == AZ_reduction_prod;
		return real ? az_real(e, type, (double)v) : az_int(e, type, v);
	}
	if (real)
		return az_real(e, type, max ? -INFINITY : INFINITY);
	if (max)
		return az_int(e, type, az_elem_is_signed(r->to) ? az_elem_min(r->to) : 0);
	return r->to.kind == AZ_KIND_UINT && r->to.bits == 64 ? az_int(e, type, -1)
							      : az_int(e, type, az_elem_max(r->to));
}

/* --- Walking --------------------------------------------------------------------------------------------- */

static LLVMValueRef load_at(az_emitter *e, const reduction *r, const az_place *place,
	LLVMValueRef offset, uint32_t lanes)
{
	LLVMValueRef at = az_view_at(e, &r->x, place);
	at = az_at(e, at, az_mul(e, offset, r->from.bits / 8));
	return az_load_part(e, r->from, at, lanes, AZ_MIN(lanes, place->valid));
}

static LLVMValueRef over(az_emitter *e, const reduction *r, const az_place *place, uint32_t dim,
	LLVMValueRef offset, LLVMValueRef acc)
{
	if (dim == r->count)
		return combine(e, r, acc, load_at(e, r, place, offset, place->lanes));
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, r->size[dim]), 1, 1, &acc);
	LLVMValueRef at = az_add(e, offset, az_mul(e, loop.i, r->stride[dim]));
	LLVMValueRef next = over(e, r, place, dim + 1, at, loop.carried[0]);
	az_loop_end(e, &loop, &next);
	return loop.carried[0];
}

/* May the elements of one result be combined in any order? */
static bool any_order(const az_emitter *e, const reduction *r)
{
	return !az_elem_is_float(r->from) || (e->fast && r->from.bits == 32);
}

static LLVMValueRef fold_lanes(az_emitter *e, const reduction *r, LLVMValueRef acc)
{
	reduction plain = *r; /* the partial results are of the result's type already */
	plain.from = r->to;
	plain.zero = 0;
	uint32_t lanes = az_lanes(LLVMTypeOf(acc));
	for (; lanes > 1; lanes /= 2) {
		LLVMValueRef low = az_lanes_of(e, acc, 0, lanes / 2);
		acc = combine(e, &plain, low, az_lanes_of(e, acc, lanes / 2, lanes / 2));
	}
	return acc;
}

/* One dimension with stride 1, taken in vectors. */
static LLVMValueRef contiguous(az_emitter *e, const reduction *r, const az_place *place)
{
	uint32_t lanes = az_expr_lanes(e, az_elem_is_float(r->from), 32);
	int64_t n = r->size[0], whole = n / lanes * lanes;
	LLVMValueRef acc = identity(e, r, 1), base = az_view_at(e, &r->x, place);
	uint32_t bytes = r->from.bits / 8;
	if (whole && lanes > 1) {
		az_loop loop;
		LLVMValueRef wide = identity(e, r, lanes);
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), lanes, 1, &wide);
		LLVMValueRef at = az_at(e, base, az_mul(e, loop.i, bytes));
		LLVMValueRef x = az_load_elems(e, r->from, at, lanes, bytes);
		LLVMValueRef next = combine(e, r, loop.carried[0], x);
		az_loop_end(e, &loop, &next);
		acc = fold_lanes(e, r, loop.carried[0]);
	} else {
		whole = 0;
	}
	if (whole == n)
		return acc;
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, whole), az_index(e, n), 1, 1, &acc);
	LLVMValueRef at = az_at(e, base, az_mul(e, loop.i, bytes));
	LLVMValueRef next = combine(e, r, loop.carried[0], az_load_elems(e, r->from, at, 1, bytes));
	az_loop_end(e, &loop, &next);
	return loop.carried[0];
}

static bool row(az_emitter *e, void *data, const az_place *place)
{
	reduction *r = data;
	az_chain_row(e, &r->chain, place);
	return true;
}

static bool body(az_emitter *e, void *data, const az_place *place)
{
	reduction *r = data;
	LLVMValueRef acc;
	if (r->total == 0)
		acc = identity(e, r, place->lanes);
	else if (place->lanes == 1 && r->count == 1 && r->stride[0] == 1 && any_order(e, r))
		acc = contiguous(e, r, place);
	else
		acc = over(e, r, place, 0, az_index(e, 0), identity(e, r, place->lanes));
	if (r->kind == AZ_reduction_mean)
		acc = az_fdiv(e, acc, az_real_like(e, acc, (double)r->total));
	return az_chain_finish(e, &r->chain, place, az_to_grid(e, r->to, acc));
}

static bool walk(az_emitter *e, reduction *r, az_body *at_place)
{
	const az_type *y = r->chain.anchor->results[0]->type;
	int64_t zero[AZ_ITER_RANK] = {0}, size[AZ_ITER_RANK] = {1};
	uint32_t rank = AZ_MAX(y->rank, 1u);
	for (uint32_t d = 0; d < y->rank; d++)
		size[d] = y->dim[d];
	uint32_t lanes = r->last_kept ? az_chain_lanes(e, &r->chain) : 1;
	return az_iterate(e, rank, zero, size, lanes, row, at_place, r) &&
	       az_chain_fill_pad(e, &r->chain);
}

bool az_reduce_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return az_chain_is(func, &chain, AZ_OP_reduce);
}

bool az_reduce_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	reduction r = {.count = 0};
	(void)tile;
	if (!az_chain_is(func, &r.chain, AZ_OP_reduce))
		return az_error(e->ctx, func->loc, "reduce: \"%s\" is no reduction", func->name);
	const az_op *op = r.chain.anchor;
	const az_type *x = az_op_arg(op, 0)->type;
	bool over_dim[AZ_RANK_MAX] = {false};
	for (uint32_t i = 0; i < op->attr.reduce.axes.count; i++)
		over_dim[az_axis_normalize(op->attr.reduce.axes.v[i], x->rank)] = true;
	az_chain_bind(e, &r.chain, params);
	r.from = x->elem;
	r.to = op->results[0]->type->elem;
	r.kind = op->attr.reduce.kind;
	r.zero = op->attr.reduce.zero;
	place_view(&r, op, over_dim, az_chain_base(e, func, az_op_arg(op, 0), params));
	join_reduced(&r);
	return walk(e, &r, body);
}

/* --- arg_reduce ------------------------------------------------------------------------------------------ */

/* Does x win over the best so far? Ties go to the first unless the last is preferred. */
static LLVMValueRef wins(az_emitter *e, const reduction *r, LLVMValueRef x, LLVMValueRef best)
{
	if (az_elem_is_float(r->from)) {
		LLVMRealPredicate strict = r->largest ? LLVMRealOGT : LLVMRealOLT;
		LLVMRealPredicate tie = r->largest ? LLVMRealOGE : LLVMRealOLE;
		return az_fcmp(e, r->prefer_last ? tie : strict, x, best);
	}
	bool is_signed = r->from.kind != AZ_KIND_BOOL && az_elem_is_signed(r->from);
	LLVMIntPredicate strict = r->largest ? (is_signed ? LLVMIntSGT : LLVMIntUGT)
					     : (is_signed ? LLVMIntSLT : LLVMIntULT);
	LLVMIntPredicate tie = r->largest ? (is_signed ? LLVMIntSGE : LLVMIntUGE)
					  : (is_signed ? LLVMIntSLE : LLVMIntULE);
	return az_icmp(e, r->prefer_last ? tie : strict, x, best);
}

static bool arg_body(az_emitter *e, void *data, const az_place *place)
{
	reduction *r = data;
	LLVMTypeRef index_type = az_vec_type(e->i64, place->lanes);
	LLVMValueRef state[2] = {
		load_at(e, r, place, az_index(e, 0), place->lanes), az_int(e, index_type, 0)};
	if (r->total > 1) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 1), az_index(e, r->total), 1, 2, state);
		LLVMValueRef offset = az_mul(e, loop.i, r->stride[0]);
		LLVMValueRef x = load_at(e, r, place, offset, place->lanes);
		LLVMValueRef better = wins(e, r, x, loop.carried[0]);
		LLVMValueRef i = az_splat(e, loop.i, place->lanes);
		LLVMValueRef next[2] = {az_choose(e, better, x, loop.carried[0]),
			az_choose(e, better, i, loop.carried[1])};
		az_loop_end(e, &loop, next);
		state[1] = loop.carried[1];
	}
	return az_chain_finish(e, &r->chain, place, state[1]);
}

bool az_arg_reduce_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return az_chain_is(func, &chain, AZ_OP_arg_reduce);
}

bool az_arg_reduce_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	reduction r = {.count = 0};
	(void)tile;
	if (!az_chain_is(func, &r.chain, AZ_OP_arg_reduce))
		return az_error(e->ctx, func->loc, "arg_reduce: \"%s\" is no such group",
			func->name);
	const az_op *op = r.chain.anchor;
	const az_type *x = az_op_arg(op, 0)->type;
	bool over_dim[AZ_RANK_MAX] = {false};
	over_dim[az_axis_normalize(op->attr.arg_reduce.axis, x->rank)] = true;
	az_chain_bind(e, &r.chain, params);
	r.from = x->elem;
	r.largest = op->attr.arg_reduce.kind == AZ_extremum_max;
	r.prefer_last = op->attr.arg_reduce.last;
	place_view(&r, op, over_dim, az_chain_base(e, func, az_op_arg(op, 0), params));
	return walk(e, &r, arg_body);
}
