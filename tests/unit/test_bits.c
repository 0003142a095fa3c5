/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed integers of every width against a bit-by-bit model, and that nothing outside the element is
 * touched. */
#include "tests/unit/unit.h"

#include <stdint.h>
#include <string.h>

#include "base/bits.h"

#define COUNT 37

static uint64_t random_state = 1;

static uint64_t random_bits(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (random_state >> 32) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t mask_of(unsigned bits)
{
	return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

static void sizes(void)
{
	CU_ASSERT_EQUAL(az_bits_size(0, 4), 0);
	CU_ASSERT_EQUAL(az_bits_size(1, 1), 1);
	CU_ASSERT_EQUAL(az_bits_size(9, 1), 2);
	CU_ASSERT_EQUAL(az_bits_size(3, 3), 2);
	CU_ASSERT_EQUAL(az_bits_size(5, 64), 40);
}

/* The model: element i is bits [i*b, (i+1)*b) of a little-endian bit string. */
static uint64_t model_get(const unsigned char *data, uint64_t index, unsigned bits)
{
	uint64_t value = 0;
	for (unsigned j = 0; j < bits; j++) {
		uint64_t bit = index * bits + j;
		value |= (uint64_t)(data[bit / 8] >> (bit % 8) & 1) << j;
	}
	return value;
}

static void every_width(void)
{
	bool got = true, model = true, sign = true;
	for (unsigned bits = 1; bits <= 64; bits++) {
		unsigned char data[COUNT * 8 + 1];
		uint64_t wanted[COUNT];
		size_t size = az_bits_size(COUNT, bits);
		memset(data, 0xff, sizeof data);
		for (unsigned i = 0; i < COUNT; i++) {
			wanted[i] = random_bits();
			az_bits_set(data, i, bits, wanted[i]); /* high bits are ignored */
			wanted[i] &= mask_of(bits);
		}
		CU_ASSERT_EQUAL(data[size], 0xff);
		for (unsigned i = 0; i < COUNT; i++) {
			uint64_t value = az_bits_get(data, i, bits);
			got &= value == wanted[i];
			model &= value == model_get(data, i, bits);
			bool negative = value >> (bits - 1) & 1;
			uint64_t extended = negative ? value | ~mask_of(bits) : value;
			sign &= (uint64_t)az_bits_get_signed(data, i, bits) == extended;
		}
	}
	CU_ASSERT_TRUE(got);
	CU_ASSERT_TRUE(model);
	CU_ASSERT_TRUE(sign);
}

static void neighbours_stay(void)
{
	bool same = true;
	for (unsigned bits = 1; bits <= 64; bits++) {
		unsigned char data[COUNT * 8], before[COUNT * 8];
		for (size_t i = 0; i < sizeof data; i++)
			data[i] = (unsigned char)(random_bits() >> 40);
		memcpy(before, data, sizeof data);
		uint64_t old = az_bits_get(data, COUNT / 2, bits);
		az_bits_set(data, COUNT / 2, bits, ~old);
		for (unsigned i = 0; i < COUNT; i++) {
			uint64_t flip = i == COUNT / 2 ? mask_of(bits) : 0;
			same &= (az_bits_get(data, i, bits) ^ az_bits_get(before, i, bits)) == flip;
		}
		az_bits_set(data, COUNT / 2, bits, old);
		same &= memcmp(data, before, sizeof data) == 0;
	}
	CU_ASSERT_TRUE(same);
}

static void layout(void)
{
	unsigned char data[4] = {0};
	az_bits_set(data, 0, 4, 0x1);
	az_bits_set(data, 1, 4, 0x2);
	CU_ASSERT_EQUAL(data[0], 0x21);
	az_bits_set(data, 1, 16, 0x1234);
	CU_ASSERT_EQUAL(data[2], 0x34);
	CU_ASSERT_EQUAL(data[3], 0x12);
	CU_ASSERT_EQUAL(az_bits_get_signed(data, 7, 4), 1);
	az_bits_set(data, 7, 4, 0x8);
	CU_ASSERT_EQUAL(az_bits_get_signed(data, 7, 4), -8);
}

void test_bits(void)
{
	unit_suite("bits", AZ_CASES({"sizes", sizes}, {"every width", every_width},
				   {"neighbours stay", neighbours_stay}, {"layout", layout}));
}
