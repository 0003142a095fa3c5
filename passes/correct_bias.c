/* SPDX-License-Identifier: Apache-2.0
 *
 * Bias correction from data: a layer is linear before its clamp, so the mean of its error over the samples
 * follows from the mean patch in both networks, W mean(x) + b - (W~ mean(x~) + b~). */
#include "passes/round.h"

#define SAMPLES    256
#define PER_SAMPLE 64

typedef struct means {
	int64_t width, rows;
	double *real, *ours;
} means;

static void add_rows(void *data, int64_t rows, const float *real, const float *ours)
{
	means *m = data;
	for (int64_t r = 0; r < rows; r++, real += m->width, ours += m->width) {
		for (int64_t i = 0; i < m->width; i++) {
			m->real[i] += (double)real[i];
			m->ours[i] += (double)ours[i];
		}
	}
	m->rows += rows;
}

bool az_bias_error(az_pass_ctx *pass, const az_round_layer *layer, float *out)
{
	means m = {.width = layer->groups * layer->inner};
	m.real = az_new_array(&pass->scratch, double, (size_t)m.width + 1);
	m.ours = az_new_array(&pass->scratch, double, (size_t)m.width + 1);
	az_patch_plan plan = {SAMPLES, PER_SAMPLE, add_rows, &m};
	if (!az_patches(pass, layer, &plan))
		return false;
	for (int64_t c = 0; c < layer->groups * layer->outputs; c++) {
		const float *w = layer->w + c * layer->inner;
		const int32_t *q = layer->q + c * layer->inner;
		const double *real = m.real + c / layer->outputs * layer->inner;
		const double *ours = m.ours + c / layer->outputs * layer->inner;
		double sum = 0;
		for (int64_t i = 0; i < layer->inner; i++)
			sum += (double)w[i] * real[i] -
			       (double)q[i] * (double)layer->scale[c] * ours[i];
		out[c] = (float)(sum / (double)AZ_MAX(m.rows, 1) +
				 (double)(layer->bias[c] - layer->bias_ours[c]));
	}
	return true;
}
