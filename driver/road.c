/* SPDX-License-Identifier: Apache-2.0
 *
 * The default road: which passes a network still needs, given the options, and running them with the
 * observers that the options ask for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"
#include "ir/eval/eval.h"
#include "ir/print.h"

bool az_module_is_quantized(const az_module *module)
{
	for (uint32_t i = 0; i < module->funcs.count; i++)
		for (const az_op *op = module->funcs.v[i]->first; op; op = op->next)
			if (op->code == AZ_OP_quantize || op->code == AZ_OP_requantize ||
				op->code == AZ_OP_dequantize)
				return true;
	return false;
}

bool az_job_target(az_job *job)
{
	const az_options *o = &job->options;
	if (!job->target)
		job->target = az_target_get(job->ctx, o->target, o->cpu, o->attr);
	return job->target != NULL;
}

static bool open_calibration(az_job *job, const az_module *module)
{
	const az_options *o = &job->options;
	az_data_options options = {.labels = o->calib_labels};
	if (!(o->calib || o->data_free) || job->calib)
		return true;
	if (!az_job_preprocess(job, &options.preprocess))
		return false;
	if (o->calib_limit.set && o->calib_limit.v < 1)
		return az_error(job->ctx, AZ_LOC_NONE, "--calib-limit wants a positive number");
	if (o->calib_limit.set)
		options.limit = (uint64_t)o->calib_limit.v;
	if (o->calib_every)
		options.every = strtoull(o->calib_every, NULL, 10);
	if (o->calib_every && options.every < 1)
		return az_error(job->ctx, AZ_LOC_NONE,
			"--calib-every wants a positive number, found '%s'", o->calib_every);
	const az_func *main = az_module_main(module);
	const az_type **types = az_new_array(&job->arena, const az_type *, main->params.count);
	for (uint32_t i = 0; i < main->params.count; i++)
		types[i] = main->params.v[i]->type;
	if (o->data_free)
		job->calib = az_data_synthetic(job->ctx, &job->arena, main->params.count, types,
			&options.preprocess);
	else
		job->calib = az_data_open(job->ctx, &job->arena, o->calib, main->params.count,
			types, &options);
	return job->calib != NULL;
}

/* --print-after: one file per pass that ran, constants shared in one folder. */
typedef struct stage_printer {
	az_job *job;
	const char *folder;
} stage_printer;

static bool print_stage(void *data, const az_module *module, const char *pass, uint32_t index)
{
	stage_printer *printer = data;
	const char *wanted = printer->job->options.print_after;
	if (strcmp(wanted, "all") != 0 && strcmp(wanted, pass) != 0)
		return true;
	az_arena *arena = &printer->job->arena;
	char *name = az_arena_printf(arena, "%02u-%s.adz", index, pass);
	return az_module_write(module, az_path_join(arena, printer->folder, name),
		az_path_join(arena, printer->folder, "blobs"));
}

static bool print_times(az_job *job)
{
	const az_pass_time *times;
	uint32_t count = az_pipeline_times(job->ctx, &times);
	for (uint32_t i = 0; i < count; i++)
		fprintf(stderr, "%10.3f ms  %s\n", 1e3 * times[i].seconds, times[i].pass);
	return true;
}

static bool read_recipe(az_job *job)
{
	const char *path = job->options.recipe;
	if (!path || job->recipe.rule)
		return true;
	if (!az_parse_recipe_file(job->ctx, &job->arena, path, &job->recipe))
		return false;
	if (job->recipe.flash_bytes || job->recipe.ram_bytes)
		return az_error(job->ctx, job->recipe.limit_loc,
			"a limit wants a search for widths, and `adze compile` runs none: it takes "
			"the widths of the rules");
	return true;
}

/* Beside what a verb writes to standard output. */
static void print_report(void *data, const char *text)
{
	(void)data;
	fputs(text, stderr);
}

bool az_job_pipeline(az_job *job, az_module *module, const char *text)
{
	const az_options *o = &job->options;
	if (!open_calibration(job, module))
		return false;
	stage_printer printer = {job, o->print_folder};
	if (!read_recipe(job))
		return false;
	if (!printer.folder)
		printer.folder = az_arena_printf(&job->arena, "%s.stages",
			az_path_stem(&job->arena, job->options.args[0]));
	az_pass_env env = {
		.exec = &az_backend_jit,
		.calib = job->calib,
		.cost = &az_backend_cost,
		.recipe = o->recipe ? &job->recipe : NULL,
		.backend = az_backend_pass,
		.backend_data = (void *)(uintptr_t)job->target,
		.verify_each = o->verify_each,
		.check_each = o->check_each,
		.time_passes = o->time_passes,
		.stop_after = o->stop_after,
		.crash_path = "crash.adz",
		.report = print_report,
	};
	if (o->print_after) {
		if (!az_folder_make(job->ctx, printer.folder))
			return false;
		env.after = print_stage;
		env.after_data = &printer;
	}
	az_pipeline pipeline;
	if (!az_parse_pipeline(job->ctx, &job->arena, "pipeline", text, &pipeline) ||
		!az_pipeline_run(module, &pipeline, &env))
		return false;
	return !o->time_passes || print_times(job);
}

/* Fewer than 8 bits? */
static bool is_narrow(const char *text)
{
	az_precision p;
	char *end;
	long bits = text ? strtol(text, &end, 10) : 8;
	if (text && end == text)
		bits = az_precision_parse(text, &p) && !p.is_float ? p.elem.bits : 8;
	return bits < 8;
}

/* Is a choice given without value, or with one of two? */
static bool check_choice(az_ctx *ctx, const char *name, const char *value, const char *one,
	const char *other)
{
	if (!value || !*value || strcmp(value, one) == 0 || (other && strcmp(value, other) == 0))
		return true;
	return az_error(ctx, AZ_LOC_NONE, "%s is \"%s\", supported: %s%s%s", name, value, one,
		other ? ", " : "", other ? other : "");
}

/* Options that say how to quantize against what the network is. */
static bool check_options(az_job *job, const az_module *module)
{
	const az_options *o = &job->options;
	az_ctx *ctx = job->ctx;
	bool with_samples = o->calib || o->data_free;
	bool asked = with_samples || o->weights || o->acts || o->recipe;
	bool imported = module->stage < AZ_STAGE_FOLDED && module->done.count == 0;
	bool quantized = az_module_is_quantized(module);
	if (!check_choice(ctx, "--data-free", o->data_free, "noise", NULL) ||
		!check_choice(ctx, "--equalize", o->equalize, "absorb", NULL) ||
		!check_choice(ctx, "--correct-bias", o->correct_bias, "data", "analytic"))
		return false;
	if (o->use_float && with_samples)
		return az_error(ctx, AZ_LOC_NONE, "--float and --calib exclude each other");
	if (o->calib && o->data_free)
		return az_error(ctx, AZ_LOC_NONE, "--calib and --data-free exclude each other");
	if (o->use_float && quantized)
		return az_error(ctx, AZ_LOC_NONE,
			"this network is quantized; --float is for float networks");
	if (o->requantize && !(quantized && imported))
		return az_error(ctx, AZ_LOC_NONE,
			"--requantize is for imported networks that are "
			"quantized already; this one is not");
	if (o->requantize && !asked)
		return az_error(ctx, AZ_LOC_NONE,
			"--requantize wants to know how: --calib=DATA, --weights=BITS or "
			"--recipe=FILE");
	if (asked && quantized && imported && !o->requantize)
		return az_error(ctx, AZ_LOC_NONE,
			"this network is quantized already and keeps its quantization; --calib, "
			"--weights, --acts and --recipe are for float networks, or with "
			"--requantize");
	if (o->acts && !with_samples && strcmp(o->acts, "float") != 0)
		return az_error(ctx, AZ_LOC_NONE, "--acts wants --calib=DATA, or --acts=float");
	if ((o->edges.set || o->group.set || o->grid) && !asked)
		return az_error(ctx, AZ_LOC_NONE,
			"--edges, --group and --grid want --calib=DATA or --weights=BITS");
	if ((o->fine.set || o->exact) && !with_samples)
		return az_error(ctx, AZ_LOC_NONE, "--fine and --exact want --calib=DATA");
	bool analytic = o->correct_bias && strcmp(o->correct_bias, "analytic") == 0;
	if ((o->range || o->round || (o->correct_bias && !analytic)) && !with_samples)
		return az_error(ctx, AZ_LOC_NONE,
			"--range, --round and --correct-bias want --calib=DATA");
	if (analytic && !asked)
		return az_error(ctx, AZ_LOC_NONE,
			"--correct-bias=analytic wants --calib=DATA, --data-free or "
			"--weights=BITS");
	if (o->equalize && !asked)
		return az_error(ctx, AZ_LOC_NONE,
			"--equalize wants --calib=DATA or --weights=BITS");
	if (o->match && strcmp(o->match, "ort") != 0)
		return az_error(ctx, AZ_LOC_NONE, "--match is \"%s\", supported is ort", o->match);
	if (o->effort.set && o->effort.v < 1)
		return az_error(ctx, AZ_LOC_NONE, "--effort wants a positive number");
	return true;
}

static int clamped(az_option_integer_t option, int most)
{
	return option.set ? (int)AZ_MAX(-1, AZ_MIN(option.v, most)) : 0;
}

/* The float and quantized roads part here. */
static bool choose_road(az_job *job, az_module *module, az_road *road)
{
	const az_options *o = &job->options;
	bool with_samples = o->calib || o->data_free;
	if (!check_options(job, module))
		return false;
	*road = (az_road){
		.quantize = with_samples || o->weights || o->acts || o->recipe,
		.weights_only = !with_samples,
		.requantize = o->requantize,
		.weights = o->weights,
		.acts = o->acts,
		.edges = clamped(o->edges, 99),
		.group = clamped(o->group, INT32_MAX),
		.grid = o->grid,
		.fine_layers = clamped(o->fine, 1000),
		.exact_weights = o->exact,
		.equalize = o->equalize != NULL,
		.absorb = o->equalize && *o->equalize,
		.normal_ranges = o->data_free && strcmp(o->data_free, "noise") != 0,
		.range = o->range,
		.round = o->round,
		.effort = clamped(o->effort, 1000),
		.correct_bias = o->correct_bias != NULL,
		.analytic = o->correct_bias && strcmp(o->correct_bias, "analytic") == 0,
		.match_ort = o->match != NULL,
	};
	/* First and last layers bear few bits worst, and have few weights: papers leave them 8 bits. */
	if (!o->edges.set && (is_narrow(o->weights) || is_narrow(o->acts)))
		road->edges = 8;
	if (module->done.count == 0 && !az_module_is_quantized(module) && !with_samples)
		module->fast_math = true;
	return true;
}

bool az_job_road(az_job *job, az_module *module, bool to_canonical)
{
	az_road road;
	if (!az_job_target(job) || !choose_road(job, module, &road) ||
		!open_calibration(job, module))
		return false;
	road.to_canonical_only = to_canonical;
	char *text = az_road_text(&job->arena, module, &road);
	return !text[0] || az_job_pipeline(job, module, text);
}
