/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize, dequantize, requantize, lookup, cast: docs/numerics.md, "Quantize and requantize", word for word. */
#include <math.h>

#include "base/bits.h"
#include "ir/eval/part.h"
#include "ir/eval/strict.h"

/* One scale with its zero point, ready for use. The bounds are lo - zero and hi - zero; where f32 cannot hold
 * them (above 24 bits) they are the nearest floats inside. */
typedef struct grid {
	float scale, lo, hi;
	int64_t zero;
} grid;

/* A subnormal scale counts as zero. */
static float flush(float scale)
{
	return fabsf(scale) < 0x1p-126f ? 0.0f : scale;
}

static grid grid_new(float scale, int64_t zero, int64_t lo, int64_t hi)
{
	grid g = {flush(scale), (float)(lo - zero), (float)(hi - zero), zero};
	if ((double)g.lo < (double)(lo - zero))
		g.lo = nextafterf(g.lo, INFINITY);
	if ((double)g.hi > (double)(hi - zero))
		g.hi = nextafterf(g.hi, -INFINITY);
	return g;
}

static float round_by(float x, az_rounding rounding)
{
	switch (rounding) {
	case AZ_rounding_floor:
		return floorf(x);
	case AZ_rounding_ceil:
		return ceilf(x);
	case AZ_rounding_zero:
		return truncf(x);
	default:
		return az_strict_round(x);
	}
}

/* t in units of the scale; NaN gives the lower bound. */
static int64_t quantize_unit(float t, const grid *g, az_rounding rounding)
{
	float c = t > g->lo ? t : g->lo;
	c = c < g->hi ? c : g->hi;
	return (int64_t)round_by(c, rounding) + g->zero;
}

/* Bipolar has no zero: what is not negative is +1, NaN is -1. */
static int64_t quantize_sign(float t)
{
	return t >= 0 ? 1 : -1;
}

static float quotient(float x, float scale)
{
	return scale == 0 ? 0.0f : x / scale;
}

/* How scales lie over x: element (outer, a, inner) has scale outer_step * outer + a / group * inner_step +
 * inner_used * inner. */
typedef struct spread {
	az_axis_view view;
	int64_t outer_step, group, inner_step;
	bool by_inner;
} spread;

static spread spread_of(const az_type *x, const az_type *scale, int64_t axis, int64_t group)
{
	spread s = {.view = {1, az_type_numel(x), 1}, .group = 1};
	if (group > 0) {
		s.view = az_axis_view_of(x, axis);
		s.group = group;
		s.inner_step = s.view.inner;
		s.outer_step = (s.view.length + group - 1) / group * s.view.inner;
		s.by_inner = true;
	} else if (az_type_numel(scale) != 1) {
		s.view = az_axis_view_of(x, axis);
		s.inner_step = 1;
	}
	return s;
}

static int64_t spread_index(const spread *s, int64_t i)
{
	int64_t inner = i % s->view.inner, a = i / s->view.inner % s->view.length;
	int64_t outer = i / s->view.inner / s->view.length;
	return outer * s->outer_step + a / s->group * s->inner_step + (s->by_inner ? inner : 0);
}

/* Reads scales and zero points. False after reporting a zero point outside the stored type. */
static bool load_grids(az_eval *e, az_elem stored, int64_t lo, int64_t hi, grid **out)
{
	az_wide scale = az_wide_load(e->scratch, e->args[1]);
	const az_tensor *zeros = e->op->arg_count > 2 ? e->args[2] : NULL;
	az_wide zero = {0};
	if (zeros)
		zero = az_wide_load(e->scratch, zeros);
	grid *grids = az_new_array(e->scratch, grid, (size_t)scale.count + 1);
	for (uint64_t i = 0; i < scale.count; i++) {
		int64_t z = zero.count ? zero.i[zero.count == 1 ? 0 : i] : 0;
		bool fits = stored.kind == AZ_KIND_BIPOLAR
				    ? z == 0
				    : z >= az_elem_min(stored) && z <= az_elem_max(stored);
		if (!fits && zero.count)
			return az_eval_error(e, "zero point %lld is outside the stored type",
				(long long)z);
		grids[i] = grid_new(scale.f[i], z, lo, hi);
	}
	*out = grids;
	return true;
}

bool az_eval_quantize(az_eval *e)
{
	const az_attrs_quantize *attr = &e->op->attr.quantize;
	az_elem stored = e->results[0].type->elem;
	bool clamped = attr->clamp.count == 2, bipolar = stored.kind == AZ_KIND_BIPOLAR;
	int64_t lo = clamped ? attr->clamp.v[0] : az_elem_min(stored);
	int64_t hi = clamped ? attr->clamp.v[1] : az_elem_max(stored);
	grid *grids;
	if (!load_grids(e, stored, lo, hi, &grids))
		return false;
	spread s = spread_of(e->args[0]->type, e->args[1]->type, attr->axis, attr->group);
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (uint64_t i = 0; i < y.count; i++) {
		const grid *g = &grids[spread_index(&s, (int64_t)i)];
		float v = x.kind == AZ_WIDE_F64 ? (float)x.d[i] : x.f[i];
		float t = quotient(v, g->scale);
		y.i[i] = bipolar ? quantize_sign(t) : quantize_unit(t, g, attr->rounding);
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

bool az_eval_dequantize(az_eval *e)
{
	const az_attrs_dequantize *attr = &e->op->attr.dequantize;
	grid *grids;
	if (!load_grids(e, e->args[0]->type->elem, 0, 0, &grids))
		return false;
	spread s = spread_of(e->args[0]->type, e->args[1]->type, attr->axis, attr->group);
	az_wide q = az_wide_load(e->scratch, e->args[0]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (uint64_t i = 0; i < y.count; i++) {
		const grid *g = &grids[spread_index(&s, (int64_t)i)];
		uint64_t difference = (uint64_t)q.i[i] - (uint64_t)g->zero;
		float units = q.huge ? (float)difference : (float)(int64_t)difference;
		float v = units * g->scale;
		if (y.kind == AZ_WIDE_F64)
			y.d[i] = (double)v;
		else
			y.f[i] = v;
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

bool az_eval_requantize(az_eval *e)
{
	const az_attrs_requantize *attr = &e->op->attr.requantize;
	az_elem stored = e->results[0].type->elem;
	bool clamped = attr->clamp.count == 2, bipolar = stored.kind == AZ_KIND_BIPOLAR;
	grid g = grid_new(1.0f, attr->zero, clamped ? attr->clamp.v[0] : az_elem_min(stored),
		clamped ? attr->clamp.v[1] : az_elem_max(stored));
	az_wide acc = az_wide_load(e->scratch, e->args[0]);
	az_wide scale = az_wide_load_as(e->scratch, e->args[1], e->args[0]->type);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (uint64_t i = 0; i < y.count; i++) {
		float a = acc.huge ? (float)(uint64_t)acc.i[i] : (float)acc.i[i];
		float t = a * flush(scale.f[i]);
		y.i[i] = bipolar ? quantize_sign(t) : quantize_unit(t, &g, attr->rounding);
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

/* Entries are found by the distance from the lowest value; bipolar by its stored bit. */
bool az_eval_lookup(az_eval *e)
{
	az_elem from = e->args[0]->type->elem;
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	unsigned bits = e->results[0].type->elem.bits;
	for (uint64_t i = 0; i < x.count; i++) {
		int64_t entry =
			from.kind == AZ_KIND_BIPOLAR ? x.i[i] > 0 : x.i[i] - az_elem_min(from);
		az_copy_run(e->results[0].data, i, e->args[1]->data, (uint64_t)entry, 1, bits);
	}
	return true;
}

bool az_eval_threshold(az_eval *e)
{
	const az_attrs_threshold *attr = &e->op->attr.threshold;
	const az_type *levels = e->args[1]->type;
	az_wide acc = az_wide_load(e->scratch, e->args[0]);
	az_wide level = az_wide_load(e->scratch, e->args[1]), flip = {0};
	if (e->op->arg_count > 2 && e->args[2])
		flip = az_wide_load(e->scratch, e->args[2]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	const az_type *type = e->args[0]->type;
	uint64_t channels = (uint64_t)type->dim[type->rank - 1];
	uint64_t columns = (uint64_t)levels->dim[1];
	for (uint64_t i = 0; i < y.count; i++) {
		uint64_t c = i % channels, column = columns == 1 ? 0 : c;
		int64_t x = acc.i[i];
		if (flip.count)
			x ^= flip.i[flip.count == 1 ? 0 : c];
		int64_t count = 0;
		for (uint64_t k = 0; k < (uint64_t)levels->dim[0]; k++)
			count += level.i[k * columns + column] <= x;
		y.i[i] = attr->base + attr->step * count;
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

/* Truncates and saturates; NaN gives 0. Limits of 64 bits round up to a power of two as doubles. */
static int64_t float_to_int(double v, az_elem to)
{
	if (isnan(v))
		return 0;
	double t = trunc(v);
	if (to.kind == AZ_KIND_UINT && to.bits == 64) {
		if (t >= 0x1p64)
			return -1;
		return t <= 0 ? 0 : (int64_t)(uint64_t)t;
	}
	if (t <= (double)az_elem_min(to))
		return az_elem_min(to);
	return t >= (double)az_elem_max(to) ? az_elem_max(to) : (int64_t)t;
}

static void cast_from_float(const az_tensor *from, az_wide x, az_wide y, az_tensor *to)
{
	az_elem elem = to->type->elem;
	for (uint64_t i = 0; i < x.count; i++) {
		double v = x.kind == AZ_WIDE_F64 ? x.d[i] : (double)x.f[i];
		if (elem.kind == AZ_KIND_BOOL)
			y.i[i] = v != 0;
		else if (elem.kind == AZ_KIND_BIPOLAR)
			y.i[i] = v >= 0 ? 1 : -1;
		else if (y.kind == AZ_WIDE_INT)
			y.i[i] = float_to_int(v, elem);
		else if (y.kind == AZ_WIDE_F64)
			y.d[i] = v;
		else if (from->type->elem.bits == 64 && elem.bits == 16)
			az_tensor_set(to, i, v); /* rounds once */
		else
			y.f[i] = (float)v;
	}
}

static void cast_from_int(az_wide x, az_wide y, az_elem to)
{
	for (uint64_t i = 0; i < x.count; i++) {
		int64_t v = x.i[i];
		if (to.kind == AZ_KIND_BOOL)
			y.i[i] = v != 0;
		else if (to.kind == AZ_KIND_BIPOLAR)
			y.i[i] = x.huge || v >= 0 ? 1 : -1;
		else if (y.kind == AZ_WIDE_INT)
			y.i[i] = v;
		else if (y.kind == AZ_WIDE_F64)
			y.d[i] = x.huge ? (double)(uint64_t)v : (double)v;
		else
			y.f[i] = x.huge ? (float)(uint64_t)v : (float)v;
	}
}

bool az_eval_cast(az_eval *e)
{
	const az_tensor *from = e->args[0];
	az_tensor *to = &e->results[0];
	az_wide x = az_wide_load(e->scratch, from);
	az_wide y = az_wide_result(e->scratch, to);
	if (x.kind == AZ_WIDE_INT)
		cast_from_int(x, y, to->type->elem);
	else
		cast_from_float(from, x, y, to);
	bool stored = x.kind == AZ_WIDE_F64 && y.kind == AZ_WIDE_F32 && to->type->elem.bits == 16;
	if (!stored)
		az_wide_store(&y, to);
	return true;
}
