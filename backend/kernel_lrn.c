/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel lrn: local response normalization along one axis, with what follows. Along the last dimension the places
 * whose neighbours all exist are taken in vectors and the few at the ends one by one; along another, the
 * lanes are independent and the ends are known as the loop runs. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"

typedef struct lrn {
	az_chain chain;
	az_view x;
	az_elem elem;
	uint32_t axis;
	int64_t length, before, after; /* neighbours at lower and higher indices */
	int64_t size;
	float alpha, beta, bias;
} lrn;

static bool row(az_emitter *e, void *data, const az_place *place)
{
	lrn *l = data;
	az_chain_row(e, &l->chain, place);
	return true;
}

static LLVMValueRef square_at(az_emitter *e, const lrn *l, const az_place *place,
	LLVMValueRef index)
{
	az_place at = *place;
	at.index[l->axis] = index;
	LLVMValueRef x = az_view_load(e, &l->x, &at);
	return az_fmul(e, x, x);
}

/* d to the power beta; under --float the usual 3/4 is two square roots. */
static LLVMValueRef power(az_emitter *e, const lrn *l, LLVMValueRef d)
{
	if (!e->fast || l->beta != 0.75f)
		return az_math_pow(e, d, az_real_like(e, d, (double)l->beta));
	LLVMValueRef root = az_sqrt(e, d);
	return az_fmul(e, root, az_sqrt(e, root));
}

static bool finish(az_emitter *e, lrn *l, const az_place *place, LLVMValueRef sum)
{
	LLVMValueRef x = az_view_load(e, &l->x, place);
	double step = l->elem.bits == 64 ? (double)l->alpha / (double)l->size
					 : (double)(l->alpha / (float)l->size);
	LLVMValueRef scale = az_real_like(e, x, step);
	LLVMValueRef d = az_fmul(e, scale, sum);
	d = az_fadd(e, az_real_like(e, x, (double)l->bias), d);
	d = power(e, l, d);
	LLVMValueRef y = az_to_grid(e, l->elem, az_fdiv(e, x, d));
	return az_chain_finish(e, &l->chain, place, y);
}

static bool body(az_emitter *e, void *data, const az_place *place)
{
	lrn *l = data;
	LLVMValueRef at = place->index[l->axis];
	LLVMValueRef first =
		az_index_max(e, az_add(e, at, az_index(e, -l->before)), az_index(e, 0));
	LLVMValueRef end =
		az_index_min(e, az_add(e, at, az_index(e, l->after + 1)), az_index(e, l->length));
	LLVMTypeRef type = az_vec_type(az_register_type(e, l->elem), place->lanes);
	LLVMValueRef sum = LLVMConstNull(type);
	az_loop loop;
	az_span_begin(e, &loop, first, end, 1, &sum);
	LLVMValueRef next = az_fadd(e, loop.carried[0], square_at(e, l, place, loop.i));
	az_span_end(e, &loop, &next);
	return finish(e, l, place, loop.carried[0]);
}

/* All neighbours exist for every lane. */
static bool inner_body(az_emitter *e, void *data, const az_place *place)
{
	lrn *l = data;
	LLVMValueRef sum = LLVMConstNull(az_vec_type(az_register_type(e, l->elem), place->lanes));
	az_loop loop;
	LLVMValueRef at = place->index[l->axis];
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, l->before + l->after + 1), 1, 1, &sum);
	LLVMValueRef index = az_add(e, az_add(e, at, loop.i), az_index(e, -l->before));
	LLVMValueRef next = az_fadd(e, loop.carried[0], square_at(e, l, place, index));
	az_loop_end(e, &loop, &next);
	return finish(e, l, place, loop.carried[0]);
}

static bool along_last(az_emitter *e, lrn *l, uint32_t rank, int64_t *begin, int64_t *end,
	uint32_t lanes)
{
	int64_t from = AZ_MIN(l->before, l->length), to = AZ_MAX(l->length - l->after, from);
	end[l->axis] = from;
	if (!az_iterate(e, rank, begin, end, 1, row, body, l))
		return false;
	begin[l->axis] = from;
	end[l->axis] = to;
	if (!az_iterate(e, rank, begin, end, lanes, row, inner_body, l))
		return false;
	begin[l->axis] = to;
	end[l->axis] = l->length;
	return az_iterate(e, rank, begin, end, 1, row, body, l);
}

bool az_lrn_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return az_chain_is(func, &chain, AZ_OP_lrn);
}

bool az_lrn_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	lrn l = {.axis = 0};
	(void)tile;
	if (!az_chain_is(func, &l.chain, AZ_OP_lrn))
		return az_error(e->ctx, func->loc, "lrn: \"%s\" is no such group", func->name);
	const az_op *op = l.chain.anchor;
	const az_attrs_lrn *attr = &op->attr.lrn;
	const az_type *x = az_op_arg(op, 0)->type;
	l.axis = (uint32_t)az_axis_normalize(attr->axis, x->rank);
	l.length = x->dim[l.axis];
	l.size = attr->size;
	/* A neighbourhood wider than the axis holds all of it. */
	l.before = AZ_MIN((attr->size - 1) / 2, l.length);
	l.after = AZ_MIN(attr->size / 2, l.length);
	l.alpha = attr->alpha, l.beta = attr->beta, l.bias = attr->bias;
	l.elem = x->elem;
	az_chain_bind(e, &l.chain, params);
	az_view_dense(&l.x, az_chain_base(e, func, az_op_arg(op, 0), params), x->elem, x->rank,
		x->dim);
	int64_t begin[AZ_ITER_RANK] = {0}, end[AZ_ITER_RANK] = {0};
	for (uint32_t d = 0; d < x->rank; d++)
		end[d] = x->dim[d];
	uint32_t lanes = az_chain_lanes(e, &l.chain);
	bool ok = l.axis + 1u == x->rank ? along_last(e, &l, x->rank, begin, end, lanes)
					 : az_iterate(e, x->rank, begin, end, lanes, row, body, &l);
	return ok && az_chain_fill_pad(e, &l.chain);
}
