/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of IR text, read as what they must be. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/num.h"
#include "grammar/adz_build.h"

/* A NUL-terminated copy; the scanner has refused longer ones. */
static const char *spell(const az_adz_state *s, az_adz_num num, char out[AZ_ADZ_NUMBER_MAX + 1])
{
	memcpy(out, s->text + num.offset, num.length);
	out[num.length] = 0;
	return out;
}

/* Only faults ask, so counting lines from the start is good enough. */
az_loc az_adz_num_loc(const az_adz_state *s, az_adz_num num)
{
	az_loc loc = {.file = s->file, .line = 1, .col = 1, .len = num.length};
	for (uint32_t i = 0; i < num.offset; i++) {
		loc.col++;
		if (s->text[i] == '\n') {
			loc.line++;
			loc.col = 1;
		}
	}
	return loc;
}

static bool is_integer(const char *text)
{
	const char *digits = text + (*text == '-' || *text == '+');
	return *digits && digits[strspn(digits, "0123456789")] == 0;
}

bool az_adz_int(az_adz_state *s, az_adz_num num, int64_t least, int64_t most, int64_t *out)
{
	char text[AZ_ADZ_NUMBER_MAX + 1];
	spell(s, num, text);
	if (!is_integer(text))
		return az_error(s->ctx, az_adz_num_loc(s, num), "\"%s\" is not an integer", text);
	errno = 0;
	long long value = strtoll(text, NULL, 10);
	if (errno == ERANGE || value < least || value > most)
		return az_error(s->ctx, az_adz_num_loc(s, num),
			"%s is outside %" PRId64 " to %" PRId64, text, least, most);
	*out = value;
	return true;
}

static bool read_u64(az_adz_state *s, az_adz_num num, uint64_t *out)
{
	char text[AZ_ADZ_NUMBER_MAX + 1];
	spell(s, num, text);
	errno = 0;
	*out = strtoull(text, NULL, 10);
	if (!is_integer(text) || text[0] == '-' || errno == ERANGE)
		return az_error(s->ctx, az_adz_num_loc(s, num), "\"%s\" is not a u64", text);
	return true;
}

bool az_adz_real(az_adz_state *s, az_adz_num num, float *out)
{
	char text[AZ_ADZ_NUMBER_MAX + 1];
	if (az_f32_parse(spell(s, num, text), out))
		return true;
	return az_error(s->ctx, az_adz_num_loc(s, num), "\"%s\" is not an f32 number", text);
}

static bool read_f64(az_adz_state *s, az_adz_num num, uint64_t *raw)
{
	char text[AZ_ADZ_NUMBER_MAX + 1];
	double value;
	if (!az_f64_parse(spell(s, num, text), &value))
		return az_error(s->ctx, az_adz_num_loc(s, num), "\"%s\" is not an f64 number",
			text);
	memcpy(raw, &value, sizeof *raw);
	return true;
}

/* NaNs of 16 bits print as the f32 that holds their bits; rounding would quiet them. */
static uint64_t to_16_bits(float x, az_elem elem)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
	if (elem.kind == AZ_KIND_BFLOAT)
		return is_nan && (bits >> 16 & 0x7fu) ? bits >> 16 : az_f32_to_bf16(x);
	if (is_nan && (bits >> 13 & 0x3ffu))
		return (bits >> 16 & 0x8000u) | 0x7c00u | (bits >> 13 & 0x3ffu);
	return az_f32_to_f16(x);
}

static bool read_float(az_adz_state *s, az_adz_num num, az_elem elem, uint64_t *raw)
{
	float x;
	uint32_t low;
	if (elem.bits == 64)
		return read_f64(s, num, raw);
	if (!az_adz_real(s, num, &x))
		return false;
	memcpy(&low, &x, sizeof low);
	*raw = elem.bits == 16 ? to_16_bits(x, elem) : low;
	return true;
}

static bool read_integer(az_adz_state *s, az_adz_num num, az_elem elem, uint64_t *raw)
{
	int64_t value;
	if (elem.kind == AZ_KIND_UINT && elem.bits == 64)
		return read_u64(s, num, raw);
	if (!az_adz_int(s, num, az_elem_min(elem), az_elem_max(elem), &value))
		return false;
	*raw = (uint64_t)value;
	if (elem.kind == AZ_KIND_BIPOLAR) {
		if (value == 0)
			return az_error(s->ctx, az_adz_num_loc(s, num), "a bipolar is -1 or 1");
		*raw = value > 0;
	}
	return true;
}

bool az_adz_element(az_adz_state *s, az_adz_num num, az_elem elem, void *data, uint64_t i)
{
	uint64_t raw = 0;
	bool ok = az_elem_is_float(elem) ? read_float(s, num, elem, &raw)
					 : read_integer(s, num, elem, &raw);
	if (ok)
		az_bits_set(data, i, elem.bits, raw);
	return ok;
}

void az_adz_list_add(az_adz_state *s, az_adz_num num)
{
	if (s->nums.count == AZ_INLINE_MAX)
		az_error(s->ctx, az_adz_num_loc(s, num), "a list holds at most %d numbers",
			AZ_INLINE_MAX);
	if (s->nums.count <= AZ_INLINE_MAX)
		az_vec_push(&s->line, &s->nums, num);
}

az_adz_list az_adz_list_take(az_adz_state *s)
{
	az_adz_list list = {s->nums.count, s->nums.v};
	s->nums.v = NULL;
	s->nums.count = s->nums.capacity = 0;
	return list;
}
