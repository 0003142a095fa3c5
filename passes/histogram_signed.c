/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges for signed numbers without zero point, which reach as far to both sides. A bin counts as its
 * middle. The scale is the range's end over the type's largest number; of -1 and 1 it is the end itself. */
#include <math.h>

#include "passes/histogram.h"

#define SHRINKS 128 /* ends tried: parts of the largest number seen */

/* The mean magnitude has the least squared error of all steps that only know a sign. */
static double mean_magnitude(const az_histogram *h)
{
	double sum = 0;
	for (int32_t i = 0; i < AZ_HISTOGRAM_BINS; i++)
		sum += (double)h->count[i] * fabs((double)(h->first + i) + 0.5) * h->width;
	return sum / (double)h->finite;
}

static double squared_error(const az_histogram *h, double scale, az_elem elem)
{
	double least = (double)az_elem_min(elem), most = (double)az_elem_max(elem), sum = 0;
	for (int32_t i = 0; i < AZ_HISTOGRAM_BINS; i++) {
		if (!h->count[i])
			continue;
		double x = ((double)(h->first + i) + 0.5) * h->width;
		double error = x - fmin(fmax(rint(x / scale), least), most) * scale;
		sum += (double)h->count[i] * error * error;
	}
	return sum;
}

az_range az_histogram_signed(const az_histogram *h, az_elem elem)
{
	az_range all = az_histogram_min_max(h);
	if (!all.known || h->width == 0)
		return all;
	double end = fmax(fabs((double)all.lo), fabs((double)all.hi)), best = end, least = INFINITY;
	double most = (double)az_elem_max(elem);
	if (elem.kind == AZ_KIND_BIPOLAR)
		best = mean_magnitude(h);
	for (int i = SHRINKS; i > 0 && elem.kind != AZ_KIND_BIPOLAR; i--) {
		double now = squared_error(h, end * i / SHRINKS / most, elem);
		if (now < least) {
			least = now;
			best = end * i / SHRINKS;
		}
	}
	return (az_range){true, (float)-best, (float)best};
}
