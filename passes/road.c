/* SPDX-License-Identifier: Apache-2.0
 *
 * The default road: which passes are still to be done for a module. It is derived from the module's
 * history and stage, so that a dump of any state continues where it stopped. */
#include <string.h>

#include "passes/manager.h"

static const char *const front[] = {"infer-shapes", "fold-constants", "canonicalize", "decompose",
	"fold-batchnorm", "fuse-activation", "sink-transposes"};
static const char *const back[] = {
	"widen-activations", "select-kernels", "pack-weights", "plan-memory"};

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

/* "{weights=4,acts=4}", what is not 8; `open` stands before the first. */
static void add_widths(az_text *text, const az_road *road, const char *open)
{
	const char *before = open;
	if (road->weight_bits && road->weight_bits != 8) {
		az_text_add(text, "%sweights=%d", before, road->weight_bits);
		before = ",";
	}
	if (road->act_bits && road->act_bits != 8) {
		az_text_add(text, "%sacts=%d", before, road->act_bits);
		before = ",";
	}
	if (*open == ',' || before != open)
		az_text_add_char(text, '}');
}

/* calibrate; a range of "percentile=99.9" says the method and its number. */
static const char *calibrate_step(az_arena *arena, const az_road *road)
{
	az_text text = {.arena = arena};
	const char *before = "{";
	az_text_add(&text, "calibrate");
	if (road->range) {
		const char *number = strchr(road->range, '=');
		az_text_add(&text, "{method=%.*s", (int)strcspn(road->range, "="), road->range);
		az_text_add(&text, "%s%s", number ? ",percent" : "", number ? number : "");
		before = ",";
	}
	if (road->act_bits && road->act_bits != 8) {
		az_text_add(&text, "%sacts=%d", before, road->act_bits);
		before = ",";
	}
	az_text_add(&text, "%s", *before == ',' ? "}" : "");
	return text.v;
}

static const char *round_step(az_arena *arena, const az_road *road)
{
	az_text text = {.arena = arena};
	az_text_add(&text, "round-weights{method=%s", road->round ? road->round : "nearest");
	if (road->correct_bias)
		az_text_add(&text, ",bias");
	add_widths(&text, road, ",");
	return text.v;
}

/* insert-quantizers with the options that are not its defaults. */
static const char *insert_text(az_arena *arena, const az_road *road)
{
	az_text text = {.arena = arena};
	const struct {
		const char *name;
		int value, init;
	} options[] = {{"weights", road->weight_bits ? road->weight_bits : 8, 8},
		{"acts", road->act_bits ? road->act_bits : 8, 8}, {"fine", road->fine_layers, 0}};
	const char *separator = "{";
	az_text_add(&text, "insert-quantizers");
	for (size_t i = 0; i < AZ_COUNT(options); i++) {
		if (options[i].value == options[i].init)
			continue;
		az_text_add(&text, "%s%s=%d", separator, options[i].name, options[i].value);
		separator = ",";
	}
	if (road->exact_weights) {
		az_text_add(&text, "%sexact", separator);
		separator = ",";
	}
	az_text_add(&text, "%s", *separator == ',' ? "}" : "");
	return text.v;
}

static void list_steps(az_arena *arena, const az_module *module, const az_road *road, steps *out)
{
	for (uint32_t i = 0; i < AZ_COUNT(front); i++)
		az_vec_push(arena, &out->list, front[i]);
	bool quantized = holds_quantizers(module);
	bool ours = was_done(module, "calibrate") || was_done(module, "insert-quantizers");
	if (ours || (road->quantize && !quantized)) {
		az_vec_push(arena, &out->list, calibrate_step(arena, road));
		bool rounds = road->round && strcmp(road->round, "nearest") != 0;
		if (rounds || road->correct_bias)
			az_vec_push(arena, &out->list, round_step(arena, road));
		az_vec_push(arena, &out->list, insert_text(arena, road));
	}
	if (ours || road->quantize || quantized || was_done(module, "fold-quantizers"))
		az_vec_push(arena, &out->list, "fold-quantizers");
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
