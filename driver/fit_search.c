/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk over widths and bits. At every width ratio the policy assigns bits under the flash budget; weights
 * grow with the square of the width, so a budget that b bits meet at full width is met by b0 bits at a width of
 * about sqrt(b / b0): those are the ratios that are tried, from the widest downwards, until two in turn are worse
 * than the best or one is hopeless. The uniform policy has no bits to vary between layers: for every number of
 * bits it finds the largest ratio that fits, over emitted objects, from the most bits that fit at full width
 * upwards. Under a budget of RAM activations get fewer bits (assign-activations); the walk begins at the largest ratio
 * where the fewest do. Bit operations bind the bits of weights together with flash, multiply-accumulates the ratio
 * alone: the largest that meets them is where the walk begins. Both walks are made with compact kernels first, then with the fast ones. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver/fit.h"

#define SAME         0.02 /* ratios nearer than that are one */
#define RETRIES      3
#define WORSE        1    /* dB below the best; nearer ones say nothing of what comes */
#define HOPELESS     6    /* dB below the best */
#define NEVER_SLOWER 1.02 /* of the time with 8 bits; clocks are not steadier */

/* --- Trying points -------------------------------------------------------------------------------- */

static void print_tried(const az_fit *fit, const az_fit_point *p)
{
	if (!fit->job->ctx->progress)
		return;
	fprintf(stderr, "\r\033[Kwidth %.3f%s: %llu bytes", p->ratio, p->compact ? ", compact" : "",
		(unsigned long long)az_fit_flash_bytes(p));
	if (p->no_bits)
		fprintf(stderr, " with the fewest bits, too many");
	else
		fprintf(stderr, ", %.2f dB", p->sqnr);
	if (!isnan(p->top1))
		fprintf(stderr, ", top-1 %.2f %%", p->top1);
	if (fit->steps && fit->steps_ahead) {
		double each = (az_seconds_now() - fit->begun) / fit->steps;
		fputs("; at most ", stderr);
		az_print_left(each * fit->steps_ahead);
	}
	fputc('\n', stderr);
}

/* Makes the network under this budget of flash, measures and runs it. Bits are assigned before weights are rounded,
 * and kernels may depend on their values: *over is what the object takes beyond the budget. */
static bool make_point(az_fit *fit, az_fit_point *point, uint64_t flash, uint64_t *over)
{
	*over = 0;
	az_fit_journal_losses(fit, point->policy, &point->bits);
	az_module *module = az_fit_network(fit, point, flash, &point->no_bits);
	if (!module) {
		point->text_bytes = point->bits.size_bytes;
		return point->no_bits;
	}
	bool ok = az_fit_measure(fit, module, point);
	if (ok && fit->flash && az_fit_flash_bytes(point) > fit->flash)
		*over = az_fit_flash_bytes(point) - fit->flash;
	ok = ok && az_fit_evaluate(fit, module, point);
	az_module_free(module);
	return ok;
}

/* Fills in the point and adds it to the list; also one for which no bits are few enough. */
static bool try_point(az_fit *fit, az_fit_point *point)
{
	if (!az_fit_journal_find(fit, point)) {
		const az_fit_point asked = *point;
		uint64_t over, less = 0;
		for (int i = 0; i < RETRIES; i++) {
			*point = asked;
			if (!make_point(fit, point, fit->flash - less, &over))
				return false;
			less += over;
			if (!over || asked.bits.list.count || less >= fit->flash)
				break;
		}
		point->slower = fit->job->options.never_slower &&
				point->measured > NEVER_SLOWER * fit->full.measured;
		az_fit_journal_add(fit, point);
		print_tried(fit, point);
	}
	point->fits = az_fit_within(fit, point, true) && !point->slower && !point->no_bits;
	az_vec_push(&fit->job->arena, &fit->points, *point);
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

/* How a walk from wide to narrow goes on after the last point. */
typedef struct walk {
	uint32_t worse; /* in turn */
	bool over;
} walk;

/* A walk of so many steps at most begins. Behind the one with compact kernels something may follow with fast ones. */
static void expect(az_fit *fit, uint32_t steps, bool compact)
{
	const az_options *o = &fit->job->options;
	fit->steps_ahead = steps;
	if (compact && !o->size)
		fit->steps_ahead += o->never_slower ? steps : 1;
}

static void step(az_fit *fit)
{
	fit->steps++;
	fit->steps_ahead -= fit->steps_ahead > 0;
}

static void look_back(const az_fit *fit, walk *w)
{
	uint32_t best = best_of(fit);
	const az_fit_point *last = &fit->points.v[fit->points.count - 1];
	if (!last->fits)
		return;
	double short_of = fit->points.v[best].sqnr - last->sqnr;
	w->worse = short_of > WORSE ? w->worse + 1 : 0;
	w->over = w->worse == 2 || short_of > HOPELESS;
}

/* What was probed may be some bytes off when it is calibrated and rounded in earnest: then a little less. */
static bool try_uniform(az_fit *fit, double ratio, unsigned bits, bool compact)
{
	for (int i = 0; i < 3; i++, ratio *= 0.99) {
		az_fit_point p = az_fit_new_point(fit, ratio, compact);
		az_assign_all(&p.bits, fit->base, bits);
		p.policy = az_arena_printf(&fit->job->arena, "uniform %u", bits);
		if (!try_point(fit, &p))
			return false;
		if (fit->points.v[fit->points.count - 1].fits)
			break;
	}
	return true;
}

static bool search_uniform(az_fit *fit, double most, bool compact, uint64_t *smallest)
{
	unsigned least = az_fit_fewest(fit), widest = az_fit_most(fit);
	/* Fewer bits than fit at full width could only lose. */
	for (unsigned b = widest; b > least; b--) {
		az_fit_point p;
		if (!az_fit_probe(fit, most, b, compact, &p))
			return false;
		if (az_fit_within(fit, &p, true))
			least = b;
	}
	walk w = {0};
	expect(fit, widest - least + 1, compact);
	for (unsigned b = least; b <= widest && !w.over; b++, step(fit)) {
		double ratio;
		if (!az_fit_largest_ratio(fit, most, b, compact, true, &ratio, smallest))
			return false;
		if (ratio <= 0)
			break; /* more bits take more */
		if (!try_uniform(fit, ratio, b, compact))
			return false;
		look_back(fit, &w);
	}
	return true;
}

#define RATIOS_MOST 16

/* Enters a ratio among those before, from the largest down, unless there is one like it. */
static void add_ratio(double *ratio, uint32_t *count, double r)
{
	uint32_t at = *count;
	if (r <= AZ_FIT_SMALLEST || at == RATIOS_MOST)
		return;
	while (at > 0 && ratio[at - 1] < r)
		at--;
	if ((at > 0 && ratio[at - 1] - r < SAME) || (at < *count && r - ratio[at] < SAME))
		return;
	memmove(ratio + at + 1, ratio + at, (*count - at) * sizeof *ratio);
	ratio[at] = r;
	++*count;
}

/* Where b bits everywhere would meet the budget, roughly; `full` has 8 bits of weights and the largest ratio. Work
 * grows with the square of the ratio as weights do, activations with the ratio. */
static uint32_t aligned_ratios(const az_fit *fit, const az_fit_point *full, double *ratio)
{
	static const unsigned widths[] = {8, 6, 5, 4, 3, 2};
	uint64_t weights = full->weight_bytes, rest = az_fit_flash_bytes(full) - weights;
	uint32_t count = 0;
	add_ratio(ratio, &count, full->ratio);
	for (size_t i = 0; i < AZ_COUNT(widths); i++) {
		double room = ((double)fit->flash - (double)rest) / (double)AZ_MAX(weights, 1);
		double r = fit->flash > rest ? full->ratio * sqrt(room * 8 / widths[i]) : 0;
		double work = (double)fit->bitops / (double)AZ_MAX(fit->full.bitops, 1);
		double by_work = sqrt(work * 8 / widths[i]);
		double space = (double)fit->ram / (double)AZ_MAX(fit->full.arena_bytes, 1);
		if (r < full->ratio)
			add_ratio(ratio, &count, r);
		if (by_work < full->ratio)
			add_ratio(ratio, &count, by_work);
		if (widths[i] > 3 && space * 8 / widths[i] < full->ratio)
			add_ratio(ratio, &count, space * 8 / widths[i]);
	}
	return count;
}

/* Do the fewest bits fit at that width, or the fewest with short code? `p`: what was probed last. */
static bool probe_fewest(az_fit *fit, double ratio, bool compact, az_fit_point *p, bool *fits)
{
	unsigned fewest = az_fit_fewest(fit), short_code = az_bits_short_code(fewest);
	if (!az_fit_probe(fit, ratio, fewest, compact, p))
		return false;
	*fits = az_fit_within(fit, p, true);
	if (*fits || short_code == fewest || short_code > az_fit_most(fit))
		return true;
	if (!az_fit_probe(fit, ratio, short_code, compact, p))
		return false;
	*fits = az_fit_within(fit, p, true);
	return true;
}

/* A width at which no bits are few enough, for the table. */
static void add_too_large(az_fit *fit, double ratio, bool compact, const az_fit_point *fewest)
{
	az_fit_point p = az_fit_new_point(fit, ratio, compact);
	p.no_bits = true;
	p.text_bytes = az_fit_flash_bytes(fewest);
	az_vec_push(&fit->job->arena, &fit->points, p);
}

/* At another width it is first asked whether few bits fit: narrowing well takes longer. */
static bool try_width(az_fit *fit, double ratio, bool compact)
{
	az_fit_point p = az_fit_new_point(fit, ratio, compact), fewest;
	bool fits = true;
	if (ratio != 1 && fit->flash && !probe_fewest(fit, ratio, compact, &fewest, &fits))
		return false;
	if (!fits)
		add_too_large(fit, ratio, compact, &fewest);
	return !fits || try_point(fit, &p);
}

/* The most bits that all layers can have at this point's width, of three above `mean` and what lies between; 0: not
 * even the mean. More bits can take less: code of 4 and 8 bits is short, and equal layers share it. */
static bool most_for_all(az_fit *fit, const az_fit_point *point, unsigned mean, unsigned *out)
{
	az_fit_point p;
	for (*out = AZ_MIN(mean + 3, az_fit_most(fit)); *out >= mean && *out; --*out) {
		if (!az_fit_probe(fit, point->ratio, *out, point->compact, &p))
			return false;
		if (az_fit_within(fit, &p, true))
			return true;
	}
	*out = 0;
	return true;
}

/* Losses are those of single layers, rounded to nearest: what is best for them need not be best for all layers
 * together, rounded well; and equal layers of equal bits share code. Choices nearer to the same width everywhere
 * compete with it: those with at least the mean of its bits, and with at least what all layers can have. */
static bool try_even(az_fit *fit, uint32_t of)
{
	az_fit_point first = fit->points.v[of];
	az_bit_layers layers;
	double bits = 0, weights = 0;
	unsigned given = AZ_BITS_MOST, all;
	az_bit_layers_of(fit->base, &fit->job->arena, &layers);
	for (uint32_t i = 0; i < layers.count; i++) {
		unsigned b = az_assigned_bits(&first.bits, layers.op[i]->results[0]->name);
		bits += (double)layers.weights[i] * b;
		weights += (double)layers.weights[i];
		given = AZ_MIN(given, b);
	}
	unsigned mean = (unsigned)(bits / fmax(weights, 1));
	if (!most_for_all(fit, &first, mean, &all))
		return false;
	const unsigned least[] = {all > given ? all : 0, mean > given && mean < all ? mean : 0};
	for (size_t i = 0; i < AZ_COUNT(least); i++) {
		az_fit_point p = az_fit_new_point(fit, first.ratio, first.compact);
		p.least = least[i];
		if (least[i] && !try_point(fit, &p))
			return false;
	}
	return true;
}

/* Has every budget of bytes room, and is there no layer or activation that more bits could go to? */
static bool has_room_for_channels(const az_fit *fit, const az_fit_point *p)
{
	for (uint32_t i = 0; fit->flash && i < p->bits.list.count; i++) {
		if (p->bits.list.v[i].bits < az_fit_most(fit))
			return false;
	}
	return !p->bits.acts.count &&
	       (!fit->flash || (double)az_fit_flash_bytes(p) < AZ_FIT_USED * (double)fit->flash) &&
	       (!fit->ram || (double)p->arena_bytes < AZ_FIT_USED * (double)fit->ram);
}

/* Where nothing can get more bits, what is left of the budget goes into channels. */
static bool try_wider(az_fit *fit, double most, bool compact, uint64_t *smallest)
{
	uint32_t best = best_of(fit);
	const az_fit_point *p = &fit->points.v[best];
	double r;
	if (best == fit->points.count || p->compact != compact || p->ratio >= most ||
		!has_room_for_channels(fit, p))
		return true;
	double ratio = p->ratio;
	fit->wide_acts = true;
	bool ok = az_fit_largest_ratio(fit, most, az_fit_most(fit), compact, true, &r, smallest);
	fit->wide_acts = false;
	return ok && (r <= ratio || az_fit_same_widths(fit, r, ratio) ||
			     try_uniform(fit, r, az_fit_most(fit), compact));
}

/* The largest ratio at which few bits meet the budgets; 0: none. What is too large is kept for the table. */
static bool widest_for_fewest(az_fit *fit, double most, bool compact, double *out,
	uint64_t *smallest)
{
	az_fit_point p;
	unsigned fewest = az_fit_fewest(fit), short_code = az_bits_short_code(fewest);
	double r = 0;
	bool fits;
	*out = most;
	if (!probe_fewest(fit, most, compact, &p, &fits))
		return false;
	*smallest = AZ_MIN(*smallest, az_fit_flash_bytes(&p));
	if (fits)
		return true;
	add_too_large(fit, most, compact, &p);
	if (!az_fit_largest_ratio(fit, most, fewest, compact, true, out, smallest))
		return false;
	if (short_code > fewest && short_code <= az_fit_most(fit) &&
		!az_fit_largest_ratio(fit, most, short_code, compact, true, &r, smallest))
		return false;
	*out = fmax(*out, r);
	return true;
}

/* All channels, and everything with the most bits: fewer of anything could only lose. */
static bool is_whole(const az_fit_point *p)
{
	for (uint32_t i = 0; i < p->bits.list.count; i++)
		if (p->bits.list.v[i].bits < AZ_BITS_MOST)
			return false;
	return p->fits && p->ratio == 1 && p->bits.acts.count == 0;
}

static bool search_policy(az_fit *fit, double most, bool compact, uint64_t *smallest)
{
	double ratio[RATIOS_MOST], widest;
	az_fit_point full;
	if (!widest_for_fewest(fit, most, compact, &widest, smallest) ||
		!az_fit_probe(fit, most, AZ_BITS_MOST, compact, &full))
		return false;
	uint32_t count = aligned_ratios(fit, &full, ratio);
	walk w = {.over = widest <= 0};
	double last = 0;
	expect(fit, count, compact);
	for (uint32_t i = 0; i < count && !w.over; i++, step(fit)) {
		double at = i ? ratio[i] : widest;
		if (at > widest || (i && az_fit_same_widths(fit, at, last)))
			continue;
		uint32_t index = fit->points.count;
		if (!try_width(fit, at, compact))
			return false;
		if (index < fit->points.count && is_whole(&fit->points.v[index]))
			return true;
		last = at;
		look_back(fit, &w);
		if (fit->flash && fit->points.v[index].fits && w.worse == 0 &&
			!try_even(fit, index))
			return false;
	}
	return try_wider(fit, most, compact, smallest);
}

static bool search_with(az_fit *fit, double most, bool compact, uint64_t *smallest)
{
	const char *policy = fit->job->options.policy;
	return policy && strcmp(policy, "uniform") == 0
		       ? search_uniform(fit, most, compact, smallest)
		       : search_policy(fit, most, compact, smallest);
}

/* With kernels of little code first. At the same width those of most speed leave less room for weights, so they
 * are tried where the others did best; everywhere when none of those did or time counts. */
static bool search_both(az_fit *fit, double most, uint64_t *smallest)
{
	const az_options *o = &fit->job->options;
	if (!fit->flash || o->size)
		return search_with(fit, most, o->size, smallest);
	if (!search_with(fit, most, true, smallest))
		return false;
	uint32_t best = best_of(fit);
	if (best == fit->points.count || o->never_slower)
		return search_with(fit, most, false, smallest);
	const az_fit_point as = fit->points.v[best];
	if (strncmp(as.policy, "uniform", strlen("uniform")) != 0)
		return try_width(fit, as.ratio, false) && try_wider(fit, most, false, smallest);
	unsigned bits = as.bits.list.v[0].bits;
	double r;
	if (!az_fit_largest_ratio(fit, most, bits, false, true, &r, smallest))
		return false;
	bool narrower = r <= 0 || (r < as.ratio && !az_fit_same_widths(fit, r, as.ratio));
	return narrower || try_uniform(fit, r, bits, false);
}

static bool search(az_fit *fit, uint64_t *smallest)
{
	fit->widest = 1;
	fit->begun = az_seconds_now();
	if (az_fit_within(fit, &fit->full, true) && az_fit_most(fit) == AZ_BITS_MOST &&
		!fit->job->options.size) {
		/* A search has nothing to gain. */
		az_vec_push(&fit->job->arena, &fit->points, fit->full);
		fit->points.v[0].fits = true;
		return true;
	}
	if (!az_fit_within(fit, &fit->full, false) &&
		!az_fit_largest_ratio(fit, 1, fit->bitops ? az_fit_fewest(fit) : az_fit_most(fit),
			false, false, &fit->widest, smallest))
		return false;
	return fit->widest <= 0 || search_both(fit, fit->widest, smallest);
}

bool az_fit_search(az_fit *fit, az_fit_point **best, uint64_t *smallest)
{
	*best = NULL;
	*smallest = UINT64_MAX;
	/* Groups are found on a clone, for that splits constants. */
	az_module *clone = az_module_clone(fit->base, true);
	az_channels_make(clone, &fit->job->arena, &fit->channels);
	bool ok = search(fit, smallest);
	az_module_free(clone);
	uint32_t at = ok ? best_of(fit) : fit->points.count;
	if (at < fit->points.count) {
		*best = &fit->points.v[at];
		(*best)->chosen = true;
	}
	return ok;
}
