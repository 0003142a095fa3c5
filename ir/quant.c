/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers. Interned by content, name included. Zero points that are all zero are dropped, so that
 * equal quantizers are equal pointers however they were given. What cannot be printed in place gets
 * a name. */
#include "ir/quant.h"

#include <stdio.h>
#include <string.h>

#include "ir/internal.h"

bool az_quant_is_plain(const az_quant *quant)
{
	return quant->grid == AZ_GRID_AFFINE && quant->count == 1 && quant->axis < 0;
}

int64_t az_quant_scales(const az_quant *quant, const az_type *type)
{
	int64_t length = type->dim[quant->axis], n = 1;
	if (!quant->group)
		return length;
	for (uint32_t i = 0; i < type->rank; i++)
		n *= (int)i == quant->axis ? (length + quant->group - 1) / quant->group
					   : type->dim[i];
	return n;
}

static uint64_t hash_quant(const void *item)
{
	const az_quant *q = item;
	uint64_t h = az_hash_bytes(AZ_HASH_SEED, &q->name, sizeof q->name);
	const int32_t head[] = {q->grid, q->axis, q->group};
	h = az_hash_bytes(h, head, sizeof head);
	h = az_hash_bytes(h, q->scale, q->count * sizeof *q->scale);
	if (q->zero)
		h = az_hash_bytes(h, q->zero, q->count * sizeof *q->zero);
	return az_hash_bytes(h, q->table, q->table_count * sizeof *q->table);
}

static bool same_content(const az_quant *x, const az_quant *y)
{
	return x->grid == y->grid && x->axis == y->axis && x->group == y->group &&
	       x->count == y->count && x->table_count == y->table_count && !x->zero == !y->zero &&
	       memcmp(x->scale, y->scale, x->count * sizeof *x->scale) == 0 &&
	       (!x->zero || memcmp(x->zero, y->zero, x->count * sizeof *x->zero) == 0) &&
	       (!x->table_count ||
		       memcmp(x->table, y->table, x->table_count * sizeof *x->table) == 0);
}

static bool equal_quants(const void *a, const void *b)
{
	const az_quant *x = a, *y = b;
	return x->name == y->name && same_content(x, y);
}

/* The interned quantizer of this content and name; copied into the context when new. */
static const az_quant *intern(az_ctx *ctx, const az_quant *like)
{
	az_intern_set *set = &az_type_table_of(ctx)->quants;
	const void **slot = az_intern_find(ctx, set, like, hash_quant, equal_quants);
	if (!*slot) {
		az_quant *copy = az_arena_dup(&ctx->arena, like, sizeof *like);
		copy->scale =
			az_arena_dup(&ctx->arena, like->scale, like->count * sizeof *like->scale);
		if (like->zero)
			copy->zero = az_arena_dup(&ctx->arena, like->zero,
				like->count * sizeof *like->zero);
		if (like->table_count)
			copy->table = az_arena_dup(&ctx->arena, like->table,
				like->table_count * sizeof *like->table);
		*slot = copy;
		set->count++;
	}
	return *slot;
}

static bool all_zero(const az_quant *q)
{
	for (uint32_t i = 0; i < q->count; i++) {
		if (q->zero[i])
			return false;
	}
	return true;
}

/* The declared quantizer of the same content, whatever its name. */
static const az_quant *find_declared(const az_module *module, const az_quant *like)
{
	for (uint32_t i = 0; i < module->quants.count; i++) {
		if (same_content(module->quants.v[i], like))
			return module->quants.v[i];
	}
	return NULL;
}

const az_quant *az_quant_get(az_module *module, const az_quant *like)
{
	az_ctx *ctx = module->ctx;
	az_quant q = *like;
	if (q.zero && all_zero(&q))
		q.zero = NULL;
	if (!q.table_count)
		q.table = NULL;
	if (!q.name && az_quant_is_plain(&q))
		return intern(ctx, &q);
	if (!q.name) {
		const az_quant *declared = find_declared(module, &q);
		if (declared)
			return declared;
		q.name = az_name_of(ctx, "q");
	}
	const az_quant *taken = az_map_get(&module->quant_names, q.name);
	if (taken && same_content(taken, &q))
		return taken;
	q.name = az_name_unique(ctx, &module->quant_names, q.name);
	const az_quant *quant = intern(ctx, &q);
	az_vec_push(&module->arena, &module->quants, quant);
	az_map_put(&module->arena, &module->quant_names, quant->name, (void *)quant);
	return quant;
}

const az_quant *az_quant_scalar(az_module *module, float scale, int32_t zero)
{
	const az_quant like = {.axis = -1, .count = 1, .scale = &scale, .zero = &zero};
	return az_quant_get(module, &like);
}
