/* SPDX-License-Identifier: Apache-2.0
 *
 * The order that needs least memory, against every possible order of small random graphs; and on one
 * with more sets of steps than can be looked at. */
#include "tests/unit/unit.h"

#include <string.h>

#include "backend/order.h"

#define STEPS_MAX 24

static uint64_t state;

static uint32_t pick(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

static void read_buffer(az_order_problem *p, az_order_step *step, uint32_t buffer, az_arena *arena)
{
	for (uint32_t i = 0; i < step->reads.count; i++)
		if (step->reads.v[i] == buffer)
			return;
	az_vec_push(arena, &step->reads, buffer);
	p->buffer[buffer].readers++;
}

/* One or two inputs; each step reads up to three buffers, of the latest `near` ones, and makes up to two. */
static void make(az_order_problem *p, uint32_t steps, uint32_t near, az_arena *arena)
{
	*p = (az_order_problem){.step = az_new_array(arena, az_order_step, steps + 1u),
		.buffer = az_new_array(arena, az_order_buffer, 2 * steps + 3)};
	for (uint32_t i = 0; i <= pick(2); i++)
		p->buffer[p->buffer_count++] = (az_order_buffer){
			.size = 64 * pick(9), .maker = AZ_NO_STEP, .kept = pick(8) == 0};
	for (uint32_t i = 0; i < steps; i++) {
		az_order_step *step = &p->step[i];
		for (uint32_t k = 0; k <= pick(3); k++)
			read_buffer(p, step,
				p->buffer_count - 1 - pick(AZ_MIN(near, p->buffer_count)), arena);
		uint64_t size = 64 * pick(9);
		uint32_t makes = 1 + (pick(8) == 0);
		for (uint32_t k = 0; k < makes; k++) {
			az_vec_push(arena, &step->makes, p->buffer_count);
			p->buffer[p->buffer_count++] =
				(az_order_buffer){.size = size, .maker = i, .kept = pick(10) == 0};
		}
		for (uint32_t k = 0; makes == 1 && size && k < step->reads.count; k++)
			if (p->buffer[step->reads.v[k]].size == size && pick(2))
				az_vec_push(arena, &step->gives, step->reads.v[k]);
		p->step_count++;
	}
}

static bool done_before(const uint32_t *order, uint32_t count, uint32_t step)
{
	for (uint32_t i = 0; i < count; i++)
		if (order[i] == step)
			return true;
	return false;
}

static bool possible(const az_order_problem *p, const uint32_t *order, uint32_t count,
	uint32_t step)
{
	const az_order_step *t = &p->step[step];
	for (uint32_t i = 0; i < t->reads.count; i++) {
		uint32_t maker = p->buffer[t->reads.v[i]].maker;
		if (maker != AZ_NO_STEP && !done_before(order, count, maker))
			return false;
	}
	return !done_before(order, count, step);
}

/* Plays an order buffer by buffer, without the search's sums. */
static uint64_t play(const az_order_problem *p, const uint32_t *order)
{
	uint64_t most = 0;
	bool alive[2 * STEPS_MAX + 3] = {0};
	uint32_t left[2 * STEPS_MAX + 3];
	for (uint32_t i = 0; i < p->buffer_count; i++) {
		alive[i] = p->buffer[i].maker == AZ_NO_STEP;
		left[i] = p->buffer[i].readers;
	}
	for (uint32_t i = 0; i < p->step_count; i++) {
		const az_order_step *t = &p->step[order[i]];
		uint64_t sum = 0;
		for (uint32_t k = 0; k < t->makes.count; k++)
			alive[t->makes.v[k]] = true;
		for (uint32_t k = 0; k < t->gives.count; k++)
			if (left[t->gives.v[k]] == 1 && !p->buffer[t->gives.v[k]].kept) {
				alive[t->gives.v[k]] = false;
				break;
			}
		for (uint32_t k = 0; k < p->buffer_count; k++)
			sum += alive[k] ? p->buffer[k].size : 0;
		most = AZ_MAX(most, sum);
		for (uint32_t k = 0; k < t->reads.count; k++)
			if (--left[t->reads.v[k]] == 0 && !p->buffer[t->reads.v[k]].kept)
				alive[t->reads.v[k]] = false;
		for (uint32_t k = 0; k < t->makes.count; k++)
			if (!left[t->makes.v[k]] && !p->buffer[t->makes.v[k]].kept)
				alive[t->makes.v[k]] = false;
	}
	return most;
}

static uint64_t try_all(const az_order_problem *p, uint32_t *order, uint32_t count)
{
	uint64_t best = UINT64_MAX;
	if (count == p->step_count)
		return play(p, order);
	for (uint32_t i = 0; i < p->step_count; i++) {
		if (!possible(p, order, count, i))
			continue;
		order[count] = i;
		uint64_t peak = try_all(p, order, count + 1);
		best = AZ_MIN(best, peak);
	}
	return best;
}

static bool is_order(const az_order_problem *p, const uint32_t *order)
{
	for (uint32_t i = 0; i < p->step_count; i++)
		if (order[i] >= p->step_count || !possible(p, order, i, order[i]))
			return false;
	return true;
}

static void all_orders(void)
{
	for (state = 1; state < 400; state += 1) {
		uint64_t seed = state;
		az_ctx *ctx = az_ctx_new();
		az_order_problem p;
		uint32_t order[STEPS_MAX], all[STEPS_MAX];
		bool exact;
		make(&p, 1 + pick(8), 1 + pick(8), &ctx->arena);
		uint64_t peak = az_order_search(&p, &ctx->arena, order, &exact);
		CU_ASSERT_TRUE(exact);
		CU_ASSERT_TRUE_FATAL(is_order(&p, order));
		CU_ASSERT_EQUAL(play(&p, order), az_order_peak(&p, order, &ctx->arena));
		CU_ASSERT_EQUAL(peak, try_all(&p, all, 0));
		CU_ASSERT_TRUE(peak == az_order_peak(&p, order, &ctx->arena));
		az_ctx_free(ctx);
		state = seed;
	}
}

/* Many branches from one buffer, each of two steps: wide ones first in the order given. */
static void wide(void)
{
	enum { BRANCHES = 40 };
	az_ctx *ctx = az_ctx_new();
	uint32_t order[2 * BRANCHES];
	bool exact;
	az_order_problem p = {.step = az_new_array(&ctx->arena, az_order_step, 2 * BRANCHES + 1),
		.buffer = az_new_array(&ctx->arena, az_order_buffer, 2 * BRANCHES + 2)};
	p.buffer[p.buffer_count++] = (az_order_buffer){.size = 64, .maker = AZ_NO_STEP};
	for (uint32_t i = 0; i < 2 * BRANCHES; i++) {
		az_order_step *step = &p.step[p.step_count];
		bool first = i < BRANCHES;
		read_buffer(&p, step, first ? 0 : 1 + i - BRANCHES, &ctx->arena);
		az_vec_push(&ctx->arena, &step->makes, p.buffer_count);
		p.buffer[p.buffer_count++] =
			(az_order_buffer){.size = first ? 640 + 64 * (i % 7) : 64,
				.maker = p.step_count++,
				.kept = !first};
	}
	uint64_t peak = az_order_search(&p, &ctx->arena, order, &exact);
	CU_ASSERT_TRUE(is_order(&p, order));
	CU_ASSERT_EQUAL(peak, az_order_peak(&p, order, &ctx->arena));
	/* One wide buffer at a time, the widest ones before many results are kept. */
	CU_ASSERT_TRUE(peak <= 64 + 64 * BRANCHES + 640 + 64 * 6);
	az_ctx_free(ctx);
}

void test_order(void)
{
	unit_suite("order",
		AZ_CASES({"the best of all orders", all_orders}, {"many branches", wide}));
}
