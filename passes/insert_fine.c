/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations in two bytes, for networks whose first layers do not bear 8 bits. What quantizing leaves of
 * a value is quantized again, in steps 254 times finer, and the convolution is computed for both parts:
 *
 *   %d = conv %a, @v, @b, clamp = [0, 6]        %q = quantize %a, @s, @z                  (coarse)
 *                                               %c = dequantize %q, @s, @z
 *                                               %e = sub %a, %c
 *                                               %f = quantize %e, @t, @h                  (fine)
 *                                               %g = dequantize %f, @t, @h
 *                                               %1 = conv %c, @v, @b
 *                                               %2 = conv %g, @v
 *                                               %d = add %1, %2, clamp = [0, 6]
 *
 * Both convolutions are ordinary 8-bit ones; their sum is one strict float addition. */
#include <math.h>

#include "base/bits.h"
#include "passes/insert.h"

/* The value as integers in steps of scale, and what these stand for. */
static az_value *there_and_back(az_builder *at, az_value *x, float scale, int64_t zero,
	az_elem elem)
{
	az_module *module = at->func->module;
	unsigned char stored[8] = {0};
	az_bits_set(stored, 0, elem.bits, (uint64_t)zero);
	const az_type *type = az_type_get(module->ctx, elem, 0, NULL);
	az_value *args[3] = {x, &az_const_f32_scalar(module, "fine.scale", scale)->value,
		&az_const_new(module, "fine.zero", type, stored, false)->value};
	az_value *q = az_build(at, AZ_OP_quantize, 3, args, NULL, elem);
	if (!q)
		return NULL;
	q->quant = az_quant_scalar(module, scale, (int32_t)zero);
	args[0] = q;
	return az_build(at, AZ_OP_dequantize, 3, args, NULL, AZ_F32);
}

static az_reals take_clamp(az_op *op)
{
	az_reals *clamp = op->code == AZ_OP_conv             ? &op->attr.conv.clamp
			  : op->code == AZ_OP_conv_transpose ? &op->attr.conv_transpose.clamp
							     : &op->attr.matmul.clamp;
	az_reals was = *clamp;
	*clamp = (az_reals){0, NULL};
	return was;
}

/* op reads coarse, a copy of it without bias reads fine, and the sum takes op's place. */
static az_value *add_parts(az_op *op, az_value *coarse, az_value *fine)
{
	az_value *result = op->results[0];
	az_reals clamp = take_clamp(op);
	az_builder at = {op->func, op->next, op->loc};
	az_value *args[2] = {fine, op->args[1].value};
	az_value *second = az_build(&at, op->code, 2, args, &op->attr, AZ_F32);
	if (!second)
		return NULL;
	az_attrs attrs;
	az_attrs_init(AZ_OP_add, &attrs);
	attrs.add.clamp = clamp;
	args[0] = second;
	args[1] = second;
	az_value *sum = az_build(&at, AZ_OP_add, 2, args, &attrs, AZ_ELEM_NONE);
	if (!sum)
		return NULL;
	az_op_set_arg(op, 0, coarse);
	az_replace_value(result, sum);
	az_op_set_arg(az_value_op(sum), 0, result);
	sum->range = result->range;
	return sum;
}

/* Is the value an input, however moved? Its own grid serves it better. */
static bool from_input(const az_value *x)
{
	const az_op *op = az_value_op(x);
	while (op && (op->code == AZ_OP_transpose || op->code == AZ_OP_reshape ||
			     op->code == AZ_OP_add)) {
		x = op->args[0].value;
		op = az_value_op(x);
	}
	return x->kind == AZ_VALUE_PARAM;
}

static az_value *split(az_op *op, az_elem elem)
{
	az_value *x = op->args[0].value;
	float levels = (float)az_elem_max(elem);
	float lo = fminf(x->range.lo, 0.0f), hi = fmaxf(x->range.hi, 0.0f);
	float scale = (hi - lo) / levels;
	if (!(scale >= 0x1p-100f) || !isfinite(scale))
		return NULL;
	az_builder at = az_before(op);
	az_value *coarse = there_and_back(&at, x, scale, (int64_t)rintf(-lo / scale), elem);
	az_value *args[2] = {x, coarse};
	az_value *rest = coarse ? az_build(&at, AZ_OP_sub, 2, args, NULL, AZ_ELEM_NONE) : NULL;
	int64_t middle = (az_elem_max(elem) + 1) / 2;
	az_value *fine =
		rest ? there_and_back(&at, rest, scale / (levels - 1), middle, elem) : NULL;
	return fine ? add_parts(op, coarse, fine) : NULL;
}

bool az_quantize_fine(az_func *main, int64_t count, az_elem elem, az_weighted *sums,
	az_arena *scratch)
{
	az_op *next;
	for (az_op *op = main->first; op && count > 0; op = next) {
		next = op->next;
		if (!az_has_weights(op) || from_input(op->args[0].value) ||
			!op->args[0].value->range.known || !az_used_once(op->args[0].value))
			continue;
		az_value *sum = split(op, elem);
		if (!sum)
			return false;
		az_vec_push(scratch, &sums->list, az_value_op(sum));
		count--;
	}
	return true;
}
