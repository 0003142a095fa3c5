/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole networks through the backend: what the JIT computes, what objects and headers hold, what is
 * refused. Kernels have tests of their own; these are about what stands around them. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "base/file.h"
#include "base/text.h"
#include "grammar/parse.h"
#include "ir/eval/eval.h"
#include "passes/pass.h"

#define HEAD "adze 1 module \"t\" stage canonical\n\nconst @k : f32[2,2] = [1, 2, 3, 4]\n\n"

static az_module *parse(az_ctx *ctx, const char *body)
{
	char *text = az_arena_printf(&ctx->arena, "%s%s", HEAD, body);
	az_module *module = az_parse_module(ctx, "t.adz", text, strlen(text), NULL);
	CHECK_TEXT(unit_message(ctx, 0), "");
	return module;
}

static bool place(az_module *module, const az_target *target)
{
	az_ctx *ctx = module->ctx;
	az_pass_env env = {.backend = az_backend_pass, .backend_data = (void *)(uintptr_t)target};
	az_pipeline pipeline;
	return target &&
	       az_parse_pipeline(ctx, &ctx->arena, "p", "select-kernels,pack-weights,plan-memory",
		       &pipeline) &&
	       az_pipeline_run(module, &pipeline, &env);
}

/* Every output of the JIT is bit for bit that of the interpreter. */
static void check_same(const char *body)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = parse(ctx, body);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	const az_func *main = az_module_main(module);
	az_tensor in[4], out[2][8];
	for (uint32_t i = 0; i < main->params.count; i++) {
		in[i] = az_tensor_new(&ctx->arena, main->params.v[i]->type);
		for (int64_t k = 0; k < az_type_numel(in[i].type); k++)
			az_tensor_set(&in[i], (uint64_t)k, (double)(k * 7 % 11) - 5);
	}
	const az_exec_api *api[2] = {&az_eval_exec, &az_backend_jit};
	for (int a = 0; a < 2; a++) {
		for (uint32_t i = 0; i < main->results.count; i++)
			out[a][i] = az_tensor_new(&ctx->arena, main->results.v[i].use->value->type);
		az_exec *exec = api[a]->compile(module);
		CU_ASSERT_PTR_NOT_NULL_FATAL(exec);
		CU_ASSERT_TRUE(api[a]->run(exec, in, out[a]));
		CU_ASSERT_TRUE(api[a]->run(exec, in, out[a])); /* again: nothing is kept */
		api[a]->free(exec);
	}
	for (uint32_t i = 0; i < main->results.count; i++)
		CU_ASSERT_EQUAL(memcmp(out[0][i].data, out[1][i].data,
					az_type_size(out[0][i].type)),
			0);
	az_module_free(module);
	az_ctx_free(ctx);
}

static void boundaries(void)
{
	/* A parameter, a constant and one value twice are returned. */
	check_same(
		"func @main(%x: f32[2,2]) -> (\"a\": f32[2,2], \"b\": f32[2,2], \"c\": f32[2,2], "
		"\"d\": f32[2,2]) {\n"
		"  %1 = add %x, @k : f32[2,2]\n"
		"  return %1, %x, @k, %1\n}\n");
}

static void views(void)
{
	/* A view of a parameter, one of a value that is returned itself, and a view of a view. */
	check_same(
		"func @main(%x: f32[2,3,5]) -> (\"a\": f32[30], \"b\": f32[6,5], \"c\": f32[5,6], "
		"\"d\": f32[2,3,5]) {\n"
		"  %1 = reshape %x, shape = [30] : f32[30]\n"
		"  %2 = relu %x : f32[2,3,5]\n"
		"  %3 = reshape %2, shape = [6, 5] : f32[6,5]\n"
		"  %4 = reshape %3, shape = [5, 6] : f32[5,6]\n"
		"  return %1, %3, %4, %2\n}\n");
}

static void nothing_to_do(void)
{
	check_same("func @main(%x: f32[3]) -> (\"y\": f32[3]) {\n  return %x\n}\n");
	check_same("func @main() -> (\"y\": f32[2,2]) {\n  return @k\n}\n");
}

static void several_results(void)
{
	check_same("func @main(%x: f32[2,6]) -> (\"a\": f32[2,2], \"b\": f32[2,4]) {\n"
		   "  %1, %2 = split %x, axis = 1, sizes = [2, 4] : f32[2,2], f32[2,4]\n"
		   "  %3 = relu %1 : f32[2,2]\n"
		   "  return %3, %2\n}\n");
}

static void narrow_elements(void)
{
	check_same("func @main(%x: u8[3,5], %y: i64[4]) -> (\"a\": u8[15], \"b\": i64[4]) {\n"
		   "  %1 = reshape %x, shape = [15] : u8[15]\n"
		   "  %2 = add %y, %y : i64[4]\n"
		   "  return %1, %2\n}\n");
}

#define NET                                                                                        \
	"func @main(%x: f32[2,2]) -> (\"y\": f32[2,2]) {\n"                                        \
	"  %1 = matmul %x, @k : f32[2,2]\n  %2 = relu %1 : f32[2,2]\n  return %2\n}\n"

static void every_form_is_repeatable(void)
{
	az_ctx *ctx = az_ctx_new();
	const az_target *target = az_target_get(ctx, "x86_64-linux", "x86-64-v3", NULL);
	az_module *module = parse(ctx, NET);
	CU_ASSERT_TRUE_FATAL(place(module, target));
	for (int form = AZ_EMIT_EXE; form <= AZ_EMIT_SO; form++) {
		az_cost cost[2];
		az_bytes made[2];
		for (int i = 0; i < 2; i++) {
			az_emit_options options = {
				.emit = (az_emit)form, .name = "net", .cost = &cost[i]};
			CU_ASSERT_TRUE_FATAL(az_backend_emit(module, target, &options, &ctx->arena,
				&made[i].data, &made[i].size));
		}
		CU_ASSERT_EQUAL_FATAL(made[0].size, made[1].size);
		CU_ASSERT_EQUAL(memcmp(made[0].data, made[1].data, made[0].size), 0);
		az_cost alone;
		CU_ASSERT_TRUE(az_backend_cost.measure(&az_backend_cost, module, &ctx->arena,
			&alone));
		CU_ASSERT_EQUAL(cost[0].text_bytes, alone.text_bytes);
		CU_ASSERT_EQUAL(cost[0].rodata_bytes, alone.rodata_bytes);
		CU_ASSERT_EQUAL(cost[0].weight_bytes, alone.weight_bytes);
		CU_ASSERT_EQUAL(cost[0].data_bytes, 0);
		CU_ASSERT_EQUAL(cost[0].stack_bytes, alone.stack_bytes);
		CU_ASSERT_EQUAL(alone.io_bytes, 32);
		CU_ASSERT_EQUAL(alone.macs, 8);
	}
	az_module_free(module);
	az_ctx_free(ctx);
}

static void header(void)
{
	az_ctx *ctx = az_ctx_new();
	const az_target *target = az_target_get(ctx, "x86_64-linux", NULL, NULL);
	az_module *module = parse(ctx,
		"func @main(%\"x*/\": u8[2,2] {0.5:3}) -> (\"y\": f32[4]) {\n"
		"  %1 = cast %\"x*/\" : f32[2,2]\n  %2 = reshape %1, shape = [4] : f32[4]\n"
		"  return %2\n}\n");
	CU_ASSERT_TRUE_FATAL(place(module, target));
	az_cost cost;
	CU_ASSERT_TRUE_FATAL(az_backend_cost.measure(&az_backend_cost, module, &ctx->arena, &cost));
	const char *text = az_backend_header(module, target, "net", &cost, &ctx->arena);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "int net_run("));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"x?/\"  u8[2,2] (uint8_t), 4 bytes"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "real = 0.5 * (stored - 3)"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "#define NET_OUTPUT_0_BYTES 16"));
	az_module_free(module);
	az_ctx_free(ctx);
}

static void refusals(void)
{
	az_ctx *ctx = az_ctx_new();
	const az_target *target = az_target_get(ctx, "x86_64-linux", NULL, NULL);
	const az_target *other = az_target_get(ctx, "aarch64-linux", NULL, NULL);
	az_module *module = parse(ctx, NET);
	az_emit_options options = {.emit = AZ_EMIT_OBJ, .name = "net"};
	const void *data;
	size_t size;
	CU_ASSERT_FALSE(az_backend_emit(module, target, &options, &ctx->arena, &data, &size));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), "placed modules"));
	CU_ASSERT_TRUE_FATAL(place(module, other));
	CU_ASSERT_FALSE(az_backend_emit(module, target, &options, &ctx->arena, &data, &size));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 1), "not for \"x86_64"));
	if (!other->native) {
		CU_ASSERT_PTR_NULL(az_backend_jit.compile(module));
		CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 2), "cannot run code"));
	}
	az_module_free(module);
	az_ctx_free(ctx);
}

void test_backend_run(void)
{
	unit_suite("backend run",
		AZ_CASES({"parameters, constants and values returned", boundaries},
			{"views", views}, {"nothing to do", nothing_to_do},
			{"several results", several_results}, {"narrow elements", narrow_elements},
			{"every form twice gives the same bytes", every_form_is_repeatable},
			{"header", header}, {"refusals", refusals}));
}
