/* SPDX-License-Identifier: Apache-2.0
 *
 * Common subexpressions: operations with equal code, attributes and operands, and constants with equal
 * bytes, become one. Both are found through a hash table whose chains are searched exactly. */
#include <string.h>

#include "passes/rewrite.h"

typedef struct chain {
	void *item;
	struct chain *next;
} chain;

static const void *key_of(uint64_t hash)
{
	return (const void *)(uintptr_t)(hash | 1);
}

static void add(az_arena *arena, az_map *map, const void *key, void *item)
{
	chain *link = az_new(arena, chain);
	link->item = item;
	link->next = az_map_get(map, key);
	az_map_put(arena, map, key, link);
}

static uint64_t hash_const(const az_const *c)
{
	size_t n = c->size_bytes < 4096 ? c->size_bytes : 4096;
	uint64_t h = az_hash_bytes(AZ_HASH_SEED, &c->value.type, sizeof c->value.type);
	return az_hash_bytes(h, c->data, n);
}

static bool consts_equal(const az_const *a, const az_const *b)
{
	return a->value.type == b->value.type && a->splat == b->splat &&
	       a->value.quant == b->value.quant && a->size_bytes == b->size_bytes &&
	       (a->data == b->data || memcmp(a->data, b->data, a->size_bytes) == 0);
}

static bool merge_consts(az_module *module, az_arena *scratch)
{
	az_map seen = {0};
	bool changed = false;
	for (uint32_t i = 0; i < module->consts.count; i++) {
		az_const *c = module->consts.v[i];
		const void *key = key_of(hash_const(c));
		const chain *link = az_map_get(&seen, key);
		while (link && !consts_equal(link->item, c))
			link = link->next;
		if (!link) {
			add(scratch, &seen, key, c);
		} else if (c->value.uses) {
			az_const *first = link->item;
			az_value_replace_uses(&c->value, &first->value);
			changed = true;
		}
	}
	return changed;
}

static uint64_t hash_op(const az_op *op)
{
	uint64_t h = az_hash_bytes(AZ_HASH_SEED, &op->code, sizeof op->code);
	for (uint32_t i = 0; i < op->arg_count; i++)
		h = az_hash_bytes(h, &op->args[i].value, sizeof op->args[i].value);
	return h;
}

static bool merge_ops(az_func *func, az_arena *scratch)
{
	az_map seen = {0};
	bool changed = false;
	az_op *next;
	for (az_op *op = func->first; op; op = next) {
		next = op->next;
		if (!(az_op_table[op->code].traits & AZ_TRAIT_PURE))
			continue;
		const void *key = key_of(hash_op(op));
		const chain *link = az_map_get(&seen, key);
		while (link && !az_ops_equal(link->item, op))
			link = link->next;
		if (!link) {
			add(scratch, &seen, key, op);
			continue;
		}
		const az_op *first = link->item;
		for (uint32_t i = 0; i < op->result_count; i++)
			az_replace_value(op->results[i], first->results[i]);
		az_op_erase(op);
		changed = true;
	}
	return changed;
}

bool az_merge_equal(az_module *module, az_arena *scratch)
{
	bool changed = merge_consts(module, scratch);
	for (uint32_t i = 0; i < module->funcs.count; i++)
		changed |= merge_ops(module->funcs.v[i], scratch);
	return changed;
}
