/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a recipe while its text is parsed, the entry points, and matching. */
#include <string.h>

#include "base/file.h"
#include "grammar/recipe_build.h"
#include "grammar/recipe.tab.h"

void az_rec_version(az_rec_state *s, az_loc loc, int64_t version)
{
	if (version != 1)
		az_error(s->ctx, loc, "recipe version %lld; this build reads version 1",
			(long long)version);
}

void az_rec_begin(az_rec_state *s, az_loc loc)
{
	s->rule = (az_recipe_rule){.loc = loc};
}

void az_rec_end(az_rec_state *s)
{
	if (s->rules.count == AZ_RECIPE_RULES_MAX)
		az_error(s->ctx, s->rule.loc, "a recipe has at most %d rules", AZ_RECIPE_RULES_MAX);
	else
		az_vec_push(s->arena, &s->rules, s->rule);
}

void az_rec_match_op(az_rec_state *s, az_loc loc, az_name op)
{
	const char *nearest;
	if (s->rule.op)
		az_error(s->ctx, loc, "the operation is given twice");
	else if (az_opcode_find(op) != AZ_OP_COUNT_)
		s->rule.op = op;
	else if ((nearest = az_opcode_nearest(op)))
		az_error(s->ctx, loc, "unknown operation '%s'; did you mean '%s'?", op, nearest);
	else
		az_error(s->ctx, loc, "unknown operation '%s'", op);
}

void az_rec_match_name(az_rec_state *s, az_loc loc, az_name pattern)
{
	if (s->rule.name)
		az_error(s->ctx, loc, "the name is given twice");
	s->rule.name = pattern;
}

void az_rec_match_edge(az_rec_state *s, az_loc loc, int edge)
{
	if (s->rule.edge)
		az_error(s->ctx, loc, "'first' or 'last' is given twice");
	s->rule.edge = edge;
}

void az_rec_match_params(az_rec_state *s, az_loc loc, az_name field, int compare, int64_t count)
{
	if (strcmp(field, "params") != 0)
		az_error(s->ctx, loc, "unknown property '%s'; known is 'params'", field);
	else if (s->rule.compare)
		az_error(s->ctx, loc, "params is given twice");
	s->rule.compare = compare;
	s->rule.params = count;
}

void az_rec_set(az_rec_state *s, az_loc loc, az_name what, az_precision precision)
{
	az_precision *field = NULL;
	if (strcmp(what, "weight") == 0)
		field = &s->rule.weight;
	else if (strcmp(what, "act") == 0)
		field = &s->rule.act;
	if (!field)
		az_error(s->ctx, loc, "unknown setting '%s'; known are 'weight' and 'act'", what);
	else if (field->given)
		az_error(s->ctx, loc, "'%s' is given twice", what);
	else if (field == &s->rule.act && precision.granularity > AZ_PER_TENSOR)
		az_error(s->ctx, loc, "activations have one scale per tensor");
	else if (field == &s->rule.act && precision.grid)
		az_error(s->ctx, loc, "activations lie on the affine grid");
	else
		*field = precision;
}

bool az_precision_parse(const char *word, az_precision *out)
{
	az_precision p = {.given = true};
	if (strcmp(word, "float") == 0)
		p.is_float = true;
	else if (strcmp(word, "ternary") == 0)
		p.ternary = true, p.elem = AZ_ELEM(INT, 2);
	else if (!az_elem_parse(word, &p.elem) || p.elem.bits > 16 ||
		 (!az_elem_is_integer(p.elem) && p.elem.kind != AZ_KIND_BIPOLAR))
		return false;
	*out = p;
	return true;
}

bool az_weight_grid_parse(const char *word, az_weight_grid *out)
{
	static const char *const words[] = {"affine", "odd", "power-of-two", "codebook"};
	for (size_t i = 0; i < AZ_COUNT(words); i++) {
		if (strcmp(words[i], word) == 0) {
			*out = (az_weight_grid)i;
			return true;
		}
	}
	return false;
}

az_precision az_rec_precision(az_rec_state *s, az_loc loc, az_name word)
{
	az_precision p = {.given = true};
	if (!az_precision_parse(word, &p))
		az_error(s->ctx, loc,
			"unknown precision '%s'; known are float, bipolar, ternary, i1 to i16, u1 "
			"to u16",
			word);
	return p;
}

void az_rec_grid(az_rec_state *s, az_loc loc, az_precision *p, az_name word)
{
	if (!az_weight_grid_parse(word, &p->grid))
		az_error(s->ctx, loc,
			"unknown grid '%s'; known are affine, odd, power-of-two, codebook", word);
	else if (p->grid && (p->is_float || p->elem.kind == AZ_KIND_BIPOLAR))
		az_error(s->ctx, loc, "float and bipolar numbers lie on no other grid");
}

void az_rec_granularity(az_rec_state *s, az_loc loc, az_precision *p, az_name word, int64_t group)
{
	bool is_group = strcmp(word, "group") == 0;
	if (strcmp(word, "tensor") == 0)
		p->granularity = AZ_PER_TENSOR;
	else if (strcmp(word, "channel") == 0)
		p->granularity = AZ_PER_CHANNEL;
	else if (!is_group)
		az_error(s->ctx, loc,
			"unknown granularity '%s'; known are tensor, channel, group(N)", word);
	if (is_group && (group < 1 || group > INT32_MAX))
		az_error(s->ctx, loc, "a group has a positive size: group(32)");
	else if (!is_group && group)
		az_error(s->ctx, loc, "only a group has a size");
	if (is_group) {
		p->granularity = AZ_PER_GROUP;
		p->group = (int32_t)group;
	}
}

void az_rec_limit(az_rec_state *s, az_loc loc, az_name what, int64_t size, az_name unit)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = {{"B", 1}, {"K", 1024}, {"KiB", 1024}, {"M", 1 << 20}, {"MiB", 1 << 20}};
	uint64_t scale = unit ? 0 : 1;
	for (size_t i = 0; unit && i < AZ_COUNT(units); i++)
		if (strcmp(units[i].unit, unit) == 0)
			scale = units[i].bytes;
	if (!s->out->limit_loc.file)
		s->out->limit_loc = loc;
	if (!scale)
		az_error(s->ctx, loc, "unknown unit '%s'; known are B, K, KiB, M, MiB", unit);
	else if (size < 1 || (uint64_t)size > (UINT64_C(1) << 40))
		az_error(s->ctx, loc, "a limit is positive and at most 2^40");
	else if (strcmp(what, "flash") == 0)
		s->out->flash_bytes = (uint64_t)size * scale;
	else if (strcmp(what, "ram") == 0)
		s->out->ram_bytes = (uint64_t)size * scale;
	else
		az_error(s->ctx, loc, "unknown limit '%s'; known are flash and ram", what);
}

static bool parse(az_rec_state *s, const char *file, const char *text, size_t size)
{
	uint32_t errors = s->ctx->diag.error_count;
	s->file = az_name_of(s->ctx, file);
	s->size = size;
	if (size > 1u << 24)
		return az_error(s->ctx, (az_loc){.file = s->file}, "the recipe is too long");
	s->text = az_arena_copy(&s->ctx->arena, text, size);
	az_diag_source(s->ctx, s->file, s->text, size);
	az_rec_scan_open(s);
	if (az_rec_parse(s) != 0 || s->ctx->diag.error_count != errors)
		return false;
	s->out->rule_count = s->rules.count;
	s->out->rule = s->rules.v;
	return true;
}

static bool guarded(az_rec_state *s, const char *file, const char *text, size_t size)
{
	AZ_GUARD(s->ctx, return false);
	bool ok = parse(s, file, text, size);
	AZ_UNGUARD(s->ctx);
	return ok;
}

bool az_parse_recipe(az_ctx *ctx, az_arena *arena, const char *file, const char *text, size_t size,
	az_recipe *out)
{
	az_rec_state s = {.ctx = ctx, .arena = arena, .out = out};
	*out = (az_recipe){0};
	az_arena_init(&s.scratch, &ctx->oom);
	bool ok = guarded(&s, file, text, size);
	az_arena_free(&s.scratch);
	return ok;
}

bool az_parse_recipe_file(az_ctx *ctx, az_arena *arena, const char *path, az_recipe *out)
{
	az_bytes bytes;
	if (!az_file_map(ctx, path, &bytes))
		return false;
	bool ok = az_parse_recipe(ctx, arena, path, bytes.data, bytes.size, out);
	az_file_unmap(bytes);
	return ok;
}

/* File-name patterns, without recursion: * backtracks to its last place only. */
static bool glob(const char *pattern, const char *text)
{
	const char *star = NULL, *mark = NULL;
	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			mark = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++mark;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

bool az_recipe_matches(const az_recipe_rule *rule, az_opcode op, const char *name, int64_t params,
	unsigned edges)
{
	if (rule->edge && !(edges & (unsigned)rule->edge))
		return false;
	if (rule->op && az_opcode_find(rule->op) != op)
		return false;
	if (rule->name && !glob(rule->name, name ? name : ""))
		return false;
	switch (rule->compare) {
	case AZ_COMPARE_LE:
		return params <= rule->params;
	case AZ_COMPARE_LT:
		return params < rule->params;
	case AZ_COMPARE_GE:
		return params >= rule->params;
	case AZ_COMPARE_GT:
		return params > rule->params;
	default:
		return true;
	}
}
