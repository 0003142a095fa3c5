/* SPDX-License-Identifier: Apache-2.0
 *
 * Making, changing and erasing operations. Inference runs on an operation that stands complete but
 * unlinked, so that a refused one leaves no trace. */
#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "ir/internal.h"

static void link_before(az_func *func, az_op *op, az_op *before)
{
	op->next = before;
	op->prev = before ? before->prev : func->last;
	*(op->prev ? &op->prev->next : &func->first) = op;
	*(before ? &before->prev : &func->last) = op;
	func->op_count++;
}

static void unlink_op(az_op *op)
{
	az_func *func = op->func;
	*(op->prev ? &op->prev->next : &func->first) = op->next;
	*(op->next ? &op->next->prev : &func->last) = op->prev;
	op->prev = op->next = NULL;
	func->op_count--;
}

/* The operation with its operands noted but not yet in any list. */
static az_op *make(az_builder *at, az_opcode code, uint32_t arg_count, az_value *const *args,
	const az_attrs *attrs)
{
	az_module *module = at->func->module;
	az_op *op = az_new(&module->arena, az_op);
	op->code = code;
	op->loc = at->loc;
	op->func = at->func;
	op->arg_count = arg_count;
	op->args = az_new_array(&module->arena, az_use, arg_count);
	for (uint32_t i = 0; i < arg_count; i++)
		op->args[i] = (az_use){.value = args[i], .user = op, .index = i};
	if (attrs) {
		op->attr = *attrs;
		az_attrs_copy(module, code, &op->attr);
	} else {
		az_attrs_init(code, &op->attr);
	}
	return op;
}

/* Enters a complete operation into the function. */
static void enter(az_builder *at, az_op *op, uint32_t result_count)
{
	az_module *module = at->func->module;
	op->results = az_new_array(&module->arena, az_value *, result_count);
	for (uint32_t i = 0; i < result_count; i++) {
		az_value *value = az_value_new(at->func, AZ_VALUE_RESULT);
		value->index = i;
		value->def.op = op;
		op->results[i] = value;
	}
	op->result_count = result_count;
	for (uint32_t i = 0; i < op->arg_count; i++)
		az_use_link(&op->args[i], op->args[i].value);
	link_before(at->func, op, at->before);
}

az_op *az_op_alloc(az_builder *at, az_opcode code, uint32_t arg_count, az_value *const *args,
	const az_attrs *attrs, uint32_t result_count)
{
	az_op *op = make(at, code, arg_count, args, attrs);
	enter(at, op, result_count);
	return op;
}

static bool infer(az_op *op, az_elem want, uint32_t result_count, const az_type **types,
	uint32_t *count)
{
	const az_op_desc *desc = &az_op_table[op->code];
	az_ctx *ctx = op->func->module->ctx;
	az_infer in = {
		.ctx = ctx, .op = op, .want = want, .result_count = result_count, .result = types};
	if (!desc->infer(&in))
		return false;
	*count = in.result_count;
	if (*count < desc->results_min || *count > desc->results_max)
		return az_error(ctx, op->loc, "%s: makes %u results, may make %u to %u", desc->name,
			*count, desc->results_min, desc->results_max);
	return true;
}

az_op *az_op_new(az_builder *at, az_opcode code, uint32_t arg_count, az_value *const *args,
	const az_attrs *attrs, az_elem want)
{
	const az_type *types[AZ_ARGS_MAX];
	uint32_t count = 0;
	az_op *op = make(at, code, arg_count, args, attrs);
	if (!infer(op, want, 0, types, &count))
		return NULL;
	enter(at, op, count);
	for (uint32_t i = 0; i < count; i++) {
		op->results[i]->type = types[i];
		az_value_rename(op->results[i], NULL);
	}
	return op;
}

az_value *az_build(az_builder *at, az_opcode code, uint32_t arg_count, az_value *const *args,
	const az_attrs *attrs, az_elem want)
{
	az_op *op = az_op_new(at, code, arg_count, args, attrs, want);
	return op ? op->results[0] : NULL;
}

void az_op_erase(az_op *op)
{
	for (uint32_t i = 0; i < op->result_count; i++) {
		assert(!op->results[i]->uses);
		az_value_unname(op->results[i]);
	}
	for (uint32_t i = 0; i < op->arg_count; i++)
		az_use_unlink(&op->args[i]);
	unlink_op(op);
	op->func = NULL;
}

void az_op_set_arg(az_op *op, uint32_t index, az_value *value)
{
	assert(index < op->arg_count);
	az_use_unlink(&op->args[index]);
	az_use_link(&op->args[index], value);
}

void az_op_move_before(az_op *op, az_op *before)
{
	if (op == before)
		return;
	unlink_op(op);
	link_before(op->func, op, before);
}

bool az_op_reinfer(az_op *op)
{
	const az_type *types[AZ_ARGS_MAX];
	uint32_t count = 0;
	az_elem want = AZ_ELEM_NONE;
	if (az_op_table[op->code].traits & AZ_TRAIT_ELEM)
		want = op->results[0]->type->elem;
	if (!infer(op, want, op->result_count, types, &count))
		return false;
	if (count != op->result_count)
		return az_error(op->func->module->ctx, op->loc, "%s: has %u results, now makes %u",
			az_op_table[op->code].name, op->result_count, count);
	for (uint32_t i = 0; i < count; i++)
		op->results[i]->type = types[i];
	return true;
}

static bool is_number(const char *name)
{
	return name[strspn(name, "0123456789")] == 0;
}

/* Names follow, numbers do not: a copy gets numbers of its own. */
static void copy_facts(az_value *to, const az_value *from)
{
	if (from->name && !is_number(from->name))
		az_value_rename(to, from->name);
	to->quant = from->quant;
	to->range = from->range;
}

az_op *az_op_clone(az_builder *at, const az_op *op, az_map *map)
{
	az_value *args[AZ_ARGS_MAX];
	assert(op->arg_count <= AZ_ARGS_MAX);
	for (uint32_t i = 0; i < op->arg_count; i++) {
		az_value *value = op->args[i].value;
		az_value *mapped = value ? az_map_get(map, value) : NULL;
		args[i] = mapped ? mapped : value;
	}
	az_elem want = AZ_ELEM_NONE;
	if (az_op_table[op->code].traits & AZ_TRAIT_ELEM)
		want = op->results[0]->type->elem;
	az_builder here = {at->func, at->before, op->loc};
	az_op *copy = az_op_new(&here, op->code, op->arg_count, args, &op->attr, want);
	if (!copy)
		return NULL;
	for (uint32_t i = 0; i < copy->result_count; i++) {
		copy_facts(copy->results[i], op->results[i]);
		az_map_put(&at->func->module->arena, map, op->results[i], copy->results[i]);
	}
	return copy;
}

az_reals *az_op_clamp_at(az_op *op)
{
	switch (op->code) {
	case AZ_OP_conv:
		return &op->attr.conv.clamp;
	case AZ_OP_conv_transpose:
		return &op->attr.conv_transpose.clamp;
	case AZ_OP_matmul:
		return &op->attr.matmul.clamp;
	case AZ_OP_add:
		return &op->attr.add.clamp;
	case AZ_OP_sub:
		return &op->attr.sub.clamp;
	case AZ_OP_mul:
		return &op->attr.mul.clamp;
	default:
		return NULL;
	}
}

az_reals az_op_clamp(const az_op *op)
{
	const az_reals *clamp = az_op_clamp_at((az_op *)(uintptr_t)op);
	return clamp ? *clamp : (az_reals){0, NULL};
}

int64_t az_op_groups(const az_op *op)
{
	return op->code == AZ_OP_conv             ? op->attr.conv.groups
	       : op->code == AZ_OP_conv_transpose ? op->attr.conv_transpose.groups
						  : 1;
}
