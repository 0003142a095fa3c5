/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagnostics. Who finds the fault reports it, with a location; callers only return false.
 * Messages: lower case, no full stop, what was found and what was wanted, names in quotes as they
 * stand in the input, nearest spelling when a name is unknown. The library never prints: a handler
 * does (the driver's prints to stderr; the default stores the texts). */
#ifndef AZ_BASE_DIAG_H
#define AZ_BASE_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/name.h"

typedef struct az_ctx az_ctx;

/* Where something came from. All fields may be zero. `line` counts from 1. */
typedef struct az_loc {
	az_name file;
	az_name node; /* name of the ONNX node, printed after `loc` in IR text */
	az_name op;   /* its ONNX operator, for messages only */
	uint32_t line, col, len;
} az_loc;

#define AZ_LOC_NONE ((az_loc){0})

typedef enum az_severity { AZ_SEVERITY_ERROR, AZ_SEVERITY_WARNING, AZ_SEVERITY_NOTE } az_severity;

typedef struct az_message {
	az_severity severity;
	az_loc loc;
	const char *text;
	struct az_message *next;
} az_message;

/* A file whose lines carets can quote; registered by the parsers. */
typedef struct az_source {
	az_name file;
	const char *text;
	size_t size;
	struct az_source *next;
} az_source;

typedef struct az_diag {
	void (*handler)(void *data, az_ctx *ctx, const az_message *message);
	void *handler_data;
	az_message *first, **last; /* stored when there is no handler */
	az_source *sources;
	uint32_t error_count, warning_count;
	az_message out_of_memory; /* kept ready: reporting it must not allocate */
} az_diag;

/* Report. az_error always returns false, so that `return az_error(...)` reads well. */
bool az_error(az_ctx *ctx, az_loc loc, const char *format, ...) AZ_PRINTF(3, 4);
void az_warning(az_ctx *ctx, az_loc loc, const char *format, ...) AZ_PRINTF(3, 4);
void az_note(az_ctx *ctx, az_loc loc, const char *format, ...) AZ_PRINTF(3, 4);
bool az_error_limit(const az_ctx *ctx); /* AZ_ERRORS_MAX reached: stop reading */

/* Registers text for caret printing; both must live as long as the context's diagnostics. */
void az_diag_source(az_ctx *ctx, az_name file, const char *text, size_t size);
/* "net.adz:7:8: error: ...\n    7 |   line\n      |   ^~~~\n" or
 * "net.onnx: node \"/conv1\" (Conv): error: ...\n", in the arena. */
char *az_message_format(az_arena *arena, const az_ctx *ctx, const az_message *message);

/* The candidate nearest to `word` by edit distance, or NULL when none is near.
 * `next` yields candidates until NULL. */
const char *az_nearest_word(const char *word, const char *(*next)(void *state), void *state);

#endif
