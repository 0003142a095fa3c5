/* SPDX-License-Identifier: Apache-2.0
 *
 * Values, their names and their use lists. Invariant: a use is in the list of exactly the value it
 * points to; `link` points to whatever points to the use. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/internal.h"

void az_use_link(az_use *use, az_value *value)
{
	use->value = value;
	use->next = NULL;
	use->link = NULL;
	if (!value)
		return;
	use->next = value->uses;
	use->link = &value->uses;
	if (use->next)
		use->next->link = &use->next;
	value->uses = use;
}

void az_use_unlink(az_use *use)
{
	if (use->value) {
		*use->link = use->next;
		if (use->next)
			use->next->link = use->link;
	}
	use->value = NULL;
	use->next = NULL;
	use->link = NULL;
}

az_value *az_value_new(az_func *func, az_value_kind kind)
{
	az_value *value = az_new(&func->module->arena, az_value);
	value->id = func->value_count++;
	value->kind = (uint8_t)kind;
	value->at = -1;
	return value;
}

/* The function a local value belongs to. */
static az_func *func_of(const az_value *value)
{
	return value->kind == AZ_VALUE_PARAM ? value->def.func : value->def.op->func;
}

static az_module *module_of(const az_value *value)
{
	return value->kind == AZ_VALUE_CONST ? value->def.constant->module : func_of(value)->module;
}

/* Names are unique among the constants, and among the values of a function. */
static az_map *scope_of(const az_value *value)
{
	return value->kind == AZ_VALUE_CONST ? &value->def.constant->module->const_names
					     : &func_of(value)->names;
}

/* The name with suffix number i, built in a buffer that holds the name already. */
static az_name suffixed(az_ctx *ctx, char *buffer, size_t n, uint64_t i)
{
	int length = snprintf(buffer + n, 24, ".%" PRIu64, i);
	return az_name_intern(ctx, buffer, n + (size_t)length);
}

/* Suffixes are mostly taken in order, so the first free one is found by doubling and halving: a
 * thousand values of one name do not cost a million tries. */
az_name az_name_unique(az_ctx *ctx, const az_map *taken, az_name name)
{
	if (!az_map_get(taken, name))
		return name;
	size_t n = strlen(name);
	char *buffer = az_arena_alloc(&ctx->arena, n + 24, 1);
	memcpy(buffer, name, n);
	uint64_t used = 0, free = 1;
	while (az_map_get(taken, suffixed(ctx, buffer, n, free))) {
		used = free;
		free *= 2;
	}
	while (free - used > 1) {
		uint64_t middle = used + (free - used) / 2;
		if (az_map_get(taken, suffixed(ctx, buffer, n, middle)))
			used = middle;
		else
			free = middle;
	}
	return suffixed(ctx, buffer, n, free);
}

/* Numbers given to values without a name depend on nothing but the names that are taken, so that a
 * module read back from text goes on exactly like the one that was printed. */
static uint32_t *numbers_of(const az_value *value)
{
	return value->kind == AZ_VALUE_CONST ? &value->def.constant->module->next_number
					     : &func_of(value)->next_number;
}

/* The number that a name spells as az_value_rename would, or UINT32_MAX. */
static uint32_t number_of(az_name name)
{
	size_t n = strspn(name, "0123456789");
	if (n == 0 || n > 9 || name[n] || (name[0] == '0' && n > 1))
		return UINT32_MAX;
	return (uint32_t)strtoul(name, NULL, 10);
}

void az_value_unname(az_value *value)
{
	if (value->name) {
		uint32_t *next = numbers_of(value), number = number_of(value->name);
		az_map_put(&module_of(value)->arena, scope_of(value), value->name, NULL);
		*next = AZ_MIN(*next, number);
	}
	value->name = NULL;
}

static az_name next_number(az_ctx *ctx, const az_map *taken, uint32_t *next)
{
	char text[24];
	for (;; (*next)++) {
		int length = snprintf(text, sizeof text, "%" PRIu32, *next);
		az_name name = az_name_intern(ctx, text, (size_t)length);
		if (!az_map_get(taken, name))
			return name;
	}
}

void az_value_rename(az_value *value, const char *name)
{
	az_module *module = module_of(value);
	az_map *scope = scope_of(value);
	az_name wanted = az_name_of(module->ctx, name);
	if (wanted && wanted == value->name)
		return;
	az_value_unname(value);
	value->name = wanted ? az_name_unique(module->ctx, scope, wanted)
			     : next_number(module->ctx, scope, numbers_of(value));
	az_map_put(&module->arena, scope, value->name, value);
}

bool az_value_is_const(const az_value *value)
{
	return value->kind == AZ_VALUE_CONST;
}

az_const *az_value_const(const az_value *value)
{
	return value->kind == AZ_VALUE_CONST ? value->def.constant : NULL;
}

az_op *az_value_op(const az_value *value)
{
	return value->kind == AZ_VALUE_RESULT ? value->def.op : NULL;
}

uint32_t az_value_use_count(const az_value *value)
{
	uint32_t n = 0;
	for (const az_use *use = value->uses; use; use = use->next)
		n++;
	return n;
}

/* The whole list moves at once and keeps its order. */
void az_value_replace_uses(az_value *value, az_value *with)
{
	if (value == with || !value->uses)
		return;
	az_use *last = value->uses;
	for (az_use *use = value->uses; use; use = use->next) {
		use->value = with;
		last = use;
	}
	last->next = with->uses;
	if (with->uses)
		with->uses->link = &last->next;
	with->uses = value->uses;
	with->uses->link = &with->uses;
	value->uses = NULL;
}

bool az_op_parameters_const(const az_op *op)
{
	for (uint32_t i = 1; i < op->arg_count; i++)
		if (op->args[i].value && !az_value_is_const(op->args[i].value))
			return false;
	return true;
}
