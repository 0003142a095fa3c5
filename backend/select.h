/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of select-kernels: what is done to main before, which operations go together, and making a
 * function of each group. */
#ifndef AZ_BACKEND_SELECT_H
#define AZ_BACKEND_SELECT_H

#include "backend/kernel.h"
#include "passes/pass.h"

typedef AZ_VEC(az_op *) az_op_list;
typedef AZ_VEC(az_value *) az_value_list;

/* Operations in main's order. All values but the tail are used inside only. */
typedef struct az_group {
	az_op_list ops;
	az_op_list first; /* those of them that prepare the anchor's operands: unpack, decode */
	az_op *anchor;    /* NULL: element-wise throughout */
	az_value *tail;   /* the result that the next operation may consume; NULL: none may */
} az_group;

typedef AZ_VEC(az_group *) az_group_list;

/* Makes padding explicit and gives integer contractions a bias. */
bool az_select_prepare(az_pass_ctx *pass) AZ_NODISCARD;

/* Does the operation only say what constant weights mean: a dequantize or lookup that one contraction reads as
 * its weights? It goes with the contraction, whose kernel decodes them in registers. */
bool az_decodes_weights(const az_op *op);

/* Is it left in main: a view? */
bool az_stays_in_main(const az_op *op);

/* Is memory scarcer than time: has the module been through pack-activations? */
bool az_memory_is_scarce(const az_module *module);

/* Groups of the operations given, in their order. */
void az_group_ops(const az_op_list *ops, bool scarce, az_arena *arena, az_group_list *out);

/* A function of the group's operations, the anchor first; args: the operands for its parameters, in
 * the arena (empty before). NULL after reporting. */
az_func *az_group_outline(const az_group *group, az_module *module, az_arena *arena,
	az_value_list *args);

/* The function as text without its name: equal texts are equal functions. */
az_name az_func_key(const az_func *func, const char *kernel, const az_tile *tile, az_arena *arena);

#endif
