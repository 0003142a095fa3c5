/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of fold-quantizers share: reading quantizers off the graph, and the rules. */
#ifndef AZ_PASSES_FOLD_QUANTIZERS_H
#define AZ_PASSES_FOLD_QUANTIZERS_H

#include "passes/rewrite.h"

/* An affine quantizer with constant parameters, from a quantize or dequantize. */
typedef struct az_params {
	const az_const *scale, *zero; /* zero NULL: 0 */
	int64_t axis;                 /* -1: one scale for all */
} az_params;

bool az_params_of(const az_op *op, az_params *out);
float az_params_scale(const az_params *p, int64_t c); /* subnormal ones count as 0 */
int64_t az_params_zero(const az_params *p, int64_t c);
/* Both per tensor and the same numbers. */
bool az_params_equal(const az_params *a, const az_params *b);

/* The dequantize (of integers or bipolar, constant parameters, f32) that makes the value, else NULL. */
az_op *az_dequantized(const az_value *value, az_params *out);
/* Is op a quantize of f32 to integers, per tensor, constant parameters, a scale that counts? */
bool az_tensor_quantize(const az_op *op, az_params *out);
/* The same, rounding to even, not clamped? */
bool az_plain_quantize(const az_op *op, az_params *out);
/* The dequantize that makes the value: per tensor. Its scale may be zero. */
az_op *az_plain_dequantized(const az_value *value, az_params *out);
/* One scale, which is zero or counts as zero: every value is 0. */
bool az_params_all_zero(const az_params *p);

/* quantize becomes requantize of acc by scale; lo and hi are bounds on the real result. `layer` is the
 * float value that was quantized: its name serves when the quantize has none. */
bool az_fold_requantize(az_op *quantize, az_value *acc, az_value *scale, float lo, float hi,
	az_value *layer);

/* The rules; true when the graph changed. */
bool az_fold_cancel(az_op *op);                  /* quantize (dequantize q) -> q */
bool az_fold_sink(az_op *op, az_arena *scratch); /* move (dequantize q) -> dequantize (move q) */
bool az_fold_concat(az_op *op,
	az_arena *scratch);   /* quantize (concat x...) -> concat (quantize x)... */
bool az_fold_zero(az_op *op); /* quantize with a zero scale -> its zero point */
bool az_fold_pad(az_op *op);  /* quantize (pad x) -> pad (quantize x) */
bool az_fold_clip(az_op *op); /* quantize (clip (dequantize q)) -> clip q */
bool az_fold_lookup(az_op *op, az_arena *scratch); /* quantize (f (dequantize q)) -> lookup q */
bool az_fold_contraction(az_op *op, az_arena *scratch);
bool az_fold_groups(az_op *op, az_arena *scratch); /* the same with scales of groups of weights */
bool az_fold_average(az_op *op, az_arena *scratch);
/* scale or shift (contraction) -> contraction, in front of a quantizer of more than 4 bits; op is the contraction */
bool az_fold_scale(az_op *inner, az_arena *scratch);
/* quantize (clip (dequantize acc)) -> requantize acc, the clip being optional */
bool az_fold_accumulator(az_op *op, az_arena *scratch);
/* quantize (chain (dequantize acc)) to at most 4 bits -> threshold acc */
bool az_fold_threshold(az_op *op, az_arena *scratch);

#endif
