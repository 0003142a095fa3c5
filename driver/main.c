/* SPDX-License-Identifier: Apache-2.0
 *
 * The `adze` command: finds the verb, parses its options, runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

typedef struct verb_row {
	const char *name;
	unsigned verb;
	int args_min, args_max;
	int (*run)(az_job *job);
	const char *usage, *doc, *example;
} verb_row;

static const verb_row verbs[] = {
	{"compile", AZ_VERB_COMPILE, 1, 1, az_verb_compile, "MODEL [-o FILE] [options]",
		"compile a network to an executable, an object, assembly or LLVM IR",
		"adze compile net.onnx --calib=images.npy --target=aarch64-linux -o net"},
	{"opt", AZ_VERB_OPTIMIZE, 1, 1, az_verb_opt, "MODEL [-p PIPELINE] [-o FILE]",
		"read, verify, run passes, print",
		"adze opt net.onnx -p fold-constants,canonicalize"},
	{"run", AZ_VERB_RUN, 1, 64, az_verb_run, "MODEL INPUT... [-o OUT]...",
		"compile in memory and run on this machine", "adze run net.onnx cat.png --top 5"},
	{"verify", AZ_VERB_VERIFY, 1, 1000, az_verb_verify, "MODEL [DIR...]",
		"compare with ONNX test_data_set folders (default: those beside the model)",
		"adze verify model.onnx test_data_set_0"},
	{"eval", AZ_VERB_EVAL, 1, 1, az_verb_eval, "MODEL --data=X [--labels=Y] [--against=MODEL2]",
		"accuracy over a data set, agreement with a second network",
		"adze eval net.onnx --data=test.npy --labels=labels.npy"},
	{"info", AZ_VERB_INFO, 1, 1, az_verb_info, "MODEL",
		"layers, shapes, parameters, multiply-accumulates, bytes", "adze info net.onnx"},
	/* It reads, calibrates and quantizes as info does. */
	{"fit", AZ_VERB_FIT | AZ_VERB_INFO, 1, 1, az_verb_fit,
		"MODEL --flash=SIZE --calib=DATA [--policy=NAME] [-o FILE.adz]",
		"choose bits and widths under a budget of bytes",
		"adze fit net.onnx --flash=64KiB --calib=images.npy --calib-labels=labels.npy"},
	{"targets", AZ_VERB_TARGETS, 0, 0, az_verb_targets, "",
		"the targets this build compiles for", "adze targets"},
	{"ops", AZ_VERB_TABLES, 0, 0, az_verb_ops, "",
		"the operations of the IR, and the ONNX operators it imports", "adze ops"},
	{"passes", AZ_VERB_TABLES, 0, 0, az_verb_passes, "", "the passes and their options",
		"adze passes"},
};

static void print_usage(FILE *out)
{
	fprintf(out, "adze %s: a compiler for quantized neural networks\n\n", AZ_VERSION);
	fprintf(out, "usage: adze VERB ...        adze VERB --help says more\n\n");
	for (size_t i = 0; i < AZ_COUNT(verbs); i++)
		fprintf(out, "  %-9s %s\n", verbs[i].name, verbs[i].doc);
	fprintf(out, "  %-9s %s\n", "--version", "the version of adze and of its code generator");
}

static void print_verb_help(const verb_row *verb)
{
	printf("usage: adze %s %s\n\n%s\n\n", verb->name, verb->usage, verb->doc);
	az_options_help(verb->verb);
	printf("\nexample: %s\n", verb->example);
}

typedef struct verb_walk {
	size_t next;
} verb_walk;

static const char *next_verb(void *state)
{
	verb_walk *walk = state;
	return walk->next < AZ_COUNT(verbs) ? verbs[walk->next++].name : NULL;
}

static const verb_row *find_verb(const char *name)
{
	for (size_t i = 0; i < AZ_COUNT(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	verb_walk walk = {0};
	const char *nearest = az_nearest_word(name, next_verb, &walk);
	fprintf(stderr, "adze: error: unknown verb '%s'", name);
	if (nearest)
		fprintf(stderr, "; did you mean '%s'?", nearest);
	fprintf(stderr, "\n");
	return NULL;
}

static int run_verb(const verb_row *verb, az_job *job)
{
	AZ_GUARD(job->ctx, return AZ_EXIT_REFUSED);
	int code = verb->run(job);
	AZ_UNGUARD(job->ctx);
	return code;
}

/* With the options read: the context, the verb, what is left to say about standard output. */
static int run_job(const verb_row *verb, az_job *job)
{
	job->ctx = az_ctx_new();
	if (!job->ctx) {
		fprintf(stderr, "adze: error: out of memory\n");
		return AZ_EXIT_REFUSED;
	}
	az_report_attach(job->ctx);
	az_arena_init(&job->arena, &job->ctx->oom);
	int code = run_verb(verb, job);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "adze: error: cannot write to standard output\n");
		code = AZ_EXIT_REFUSED;
	}
	az_arena_free(&job->arena);
	az_ctx_free(job->ctx);
	return code;
}

static int start_verb(const verb_row *verb, int argc, char **argv)
{
	az_job job = {0};
	int code = AZ_EXIT_USAGE;
	bool parsed = az_options_parse(&job.options, verb->verb, argc, argv);
	int given = (int)job.options.arg_count;
	if (parsed && job.options.help) {
		print_verb_help(verb);
		code = AZ_EXIT_DONE;
	} else if (parsed && (given < verb->args_min || given > verb->args_max)) {
		fprintf(stderr, "adze: error: %s\nusage: adze %s %s\n",
			given < verb->args_min ? "no model given"
					       : "more files than this verb takes",
			verb->name, verb->usage);
	} else if (parsed) {
		code = run_job(verb, &job);
	}
	free(job.options.args);
	return code;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return AZ_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_usage(stdout);
		return AZ_EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("adze %s (LLVM %s)\n", AZ_VERSION, AZ_LLVM_VERSION);
		return AZ_EXIT_DONE;
	}
	const verb_row *verb = find_verb(argv[1]);
	return verb ? start_verb(verb, argc - 2, argv + 2) : AZ_EXIT_USAGE;
}
