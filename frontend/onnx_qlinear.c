/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators on quantized operands. Those that give quantized results are written by their definition,
 * dequantize, compute, quantize: fold-quantizers makes integer operations of them. Those that give
 * accumulators are integer operations at once. */
#include "frontend/onnx_ops.h"

/* Dequantizes operand i with the scale and zero point behind it; lists of them run along `axis`. */
static az_value *dequantized(az_node *n, uint32_t i, const char *what, uint32_t axis)
{
	az_value *q = az_node_need(n, i, what), *scale = az_node_need(n, i + 1, "scale");
	az_value *zero = az_node_in(n, i + 2);
	if (!q || !scale)
		return NULL;
	if (az_type_numel(scale->type) == 1) {
		scale = az_emit_reshape(n, scale, 0, NULL);
		zero = zero && az_type_numel(zero->type) == 1 ? az_emit_reshape(n, zero, 0, NULL)
							      : zero;
	}
	az_value *args[] = {q, scale, zero};
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = scale && scale->type->rank ? (int64_t)axis : -1;
	return scale ? az_emit(n, AZ_OP_dequantize, zero ? 3 : 2, args, &attrs, AZ_F32) : NULL;
}

/* Quantizes to the type of the zero point, operand i + 1, with the scale, operand i. */
static az_value *quantized(az_node *n, az_value *x, uint32_t i)
{
	az_value *scale = az_node_need(n, i, "scale"), *zero = az_node_need(n, i + 1, "zero point");
	if (!x || !scale || !zero)
		return NULL;
	if (az_type_numel(scale->type) != 1 || az_type_numel(zero->type) != 1) {
		az_node_error(n, "the result must have one scale and one zero point");
		return NULL;
	}
	az_value *args[] = {
		x, az_emit_reshape(n, scale, 0, NULL), az_emit_reshape(n, zero, 0, NULL)};
	return args[1] && args[2] ? az_emit(n, AZ_OP_quantize, 3, args, NULL, zero->type->elem)
				  : NULL;
}

/* The integer bias counts in steps of the product of the scales. */
static az_value *real_bias(az_node *n)
{
	az_value *bias = az_node_in(n, 8), *x_scale = n->in[1], *w_scale = n->in[4];
	if (!bias)
		return NULL;
	x_scale = az_emit_reshape(n, x_scale, 0, NULL);
	if (az_type_numel(w_scale->type) == 1)
		w_scale = az_emit_reshape(n, w_scale, 0, NULL);
	az_value *args[] = {bias, az_emit2(n, AZ_OP_mul, x_scale, w_scale)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = args[1] && args[1]->type->rank ? 0 : -1;
	return args[1] ? az_emit(n, AZ_OP_dequantize, 2, args, &attrs, AZ_F32) : NULL;
}

bool az_onnx_qlinear_conv(az_node *n)
{
	az_value *x = dequantized(n, 0, "x", 1), *w = dequantized(n, 3, "weights", 0);
	if (!x || !w)
		return false;
	az_value *y = az_emit_conv(n, x, w, real_bias(n), NULL, AZ_ELEM_NONE);
	return az_node_set(n, 0, quantized(n, y, 6));
}

bool az_onnx_qlinear_matmul(az_node *n)
{
	az_value *a = az_node_need(n, 0, "a"), *b = az_node_need(n, 3, "b");
	if (!a || !b)
		return false;
	if (a->type->rank < 2 || b->type->rank < 2)
		return az_node_error(n, "operands must be matrices");
	a = dequantized(n, 0, "a", a->type->rank - 2u);
	b = dequantized(n, 3, "b", b->type->rank - 1u);
	return az_node_set(n, 0, quantized(n, az_emit_matmul(n, a, b), 6));
}

/* The zero point as an attribute of integer operations: one constant, or none at all. */
static bool constant_zero(const az_value *zero, int64_t *out)
{
	const az_const *constant = zero ? az_value_const(zero) : NULL;
	*out = 0;
	if (!zero)
		return true;
	if (!constant || (az_type_numel(zero->type) != 1 && !constant->splat))
		return false;
	*out = az_const_get_int(constant, 0);
	return true;
}

/* x - zero in 32 bits; a list of zero points runs along `axis`. */
static az_value *less_zero(az_node *n, az_value *x, az_value *zero, uint32_t axis)
{
	int64_t dim[AZ_RANK_MAX];
	if (!x || !zero)
		return x;
	uint32_t rank = x->type->rank;
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = i == axis ? az_type_numel(zero->type) : 1;
	if (zero->type->rank <= 1)
		zero = az_emit_reshape(n, zero, az_type_numel(zero->type) == 1 ? 0 : rank, dim);
	return az_emit2(n, AZ_OP_sub, az_emit_cast(n, x, AZ_I32), az_emit_cast(n, zero, AZ_I32));
}

bool az_onnx_conv_integer(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *w = az_node_need(n, 1, "weights");
	int64_t zero[2];
	if (!constant_zero(az_node_in(n, 2), &zero[0])) {
		x = less_zero(n, x, az_node_in(n, 2), 1);
		zero[0] = 0;
	}
	if (!constant_zero(az_node_in(n, 3), &zero[1])) {
		w = less_zero(n, w, az_node_in(n, 3), 0);
		zero[1] = 0;
	}
	if (!x || !w)
		return false;
	return az_node_set(n, 0, az_emit_conv(n, x, w, NULL, zero, AZ_I32));
}

bool az_onnx_matmul_integer(az_node *n)
{
	az_value *a = az_node_need(n, 0, "a"), *b = az_node_need(n, 1, "b");
	if (!a || !b)
		return false;
	if (a->type->rank < 2 || b->type->rank < 2)
		return az_node_error(n, "operands must be matrices");
	az_attrs attrs;
	az_attrs_init(AZ_OP_matmul, &attrs);
	int64_t zero[2];
	if (!constant_zero(az_node_in(n, 2), &zero[0])) {
		a = less_zero(n, a, az_node_in(n, 2), a->type->rank - 2u);
		zero[0] = 0;
	}
	if (!constant_zero(az_node_in(n, 3), &zero[1])) {
		b = less_zero(n, b, az_node_in(n, 3), b->type->rank - 1u);
		zero[1] = 0;
	}
	attrs.matmul.zero = (az_ints){2, zero};
	az_value *args[] = {a, b};
	return a && b && az_node_set(n, 0, az_emit(n, AZ_OP_matmul, 2, args, &attrs, AZ_I32));
}

/* scale = (max(x, 0) - min(x, 0)) / 255, zero = round(-min / scale) */
bool az_onnx_dynamic_quantize(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	int64_t axes[AZ_RANK_MAX];
	if (!x)
		return false;
	for (uint32_t i = 0; i < x->type->rank; i++)
		axes[i] = i;
	az_value *none = az_emit_scalar(n, AZ_F32, 0);
	az_value *lo = az_emit_reduce(n, AZ_reduction_min, x, x->type->rank, axes, true);
	az_value *hi = az_emit_reduce(n, AZ_reduction_max, x, x->type->rank, axes, true);
	lo = az_emit2(n, AZ_OP_min, lo, none);
	hi = az_emit2(n, AZ_OP_max, hi, none);
	az_value *scale = az_emit2(n, AZ_OP_div, az_emit2(n, AZ_OP_sub, hi, lo),
		az_emit_scalar(n, AZ_F32, 255));
	az_value *zero = az_emit2(n, AZ_OP_div, az_emit1(n, AZ_OP_neg, lo), scale);
	az_attrs attrs;
	az_attrs_init(AZ_OP_clip, &attrs);
	attrs.clip.lo = 0;
	attrs.clip.hi = 255;
	zero = az_emit1(n, AZ_OP_round, az_emit_attr(n, AZ_OP_clip, zero, &attrs));
	zero = az_emit_cast(n, zero, AZ_U8);
	az_value *args[] = {x, scale, zero};
	if (!scale || !zero)
		return false;
	return az_node_set(n, 0, az_emit(n, AZ_OP_quantize, 3, args, NULL, AZ_U8)) &&
	       az_node_set(n, 1, scale) && az_node_set(n, 2, zero);
}

/* com.microsoft: dequantize, compute, quantize */

bool az_onnx_qlinear_binary(az_node *n)
{
	az_value *a = dequantized(n, 0, "a", 0), *b = dequantized(n, 3, "b", 0);
	return az_node_set(n, 0, quantized(n, az_emit2(n, (az_opcode)n->code, a, b), 6));
}

bool az_onnx_qlinear_unary(az_node *n)
{
	az_value *x = dequantized(n, 0, "x", 0);
	az_attrs attrs;
	az_attrs_init((az_opcode)n->code, &attrs);
	if (n->code == AZ_OP_leaky_relu)
		attrs.leaky_relu.slope = az_node_real(n, "alpha", 0.01f);
	if (!x || n->bad)
		return false;
	return az_node_set(n, 0,
		quantized(n, az_emit(n, (az_opcode)n->code, 1, &x, &attrs, AZ_ELEM_NONE), 3));
}

bool az_onnx_qlinear_softmax(az_node *n)
{
	az_value *x = dequantized(n, 0, "x", 0);
	az_attrs attrs;
	az_attrs_init(AZ_OP_softmax, &attrs);
	if (!x)
		return false;
	if (az_node_int(n, "opset", 13) < 13)
		return az_node_error(n, "opset = %lld; 13 and later are supported",
			(long long)az_node_int(n, "opset", 13));
	attrs.softmax.axis = az_node_axis(n, "axis", -1, x->type->rank);
	return !n->bad &&
	       az_node_set(n, 0, quantized(n, az_emit_attr(n, AZ_OP_softmax, x, &attrs), 3));
}

bool az_onnx_qlinear_global_average_pool(az_node *n)
{
	az_value *x = dequantized(n, 0, "x", 0);
	int64_t axes[AZ_RANK_MAX], first = az_node_int(n, "channels_last", 0) ? 1 : 2;
	if (!x || n->bad)
		return false;
	if (x->type->rank < 3)
		return az_node_error(n, "x has %u dimensions, at least 3 are needed",
			x->type->rank);
	uint32_t count = x->type->rank - 2u;
	for (uint32_t i = 0; i < count; i++)
		axes[i] = first + i;
	return az_node_set(n, 0,
		quantized(n, az_emit_reduce(n, AZ_reduction_mean, x, count, axes, false), 3));
}

/* y scale, y zero, then x, scale, zero of each operand */
bool az_onnx_qlinear_concat(az_node *n)
{
	uint32_t count = n->in_count > 2 ? (n->in_count - 2) / 3 : 0;
	if (count == 0 || n->in_count != 2 + 3 * count)
		return az_node_error(n, "%u operands are not 2 and 3 for each input", n->in_count);
	az_value **args = az_new_array(&n->im->scratch, az_value *, count);
	for (uint32_t i = 0; i < count; i++) {
		args[i] = dequantized(n, 2 + 3 * i, "x", 0);
		if (!args[i])
			return false;
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_concat, &attrs);
	attrs.concat.axis = az_node_axis(n, "axis", 1, args[0]->type->rank);
	if (n->bad)
		return false;
	return az_node_set(n, 0,
		quantized(n, az_emit(n, AZ_OP_concat, count, args, &attrs, AZ_ELEM_NONE), 0));
}
