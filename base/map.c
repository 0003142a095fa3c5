/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing over indices into an array of entries in insertion order.
 * Invariants: slot_count is zero or a power of two, and at most three quarters of it are taken, so
 * that a search always meets a free slot. Nothing is ever removed. */
#include "base/map.h"

#include <string.h>

#define SLOTS_MIN 16u

uint64_t az_hash_bytes(uint64_t seed, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	for (size_t i = 0; i < n; i++)
		seed = (seed ^ p[i]) * UINT64_C(0x100000001b3);
	return seed;
}

/* Addresses differ in their middle bits; the multiplication spreads them to the top ones. */
static uint32_t hash_key(const void *key)
{
	return (uint32_t)(((uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* The slot of the key, or the free slot where it belongs. */
static uint32_t *find(const az_map *map, const void *key)
{
	uint32_t mask = map->slot_count - 1;
	uint32_t i = hash_key(key) & mask;
	while (map->slot[i] && map->entry[map->slot[i] - 1].key != key)
		i = (i + 1) & mask;
	return &map->slot[i];
}

void *az_map_get(const az_map *map, const void *key)
{
	if (!map->slot_count)
		return NULL;
	uint32_t index = *find(map, key);
	return index ? map->entry[index - 1].value : NULL;
}

/* The fields change only once all memory is there: a failed growth leaves the map whole. */
static void grow(az_arena *arena, az_map *map)
{
	if (map->slot_count > UINT32_MAX / 2)
		az_arena_exhausted(arena);
	uint32_t slots = AZ_MAX(map->slot_count * 2, SLOTS_MIN);
	uint32_t capacity = slots / 4 * 3;
	az_map_entry *entry = az_new_array(arena, az_map_entry, capacity);
	uint32_t *slot = az_new_array(arena, uint32_t, slots);
	if (map->count)
		memcpy(entry, map->entry, map->count * sizeof *entry);
	map->entry = entry;
	map->capacity = capacity;
	map->slot = slot;
	map->slot_count = slots;
	for (uint32_t i = 0; i < map->count; i++)
		*find(map, entry[i].key) = i + 1;
}

void az_map_put(az_arena *arena, az_map *map, const void *key, void *value)
{
	uint32_t index = map->slot_count ? *find(map, key) : 0;
	if (index) {
		map->entry[index - 1].value = value;
		return;
	}
	if (map->count == map->capacity)
		grow(arena, map);
	map->entry[map->count++] = (az_map_entry){key, value};
	*find(map, key) = map->count;
}
