/* SPDX-License-Identifier: Apache-2.0
 *
 * Text out and numbers in. Standard output is buffered; errors are not. */
#ifndef ADZE_RUNTIME_TEXT_H
#define ADZE_RUNTIME_TEXT_H

#include <stdint.h>

void put_text(const char *text);
void put_padded(const char *text, int width); /* left-aligned in at least `width` places */
void put_integer(int64_t v);
void put_integer_padded(int64_t v, int width); /* right-aligned */
void put_real(double v);                       /* six significant digits, like %g */
void put_fixed(double v, int decimals);
int put_flush(void); /* 0 when standard output could not be written */

/* "NAME: error: a b c\n" on standard error; any may be NULL. Returns 0. */
int fail(const char *a, const char *b, const char *c);

int text_equal(const char *a, const char *b);
int text_ends(const char *text, const char *end);
uint64_t text_length(const char *text);
/* The number at *p, which moves behind it; 0 when there is none. */
int read_integer(const char **p, int64_t *v);
int read_real(const char **p, double *v);

#endif
