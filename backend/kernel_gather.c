/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel gather: slices of the first operand along an axis, chosen by run-time indices, with what follows.
 * Negative indices count from the end. An index that is still outside is clamped to the nearest slice: the
 * program has no way to report it, and must not read outside the operand. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"

typedef struct gather {
	az_chain chain;
	az_view data, index;    /* both in the space of the result; data without its axis */
	int64_t length, stride; /* of the axis */
} gather;

static bool row(az_emitter *e, void *data, const az_place *place)
{
	gather *g = data;
	az_chain_row(e, &g->chain, place);
	return true;
}

static bool body(az_emitter *e, void *data, const az_place *place)
{
	gather *g = data;
	az_place one = *place;
	one.lanes = one.valid = 1;
	LLVMValueRef i = az_view_load(e, &g->index, &one);
	if (g->index.elem.bits < 64)
		i = LLVMBuildSExt(e->b, i, e->i64, "");
	LLVMValueRef from_end = LLVMBuildAdd(e->b, i, az_index(e, g->length), "");
	i = az_choose(e, az_icmp(e, LLVMIntSLT, i, az_index(e, 0)), from_end, i);
	i = az_index_max(e, az_index_min(e, i, az_index(e, g->length - 1)), az_index(e, 0));
	az_view slice = g->data;
	slice.base = az_at(e, slice.base, az_mul(e, i, g->stride * (g->data.elem.bits / 8)));
	return az_chain_finish(e, &g->chain, place, az_view_load(e, &slice, place));
}

bool az_gather_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return az_chain_is(func, &chain, AZ_OP_gather);
}

bool az_gather_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	gather g = {.length = 0};
	(void)tile;
	if (!az_chain_is(func, &g.chain, AZ_OP_gather))
		return az_error(e->ctx, func->loc, "gather: \"%s\" is no such group", func->name);
	const az_op *op = g.chain.anchor;
	const az_type *x = az_op_arg(op, 0)->type, *index = az_op_arg(op, 1)->type;
	const az_type *y = op->results[0]->type;
	uint32_t axis = (uint32_t)az_axis_normalize(op->attr.gather.axis, x->rank);
	az_view dense_x, dense_i;
	az_view_dense(&dense_x, az_chain_base(e, func, az_op_arg(op, 0), params), x->elem, x->rank,
		x->dim);
	az_view_dense(&dense_i, az_chain_base(e, func, az_op_arg(op, 1), params), index->elem,
		index->rank, index->dim);
	g.data = dense_x;
	g.index = dense_i;
	for (uint32_t d = 0; d < y->rank; d++) {
		bool before = d < axis, behind = d >= axis + index->rank;
		g.data.stride[d] = before   ? dense_x.stride[d]
				   : behind ? dense_x.stride[d - index->rank + 1]
					    : 0;
		g.index.stride[d] = before || behind ? 0 : dense_i.stride[d - axis];
	}
	g.length = x->dim[axis];
	g.stride = dense_x.stride[axis];
	az_chain_bind(e, &g.chain, params);
	int64_t zero[AZ_ITER_RANK] = {0}, size[AZ_ITER_RANK] = {1};
	for (uint32_t d = 0; d < y->rank; d++)
		size[d] = y->dim[d];
	/* Where indices run along the last dimension, every lane has its own slice. */
	bool behind = y->rank > 0 && axis + 1u < x->rank;
	uint32_t lanes = behind ? az_chain_lanes(e, &g.chain) : 1;
	return az_iterate(e, AZ_MAX(y->rank, 1u), zero, size, lanes, row, body, &g) &&
	       az_chain_fill_pad(e, &g.chain);
}
