/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference interpreter: slow, obvious C, docs/numerics.md taken literally. Everything else is judged
 * against it. One function az_eval_<family> per family of ir/ops.def; a missing one is a link error. */
#ifndef AZ_IR_EVAL_EVAL_H
#define AZ_IR_EVAL_EVAL_H

#include "ir/exec.h"

/* Evaluates one operation whose operands are given (NULL for absent ones). Result tensors are
 * allocated in the arena with the operation's result types. Reports. */
bool az_eval_op(const az_op *op, az_arena *arena, const az_tensor *const *args, az_tensor *results);

/* Evaluates a function; results are allocated in the arena. Intermediate values are freed as soon as
 * they are dead. Reports. */
bool az_eval_func(const az_func *func, az_arena *arena, const az_tensor *inputs,
	az_tensor *results);

/* As az_eval_func, and calls observe for every value made by an operation of func, in order. */
bool az_eval_observe(const az_func *func, az_arena *arena, const az_tensor *inputs,
	az_tensor *results,
	void (*observe)(void *data, const az_value *value, const az_tensor *tensor), void *data);

extern const az_exec_api az_eval_exec;

#endif
