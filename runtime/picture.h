/* SPDX-License-Identifier: Apache-2.0
 *
 * Preprocessing of pictures, shared by the executables and by the compiler's own readers, so that
 * calibration, evaluation and deployment see the same numbers. Freestanding, no allocation.
 *
 *   resize (bilinear, antialiased), crop (centre), colour order, x = (pixel * scale - mean) / std  */
#ifndef AZ_RUNTIME_PICTURE_H
#define AZ_RUNTIME_PICTURE_H

#include <stdint.h>

typedef struct az_picture {
	int32_t width, height, channels; /* rows of interleaved bytes, no padding */
	uint8_t *pixel;
} az_picture;

/* Bytes that az_picture_resize needs besides the result. */
uint64_t az_picture_resize_scratch(int32_t height, int32_t channels, int32_t to_width);

/* Resizes into to->pixel (to->width, to->height set, same channels). A triangle filter widened by the
 * ratio when shrinking, horizontally then vertically, rounded to bytes after each, as most image
 * libraries define bilinear. Weights are computed in f32. */
void az_picture_resize(const az_picture *from, az_picture *to, uint8_t *scratch);

/* The centre to->width x to->height part; to must not be larger than from. */
void az_picture_crop(const az_picture *from, az_picture *to);

/* 3 (or 4) channels to 1: (299 R + 587 G + 114 B + 500) / 1000; 1 to 3: copies; 4 to 3: drops alpha. */
void az_picture_channels(const az_picture *from, az_picture *to);

typedef struct az_normalize {
	float scale;
	uint32_t mean_count, std_count; /* 0, 1 or the number of channels */
	const float *mean, *std;
	int32_t swap; /* reverse the order of 3 channels */
	int32_t nchw; /* write planes instead of interleaved pixels */
} az_normalize;

/* One number: (v * scale - mean[channel]) / std[channel]. */
float az_normalize_value(const az_normalize *n, float v, uint32_t channel);
/* A whole picture to floats, in the layout asked for. */
void az_picture_normalize(const az_picture *from, const az_normalize *n, float *out);

#endif
