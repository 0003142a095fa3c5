/* SPDX-License-Identifier: Apache-2.0
 *
 * Which values of a selected main need a slot of the arena, how large, and which may take the slot of another:
 * what plan-memory and reorder-operations both go by. */
#ifndef AZ_BACKEND_SLOTS_H
#define AZ_BACKEND_SLOTS_H

#include "backend/plan.h"
#include "passes/pass.h"

/* Does the function return the value, or a view of it? */
bool az_is_returned(const az_value *value);
/* Does the value lie in a buffer of the caller, not in the arena? */
bool az_lies_outside(const az_value *value);
/* What a view looks at, through other views; the value itself where it is none. */
const az_value *az_view_root(const az_value *value);
/* May the call's result take the slot of what operand `arg` looks at, should that die there? */
bool az_takes_place(const az_op *call, uint32_t arg);
/* Bytes, rounded up to the alignment. */
int64_t az_slot_size(const az_value *value, int64_t align);

/* Whether main can be planned at all with that alignment; reports in the running pass's name. */
bool az_plan_check(const az_pass_ctx *pass, int64_t align) AZ_NODISCARD;
/* Bytes up to the end of the highest slot, as plan-memory would place main in its present order. */
uint64_t az_plan_peak(const az_func *main, int64_t align, az_arena *scratch);

#endif
