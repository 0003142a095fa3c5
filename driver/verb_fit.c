/* SPDX-License-Identifier: Apache-2.0
 *
 * adze fit: a byte budget in, a network within it out. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/fit.h"
#include "ir/print.h"

/* --- Budgets -------------------------------------------------------------------------------------- */

/* "96K", "64KiB", "1.5M", "50%" of `whole`: a positive number of things. */
static bool read_budget(az_job *job, const char *option, const char *text, uint64_t whole,
	uint64_t *out)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {{"", 1}, {"B", 1}, {"K", 1e3}, {"KB", 1e3}, {"KiB", 1024}, {"M", 1e6},
		{"MB", 1e6}, {"MiB", 1048576}, {"G", 1e9}};
	char *end;
	*out = 0;
	if (!text)
		return true;
	double v = strtod(text, &end), factor = 0;
	for (size_t i = 0; i < AZ_COUNT(units); i++) {
		if (strcmp(end, units[i].suffix) == 0)
			factor = units[i].factor;
	}
	if (strcmp(end, "%") == 0)
		factor = (double)whole / 100;
	if (end == text || factor == 0)
		return az_error(job->ctx, AZ_LOC_NONE,
			"%s wants a size such as 96K, 64KiB, 1.5M or 50%%, found '%s'", option,
			text);
	if (!(v > 0) || !(v * factor >= 1) || !(v * factor < 0x1p63))
		return az_error(job->ctx, AZ_LOC_NONE, "%s=%s is no budget: it must be positive",
			option, text);
	*out = (uint64_t)(v * factor);
	return true;
}

static bool read_budgets(az_fit *fit)
{
	az_job *job = fit->job;
	const az_options *o = &job->options;
	const az_fit_point *full = &fit->full;
	return read_budget(job, "--flash", o->flash, full->text_bytes + full->rodata_bytes,
		       &fit->flash) &&
	       read_budget(job, "--ram", o->ram, full->arena_bytes, &fit->ram) &&
	       read_budget(job, "--macs", o->macs, full->macs, &fit->macs) &&
	       read_budget(job, "--bitops", o->bitops, full->bitops, &fit->bitops);
}

/* Faults of the command line; NULL: none. */
static const char *misused(const az_options *o)
{
	int64_t least = o->least.set ? o->least.v : 2, most = o->most.set ? o->most.v : 8;
	if (!o->sizes && !o->flash && !o->ram && !o->macs && !o->bitops)
		return "fit wants a budget: --flash, --ram, --macs or --bitops";
	if (!o->calib)
		return "fit wants --calib=DATA: samples that it measures every choice with";
	if (o->label_offset.set && !o->calib_labels)
		return "--label-offset wants --calib-labels=FILE";
	if (least < 1 || most > AZ_BITS_MOST || least > most)
		return "--least and --most want 1 to 8 bits, least first";
	if (o->emit && strcmp(o->emit, "exe") != 0 && strcmp(o->emit, "obj") != 0)
		return "--emit wants exe or obj";
	if (o->multiple.set && (o->multiple.v < 1 || o->multiple.v > 4096))
		return "--multiple wants 1 to 4096 channels";
	return NULL;
}

/* --- Making the network --------------------------------------------------------------------------- */

static bool to_canonical(az_fit *fit)
{
	az_job *job = fit->job;
	az_road road = {.to_canonical_only = true};
	if (fit->base->stage > AZ_STAGE_CANONICAL || az_module_is_quantized(fit->base))
		return az_error(job->ctx, AZ_LOC_NONE,
			"fit wants a float network; this one is quantized or compiled already");
	char *text = az_road_text(&job->arena, fit->base, &road);
	if (text[0] && !az_job_pipeline(job, fit->base, text))
		return false;
	fit->data = job->calib;
	return fit->data != NULL && fit->data->count
		       ? true
		       : az_error(job->ctx, AZ_LOC_NONE, "there are no calibration samples");
}

static bool measure_full(az_fit *fit)
{
	bool ignored;
	az_bit_layers layers;
	fit->full =
		(az_fit_point){.ratio = 1, .policy = "8 bits", .bits = {.arena = &fit->job->arena}};
	az_bit_layers_of(fit->base, &fit->job->arena, &layers);
	if (!layers.count)
		return az_error(fit->job->ctx, AZ_LOC_NONE,
			"no convolution or product of this network has constant weights");
	for (uint32_t i = 0; i < layers.count; i++)
		az_assign(&fit->full.bits, layers.op[i]->results[0]->name, AZ_BITS_MOST);
	az_module *module = az_fit_network(fit, &fit->full, 0, &ignored);
	bool ok = module && az_fit_measure(fit, module, &fit->full) &&
		  az_fit_evaluate(fit, module, &fit->full);
	if (module)
		az_module_free(module);
	return ok;
}

/* Behind the 8-bit network, which budgets in per cent refer to. */
static bool split_channels(az_fit *fit)
{
	return !fit->job->options.split || az_job_pipeline(fit->job, fit->base, "split-channels");
}

static const char *output_path(az_job *job)
{
	const az_options *o = &job->options;
	if (o->output)
		return o->output;
	return az_arena_printf(&job->arena, "%s.fit.adz", az_path_stem(&job->arena, o->args[0]));
}

/* What --emit asks for, beside the .adz. */
static bool emit(az_fit *fit, az_module *module)
{
	az_job *job = fit->job;
	const char *base = output_path(job), *form = job->options.emit;
	bool object = strcmp(form, "obj") == 0;
	size_t stem = strlen(base);
	if (stem > 4 && strcmp(base + stem - 4, ".adz") == 0)
		stem -= 4;
	const char *path =
		az_arena_printf(&job->arena, "%.*s%s", (int)stem, base, object ? ".o" : ".exe");
	const void *data;
	size_t size;
	az_emit_options options = {.emit = object ? AZ_EMIT_OBJ : AZ_EMIT_EXE,
		.name = az_name_of(job->ctx, az_job_symbol(job, job->options.args[0])),
		.model_info = az_path_base(&job->arena, job->options.args[0])};
	return az_backend_emit(module, job->target, &options, &job->arena, &data, &size) &&
	       az_file_write(job->ctx, path, data, size, !object);
}

/* The chosen network once more: choices are measured, networks are not kept. Its text stops where networks
 * are the same for every target, unless the kernels are part of the choice. */
static bool write_best(az_fit *fit, az_fit_point *best)
{
	bool ignored;
	az_job *job = fit->job;
	az_module *module = az_fit_network(fit, best, fit->flash, &ignored);
	if (!module)
		return false;
	const char *path = output_path(job), *blobs = job->options.blobs;
	const char *rest = best->compact ? AZ_FIT_TO_PLACED("{size}") : AZ_FIT_TO_PLACED("");
	bool ok = (best->layer || az_fit_measure(fit, module, best)) &&
		  (best->compact || az_module_write(module, path, blobs)) &&
		  az_job_pipeline(job, module, rest) &&
		  (!best->compact || az_module_write(module, path, blobs)) &&
		  (!job->options.emit || emit(fit, module));
	az_module_free(module);
	return ok;
}

/* --- Telling --------------------------------------------------------------------------------------- */

/* The layer that only `rank` others outweigh. */
static const az_fit_layer *heaviest(const az_fit_point *p, uint32_t rank)
{
	for (uint32_t i = 0;; i++) {
		uint32_t heavier = 0;
		uint64_t own = p->layer[i].weight_bytes;
		for (uint32_t k = 0; k < p->layer_count; k++) {
			uint64_t other = p->layer[k].weight_bytes;
			heavier += other > own || (other == own && k < i);
		}
		if (heavier == rank)
			return &p->layer[i];
	}
}

static void explain_refusal(const az_fit *fit, uint64_t smallest)
{
	const az_fit_point *full = &fit->full;
	fprintf(stderr, "adze: error: no network of this kind meets the budget\n");
	if (fit->flash && smallest != UINT64_MAX)
		fprintf(stderr,
			"  flash: %llu bytes wanted; the smallest found takes %llu, with 8 bits "
			"and "
			"all channels %llu\n",
			(unsigned long long)fit->flash, (unsigned long long)smallest,
			(unsigned long long)(full->text_bytes + full->rodata_bytes));
	if (fit->ram)
		fprintf(stderr, "  RAM: %llu bytes wanted, %llu with all channels\n",
			(unsigned long long)fit->ram, (unsigned long long)full->arena_bytes);
	for (uint32_t rank = 0; rank < full->layer_count && rank < 3; rank++) {
		const az_fit_layer *l = heaviest(full, rank);
		fprintf(stderr, "  %s: %llu bytes of weights and %llu of code with 8 bits\n",
			l->name, (unsigned long long)l->weight_bytes,
			(unsigned long long)l->code_bytes);
	}
}

static bool tell(az_fit *fit, const az_fit_point *best)
{
	az_job *job = fit->job;
	if (job->options.json)
		az_print_json(az_fit_json(fit, best));
	else
		az_fit_print(fit, best);
	if (best && !job->options.json)
		printf("%s\n", output_path(job));
	return !job->options.page || az_fit_page(fit, best, job->options.page);
}

static int fit_budgets(az_fit *fit)
{
	az_job *job = fit->job;
	az_fit_point *best;
	uint64_t smallest;
	const char *journal = job->options.journal;
	if (!journal)
		journal = az_arena_printf(&job->arena, "%s.journal", output_path(job));
	if (!az_job_target(job) || !to_canonical(fit) || !az_fit_reference(fit))
		return AZ_EXIT_REFUSED;
	if (job->options.sizes)
		return az_fit_sizes(fit) ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
	if (!measure_full(fit) || !read_budgets(fit) || !split_channels(fit) ||
		!az_fit_journal_open(fit, journal))
		return AZ_EXIT_REFUSED;
	if (!az_fit_search(fit, &best, &smallest) || (best && !write_best(fit, best)))
		return AZ_EXIT_REFUSED;
	if (!best)
		explain_refusal(fit, smallest);
	if (!tell(fit, best))
		return AZ_EXIT_REFUSED;
	az_fit_journal_close(fit, !job->options.journal);
	return best ? AZ_EXIT_DONE : AZ_EXIT_BUDGET;
}

int az_verb_fit(az_job *job)
{
	const char *fault = misused(&job->options);
	if (fault) {
		fprintf(stderr, "adze: error: %s\n", fault);
		return AZ_EXIT_USAGE;
	}
	az_fit fit = {.job = job};
	fit.base = az_job_load(job, job->options.args[0]);
	if (!fit.base)
		return AZ_EXIT_REFUSED;
	int code = az_backend_keep(job->ctx) ? fit_budgets(&fit) : AZ_EXIT_REFUSED;
	az_backend_forget(job->ctx);
	az_fit_journal_close(&fit, false);
	az_module_free(fit.base);
	return code;
}
