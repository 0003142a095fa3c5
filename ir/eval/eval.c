/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluating operations and functions. The values of a function live in one buffer, whose layout is
 * planned beforehand from their lifetimes: a value's place is free again after its last use. So
 * everything is one arena used as a stack, and running out of memory leaves nothing behind. */
#include "ir/eval/eval.h"

#include <string.h>

#include "ir/eval/part.h"

static az_eval_hook *const hooks[AZ_OP_COUNT_] = {
#define OP(name, family, ...) [AZ_OP_##name] = az_eval_##family,
#include "ir/ops.def"
};

bool az_eval_error(const az_eval *e, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = az_arena_vprintf(&e->ctx->arena, format, args);
	va_end(args);
	return az_error(e->ctx, e->op->loc, "%s: %s", az_op_table[e->op->code].name, text);
}

/* Empty results are ready as they are; hooks need not think of them, nor of empty operands of an
 * operation whose other dimensions may be huge. */
static bool all_empty(const az_eval *e)
{
	for (uint32_t i = 0; i < e->op->result_count; i++)
		if (az_type_numel(e->results[i].type) != 0)
			return false;
	return true;
}

bool az_eval_into(az_eval *e)
{
	if (all_empty(e))
		return true;
	for (uint32_t i = 0; i < e->op->result_count; i++) {
		az_tensor *result = &e->results[i];
		size_t size = az_type_size(result->type);
		/* Bits behind the last element are zero. */
		if (result->type->elem.bits % 8 && size)
			((unsigned char *)result->data)[size - 1] = 0;
	}
	az_arena_mark mark = az_arena_mark_get(e->scratch);
	bool ok = hooks[e->op->code](e);
	az_arena_reset(e->scratch, mark);
	return ok;
}

static bool eval_op(const az_op *op, az_arena *arena, const az_tensor *const *args,
	az_tensor *results)
{
	for (uint32_t i = 0; i < op->result_count; i++)
		results[i] = az_tensor_new(arena, op->results[i]->type);
	az_eval e = {op->func->module->ctx, op, arena, args, results, 0};
	return az_eval_into(&e);
}

bool az_eval_op(const az_op *op, az_arena *arena, const az_tensor *const *args, az_tensor *results)
{
	az_ctx *ctx = op->func->module->ctx;
	AZ_GUARD(ctx, return false);
	bool ok = eval_op(op, arena, args, results);
	AZ_UNGUARD(ctx);
	return ok;
}

/* Where the values of a function lie while it runs. */
typedef struct place {
	size_t offset, size;
	uint32_t last; /* the operation after which it is dead, counted from 1; 0: never used */
} place;

#define ALIGN ((size_t)64)

/* The lowest gap of `size` bytes between the live places (sorted by offset). */
static size_t find_gap(const place *const *live, uint32_t count, size_t size, uint32_t *at)
{
	size_t end = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (live[i]->offset - end >= size) {
			*at = i;
			return end;
		}
		end = live[i]->offset + live[i]->size;
	}
	*at = count;
	return end;
}

/* Fills in the last uses, counting operations from 1. */
static void find_lifetimes(const az_func *func, place *places)
{
	uint32_t index = 0;
	for (const az_op *op = func->first; op; op = op->next) {
		index++;
		for (uint32_t i = 0; i < op->arg_count; i++) {
			const az_value *value = op->args[i].value;
			if (value && value->kind == AZ_VALUE_RESULT)
				places[value->id].last = index;
		}
		for (uint32_t i = 0; i < op->result_count; i++)
			places[op->results[i]->id].last = index;
	}
	for (uint32_t i = 0; i < func->results.count; i++) {
		const az_value *value = func->results.v[i].use->value;
		if (value && value->kind == AZ_VALUE_RESULT)
			places[value->id].last = UINT32_MAX;
	}
}

/* Bytes that the whole function needs. */
static size_t plan(const az_func *func, az_arena *arena, place *places)
{
	find_lifetimes(func, places);
	const place **live = az_new_array(arena, const place *, func->value_count + 1u);
	uint32_t count = 0, index = 0;
	size_t peak = 0;
	for (const az_op *op = func->first; op; op = op->next) {
		index++;
		for (uint32_t i = 0; i < op->result_count; i++) {
			place *p = &places[op->results[i]->id];
			p->size = (az_type_size(op->results[i]->type) + ALIGN - 1) & ~(ALIGN - 1);
			uint32_t at;
			p->offset = find_gap(live, count, p->size, &at);
			memmove(live + at + 1, live + at, (count - at) * sizeof *live);
			live[at] = p;
			count++;
			peak = AZ_MAX(peak, p->offset + p->size);
		}
		uint32_t kept = 0;
		for (uint32_t i = 0; i < count; i++)
			if (live[i]->last > index)
				live[kept++] = live[i];
		count = kept;
	}
	return peak;
}

/* The tensor of a value in scope. */
static az_tensor tensor_of(const az_value *value, const place *places, char *buffer,
	const az_tensor *inputs)
{
	if (value->kind == AZ_VALUE_CONST)
		return (az_tensor){value->type, (void *)az_const_data(value->def.constant)};
	if (value->kind == AZ_VALUE_PARAM)
		return inputs[value->index];
	return (az_tensor){value->type, buffer + places[value->id].offset};
}

typedef struct frame {
	az_arena *arena;
	const place *places;
	char *buffer;
	const az_tensor *inputs;
	uint32_t depth;
} frame;

static bool run_op(const frame *f, const az_op *op,
	void (*observe)(void *data, const az_value *value, const az_tensor *tensor), void *data)
{
	az_tensor *tensors =
		az_new_array(f->arena, az_tensor, op->arg_count + op->result_count + 1u);
	const az_tensor **args = az_new_array(f->arena, const az_tensor *, op->arg_count + 1u);
	az_tensor *results = tensors + op->arg_count;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		if (!op->args[i].value)
			continue;
		tensors[i] = tensor_of(op->args[i].value, f->places, f->buffer, f->inputs);
		args[i] = &tensors[i];
	}
	for (uint32_t i = 0; i < op->result_count; i++)
		results[i] = tensor_of(op->results[i], f->places, f->buffer, f->inputs);
	az_eval e = {op->func->module->ctx, op, f->arena, args, results, f->depth};
	if (!az_eval_into(&e))
		return false;
	for (uint32_t i = 0; observe && i < op->result_count; i++)
		observe(data, op->results[i], &results[i]);
	return true;
}

bool az_eval_body(const az_func *func, az_arena *arena, uint32_t depth, const az_tensor *inputs,
	az_tensor *results,
	void (*observe)(void *data, const az_value *value, const az_tensor *tensor), void *data)
{
	if (depth > AZ_DEPTH_MAX)
		return az_error(func->module->ctx, func->loc, "calls are nested too deeply");
	az_arena_mark all = az_arena_mark_get(arena);
	place *places = az_new_array(arena, place, func->value_count + 1u);
	size_t size = plan(func, arena, places);
	frame f = {arena, places, az_arena_alloc(arena, size + 1, ALIGN), inputs, depth};
	bool ok = true;
	for (const az_op *op = func->first; ok && op; op = op->next) {
		az_arena_mark one = az_arena_mark_get(arena);
		ok = run_op(&f, op, observe, data);
		az_arena_reset(arena, one);
	}
	for (uint32_t i = 0; ok && i < func->results.count; i++) {
		az_tensor from = tensor_of(func->results.v[i].use->value, places, f.buffer, inputs);
		size_t bytes = az_type_size(from.type);
		if (bytes)
			memcpy(results[i].data, from.data, bytes);
	}
	az_arena_reset(arena, all);
	return ok;
}

bool az_eval_call(az_eval *e)
{
	const az_func *callee = e->op->attr.call.callee;
	az_tensor *inputs = az_new_array(e->scratch, az_tensor, e->op->arg_count + 1u);
	for (uint32_t i = 0; i < e->op->arg_count; i++)
		inputs[i] = *e->args[i];
	return az_eval_body(callee, e->scratch, e->depth + 1, inputs, e->results, NULL, NULL);
}

bool az_eval_observe(const az_func *func, az_arena *arena, const az_tensor *inputs,
	az_tensor *results,
	void (*observe)(void *data, const az_value *value, const az_tensor *tensor), void *data)
{
	az_ctx *ctx = func->module->ctx;
	AZ_GUARD(ctx, return false);
	for (uint32_t i = 0; i < func->results.count; i++)
		results[i] = az_tensor_new(arena, func->results.v[i].use->value->type);
	bool ok = az_eval_body(func, arena, 0, inputs, results, observe, data);
	AZ_UNGUARD(ctx);
	return ok;
}

bool az_eval_func(const az_func *func, az_arena *arena, const az_tensor *inputs, az_tensor *results)
{
	return az_eval_observe(func, arena, inputs, results, NULL, NULL);
}
