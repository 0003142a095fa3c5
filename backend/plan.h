/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an arena plan (backend/plan_memory.c makes it). In main of a placed module
 *   at >= 0   the value lies in the arena; a parameter with an address is copied there on entry, a returned
 *             value with one is copied out at the end
 *   at < 0    a parameter or returned value in the caller's own buffer, or a view of such a one */
#ifndef AZ_BACKEND_PLAN_H
#define AZ_BACKEND_PLAN_H

#include "ir/graph.h"

#define AZ_ARENA_ALIGN 64

/* Bytes of the arena, AZ_SLACK_BYTES behind the last value included; 0 when nothing lies in it. */
uint64_t az_plan_arena_bytes(const az_module *module);
/* What no plan can undercut: the largest sum of the sizes of values alive at once that lie in the
 * arena. */
uint64_t az_plan_lower_bound(const az_module *module);

/* The value whose bytes `value` looks at, through views at the same address; may be a constant. */
const az_value *az_plan_base(const az_value *value);
/* Which result of main is written where the value is made; -1: none (it lies elsewhere). */
int az_plan_output(const az_value *value);

#endif
