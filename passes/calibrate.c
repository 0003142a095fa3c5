/* SPDX-License-Identifier: Apache-2.0
 *
 * calibrate: runs the network on the calibration samples and notes for every value that will be
 * quantized the smallest and the largest number seen.
 *
 *   %c = conv %x, @w : f32[1,8,8,16]      becomes      %c = conv %x, @w : f32[1,8,8,16] in [-3.1, 5.7]
 *
 * Requires: stage canonical, env->exec and env->calib. Guarantees: every value that insert-quantizers
 * quantizes has a range. Terminates: one walk over the samples. */
#include <math.h>
#include <string.h>

#include "passes/observe.h"
#include "passes/quantize_plan.h"

#define EXPONENT 0x7f800000 /* all ones: infinite or no number */

typedef struct values {
	AZ_VEC(az_value *) list;
} values;

static void choose(az_pass_ctx *pass, const az_func *main, values *out)
{
	az_arena *arena = &pass->scratch;
	az_quantize_plan plan;
	az_quantize_plan_make(main, arena, &plan);
	for (uint32_t i = 0; i < main->params.count; i++) {
		if (plan.wanted[main->params.v[i]->id])
			az_vec_push(arena, &out->list, main->params.v[i]);
	}
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t i = 0; i < op->result_count; i++) {
			if (plan.wanted[op->results[i]->id])
				az_vec_push(arena, &out->list, op->results[i]);
		}
	}
}

/* Floats in their order as integers, which compilers compare without branches; its own inverse. */
static int32_t in_order(int32_t bits)
{
	return bits ^ (bits >> 31 & INT32_MAX);
}

static float from_order(int32_t key)
{
	float v;
	key = in_order(key);
	memcpy(&v, &key, sizeof v);
	return v + 0.0f; /* never -0 */
}

static void note_range(void *data, uint32_t index, const az_tensor *tensor)
{
	const float *v = tensor->data;
	int64_t count = az_type_numel(tensor->type);
	int32_t least = INT32_MAX, most = INT32_MIN, bits;
	for (int64_t i = 0; i < count; i++) {
		memcpy(&bits, &v[i], sizeof bits);
		bool finite = (bits & EXPONENT) != EXPONENT;
		int32_t key = in_order(bits);
		int32_t low = finite ? key : INT32_MAX, high = finite ? key : INT32_MIN;
		least = low < least ? low : least;
		most = high > most ? high : most;
	}
	if (least > most)
		return;
	az_range *range = &((values *)data)->list.v[index]->range;
	float lo = from_order(least), hi = from_order(most);
	if (!range->known)
		*range = (az_range){true, lo, hi};
	range->lo = lo < range->lo ? lo : range->lo;
	range->hi = hi > range->hi ? hi : range->hi;
}

bool az_pass_calibrate(az_pass_ctx *pass)
{
	const az_func *main = az_module_main(pass->module);
	if (strcmp(az_pass_word(pass, "method"), "min-max") != 0)
		return az_error(pass->ctx, pass->step->loc,
			"calibrate: there is no method \"%s\", only \"min-max\"",
			az_pass_word(pass, "method"));
	values chosen = {0};
	if (main)
		choose(pass, main, &chosen);
	for (uint32_t i = 0; i < chosen.list.count; i++)
		chosen.list.v[i]->range.known = false;
	az_observer observer = {"calibrate", chosen.list.count, chosen.list.v, note_range, &chosen};
	return az_observe(pass, az_pass_int(pass, "samples"), &observer);
}
