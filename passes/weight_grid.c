/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. Lloyd's iteration: entries stand at the middle of what is nearest to them; it starts at
 * even steps of the sorted weights, so it depends on nothing but them. */
#include "passes/weight_grid.h"

#include <math.h>
#include <stdlib.h>

#include "base/compiler.h"

#define ROUNDS_MAX 30

static float finite_or_zero(float w)
{
	return isfinite(w) ? w : 0.0f;
}

static float largest_of(const float *w, int64_t count)
{
	float most = 0;
	for (int64_t i = 0; i < count; i++)
		most = fmaxf(most, fabsf(finite_or_zero(w[i])));
	return most;
}

uint32_t az_odd_nearest(float w, float scale, unsigned bits)
{
	float levels = (float)((1u << bits) - 1u);
	float k = rintf((finite_or_zero(w) / scale + levels) * 0.5f);
	return (uint32_t)(k > 0 ? fminf(k, levels) : 0);
}

float az_odd_scale(const float *w, int64_t count, unsigned bits)
{
	float levels = (float)((1u << bits) - 1u), scale = largest_of(w, count) / levels;
	if (!(scale >= 0x1p-100f))
		return 1.0f;
	for (int i = 0; i < ROUNDS_MAX; i++) {
		double wk = 0, kk = 0;
		for (int64_t j = 0; j < count; j++) {
			double k = 2.0 * (double)az_odd_nearest(w[j], scale, bits) - (double)levels;
			wk += (double)finite_or_zero(w[j]) * k;
			kk += k * k;
		}
		float next = (float)(wk / kk);
		if (!(next >= 0x1p-100f) || next == scale)
			break;
		scale = next;
	}
	return scale;
}

static double power_error(const float *w, int64_t count, float scale, float most)
{
	double sum = 0;
	for (int64_t i = 0; i < count; i++) {
		float v = finite_or_zero(w[i]), k = rintf(v / scale);
		k = k > most ? most : k < -most ? -most : k;
		double error = (double)v - (double)k * (double)scale;
		sum += error * error;
	}
	return sum;
}

float az_power_scale(const float *w, int64_t count, int64_t most)
{
	float largest = largest_of(w, count), steps = (float)AZ_MAX(most, 1), best = 1.0f;
	double least = INFINITY;
	int whole;
	if (!(largest >= 0x1p-100f))
		return 1.0f;
	(void)frexpf(largest / steps, &whole);
	for (int i = whole - 4; i <= whole; i++) {
		float scale = ldexpf(1.0f, AZ_MIN(AZ_MAX(i, -126), 127));
		double error = power_error(w, count, scale, steps);
		if (error < least) {
			least = error;
			best = scale;
		}
	}
	return best;
}

/* --- Codebooks ---------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* One turn: each entry to the mean of the sorted numbers that are nearest to it. True: something moved. */
static bool lloyd(const float *sorted, int64_t count, float *entry, uint32_t entries)
{
	bool moved = false;
	int64_t first = 0;
	for (uint32_t i = 0; i < entries; i++) {
		float edge = i + 1 < entries ? (entry[i] + entry[i + 1]) * 0.5f : INFINITY;
		double sum = 0;
		int64_t end = first;
		for (; end < count && sorted[end] <= edge; end++)
			sum += (double)sorted[end];
		float mean = end > first ? (float)(sum / (double)(end - first)) : entry[i];
		moved |= mean != entry[i];
		entry[i] = mean;
		first = end;
	}
	return moved;
}

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

uint32_t az_codebook_nearest(const az_codebook *book, float w, float scale)
{
	float v = finite_or_zero(w) / scale, least = INFINITY;
	uint32_t best = 0;
	for (uint32_t i = 0; i < book->count; i++) {
		float away = fabsf(v - (float)book->v[i]);
		if (away < least) {
			least = away;
			best = i;
		}
	}
	return best;
}

/* The scale that serves the entries chosen with the present one best. */
static float fitted_scale(const az_codebook *book, const float *w, int64_t inner, float scale)
{
	double wt = 0, tt = 0;
	for (int64_t i = 0; i < inner; i++) {
		double t = (double)book->v[az_codebook_nearest(book, w[i], scale)];
		wt += (double)finite_or_zero(w[i]) * t;
		tt += t * t;
	}
	float fitted = tt > 0 ? (float)(wt / tt) : 0;
	return fitted >= 0x1p-100f ? fitted : scale;
}

void az_codebook_fit(const float *w, int64_t channels, int64_t inner, unsigned bits, int32_t most,
	az_arena *arena, az_codebook *out)
{
	int64_t count = channels * inner;
	float *sorted = az_new_array(arena, float, (size_t)count + 1);
	float *entry = az_new_array(arena, float, (size_t)1 << bits);
	*out = (az_codebook){.count = 1u << bits};
	out->scale = az_new_array(arena, float, (size_t)channels + 1);
	for (int64_t c = 0; c < channels; c++) {
		float largest = largest_of(w + c * inner, inner);
		out->scale[c] = largest >= 0x1p-100f ? largest / (float)most : 1.0f;
		for (int64_t i = 0; i < inner; i++)
			sorted[c * inner + i] = finite_or_zero(w[c * inner + i]) / out->scale[c];
	}
	qsort(sorted, (size_t)count, sizeof *sorted, by_size);
	for (uint32_t i = 0; i < out->count; i++)
		entry[i] = count ? sorted[(2 * (int64_t)i + 1) * count / (2 * (int64_t)out->count)]
				 : 0;
	for (int i = 0; i < ROUNDS_MAX && lloyd(sorted, count, entry, out->count); i++) {
	}
	for (uint32_t i = 0; i < out->count; i++) {
		float v = rintf(entry[i]), edge = (float)most;
		out->v[i] = (int32_t)(v > edge ? edge : v < -edge ? -edge : v);
	}
	qsort(out->v, out->count, sizeof *out->v, by_number);
	for (int64_t c = 0; c < channels; c++)
		out->scale[c] = fitted_scale(out, w + c * inner, inner, out->scale[c]);
}
