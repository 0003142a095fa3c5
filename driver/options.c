/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing of options. Forms: --name=value, --name value, -o value, -ovalue, flags without value, choices
 * with `=value` or none; "--" ends options. A comma separates entries of a list given in one option. */
#include "driver/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

enum { KIND_flag, KIND_choice, KIND_text, KIND_integer, KIND_real, KIND_list };

typedef struct option_row {
	int kind;
	size_t offset;
	const char *name;
	char letter;
	const char *argument;
	unsigned verbs;
	const char *help;
} option_row;

#define COMPILE  AZ_VERB_COMPILE
#define OPTIMIZE AZ_VERB_OPTIMIZE
#define RUN      AZ_VERB_RUN
#define VERIFY   AZ_VERB_VERIFY
#define EVAL     AZ_VERB_EVAL
#define INFO     AZ_VERB_INFO
#define TABLES   AZ_VERB_TABLES
#define TARGETS  AZ_VERB_TARGETS
#define FIT      AZ_VERB_FIT

static const option_row rows[] = {
#define OPT(kind, field, name, letter, argument, verbs, help)                                      \
	{KIND_##kind, offsetof(az_options, field), name, letter, argument, verbs, help},
#include "driver/options.def"
};

static const option_row *find_row(unsigned verb, const char *name, size_t length)
{
	for (size_t i = 0; i < AZ_COUNT(rows); i++) {
		const option_row *row = &rows[i];
		if (!(row->verbs & verb))
			continue;
		if (strlen(row->name) == length && memcmp(row->name, name, length) == 0)
			return row;
	}
	return NULL;
}

static const option_row *find_letter(unsigned verb, char letter)
{
	/* `run -o` names an output file, as in the executables it compiles. */
	if (letter == 'o' && verb == AZ_VERB_RUN)
		return find_row(verb, "--save", strlen("--save"));
	for (size_t i = 0; i < AZ_COUNT(rows); i++)
		if ((rows[i].verbs & verb) && rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

typedef struct name_walk {
	unsigned verb;
	size_t next;
} name_walk;

static const char *next_name(void *state)
{
	name_walk *walk = state;
	while (walk->next < AZ_COUNT(rows)) {
		const option_row *row = &rows[walk->next++];
		if (row->verbs & walk->verb)
			return row->name;
	}
	return NULL;
}

static bool unknown_option(unsigned verb, const char *text, size_t length)
{
	char name[64];
	snprintf(name, sizeof name, "%.*s", (int)AZ_MIN(length, sizeof name - 1), text);
	name_walk walk = {verb, 0};
	const char *nearest = az_nearest_word(name, next_name, &walk);
	fprintf(stderr, "adze: error: unknown option '%s'", name);
	if (nearest)
		fprintf(stderr, "; did you mean '%s'?", nearest);
	fputc('\n', stderr);
	return false;
}

static bool set_number(const option_row *row, void *field, const char *value)
{
	char *end;
	errno = 0;
	if (row->kind == KIND_integer) {
		long long v = strtoll(value, &end, 10);
		*(az_option_integer_t *)field = (az_option_integer_t){true, v};
	} else {
		double v = strtod(value, &end);
		*(az_option_real_t *)field = (az_option_real_t){true, v};
	}
	if (*end || end == value || errno == ERANGE) {
		fprintf(stderr, "adze: error: %s wants a number, found '%s'\n", row->name, value);
		return false;
	}
	return true;
}

/* Entries stay where they are: the arguments of a program are its own to cut up. */
static bool add_to_list(const option_row *row, az_option_list *list, const char *value)
{
	bool commas = strcmp(row->name, "--save") != 0; /* file names keep theirs */
	for (char *part = (char *)(uintptr_t)value; part;) {
		char *comma = commas ? strchr(part, ',') : NULL;
		if (comma)
			*comma = 0;
		if (list->count == AZ_OPTION_LIST_MAX) {
			fprintf(stderr, "adze: error: more than %d entries for %s\n",
				AZ_OPTION_LIST_MAX, row->name);
			return false;
		}
		list->v[list->count++] = part;
		part = comma ? comma + 1 : NULL;
	}
	return true;
}

static bool set_option(az_options *options, const option_row *row, const char *value)
{
	void *field = (char *)options + row->offset;
	switch (row->kind) {
	case KIND_flag:
		*(bool *)field = true;
		return true;
	case KIND_choice:
		*(const char **)field = value ? value : "";
		return true;
	case KIND_text:
		*(const char **)field = value;
		return true;
	case KIND_list:
		return add_to_list(row, field, value);
	default:
		return set_number(row, field, value);
	}
}

/* One argument that starts with '-'; *i moves on when the value is the next argument. */
static bool parse_one(az_options *options, unsigned verb, int argc, char **argv, int *i)
{
	const char *text = argv[*i], *value = NULL;
	const option_row *row;
	if (text[1] == '-') {
		const char *equals = strchr(text, '=');
		size_t length = equals ? (size_t)(equals - text) : strlen(text);
		row = find_row(verb, text, length);
		if (!row)
			return unknown_option(verb, text, length);
		value = equals ? equals + 1 : NULL;
	} else {
		row = find_letter(verb, text[1]);
		if (!row)
			return unknown_option(verb, text, strlen(text));
		value = text[2] ? text + 2 : NULL;
	}
	if (row->kind == KIND_flag) {
		if (value) {
			fprintf(stderr, "adze: error: %s takes no value, found '%s'\n", row->name,
				value);
			return false;
		}
	} else if (!value && row->kind != KIND_choice) {
		if (*i + 1 >= argc) {
			fprintf(stderr, "adze: error: %s wants %s\n", row->name, row->argument);
			return false;
		}
		value = argv[++*i];
	}
	return set_option(options, row, value);
}

bool az_options_parse(az_options *options, unsigned verb, int argc, char **argv)
{
	*options = (az_options){0};
	options->args = calloc((size_t)argc + 1, sizeof *options->args);
	if (!options->args)
		return false;
	bool ended = false;
	for (int i = 0; i < argc; i++) {
		bool is_option = !ended && argv[i][0] == '-' && argv[i][1];
		if (!is_option)
			options->args[options->arg_count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			ended = true;
		else if (!parse_one(options, verb, argc, argv, &i))
			return false;
	}
	return true;
}

void az_options_help(unsigned verb)
{
	for (size_t i = 0; i < AZ_COUNT(rows); i++) {
		const option_row *row = &rows[i];
		char left[64], letter[8] = "";
		if (!(row->verbs & verb))
			continue;
		if (row->letter)
			snprintf(letter, sizeof letter, "-%c, ", row->letter);
		bool choice = row->kind == KIND_choice;
		snprintf(left, sizeof left, "%s%s%s%s%s%s", letter, row->name, choice ? "[" : "",
			row->argument ? "=" : "", row->argument ? row->argument : "",
			choice ? "]" : "");
		printf("  %-26s %s\n", left, row->help);
	}
}
