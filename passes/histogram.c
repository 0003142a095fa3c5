/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting numbers in bins that widen. See histogram.h; ranges are chosen in histogram_range.c. */
#include "passes/histogram.h"

#include <math.h>
#include <string.h>

#define BINS     AZ_HISTOGRAM_BINS
#define EXPONENT 0x7f800000 /* all ones: infinite or no number */

void az_histogram_init(az_histogram *h, bool bins, az_arena *arena)
{
	*h = (az_histogram){.lo = INFINITY, .hi = -INFINITY};
	if (bins)
		h->count = az_new_array(arena, uint64_t, BINS);
}

/* Floats in their order as integers, which compilers compare without branches; its own inverse. */
static int32_t in_order(int32_t bits)
{
	return bits ^ (bits >> 31 & INT32_MAX);
}

static float from_order(int32_t key)
{
	float v;
	key = in_order(key);
	memcpy(&v, &key, sizeof v);
	return v + 0.0f; /* never -0 */
}

/* Least and most of the finite numbers; returns how many those are. */
static int64_t find_ends(const float *v, int64_t count, float *lo, float *hi)
{
	int32_t least = INT32_MAX, most = INT32_MIN, bits;
	int64_t finite_count = 0;
	for (int64_t i = 0; i < count; i++) {
		memcpy(&bits, &v[i], sizeof bits);
		bool finite = (bits & EXPONENT) != EXPONENT;
		int32_t key = in_order(bits);
		int32_t low = finite ? key : INT32_MAX, high = finite ? key : INT32_MIN;
		least = low < least ? low : least;
		most = high > most ? high : most;
		finite_count += finite;
	}
	if (finite_count) {
		*lo = from_order(least);
		*hi = from_order(most);
	}
	return finite_count;
}

/* Bins of twice the width: absolute bin k goes into floor(k / 2). */
static void widen(az_histogram *h)
{
	uint64_t merged[BINS] = {0};
	int32_t first = h->first >> 1;
	for (int32_t i = 0; i < BINS; i++)
		merged[((h->first + i) >> 1) - first] += h->count[i];
	memcpy(h->count, merged, sizeof merged);
	h->first = first;
	h->width *= 2;
}

/* Bins for everything between two numbers of which one at most is not beyond zero. */
static void make_room(az_histogram *h, double lo, double hi)
{
	if (h->width == 0) {
		int exponent;
		frexp(fmax(-lo, hi), &exponent);
		h->width = ldexp(2.0, exponent) / BINS;
		h->first = 0;
	}
	lo = fmin(lo, (double)h->first * h->width);
	while (floor(hi / h->width) - floor(lo / h->width) >= BINS)
		widen(h);
	int32_t first = (int32_t)floor(lo / h->width), shift = h->first - first;
	if (shift <= 0)
		return;
	for (int32_t i = BINS - shift; i < BINS; i++) {
		if (h->count[i]) { /* would leave above */
			widen(h);
			make_room(h, lo, hi);
			return;
		}
	}
	memmove(h->count + shift, h->count, (size_t)(BINS - shift) * sizeof *h->count);
	memset(h->count, 0, (size_t)shift * sizeof *h->count);
	h->first = first;
}

static void count_bins(az_histogram *h, const float *v, int64_t count)
{
	double inverse = 1.0 / h->width;
	int32_t bits;
	for (int64_t i = 0; i < count; i++) {
		memcpy(&bits, &v[i], sizeof bits);
		if ((bits & EXPONENT) == EXPONENT)
			continue;
		if (v[i] == 0.0f) {
			h->zeros++;
			continue;
		}
		double at = (double)v[i] * inverse;
		int32_t k = (int32_t)at;
		k -= (double)k > at;
		h->count[k - h->first]++;
	}
}

void az_histogram_add(az_histogram *h, const float *v, int64_t count)
{
	float lo = 0, hi = 0;
	int64_t finite = find_ends(v, count, &lo, &hi);
	h->other += (uint64_t)(count - finite);
	h->finite += (uint64_t)finite;
	if (finite == 0)
		return;
	h->lo = fminf(h->lo, lo);
	h->hi = fmaxf(h->hi, hi);
	if (!h->count)
		return;
	if (lo == 0 && hi == 0) {
		h->zeros += (uint64_t)finite;
		return;
	}
	make_room(h, fmin((double)lo, 0.0), fmax((double)hi, 0.0));
	count_bins(h, v, count);
}
