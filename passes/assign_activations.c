/* SPDX-License-Identifier: Apache-2.0
 *
 * assign-activations: chooses how many bits the activations get, so that the arena takes at most `ram` bytes.
 * Nothing in the network changes: the choice goes to az_pass_env.assigned, which calibrate and
 * insert-quantizers read; pack-activations then packs what has fewer than 8 bits.
 *
 * Values that share a quantizer are one group. At every operation the groups alive there must fit into the
 * budget together with what cannot be packed: an integer program with one budget per operation and one class per
 * group (passes/ilp.h), whose losses are measured, the group alone having fewer bits (sensitivity). Only groups
 * alive at a moment that is too large with all bits are looked at. Operations are ordered and buffers placed anew
 * for every choice, so the arena is measured, the budget corrected by the excess, and the choice made again;
 * then single bits are given back where they lose most per byte, as long as the arena stays within the budget.
 * uniform: the most bits for all that fit.
 *
 * Requires: stage canonical, calibrate, env->cost, env->backend, env->assigned. Guarantees: the arena fits, or
 * the pass fails with the smallest there is. Terminates: the budget shrinks with every correction, and every
 * filling step adds a bit somewhere. */
#include <math.h>
#include <string.h>

#include "passes/act_groups.h"
#include "passes/ilp.h"

#define CORRECTIONS 8
#define ALIGN       64

typedef struct search {
	az_pass_ctx *pass;
	az_acts acts;
	uint64_t ram, room; /* as asked for, as corrected */
	uint8_t least;
	bool compact;
	uint64_t size; /* of the arena, measured */
} search;

static bool measure(search *s)
{
	az_ctx_progress(s->pass->ctx, "assign-activations: plans",
		++s->pass->env->assigned->emitted, 0);
	return az_acts_measure(&s->acts, s->compact, &s->size);
}

static unsigned fewest(const search *s, const az_act_group *g)
{
	return AZ_MIN(s->least, g->most);
}

/* As many bits as the options say, but no group more than `bits`. */
static bool measure_uniform(search *s, unsigned bits)
{
	for (uint32_t i = 0; i < s->acts.count; i++) {
		az_act_group *g = &s->acts.group[i];
		g->bits = (uint8_t)AZ_MIN(AZ_MAX(bits, fewest(s, g)), g->most);
	}
	return measure(s);
}

static uint64_t bytes_at(const search *s, const az_moment *m)
{
	uint64_t sum = m->fixed;
	for (uint32_t i = 0; i < s->acts.count; i++)
		sum += az_acts_bytes(m->elements[i], s->acts.group[i].bits);
	return sum;
}

static bool refuse(search *s)
{
	az_pass_ctx *pass = s->pass;
	const az_moment *worst = NULL;
	for (uint32_t i = 0; i < s->acts.moments.count; i++) {
		const az_moment *m = &s->acts.moments.v[i];
		if (!worst || bytes_at(s, m) > bytes_at(s, worst))
			worst = m;
	}
	pass->env->assigned->too_small_arena = true;
	pass->env->assigned->arena_bytes = s->size;
	return az_error(pass->ctx, pass->step->loc,
		"assign-activations: %llu bytes are too few: with %u bits wherever they can be "
		"packed "
		"the arena takes %llu bytes, the most of them at \"%s\"",
		(unsigned long long)s->ram, s->least, (unsigned long long)s->size,
		worst ? worst->name : "");
}

/* --- Uniform ---------------------------------------------------------------------------------- */

static bool choose_uniform(search *s)
{
	for (unsigned b = AZ_BITS_MOST - 1; b >= s->least; b--) {
		if (!measure_uniform(s, b))
			return false;
		if (s->size <= s->ram)
			return true;
	}
	return az_acts_read_moments(&s->acts, s->compact) && refuse(s);
}

/* --- Losses ----------------------------------------------------------------------------------- */

/* Does the group have to do with a moment that is too large when all have their most bits? */
static bool matters(const search *s, uint32_t group)
{
	if (!s->acts.group[group].placed)
		return false;
	for (uint32_t i = 0; i < s->acts.moments.count; i++) {
		const az_moment *m = &s->acts.moments.v[i];
		uint64_t sum = m->fixed;
		for (uint32_t k = 0; k < s->acts.count; k++)
			sum += az_acts_bytes(m->elements[k], s->acts.group[k].most);
		if (m->elements[group] && sum + ALIGN > s->ram)
			return true;
	}
	return false;
}

/* The error with this group at so many bits, all else at most. */
static bool error_at(search *s, az_error_meter *meter, uint32_t group, unsigned bits, double *error)
{
	az_pass_ctx *pass = s->pass;
	az_assignment trial = {.arena = &pass->scratch};
	az_assign_all(&trial, pass->module, AZ_BITS_MOST);
	for (uint32_t i = 0; i < s->acts.count; i++)
		s->acts.group[i].bits = i == group ? (uint8_t)bits : s->acts.group[i].most;
	az_acts_assign(&s->acts, &trial);
	return az_error_measure(meter,
		az_trial_calibrated(pass, &trial, "", az_pass_int(pass, "samples")), error);
}

static bool measure_group(search *s, az_error_meter *meter, uint32_t group, double least)
{
	az_act_group *g = &s->acts.group[group];
	az_assignment *assigned = s->pass->env->assigned;
	const az_bit_loss *known = az_assigned_loss(assigned, g->loss_name);
	if (!known) {
		az_bit_loss l = {.layer = g->loss_name};
		for (unsigned b = fewest(s, g); b < g->most; b++) {
			az_arena_mark mark = az_arena_mark_get(&s->pass->scratch);
			if (!error_at(s, meter, group, b, &l.loss[b]))
				return false;
			l.loss[b] = fmax(l.loss[b] - least, 0);
			az_arena_reset(&s->pass->scratch, mark);
		}
		az_note_loss(s->pass, &l);
		known = az_assigned_loss(assigned, g->loss_name);
	}
	memcpy(g->loss, known->loss, sizeof g->loss);
	return true;
}

static bool measure_losses(search *s)
{
	uint32_t total = 0, done = 0;
	double least = 0;
	az_error_meter *meter = az_error_meter_open(s->pass, az_pass_int(s->pass, "samples"));
	if (!meter || !error_at(s, meter, s->acts.count, 0, &least))
		return false;
	for (uint32_t i = 0; i < s->acts.count; i++)
		total += matters(s, i);
	for (uint32_t i = 0; i < s->acts.count; i++) {
		if (!matters(s, i))
			continue;
		az_ctx_progress(s->pass->ctx, "assign-activations: sensitivity", done++, total);
		if (!measure_group(s, meter, i, least))
			return false;
	}
	return true;
}

/* --- The program ------------------------------------------------------------------------------ */

/* Fills in the bits that lose least within s->room at every moment; false: there are none. */
static bool solve(search *s)
{
	az_arena *arena = &s->pass->scratch;
	uint32_t groups = s->acts.count, moments = s->acts.moments.count;
	az_ilp_class *classes = az_new_array(arena, az_ilp_class, groups + 1u);
	uint32_t *chosen = az_new_array(arena, uint32_t, groups + 1u);
	uint64_t *capacity = az_new_array(arena, uint64_t, moments + 1u);
	for (uint32_t m = 0; m < moments; m++) {
		uint64_t fixed = s->acts.moments.v[m].fixed + ALIGN;
		if (fixed > s->room)
			return false;
		capacity[m] = s->room - fixed;
	}
	for (uint32_t i = 0; i < groups; i++) {
		const az_act_group *g = &s->acts.group[i];
		uint32_t widths = matters(s, i) ? g->most - fewest(s, g) + 1u : 1u;
		az_ilp_item *item = az_new_array(arena, az_ilp_item, widths);
		for (uint32_t k = 0; k < widths; k++) {
			uint64_t *weight = az_new_array(arena, uint64_t, moments + 1u);
			unsigned bits = g->most - k;
			for (uint32_t m = 0; m < moments; m++)
				weight[m] = az_acts_bytes(s->acts.moments.v[m].elements[i], bits);
			item[k] = (az_ilp_item){weight, g->loss[bits]};
		}
		classes[i] = (az_ilp_class){widths, item};
	}
	az_ilp_result result = az_ilp(arena, groups, classes, moments, capacity, chosen);
	if (result != AZ_ILP_BEST && result != AZ_ILP_GOOD)
		return false;
	for (uint32_t i = 0; i < groups; i++)
		s->acts.group[i].bits = (uint8_t)(s->acts.group[i].most - chosen[i]);
	return true;
}

static bool choose_by_loss(search *s)
{
	s->room = s->ram;
	for (int i = 0; i < CORRECTIONS; i++) {
		az_arena_mark mark = az_arena_mark_get(&s->pass->scratch);
		bool found = solve(s);
		az_arena_reset(&s->pass->scratch, mark);
		if (!found)
			break;
		if (!measure(s))
			return false;
		if (s->size <= s->ram)
			return true;
		s->room -= AZ_MIN(s->room, s->size - s->ram);
	}
	/* What is placed badly, or bordered: the fewest bits are known to fit. */
	return measure_uniform(s, s->least);
}

/* --- Giving back ------------------------------------------------------------------------------ */

static uint64_t most_elements(const search *s, uint32_t group)
{
	uint64_t most = 0;
	for (uint32_t i = 0; i < s->acts.moments.count; i++)
		most = AZ_MAX(most, s->acts.moments.v[i].elements[group]);
	return most;
}

/* The raise that gains most per byte among those that were not tried; count: none. */
static uint32_t best_raise(const search *s, const uint8_t *tried)
{
	uint32_t best = s->acts.count;
	double most = -1;
	for (uint32_t i = 0; i < s->acts.count; i++) {
		const az_act_group *g = &s->acts.group[i];
		if (g->bits >= g->most || tried[i] > g->bits)
			continue;
		double gain = (g->loss[g->bits] - g->loss[g->bits + 1]) /
			      (double)(most_elements(s, i) + 1);
		if (gain > most) {
			most = gain;
			best = i;
		}
	}
	return best;
}

static bool fill(search *s)
{
	/* By group: the width that did not fit. */
	uint8_t *tried = az_new_array(&s->pass->scratch, uint8_t, s->acts.count + 1u);
	for (uint32_t i; (i = best_raise(s, tried)) < s->acts.count;) {
		uint64_t fitting = s->size;
		s->acts.group[i].bits++;
		if (!measure(s))
			return false;
		if (s->size <= s->ram) {
			/* Placed otherwise, what did not fit before may fit now. */
			if (s->size < fitting)
				memset(tried, 0, s->acts.count);
			continue;
		}
		s->size = fitting;
		tried[i] = s->acts.group[i].bits--;
	}
	return true;
}

/* --- All of it -------------------------------------------------------------------------------- */

static bool choose(search *s, bool uniform)
{
	if (!measure_uniform(s, AZ_BITS_MOST) || s->size <= s->ram)
		return s->size <= s->ram;
	if (uniform)
		return choose_uniform(s);
	if (!az_acts_read_moments(&s->acts, s->compact) || !measure_uniform(s, s->least))
		return false;
	if (s->size > s->ram)
		return refuse(s);
	return measure_losses(s) && choose_by_loss(s) && fill(s);
}

bool az_pass_assign_activations(az_pass_ctx *pass)
{
	const az_pass_env *env = pass->env;
	int64_t least = az_pass_int(pass, "least"), ram = az_pass_int(pass, "ram");
	const char *policy = az_pass_word(pass, "policy");
	search s = {.pass = pass,
		.ram = (uint64_t)ram,
		.least = (uint8_t)least,
		.compact = az_pass_flag(pass, "size")};
	if (!env->assigned || !env->cost || !env->backend)
		return az_error(pass->ctx, pass->step->loc,
			"assign-activations: nobody here takes the choice; use `adze fit`");
	if (env->assigned->acts_known)
		return true;
	if (least < 1 || least > AZ_BITS_MOST)
		return az_error(pass->ctx, pass->step->loc,
			"assign-activations: least = %lld must be 1 to 8", (long long)least);
	if (ram <= 0)
		return az_error(pass->ctx, pass->step->loc,
			"assign-activations: ram = 0 leaves no room for anything");
	if (!az_acts_find(&s.acts, pass) || !choose(&s, strcmp(policy, "uniform") == 0))
		return false;
	for (uint32_t i = 0; i < s.acts.count; i++)
		if (s.acts.group[i].bits < s.acts.group[i].most)
			az_acts_assign_group(&s.acts.group[i], env->assigned);
	env->assigned->acts_known = true;
	env->assigned->arena_bytes = s.size;
	return true;
}
