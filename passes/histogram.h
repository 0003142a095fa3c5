/* SPDX-License-Identifier: Apache-2.0
 *
 * What was seen of one value, in memory that does not grow: the finite numbers counted in bins whose width
 * is a power of two and doubles, merging pairs, when a number falls outside. From it a range is chosen.
 *
 * Exact zeros are counted apart: every quantizer holds zero, and behind a relu most numbers are zero. */
#ifndef AZ_PASSES_HISTOGRAM_H
#define AZ_PASSES_HISTOGRAM_H

#include "base/arena.h"
#include "ir/quant.h"
#include "ir/type.h"

#define AZ_HISTOGRAM_BINS 4096

typedef struct az_histogram {
	float lo, hi;           /* of the finite numbers; lo > hi: none */
	uint64_t finite, other; /* numbers; `other`: infinite or no number */
	uint64_t zeros;
	double width;    /* of a bin; 0: no number but zero yet */
	int32_t first;   /* bin i holds [first + i, first + i + 1) * width; zero is among them */
	uint64_t *count; /* [AZ_HISTOGRAM_BINS], NULL: only lo and hi are kept */
} az_histogram;

/* With bins or without. */
void az_histogram_init(az_histogram *h, bool bins, az_arena *arena);
void az_histogram_add(az_histogram *h, const float *v, int64_t count);

/* Ranges of what was seen, within [lo, hi] and holding zero, for `bits` bits where that matters. */
az_range az_histogram_min_max(const az_histogram *h);
/* `percent` of the numbers are not above the upper end, as many not below the lower one. */
az_range az_histogram_percentile(const az_histogram *h, double percent);
/* The smallest squared error of quantizing. */
az_range az_histogram_mse(const az_histogram *h, int bits);
/* The smallest squared error of signed numbers without zero point (histogram_signed.c). */
az_range az_histogram_signed(const az_histogram *h, az_elem elem);
/* The smallest Kullback-Leibler divergence of the quantized numbers from the clipped ones. */
az_range az_histogram_entropy(const az_histogram *h, int bits);

#endif
