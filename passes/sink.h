/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of sink-transposes share. Throughout, T is a transpose with permutation perm: result
 * dimension i is operand dimension perm[i]. To push T through an operation f is to write f(T(x)) as
 * T'(f'(x)). */
#ifndef AZ_PASSES_SINK_H
#define AZ_PASSES_SINK_H

#include "passes/rewrite.h"

typedef struct az_perm {
	uint32_t rank;
	int64_t v[AZ_RANK_MAX];
} az_perm;

az_perm az_perm_of(const az_op *transpose);
az_perm az_perm_invert(const az_perm *perm);

/* A value w with T(w) == v, made at no cost at run time, or NULL: the operand of such a transpose, a
 * permuted constant, another view. With `broadcast` a single element serves as it is, and missing
 * leading dimensions are added. */
az_value *az_sink_pull(az_builder *at, az_value *v, const az_perm *perm, bool broadcast);

/* Puts made, then T' = perm, in place of op's only result; made takes the name and the range. */
bool az_sink_replace(az_op *op, az_value *made, const az_perm *perm);

/* Pushes the transposes among op's operands through op. False when nothing changed. */
bool az_sink_push(az_op *op, az_arena *scratch);
bool az_sink_push_reshape(az_op *op, az_arena *scratch);

#endif
