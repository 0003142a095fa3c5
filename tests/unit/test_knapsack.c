/* SPDX-License-Identifier: Apache-2.0
 *
 * The multiple-choice knapsack against trying everything, and against GLPK on larger random problems. */
#include "tests/unit/unit.h"

#include <glpk.h>
#include <math.h>

#include "passes/knapsack.h"

#define CLASSES_MAX 40
#define ITEMS_MAX   8

typedef struct problem {
	uint32_t count;
	az_knapsack_class class[CLASSES_MAX];
	az_knapsack_item item[CLASSES_MAX][ITEMS_MAX];
	uint64_t capacity;
} problem;

static uint64_t state;

static uint32_t pick(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

/* Sizes and losses as bitwidths have them, some of them at random; a capacity between all and nothing. */
static void make(problem *p, uint32_t count)
{
	uint64_t least = 0, most = 0;
	p->count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t items = 1 + pick(ITEMS_MAX), parameters = 1 + pick(5000);
		uint64_t lo = UINT64_MAX, hi = 0;
		for (uint32_t k = 0; k < items; k++) {
			uint64_t weight = pick(3) ? parameters * (k + 1) / 8 : pick(5000);
			double loss = pick(3) ? parameters * pow(0.25, k) : pick(1000) / 8.0;
			p->item[i][k] = (az_knapsack_item){weight, loss};
			lo = AZ_MIN(lo, weight);
			hi = AZ_MAX(hi, weight);
		}
		p->class[i] = (az_knapsack_class){items, p->item[i]};
		least += lo;
		most += hi;
	}
	p->capacity = least + (most - least) * pick(1000) / 999;
	if (pick(10) == 0)
		p->capacity = least - AZ_MIN(least, pick(2));
}

static double loss_of(const problem *p, const uint32_t *chosen, uint64_t *weight)
{
	double loss = 0;
	*weight = 0;
	for (uint32_t i = 0; i < p->count; i++) {
		loss += p->item[i][chosen[i]].loss;
		*weight += p->item[i][chosen[i]].weight;
	}
	return loss;
}

static double try_all(const problem *p, uint32_t class, uint64_t room)
{
	double best = INFINITY;
	if (class == p->count)
		return 0;
	for (uint32_t k = 0; k < p->class[class].count; k++) {
		const az_knapsack_item *item = &p->item[class][k];
		if (item->weight <= room)
			best = fmin(best, item->loss + try_all(p, class + 1, room - item->weight));
	}
	return best;
}

static double ask_glpk(const problem *p)
{
	glp_prob *lp = glp_create_prob();
	int row[CLASSES_MAX * ITEMS_MAX * 2 + 1], col[CLASSES_MAX * ITEMS_MAX * 2 + 1], n = 0;
	double value[CLASSES_MAX * ITEMS_MAX * 2 + 1];
	glp_term_out(GLP_OFF);
	glp_set_obj_dir(lp, GLP_MIN);
	glp_add_rows(lp, (int)p->count + 1);
	glp_set_row_bnds(lp, (int)p->count + 1, GLP_UP, 0, (double)p->capacity);
	for (uint32_t i = 0; i < p->count; i++) {
		glp_set_row_bnds(lp, (int)i + 1, GLP_FX, 1, 1);
		for (uint32_t k = 0; k < p->class[i].count; k++) {
			int at = glp_add_cols(lp, 1);
			glp_set_col_kind(lp, at, GLP_BV);
			glp_set_obj_coef(lp, at, p->item[i][k].loss);
			row[++n] = (int)i + 1, col[n] = at, value[n] = 1;
			row[++n] = (int)p->count + 1, col[n] = at,
			value[n] = (double)p->item[i][k].weight;
		}
	}
	glp_load_matrix(lp, n, row, col, value);
	glp_iocp parameters;
	glp_init_iocp(&parameters);
	parameters.presolve = GLP_ON;
	int status = glp_intopt(lp, &parameters);
	double loss = status == 0 && glp_mip_status(lp) == GLP_OPT ? glp_mip_obj_val(lp) : INFINITY;
	glp_delete_prob(lp);
	return loss;
}

static void check(const problem *p, double best)
{
	az_ctx *ctx = az_ctx_new();
	uint32_t chosen[CLASSES_MAX];
	uint64_t weight;
	bool fits = az_knapsack(&ctx->arena, p->count, p->class, p->capacity, chosen);
	CU_ASSERT_EQUAL(fits, isfinite(best));
	if (fits) {
		double loss = loss_of(p, chosen, &weight);
		CU_ASSERT_TRUE(weight <= p->capacity);
		CU_ASSERT_TRUE(fabs(loss - best) <= 1e-7 * (1 + fabs(best)));
	}
	az_ctx_free(ctx);
}

static void small_ones(void)
{
	static problem p;
	state = 1;
	for (int i = 0; i < 300; i++) {
		make(&p, 1 + pick(5));
		check(&p, try_all(&p, 0, p.capacity));
	}
}

static void large_ones(void)
{
	static problem p;
	state = 2;
	for (int i = 0; i < 20; i++) {
		make(&p, 5 + pick(CLASSES_MAX - 5));
		check(&p, ask_glpk(&p));
	}
}

static void no_classes(void)
{
	az_ctx *ctx = az_ctx_new();
	CU_ASSERT_TRUE(az_knapsack(&ctx->arena, 0, NULL, 0, NULL));
	az_ctx_free(ctx);
}

void test_knapsack(void)
{
	unit_suite("knapsack", AZ_CASES({"no classes", no_classes},
				       {"small ones against trying everything", small_ones},
				       {"large ones against GLPK", large_ones}));
}
