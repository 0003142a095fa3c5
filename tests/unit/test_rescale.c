/* SPDX-License-Identifier: Apache-2.0
 *
 * rescale-widths: a network that is widened computes the same; narrowed again, with its copies gone and its
 * layers fitted, it computes nearly the same; what it cannot do it refuses. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "ir/eval/eval.h"
#include "ir/verify.h"
#include "passes/pass.h"

#define SAMPLES 24

/* Weights without pattern, so that no channel can stand in for another. */
static az_value *weights(az_module *module, const char *name, uint32_t rank, const int64_t *dim)
{
	size_t count = 1;
	for (uint32_t i = 0; i < rank; i++)
		count *= (size_t)dim[i];
	float *v = az_new_array(&module->arena, float, count);
	for (size_t i = 0; i < count; i++)
		v[i] = sinf((float)(i * i % 1009) + (float)name[0]) / sqrtf((float)dim[1] + 3);
	return &az_const_f32(module, name, rank, dim, v)->value;
}

static az_module
	*made; /* the module that make began last: to be freed when it did not come to its end */

static az_module *make(az_ctx *ctx)
{
	made = NULL;
	az_module *module = made = az_module_new(ctx, "net");
	module->stage = AZ_STAGE_CANONICAL;
	az_func *main = az_func_new(module, "main");
	az_value *x =
		az_func_add_param(main, "x", az_type_get(ctx, AZ_F32, 4, (int64_t[]){1, 6, 6, 3}));
	az_builder at = {.func = main};
	az_attrs conv, mean;
	az_attrs_init(AZ_OP_conv, &conv);
	conv.conv.pad = az_ints_copy(module, 4, (int64_t[]){1, 1, 1, 1});
	az_value *a = az_build(&at, AZ_OP_conv, 3,
		(az_value *[]){x, weights(module, "a", 4, (int64_t[]){8, 3, 3, 3}),
			weights(module, "b", 1, (int64_t[]){8, 0})},
		&conv, AZ_F32);
	az_value *r = az_build(&at, AZ_OP_tanh, 1, &a, NULL, AZ_F32);
	az_value *b = az_build(&at, AZ_OP_conv, 3,
		(az_value *[]){r, weights(module, "c", 4, (int64_t[]){8, 3, 3, 8}),
			weights(module, "d", 1, (int64_t[]){8, 0})},
		&conv, AZ_F32);
	az_value *s = az_build(&at, AZ_OP_add, 2, (az_value *[]){b, r}, NULL, AZ_F32);
	az_attrs_init(AZ_OP_reduce, &mean);
	mean.reduce.kind = AZ_reduction_mean;
	mean.reduce.drop = true;
	mean.reduce.axes = az_ints_copy(module, 2, (int64_t[]){1, 2});
	az_value *m = az_build(&at, AZ_OP_reduce, 1, &s, &mean, AZ_F32);
	az_value *y = az_build(&at, AZ_OP_matmul, 2,
		(az_value *[]){m, weights(module, "e", 2, (int64_t[]){8, 5})}, NULL, AZ_F32);
	az_func_add_result(main, "y", y);
	return module;
}

static bool sample(void *data, uint64_t i, az_tensor *inputs)
{
	(void)data;
	float *v = inputs[0].data;
	for (int k = 0; k < 108; k++)
		v[k] = sinf((float)(k * 7 + 131 * (int)i) * 0.37f);
	return true;
}

static const az_stream samples = {.count = SAMPLES, .get = sample};
static const az_pass_env env = {.exec = &az_eval_exec, .calib = &samples};

static bool run(az_ctx *ctx, az_module *module, const char *text, const az_pass_env *with)
{
	az_pipeline pipeline;
	return az_parse_pipeline(ctx, &ctx->arena, "pipeline", text, &pipeline) &&
	       az_pipeline_run(module, &pipeline, with);
}

/* The largest difference of the outputs over the samples, by the largest output. */
static double difference(az_ctx *ctx, az_module *a, az_module *b)
{
	double most = 0, largest = 0;
	for (uint64_t i = 0; i < SAMPLES; i++) {
		az_tensor in = az_tensor_new(&ctx->arena, az_module_main(a)->params.v[0]->type);
		az_tensor x, y;
		(void)sample(NULL, i, &in);
		if (!az_eval_func(az_module_main(a), &ctx->arena, &in, &x) ||
			!az_eval_func(az_module_main(b), &ctx->arena, &in, &y))
			return INFINITY;
		for (uint64_t k = 0; k < 5; k++) {
			double p = az_tensor_get(&x, k), q = az_tensor_get(&y, k);
			most = fmax(most, fabs(p - q));
			largest = fmax(largest, fabs(p));
		}
	}
	return most / largest;
}

static int64_t channels_of(const az_module *module)
{
	const az_op *op = az_module_main(module)->first;
	return op->results[0]->type->dim[3];
}

static void widened(void)
{
	static const struct {
		const char *ratio;
		int64_t channels;
	} cases[] = {{"1", 8}, {"1.4", 11}, {"2", 16}, {"3.1", 25}};
	for (size_t i = 0; i < AZ_COUNT(cases); i++) {
		az_ctx *ctx = az_ctx_new();
		az_module *net = make(ctx), *wide = az_module_clone(net, false);
		char *text = az_arena_printf(&ctx->arena,
			"rescale-widths{importance=magnitude,ratio=%s}", cases[i].ratio);
		CU_ASSERT_TRUE(run(ctx, wide, text, &env) && az_module_verify(wide));
		CU_ASSERT_EQUAL(channels_of(wide), cases[i].channels);
		CU_ASSERT_TRUE(difference(ctx, net, wide) < 1e-5);
		az_module_free(wide);
		az_module_free(net);
		az_ctx_free(ctx);
	}
}

static void narrowed(void)
{
	static const char *const methods[] = {"magnitude", "activation", "taylor"};
	for (size_t i = 0; i < AZ_COUNT(methods); i++) {
		az_ctx *ctx = az_ctx_new();
		az_module *net = make(ctx), *a = az_module_clone(net, false);
		CU_ASSERT_TRUE(run(ctx, a, "rescale-widths{importance=magnitude,ratio=2}", &env));
		az_module *b = az_module_clone(a, false);
		const char *m = methods[i];
		char *fitted = az_arena_printf(&ctx->arena,
			"rescale-widths{ratio=0.5,damp=1e-06,importance=%s}", m);
		char *plain = az_arena_printf(&ctx->arena,
			"rescale-widths{ratio=0.5,importance=%s,reconstruct=false}", m);
		CU_ASSERT_TRUE(run(ctx, a, fitted, &env) && run(ctx, b, plain, &env));
		CU_ASSERT_TRUE(az_module_verify(a) && az_module_verify(b));
		CU_ASSERT_EQUAL(channels_of(a), 8);
		CU_ASSERT_EQUAL(channels_of(b), 8);
		double with = difference(ctx, net, a), without = difference(ctx, net, b);
		CU_ASSERT_TRUE(with < without);
		az_module_free(b);
		az_module_free(a);
		az_module_free(net);
		az_ctx_free(ctx);
	}
}

static void refused(void)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"rescale-widths{ratio=0}", "ratio = 0 must be above 0 and at most 8"},
		{"rescale-widths{ratio=9}", "ratio = 9 must be above 0 and at most 8"},
		{"rescale-widths{multiple=0}", "multiple = 0 must be 1 to 4096"},
		{"rescale-widths{importance=luck}", "there is no importance \"luck\""},
		{"rescale-widths{ratio=0.5}", "there are no calibration samples"},
	};
	for (size_t i = 0; i < AZ_COUNT(cases); i++) {
		az_ctx *ctx = az_ctx_new();
		az_module *net = make(ctx);
		az_pass_env none = {.exec = &az_eval_exec};
		CU_ASSERT_FALSE(run(ctx, net, cases[i].text, &none));
		CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), cases[i].message));
		az_module_free(net);
		az_ctx_free(ctx);
	}
}

static bool without_memory(az_ctx *ctx)
{
	made = NULL;
	AZ_GUARD(ctx, {
		az_module_free(made);
		return false;
	});
	az_module *net = make(ctx);
	bool ok = run(ctx, net, "rescale-widths{ratio=0.5,samples=1}", &env);
	AZ_UNGUARD(ctx);
	az_module_free(net);
	return ok;
}

static void every_allocation_fails(void)
{
	unit_every_allocation_fails(without_memory);
}

void test_rescale(void)
{
	unit_suite("rescale",
		AZ_CASES({"widened", widened}, {"narrowed", narrowed}, {"refused", refused},
			{"every allocation fails", every_allocation_fails}));
}
