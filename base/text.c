/* SPDX-License-Identifier: Apache-2.0
 *
 * Text builders. Invariant: once anything was added, capacity > count and v[count] is NUL. */
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_MIN ((size_t)128)

/* Room for n more bytes and the NUL. */
static void reserve(az_text *text, size_t n)
{
	if (n >= SIZE_MAX / 2 - text->count)
		az_arena_exhausted(text->arena);
	size_t wanted = text->count + n + 1;
	if (wanted <= text->capacity)
		return;
	wanted = AZ_MAX(wanted, AZ_MAX(text->capacity * 2, CAPACITY_MIN));
	char *grown = az_arena_alloc(text->arena, wanted, 1);
	if (text->count)
		memcpy(grown, text->v, text->count);
	text->v = grown;
	text->capacity = wanted;
}

void az_text_add(az_text *text, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0) { /* longer than INT_MAX */
		va_end(args);
		az_arena_exhausted(text->arena);
	}
	reserve(text, (size_t)length);
	vsnprintf(text->v + text->count, (size_t)length + 1, format, args);
	text->count += (size_t)length;
	va_end(args);
}

void az_text_add_bytes(az_text *text, const char *bytes, size_t n)
{
	reserve(text, n);
	if (n)
		memcpy(text->v + text->count, bytes, n);
	text->count += n;
	text->v[text->count] = 0;
}

void az_text_add_char(az_text *text, char c)
{
	az_text_add_bytes(text, &c, 1);
}

void az_text_add_quoted(az_text *text, const char *string)
{
	static const char digit[] = "0123456789abcdef";
	az_text_add_char(text, '"');
	for (; *string; string++) {
		unsigned char c = (unsigned char)*string;
		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			const char escape[3] = {'\\', digit[c >> 4], digit[c & 15]};
			az_text_add_bytes(text, escape, 3);
		} else {
			az_text_add_char(text, (char)c);
		}
	}
	az_text_add_char(text, '"');
}
