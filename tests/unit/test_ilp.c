/* SPDX-License-Identifier: Apache-2.0
 *
 * Choices under several budgets against trying everything, with one budget against the knapsack; budgets that
 * nothing meets; and GLPK's environment, which may be in use by others. */
#include "tests/unit/unit.h"

#include <glpk.h>
#include <math.h>

#include "passes/ilp.h"
#include "passes/knapsack.h"

#define CLASSES_MAX 40
#define ITEMS_MAX   8
#define BUDGETS_MAX 3

typedef struct problem {
	uint32_t count, budgets;
	az_ilp_class class[CLASSES_MAX];
	az_ilp_item item[CLASSES_MAX][ITEMS_MAX];
	uint64_t weight[CLASSES_MAX][ITEMS_MAX][BUDGETS_MAX], capacity[BUDGETS_MAX];
} problem;

static uint64_t state;

static uint32_t pick(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

/* Bytes, work and time as bitwidths have them, some at random; work is in much larger numbers. */
static void make(problem *p, uint32_t count, uint32_t budgets)
{
	uint64_t least[BUDGETS_MAX] = {0}, most[BUDGETS_MAX] = {0};
	p->count = count;
	p->budgets = budgets;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t items = 1 + pick(ITEMS_MAX), parameters = 1 + pick(5000);
		uint64_t lo[BUDGETS_MAX] = {UINT64_MAX, UINT64_MAX, UINT64_MAX},
			 hi[BUDGETS_MAX] = {0};
		uint64_t macs = (uint64_t)parameters * (1 + pick(100000));
		for (uint32_t k = 0; k < items; k++) {
			uint64_t *w = p->weight[i][k];
			w[0] = pick(3) ? parameters * (k + 1) / 8 : pick(5000);
			w[1] = macs * (k + 1) * 8;
			w[2] = pick(100);
			p->item[i][k] = (az_ilp_item){
				w, pick(3) ? parameters * pow(0.25, k) : pick(1000) / 8.0};
			for (uint32_t b = 0; b < BUDGETS_MAX; b++) {
				lo[b] = AZ_MIN(lo[b], w[b]);
				hi[b] = AZ_MAX(hi[b], w[b]);
			}
		}
		p->class[i] = (az_ilp_class){items, p->item[i]};
		for (uint32_t b = 0; b < BUDGETS_MAX; b++) {
			least[b] += lo[b];
			most[b] += hi[b];
		}
	}
	for (uint32_t b = 0; b < BUDGETS_MAX; b++)
		p->capacity[b] = least[b] + (most[b] - least[b]) / 1000 * pick(1000);
}

static double try_all(const problem *p, uint32_t class, const uint64_t *room)
{
	double best = INFINITY;
	if (class == p->count)
		return 0;
	for (uint32_t k = 0; k < p->class[class].count; k++) {
		const az_ilp_item *item = &p->item[class][k];
		uint64_t left[BUDGETS_MAX];
		bool fits = true;
		for (uint32_t b = 0; b < p->budgets; b++) {
			fits = fits && item->weight[b] <= room[b];
			left[b] = room[b] - item->weight[b];
		}
		if (fits)
			best = fmin(best, item->loss + try_all(p, class + 1, left));
	}
	return best;
}

static void check(const problem *p, double best)
{
	az_ctx *ctx = az_ctx_new();
	uint32_t chosen[CLASSES_MAX];
	az_ilp_result result =
		az_ilp(&ctx->arena, p->count, p->class, p->budgets, p->capacity, chosen);
	CU_ASSERT_EQUAL(result, isfinite(best) ? AZ_ILP_BEST : AZ_ILP_NONE);
	if (result == AZ_ILP_BEST) {
		double loss = 0;
		uint64_t sum[BUDGETS_MAX] = {0};
		for (uint32_t i = 0; i < p->count; i++) {
			loss += p->item[i][chosen[i]].loss;
			for (uint32_t b = 0; b < p->budgets; b++)
				sum[b] += p->item[i][chosen[i]].weight[b];
		}
		for (uint32_t b = 0; b < p->budgets; b++)
			CU_ASSERT_TRUE(sum[b] <= p->capacity[b]);
		CU_ASSERT_TRUE(fabs(loss - best) <= 1e-6 * (1 + fabs(best)));
	}
	az_ctx_free(ctx);
}

static void small_ones(void)
{
	static problem p;
	state = 1;
	for (int i = 0; i < 200; i++) {
		make(&p, 1 + pick(5), 2 + pick(2));
		check(&p, try_all(&p, 0, p.capacity));
	}
}

/* With one budget the knapsack says what the best is, for as many classes as there are. */
static void one_budget(void)
{
	static problem p;
	state = 3;
	for (int i = 0; i < 20; i++) {
		static az_knapsack_item item[CLASSES_MAX][ITEMS_MAX];
		az_knapsack_class class[CLASSES_MAX];
		uint32_t chosen[CLASSES_MAX];
		az_ctx *ctx = az_ctx_new();
		make(&p, 5 + pick(CLASSES_MAX - 5), 1);
		double best = INFINITY;
		for (uint32_t c = 0; c < p.count; c++) {
			for (uint32_t k = 0; k < p.class[c].count; k++)
				item[c][k] =
					(az_knapsack_item){p.weight[c][k][0], p.item[c][k].loss};
			class[c] = (az_knapsack_class){p.class[c].count, item[c]};
		}
		if (az_knapsack(&ctx->arena, p.count, class, p.capacity[0], chosen)) {
			best = 0;
			for (uint32_t c = 0; c < p.count; c++)
				best += p.item[c][chosen[c]].loss;
		}
		check(&p, best);
		az_ctx_free(ctx);
	}
}

static void edges(void)
{
	az_ctx *ctx = az_ctx_new();
	uint32_t chosen[2];
	uint64_t weights[] = {5, 7, 3, 9}, room[] = {8, 8};
	az_ilp_item items[] = {{weights, 1.0}, {weights + 2, 2.0}};
	az_ilp_class classes[] = {{2, items}};
	CU_ASSERT_EQUAL(az_ilp(&ctx->arena, 0, NULL, 2, room, chosen), AZ_ILP_BEST);
	CU_ASSERT_EQUAL(az_ilp(&ctx->arena, 1, classes, 2, room, chosen), AZ_ILP_BEST);
	CU_ASSERT_EQUAL(chosen[0], 0);
	room[0] = 4; /* only the second, which is too large for the other budget */
	CU_ASSERT_EQUAL(az_ilp(&ctx->arena, 1, classes, 2, room, chosen), AZ_ILP_NONE);
	room[0] = room[1] = 0;
	CU_ASSERT_EQUAL(az_ilp(&ctx->arena, 1, classes, 2, room, chosen), AZ_ILP_NONE);
	CU_ASSERT_EQUAL(az_ilp(&ctx->arena, 1, classes, 0, NULL, chosen), AZ_ILP_BEST);
	CU_ASSERT_EQUAL(chosen[0], 0);
	az_ctx_free(ctx);
}

/* What others have in GLPK stays. When memory runs out in it that is said, and the next question works. */
static void glpk_of_others(void)
{
	enum { MANY = 4000 };
	az_ctx *ctx = az_ctx_new();
	uint64_t weights[] = {5, 7}, room[] = {8};
	az_ilp_item items[] = {{weights, 2.0}, {weights + 1, 1.0}};
	az_ilp_class *classes = az_new_array(&ctx->arena, az_ilp_class, MANY);
	uint32_t *chosen = az_new_array(&ctx->arena, uint32_t, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		classes[i] = (az_ilp_class){2, items};
	glp_prob *lp = glp_create_prob();
	glp_add_rows(lp, 3);
	CU_ASSERT_EQUAL(az_ilp(&ctx->arena, 1, classes, 1, room, chosen), AZ_ILP_BEST);
	CU_ASSERT_EQUAL(chosen[0], 1);
	CU_ASSERT_EQUAL(glp_get_num_rows(lp), 3);
	glp_delete_prob(lp);
	glp_mem_limit(1);
	room[0] = 5 * MANY + 100;
	CU_ASSERT_EQUAL(az_ilp(&ctx->arena, MANY, classes, 1, room, chosen), AZ_ILP_FAILED);
	room[0] = 8;
	CU_ASSERT_EQUAL(az_ilp(&ctx->arena, 1, classes, 1, room, chosen), AZ_ILP_BEST);
	CU_ASSERT_EQUAL(chosen[0], 1);
	az_ctx_free(ctx);
}

void test_ilp(void)
{
	unit_suite("ilp", AZ_CASES({"edges", edges},
				  {"two and three budgets against trying everything", small_ones},
				  {"one budget against the knapsack", one_budget},
				  {"GLPK is left as it was", glpk_of_others}));
}
