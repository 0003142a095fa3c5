/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements unpacked into plain arrays and back. Packed data is little-endian; on a little-endian
 * machine aligned f32, f64 and 64-bit integers are used where they lie. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/num.h"
#include "ir/eval/part.h"
#include "ir/eval/strict.h"

az_wide_kind az_wide_kind_of(az_elem elem)
{
	if (!az_elem_is_float(elem))
		return AZ_WIDE_INT;
	return elem.bits == 64 ? AZ_WIDE_F64 : AZ_WIDE_F32;
}

static bool host_is_little(void)
{
	const uint16_t one = 1;
	unsigned char first;
	memcpy(&first, &one, 1);
	return first == 1;
}

/* Whether the packed data is the array already. */
static bool in_place(const az_tensor *tensor)
{
	az_elem e = tensor->type->elem;
	bool same = az_elem_equal(e, AZ_F32) || az_elem_equal(e, AZ_F64) ||
		    (az_elem_is_integer(e) && e.bits == 64);
	return same && host_is_little() && (uintptr_t)tensor->data % (e.bits / 8u) == 0;
}

static bool is_huge(az_elem e)
{
	return e.kind == AZ_KIND_UINT && e.bits == 64;
}

static az_wide wrap(az_wide_kind kind, bool huge, uint64_t count, void *data)
{
	az_wide wide = {.kind = kind, .huge = huge, .count = count};
	if (kind == AZ_WIDE_F32)
		wide.f = data;
	else if (kind == AZ_WIDE_F64)
		wide.d = data;
	else
		wide.i = data;
	return wide;
}

az_wide az_wide_new(az_arena *arena, az_wide_kind kind, uint64_t count)
{
	size_t size = kind == AZ_WIDE_F32 ? sizeof(float) : sizeof(double);
	return wrap(kind, false, count, az_arena_array(arena, (size_t)count, size, 64));
}

static float load_f32(const void *data, uint64_t i, az_elem elem)
{
	uint64_t raw = az_bits_get(data, i, elem.bits);
	if (elem.kind == AZ_KIND_BFLOAT)
		return az_bf16_to_f32((uint16_t)raw);
	if (elem.bits == 16)
		return az_f16_to_f32((uint16_t)raw);
	return az_strict_from_bits((int32_t)(uint32_t)raw);
}

static double load_f64(const void *data, uint64_t i)
{
	uint64_t raw = az_bits_get(data, i, 64);
	double x;
	memcpy(&x, &raw, sizeof x);
	return x;
}

void az_unpack_ints(const az_tensor *tensor, uint64_t first, uint64_t count, int64_t *out)
{
	az_elem e = tensor->type->elem;
	if (e.bits == 8 && e.kind == AZ_KIND_INT) {
		const signed char *p = tensor->data;
		for (uint64_t i = 0; i < count; i++)
			out[i] = p[first + i];
	} else if (e.bits == 8) {
		const unsigned char *p = tensor->data;
		for (uint64_t i = 0; i < count; i++)
			out[i] = p[first + i];
	} else if (e.kind == AZ_KIND_INT) {
		for (uint64_t i = 0; i < count; i++)
			out[i] = az_bits_get_signed(tensor->data, first + i, e.bits);
	} else if (e.kind == AZ_KIND_BIPOLAR) {
		for (uint64_t i = 0; i < count; i++)
			out[i] = az_bits_get(tensor->data, first + i, 1) ? 1 : -1;
	} else {
		for (uint64_t i = 0; i < count; i++)
			out[i] = (int64_t)az_bits_get(tensor->data, first + i, e.bits);
	}
}

az_wide az_wide_load(az_arena *arena, const az_tensor *tensor)
{
	az_elem e = tensor->type->elem;
	az_wide_kind kind = az_wide_kind_of(e);
	uint64_t count = (uint64_t)az_type_numel(tensor->type);
	bool huge = is_huge(e);
	if (in_place(tensor))
		return wrap(kind, huge, count, tensor->data);
	az_wide wide = az_wide_new(arena, kind, count);
	wide.huge = huge;
	if (kind == AZ_WIDE_F32) {
		for (uint64_t i = 0; i < count; i++)
			wide.f[i] = load_f32(tensor->data, i, e);
	} else if (kind == AZ_WIDE_F64) {
		for (uint64_t i = 0; i < count; i++)
			wide.d[i] = load_f64(tensor->data, i);
	} else {
		az_unpack_ints(tensor, 0, count, wide.i);
	}
	return wide;
}

az_wide az_wide_load_as(az_arena *arena, const az_tensor *tensor, const az_type *to)
{
	if (az_type_same_shape(tensor->type, to))
		return az_wide_load(arena, tensor);
	unsigned bits = tensor->type->elem.bits;
	az_type shape = *to;
	shape.elem = tensor->type->elem;
	az_tensor all = az_tensor_new(arena, &shape);
	az_strided map = az_strided_broadcast(tensor->type, to);
	az_copy_strided(all.data, tensor->data, &map, bits);
	return az_wide_load(arena, &all);
}

az_wide az_wide_result(az_arena *arena, const az_tensor *tensor)
{
	az_wide_kind kind = az_wide_kind_of(tensor->type->elem);
	uint64_t count = (uint64_t)az_type_numel(tensor->type);
	if (in_place(tensor))
		return wrap(kind, is_huge(tensor->type->elem), count, tensor->data);
	az_wide wide = az_wide_new(arena, kind, count);
	wide.huge = is_huge(tensor->type->elem);
	return wide;
}

static uint64_t store_f32(float x, az_elem elem)
{
	if (elem.kind == AZ_KIND_BFLOAT)
		return az_f32_to_bf16(x);
	if (elem.bits == 16)
		return az_f32_to_f16(x);
	return (uint32_t)az_strict_bits(x);
}

void az_wide_store(const az_wide *wide, az_tensor *tensor)
{
	az_elem e = tensor->type->elem;
	if (in_place(tensor))
		return;
	if (wide->kind == AZ_WIDE_F32) {
		for (uint64_t i = 0; i < wide->count; i++)
			az_bits_set(tensor->data, i, e.bits, store_f32(wide->f[i], e));
	} else if (wide->kind == AZ_WIDE_F64) {
		for (uint64_t i = 0; i < wide->count; i++) {
			uint64_t raw;
			memcpy(&raw, &wide->d[i], sizeof raw);
			az_bits_set(tensor->data, i, 64, raw);
		}
	} else if (e.bits == 8) {
		for (uint64_t i = 0; i < wide->count; i++)
			((unsigned char *)tensor->data)[i] = (unsigned char)wide->i[i];
	} else if (e.kind == AZ_KIND_BIPOLAR) {
		for (uint64_t i = 0; i < wide->count; i++)
			az_bits_set(tensor->data, i, 1, wide->i[i] > 0);
	} else {
		for (uint64_t i = 0; i < wide->count; i++)
			az_bits_set(tensor->data, i, e.bits, (uint64_t)wide->i[i]);
	}
}

void az_wide_fill(const az_wide *acc, az_reduction kind, az_elem elem)
{
	float start = kind == AZ_reduction_prod  ? 1.0f
		      : kind == AZ_reduction_max ? -INFINITY
		      : kind == AZ_reduction_min ? INFINITY
						 : 0.0f;
	int64_t whole = kind == AZ_reduction_max    ? az_elem_min(elem)
			: kind == AZ_reduction_min  ? (acc->huge ? -1 : az_elem_max(elem))
			: kind == AZ_reduction_prod ? 1
						    : 0;
	for (uint64_t i = 0; i < acc->count; i++) {
		if (acc->kind == AZ_WIDE_F32)
			acc->f[i] = start;
		else if (acc->kind == AZ_WIDE_F64)
			acc->d[i] = (double)start;
		else
			acc->i[i] = whole;
	}
}

static void fold_f32(az_reduction kind, float *acc, const float *x, uint64_t count)
{
	switch (kind) {
	case AZ_reduction_max:
		for (uint64_t j = 0; j < count; j++)
			acc[j] = az_strict_max(acc[j], x[j]);
		break;
	case AZ_reduction_min:
		for (uint64_t j = 0; j < count; j++)
			acc[j] = az_strict_min(acc[j], x[j]);
		break;
	case AZ_reduction_prod:
		for (uint64_t j = 0; j < count; j++)
			acc[j] = acc[j] * x[j];
		break;
	default: /* sum, and the sum that a mean divides */
		for (uint64_t j = 0; j < count; j++)
			acc[j] = acc[j] + x[j];
	}
}

static void fold_f64(az_reduction kind, double *acc, const double *x, uint64_t count)
{
	for (uint64_t j = 0; j < count; j++) {
		double a = acc[j], b = x[j];
		if (kind == AZ_reduction_max)
			acc[j] = a > b || isnan(a) ? a : b;
		else if (kind == AZ_reduction_min)
			acc[j] = a < b || isnan(a) ? a : b;
		else if (kind == AZ_reduction_prod)
			acc[j] = a * b;
		else
			acc[j] = a + b;
	}
}

static void fold_int(az_reduction kind, int64_t *acc, const int64_t *x, uint64_t count,
	int64_t zero, bool huge)
{
	for (uint64_t j = 0; j < count; j++) {
		uint64_t a = (uint64_t)acc[j], b = (uint64_t)x[j];
		if (kind == AZ_reduction_max || kind == AZ_reduction_min) {
			bool less = huge ? b < a : x[j] < acc[j];
			if (kind == AZ_reduction_max ? !less : less)
				acc[j] = x[j];
		} else if (kind == AZ_reduction_prod)
			acc[j] = (int64_t)(a * b);
		else
			acc[j] = (int64_t)(a + (b - (uint64_t)zero));
	}
}

void az_wide_fold(az_reduction kind, const az_wide *acc, uint64_t at, const az_wide *x,
	uint64_t from, uint64_t count, int64_t zero)
{
	if (acc->kind == AZ_WIDE_F32)
		fold_f32(kind, acc->f + at, x->f + from, count);
	else if (acc->kind == AZ_WIDE_F64)
		fold_f64(kind, acc->d + at, x->d + from, count);
	else
		fold_int(kind, acc->i + at, x->i + from, count, zero, x->huge);
}
