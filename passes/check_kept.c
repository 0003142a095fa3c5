/* SPDX-License-Identifier: Apache-2.0
 *
 * --check-each: the interpreter runs main before and after a pass on the same random input, and the
 * results are compared by what the pass says that it keeps. The input depends on nothing but the types
 * of the parameters, so that a failure can be had again. */
#include <math.h>
#include <string.h>

#include "ir/eval/eval.h"
#include "passes/manager.h"

#define FLOAT_TOLERANCE 5e-4 /* of the largest element */
#define STEP_FALLBACK   0.02 /* of the largest element, where the size of a step is not known */

/* xorshift64*: 53 random bits as a number in [0, 1). */
static double next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (double)((*state * UINT64_C(0x2545f4914f6cdd1d)) >> 11) * 0x1p-53;
}

static void fill(az_tensor *tensor, const az_value *param, uint64_t *state)
{
	az_elem elem = tensor->type->elem;
	double lo = -1, hi = 1;
	if (param->range.known) {
		lo = (double)param->range.lo;
		hi = (double)param->range.hi;
	} else if (az_elem_is_integer(elem) && elem.bits <= 8) {
		lo = (double)az_elem_min(elem);
		hi = (double)az_elem_max(elem);
	} else if (!az_elem_is_float(elem)) {
		lo = 0; /* wide integers are mostly indices */
	}
	int64_t count = az_type_numel(tensor->type);
	for (int64_t i = 0; i < count; i++)
		az_tensor_set(tensor, (uint64_t)i, lo + (hi - lo) * next_random(state));
}

static double largest(const az_tensor *t)
{
	double most = 0;
	int64_t count = az_type_numel(t->type);
	for (int64_t i = 0; i < count; i++) {
		double v = fabs(az_tensor_get(t, (uint64_t)i));
		if (v > most && isfinite(v))
			most = v;
	}
	return most;
}

/* How far result elements may lie apart. */
static double tolerance(const az_value *result, const az_tensor *was, az_keeps keeps)
{
	if (keeps == AZ_KEEPS_BITS)
		return 0;
	if (keeps == AZ_KEEPS_FLOAT)
		return az_elem_is_float(was->type->elem) ? largest(was) * FLOAT_TOLERANCE + 1e-6
							 : 0;
	if (!az_elem_is_float(was->type->elem))
		return 1;
	const az_op *op = az_value_op(result);
	const az_const *scale = NULL;
	if (op && op->code == AZ_OP_dequantize && az_value_is_const(op->args[1].value))
		scale = az_value_const(op->args[1].value);
	if (scale && az_type_numel(scale->value.type) == 1)
		return az_const_get(scale, 0) * 1.001;
	return largest(was) * STEP_FALLBACK + 1e-6;
}

static bool compare(az_ctx *ctx, const az_func *main, uint32_t index, const az_tensor *was,
	const az_tensor *is, const az_pass_desc *desc, az_loc loc)
{
	double most = tolerance(main->results.v[index].use->value, was, desc->keeps);
	int64_t count = az_type_numel(was->type);
	for (int64_t i = 0; i < count; i++) {
		double a = az_tensor_get(was, (uint64_t)i), b = az_tensor_get(is, (uint64_t)i);
		if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= most)
			continue;
		return az_error(ctx, loc,
			"pass \"%s\" changed result \"%s\": element %lld was %.9g, is %.9g",
			desc->name, main->results.v[index].name, (long long)i, a, b);
	}
	return true;
}

static bool same_types(const az_func *a, const az_func *b)
{
	bool same = a->params.count == b->params.count && a->results.count == b->results.count;
	for (uint32_t i = 0; same && i < a->params.count; i++)
		same = a->params.v[i]->type == b->params.v[i]->type;
	for (uint32_t i = 0; same && i < a->results.count; i++)
		same = a->results.v[i].use->value->type == b->results.v[i].use->value->type;
	return same;
}

static bool check(az_ctx *ctx, const az_func *was, const az_func *is, const az_pass_desc *desc,
	az_loc loc, az_arena *arena)
{
	if (!same_types(was, is))
		return az_error(ctx, loc, "pass \"%s\" changed what goes in or comes out",
			desc->name);
	uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
	az_tensor *in = az_new_array(arena, az_tensor, was->params.count + 1);
	az_tensor *out[2] = {az_new_array(arena, az_tensor, was->results.count + 1),
		az_new_array(arena, az_tensor, was->results.count + 1)};
	for (uint32_t i = 0; i < was->params.count; i++) {
		in[i] = az_tensor_new(arena, was->params.v[i]->type);
		fill(&in[i], was->params.v[i], &state);
	}
	if (!az_eval_func(was, arena, in, out[0]) || !az_eval_func(is, arena, in, out[1]))
		return false;
	bool ok = true;
	for (uint32_t i = 0; i < was->results.count; i++)
		ok &= compare(ctx, is, i, &out[0][i], &out[1][i], desc, loc);
	return ok;
}

bool az_check_kept(az_ctx *ctx, const az_module *before, const az_module *after,
	const az_pass_desc *desc, az_loc loc)
{
	const az_func *was = az_module_main(before), *is = az_module_main(after);
	if (!was || !is)
		return true;
	az_arena arena;
	az_arena_init(&arena, &ctx->oom);
	bool ok = check(ctx, was, is, desc, loc, &arena);
	az_arena_free(&arena);
	return ok;
}
