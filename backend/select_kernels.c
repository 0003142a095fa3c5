/* SPDX-License-Identifier: Apache-2.0
 *
 * The pass select-kernels: main becomes a list of calls and views. Each group of operations is outlined into
 * a function; the kernels of backend/kernels.def are asked in order, and the first that takes it wins. Of a
 * group that none takes, or only a slow one, the longest head that does better is kept, and what is behind
 * it is grouped anew. Equal functions with equal kernels and tiles are one. */
#include "backend/passes.h"
#include "backend/kept.h"
#include "backend/select.h"

/* A few spills outside the hot path are no reason for smaller tiles. */
#define LOOP_SPILLS_MAX 2
#define SHRINKS_MAX     8

typedef struct selector {
	az_pass_ctx *pass;
	const az_target *target;
	az_arena *arena;
	az_map by_key; /* text of a function -> az_func */
	az_map tiles;  /* text of a function with its first tile -> the tile without spills */
	az_probe_memo *probes;
	bool scarce; /* memory, rather than time */
} selector;

typedef struct choice {
	az_func *func;
	az_value_list args;
	const az_kernel *kernel;
	az_tile tile;
} choice;

static const az_kernel *first_match(const selector *s, choice *c)
{
	for (uint32_t i = 0; i < az_kernel_count; i++) {
		c->tile = (az_tile){0};
		if (az_kernels[i].match(s->target, c->func, c->args.v, &c->tile))
			return &az_kernels[i];
	}
	return NULL;
}

/* Makes the tile small enough for the register file. */
static bool avoid_spills(selector *s, choice *c)
{
	az_module *module = s->pass->module;
	if (!c->kernel->shrink)
		return true;
	az_name key = az_func_key(c->func, c->kernel->name, &c->tile, s->arena);
	const az_tile *known = az_map_get(&s->tiles, key);
	if (known) {
		c->tile = *known;
		return true;
	}
	az_tile best = c->tile;
	uint32_t least = UINT32_MAX;
	for (uint32_t i = 0; i < SHRINKS_MAX; i++) {
		az_probe probe = {0};
		if (!az_emit_probe(module->ctx, s->target, module->fast_math, c->func, c->kernel,
			    &c->tile, s->probes, &probe))
			return false;
		if (probe.loop_spills < least) {
			least = probe.loop_spills;
			best = c->tile;
		}
		if (least <= LOOP_SPILLS_MAX || !c->kernel->shrink(s->target, &c->tile))
			break;
	}
	c->tile = best;
	az_tile *kept = az_new(s->arena, az_tile);
	*kept = best;
	az_map_put(s->arena, &s->tiles, key, kept);
	return true;
}

static az_op *make_call(const choice *c, const az_group *group, az_name kernel)
{
	az_op *last = group->ops.v[group->ops.count - 1];
	const az_op *named = group->anchor ? group->anchor : last;
	az_attrs attrs;
	az_attrs_init(AZ_OP_call, &attrs);
	attrs.call.callee = c->func;
	attrs.call.kernel = kernel;
	attrs.call.tile = (az_ints){c->tile.count, c->tile.v};
	az_builder at = {last->func, last, named->loc};
	return az_op_new(&at, AZ_OP_call, c->args.count, c->args.v, &attrs, AZ_ELEM_NONE);
}

/* The call takes the place of the group's operations. */
static bool replace_group(selector *s, const az_group *group, choice *c)
{
	az_ctx *ctx = s->pass->ctx;
	az_op *last = group->ops.v[group->ops.count - 1];
	az_op *call = make_call(c, group, az_name_of(ctx, c->kernel->name));
	if (!call)
		return false;
	for (uint32_t i = 0; i < last->result_count; i++) {
		az_value *old = last->results[i], *now = call->results[i];
		now->quant = old->quant;
		now->range = old->range;
		az_value_replace_uses(old, now);
	}
	for (uint32_t i = group->ops.count; i-- > 0;) {
		az_op *op = group->ops.v[i];
		az_name name = op->results[0]->name;
		az_op_erase(op);
		/* One result keeps its name; several are numbered. */
		if (op == last && last->result_count == 1)
			az_value_rename(call->results[0], name);
	}
	return true;
}

static bool select_list(selector *s, const az_op_list *ops);

/* The kernel that would take the operations, or NULL without a message other than of the outlining. */
static const az_kernel *kernel_for(selector *s, const az_group *group)
{
	choice c = {0};
	c.func = az_group_outline(group, s->pass->module, s->arena, &c.args);
	if (!c.func)
		return NULL;
	const az_kernel *kernel = first_match(s, &c);
	az_func_erase(c.func);
	return kernel;
}

/* Slow is good enough where the anchor alone would be slow, too: together less goes through memory. */
static bool good_enough(selector *s, const az_group *group, const az_kernel *kernel)
{
	if (!kernel || !kernel->slow || group->ops.count == 1 || !group->anchor)
		return kernel && (!kernel->slow || group->ops.count == 1);
	az_group alone = {.anchor = group->anchor};
	az_vec_push(s->arena, &alone.ops, group->anchor);
	const az_kernel *least = kernel_for(s, &alone);
	return least && least->slow;
}

static bool all_good_enough(selector *s, const az_op_list *ops)
{
	az_group_list groups = {0};
	az_group_ops(ops, s->scarce, s->arena, &groups);
	for (uint32_t i = 0; i < groups.count; i++) {
		if (!good_enough(s, groups.v[i], kernel_for(s, groups.v[i])))
			return false;
	}
	return true;
}

/* Whole numbers go through memory to what is behind, not the floats that they stand for. */
static bool ends_in_float(const az_op_list *ops)
{
	const az_op *last = ops->v[ops->count - 1];
	return last->code == AZ_OP_dequantize && last->args[0].value->type->elem.bits <= 16;
}

static bool split(selector *s, const az_group *group)
{
	az_op_list head = group->ops, rest = {0};
	do
		head.count--;
	while (head.count > 1 && (ends_in_float(&head) || !all_good_enough(s, &head)));
	for (uint32_t i = head.count; i < group->ops.count; i++)
		az_vec_push(s->arena, &rest, group->ops.v[i]);
	return select_list(s, &head) && select_list(s, &rest);
}

static bool select_group(selector *s, const az_group *group)
{
	az_module *module = s->pass->module;
	choice c = {0};
	c.func = az_group_outline(group, module, s->arena, &c.args);
	if (!c.func)
		return false;
	c.kernel = first_match(s, &c);
	if (group->ops.count > 1 && !good_enough(s, group, c.kernel)) {
		az_func_erase(c.func);
		return split(s, group);
	}
	if (!c.kernel) {
		const az_op *op = group->ops.v[0];
		return az_error(module->ctx, op->loc, "no kernel for %s on %s",
			az_op_table[op->code].name, s->target->triple);
	}
	if (!avoid_spills(s, &c))
		return false;
	az_name key = az_func_key(c.func, c.kernel->name, &c.tile, s->arena);
	az_func *same = az_map_get(&s->by_key, key);
	if (same) {
		az_func_erase(c.func);
		c.func = same;
	} else {
		az_map_put(s->arena, &s->by_key, key, c.func);
	}
	return replace_group(s, group, &c);
}

static bool select_list(selector *s, const az_op_list *ops)
{
	az_group_list groups = {0};
	az_group_ops(ops, s->scarce, s->arena, &groups);
	for (uint32_t i = 0; i < groups.count; i++)
		if (!select_group(s, groups.v[i]))
			return false;
	return true;
}

static bool run(selector *s)
{
	az_func *func = az_module_main(s->pass->module);
	az_op_list ops = {0};
	s->scarce = az_memory_is_scarce(s->pass->module);
	for (az_op *op = func->first; op; op = op->next) {
		if (op->code == AZ_OP_call)
			return az_error(s->pass->ctx, op->loc,
				"calls of @%s must be inlined before kernels are chosen",
				op->attr.call.callee->name);
		if (!az_stays_in_main(op))
			az_vec_push(s->arena, &ops, op);
	}
	return select_list(s, &ops);
}

bool az_pass_select_kernels(az_pass_ctx *pass)
{
	const az_target *target = pass->env ? pass->env->backend_data : NULL;
	if (!target)
		return az_error(pass->ctx, AZ_LOC_NONE, "select-kernels needs a target");
	if (!az_module_main(pass->module))
		return az_error(pass->ctx, AZ_LOC_NONE, "the module has no main function");
	az_target chosen = *target;
	chosen.compact = az_pass_flag(pass, "size");
	selector s = {.pass = pass, .target = &chosen, .arena = &pass->scratch};
	az_probe_memo own = {.arena = s.arena};
	s.probes = pass->ctx->kept ? &pass->ctx->kept->probes : &own;
	if (!az_select_prepare(pass) || !run(&s))
		return false;
	az_module *module = pass->module;
	module->target = az_name_of(module->ctx, target->triple);
	module->cpu = az_name_of(module->ctx, target->cpu);
	module->features = az_name_of(module->ctx, target->features);
	return true;
}
