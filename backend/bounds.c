/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking from a value to what makes it (backend/bounds.h). The walk is as deep as values pass through
 * movements and pools; DEPTH_MAX ends it earlier with the bounds of the type, which are never wrong. */
#include "backend/bounds.h"

#define DEPTH_MAX 64

static az_bounds of_type(az_elem e)
{
	bool bipolar = e.kind == AZ_KIND_BIPOLAR;
	return (az_bounds){az_elem_min(e), az_elem_max(e), bipolar ? 2 : 1};
}

static az_bounds join(az_bounds a, az_bounds b)
{
	bool same = a.step == 2 && b.step == 2 && a.lo == b.lo && a.hi == b.hi;
	return (az_bounds){AZ_MIN(a.lo, b.lo), AZ_MAX(a.hi, b.hi), same ? 2 : 1};
}

/* b where all of it fits into a type of at least as many numbers; the type's bounds where not. */
static az_bounds within(az_bounds b, az_elem e)
{
	az_bounds t = of_type(e);
	return b.lo >= t.lo && b.hi <= t.hi && t.step == 1 ? b : t;
}

static az_bounds clamped(az_elem e, az_ints clamp)
{
	az_bounds b = of_type(e);
	if (clamp.count != 2 || b.step == 2)
		return b;
	b.lo = AZ_MAX(b.lo, clamp.v[0]);
	b.hi = AZ_MIN(b.hi, clamp.v[1]);
	return b.lo <= b.hi ? b : of_type(e);
}

static az_bounds of_const(const az_const *c)
{
	az_elem e = c->value.type->elem;
	int64_t count = c->splat ? 1 : az_type_numel(c->value.type);
	if (!az_elem_is_integer(e) || e.bits > 8 || count == 0 || count > 4096)
		return of_type(e);
	az_bounds b = {az_const_get_int(c, 0), az_const_get_int(c, 0), 1};
	for (int64_t i = 1; i < count; i++) {
		int64_t v = az_const_get_int(c, (uint64_t)i);
		b = join(b, (az_bounds){v, v, 1});
	}
	bool two = b.hi - b.lo == 2;
	for (int64_t i = 0; two && i < count; i++)
		two = az_const_get_int(c, (uint64_t)i) != b.lo + 1;
	b.step = two ? 2 : 1;
	return b;
}

static az_bounds bounds(const az_value *value, const az_op *call, uint32_t depth);

static az_bounds of_pad(const az_op *op, const az_op *call, uint32_t depth)
{
	az_bounds b = bounds(op->args[0].value, call, depth);
	if (op->attr.pad.mode != AZ_padding_constant)
		return b;
	int64_t v = (int64_t)op->attr.pad.value;
	if (b.step == 2 && (v == b.lo || v == b.hi))
		return b;
	return within(join(b, (az_bounds){v, v, 1}), op->results[0]->type->elem);
}

/* A window may lie in the padding altogether. */
static bool may_see_only_padding(const az_op *op)
{
	const az_attrs_max_pool *attr = &op->attr.max_pool;
	for (uint32_t i = 0; i < attr->dilation.count; i++)
		if (attr->dilation.v[i] != 1)
			return true;
	for (uint32_t i = 0; i < attr->pad.count; i++)
		if (attr->pad.v[i] >= az_ints_at(attr->window, i / 2, 1))
			return true;
	return attr->ceil;
}

static az_bounds of_op(const az_value *value, const az_op *call, uint32_t depth)
{
	const az_op *op = value->def.op;
	az_elem elem = value->type->elem;
	az_bounds b;
	switch (op->code) {
	case AZ_OP_quantize:
		return clamped(elem, op->attr.quantize.clamp);
	case AZ_OP_requantize:
		return clamped(elem, op->attr.requantize.clamp);
	case AZ_OP_threshold: {
		const az_attrs_threshold *t = &op->attr.threshold;
		int64_t levels = op->args[1].value->type->dim[0];
		bool two = t->step == 2 && levels == 1;
		return (az_bounds){t->base, t->base + t->step * levels, two ? 2 : 1};
	}
	case AZ_OP_cast:
		return within(bounds(op->args[0].value, call, depth), elem);
	case AZ_OP_lookup:
		return within(bounds(op->args[1].value, call, depth), elem);
	case AZ_OP_pad:
		return of_pad(op, call, depth);
	case AZ_OP_concat:
		b = bounds(op->args[0].value, call, depth);
		for (uint32_t i = 1; i < op->arg_count; i++)
			b = join(b, bounds(op->args[i].value, call, depth));
		return b;
	case AZ_OP_max_pool:
		return may_see_only_padding(op) ? of_type(elem)
						: bounds(op->args[0].value, call, depth);
	case AZ_OP_call: {
		const az_func *func = op->attr.call.callee;
		return bounds(func->results.v[value->index].use->value, op, depth);
	}
	default:
		if (az_op_table[op->code].traits & AZ_TRAIT_MOVES)
			return bounds(op->args[0].value, call, depth);
		return of_type(elem);
	}
}

/* `call`: of the function that the value stands in; NULL in main. */
static az_bounds bounds(const az_value *value, const az_op *call, uint32_t depth)
{
	az_elem e = value->type->elem;
	if (!az_elem_is_integer(e) && e.kind != AZ_KIND_BIPOLAR && e.kind != AZ_KIND_BOOL)
		return (az_bounds){INT64_MIN, INT64_MAX, 1};
	if (depth == 0)
		return of_type(e);
	if (value->kind == AZ_VALUE_CONST)
		return of_const(value->def.constant);
	if (value->kind == AZ_VALUE_PARAM)
		return call ? within(bounds(call->args[value->index].value, NULL, depth - 1), e)
			    : of_type(e);
	return of_op(value, call, depth - 1);
}

az_bounds az_value_bounds(const az_value *value)
{
	return bounds(value, NULL, DEPTH_MAX);
}
