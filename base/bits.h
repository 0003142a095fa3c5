/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed integers: element i of width b occupies bits [i*b, (i+1)*b) of a little-endian bit string,
 * 1 <= b <= 64. Widths of 8, 16, 32 and 64 are therefore ordinary little-endian arrays. */
#ifndef AZ_BASE_BITS_H
#define AZ_BASE_BITS_H

#include <stdint.h>
#include <stddef.h>

size_t az_bits_size(uint64_t count, unsigned bits); /* bytes, rounded up */
uint64_t az_bits_get(const void *data, uint64_t index, unsigned bits);
int64_t az_bits_get_signed(const void *data, uint64_t index, unsigned bits);
void az_bits_set(void *data, uint64_t index, unsigned bits, uint64_t value); /* low bits of value */

#endif
