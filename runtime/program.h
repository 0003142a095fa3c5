/* SPDX-License-Identifier: Apache-2.0
 *
 * The executable as a whole: its command line and what it does with it. */
#ifndef ADZE_RUNTIME_PROGRAM_H
#define ADZE_RUNTIME_PROGRAM_H

#include "runtime/array.h"
#include "runtime/picture.h"

#define PROGRAM_FILES_MAX 64

typedef struct program_options {
	const char *input[PROGRAM_FILES_MAX], *output[PROGRAM_FILES_MAX];
	uint32_t input_count, output_count;
	const char *labels;
	int64_t top, bench, threads;
	int profile, info, help;
	/* preprocessing: see picture.h */
	int layout_set, nhwc, bgr, scaled;
	float scale, mean[8], std[8];
	uint32_t mean_count, std_count;
	int64_t resize_width, resize_height, crop_width, crop_height;
} program_options;

/* The buffers of one run. */
typedef struct program_buffers {
	void *input[PROGRAM_FILES_MAX]; /* `times` batches behind one another */
	void *output[PROGRAM_FILES_MAX];
	void *arena;
	int64_t times;
} program_buffers;

int program_main(int argc, char **argv); /* gives the exit code */

/* 0 after saying what is wrong. */
int options_parse(int argc, char **argv, program_options *out);
void options_help(void);

/* Converts and preprocesses an array to an input; *times is how many batches it holds. 0 after saying
 * what is wrong. */
int input_convert(const program_options *o, const char *path, const array *from,
	const adze_tensor *type, void **data, int64_t *times);

void run_all(program_buffers *b); /* every batch */
int run_bench(program_buffers *b, int64_t runs);
int run_profile(program_buffers *b);
void print_info(void);
int print_outputs(const program_options *o, const program_buffers *b);

#endif
