/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk over widths and bits. At every width ratio the policy assigns bits under the flash budget; weights
 * grow with the square of the width, so a budget that b bits meet at full width is met by b0 bits at a width of
 * about sqrt(b / b0): those are the ratios that are tried, from 1 downwards, until two in turn are worse
 * than the best. The uniform policy has no bits to vary between layers: for every width in bits it finds the
 * largest ratio that fits, by bisection over emitted objects. Budgets of RAM and work bind through the ratio
 * alone: the largest that meets them is where the walk begins. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver/fit.h"

#define BISECTIONS   7
#define SMALLEST     0.05 /* ratio below which nothing is tried */
#define SAME         0.02 /* ratios nearer than that are one */
#define NEVER_SLOWER 1.02 /* of the time with 8 bits; clocks are not steadier */

static uint64_t size_of(const az_fit_point *p)
{
	return p->text_bytes + p->rodata_bytes;
}

static bool within(const az_fit *fit, const az_fit_point *p, bool flash)
{
	return (!flash || !fit->flash || size_of(p) <= fit->flash) &&
	       (!fit->ram || p->arena_bytes <= fit->ram) && (!fit->macs || p->macs <= fit->macs) &&
	       (!fit->bitops || p->bitops <= fit->bitops);
}

static az_fit_point new_point(const az_fit *fit, double ratio, bool compact)
{
	const char *policy = fit->job->options.policy ? fit->job->options.policy : "sensitivity";
	return (az_fit_point){.ratio = ratio,
		.compact = compact,
		.policy = policy,
		.top1 = (double)NAN,
		.mean_squared = (double)NAN,
		.bits = {.arena = &fit->job->arena}};
}

/* All layers with so many bits at this ratio: emitted, not run. Narrowing without its fit: sizes do not
 * depend on it. */
static bool probe(az_fit *fit, double ratio, unsigned bits, bool compact, az_fit_point *out)
{
	az_bit_layers layers;
	az_module *module = az_module_clone(fit->base, true);
	*out = new_point(fit, ratio, compact);
	az_bit_layers_of(module, &fit->job->arena, &layers);
	for (uint32_t i = 0; i < layers.count; i++)
		az_assign(&out->bits, layers.op[i]->results[0]->name, bits);
	az_module_free(module);
	bool ignored;
	fit->probing = true;
	module = az_fit_network(fit, out, 0, &ignored);
	fit->probing = false;
	bool ok = module && az_fit_measure(fit, module, out);
	if (module)
		az_module_free(module);
	return ok;
}

/* The largest ratio up to `most` whose object with so many bits everywhere meets the budgets; 0: none. */
static bool largest_ratio(az_fit *fit, double most, unsigned bits, bool compact, bool flash,
	double *out, uint64_t *smallest)
{
	az_fit_point p;
	double lo = 0, hi = most;
	*out = 0;
	if (!probe(fit, most, bits, compact, &p))
		return false;
	*smallest = AZ_MIN(*smallest, size_of(&p));
	if (within(fit, &p, flash)) {
		*out = most;
		return true;
	}
	if (!probe(fit, SMALLEST, bits, compact, &p))
		return false;
	*smallest = AZ_MIN(*smallest, size_of(&p));
	if (!within(fit, &p, flash))
		return true;
	lo = SMALLEST;
	for (int i = 0; i < BISECTIONS; i++) {
		double middle = (lo + hi) / 2;
		if (!probe(fit, middle, bits, compact, &p))
			return false;
		if (within(fit, &p, flash))
			lo = middle;
		else
			hi = middle;
	}
	*out = lo;
	return true;
}

/* --- Trying points -------------------------------------------------------------------------------- */

static void print_tried(const az_fit *fit, const az_fit_point *p)
{
	if (!fit->job->ctx->progress)
		return;
	fprintf(stderr, "\r\033[Kwidth %.3f: %llu bytes, %.2f dB", p->ratio,
		(unsigned long long)size_of(p), p->sqnr);
	if (!isnan(p->top1))
		fprintf(stderr, ", top-1 %.2f %%", p->top1);
	fputc('\n', stderr);
}

/* Fills in the point and adds it to the list; one that fits nowhere is left out. */
static bool try_point(az_fit *fit, az_fit_point *point)
{
	bool too_small = false;
	if (az_fit_journal_find(fit, point)) {
		point->fits = within(fit, point, true);
		az_vec_push(&fit->job->arena, &fit->points, *point);
		return true;
	}
	az_fit_journal_losses(fit, point->policy, &point->bits);
	az_module *module = az_fit_network(fit, point, fit->flash, &too_small);
	if (!module)
		return too_small;
	bool ok = az_fit_measure(fit, module, point) && az_fit_evaluate(fit, module, point);
	az_module_free(module);
	if (!ok)
		return false;
	point->slower = fit->job->options.never_slower &&
			point->measured > NEVER_SLOWER * fit->full.measured;
	point->fits = within(fit, point, true) && !point->slower;
	az_fit_journal_add(fit, point);
	az_vec_push(&fit->job->arena, &fit->points, *point);
	print_tried(fit, point);
	return true;
}

/* Index of the best point that fits; points.count: none does. */
static uint32_t best_of(const az_fit *fit)
{
	uint32_t best = fit->points.count;
	for (uint32_t i = 0; i < fit->points.count; i++) {
		const az_fit_point *p = &fit->points.v[i];
		if (p->fits &&
			(best == fit->points.count || az_fit_better(fit, p, &fit->points.v[best])))
			best = i;
	}
	return best;
}

static bool try_uniform(az_fit *fit, double ratio, unsigned bits, bool compact)
{
	az_fit_point p = new_point(fit, ratio, compact);
	az_bit_layers layers;
	az_bit_layers_of(fit->base, &fit->job->arena, &layers);
	for (uint32_t i = 0; i < layers.count; i++)
		az_assign(&p.bits, layers.op[i]->results[0]->name, bits);
	p.policy = az_arena_printf(&fit->job->arena, "uniform %u", bits);
	return try_point(fit, &p);
}

static bool search_uniform(az_fit *fit, double most, bool compact, uint64_t *smallest)
{
	const az_options *o = &fit->job->options;
	unsigned least = o->least.set ? (unsigned)o->least.v : 2;
	for (unsigned b = o->most.set ? (unsigned)o->most.v : 8; b >= least; b--) {
		double ratio;
		if (!largest_ratio(fit, most, b, compact, true, &ratio, smallest) ||
			(ratio > 0 && !try_uniform(fit, ratio, b, compact)))
			return false;
		if (ratio >= most)
			break; /* fewer bits could only lose */
	}
	return true;
}

/* Where b bits everywhere would meet the budget, roughly; `full` has 8 bits and the largest ratio. */
static uint32_t aligned_ratios(const az_fit *fit, const az_fit_point *full, double *ratio)
{
	static const unsigned widths[] = {8, 6, 5, 4, 3, 2};
	uint64_t weights = full->weight_bytes, rest = size_of(full) - weights;
	uint32_t count = 0;
	ratio[count++] = full->ratio;
	for (size_t i = AZ_COUNT(widths); fit->flash > rest && i-- > 0;) {
		double room = (double)(fit->flash - rest) / (double)AZ_MAX(weights, 1);
		double r = full->ratio * sqrt(room * 8 / widths[i]);
		if (r < ratio[count - 1] - SAME && r > SMALLEST)
			ratio[count++] = r;
	}
	return count;
}

static bool search_policy(az_fit *fit, double most, bool compact, uint64_t *smallest)
{
	const az_options *o = &fit->job->options;
	double ratio[8];
	az_fit_point full;
	if (!probe(fit, most, AZ_BITS_MOST, compact, &full))
		return false;
	uint32_t count = aligned_ratios(fit, &full, ratio), worse = 0, before = fit->points.count;
	for (uint32_t i = 0; i < count && worse < 2; i++) {
		az_fit_point p = new_point(fit, ratio[i], compact);
		uint32_t had = fit->points.count;
		if (!try_point(fit, &p))
			return false;
		if (fit->points.count == had)
			*smallest = AZ_MIN(*smallest, p.bits.size_bytes);
		else
			worse = best_of(fit) == had ? 0 : worse + 1;
	}
	if (fit->points.count > before)
		return true;
	/* None of them: as wide as the fewest bits allow. */
	double r;
	unsigned least = o->least.set ? (unsigned)o->least.v : 2;
	if (!largest_ratio(fit, most, least, compact, true, &r, smallest))
		return false;
	az_fit_point p = new_point(fit, r, compact);
	return r <= 0 || try_point(fit, &p);
}

/* With the kernels of most speed, and with those of little code. */
static bool search_both(az_fit *fit, double most, uint64_t *smallest)
{
	const az_options *o = &fit->job->options;
	bool uniform = o->policy && strcmp(o->policy, "uniform") == 0;
	for (int compact = o->size; compact < (o->size || fit->flash ? 2 : 1); compact++) {
		if (!(uniform ? search_uniform(fit, most, compact, smallest)
			      : search_policy(fit, most, compact, smallest)))
			return false;
	}
	return true;
}

bool az_fit_search(az_fit *fit, az_fit_point **best, uint64_t *smallest)
{
	const az_options *o = &fit->job->options;
	double most = 1;
	*best = NULL;
	*smallest = UINT64_MAX;
	unsigned widest = o->most.set ? (unsigned)o->most.v : 8;
	if (!within(fit, &fit->full, false) &&
		!largest_ratio(fit, 1, widest, false, false, &most, smallest))
		return false;
	fit->widest = most;
	if (most > 0 && !search_both(fit, most, smallest))
		return false;
	uint32_t at = best_of(fit);
	if (at < fit->points.count) {
		*best = &fit->points.v[at];
		(*best)->chosen = true;
	}
	return true;
}
