/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding what stayed float (passes/float_left.h). Two walks over main: forwards for the values that
 * depend on float inputs alone, backwards for those that only get moved to the results. */
#include "passes/float_left.h"

#include "ir/moves.h"

typedef struct survey {
	az_arena *arena;
	const az_func *main;
	bool *before; /* by value->id: float, made of float inputs by simple operations */
	bool *behind; /* by value->id: only moved from here to the results */
	az_float_left_list *out;
} survey;

static bool is_float(const az_value *v)
{
	return az_elem_is_float(v->type->elem);
}

/* Element by element, or none at all. */
static bool is_simple(const az_op *op)
{
	return az_op_only_moves(op) ||
	       (az_op_table[op->code].traits & (AZ_TRAIT_ELTWISE | AZ_TRAIT_MAPS)) != 0;
}

/* The test holds for the operation, or for every one of the function that it calls. */
static bool all_of(const az_op *op, bool (*test)(const az_op *))
{
	if (op->code != AZ_OP_call)
		return test(op);
	for (const az_op *o = op->attr.call.callee->first; o; o = o->next) {
		if (!all_of(o, test))
			return false;
	}
	return true;
}

static void find_before(survey *s)
{
	for (uint32_t i = 0; i < s->main->params.count; i++)
		s->before[s->main->params.v[i]->id] = is_float(s->main->params.v[i]);
	for (const az_op *op = s->main->first; op; op = op->next) {
		bool before = all_of(op, is_simple);
		for (uint32_t i = 0; i < op->arg_count; i++) {
			const az_value *arg = op->args[i].value;
			if (arg && !az_value_is_const(arg))
				before &= s->before[arg->id];
		}
		for (uint32_t i = 0; i < op->result_count; i++)
			s->before[op->results[i]->id] = before && is_float(op->results[i]);
	}
}

static bool goes_out(const survey *s, const az_value *v)
{
	for (const az_use *use = v->uses; use; use = use->next) {
		if (!use->user)
			continue;
		if (!all_of(use->user, az_op_only_moves))
			return false;
		for (uint32_t i = 0; i < use->user->result_count; i++) {
			if (!s->behind[use->user->results[i]->id])
				return false;
		}
	}
	return true;
}

static void find_behind(survey *s)
{
	for (const az_op *op = s->main->last; op; op = op->prev) {
		for (uint32_t i = op->result_count; i-- > 0;)
			s->behind[op->results[i]->id] = goes_out(s, op->results[i]);
	}
}

static void add(survey *s, const az_op *op, const char *layer, const char *reason)
{
	az_float_left entry = {op, layer, reason};
	az_vec_push(s->arena, s->out, entry);
}

/* `at` stands in main; operations of functions that it calls have no names of their own. */
static const char *layer_of(const az_op *op, const az_op *at)
{
	if (op->loc.node && op->loc.node[0])
		return op->loc.node;
	if (at->loc.node && at->loc.node[0])
		return at->loc.node;
	return at->result_count && at->results[0]->name ? at->results[0]->name : "";
}

static bool reads_float(const az_op *op)
{
	for (uint32_t i = 0; i < op->arg_count; i++) {
		if (op->args[i].value && is_float(op->args[i].value))
			return true;
	}
	return false;
}

/* Operations that join float elements; true when one was found. */
static bool find_sums(survey *s, const az_op *op, const az_op *at)
{
	bool found = false;
	if (op->code == AZ_OP_call) {
		for (const az_op *o = op->attr.call.callee->first; o; o = o->next)
			found |= find_sums(s, o, at);
		return found;
	}
	if (is_simple(op) || !reads_float(op))
		return false;
	add(s, op, layer_of(op, at),
		az_arena_printf(s->arena, "%s computes on %s", az_op_table[op->code].name,
			az_elem_print((char[16]){0}, op->args[0].value->type->elem)));
	return true;
}

/* The operation that makes the value, through calls. */
static const az_op *maker(const az_value *v)
{
	const az_op *op = az_value_op(v);
	while (op && op->code == AZ_OP_call) {
		v = op->attr.call.callee->results.v[v->index].use->value;
		if (!az_value_op(v))
			break;
		op = az_value_op(v);
	}
	return op;
}

static void find_stored(survey *s, const az_op *op)
{
	for (uint32_t i = 0; i < op->result_count; i++) {
		const az_value *v = op->results[i];
		if (!is_float(v) || s->before[v->id] || s->behind[v->id])
			continue;
		const az_op *by = maker(v);
		char text[16];
		add(s, by, layer_of(by, op),
			az_arena_printf(s->arena, "%s leaves %s in memory for the next kernel",
				az_op_table[by->code].name, az_elem_print(text, v->type->elem)));
		return;
	}
}

void az_float_left_find(const az_module *module, az_arena *arena, az_float_left_list *out)
{
	const az_func *main = az_module_main(module);
	if (!main)
		return;
	survey s = {.arena = arena, .main = main, .out = out};
	s.before = az_new_array(arena, bool, main->value_count + 1);
	s.behind = az_new_array(arena, bool, main->value_count + 1);
	find_before(&s);
	find_behind(&s);
	for (const az_op *op = main->first; op; op = op->next) {
		bool view = (az_op_table[op->code].traits & AZ_TRAIT_VIEW) != 0;
		if (!find_sums(&s, op, op) && !view)
			find_stored(&s, op);
	}
}
