/* SPDX-License-Identifier: Apache-2.0
 *
 * The scale of one channel of weights. Weights that already are multiples of one step (a network that was
 * quantized before) keep that step, so that nothing is lost; others get the scale that leaves the smallest
 * squared error, between clipping the largest weight a little and not at all. */
#include <math.h>

#include "passes/quantize_plan.h"

#define GRID_TOLERANCE 0.01f /* of a step, by which a multiple may miss */
#define CLIP_TRIES     16 /* scales tried, each 1/64 of the largest smaller than the one before */

/* The greatest number that all weights are multiples of, found as Euclid does; 0 when it is so small that
 * the largest weight is more than `most` steps. */
static float common_step(const float *w, int64_t count, float largest, float most)
{
	float least = largest / (most + 0.5f), step = largest;
	for (int64_t i = 0; i < count; i++) {
		float a = step, b = fabsf(w[i]);
		while (b > least * 0.1f) {
			float rest = fmodf(a, b);
			if (rest > b - least * 0.1f)
				rest = 0;
			a = b;
			b = rest;
		}
		step = a;
		if (step < least)
			return 0;
	}
	return step;
}

/* The step again, from all weights at once; 0 when one of them is no multiple of it. */
static float fitted_step(const float *w, int64_t count, float step)
{
	double wk = 0, kk = 0;
	for (int64_t i = 0; i < count; i++) {
		double k = rint((double)(w[i] / step));
		wk += (double)w[i] * k;
		kk += k * k;
	}
	float fitted = (float)(wk / kk);
	for (int64_t i = 0; i < count; i++) {
		float k = w[i] / fitted;
		if (fabsf(k - rintf(k)) > GRID_TOLERANCE)
			return 0;
	}
	return fitted;
}

static double squared_error(const float *w, int64_t count, float scale, float most)
{
	double sum = 0;
	float inverse = 1.0f / scale;
	for (int64_t i = 0; i < count; i++) {
		float q = rintf(w[i] * inverse);
		q = q > most ? most : q < -most ? -most : q;
		double error = (double)(w[i] - q * scale);
		sum += error * error;
	}
	return sum;
}

float az_weight_step(const float *w, int64_t count, int64_t most_steps)
{
	float largest = 0;
	for (int64_t i = 0; i < count; i++)
		largest = fmaxf(largest, fabsf(w[i]));
	if (!(largest >= 0x1p-100f) || !isfinite(largest))
		return 0;
	float step = common_step(w, count, largest, (float)most_steps);
	return step > 0 ? fitted_step(w, count, step) : 0;
}

float az_weight_scale(const float *w, int64_t count, int64_t most_steps)
{
	float largest = 0, most = (float)most_steps;
	for (int64_t i = 0; i < count; i++)
		largest = fmaxf(largest, fabsf(w[i]));
	if (!(largest >= 0x1p-100f) || !isfinite(largest))
		return 1.0f;
	float step = az_weight_step(w, count, most_steps);
	/* A whole fraction of the step holds the weights as well, and the bias better. */
	if (step > 0)
		return step / floorf(most / rintf(largest / step));
	float best = largest / most;
	double least = squared_error(w, count, best, most);
	for (int i = 1; i < CLIP_TRIES; i++) {
		float scale = largest / most * (1.0f - (float)i / 64.0f);
		double error = squared_error(w, count, scale, most);
		if (error < least) {
			least = error;
			best = scale;
		}
	}
	return best;
}
