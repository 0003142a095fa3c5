/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules and their deep copies. A copy repeats every table in the same order under the same names,
 * without inference; ids are dealt out anew and have no holes. */
#include <stdlib.h>

#include "ir/internal.h"

az_module *az_module_new(az_ctx *ctx, const char *name)
{
	az_name interned = az_name_of(ctx, name); /* may jump: before there is anything to lose */
	az_module *module = calloc(1, sizeof *module);
	if (!module)
		az_arena_exhausted(&ctx->arena);
	module->ctx = ctx;
	az_arena_init(&module->arena, &ctx->oom);
	module->name = interned;
	return module;
}

void az_module_free(az_module *module)
{
	if (!module)
		return;
	az_arena_free(&module->arena);
	free(module);
}

az_func *az_module_main(const az_module *module)
{
	return module->funcs.count ? module->funcs.v[module->funcs.count - 1] : NULL;
}

az_func *az_module_func(const az_module *module, az_name name)
{
	return az_map_get(&module->func_names, name);
}

static void copy_facts(az_value *to, const az_value *from)
{
	to->type = from->type;
	to->quant = from->quant;
	to->range = from->range;
	to->at = from->at;
	az_value_rename(to, from->name);
}

static void clone_const(az_module *to, const az_const *from, az_map *map, bool share)
{
	az_const *copy = az_new(&to->arena, az_const);
	copy->module = to;
	copy->value.id = to->const_count++;
	copy->value.kind = AZ_VALUE_CONST;
	copy->value.def.constant = copy;
	copy->loc = from->loc;
	copy->splat = from->splat;
	copy->size_bytes = from->size_bytes;
	copy->data = share ? from->data : az_arena_dup(&to->arena, from->data, from->size_bytes);
	copy->hash = from->hash;
	copy->hashed = from->hash && from->hashed == from->data ? copy->data : NULL;
	az_vec_push(&to->arena, &to->consts, copy);
	copy_facts(&copy->value, &from->value);
	az_map_put(&to->arena, map, &from->value, &copy->value);
}

/* Function attributes point into the old module. */
static void map_callees(const az_module *to, az_op *op)
{
	const az_op_desc *desc = &az_op_table[op->code];
	for (uint32_t i = 0; i < desc->attr_count; i++) {
		if (desc->attrs[i].kind != AZ_ATTR_func)
			continue;
		az_func **callee = (az_func **)((char *)&op->attr + desc->attrs[i].offset);
		if (*callee)
			*callee = az_module_func(to, (*callee)->name);
	}
}

static void clone_op(az_func *to, const az_op *from, az_map *map)
{
	az_value **args = az_new_array(&to->module->arena, az_value *, from->arg_count);
	for (uint32_t i = 0; i < from->arg_count; i++) {
		if (from->args[i].value)
			args[i] = az_map_get(map, from->args[i].value);
	}
	az_builder at = {.func = to, .loc = from->loc};
	az_op *op = az_op_alloc(&at, from->code, from->arg_count, args, &from->attr,
		from->result_count);
	map_callees(to->module, op);
	for (uint32_t i = 0; i < op->result_count; i++) {
		copy_facts(op->results[i], from->results[i]);
		az_map_put(&to->module->arena, map, from->results[i], op->results[i]);
	}
}

static void clone_func(az_module *to, const az_func *from, az_map *map)
{
	az_func *func = az_func_new(to, from->name);
	func->loc = from->loc;
	for (uint32_t i = 0; i < from->params.count; i++) {
		const az_value *old = from->params.v[i];
		az_value *param = az_func_add_param(func, old->name, old->type);
		copy_facts(param, old);
		az_map_put(&to->arena, map, old, param);
	}
	for (const az_op *op = from->first; op; op = op->next)
		clone_op(func, op, map);
	for (uint32_t i = 0; i < from->results.count; i++) {
		const az_result *result = &from->results.v[i];
		az_func_add_result(func, result->name, az_map_get(map, result->use->value));
	}
}

static void clone_into(az_module *to, const az_module *from, bool share)
{
	az_map map = {0}; /* old value -> new value */
	to->stage = from->stage;
	to->fast_math = from->fast_math;
	to->target = from->target;
	to->cpu = from->cpu;
	to->features = from->features;
	for (uint32_t i = 0; i < from->done.count; i++)
		az_vec_push(&to->arena, &to->done, from->done.v[i]);
	for (uint32_t i = 0; i < from->quants.count; i++) {
		const az_quant *quant = from->quants.v[i];
		az_vec_push(&to->arena, &to->quants, quant);
		az_map_put(&to->arena, &to->quant_names, quant->name, (void *)quant);
	}
	for (uint32_t i = 0; i < from->consts.count; i++)
		clone_const(to, from->consts.v[i], &map, share);
	for (uint32_t i = 0; i < from->funcs.count; i++)
		clone_func(to, from->funcs.v[i], &map);
}

az_module *az_module_clone(const az_module *module, bool share_data)
{
	az_ctx *ctx = module->ctx;
	az_module *copy = az_module_new(ctx, module->name);
	az_guard guard = {.outer = ctx->oom.jump};
	ctx->oom.jump = &guard.jump;
	if (setjmp(guard.jump)) {
		ctx->oom.jump = guard.outer;
		az_module_free(copy);
		az_arena_exhausted(&ctx->arena); /* on to the entry point */
	}
	clone_into(copy, module, share_data);
	ctx->oom.jump = guard.outer;
	return copy;
}
