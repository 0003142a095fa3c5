/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights as dequantized integers: symmetric, one scale per output channel. */
#include <math.h>

#include "base/bits.h"
#include "passes/insert.h"

/* The scale of the quantized operand of an operation with weights. */
static float scale_of(const az_value *x)
{
	const az_op *dq = az_def_is(x, AZ_OP_dequantize);
	return dq ? (float)az_const_get(az_value_const(dq->args[1].value), 0) : 1.0f;
}

uint64_t az_weight_place(const az_type *type, bool last, int64_t c, int64_t i)
{
	int64_t channels = last ? type->dim[type->rank - 1] : type->dim[0];
	int64_t inner = az_type_numel(type) / channels;
	return (uint64_t)(last ? i * channels + c : c * inner + i);
}

/* One channel's weights as f32, next to each other. */
static void gather_channel(const az_const *w, bool last, int64_t c, int64_t inner, float *out)
{
	for (int64_t i = 0; i < inner; i++)
		out[i] = (float)az_const_get(w, az_weight_place(w->value.type, last, c, i));
}

/* The scale, raised where the bias would need more than 2^30 steps. */
static float channel_scale(const az_op *op, const float *w, int64_t inner, int64_t c, int64_t most)
{
	float scale = az_weight_scale(w, inner, most);
	const az_value *bias = az_op_arg(op, 2);
	if (bias) {
		float b = fabsf((float)az_const_get(az_value_const(bias), (uint64_t)c));
		scale = fmaxf(scale, b / (scale_of(op->args[0].value) * 0x1p30f));
	}
	return scale;
}

/* The scale and zero point of weights that are multiples of one step, not more apart than the type
 * holds; false when they are no such multiples, or need no zero point. */
static bool whole_grid(const az_const *w, az_elem elem, float *scale, int64_t *zero,
	az_arena *scratch)
{
	int64_t count = az_type_numel(w->value.type);
	float *v = az_new_array(scratch, float, (size_t)count + 1);
	gather_channel(w, false, 0, count, v);
	int64_t span = az_elem_max(elem) - az_elem_min(elem);
	*scale = az_weight_step(v, count, span);
	if (*scale == 0)
		return false;
	float least = 0, most = 0;
	for (int64_t i = 0; i < count; i++) {
		least = fminf(least, rintf(v[i] / *scale));
		most = fmaxf(most, rintf(v[i] / *scale));
	}
	bool one_sided = most > (float)az_elem_max(elem) || -least > (float)az_elem_max(elem);
	*zero = az_elem_min(elem) - (int64_t)least;
	return one_sided && most - least <= (float)span;
}

/* Stored weights dequantized in place of op's: `scale` and `zero` (NULL: none) as constants. */
static bool set_stored(az_op *op, az_const *q, az_value *scale, az_value *zero, int64_t axis)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = axis;
	az_value *args[3] = {&q->value, scale, zero};
	az_builder at = az_before(op);
	az_value *dq = az_build(&at, AZ_OP_dequantize, zero ? 3 : 2, args, &attrs, AZ_F32);
	if (dq)
		az_op_set_arg(op, 1, dq);
	return dq != NULL;
}

static bool quantize_exactly(az_op *op, az_elem elem, float scale, int64_t zero, const char *name,
	az_arena *scratch)
{
	az_module *module = op->func->module;
	const az_const *w = az_value_const(op->args[1].value);
	const az_type *stored = az_type_with_elem(module->ctx, w->value.type, elem);
	void *data = az_arena_alloc(&module->arena, az_type_size(stored), 64);
	int64_t count = az_type_numel(stored);
	for (int64_t i = 0; i < count; i++)
		az_bits_set(data, (uint64_t)i, elem.bits,
			(uint64_t)az_quantize_one((float)az_const_get(w, (uint64_t)i), scale, zero,
				az_elem_min(elem), az_elem_max(elem)));
	unsigned char element[8] = {0};
	az_bits_set(element, 0, elem.bits, (uint64_t)zero);
	az_const *q =
		az_const_new(module, az_arena_printf(scratch, "%s.q", name), stored, data, true);
	az_const *s =
		az_const_f32_scalar(module, az_arena_printf(scratch, "%s.scale", name), scale);
	az_const *z = az_const_new(module, az_arena_printf(scratch, "%s.zero", name),
		az_type_get(module->ctx, elem, 0, NULL), element, false);
	q->value.quant = az_quant_scalar(module, scale, (int32_t)zero);
	return set_stored(op, q, &s->value, &z->value, -1);
}

bool az_quantize_weights(az_op *op, unsigned bits, bool exact, az_arena *scratch)
{
	az_module *module = op->func->module;
	az_const *w = az_value_const(op->args[1].value);
	const az_type *type = w->value.type;
	az_elem elem = AZ_ELEM(INT, 0);
	elem.bits = (uint8_t)bits;
	bool last = op->code == AZ_OP_matmul;
	int64_t channels = last ? type->dim[type->rank - 1] : type->dim[0];
	int64_t inner = az_type_numel(type) / AZ_MAX(channels, 1);
	int64_t most = az_elem_max(elem), grid_zero;
	const char *name = az_name_generated(w->value.name) ? "w" : w->value.name;
	float grid;
	if (exact && whole_grid(w, elem, &grid, &grid_zero, scratch))
		return quantize_exactly(op, elem, grid, grid_zero, name, scratch);
	const az_type *stored = az_type_with_elem(module->ctx, type, elem);
	char *data = az_arena_alloc(&module->arena, az_type_size(stored), 64);
	float *scale = az_new_array(&module->arena, float, (size_t)channels);
	float *channel = az_new_array(scratch, float, (size_t)inner + 1);
	for (int64_t c = 0; c < channels; c++) {
		gather_channel(w, last, c, inner, channel);
		scale[c] = channel_scale(op, channel, inner, c, most);
		for (int64_t i = 0; i < inner; i++)
			az_bits_set(data, az_weight_place(type, last, c, i), elem.bits,
				(uint64_t)az_quantize_one(channel[i], scale[c], 0, -most, most));
	}
	az_const *q =
		az_const_new(module, az_arena_printf(scratch, "%s.q", name), stored, data, true);
	az_const *s = az_const_f32(module, az_arena_printf(scratch, "%s.scale", name), 1, &channels,
		scale);
	az_quant quant = {.name = q->value.name,
		.grid = AZ_GRID_AFFINE,
		.count = (uint32_t)channels,
		.axis = (int16_t)(last ? type->rank - 1 : 0),
		.scale = scale};
	q->value.quant = az_quant_get(module, &quant);
	return set_stored(op, q, &s->value, NULL, quant.axis);
}
