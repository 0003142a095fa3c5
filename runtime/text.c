/* SPDX-License-Identifier: Apache-2.0
 *
 * See text.h. */
#include "runtime/text.h"

#include "runtime/model.h"
#include "runtime/sys.h"

static char buffer[4096];
static uint32_t used;
static int broken;

int put_flush(void)
{
	if (!sys_write_all(1, buffer, used))
		broken = 1;
	used = 0;
	return !broken;
}

static void put_char(char c)
{
	if (used == sizeof buffer)
		put_flush();
	buffer[used++] = c;
}

uint64_t text_length(const char *text)
{
	uint64_t n = 0;
	while (text[n])
		n++;
	return n;
}

int text_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

int text_ends(const char *text, const char *end)
{
	uint64_t n = text_length(text), m = text_length(end);
	return n >= m && text_equal(text + n - m, end);
}

void put_text(const char *text)
{
	while (*text)
		put_char(*text++);
}

void put_padded(const char *text, int width)
{
	int n = (int)text_length(text);
	put_text(text);
	for (; n < width; n++)
		put_char(' ');
}

/* Digits of v from the end of out; returns where they begin. */
static char *digits(uint64_t v, char *end)
{
	*end = 0;
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return end;
}

void put_integer(int64_t v)
{
	char text[24];
	if (v < 0)
		put_char('-');
	put_text(digits(v < 0 ? -(uint64_t)v : (uint64_t)v, text + 23));
}

void put_integer_padded(int64_t v, int width)
{
	char text[24];
	char *p = digits(v < 0 ? -(uint64_t)v : (uint64_t)v, text + 23);
	if (v < 0)
		*--p = '-';
	for (int n = (int)(text + 23 - p); n < width; n++)
		put_char(' ');
	put_text(p);
}

/* A double below 2^53 to an integer and back, without helpers that 32-bit targets lack. */
static uint64_t to_integer(double v)
{
	uint32_t high = (uint32_t)(v / 4294967296.0);
	uint32_t low = (uint32_t)(v - (double)high * 4294967296.0);
	return (uint64_t)high << 32 | low;
}

void put_fixed(double v, int decimals)
{
	double scale = 1;
	for (int i = 0; i < decimals; i++)
		scale *= 10;
	uint64_t n = to_integer(v * scale + 0.5), whole = to_integer(scale);
	put_integer((int64_t)(n / whole));
	if (decimals) {
		char text[24];
		char *p = digits(n % whole, text + 23);
		put_char('.');
		for (int k = (int)(text + 23 - p); k < decimals; k++)
			put_char('0');
		put_text(p);
	}
}

static void put_significant(double v)
{
	int exponent = 0;
	while (v >= 999999.5) {
		v /= 10;
		exponent++;
	}
	while (v < 99999.95) {
		v *= 10;
		exponent--;
	}
	uint64_t n = to_integer(v + 0.5);
	int point = exponent + 6; /* digits before the decimal point */
	char text[24];
	char *p = digits(n, text + 23), *end = text + 23;
	while (end > p + 1 && end[-1] == '0')
		*--end = 0;
	int count = (int)(end - p);
	if (point < -3 || point > 6) {
		put_char(p[0]);
		if (count > 1) {
			put_char('.');
			put_text(p + 1);
		}
		put_char('e');
		put_integer(point - 1);
		return;
	}
	if (point <= 0)
		put_text("0.");
	for (int i = point; i < 0; i++)
		put_char('0');
	for (int i = 0; i < count || i < point; i++) {
		if (i == point && i > 0)
			put_char('.');
		put_char(i < count ? p[i] : '0');
	}
}

void put_real(double v)
{
	if (v != v) {
		put_text("nan");
		return;
	}
	if (v < 0) {
		put_char('-');
		v = -v;
	}
	if (v == 0)
		put_text("0");
	else if (v > 1.7e308)
		put_text("inf");
	else
		put_significant(v);
}

int fail(const char *a, const char *b, const char *c)
{
	const char *parts[] = {adze_model.name, ": error: ", a, b, c, "\n"};
	put_flush();
	for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i])
			sys_write_all(2, parts[i], text_length(parts[i]));
	return 0;
}

int read_integer(const char **p, int64_t *v)
{
	const char *q = *p;
	int negative = *q == '-';
	uint64_t n = 0;
	q += negative;
	if (*q < '0' || *q > '9')
		return 0;
	for (; *q >= '0' && *q <= '9'; q++) {
		if (n > 900000000000000000u)
			return 0;
		n = n * 10 + (uint64_t)(*q - '0');
	}
	*v = negative ? -(int64_t)n : (int64_t)n;
	*p = q;
	return 1;
}

int read_real(const char **p, double *v)
{
	const char *q = *p;
	int negative = *q == '-', any = 0, decimals = 0;
	double n = 0;
	int64_t exponent = 0;
	q += negative;
	for (; *q >= '0' && *q <= '9'; q++, any = 1)
		n = n * 10 + (*q - '0');
	if (*q == '.')
		for (q++; *q >= '0' && *q <= '9'; q++, any = 1, decimals++)
			n = n * 10 + (*q - '0');
	if (!any)
		return 0;
	if (*q == 'e' || *q == 'E') {
		q += 1 + (q[1] == '+');
		if (!read_integer(&q, &exponent) || exponent > 400 || exponent < -400)
			return 0;
	}
	double scale = 1;
	int steps = (int)exponent - decimals;
	for (int i = 0; i < (steps < 0 ? -steps : steps); i++)
		scale *= 10;
	n = steps < 0 ? n / scale : n * scale;
	*v = negative ? -n : n;
	*p = q;
	return 1;
}
