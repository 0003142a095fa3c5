/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of passes: checked against the row of the pass before anything runs, read by the pass while
 * it runs, printed in canonical form into the module's history. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "passes/manager.h"

static const az_option_desc *option_find(const az_pass_desc *desc, const char *name)
{
	for (const az_option_desc *option = desc->options; option->name; option++) {
		if (strcmp(option->name, name) == 0)
			return option;
	}
	return NULL;
}

static const char *next_option(void *state)
{
	const az_option_desc **option = state;
	return (*option)->name ? (*option)++->name : NULL;
}

static bool parse_int(const char *text, int64_t *out)
{
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	*out = v;
	return end != text && *end == 0 && errno == 0;
}

static bool parse_flag(const char *text, bool *out)
{
	*out = *text == 0 || strcmp(text, "true") == 0;
	return *out || strcmp(text, "false") == 0;
}

/* The wanted form in words, or NULL when the text fits. */
static const char *value_fault(const az_option_desc *option, const char *text)
{
	int64_t i;
	float r;
	uint64_t bytes;
	bool flag;
	switch (option->kind) {
	case AZ_OPTION_flag:
		return parse_flag(text, &flag) ? NULL : "nothing, true or false";
	case AZ_OPTION_int:
		return parse_int(text, &i) ? NULL : "an integer";
	case AZ_OPTION_real:
		return az_f32_parse(text, &r) ? NULL : "a number";
	case AZ_OPTION_size:
		return az_size_parse(text, &bytes) ? NULL : "a size such as 64, 64K or 64KiB";
	case AZ_OPTION_word:
		return *text ? NULL : "a word";
	}
	return "nothing";
}

bool az_options_check(az_ctx *ctx, const az_pass_desc *desc, const az_pipeline_step *step)
{
	bool ok = true;
	for (uint32_t i = 0; i < step->option_count; i++) {
		const az_pipeline_option *given = &step->option[i];
		const az_option_desc *option = option_find(desc, given->key);
		if (!option) {
			const az_option_desc *state = desc->options;
			const char *near = az_nearest_word(given->key, next_option, &state);
			ok = az_error(ctx, given->loc, "pass \"%s\" has no option \"%s\"%s%s%s",
				desc->name, given->key, near ? "; did you mean \"" : "",
				near ? near : "", near ? "\"?" : "");
			continue;
		}
		const char *wanted = value_fault(option, given->value);
		if (wanted)
			ok = az_error(ctx, given->loc,
				"option \"%s\" of pass \"%s\" is \"%s\", it takes %s", given->key,
				desc->name, given->value, wanted);
		for (uint32_t j = 0; j < i; j++) {
			if (step->option[j].key == given->key)
				ok = az_error(ctx, given->loc, "option \"%s\" stands twice",
					given->key);
		}
	}
	return ok;
}

static const char *given_text(const az_pipeline_step *step, const char *key)
{
	for (uint32_t i = 0; i < step->option_count; i++) {
		if (strcmp(step->option[i].key, key) == 0)
			return step->option[i].value;
	}
	return NULL;
}

/* Do both texts say the same value? */
static bool same_value(az_option_kind kind, const char *a, const char *b)
{
	int64_t ia, ib;
	uint64_t sa, sb;
	float ra, rb;
	bool fa, fb;
	switch (kind) {
	case AZ_OPTION_flag:
		return parse_flag(a, &fa) && parse_flag(b, &fb) && fa == fb;
	case AZ_OPTION_int:
		return parse_int(a, &ia) && parse_int(b, &ib) && ia == ib;
	case AZ_OPTION_real:
		return az_f32_parse(a, &ra) && az_f32_parse(b, &rb) && ra == rb;
	case AZ_OPTION_size:
		return az_size_parse(a, &sa) && az_size_parse(b, &sb) && sa == sb;
	case AZ_OPTION_word:
		return strcmp(a, b) == 0;
	}
	return false;
}

char *az_step_text(az_arena *arena, const az_pass_desc *desc, const az_pipeline_step *step)
{
	az_text text = {.arena = arena};
	const char *separator = "{";
	az_text_add(&text, "%s", desc->name);
	for (const az_option_desc *option = desc->options; option->name; option++) {
		const char *given = given_text(step, option->name);
		if (!given || same_value(option->kind, given, option->init))
			continue;
		bool flag = option->kind == AZ_OPTION_flag;
		az_text_add(&text, "%s%s", separator, option->name);
		if (!flag || strcmp(given, "false") == 0)
			az_text_add(&text, "=%s", given);
		separator = ",";
	}
	if (*separator == ',')
		az_text_add_char(&text, '}');
	return text.v;
}

/* The text of an option of the running pass; the row guarantees that it has a default. */
const char *az_pass_word(const az_pass_ctx *pass, const char *key)
{
	const char *given = given_text(pass->step, key);
	const az_option_desc *option = option_find(pass->desc, key);
	return given ? given : option ? option->init : "";
}

int64_t az_pass_int(const az_pass_ctx *pass, const char *key)
{
	const az_option_desc *option = option_find(pass->desc, key);
	const char *text = az_pass_word(pass, key);
	int64_t v = 0;
	uint64_t bytes = 0;
	if (option && option->kind == AZ_OPTION_size)
		return az_size_parse(text, &bytes) && bytes <= INT64_MAX ? (int64_t)bytes : 0;
	return parse_int(text, &v) ? v : 0;
}

float az_pass_real(const az_pass_ctx *pass, const char *key)
{
	float v = 0;
	return az_f32_parse(az_pass_word(pass, key), &v) ? v : 0.0f;
}

bool az_pass_flag(const az_pass_ctx *pass, const char *key)
{
	bool v = false;
	return parse_flag(az_pass_word(pass, key), &v) && v;
}
