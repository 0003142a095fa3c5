/* SPDX-License-Identifier: Apache-2.0
 *
 * A text being built up in an arena. */
#ifndef AZ_BASE_TEXT_H
#define AZ_BASE_TEXT_H

#include "base/arena.h"

typedef struct az_text {
	az_arena *arena;
	char *v; /* NUL-terminated once anything was added */
	size_t count, capacity;
} az_text;

void az_text_add(az_text *text, const char *format, ...) AZ_PRINTF(2, 3);
void az_text_add_bytes(az_text *text, const char *bytes, size_t n);
void az_text_add_char(az_text *text, char c);
/* A quoted string: " \ and control characters escaped as \xx (two hexadecimal digits). */
void az_text_add_quoted(az_text *text, const char *string);

#endif
