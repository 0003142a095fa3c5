/* SPDX-License-Identifier: Apache-2.0
 *
 * What an executable does: read the inputs, run, print or write. */
#include "runtime/program.h"

#include <stddef.h>

#include "runtime/cpu.h"
#include "runtime/sys.h"
#include "runtime/text.h"

enum { DONE = 0, REFUSED = 1, USAGE = 2 };

/* NAME=FILE: behind the name of an input; NULL when text begins with none. */
static const char *behind_name(const char *text, const char *name)
{
	while (*name && *text == *name)
		text++, name++;
	return !*name && *text == '=' ? text + 1 : NULL;
}

/* Which file is meant for each input: by name, else by position. */
static int assign_inputs(const program_options *o, const char **path)
{
	for (uint32_t i = 0; i < o->input_count; i++) {
		uint32_t index = i;
		const char *file = o->input[i];
		for (uint32_t k = 0; k < adze_model.input_count; k++) {
			const char *named = behind_name(o->input[i], adze_model.inputs[k].name);
			if (named) {
				index = k;
				file = named;
			}
		}
		if (path[index])
			return fail("two files for input \"", adze_model.inputs[index].name, "\"");
		path[index] = file;
	}
	return 1;
}

static int read_inputs(const program_options *o, program_buffers *b)
{
	const char *path[PROGRAM_FILES_MAX] = {NULL};
	b->times = -1;
	if (!assign_inputs(o, path))
		return 0;
	for (uint32_t i = 0; i < adze_model.input_count; i++) {
		array a;
		int64_t times;
		if (!array_read(path[i], &a) ||
			!input_convert(o, path[i], &a, &adze_model.inputs[i], &b->input[i], &times))
			return 0;
		if (b->times >= 0 && times != b->times)
			return fail(path[i],
				": holds another number of batches than the inputs before it",
				NULL);
		b->times = times;
	}
	if (b->times < 0)
		b->times = 1;
	return 1;
}

/* Several batches need outputs that can be stacked. */
static int check_stackable(const program_buffers *b)
{
	for (uint32_t i = 0; b->times > 1 && i < adze_model.output_count; i++) {
		const adze_tensor *t = &adze_model.outputs[i];
		if (!t->rank || t->dim[0] != adze_model.inputs[0].dim[0])
			return fail("the inputs hold several batches, but output \"", t->name,
				"\" has no batch dimension to stack");
	}
	return 1;
}

static int make_buffers(program_buffers *b)
{
	b->arena = sys_memory(adze_model.arena_bytes + 4096);
	if (!b->arena)
		return fail("out of memory", NULL, NULL);
	for (uint32_t i = 0; i < adze_model.output_count; i++) {
		b->output[i] =
			sys_memory((uint64_t)b->times * adze_model.outputs[i].size_bytes + 64);
		if (!b->output[i])
			return fail("out of memory", NULL, NULL);
	}
	return 1;
}

void run_all(program_buffers *b)
{
	const void *in[PROGRAM_FILES_MAX];
	void *out[PROGRAM_FILES_MAX];
	for (int64_t t = 0; t < b->times; t++) {
		for (uint32_t i = 0; i < adze_model.input_count; i++)
			in[i] = (const char *)b->input[i] +
				(uint64_t)t * adze_model.inputs[i].size_bytes;
		for (uint32_t i = 0; i < adze_model.output_count; i++)
			out[i] = (char *)b->output[i] +
				 (uint64_t)t * adze_model.outputs[i].size_bytes;
		adze_model.run(in, out, b->arena, NULL);
	}
}

static int write_outputs(const program_options *o, const program_buffers *b)
{
	for (uint32_t i = 0; i < o->output_count; i++)
		if (!array_write(o->output[i], &adze_model.outputs[i], b->times, b->output[i]))
			return 0;
	return 1;
}

static int run(const program_options *o)
{
	program_buffers b = {0};
	if (!read_inputs(o, &b) || !check_stackable(&b) || !make_buffers(&b))
		return 0;
	run_all(&b);
	if (!write_outputs(o, &b))
		return 0;
	if (o->profile && !run_profile(&b))
		return 0;
	if (o->bench && !run_bench(&b, o->bench))
		return 0;
	return o->output_count || o->profile || o->bench || print_outputs(o, &b);
}

int program_main(int argc, char **argv)
{
	program_options o;
	if (adze_model.input_count > PROGRAM_FILES_MAX ||
		adze_model.output_count > PROGRAM_FILES_MAX)
		return fail("too many inputs or outputs for a command line", NULL, NULL), REFUSED;
	if (!options_parse(argc, argv, &o))
		return USAGE;
	if (o.help || o.info) {
		if (o.help)
			options_help();
		else
			print_info();
		return put_flush() ? DONE : REFUSED;
	}
	if (o.input_count != adze_model.input_count) {
		fail(o.input_count < adze_model.input_count ? "an input is missing"
							    : "too many inputs",
			"; --info lists the inputs, --help the options", NULL);
		return USAGE;
	}
	const char *missing = cpu_missing(adze_model.cpu_check);
	if (missing) {
		fail("this CPU lacks the feature '", missing,
			"' that this program was compiled for");
		return REFUSED;
	}
	int ok = run(&o);
	return put_flush() && ok ? DONE : REFUSED;
}
