/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges from a histogram. The quantizer that a range stands for is the one insert-quantizers makes of it:
 * unsigned, `levels` steps, with a whole zero point. A bin counts as its middle. */
#include <math.h>

#include "passes/histogram.h"

#define BINS       AZ_HISTOGRAM_BINS
#define SHRINKS    100           /* common factors that are tried first: 1/100, 2/100, ... */
#define FIRST_STEP 0.0625        /* then each end alone moves by this share of itself */
#define LAST_STEP  (1.0 / 512.0) /* until steps of this size gain nothing */
#define MOST_BITS  8             /* more bits: bins are too coarse, and nothing is to be gained */

az_range az_histogram_min_max(const az_histogram *h)
{
	if (h->lo > h->hi)
		return (az_range){0};
	return (az_range){true, h->lo, h->hi};
}

/* The number below which `rank` of the finite numbers lie. */
static double quantile(const az_histogram *h, double rank)
{
	double below = 0;
	for (int32_t i = 0; i < BINS; i++) {
		int32_t k = h->first + i;
		if (k == 0) {
			below += (double)h->zeros;
			if (below >= rank)
				return 0;
		}
		double next = below + (double)h->count[i];
		if (next >= rank && h->count[i])
			return ((double)k + (rank - below) / (double)h->count[i]) * h->width;
		below = next;
	}
	return (double)h->hi;
}

az_range az_histogram_percentile(const az_histogram *h, double percent)
{
	az_range all = az_histogram_min_max(h);
	if (!all.known || h->width == 0)
		return all;
	double share = percent / 100.0, total = (double)h->finite;
	double hi = fmax(quantile(h, share * total), 0);
	double lo = fmin(quantile(h, (1.0 - share) * total), 0);
	return (az_range){true, fmaxf((float)lo, all.lo), fminf((float)hi, all.hi)};
}

/* A quantizer: steps of `scale`, the stored numbers `least` to `most` steps from zero. */
typedef struct grid {
	double scale, least, most;
} grid;

static grid grid_of(double lo, double hi, int bits)
{
	double levels = ldexp(1.0, bits) - 1.0, scale = (hi - lo) / levels;
	double zero = rint(-lo / scale);
	return (grid){scale, -zero, levels - zero};
}

static double squared_error(const az_histogram *h, double lo, double hi, int bits)
{
	grid g = grid_of(lo, hi, bits);
	double inverse = 1.0 / g.scale, sum = 0;
	for (int32_t i = 0; i < BINS; i++) {
		if (!h->count[i])
			continue;
		double x = ((double)(h->first + i) + 0.5) * h->width;
		double q = rint(x * inverse);
		q = q < g.least ? g.least : q;
		q = q > g.most ? g.most : q;
		double error = x - q * g.scale;
		sum += (double)h->count[i] * error * error;
	}
	return sum;
}

/* The numbers of one step lose what makes them differ: each of them that occurs gets the mean of all. What is
 * clipped stands at the ends in what was seen, but not in what the steps stand for. Where no more numbers occur
 * than there are steps, nothing would be lost by any clipping: such ends do not count. */
static double divergence(const az_histogram *h, double lo, double hi, int bits)
{
	grid g = grid_of(lo, hi, bits);
	double mass[1 << MOST_BITS] = {0}, inside = 0, outside[2] = {0}, sum = 0;
	uint32_t used[1 << MOST_BITS] = {0};
	int32_t step[BINS], end[2] = {BINS, -1}, bins = 0;
	for (int32_t i = 0; i < BINS; i++) {
		double n = (double)h->count[i], x = ((double)(h->first + i) + 0.5) * h->width;
		if (n == 0)
			continue;
		if (x < lo || x > hi) {
			outside[x > hi] += n;
			continue;
		}
		step[i] = (int32_t)(fmin(fmax(rint(x / g.scale), g.least), g.most) - g.least);
		mass[step[i]] += n;
		used[step[i]]++;
		inside += n;
		bins++;
		end[0] = end[0] > i ? i : end[0];
		end[1] = i;
	}
	for (int32_t i = end[0]; i <= end[1]; i++) {
		double n = (double)h->count[i];
		n += i == end[0] ? outside[0] : 0;
		n += i == end[1] ? outside[1] : 0;
		if (h->count[i])
			sum += n * log(n * inside / mass[step[i]] * used[step[i]]);
	}
	double total = inside + outside[0] + outside[1];
	return bins >= 1 << bits ? sum / total - log(total) : INFINITY;
}

typedef double loss_fn(const az_histogram *h, double lo, double hi, int bits);

/* The ends that lose least: shrunk together first, then each by itself. */
static az_range search(const az_histogram *h, int bits, loss_fn *loss)
{
	az_range all = az_histogram_min_max(h);
	if (!all.known || h->width == 0 || bits > MOST_BITS)
		return all;
	double end[2] = {fmin((double)all.lo, 0), fmax((double)all.hi, 0)};
	double best[2] = {end[0], end[1]};
	double least = INFINITY;
	for (int i = SHRINKS; i > 0; i--) {
		double factor = (double)i / SHRINKS;
		double now = loss(h, end[0] * factor, end[1] * factor, bits);
		if (now < least) {
			least = now;
			best[0] = end[0] * factor;
			best[1] = end[1] * factor;
		}
	}
	if (least == INFINITY)
		return all;
	for (double step = FIRST_STEP; step >= LAST_STEP;) {
		bool better = false;
		for (int way = 0; way < 4; way++) {
			double next[2] = {best[0], best[1]};
			next[way / 2] *= way % 2 ? 1.0 + step : 1.0 - step;
			if (next[0] < end[0] || next[1] > end[1] || next[way / 2] == 0)
				continue;
			double now = loss(h, next[0], next[1], bits);
			if (now >= least)
				continue;
			least = now;
			best[0] = next[0];
			best[1] = next[1];
			better = true;
		}
		step = better ? step : step / 2;
	}
	return (az_range){true, (float)best[0], (float)best[1]};
}

az_range az_histogram_mse(const az_histogram *h, int bits)
{
	return search(h, bits, squared_error);
}

az_range az_histogram_entropy(const az_histogram *h, int bits)
{
	return search(h, bits, divergence);
}
