/* SPDX-License-Identifier: Apache-2.0
 *
 * The largest width ratio at which a number of bits meets the budgets, by bisection over emitted objects. */
#include <math.h>

#include "driver/fit.h"
#include "passes/rescale.h"

#define PROBES_MOST 12
#define AIM         0.985 /* of the budget: what is aimed at */

uint64_t az_fit_flash_bytes(const az_fit_point *p)
{
	return p->text_bytes + p->rodata_bytes;
}

bool az_fit_within(const az_fit *fit, const az_fit_point *p, bool flash)
{
	return (!flash || !fit->flash || az_fit_flash_bytes(p) <= fit->flash) &&
	       (!fit->ram || p->arena_bytes <= fit->ram) && (!fit->macs || p->macs <= fit->macs) &&
	       (!fit->bitops || p->bitops <= fit->bitops);
}

unsigned az_fit_most(const az_fit *fit)
{
	const az_options *o = &fit->job->options;
	return o->most.set ? (unsigned)o->most.v : AZ_BITS_MOST;
}

bool az_fit_same_widths(const az_fit *fit, double a, double b)
{
	int64_t multiple = az_fit_multiple(fit);
	for (uint32_t i = 0; i < fit->channels.group_count; i++) {
		const az_channel_group *group = &fit->channels.groups[i];
		if (az_rescaled_width(group, a, multiple) != az_rescaled_width(group, b, multiple))
			return false;
	}
	return true;
}

/* A search for the largest ratio that fits: `lo` does (0: none is known), `hi` does not. */
typedef struct bracket {
	double lo, hi;
	uint64_t lo_size, hi_size; /* without lo: what does not shrink with the width */
} bracket;

/* Sizes grow with the square of the ratio: where the budget is nearly used, by that. */
static double guess(const az_fit *fit, const bracket *b, bool flash)
{
	double lo = fmax(b->lo, AZ_FIT_SMALLEST), least = lo + (b->hi - lo) / 8;
	double grown = (double)b->hi_size - (double)b->lo_size;
	double square = (AIM * (double)fit->flash - (double)b->lo_size) / grown;
	if (!flash || !fit->flash || b->hi_size <= fit->flash || !(grown > 0))
		return (lo + b->hi) / 2;
	double r = sqrt(fmax(b->lo * b->lo + square * (b->hi * b->hi - b->lo * b->lo), 0));
	return fmin(fmax(r, least), b->hi - (b->hi - lo) / 8);
}

static bool near_enough(const az_fit *fit, const bracket *b, bool flash)
{
	if (b->lo > 0 && flash && fit->flash &&
		(double)b->lo_size >= AZ_FIT_USED * (double)fit->flash)
		return true;
	return b->lo > 0 ? az_fit_same_widths(fit, b->lo, b->hi * (1 - 1e-9))
			 : az_fit_same_widths(fit, AZ_FIT_SMALLEST, b->hi * (1 - 1e-9));
}

bool az_fit_largest_ratio(az_fit *fit, double most, unsigned bits, bool compact, bool flash,
	double *out, uint64_t *smallest)
{
	az_fit_point p;
	bracket b = {0, most, 0, 0};
	for (int i = 0; i < PROBES_MOST && !(i && near_enough(fit, &b, flash)); i++) {
		double at = i ? guess(fit, &b, flash) : most;
		/* Between two ratios that were tried there may be no other width. */
		if (i && az_fit_same_widths(fit, at, b.hi))
			at = b.lo > 0 ? (b.lo + b.hi) / 2 : AZ_FIT_SMALLEST;
		if (!az_fit_probe(fit, at, bits, compact, &p))
			return false;
		*smallest = AZ_MIN(*smallest, az_fit_flash_bytes(&p));
		if (az_fit_within(fit, &p, flash)) {
			b.lo = at;
			b.lo_size = az_fit_flash_bytes(&p);
			if (at == most)
				break;
		} else {
			b.hi = at;
			b.hi_size = az_fit_flash_bytes(&p);
			if (b.lo == 0)
				b.lo_size = b.hi_size - AZ_MIN(b.hi_size, p.weight_bytes);
		}
		if (b.lo == 0 && at <= AZ_FIT_SMALLEST)
			break;
	}
	*out = b.lo;
	return true;
}
