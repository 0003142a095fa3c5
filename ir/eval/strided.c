/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of packed elements by strides; whole bytes are copied as such. */
#include <string.h>

#include "base/bits.h"
#include "ir/eval/part.h"

void az_copy_run(void *to, uint64_t to_index, const void *from, uint64_t from_index, uint64_t count,
	unsigned bits)
{
	if (count == 0)
		return;
	if (bits % 8 == 0) {
		size_t size = bits / 8;
		memcpy((char *)to + to_index * size, (const char *)from + from_index * size,
			(size_t)count * size);
		return;
	}
	for (uint64_t i = 0; i < count; i++)
		az_bits_set(to, to_index + i, bits, az_bits_get(from, from_index + i, bits));
}

/* One row: count elements, `stride` apart in the source. */
static void copy_row(void *to, uint64_t at, const void *from, int64_t base, int64_t stride,
	int64_t count, unsigned bits)
{
	if (stride == 1) {
		az_copy_run(to, at, from, (uint64_t)base, (uint64_t)count, bits);
		return;
	}
	if (bits == 32) {
		for (int64_t i = 0; i < count; i++)
			memcpy((char *)to + (at + (uint64_t)i) * 4,
				(const char *)from + (base + i * stride) * 4, 4);
		return;
	}
	for (int64_t i = 0; i < count; i++)
		az_copy_run(to, at + (uint64_t)i, from, (uint64_t)(base + i * stride), 1, bits);
}

void az_copy_strided(void *to, const void *from, const az_strided *map, unsigned bits)
{
	int64_t rows = 1, length = 1, step = 1;
	for (uint32_t i = 0; i + 1 < map->rank; i++)
		rows *= map->dim[i];
	if (map->rank > 0) {
		length = map->dim[map->rank - 1];
		step = map->stride[map->rank - 1];
	}
	if (length == 0)
		return;
	int64_t index[2 * AZ_RANK_MAX] = {0}, base = map->base;
	for (int64_t row = 0; row < rows; row++) {
		copy_row(to, (uint64_t)(row * length), from, base, step, length, bits);
		for (uint32_t i = map->rank < 2 ? 0 : map->rank - 1; i-- > 0;) {
			base += map->stride[i];
			if (++index[i] < map->dim[i])
				break;
			base -= map->stride[i] * map->dim[i];
			index[i] = 0;
		}
	}
}

void az_row_major(uint32_t rank, const int64_t *dim, int64_t *stride)
{
	int64_t step = 1;
	for (uint32_t i = rank; i-- > 0;) {
		stride[i] = step;
		step *= dim[i];
	}
}

az_strided az_strided_broadcast(const az_type *from, const az_type *to)
{
	az_strided map = {.rank = to->rank};
	int64_t stride[AZ_RANK_MAX];
	az_row_major(from->rank, from->dim, stride);
	uint32_t missing = (uint32_t)to->rank - from->rank;
	for (uint32_t i = 0; i < to->rank; i++) {
		map.dim[i] = to->dim[i];
		bool repeat = i < missing || from->dim[i - missing] == 1;
		map.stride[i] = repeat ? 0 : stride[i - missing];
	}
	return map;
}

az_axis_view az_axis_view_of(const az_type *type, int64_t axis)
{
	int at = az_axis_normalize(axis, type->rank);
	az_axis_view view = {1, 1, 1};
	for (int i = 0; i < type->rank; i++) {
		if (i < at)
			view.outer *= type->dim[i];
		else if (i == at)
			view.length = type->dim[i];
		else
			view.inner *= type->dim[i];
	}
	return view;
}
