/* SPDX-License-Identifier: Apache-2.0
 *
 * Fitting weights to grids other than the affine one: odd (scale * (2 k - (2^bits - 1))), scales that are
 * powers of two, and codebooks (scale * table[k], the table shared by all channels of a layer). Weights come
 * channel by channel, `inner` numbers each; not finite ones count as 0. Stored numbers k are unsigned; one bit
 * on the odd grid is bipolar, k = 0 for -1. */
#ifndef AZ_PASSES_WEIGHT_GRID_H
#define AZ_PASSES_WEIGHT_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define AZ_CODEBOOK_MAX 256

typedef struct az_codebook {
	uint32_t count;             /* entries: 2^bits, ascending */
	int32_t v[AZ_CODEBOOK_MAX]; /* between -most and most */
	float *scale;               /* one per channel, in the arena */
} az_codebook;

/* The odd scale with the least squared error, by turns of rounding and least squares; 1 for zeros. */
float az_odd_scale(const float *w, int64_t count, unsigned bits);
/* k of the odd number nearest to w / scale. */
uint32_t az_odd_nearest(float w, float scale, unsigned bits);

/* The power of two with the least squared error where stored numbers are at most `most` from zero; between
 * 2^-126 and 2^127; 1 for zeros. */
float az_power_scale(const float *w, int64_t count, int64_t most);

/* 2^bits entries by Lloyd's iteration over all weights, each in parts of its channel's largest; then entries
 * in whole numbers up to `most` (127 for i8, 32767 for i16), and the scale of each channel again by least
 * squares. bits is 1 to 8. w: [channels][inner]. */
void az_codebook_fit(const float *w, int64_t channels, int64_t inner, unsigned bits, int32_t most,
	az_arena *arena, az_codebook *out);
/* The entry nearest to w / scale, the lower one of two. */
uint32_t az_codebook_nearest(const az_codebook *book, float w, float scale);

#endif
