/* SPDX-License-Identifier: Apache-2.0
 *
 * rescale-widths: gives a network another number of channels, by the groups that channels.h finds.
 *
 *   rescale-widths{ratio=0.75}      every group keeps three quarters of its channels, the most important
 *   rescale-widths{ratio=1.4}       every group gets the most important ones twice, halved where they are
 *                                   read: the same function, ready to be tuned
 *
 * Narrowing is followed by a least-squares fit of the layers to what they gave before (reconstruct.c).
 * A width at b bits that takes as many bytes as at b0 is about sqrt(b0 / b) as large, for weights grow with
 * the square of the width.
 *
 * Requires: stage canonical; calibration samples for all but magnitude without reconstruction. Terminates:
 * one walk over the groups, one over the layers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/rescale.h"

az_op *az_next_weighted(az_op *op)
{
	while (op && !az_has_weights(op))
		op = op->next;
	return op;
}

uint32_t az_rescaled_width(const az_channel_group *group, double ratio, int64_t multiple)
{
	double channels = 1;
	for (uint32_t i = 0; i < group->slice_count; i++)
		channels = fmax(channels, (double)group->slices[i].count);
	/* Units of several channels reach a multiple sooner. */
	double step = fmax(1, (double)multiple / channels);
	double wanted = rint(ratio * group->units / step) * step;
	if (step > group->units)
		wanted = rint(ratio * group->units);
	if (ratio > 1 && !group->repeatable)
		return group->units;
	return (uint32_t)fmin(fmax(wanted, 1), 8.0 * group->units);
}

typedef struct ranked {
	double score;
	uint32_t unit;
} ranked;

static int best_first(const void *a, const void *b)
{
	const ranked *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->unit > y->unit) - (x->unit < y->unit);
}

/* The best `count` of a group, or all and the best ones more often. */
static void choose(const az_channel_group *group, uint32_t count, const double *score,
	ranked *order, uint8_t *copies)
{
	for (uint32_t i = 0; i < group->units; i++)
		order[i] = (ranked){score[group->first_unit + i], group->first_unit + i};
	qsort(order, group->units, sizeof *order, best_first);
	for (uint32_t i = 0; i < group->units; i++)
		copies[order[i].unit] =
			(uint8_t)(count / group->units + (i < count % group->units));
}

/* For every layer: which old output channel each new one is. */
static int64_t **map_outputs(const az_channels *ch, const uint8_t *copies)
{
	uint32_t layers = 0;
	az_op *first = az_module_main(ch->module)->first;
	for (az_op *op = az_next_weighted(first); op; op = az_next_weighted(op->next))
		layers++;
	int64_t **maps = az_new_array(ch->arena, int64_t *, layers + 1u);
	layers = 0;
	for (az_op *op = az_next_weighted(first); op; op = az_next_weighted(op->next)) {
		const az_value *w = op->args[1].value;
		uint32_t dim = op->code == AZ_OP_matmul ? 1 : 0;
		int64_t n = 0,
			*map = az_new_array(ch->arena, int64_t, (size_t)w->type->dim[dim] + 1);
		for (int64_t i = 0; i < w->type->dim[dim]; i++) {
			uint32_t unit = ch->unit[az_channel_label(ch, w, dim, i)];
			if (unit == AZ_CHANNEL_FIXED || copies[unit])
				map[n++] = i;
		}
		maps[layers++] = map;
	}
	return maps;
}

/* Narrowed, and fitted to what `real` gives. */
static bool narrow(az_pass_ctx *pass, const az_channels *ch, const uint8_t *copies,
	const az_rescale *plan)
{
	int64_t **outputs = map_outputs(ch, copies);
	az_module *real = az_module_clone(pass->module, true);
	AZ_GUARD(pass->ctx, {
		az_module_free(real);
		return false;
	});
	bool ok = az_channels_resize(ch, copies) &&
		  az_reconstruct(pass, real, outputs, plan->samples, plan->damp);
	AZ_UNGUARD(pass->ctx);
	az_module_free(real);
	return ok;
}

bool az_rescale_channels(az_pass_ctx *pass, const az_channels *channels, const az_rescale *plan)
{
	uint8_t *copies = az_new_array(channels->arena, uint8_t, channels->unit_count + 1u);
	ranked *order = az_new_array(channels->arena, ranked, channels->unit_count + 1u);
	bool fewer = false;
	for (uint32_t g = 0; g < channels->group_count; g++) {
		fewer |= plan->counts[g] < channels->groups[g].units;
		choose(&channels->groups[g], plan->counts[g], plan->score, order, copies);
	}
	if (fewer && plan->reconstruct)
		return narrow(pass, channels, copies, plan);
	return az_channels_resize(channels, copies);
}

bool az_pass_rescale_widths(az_pass_ctx *pass)
{
	double ratio = (double)az_pass_real(pass, "ratio");
	int64_t multiple = az_pass_int(pass, "multiple");
	if (!(ratio > 0 && ratio <= 8))
		return az_error(pass->ctx, pass->step->loc,
			"rescale-widths: ratio = %g must be above 0 and at most 8", ratio);
	if (multiple < 1 || multiple > 4096)
		return az_error(pass->ctx, pass->step->loc,
			"rescale-widths: multiple = %lld must be 1 to 4096", (long long)multiple);
	az_channels channels;
	az_channels_make(pass->module, &pass->scratch, &channels);
	uint32_t *counts = az_new_array(&pass->scratch, uint32_t, channels.group_count + 1u);
	double *score = az_new_array(&pass->scratch, double, channels.unit_count + 1u);
	for (uint32_t g = 0; g < channels.group_count; g++)
		counts[g] = az_rescaled_width(&channels.groups[g], ratio, multiple);
	az_rescale plan = {counts, score, az_pass_flag(pass, "reconstruct"),
		az_pass_int(pass, "samples"), (double)az_pass_real(pass, "damp")};
	return az_channel_importance(pass, &channels, az_pass_word(pass, "importance"),
		       plan.samples, score) &&
	       az_rescale_channels(pass, &channels, &plan);
}
