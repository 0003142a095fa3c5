/* SPDX-License-Identifier: Apache-2.0
 *
 * conv, conv_transpose, matmul. Integers: acc = sum (x - zx)(w - zw) + bias, exact modulo the width of
 * the accumulator. Floats: f32 (f64 for f64), products summed in index order, then the bias, then the
 * clamp; f16 and bf16 round once, at the end. */
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
	int64_t groups;
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

static bool convolve(az_eval *e, const conv_attrs *attr, bool transposed)
{
	conv_shape s = shape_of(e, attr, transposed);
	number kind = number_of(e->results[0].type->elem);
	const void *x = load(e->scratch, e->args[0], kind, az_ints_at(attr->zero, 0, 0));
	const void *w = load(e->scratch, e->args[1], kind, az_ints_at(attr->zero, 1, 0));
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
	conv_attrs attr = {a->stride, a->pad, a->dilation, a->zero, a->groups, a->clamp};
	return convolve(e, &attr, false);
}

bool az_eval_conv_transpose(az_eval *e)
{
	const az_attrs_conv_transpose *a = &e->op->attr.conv_transpose;
	conv_attrs attr = {a->stride, a->pad, a->dilation, a->zero, a->groups, a->clamp};
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
	int64_t m = at->dim[at->rank - 2], depth = at->dim[at->rank - 1], n = bt->dim[bt->rank - 1];
	int64_t batches = m && n ? az_type_numel(yt) / (m * n) : 0;
	const char *a = load(e->scratch, e->args[0], kind, az_ints_at(attr->zero, 0, 0));
	const char *b = load(e->scratch, e->args[1], kind, az_ints_at(attr->zero, 1, 0));
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
