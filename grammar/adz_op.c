/* SPDX-License-Identifier: Apache-2.0
 *
 * Building operations while they are parsed: operands are looked up as they come, the rest when the
 * line is complete. The types written are compared with those inferred. */
#include <string.h>

#include "grammar/adz_build.h"
#include "ir/internal.h"

static void lose(az_adz_state *s, az_name name)
{
	az_map_put(&s->arena, &s->lost_locals, name, s);
}

void az_adz_result(az_adz_state *s, az_loc loc, az_name name)
{
	az_adz_named result = {.name = name, .loc = loc};
	if (s->op.results.count < AZ_ARGS_MAX) {
		az_vec_push(&s->line, &s->op.results, result);
		return;
	}
	if (!s->op.wrong)
		az_error(s->ctx, loc, "an operation has at most %d results", AZ_ARGS_MAX);
	s->op.wrong = true;
	lose(s, name);
}

void az_adz_result_type(az_adz_state *s, const az_adz_typed *typed)
{
	if (!typed->type)
		s->op.wrong = true;
	if (s->op.types.count <= AZ_ARGS_MAX)
		az_vec_push(&s->line, &s->op.types, *typed);
}

void az_adz_callee(az_adz_state *s, az_loc loc, az_name name)
{
	s->op.callee = name;
	s->op.callee_loc = loc;
}

static void add_arg(az_adz_state *s, az_loc loc, az_value *value)
{
	if (s->op.args.count < AZ_ARGS_MAX) {
		az_vec_push(&s->line, &s->op.args, value);
		return;
	}
	if (!s->op.wrong)
		az_error(s->ctx, loc, "an operation has at most %d operands", AZ_ARGS_MAX);
	s->op.wrong = true;
}

void az_adz_local(az_adz_state *s, az_loc loc, az_name name)
{
	az_value *value = s->func ? az_map_get(&s->func->names, name) : NULL;
	if (!value) {
		if (s->func && !az_map_get(&s->lost_locals, name))
			az_adz_unknown(s, loc, "value", name, &s->func->names);
		s->op.wrong = true;
	}
	add_arg(s, loc, value);
}

void az_adz_global(az_adz_state *s, az_loc loc, az_name name)
{
	az_value *value = az_map_get(&s->module->const_names, name);
	if (!value) {
		if (!az_map_get(&s->lost_globals, name))
			az_adz_unknown(s, loc, "constant", name, &s->module->const_names);
		s->op.wrong = true;
	}
	add_arg(s, loc, value);
}

void az_adz_absent(az_adz_state *s, az_loc loc)
{
	add_arg(s, loc, NULL);
}

/* Whether the results can be defined at all; reports. */
static bool check_results(az_adz_state *s)
{
	az_map seen = {0};
	bool ok = true;
	for (uint32_t i = 0; i < s->op.results.count; i++) {
		const az_adz_named *result = &s->op.results.v[i];
		if (az_map_get(&s->func->names, result->name) || az_map_get(&seen, result->name))
			ok = az_error(s->ctx, result->loc, "\"%s\" is defined twice", result->name);
		if (s->op.results.count > 1)
			az_map_put(&s->line, &seen, result->name, s);
	}
	return ok;
}

static bool find_op(az_adz_state *s, az_loc loc, az_name name, az_opcode *code)
{
	*code = az_opcode_find(name);
	if (*code != AZ_OP_COUNT_)
		return true;
	const char *near = az_opcode_nearest(name);
	if (near)
		return az_error(s->ctx, loc, "unknown operation \"%s\"; did you mean \"%s\"?", name,
			near);
	return az_error(s->ctx, loc, "unknown operation \"%s\"", name);
}

static bool find_callee(az_adz_state *s, az_loc loc, az_opcode code, az_attrs *attrs)
{
	if (code != AZ_OP_call && !s->op.callee)
		return true;
	if (code != AZ_OP_call)
		return az_error(s->ctx, s->op.callee_loc, "only a call has a callee");
	if (!s->op.callee)
		return az_error(s->ctx, loc, "a call wants a callee: call @name(...)");
	return az_adz_find_func(s, s->op.callee_loc, s->op.callee, &attrs->call.callee);
}

/* Two passes: a result may carry the number that another result was given by default. */
static void name_results(const az_adz_state *s, az_op *op)
{
	for (uint32_t i = 0; i < op->result_count; i++)
		az_value_unname(op->results[i]);
	for (uint32_t i = 0; i < op->result_count; i++) {
		const az_adz_typed *typed = &s->op.types.v[i];
		az_value_rename(op->results[i], s->op.results.v[i].name);
		op->results[i]->quant = typed->quant;
		op->results[i]->range = typed->range;
		op->results[i]->at = typed->at;
	}
}

/* The values keep the types they should have: what follows is judged by those. */
static void compare_types(az_adz_state *s, const az_op *op)
{
	for (uint32_t i = 0; i < op->result_count; i++) {
		const az_adz_typed *typed = &s->op.types.v[i];
		if (typed->type != op->results[i]->type)
			az_error(s->ctx, typed->loc, "\"%s\" is written as %s, %s makes %s",
				s->op.results.v[i].name, az_type_print(&s->line, typed->type),
				az_op_table[op->code].name,
				az_type_print(&s->line, op->results[i]->type));
	}
}

static bool build(az_adz_state *s, az_loc loc, az_name name)
{
	az_opcode code;
	az_attrs attrs;
	if (!find_op(s, loc, name, &code))
		return false;
	az_attrs_init(code, &attrs);
	bool ok = az_adz_attrs(s, code, &attrs);
	ok &= find_callee(s, loc, code, &attrs);
	ok &= check_results(s);
	if (s->returned)
		ok = az_error(s->ctx, loc, "an operation behind the return");
	if (s->func->op_count == AZ_OPS_MAX)
		ok = az_error(s->ctx, loc, "a function has at most %d operations", AZ_OPS_MAX);
	if (s->op.types.count != s->op.results.count)
		ok = az_error(s->ctx, loc, "%u results, but %u types", s->op.results.count,
			s->op.types.count);
	if (!ok || s->op.wrong)
		return false;
	az_builder at = {.func = s->func, .loc = loc};
	at.loc.node = s->op.node;
	at.loc.op = s->op.op;
	az_elem want = AZ_ELEM_NONE;
	if (az_op_table[code].traits & AZ_TRAIT_ELEM)
		want = s->op.types.v[0].type->elem;
	az_op *op = az_op_new(&at, code, s->op.args.count, s->op.args.v, &attrs, want);
	if (!op)
		return false;
	if (op->result_count != s->op.results.count) {
		az_error(s->ctx, loc, "%s makes %u results, %u are written", az_op_table[code].name,
			op->result_count, s->op.results.count);
		az_op_erase(op);
		return false;
	}
	name_results(s, op);
	compare_types(s, op);
	return true;
}

void az_adz_op_end(az_adz_state *s, az_loc loc, az_name name)
{
	if (s->func && !build(s, loc, name))
		az_adz_op_lost(s);
}

void az_adz_op_lost(az_adz_state *s)
{
	for (uint32_t i = 0; i < s->op.results.count; i++)
		lose(s, s->op.results.v[i].name);
}

static bool check_return(az_adz_state *s, az_loc loc)
{
	uint32_t count = s->op.args.count;
	if (s->returned)
		return az_error(s->ctx, loc, "a second return");
	s->returned = true;
	if (s->op.wrong)
		return false;
	if (count != s->func_rets.count)
		return az_error(s->ctx, loc, "returns %u values, \"%s\" has %u results", count,
			s->func->name, s->func_rets.count);
	return true;
}

void az_adz_return(az_adz_state *s, az_loc loc)
{
	if (!s->func || !check_return(s, loc))
		return;
	for (uint32_t i = 0; i < s->op.args.count; i++) {
		const az_adz_named *ret = &s->func_rets.v[i];
		az_value *value = s->op.args.v[i];
		if (!value) {
			az_error(s->ctx, loc, "result %u is absent", i + 1);
			continue;
		}
		if (ret->typed.type && ret->typed.type != value->type)
			az_error(s->ctx, ret->loc, "result %u is stated as %s, returned is %s",
				i + 1, az_type_print(&s->line, ret->typed.type),
				az_type_print(&s->line, value->type));
		else if (ret->typed.quant && ret->typed.quant != value->quant)
			az_error(s->ctx, ret->loc,
				"result %u is stated with another quantizer than \"%s\" has", i + 1,
				value->name);
		az_func_add_result(s->func, ret->name, value);
	}
}
