/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions and products whose weights have a scale for each group of input channels:
 *
 *   %x = dequantize %xq, @sx, @zx                     %y = conv %xq, @wq, @b, @zw, @s, group = 32,
 *   %w = dequantize @wq, @sw, @zw, axis, group = 32        zero = [3, 0], clamp = [0, 6] : f32
 *   %y = conv %x, %w, @b, clamp = [0, 6]
 *
 * with @s = f32(sx * sw) for every group. The sums of the groups are exact, f32(sum) * scale are added in order
 * (numerics.md 6). The result stays real; the quantize behind it is computed with it. */
#include <math.h>

#include "passes/fold_quantizers.h"

/* f32(sx * sw) for all scales; NULL when one is not finite. */
static az_value *step_const(const az_op *op, const az_const *scale, float sx)
{
	az_module *module = op->func->module;
	const az_type *type = scale->value.type;
	int64_t count = az_type_numel(type);
	float *v = az_new_array(&module->arena, float, (size_t)count + 1);
	for (int64_t i = 0; i < count; i++) {
		v[i] = sx * (float)az_const_get(scale, (uint64_t)i);
		if (!isfinite(v[i]))
			return NULL;
	}
	return &az_const_new(module, NULL, az_type_with_elem(module->ctx, type, AZ_F32), v, true)
			->value;
}

/* The dequantize of constant weights with groups along the input channels, else NULL. */
static const az_op *grouped_weights(const az_op *op)
{
	const az_op *w = az_def_is(op->args[1].value, AZ_OP_dequantize);
	if (!w || w->attr.dequantize.group < 1 ||
		(op->code != AZ_OP_conv && op->code != AZ_OP_matmul))
		return NULL;
	const az_value *q = w->args[0].value, *zero = az_op_arg(w, 2);
	const az_op *lookup = az_def_is(q, AZ_OP_lookup);
	if (lookup && zero)
		return NULL;
	if (lookup && az_value_is_const(lookup->args[1].value))
		q = lookup->args[0].value;
	bool constant = az_value_is_const(q) && az_value_is_const(w->args[1].value) &&
			(!zero || az_value_is_const(zero));
	const az_type *type = w->results[0]->type;
	int64_t axis = az_axis_normalize(w->attr.dequantize.axis, type->rank);
	int64_t wanted = op->code == AZ_OP_conv ? type->rank - 1 : 0;
	if (!constant || axis != wanted || (op->code == AZ_OP_matmul && type->rank != 2))
		return NULL;
	return az_elem_equal(type->elem, AZ_F32) ? w : NULL;
}

bool az_fold_groups(az_op *op, az_arena *scratch)
{
	(void)scratch;
	az_params px;
	const az_op *x = az_plain_dequantized(op->args[0].value, &px), *w = grouped_weights(op);
	if (!x || !w || az_op_arg(op, 4))
		return false;
	az_value *zeros = az_op_arg(w, 2);
	int64_t zero[2] = {az_params_zero(&px, 0), 0}, group = w->attr.dequantize.group;
	if (zeros && az_type_numel(zeros->type) == 1) {
		zero[1] = az_const_get_int(az_value_const(zeros), 0);
		zeros = NULL;
	}
	az_value *step = step_const(op, az_value_const(w->args[1].value), az_params_scale(&px, 0));
	if (!step)
		return false;
	az_attrs attrs = op->attr;
	az_ints both = {zero[0] || zero[1] ? 2 : 0, zero};
	if (op->code == AZ_OP_conv) {
		attrs.conv.zero = both;
		attrs.conv.group = group;
	} else {
		attrs.matmul.zero = both;
		attrs.matmul.group = group;
	}
	az_value *args[5] = {x->args[0].value, w->args[0].value, az_op_arg(op, 2), zeros, step};
	az_builder at = az_before(op);
	az_value *made = az_build(&at, op->code, 5, args, &attrs, AZ_F32);
	if (!made)
		return false;
	az_replace_op(op, made);
	return true;
}
