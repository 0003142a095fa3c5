/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of executables. */
#include <stddef.h>

#include "runtime/program.h"
#include "runtime/text.h"

typedef enum option_kind { FLAG, INTEGER, TEXT, REALS, SIZE, WORD, FILES } option_kind;

typedef struct option_row {
	const char *name, *argument, *help;
	option_kind kind;
	size_t offset; /* in program_options */
	size_t second; /* count of REALS, height of SIZE, the "was set" of WORD */
	const char *words[2];
} option_row;

#define AT(field) offsetof(program_options, field)

static const option_row rows[] = {
	{"-o", "OUT", "write an output as .npy, one per output in order", FILES, AT(output),
		AT(output_count), {0}},
	{"--top", "K", "print the K largest outputs (default 5)", INTEGER, AT(top), 0, {0}},
	{"--labels", "FILE", "names of the classes, one a line", TEXT, AT(labels), 0, {0}},
	{"--bench", "N", "time N runs", INTEGER, AT(bench), 0, {0}},
	{"--profile", NULL, "time of each layer and its share", FLAG, AT(profile), 0, {0}},
	{"--threads", "N", "1: this program has one thread", INTEGER, AT(threads), 0, {0}},
	{"--info", NULL, "what this network is", FLAG, AT(info), 0, {0}},
	{"--help", NULL, "this text", FLAG, AT(help), 0, {0}},
	{"--input-layout", "nhwc|nchw", "layout of the data where it is not the network's", WORD,
		AT(nhwc), AT(layout_set), {"nchw", "nhwc"}},
	{"--input-scale", "S", "x = (pixel * S - mean) / std", REALS, AT(scale), AT(scaled), {0}},
	{"--input-mean", "a,b,c", "per channel, or one for all", REALS, AT(mean), AT(mean_count),
		{0}},
	{"--input-std", "a,b,c", "per channel, or one for all", REALS, AT(std), AT(std_count), {0}},
	{"--input-order", "rgb|bgr", "order of colours the network wants", WORD, AT(bgr), 0,
		{"rgb", "bgr"}},
	{"--resize", "WxH", "resize pictures (bilinear)", SIZE, AT(resize_width), AT(resize_height),
		{0}},
	{"--crop", "WxH", "then crop the centre", SIZE, AT(crop_width), AT(crop_height), {0}},
};

void options_help(void)
{
	put_text("usage: ");
	put_text(adze_model.name);
	put_text(" INPUT... [-o OUT]... [options]\n\nINPUT is [NAME=]FILE: .npy, .pb, .ppm or "
		 ".pgm\n\n");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		put_text("  ");
		put_padded(rows[i].name, 16);
		put_padded(rows[i].argument ? rows[i].argument : "", 11);
		put_text(rows[i].help);
		put_text("\n");
	}
}

static const option_row *find_row(const char *text, const char **value)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *p = text, *q = rows[i].name;
		while (*q && *p == *q)
			p++, q++;
		if (*q || (*p && *p != '='))
			continue;
		*value = *p ? p + 1 : NULL;
		return &rows[i];
	}
	return NULL;
}

static int set_reals(const char *p, float *out, uint32_t *count, uint32_t most)
{
	double v;
	for (*count = 0; *count < most && read_real(&p, &v); p++) {
		out[(*count)++] = (float)v;
		if (*p != ',')
			break;
	}
	return *p == 0 && *count > 0;
}

static int set_size(const char *p, int64_t *width, int64_t *height)
{
	return read_integer(&p, width) && *p++ == 'x' && read_integer(&p, height) && *p == 0 &&
	       *width > 0 && *height > 0 && *width <= 65535 && *height <= 65535;
}

static int set_value(const option_row *row, program_options *o, const char *value)
{
	char *base = (char *)o;
	void *field = base + row->offset;
	int ok = 1;
	if (row->kind == FLAG)
		*(int *)field = 1;
	else if (row->kind == TEXT)
		*(const char **)field = value;
	else if (row->kind == INTEGER)
		ok = read_integer(&value, field) && !*value && *(int64_t *)field > 0;
	else if (row->kind == REALS)
		ok = set_reals(value, field, (uint32_t *)(base + row->second),
			row->offset == AT(scale) ? 1 : 8);
	else if (row->kind == SIZE)
		ok = set_size(value, field, (int64_t *)(base + row->second));
	else if (row->kind == WORD) {
		*(int *)field = text_equal(value, row->words[1]);
		ok = *(int *)field || text_equal(value, row->words[0]);
		if (row->second)
			*(int *)(base + row->second) = 1;
	} else if (o->output_count < PROGRAM_FILES_MAX)
		o->output[o->output_count++] = value;
	else
		ok = 0;
	return ok;
}

static int check(const program_options *o)
{
	for (uint32_t i = 0; i < o->std_count; i++)
		if (!(o->std[i] > 0))
			return fail("--input-std wants positive numbers", NULL, NULL);
	if (o->threads > 1)
		return fail("--threads: this program has one thread", NULL, NULL);
	if (o->output_count > adze_model.output_count)
		return fail("more -o than outputs", NULL, NULL);
	return 1;
}

/* Argument i, and the next one where it is the value. */
static int parse_one(int argc, const char *const *argv, int *i, program_options *out)
{
	const char *value = NULL;
	if (argv[*i][0] != '-') {
		if (out->input_count == PROGRAM_FILES_MAX)
			return fail("too many inputs", NULL, NULL);
		out->input[out->input_count++] = argv[*i];
		return 1;
	}
	const option_row *row = find_row(argv[*i], &value);
	if (!row)
		return fail("unknown option '", argv[*i], "'; --help lists them");
	if (row->kind != FLAG && !value && ++*i < argc)
		value = argv[*i];
	if (row->kind != FLAG && !value)
		return fail(row->name, " wants ", row->argument);
	return set_value(row, out, value) ? 1 : fail(row->name, " does not take ", value);
}

int options_parse(int argc, char **argv, program_options *out)
{
	*out = (program_options){.top = 5, .scale = 1.0f};
	for (int i = 0; i < (int)adze_model.argument_count; i++)
		if (!parse_one((int)adze_model.argument_count, adze_model.arguments, &i, out))
			return 0;
	for (int i = 1; i < argc; i++)
		if (!parse_one(argc, (const char *const *)argv, &i, out))
			return 0;
	return check(out);
}
