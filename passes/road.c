/* SPDX-License-Identifier: Apache-2.0
 *
 * The default road: which passes are still to be done for a module. It is derived from the module's
 * history and stage, so that a dump of any state continues where it stopped. */
#include <string.h>

#include "passes/manager.h"

static const char *const front[] = {"infer-shapes", "fold-constants", "canonicalize", "decompose",
	"fold-batchnorm", "fuse-activation", "sink-transposes"};
static const char *const back[] = {
	"widen-activations", "select-kernels", "pack-weights", "reorder-operations", "plan-memory"};

/* The entry of the history that ran this pass: its name, alone or before options. */
static bool is_pass(az_name done, const char *step)
{
	size_t n = strcspn(step, "{");
	return strncmp(done, step, n) == 0 && (done[n] == 0 || done[n] == '{');
}

static bool was_done(const az_module *module, const char *pass)
{
	for (uint32_t i = 0; i < module->done.count; i++) {
		if (is_pass(module->done.v[i], pass))
			return true;
	}
	return false;
}

static bool holds_quantizers(const az_module *module)
{
	for (uint32_t i = 0; i < module->funcs.count; i++) {
		for (const az_op *op = module->funcs.v[i]->first; op; op = op->next) {
			if (op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize)
				return true;
		}
	}
	return false;
}

typedef struct steps {
	AZ_VEC(const char *) list;
} steps;

/* Options of a step that are not its defaults: "{", "," before each, "}" behind the last. */
typedef struct options {
	az_text text;
	bool any;
} options;

static void add_option(options *o, const char *name, const char *value)
{
	az_text_add(&o->text, "%s%s", o->any ? "," : "{", name);
	if (*value)
		az_text_add(&o->text, "=%s", value);
	o->any = true;
}

static void add_word(options *o, const char *name, const char *value, const char *init)
{
	if (value && strcmp(value, init) != 0)
		add_option(o, name, value);
}

static void add_number(options *o, const char *name, int value)
{
	if (value)
		add_option(o, name, az_arena_printf(o->text.arena, "%d", value));
}

/* AZ_QUANTIZE_OPTIONS of passes.def, in their order. */
static const char *with_quantize_options(options *o, const az_road *road)
{
	add_word(o, "weights", road->weights, "8");
	add_word(o, "acts", road->weights_only ? "float" : road->acts, "8");
	add_number(o, "edges", road->edges);
	add_number(o, "group", road->group);
	add_word(o, "grid", road->grid, "affine");
	add_number(o, "fine", road->fine_layers);
	if (road->exact_weights)
		add_option(o, "exact", "");
	az_text_add(&o->text, "%s", o->any ? "}" : "");
	return o->text.v;
}

static options begin_step(az_arena *arena, const char *pass)
{
	options o = {.text = {.arena = arena}};
	az_text_add(&o.text, "%s", pass);
	return o;
}

/* calibrate; a range of "percentile=99.9" says the method and its number. */
static const char *calibrate_step(az_arena *arena, const az_road *road)
{
	options o = begin_step(arena, "calibrate");
	if (road->range) {
		const char *number = strchr(road->range, '=');
		add_option(&o, "method",
			az_arena_printf(arena, "%.*s", (int)strcspn(road->range, "="),
				road->range));
		if (number)
			add_option(&o, "percent", number + 1);
	}
	if (road->normal_ranges)
		add_option(&o, "normal", "");
	return with_quantize_options(&o, road);
}

static const char *round_step(az_arena *arena, const az_road *road)
{
	options o = begin_step(arena, "round-weights");
	add_option(&o, "method", road->round ? road->round : "nearest");
	if (road->correct_bias)
		add_option(&o, road->analytic ? "analytic" : "bias", "");
	add_number(&o, "effort", road->effort);
	return with_quantize_options(&o, road);
}

static const char *insert_step(az_arena *arena, const az_road *road)
{
	options o = begin_step(arena, "insert-quantizers");
	return with_quantize_options(&o, road);
}

static void list_steps(az_arena *arena, const az_module *module, const az_road *road, steps *out)
{
	if (road->requantize)
		az_vec_push(arena, &out->list, "drop-quantizers");
	for (uint32_t i = 0; i < AZ_COUNT(front); i++)
		az_vec_push(arena, &out->list, front[i]);
	bool calibrated = was_done(module, "calibrate"),
	     ours = was_done(module, "insert-quantizers");
	bool quantized = holds_quantizers(module) && !road->requantize;
	if (calibrated || ours || (road->quantize && !quantized)) {
		if (road->equalize)
			az_vec_push(arena, &out->list,
				road->absorb ? "equalize{absorb}" : "equalize");
		if (calibrated || (!ours && !road->weights_only))
			az_vec_push(arena, &out->list, calibrate_step(arena, road));
		bool rounds = road->round && strcmp(road->round, "nearest") != 0;
		if (rounds || road->correct_bias)
			az_vec_push(arena, &out->list, round_step(arena, road));
		az_vec_push(arena, &out->list, insert_step(arena, road));
	}
	if (calibrated || ours || road->quantize || quantized ||
		was_done(module, "fold-quantizers"))
		az_vec_push(arena, &out->list, "fold-quantizers");
	if (road->match_ort)
		az_vec_push(arena, &out->list, "match-ort");
	if (road->to_canonical_only)
		return;
	for (uint32_t i = 0; i < AZ_COUNT(back); i++)
		az_vec_push(arena, &out->list, back[i]);
}

char *az_road_text(az_arena *arena, const az_module *module, const az_road *road)
{
	steps all = {0};
	list_steps(arena, module, road, &all);
	uint32_t at = 0;
	for (uint32_t i = 0; i < module->done.count && at < all.list.count; i++)
		at += is_pass(module->done.v[i], all.list.v[at]);
	/* A module that came here on another way is past the passes that refuse its stage. */
	az_text text = {.arena = arena};
	az_text_add(&text, "%s", "");
	int stage = (int)module->stage;
	for (bool first = true; at < all.list.count; at++) {
		const char *step = all.list.v[at];
		const az_pass_desc *pass =
			az_pass_find(az_arena_copy(arena, step, strcspn(step, "{")));
		if (!(pass->takes & 1 << stage))
			continue;
		if (pass->gives >= 0)
			stage = pass->gives;
		az_text_add(&text, "%s%s", first ? "" : ",", step);
		first = false;
	}
	return text.v ? text.v : "";
}
