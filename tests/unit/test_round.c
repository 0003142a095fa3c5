/* SPDX-License-Identifier: Apache-2.0
 *
 * round-weights: each method brings the quantized network nearer to the float one than rounding to nearest,
 * gives the same every time, and leaves weights that insert-quantizers keeps as they are. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "ir/eval/eval.h"
#include "ir/print.h"
#include "passes/quantize_plan.h"

#define SAMPLES 40

static uint64_t state;

static float noise(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (float)(state >> 40) * 0x1p-23f - 1.0f;
}

/* Pixels that resemble their neighbours, as those of pictures do. */
static bool sample(void *data, uint64_t i, az_tensor *inputs)
{
	(void)data;
	float *v = inputs[0].data, at = 0;
	state = i + 1;
	for (int64_t k = 0; k < az_type_numel(inputs[0].type); k++) {
		at = 0.8f * at + 0.6f * noise();
		v[k] = at + 0.5f;
	}
	return true;
}

static const az_stream samples = {.count = SAMPLES, .get = sample};

static void add_const(az_text *text, const char *name, const char *shape, int count)
{
	az_text_add(text, "const @%s : f32[%s] = [", name, shape);
	for (int i = 0; i < count; i++)
		az_text_add(text, "%s%.5f", i ? ", " : "", (double)noise());
	az_text_add(text, "]\n");
}

/* Convolution with groups and stride, depthwise, transposed without bias, and a product. */
static az_module *network(az_ctx *ctx)
{
	az_text text = {.arena = &ctx->arena};
	state = 7;
	az_text_add(&text, "adze 1 module \"net\" stage canonical\n");
	add_const(&text, "w", "8,3,3,2", 144);
	add_const(&text, "b", "8", 8);
	add_const(&text, "d", "8,3,3,1", 72);
	add_const(&text, "e", "8", 8);
	add_const(&text, "t", "4,2,2,8", 128);
	add_const(&text, "m", "64,5", 320);
	add_const(&text, "n", "5", 5);
	az_text_add(&text,
		"func @main(%%x: f32[1,8,8,4]) -> (\"y\": f32[1,5]) {\n"
		"  %%c = conv %%x, @w, @b, stride = [2, 2], pad = [1, 1, 1, 1], groups = 2, "
		"clamp = [0, 0f7f800000] : f32[1,4,4,8]\n"
		"  %%d = conv %%c, @d, @e, stride = [2, 2], pad = [1, 1, 1, 1], groups = 8, "
		"clamp = [0, 6] : f32[1,2,2,8]\n"
		"  %%t = conv_transpose %%d, @t, stride = [2, 2] : f32[1,4,4,4]\n"
		"  %%r = reshape %%t, shape = [1, 64] : f32[1,64]\n"
		"  %%y = matmul %%r, @m, @n : f32[1,5]\n"
		"  return %%y\n"
		"}\n");
	return az_parse_module(ctx, "net.adz", text.v, text.count, NULL);
}

static bool run(az_ctx *ctx, az_module *module, const char *text, const az_stream *calib)
{
	az_pass_env env = {.exec = &az_eval_exec, .calib = calib, .verify_each = true};
	az_pipeline pipeline;
	return az_parse_pipeline(ctx, &ctx->arena, "pipeline", text, &pipeline) &&
	       az_pipeline_run(module, &pipeline, &env);
}

static double squared_error(az_ctx *ctx, const az_module *a, const az_module *b)
{
	az_tensor in = az_tensor_new(&ctx->arena, az_module_main(a)->params.v[0]->type), out[2];
	double sum = 0;
	for (uint64_t i = 0; i < SAMPLES; i++) {
		sample(NULL, i, &in);
		CU_ASSERT_FATAL(az_eval_func(az_module_main(a), &ctx->arena, &in, &out[0]));
		CU_ASSERT_FATAL(az_eval_func(az_module_main(b), &ctx->arena, &in, &out[1]));
		for (uint64_t k = 0; k < 5; k++) {
			double d = az_tensor_get(&out[0], k) - az_tensor_get(&out[1], k);
			sum += d * d;
		}
	}
	return sum;
}

static const char *made(const char *method, az_ctx *ctx, double *error)
{
	az_module *module = network(ctx), *real = network(ctx);
	az_text text = {.arena = &ctx->arena};
	CU_ASSERT_FATAL(run(ctx, module,
		az_arena_printf(&ctx->arena,
			"calibrate,round-weights{method=%s,iterations=300,weights=3},"
			"insert-quantizers{weights=3}",
			method),
		&samples));
	*error = squared_error(ctx, real, module);
	az_module_print(&text, module);
	az_module_free(module);
	az_module_free(real);
	return text.v;
}

static void beats_nearest(void)
{
	az_ctx *ctx = az_ctx_new();
	double nearest, bias, gptq, both, adaround, again;
	made("nearest", ctx, &nearest);
	made("nearest,bias", ctx, &bias);
	const char *first = made("gptq", ctx, &gptq);
	CU_ASSERT_STRING_EQUAL(first, made("gptq", ctx, &again));
	made("gptq,bias", ctx, &both);
	first = made("adaround", ctx, &adaround);
	CU_ASSERT_STRING_EQUAL(first, made("adaround", ctx, &again));
	CU_ASSERT(gptq < nearest);
	CU_ASSERT(bias < nearest);
	CU_ASSERT(both < nearest);
	CU_ASSERT(adaround < nearest);
	az_ctx_free(ctx);
}

static float weight(const az_op *op, uint64_t i)
{
	const az_op *dq = az_value_op(op->args[1].value);
	const az_const *w = az_value_const(dq ? dq->args[0].value : op->args[1].value);
	if (!dq)
		return (float)az_const_get(w, i);
	uint64_t inner = (uint64_t)(az_type_numel(w->value.type) / w->value.type->dim[0]);
	uint64_t c = op->code == AZ_OP_matmul ? i % 5 : i / inner;
	return (float)az_const_get(w, i) *
	       (float)az_const_get(az_value_const(dq->args[1].value), c);
}

static void check_kept(const char *method)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = network(ctx);
	const char *step = az_arena_printf(&ctx->arena,
		"calibrate,round-weights{method=%s,iterations=20,weights=4}", method);
	CU_ASSERT_FATAL(run(ctx, module, step, &samples));
	az_module *before = az_module_clone(module, true);
	CU_ASSERT_FATAL(run(ctx, module, "insert-quantizers{weights=4}", &samples));
	const az_op *b = az_module_main(module)->first;
	int layers = 0;
	for (const az_op *a = az_module_main(before)->first; a; a = a->next) {
		if (!az_has_weights(a))
			continue;
		while (b->code != a->code)
			b = b->next;
		int64_t count = az_type_numel(a->args[1].value->type);
		for (uint64_t i = 0; i < (uint64_t)count; i++)
			CU_ASSERT_DOUBLE_EQUAL(weight(a, i), weight(b, i), 1e-5);
		b = b->next;
		layers++;
	}
	CU_ASSERT_EQUAL(layers, 4);
	az_module_free(before);
	az_module_free(module);
	az_ctx_free(ctx);
}

static void grid_is_kept(void)
{
	check_kept("gptq");
	check_kept("adaround");
}

/* Every form that weights can have. */
static const char *const forms[] = {"weights=2", "weights=ternary", "weights=1", "weights=u3",
	"weights=u2", "weights=3,group=2", "weights=u3,group=1", "weights=3,grid=odd",
	"weights=1,grid=odd", "weights=4,grid=power-of-two", "weights=1,grid=power-of-two",
	"weights=2,grid=codebook", "weights=4,grid=codebook", "weights=2,grid=codebook,group=2"};

static double error_with(az_ctx *ctx, const char *method, const char *form)
{
	az_module *module = network(ctx), *real = network(ctx);
	const char *text = az_arena_printf(&ctx->arena,
		"calibrate,round-weights{method=%s,iterations=300,%s},insert-quantizers{%s}",
		method, form, form);
	CU_ASSERT_FATAL(run(ctx, module, text, &samples));
	double error = squared_error(ctx, real, module);
	az_module_free(module);
	az_module_free(real);
	return error;
}

static void every_form(void)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		az_ctx *ctx = az_ctx_new();
		double nearest = error_with(ctx, "nearest", forms[i]);
		double gptq = error_with(ctx, "gptq", forms[i]);
		double adaround = error_with(ctx, "adaround", forms[i]);
		if (!(gptq < 0.9 * nearest) || !(adaround < 0.9 * nearest))
			printf("%s: nearest %g, gptq %g, adaround %g\n", forms[i], nearest, gptq,
				adaround);
		double pieces = error_with(ctx, "gptq,piece=7", forms[i]);
		CU_ASSERT(gptq < 0.9 * nearest);
		CU_ASSERT(adaround < 0.9 * nearest);
		CU_ASSERT(pieces < 0.9 * nearest && pieces != gptq);
		az_ctx_free(ctx);
	}
}

/* insert-quantizers takes the very weights that were chosen. */
static void every_form_is_kept(void)
{
	const char *methods[] = {"gptq", "adaround"};
	for (size_t i = 0; i < 2 * sizeof forms / sizeof *forms; i++) {
		az_ctx *ctx = az_ctx_new();
		const char *form = forms[i / 2];
		az_module *module = network(ctx);
		CU_ASSERT_FATAL(run(ctx, module,
			az_arena_printf(&ctx->arena,
				"calibrate,round-weights{method=%s,iterations=20,%s}",
				methods[i % 2], form),
			&samples));
		az_module *after = az_module_clone(module, true);
		CU_ASSERT_FATAL(run(ctx, after,
			az_arena_printf(&ctx->arena, "insert-quantizers{%s,acts=float}", form),
			NULL));
		az_module *real = network(ctx);
		CU_ASSERT(squared_error(ctx, module, after) <
			  1e-8 * squared_error(ctx, module, real));
		az_module_free(real);
		az_module_free(module);
		az_module_free(after);
		az_ctx_free(ctx);
	}
}

static void refuse(const char *step, const az_stream *calib, const char *wanted)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = network(ctx);
	CU_ASSERT_FATAL(run(ctx, module, "calibrate", &samples));
	CU_ASSERT_FALSE(run(ctx, module, step, calib));
	CU_ASSERT(strstr(unit_message(ctx, 0), wanted) != NULL);
	az_module_free(module);
	az_ctx_free(ctx);
}

static void refused(void)
{
	refuse("round-weights{method=up}", &samples, "there is no method \"up\"");
	refuse("round-weights{samples=0}", &samples, "samples = 0 must be positive");
	refuse("round-weights{effort=0}", &samples, "effort = 0 must be positive");
	refuse("round-weights{piece=0}", &samples, "piece = 0 must be positive");
	refuse("round-weights{damp=0}", &samples, "damp must be positive");
	refuse("round-weights", NULL, "there are no calibration samples");
	refuse("round-weights{weights=9}", &samples, "must be 1 to 8 bits");
}

static bool strange_sample(void *data, uint64_t i, az_tensor *inputs)
{
	float *v = inputs[0].data;
	(void)data;
	for (int64_t k = 0; k < az_type_numel(inputs[0].type); k++)
		v[k] = i ? NAN : 0.0f;
	return true;
}

/* Samples that show nothing, or no numbers, leave finite weights. */
static void strange_samples(void)
{
	for (uint64_t count = 1; count <= 2; count++) {
		az_stream strange = {.count = count, .get = strange_sample};
		const char *methods[] = {"gptq", "adaround", "nearest"};
		for (int i = 0; i < 3; i++) {
			az_ctx *ctx = az_ctx_new();
			az_module *module = network(ctx);
			const char *step = az_arena_printf(&ctx->arena,
				"calibrate,round-weights{method=%s,bias,iterations=5},"
				"insert-quantizers,fold-quantizers",
				methods[i]);
			CU_ASSERT(run(ctx, module, step, &strange));
			az_module_free(module);
			az_ctx_free(ctx);
		}
	}
}

/* Memory that runs out anywhere is reported, and everything is given back (the sanitizers see to that). */
static void memory_runs_out(void)
{
	bool enough = false;
	for (long n = 0; !enough; n += 1 + n / 24) {
		az_ctx *ctx = az_ctx_new();
		az_module *module = network(ctx);
		CU_ASSERT_FATAL(module != NULL);
		ctx->oom.fail_after = n;
		bool ok = run(ctx, module,
			"calibrate{method=mse},round-weights{method=adaround,bias,iterations=2,"
			"samples=2},insert-quantizers",
			&samples);
		enough = ctx->oom.fail_after >= 0; /* the failure was not reached */
		ctx->oom.fail_after = -1;
		CU_ASSERT(ok == enough);
		CU_ASSERT(ctx->guard_depth == 0);
		az_module_free(module);
		az_ctx_free(ctx);
	}
}

void test_round(void)
{
	unit_suite("round", AZ_CASES({"every method beats nearest", beats_nearest},
				    {"the grid is kept", grid_is_kept},
				    {"every form beats nearest", every_form},
				    {"every form is kept", every_form_is_kept},
				    {"refused", refused}, {"strange samples", strange_samples},
				    {"memory runs out", memory_runs_out}));
}
