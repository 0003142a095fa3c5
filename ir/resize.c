/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header: the coordinate transformations, roundings and weights of ONNX Resize. */
#include "ir/resize.h"

#include <math.h>

/* Where place `at` of the result lies in the operand. */
static float source_of(const az_resize_axis *m, int64_t at, az_coordinate mode)
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

az_resize_axis az_resize_axis_of(const az_op *op, uint32_t i)
{
	const az_attrs_resize *attr = &op->attr.resize;
	az_resize_axis m = {az_op_arg(op, 0)->type->dim[i], attr->size.v[i], 1.0f};
	if (attr->scale.count)
		m.scale = attr->scale.v[i];
	else if (m.in)
		m.scale = (float)m.out / (float)m.in;
	return m;
}

static void cubic_weights(float t, float a, float *w)
{
	float u = t + 1.0f, v = 1.0f - t, z = 2.0f - t;
	w[0] = ((a * u - 5.0f * a) * u + 8.0f * a) * u - 4.0f * a;
	w[1] = ((a + 2.0f) * t - (a + 3.0f)) * t * t + 1.0f;
	w[2] = ((a + 2.0f) * v - (a + 3.0f)) * v * v + 1.0f;
	w[3] = ((a * z - 5.0f * a) * z + 8.0f * a) * z - 4.0f * a;
}

az_resize_mix az_resize_mix_at(const az_resize_axis *m, int64_t place, const az_attrs_resize *attr)
{
	float x = source_of(m, place, attr->coordinate), base = floorf(x), t = x - base;
	bool cubic = attr->mode == AZ_interpolation_cubic;
	az_resize_mix r = {.count = cubic ? 4 : 2};
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
bool az_resize_is_identity(const az_resize_axis *m, const az_attrs_resize *attr)
{
	bool same = m->in == m->out;
	for (int64_t i = 0; same && i < m->out; i++)
		same = source_of(m, i, attr->coordinate) == (float)i;
	return same;
}

int64_t az_resize_nearest(const az_resize_axis *m, int64_t at, const az_attrs_resize *attr)
{
	return nearest_place(source_of(m, at, attr->coordinate), m->in, attr->nearest);
}
