/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs on a grid that does not hold zero. Pixels scaled to [-1, 1] are 256 equally spaced numbers, and
 * zero lies half way between two of them: a quantizer with a whole zero point would misplace every one by
 * half a step. Where only convolutions and products with constant weights read the input, it is moved onto
 * the quantizer's grid, and what that adds to every result goes into the biases:
 *
 *   %c = conv %x, @w, @b                 %s = add %x, @shift        (the input's grid now holds zero)
 *                                        %c = conv %s, @w, @b.1     (@b.1 = @b - shift * sum of @w)
 *
 * At the borders a convolution pads with the moved zero, at most half a step beside the real one. */
#include <math.h>

#include "passes/insert.h"

/* Reads x, possibly moved, by constant weights only; collects who does. */
static bool weighted_only(const az_value *x, az_weighted *out, az_arena *scratch)
{
	for (const az_use *use = x->uses; use; use = use->next) {
		az_op *user = use->user;
		if (!user)
			return false;
		if (az_has_weights(user) && use->index == 0 && user->args[1].value != x) {
			az_vec_push(scratch, &out->list, user);
			continue;
		}
		bool moves = user->code == AZ_OP_transpose || user->code == AZ_OP_reshape;
		if (!moves || !weighted_only(user->results[0], out, scratch))
			return false;
	}
	return x->uses != NULL;
}

/* By how much the grid over the range misses zero: 0 to half a step either way. */
static float offset_of(const az_range *range, float levels)
{
	float lo = fminf(range->lo, 0.0f), hi = fmaxf(range->hi, 0.0f);
	float scale = (hi - lo) / levels;
	if (!(scale >= 0x1p-100f) || !isfinite(scale))
		return 0;
	float offset = lo + rintf(-lo / scale) * scale;
	return fabsf(offset) > scale * 0.01f ? offset : 0;
}

/* bias + offset * sum of the weights, per output channel. */
static bool move_into_bias(az_op *op, float offset)
{
	az_module *module = op->func->module;
	const az_const *w = az_value_const(op->args[1].value);
	const az_value *bias = az_op_arg(op, 2);
	bool last = op->code == AZ_OP_matmul;
	const az_type *type = w->value.type;
	int64_t channels = last ? type->dim[type->rank - 1] : type->dim[0];
	int64_t inner = az_type_numel(type) / AZ_MAX(channels, 1);
	float *v = az_new_array(&module->arena, float, (size_t)channels);
	for (int64_t c = 0; c < channels; c++) {
		double sum = 0;
		for (int64_t i = 0; i < inner; i++)
			sum += az_const_get(w, az_weight_place(type, last, c, i));
		double old = bias ? az_const_get(az_value_const(bias), (uint64_t)c) : 0;
		v[c] = (float)(old + (double)offset * sum);
	}
	const az_type *made = az_type_get(module->ctx, AZ_F32, 1, &channels);
	az_name name = bias ? bias->name : NULL;
	az_value *moved = &az_const_new(module, name, made, v, true)->value;
	if (op->arg_count > 2) {
		az_op_set_arg(op, 2, moved);
		return true;
	}
	az_value *args[3] = {op->args[0].value, op->args[1].value, moved};
	az_builder at = az_before(op);
	az_value *result = az_build(&at, op->code, 3, args, &op->attr, AZ_F32);
	if (result)
		az_replace_op(op, result);
	return result != NULL;
}

static bool shift(az_value *param, float offset, const az_weighted *readers)
{
	az_func *main = param->def.func;
	az_module *module = main->module;
	az_builder at = {main, main->first, AZ_LOC_NONE};
	az_value *args[2] = {param, &az_const_f32_scalar(module, "shift", -offset)->value};
	az_value *moved = az_build(&at, AZ_OP_add, 2, args, NULL, AZ_ELEM_NONE);
	if (!moved)
		return false;
	moved->range = param->range;
	moved->range.lo -= offset;
	moved->range.hi -= offset;
	az_value_replace_uses(param, moved);
	az_op_set_arg(az_value_op(moved), 0, param);
	for (uint32_t i = 0; i < readers->list.count; i++) {
		if (!move_into_bias(readers->list.v[i], offset))
			return false;
	}
	return true;
}

bool az_shift_inputs(az_func *main, float levels, bool *shifted, az_arena *scratch)
{
	for (uint32_t i = 0; i < main->params.count; i++) {
		az_value *param = main->params.v[i];
		az_weighted readers = {0};
		if (!param->range.known || !az_elem_equal(param->type->elem, AZ_F32))
			continue;
		float offset = offset_of(&param->range, levels);
		if (offset == 0 || !weighted_only(param, &readers, scratch))
			continue;
		if (!shift(param, offset, &readers))
			return false;
		shifted[i] = true;
	}
	return true;
}
