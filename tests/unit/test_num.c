/* SPDX-License-Identifier: Apache-2.0
 *
 * Number text: exact both ways, shortest, deaf to the locale; 16-bit floats over their whole domain;
 * sizes. */
#include "tests/unit/unit.h"

#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static float f32_of(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static uint32_t bits_of(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static double f64_of(uint64_t bits)
{
	double x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static uint64_t bits64_of(double x)
{
	uint64_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static uint64_t random_bits(void)
{
	static uint64_t state = 7;
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return state ^ state >> 29;
}

static void known_texts(void)
{
	static const struct {
		uint32_t bits;
		const char *text;
	} rows[] = {{0x00000000, "0"}, {0x80000000, "0f80000000"}, {0x3f800000, "1"},
		{0xbf800000, "-1"}, {0x3dcccccd, "0.1"}, {0x4b7fffff, "16777215"},
		{0x4b800001, "16777218"}, {0x47c35000, "1e+05"}, {0x7f7fffff, "3.4028235e+38"},
		{0x00000001, "1e-45"}, {0x00800000, "1.1754944e-38"}, {0x7f800000, "0f7f800000"},
		{0xff800000, "0fff800000"}, {0x7fc00000, "0f7fc00000"}, {0x7f800001, "0f7f800001"},
		{0x358637bd, "1e-06"}};
	char text[AZ_NUM_SIZE];
	for (size_t i = 0; i < AZ_COUNT(rows); i++) {
		az_f32_print(text, f32_of(rows[i].bits));
		CHECK_TEXT(text, rows[i].text);
		float x = 0;
		CU_ASSERT_TRUE(az_f32_parse(text, &x));
		CU_ASSERT_EQUAL(bits_of(x), rows[i].bits);
	}
	az_f64_print(text, 0.1);
	CHECK_TEXT(text, "0.1");
	az_f64_print(text, -0.0);
	CHECK_TEXT(text, "0d8000000000000000");
	az_f64_print(text, f64_of(UINT64_C(0x7ff0000000000000)));
	CHECK_TEXT(text, "0d7ff0000000000000");
	az_f64_print(text, f64_of(UINT64_C(0xffefffffffffffff)));
	CHECK_TEXT(text, "-1.7976931348623157e+308");
}

/* Reads back to the same bits, and one digit less would not. */
static void random_round_trips(void)
{
	bool same = true, shortest = true, fits = true;
	for (int i = 0; i < 100000; i++) {
		char text[AZ_NUM_SIZE], shorter[64];
		uint32_t bits = (uint32_t)random_bits();
		float x = f32_of(bits), y = 0;
		az_f32_print(text, x);
		same &= az_f32_parse(text, &y) && bits_of(y) == bits;
		fits &= strlen(text) < AZ_NUM_SIZE;
		int digits = 0;
		for (const char *p = text; *p && *p != 'e'; p++)
			digits += *p >= '0' && *p <= '9' && (digits || *p != '0');
		if (isfinite(x) && digits > 1 && digits <= 9 && strchr(text, 'e')) {
			snprintf(shorter, sizeof shorter, "%.*e", digits - 2, (double)x);
			shortest &= bits_of(strtof(shorter, NULL)) != bits;
		}
		uint64_t wide = random_bits() << 32 ^ random_bits();
		double z = 0;
		az_f64_print(text, f64_of(wide));
		same &= az_f64_parse(text, &z) && bits64_of(z) == wide;
	}
	CU_ASSERT_TRUE(same);
	CU_ASSERT_TRUE(shortest);
	CU_ASSERT_TRUE(fits);
}

static void refused_texts(void)
{
	static const char *const bad[] = {"", " 1", "1 ", "+", "-", ".", "e5", "1e", "1e+", "1,5",
		"1.2.3", "0x10", "inf", "nan", "infinity", "1f", "0f", "0f7fc0000", "0f7fc000000",
		"0f7fc0000g", "0f+fc00000", "0f 7fc0000", "1e999", "-1e999", "0d", "--1", "1e5x"};
	for (size_t i = 0; i < AZ_COUNT(bad); i++) {
		float x = 42;
		double y = 42;
		CU_ASSERT_FALSE(az_f32_parse(bad[i], &x));
		CU_ASSERT_FALSE(az_f64_parse(bad[i], &y));
		CU_ASSERT_EQUAL(x, 42);
		CU_ASSERT_EQUAL(y, 42);
	}
	float x;
	double y;
	CU_ASSERT_FALSE(az_f32_parse("0d3ff0000000000000", &x));
	CU_ASSERT_FALSE(az_f64_parse("0d3ff000000000000", &y));
	CU_ASSERT_FALSE(az_f32_parse("3.5e38", &x));
	CU_ASSERT_TRUE(az_f64_parse("3.5e38", &y));
	CU_ASSERT_TRUE(az_f64_parse("0f3fc00000", &y) && y == 1.5);
	CU_ASSERT_TRUE(az_f64_parse("0d3FF8000000000000", &y) && y == 1.5);
	CU_ASSERT_TRUE(az_f32_parse("1e-60", &x) && x == 0);
	CU_ASSERT_TRUE(az_f32_parse("+.5e+1", &x) && x == 5);
	CU_ASSERT_TRUE(az_f32_parse("7.", &x) && x == 7);
	/* A decimal that rounds differently through double. */
	CU_ASSERT_TRUE(az_f32_parse("1.00000017881393432617187499", &x) && x == 0x1.000002p+0f);
}

static void comma_locale(void)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
	const char *found = NULL;
	for (size_t i = 0; !found && i < AZ_COUNT(names); i++)
		found = setlocale(LC_ALL, names[i]);
	char text[AZ_NUM_SIZE];
	float x = 0;
	az_f32_print(text, 0.375f);
	CHECK_TEXT(text, "0.375");
	CU_ASSERT_TRUE(az_f32_parse("0.375", &x) && x == 0.375f);
	CU_ASSERT_FALSE(az_f32_parse("0,375", &x));
	setlocale(LC_ALL, "C");
}

/* Both 16-bit formats: every value goes there and back; every rounding interval has its ends in the
 * right place. `next` holds for positive finite values, whose order is that of their bits. */
static void check_half(float (*widen)(uint16_t), uint16_t (*narrow)(float), uint16_t infinity)
{
	bool same = true, rounds = true;
	for (unsigned h = 0; h < 0x10000; h++) {
		float x = widen((uint16_t)h);
		same &= isnan(x) ? isnan(widen(narrow(x))) : narrow(x) == h;
	}
	for (uint16_t h = 0; h + 1 < infinity; h++) {
		double low = (double)widen(h), high = (double)widen((uint16_t)(h + 1));
		float middle = (float)((low + high) / 2); /* exact: one bit more */
		uint16_t even = h & 1 ? (uint16_t)(h + 1) : h;
		rounds &= narrow(middle) == even;
		rounds &= narrow(nextafterf(middle, 0)) == h;
		rounds &= narrow(nextafterf(middle, INFINITY)) == h + 1;
		rounds &= narrow(-middle) == (0x8000 | even);
	}
	CU_ASSERT_TRUE(same);
	CU_ASSERT_TRUE(rounds);
	CU_ASSERT_EQUAL(narrow(INFINITY), infinity);
	CU_ASSERT_EQUAL(narrow(f32_of(0x7f7fffff)), infinity);
	CU_ASSERT_EQUAL(narrow(-INFINITY), infinity | 0x8000);
	CU_ASSERT_TRUE(isnan(widen(narrow(f32_of(0x7f800001)))));
	CU_ASSERT_TRUE(isnan(widen(narrow(f32_of(0xffc00000)))));
}

static void halves(void)
{
	check_half(az_f16_to_f32, az_f32_to_f16, 0x7c00);
	check_half(az_bf16_to_f32, az_f32_to_bf16, 0x7f80);
	CU_ASSERT_EQUAL(az_f16_to_f32(0x3c00), 1.0f);
	CU_ASSERT_EQUAL(az_f16_to_f32(0x0001), 0x1p-24f);
	CU_ASSERT_EQUAL(az_f16_to_f32(0x7bff), 65504.0f);
	CU_ASSERT_EQUAL(az_f32_to_f16(65519.996f), 0x7bff);
	CU_ASSERT_EQUAL(az_f32_to_f16(65520.0f), 0x7c00);
	CU_ASSERT_EQUAL(az_f32_to_f16(0x1p-25f), 0);
	CU_ASSERT_EQUAL(az_f32_to_f16(-0.0f), 0x8000);
	CU_ASSERT_EQUAL(az_bf16_to_f32(0x3f80), 1.0f);
}

static void sizes(void)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"0", 0}, {"300", 300}, {"300B", 300}, {"64K", 65536}, {"64KiB", 65536},
		{"1.5M", 1572864}, {"2MiB", 2097152}, {"1G", 1073741824}, {"0.5K", 512},
		{"1.0000000001K", 1024}, {"3GiB", UINT64_C(3221225472)}};
	static const char *const bad[] = {"", "K", "-1", "1 K", "1KB", "1k", "1.5.5", "1e3", ".5K",
		"4.GiB", "99999999999999999999", "9999999999G", "1KiBs", "0x10"};
	for (size_t i = 0; i < AZ_COUNT(good); i++) {
		uint64_t bytes = 0;
		CU_ASSERT_TRUE(az_size_parse(good[i].text, &bytes));
		CU_ASSERT_EQUAL(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < AZ_COUNT(bad); i++) {
		uint64_t bytes = 7;
		CU_ASSERT_FALSE(az_size_parse(bad[i], &bytes));
		CU_ASSERT_EQUAL(bytes, 7);
	}
}

void test_num(void)
{
	unit_suite("num",
		AZ_CASES({"known texts", known_texts}, {"random round trips", random_round_trips},
			{"refused texts", refused_texts}, {"a comma locale", comma_locale},
			{"16-bit floats", halves}, {"sizes", sizes}));
}
