/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators on quantized operands. Those that give quantized results are written by their definition,
 * dequantize, compute, quantize: fold-quantizers makes integer operations of them. Those that give
 * accumulators are integer operations at once. */
#include "frontend/onnx_ops.h"

#define SPATIAL_MIN 3 /* dimensions of an operand with spatial ones */

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

/* An integer bias counts in steps of the product of the two scales. */
static az_value *real_bias(az_node *n, az_value *bias, az_value *x_scale, az_value *w_scale)
{
	if (!bias || !x_scale || !w_scale)
		return NULL;
	if (az_type_numel(x_scale->type) != 1) {
		az_node_error(n, "with a bias the first operand must have one scale");
		return NULL;
	}
	x_scale = az_emit_reshape(n, x_scale, 0, NULL);
	int64_t count = az_type_numel(w_scale->type), last = az_type_numel(bias->type);
	w_scale = az_emit_reshape(n, w_scale, count == 1 ? 0 : 1, &count);
	if (bias->type->rank != 1)
		bias = az_emit_reshape(n, bias, 1, &last);
	az_value *args[] = {bias, az_emit2(n, AZ_OP_mul, x_scale, w_scale)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = args[1] && args[1]->type->rank ? 0 : -1;
	return args[0] && args[1] ? az_emit(n, AZ_OP_dequantize, 2, args, &attrs, AZ_F32) : NULL;
}

/* channels_last is com.microsoft's: x and y are [N, spatial..., C], the weights as ever. */
bool az_onnx_qlinear_conv(az_node *n)
{
	bool last = az_node_int(n, "channels_last", 0) != 0;
	az_value *x = dequantized(n, 0, "x", 1), *w = dequantized(n, 3, "weights", 0);
	if (!x || !w)
		return false;
	az_value *bias = real_bias(n, az_node_in(n, 8), n->in[1], n->in[4]);
	if (last)
		x = az_emit_channels_first(n, x);
	az_value *y = x ? az_emit_conv(n, x, w, bias, NULL, AZ_ELEM_NONE) : NULL;
	return az_node_set(n, 0, quantized(n, last ? az_emit_channels_last(n, y) : y, 6));
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

/* scale = (max(x, 0) - min(x, 0)) / 255, zero = round(-min / scale); x quantized so. */
static az_value *quantized_by_range(az_node *n, az_value *x, az_value **scale_out,
	az_value **zero_out)
{
	int64_t axes[AZ_RANK_MAX];
	if (!x)
		return NULL;
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
	*scale_out = scale;
	*zero_out = zero;
	return scale && zero ? az_emit(n, AZ_OP_quantize, 3, args, NULL, AZ_U8) : NULL;
}

bool az_onnx_dynamic_quantize(az_node *n)
{
	az_value *scale, *zero;
	az_value *q = quantized_by_range(n, az_node_need(n, 0, "x"), &scale, &zero);
	return q && az_node_set(n, 0, q) && az_node_set(n, 1, scale) && az_node_set(n, 2, zero);
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
	if (x->type->rank < SPATIAL_MIN)
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

bool az_onnx_qlinear_average_pool(az_node *n)
{
	bool last = az_node_int(n, "channels_last", 0) != 0;
	az_value *x = dequantized(n, 0, "x", 0);
	if (x && last)
		x = az_emit_channels_first(n, x);
	az_value *y = x ? az_emit_average_pool(n, x) : NULL;
	return az_node_set(n, 0, quantized(n, last ? az_emit_channels_last(n, y) : y, 3));
}

bool az_onnx_qlinear_reduce_mean(az_node *n)
{
	az_value *x = dequantized(n, 0, "x", 0);
	az_ints given = az_node_ints(n, "axes");
	int64_t axes[AZ_RANK_MAX];
	bool drop = az_node_int(n, "keepdims", 1) == 0;
	if (!x || n->bad)
		return false;
	uint32_t count = given.count ? given.count : x->type->rank, axis;
	if (count > AZ_RANK_MAX)
		return az_node_error(n, "axes has %u entries", count);
	for (uint32_t i = 0; i < count; i++) {
		if (!az_node_axis_of(n, given.count ? given.v[i] : i, x->type->rank, &axis))
			return false;
		axes[i] = axis;
	}
	return az_node_set(n, 0,
		quantized(n, az_emit_reduce(n, AZ_reduction_mean, x, count, axes, drop), 3));
}

/* condition, then x and y with their parameters, those of the result last */
bool az_onnx_qlinear_where(az_node *n)
{
	az_value *condition = az_node_need(n, 0, "condition");
	az_value *x = dequantized(n, 1, "x", 0), *y = dequantized(n, 4, "y", 0);
	return az_node_set(n, 0, quantized(n, az_emit3(n, AZ_OP_where, condition, x, y), 7));
}

/* alpha * (A B + C): C counts in steps of the product of the scales. Without a scale the result is float. */
bool az_onnx_qgemm(az_node *n)
{
	bool flip_a = az_node_int(n, "transA", 0) != 0, flip_b = az_node_int(n, "transB", 0) != 0;
	float alpha = az_node_real(n, "alpha", 1);
	az_value *a = dequantized(n, 0, "a", 0), *b = dequantized(n, 3, "b", flip_b ? 0 : 1);
	if (!a || !b || n->bad)
		return false;
	if (a->type->rank != 2 || b->type->rank != 2)
		return az_node_error(n, "operands must be matrices");
	const int64_t flip[] = {1, 0};
	a = flip_a ? az_emit_transpose(n, a, flip) : a;
	b = flip_b ? az_emit_transpose(n, b, flip) : b;
	az_value *c = az_node_in(n, 6);
	if (c && (c->type->rank == 0 || az_type_numel(c->type) != c->type->dim[c->type->rank - 1]))
		return az_node_error(n,
			"operand 6 (c) is %s, a list of one number a column is supported",
			az_type_print(&n->im->scratch, c->type));
	c = real_bias(n, c, n->in[1], n->in[4]);
	az_value *y = az_emit_matmul(n, a, b);
	y = c ? az_emit2(n, AZ_OP_add, y, c) : y;
	if (alpha != 1.0f)
		y = az_emit2(n, AZ_OP_mul, y, az_emit_scalar(n, AZ_F32, (double)alpha));
	return az_node_set(n, 0, az_node_in(n, 7) ? quantized(n, y, 7) : y);
}

/* The integer product of a and b less their zero points, times the scales, plus the bias. */
static bool scaled_product(az_node *n, az_value *a, az_value *a_zero, az_value *b, az_value *b_zero,
	az_value *scale, az_value *bias)
{
	if (!a || !b || !scale)
		return false;
	if (a->type->rank < 2 || b->type->rank < 2)
		return az_node_error(n, "operands must be matrices");
	az_value *args[] = {a, b};
	az_attrs attrs;
	az_attrs_init(AZ_OP_matmul, &attrs);
	int64_t zero[2];
	az_value *const zeros[] = {a_zero, b_zero};
	for (uint32_t i = 0; i < 2; i++)
		if (!constant_zero(zeros[i], &zero[i])) {
			args[i] = less_zero(n, args[i], zeros[i],
				args[i]->type->rank - (i ? 1u : 2u));
			zero[i] = 0;
		}
	attrs.matmul.zero = (az_ints){2, zero};
	if (!args[0] || !args[1])
		return false;
	az_value *y = az_emit_cast(n, az_emit(n, AZ_OP_matmul, 2, args, &attrs, AZ_I32), AZ_F32);
	y = az_emit2(n, AZ_OP_mul, y, scale);
	return az_node_set(n, 0, bias ? az_emit2(n, AZ_OP_add, y, bias) : y);
}

bool az_onnx_matmul_integer_to_float(az_node *n)
{
	az_value *a_scale = az_node_need(n, 2, "a scale"), *b_scale = az_node_need(n, 3, "b scale");
	return scaled_product(n, az_node_need(n, 0, "a"), az_node_in(n, 4), az_node_need(n, 1, "b"),
		az_node_in(n, 5), az_emit2(n, AZ_OP_mul, a_scale, b_scale), az_node_in(n, 6));
}

/* DynamicQuantizeLinear of a, then MatMulIntegerToFloat. */
bool az_onnx_dynamic_quantize_matmul(az_node *n)
{
	az_value *scale, *zero, *b_scale = az_node_need(n, 2, "b scale");
	az_value *a = quantized_by_range(n, az_node_need(n, 0, "a"), &scale, &zero);
	return a && scaled_product(n, a, zero, az_node_need(n, 1, "b"), az_node_in(n, 3),
			    az_emit2(n, AZ_OP_mul, scale, b_scale), az_node_in(n, 4));
}
