/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples without data: noise that resembles what networks see. Inputs of the shape of a picture get fields
 * whose neighbours resemble each other on every scale, alike in all channels, as pictures do; with
 * --input-* options these are pixels, 0 to 255, preprocessed as pictures are. Everything else gets
 * independent normal numbers. Sample i is the same every time. */
#include <math.h>

#include "base/bits.h"
#include "data/data.h"

#define SAMPLES  128
#define COARSEST 2    /* cells of the largest structures across */
#define COMMON   0.9f /* share of a field that all channels have */
#define MIDDLE   117.0f
#define SPREAD   62.0f /* mean and deviation of pixels in natural pictures */

typedef struct synthetic {
	az_ctx *ctx;
	az_arena *arena;
	uint32_t count;
	const az_preprocess *preprocess;
} synthetic;

/* Knuth's generator, and a nearly normal number: the sum of four even ones. */
static float even(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (float)(*state >> 40) * 0x1p-23f - 1.0f;
}

static float normal(uint64_t *state)
{
	float sum = 0;
	for (int i = 0; i < 4; i++)
		sum += even(state);
	return sum * 0.8660254f;
}

/* Adds noise on a grid of so many cells, bilinear between. */
static void add_octave(float *v, int64_t height, int64_t width, int64_t cells, float *grid,
	uint64_t *state)
{
	int64_t side = cells + 1;
	for (int64_t i = 0; i < side * side; i++)
		grid[i] = normal(state);
	for (int64_t y = 0; y < height; y++) {
		float fy = (float)y / (float)height * (float)cells;
		int64_t gy = (int64_t)fy;
		fy -= (float)gy;
		for (int64_t x = 0; x < width; x++) {
			float fx = (float)x / (float)width * (float)cells;
			int64_t gx = (int64_t)fx;
			const float *g = grid + gy * side + gx;
			fx -= (float)gx;
			v[y * width + x] += (1 - fy) * ((1 - fx) * g[0] + fx * g[1]) +
					    fy * ((1 - fx) * g[side] + fx * g[side + 1]);
		}
	}
}

/* Deviation about 1. */
static void make_field(float *v, int64_t height, int64_t width, float *grid, uint64_t *state)
{
	float octaves = 0;
	for (int64_t i = 0; i < height * width; i++)
		v[i] = 0;
	for (int64_t cells = COARSEST; cells <= AZ_MAX(height, width); cells *= 2, octaves++)
		add_octave(v, height, width, cells, grid, state);
	float scale = octaves > 0 ? 1.5f / sqrtf(octaves) : 1.0f;
	for (int64_t i = 0; i < height * width; i++)
		v[i] *= scale;
}

/* Height, width and channels of a picture [N,C,H,W] or [N,H,W,C]; false: no picture. */
static bool find_picture(const az_type *type, bool *last, int64_t dim[3])
{
	if (type->rank != 4 || type->dim[0] != 1)
		return false;
	const int64_t *d = type->dim + 1;
	*last = d[2] <= 4 && d[0] > 4;
	dim[0] = *last ? d[0] : d[1];
	dim[1] = *last ? d[1] : d[2];
	dim[2] = *last ? d[2] : d[0];
	return dim[0] > 1 && dim[1] > 1;
}

static float pixel(float v)
{
	return fminf(fmaxf(rintf(MIDDLE + SPREAD * v), 0), 255);
}

static bool picture(const synthetic *s, uint64_t *state, az_arena *arena, az_tensor *to)
{
	bool last, pixels = s->preprocess->set;
	int64_t dim[3];
	if (!find_picture(to->type, &last, dim))
		return false;
	int64_t places = dim[0] * dim[1], side = 2 * AZ_MAX(dim[0], dim[1]) + 2;
	float *common = az_new_array(arena, float, (size_t)places);
	float *own = az_new_array(arena, float, (size_t)places);
	float *grid = az_new_array(arena, float, (size_t)(side * side));
	const az_preprocess *pre = s->preprocess;
	make_field(common, dim[0], dim[1], grid, state);
	for (int64_t c = 0; c < dim[2]; c++) {
		float rest = sqrtf(1 - COMMON * COMMON);
		float mean = pre->mean_count ? pre->mean[c % pre->mean_count] : 0;
		float deviation = pre->std_count ? pre->std[c % pre->std_count] : 1;
		make_field(own, dim[0], dim[1], grid, state);
		for (int64_t i = 0; i < places; i++) {
			float v = COMMON * common[i] + rest * own[i];
			if (pixels)
				v = (pixel(v) * pre->scale - mean) / deviation;
			az_tensor_set(to, (uint64_t)(last ? i * dim[2] + c : c * places + i),
				(double)v);
		}
	}
	return true;
}

static bool get(void *data, uint64_t i, az_tensor *inputs)
{
	const synthetic *s = data;
	uint64_t state = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t k = 0; k < s->count; k++) {
		az_arena_mark mark = az_arena_mark_get(s->arena);
		bool made = picture(s, &state, s->arena, &inputs[k]);
		az_arena_reset(s->arena, mark);
		int64_t count = az_type_numel(inputs[k].type);
		for (int64_t e = 0; !made && e < count; e++)
			az_tensor_set(&inputs[k], (uint64_t)e, (double)normal(&state));
	}
	return true;
}

az_stream *az_data_synthetic(az_ctx *ctx, az_arena *arena, uint32_t input_count,
	const az_type *const *input_type, const az_preprocess *preprocess)
{
	for (uint32_t i = 0; i < input_count; i++) {
		if (!az_elem_is_float(input_type[i]->elem)) {
			az_error(ctx, AZ_LOC_NONE,
				"input %u is not of floats: without data nothing is known of it",
				i);
			return NULL;
		}
	}
	synthetic *s = az_new(arena, synthetic);
	az_preprocess *copy = az_new(arena, az_preprocess);
	*copy = *preprocess;
	*s = (synthetic){ctx, arena, input_count, copy};
	az_stream *stream = az_new(arena, az_stream);
	*stream = (az_stream){.data = s, .count = SAMPLES, .made_up = true, .get = get};
	return stream;
}
