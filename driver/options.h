/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line, parsed from the one table driver/options.def. */
#ifndef AZ_DRIVER_OPTIONS_H
#define AZ_DRIVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Exit codes of the command (docs/cli.md). */
enum { AZ_EXIT_DONE = 0, AZ_EXIT_REFUSED = 1, AZ_EXIT_USAGE = 2, AZ_EXIT_BUDGET = 3 };

#define AZ_OPTION_LIST_MAX 64

typedef struct az_option_list {
	uint32_t count;
	const char *v[AZ_OPTION_LIST_MAX];
} az_option_list;

typedef bool az_option_flag_t;
typedef const char *az_option_choice_t; /* NULL: not given; "": given without value */
typedef const char *az_option_text_t;
typedef struct az_option_integer {
	bool set;
	int64_t v;
} az_option_integer_t;
typedef struct az_option_real {
	bool set;
	double v;
} az_option_real_t;
typedef az_option_list az_option_list_t;

typedef struct az_options {
#define OPT(kind, field, name, letter, argument, verbs, help) az_option_##kind##_t field;
#include "driver/options.def"
	uint32_t arg_count; /* the rest: MODEL, inputs, ... */
	const char **args;
} az_options;

enum {
	AZ_VERB_COMPILE = 1,
	AZ_VERB_OPTIMIZE = 2,
	AZ_VERB_RUN = 4,
	AZ_VERB_VERIFY = 8,
	AZ_VERB_EVAL = 16,
	AZ_VERB_INFO = 32,
	AZ_VERB_TABLES = 64,
	AZ_VERB_TARGETS = 128,
	AZ_VERB_FIT = 256,
};

/* Parses argv[0..argc) (the verb's own name left out). Prints what is wrong and returns false. */
bool az_options_parse(az_options *options, unsigned verb, int argc, char **argv);
/* The option lines of a verb's help. */
void az_options_help(unsigned verb);

#endif
