/* SPDX-License-Identifier: Apache-2.0
 *
 * resize: ONNX Resize. Coordinates and weights are f32; nearest picks elements, linear and cubic run
 * one dimension after the other, first to last, through those that change. */
#include <math.h>

#include "ir/eval/part.h"
#include "ir/eval/strict.h"

typedef struct axis_map {
	int64_t in, out;
	float scale;
} axis_map;

/* Where place `at` of the result lies in the operand. */
static float source_of(const axis_map *m, int64_t at, az_coordinate mode)
{
	float x = (float)at, in = (float)m->in, out = (float)m->out, s = m->scale;
	switch (mode) {
	case AZ_coordinate_asymmetric:
		return x / s;
	case AZ_coordinate_align_corners:
		return m->out == 1 ? 0.0f : x * (in - 1.0f) / (out - 1.0f);
	case AZ_coordinate_pytorch_half_pixel:
		return m->out == 1 ? 0.0f : (x + 0.5f) / s - 0.5f;
	case AZ_coordinate_half_pixel_symmetric: {
		float adjustment = out / (in * s);
		float offset = in / 2.0f * (1.0f - adjustment);
		return offset + (x + 0.5f) / s - 0.5f;
	}
	default:
		return (x + 0.5f) / s - 0.5f;
	}
}

static int64_t clamp_place(float x, int64_t length)
{
	if (!(x > 0.0f))
		return 0;
	return x >= (float)(length - 1) ? length - 1 : (int64_t)x;
}

static int64_t nearest_place(float x, int64_t length, az_nearest_mode mode)
{
	switch (mode) {
	case AZ_nearest_mode_round_prefer_floor:
		return clamp_place(ceilf(x - 0.5f), length);
	case AZ_nearest_mode_round_prefer_ceil:
		return clamp_place(floorf(x + 0.5f), length);
	case AZ_nearest_mode_floor:
		return clamp_place(floorf(x), length);
	default:
		return clamp_place(ceilf(x), length);
	}
}

static axis_map map_of(const az_eval *e, uint32_t i)
{
	const az_attrs_resize *attr = &e->op->attr.resize;
	axis_map m = {e->args[0]->type->dim[i], attr->size.v[i], 1.0f};
	if (attr->scale.count)
		m.scale = attr->scale.v[i];
	else if (m.in)
		m.scale = (float)m.out / (float)m.in;
	return m;
}

static bool resize_nearest(az_eval *e)
{
	const az_attrs_resize *attr = &e->op->attr.resize;
	const az_type *x = e->args[0]->type, *y = e->results[0].type;
	int64_t stride[AZ_RANK_MAX], *source[AZ_RANK_MAX], index[AZ_RANK_MAX] = {0};
	az_row_major(x->rank, x->dim, stride);
	for (uint32_t i = 0; i < x->rank; i++) {
		axis_map m = map_of(e, i);
		source[i] = az_new_array(e->scratch, int64_t, (size_t)m.out + 1);
		for (int64_t k = 0; k < m.out; k++) {
			float at = source_of(&m, k, attr->coordinate);
			source[i][k] = nearest_place(at, m.in, attr->nearest) * stride[i];
		}
	}
	int64_t count = az_type_numel(y);
	for (int64_t i = 0; i < count; i++) {
		int64_t from = 0;
		for (uint32_t k = 0; k < x->rank; k++)
			from += source[k][index[k]];
		az_copy_run(e->results[0].data, (uint64_t)i, e->args[0]->data, (uint64_t)from, 1,
			y->elem.bits);
		for (uint32_t k = x->rank; k-- > 0;) {
			if (++index[k] < y->dim[k])
				break;
			index[k] = 0;
		}
	}
	return true;
}

/* The up to four places that a result place is mixed from. */
typedef struct mix {
	int64_t at[4];
	float weight[4];
	int count;
} mix;

static void cubic_weights(float t, float a, float *w)
{
	float u = t + 1.0f, v = 1.0f - t, z = 2.0f - t;
	w[0] = ((a * u - 5.0f * a) * u + 8.0f * a) * u - 4.0f * a;
	w[1] = ((a + 2.0f) * t - (a + 3.0f)) * t * t + 1.0f;
	w[2] = ((a + 2.0f) * v - (a + 3.0f)) * v * v + 1.0f;
	w[3] = ((a * z - 5.0f * a) * z + 8.0f * a) * z - 4.0f * a;
}

static mix mix_at(const axis_map *m, int64_t place, const az_attrs_resize *attr)
{
	float x = source_of(m, place, attr->coordinate), base = floorf(x), t = x - base;
	bool cubic = attr->mode == AZ_interpolation_cubic;
	mix r = {.count = cubic ? 4 : 2};
	float first = cubic ? base - 1.0f : base, sum = 0;
	if (cubic) {
		cubic_weights(t, attr->cubic, r.weight);
	} else {
		r.weight[0] = 1.0f - t;
		r.weight[1] = t;
	}
	for (int i = 0; i < r.count; i++) {
		float at = first + (float)i;
		if (attr->exclude_outside && (at < 0 || at > (float)(m->in - 1)))
			r.weight[i] = 0;
		r.at[i] = clamp_place(at, m->in);
		sum = sum + r.weight[i];
	}
	for (int i = 0; attr->exclude_outside && i < r.count; i++)
		r.weight[i] = r.weight[i] / sum;
	return r;
}

/* Whether every place of the result is the same place of the operand. */
static bool is_identity(const axis_map *m, az_coordinate mode)
{
	bool same = m->in == m->out;
	for (int64_t i = 0; same && i < m->out; i++)
		same = source_of(m, i, mode) == (float)i;
	return same;
}

/* Interpolates along the middle of [outer, in, inner]. */
static az_wide interpolate(az_eval *e, const az_wide *x, const axis_map *m, int64_t outer,
	int64_t inner)
{
	az_wide y = az_wide_new(e->scratch, x->kind, (uint64_t)(outer * m->out * inner));
	for (int64_t p = 0; p < m->out; p++) {
		mix r = mix_at(m, p, &e->op->attr.resize);
		for (int64_t o = 0; o < outer; o++) {
			int64_t to = (o * m->out + p) * inner, from = o * m->in * inner;
			for (int64_t i = 0; i < inner; i++) {
				float f = 0;
				double d = 0;
				for (int k = 0; k < r.count; k++) {
					int64_t at = from + r.at[k] * inner + i;
					if (x->kind == AZ_WIDE_F32)
						f = f + x->f[at] * r.weight[k];
					else
						d = d + x->d[at] * (double)r.weight[k];
				}
				if (x->kind == AZ_WIDE_F32)
					y.f[to + i] = f;
				else
					y.d[to + i] = d;
			}
		}
	}
	return y;
}

bool az_eval_resize(az_eval *e)
{
	const az_attrs_resize *attr = &e->op->attr.resize;
	if (attr->mode == AZ_interpolation_nearest)
		return resize_nearest(e);
	az_type shape = *e->args[0]->type;
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	for (uint32_t i = 0; i < shape.rank; i++) {
		axis_map m = map_of(e, i);
		if (is_identity(&m, attr->coordinate))
			continue;
		az_axis_view view = az_axis_view_of(&shape, i);
		x = interpolate(e, &x, &m, view.outer, view.inner);
		shape.dim[i] = m.out;
	}
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (uint64_t i = 0; i < y.count; i++) {
		if (y.kind == AZ_WIDE_F32)
			y.f[i] = x.f[i];
		else
			y.d[i] = x.d[i];
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}
