/* SPDX-License-Identifier: Apache-2.0
 *
 * adze compile: from a model to a file that runs. */
#include <stdio.h>
#include <string.h>

#include "driver/cost_report.h"
#include "ir/print.h"

typedef struct form_row {
	const char *word;
	int emit; /* az_emit, or -1 for IR text */
	const char *suffix;
} form_row;

static const form_row forms[] = {
	{"exe", AZ_EMIT_EXE, ""},
	{"obj", AZ_EMIT_OBJ, ".o"},
	{"asm", AZ_EMIT_ASM, ".s"},
	{"llvm", AZ_EMIT_LLVM, ".ll"},
	{"so", AZ_EMIT_SO, ".so"},
	{"adz", -1, ".adz"},
};

static const form_row *find_form(az_job *job)
{
	const char *word = job->options.emit ? job->options.emit : "exe";
	for (size_t i = 0; i < AZ_COUNT(forms); i++)
		if (strcmp(forms[i].word, word) == 0)
			return &forms[i];
	az_error(job->ctx, AZ_LOC_NONE, "--emit wants exe, obj, asm, llvm, so or adz, found '%s'",
		word);
	return NULL;
}

static bool check_integer_only(az_job *job, const az_module *module)
{
	az_float_left_list list = {0};
	az_float_left_find(module, &job->arena, &list);
	for (uint32_t i = 0; i < list.count; i++)
		az_error(job->ctx, list.v[i].op->loc, "--integer-only: '%s' stays float: %s",
			list.v[i].layer, list.v[i].reason);
	return list.count == 0;
}

static void hint_float(az_job *job, const az_module *module)
{
	if (!job->options.use_float && !job->options.calib && !job->options.data_free &&
		!az_module_is_quantized(module))
		fprintf(stderr, "adze: note: no calibration data, so this network stays float; "
				"--calib=DATA "
				"makes it 8 bits, --float says that float is meant\n");
}

static void report_cost(az_job *job, const az_module *module, const az_cost *cost, const char *path)
{
	az_float_left_list left;
	az_job_float_left(job, module, &left);
	if (job->options.json) {
		json_object *o = az_cost_json(job, cost, job->target, &left);
		az_json_add_text(o, "file", path);
		az_print_json(o);
		return;
	}
	printf("%s\n", path);
	if (job->options.report)
		az_cost_print_layers(job, cost);
	az_cost_print_totals(cost);
	az_cost_print_remarks(job, cost, &left);
}

static const char *output_path(az_job *job, const form_row *form, const char *symbol)
{
	if (job->options.output)
		return job->options.output;
	return az_arena_printf(&job->arena, "%s%s", symbol, form->suffix);
}

/* The header beside an object: same path with .h. */
static bool write_header(az_job *job, const az_module *module, const az_cost *cost,
	const char *path, const char *symbol)
{
	size_t stem = strlen(path);
	if (stem > 2 && (strcmp(path + stem - 2, ".o") == 0))
		stem -= 2;
	else if (stem > 3 && strcmp(path + stem - 3, ".so") == 0)
		stem -= 3;
	char *header_path = az_arena_printf(&job->arena, "%.*s.h", (int)stem, path);
	char *text = az_backend_header(module, job->target, symbol, cost, &job->arena);
	return text && az_file_write(job->ctx, header_path, text, strlen(text), false);
}

/* The options of preprocessing as an executable takes them. */
static uint32_t embedded_arguments(az_job *job, const char **out)
{
	const az_options *o = &job->options;
	const struct {
		const char *name, *value;
	} rows[] = {{"--input-layout", o->input_layout}, {"--input-scale", o->input_scale},
		{"--input-mean", o->input_mean}, {"--input-std", o->input_std},
		{"--input-order", o->input_order}, {"--resize", o->resize}, {"--crop", o->crop}};
	uint32_t count = 0;
	for (size_t i = 0; i < AZ_COUNT(rows); i++)
		if (rows[i].value)
			out[count++] =
				az_arena_printf(&job->arena, "%s=%s", rows[i].name, rows[i].value);
	return count;
}

/* --embed-preprocessing with something to embed, into something that reads it. */
static bool check_embed(az_job *job, const form_row *form)
{
	az_preprocess preprocess;
	const char *arguments[8];
	if (!job->options.embed)
		return true;
	if (form->emit != AZ_EMIT_EXE)
		return az_error(job->ctx, AZ_LOC_NONE,
			"--embed-preprocessing is for executables, not for --emit=%s", form->word);
	if (embedded_arguments(job, arguments) == 0)
		return az_error(job->ctx, AZ_LOC_NONE,
			"--embed-preprocessing finds nothing to embed: no --input-*, --resize or "
			"--crop");
	return az_job_preprocess(job, &preprocess);
}

static bool emit_native(az_job *job, const az_module *module, const form_row *form,
	const char *path, const char *symbol)
{
	az_cost cost;
	const struct az_cost_table *rates;
	if (!az_job_rates(job, &rates))
		return false;
	az_emit_options options = {
		.emit = (az_emit)form->emit,
		.cost = &cost,
		.rates = rates,
		.name = az_name_of(job->ctx, symbol),
		.model_info = az_path_base(&job->arena, job->options.args[0]),
	};
	const char *arguments[8];
	if (job->options.embed) {
		options.argument_count = embedded_arguments(job, arguments);
		options.arguments = arguments;
	}
	const void *data;
	size_t size;
	if (!az_backend_emit(module, job->target, &options, &job->arena, &data, &size))
		return false;
	bool wants_header = form->emit == AZ_EMIT_OBJ || form->emit == AZ_EMIT_SO;
	bool executable = form->emit == AZ_EMIT_EXE || form->emit == AZ_EMIT_SO;
	if (!az_file_write(job->ctx, path, data, size, executable))
		return false;
	if (wants_header && !write_header(job, module, &cost, path, symbol))
		return false;
	report_cost(job, module, &cost, path);
	return true;
}

static bool compile(az_job *job, az_module *module, const form_row *form)
{
	const char *symbol = az_job_symbol(job, job->options.args[0]);
	const char *path = output_path(job, form, symbol);
	if (!check_embed(job, form))
		return false;
	hint_float(job, module);
	if (!az_job_compile(job, module) ||
		(job->options.integer_only && !check_integer_only(job, module)))
		return false;
	if (form->emit < 0)
		return az_module_write(module, path, job->options.blobs);
	return emit_native(job, module, form, path, symbol);
}

int az_verb_compile(az_job *job)
{
	const form_row *form = find_form(job);
	if (!form)
		return AZ_EXIT_USAGE;
	az_module *module = az_job_load(job, job->options.args[0]);
	if (!module)
		return AZ_EXIT_REFUSED;
	bool ok = compile(job, module, form);
	az_module_free(module);
	return ok ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
}
