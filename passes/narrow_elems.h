/* SPDX-License-Identifier: Apache-2.0
 *
 * How few bits hold the numbers that are stored in bytes. */
#ifndef AZ_PASSES_NARROW_ELEMS_H
#define AZ_PASSES_NARROW_ELEMS_H

#include "ir/graph.h"

/* By id of a result: the narrowest type that holds its numbers, its own where that is not known or not 8 bits wide.
 * Moves whose operands differ, or that would not move whole bytes, make bytes. In the arena. */
az_elem *az_narrow_elems(const az_func *main, az_arena *arena);

#endif
