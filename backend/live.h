/* SPDX-License-Identifier: Apache-2.0
 *
 * When the buffers of main are alive: from the operation that writes them (the entry is 0,
 * operations count from 1, the return comes after the last) to the last operation that reads
 * them, directly or through views. */
#ifndef AZ_BACKEND_LIVE_H
#define AZ_BACKEND_LIVE_H

#include "ir/graph.h"

typedef struct az_live {
	uint32_t count;
	az_value *
		*value; /* buffers in order of `begin`: parameters and what calls make; no views */
	uint32_t *begin, *end; /* by value id */
} az_live;

void az_live_get(const az_func *main, az_arena *arena, az_live *out);
/* The operation's result is its operand's bytes. */
bool az_is_view(const az_op *op);

#endif
