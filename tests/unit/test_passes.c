/* SPDX-License-Identifier: Apache-2.0
 *
 * The pass manager as a library: where the default road continues, what a failing pass leaves behind, a
 * whole road without memory at every allocation; and the scale of weights that lie on a grid. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "ir/eval/eval.h"
#include "ir/print.h"
#include "passes/manager.h"
#include "passes/quantize_plan.h"

static const char network[] =
	"adze 1 module \"net\" stage imported\n"
	"const @w : f32[2,3,3,2] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, 0.8, -0.9, 1, 1.1, 1.2, "
	"1.3,"
	" -1.4, 1.5, 1.6, 1.7, 1.8, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3,"
	" 1.4, 1.5, 1.6, 1.7, 1.8]\n"
	"const @g : f32[2] = [2, 0.5]\n"
	"const @h : f32[2] = [1, -1]\n"
	"const @m : f32[32,3] = splat 0.25\n"
	"func @main(%x: f32[1,2,4,4]) -> (\"y\": f32[1,3]) {\n"
	"  %t = transpose %x, perm = [0, 2, 3, 1] : f32[1,4,4,2]\n"
	"  %c = conv %t, @w, pad = [1, 1, 1, 1] : f32[1,4,4,2]\n"
	"  %u = transpose %c, perm = [0, 3, 1, 2] : f32[1,2,4,4]\n"
	"  %n = batch_norm %u, @g, @h, @h, @g, axis = 1 : f32[1,2,4,4]\n"
	"  %r = relu %n : f32[1,2,4,4]\n"
	"  %a = add %r, %x : f32[1,2,4,4]\n"
	"  %f = reshape %a, shape = [1, 32] : f32[1,32]\n"
	"  %p = matmul %f, @m : f32[1,3]\n"
	"  %y = softmax %p : f32[1,3]\n"
	"  return %y\n"
	"}\n";

static bool sample(void *data, uint64_t i, az_tensor *inputs)
{
	(void)data;
	float *v = inputs[0].data;
	for (int k = 0; k < 32; k++)
		v[k] = sinf((float)(k + 32 * (int)i));
	return true;
}

static const az_stream samples = {.count = 2, .get = sample};

static bool run(az_ctx *ctx, az_module *module, const char *text, const az_pass_env *env)
{
	az_arena arena;
	az_pipeline pipeline;
	az_arena_init(&arena, &ctx->oom);
	bool ok = az_parse_pipeline(ctx, &arena, "pipeline", text, &pipeline) &&
		  az_pipeline_run(module, &pipeline, env);
	az_arena_free(&arena);
	return ok;
}

static az_module *parse(az_ctx *ctx)
{
	return az_parse_module(ctx, "net.adz", network, sizeof network - 1, NULL);
}

static void road_resumes(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = parse(ctx);
	az_road road = {.quantize = true, .weights = "4", .acts = "8", .to_canonical_only = true};
	az_pass_env env = {.exec = &az_eval_exec, .calib = &samples, .verify_each = true};
	CU_ASSERT_STRING_EQUAL(az_road_text(&ctx->arena, module, &road),
		"infer-shapes,fold-constants,canonicalize,decompose,fold-batchnorm,fuse-activation,"
		"sink-transposes,calibrate{weights=4},insert-quantizers{weights=4},fold-"
		"quantizers");
	CU_ASSERT(run(ctx, module, "infer-shapes,fold-constants,dce,canonicalize", &env));
	CU_ASSERT_STRING_EQUAL(az_road_text(&ctx->arena, module, &road),
		"decompose,fold-batchnorm,fuse-activation,sink-transposes,calibrate{weights=4},"
		"insert-quantizers{weights=4},fold-quantizers");
	CU_ASSERT(run(ctx, module, az_road_text(&ctx->arena, module, &road), &env));
	CU_ASSERT_EQUAL(module->stage, AZ_STAGE_FOLDED);
	CU_ASSERT_STRING_EQUAL(az_road_text(&ctx->arena, module, &road), "");
	az_module_free(module);
	az_ctx_free(ctx);
}

/* Quantizing does not lose the answer: the classes' probabilities stay near. */
static void quantized_is_near(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = parse(ctx), *before = parse(ctx);
	az_road road = {.quantize = true, .to_canonical_only = true};
	az_pass_env env = {.exec = &az_eval_exec, .calib = &samples, .check_each = true};
	CU_ASSERT(run(ctx, module, az_road_text(&ctx->arena, module, &road), &env));
	az_tensor in = az_tensor_new(&ctx->arena, az_module_main(module)->params.v[0]->type),
		  out[2];
	sample(NULL, 1, &in);
	CU_ASSERT(az_eval_func(az_module_main(before), &ctx->arena, &in, &out[0]));
	CU_ASSERT(az_eval_func(az_module_main(module), &ctx->arena, &in, &out[1]));
	for (uint64_t i = 0; i < 3; i++)
		CU_ASSERT(fabs(az_tensor_get(&out[0], i) - az_tensor_get(&out[1], i)) < 0.02);
	az_module_free(module);
	az_module_free(before);
	az_ctx_free(ctx);
}

static void crash_file(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = parse(ctx);
	const char *file = unit_path(ctx, "crash.adz");
	az_pass_env env = {.crash_path = file}; /* no samples: calibrate fails */
	CU_ASSERT_FALSE(run(ctx, module, "sink-transposes,calibrate{samples=3},dce", &env));
	CU_ASSERT_STRING_EQUAL(unit_message(ctx, 0),
		"pipeline:1:17: error: calibrate: there are no calibration samples\n"
		"    1 | sink-transposes,calibrate{samples=3},dce\n"
		"      |                 ^~~~~~~~~\n");
	az_bytes bytes;
	CU_ASSERT_FATAL(az_file_map(ctx, file, &bytes));
	static const char first[] =
		"# RUN: adze opt -p \"calibrate{samples=3},dce\" %s\n"
		"adze 1 module \"net\" stage canonical done [\"sink-transposes\"]\n";
	CU_ASSERT(bytes.size > sizeof first && memcmp(bytes.data, first, sizeof first - 1) == 0);
	az_file_unmap(bytes);
	az_module *back = az_parse_file(ctx, file, NULL);
	CU_ASSERT(back != NULL);
	if (back)
		az_module_free(back);
	az_module_free(module);
	az_ctx_free(ctx);
}

static bool whole_road(az_ctx *ctx)
{
	az_pass_env env = {.exec = &az_eval_exec, .calib = &samples};
	az_module *module = parse(ctx);
	if (!module)
		return false;
	bool ok = run(ctx, module,
		"infer-shapes,fold-constants,canonicalize,decompose,fold-batchnorm,fuse-activation,"
		"sink-transposes,calibrate,insert-quantizers,fold-quantizers,dce",
		&env);
	az_module_free(module);
	return ok;
}

static void weights_on_a_grid(void)
{
	float on[] = {
		0.3f, -0.6f, 0.9f, 0, 11.4f}; /* 1, -2, 3, 0, 38 times 0.3, thirds of it fit too */
	float off[] = {0.3f, -0.61f, 0.957f, 0.001f, 11.4f};
	float none[] = {0, 0};
	CU_ASSERT_DOUBLE_EQUAL(az_weight_scale(on, 5, -127, 127), 0.1, 1e-6);
	float scale = az_weight_scale(off, 5, -127, 127);
	CU_ASSERT(scale <= 11.4f / 127 && scale >= 11.4f / 127 * 0.75f);
	CU_ASSERT_EQUAL(az_weight_scale(none, 2, -127, 127), 1.0f);
}

/* Squared error of the weights stored as least to most. */
static double weight_error(const float *w, int n, float scale, float least, float most)
{
	double sum = 0;
	for (int i = 0; i < n; i++) {
		double error =
			(double)(w[i] - fminf(fmaxf(rintf(w[i] / scale), least), most) * scale);
		sum += error * error;
	}
	return sum;
}

/* Of few bits no scale of a fine sweep has a much smaller error. */
static void scale_of_few_bits(void)
{
	float w[64];
	uint32_t state = 5;
	for (int i = 0; i < 64; i++) {
		float sum = 0;
		for (int k = 0; k < 6; k++) {
			state = state * 1664525u + 1013904223u;
			sum += (float)(state >> 8) * 0x1p-24f - 0.5f;
		}
		w[i] = sum * sum * sum;
	}
	for (int bits = 2; bits <= 6; bits++) {
		float most = (float)((1 << (bits - 1)) - 1), best = INFINITY;
		float least = bits <= 4 ? -most - 1 : -most;
		for (int i = 1; i < 4000; i++)
			best = fminf(best,
				(float)weight_error(w, 64, (float)i * 1e-3f, least, most));
		float scale = az_weight_scale(w, 64, (int64_t)least, (int64_t)most);
		CU_ASSERT(weight_error(w, 64, scale, least, most) <= 1.05 * (double)best);
	}
}

static void no_memory(void)
{
	unit_every_allocation_fails(whole_road);
}

void test_passes(void)
{
	unit_suite("passes",
		AZ_CASES({"the road continues where it stopped", road_resumes},
			{"a quantized network answers alike", quantized_is_near},
			{"what a failing pass leaves", crash_file},
			{"weights on a grid keep it", weights_on_a_grid},
			{"scales of few bits", scale_of_few_bits}, {"no memory", no_memory}));
}
