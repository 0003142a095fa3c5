/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of insert-quantizers share. */
#ifndef AZ_PASSES_INSERT_H
#define AZ_PASSES_INSERT_H

#include "passes/precision.h"

/* Some operations. */
typedef struct az_weighted {
	AZ_VEC(az_op *) list;
} az_weighted;

/* Moves inputs of main whose range, cut into so many levels, gives a grid without zero; shifted[i] is set
 * for those parameters, which then must not be quantized themselves. */
bool az_shift_inputs(az_func *main, float levels, bool *shifted, az_arena *scratch);

/* Gives the operands of the first `count` operations with weights, inputs apart, two bytes each; the sums
 * of the two parts' results are collected: what they add is not to be quantized. */
bool az_quantize_fine(az_func *main, int64_t count, az_elem elem, az_weighted *sums,
	az_arena *scratch);

/* Place of element i of output channel c in weights whose channels stand first, or last in a matrix. */
uint64_t az_weight_place(const az_type *type, bool last, int64_t c, int64_t i);

/* Replaces the constant weights of an operation, whose operand has its quantizer already if it gets one, by
 * dequantized integers. With `exact`, weights that lie on one grid as a whole keep it, zero point and all. */
bool az_quantize_weights(az_op *op, const az_precision *precision, bool exact,
	az_arena *scratch) AZ_NODISCARD;

/* insert-quantizers on pass->module, with the options of the running pass, which may be another one that
 * has AZ_QUANTIZE_OPTIONS. `warn` of recipe rules that match nothing. Reports. */
bool az_insert_quantizers(az_pass_ctx *pass, bool warn) AZ_NODISCARD;

#endif
