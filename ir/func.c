/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions: parameters, results, their place in the module. */
#include <assert.h>

#include "ir/internal.h"

az_func *az_func_new(az_module *module, const char *name)
{
	az_func *func = az_new(&module->arena, az_func);
	func->module = module;
	func->name =
		az_name_unique(module->ctx, &module->func_names, az_name_of(module->ctx, name));
	az_map_put(&module->arena, &module->func_names, func->name, func);
	az_vec_push(&module->arena, &module->funcs, func);
	return func;
}

az_value *az_func_add_param(az_func *func, const char *name, const az_type *type)
{
	az_value *value = az_value_new(func, AZ_VALUE_PARAM);
	value->def.func = func;
	value->type = type;
	value->index = func->params.count;
	az_vec_push(&func->module->arena, &func->params, value);
	az_value_rename(value, name);
	return value;
}

void az_func_add_result(az_func *func, const char *name, az_value *value)
{
	az_module *module = func->module;
	az_result result = {az_name_of(module->ctx, name), az_new(&module->arena, az_use)};
	result.use->func = func;
	result.use->index = func->results.count;
	az_use_link(result.use, value);
	az_vec_push(&module->arena, &func->results, result);
}

void az_func_set_result(az_func *func, uint32_t index, az_value *value)
{
	az_use *use = func->results.v[index].use;
	az_use_unlink(use);
	az_use_link(use, value);
}

static void unlist(az_module *module, const az_func *func)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < module->funcs.count; i++) {
		if (module->funcs.v[i] != func)
			module->funcs.v[kept++] = module->funcs.v[i];
	}
	module->funcs.count = kept;
}

void az_func_erase(az_func *func)
{
	az_module *module = func->module;
	for (uint32_t i = 0; i < func->results.count; i++)
		az_use_unlink(func->results.v[i].use);
	while (func->last) {
		az_op *op = func->last;
		for (uint32_t i = 0; i < op->result_count; i++)
			assert(!op->results[i]->uses);
		az_op_erase(op);
	}
	az_map_put(&module->arena, &module->func_names, func->name, NULL);
	unlist(module, func);
}

void az_func_move_before(az_func *func, az_func *before)
{
	az_module *module = func->module;
	if (func == before)
		return;
	unlist(module, func);
	az_vec_push(&module->arena, &module->funcs, func);
	uint32_t i = module->funcs.count - 1;
	for (; i > 0 && module->funcs.v[i] != before; i--)
		module->funcs.v[i] = module->funcs.v[i - 1];
	assert(i > 0 || module->funcs.v[0] == before);
	module->funcs.v[i] = func;
}
