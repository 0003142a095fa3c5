/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact number text and the conversions of 16-bit floats. The C library's conversions are exact but
 * follow the locale, so they run under the "C" locale of this thread, restored before returning. */
#include "base/num.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t f32_bits(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static float f32_of_bits(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static uint64_t f64_bits(double x)
{
	uint64_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static double f64_of_bits(uint64_t bits)
{
	double x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* The locale "C" exists in every C library without memory or files; were it refused, both handles
 * would be 0, for which uselocale changes nothing. */
typedef struct locale_swap {
	locale_t c, before;
} locale_swap;

static locale_swap locale_enter(void)
{
	locale_swap swap = {.c = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
	swap.before = uselocale(swap.c);
	return swap;
}

static void locale_leave(locale_swap swap)
{
	uselocale(swap.before);
	if (swap.c)
		freelocale(swap.c);
}

void az_f32_print(char out[AZ_NUM_SIZE], float x)
{
	if (!isfinite(x) || (x == 0 && signbit(x))) {
		snprintf(out, AZ_NUM_SIZE, "0f%08" PRIx32, f32_bits(x));
		return;
	}
	locale_swap swap = locale_enter();
	for (int digits = 1; digits <= 9; digits++) {
		snprintf(out, AZ_NUM_SIZE, "%.*g", digits, (double)x);
		if (f32_bits(strtof(out, NULL)) == f32_bits(x))
			break;
	}
	locale_leave(swap);
}

void az_f64_print(char out[AZ_NUM_SIZE], double x)
{
	if (!isfinite(x) || (x == 0 && signbit(x))) {
		snprintf(out, AZ_NUM_SIZE, "0d%016" PRIx64, f64_bits(x));
		return;
	}
	locale_swap swap = locale_enter();
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(out, AZ_NUM_SIZE, "%.*g", digits, x);
		if (f64_bits(strtod(out, NULL)) == f64_bits(x))
			break;
	}
	locale_leave(swap);
}

static const char *skip_digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

/* [+-] digits [. digits] [e [+-] digits], to the end; at least one digit before the exponent. What
 * strtod takes beyond that (blanks, inf, nan, hexadecimal) is not a number here. */
static bool is_decimal(const char *text)
{
	const char *p = text + (*text == '+' || *text == '-');
	const char *end = skip_digits(p);
	ptrdiff_t digits = end - p;
	if (*end == '.') {
		p = end + 1;
		end = skip_digits(p);
		digits += end - p;
	}
	if (!digits)
		return false;
	if (*end == 'e' || *end == 'E') {
		p = end + 1;
		p += *p == '+' || *p == '-';
		end = skip_digits(p);
		if (end == p)
			return false;
	}
	return *end == 0;
}

/* Exactly n hexadecimal digits. */
static bool parse_hex(const char *text, size_t n, uint64_t *bits)
{
	if (strlen(text) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return false;
	}
	*bits = strtoull(text, NULL, 16);
	return true;
}

bool az_f32_parse(const char *text, float *x)
{
	uint64_t bits;
	if (text[0] == '0' && text[1] == 'f') {
		if (!parse_hex(text + 2, 8, &bits))
			return false;
		*x = f32_of_bits((uint32_t)bits);
		return true;
	}
	if (!is_decimal(text))
		return false;
	locale_swap swap = locale_enter();
	float value = strtof(text, NULL);
	locale_leave(swap);
	if (!isfinite(value)) /* too large */
		return false;
	*x = value;
	return true;
}

bool az_f64_parse(const char *text, double *x)
{
	uint64_t bits;
	if (text[0] == '0' && text[1] == 'f') {
		if (!parse_hex(text + 2, 8, &bits))
			return false;
		*x = (double)f32_of_bits((uint32_t)bits);
		return true;
	}
	if (text[0] == '0' && text[1] == 'd') {
		if (!parse_hex(text + 2, 16, &bits))
			return false;
		*x = f64_of_bits(bits);
		return true;
	}
	if (!is_decimal(text))
		return false;
	locale_swap swap = locale_enter();
	double value = strtod(text, NULL);
	locale_leave(swap);
	if (!isfinite(value))
		return false;
	*x = value;
	return true;
}

float az_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
	uint32_t exponent = (h >> 10) & 31u, fraction = h & 0x3ffu;
	if (exponent == 31)
		return f32_of_bits(sign | 0x7f800000u | fraction << 13);
	if (exponent)
		return f32_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
	float magnitude = (float)fraction * 0x1p-24f; /* subnormal: exact in binary32 */
	return f32_of_bits(sign | f32_bits(magnitude));
}

uint16_t az_f32_to_f16(float x)
{
	uint32_t bits = f32_bits(x), magnitude = bits & 0x7fffffffu;
	uint32_t sign = bits >> 16 & 0x8000u;
	if (magnitude > 0x7f800000u) /* a NaN stays one: quiet, upper payload kept */
		return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x1ffu));
	if (magnitude >= 0x477ff000u) /* 65520, halfway past the largest, and above */
		return (uint16_t)(sign | 0x7c00u);
	if (magnitude <
		0x33000000u) /* below 2^-25, half the smallest; 2^-25 itself ties to 0 below */
		return (uint16_t)sign;
	uint32_t value, shift;
	if (magnitude >= 0x38800000u) { /* normal: rebias; a carry out of the fraction is right */
		value = magnitude - (112u << 23);
		shift = 13;
	} else { /* subnormal: multiples of 2^-24 */
		value = (magnitude & 0x7fffffu) | 0x800000u;
		shift = 126 - (magnitude >> 23);
	}
	uint32_t kept = value >> shift, rest = value & ((1u << shift) - 1),
		 half = 1u << (shift - 1);
	if (rest > half || (rest == half && (kept & 1)))
		kept++;
	return (uint16_t)(sign | kept);
}

float az_bf16_to_f32(uint16_t h)
{
	return f32_of_bits((uint32_t)h << 16);
}

uint16_t az_f32_to_bf16(float x)
{
	uint32_t bits = f32_bits(x);
	if ((bits & 0x7fffffffu) > 0x7f800000u) /* a NaN whose payload is cut off must stay one */
		return (uint16_t)(bits >> 16 | 0x40u);
	return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* The power of two a unit stands for, or -1. */
static int unit_shift(const char *unit)
{
	static const struct {
		const char *text;
		int shift;
	} units[] = {{"", 0}, {"B", 0}, {"K", 10}, {"KiB", 10}, {"M", 20}, {"MiB", 20}, {"G", 30},
		{"GiB", 30}};
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(unit, units[i].text) == 0)
			return units[i].shift;
	}
	return -1;
}

bool az_size_parse(const char *text, uint64_t *bytes)
{
	uint64_t whole = 0, fraction = 0, scale = 1;
	const char *p = text;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (whole > (UINT64_MAX >> 31) / 10)
			return false;
		whole = whole * 10 + (uint64_t)(*p - '0');
	}
	if (p == text)
		return false;
	if (*p == '.') {
		const char *first = ++p;
		for (; *p >= '0' && *p <= '9'; p++) {
			if (scale >= 1000000000) /* finer than a byte of a gigabyte */
				continue;
			fraction = fraction * 10 + (uint64_t)(*p - '0');
			scale *= 10;
		}
		if (p == first)
			return false;
	}
	int shift = unit_shift(p);
	if (shift < 0)
		return false;
	*bytes = (whole << shift) + (fraction << shift) / scale;
	return true;
}
