/* SPDX-License-Identifier: Apache-2.0
 *
 * reorder-operations: runs main's operations in the order that needs the smallest arena.
 *
 *     %a = call @wide(%x)                     %a = call @wide(%x)
 *     %b = call @wide(%x)              ->     %c = call @narrow(%a)
 *     %c = call @narrow(%a)                   %b = call @wide(%x)
 *     %d = call @narrow(%b)                   %d = call @narrow(%b)
 *
 * Operands still come before their users, so every value stays what it was. backend/order.h finds the order
 * by sums of what is alive at once; plan-memory's own placing then has the last word: where the new order
 * does not come out smaller, the old one stays. A network without branches stays as it is.
 *
 * Requires: stage selected (main holds calls and views), kernels chosen: they decide what may take the place
 * of an operand and what lies in the caller's buffers. Guarantees: the arena is never larger than before.
 * Terminates: one search of bounded size. */
#include "backend/live.h"
#include "backend/order.h"
#include "backend/passes.h"
#include "backend/slots.h"

typedef struct reorderer {
	az_arena *arena;
	az_func *main;
	int64_t align;
	az_op **call;
	uint32_t *buffer; /* by value id of what is no view: index + 1; 0: outside the arena */
	az_order_problem problem;
} reorderer;

static uint32_t buffer_of(const reorderer *r, const az_value *value)
{
	const az_value *root = value ? az_view_root(value) : NULL;
	return root && root->kind != AZ_VALUE_CONST ? r->buffer[root->id] : 0;
}

/* What lies outside the arena takes no room in it, but is made before it is read. */
static uint32_t add_buffer(reorderer *r, const az_value *value, uint32_t maker)
{
	az_order_problem *p = &r->problem;
	p->buffer[p->buffer_count] = (az_order_buffer){.maker = maker,
		.size = az_lies_outside(value) ? 0 : (uint64_t)az_slot_size(value, r->align),
		.kept = az_is_returned(value)};
	r->buffer[value->id] = ++p->buffer_count;
	return p->buffer_count - 1;
}

static bool listed(const uint32_t *list, uint32_t count, uint32_t what)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i] == what)
			return true;
	return false;
}

static void add_step(reorderer *r, az_op *call)
{
	az_order_problem *p = &r->problem;
	az_order_step *step = &p->step[p->step_count];
	for (uint32_t i = 0; i < call->arg_count; i++) {
		uint32_t at = buffer_of(r, call->args[i].value);
		if (!at || listed(step->reads.v, step->reads.count, at - 1))
			continue;
		az_vec_push(r->arena, &step->reads, at - 1);
		p->buffer[at - 1].readers++;
		if (p->buffer[at - 1].size && az_takes_place(call, i))
			az_vec_push(r->arena, &step->gives, at - 1);
	}
	for (uint32_t i = 0; i < call->result_count; i++)
		az_vec_push(r->arena, &step->makes, add_buffer(r, call->results[i], p->step_count));
	/* A result outside takes nobody's place. */
	if (step->makes.count && p->buffer[step->makes.v[0]].size == 0)
		step->gives.count = 0;
	r->call[p->step_count++] = call;
}

static void make_problem(reorderer *r)
{
	const az_func *main = r->main;
	uint32_t values = main->value_count + 1;
	r->call = az_new_array(r->arena, az_op *, main->op_count + 1u);
	r->buffer = az_new_array(r->arena, uint32_t, values);
	r->problem = (az_order_problem){
		.step = az_new_array(r->arena, az_order_step, main->op_count + 1u),
		.buffer = az_new_array(r->arena, az_order_buffer, values)};
	for (uint32_t i = 0; i < main->params.count; i++)
		(void)add_buffer(r, main->params.v[i], AZ_NO_STEP);
	for (az_op *op = main->first; op; op = op->next)
		if (!az_is_view(op))
			add_step(r, op);
}

/* The views that an operand looks through stand before the call. */
static void move_views(const az_value *value, az_op *before, az_map *moved, az_arena *arena)
{
	az_op *op = az_value_op(value);
	if (!op || !az_is_view(op) || az_map_get(moved, op))
		return;
	az_map_put(arena, moved, op, op);
	move_views(op->args[0].value, before, moved, arena);
	az_op_move_before(op, before);
}

/* Lines the operations up: calls in this order, views before their first user, the rest of the views last. */
static void line_up(reorderer *r, const uint32_t *order)
{
	az_map moved = {0};
	AZ_VEC(az_op *) views = {0};
	for (az_op *op = r->main->first; op; op = op->next)
		if (az_is_view(op))
			az_vec_push(r->arena, &views, op);
	for (uint32_t i = 0; i < r->problem.step_count; i++) {
		az_op *call = r->call[order[i]];
		az_op_move_before(call, NULL);
		for (uint32_t k = 0; k < call->arg_count; k++)
			if (call->args[k].value)
				move_views(call->args[k].value, call, &moved, r->arena);
	}
	for (uint32_t i = 0; i < views.count; i++)
		if (!az_map_get(&moved, views.v[i]))
			az_op_move_before(views.v[i], NULL);
}

static void restore(az_op *const *before, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		az_op_move_before(before[i], NULL);
}

static void report(const az_pass_ctx *pass, reorderer *r, uint64_t before, uint64_t after)
{
	if (!pass->env || !pass->env->report)
		return;
	pass->env->report(pass->env->report_data,
		az_arena_printf(r->arena,
			"reorder-operations: values take %llu bytes at once, %llu in the order "
			"given\n",
			(unsigned long long)after, (unsigned long long)before));
}

static void reorder(az_pass_ctx *pass, reorderer *r)
{
	uint32_t count = 0;
	bool exact;
	az_op **old = az_new_array(r->arena, az_op *, r->main->op_count + 1u);
	for (az_op *op = r->main->first; op; op = op->next)
		old[count++] = op;
	uint32_t *order = az_new_array(r->arena, uint32_t, count + 1u),
		 *given = az_new_array(r->arena, uint32_t, count + 1u);
	for (uint32_t i = 0; i < count; i++)
		given[i] = i;
	uint64_t least = az_order_search(&r->problem, r->arena, order, &exact);
	if (least >= az_order_peak(&r->problem, given, r->arena))
		return;
	uint64_t before = az_plan_peak(r->main, r->align, r->arena);
	line_up(r, order);
	uint64_t after = az_plan_peak(r->main, r->align, r->arena);
	if (after < before)
		report(pass, r, before, after);
	else
		restore(old, count);
}

bool az_pass_reorder_operations(az_pass_ctx *pass)
{
	reorderer r = {.arena = &pass->scratch,
		.main = az_module_main(pass->module),
		.align = az_pass_int(pass, "align")};
	if (!az_plan_check(pass, r.align))
		return false;
	make_problem(&r);
	reorder(pass, &r);
	return true;
}
