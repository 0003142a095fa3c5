/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash map from pointers to pointers. Names are interned, so a pointer is all a key needs.
 * Zero-initialised is empty. Iteration order is insertion order (results must be deterministic). */
#ifndef AZ_BASE_MAP_H
#define AZ_BASE_MAP_H

#include <stdint.h>

#include "base/arena.h"

typedef struct az_map_entry {
	const void *key;
	void *value;
} az_map_entry;

typedef struct az_map {
	az_map_entry *entry; /* in insertion order; count of them */
	uint32_t count, capacity;
	uint32_t *slot; /* open addressing: index + 1 into entry, 0 = free */
	uint32_t slot_count;
} az_map;

void *az_map_get(const az_map *map, const void *key);                        /* NULL when absent */
void az_map_put(az_arena *arena, az_map *map, const void *key, void *value); /* replaces */

/* FNV-1a continued from `seed`; start with AZ_HASH_SEED. */
#define AZ_HASH_SEED UINT64_C(0xcbf29ce484222325)
uint64_t az_hash_bytes(uint64_t seed, const void *bytes, size_t n);

#endif
