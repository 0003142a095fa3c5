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

static bool is_one_of(const char *word, const char *const *words)
{
	while (*words && word && strcmp(*words, word) != 0)
		words++;
	return !word || *words;
}

/* Faults of the command line; NULL: none. */
static const char *misused(const az_options *o)
{
	static const char *const policies[] = {
		"sensitivity", "hessian", "orthogonality", "uniform", NULL};
	static const char *const importances[] = {"activation", "magnitude", "taylor", NULL};
	int64_t least = o->least.set ? o->least.v : 2, most = o->most.set ? o->most.v : 8;
	if (!o->sizes && !o->flash && !o->ram && !o->macs && !o->bitops)
		return "fit wants a budget: --flash, --ram, --macs or --bitops";
	if (!o->calib)
		return "fit wants --calib=DATA: samples that it measures every choice with";
	if (!is_one_of(o->policy, policies))
		return "--policy wants sensitivity, hessian, orthogonality or uniform";
	if (!is_one_of(o->importance, importances))
		return "--importance wants activation, magnitude or taylor";
	if (o->label_offset.set && !o->calib_labels)
		return "--label-offset wants --calib-labels=FILE";
	if (least < 1 || most > AZ_BITS_MOST || least > most)
		return "--least and --most want 1 to 8 bits, least first";
	if (o->least_acts.set && (o->least_acts.v < 1 || o->least_acts.v > AZ_BITS_MOST))
		return "--least-acts wants 1 to 8 bits";
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
	if (!job->calib || !job->calib->count)
		return az_error(job->ctx, AZ_LOC_NONE, "there are no calibration samples");
	az_fit_split_data(fit, job->calib);
	job->calib = fit->data; /* for passes that come before the search */
	return true;
}

static bool measure_full(az_fit *fit)
{
	bool ignored;
	fit->full =
		(az_fit_point){.ratio = 1, .policy = "8 bits", .bits = {.arena = &fit->job->arena}};
	if (!az_assign_all(&fit->full.bits, fit->base, AZ_BITS_MOST))
		return az_error(fit->job->ctx, AZ_LOC_NONE,
			"no convolution or product of this network has constant weights");
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
	const char *rest = az_fit_to_placed(fit, best), *bytes = az_fit_to_bytes(best);
	bytes = az_arena_copy(&job->arena, bytes, strlen(bytes) - 1);
	/* Packed activations are part of the text. */
	bool ok = (best->layer || az_fit_measure(fit, module, best)) &&
		  (!best->packed || az_job_pipeline(job, module, bytes)) &&
		  (best->compact || az_module_write(module, path, blobs)) &&
		  (best->packed || az_job_pipeline(job, module, bytes)) &&
		  az_job_pipeline(job, module, rest) &&
		  (!best->compact || az_module_write(module, path, blobs)) &&
		  (!job->options.emit || emit(fit, module));
	az_module_free(module);
	return ok;
}

/* --- Telling --------------------------------------------------------------------------------------- */

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
	if (!az_fit_check_budgets(job) || !az_job_target(job) || !to_canonical(fit) ||
		!az_fit_reference(fit))
		return AZ_EXIT_REFUSED;
	if (job->options.sizes)
		return az_fit_sizes(fit) ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
	if (!measure_full(fit) || !az_fit_read_budgets(fit) || !split_channels(fit) ||
		!az_fit_journal_open(fit, journal))
		return AZ_EXIT_REFUSED;
	if (!az_fit_search(fit, &best, &smallest) || (best && !write_best(fit, best)))
		return AZ_EXIT_REFUSED;
	if (!best)
		az_fit_explain(fit, smallest);
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
