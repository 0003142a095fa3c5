/* SPDX-License-Identifier: Apache-2.0
 *
 * Single numbers of any element type as doubles. Conversions go through 32-bit halves, so that 32-bit
 * targets need no helper functions. */
#include "runtime/array.h"

typedef union single {
	uint32_t u;
	float f;
} single;

typedef union wide {
	uint64_t u;
	double d;
} wide;

static uint64_t load(const void *data, int64_t i, uint32_t bytes)
{
	const uint8_t *p = (const uint8_t *)data + i * (int64_t)bytes;
	uint64_t v = 0;
	for (uint32_t k = 0; k < bytes; k++)
		v |= (uint64_t)p[k] << (8 * k);
	return v;
}

static void store(void *data, int64_t i, uint32_t bytes, uint64_t v)
{
	uint8_t *p = (uint8_t *)data + i * (int64_t)bytes;
	for (uint32_t k = 0; k < bytes; k++)
		p[k] = (uint8_t)(v >> (8 * k));
}

/* Elements of fewer than 8 bits are bits [i b, i b + b) of a little-endian bit string. */
static uint64_t load_packed(const void *data, int64_t i, uint32_t bits)
{
	const uint8_t *p = data;
	uint64_t v = 0;
	for (uint32_t k = 0; k < bits; k++) {
		int64_t at = i * (int64_t)bits + k;
		v |= (uint64_t)(p[at / 8] >> (at % 8) & 1) << k;
	}
	return v;
}

static void store_packed(void *data, int64_t i, uint32_t bits, uint64_t v)
{
	uint8_t *p = data;
	for (uint32_t k = 0; k < bits; k++) {
		int64_t at = i * (int64_t)bits + k;
		uint32_t one = 1u << (at % 8);
		p[at / 8] = (uint8_t)((v >> k & 1) ? p[at / 8] | one : p[at / 8] & ~one);
	}
}

static double from_unsigned(uint64_t v)
{
	return (double)(uint32_t)(v >> 32) * 4294967296.0 + (double)(uint32_t)v;
}

static uint64_t to_unsigned(double v) /* 0 <= v < 2^64, an integer */
{
	uint32_t high = (uint32_t)(v / 4294967296.0);
	return (uint64_t)high << 32 | (uint32_t)(v - (double)high * 4294967296.0);
}

static float half_to_float(uint32_t h)
{
	single x;
	uint32_t exponent = h >> 10 & 31, fraction = h & 1023, sign = (h & 0x8000) << 16;
	if (exponent == 31)
		x.u = sign | 0x7f800000u | fraction << 13;
	else if (exponent)
		x.u = sign | (exponent + 112) << 23 | fraction << 13;
	else {
		x.f = (float)fraction * 5.9604644775390625e-8f; /* 2^-24 */
		x.u |= sign;
	}
	return x.f;
}

double element_get(uint32_t kind, uint32_t bits, const void *data, int64_t i)
{
	single narrow;
	wide full;
	uint64_t v = bits < 8 ? load_packed(data, i, bits) : load(data, i, bits / 8);
	if (kind == ADZE_BIPOLAR)
		return v ? 1 : -1;
	if (kind == ADZE_FLOAT && bits == 64) {
		full.u = v;
		return full.d;
	}
	if (kind == ADZE_FLOAT && bits == 16)
		return (double)half_to_float((uint32_t)v);
	if (kind == ADZE_FLOAT || kind == ADZE_BFLOAT) {
		narrow.u = kind == ADZE_BFLOAT ? (uint32_t)v << 16 : (uint32_t)v;
		return (double)narrow.f;
	}
	if (kind == ADZE_INT && (v >> (bits - 1) & 1))
		return -from_unsigned(bits == 64 ? -v : (UINT64_C(1) << bits) - v);
	return from_unsigned(v);
}

static double round_even(double v)
{
	/* adding and taking away 2^52 rounds in the current mode, to even */
	const double big = 4503599627370496.0;
	double x = v < 0 ? -v : v;
	if (x < big)
		x = (x + big) - big;
	return v < 0 ? -x : x;
}

double element_stored(float real, float scale, int32_t zero)
{
	return (real != real ? 0 : round_even((double)(real / scale))) + zero;
}

void element_set(uint32_t kind, uint32_t bits, void *data, int64_t i, double v)
{
	single narrow;
	wide full;
	if (kind == ADZE_BIPOLAR) {
		store_packed(data, i, bits, v >= 0);
	} else if (kind == ADZE_FLOAT && bits == 64) {
		full.d = v;
		store(data, i, 8, full.u);
	} else if (kind == ADZE_FLOAT && bits == 32) {
		narrow.f = (float)v;
		store(data, i, 4, narrow.u);
	} else {
		double top = from_unsigned(UINT64_C(1) << (bits - 1));
		double lo = kind == ADZE_INT ? -top : 0;
		double hi = kind == ADZE_BOOL ? 1 : kind == ADZE_INT ? top - 1 : 2 * top - 1;
		double x = round_even(v != v ? 0 : v);
		x = x < lo ? lo : x > hi ? hi : x;
		uint64_t u = x < 0 ? -to_unsigned(-x) : to_unsigned(x);
		if (bits < 8)
			store_packed(data, i, bits, u);
		else
			store(data, i, bits / 8, u);
	}
}
