/* SPDX-License-Identifier: Apache-2.0
 *
 * QONNX: Quant (IntQuant), BipolarQuant and Trunc, whose results are floats on a grid of any width
 * (github.com/fastmachinelearning/qonnx, docs/qonnx-custom-ops). They become quantize and dequantize, so
 * that constant weights are stored in their own width at once. What one quantize does not say (rounding
 * away from zero, parameters along several axes, zero points that are no stored number, a width per
 * channel) is computed by element-wise operations before a quantize in steps of 1. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "frontend/onnx_ops.h"

typedef enum how {
	HOW_EVEN,
	HOW_FLOOR,
	HOW_CEIL,
	HOW_ZERO,
	HOW_AWAY,
	HOW_HALF_UP,
	HOW_HALF_DOWN
} how;

/* The axis along which p varies: -1 when it is one number, -2 when there are several. */
static int64_t axis_of(const az_value *p, const az_value *x)
{
	int64_t axis = -1;
	uint32_t rank = p->type->rank;
	if (rank > x->type->rank)
		return -2;
	for (uint32_t i = 0; i < rank; i++) {
		if (p->type->dim[i] == 1)
			continue;
		if (axis >= 0)
			return -2;
		axis = i + x->type->rank - rank;
	}
	return axis;
}

/* Parameters must not make the result larger than x. */
static bool broadcasts(az_node *n, const az_value *p, const az_value *x, const char *what)
{
	const az_type *t = p->type;
	bool fits = t->rank <= x->type->rank;
	for (uint32_t i = 0; fits && i < t->rank; i++)
		fits = t->dim[i] == 1 || t->dim[i] == x->type->dim[x->type->rank - t->rank + i];
	return fits ||
	       az_node_error(n, "%s is %s, which does not broadcast to x, %s", what,
		       az_type_print(&n->im->scratch, t), az_type_print(&n->im->scratch, x->type));
}

/* A negative scale is arithmetic that no quantizer does. */
static bool is_negative(const az_value *scale)
{
	const az_const *c = az_value_const(scale);
	for (int64_t i = 0; c && i < az_type_numel(scale->type); i++)
		if (az_const_get(c, (uint64_t)i) < 0)
			return true;
	return false;
}

/* Float operand i, which broadcasts to x; constants are finite. */
static az_value *parameter(az_node *n, uint32_t i, const az_value *x, const char *what)
{
	az_value *p = az_node_need(n, i, what);
	if (!p || !x)
		return NULL;
	if (!az_elem_is_float(p->type->elem)) {
		az_node_error(n, "operand %u (%s) must hold floats, not %s", i, what,
			az_type_print(&n->im->scratch, p->type));
		return NULL;
	}
	const az_const *c = az_value_const(p);
	for (int64_t k = 0; c && k < az_type_numel(p->type); k++)
		if (!isfinite(az_const_get(c, (uint64_t)k))) {
			az_node_error(n, "operand %u (%s) holds %g", i, what,
				az_const_get(c, (uint64_t)k));
			return NULL;
		}
	return broadcasts(n, p, x, what) ? p : NULL;
}

/* As a list along its axis, or as a scalar. */
static az_value *flat(az_node *n, az_value *p, int64_t axis)
{
	int64_t count = az_type_numel(p->type);
	return az_emit_reshape(n, p, axis < 0 ? 0 : 1, &count);
}

/* Every element is a whole number that the type holds. */
static bool is_stored(const az_value *zero, az_elem elem)
{
	const az_const *c = az_value_const(zero);
	for (int64_t i = 0; c && i < az_type_numel(zero->type); i++) {
		double v = az_const_get(c, (uint64_t)i);
		if (v != floor(v) || v < (double)az_elem_min(elem) || v > (double)az_elem_max(elem))
			return false;
	}
	return c != NULL;
}

static bool is_zero(const az_value *v)
{
	const az_const *c = az_value_const(v);
	for (int64_t i = 0; c && i < az_type_numel(v->type); i++)
		if (az_const_get(c, (uint64_t)i) != 0)
			return false;
	return c != NULL;
}

/* Whole numbers from 1 to 32. */
static const az_const *read_widths(az_node *n, uint32_t i, const char *what, uint32_t *most)
{
	az_value *v = az_node_need(n, i, what);
	const az_const *c = v ? az_value_const(v) : NULL;
	if (v && !c)
		az_node_error(n, "operand %u (%s) is computed at run time; it must be constant", i,
			what);
	*most = 0;
	for (int64_t k = 0; c && k < az_type_numel(v->type); k++) {
		double bits = az_const_get(c, (uint64_t)k);
		if (!(bits == floor(bits) && bits >= 1 && bits <= 32)) {
			az_node_error(n, "%s is %g; it must be a whole number from 1 to 32", what,
				bits);
			return NULL;
		}
		*most = AZ_MAX(*most, (uint32_t)bits);
	}
	if (c && *most == 0) {
		az_node_error(n, "operand %u (%s) is empty", i, what);
		return NULL;
	}
	return c;
}

static bool is_uniform(const az_const *c)
{
	for (int64_t i = 1; i < az_type_numel(c->value.type); i++)
		if (az_const_get(c, (uint64_t)i) != az_const_get(c, 0))
			return false;
	return true;
}

static bool read_rounding(az_node *n, const char *missing, how *out)
{
	static const struct {
		const char *word;
		how value;
	} words[] = {{"ROUND", HOW_EVEN}, {"HALF_EVEN", HOW_EVEN}, {"FLOOR", HOW_FLOOR},
		{"CEIL", HOW_CEIL}, {"ROUND_TO_ZERO", HOW_ZERO}, {"DOWN", HOW_ZERO},
		{"UP", HOW_AWAY}, {"HALF_UP", HOW_HALF_UP}, {"HALF_DOWN", HOW_HALF_DOWN}};
	const char *given = az_node_word(n, "rounding_mode", missing);
	az_text upper = {.arena = &n->im->scratch}, list = {.arena = &n->im->scratch};
	az_text_add(&upper, "%s", "");
	for (const char *c = given; *c; c++)
		az_text_add_char(&upper, (char)toupper((unsigned char)*c));
	for (size_t i = 0; i < AZ_COUNT(words); i++) {
		*out = words[i].value;
		if (!strcmp(upper.v, words[i].word))
			return !n->bad;
		az_text_add(&list, "%s%s", i ? ", " : "", words[i].word);
	}
	return az_node_error(n, "attribute \"rounding_mode\" is \"%s\", supported are %s", given,
		list.v);
}

static az_value *rounded(az_node *n, az_value *x, how mode)
{
	static const az_opcode plain[] = {
		[HOW_EVEN] = AZ_OP_round, [HOW_FLOOR] = AZ_OP_floor, [HOW_CEIL] = AZ_OP_ceil};
	if (mode <= HOW_CEIL)
		return az_emit1(n, plain[mode], x);
	az_value *size = az_emit1(n, AZ_OP_abs, x), *half = az_emit_scalar(n, AZ_F32, 0.5);
	if (mode == HOW_HALF_UP)
		size = az_emit2(n, AZ_OP_add, size, half);
	if (mode == HOW_HALF_DOWN)
		size = az_emit2(n, AZ_OP_sub, size, half);
	bool down = mode == HOW_ZERO || mode == HOW_HALF_UP;
	size = az_emit1(n, down ? AZ_OP_floor : AZ_OP_ceil, size);
	return az_emit2(n, AZ_OP_mul, az_emit1(n, AZ_OP_sign, x), size);
}

static az_value *dequantized(az_node *n, az_value *q, az_value *scale, az_value *zero, int64_t axis)
{
	az_value *args[] = {q, scale, zero};
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = axis;
	return q && scale ? az_emit(n, AZ_OP_dequantize, zero ? 3 : 2, args, &attrs, AZ_F32) : NULL;
}

/* Scale and zero point as operands of one quantize: together along one axis at most, the zero point
 * stored. False: they do not have that form. */
static bool as_quantizer(az_node *n, const az_value *x, az_elem elem, az_value **scale,
	az_value **zero, int64_t *axis)
{
	int64_t scale_axis = axis_of(*scale, x), zero_axis = axis_of(*zero, x);
	if (scale_axis == -2 || zero_axis == -2 || is_negative(*scale) || !is_stored(*zero, elem) ||
		(zero_axis >= 0 && zero_axis != scale_axis))
		return false;
	*axis = scale_axis;
	*scale = flat(n, *scale, scale_axis);
	*zero = az_emit_cast(n, flat(n, *zero, zero_axis), elem.bits <= 8 ? elem : AZ_I32);
	return true;
}

/* (t - zero) * scale for whole numbers t within the type, stored in it. */
static az_value *on_grid(az_node *n, az_value *t, az_elem elem, const int64_t *clamp,
	az_value *scale, az_value *zero)
{
	az_value *one = az_emit_scalar(n, AZ_F32, 1), *args[] = {t, one};
	az_attrs attrs;
	int64_t axis = -1;
	az_attrs_init(AZ_OP_quantize, &attrs);
	if (clamp)
		attrs.quantize.clamp = (az_ints){2, clamp};
	az_value *q = t ? az_emit(n, AZ_OP_quantize, 2, args, &attrs, elem) : NULL;
	if (q && as_quantizer(n, q, elem, &scale, &zero, &axis))
		return dequantized(n, q, scale, zero, axis);
	q = dequantized(n, q, one, NULL, -1);
	return az_emit2(n, AZ_OP_mul, az_emit2(n, AZ_OP_sub, q, zero), scale);
}

/* The bounds of each width as a constant in the widths' shape. */
static az_value *bounds_of(az_node *n, const az_const *widths, bool upper, bool is_signed,
	bool narrow)
{
	const az_type *type = az_type_with_elem(n->im->ctx, widths->value.type, AZ_F32);
	az_tensor t = az_tensor_new(&n->im->scratch, type);
	for (int64_t i = 0; i < az_type_numel(type); i++) {
		double bits = az_const_get(widths, (uint64_t)i);
		double hi = ldexp(1, (int)bits - is_signed) - 1 - (narrow && !is_signed);
		double lo = is_signed ? -ldexp(1, (int)bits - 1) + narrow : 0;
		az_tensor_set(&t, (uint64_t)i, upper ? hi : lo);
	}
	return az_emit_const(n, type, t.data);
}

/* y = x < 0 ? -scale : scale */
static bool bipolar(az_node *n, az_value *x, az_value *scale)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_quantize, &attrs);
	if (!x || !scale)
		return false;
	int64_t axis = is_negative(scale) ? -2 : axis_of(scale, x);
	/* The sign does not ask for the scale, so any positive one does. */
	az_value *one = az_emit_scalar(n, AZ_F32, 1), *args[] = {x, one};
	if (axis != -2) {
		args[1] = scale = flat(n, scale, axis);
		attrs.quantize.axis = axis;
	}
	az_value *q =
		args[1] ? az_emit(n, AZ_OP_quantize, 2, args, &attrs, AZ_ELEM(BIPOLAR, 1)) : NULL;
	if (axis != -2)
		return az_node_set(n, 0, dequantized(n, q, scale, NULL, axis));
	return az_node_set(n, 0, az_emit2(n, AZ_OP_mul, dequantized(n, q, one, NULL, -1), scale));
}

/* y = (round(clip(x / scale + zero)) - zero) * scale */
bool az_onnx_quant(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_value *scale = parameter(n, 1, x, "scale"), *zero = parameter(n, 2, x, "zero point");
	uint32_t bits = 0;
	how mode;
	const az_const *widths = x ? read_widths(n, 3, "bit width", &bits) : NULL;
	if (!scale || !zero || !widths || !read_rounding(n, "ROUND", &mode) ||
		!broadcasts(n, &widths->value, x, "bit width"))
		return false;
	bool is_signed = az_node_int(n, "signed", 1) != 0,
	     narrow = az_node_int(n, "narrow", 0) != 0;
	if (n->bad)
		return false;
	bool uniform = is_uniform(widths);
	if (is_signed && bits == 1) {
		if (!is_zero(zero))
			return az_node_error(n,
				"one signed bit is -1 or 1; its zero point must be 0");
		return bipolar(n, x, scale);
	}
	az_elem elem = {is_signed ? AZ_KIND_INT : AZ_KIND_UINT, (uint8_t)bits};
	int64_t bounds[] = {az_elem_min(elem) + (narrow && is_signed),
		az_elem_max(elem) - (narrow && !is_signed)};
	const int64_t *clamp = narrow ? bounds : NULL;
	az_value *args[] = {x, scale, zero};
	az_attrs attrs;
	az_attrs_init(AZ_OP_quantize, &attrs);
	if (uniform && (mode <= HOW_CEIL || (mode == HOW_ZERO && is_zero(zero))) &&
		as_quantizer(n, x, elem, &args[1], &args[2], &attrs.quantize.axis)) {
		static const az_rounding values[] = {
			AZ_rounding_even, AZ_rounding_floor, AZ_rounding_ceil, AZ_rounding_zero};
		attrs.quantize.rounding = values[mode];
		if (clamp)
			attrs.quantize.clamp = (az_ints){2, clamp};
		az_value *q = args[1] && args[2] ? az_emit(n, AZ_OP_quantize, 3, args, &attrs, elem)
						 : NULL;
		return az_node_set(n, 0, dequantized(n, q, args[1], args[2], attrs.quantize.axis));
	}
	az_value *t = az_emit2(n, AZ_OP_add, az_emit2(n, AZ_OP_div, x, scale), zero);
	if (!uniform) {
		t = az_emit2(n, AZ_OP_max, t, bounds_of(n, widths, false, is_signed, narrow));
		t = az_emit2(n, AZ_OP_min, t, bounds_of(n, widths, true, is_signed, narrow));
	}
	return az_node_set(n, 0, on_grid(n, rounded(n, t, mode), elem, clamp, scale, zero));
}

bool az_onnx_bipolar_quant(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	return bipolar(n, x, parameter(n, 1, x, "scale"));
}

/* The integer behind x: round(x / scale + zero). */
static az_value *whole(az_node *n, az_value *x, az_value *scale, az_value *zero)
{
	return az_emit1(n, AZ_OP_round,
		az_emit2(n, AZ_OP_add, az_emit2(n, AZ_OP_div, x, scale), zero));
}

/* Version 1: the lowest in - out bits of the integer behind x are dropped, and it counts in the same
 * steps afterwards. */
bool az_onnx_trunc(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *scale = parameter(n, 1, x, "scale");
	az_value *zero = parameter(n, 2, x, "zero point");
	uint32_t in_bits, out_bits;
	how mode;
	if (!scale || !zero || !read_rounding(n, "FLOOR", &mode))
		return false;
	const az_const *in = read_widths(n, 3, "input bit width", &in_bits);
	const az_const *out = in ? read_widths(n, 4, "output bit width", &out_bits) : NULL;
	if (!out)
		return false;
	if (!is_uniform(in) || !is_uniform(out))
		return az_node_error(n, "bit widths must be one number each");
	if (out_bits > in_bits)
		return az_node_error(n, "%u bits cannot be truncated to %u", in_bits, out_bits);
	az_value *step = az_emit_scalar(n, AZ_F32, ldexp(1.0, (int)(in_bits - out_bits)));
	az_value *t = az_emit2(n, AZ_OP_div, whole(n, x, scale, zero), step);
	t = rounded(n, t, mode);
	return az_node_set(n, 0, az_emit2(n, AZ_OP_mul, az_emit2(n, AZ_OP_sub, t, zero), scale));
}

/* 2 ^ round(log2(output scale / scale)) */
static bool truncation_step(az_node *n, const az_value *scale, const az_value *output_scale,
	double *step)
{
	const az_const *from = az_value_const(scale), *to = az_value_const(output_scale);
	if (!from || !to || !is_uniform(from) || !is_uniform(to))
		return az_node_error(n, "scale and output scale must be one constant number each");
	double ratio = az_const_get(to, 0) / az_const_get(from, 0);
	if (!(ratio > 0) || isinf(ratio))
		return az_node_error(n, "output scale %g and scale %g have no ratio",
			az_const_get(to, 0), az_const_get(from, 0));
	*step = ldexp(1, (int)rint(log2(ratio)));
	return true;
}

/* Version 2: the step is the ratio of the two scales, made a power of two; the result has its own width
 * and scale. */
bool az_onnx_trunc_to(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *scale = parameter(n, 1, x, "scale");
	az_value *zero = parameter(n, 2, x, "zero point"), *to = parameter(n, 4, x, "output scale");
	uint32_t bits = 0;
	double step = 1;
	how mode;
	if (!scale || !zero || !to || !read_rounding(n, "FLOOR", &mode))
		return false;
	const az_const *width = read_widths(n, 5, "output bit width", &bits);
	if (!width || !truncation_step(n, scale, to, &step))
		return false;
	bool is_signed = az_node_int(n, "signed", 1) != 0,
	     narrow = az_node_int(n, "narrow", 0) != 0;
	if (n->bad)
		return false;
	if (!is_uniform(width))
		return az_node_error(n, "the output bit width must be one number");
	az_elem elem = {is_signed ? AZ_KIND_INT : AZ_KIND_UINT, (uint8_t)bits};
	int64_t bounds[] = {az_elem_min(elem) + (narrow && is_signed),
		az_elem_max(elem) - (narrow && !is_signed)};
	az_value *by = az_emit_scalar(n, AZ_F32, step);
	az_value *t = rounded(n, az_emit2(n, AZ_OP_div, whole(n, x, scale, zero), by), mode);
	return az_node_set(n, 0,
		on_grid(n, t, elem, narrow ? bounds : NULL, to, az_emit2(n, AZ_OP_div, zero, by)));
}
