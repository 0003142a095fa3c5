/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading IR text and pipeline text. Both report every fault up to AZ_ERRORS_MAX, with line, column
 * and caret, and return NULL. */
#ifndef AZ_GRAMMAR_PARSE_H
#define AZ_GRAMMAR_PARSE_H

#include "ir/graph.h"

/* `file` names the text in messages. Blobs are looked for in blob_folder and their hash is checked;
 * they are read into the module's arena. The result is verified. Free with az_module_free. */
az_module *az_parse_module(az_ctx *ctx, const char *file, const char *text, size_t size,
	const char *blob_folder);
/* Maps the file; blob_folder NULL: "<path>.blobs". */
az_module *az_parse_file(az_ctx *ctx, const char *path, const char *blob_folder);

/* Pipeline text: pass{key=value,flag},(pass,pass)*3. Repetition is unrolled. */
typedef struct az_pipeline_option {
	az_name key, value; /* value "" when there was only a key */
	az_loc loc;
} az_pipeline_option;

typedef struct az_pipeline_step {
	az_name pass;
	az_loc loc;
	uint32_t option_count;
	const az_pipeline_option *option;
} az_pipeline_step;

typedef struct az_pipeline {
	uint32_t count;
	const az_pipeline_step *step;
} az_pipeline;

/* In the arena. Names are not looked up here. `file` names the text in messages. */
bool az_parse_pipeline(az_ctx *ctx, az_arena *arena, const char *file, const char *text,
	az_pipeline *out) AZ_NODISCARD;

#endif
