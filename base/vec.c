/* SPDX-License-Identifier: Apache-2.0
 *
 * Growth of vectors: capacity doubles, the old elements stay behind in the arena until it goes. */
#include "base/vec.h"

#include <string.h>

#define CAPACITY_MIN 8u

void *az_vec_grow(az_arena *arena, void *old, uint32_t count, uint32_t *capacity, size_t size)
{
	if (*capacity > UINT32_MAX / 2)
		az_arena_exhausted(arena);
	uint32_t wanted = AZ_MAX(*capacity * 2, CAPACITY_MIN);
	/* The element type is unknown here; 16 is the alignment of any standard type. */
	void *grown = az_arena_array(arena, wanted, size, 16);
	if (count)
		memcpy(grown, old, count * size);
	*capacity = wanted;
	return grown;
}
