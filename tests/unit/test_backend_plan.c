/* SPDX-License-Identifier: Apache-2.0
 *
 * plan-memory: what lies where, and that it is no more than it must be. */
#include "tests/unit/unit.h"

#include <string.h>

#include "backend/backend.h"
#include "backend/plan.h"
#include "grammar/parse.h"
#include "ir/verify.h"
#include "passes/pass.h"

#define HEAD                                                                                       \
	"adze 1 module \"t\" stage selected target \"x86_64-unknown-linux-gnu\" cpu \"x86-64\" "   \
	"features \"\" done [\"select-kernels\"]\n\n"                                              \
	"const @w : f32[16,1,1,16] = splat 0.5\n\n"                                                \
	"func @relu(%a: f32[1,8,8,16]) -> (\"r\": f32[1,8,8,16]) {\n"                              \
	"  %1 = relu %a : f32[1,8,8,16]\n"                                                         \
	"  return %1\n}\n\n"                                                                       \
	"func @add(%a: f32[1,8,8,16], %b: f32[1,8,8,16]) -> (\"r\": f32[1,8,8,16]) {\n"            \
	"  %1 = add %a, %b : f32[1,8,8,16]\n"                                                      \
	"  return %1\n}\n\n"                                                                       \
	"func @conv(%a: f32[1,8,8,16], %w: f32[16,1,1,16]) -> (\"r\": f32[1,8,8,16]) {\n"          \
	"  %1 = conv %a, %w : f32[1,8,8,16]\n"                                                     \
	"  return %1\n}\n\n"

#define CONV(x) "call @conv(" x ", @w), kernel = \"contract\" : f32[1,8,8,16]\n"
#define RELU(x) "call @relu(" x "), kernel = \"eltwise\" : f32[1,8,8,16]\n"
#define SIZE    (8 * 8 * 16 * 4)

static az_module *parse(az_ctx *ctx, const char *body)
{
	char *text = az_arena_printf(&ctx->arena, "%s%s", HEAD, body);
	az_module *module = az_parse_module(ctx, "t.adz", text, strlen(text), NULL);
	CHECK_TEXT(unit_message(ctx, 0), "");
	return module;
}

static bool plan(az_module *module, const char *pass)
{
	az_ctx *ctx = module->ctx;
	az_pass_env env = {.backend = az_backend_pass,
		.backend_data = (void *)(uintptr_t)az_target_get(ctx, "x86_64-linux", NULL, NULL)};
	az_pipeline pipeline;
	return az_parse_pipeline(ctx, &ctx->arena, "p", pass, &pipeline) &&
	       az_pipeline_run(module, &pipeline, &env) && az_module_verify(module);
}

static int64_t at(const az_module *module, const char *name)
{
	const az_func *main = az_module_main(module);
	const az_value *value = az_map_get(&main->names, az_name_of(module->ctx, name));
	return value ? value->at : -2;
}

/* Plans main and gives the arena's bytes less the slack behind the last value. */
static uint64_t planned(az_module *module)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE_FATAL(plan(module, "plan-memory"));
	uint64_t bytes = az_plan_arena_bytes(module);
	return bytes ? bytes - 64 : 0;
}

static void chain(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *m = parse(ctx, "func @main(%x: f32[1,8,8,16]) -> (\"y\": f32[1,8,8,16]) {\n"
				  "  %a = " CONV("%x") "  %b = " CONV("%a") "  %c = " CONV(
					  "%b") "  %d = " CONV("%c") "  return %d\n}\n");
	CU_ASSERT_EQUAL(planned(m), 2 * SIZE);
	CU_ASSERT_EQUAL(az_plan_lower_bound(m), 2 * SIZE);
	CU_ASSERT_TRUE(at(m, "x") >= 0); /* the kernel reads beyond its operand: copied */
	CU_ASSERT_EQUAL(at(m, "d"), -1); /* made in the caller's buffer */
	CU_ASSERT_EQUAL(at(m, "a") + at(m, "b"), SIZE);
	CU_ASSERT_EQUAL(at(m, "c"), at(m, "a"));
	az_module_free(m);
	az_ctx_free(ctx);
}

static void in_place(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *m = parse(ctx,
		"func @main(%x: f32[1,8,8,16]) -> (\"y\": f32[1,8,8,16]) {\n"
		"  %a = " CONV("%x") "  %b = " RELU("%a") "  %c = " CONV("%b") "  return %c\n}\n");
	CU_ASSERT_EQUAL(planned(m), 2 * SIZE);
	CU_ASSERT_EQUAL(at(m, "a"), at(m, "b"));
	CU_ASSERT_EQUAL(az_plan_lower_bound(m), 2 * SIZE);
	az_module_free(m);
	az_ctx_free(ctx);
}

static void alive_operand_keeps_its_place(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *m = parse(ctx,
		"func @main(%x: f32[1,8,8,16]) -> (\"y\": f32[1,8,8,16]) {\n"
		"  %a = " CONV("%x") "  %b = " RELU("%a") "  %c = " CONV(
			"%b") "  %d = call @add(%c, %a), kernel = \"eltwise\" : f32[1,8,8,16]\n"
			      "  %e = " CONV("%d") "  return %e\n}\n");
	CU_ASSERT_EQUAL(planned(m), 3 * SIZE);
	CU_ASSERT_NOT_EQUAL(at(m, "a"), at(m, "b"));
	CU_ASSERT_TRUE(at(m, "d") == at(m, "c") || at(m, "d") == at(m, "a"));
	az_module_free(m);
	az_ctx_free(ctx);
}

static void views(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *m = parse(ctx,
		"func @main(%x: f32[1,8,8,16]) -> (\"y\": f32[1,1024], \"z\": f32[1,1024]) {\n"
		"  %a = " CONV(
			"%x") "  %v = reshape %a, shape = [1, 1024] : f32[1,1024]\n"
			      "  %b = " CONV(
				      "%a") "  %u = reshape %b, shape = [1, 1024] : f32[1,1024]\n"
					    "  return %u, %v\n}\n");
	(void)planned(m);
	CU_ASSERT_EQUAL(at(m, "v"), at(m, "a"));
	CU_ASSERT_TRUE(at(m, "a") >= 0); /* read by a kernel as well: copied out at the end */
	CU_ASSERT_EQUAL(at(m, "b"), -1);
	CU_ASSERT_EQUAL(at(m, "u"), -1);
	az_module_free(m);
	az_ctx_free(ctx);
}

static void inputs_of_exact_kernels_stay(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *m = parse(ctx, "func @main(%x: f32[1,8,8,16]) -> (\"y\": f32[1,8,8,16], "
				  "\"same\": f32[1,8,8,16]) {\n"
				  "  %a = " RELU("%x") "  return %a, %x\n}\n");
	CU_ASSERT_EQUAL(planned(m), 0);
	CU_ASSERT_EQUAL(at(m, "x"), -1);
	CU_ASSERT_EQUAL(at(m, "a"), -1);
	az_module_free(m);
	az_ctx_free(ctx);
}

static void options(void)
{
	az_ctx *ctx = az_ctx_new();
	const char *body = "func @main(%x: f32[1,8,8,16]) -> (\"y\": f32[1,8,8,16]) {\n"
			   "  %a = " CONV("%x") "  %b = " CONV("%a") "  return %b\n}\n";
	az_module *m = parse(ctx, body);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_TRUE(plan(m, "plan-memory{align=256}"));
	CU_ASSERT_EQUAL(at(m, "a") % 256, 0);
	az_module *refused = parse(ctx, body);
	CU_ASSERT_PTR_NOT_NULL_FATAL(refused);
	CU_ASSERT_FALSE(plan(refused, "plan-memory{align=48}"));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), "power of two"));
	az_module_free(m);
	az_module_free(refused);
	az_ctx_free(ctx);
}

void test_backend_plan(void)
{
	unit_suite("backend plan",
		AZ_CASES({"a chain alternates between two places", chain},
			{"element-wise results take their operand's place", in_place},
			{"not while the operand is still needed", alive_operand_keeps_its_place},
			{"views lie where their operand lies", views},
			{"what exact kernels read stays outside", inputs_of_exact_kernels_stay},
			{"alignment", options}));
}
