/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of canonicalize for element-wise operations. */
#include <math.h>
#include <string.h>

#include "passes/canonical_rules.h"

static bool is_f32(const az_value *value)
{
	return az_elem_equal(value->type->elem, AZ_F32);
}

static az_value *build_clip(az_op *op, az_value *x, float lo, float hi)
{
	az_builder at = az_before(op);
	az_attrs attrs;
	az_attrs_init(AZ_OP_clip, &attrs);
	attrs.clip.lo = lo;
	attrs.clip.hi = hi;
	return az_build(&at, AZ_OP_clip, 1, &x, &attrs, AZ_ELEM_NONE);
}

static bool replace(az_op *op, az_value *with)
{
	if (with)
		az_replace_op(op, with);
	return with != NULL;
}

bool az_rule_relu(az_op *op)
{
	return replace(op, build_clip(op, op->args[0].value, 0, INFINITY));
}

bool az_rule_clip_merge(az_op *op)
{
	const az_op *inner = az_def_is(op->args[0].value, AZ_OP_clip);
	if (!inner)
		return false;
	float lo = fmaxf(op->attr.clip.lo, inner->attr.clip.lo);
	float hi = fminf(op->attr.clip.hi, inner->attr.clip.hi);
	if (!(lo <= hi)) /* bounds that do not overlap keep their order */
		return false;
	return replace(op, build_clip(op, inner->args[0].value, lo, hi));
}

bool az_rule_clip_nothing(az_op *op)
{
	if (op->attr.clip.lo != -INFINITY || op->attr.clip.hi != INFINITY)
		return false;
	return replace(op, op->args[0].value);
}

bool az_rule_bound(az_op *op)
{
	double bound;
	az_value *x = op->args[0].value;
	if (!is_f32(x) || x->type != op->results[0]->type ||
		!az_const_uniform(op->args[1].value, &bound) || isnan(bound))
		return false;
	bool is_min = op->code == AZ_OP_min;
	return replace(op, build_clip(op, x, is_min ? -INFINITY : (float)bound,
				   is_min ? (float)bound : INFINITY));
}

bool az_rule_constant_second(az_op *op)
{
	az_value *a = op->args[0].value, *b = op->args[1].value;
	if (!az_value_is_const(a) || az_value_is_const(b))
		return false;
	az_op_set_arg(op, 0, b);
	az_op_set_arg(op, 1, a);
	return true;
}

bool az_rule_neutral(az_op *op)
{
	double c, neutral = op->code == AZ_OP_add || op->code == AZ_OP_sub ? 0 : 1;
	az_value *x = op->args[0].value;
	bool clamped = (op->code == AZ_OP_add && op->attr.add.clamp.count > 0) ||
		       (op->code == AZ_OP_sub && op->attr.sub.clamp.count > 0) ||
		       (op->code == AZ_OP_mul && op->attr.mul.clamp.count > 0);
	if (clamped || x->type != op->results[0]->type ||
		!az_const_uniform(op->args[1].value, &c) || c != neutral)
		return false;
	return replace(op, x);
}

/* The same constant with every element changed; f32 only. */
static az_value *map_const(az_op *op, az_const *c, float (*f)(float))
{
	const az_type *type = c->value.type;
	az_module *module = op->func->module;
	if (c->splat) {
		float v = f((float)az_const_get(c, 0));
		return &az_const_splat(module, c->value.name, type, &v)->value;
	}
	int64_t count = az_type_numel(type);
	float *v = az_new_array(&module->arena, float, (size_t)count);
	memcpy(v, c->data, (size_t)count * sizeof *v);
	for (int64_t i = 0; i < count; i++)
		v[i] = f(v[i]);
	return &az_const_new(module, c->value.name, type, v, true)->value;
}

static float negate(float x)
{
	return -x;
}

static float invert(float x)
{
	return 1.0f / x;
}

bool az_rule_sub_constant(az_op *op)
{
	az_const *c = az_const_f32_of(op->args[1].value);
	if (!c || az_value_is_const(op->args[0].value))
		return false;
	az_value *args[2] = {op->args[0].value, map_const(op, c, negate)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_add, &attrs);
	attrs.add.clamp = op->attr.sub.clamp;
	az_builder at = az_before(op);
	return replace(op, az_build(&at, AZ_OP_add, 2, args, &attrs, AZ_ELEM_NONE));
}

/* A power of two whose reciprocal is a normal number. */
static bool is_power(double x)
{
	int exponent;
	return isfinite(x) && x != 0 && fabs(frexp(x, &exponent)) == 0.5 && exponent > -120 &&
	       exponent < 120;
}

bool az_rule_div_power(az_op *op)
{
	az_const *c = az_const_f32_of(op->args[1].value);
	if (!c)
		return false;
	int64_t count = c->splat ? 1 : az_type_numel(c->value.type);
	for (int64_t i = 0; i < count; i++) {
		if (!is_power(az_const_get(c, (uint64_t)i)))
			return false;
	}
	az_value *args[2] = {op->args[0].value, map_const(op, c, invert)};
	az_builder at = az_before(op);
	return replace(op, az_build(&at, AZ_OP_mul, 2, args, NULL, AZ_ELEM_NONE));
}

bool az_rule_twice(az_op *op)
{
	const az_op *inner = az_def_is(op->args[0].value, op->code);
	return inner && replace(op, inner->args[0].value);
}

bool az_rule_same_type(az_op *op)
{
	az_value *x = op->args[0].value;
	return x->type == op->results[0]->type && replace(op, x);
}
