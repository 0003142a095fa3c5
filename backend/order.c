/* SPDX-License-Identifier: Apache-2.0
 *
 * The search (backend/order.h). What is in memory depends on the set of steps that have run, not on their
 * order, so the best way to a set is all that must be kept of it: dynamic programming over sets, those of k
 * steps before those of k + 1 (Ahn et al., Serenity, MLSys 2020; Liberis and Lane, arXiv 1910.05110). Three
 * things keep it small:
 *   - an order no better than the best known is dropped, and the given order is known;
 *   - no order undercuts what a single step needs, so peaks below that are all the same;
 *   - a step that leaves no more in memory than before, and needs no more than the peak so far, is taken at
 *     once: in any order that takes it later it can be moved here, and no sum becomes larger by it.
 * Where more than SETS_MAX sets of one size remain, those of the smallest peaks are gone on with: then the
 * result may not be the best. */
#include "backend/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/map.h"

#define SETS_MAX 2048u

typedef struct state {
	uint64_t peak, now; /* bytes: at most so far, and alive after the steps of the set */
	uint32_t parent;    /* index into the level before */
	uint32_t step;      /* the last one */
	uint64_t *set;      /* bit per step that has run */
} state;

typedef struct level {
	uint32_t count, capacity;
	state *state;
	uint64_t *words; /* sets of the states */
	uint32_t *slot;  /* hash table: index + 1 */
	uint32_t slot_mask;
} level;

typedef struct trace {
	uint32_t parent, step;
} trace;

typedef struct search {
	const az_order_problem *p;
	az_arena *arena;
	uint32_t words;     /* of a set */
	uint64_t least;     /* no order is below */
	uint64_t known;     /* only smaller peaks are wanted */
	bool cut;           /* sets were given up */
	uint32_t **readers; /* by buffer: steps */
} search;

static bool has(const uint64_t *set, uint32_t step)
{
	return set[step / 64] >> (step % 64) & 1;
}

/* Is `step` the last reader of the buffer, when the steps of `set` have run? */
static bool dies(const search *s, const uint64_t *set, uint32_t buffer, uint32_t step)
{
	const az_order_buffer *b = &s->p->buffer[buffer];
	if (b->kept)
		return false;
	for (uint32_t i = 0; i < b->readers; i++) {
		uint32_t reader = s->readers[buffer][i];
		if (reader != step && !has(set, reader))
			return false;
	}
	return true;
}

/* Bytes while the step runs, and bytes after it, from `now`. */
static uint64_t run_step(const search *s, const uint64_t *set, uint32_t step, uint64_t now,
	uint64_t *after)
{
	const az_order_step *t = &s->p->step[step];
	uint64_t during = now, freed = 0, unread = 0, given = 0;
	for (uint32_t i = 0; i < t->makes.count; i++) {
		const az_order_buffer *b = &s->p->buffer[t->makes.v[i]];
		during += b->size;
		if (!b->kept && b->readers == 0)
			unread += b->size;
	}
	for (uint32_t i = 0; i < t->reads.count; i++)
		if (dies(s, set, t->reads.v[i], step))
			freed += s->p->buffer[t->reads.v[i]].size;
	for (uint32_t i = 0; i < t->gives.count && !given; i++)
		if (dies(s, set, t->gives.v[i], step))
			given = s->p->buffer[t->gives.v[i]].size;
	*after = during - freed - unread;
	return during - given;
}

static bool ready(const search *s, const uint64_t *set, uint32_t step)
{
	const az_order_step *t = &s->p->step[step];
	if (has(set, step))
		return false;
	for (uint32_t i = 0; i < t->reads.count; i++) {
		uint32_t maker = s->p->buffer[t->reads.v[i]].maker;
		if (maker != AZ_NO_STEP && !has(set, maker))
			return false;
	}
	return true;
}

static uint64_t at_start(const az_order_problem *p)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < p->buffer_count; i++)
		if (p->buffer[i].maker == AZ_NO_STEP)
			bytes += p->buffer[i].size;
	return bytes;
}

static void begin(search *s, const az_order_problem *p, az_arena *arena)
{
	*s = (search){.p = p, .arena = arena, .words = (p->step_count + 63) / 64};
	uint32_t *fill = az_new_array(arena, uint32_t, p->buffer_count + 1u);
	s->readers = az_new_array(arena, uint32_t *, p->buffer_count + 1u);
	for (uint32_t i = 0; i < p->buffer_count; i++)
		s->readers[i] = az_new_array(arena, uint32_t, p->buffer[i].readers + 1u);
	for (uint32_t i = 0; i < p->step_count; i++)
		for (uint32_t k = 0; k < p->step[i].reads.count; k++) {
			uint32_t buffer = p->step[i].reads.v[k];
			s->readers[buffer][fill[buffer]++] = i;
		}
}

static uint64_t peak_of(const search *s, const uint32_t *order)
{
	uint64_t now = at_start(s->p), most = now;
	uint64_t *set = az_new_array(s->arena, uint64_t, s->words + 1u);
	for (uint32_t i = 0; i < s->p->step_count; i++) {
		uint64_t during = run_step(s, set, order[i], now, &now);
		most = AZ_MAX(most, during);
		set[order[i] / 64] |= UINT64_C(1) << (order[i] % 64);
	}
	return most;
}

uint64_t az_order_peak(const az_order_problem *problem, const uint32_t *order, az_arena *scratch)
{
	search s;
	begin(&s, problem, scratch);
	return peak_of(&s, order);
}

/* What is in memory at the start, and what any one step needs: its operands and what it makes in addition. */
static uint64_t least_peak(const search *s)
{
	const az_order_problem *p = s->p;
	uint64_t least = at_start(p);
	uint64_t *all = az_new_array(s->arena, uint64_t, s->words + 1u);
	memset(all, 0xff, s->words * sizeof *all);
	for (uint32_t i = 0; i < p->step_count; i++) {
		uint64_t reads = 0, ignored;
		for (uint32_t k = 0; k < p->step[i].reads.count; k++)
			reads += p->buffer[p->step[i].reads.v[k]].size;
		uint64_t during = run_step(s, all, i, reads, &ignored);
		least = AZ_MAX(least, during);
	}
	return least;
}

/* --- Sets of one size ------------------------------------------------------------------------------- */

static void level_make(search *s, level *l)
{
	l->capacity = SETS_MAX * 8;
	l->state = az_new_array(s->arena, state, l->capacity);
	l->words = az_new_array(s->arena, uint64_t, (size_t)l->capacity * s->words);
	l->slot_mask = l->capacity * 2 - 1;
	l->slot = az_new_array(s->arena, uint32_t, l->slot_mask + 1u);
}

static void level_clear(level *l)
{
	memset(l->slot, 0, (l->slot_mask + 1u) * sizeof *l->slot);
	l->count = 0;
}

/* The set of `from` with the step; the way to it that has the smaller peak stays. */
static void add_state(search *s, level *l, const state *from, uint32_t parent, uint32_t step,
	uint64_t peak, uint64_t now)
{
	if (l->count == l->capacity) {
		s->cut = true;
		return;
	}
	uint64_t *set = l->words + (size_t)l->count * s->words;
	memcpy(set, from->set, s->words * sizeof *set);
	set[step / 64] |= UINT64_C(1) << (step % 64);
	uint64_t hash = az_hash_bytes(AZ_HASH_SEED, set, s->words * sizeof *set);
	uint32_t at = (uint32_t)(hash ^ hash >> 32) & l->slot_mask;
	for (; l->slot[at]; at = (at + 1) & l->slot_mask) {
		state *old = &l->state[l->slot[at] - 1];
		if (memcmp(old->set, set, s->words * sizeof *set) != 0)
			continue;
		if (peak < old->peak) {
			old->peak = peak;
			old->parent = parent;
			old->step = step;
		}
		return;
	}
	l->state[l->count] = (state){peak, now, parent, step, set};
	l->slot[at] = ++l->count;
}

/* A step after which there is no more in memory than before, at no higher peak; AZ_NO_STEP: none. */
static uint32_t harmless(const search *s, const state *from, const uint32_t *list, uint32_t count)
{
	uint64_t after;
	for (uint32_t i = 0; i < count; i++)
		if (run_step(s, from->set, list[i], from->now, &after) <= from->peak &&
			after <= from->now)
			return i;
	return AZ_NO_STEP;
}

static void expand(search *s, level *to, const state *from, uint32_t parent, uint32_t *list)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < s->p->step_count; i++)
		if (ready(s, from->set, i))
			list[count++] = i;
	uint32_t alone = harmless(s, from, list, count);
	if (alone != AZ_NO_STEP) {
		list[0] = list[alone];
		count = 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t now, peak = run_step(s, from->set, list[i], from->now, &now);
		peak = AZ_MAX(peak, from->peak);
		if (peak < s->known)
			add_state(s, to, from, parent, list[i], peak, now);
	}
}

static int by_peak(const void *x, const void *y)
{
	const state *a = x, *b = y;
	if (a->peak != b->peak)
		return a->peak < b->peak ? -1 : 1;
	if (a->now != b->now)
		return a->now < b->now ? -1 : 1;
	return a->set < b->set ? -1 : a->set > b->set; /* in order of discovery */
}

static void shorten(search *s, level *l)
{
	if (l->count <= SETS_MAX)
		return;
	s->cut = true;
	qsort(l->state, l->count, sizeof *l->state, by_peak);
	l->count = SETS_MAX;
}

static trace *note(const search *s, const level *l)
{
	trace *kept = az_new_array(s->arena, trace, l->count + 1u);
	for (uint32_t i = 0; i < l->count; i++)
		kept[i] = (trace){l->state[i].parent, l->state[i].step};
	return kept;
}

/* Finds an order below s->known, writes it and its peak; false: there is none, or none was found. */
static bool find(search *s, uint32_t *order, uint64_t *peak)
{
	uint32_t n = s->p->step_count;
	level levels[2];
	trace **taken = az_new_array(s->arena, trace *, n + 1u);
	uint32_t *list = az_new_array(s->arena, uint32_t, n + 1u);
	state start = {.peak = s->least,
		.now = at_start(s->p),
		.set = az_new_array(s->arena, uint64_t, s->words + 1u)};
	level_make(s, &levels[0]);
	level_make(s, &levels[1]);
	levels[0].state[0] = start;
	levels[0].count = 1;
	for (uint32_t k = 0; k < n; k++) {
		const level *from = &levels[k % 2];
		level *to = &levels[(k + 1) % 2];
		level_clear(to);
		for (uint32_t i = 0; i < from->count; i++)
			expand(s, to, &from->state[i], i, list);
		shorten(s, to);
		if (to->count == 0)
			return false;
		taken[k] = note(s, to);
	}
	*peak = levels[n % 2].state[0].peak; /* all steps: one set */
	for (uint32_t k = n, at = 0; k-- > 0; at = taken[k][at].parent)
		order[k] = taken[k][at].step;
	return true;
}

uint64_t az_order_search(const az_order_problem *problem, az_arena *scratch, uint32_t *order,
	bool *exact)
{
	search s;
	begin(&s, problem, scratch);
	for (uint32_t i = 0; i < problem->step_count; i++)
		order[i] = i;
	uint64_t peak = peak_of(&s, order);
	s.known = peak;
	s.least = least_peak(&s);
	if (s.least < peak)
		(void)find(&s, order, &peak);
	*exact = !s.cut;
	return peak;
}
