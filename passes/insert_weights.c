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

bool az_quantize_weights(az_op *op, unsigned bits, az_arena *scratch)
{
	az_module *module = op->func->module;
	az_const *w = az_value_const(op->args[1].value);
	const az_type *type = w->value.type;
	az_elem elem = AZ_ELEM(INT, 0);
	elem.bits = (uint8_t)bits;
	bool last = op->code == AZ_OP_matmul;
	int64_t channels = last ? type->dim[type->rank - 1] : type->dim[0];
	int64_t inner = az_type_numel(type) / AZ_MAX(channels, 1);
	int64_t most = az_elem_max(elem);
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
	const char *name = az_name_generated(w->value.name) ? "w" : w->value.name;
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
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = quant.axis;
	az_value *args[2] = {&q->value, &s->value};
	az_builder at = az_before(op);
	az_value *dq = az_build(&at, AZ_OP_dequantize, 2, args, &attrs, AZ_F32);
	if (!dq)
		return false;
	az_op_set_arg(op, 1, dq);
	return true;
}
