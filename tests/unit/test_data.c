/* SPDX-License-Identifier: Apache-2.0
 *
 * Data readers: .npy and idx files whole and damaged, pictures, layouts, selections, labels. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "data/data.h"
#include "data/npy.h"
#include "runtime/picture.h"

static az_tensor counting(az_ctx *ctx, az_elem elem, uint32_t rank, const int64_t *dim)
{
	az_tensor t = az_tensor_new(&ctx->arena, az_type_get(ctx, elem, rank, dim));
	for (int64_t i = 0; i < az_type_numel(t.type); i++)
		az_tensor_set(&t, (uint64_t)i, (double)(i % 100));
	return t;
}

static char *write_npy(az_ctx *ctx, const char *name, az_elem elem, uint32_t rank,
	const int64_t *dim)
{
	char *path = unit_path(ctx, name);
	az_tensor t = counting(ctx, elem, rank, dim);
	CU_ASSERT_TRUE_FATAL(az_npy_write(ctx, path, &t));
	return path;
}

static void npy_round_trip(void)
{
	static const az_elem elems[] = {{AZ_KIND_BOOL, 8}, {AZ_KIND_INT, 8}, {AZ_KIND_UINT, 16},
		{AZ_KIND_INT, 32}, {AZ_KIND_UINT, 64}, {AZ_KIND_FLOAT, 16}, {AZ_KIND_FLOAT, 32},
		{AZ_KIND_FLOAT, 64}};
	const int64_t dim[] = {2, 3, 5};
	az_ctx *ctx = az_ctx_new();
	for (size_t i = 0; i < AZ_COUNT(elems); i++)
		for (uint32_t rank = 0; rank <= 3; rank++) {
			az_tensor t = counting(ctx, elems[i], rank, dim), back;
			char *path = unit_path(ctx, "a.npy");
			CU_ASSERT_TRUE_FATAL(az_npy_write(ctx, path, &t));
			CU_ASSERT_TRUE_FATAL(az_data_tensor(ctx, &ctx->arena, path, &back));
			CU_ASSERT_PTR_EQUAL(back.type, t.type);
			CU_ASSERT_EQUAL(memcmp(back.data, t.data, az_type_size(t.type)), 0);
		}
	az_ctx_free(ctx);
}

/* Every prefix of a file is refused with a message, never read past. */
static void npy_truncated(void)
{
	const int64_t dim[] = {4, 4};
	az_ctx *ctx = az_ctx_new();
	az_bytes bytes;
	CU_ASSERT_TRUE_FATAL(az_file_map(ctx, write_npy(ctx, "t.npy", AZ_F32, 2, dim), &bytes));
	for (size_t n = 0; n < bytes.size; n++) {
		az_tensor t;
		unsigned before = ctx->diag.error_count;
		char *copy = az_arena_dup(&ctx->arena, bytes.data, n);
		CU_ASSERT_FALSE(az_npy_parse(ctx, &ctx->arena, "t.npy", copy, n, &t));
		CU_ASSERT_EQUAL(ctx->diag.error_count, before + 1);
	}
	az_file_unmap(bytes);
	az_ctx_free(ctx);
}

static bool parse_header(az_ctx *ctx, const char *header, const void *data, size_t size,
	az_tensor *out)
{
	char file[512] = "\x93NUMPY\x01";
	size_t n = strlen(header);
	file[7] = 0;
	file[8] = (char)n;
	file[9] = 0;
	memcpy(file + 10, header, n);
	memcpy(file + 10 + n, data, size);
	return az_npy_parse(ctx, &ctx->arena, "h.npy", file, 10 + n + size, out);
}

static void npy_headers(void)
{
	az_ctx *ctx = az_ctx_new();
	az_tensor t;
	const unsigned char data[6] = {0, 1, 2, 3, 4, 5};
	CU_ASSERT_TRUE_FATAL(parse_header(ctx,
		"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", data, 6, &t));
	const double columns[] = {0, 2, 4, 1, 3, 5};
	for (uint64_t i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(az_tensor_get(&t, i), columns[i]);
	CU_ASSERT_TRUE_FATAL(parse_header(ctx,
		"{'descr': '>i2', 'fortran_order': False, 'shape': (3,), }\n", data, 6, &t));
	CU_ASSERT_EQUAL(az_tensor_get(&t, 1), 0x0203);
	CU_ASSERT_FALSE(parse_header(ctx,
		"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n", data, 6, &t));
	CU_ASSERT_FALSE(parse_header(ctx,
		"{'descr': '|u1', 'fortran_order': False, 'shape': (-3,), }\n", data, 6, &t));
	CU_ASSERT_FALSE(parse_header(ctx,
		"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 9999999999), }\n",
		data, 6, &t));
	CU_ASSERT_EQUAL(ctx->diag.error_count, 3);
	az_ctx_free(ctx);
}

static void idx_file(void)
{
	const unsigned char file[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 11, 12, 13, 14, 15};
	az_ctx *ctx = az_ctx_new();
	az_tensor t;
	CU_ASSERT_TRUE(az_is_idx(file, sizeof file));
	CU_ASSERT_TRUE_FATAL(az_idx_parse(ctx, &ctx->arena, "idx", file, sizeof file, &t));
	CU_ASSERT_EQUAL(t.type->dim[1], 3);
	CU_ASSERT_EQUAL(az_tensor_get(&t, 5), 15);
	CU_ASSERT_FALSE(az_idx_parse(ctx, &ctx->arena, "idx", file, sizeof file - 1, &t));
	az_ctx_free(ctx);
}

static void picture_resize(void)
{
	uint8_t pixel[4 * 4 * 3], out[2 * 2 * 3], scratch[64];
	for (int i = 0; i < 48; i++)
		pixel[i] = (uint8_t)(i / 3 * 10);
	az_picture from = {4, 4, 3, pixel}, to = {2, 2, 3, out};
	az_picture_resize(&from, &to, scratch);
	/* symmetric filter on a linear ramp: opposite corners are symmetric about the mean, 75 */
	CU_ASSERT_EQUAL(out[0] + out[9], 150);
	CU_ASSERT_EQUAL(out[3] + out[6], 150);
	CU_ASSERT_TRUE(out[0] < out[3] && out[3] < out[6]);
	az_picture same = {4, 4, 3, (uint8_t[48]){0}};
	uint8_t large[64];
	az_picture_resize(&from, &same, large);
	CU_ASSERT_EQUAL(memcmp(same.pixel, pixel, sizeof pixel), 0);
}

static void layouts(void)
{
	az_ctx *ctx = az_ctx_new();
	const int64_t hwc[] = {2, 4, 3}, nchw[] = {1, 3, 2, 4};
	az_tensor from = counting(ctx, AZ_U8, 3, hwc);
	az_tensor to = az_tensor_new(&ctx->arena, az_type_get(ctx, AZ_F32, 4, nchw));
	az_preprocess pre = {.set = true, .scale = 2.0f, .mean_count = 3, .mean = {0, 10, 20}};
	CU_ASSERT_TRUE_FATAL(az_data_convert(ctx, &ctx->arena, "x", &from, false, &pre, &to));
	for (int c = 0; c < 3; c++)
		for (int i = 0; i < 8; i++)
			CU_ASSERT_EQUAL(az_tensor_get(&to, (uint64_t)(c * 8 + i)),
				2.0 * (i * 3 + c) - 10 * c);
	const int64_t wrong[] = {2, 4, 4};
	az_tensor bad = counting(ctx, AZ_U8, 3, wrong);
	CU_ASSERT_FALSE(az_data_convert(ctx, &ctx->arena, "x", &bad, false, &pre, &to));
	unit_check_text(unit_message(ctx, 0),
		"error: x: a sample is u8[2,4,4], the network wants f32[1,3,2,4]\n", __FILE__,
		__LINE__);
	az_ctx_free(ctx);
}

static void pictures(void)
{
	az_ctx *ctx = az_ctx_new();
	const char file[] = "P6\n# a comment\n2 1\n255\nabcdef";
	char *path = unit_path(ctx, "p.ppm");
	const int64_t dim[] = {1, 3, 1, 2};
	const az_type *type = az_type_get(ctx, AZ_F32, 4, dim);
	az_tensor to = az_tensor_new(&ctx->arena, type);
	az_data_options options = {.preprocess = {.scale = 1.0f}};
	CU_ASSERT_TRUE_FATAL(az_file_write(ctx, path, file, sizeof file - 1, false));
	az_stream *s = az_data_open(ctx, &ctx->arena, path, 1, &type, &options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_TRUE_FATAL(s->get(s->data, 0, &to));
	CU_ASSERT_EQUAL(az_tensor_get(&to, 0), 'a');
	CU_ASSERT_EQUAL(az_tensor_get(&to, 1), 'd');
	CU_ASSERT_EQUAL(az_tensor_get(&to, 4), 'c');
	options.preprocess.bgr = true;
	s = az_data_open(ctx, &ctx->arena, path, 1, &type, &options);
	CU_ASSERT_TRUE_FATAL(s->get(s->data, 0, &to));
	CU_ASSERT_EQUAL(az_tensor_get(&to, 0), 'c');
	CU_ASSERT_TRUE_FATAL(az_file_write(ctx, path, file, sizeof file - 2, false));
	CU_ASSERT_FALSE(s->get(s->data, 0, &to));
	az_ctx_free(ctx);
}

/* Which samples a selection holds, as the first element of each. */
static void check_selection(az_ctx *ctx, const char *path, az_data_options options,
	const int *expected, uint64_t count)
{
	const int64_t dim[] = {1, 2};
	const az_type *type = az_type_get(ctx, AZ_F32, 2, dim);
	az_tensor to = az_tensor_new(&ctx->arena, type);
	az_stream *s = az_data_open(ctx, &ctx->arena, path, 1, &type, &options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL_FATAL(s->count, count);
	for (uint64_t i = 0; i < count; i++) {
		CU_ASSERT_TRUE(s->get(s->data, i, &to));
		CU_ASSERT_EQUAL(az_tensor_get(&to, 0), 2 * expected[i]);
		if (s->label)
			CU_ASSERT_EQUAL(s->label(s->data, i), expected[i]);
	}
}

static void selections(void)
{
	az_ctx *ctx = az_ctx_new();
	const int64_t dim[] = {10, 2}, labels_dim[] = {10};
	char *path = write_npy(ctx, "s.npy", AZ_I32, 2, dim);
	char *labels = write_npy(ctx, "l.npy", AZ_U8, 1, labels_dim);
	az_data_options all = {.preprocess = {.scale = 1.0f}, .labels = labels};
	check_selection(ctx, path, all, (int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 10);
	az_data_options third = all, rest, few = all;
	third.every = 3;
	third.offset = 1;
	check_selection(ctx, path, third, (int[]){1, 4, 7}, 3);
	rest = third;
	rest.invert = true;
	check_selection(ctx, path, rest, (int[]){0, 2, 3, 5, 6, 8, 9}, 7);
	few.limit = 2;
	check_selection(ctx, path, few, (int[]){0, 1}, 2);
	az_ctx_free(ctx);
}

static void label_tables(void)
{
	az_ctx *ctx = az_ctx_new();
	char *folder = unit_path(ctx, "pictures");
	CU_ASSERT_TRUE_FATAL(az_folder_make(ctx, folder));
	for (int i = 0; i < 3; i++) {
		char *name = az_arena_printf(&ctx->arena, "%s/%c.ppm", folder, 'c' - i);
		CU_ASSERT_TRUE_FATAL(az_file_write(ctx, name, "P6 1 1 255 xyz", 14, false));
	}
	char *table = unit_path(ctx, "labels.tsv");
	const char text[] = "file\tclass\nc.ppm\t7\tseven\nother/a.ppm\t3\n";
	CU_ASSERT_TRUE_FATAL(az_file_write(ctx, table, text, sizeof text - 1, false));
	const int64_t dim[] = {1, 3, 1, 1};
	const az_type *type = az_type_get(ctx, AZ_F32, 4, dim);
	az_data_options options = {.preprocess = {.scale = 1.0f}, .labels = table};
	az_stream *s = az_data_open(ctx, &ctx->arena, folder, 1, &type, &options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL_FATAL(s->count, 3);
	CU_ASSERT_EQUAL(s->label(s->data, 0), 3);
	CU_ASSERT_EQUAL(s->label(s->data, 1), -1);
	CU_ASSERT_EQUAL(s->label(s->data, 2), 7);
	az_ctx_free(ctx);
}

void test_data(void)
{
	unit_suite("data",
		AZ_CASES({"npy round trip", npy_round_trip}, {"npy truncated", npy_truncated},
			{"npy headers", npy_headers}, {"idx", idx_file}, {"resize", picture_resize},
			{"layouts", layouts}, {"pictures", pictures}, {"selections", selections},
			{"label tables", label_tables}));
}
