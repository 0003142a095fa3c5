/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a function of a group. Parameters are named a, b, c, ... in the order of first use and nothing
 * keeps a name, a location or facts of its own, so that equal layers become equal texts. */
#include "backend/select.h"

#include <string.h>

#include "ir/print.h"

/* a, b, ..., z, a1, b1, ... */
static const char *param_name(az_arena *arena, uint32_t i)
{
	char letter = (char)('a' + i % 26);
	return i < 26 ? az_arena_printf(arena, "%c", letter)
		      : az_arena_printf(arena, "%c%u", letter, i / 26);
}

static void add_params(const az_op *op, az_func *func, az_map *map, az_arena *arena,
	az_value_list *args)
{
	for (uint32_t i = 0; i < op->arg_count; i++) {
		az_value *value = op->args[i].value;
		if (!value || az_map_get(map, value))
			continue;
		az_value *param =
			az_func_add_param(func, param_name(arena, func->params.count), value->type);
		az_map_put(arena, map, value, param);
		az_vec_push(arena, args, value);
	}
}

static bool clone_plain(az_builder *at, const az_op *op, az_map *map)
{
	az_op *copy = az_op_clone(at, op, map);
	if (!copy)
		return false;
	copy->loc = AZ_LOC_NONE;
	for (uint32_t i = 0; i < copy->result_count; i++) {
		az_value_rename(copy->results[i], NULL);
		copy->results[i]->quant = NULL;
		copy->results[i]->range = (az_range){0};
	}
	return true;
}

/* Marks the results of the group, so that they do not become parameters. */
static void mark_inner(const az_group *group, az_map *inner, az_arena *arena)
{
	for (uint32_t i = 0; i < group->ops.count; i++)
		for (uint32_t k = 0; k < group->ops.v[i]->result_count; k++)
			az_map_put(arena, inner, group->ops.v[i]->results[k], group->ops.v[i]);
}

static bool is_first(const az_group *group, const az_op *op)
{
	for (uint32_t i = 0; i < group->first.count; i++)
		if (group->first.v[i] == op)
			return true;
	return false;
}

az_func *az_group_outline(const az_group *group, az_module *module, az_arena *arena,
	az_value_list *args)
{
	const az_op *last = group->ops.v[group->ops.count - 1];
	const az_op *first = group->anchor ? group->anchor : last;
	az_func *func = az_func_new(module, az_op_table[first->code].name);
	az_func_move_before(func, last->func);
	az_map map = {0}, inner = {0};
	mark_inner(group, &inner, arena);
	/* The anchor first: its operands lead. What prepares them must stand before it. */
	az_op_list ordered = {0};
	for (uint32_t i = 0; i < group->first.count; i++)
		az_vec_push(arena, &ordered, group->first.v[i]);
	if (group->anchor)
		az_vec_push(arena, &ordered, group->anchor);
	for (uint32_t i = 0; i < group->ops.count; i++)
		if (group->ops.v[i] != group->anchor && !is_first(group, group->ops.v[i]))
			az_vec_push(arena, &ordered, group->ops.v[i]);
	if (group->anchor)
		add_params(group->anchor, func, &inner, arena, args);
	for (uint32_t i = 0; i < ordered.count; i++)
		if (ordered.v[i] != group->anchor)
			add_params(ordered.v[i], func, &inner, arena, args);
	for (uint32_t i = 0; i < args->count; i++)
		az_map_put(arena, &map, args->v[i], func->params.v[i]);
	az_builder at = {func, NULL, AZ_LOC_NONE};
	for (uint32_t i = 0; i < ordered.count; i++)
		if (!clone_plain(&at, ordered.v[i], &map))
			return NULL;
	for (uint32_t i = 0; i < last->result_count; i++) {
		const char *name = last->result_count == 1 ? "r" : az_arena_printf(arena, "r%u", i);
		az_func_add_result(func, name, az_map_get(&map, last->results[i]));
	}
	return func;
}

az_name az_func_key(const az_func *func, const char *kernel, const az_tile *tile, az_arena *arena)
{
	az_text text = {.arena = arena};
	az_func_print(&text, func);
	const char *body = strchr(text.v, '(');
	az_text key = {.arena = arena};
	az_text_add(&key, "%s", kernel);
	for (uint32_t i = 0; i < tile->count; i++)
		az_text_add(&key, " %lld", (long long)tile->v[i]);
	az_text_add(&key, "%s", body);
	return az_name_intern(func->module->ctx, key.v, key.count);
}
