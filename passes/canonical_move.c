/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of canonicalize for data movement. */
#include "passes/canonical_rules.h"

static bool replace(az_op *op, az_value *with)
{
	if (with)
		az_replace_op(op, with);
	return with != NULL;
}

bool az_rule_reshape_merge(az_op *op)
{
	const az_op *inner = az_def_is(op->args[0].value, AZ_OP_reshape);
	if (!inner)
		return false;
	const az_type *type = op->results[0]->type;
	az_builder at = az_before(op);
	return replace(op, az_build_reshape(&at, inner->args[0].value, type->rank, type->dim));
}

bool az_rule_transpose_nothing(az_op *op)
{
	az_ints perm = op->attr.transpose.perm;
	az_value *x = op->args[0].value;
	if (az_perm_identity(perm))
		return replace(op, x);
	/* Before sink-transposes a view must stay what it is, so that it can cancel. */
	if (op->func->module->stage == AZ_STAGE_IMPORTED || !az_perm_is_view(perm, x->type->dim))
		return false;
	az_builder at = az_before(op);
	const az_type *type = op->results[0]->type;
	return replace(op, az_build_reshape(&at, x, type->rank, type->dim));
}

bool az_rule_transpose_merge(az_op *op)
{
	const az_op *inner = az_def_is(op->args[0].value, AZ_OP_transpose);
	if (!inner)
		return false;
	int64_t perm[AZ_RANK_MAX];
	uint32_t rank = op->attr.transpose.perm.count;
	for (uint32_t i = 0; i < rank; i++)
		perm[i] = inner->attr.transpose.perm.v[op->attr.transpose.perm.v[i]];
	az_builder at = az_before(op);
	return replace(op, az_build_transpose(&at, inner->args[0].value, rank, perm));
}

/* The dimension of `to` that is dimension `axis` of `from` under a reshape: as many elements before
 * it, and as long. -1 when there is none. */
static int64_t same_axis(const az_type *from, int64_t axis, const az_type *to)
{
	int64_t before = 1, count = 1;
	for (int64_t i = 0; i < axis; i++)
		before *= from->dim[i];
	for (uint32_t i = 0; i < to->rank; i++) {
		if (count == before && to->dim[i] == from->dim[axis])
			return i;
		count *= to->dim[i];
	}
	return -1;
}

bool az_rule_move_stored(az_op *op)
{
	const az_op *dq = az_def_is(op->args[0].value, AZ_OP_dequantize);
	az_const *stored = dq ? az_value_const(dq->args[0].value) : NULL;
	const az_type *type = op->results[0]->type;
	if (!stored || dq->attr.dequantize.group > 0)
		return false;
	az_attrs attrs = dq->attr;
	if (az_type_numel(dq->args[1].value->type) > 1) {
		const az_type *from = stored->value.type;
		int64_t axis = az_axis_normalize(attrs.dequantize.axis, from->rank);
		int64_t to = -1;
		if (op->code == AZ_OP_reshape)
			to = same_axis(from, axis, type);
		for (uint32_t i = 0; op->code == AZ_OP_transpose && i < from->rank; i++) {
			if (op->attr.transpose.perm.v[i] == axis)
				to = i;
		}
		if (to < 0)
			return false;
		attrs.dequantize.axis = to;
	}
	az_const *moved = op->code == AZ_OP_transpose
				  ? az_const_transposed(stored, op->attr.transpose.perm.v)
				  : az_const_reshaped(stored, type->rank, type->dim);
	az_value *args[3] = {&moved->value, dq->args[1].value, az_op_arg(dq, 2)};
	az_builder at = az_before(op);
	return replace(op,
		az_build(&at, AZ_OP_dequantize, dq->arg_count, args, &attrs, type->elem));
}

bool az_rule_slice_nothing(az_op *op)
{
	if (op->args[0].value->type != op->results[0]->type)
		return false;
	for (uint32_t i = 0; i < op->attr.slice.begin.count; i++) {
		if (az_ints_at(op->attr.slice.step, i, 1) != 1)
			return false;
	}
	return replace(op, op->args[0].value);
}

bool az_rule_single(az_op *op)
{
	return op->arg_count == 1 && op->result_count == 1 && replace(op, op->args[0].value);
}

bool az_rule_pool_nothing(az_op *op)
{
	/* The window stands first in the attributes of both pools. */
	az_ints window =
		op->code == AZ_OP_max_pool ? op->attr.max_pool.window : op->attr.avg_pool.window;
	if (op->args[0].value->type != op->results[0]->type)
		return false;
	for (uint32_t i = 0; i < window.count; i++) {
		if (window.v[i] != 1)
			return false;
	}
	return replace(op, op->args[0].value);
}

bool az_rule_resize_nothing(az_op *op)
{
	if (op->args[0].value->type != op->results[0]->type)
		return false;
	for (uint32_t i = 0; i < op->attr.resize.scale.count; i++) {
		if (op->attr.resize.scale.v[i] != 1.0f)
			return false;
	}
	return replace(op, op->args[0].value);
}

/* The convolution's own padding is real zero: 0, or the zero point of stored numbers. */
bool az_rule_conv_pad(az_op *op)
{
	const az_op *pad = az_def_is(op->args[0].value, AZ_OP_pad);
	if (!pad || pad->attr.pad.mode != AZ_padding_constant)
		return false;
	az_value *x = pad->args[0].value;
	bool real = az_elem_is_float(x->type->elem);
	float zero = real ? 0.0f : (float)az_ints_at(op->attr.conv.zero, 0, 0);
	int64_t sum[2 * AZ_RANK_MAX];
	uint32_t last = x->type->rank - 1u;
	if (pad->attr.pad.value != zero)
		return false;
	for (uint32_t i = 0; i < 2 * (last + 1); i++) {
		int64_t added = az_ints_at(pad->attr.pad.pad, i, 0);
		bool spatial = i >= 2 && i < 2 * last;
		if (added < 0 || (added > 0 && !spatial))
			return false;
		if (spatial)
			sum[i - 2] = az_ints_at(op->attr.conv.pad, i - 2, 0) + added;
	}
	op->attr.conv.pad = az_ints_copy(op->func->module, 2 * (last - 1), sum);
	az_op_set_arg(op, 0, x);
	return true;
}

bool az_rule_gather_constant(az_op *op)
{
	az_value *data = op->args[0].value;
	const az_const *index = az_value_const(op->args[1].value);
	const az_type *type = data->type;
	int axis = az_axis_normalize(op->attr.gather.axis, type->rank);
	int64_t count = index ? az_type_numel(index->value.type) : 0;
	if (!index || axis < 0 || count < 1 || index->value.type->rank > 1)
		return false;
	int64_t begin[AZ_RANK_MAX] = {0}, size[AZ_RANK_MAX];
	for (int64_t i = 0; i < count; i++) {
		int64_t at = az_const_get_int(index, (uint64_t)i);
		at += at < 0 ? type->dim[axis] : 0;
		if (i == 0)
			begin[axis] = at;
		if (at != begin[axis] + i || at < 0 || at >= type->dim[axis])
			return false;
	}
	for (uint32_t i = 0; i < type->rank; i++)
		size[i] = type->dim[i];
	size[axis] = count;
	az_attrs attrs;
	az_attrs_init(AZ_OP_slice, &attrs);
	attrs.slice.begin = (az_ints){type->rank, begin};
	attrs.slice.size = (az_ints){type->rank, size};
	az_builder at = az_before(op);
	az_value *piece = az_build(&at, AZ_OP_slice, 1, &data, &attrs, AZ_ELEM_NONE);
	if (!piece)
		return false;
	const az_type *wanted = op->results[0]->type;
	return replace(op, az_build_reshape(&at, piece, wanted->rank, wanted->dim));
}
