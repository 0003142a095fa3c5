/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers that a stored integer can be: narrower than its bytes where quantizers clamp, where it had
 * fewer bits before widen-activations, or where a table holds few. */
#ifndef AZ_BACKEND_BOUNDS_H
#define AZ_BACKEND_BOUNDS_H

#include "ir/graph.h"

typedef struct az_bounds {
	int64_t lo, hi;
	int64_t step; /* 2 when lo and hi are all there is, and they are 2 apart; else 1 */
} az_bounds;

/* Of an element of a value of main; calls of functions are looked into. Always true, never tight for sure. */
az_bounds az_value_bounds(const az_value *value);

#endif
