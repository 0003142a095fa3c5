/* SPDX-License-Identifier: Apache-2.0
 *
 * decompose: expresses operations by simpler ones where nothing is lost, so that later passes and the
 * backend see fewer forms.
 *
 *   %p = avg_pool %x, window = [7, 7]              %p = reduce %x, kind = mean, axes = [1, 2]
 *   %a, %b = split %y, axis = 3, sizes = [8, 8]    %a = slice %y, begin = [0, 0, 0, 0], ...
 *   %e = expand %s, shape = [1, 7, 7, 16]          %m = mul %y, %s
 *   %m = mul %y, %e
 *
 * - an average over all places, without padding, is a mean over the spatial dimensions
 * - a mean, sum, maximum or minimum over dimensions of length 1 is the operand in another shape
 * - a split is slices
 * - an expansion is left out where the user broadcasts anyway
 * - a tile of dimensions of length 1 is an expansion
 *
 * Requires: nothing. Guarantees: no split is left. Terminates: every rule removes an operation or
 * replaces one by an operation that no rule takes (tile by expand, once). */
#include "passes/rewrite.h"

static bool replace(az_op *op, az_value *with)
{
	if (with)
		az_replace_op(op, with);
	return with != NULL;
}

static bool global_average(az_op *op)
{
	const az_attrs_avg_pool *attr = &op->attr.avg_pool;
	az_value *x = op->args[0].value;
	uint32_t spatial = x->type->rank - 2u;
	int64_t axes[AZ_RANK_MAX];
	for (uint32_t i = 0; i < spatial; i++) {
		if (attr->window.v[i] != x->type->dim[1 + i] ||
			op->results[0]->type->dim[1 + i] != 1 ||
			az_ints_at(attr->dilation, i, 1) != 1)
			return false;
		axes[i] = 1 + i;
	}
	for (uint32_t i = 0; i < attr->pad.count; i++) {
		if (attr->pad.v[i] != 0)
			return false;
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_reduce, &attrs);
	attrs.reduce.kind = AZ_reduction_mean;
	attrs.reduce.axes = (az_ints){spatial, axes};
	az_builder at = az_before(op);
	return replace(op, az_build(&at, AZ_OP_reduce, 1, &x, &attrs, AZ_ELEM_NONE));
}

static bool reduce_nothing(az_op *op)
{
	az_value *x = op->args[0].value;
	const az_type *type = op->results[0]->type;
	if (!az_elem_equal(x->type->elem, type->elem) || op->attr.reduce.zero != 0)
		return false;
	for (uint32_t i = 0; i < op->attr.reduce.axes.count; i++) {
		int axis = az_axis_normalize(op->attr.reduce.axes.v[i], x->type->rank);
		if (axis < 0 || x->type->dim[axis] != 1)
			return false;
	}
	az_builder at = az_before(op);
	return replace(op, az_build_reshape(&at, x, type->rank, type->dim));
}

static bool split_to_slices(az_op *op)
{
	az_value *x = op->args[0].value;
	int axis = az_axis_normalize(op->attr.split.axis, x->type->rank);
	int64_t begin[AZ_RANK_MAX] = {0};
	az_builder at = az_before(op);
	for (uint32_t i = 0; i < op->result_count; i++) {
		az_attrs attrs;
		az_attrs_init(AZ_OP_slice, &attrs);
		attrs.slice.begin = (az_ints){x->type->rank, begin};
		attrs.slice.size = (az_ints){x->type->rank, op->results[i]->type->dim};
		az_value *piece = az_build(&at, AZ_OP_slice, 1, &x, &attrs, AZ_ELEM_NONE);
		if (!piece)
			return false;
		az_replace_value(op->results[i], piece);
		begin[axis] += op->results[i]->type->dim[axis];
	}
	az_op_erase(op);
	return true;
}

/* Would the user's result have the same shape with the small operand? */
static bool broadcasts_without(const az_op *user, const az_value *big, const az_value *small)
{
	uint32_t rank = 0;
	int64_t dim[AZ_RANK_MAX] = {0};
	for (uint32_t i = 0; i < user->arg_count; i++) {
		const az_value *arg = user->args[i].value;
		const az_type *type = arg == big ? small->type : arg->type;
		if (!az_shape_broadcast(rank, dim, type->rank, type->dim, &rank, dim))
			return false;
	}
	const az_type *result = user->results[0]->type;
	bool same = rank == result->rank;
	for (uint32_t i = 0; same && i < rank; i++)
		same = dim[i] == result->dim[i];
	return same;
}

static bool expand_before_broadcast(az_op *op)
{
	az_value *small = op->args[0].value, *big = op->results[0];
	bool changed = false;
	az_use *next;
	for (az_use *use = big->uses; use; use = next) {
		next = use->next;
		az_op *user = use->user;
		if (!user || !(az_op_table[user->code].traits & AZ_TRAIT_ELTWISE) ||
			!broadcasts_without(user, big, small))
			continue;
		az_op_set_arg(user, use->index, small);
		changed = true;
		next = big->uses; /* the list has changed */
	}
	if (changed && !big->uses)
		az_op_erase(op);
	return changed;
}

static bool tile_to_expand(az_op *op)
{
	az_value *x = op->args[0].value;
	const az_type *type = op->results[0]->type;
	for (uint32_t i = 0; i < x->type->rank; i++) {
		if (x->type->dim[i] != 1 && x->type->dim[i] != type->dim[i])
			return false;
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_expand, &attrs);
	attrs.expand.shape = (az_ints){type->rank, type->dim};
	az_builder at = az_before(op);
	return replace(op, az_build(&at, AZ_OP_expand, 1, &x, &attrs, AZ_ELEM_NONE));
}

static bool decompose(az_op *op)
{
	switch (op->code) {
	case AZ_OP_avg_pool:
		return global_average(op);
	case AZ_OP_reduce:
		return reduce_nothing(op);
	case AZ_OP_split:
		return split_to_slices(op);
	case AZ_OP_expand:
		return expand_before_broadcast(op);
	case AZ_OP_tile:
		return tile_to_expand(op);
	default:
		return false;
	}
}

bool az_pass_decompose(az_pass_ctx *pass)
{
	bool changed;
	do {
		changed = false;
		for (uint32_t i = 0; i < pass->module->funcs.count; i++) {
			az_op *next;
			for (az_op *op = pass->module->funcs.v[i]->first; op; op = next) {
				next = op->next;
				changed |= decompose(op);
			}
		}
	} while (changed);
	return true;
}
