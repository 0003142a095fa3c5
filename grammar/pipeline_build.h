/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scanner, the parser and the builder of pipeline text share. */
#ifndef AZ_GRAMMAR_PIPELINE_BUILD_H
#define AZ_GRAMMAR_PIPELINE_BUILD_H

#include "base/vec.h"
#include "grammar/parse.h"

#define AZ_PIPE_STEPS_MAX 4096

typedef struct az_pipe_steps {
	az_pipeline_step *v;
	uint32_t count, capacity;
} az_pipe_steps;

typedef struct az_pipe_state {
	az_ctx *ctx;
	az_arena *arena; /* of the result */
	az_arena scratch;
	az_name file;
	const char *text;
	size_t size;
	void *scanner;
	uint32_t row, col, depth;
	AZ_VEC(az_pipeline_option) options; /* of the step being read */
	az_pipeline *out;
} az_pipe_state;

/* pipeline.l */
void az_pipe_scan_open(az_pipe_state *s);

/* pipeline_build.c: those that return bool report. */
az_pipe_steps az_pipe_step(az_pipe_state *s, az_loc loc, az_name pass);
void az_pipe_option(az_pipe_state *s, az_loc loc, az_name key, az_name value);
bool az_pipe_join(az_pipe_state *s, az_loc loc, az_pipe_steps *to, az_pipe_steps more);
bool az_pipe_repeat(az_pipe_state *s, az_loc loc, az_pipe_steps *steps, az_name count);
bool az_pipe_enter(az_pipe_state *s, az_loc loc);

#endif
