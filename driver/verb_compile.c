/* SPDX-License-Identifier: Apache-2.0
 *
 * adze compile: from a model to a file that runs. */
#include <stdio.h>
#include <string.h>

#include "driver/driver.h"
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

/* Operations on floats that are neither edge quantizers nor views. */
static bool check_integer_only(az_job *job, const az_module *module)
{
	bool ok = true;
	for (const az_op *op = az_module_main(module)->first; op; op = op->next) {
		bool edge = op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize ||
			    (az_op_table[op->code].traits & AZ_TRAIT_VIEW);
		if (edge || op->code == AZ_OP_transpose || !op->result_count ||
			!az_elem_is_float(op->results[0]->type->elem))
			continue;
		ok = az_error(job->ctx, op->loc, "--integer-only: '%s' (%%%s) stays float",
			az_op_table[op->code].name, op->results[0]->name);
	}
	return ok;
}

static void hint_float(az_job *job, const az_module *module)
{
	if (!job->options.use_float && !job->options.calib && !az_module_is_quantized(module))
		fprintf(stderr, "adze: note: no calibration data, so this network stays float; "
				"--calib=DATA "
				"makes it 8 bits, --float says that float is meant\n");
}

static json_object *cost_json(const az_cost *cost, const az_target *target, const char *path)
{
	json_object *o = json_object_new_object();
	json_object_object_add(o, "file", json_object_new_string(path));
	json_object_object_add(o, "target", json_object_new_string(target->triple));
	json_object_object_add(o, "cpu", json_object_new_string(target->cpu));
	const struct {
		const char *key;
		uint64_t v;
	} rows[] = {
		{"text_bytes", cost->text_bytes},
		{"rodata_bytes", cost->rodata_bytes},
		{"weight_bytes", cost->weight_bytes},
		{"data_bytes", cost->data_bytes},
		{"bss_bytes", cost->bss_bytes},
		{"arena_bytes", cost->arena_bytes},
		{"arena_lower_bound_bytes", cost->arena_lower_bound_bytes},
		{"io_bytes", cost->io_bytes},
		{"stack_bytes", cost->stack_bytes},
		{"macs", cost->macs},
	};
	for (size_t i = 0; i < AZ_COUNT(rows); i++)
		json_object_object_add(o, rows[i].key, json_object_new_int64((int64_t)rows[i].v));
	return o;
}

static void print_cost(const az_cost *cost, const char *path)
{
	printf("%s\n", path);
	printf("  flash  %10llu bytes  (code %llu, constants %llu of which weights %llu)\n",
		(unsigned long long)(cost->text_bytes + cost->rodata_bytes),
		(unsigned long long)cost->text_bytes, (unsigned long long)cost->rodata_bytes,
		(unsigned long long)cost->weight_bytes);
	printf("  ram    %10llu bytes  (arena %llu, at least %llu; inputs and outputs %llu, stack "
	       "%llu)\n",
		(unsigned long long)(cost->arena_bytes + cost->io_bytes + cost->stack_bytes +
				     cost->data_bytes + cost->bss_bytes),
		(unsigned long long)cost->arena_bytes,
		(unsigned long long)cost->arena_lower_bound_bytes,
		(unsigned long long)cost->io_bytes, (unsigned long long)cost->stack_bytes);
	printf("  work   %10llu multiply-accumulates\n", (unsigned long long)cost->macs);
}

static void report_cost(az_job *job, const az_cost *cost, const char *path)
{
	if (job->options.json)
		az_print_json(cost_json(cost, job->target, path));
	else
		print_cost(cost, path);
}

static const char *output_path(az_job *job, const form_row *form, const char *symbol)
{
	if (job->options.output)
		return job->options.output;
	return az_arena_printf(&job->arena, "%s%s", symbol, form->suffix);
}

/* The header beside an object: same path with .h. */
static bool write_header(az_job *job, const az_module *module, const char *path, const char *symbol)
{
	size_t stem = strlen(path);
	if (stem > 2 && (strcmp(path + stem - 2, ".o") == 0))
		stem -= 2;
	else if (stem > 3 && strcmp(path + stem - 3, ".so") == 0)
		stem -= 3;
	char *header_path = az_arena_printf(&job->arena, "%.*s.h", (int)stem, path);
	char *text = az_backend_header(module, job->target, symbol, &job->arena);
	return text && az_file_write(job->ctx, header_path, text, strlen(text), false);
}

static bool emit_native(az_job *job, const az_module *module, const form_row *form,
	const char *path, const char *symbol)
{
	az_cost cost;
	az_emit_options options = {
		.emit = (az_emit)form->emit,
		.cost = &cost,
		.name = az_name_of(job->ctx, symbol),
		.model_info = az_path_base(&job->arena, job->options.args[0]),
	};
	const void *data;
	size_t size;
	if (!az_backend_emit(module, job->target, &options, &job->arena, &data, &size))
		return false;
	bool wants_header = form->emit == AZ_EMIT_OBJ || form->emit == AZ_EMIT_SO;
	bool executable = form->emit == AZ_EMIT_EXE || form->emit == AZ_EMIT_SO;
	if (!az_file_write(job->ctx, path, data, size, executable))
		return false;
	if (wants_header && !write_header(job, module, path, symbol))
		return false;
	report_cost(job, &cost, path);
	return true;
}

static bool compile(az_job *job, az_module *module, const form_row *form)
{
	const char *symbol = az_job_symbol(job, job->options.args[0]);
	const char *path = output_path(job, form, symbol);
	hint_float(job, module);
	if (job->options.integer_only &&
		(!az_job_road(job, module, true) || !check_integer_only(job, module)))
		return false;
	if (!az_job_road(job, module, false))
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
