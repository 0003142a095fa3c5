/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing .npy: a header (a Python dictionary of descr, fortran_order, shape) and the raw
 * numbers. Only what numpy itself writes is understood; anything else is refused by name. */
#include "data/npy.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/data.h"

bool az_is_npy(const void *data, size_t size)
{
	return size >= 10 && memcmp(data, "\x93NUMPY", 6) == 0;
}

bool az_is_idx(const void *data, size_t size)
{
	const unsigned char *p = data;
	return size >= 8 && p[0] == 0 && p[1] == 0 && p[2] >= 8 && p[2] <= 14 && p[3] >= 1 &&
	       p[3] <= AZ_RANK_MAX;
}

static bool parse_elem(char kind, int bytes, az_elem *out)
{
	switch (kind) {
	case 'b':
		*out = AZ_BOOL8;
		return bytes == 1;
	case 'i':
		*out = AZ_ELEM(INT, (uint8_t)(8 * bytes));
		return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
	case 'u':
		*out = AZ_ELEM(UINT, (uint8_t)(8 * bytes));
		return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
	case 'f':
		*out = AZ_ELEM(FLOAT, (uint8_t)(8 * bytes));
		return bytes == 2 || bytes == 4 || bytes == 8;
	default:
		return false;
	}
}

/* The text after 'key': in the header, or NULL. */
static const char *find_key(const char *header, const char *key)
{
	const char *p = strstr(header, key);
	if (!p)
		return NULL;
	p += strlen(key);
	while (*p == ' ' || *p == ':' || *p == '\'' || *p == '"')
		p++;
	return p;
}

static bool parse_shape(const char *p, uint32_t *rank, int64_t *dim)
{
	*rank = 0;
	if (!p || *p != '(')
		return false;
	for (p++; *p && *p != ')';) {
		char *end;
		long long v = strtoll(p, &end, 10);
		if (end == p || *rank == AZ_RANK_MAX)
			return false;
		dim[(*rank)++] = v;
		for (p = end; *p == ',' || *p == ' ' || *p == 'L';)
			p++;
	}
	return *p == ')' && az_shape_valid(*rank, dim);
}

static void reverse_bytes(void *data, size_t count, size_t bytes)
{
	unsigned char *p = data;
	for (size_t i = 0; i < count; i++, p += bytes)
		for (size_t k = 0; k < bytes / 2; k++) {
			unsigned char t = p[k];
			p[k] = p[bytes - 1 - k];
			p[bytes - 1 - k] = t;
		}
}

/* Column-major data to row-major. */
static void from_fortran(az_tensor *t, const char *from)
{
	const az_type *type = t->type;
	size_t bytes = type->elem.bits / 8u;
	int64_t n = az_type_numel(type), index[AZ_RANK_MAX] = {0};
	for (int64_t i = 0; i < n; i++) {
		int64_t place = 0, stride = 1;
		for (uint32_t d = 0; d < type->rank; d++) {
			place += index[d] * stride;
			stride *= type->dim[d];
		}
		memcpy((char *)t->data + (size_t)i * bytes, from + (size_t)place * bytes, bytes);
		for (int d = type->rank - 1; d >= 0 && ++index[d] == type->dim[d]; d--)
			index[d] = 0;
	}
}

static bool find_header(const unsigned char *p, size_t size, size_t *start, size_t *length)
{
	*start = p[6] == 1 ? 10 : 12;
	if (size < *start)
		return false;
	*length = (size_t)p[8] | (size_t)p[9] << 8;
	if (p[6] > 1)
		*length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
	return *length <= size - *start;
}

bool az_npy_parse(az_ctx *ctx, az_arena *arena, const char *path, const void *data, size_t size,
	az_tensor *out)
{
	const unsigned char *p = data;
	size_t start, length;
	int64_t dim[AZ_RANK_MAX] = {0};
	uint32_t rank;
	az_elem elem;
	if (!az_is_npy(data, size) || !find_header(p, size, &start, &length))
		return az_error(ctx, AZ_LOC_NONE, "%s: not a complete .npy file", path);
	const char *header = az_arena_copy(arena, (const char *)p + start, length);
	const char *descr = find_key(header, "descr"), *order = find_key(header, "fortran_order");
	if (!descr || !strchr("<>|=", descr[0]) || !descr[1] ||
		!parse_elem(descr[1], descr[2] - '0', &elem))
		return az_error(ctx, AZ_LOC_NONE,
			"%s: element type '%.8s' is none of b1, i1-8, u1-8, f2-8", path,
			descr ? descr : "");
	if (!parse_shape(find_key(header, "shape"), &rank, dim))
		return az_error(ctx, AZ_LOC_NONE, "%s: the shape in the header is not understood",
			path);
	/* before memory is asked for: a small file may claim a huge array */
	const az_type *type = az_type_get(ctx, elem, rank, dim);
	size_t bytes = az_type_size(type);
	if (size - start - length < bytes)
		return az_error(ctx, AZ_LOC_NONE, "%s: %zu bytes of numbers, %s needs %zu", path,
			size - start - length, az_type_print(arena, type), bytes);
	*out = az_tensor_new(arena, type);
	if (order && strncmp(order, "True", 4) == 0)
		from_fortran(out, (const char *)p + start + length);
	else
		memcpy(out->data, p + start + length, bytes);
	if (descr[0] == '>')
		reverse_bytes(out->data, (size_t)az_type_numel(out->type), elem.bits / 8u);
	return true;
}

bool az_idx_parse(az_ctx *ctx, az_arena *arena, const char *path, const void *data, size_t size,
	az_tensor *out)
{
	static const struct {
		unsigned char code;
		az_elem elem;
	} rows[] = {{8, {AZ_KIND_UINT, 8}}, {9, {AZ_KIND_INT, 8}}, {11, {AZ_KIND_INT, 16}},
		{12, {AZ_KIND_INT, 32}}, {13, {AZ_KIND_FLOAT, 32}}, {14, {AZ_KIND_FLOAT, 64}}};
	const unsigned char *p = data;
	az_elem elem = AZ_ELEM_NONE;
	int64_t dim[AZ_RANK_MAX] = {0};
	for (size_t i = 0; i < AZ_COUNT(rows); i++)
		if (rows[i].code == p[2])
			elem = rows[i].elem;
	uint32_t rank = p[3];
	size_t start = 4 + 4 * (size_t)rank;
	if (elem.kind == AZ_KIND_NONE || size < start)
		return az_error(ctx, AZ_LOC_NONE, "%s: not a complete idx file", path);
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = (int64_t)p[4 + 4 * i] << 24 | (int64_t)p[5 + 4 * i] << 16 |
			 (int64_t)p[6 + 4 * i] << 8 | (int64_t)p[7 + 4 * i];
	if (!az_shape_valid(rank, dim))
		return az_error(ctx, AZ_LOC_NONE, "%s: the shape in the header is out of range",
			path);
	const az_type *type = az_type_get(ctx, elem, rank, dim);
	if (size - start < az_type_size(type))
		return az_error(ctx, AZ_LOC_NONE, "%s: %zu bytes of numbers, %s needs %zu", path,
			size - start, az_type_print(arena, type), az_type_size(type));
	*out = az_tensor_new(arena, type);
	memcpy(out->data, p + start, az_type_size(type));
	reverse_bytes(out->data, (size_t)az_type_numel(type), elem.bits / 8u);
	return true;
}

/* The type as numpy can hold it: sub-byte and bipolar numbers widen to a byte, bf16 to f32. */
static az_elem numpy_elem(az_elem e)
{
	if (e.kind == AZ_KIND_BIPOLAR || (e.kind == AZ_KIND_INT && e.bits < 8))
		return AZ_I8;
	if (e.kind == AZ_KIND_UINT && e.bits < 8)
		return AZ_U8;
	if (e.kind == AZ_KIND_BFLOAT)
		return AZ_F32;
	if (az_elem_is_integer(e)) {
		uint8_t bits = 8;
		while (bits < e.bits)
			bits = (uint8_t)(2 * bits);
		e.bits = bits;
	}
	return e;
}

bool az_npy_write(az_ctx *ctx, const char *path, const az_tensor *tensor)
{
	az_arena arena;
	az_arena_init(&arena, &ctx->oom);
	const az_type *from = tensor->type, *type;
	type = az_type_with_elem(ctx, from, numpy_elem(from->elem));
	static const char kinds[] = {[AZ_KIND_BOOL] = 'b',
		[AZ_KIND_INT] = 'i',
		[AZ_KIND_UINT] = 'u',
		[AZ_KIND_FLOAT] = 'f'};
	az_text header = {.arena = &arena};
	az_text_add(&header, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
		type->elem.bits > 8 ? '<' : '|', kinds[type->elem.kind], type->elem.bits / 8);
	for (uint32_t i = 0; i < type->rank; i++)
		az_text_add(&header, "%lld%s", (long long)type->dim[i],
			i + 1 < type->rank ? ", "
			: type->rank == 1  ? ","
					   : "");
	az_text_add(&header, "), }");
	while ((header.count + 11) % 64)
		az_text_add_char(&header, ' ');
	az_text_add_char(&header, '\n');

	az_text file = {.arena = &arena};
	az_text_add_bytes(&file, "\x93NUMPY\x01\x00", 8);
	az_text_add_char(&file, (char)(header.count & 255));
	az_text_add_char(&file, (char)(header.count >> 8));
	az_text_add_bytes(&file, header.v, header.count);
	az_tensor wide = *tensor;
	if (type != from) {
		wide = az_tensor_new(&arena, type);
		for (int64_t i = 0; i < az_type_numel(type); i++)
			az_tensor_set(&wide, (uint64_t)i, az_tensor_get(tensor, (uint64_t)i));
	}
	az_text_add_bytes(&file, wide.data, az_type_size(type));
	bool ok = az_file_write(ctx, path, file.v, file.count, false);
	az_arena_free(&arena);
	return ok;
}
