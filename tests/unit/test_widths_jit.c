/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and activations of every width in convolutions, depthwise convolutions and products (tests/unit/widths.h):
 * that the cases cover what they should, and the compiled code of the x86-64 families that this machine runs, in
 * turns, against the interpreter. The sample; AZ_LONG: all cases. */
#include "tests/unit/jit_kit.h"

#include "tests/unit/widths.h"

static const char road[] = "widen-activations,select-kernels,pack-weights";

/* --- Coverage --------------------------------------------------------------------------------------- */

typedef struct cover {
	bool pairs[WIDTHS_WEIGHTS][WIDTHS_ACTIVATIONS], triples[WIDTHS_PAIRS][WIDTHS_OPS];
	bool weights[WIDTHS_WEIGHTS][WIDTHS_OPS], activations[WIDTHS_ACTIVATIONS][WIDTHS_OPS];
	bool w_with[WIDTHS_WEIGHTS][WIDTHS_VARIANTS][2];
	bool x_with[WIDTHS_ACTIVATIONS][WIDTHS_VARIANTS][2];
	bool op_with[WIDTHS_OPS][WIDTHS_VARIANTS][2];
	bool two[WIDTHS_VARIANTS][2][WIDTHS_VARIANTS][2];
	bool all[WIDTHS_PAIRS][WIDTHS_OPS][WIDTHS_VARIANTS][2];
} cover;

static void note(cover *v, const widths_case *c)
{
	uint32_t w = c->weights, x = c->activations, pair = w * WIDTHS_ACTIVATIONS + x;
	v->pairs[w][x] = v->weights[w][c->op] = v->activations[x][c->op] = true;
	v->triples[pair][c->op] = true;
	for (uint32_t i = 0; i < WIDTHS_VARIANTS; i++) {
		v->w_with[w][i][c->with[i]] = v->x_with[x][i][c->with[i]] = true;
		v->op_with[c->op][i][c->with[i]] = v->all[pair][c->op][i][c->with[i]] = true;
		for (uint32_t k = 0; k < WIDTHS_VARIANTS; k++)
			v->two[i][c->with[i]][k][c->with[k]] = true;
	}
}

/* What every list of cases must have seen. */
static bool pairwise(const cover *v)
{
	bool ok = true;
	for (uint32_t w = 0; w < WIDTHS_WEIGHTS; w++)
		for (uint32_t x = 0; x < WIDTHS_ACTIVATIONS; x++)
			ok = ok && v->pairs[w][x];
	for (uint32_t op = 0; op < WIDTHS_OPS; op++) {
		for (uint32_t w = 0; w < WIDTHS_WEIGHTS; w++)
			ok = ok && v->weights[w][op];
		for (uint32_t x = 0; x < WIDTHS_ACTIVATIONS; x++)
			ok = ok && v->activations[x][op];
	}
	for (uint32_t i = 0; i < WIDTHS_VARIANTS; i++) {
		for (uint32_t x = 0; x < WIDTHS_ACTIVATIONS; x++)
			ok = ok && v->x_with[x][i][0] &&
			     (v->x_with[x][i][1] || (i == WIDTHS_ZERO_X && x == 0));
		for (uint32_t w = 0; w < WIDTHS_WEIGHTS; w++)
			ok = ok && v->w_with[w][i][0] &&
			     (v->w_with[w][i][1] || (i == WIDTHS_ZERO_W && w == 0));
		for (uint32_t op = 0; op < WIDTHS_OPS; op++) {
			widths_case c = {.op = (widths_op)op, .weights = 1, .activations = 1};
			bool can = widths_applies(&c, (widths_variant)i);
			ok = ok && v->op_with[op][i][0] && v->op_with[op][i][1] == can;
		}
		for (uint32_t k = 0; k < WIDTHS_VARIANTS * 4; k++)
			ok = ok && (k / 4 == i || v->two[i][k & 1][k / 4][(k >> 1) & 1]);
	}
	return ok;
}

static uint32_t fill(cover *v, az_ctx *ctx, bool all)
{
	uint32_t *numbers, count = widths_list(&ctx->arena, all, WIDTHS_OPS, &numbers);
	for (uint32_t i = 0; i < count; i++) {
		widths_case c = widths_case_get(numbers[i]);
		note(v, &c);
	}
	return count;
}

static void coverage(void)
{
	az_ctx *ctx = az_ctx_new();
	cover *sample = az_new(&ctx->arena, cover), *all = az_new(&ctx->arena, cover);
	uint32_t count = fill(sample, ctx, false);
	CU_ASSERT_TRUE(pairwise(sample));
	CU_ASSERT_TRUE(count >= WIDTHS_PAIRS && count < WIDTHS_PAIRS + WIDTHS_PAIRS / 10);
	CU_ASSERT_EQUAL(fill(all, ctx, true), WIDTHS_CASES);
	CU_ASSERT_TRUE(pairwise(all));
	/* All: each triple with and without each variant that is anything to it. */
	for (uint32_t i = 0; i < WIDTHS_PAIRS * WIDTHS_OPS; i++) {
		widths_case c = widths_case_get(i);
		uint32_t pair = c.weights * WIDTHS_ACTIVATIONS + c.activations;
		CU_ASSERT_TRUE(all->triples[pair][c.op]);
		for (uint32_t k = 0; k < WIDTHS_VARIANTS; k++) {
			const bool *seen = all->all[pair][c.op][k];
			CU_ASSERT_TRUE(seen[0] && seen[1] == widths_applies(&c, (widths_variant)k));
		}
	}
	az_ctx_free(ctx);
}

/* --- Compiled ---------------------------------------------------------------------------------------- */

/* The case on family f; true when it cannot run here. */
static bool same_case(az_ctx *ctx, uint32_t number, const family *f)
{
	const az_target *t = az_target_get(ctx, NULL, f->cpu, f->attrs);
	if (!t || !t->native)
		return true;
	az_module *m = widths_module(ctx, &number, 1, NULL, NULL);
	if (!m) {
		printf("%s\n%s\n", widths_text(&ctx->arena, number), unit_message(ctx, 0));
		return false;
	}
	net n = {.ctx = ctx, .module = m, .at.func = az_module_main(m)};
	az_tensor x = az_tensor_new(&m->arena, n.at.func->params.v[0]->type), expected, actual;
	seed = number;
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
		printf("%s\non %s\n%.4000s\n%s\n", widths_text(&m->arena, number), f->cpu, text.v,
			unit_message(ctx, 0));
	}
	az_module_free(copy);
	az_module_free(m);
	return ok;
}

static void run_widths(void)
{
	const char *all = getenv("AZ_LONG");
	az_ctx *list = az_ctx_new();
	uint32_t *numbers;
	uint32_t count = widths_list(&list->arena, all && *all, WIDTHS_OPS, &numbers);
	for (uint32_t i = 0; i < count; i++) {
		if (!unit_takes(i))
			continue;
		az_ctx *ctx = az_ctx_new();
		CU_ASSERT_TRUE(same_case(ctx, numbers[i], &families[i % AZ_COUNT(families)]));
		az_ctx_free(ctx);
	}
	az_ctx_free(list);
}

void test_widths_jit(void)
{
	unit_suite("widths compiled",
		AZ_CASES({"coverage", coverage}, {"weights x activations", run_widths}));
}
