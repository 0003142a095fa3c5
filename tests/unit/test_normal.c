/* SPDX-License-Identifier: Apache-2.0
 *
 * What batch norms tell: means, ranges, biases and absorption against a network whose values really are
 * distributed so. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "ir/eval/eval.h"
#include "passes/normal.h"
#include "passes/pass.h"

#define SAMPLES 24

static uint64_t state;

static double even(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return ((double)(state >> 40) + 0.5) * 0x1p-24;
}

/* Box and Muller. */
static double gauss(void)
{
	return sqrt(-2 * log(even())) * cos(6.283185307179586 * even());
}

static bool sample(void *data, uint64_t i, az_tensor *inputs)
{
	(void)data;
	float *v = inputs[0].data;
	state = i + 99;
	for (int64_t k = 0; k < az_type_numel(inputs[0].type); k++)
		v[k] = (float)gauss();
	return true;
}

static const az_stream samples = {.count = SAMPLES, .get = sample};

/* Three channels of mean 1, -0.5, 4 and deviation 1, 2, 0.5 behind a relu, made from one number for each; a
 * second layer of few bits, and one behind it, since the first and last keep theirs. */
#define HEAD                                                                                       \
	"adze 1 module \"net\" stage canonical\n"                                                  \
	"const @s : f32[3,1,1,1] = [1, 2, 0.5]\n"                                                  \
	"const @m : f32[3] = [1, -0.5, 4]\n"                                                       \
	"const @w : f32[2,3,3,3] = ~54:-9:11~\n"                                                   \
	"const @b : f32[2] = [0.5, -1]\n"                                                          \
	"const @p : f32[2,1,1,3] = [0.3, 0.9, -0.7, 0.2, -0.45, 0.6]\n"                            \
	"const @v : f32[4,1,1,2] = [1, 2, 3, -1, 0.5, 2, 1, -1]\n"                                 \
	"func @main(%x: f32[1,12,12,3]) -> (\"y\": f32[1,12,12,4]) {\n"
#define NORMAL ", normal = [1, 1, -0.5, 2, 4, 0.5]"
#define FIRST(normal)                                                                              \
	"  %c = conv %x, @s, @m, groups = 3, clamp = [0, 0f7f800000]" normal " : f32[1,12,12,3]\n"
#define SECOND "  %d = conv %c, @p, @b : f32[1,12,12,2]\n"
#define LAST   "  %y = conv %d, @v : f32[1,12,12,4]\n  return %y\n}\n"

static const char padded[] =
	HEAD FIRST(NORMAL) "  %d = conv %c, @w, @b, pad = [1, 1, 1, 1] : f32[1,12,12,2]\n" LAST;
static const char plain[] = HEAD FIRST(NORMAL)
SECOND LAST;
static const char unknown[] = HEAD FIRST("") SECOND LAST;

static const char noted[] =
	HEAD FIRST(NORMAL) "  %d = conv %c, @p, @b, normal = [1, 3, 2, 4] : f32[1,12,12,2]\n" LAST;

static az_module *parse(az_ctx *ctx, const char *text)
{
	char *full = az_arena_copy(&ctx->arena, text, strlen(text)), *list = strchr(full, '~');
	if (list) { /* the weights of the padded layer */
		az_text t = {.arena = &ctx->arena};
		az_text_add(&t, "%.*s[", (int)(list - full), full);
		for (int i = 0; i < 54; i++)
			az_text_add(&t, "%s%d.%d", i ? ", " : "", i * 7 % 5 - 2, i * 13 % 10);
		az_text_add(&t, "]%s", strchr(list + 1, '~') + 1);
		full = t.v;
	}
	return az_parse_module(ctx, "net.adz", full, strlen(full), NULL);
}

static bool run(az_ctx *ctx, az_module *module, const char *text, const az_stream *calib)
{
	az_pass_env env = {.exec = &az_eval_exec, .calib = calib, .verify_each = true};
	az_pipeline pipeline;
	return az_parse_pipeline(ctx, &ctx->arena, "pipeline", text, &pipeline) &&
	       az_pipeline_run(module, &pipeline, &env);
}

static az_op *op_at(const az_module *module, int index)
{
	az_op *op = az_module_main(module)->first;
	while (index--)
		op = op->next;
	return op;
}

static double bias_at(const az_module *module, int op, uint64_t c)
{
	return az_const_get(az_value_const(op_at(module, op)->args[2].value), c);
}

static az_module *corrected(az_ctx *ctx, const char *text, const char *how)
{
	az_module *module = parse(ctx, text);
	CU_ASSERT_FATAL(module != NULL);
	CU_ASSERT_FATAL(run(ctx, module,
		az_arena_printf(&ctx->arena,
			"round-weights{method=nearest,%s,weights=2,acts=float,edges=8}", how),
		strcmp(how, "bias") == 0 ? &samples : NULL));
	return module;
}

/* The analytic correction, which sees no sample, is that by samples. */
static void analytic_is_that_of_data(void)
{
	const char *texts[] = {padded, plain};
	for (int i = 0; i < 2; i++) {
		az_ctx *ctx = az_ctx_new();
		az_module *before = parse(ctx, texts[i]);
		az_module *by_data = corrected(ctx, texts[i], "bias");
		az_module *analytic = corrected(ctx, texts[i], "analytic");
		double moved = 0;
		for (uint64_t c = 0; c < 2; c++) {
			double change = bias_at(by_data, 1, c) - bias_at(before, 1, c);
			moved = fmax(moved, fabs(change));
			CU_ASSERT_DOUBLE_EQUAL(bias_at(analytic, 1, c), bias_at(by_data, 1, c),
				0.03 * fabs(change) + 0.02);
		}
		CU_ASSERT(moved > 0.2);
		/* A layer without bias gets one. */
		CU_ASSERT(!az_op_arg(op_at(before, 2), 2) && az_op_arg(op_at(analytic, 2), 2));
		az_module_free(before);
		az_module_free(by_data);
		az_module_free(analytic);
		az_ctx_free(ctx);
	}
}

/* What is followed through a network against what is seen there. */
static const char road[] = HEAD FIRST(
	NORMAL) "  %a = add %c, %x, clamp = [0, 3] : f32[1,12,12,3]\n"
		"  %l = conv %c, @p, @b, clamp = [-1, 2] : f32[1,12,12,2]\n"
		"  %k = slice %c, begin = [0, 0, 0, 1], size = [1, 12, 12, 2] : f32[1,12,12,2]\n"
		"  %e = add %k, %l, clamp = [0, 4] : f32[1,12,12,2]\n"
		"  %q = concat %e, %c, axis = 3 : f32[1,12,12,5]\n"
		"  %z = pad %e, pad = [0, 0, 0, 0, 0, 0, 1, 1], value = 2 : f32[1,12,12,4]\n"
		"  %g = reduce %z, kind = mean, axes = [1, 2] : f32[1,1,1,4]\n"
		"  %f = reshape %q, shape = [1, 720] : f32[1,720]\n"
		"  %y = conv %l, @v : f32[1,12,12,4]\n  return %y\n}\n";

static void followed(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = parse(ctx, road);
	CU_ASSERT_FATAL(module != NULL);
	az_func *main = az_module_main(module);
	az_normal *normals = az_normals_of(main, &ctx->arena);
	uint32_t first = main->results.count;
	for (az_op *op = main->first; op; op = op->next)
		az_func_add_result(main, op->results[0]->name, op->results[0]);
	const char *known = "clkeqzgf"; /* all but %a, which adds an input */
	double sum[16][720] = {{0}};
	az_tensor in = az_tensor_new(&ctx->arena, main->params.v[0]->type), out[16];
	for (uint64_t i = 0; i < SAMPLES; i++) {
		sample(NULL, i, &in);
		CU_ASSERT_FATAL(az_eval_func(main, &ctx->arena, &in, out));
		for (uint32_t r = first; r < main->results.count; r++) {
			const az_type *type = out[r].type;
			int64_t channels = type->dim[type->rank - 1], n = az_type_numel(type);
			for (int64_t k = 0; k < n; k++)
				sum[r][k % channels] += az_tensor_get(&out[r], (uint64_t)k) *
							(double)channels / (double)n / SAMPLES;
		}
	}
	for (uint32_t r = first; r < main->results.count; r++) {
		const az_value *value = main->results.v[r].use->value;
		const az_normal *n = &normals[value->id];
		bool wanted = strchr(known, value->name[0]) || value->name[0] == 'y';
		CU_ASSERT_EQUAL(n->count > 0, wanted);
		double room = value->name[0] == 'f' ? 2 : 0.12;
		for (int64_t c = 0; c < n->count; c++)
			CU_ASSERT_DOUBLE_EQUAL(n->mean[c], sum[r][c], room);
	}
	az_module_free(module);
	az_ctx_free(ctx);
}

static void ranges(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = parse(ctx, plain);
	CU_ASSERT_FATAL(run(ctx, module, "calibrate{normal,deviations=3}", &samples));
	const az_value *c = op_at(module, 0)->results[0];
	/* -0.5 + 3 * 2 and 4 + 3 * 0.5 above; the relu below. */
	CU_ASSERT(c->range.known && c->range.lo == 0);
	CU_ASSERT_DOUBLE_EQUAL(c->range.hi, 5.5, 1e-6);
	az_module *narrow = parse(ctx, plain);
	CU_ASSERT_FATAL(run(ctx, narrow, "calibrate{normal,acts=3}", &samples));
	double hi = (double)op_at(narrow, 0)->results[0]->range.hi;
	CU_ASSERT(hi > 3.5 && hi < 5.6);
	az_module_free(module);
	az_module_free(narrow);
	az_ctx_free(ctx);
}

static double largest_difference(az_ctx *ctx, const az_module *a, const az_module *b)
{
	az_tensor in = az_tensor_new(&ctx->arena, az_module_main(a)->params.v[0]->type), out[2];
	double most = 0;
	sample(NULL, 0, &in);
	CU_ASSERT_FATAL(az_eval_func(az_module_main(a), &ctx->arena, &in, &out[0]));
	CU_ASSERT_FATAL(az_eval_func(az_module_main(b), &ctx->arena, &in, &out[1]));
	for (int64_t k = 0; k < az_type_numel(out[0].type); k++)
		most = fmax(most, fabs(az_tensor_get(&out[0], (uint64_t)k) -
					  az_tensor_get(&out[1], (uint64_t)k)));
	return most;
}

static void absorbed(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *before = parse(ctx, plain), *equal = parse(ctx, plain);
	az_module *after = parse(ctx, plain), *stopped = parse(ctx, padded);
	CU_ASSERT_FATAL(run(ctx, equal, "equalize", NULL));
	CU_ASSERT_FATAL(run(ctx, after, "equalize{absorb}", NULL));
	CU_ASSERT_FATAL(run(ctx, stopped, "equalize{absorb}", NULL));
	/* Of channel 2, of mean 4 and deviation 0.5, 2.5 is always passed; of the others nothing. */
	for (uint64_t c = 0; c < 3; c++) {
		double share = bias_at(after, 0, c) / bias_at(equal, 0, c);
		CU_ASSERT_DOUBLE_EQUAL(share, c == 2 ? 1.5 / 4 : 1, 1e-5);
	}
	CU_ASSERT(fabs(bias_at(after, 1, 0) - bias_at(equal, 1, 0)) > 0.1);
	CU_ASSERT(largest_difference(ctx, before, after) < 0.5);
	az_module *as_far = parse(ctx, padded);
	CU_ASSERT_FATAL(run(ctx, as_far, "equalize", NULL));
	CU_ASSERT_EQUAL(bias_at(stopped, 1, 0), bias_at(as_far, 1, 0));
	az_module_free(as_far);
	CU_ASSERT(largest_difference(ctx, before, equal) < 1e-4);
	az_reals *normal = az_normal_of(op_at(after, 0));
	CU_ASSERT_EQUAL_FATAL(normal->count, 6);
	CU_ASSERT_DOUBLE_EQUAL(normal->v[4] / normal->v[5], 3, 1e-5);
	az_module_free(before);
	az_module_free(equal);
	az_module_free(after);
	az_module_free(stopped);
	az_ctx_free(ctx);
}

static void refused(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = parse(ctx, unknown);
	CU_ASSERT_FALSE(run(ctx, module, "round-weights{method=nearest,analytic,acts=float}",
		NULL));
	CU_ASSERT(strstr(unit_message(ctx, 0), "no layer reads what a batch norm gives") != NULL);
	/* With samples these take over. */
	az_module *other = parse(ctx, unknown);
	CU_ASSERT(run(ctx, other, "round-weights{method=nearest,analytic,acts=float,weights=2}",
		&samples));
	az_stream made_up = samples;
	made_up.made_up = true;
	az_module *third = parse(ctx, unknown);
	CU_ASSERT_FALSE(run(ctx, third, "round-weights{method=nearest,analytic,acts=float}",
		&made_up));
	az_module_free(module);
	az_module_free(other);
	az_module_free(third);
	az_ctx_free(ctx);
	const char *texts[] = {HEAD FIRST(", normal = [1, 2]") SECOND LAST,
		HEAD FIRST(", normal = [1, 1, 2, -1, 3, 1]") SECOND LAST};
	const char *messages[] = {"normal has 2 entries, it takes none or two for each of 3",
		"mean 2 and deviation -1 must be finite"};
	for (int i = 0; i < 2; i++) {
		ctx = az_ctx_new();
		CU_ASSERT_PTR_NULL(parse(ctx, texts[i]));
		CU_ASSERT(strstr(unit_message(ctx, 0), messages[i]) != NULL);
		az_ctx_free(ctx);
	}
}

/* Channels that go take what is known of them along; quantizing takes the rest out. */
static void other_widths(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = parse(ctx, plain), *wider = parse(ctx, noted);
	CU_ASSERT_FATAL(run(ctx, wider,
		"rescale-widths{ratio=2,importance=magnitude,reconstruct=false}", NULL));
	const az_reals *normal = az_normal_of(op_at(wider, 1));
	CU_ASSERT_EQUAL_FATAL(normal->count, 8);
	CU_ASSERT_EQUAL(normal->v[0], normal->v[2]);
	CU_ASSERT_EQUAL(normal->v[4], normal->v[6]);
	az_module_free(wider);
	CU_ASSERT_FATAL(run(ctx, module, "insert-quantizers{acts=float}", NULL));
	for (az_op *op = az_module_main(module)->first; op; op = op->next)
		CU_ASSERT(!az_normal_of(op) || az_normal_of(op)->count == 0);
	az_module_free(module);
	az_ctx_free(ctx);
}

void test_normal(void)
{
	unit_suite("normal",
		AZ_CASES({"analytic bias correction is that of data", analytic_is_that_of_data},
			{"means are followed", followed}, {"ranges", ranges},
			{"absorption", absorbed}, {"refused", refused},
			{"other widths", other_widths}));
}
