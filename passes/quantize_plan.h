/* SPDX-License-Identifier: Apache-2.0
 *
 * Which values of a float network are to be quantized, and which of them share a quantizer. calibrate
 * observes these values, insert-quantizers quantizes them. */
#ifndef AZ_PASSES_QUANTIZE_PLAN_H
#define AZ_PASSES_QUANTIZE_PLAN_H

#include "passes/rewrite.h"

typedef struct az_quantize_plan {
	bool *wanted;     /* by value->id of main: some integer operation reads the value */
	uint32_t *parent; /* by value->id: union-find forest of values that share a quantizer */
} az_quantize_plan;

void az_quantize_plan_make(const az_func *main, az_arena *arena, az_quantize_plan *out);
uint32_t az_quantize_plan_root(const az_quantize_plan *plan, uint32_t id);

/* Convolutions and products with constant weights. */
bool az_has_weights(const az_op *op);
/* Operations that only move or choose stored numbers, so that operands and result have one quantizer. */
bool az_shares_quantizer(const az_op *op);

/* The scale of a channel of weights of `least` (-most or one below) to `most` steps (weight_scale.c). */
float az_weight_scale(const float *w, int64_t count, int64_t least, int64_t most);
/* The scale and zero point of a channel of weights stored as 0 to `most`. */
float az_weight_affine(const float *w, int64_t count, int64_t most, int64_t *zero);
/* The step that all weights are multiples of, when the largest is at most `most` of them; else 0. */
float az_weight_step(const float *w, int64_t count, int64_t most);

#endif
