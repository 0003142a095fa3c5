/* SPDX-License-Identifier: Apache-2.0
 *
 * Budgets of `adze fit`: reading them, and explaining why none of the networks meets them. What is no budget at
 * all is refused before anything is measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/fit.h"

typedef struct amount {
	double value;
	bool percent; /* of what the network with 8 bits takes */
} amount;

/* "96K", "64KiB", "1.5M", "50%": a positive number of things. */
static bool parse(az_job *job, const char *option, const char *text, amount *out)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {{"", 1}, {"%", 1}, {"B", 1}, {"K", 1e3}, {"KB", 1e3}, {"KiB", 1024},
		{"M", 1e6}, {"MB", 1e6}, {"MiB", 1048576}, {"G", 1e9}};
	char *end;
	double v = strtod(text, &end), factor = 0;
	for (size_t i = 0; i < AZ_COUNT(units); i++) {
		if (end != text && strcmp(end, units[i].suffix) == 0)
			factor = units[i].factor;
	}
	*out = (amount){v * factor, strcmp(end, "%") == 0};
	if (factor == 0)
		return az_error(job->ctx, AZ_LOC_NONE,
			"%s wants a size such as 96K, 64KiB, 1.5M or 50%%, found '%s'", option,
			text);
	if (!(v > 0) || (!out->percent && out->value < 1))
		return az_error(job->ctx, AZ_LOC_NONE, "%s=%s is no budget: it must be positive",
			option, text);
	if (out->percent && out->value > 100)
		return az_error(job->ctx, AZ_LOC_NONE,
			"%s=%s is out of range: at most 100%% of what the network takes with 8 "
			"bits and all channels",
			option, text);
	return true;
}

static bool read(az_job *job, const char *option, const char *text, const char *of, uint64_t whole,
	uint64_t *out)
{
	amount a;
	*out = 0;
	if (!text)
		return true;
	if (!parse(job, option, text, &a))
		return false;
	if (!a.percent && a.value > (double)whole)
		return az_error(job->ctx, AZ_LOC_NONE,
			"%s=%s is more than the network takes with 8 bits and all channels: %llu "
			"%s; there is nothing to fit",
			option, text, (unsigned long long)whole, of);
	*out = (uint64_t)(a.percent ? a.value / 100 * (double)whole : a.value);
	*out = AZ_MAX(*out, 1);
	return true;
}

bool az_fit_check_budgets(az_job *job)
{
	const az_options *o = &job->options;
	const char *const budgets[][2] = {{"--flash", o->flash}, {"--ram", o->ram},
		{"--macs", o->macs}, {"--bitops", o->bitops}};
	amount ignored;
	for (size_t i = 0; i < AZ_COUNT(budgets); i++) {
		if (budgets[i][1] && !parse(job, budgets[i][0], budgets[i][1], &ignored))
			return false;
	}
	return true;
}

bool az_fit_read_budgets(az_fit *fit)
{
	az_job *job = fit->job;
	const az_options *o = &job->options;
	const az_fit_point *full = &fit->full;
	return read(job, "--flash", o->flash, "bytes of .text and .rodata",
		       az_fit_flash_bytes(full), &fit->flash) &&
	       read(job, "--ram", o->ram, "bytes of arena", full->arena_bytes, &fit->ram) &&
	       read(job, "--macs", o->macs, "multiply-accumulates", full->macs, &fit->macs) &&
	       read(job, "--bitops", o->bitops, "bit operations", full->bitops, &fit->bitops);
}

/* --- Why none does -------------------------------------------------------------------------------- */

static uint64_t bytes_of(const az_fit_layer *l)
{
	return l->weight_bytes + l->constant_bytes + l->code_bytes;
}

/* The layer that only `rank` others outweigh. */
static const az_fit_layer *heaviest(const az_fit_point *p, uint32_t rank)
{
	for (uint32_t i = 0;; i++) {
		uint32_t heavier = 0;
		uint64_t own = bytes_of(&p->layer[i]);
		for (uint32_t k = 0; k < p->layer_count; k++) {
			uint64_t other = bytes_of(&p->layer[k]);
			heavier += other > own || (other == own && k < i);
		}
		if (heavier == rank)
			return &p->layer[i];
	}
}

void az_fit_explain(const az_fit *fit, uint64_t smallest)
{
	const az_fit_point *full = &fit->full, *least = &fit->least;
	fprintf(stderr, "adze: error: no network of this kind meets the budget\n");
	if (fit->flash && smallest != UINT64_MAX)
		fprintf(stderr,
			"  flash: %llu bytes wanted; the smallest found takes %llu, with 8 bits "
			"and all channels %llu\n",
			(unsigned long long)fit->flash, (unsigned long long)smallest,
			(unsigned long long)az_fit_flash_bytes(full));
	if (fit->ram)
		fprintf(stderr,
			"  RAM: %llu bytes wanted; the smallest found takes %llu, with 8 bits and "
			"all channels %llu\n",
			(unsigned long long)fit->ram, (unsigned long long)fit->smallest_arena,
			(unsigned long long)full->arena_bytes);
	fprintf(stderr, "  what is left of the heaviest layers at %.3f of the width:\n",
		least->ratio);
	for (uint32_t rank = 0; rank < least->layer_count && rank < 3; rank++) {
		const az_fit_layer *l = heaviest(least, rank);
		fprintf(stderr,
			"  %s: %llu bytes of weights, %llu of other constants, %llu of code\n",
			l->name, (unsigned long long)l->weight_bytes,
			(unsigned long long)l->constant_bytes, (unsigned long long)l->code_bytes);
	}
}
