/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of round-weights share: one layer's numbers in a common layout, and what its input looks
 * like in the float network and in the quantized one.
 *
 * A layer has `groups` groups of `outputs` output channels, each a sum over `inner` numbers of its group:
 * weights are [groups][outputs][inner], a patch (what one output place sums over) is [groups][inner]. */
#ifndef AZ_PASSES_ROUND_H
#define AZ_PASSES_ROUND_H

#include "passes/normal.h"
#include "passes/quantize_plan.h"
#include "passes/walk.h"

typedef struct az_round_layer {
	az_op *op;   /* in the module that is changed */
	az_op *real; /* its twin in the float network */
	az_op *ours; /* its twin in the quantized one; operand 1 is a dequantized constant */
	bool last;   /* output channels stand last in the weights */
	int64_t groups, outputs, inner;
	float lo, hi; /* the clamp behind the layer; infinite where there is none */
	float *w;     /* float weights */
	int32_t *q;   /* stored weights: nearest at first, then what the method chose */
	/* The grid: q, between least and most, stands for scale * (table ? table[q] : q - zero). Weights that
	 * share a scale are a block. */
	int32_t least, most;
	int32_t *table; /* ascending; NULL: none */
	int32_t *block; /* by weight */
	int64_t blocks;
	float *scale;               /* by block; a method may change them where own_scales is set */
	int32_t *zero;              /* by block */
	bool own_scales;            /* no block has weights of two output channels */
	bool powers;                /* scales are powers of two */
	float *bias, *bias_ours;    /* per output channel, zero where there is none */
	uint64_t work_before, work; /* for progress: weights of the layers before, and of all */
	az_walk *walk[2];           /* of the float network and of the quantized one */
	/* Sums over all patches that were shown, [groups][inner], in both networks. */
	double *sum[2];
	int64_t rows;
} az_round_layer;

/* Patches at the same places of the same sample in both networks, rows of [groups][inner] each. The networks
 * may differ in channels, so in the length of a row. */
typedef void az_patch_fn(void *data, int64_t rows, const float *real, const float *ours);

typedef struct az_patch_plan {
	int64_t per_sample; /* so many places of each sample at most */
	az_patch_fn *see;   /* NULL: only the sums are wanted */
	void *data;
} az_patch_plan;

/* Runs both networks up to the layer's input, sample by sample; once for each layer. Reports. */
bool az_patches(az_pass_ctx *pass, az_round_layer *layer, const az_patch_plan *plan) AZ_NODISCARD;
/* Rows that az_patches shows. */
int64_t az_patch_rows(const az_round_layer *layer, const az_patch_plan *plan);

/* Fills in everything but op, real, ours and walk; false for a layer that stays as it is. */
bool az_round_read(az_round_layer *layer, az_arena *arena);
/* Puts what was chosen into both modules. */
void az_round_write(const az_round_layer *layer);

/* What q means for weight i, in scales; what the chosen one means. */
int32_t az_round_number(const az_round_layer *layer, int64_t i, int32_t q);
double az_round_value(const az_round_layer *layer, int64_t i);
/* The q nearest to v scales; the one at or below it, of the two between which v lies. */
int32_t az_round_nearest(const az_round_layer *layer, int64_t i, double v);
int32_t az_round_below(const az_round_layer *layer, int64_t i, double v);

/* An option of the pass times its effort. */
int64_t az_round_effort(const az_pass_ctx *pass, const char *option);

/* Ways to choose layer->q. They report. */
bool az_round_gptq(az_pass_ctx *pass, az_round_layer *layer) AZ_NODISCARD;
bool az_round_adaround(az_pass_ctx *pass, az_round_layer *layer) AZ_NODISCARD;
/* What to add to the biases so that the mean over the samples is the float layer's; per channel. */
bool az_bias_error(az_pass_ctx *pass, az_round_layer *layer, float *out) AZ_NODISCARD;
/* The same from what is known of the values that the layer reads, one entry for each channel. */
void az_bias_analytic(az_pass_ctx *pass, const az_round_layer *layer, const az_normal *x,
	float *out);
/* How much of the output places reads a number, and no padding, by tap. */
double *az_patch_inside(const az_round_layer *layer, int64_t *taps, az_arena *arena);

#endif
