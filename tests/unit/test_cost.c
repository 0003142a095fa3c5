/* SPDX-License-Identifier: Apache-2.0
 *
 * The resource model: what a layer is said to be, and that bytes add up to those of the object. */
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "backend/cost_table.h"
#include "base/file.h"
#include "grammar/parse.h"
#include "passes/pass.h"

/* Two equal convolutions with weights of 4 bits between activations of 4, and a bipolar product. */
static const char network[] =
	"adze 1 module \"t\" stage folded\n\n"
	"quant !w = axis 0 scale [0.5, 0.25, 0.5, 0.25, 0.5, 0.25, 0.5, 0.25]\n"
	"const @w : i4[8,3,3,8] {!w} = splat 3\nconst @v : i4[8,3,3,8] {!w} = splat -2\n"
	"const @b : i32[8] = [1, 2, 3, 4, 5, 6, 7, 8]\n"
	"const @d : bipolar[8,16] = splat 1\nconst @s : f32[] = [0.01]\nconst @q : f32[] = "
	"[0.1]\n\n"
	"func @main(%x: f32[1,12,12,8]) -> (\"y\": u8[1,16]) {\n"
	"  %0 = quantize %x, @q : u4[1,12,12,8]\n"
	"  %1 = conv %0, @w, @b : i32[1,10,10,8]\n"
	"  %2 = requantize %1, @s : u4[1,10,10,8]\n"
	"  %3 = pad %2, pad = [0, 0, 1, 1, 1, 1, 0, 0] : u4[1,12,12,8]\n"
	"  %4 = conv %3, @v, @b : i32[1,10,10,8]\n"
	"  %5 = requantize %4, @s : u4[1,10,10,8]\n"
	"  %6 = reduce %5, axes = [1, 2], drop = true : i32[1,8]\n"
	"  %7 = requantize %6, @s, clamp = [0, 200] : u8[1,8]\n"
	"  %8 = matmul %7, @d : i32[1,16]\n"
	"  %9 = requantize %8, @s : u8[1,16]\n"
	"  return %9\n}\n";

static az_module *placed_for(az_ctx *ctx, const char *text, const az_target *target)
{
	az_module *module = az_parse_module(ctx, "t.adz", text, strlen(text), NULL);
	CHECK_TEXT(unit_message(ctx, 0), "");
	az_pass_env env = {.backend = az_backend_pass, .backend_data = (void *)(uintptr_t)target};
	az_pipeline pipeline;
	CU_ASSERT_TRUE_FATAL(target && module &&
			     az_parse_pipeline(ctx, &ctx->arena, "p",
				     "widen-activations,select-kernels,pack-weights,plan-memory",
				     &pipeline) &&
			     az_pipeline_run(module, &pipeline, &env));
	return module;
}

static az_module *placed(az_ctx *ctx, const char *text)
{
	return placed_for(ctx, text, az_target_get(ctx, "x86_64-linux", "x86-64-v3", NULL));
}

static const az_layer_cost *layer_at(const az_cost *cost, const char *op, uint32_t nth)
{
	for (uint32_t i = 0; i < cost->layer_count; i++)
		if (strcmp(cost->layer[i].op, op) == 0 && nth-- == 0)
			return &cost->layer[i];
	CU_FAIL_FATAL("no such layer");
	return NULL;
}

static void check_elem(az_elem e, const char *text)
{
	char name[16];
	CHECK_TEXT(az_elem_print(name, e), text);
}

static void layers(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = placed(ctx, network);
	az_cost cost;
	CU_ASSERT_TRUE_FATAL(az_backend_cost.measure(&az_backend_cost, module, &ctx->arena, &cost));
	const az_layer_cost *first = layer_at(&cost, "conv", 0),
			    *second = layer_at(&cost, "conv", 1);
	check_elem(first->weight_elem, "i4");
	check_elem(first->input_elem, "u4");
	check_elem(first->output_elem, "u4");
	CHECK_TEXT(first->weight_kind, "affine");
	CHECK_TEXT(first->weight_scales, "channel");
	CU_ASSERT_EQUAL(first->parameters, 8 * 72 + 8);
	CU_ASSERT_EQUAL(first->macs, 100 * 8 * 72);
	CU_ASSERT_EQUAL(first->bitops, first->macs * 16);
	CU_ASSERT_TRUE(first->pixels);
	CU_ASSERT_TRUE(first->weight_bytes >= 8 * 72 / 2);
	CU_ASSERT_TRUE(first->code_bytes > 0);
	check_elem(second->input_elem, "u4");
	const az_layer_cost *product = layer_at(&cost, "matmul", 0);
	CHECK_TEXT(product->weight_kind, "bipolar");
	CHECK_TEXT(product->weight_scales, "");
	check_elem(product->input_elem, "u8");
	CU_ASSERT_FALSE(product->pixels);
	CU_ASSERT_EQUAL(product->macs, 8 * 16);
	az_module_free(module);
	az_ctx_free(ctx);
}

/* What results take besides a requantize has a rate of its own, and names its layer: with 8-bit weights too. */
static void steps(void)
{
	static const char text[] =
		"adze 1 module \"t\" stage folded\n\n"
		"const @w : i8[8,1,1,8] = splat 3\nconst @b : i32[8] = splat 1\n"
		"const @f : i32[] = [16]\nconst @c : i32[8] = [1, 2, 3, 4, 5, 6, 7, 8]\n"
		"const @l : i32[3,1] = [10, 20, 30]\nconst @s : f32[] = [0.01]\n\n"
		"func @main(%x: u8[1,12,12,8]) -> (\"y\": u8[1,12,12,8]) {\n"
		"  %0 = conv %x, @w, @b : i32[1,12,12,8]\n"
		"  %1 = mul %0, @f : i32[1,12,12,8]\n"
		"  %2 = add %1, @c : i32[1,12,12,8]\n"
		"  %3 = requantize %2, @s : u8[1,12,12,8]\n"
		"  %4 = conv %3, @w, @b : i32[1,12,12,8]\n"
		"  %5 = threshold %4, @l : u2[1,12,12,8]\n"
		"  %6 = conv %5, @w, @b : i32[1,12,12,8]\n"
		"  %7 = requantize %6, @s : u8[1,12,12,8]\n"
		"  return %7\n}\n";
	static const az_cost_row row[] = {
		{"avx2", "conv", 8, 8, 100}, {"avx2", "epilogue", 8, 0, 10}};
	az_ctx *ctx = az_ctx_new();
	az_module *module = placed(ctx, text);
	const az_cost_table table = {AZ_COUNT(row), row, NULL};
	az_cost_api api = az_backend_cost;
	api.table = &table;
	az_cost cost;
	CU_ASSERT_TRUE_FATAL(api.measure(&api, module, &ctx->arena, &cost));
	const az_layer_cost *finer = layer_at(&cost, "conv", 0), *few = layer_at(&cost, "conv", 1),
			    *plain = layer_at(&cost, "conv", 2);
	CU_ASSERT_EQUAL(finer->steps, 2);
	CU_ASSERT_EQUAL(few->steps, 3);
	CU_ASSERT_EQUAL(plain->steps, 0);
	CU_ASSERT_DOUBLE_EQUAL(few->seconds - few->seconds_at8, 3 * 12 * 12 * 8 / 10.0 * 1e-9,
		1e-12);
	CU_ASSERT_TRUE(az_layer_is_slower(few));
	CU_ASSERT_FALSE(az_layer_is_slower(plain));
	az_module_free(module);
	az_ctx_free(ctx);
}

/* Bytes of the layers are those of the sections, but for what fills up to alignments. */
static void sums(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = placed(ctx, network);
	az_cost cost;
	CU_ASSERT_TRUE_FATAL(az_backend_cost.measure(&az_backend_cost, module, &ctx->arena, &cost));
	uint64_t text = cost.entry_bytes, weights = 0, constants = 0, macs = 0;
	for (uint32_t i = 0; i < cost.layer_count; i++) {
		const az_layer_cost *l = &cost.layer[i];
		CU_ASSERT_TRUE(l->code_bytes > 0 || l->code_shared);
		text += l->code_bytes;
		weights += l->weight_bytes;
		constants += l->constant_bytes;
		macs += l->macs;
	}
	uint64_t room = 64 * (cost.layer_count + 1);
	CU_ASSERT_TRUE(text <= cost.text_bytes && cost.text_bytes <= text + room);
	CU_ASSERT_TRUE(weights <= cost.weight_bytes && cost.weight_bytes <= weights + room);
	CU_ASSERT_TRUE(constants <= cost.constant_bytes);
	CU_ASSERT_EQUAL(cost.rodata_bytes,
		cost.weight_bytes + cost.constant_bytes + cost.literal_bytes);
	CU_ASSERT_EQUAL(macs, cost.macs);
	CU_ASSERT_EQUAL(cost.input_bytes, 4 * 12 * 12 * 8);
	CU_ASSERT_EQUAL(cost.output_bytes, 16);
	az_module_free(module);
	az_ctx_free(ctx);
}

/* One function and one constant for two equal layers: counted once, and said so. */
static void shared(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = placed(ctx,
		"adze 1 module \"t\" stage canonical\n\nconst @k : f32[4,4] = splat 2\n\n"
		"func @main(%x: f32[1,4]) -> (\"y\": f32[1,4]) {\n"
		"  %1 = matmul %x, @k : f32[1,4]\n  %2 = matmul %1, @k : f32[1,4]\n"
		"  %3 = matmul %2, @k : f32[1,4]\n  return %3\n}\n");
	az_cost cost;
	CU_ASSERT_TRUE_FATAL(az_backend_cost.measure(&az_backend_cost, module, &ctx->arena, &cost));
	CU_ASSERT_EQUAL_FATAL(cost.layer_count, 3);
	CU_ASSERT_FALSE(cost.layer[0].code_shared || cost.layer[0].weights_shared);
	for (uint32_t i = 1; i < 3; i++) {
		CU_ASSERT_TRUE(cost.layer[i].code_shared && cost.layer[i].weights_shared);
		CU_ASSERT_EQUAL(cost.layer[i].code_bytes + cost.layer[i].weight_bytes, 0);
	}
	CHECK_TEXT(cost.layer[0].weight_kind, "float");
	az_module_free(module);
	az_ctx_free(ctx);
}

static void check_same(const az_cost *a, const az_cost *b)
{
	CU_ASSERT_EQUAL(a->text_bytes, b->text_bytes);
	CU_ASSERT_EQUAL(a->weight_bytes, b->weight_bytes);
	CU_ASSERT_EQUAL(a->constant_bytes, b->constant_bytes);
	CU_ASSERT_TRUE(a->literal_bytes <= b->literal_bytes + AZ_COST_SLACK);
	CU_ASSERT_TRUE(b->literal_bytes <= a->literal_bytes + AZ_COST_SLACK);
	CU_ASSERT_EQUAL(a->stack_bytes, b->stack_bytes);
	CU_ASSERT_EQUAL_FATAL(a->layer_count, b->layer_count);
	for (uint32_t i = 0; i < a->layer_count; i++) {
		CU_ASSERT_EQUAL(a->layer[i].code_bytes, b->layer[i].code_bytes);
		CU_ASSERT_EQUAL(a->layer[i].code_shared, b->layer[i].code_shared);
		CU_ASSERT_EQUAL(a->layer[i].weight_bytes, b->layer[i].weight_bytes);
		CU_ASSERT_EQUAL(a->layer[i].stack_bytes, b->layer[i].stack_bytes);
	}
}

/* Tables of their own in several kernels, and the same function twice. */
static const char with_tables[] =
	"adze 1 module \"t\" stage folded\n\nconst @k : f32[4,4] = splat 2\n\n"
	"func @main(%x: f32[1,8,8,4]) -> (\"y\": f32[1,8,4,8], \"z\": f32[1,4]) {\n"
	"  %0 = sigmoid %x : f32[1,8,8,4]\n  %1 = softmax %0, axis = 3 : f32[1,8,8,4]\n"
	"  %2 = exp %1 : f32[1,8,8,4]\n"
	"  %3 = transpose %2, perm = [0, 2, 3, 1] : f32[1,8,4,8]\n"
	"  %4 = reduce %0, axes = [1, 2], drop = true : f32[1,4]\n"
	"  %5 = matmul %4, @k : f32[1,4]\n  %6 = matmul %5, @k : f32[1,4]\n"
	"  return %3, %6\n}\n";

/* Kernels in objects of their own cost what they cost in one, on every target, but for the places of literals. */
static void kept(void)
{
	static const char *const targets[][2] = {{"x86_64-linux", "x86-64-v3"},
		{"x86_64-linux", "x86-64"}, {"x86_64-linux", "x86-64-v4"},
		{"aarch64-linux", "generic"}, {"armv7-linux", "cortex-a9"},
		{"riscv64-linux", "generic"}};
	for (size_t i = 0; i < 2 * AZ_COUNT(targets); i++) {
		const char *const *t = targets[i / 2];
		az_ctx *ctx = az_ctx_new();
		az_module *module = placed_for(ctx, i % 2 ? with_tables : network,
			az_target_get(ctx, t[0], t[1], NULL));
		az_cost whole, parts, again;
		az_cost_api api = az_backend_cost;
		CU_ASSERT_TRUE_FATAL(api.measure(&api, module, &ctx->arena, &whole));
		CU_ASSERT_TRUE_FATAL(az_backend_keep(ctx));
		CU_ASSERT_TRUE_FATAL(api.measure(&api, module, &ctx->arena, &parts));
		CU_ASSERT_TRUE_FATAL(api.measure(&api, module, &ctx->arena, &again));
		check_same(&whole, &parts);
		check_same(&whole, &again);
		api.whole = true;
		CU_ASSERT_TRUE_FATAL(api.measure(&api, module, &ctx->arena, &again));
		check_same(&whole, &again);
		az_backend_forget(ctx);
		az_module_free(module);
		az_ctx_free(ctx);
	}
}

/* Two networks at a time share the code that is kept, one goes and comes again: the same answers. */
static void kept_runs(void)
{
	az_ctx *ctx = az_ctx_new();
	CU_ASSERT_TRUE_FATAL(az_backend_keep(ctx));
	az_module *module[2];
	az_exec *exec[2];
	float x[8 * 8 * 4], y[2][8 * 8 * 4], z[2][4];
	for (size_t i = 0; i < AZ_COUNT(x); i++)
		x[i] = (float)i / 100;
	for (uint32_t i = 0; i < 2; i++) {
		module[i] = az_parse_module(ctx, "t.adz", with_tables, strlen(with_tables), NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(module[i]);
		exec[i] = az_backend_jit.compile(module[i]);
	}
	for (uint32_t i = 0; i < 4; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(exec[i % 2]);
		const az_func *main = az_module_main(module[i % 2]);
		az_tensor in = {.type = main->params.v[0]->type, .data = x};
		az_tensor out[2] = {{.type = main->results.v[0].use->value->type, .data = y[i % 2]},
			{.type = main->results.v[1].use->value->type, .data = z[i % 2]}};
		CU_ASSERT_TRUE(az_backend_jit.run(exec[i % 2], &in, out));
		if (i == 1) {
			az_backend_jit.free(exec[0]);
			exec[0] = az_backend_jit.compile(module[0]);
			memset(y[0], 0, sizeof y[0]);
		}
	}
	CU_ASSERT_TRUE(memcmp(y[0], y[1], sizeof y[0]) == 0 && y[0][0] != 0);
	CU_ASSERT_TRUE(memcmp(z[0], z[1], sizeof z[0]) == 0 && z[0][0] != 0);
	for (uint32_t i = 0; i < 2; i++) {
		az_backend_jit.free(exec[i]);
		az_module_free(module[i]);
	}
	az_backend_forget(ctx);
	az_ctx_free(ctx);
}

static const char *write_file(az_ctx *ctx, const char *text)
{
	char *path = unit_path(ctx, "rates");
	CU_ASSERT_TRUE_FATAL(az_file_write(ctx, path, text, strlen(text), false));
	return path;
}

static void rates(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = placed(ctx, network);
	const char *path = write_file(ctx,
		"# made up\nCOST(avx2, conv, 8, 8, 10)\n  COST( avx2, conv, 8, 4, 5 ) \r\n\n"
		"COST(avx2, row, 8, 8, 1)\nCOST(avx2, row, 8, 1, 2)\n");
	az_cost_table table;
	CU_ASSERT_TRUE_FATAL(az_cost_table_read(ctx, &ctx->arena, path, &table));
	CU_ASSERT_EQUAL(table.count, 4);
	unlink(path);
	az_cost_api api = az_backend_cost;
	api.table = &table;
	az_cost cost;
	CU_ASSERT_TRUE_FATAL(api.measure(&api, module, &ctx->arena, &cost));
	const az_layer_cost *conv = layer_at(&cost, "conv", 0), *row = layer_at(&cost, "matmul", 0);
	double work = (double)conv->macs * 1e-9;
	CU_ASSERT_TRUE(conv->seconds > work / 5 && conv->seconds < work / 5 + 1e-6);
	CU_ASSERT_TRUE(conv->seconds_at8 > work / 10 && conv->seconds_at8 < work / 10 + 1e-6);
	CU_ASSERT_TRUE(az_layer_is_slower(conv));
	CU_ASSERT_FALSE(az_layer_is_slower(row));
	CU_ASSERT_EQUAL(cost.slower, 2);
	az_module_free(module);
	az_ctx_free(ctx);
}

static void refused_rates(void)
{
	static const char *const texts[] = {"", "# nothing\n", "COST(avx2, conv, 8, 8)\n",
		"COST(avx2, conv, 8, 8, -1)\n", "COST(avx2, conv, 8, 8, nan)\n",
		"COST(avx2, conv, 8, 8, 1) and more\n", "COST(avx2, conv, -8, 8, 1)\n",
		"COST(a_word_longer_than_any, conv, 8, 8, 1)\n", "hello\n"};
	for (size_t i = 0; i < AZ_COUNT(texts); i++) {
		az_ctx *ctx = az_ctx_new();
		az_cost_table table;
		const char *path = write_file(ctx, texts[i]);
		CU_ASSERT_FALSE(az_cost_table_read(ctx, &ctx->arena, path, &table));
		CU_ASSERT_EQUAL(ctx->diag.error_count, 1);
		unlink(path);
		CU_ASSERT_FALSE(az_cost_table_read(ctx, &ctx->arena, path, &table));
		az_ctx_free(ctx);
	}
}

void test_cost(void)
{
	unit_suite("cost", AZ_CASES({"layers", layers}, {"steps", steps}, {"sums", sums},
				   {"shared", shared}, {"kept", kept}, {"kept runs", kept_runs},
				   {"rates from a file", rates}, {"refused rates", refused_rates}));
}
