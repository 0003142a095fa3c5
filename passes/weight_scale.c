/* SPDX-License-Identifier: Apache-2.0
 *
 * The scale of one channel of weights. Weights that already are multiples of one step (a network that was
 * quantized before) keep that step, so that nothing is lost; others get the scale that leaves the smallest
 * squared error: of 7 and 8 bits between clipping the largest weight a little and not at all, of fewer bits
 * wherever it is. */
#include <math.h>

#include "passes/quantize_plan.h"

#define GRID_TOLERANCE 0.01f /* of a step, by which a multiple may miss */
#define CLIP_TRIES     16 /* scales tried, each 1/64 of the largest smaller than the one before */
#define NARROW         31 /* with so many steps each way or fewer, more is to be gained */
#define NARROW_MORE    8  /* then from so many 64ths above the largest */
#define NARROW_TRIES   60 /* to so many below */
#define REFINEMENTS    8

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

static double squared_error(const float *w, int64_t count, float scale, float least, float most)
{
	double sum = 0;
	float inverse = 1.0f / scale;
	for (int64_t i = 0; i < count; i++) {
		float q = rintf(w[i] * inverse);
		q = q > most ? most : q < least ? least : q;
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

/* Least squares for the stored numbers, and rounding again, by turns: the error only falls. */
static float refined(const float *w, int64_t count, float scale, float least, float most)
{
	for (int round = 0; round < REFINEMENTS; round++) {
		double wk = 0, kk = 0;
		for (int64_t i = 0; i < count; i++) {
			float k = fminf(fmaxf(rintf(w[i] / scale), least), most);
			wk += (double)w[i] * (double)k;
			kk += (double)k * (double)k;
		}
		float next = kk > 0 ? (float)(wk / kk) : scale;
		if (!(next > 0) || next == scale)
			break;
		scale = next;
	}
	return scale;
}

float az_weight_affine(const float *w, int64_t count, int64_t most, int64_t *zero)
{
	float lo = 0, hi = 0, best = 1.0f, levels = (float)most;
	double least = INFINITY;
	for (int64_t i = 0; i < count; i++) {
		lo = fminf(lo, w[i]);
		hi = fmaxf(hi, w[i]);
	}
	*zero = 0;
	if (!(hi - lo >= 0x1p-100f) || !isfinite(hi - lo))
		return best;
	for (int i = 0; i < (most <= 2 * NARROW + 1 ? NARROW_TRIES : CLIP_TRIES); i++) {
		float scale = (hi - lo) / levels * (1.0f - (float)i / 64.0f);
		float z = fminf(fmaxf(rintf(-lo * (1.0f - (float)i / 64.0f) / scale), 0), levels);
		double sum = 0;
		for (int64_t k = 0; k < count; k++) {
			float q = fminf(fmaxf(rintf(w[k] / scale), -z), levels - z);
			double error = (double)(w[k] - q * scale);
			sum += error * error;
		}
		if (sum < least) {
			least = sum;
			best = scale;
			*zero = (int64_t)z;
		}
	}
	return best;
}

/* A whole fraction of the step holds the weights as well, and the bias better: which one; 0 when even the step
 * is too fine. */
static float times_finer(const float *w, int64_t count, float step, float least, float most)
{
	float lo = 0, hi = 0;
	for (int64_t i = 0; i < count; i++) {
		lo = fminf(lo, rintf(w[i] / step));
		hi = fmaxf(hi, rintf(w[i] / step));
	}
	return floorf(fminf(hi > 0 ? most / hi : INFINITY, lo < 0 ? least / lo : INFINITY));
}

float az_weight_scale(const float *w, int64_t count, int64_t least_step, int64_t most_steps)
{
	float largest = 0, most = (float)most_steps, lowest = (float)least_step;
	for (int64_t i = 0; i < count; i++)
		largest = fmaxf(largest, fabsf(w[i]));
	if (!(largest >= 0x1p-100f) || !isfinite(largest))
		return 1.0f;
	float step = az_weight_step(w, count, -least_step), times = 0;
	if (step > 0)
		times = times_finer(w, count, step, lowest, most);
	if (times >= 1)
		return step / times;
	bool narrow = most_steps <= NARROW;
	float best = largest / most;
	double least = squared_error(w, count, best, lowest, most);
	for (int i = narrow ? -NARROW_MORE : 1; i < (narrow ? NARROW_TRIES : CLIP_TRIES); i++) {
		float scale = largest / most * (1.0f - (float)i / 64.0f);
		double error = squared_error(w, count, scale, lowest, most);
		if (error < least) {
			least = error;
			best = scale;
		}
	}
	return narrow ? refined(w, count, best, lowest, most) : best;
}
