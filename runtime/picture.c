/* SPDX-License-Identifier: Apache-2.0
 *
 * See picture.h. */
#include "runtime/picture.h"

uint64_t az_picture_resize_scratch(int32_t height, int32_t channels, int32_t to_width)
{
	return (uint64_t)height * (uint64_t)channels * (uint64_t)to_width;
}

static int32_t floor_int(float x)
{
	int32_t i = (int32_t)x;
	return (float)i > x ? i - 1 : i;
}

/* One resized line of pixels: `n` source places `stride` bytes apart to `to_n` places. Weights are
 * summed in the order of the source, so that every machine gives the same bytes. */
static void resize_line(const uint8_t *from, int32_t n, int64_t stride, uint8_t *to, int32_t to_n,
	int64_t to_stride)
{
	float ratio = (float)n / (float)to_n;
	float filter = ratio > 1.0f ? ratio : 1.0f;
	for (int32_t i = 0; i < to_n; i++) {
		float center = ((float)i + 0.5f) * ratio, sum = 0.0f, total = 0.0f;
		int32_t lo = floor_int(center - filter + 0.5f),
			hi = floor_int(center + filter + 0.5f);
		lo = lo < 0 ? 0 : lo;
		hi = hi > n ? n : hi;
		for (int32_t k = lo; k < hi; k++) {
			float distance = ((float)k - center + 0.5f) / filter;
			float weight = 1.0f - (distance < 0.0f ? -distance : distance);
			if (weight <= 0.0f)
				continue;
			total += weight;
			sum += weight * (float)from[k * stride];
		}
		to[i * to_stride] = (uint8_t)(sum / total + 0.5f);
	}
}

void az_picture_resize(const az_picture *from, az_picture *to, uint8_t *scratch)
{
	int64_t c = from->channels, row = (int64_t)from->width * c, to_row = (int64_t)to->width * c;
	for (int32_t y = 0; y < from->height; y++)
		for (int64_t k = 0; k < c; k++)
			resize_line(from->pixel + y * row + k, from->width, c,
				scratch + y * to_row + k, to->width, c);
	for (int64_t x = 0; x < to_row; x++)
		resize_line(scratch + x, from->height, to_row, to->pixel + x, to->height, to_row);
}

void az_picture_crop(const az_picture *from, az_picture *to)
{
	int64_t top = (from->height - to->height) / 2, left = (from->width - to->width) / 2;
	int64_t c = from->channels, bytes = (int64_t)to->width * c;
	for (int64_t y = 0; y < to->height; y++) {
		const uint8_t *p = from->pixel + ((y + top) * from->width + left) * c;
		for (int64_t i = 0; i < bytes; i++)
			to->pixel[y * bytes + i] = p[i];
	}
}

void az_picture_channels(const az_picture *from, az_picture *to)
{
	int64_t n = (int64_t)from->width * from->height;
	for (int64_t i = 0; i < n; i++) {
		const uint8_t *p = from->pixel + i * from->channels;
		uint8_t *q = to->pixel + i * to->channels;
		if (to->channels == 1 && from->channels >= 3)
			q[0] = (uint8_t)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
		else
			for (int32_t k = 0; k < to->channels; k++)
				q[k] = p[k < from->channels ? k : 0];
	}
}

float az_normalize_value(const az_normalize *n, float v, uint32_t channel)
{
	float mean = n->mean_count ? n->mean[n->mean_count > 1 ? channel : 0] : 0.0f;
	float std = n->std_count ? n->std[n->std_count > 1 ? channel : 0] : 1.0f;
	float scaled = v * n->scale;
	return (scaled - mean) / std;
}

void az_picture_normalize(const az_picture *from, const az_normalize *n, float *out)
{
	int64_t pixels = (int64_t)from->width * from->height;
	int32_t c = from->channels;
	for (int64_t i = 0; i < pixels; i++)
		for (int32_t k = 0; k < c; k++) {
			int32_t source = n->swap && c == 3 ? 2 - k : k;
			float v = az_normalize_value(n, (float)from->pixel[i * c + source],
				(uint32_t)k);
			out[n->nchw ? k * pixels + i : i * c + k] = v;
		}
}
