/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and activations of every width in convolutions, depthwise convolutions and products, compiled for
 * the x86-64 families that this machine runs, against the interpreter. Every 7th case; AZ_LONG: all. */
#include "tests/unit/jit_kit.h"

#include "tests/unit/widths.h"

static const char road[] = "widen-activations,select-kernels,pack-weights";

/* Case i on family f; true when it cannot run here. */
static bool same_case(az_ctx *ctx, uint32_t i, const family *f)
{
	const az_target *t = az_target_get(ctx, NULL, f->cpu, f->attrs);
	if (!t || !t->native)
		return true;
	az_module *m = widths_module(ctx, i, 1);
	if (!m)
		return false;
	net n = {.ctx = ctx, .module = m, .at.func = az_module_main(m)};
	az_tensor x = az_tensor_new(&m->arena, n.at.func->params.v[0]->type), expected, actual;
	seed = i;
	for (uint64_t k = 0; k < WIDTHS_INPUT; k++)
		az_tensor_set(&x, k, (double)pick(-32768, 32767));
	new_results(&n, &expected);
	new_results(&n, &actual);
	az_module *copy = az_module_clone(m, true);
	bool ok = run(&az_eval_exec, m, &x, &expected) && pass(copy, t, road) &&
		  run(&az_backend_jit, copy, &x, &actual) && equal(&expected, &actual, false);
	if (!ok) {
		az_text text = {.arena = &m->arena};
		az_module_print(&text, m);
		printf("case %u on %s\n%.4000s\n%s\n", i, f->cpu, text.v, unit_message(ctx, 0));
	}
	az_module_free(copy);
	az_module_free(m);
	return ok;
}

static void run_widths(void)
{
	const char *all = getenv("AZ_LONG");
	uint32_t step = all && *all ? 1 : 7;
	for (uint32_t i = 0; i < WIDTHS_CASES; i += step)
		for (uint32_t k = 0; k < AZ_COUNT(families); k++) {
			/* The families take turns in the short run. */
			if (step > 1 && (i / step + k) % AZ_COUNT(families) != 0)
				continue;
			az_ctx *ctx = az_ctx_new();
			CU_ASSERT_TRUE(same_case(ctx, i, &families[k]));
			az_ctx_free(ctx);
		}
}

void test_widths_jit(void)
{
	unit_suite("widths compiled", AZ_CASES({"weights x activations", run_widths}));
}
