/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of interned names: open addressing, capacity a power of two, at most half full. The
 * length is kept so that most comparisons end before the bytes. */
#include "base/name.h"

#include <assert.h>
#include <string.h>

#include "base/ctx.h"
#include "base/map.h"

#define CAPACITY_MIN 256u

typedef struct az_name_slot {
	az_name name; /* NULL = free */
	size_t length;
	uint64_t hash;
} az_name_slot;

static az_name_slot *find(const az_name_table *table, uint64_t hash, const char *text, size_t n)
{
	uint32_t mask = table->capacity - 1;
	uint32_t i = (uint32_t)(hash ^ hash >> 32) & mask;
	for (;; i = (i + 1) & mask) {
		az_name_slot *slot = &table->slot[i];
		if (!slot->name)
			return slot;
		if (slot->hash == hash && slot->length == n &&
			(n == 0 || memcmp(slot->name, text, n) == 0))
			return slot;
	}
}

static void grow(az_arena *arena, az_name_table *table)
{
	if (table->capacity > UINT32_MAX / 2)
		az_arena_exhausted(arena);
	az_name_table bigger = {
		.count = table->count, .capacity = AZ_MAX(table->capacity * 2, CAPACITY_MIN)};
	bigger.slot = az_new_array(arena, az_name_slot, bigger.capacity);
	for (uint32_t i = 0; i < table->capacity; i++) {
		const az_name_slot *old = &table->slot[i];
		if (old->name)
			*find(&bigger, old->hash, old->name, old->length) = *old;
	}
	*table = bigger;
}

az_name az_name_intern(az_ctx *ctx, const char *text, size_t n)
{
	assert(n == 0 || !memchr(text, 0, n));
	az_name_table *table = &ctx->names;
	if (table->count >= table->capacity / 2)
		grow(&ctx->arena, table);
	uint64_t hash = az_hash_bytes(AZ_HASH_SEED, text, n);
	az_name_slot *slot = find(table, hash, text, n);
	if (!slot->name) {
		char *name = az_arena_copy(&ctx->arena, text, n);
		*slot = (az_name_slot){.name = name, .length = n, .hash = hash};
		table->count++;
	}
	return slot->name;
}

az_name az_name_of(az_ctx *ctx, const char *text)
{
	return text ? az_name_intern(ctx, text, strlen(text)) : NULL;
}
