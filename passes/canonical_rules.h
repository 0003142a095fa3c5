/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of canonicalize, one function each: true when the operation was replaced (it may be gone
 * then). passes/canonicalize.c says which operation each rule is for. */
#ifndef AZ_PASSES_CANONICAL_RULES_H
#define AZ_PASSES_CANONICAL_RULES_H

#include "passes/rewrite.h"

/* canonical_eltwise.c */
bool az_rule_relu(az_op *op);            /* relu x -> clip x, lo = 0 */
bool az_rule_clip_merge(az_op *op);      /* clip (clip x) -> clip x */
bool az_rule_clip_nothing(az_op *op);    /* clip x without bounds -> x */
bool az_rule_bound(az_op *op);           /* min or max (x, one constant) -> clip x */
bool az_rule_constant_second(az_op *op); /* op (constant, x) -> op (x, constant) */
bool az_rule_neutral(az_op *op);         /* x + 0, x - 0, x * 1, x / 1, x ^ 1 -> x */
bool az_rule_sub_constant(az_op *op);    /* x - constant -> x + (-constant) */
bool az_rule_div_power(az_op *op);       /* x / powers of two -> x * their reciprocals */
bool az_rule_twice(az_op *op);           /* op (op x) -> x */
bool az_rule_same_type(az_op *op);       /* op x of x's own type -> x */

/* canonical_move.c */
bool az_rule_reshape_merge(az_op *op); /* reshape (reshape x) -> reshape x */
bool az_rule_transpose_nothing(az_op
		*op);                    /* identity, or (not at imported) a view -> x, reshape x */
bool az_rule_transpose_merge(az_op *op); /* transpose (transpose x) -> transpose x */
bool az_rule_move_stored(az_op *op);   /* moving a dequantized constant -> dequantize a moved one */
bool az_rule_slice_nothing(az_op *op); /* everything -> x */
bool az_rule_single(az_op *op);        /* concat or split of one piece -> x */
bool az_rule_pool_nothing(az_op *op);  /* windows of one element -> x */
bool az_rule_resize_nothing(az_op *op);  /* to the same size with scale 1 -> x */
bool az_rule_conv_pad(az_op *op);        /* conv (pad x) -> conv x with padding */
bool az_rule_gather_constant(az_op *op); /* constant consecutive indices -> slice */

/* All rules to the end, equal things merged, unused things gone. True when something changed. */
bool az_canonicalize(az_module *module, az_arena *scratch);

#endif
