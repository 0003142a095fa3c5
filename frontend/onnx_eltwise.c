/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise operators. Where ONNX's operator is one of ours, the row's code is the opcode. */
#include "frontend/onnx_ops.h"

#include <math.h>
#include <string.h>

bool az_onnx_unary(az_node *n)
{
	return az_node_set(n, 0, az_emit1(n, (az_opcode)n->code, az_node_need(n, 0, "x")));
}

bool az_onnx_binary(az_node *n)
{
	az_value *a = az_node_need(n, 0, "a"), *b = az_node_need(n, 1, "b");
	return az_node_set(n, 0, az_emit2(n, (az_opcode)n->code, a, b));
}

bool az_onnx_where(az_node *n)
{
	az_value *c = az_node_need(n, 0, "condition"), *a = az_node_need(n, 1, "x");
	return az_node_set(n, 0, az_emit3(n, AZ_OP_where, c, a, az_node_need(n, 2, "y")));
}

bool az_onnx_identity(az_node *n)
{
	return az_node_set(n, 0, az_node_need(n, 0, "x"));
}

/* Sum, Max, Min of any number of operands. */
bool az_onnx_variadic(az_node *n)
{
	az_value *y = az_node_need(n, 0, "first");
	for (uint32_t i = 1; y && i < n->in_count; i++)
		y = az_emit2(n, (az_opcode)n->code, y, az_node_need(n, i, "operand"));
	return az_node_set(n, 0, y);
}

bool az_onnx_mean(az_node *n)
{
	az_value *y = az_node_need(n, 0, "first");
	for (uint32_t i = 1; y && i < n->in_count; i++)
		y = az_emit2(n, AZ_OP_add, y, az_node_need(n, i, "operand"));
	if (!y)
		return false;
	return az_node_set(n, 0,
		az_emit2(n, AZ_OP_div, y, az_emit_scalar(n, y->type->elem, (double)n->in_count)));
}

bool az_onnx_pow(az_node *n)
{
	az_value *a = az_node_need(n, 0, "base"), *b = az_node_need(n, 1, "exponent");
	if (!a || !b)
		return false;
	az_elem elem = a->type->elem;
	/* A fractional power of an integer is computed in the exponent's type. */
	az_elem common =
		az_elem_is_float(b->type->elem) && !az_elem_is_float(elem) ? b->type->elem : elem;
	az_value *y =
		az_emit2(n, AZ_OP_pow, az_emit_cast(n, a, common), az_emit_cast(n, b, common));
	return az_node_set(n, 0, az_emit_cast(n, y, elem));
}

bool az_onnx_mod(az_node *n)
{
	az_value *args[] = {az_node_need(n, 0, "a"), az_node_need(n, 1, "b")};
	az_attrs attrs;
	az_attrs_init(AZ_OP_mod, &attrs);
	attrs.mod.truncated = az_node_int(n, "fmod", 0) != 0;
	if (!args[0] || !args[1])
		return false;
	return az_node_set(n, 0, az_emit(n, AZ_OP_mod, 2, args, &attrs, AZ_ELEM_NONE));
}

/* Activations with attributes. */
bool az_onnx_activation(az_node *n)
{
	az_opcode code = (az_opcode)n->code;
	az_attrs attrs;
	az_attrs_init(code, &attrs);
	switch (code) {
	case AZ_OP_leaky_relu:
		attrs.leaky_relu.slope = az_node_real(n, "alpha", 0.01f);
		break;
	case AZ_OP_elu:
		attrs.elu.alpha = az_node_real(n, "alpha", 1);
		break;
	case AZ_OP_celu:
		attrs.celu.alpha = az_node_real(n, "alpha", 1);
		break;
	case AZ_OP_selu:
		attrs.selu.alpha = az_node_real(n, "alpha", 1.67326319217681884765625f);
		attrs.selu.gamma = az_node_real(n, "gamma", 1.05070102214813232421875f);
		break;
	case AZ_OP_thresholded_relu:
		attrs.thresholded_relu.alpha = az_node_real(n, "alpha", 1);
		break;
	case AZ_OP_hard_sigmoid:
		attrs.hard_sigmoid.alpha = az_node_real(n, "alpha", 0.2f);
		attrs.hard_sigmoid.beta = az_node_real(n, "beta", 0.5f);
		break;
	case AZ_OP_gelu:
		attrs.gelu.tanh = !strcmp(az_node_word(n, "approximate", "none"), "tanh");
		break;
	default:
		break;
	}
	return az_node_set(n, 0, az_emit_attr(n, code, az_node_need(n, 0, "x"), &attrs));
}

bool az_onnx_swish(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	float alpha = az_node_real(n, "alpha", 1);
	if (!x)
		return false;
	az_value *inner = x;
	if (alpha != 1.0f)
		inner = az_emit2(n, AZ_OP_mul, x, az_emit_scalar(n, x->type->elem, (double)alpha));
	return az_node_set(n, 0, az_emit2(n, AZ_OP_mul, x, az_emit1(n, AZ_OP_sigmoid, inner)));
}

/* x < -lambd ? x + bias : x > lambd ? x - bias : 0 */
bool az_onnx_shrink(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	double bias = (double)az_node_real(n, "bias", 0),
	       lambd = (double)az_node_real(n, "lambd", 0.5f);
	if (!x)
		return false;
	az_elem elem = x->type->elem;
	az_value *offset = az_emit_scalar(n, elem, bias);
	az_value *low = az_emit2(n, AZ_OP_less, x, az_emit_scalar(n, elem, -lambd));
	az_value *high = az_emit2(n, AZ_OP_greater, x, az_emit_scalar(n, elem, lambd));
	az_value *y = az_emit3(n, AZ_OP_where, high, az_emit2(n, AZ_OP_sub, x, offset),
		az_emit_scalar(n, elem, 0));
	return az_node_set(n, 0,
		az_emit3(n, AZ_OP_where, low, az_emit2(n, AZ_OP_add, x, offset), y));
}

/* A bound as clip's attribute: constant, one element, exact in f32. */
static bool exact_bound(const az_value *bound, float *out)
{
	const az_const *constant = az_value_const(bound);
	if (!constant || az_type_numel(bound->type) != 1)
		return false;
	double v = az_const_get(constant, 0);
	*out = (float)v;
	if (!az_elem_is_float(bound->type->elem) && bound->type->elem.bits > 24 &&
		fabs(v) > 16777216.0)
		return false;
	return (double)*out == v;
}

static az_value *clip_by(az_node *n, az_value *x, float lo, float hi)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_clip, &attrs);
	attrs.clip.lo = lo;
	attrs.clip.hi = hi;
	return az_emit_attr(n, AZ_OP_clip, x, &attrs);
}

static bool is_one(az_node *n, az_value *bound, const char *what)
{
	if (bound && az_type_numel(bound->type) != 1)
		return az_node_error(n, "%s must be one number, not %s", what,
			az_type_print(&n->im->scratch, bound->type));
	return true;
}

bool az_onnx_clip(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *min = az_node_in(n, 1), *max = az_node_in(n, 2);
	float lo = az_node_real(n, "min", -INFINITY), hi = az_node_real(n, "max", INFINITY);
	if (!x || !is_one(n, min, "min") || !is_one(n, max, "max"))
		return false;
	bool exact = (!min || exact_bound(min, &lo)) && (!max || exact_bound(max, &hi));
	if (exact && !(isinf(lo) && lo < 0 && isinf(hi) && hi > 0))
		return az_node_set(n, 0, clip_by(n, x, lo, hi));
	if (min)
		x = az_emit2(n, AZ_OP_max, x, az_emit_reshape(n, min, 0, NULL));
	if (max)
		x = az_emit2(n, AZ_OP_min, x, az_emit_reshape(n, max, 0, NULL));
	return az_node_set(n, 0, x);
}

bool az_onnx_cast(az_node *n)
{
	az_elem elem;
	int64_t to = az_node_int(n, "to", 0);
	if (!az_onnx_elem(n->im->ctx, n->loc, to, "the result of", n->loc.node, &elem)) {
		n->bad = true;
		return false;
	}
	return az_node_set(n, 0, az_emit_cast(n, az_node_need(n, 0, "x"), elem));
}

bool az_onnx_cast_like(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *like = az_node_need(n, 1, "target");
	return like && az_node_set(n, 0, az_emit_cast(n, x, like->type->elem));
}

/* NaN is the only number that is not equal to itself. */
bool az_onnx_is_nan(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	return az_node_set(n, 0, az_emit1(n, AZ_OP_not, az_emit2(n, AZ_OP_equal, x, x)));
}

bool az_onnx_is_inf(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	bool low = az_node_int(n, "detect_negative", 1) != 0;
	bool high = az_node_int(n, "detect_positive", 1) != 0;
	if (!x)
		return false;
	az_elem elem = x->type->elem;
	if (!low && !high) /* nothing is greater than infinity */
		return az_node_set(n, 0,
			az_emit2(n, AZ_OP_greater, x, az_emit_scalar(n, elem, INFINITY)));
	if (low && high)
		x = az_emit1(n, AZ_OP_abs, x);
	double which = high ? INFINITY : -INFINITY;
	return az_node_set(n, 0, az_emit2(n, AZ_OP_equal, x, az_emit_scalar(n, elem, which)));
}

bool az_onnx_tan(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	return az_node_set(n, 0,
		az_emit2(n, AZ_OP_div, az_emit1(n, AZ_OP_sin, x), az_emit1(n, AZ_OP_cos, x)));
}

/* Dropout passes its operand on; its mask is all true. */
bool az_onnx_dropout(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *training = az_node_in(n, 2);
	if (!x)
		return false;
	if (training) {
		const az_const *constant = az_value_const(training);
		if (!constant || az_type_numel(training->type) != 1 ||
			az_const_get(constant, 0) != 0)
			return az_node_error(n,
				"only inference is supported: training_mode must be false");
	}
	if (az_node_wants(n, 1)) {
		const az_type *mask = az_type_with_elem(n->im->ctx, x->type, AZ_BOOL8);
		az_node_set(n, 1, az_emit_splat(n, mask, &(uint8_t){1}));
	}
	return az_node_set(n, 0, x);
}
