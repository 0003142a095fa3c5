/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels in another order, the same function. A unit may take the place of another when both reach the same
 * values along the same dimensions: two halves of a row that different operations read have units of one
 * group, but not of one place. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "passes/sort_channels.h"

typedef struct placed {
	uint64_t reach; /* which dimensions of which values the unit reaches */
	double score;
	uint32_t unit;
	uint32_t met; /* in the dimension at hand */
} placed;

/* splitmix64's finalizer: sums of these tell multisets apart. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void add_reach(const az_channels *ch, const az_value *value, placed *units)
{
	for (uint32_t d = 0; d < value->type->rank; d++) {
		uint64_t place = mix(2 * ((uint64_t)value->id * AZ_RANK_MAX + d) +
				     (az_value_is_const(value) ? 1 : 2));
		for (int64_t i = 0; i < value->type->dim[d]; i++) {
			uint32_t unit = ch->unit[az_channel_label(ch, value, d, i)];
			if (unit != AZ_CHANNEL_FIXED)
				units[unit].reach += place;
		}
	}
}

/* Where rows are cut and joined, which of a unit's indices goes where depends on the unit: one that has several
 * in the value stays where it is. */
static void pin_repeated(const az_channels *ch, const az_value *value, placed *units)
{
	for (uint32_t d = 0; d < value->type->rank; d++) {
		for (int64_t i = 0; i < value->type->dim[d]; i++) {
			uint32_t unit = ch->unit[az_channel_label(ch, value, d, i)];
			if (unit != AZ_CHANNEL_FIXED)
				units[unit].met = 0;
		}
		for (int64_t i = 0; i < value->type->dim[d]; i++) {
			uint32_t unit = ch->unit[az_channel_label(ch, value, d, i)];
			if (unit != AZ_CHANNEL_FIXED && units[unit].met++)
				units[unit].reach += mix(UINT64_MAX - unit);
		}
	}
}

static bool cuts_or_joins(const az_op *op)
{
	return op->code == AZ_OP_slice || op->code == AZ_OP_split || op->code == AZ_OP_pad ||
	       op->code == AZ_OP_concat;
}

static void find_reach(const az_channels *ch, placed *units)
{
	const az_func *main = az_module_main(ch->module);
	for (uint32_t i = 0; i < ch->module->consts.count; i++)
		add_reach(ch, &ch->module->consts.v[i]->value, units);
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t i = 0; i < op->result_count; i++)
			add_reach(ch, op->results[i], units);
		for (uint32_t i = 0; cuts_or_joins(op) && i < op->arg_count; i++)
			pin_repeated(ch, op->args[i].value, units);
		for (uint32_t i = 0; cuts_or_joins(op) && i < op->result_count; i++)
			pin_repeated(ch, op->results[i], units);
	}
}

static int by_reach(const void *a, const void *b)
{
	const placed *x = a, *y = b;
	if (x->reach != y->reach)
		return x->reach < y->reach ? -1 : 1;
	return (x->unit > y->unit) - (x->unit < y->unit);
}

static int by_score(const void *a, const void *b)
{
	const placed *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->unit > y->unit) - (x->unit < y->unit);
}

/* from[u]: the unit that comes to u's place. */
static uint32_t *new_order(const az_channels *ch, const double *score)
{
	uint32_t *from = az_new_array(ch->arena, uint32_t, ch->unit_count + 1u);
	placed *units = az_new_array(ch->arena, placed, ch->unit_count + 1u);
	for (uint32_t u = 0; u < ch->unit_count; u++)
		units[u] = (placed){.score = score[u], .unit = u};
	find_reach(ch, units);
	for (uint32_t g = 0; g < ch->group_count; g++) {
		placed *first = &units[ch->groups[g].first_unit];
		uint32_t count = ch->groups[g].units;
		qsort(first, count, sizeof *first, by_reach);
		for (uint32_t i = 0, n; i < count; i += n) {
			for (n = 1; i + n < count && first[i + n].reach == first[i].reach;)
				n++;
			uint32_t *place = az_new_array(ch->arena, uint32_t, n);
			for (uint32_t k = 0; k < n; k++)
				place[k] = first[i + k].unit;
			qsort(first + i, n, sizeof *first, by_score);
			for (uint32_t k = 0; k < n; k++)
				from[place[k]] = first[i + k].unit;
		}
	}
	return from;
}

typedef struct sorter {
	const az_channels *ch;
	const uint32_t *from; /* by unit: the one that comes to its place */
	/* Of the dimension at hand: its indices unit by unit, and by unit where those begin and how many were
	 * taken. */
	int64_t *index;
	uint32_t *start, *taken;
	int64_t *map; /* which index comes to each place */
} sorter;

static uint32_t unit_at(const sorter *s, const az_value *v, uint32_t dim, int64_t i)
{
	return s->ch->unit[az_channel_label(s->ch, v, dim, i)];
}

static void index_by_unit(sorter *s, const az_value *v, uint32_t dim)
{
	uint32_t units = s->ch->unit_count;
	memset(s->start, 0, (units + 1u) * sizeof *s->start);
	memset(s->taken, 0, units * sizeof *s->taken);
	for (int64_t i = 0; i < v->type->dim[dim]; i++) {
		uint32_t unit = unit_at(s, v, dim, i);
		if (unit != AZ_CHANNEL_FIXED)
			s->start[unit + 1]++;
	}
	for (uint32_t u = 0; u < units; u++)
		s->start[u + 1] += s->start[u];
	for (int64_t i = 0; i < v->type->dim[dim]; i++) {
		uint32_t unit = unit_at(s, v, dim, i);
		if (unit != AZ_CHANNEL_FIXED)
			s->index[s->start[unit] + s->taken[unit]++] = i;
	}
}

/* The k-th index of a unit is replaced by the k-th of the one that comes. False: all stay. */
static bool map_axis(sorter *s, const az_value *v, uint32_t dim)
{
	bool moved = false;
	index_by_unit(s, v, dim);
	memset(s->taken, 0, s->ch->unit_count * sizeof *s->taken);
	for (int64_t i = 0; i < v->type->dim[dim]; i++) {
		uint32_t unit = unit_at(s, v, dim, i);
		s->map[i] = unit == AZ_CHANNEL_FIXED
				    ? i
				    : s->index[s->start[s->from[unit]] + s->taken[unit]++];
		moved |= s->map[i] != i;
	}
	return moved;
}

static void permute_axis(az_const *c, uint32_t dim, const int64_t *map)
{
	const az_type *type = c->value.type;
	void *data = az_arena_alloc(&c->module->arena, az_type_size(type) + 8, 64);
	const void *old = az_const_data(c);
	uint64_t stride = 1, size = (uint64_t)type->dim[dim];
	for (uint32_t d = dim + 1; d < type->rank; d++)
		stride *= (uint64_t)type->dim[d];
	for (uint64_t i = 0; i < (uint64_t)az_type_numel(type); i++) {
		uint64_t at = i / stride % size;
		uint64_t source = i + ((uint64_t)map[at] - at) * stride;
		az_bits_set(data, i, type->elem.bits, az_bits_get(old, source, type->elem.bits));
	}
	c->data = data;
	c->full = NULL;
	c->size_bytes = az_type_size(type);
}

void az_channels_sort(const az_channels *channels, const double *score)
{
	const az_module *module = channels->module;
	az_arena *arena = channels->arena;
	int64_t longest = 0;
	for (uint32_t i = 0; i < module->consts.count; i++) {
		for (uint32_t d = 0; d < module->consts.v[i]->value.type->rank; d++)
			longest = AZ_MAX(longest, module->consts.v[i]->value.type->dim[d]);
	}
	sorter s = {.ch = channels,
		.from = new_order(channels, score),
		.index = az_new_array(arena, int64_t, (size_t)longest + 1),
		.map = az_new_array(arena, int64_t, (size_t)longest + 1),
		.start = az_new_array(arena, uint32_t, channels->unit_count + 1u),
		.taken = az_new_array(arena, uint32_t, channels->unit_count + 1u)};
	for (uint32_t i = 0; i < module->consts.count; i++) {
		az_const *c = module->consts.v[i];
		for (uint32_t d = 0; !c->splat && d < c->value.type->rank; d++) {
			if (map_axis(&s, &c->value, d))
				permute_axis(c, d, s.map);
		}
	}
}
