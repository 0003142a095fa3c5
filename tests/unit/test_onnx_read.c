/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading ONNX bytes: broken wire format, tensors in every place and of every kind, external data. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "frontend/onnx.h"
#include "ir/eval/eval.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/unit/onnx_writer.h"

static const int64_t two_by_three[] = {2, 3, -1};

/* y = x + w with w an initializer of 2 x 3. */
static az_text adder(az_arena *arena, const az_text *w)
{
	az_text graph = {.arena = arena};
	az_text node = onnx_node(arena, "Add: x w -> y");
	az_text x = onnx_value(arena, "x", ONNX_FLOAT, two_by_three);
	az_text y = onnx_value(arena, "y", ONNX_FLOAT, two_by_three);
	put_message(&graph, 1, &node);
	put_message(&graph, 5, w);
	put_message(&graph, 11, &x);
	put_message(&graph, 12, &y);
	return onnx_model(arena, &graph, 13);
}

static az_text float_adder(az_arena *arena)
{
	static const float w[6] = {1, 2, 3, 4, 5, 6};
	az_text tensor = onnx_tensor(arena, "w", ONNX_FLOAT, two_by_three, w, sizeof w);
	return adder(arena, &tensor);
}

static az_module *import(az_ctx *ctx, const az_text *model)
{
	return az_onnx_import_bytes(ctx, "t.onnx", model->v, model->count, NULL, NULL);
}

/* Refused with a message that holds `text`. */
static void refused(const az_text *model, const char *text)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = import(ctx, model);
	CU_ASSERT_PTR_NULL(module);
	const char *message = unit_message(ctx, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(message, text));
	if (!strstr(message, text))
		fprintf(stderr, "wanted: %s\nfound:  %s", text, message);
	az_ctx_free(ctx);
}

static void reads(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text model = float_adder(&ctx->arena);
	az_module *module = import(ctx, &model);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE(az_module_verify(module));
	memset(model.v, 0xee, model.count); /* nothing points into the file */
	az_func *f = az_module_main(module);
	float x[6] = {10, 20, 30, 40, 50, 60};
	az_tensor in = {f->params.v[0]->type, x}, out;
	CU_ASSERT_TRUE_FATAL(az_eval_func(f, &ctx->arena, &in, &out));
	CU_ASSERT_EQUAL(az_tensor_get(&out, 5), 66);
	CHECK_TEXT(f->results.v[0].name, "y");
	CHECK_TEXT(module->consts.v[0]->value.name, "w");
	az_module_free(module);
	az_ctx_free(ctx);
}

/* Every shorter file and every flipped bit: refused with a message, or a valid module. */
static void survives_damage(void)
{
	az_ctx *keep = az_ctx_new();
	az_text model = float_adder(&keep->arena);
	for (size_t bit = 0; bit < model.count * 9; bit++) {
		az_ctx *ctx = az_ctx_new();
		az_text damaged = {.arena = &ctx->arena};
		bool cut = bit >= model.count * 8;
		az_text_add_bytes(&damaged, model.v, cut ? bit - model.count * 8 : model.count);
		if (!cut)
			damaged.v[bit / 8] = (char)(damaged.v[bit / 8] ^ 1 << bit % 8);
		az_module *module = import(ctx, &damaged);
		CU_ASSERT_TRUE(module ? az_module_verify(module) : ctx->diag.error_count > 0);
		CU_ASSERT_EQUAL(ctx->guard_depth, 0);
		if (module)
			az_module_free(module);
		az_ctx_free(ctx);
	}
	az_ctx_free(keep);
}

static void nested_deeply(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text graph = {.arena = &ctx->arena};
	for (int i = 0; i < 2000; i++) {
		az_text node = onnx_node(&ctx->arena, "If: c -> y"), outer = {.arena = &ctx->arena};
		onnx_attr_message(&node, "then_branch", 6, 5, &graph);
		put_message(&outer, 1, &node);
		graph = outer;
	}
	az_text model = onnx_model(&ctx->arena, &graph, 13);
	refused(&model, "messages nested more than 64 deep");
	az_ctx_free(ctx);
}

static void wrong_wire(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text model = {.arena = &ctx->arena}, empty = {.arena = &ctx->arena}, graph = empty;
	az_text_add_bytes(&model, "\x3a\xff\xff\xff\xff\x0f", 6);
	refused(&model, "byte 0, in ModelProto: a length that goes past the end");
	model = empty;
	put_text(&model, 1, "eight");
	refused(&model, "field 1 has wire type 2, wanted 0");
	model = empty;
	az_text_add_bytes(&model, "\x3b", 1);
	refused(&model, "a wire type that cannot be");
	model = empty;
	put_message(&model, 7, &graph);
	put_message(&model, 7, &graph);
	refused(&model, "a message that may stand once is given twice");
	model = empty;
	put_bytes(&graph, 2, "a\0b", 3);
	put_message(&model, 7, &graph);
	refused(&model, "a name with a zero byte in it");
	refused(&empty, "no IR version");
	model = empty;
	put_int(&model, 1, 2);
	refused(&model, "IR version 2 is not supported");
	model = empty;
	put_int(&model, 1, 8);
	refused(&model, "the model has no graph");
	az_ctx_free(ctx);
}

static void wrong_tensors(void)
{
	static const int64_t huge[] = {1 << 30, 1 << 30, -1},
			     nine[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, -1};
	az_ctx *ctx = az_ctx_new();
	az_arena *a = &ctx->arena;
	az_text t = onnx_tensor(a, "w", ONNX_FLOAT, two_by_three, "abc", 3), model = adder(a, &t);
	refused(&model, "tensor \"w\" of type f32[2,3] holds 3 bytes, wanted 24");
	t = onnx_tensor(a, "w", ONNX_FLOAT, two_by_three, NULL, 0);
	model = adder(a, &t);
	refused(&model, "holds 0 entries");
	t = onnx_tensor(a, "w", ONNX_FLOAT, huge, NULL, 0);
	model = adder(a, &t);
	refused(&model, "a dimension that is negative or too large");
	t = onnx_tensor(a, "w", ONNX_FLOAT, nine, NULL, 0);
	model = adder(a, &t);
	refused(&model, "has 9 dimensions, at most 8");
	t = onnx_tensor(a, "w", 8, two_by_three, "", 0);
	model = adder(a, &t);
	refused(&model, "data type string, which is not supported");
	t = onnx_tensor(a, "w", 17, two_by_three, "", 0);
	model = adder(a, &t);
	refused(&model, "data type float8e4m3fn, which is not supported");
	t = onnx_tensor(a, "w", 99, two_by_three, "", 0);
	model = adder(a, &t);
	refused(&model, "data type 99, which ONNX does not define");
	t = onnx_tensor(a, "w", ONNX_INT64, two_by_three, "", 0);
	model = adder(a, &t);
	refused(&model, "holds 0 bytes, wanted 48");
	az_ctx_free(ctx);
}

/* Writes a tensor file and reads it. */
static bool read_back(az_ctx *ctx, const az_text *tensor, az_tensor *out)
{
	const char *path = unit_path(ctx, "t.pb");
	return az_file_write(ctx, path, tensor->v, tensor->count, false) &&
	       az_onnx_read_tensor(ctx, &ctx->arena, path, out, NULL);
}

/* Five elements of 4 bits: the first is in the low half of the first byte; the rest of the last byte
 * means nothing. */
static void narrow_elements(void)
{
	static const int64_t five[] = {5, -1};
	static const int wanted[] = {1, -2, 3, -4, 5};
	az_ctx *ctx = az_ctx_new();
	az_tensor tensor;
	az_text raw = onnx_tensor(&ctx->arena, NULL, ONNX_INT4, five, "\xe1\xc3\xf5", 3);
	az_text typed = onnx_tensor(&ctx->arena, NULL, ONNX_INT4, five, NULL, 0);
	put_int(&typed, 5, 0xe1);
	put_int(&typed, 5, 0xc3);
	put_int(&typed, 5, 0xf5);
	for (int k = 0; k < 2; k++) {
		CU_ASSERT_TRUE_FATAL(read_back(ctx, k ? &typed : &raw, &tensor));
		CU_ASSERT_EQUAL(tensor.type->elem.bits, 4);
		for (uint64_t i = 0; i < 5; i++)
			CU_ASSERT_EQUAL(az_tensor_get(&tensor, i), wanted[i]);
		CU_ASSERT_EQUAL(((unsigned char *)tensor.data)[2], 5);
	}
	az_text bools = onnx_tensor(&ctx->arena, NULL, ONNX_BOOL, five, "\0\1\2\xff\0", 5);
	CU_ASSERT_TRUE_FATAL(read_back(ctx, &bools, &tensor));
	CU_ASSERT_EQUAL(memcmp(tensor.data, "\0\1\1\1\0", 5), 0);
	az_ctx_free(ctx);
}

static void typed_fields(void)
{
	static const int64_t two[] = {2, -1};
	az_ctx *ctx = az_ctx_new();
	az_tensor tensor;
	az_text t = onnx_tensor(&ctx->arena, "n", ONNX_INT64, two, NULL, 0), packed = t;
	put_int(&t, 7, -5);
	put_int(&t, 7, INT64_C(1) << 40);
	CU_ASSERT_TRUE_FATAL(read_back(ctx, &t, &tensor));
	CU_ASSERT_EQUAL(az_tensor_get(&tensor, 0), -5);
	CU_ASSERT_EQUAL(az_tensor_get(&tensor, 1), 1099511627776.0);
	packed = onnx_tensor(&ctx->arena, "n", ONNX_FLOAT, two, NULL, 0);
	put_bytes(&packed, 4, "\0\0\x80\x3f\0\0\0\x40", 8);
	CU_ASSERT_TRUE_FATAL(read_back(ctx, &packed, &tensor));
	CU_ASSERT_EQUAL(az_tensor_get(&tensor, 1), 2);
	t = onnx_tensor(&ctx->arena, "n", 10, two, NULL, 0);
	put_int(&t, 5, 0x3c00);
	put_int(&t, 5, 0xc000);
	CU_ASSERT_TRUE_FATAL(read_back(ctx, &t, &tensor));
	CU_ASSERT_EQUAL(az_tensor_get(&tensor, 0), 1);
	CU_ASSERT_EQUAL(az_tensor_get(&tensor, 1), -2);
	CU_ASSERT_FALSE(az_onnx_read_tensor(ctx, &ctx->arena, unit_path(ctx, "missing.pb"), &tensor,
		NULL));
	az_ctx_free(ctx);
}

/* A tensor whose bytes lie in a file. */
static az_text external(az_arena *arena, const char *location, const char *offset,
	const char *length)
{
	const char *keys[] = {"location", "offset", "length"},
		   *values[] = {location, offset, length};
	az_text t = onnx_tensor(arena, "w", ONNX_FLOAT, two_by_three, NULL, 0);
	for (int i = 0; i < 3; i++) {
		az_text entry = {.arena = arena};
		if (!values[i])
			continue;
		put_text(&entry, 1, keys[i]);
		put_text(&entry, 2, values[i]);
		put_message(&t, 13, &entry);
	}
	put_int(&t, 14, 1);
	return t;
}

static void external_case(const char *location, const char *offset, const char *length,
	const char *folder, const char *message)
{
	az_ctx *ctx = az_ctx_new();
	az_text t = external(&ctx->arena, location, offset, length), model = adder(&ctx->arena, &t);
	az_module *module = az_onnx_import_bytes(ctx, "t.onnx", model.v, model.count, folder, NULL);
	if (message) {
		CU_ASSERT_PTR_NULL(module);
		CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), message));
	} else {
		CU_ASSERT_PTR_NOT_NULL_FATAL(module);
		CU_ASSERT_EQUAL(az_const_get(module->consts.v[0], 1), 1);
		az_module_free(module);
	}
	az_ctx_free(ctx);
}

static void external_data(void)
{
	az_ctx *ctx = az_ctx_new();
	float values[7] = {9, 0, 1, 2, 3, 4, 5};
	const char *folder = unit_path(ctx, "model");
	CU_ASSERT_TRUE_FATAL(az_folder_make(ctx, folder));
	CU_ASSERT_TRUE_FATAL(az_file_write(ctx, unit_path(ctx, "model/w.bin"), values,
		sizeof values, false));
	CU_ASSERT_TRUE_FATAL(az_file_write(ctx, unit_path(ctx, "out.bin"), values, sizeof values,
		false));
	CU_ASSERT_EQUAL_FATAL(symlink("../out.bin", unit_path(ctx, "model/link.bin")), 0);
	external_case("w.bin", "4", "24", folder, NULL);
	external_case("w.bin", "4", NULL, folder, NULL);
	external_case("./w.bin", "4", "24", folder, NULL);
	external_case("w.bin", "4", "28", folder, "goes past the end of file \"w.bin\"");
	external_case("w.bin", "29", NULL, folder, "goes past the end of file \"w.bin\"");
	external_case("w.bin", "0", "20", folder, "holds 20 bytes, wanted 24");
	external_case("w.bin", "-4", "24", folder, "offset \"-4\" is no number");
	external_case("w.bin", "4", "99999999999999999999", folder, "is no number");
	external_case("../out.bin", "4", "24", folder, "leaves the model's folder");
	external_case("a/../../out.bin", "4", "24", folder, "leaves the model's folder");
	external_case(unit_path(ctx, "out.bin"), "4", "24", folder, "leaves the model's folder");
	external_case("link.bin", "4", "24", folder, "leaves the model's folder by a link");
	external_case("none.bin", "4", "24", folder, "cannot open");
	external_case("w.bin", "4", "24", NULL, "a model without a folder has no files");
	external_case(NULL, "4", "24", folder, "without a location");
	az_ctx_free(ctx);
}

static bool import_once(az_ctx *ctx)
{
	az_oom oom = {.fail_after = -1};
	az_arena arena;
	az_arena_init(&arena, &oom);
	az_text model = float_adder(&arena);
	az_module *module = import(ctx, &model);
	bool ok = module != NULL;
	if (module)
		az_module_free(module);
	az_arena_free(&arena);
	return ok;
}

static void out_of_memory(void)
{
	unit_every_allocation_fails(import_once);
}

void test_onnx_read(void)
{
	unit_suite("onnx_read",
		AZ_CASES({"reads a model", reads},
			{"survives cut and flipped bytes", survives_damage},
			{"refuses deep nesting", nested_deeply},
			{"refuses wrong wire format", wrong_wire},
			{"refuses wrong tensors", wrong_tensors},
			{"unpacks elements of 4 bits and bools", narrow_elements},
			{"reads typed fields", typed_fields},
			{"reads external data inside the folder only", external_data},
			{"turns every failed allocation into an error", out_of_memory}));
}
