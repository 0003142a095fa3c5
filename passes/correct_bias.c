/* SPDX-License-Identifier: Apache-2.0
 *
 * Bias correction from data: a layer is linear before its clamp, so the mean of its error over the samples
 * follows from the mean patch in both networks, W mean(x) + b - (W~ mean(x~) + b~). */
#include "passes/round.h"

#define PER_SAMPLE 64 /* output places of a sample, where the method looked at none */

bool az_bias_error(az_pass_ctx *pass, az_round_layer *layer, float *out)
{
	az_patch_plan plan = {.per_sample = PER_SAMPLE};
	if (!layer->sum[0] && !az_patches(pass, layer, &plan))
		return false;
	for (int64_t c = 0; c < layer->groups * layer->outputs; c++) {
		const float *w = layer->w + c * layer->inner;
		const double *real = layer->sum[0] + c / layer->outputs * layer->inner;
		const double *ours = layer->sum[1] + c / layer->outputs * layer->inner;
		double sum = 0;
		for (int64_t i = 0; i < layer->inner; i++)
			sum += (double)w[i] * real[i] -
			       az_round_value(layer, c * layer->inner + i) * ours[i];
		out[c] = (float)(sum / (double)AZ_MAX(layer->rows, 1) +
				 (double)(layer->bias[c] - layer->bias_ours[c]));
	}
	return true;
}
