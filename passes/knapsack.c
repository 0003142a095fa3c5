/* SPDX-License-Identifier: Apache-2.0
 *
 * Dynamic programming over the Pareto-optimal pairs of weight and loss, class after class: exact for real
 * losses and any size of weights. A state is dropped when the lightest completion does not fit, or when the
 * best completion of the relaxed problem (fractions of items allowed) loses more than a solution already
 * known, which keeps the lists short. */
#include "passes/knapsack.h"

#include <math.h>
#include <stdlib.h>

#include "base/vec.h"

typedef struct state {
	uint64_t weight;
	double loss;
	uint32_t from, item; /* state before this class, item of this class */
} state;

typedef struct states {
	uint32_t count;
	state *v; /* ascending weight, descending loss */
} states;

/* A step of the relaxed problem: `weight` more bytes in a class take `loss` away. */
typedef struct step {
	double rate; /* loss taken away per byte */
	uint64_t weight;
	double loss;
	uint32_t class;
} step;

typedef struct problem {
	az_arena *scratch;
	uint32_t count;
	const az_knapsack_class *classes;
	uint64_t capacity;
	uint64_t *lightest; /* of the classes from i on */
	double *heaviest;   /* loss of the lightest items of the classes from i on */
	step *steps;        /* of all classes, best rate first */
	uint32_t step_count;
	double known; /* loss of the best solution found by rounding */
} problem;

static int by_weight(const void *a, const void *b)
{
	const state *x = a, *y = b;
	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	if (x->loss != y->loss)
		return x->loss < y->loss ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item);
}

static int by_rate(const void *a, const void *b)
{
	const step *x = a, *y = b;
	if (x->rate != y->rate)
		return x->rate > y->rate ? -1 : 1;
	return (x->class > y->class) - (x->class < y->class);
}

/* Keeps the states that no other beats in both; v is sorted by weight. */
static uint32_t undominated(state *v, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (!kept || v[i].loss < v[kept - 1].loss)
			v[kept++] = v[i];
	}
	return kept;
}

/* The lower convex hull of a class, as steps from its lightest item on. */
static uint32_t hull_steps(const problem *p, uint32_t class, step *out)
{
	const az_knapsack_class *c = &p->classes[class];
	state *v = az_new_array(p->scratch, state, c->count);
	for (uint32_t i = 0; i < c->count; i++)
		v[i] = (state){c->item[i].weight, c->item[i].loss, 0, i};
	qsort(v, c->count, sizeof *v, by_weight);
	uint32_t count = undominated(v, c->count), steps = 0;
	for (uint32_t at = 0; at + 1 < count;) {
		uint32_t best = at + 1;
		double rate = 0;
		for (uint32_t k = at + 1; k < count; k++) {
			double r = (v[at].loss - v[k].loss) / (double)(v[k].weight - v[at].weight);
			if (r >= rate) {
				rate = r;
				best = k;
			}
		}
		out[steps++] = (step){
			rate, v[best].weight - v[at].weight, v[at].loss - v[best].loss, class};
		at = best;
	}
	return steps;
}

static void prepare(problem *p)
{
	uint32_t items = 0;
	p->lightest = az_new_array(p->scratch, uint64_t, p->count + 1u);
	p->heaviest = az_new_array(p->scratch, double, p->count + 1u);
	for (uint32_t i = p->count; i-- > 0;) {
		const az_knapsack_item *least = &p->classes[i].item[0];
		items += p->classes[i].count;
		for (uint32_t k = 1; k < p->classes[i].count; k++) {
			const az_knapsack_item *item = &p->classes[i].item[k];
			if (item->weight < least->weight ||
				(item->weight == least->weight && item->loss < least->loss))
				least = item;
		}
		p->lightest[i] = p->lightest[i + 1] + least->weight;
		p->heaviest[i] = p->heaviest[i + 1] + least->loss;
	}
	p->steps = az_new_array(p->scratch, step, items + 1u);
	for (uint32_t i = 0; i < p->count; i++)
		p->step_count += hull_steps(p, i, p->steps + p->step_count);
	qsort(p->steps, p->step_count, sizeof *p->steps, by_rate);
}

/* The relaxed problem of the classes from `first` on with so much room: a bound that no completion beats.
 * `whole` leaves fractions out, which is a solution. */
static double complete(const problem *p, uint32_t first, uint64_t room, bool whole)
{
	double loss = p->heaviest[first];
	room -= p->lightest[first];
	bool *closed = NULL;
	az_arena_mark mark = az_arena_mark_get(p->scratch);
	if (whole)
		closed = az_new_array(p->scratch, bool, p->count);
	for (uint32_t i = 0; i < p->step_count; i++) {
		const step *s = &p->steps[i];
		if (s->class < first || (closed && closed[s->class]))
			continue;
		if (s->weight <= room) {
			room -= s->weight;
			loss -= s->loss;
		} else if (whole) {
			closed[s->class] = true;
		} else {
			loss -= s->rate * (double)room;
			break;
		}
	}
	az_arena_reset(p->scratch, mark);
	return loss;
}

/* A little more than the known loss, against rounding. */
static bool hopeless(const problem *p, uint32_t next, const state *s)
{
	if (s->weight + p->lightest[next] > p->capacity)
		return true;
	double bound = s->loss + complete(p, next, p->capacity - s->weight, false);
	return bound > p->known + 1e-9 * (1 + fabs(p->known));
}

static states extend(problem *p, uint32_t class, const states *before)
{
	const az_knapsack_class *c = &p->classes[class];
	states out = {0, az_new_array(p->scratch, state, (size_t)before->count * c->count + 1)};
	for (uint32_t i = 0; i < before->count; i++) {
		for (uint32_t k = 0; k < c->count; k++)
			out.v[out.count++] = (state){before->v[i].weight + c->item[k].weight,
				before->v[i].loss + c->item[k].loss, i, k};
	}
	qsort(out.v, out.count, sizeof *out.v, by_weight);
	out.count = undominated(out.v, out.count);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < out.count; i++) {
		if (!hopeless(p, class + 1, &out.v[i]))
			out.v[kept++] = out.v[i];
	}
	out.count = kept;
	for (uint32_t i = 0; i < kept; i++) {
		uint64_t room = p->capacity - out.v[i].weight;
		p->known = fmin(p->known, out.v[i].loss + complete(p, class + 1, room, true));
	}
	return out;
}

bool az_knapsack(az_arena *scratch, uint32_t count, const az_knapsack_class *classes,
	uint64_t capacity, uint32_t *chosen)
{
	problem p = {.scratch = scratch, .count = count, .classes = classes, .capacity = capacity};
	prepare(&p);
	if (p.lightest[0] > capacity)
		return false;
	p.known = complete(&p, 0, capacity, true);
	states *list = az_new_array(scratch, states, count + 1u);
	list[0] = (states){1, az_new(scratch, state)};
	for (uint32_t i = 0; i < count; i++)
		list[i + 1] = extend(&p, i, &list[i]);
	/* The last of the ascending weights has the least loss. */
	uint32_t at = list[count].count - 1;
	for (uint32_t i = count; i-- > 0;) {
		chosen[i] = list[i + 1].v[at].item;
		at = list[i + 1].v[at].from;
	}
	return true;
}
