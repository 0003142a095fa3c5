/* SPDX-License-Identifier: Apache-2.0
 *
 * QONNX: Quant, BipolarQuant and Trunc, whose results are floats on a grid of any width. They become
 * quantize and dequantize, so that constant weights are stored in their own width at once. */
#include <math.h>

#include "frontend/onnx_ops.h"

/* A parameter that varies along at most one axis of x: *axis gets it, -1 when it is one number. The
 * result is the parameter as a list or a scalar. */
static az_value *along_axis(az_node *n, az_value *p, const az_value *x, const char *what,
	int64_t *axis)
{
	*axis = -1;
	if (!p)
		return NULL;
	uint32_t rank = p->type->rank, shift = x->type->rank - rank;
	if (rank > x->type->rank) {
		az_node_error(n, "%s has %u dimensions, x has %u", what, rank, x->type->rank);
		return NULL;
	}
	for (uint32_t i = 0; i < rank; i++) {
		if (p->type->dim[i] == 1)
			continue;
		if (*axis >= 0 || p->type->dim[i] != x->type->dim[i + shift]) {
			az_node_error(n, "%s %s must vary along one axis of x at most", what,
				az_type_print(&n->im->scratch, p->type));
			return NULL;
		}
		*axis = i + shift;
	}
	int64_t count = az_type_numel(p->type);
	return az_emit_reshape(n, p, *axis < 0 ? 0 : 1, &count);
}

static bool constant_number(az_node *n, uint32_t i, const char *what, double *out)
{
	az_value *v = az_node_need(n, i, what);
	const az_const *c = v ? az_value_const(v) : NULL;
	if (!v)
		return false;
	if (!c || (az_type_numel(v->type) != 1 && !c->splat))
		return az_node_error(n, "operand %u (%s) must be one constant number", i, what);
	*out = az_const_get(c, 0);
	return true;
}

/* Zero points are floats in QONNX, whole numbers in every network that means integers. */
static az_value *whole_zero(az_node *n, az_value *zero, az_elem elem)
{
	const az_const *c = zero ? az_value_const(zero) : NULL;
	if (!zero)
		return NULL;
	if (!c) {
		az_node_error(n, "the zero point is computed at run time; it must be constant");
		return NULL;
	}
	for (int64_t i = 0; i < az_type_numel(zero->type); i++) {
		double v = az_const_get(c, (uint64_t)i);
		if (v != floor(v) || v < (double)az_elem_min(elem) ||
			v > (double)az_elem_max(elem)) {
			char text[16];
			az_node_error(n, "zero point %g is no whole number of %s", v,
				az_elem_print(text, elem));
			return NULL;
		}
	}
	/* through i32: a cast rounds towards zero, exactly here */
	return az_emit_cast(n, zero, elem.bits <= 8 ? elem : AZ_I32);
}

static az_value *quantize_pair(az_node *n, az_value *x, az_value *scale, az_value *zero,
	const az_attrs *quantize, az_elem elem)
{
	az_value *args[] = {x, scale, zero};
	if (!x || !scale)
		return NULL;
	uint32_t count = zero ? 3 : 2;
	az_value *q = az_emit(n, AZ_OP_quantize, count, args, quantize, elem);
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = quantize->quantize.axis;
	args[0] = q;
	return q ? az_emit(n, AZ_OP_dequantize, count, args, &attrs, AZ_F32) : NULL;
}

static bool read_rounding(az_node *n, az_rounding *out)
{
	static const char *const words[] = {"ROUND", "FLOOR", "CEIL", "ROUND_TO_ZERO", "round",
		"floor", "ceil", "round_to_zero", NULL};
	static const az_rounding values[] = {
		AZ_rounding_even, AZ_rounding_floor, AZ_rounding_ceil, AZ_rounding_zero};
	int i = az_node_choice(n, "rounding_mode", "ROUND", words);
	if (i < 0)
		return false;
	*out = values[i % 4];
	return true;
}

static bool read_width(az_node *n, uint32_t operand, const char *what, double *bits)
{
	if (!constant_number(n, operand, what, bits))
		return false;
	if (*bits != floor(*bits) || *bits < 1 || *bits > 32)
		return az_node_error(n, "%s is %g; it must be a whole number from 1 to 32", what,
			*bits);
	return true;
}

/* y = (clip(round(x / scale + zero)) - zero) * scale */
bool az_onnx_quant(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	double bits;
	az_attrs attrs;
	az_attrs_init(AZ_OP_quantize, &attrs);
	if (!x || !read_width(n, 3, "bit width", &bits) ||
		!read_rounding(n, &attrs.quantize.rounding))
		return false;
	bool is_signed = az_node_int(n, "signed", 1) != 0,
	     narrow = az_node_int(n, "narrow", 0) != 0;
	az_elem elem = {is_signed ? AZ_KIND_INT : AZ_KIND_UINT, (uint8_t)bits};
	int64_t bounds[] = {az_elem_min(elem) + (narrow && is_signed),
		az_elem_max(elem) - (narrow && !is_signed)};
	if (narrow)
		attrs.quantize.clamp = (az_ints){2, bounds};
	int64_t axis, zero_axis;
	az_value *scale = along_axis(n, az_node_need(n, 1, "scale"), x, "scale", &axis);
	az_value *zero =
		along_axis(n, az_node_need(n, 2, "zero point"), x, "zero point", &zero_axis);
	if (zero_axis >= 0 && zero_axis != axis)
		return az_node_error(n, "scale and zero point vary along different axes");
	attrs.quantize.axis = axis;
	zero = whole_zero(n, zero, elem);
	return zero && az_node_set(n, 0, quantize_pair(n, x, scale, zero, &attrs, elem));
}

/* y = x < 0 ? -scale : scale */
bool az_onnx_bipolar_quant(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_attrs attrs;
	az_attrs_init(AZ_OP_quantize, &attrs);
	if (!x)
		return false;
	az_value *scale =
		along_axis(n, az_node_need(n, 1, "scale"), x, "scale", &attrs.quantize.axis);
	return az_node_set(n, 0, quantize_pair(n, x, scale, NULL, &attrs, AZ_ELEM(BIPOLAR, 1)));
}

static az_value *rounded(az_node *n, az_value *x, az_rounding how)
{
	static const az_opcode codes[] = {[AZ_rounding_even] = AZ_OP_round,
		[AZ_rounding_floor] = AZ_OP_floor,
		[AZ_rounding_ceil] = AZ_OP_ceil};
	if (how != AZ_rounding_zero)
		return az_emit1(n, codes[how], x);
	return az_emit2(n, AZ_OP_mul, az_emit1(n, AZ_OP_sign, x),
		az_emit1(n, AZ_OP_floor, az_emit1(n, AZ_OP_abs, x)));
}

/* The lowest in - out bits of the integer behind x are dropped: y = (round((x / scale + zero) / 2^(in -
 * out)) - zero) * scale */
bool az_onnx_trunc(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *scale = az_node_need(n, 1, "scale");
	az_value *zero = az_node_need(n, 2, "zero point");
	double in_bits, out_bits;
	static const char *const words[] = {"FLOOR", "ROUND", "CEIL", "ROUND_TO_ZERO", NULL};
	static const az_rounding values[] = {
		AZ_rounding_floor, AZ_rounding_even, AZ_rounding_ceil, AZ_rounding_zero};
	int how = az_node_choice(n, "rounding_mode", "FLOOR", words);
	if (how < 0 || !read_width(n, 3, "input bit width", &in_bits) ||
		!read_width(n, 4, "output bit width", &out_bits))
		return false;
	if (out_bits > in_bits)
		return az_node_error(n, "%g bits cannot be truncated to %g", in_bits, out_bits);
	az_value *q = az_emit1(n, AZ_OP_round,
		az_emit2(n, AZ_OP_add, az_emit2(n, AZ_OP_div, x, scale), zero));
	az_value *step = az_emit_scalar(n, AZ_F32, ldexp(1.0, (int)(in_bits - out_bits)));
	q = rounded(n, az_emit2(n, AZ_OP_div, q, step), values[how]);
	return az_node_set(n, 0, az_emit2(n, AZ_OP_mul, az_emit2(n, AZ_OP_sub, q, zero), scale));
}
