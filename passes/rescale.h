/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of rescale-widths share. */
#ifndef AZ_PASSES_RESCALE_H
#define AZ_PASSES_RESCALE_H

#include "passes/channels.h"
#include "passes/quantize_plan.h"

/* How much each unit matters, by unit; larger stays longer. `method` is magnitude, activation or taylor.
 * Comparable within a group. Reports. */
bool az_channel_importance(az_pass_ctx *pass, const az_channels *channels, const char *method,
	int64_t samples, double *score) AZ_NODISCARD;

/* Adds share[i] / sum of shares to the score of the unit of index i of a dimension, so that every tensor counts
 * alike. */
void az_channel_add_shares(const az_channels *channels, const az_value *value, uint32_t dim,
	const double *share, double *score);

/* By index of one dimension of an f32 constant: the largest magnitude, or with `squares` the sum of squares, over
 * the others. */
double *az_channel_measure(az_arena *arena, const az_const *constant, uint32_t dim, bool squares);

/* Which dimension of a layer's weights its output channels are, and which its input channels. */
uint32_t az_weights_output_dim(const az_op *op);
uint32_t az_weights_input_dim(const az_op *op);

/* How many units group g gets at a width ratio; what stays is a multiple of `multiple` channels where the
 * group has as many. */
uint32_t az_rescaled_width(const az_channel_group *group, double ratio, int64_t multiple);

/* Gives every group counts[g] units: the least important go, or the most important are repeated. With
 * calibration samples and `reconstruct`, the layers that stay are fitted to what they gave before
 * (reconstruct.c). Reports. */
typedef struct az_rescale {
	const uint32_t *counts; /* by group */
	const double *score;    /* by unit */
	bool reconstruct;
	int64_t samples;
	double damp;
} az_rescale;
bool az_rescale_channels(az_pass_ctx *pass, const az_channels *channels,
	const az_rescale *plan) AZ_NODISCARD;

/* Fits weights and biases of every layer of the narrowed module, first to last, so that its results over
 * the samples are nearest to those of `real`, the network before. `outputs` has for every layer in order
 * which output channel of the old layer each new one was. Reports. */
bool az_reconstruct(az_pass_ctx *pass, az_module *real, int64_t *const *outputs, int64_t samples,
	double damp) AZ_NODISCARD;

/* The next convolution or product with constant weights at or behind op; NULL: none. */
az_op *az_next_weighted(az_op *op);

#endif
