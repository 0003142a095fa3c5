/* SPDX-License-Identifier: Apache-2.0
 *
 * Which cases of contractions there are, and which of them are in the sample (tests/unit/widths.h). */
#include <stdio.h>
#include <string.h>

#include "tests/unit/widths.h"

const char *const widths_op_name[WIDTHS_OPS] = {"convolution", "depthwise", "product"};

static const char *const variant_name[WIDTHS_VARIANTS] = {
	"odd", "groups", "stride", "pad", "dilation", "zero_x", "zero_w", "row", "batch", "wide"};

static uint64_t scramble(uint64_t v)
{
	v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
	return v ^ (v >> 31);
}

widths_case widths_case_get(uint32_t number)
{
	/* 18 and 19 have no common divisor: a pair is a number modulo both. */
	uint32_t pair = number % WIDTHS_PAIRS, rest = number / WIDTHS_PAIRS;
	widths_case c = {.op = (widths_op)(rest % WIDTHS_OPS),
		.weights = pair % WIDTHS_WEIGHTS,
		.activations = pair % WIDTHS_ACTIVATIONS};
	uint64_t bits = scramble(1 + number % (WIDTHS_PAIRS * WIDTHS_OPS));
	for (uint32_t i = 0; i < WIDTHS_VARIANTS; i++)
		c.with[i] = widths_applies(&c, (widths_variant)i) &&
			    ((bits >> i) & 1) == rest / WIDTHS_OPS;
	return c;
}

/* Bipolar, then signed and unsigned of 1 to 8 bits. */
static az_elem narrow_elem(uint32_t i)
{
	if (i == 0)
		return AZ_ELEM(BIPOLAR, 1);
	return i <= 8 ? AZ_ELEM(INT, (uint8_t)i) : AZ_ELEM(UINT, (uint8_t)(i - 8));
}

bool widths_ternary(const widths_case *c)
{
	return c->weights == WIDTHS_WEIGHTS - 1;
}

az_elem widths_weights(const widths_case *c)
{
	return widths_ternary(c) ? AZ_ELEM(INT, 2) : narrow_elem(c->weights);
}

az_elem widths_activations(const widths_case *c)
{
	if (c->activations < WIDTHS_ACTIVATIONS - 2)
		return narrow_elem(c->activations);
	return c->activations == WIDTHS_ACTIVATIONS - 2 ? AZ_I16 : AZ_ELEM(UINT, 16);
}

bool widths_applies(const widths_case *c, widths_variant v)
{
	switch (v) {
	case WIDTHS_GROUPS:
	case WIDTHS_STRIDE:
	case WIDTHS_PAD:
	case WIDTHS_DILATION:
		return c->op != WIDTHS_PRODUCT;
	case WIDTHS_ZERO_X:
		return widths_activations(c).kind != AZ_KIND_BIPOLAR;
	case WIDTHS_ZERO_W:
		return widths_weights(c).kind != AZ_KIND_BIPOLAR;
	default:
		return true;
	}
}

const char *widths_text(az_arena *arena, uint32_t number)
{
	widths_case c = widths_case_get(number);
	char variants[128] = "";
	for (uint32_t i = 0; i < WIDTHS_VARIANTS; i++)
		if (c.with[i])
			(void)snprintf(variants + strlen(variants),
				sizeof variants - strlen(variants), " %s", variant_name[i]);
	char w[16], x[16];
	return az_arena_printf(arena, "case %u: %s, weights %s, activations %s,%s", number,
		widths_op_name[c.op],
		widths_ternary(&c) ? "ternary" : az_elem_print(w, widths_weights(&c)),
		az_elem_print(x, widths_activations(&c)), *variants ? variants : " plain");
}

/* --- The sample ------------------------------------------------------------------------------------- */

/* Properties of a case, numbered throughout. */
enum {
	OP_AT = 0,
	WEIGHTS_AT = OP_AT + WIDTHS_OPS,
	ACTIVATIONS_AT = WEIGHTS_AT + WIDTHS_WEIGHTS,
	VARIANTS_AT = ACTIVATIONS_AT + WIDTHS_ACTIVATIONS,
	PROPERTIES = VARIANTS_AT + 2 * WIDTHS_VARIANTS,
};

typedef struct meetings {
	bool seen[PROPERTIES][PROPERTIES];
} meetings;

static uint32_t properties(uint32_t number, uint32_t *out)
{
	widths_case c = widths_case_get(number);
	uint32_t count = 0;
	out[count++] = OP_AT + (uint32_t)c.op;
	out[count++] = WEIGHTS_AT + c.weights;
	out[count++] = ACTIVATIONS_AT + c.activations;
	for (uint32_t i = 0; i < WIDTHS_VARIANTS; i++)
		if (widths_applies(&c, (widths_variant)i))
			out[count++] = VARIANTS_AT + 2 * i + c.with[i];
	return count;
}

/* How many pairs of properties are new with the case; they are noted when it is taken. */
static uint32_t news(meetings *m, uint32_t number, bool take)
{
	uint32_t list[3 + WIDTHS_VARIANTS], count = properties(number, list), found = 0;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < i; k++) {
			bool *seen = &m->seen[list[k]][list[i]];
			found += !*seen;
			*seen = *seen || take;
		}
	return found;
}

/* Of the cases first, first + step, ... the one with most that is new. */
static uint32_t best(meetings *m, uint32_t first, uint32_t step)
{
	uint32_t chosen = first, most = 0;
	for (uint32_t i = first; i < WIDTHS_CASES; i += step) {
		uint32_t found = news(m, i, false);
		if (found > most) {
			most = found;
			chosen = i;
		}
	}
	return chosen;
}

/* For every pair of elements one case, the operations in turns, and more while pairs of other properties are
 * missing. */
static void mark_sample(az_arena *arena, bool *marked)
{
	meetings *m = az_new(arena, meetings);
	for (uint32_t i = 0; i < WIDTHS_PAIRS; i++) {
		uint32_t op = i / WIDTHS_WEIGHTS % WIDTHS_OPS;
		uint32_t number = best(m, op * WIDTHS_PAIRS + i, WIDTHS_OPS * WIDTHS_PAIRS);
		(void)news(m, number, true);
		marked[number] = true;
	}
	for (uint32_t number; news(m, number = best(m, 0, 1), true) > 0;)
		marked[number] = true;
}

uint32_t widths_list(az_arena *arena, bool all, widths_op op, uint32_t **out)
{
	bool *marked = az_new_array(arena, bool, WIDTHS_CASES);
	*out = az_new_array(arena, uint32_t, WIDTHS_CASES);
	if (!all)
		mark_sample(arena, marked);
	uint32_t count = 0;
	for (uint32_t i = 0; i < WIDTHS_CASES; i++)
		if ((all || marked[i]) && (op == WIDTHS_OPS || widths_case_get(i).op == op))
			(*out)[count++] = i;
	return count;
}
