/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed integers, byte by byte, so that neither alignment nor the machine's byte order matters. An
 * element of up to 64 bits touches at most nine bytes; none outside it is read or changed. */
#include "base/bits.h"

#include <assert.h>

size_t az_bits_size(uint64_t count, unsigned bits)
{
	assert(bits >= 1 && bits <= 64 && count <= (UINT64_MAX - 7) / bits);
	return (size_t)((count * bits + 7) / 8);
}

uint64_t az_bits_get(const void *data, uint64_t index, unsigned bits)
{
	assert(bits >= 1 && bits <= 64);
	uint64_t first_bit = index * bits;
	const unsigned char *p = (const unsigned char *)data + first_bit / 8;
	unsigned skip = (unsigned)(first_bit % 8);
	uint64_t value = (uint64_t)*p >> skip;
	for (unsigned have = 8 - skip; have < bits; have += 8)
		value |= (uint64_t)*++p << have;
	return bits == 64 ? value : value & ((UINT64_C(1) << bits) - 1);
}

int64_t az_bits_get_signed(const void *data, uint64_t index, unsigned bits)
{
	uint64_t sign = UINT64_C(1) << (bits - 1);
	return (int64_t)((az_bits_get(data, index, bits) ^ sign) - sign);
}

void az_bits_set(void *data, uint64_t index, unsigned bits, uint64_t value)
{
	assert(bits >= 1 && bits <= 64);
	uint64_t first_bit = index * bits;
	unsigned char *p = (unsigned char *)data + first_bit / 8;
	unsigned skip = (unsigned)(first_bit % 8);
	for (unsigned left = bits; left;) {
		unsigned n = left < 8 - skip ? left : 8 - skip;
		unsigned mask = ((1u << n) - 1) << skip;
		*p = (unsigned char)((*p & ~mask) | ((unsigned)(value << skip) & mask));
		value >>= n;
		left -= n;
		skip = 0;
		p++;
	}
}
