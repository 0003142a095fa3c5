/* SPDX-License-Identifier: Apache-2.0
 *
 * Growable arrays in an arena: `AZ_VEC(az_op *) ops = {0}; az_vec_push(arena, &ops, op);` */
#ifndef AZ_BASE_VEC_H
#define AZ_BASE_VEC_H

#include <stdint.h>

#include "base/arena.h"

#define AZ_VEC(type)                                                                               \
	struct {                                                                                   \
		type *v;                                                                           \
		uint32_t count, capacity;                                                          \
	}

/* Makes room for one more element of `size` bytes; used by az_vec_push only. */
void *az_vec_grow(az_arena *arena, void *old, uint32_t count, uint32_t *capacity, size_t size);

#define az_vec_push(arena, vec, item)                                                              \
	do {                                                                                       \
		if ((vec)->count == (vec)->capacity)                                               \
			(vec)->v = az_vec_grow((arena), (vec)->v, (vec)->count, &(vec)->capacity,  \
				sizeof *(vec)->v);                                                 \
		(vec)->v[(vec)->count++] = (item);                                                 \
	} while (0)

#endif
