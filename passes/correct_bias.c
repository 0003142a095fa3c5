/* SPDX-License-Identifier: Apache-2.0
 *
 * Bias correction. A layer is linear before its clamp, so the mean of its error follows from means of what it
 * reads. From data: W mean(x) + b - (W~ mean(x~) + b~), with the mean patches of both networks. Analytic:
 * (W - W~) E[x], where batch norms say what E[x] is (Nagel et al., arXiv 1906.04721, section 4.2). */
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

void az_bias_analytic(az_pass_ctx *pass, const az_round_layer *layer, const az_normal *x,
	float *out)
{
	int64_t taps;
	const double *inside = az_patch_inside(layer, &taps, &pass->scratch);
	int64_t in_group = layer->inner / taps;
	for (int64_t c = 0; c < layer->groups * layer->outputs; c++) {
		const double *mean = x->mean + c / layer->outputs * in_group;
		double sum = 0;
		for (int64_t i = 0; i < layer->inner; i++) {
			int64_t at = c * layer->inner + i;
			double lost = (double)layer->w[at] - az_round_value(layer, at);
			sum += lost * mean[i % in_group] * inside[i / in_group];
		}
		out[c] = (float)sum;
	}
}
