/* SPDX-License-Identifier: Apache-2.0
 *
 * The verifier: structure, names, types, stages and facts. Placement is checked in
 * ir/verify_place.c. It changes nothing; every check reports and goes on, so that one run shows all
 * faults (up to the limit). */
#include "ir/verify.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "ir/internal.h"
#include "ir/verify_parts.h"

/* State of one run. `known` has a mark per id of the function's values that are defined so far. */
typedef struct checker {
	const az_module *module;
	az_ctx *ctx;
	az_arena *arena;
	az_map order; /* az_func -> its position + 1, as a pointer */
	az_map depth; /* az_func -> nesting of calls below it, as a pointer */
	const az_func *func;
	bool *known;
	uint64_t linked, listed; /* uses seen from the users, and in the lists of values */
} checker;

static const char *op_name(const az_op *op)
{
	return az_op_table[op->code].name;
}

static bool error_text(checker *c, az_loc loc, const char *what, const char *name)
{
	return az_error(c->ctx, loc, "%s \"%s\"", what, name ? name : "");
}

static bool check_use(checker *c, const az_use *use, az_loc loc)
{
	if (!use->value)
		return true;
	c->linked++;
	if (!use->link || *use->link != use || (use->next && use->next->link != &use->next))
		return error_text(c, loc, "broken use list of", use->value->name);
	return true;
}

static void count_uses(checker *c, const az_value *value)
{
	for (const az_use *use = value->uses; use; use = use->next)
		c->listed++;
}

/* Constants of the module, or values of the function that are defined already. */
static bool check_scope(checker *c, const az_value *value, az_loc loc)
{
	if (value->kind == AZ_VALUE_CONST) {
		if (az_map_get(&c->module->const_names, value->name) == value)
			return true;
		return error_text(c, loc, "constant not in this module:", value->name);
	}
	if (az_map_get(&c->func->names, value->name) != value)
		return error_text(c, loc, "value of another function:", value->name);
	if (!c->known[value->id])
		return error_text(c, loc, "value used before it is defined:", value->name);
	return true;
}

static bool check_quant(checker *c, const az_value *value, az_loc loc)
{
	const az_quant *q = value->quant;
	const az_type *type = value->type;
	int64_t wanted = 1;
	if (!q)
		return true;
	if (q->name && az_map_get(&c->module->quant_names, q->name) != q)
		return error_text(c, loc, "quantizer not declared in this module:", q->name);
	if (q->axis >= (int)type->rank)
		return az_error(c->ctx, loc, "quantizer of \"%s\": axis %d outside %s", value->name,
			q->axis, az_type_print(c->arena, type));
	if (q->axis >= 0)
		wanted = az_quant_scales(q, type);
	if (wanted != (int64_t)q->count)
		return az_error(c->ctx, loc, "quantizer of \"%s\": has %u scales, %s wants %lld",
			value->name, q->count, az_type_print(c->arena, type), (long long)wanted);
	return true;
}

static bool check_facts(checker *c, const az_value *value, az_loc loc)
{
	bool ok = check_quant(c, value, loc);
	if (value->range.known && !(value->range.lo <= value->range.hi))
		ok = az_error(c->ctx, loc, "range of \"%s\": lower end above the upper",
			value->name);
	return ok;
}

/* A local value at its definition. */
static bool define(checker *c, const az_value *value, az_loc loc)
{
	bool ok = true;
	if (value->id >= c->func->value_count || c->known[value->id])
		return error_text(c, loc, "id used twice:", value->name);
	c->known[value->id] = true;
	count_uses(c, value);
	if (!value->name || az_map_get(&c->func->names, value->name) != value)
		ok = error_text(c, loc, "name not registered:", value->name);
	return check_facts(c, value, loc) && ok;
}

static bool check_types(checker *c, const az_op *op)
{
	const az_type *types[AZ_ARGS_MAX];
	const az_op_desc *desc = &az_op_table[op->code];
	bool chosen = desc->traits & AZ_TRAIT_ELEM;
	az_infer in = {.ctx = c->ctx,
		.op = op,
		.result_count = op->result_count,
		.result = types,
		.want = chosen ? op->results[0]->type->elem : AZ_ELEM_NONE};
	bool ok = true;
	if (!desc->infer(&in))
		return false;
	if (in.result_count != op->result_count)
		return az_error(c->ctx, op->loc, "%s: has %u results, makes %u", desc->name,
			op->result_count, in.result_count);
	for (uint32_t i = 0; i < op->result_count; i++) {
		if (types[i] != op->results[i]->type)
			ok = az_error(c->ctx, op->loc, "%s: result \"%s\" is %s, should be %s",
				desc->name, op->results[i]->name,
				az_type_print(c->arena, op->results[i]->type),
				az_type_print(c->arena, types[i]));
	}
	return ok;
}

/* Callees stand before their callers, which also excludes recursion. Operands and results are
 * inference's to compare. */
static bool check_call(checker *c, const az_op *op)
{
	const az_func *callee = op->attr.call.callee;
	uintptr_t depth = (uintptr_t)az_map_get(&c->depth, c->func);
	if (!callee)
		return az_error(c->ctx, op->loc, "call: no callee");
	if (callee == c->func || !az_map_get(&c->order, callee))
		return az_error(c->ctx, op->loc, "call: \"%s\" is not defined before its caller",
			callee->name);
	uintptr_t below = (uintptr_t)az_map_get(&c->depth, callee) + 1;
	if (below > AZ_DEPTH_MAX)
		return az_error(c->ctx, op->loc, "call: nested more than %d deep", AZ_DEPTH_MAX);
	if (below > depth)
		az_map_put(c->arena, &c->depth, c->func, (void *)below); /* NOLINT: a number */
	return true;
}

/* From selected on, main only calls kernels and looks at values under other shapes. */
static bool check_stage(checker *c, const az_op *op)
{
	const az_op_desc *desc = &az_op_table[op->code];
	az_stage stage = c->module->stage;
	bool ok = desc->stages & (1 << stage);
	if (stage >= AZ_STAGE_SELECTED && c->func == az_module_main(c->module))
		ok = ok && (op->code == AZ_OP_call || desc->traits & AZ_TRAIT_VIEW);
	if (!ok)
		return az_error(c->ctx, op->loc, "%s: not allowed in \"%s\" at stage %s",
			desc->name, c->func->name, az_stage_words[stage]);
	return true;
}

static bool check_op(checker *c, const az_op *op)
{
	const az_op_desc *desc = &az_op_table[op->code];
	bool ok = true;
	if (op->func != c->func)
		return az_error(c->ctx, op->loc, "%s: belongs to another function", desc->name);
	if (op->result_count < desc->results_min || op->result_count > desc->results_max)
		return az_error(c->ctx, op->loc, "%s: has %u results", desc->name,
			op->result_count);
	for (uint32_t i = 0; i < op->arg_count; i++) {
		const az_use *use = &op->args[i];
		ok &= check_use(c, use, op->loc);
		if (use->value)
			ok &= check_scope(c, use->value, op->loc);
	}
	ok &= check_stage(c, op);
	if (op->code == AZ_OP_call)
		ok &= check_call(c, op);
	if (ok)
		ok = check_types(c, op);
	for (uint32_t i = 0; i < op->result_count; i++) {
		const az_value *value = op->results[i];
		if (value->def.op != op || value->index != i || value->kind != AZ_VALUE_RESULT)
			ok = error_text(c, op->loc, "wrong definition of", value->name);
		ok &= define(c, value, op->loc);
	}
	return ok;
}

static bool check_results(checker *c, const az_func *func)
{
	bool ok = true;
	for (uint32_t i = 0; i < func->results.count; i++) {
		const az_use *use = func->results.v[i].use;
		if (!use->value)
			return error_text(c, func->loc, "function returns nothing:", func->name);
		ok &= check_use(c, use, func->loc) && check_scope(c, use->value, func->loc);
	}
	return ok;
}

static bool check_ops(checker *c, const az_func *func)
{
	bool ok = true;
	uint32_t count = 0;
	const az_op *last = NULL;
	for (const az_op *op = func->first; op; last = op, op = op->next) {
		if (az_error_limit(c->ctx))
			return false;
		if (op->prev != last)
			return az_error(c->ctx, op->loc, "%s: broken list of operations",
				op_name(op));
		ok &= check_op(c, op);
		count++;
	}
	if (func->last != last || func->op_count != count)
		ok = error_text(c, func->loc, "wrong count of operations in", func->name);
	return ok;
}

static bool check_func(checker *c, const az_func *func)
{
	bool ok = true;
	c->func = func;
	c->known = az_new_array(c->arena, bool, func->value_count);
	if (func->module != c->module || az_map_get(&c->module->func_names, func->name) != func)
		return error_text(c, func->loc, "function not registered:", func->name);
	for (uint32_t i = 0; i < func->params.count; i++) {
		const az_value *param = func->params.v[i];
		if (param->kind != AZ_VALUE_PARAM || param->def.func != func || param->index != i)
			ok = error_text(c, func->loc, "wrong parameter", param->name);
		ok &= define(c, param, func->loc);
	}
	ok &= check_ops(c, func);
	ok &= check_results(c, func);
	az_map_put(c->arena, &c->order, func, (void *)func);
	return ok;
}

static bool check_const(checker *c, const az_const *constant)
{
	const az_value *value = &constant->value;
	const az_type *type = value->type;
	size_t size = constant->splat ? az_bits_size(1, type->elem.bits) : az_type_size(type);
	bool ok = true;
	count_uses(c, value);
	if (value->kind != AZ_VALUE_CONST || value->def.constant != constant)
		ok = error_text(c, constant->loc, "wrong definition of constant", value->name);
	if (az_map_get(&c->module->const_names, value->name) != value)
		ok = error_text(c, constant->loc, "constant not registered:", value->name);
	if (constant->size_bytes != size)
		ok = az_error(c->ctx, constant->loc, "constant \"%s\": %zu bytes, %s wants %zu",
			value->name, constant->size_bytes, az_type_print(c->arena, type), size);
	return check_facts(c, value, constant->loc) && ok;
}

static bool verify(const az_module *module, az_arena *arena)
{
	checker c = {.module = module, .ctx = module->ctx, .arena = arena};
	bool ok = true;
	for (uint32_t i = 0; i < module->consts.count; i++)
		ok &= check_const(&c, module->consts.v[i]);
	for (uint32_t i = 0; i < module->funcs.count; i++)
		ok &= check_func(&c, module->funcs.v[i]);
	if (ok && c.linked != c.listed)
		ok = az_error(c.ctx, AZ_LOC_NONE, "use lists hold %llu uses, operations have %llu",
			(unsigned long long)c.listed, (unsigned long long)c.linked);
	if (ok && module->stage >= AZ_STAGE_PLACED && az_module_main(module))
		ok = az_verify_places(az_module_main(module), arena);
	return ok;
}

/* The scratch lies in the module's own arena, above everything that stays: when memory runs out in a
 * caller's guard, it still goes with the module. */
bool az_module_verify(const az_module *module)
{
	az_arena *arena = (az_arena *)&module->arena;
	AZ_GUARD(module->ctx, return false);
	az_arena_mark mark = az_arena_mark_get(arena);
	bool ok = verify(module, arena);
	az_arena_reset(arena, mark);
	AZ_UNGUARD(module->ctx);
	return ok;
}
