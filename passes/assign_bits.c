/* SPDX-License-Identifier: Apache-2.0
 *
 * assign-bits: chooses how many bits the weights of each layer get, so that the emitted object's .text and
 * .rodata together take at most `flash` bytes, and the network at most `bitops` multiply-accumulates times bits of
 * both operands. Nothing in the network changes: the choice goes to
 * az_pass_env.assigned, which round-weights and insert-quantizers read.
 *
 * What each layer loses at each width comes from the policy (bit_loss.c); the choice that loses least is an
 * exact multiple-choice knapsack over packed weight bytes. Code and other constants depend on the widths as
 * well, so the object is emitted and measured, the room for weights corrected, and the choice made again;
 * what room is left is then filled layer by layer, each step emitted, until at least 97 % are used or no single bit
 * more fits. uniform: the same width for all.
 *
 * Requires: stage canonical, calibrate, env->cost, env->backend, env->assigned. Guarantees: the size fits, or
 * the pass fails with the smallest size there is. Terminates: the room shrinks with every correction, and
 * every filling step adds a bit somewhere. */
#include <string.h>

#include "passes/assign.h"
#include "passes/ilp.h"
#include "passes/knapsack.h"
#include "passes/precision.h"

#define CORRECTIONS 8
#define USED        0.97 /* of the budget: raises that look too large are not emitted above it */

/* What a network takes. */
typedef struct taken {
	uint64_t bytes,
		bitops; /* of .text and .rodata; multiply-accumulates times bits of both operands */
} taken;

#define NO_BUDGET (UINT64_MAX / 2)

typedef struct search {
	az_pass_ctx *pass;
	az_bit_layers layers;
	uint64_t *work; /* by layer: bit operations for each bit of its weights */
	taken budget;
	uint8_t least, most;
	uint8_t floor; /* with so many everywhere it fits */
	uint8_t *bits; /* by layer: the choice under way */
	taken now;     /* measured, of bits */
} search;

static bool fits(const search *s, const taken *t)
{
	return t->bytes <= s->budget.bytes && t->bitops <= s->budget.bitops;
}

static uint64_t packed(const search *s, uint32_t layer, unsigned bits)
{
	return (s->layers.weights[layer] * bits + 7) / 8;
}

static void to_assignment(const search *s, const uint8_t *bits, az_assignment *out)
{
	for (uint32_t i = 0; i < s->layers.count; i++)
		az_assign(out, s->layers.op[i]->results[0]->name, bits[i]);
}

/* Near the budget the very object decides. */
static bool measure_placed(search *s, const az_module *placed, taken *out)
{
	az_cost cost;
	az_cost_api api = *s->pass->env->cost;
	for (api.whole = false;; api.whole = true) {
		if (!api.measure(&api, placed, &s->pass->scratch, &cost))
			return false;
		*out = (taken){cost.text_bytes + cost.rodata_bytes, cost.bitops};
		if (api.whole || out->bytes + AZ_COST_SLACK < s->budget.bytes ||
			out->bytes > s->budget.bytes + AZ_COST_SLACK)
			return true;
	}
}

/* The module goes whatever happens. */
static bool measure_once(search *s, az_module *module, taken *out)
{
	AZ_GUARD(s->pass->ctx, {
		az_module_free(module);
		return false;
	});
	bool ok = measure_placed(s, module, out);
	AZ_UNGUARD(s->pass->ctx);
	az_module_free(module);
	return ok;
}

/* Emits the network with these bits. */
static bool measure(search *s, const uint8_t *bits, taken *out)
{
	az_pass_ctx *pass = s->pass;
	az_arena_mark mark = az_arena_mark_get(&pass->scratch);
	az_assignment trial = {.arena = &pass->scratch};
	to_assignment(s, bits, &trial);
	az_ctx_progress(pass->ctx, "assign-bits: objects", ++pass->env->assigned->emitted, 0);
	const char *tail = az_trial_to_placed(pass, az_pass_flag(pass, "size"),
		pass->env->assigned->acts_known);
	az_module *module = az_trial(pass, &trial, tail);
	bool ok = module && measure_once(s, module, out);
	az_arena_reset(&pass->scratch, mark);
	return ok;
}

static bool measure_uniform(search *s, uint8_t bits)
{
	memset(s->bits, bits, s->layers.count);
	return measure(s, s->bits, &s->now);
}

static bool refuse(search *s)
{
	az_pass_ctx *pass = s->pass;
	uint32_t heaviest = 0;
	for (uint32_t i = 1; i < s->layers.count; i++) {
		if (s->layers.weights[i] > s->layers.weights[heaviest])
			heaviest = i;
	}
	pass->env->assigned->too_small = true;
	pass->env->assigned->size_bytes = s->now.bytes;
	if (s->now.bitops > s->budget.bitops)
		return az_error(pass->ctx, pass->step->loc,
			"assign-bits: %llu bit operations are too few: with %u bits everywhere "
			"there are "
			"%llu",
			(unsigned long long)s->budget.bitops, s->least,
			(unsigned long long)s->now.bitops);
	if (!s->layers.count)
		return az_error(pass->ctx, pass->step->loc,
			"assign-bits: no layer has weights, and the object takes %llu bytes, more "
			"than %llu",
			(unsigned long long)s->now.bytes, (unsigned long long)s->budget.bytes);
	return az_error(pass->ctx, pass->step->loc,
		"assign-bits: %llu bytes are too few: with %u bits everywhere the object takes "
		"%llu "
		"bytes, the most of them (%llu) for the weights of \"%s\"",
		(unsigned long long)s->budget.bytes, s->least, (unsigned long long)s->now.bytes,
		(unsigned long long)packed(s, heaviest, s->least),
		s->layers.op[heaviest]->loc.node ? s->layers.op[heaviest]->loc.node
						 : s->layers.op[heaviest]->results[0]->name);
}

/* --- Uniform ------------------------------------------------------------------------------------ */

static bool choose_uniform(search *s)
{
	for (uint8_t b = s->most; b >= s->least; b--) {
		if (!measure_uniform(s, b))
			return false;
		if (fits(s, &s->now))
			return true;
	}
	return refuse(s);
}

/* --- By loss ------------------------------------------------------------------------------------ */

static double loss_at(const search *s, uint32_t layer, unsigned bits)
{
	const az_assignment *a = s->pass->env->assigned;
	return az_assigned_loss(a, s->layers.op[layer]->results[0]->name)->loss[bits];
}

/* The best choice within two budgets; false: there is none. */
static bool pack_both(search *s, const taken *room)
{
	az_arena *arena = &s->pass->scratch;
	uint32_t count = s->layers.count, widths = s->most - s->least + 1u;
	az_ilp_class *classes = az_new_array(arena, az_ilp_class, count + 1u);
	uint32_t *chosen = az_new_array(arena, uint32_t, count + 1u);
	const uint64_t capacity[] = {room->bytes, room->bitops};
	for (uint32_t i = 0; i < count; i++) {
		az_ilp_item *item = az_new_array(arena, az_ilp_item, widths);
		for (uint32_t k = 0; k < widths; k++) {
			uint64_t *weight = az_new_array(arena, uint64_t, 2);
			weight[0] = packed(s, i, s->least + k);
			weight[1] = s->work[i] * (s->least + k);
			item[k] = (az_ilp_item){weight, loss_at(s, i, s->least + k)};
		}
		classes[i] = (az_ilp_class){widths, item};
	}
	az_ilp_result result = az_ilp(arena, count, classes, 2, capacity, chosen);
	if (result != AZ_ILP_BEST && result != AZ_ILP_GOOD)
		return false;
	for (uint32_t i = 0; i < count; i++)
		s->bits[i] = (uint8_t)(s->least + chosen[i]);
	return true;
}

/* The best choice whose packed weights take at most `room` bytes; false: there is none. */
static bool pack(search *s, uint64_t room)
{
	az_arena *arena = &s->pass->scratch;
	uint32_t count = s->layers.count, widths = s->most - s->least + 1u;
	az_knapsack_class *classes = az_new_array(arena, az_knapsack_class, count + 1u);
	uint32_t *chosen = az_new_array(arena, uint32_t, count + 1u);
	for (uint32_t i = 0; i < count; i++) {
		az_knapsack_item *item = az_new_array(arena, az_knapsack_item, widths);
		for (uint32_t k = 0; k < widths; k++)
			item[k] = (az_knapsack_item){
				packed(s, i, s->least + k), loss_at(s, i, s->least + k)};
		classes[i] = (az_knapsack_class){widths, item};
	}
	if (!az_knapsack(arena, count, classes, room, chosen))
		return false;
	for (uint32_t i = 0; i < count; i++)
		s->bits[i] = (uint8_t)(s->least + chosen[i]);
	return true;
}

/* s->bits is all s->floor, s->now what it takes: widens what the knapsack says, until it fits. */
static bool choose_by_loss(search *s)
{
	taken room = {s->budget.bytes - s->now.bytes, s->budget.bitops - s->now.bitops};
	bool both = s->budget.bitops != NO_BUDGET;
	for (uint32_t i = 0; i < s->layers.count; i++) {
		room.bytes += packed(s, i, s->floor);
		room.bitops += s->work[i] * s->floor;
	}
	for (int i = 0; i < CORRECTIONS; i++) {
		az_arena_mark mark = az_arena_mark_get(&s->pass->scratch);
		bool packs = both ? pack_both(s, &room) : pack(s, room.bytes);
		az_arena_reset(&s->pass->scratch, mark);
		if (!packs)
			break;
		if (!measure(s, s->bits, &s->now))
			return false;
		if (fits(s, &s->now))
			return true;
		if (s->now.bytes > s->budget.bytes)
			room.bytes -= AZ_MIN(room.bytes, s->now.bytes - s->budget.bytes);
		if (s->now.bitops > s->budget.bitops)
			room.bitops -= AZ_MIN(room.bitops, s->now.bitops - s->budget.bitops);
	}
	/* Narrow layers with large code: this choice is known to fit. */
	return measure_uniform(s, s->floor);
}

/* Widths that did not fit, by layer: one bit more than it has, and the next one with short code. */
typedef struct tried {
	uint8_t *next, *far;
} tried;

/* The width that a layer may be raised to next; 0: none. 4 and 8 bits are unpacked by less code than those below
 * them, so they may fit where one bit more does not. */
static uint8_t next_width(const search *s, const tried *t, uint32_t i)
{
	uint8_t far = s->bits[i] < 4 ? 4 : 8;
	if (s->bits[i] >= s->most)
		return 0;
	if (t->next[i] <= s->bits[i])
		return (uint8_t)(s->bits[i] + 1);
	return far > s->bits[i] + 1 && far <= s->most && t->far[i] < far ? far : 0;
}

/* The layer whose raise gains most per byte among those that may fit; count: none. Weights alone tell whether it
 * may while the budget is nearly used; else it is emitted to find out, for code of more bits may be shorter. */
static uint32_t best_raise(const search *s, const tried *t)
{
	bool nearly = (double)s->now.bytes >= USED * (double)s->budget.bytes;
	uint32_t best = s->layers.count;
	double most = -1;
	for (uint32_t i = 0; i < s->layers.count; i++) {
		unsigned to = next_width(s, t, i);
		if (!to)
			continue;
		uint64_t more = packed(s, i, to) - packed(s, i, s->bits[i]);
		uint64_t work = s->work[i] * (to - s->bits[i]);
		double price = (double)(more + 1) / (double)s->budget.bytes +
			       (double)work / (double)s->budget.bitops;
		double gain = (loss_at(s, i, s->bits[i]) - loss_at(s, i, to)) / price;
		bool may = (!nearly || s->now.bytes + more <= s->budget.bytes) &&
			   s->now.bitops + work <= s->budget.bitops;
		if (may && gain > most) {
			most = gain;
			best = i;
		}
	}
	return best;
}

static bool fill(search *s)
{
	az_arena *arena = &s->pass->scratch;
	uint32_t count = s->layers.count;
	tried t = {
		az_new_array(arena, uint8_t, count + 1u), az_new_array(arena, uint8_t, count + 1u)};
	for (uint32_t i; (i = best_raise(s, &t)) < count;) {
		taken more;
		uint8_t from = s->bits[i], to = next_width(s, &t, i);
		s->bits[i] = to;
		if (!measure(s, s->bits, &more))
			return false;
		if (fits(s, &more)) {
			/* Where code became shorter, what did not fit before may fit now. */
			if (more.bytes < s->now.bytes) {
				memset(t.next, 0, count);
				memset(t.far, 0, count);
			}
			s->now = more;
			continue;
		}
		s->bits[i] = from;
		*(to == from + 1 ? &t.next[i] : &t.far[i]) = to;
	}
	return true;
}

/* The fewest bits everywhere that fit, of those that can be the smallest; if none do, s->now is of the fewest. */
static bool find_floor(search *s)
{
	s->floor = (uint8_t)az_bits_short_code(s->least);
	if (s->floor > s->least && s->floor < s->most) {
		if (!measure_uniform(s, s->floor))
			return false;
		if (fits(s, &s->now))
			return true;
	}
	s->floor = s->least;
	return measure_uniform(s, s->least);
}

static bool choose(search *s, const char *policy)
{
	if (strcmp(policy, "uniform") == 0)
		return choose_uniform(s);
	if (!measure_uniform(s, s->most))
		return false;
	if (fits(s, &s->now))
		return true;
	if (!find_floor(s))
		return false;
	if (!fits(s, &s->now))
		return refuse(s);
	return az_bit_losses(s->pass, &s->layers, policy, az_pass_int(s->pass, "samples")) &&
	       choose_by_loss(s) && fill(s);
}

/* Bits of what each layer reads, as they will be, times its multiply-accumulates. */
static bool read_work(search *s)
{
	az_pass_ctx *pass = s->pass;
	const az_func *main = az_module_main(pass->module);
	az_quantize_plan plan;
	az_precisions precisions;
	if (!az_precisions_init(&precisions, pass))
		return false;
	az_quantize_plan_make(main, &pass->scratch, &plan);
	az_precisions_see(&precisions, main);
	const az_precision *act = az_precisions_acts(&precisions, main, &plan);
	s->work = az_new_array(&pass->scratch, uint64_t, s->layers.count + 1u);
	for (uint32_t i = 0; i < s->layers.count; i++) {
		const az_op *op = s->layers.op[i];
		uint32_t id = op->args[0].value->id;
		const az_precision *p = &act[az_quantize_plan_root(&plan, id)];
		bool is_float = !plan.wanted[id] || p->is_float;
		s->work[i] = az_op_macs(op) * (is_float ? 32 : p->elem.bits);
	}
	return true;
}

bool az_pass_assign_bits(az_pass_ctx *pass)
{
	const az_pass_env *env = pass->env;
	int64_t least = az_pass_int(pass, "least"), most = az_pass_int(pass, "most");
	int64_t flash = az_pass_int(pass, "flash"), bitops = az_pass_int(pass, "bitops");
	search s = {.pass = pass,
		.budget = {flash > 0 ? (uint64_t)flash : NO_BUDGET,
			bitops > 0 ? (uint64_t)bitops : NO_BUDGET}};
	if (!env->assigned || !env->cost || !env->backend)
		return az_error(pass->ctx, pass->step->loc,
			"assign-bits: nobody here takes the choice; use `adze fit`");
	if (least < 1 || most > AZ_BITS_MOST || least > most)
		return az_error(pass->ctx, pass->step->loc,
			"assign-bits: least = %lld and most = %lld must be 1 to 8, least first",
			(long long)least, (long long)most);
	if (flash <= 0 && bitops <= 0)
		return az_error(pass->ctx, pass->step->loc,
			"assign-bits: flash = 0 leaves no room for anything");
	s.least = (uint8_t)least;
	s.most = (uint8_t)most;
	az_bit_layers_of(pass->module, &pass->scratch, &s.layers);
	s.bits = az_new_array(&pass->scratch, uint8_t, s.layers.count + 1u);
	if (!read_work(&s) || !choose(&s, az_pass_word(pass, "policy")))
		return false;
	to_assignment(&s, s.bits, env->assigned);
	env->assigned->size_bytes = s.now.bytes;
	return true;
}
