/* SPDX-License-Identifier: Apache-2.0
 *
 * plan-memory: gives every value of main its place in one arena.
 *
 *     %a = call @k1(%x, @w), ... : u8[1,8,8,4]        ->   ... : u8[1,8,8,4] at 0
 *     %b = reshape %a : u8[1,256]                     ->   ... : u8[1,256] at 0
 *
 * Takes a selected module (main holds calls and views), gives a placed one; backend/plan.h says
 * what the addresses mean. Values alive at the same time do not overlap, except that a result
 * takes the place of an operand that dies there when the kernel works element by element
 * (az_kernel.streams). A view has the place of what it looks at. A parameter is copied into the
 * arena when a kernel that reads beyond its operands uses it: the caller's buffers have no slack.
 * A returned value is made in the caller's buffer unless such a kernel reads it, too.
 *
 * Placing is bin packing in two dimensions, so several orders are tried (by size, by area, by
 * time, by length of life), each value going to the lowest gap or the tightest one; the smallest
 * peak wins. When it is above the lower bound, a search moves what sticks out to the front of the
 * order, a limited number of times. Terminates: each step places one value. */
#include <stdlib.h>
#include <string.h>

#include "backend/live.h"
#include "backend/passes.h"
#include "backend/plan.h"
#include "backend/slots.h"

/* Comparisons of two slots that the search may spend: some tens of milliseconds. */
#define SEARCH_STEPS UINT64_C(20000000)

/* One buffer: a value and those that take its place, in turn. */
typedef struct slot {
	int64_t size; /* rounded up to the alignment */
	int64_t at;
	uint32_t begin, end;
	uint32_t index; /* in order of creation, to break ties */
} slot;

typedef struct planner {
	az_arena *arena;
	const az_func *main;
	az_live live;
	int64_t align;
	slot *slots;
	uint32_t slot_count;
	uint32_t *slot_of; /* by value id: slot + 1; 0: outside the arena */
} planner;

/* The operand whose place the single result of the call takes. */
static const az_value *replaced(const planner *p, const az_op *call, uint32_t now)
{
	for (uint32_t i = 0; i < call->arg_count; i++) {
		if (!az_takes_place(call, i))
			continue;
		const az_value *arg = az_view_root(call->args[i].value);
		if (p->slot_of[arg->id] && p->live.end[arg->id] == now)
			return arg;
	}
	return NULL;
}

/* --- Slots ---------------------------------------------------------------------------------- */

static void make_slots(planner *p)
{
	p->slots = az_new_array(p->arena, slot, p->live.count + 1);
	p->slot_of = az_new_array(p->arena, uint32_t, p->main->value_count + 1);
	for (uint32_t i = 0; i < p->live.count; i++) {
		const az_value *value = p->live.value[i];
		if (az_lies_outside(value))
			continue;
		uint32_t begin = p->live.begin[value->id], end = p->live.end[value->id];
		const az_value *old =
			value->kind == AZ_VALUE_RESULT ? replaced(p, value->def.op, begin) : NULL;
		if (old) {
			p->slot_of[value->id] = p->slot_of[old->id];
			p->slots[p->slot_of[old->id] - 1].end = end;
			continue;
		}
		p->slots[p->slot_count] = (slot){.size = az_slot_size(value, p->align),
			.begin = begin,
			.end = end,
			.index = p->slot_count};
		p->slot_of[value->id] = ++p->slot_count;
	}
}

/* --- Placing -------------------------------------------------------------------------------- */

static int by_index(const slot *a, const slot *b)
{
	return a->index < b->index ? -1 : a->index > b->index;
}

static int by_size(const void *x, const void *y)
{
	const slot *a = x, *b = y;
	return a->size != b->size ? (a->size > b->size ? -1 : 1) : by_index(a, b);
}

static int64_t area(const slot *s)
{
	return s->size * (int64_t)(s->end - s->begin + 1);
}

static int by_area(const void *x, const void *y)
{
	const slot *a = x, *b = y;
	return area(a) != area(b) ? (area(a) > area(b) ? -1 : 1) : by_size(x, y);
}

static int by_life(const void *x, const void *y)
{
	const slot *a = x, *b = y;
	uint32_t la = a->end - a->begin, lb = b->end - b->begin;
	return la != lb ? (la > lb ? -1 : 1) : by_size(x, y);
}

static int by_time(const void *x, const void *y)
{
	const slot *a = x, *b = y;
	return a->begin != b->begin ? (a->begin < b->begin ? -1 : 1) : by_size(x, y);
}

/* Where s fits among the slots before it in the list (kept sorted by address in `near`): the
 * lowest gap, or the one that leaves least over. */
static int64_t find_gap(const slot *s, slot *const *near, uint32_t count, bool tightest)
{
	int64_t at = 0, best = -1, best_left = INT64_MAX;
	for (uint32_t i = 0; i < count; i++) {
		if (near[i]->end < s->begin || s->end < near[i]->begin)
			continue;
		int64_t left = near[i]->at - at - s->size;
		if (left >= 0 && left < best_left) {
			best = at;
			best_left = left;
			if (!tightest)
				break;
		}
		at = AZ_MAX(at, near[i]->at + near[i]->size);
	}
	return best >= 0 ? best : at;
}

/* Slots that meet in time only at one moment, where one is replaced by the other's operation, do
 * meet: a result is written while the operand is still read. Returns the peak. */
static int64_t place(slot *list, uint32_t count, slot **near, bool tightest)
{
	int64_t peak = 0;
	for (uint32_t i = 0; i < count; i++) {
		slot *s = &list[i];
		s->at = find_gap(s, near, i, tightest);
		peak = AZ_MAX(peak, s->at + s->size);
		uint32_t k = i;
		for (; k > 0 && near[k - 1]->at > s->at; k--)
			near[k] = near[k - 1];
		near[k] = s;
	}
	return peak;
}

typedef struct search {
	planner *p;
	slot *list;  /* an order being tried */
	slot **near; /* scratch of place */
	int64_t best;
} search;

/* Tries the list in its order; keeps the addresses when the peak is smaller than any before. */
static int64_t try_order(search *s, bool tightest)
{
	planner *p = s->p;
	int64_t peak = place(s->list, p->slot_count, s->near, tightest);
	if (peak < s->best) {
		s->best = peak;
		for (uint32_t k = 0; k < p->slot_count; k++)
			p->slots[s->list[k].index].at = s->list[k].at;
	}
	return peak;
}

/* The largest sum of slots alive at once: nothing can be better. */
static int64_t least_peak(const planner *p)
{
	int64_t most = 0;
	for (uint32_t i = 0; i < p->slot_count; i++) {
		int64_t sum = 0;
		uint32_t now = p->slots[i].begin;
		for (uint32_t k = 0; k < p->slot_count; k++)
			if (p->slots[k].begin <= now && now <= p->slots[k].end)
				sum += p->slots[k].size;
		most = AZ_MAX(most, sum);
	}
	return most;
}

/* Moves the slot at `from` to `to`, before the slots between them. */
static void move_forward(slot *list, uint32_t from, uint32_t to)
{
	slot moved = list[from];
	memmove(list + to + 1, list + to, (from - to) * sizeof *list);
	list[to] = moved;
}

/* Slots that stick out are placed earlier, again and again; an order that is no worse is gone on
 * from. The pseudo-random choices are the same in every run. */
static void improve(search *s, int64_t least)
{
	planner *p = s->p;
	uint32_t n = p->slot_count;
	uint64_t random = 1, tries = AZ_MIN(SEARCH_STEPS / ((uint64_t)n * n + 1), (uint64_t)4096);
	slot *kept = az_new_array(p->arena, slot, n + 1);
	int64_t now = try_order(s, false);
	memcpy(kept, s->list, n * sizeof *kept);
	for (uint64_t i = 0; i < tries && s->best > least; i++) {
		uint32_t high = 0;
		for (uint32_t k = 0; k < n; k++)
			if (s->list[k].at + s->list[k].size > s->list[high].at + s->list[high].size)
				high = k;
		random = random * 6364136223846793005u + 1442695040888963407u;
		uint32_t to = (uint32_t)((random >> 33) % (high + 1u));
		random = random * 6364136223846793005u + 1442695040888963407u;
		uint32_t other = (uint32_t)((random >> 33) % n);
		if (high == to)
			high = AZ_MAX(other, to);
		move_forward(s->list, high, to);
		int64_t peak = try_order(s, (random >> 32 & 1) != 0);
		if (peak <= now) {
			now = peak;
			memcpy(kept, s->list, n * sizeof *kept);
		} else {
			memcpy(s->list, kept, n * sizeof *kept);
		}
	}
}

/* Returns the peak. */
static int64_t place_best(planner *p)
{
	static int (*const orders[])(const void *, const void *) = {
		by_time, by_life, by_area, by_size};
	search s = {.p = p,
		.list = az_new_array(p->arena, slot, p->slot_count + 1),
		.near = az_new_array(p->arena, slot *, p->slot_count + 1),
		.best = INT64_MAX};
	for (uint32_t i = 0; i < 2 * AZ_COUNT(orders); i++) {
		memcpy(s.list, p->slots, p->slot_count * sizeof *s.list);
		qsort(s.list, p->slot_count, sizeof *s.list, orders[i / 2]);
		(void)try_order(&s, i % 2 != 0);
	}
	int64_t least = least_peak(p);
	if (p->slot_count > 1 && s.best > least)
		improve(&s, least);
	return s.best;
}

static int64_t make_plan(planner *p)
{
	az_live_get(p->main, p->arena, &p->live);
	make_slots(p);
	return place_best(p);
}

uint64_t az_plan_peak(const az_func *main, int64_t align, az_arena *scratch)
{
	planner p = {.arena = scratch, .main = main, .align = align};
	return (uint64_t)make_plan(&p);
}

/* --- Writing it down ------------------------------------------------------------------------ */

static void set_addresses(planner *p)
{
	for (uint32_t i = 0; i < p->live.count; i++) {
		az_value *value = p->live.value[i];
		uint32_t slot_index = p->slot_of[value->id];
		value->at = slot_index ? p->slots[slot_index - 1].at : -1;
	}
	for (az_op *op = p->main->first; op; op = op->next) {
		if (!az_is_view(op))
			continue;
		const az_value *operand = op->args[0].value;
		op->results[0]->at = operand->kind == AZ_VALUE_CONST ? -1 : operand->at;
	}
}

bool az_plan_check(const az_pass_ctx *pass, int64_t align)
{
	const az_func *main = az_module_main(pass->module);
	for (const az_op *op = main->first; op; op = op->next)
		if (op->code != AZ_OP_call && !az_is_view(op))
			return az_error(pass->ctx, op->loc,
				"%s: main still holds %s, not only calls and views",
				pass->desc->name, az_op_table[op->code].name);
	if (align < AZ_ARENA_ALIGN || (align & (align - 1)) != 0 || align > 4096)
		return az_error(pass->ctx, AZ_LOC_NONE,
			"%s: an alignment is a power of two from 64 to 4096, not %lld",
			pass->desc->name, (long long)align);
	return true;
}

bool az_pass_plan_memory(az_pass_ctx *pass)
{
	planner p = {.arena = &pass->scratch,
		.main = az_module_main(pass->module),
		.align = az_pass_int(pass, "align")};
	if (!az_plan_check(pass, p.align))
		return false;
	(void)make_plan(&p);
	set_addresses(&p);
	return true;
}
