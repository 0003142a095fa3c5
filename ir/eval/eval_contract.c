/* SPDX-License-Identifier: Apache-2.0
 *
 * conv, conv_transpose, matmul. Integers: acc = sum (x - zx)(w - zw) + bias, exact modulo the width of
 * the accumulator. Floats: f32 (f64 for f64), products summed in index order, then the bias, then the
 * clamp; f16 and bf16 round once, at the end. */
#include <math.h>
#include <string.h>

#include "ir/eval/part.h"
#include "ir/eval/strict.h"
#include "ir/infer.h"

typedef struct conv_shape {
	az_window window;
	int64_t groups, in_group, out_group; /* channels per group */
	int64_t taps, images, positions, in_pixels;
	int64_t in[AZ_SPATIAL_MAX], out[AZ_SPATIAL_MAX];
	bool transposed;
} conv_shape;

/* The pixel of x that meets tap number `tap` at output place `at`; -1 in the padding. */
static int64_t conv_source(const conv_shape *s, const int64_t *at, int64_t tap)
{
	const az_window *w = &s->window;
	int64_t pixel = 0, step = 1;
	for (uint32_t i = w->count; i-- > 0;) {
		int64_t k = tap % w->size[i] * w->dilation[i];
		tap /= w->size[i];
		int64_t place;
		if (s->transposed) {
			place = at[i] + w->begin[i] - k;
			if (place % w->stride[i])
				return -1;
			place /= w->stride[i];
		} else {
			place = at[i] * w->stride[i] - w->begin[i] + k;
		}
		if (place < 0 || place >= s->in[i])
			return -1;
		pixel += place * step;
		step *= s->in[i];
	}
	return pixel;
}

#define T      float
#define SUFFIX f32
#include "ir/eval/contract_core.def"
#define T      double
#define SUFFIX f64
#include "ir/eval/contract_core.def"
#define T      uint32_t
#define SUFFIX u32
#include "ir/eval/contract_core.def"
#define T      uint64_t
#define SUFFIX u64
#include "ir/eval/contract_core.def"

/* What one contraction computes with. */
typedef enum number { NUMBER_F32, NUMBER_F64, NUMBER_U32, NUMBER_U64 } number;

static number number_of(az_elem result)
{
	if (az_elem_is_float(result))
		return result.bits == 64 ? NUMBER_F64 : NUMBER_F32;
	return result.bits == 64 ? NUMBER_U64 : NUMBER_U32;
}

static const void *load(az_arena *arena, const az_tensor *tensor, number kind, int64_t zero)
{
	enum { CHUNK = 1024 };
	if (kind == NUMBER_F32)
		return az_wide_load(arena, tensor).f;
	if (kind == NUMBER_F64)
		return az_wide_load(arena, tensor).d;
	uint64_t count = (uint64_t)az_type_numel(tensor->type);
	uint32_t *narrow = kind == NUMBER_U32 ? az_new_array(arena, uint32_t, (size_t)count) : NULL;
	uint64_t *wide = kind == NUMBER_U64 ? az_new_array(arena, uint64_t, (size_t)count) : NULL;
	int64_t v[CHUNK];
	for (uint64_t first = 0; first < count; first += CHUNK) {
		uint64_t n = AZ_MIN(count - first, (uint64_t)CHUNK);
		az_unpack_ints(tensor, first, n, v);
		for (uint64_t i = 0; i < n; i++) {
			uint64_t x = (uint64_t)v[i] - (uint64_t)zero;
			if (narrow)
				narrow[first + i] = (uint32_t)x;
			else
				wide[first + i] = x;
		}
	}
	return narrow ? (const void *)narrow : wide;
}

/* The weights, less the zero points that their output channels have besides; channels are the last dimension of
 * a matrix, else the first. */
static const void *load_weights(az_eval *e, number kind, int64_t zero, bool last)
{
	const void *w = load(e->scratch, e->args[1], kind, zero);
	if (e->op->arg_count < 4 || !e->args[3])
		return w;
	const az_type *type = e->args[1]->type;
	int64_t count = az_type_numel(type),
		channels = last ? type->dim[type->rank - 1] : type->dim[0];
	for (int64_t i = 0; i < count; i++) {
		int64_t channel = last ? i % channels : i / (count / channels);
		uint64_t z = (uint64_t)(int64_t)az_tensor_get(e->args[3], (uint64_t)channel);
		if (kind == NUMBER_U32)
			((uint32_t *)(uintptr_t)w)[i] -= (uint32_t)z;
		else
			((uint64_t *)(uintptr_t)w)[i] -= z;
	}
	return w;
}

/* Sums of the result's size. */
static void *make_sums(az_arena *arena, number kind, uint64_t count)
{
	size_t size = kind == NUMBER_F32 || kind == NUMBER_U32 ? 4 : 8;
	return az_arena_array(arena, (size_t)count, size, 64);
}

/* Bias, clamp, and into the result. */
static void finish(az_eval *e, number kind, void *sums, az_reals clamp)
{
	az_tensor *result = &e->results[0];
	int64_t count = az_type_numel(result->type);
	int64_t columns = result->type->dim[result->type->rank - 1];
	int64_t rows = columns ? count / columns : 0;
	if (e->op->arg_count > 2 && e->args[2]) {
		const void *bias = load(e->scratch, e->args[2], kind, 0);
		if (kind == NUMBER_F32)
			add_bias_f32(sums, bias, rows, columns);
		else if (kind == NUMBER_F64)
			add_bias_f64(sums, bias, rows, columns);
		else if (kind == NUMBER_U32)
			add_bias_u32(sums, bias, rows, columns);
		else
			add_bias_u64(sums, bias, rows, columns);
	}
	az_wide y = az_wide_result(e->scratch, result);
	for (int64_t i = 0; i < count; i++) {
		if (kind == NUMBER_F32) {
			float v = ((float *)sums)[i];
			y.f[i] = clamp.count ? az_strict_clip(v, clamp.v[0], clamp.v[1]) : v;
		} else if (kind == NUMBER_F64) {
			double v = ((double *)sums)[i];
			if (clamp.count) {
				v = v < (double)clamp.v[0] ? (double)clamp.v[0] : v;
				v = v > (double)clamp.v[1] ? (double)clamp.v[1] : v;
			}
			y.d[i] = v;
		} else if (kind == NUMBER_U32) {
			y.i[i] = (int32_t)((uint32_t *)sums)[i];
		} else {
			y.i[i] = (int64_t)((uint64_t *)sums)[i];
		}
	}
	az_wide_store(&y, result);
}

/* The attributes that both convolutions have. */
typedef struct conv_attrs {
	az_ints stride, pad, dilation, zero;
	int64_t groups, group;
	az_reals clamp;
} conv_attrs;

static conv_shape shape_of(const az_eval *e, const conv_attrs *attr, bool transposed)
{
	const az_type *x = e->args[0]->type, *w = e->args[1]->type, *y = e->results[0].type;
	conv_shape s = {.groups = attr->groups, .transposed = transposed};
	uint32_t n = x->rank - 2u;
	s.window.count = n;
	s.in_group = w->dim[w->rank - 1];
	s.out_group = w->dim[0] / attr->groups;
	s.images = x->dim[0];
	s.taps = s.positions = s.in_pixels = 1;
	for (uint32_t i = 0; i < n; i++) {
		s.window.size[i] = w->dim[1 + i];
		s.window.stride[i] = az_ints_at(attr->stride, i, 1);
		s.window.dilation[i] = az_ints_at(attr->dilation, i, 1);
		s.window.begin[i] = az_ints_at(attr->pad, 2 * i, 0);
		s.in[i] = x->dim[1 + i];
		s.out[i] = y->dim[1 + i];
		s.taps *= s.window.size[i];
		s.positions *= s.out[i];
		s.in_pixels *= s.in[i];
	}
	return s;
}

/* --- Scaled sums -------------------------------------------------------------------------------------- */

static const az_tensor *scales_of(const az_eval *e)
{
	return e->op->arg_count > 4 ? e->args[4] : NULL;
}

/* Rows of scales of one output channel: groups of every tap. */
typedef struct scaled {
	const float *scale;                           /* [row][channel] */
	int64_t group, groups, taps, depth, channels; /* groups and inputs (`depth`) of a tap */
} scaled;

/* [channel][row] for convolutions, else [row][channel]: turned into the latter. */
static scaled read_scaled(az_eval *e, int64_t group, int64_t taps, int64_t depth, int64_t channels,
	bool turned)
{
	const az_tensor *from = scales_of(e);
	scaled s = {.group = group, .taps = taps, .depth = depth, .channels = channels};
	s.groups = (depth + group - 1) / group;
	int64_t rows = taps * s.groups;
	float *scale = az_new_array(e->scratch, float, (size_t)(rows * channels) + 1);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t o = 0; o < channels; o++) {
			int64_t at = turned ? r * channels + o : o * rows + r;
			float v = (float)az_tensor_get(from, (uint64_t)at);
			scale[r * channels + o] = fabsf(v) < 0x1p-126f ? 0.0f : v;
		}
	s.scale = scale;
	return s;
}

/* Weights as [taps x depth, channels of one group of the convolution], zero points gone. */
static const uint64_t *scaled_weights(az_eval *e, const scaled *s, int64_t zero, bool turned)
{
	int64_t inputs = s->taps * s->depth, rows = s->taps * s->groups;
	const az_tensor *zeros = e->args[3];
	const uint64_t *w = load(e->scratch, e->args[1], NUMBER_U64, zero);
	uint64_t *out = az_new_array(e->scratch, uint64_t, (size_t)(inputs * s->channels) + 1);
	for (int64_t o = 0; o < s->channels; o++)
		for (int64_t k = 0; k < inputs; k++) {
			int64_t row = k / s->depth * s->groups + k % s->depth / s->group;
			int64_t z = 0;
			if (zeros)
				z = (int64_t)az_tensor_get(zeros,
					(uint64_t)(turned ? row * s->channels + o
							  : o * rows + row));
			out[k * s->channels + o] =
				w[turned ? k * s->channels + o : o * inputs + k] - (uint64_t)z;
		}
	return out;
}

/* One place, output channels [first, end): the sum over rows of f32(sum of the group) * scale. */
static void add_scaled(const scaled *s, const uint64_t *x, const uint64_t *w, int64_t first,
	int64_t end, float *y)
{
	enum { COLUMNS = 32 };
	uint64_t part[COLUMNS];
	for (int64_t j = first; j < end; j += COLUMNS) {
		int64_t n = AZ_MIN(end - j, (int64_t)COLUMNS);
		for (int64_t r = 0; r < s->taps * s->groups; r++) {
			int64_t tap = r / s->groups, i = r % s->groups * s->group;
			int64_t k = tap * s->depth + i;
			dot_columns_u64(x + k, w + k * s->channels + j,
				AZ_MIN(s->group, s->depth - i), s->channels, n, part);
			for (int64_t c = 0; c < n; c++)
				y[j + c] +=
					(float)(int64_t)part[c] * s->scale[r * s->channels + j + c];
		}
	}
}

static bool convolve_scaled(az_eval *e, const conv_shape *shape, const conv_attrs *attr)
{
	int64_t channels = shape->groups * shape->out_group;
	scaled s = read_scaled(e, attr->group, shape->taps, shape->in_group, channels, false);
	const uint64_t *x = load(e->scratch, e->args[0], NUMBER_U64, az_ints_at(attr->zero, 0, 0));
	const uint64_t *w = scaled_weights(e, &s, az_ints_at(attr->zero, 1, 0), false);
	int64_t inputs = shape->taps * shape->in_group;
	uint64_t *patch = az_new_array(e->scratch, uint64_t, (size_t)(shape->groups * inputs) + 1);
	float *y = make_sums(e->scratch, NUMBER_F32, (uint64_t)az_type_numel(e->results[0].type));
	float *at = y;
	for (int64_t n = 0; n < shape->images; n++) {
		for (int64_t p = 0; p < shape->positions; p++, at += channels) {
			gather_patch_u64(shape, x, p, patch);
			for (int64_t g = 0; g < shape->groups; g++)
				add_scaled(&s, patch + g * inputs, w, g * shape->out_group,
					(g + 1) * shape->out_group, at);
		}
		x += shape->in_pixels * shape->groups * shape->in_group;
	}
	finish(e, NUMBER_F32, y, attr->clamp);
	return true;
}

static bool multiply_scaled(az_eval *e)
{
	const az_attrs_matmul *attr = &e->op->attr.matmul;
	const az_type *a = e->args[0]->type, *b = e->args[1]->type;
	int64_t depth = a->dim[a->rank - 1], n = b->dim[1];
	scaled s = read_scaled(e, attr->group, 1, depth, n, true);
	const uint64_t *x = load(e->scratch, e->args[0], NUMBER_U64, az_ints_at(attr->zero, 0, 0));
	const uint64_t *w = scaled_weights(e, &s, az_ints_at(attr->zero, 1, 0), true);
	int64_t rows = n ? az_type_numel(e->results[0].type) / n : 0;
	float *y = make_sums(e->scratch, NUMBER_F32, (uint64_t)(rows * n));
	for (int64_t i = 0; i < rows; i++)
		add_scaled(&s, x + i * depth, w, 0, n, y + i * n);
	finish(e, NUMBER_F32, y, attr->clamp);
	return true;
}

/* --- Plain sums --------------------------------------------------------------------------------------- */

static bool convolve(az_eval *e, const conv_attrs *attr, bool transposed)
{
	conv_shape s = shape_of(e, attr, transposed);
	number kind = number_of(e->results[0].type->elem);
	if (scales_of(e))
		return convolve_scaled(e, &s, attr);
	const void *x = load(e->scratch, e->args[0], kind, az_ints_at(attr->zero, 0, 0));
	const void *w = load_weights(e, kind, az_ints_at(attr->zero, 1, 0), false);
	void *sums = make_sums(e->scratch, kind, (uint64_t)az_type_numel(e->results[0].type));
	if (kind == NUMBER_F32)
		convolve_f32(e->scratch, &s, x, w, sums);
	else if (kind == NUMBER_F64)
		convolve_f64(e->scratch, &s, x, w, sums);
	else if (kind == NUMBER_U32)
		convolve_u32(e->scratch, &s, x, w, sums);
	else
		convolve_u64(e->scratch, &s, x, w, sums);
	finish(e, kind, sums, attr->clamp);
	return true;
}

bool az_eval_conv(az_eval *e)
{
	const az_attrs_conv *a = &e->op->attr.conv;
	conv_attrs attr = {a->stride, a->pad, a->dilation, a->zero, a->groups, a->group, a->clamp};
	return convolve(e, &attr, false);
}

bool az_eval_conv_transpose(az_eval *e)
{
	const az_attrs_conv_transpose *a = &e->op->attr.conv_transpose;
	conv_attrs attr = {a->stride, a->pad, a->dilation, a->zero, a->groups, 0, a->clamp};
	return convolve(e, &attr, true);
}

/* Number of the matrix of operand `type` that goes with matrix `batch` of the result. */
static int64_t matrix_of(const az_type *type, const az_type *result, int64_t batch)
{
	int64_t at = 0, step = 1;
	for (uint32_t i = 2; i < result->rank; i++) {
		int64_t index = batch % result->dim[result->rank - 1u - i];
		batch /= result->dim[result->rank - 1u - i];
		if (i >= type->rank)
			continue;
		int64_t dim = type->dim[type->rank - 1u - i];
		at += (dim == 1 ? 0 : index) * step;
		step *= dim;
	}
	return at;
}

bool az_eval_matmul(az_eval *e)
{
	const az_attrs_matmul *attr = &e->op->attr.matmul;
	const az_type *at = e->args[0]->type, *bt = e->args[1]->type, *yt = e->results[0].type;
	number kind = number_of(yt->elem);
	if (scales_of(e))
		return multiply_scaled(e);
	int64_t m = at->dim[at->rank - 2], depth = at->dim[at->rank - 1], n = bt->dim[bt->rank - 1];
	int64_t batches = m && n ? az_type_numel(yt) / (m * n) : 0;
	const char *a = load(e->scratch, e->args[0], kind, az_ints_at(attr->zero, 0, 0));
	const char *b = load_weights(e, kind, az_ints_at(attr->zero, 1, 0), true);
	char *y = make_sums(e->scratch, kind, (uint64_t)az_type_numel(yt));
	int64_t size = kind == NUMBER_F32 || kind == NUMBER_U32 ? 4 : 8;
	for (int64_t i = 0; i < batches; i++) {
		const void *ai = a + matrix_of(at, yt, i) * m * depth * size;
		const void *bi = b + matrix_of(bt, yt, i) * depth * n * size;
		void *yi = y + i * m * n * size;
		if (kind == NUMBER_F32)
			product_f32(ai, bi, m, depth, n, yi, n);
		else if (kind == NUMBER_F64)
			product_f64(ai, bi, m, depth, n, yi, n);
		else if (kind == NUMBER_U32)
			product_u32(ai, bi, m, depth, n, yi, n);
		else
			product_u64(ai, bi, m, depth, n, yi, n);
	}
	finish(e, kind, y, attr->clamp);
	return true;
}
