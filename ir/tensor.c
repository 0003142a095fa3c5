/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements of packed data as numbers, for constants and tensors alike. */
#include "ir/tensor.h"

#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/num.h"
#include "ir/internal.h"

az_tensor az_tensor_new(az_arena *arena, const az_type *type)
{
	return (az_tensor){type, az_arena_alloc(arena, az_type_size(type), 64)};
}

static double load_float(uint64_t raw, az_elem elem)
{
	if (elem.kind == AZ_KIND_BFLOAT)
		return (double)az_bf16_to_f32((uint16_t)raw);
	if (elem.bits == 16)
		return (double)az_f16_to_f32((uint16_t)raw);
	if (elem.bits == 32) {
		uint32_t low = (uint32_t)raw;
		float x;
		memcpy(&x, &low, sizeof x);
		return (double)x;
	}
	double x;
	memcpy(&x, &raw, sizeof x);
	return x;
}

double az_elem_load(const void *data, uint64_t i, az_elem elem)
{
	if (az_elem_is_float(elem))
		return load_float(az_bits_get(data, i, elem.bits), elem);
	if (elem.kind == AZ_KIND_UINT)
		return (double)az_bits_get(data, i, elem.bits);
	return (double)az_elem_load_int(data, i, elem);
}

int64_t az_elem_load_int(const void *data, uint64_t i, az_elem elem)
{
	switch ((az_kind)elem.kind) {
	case AZ_KIND_INT:
		return az_bits_get_signed(data, i, elem.bits);
	case AZ_KIND_BIPOLAR:
		return az_bits_get(data, i, 1) ? 1 : -1;
	case AZ_KIND_FLOAT:
	case AZ_KIND_BFLOAT:
		return (int64_t)load_float(az_bits_get(data, i, elem.bits), elem);
	case AZ_KIND_NONE:
	case AZ_KIND_BOOL:
	case AZ_KIND_UINT:
		break;
	}
	return (int64_t)az_bits_get(data, i, elem.bits);
}

/* To f32 with the last bit set when anything was cut off, so that rounding the result once more to
 * 16 bits rounds the original once. */
static float to_f32_odd(double v)
{
	float x = (float)v;
	if (isnan(v) || (double)x == v)
		return x;
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	if (fabs((double)x) > fabs(v))
		bits--;
	bits |= 1;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static uint64_t store_float(double v, az_elem elem)
{
	if (elem.kind == AZ_KIND_BFLOAT)
		return az_f32_to_bf16(to_f32_odd(v));
	if (elem.bits == 16)
		return az_f32_to_f16(to_f32_odd(v));
	if (elem.bits == 32) {
		float x = (float)v;
		uint32_t low;
		memcpy(&low, &x, sizeof low);
		return low;
	}
	uint64_t raw;
	memcpy(&raw, &v, sizeof raw);
	return raw;
}

/* Limits as doubles: those of 64 bits round up to a power of two, which saturates too. */
static uint64_t store_integer(double v, az_elem elem)
{
	if (isnan(v))
		return 0;
	double x = nearbyint(v); /* the library runs in the default mode: half to even */
	if (elem.kind == AZ_KIND_UINT && elem.bits == 64) {
		if (x >= 0x1p64)
			return UINT64_MAX;
		return x <= 0 ? 0 : (uint64_t)x;
	}
	int64_t least = az_elem_min(elem), most = az_elem_max(elem);
	if (x <= (double)least)
		return (uint64_t)least;
	return x >= (double)most ? (uint64_t)most : (uint64_t)(int64_t)x;
}

void az_elem_store(void *data, uint64_t i, az_elem elem, double v)
{
	uint64_t raw;
	if (az_elem_is_float(elem))
		raw = store_float(v, elem);
	else if (elem.kind == AZ_KIND_BOOL)
		raw = v != 0;
	else if (elem.kind == AZ_KIND_BIPOLAR)
		raw = v >= 0;
	else
		raw = store_integer(v, elem);
	az_bits_set(data, i, elem.bits, raw);
}

double az_tensor_get(const az_tensor *tensor, uint64_t i)
{
	return az_elem_load(tensor->data, i, tensor->type->elem);
}

void az_tensor_set(az_tensor *tensor, uint64_t i, double v)
{
	az_elem_store(tensor->data, i, tensor->type->elem, v);
}
