/* SPDX-License-Identifier: Apache-2.0
 *
 * calibrate: runs the network on the calibration samples and notes for every value that will be
 * quantized its range: the smallest and the largest number seen, or less where clipping serves better.
 *
 *   %c = conv %x, @w : f32[1,8,8,16]      becomes      %c = conv %x, @w : f32[1,8,8,16] in [-3.1, 5.7]
 *
 * With `normal`, what batch norms say of a value (passes/normal.h) stands in for what the samples show: min-max
 * is then so many deviations from the mean, the other methods count normally distributed numbers. Values of
 * which batch norms say nothing, inputs above all, are observed as ever.
 *
 * Which range is best depends on the width that the value will get, so the widths are options here too.
 * Numbers that are not finite are left out, with a warning; a value that shows no finite number at all is
 * refused.
 *
 * Requires: stage canonical, env->exec and env->calib. Guarantees: every value that insert-quantizers
 * quantizes has a range. Terminates: one walk over the samples. */
#include <string.h>

#include "passes/histogram.h"
#include "passes/normal.h"
#include "passes/observe.h"
#include "passes/precision.h"
#include "passes/quantize_plan.h"

#define NARROW_BITS 4 /* so many or fewer: clipping pays */

enum { AUTO, MIN_MAX, PERCENTILE, MSE, ENTROPY };
static const char *const methods[] = {"auto", "min-max", "percentile", "mse", "entropy"};

typedef struct chosen {
	az_value *value;
	az_precision act;
	int bits, method;
	const az_normal *normal; /* NULL: the samples say */
	az_histogram seen;
} chosen;

typedef struct values {
	AZ_VEC(chosen) list;
	int method;               /* of all */
	const az_normal *normals; /* by value id; NULL: not asked for */
	az_precisions precisions;
} values;

/* Of the value, or of the one that its numbers are moved or chosen from. */
static const az_normal *normal_for(const values *all, const az_value *value)
{
	while (value->kind == AZ_VALUE_RESULT && !all->normals[value->id].count &&
		az_shares_quantizer(value->def.op) && value->def.op->arg_count == 1)
		value = value->def.op->args[0].value;
	bool known = value->kind == AZ_VALUE_RESULT && all->normals[value->id].count;
	return known ? &all->normals[value->id] : NULL;
}

static void choose(values *all, az_arena *arena, az_value *value, const az_precision *act)
{
	chosen c = {.value = value, .method = all->method, .act = *act, .bits = act->elem.bits};
	if (act->is_float)
		return;
	if (c.method == AUTO)
		c.method = c.bits <= NARROW_BITS ? MSE : MIN_MAX;
	if (all->normals)
		c.normal = normal_for(all, value);
	az_histogram_init(&c.seen, c.method != MIN_MAX, arena);
	value->range.known = false;
	az_vec_push(arena, &all->list, c);
}

static void choose_all(az_pass_ctx *pass, const az_func *main, values *all)
{
	az_arena *arena = &pass->scratch;
	az_quantize_plan plan;
	az_quantize_plan_make(main, arena, &plan);
	az_precisions_see(&all->precisions, main);
	const az_precision *act = az_precisions_acts(&all->precisions, main, &plan);
	for (uint32_t i = 0; i < main->params.count; i++) {
		az_value *value = main->params.v[i];
		if (plan.wanted[value->id])
			choose(all, arena, value, &act[az_quantize_plan_root(&plan, value->id)]);
	}
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t i = 0; i < op->result_count; i++) {
			az_value *value = op->results[i];
			if (plan.wanted[value->id])
				choose(all, arena, value,
					&act[az_quantize_plan_root(&plan, value->id)]);
		}
	}
}

static void see(void *data, uint32_t index, const az_tensor *tensor)
{
	chosen *c = &((values *)data)->list.v[index];
	if (!c->normal)
		az_histogram_add(&c->seen, tensor->data, az_type_numel(tensor->type));
}

static void see_numbers(void *data, const float *v, int64_t count)
{
	az_histogram_add(data, v, count);
}

/* Shows every value of which batch norms say something the numbers that follow from that. */
static void see_normals(values *all, az_arena *arena)
{
	for (uint32_t i = 0; i < all->list.count; i++) {
		chosen *c = &all->list.v[i];
		if (c->normal)
			az_normal_numbers(c->normal, arena, see_numbers, &c->seen);
	}
}

static az_range range_of(const az_pass_ctx *pass, const chosen *c)
{
	az_range all = az_histogram_min_max(&c->seen);
	az_elem elem = az_precision_elem(&c->act, &all);
	switch (c->method) {
	case PERCENTILE:
		return az_histogram_percentile(&c->seen, (double)az_pass_real(pass, "percent"));
	case MSE:
		return elem.kind == AZ_KIND_UINT ? az_histogram_mse(&c->seen, c->bits)
						 : az_histogram_signed(&c->seen, elem);
	case ENTROPY:
		return az_histogram_entropy(&c->seen, c->bits);
	default:
		if (c->normal)
			return az_normal_range(c->normal, (double)az_pass_real(pass, "deviations"));
		return all;
	}
}

static bool note_ranges(az_pass_ctx *pass, const values *all)
{
	const az_value *strange = NULL;
	uint64_t numbers = 0, count = 0;
	for (uint32_t i = 0; i < all->list.count; i++) {
		const chosen *c = &all->list.v[i];
		if (c->seen.finite == 0 && c->seen.other)
			return az_error(pass->ctx, pass->step->loc,
				"calibrate: no number of value \"%s\" is finite in any sample",
				c->value->name);
		c->value->range = range_of(pass, c);
		if (c->seen.finite == 0) /* a tensor without elements */
			c->value->range = (az_range){true, 0, 0};
		if (c->seen.other) {
			strange = strange ? strange : c->value;
			numbers += c->seen.other;
			count++;
		}
	}
	if (strange)
		az_warning(pass->ctx, pass->step->loc,
			"calibrate: %llu numbers of %llu values, \"%s\" first, are not finite and "
			"were left out",
			(unsigned long long)numbers, (unsigned long long)count, strange->name);
	return true;
}

/* An input, however moved? */
static bool is_input(const az_value *value)
{
	while (value->kind == AZ_VALUE_RESULT && az_shares_quantizer(value->def.op))
		value = value->def.op->args[0].value;
	return value->kind == AZ_VALUE_PARAM;
}

/* Says of how many values batch norms say nothing. */
static void note_strangers(const az_pass_ctx *pass, const values *all)
{
	const az_value *first = NULL;
	uint32_t count = 0, known = 0;
	for (uint32_t i = 0; all->normals && i < all->list.count; i++) {
		const chosen *c = &all->list.v[i];
		known += c->normal != NULL;
		if (c->normal || is_input(c->value))
			continue;
		first = first ? first : c->value;
		count++;
	}
	if (first && !known)
		az_note(pass->ctx, pass->step->loc,
			"calibrate: the network has no batch norms, or its file holds them folded "
			"into "
			"the weights; the samples give all ranges");
	else if (first)
		az_note(pass->ctx, pass->step->loc,
			"calibrate: batch norms say nothing of %u of %u values, \"%s\" first; the "
			"samples give their ranges",
			count, all->list.count, first->name);
}

static bool find_method(const az_pass_ctx *pass, int *method)
{
	const char *name = az_pass_word(pass, "method");
	double percent = (double)az_pass_real(pass, "percent");
	for (*method = 0; *method < (int)AZ_COUNT(methods); ++*method) {
		if (strcmp(methods[*method], name) == 0)
			break;
	}
	if (*method == (int)AZ_COUNT(methods))
		return az_error(pass->ctx, pass->step->loc,
			"calibrate: there is no method \"%s\", only \"auto\", \"min-max\", "
			"\"percentile\", \"mse\" and \"entropy\"",
			name);
	if (!(az_pass_real(pass, "deviations") > 0))
		return az_error(pass->ctx, pass->step->loc,
			"calibrate: deviations must be positive");
	if (!(percent > 50 && percent <= 100))
		return az_error(pass->ctx, pass->step->loc,
			"calibrate: percent must be above 50 and at most 100");
	return true;
}

bool az_pass_calibrate(az_pass_ctx *pass)
{
	const az_func *main = az_module_main(pass->module);
	az_arena *arena = &pass->scratch;
	values all = {0};
	if (!find_method(pass, &all.method) || !az_precisions_init(&all.precisions, pass))
		return false;
	if (main && az_pass_flag(pass, "normal"))
		all.normals = az_normals_of(main, arena);
	if (main)
		choose_all(pass, main, &all);
	note_strangers(pass, &all);
	see_normals(&all, arena);
	az_value **list = az_new_array(arena, az_value *, all.list.count + 1);
	for (uint32_t i = 0; i < all.list.count; i++)
		list[i] = all.list.v[i].value;
	az_observer observer = {"calibrate", all.list.count, list, see, &all};
	return az_observe(pass, az_pass_int(pass, "samples"), &observer) && note_ranges(pass, &all);
}
