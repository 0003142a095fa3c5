/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels, units and groups; what ties labels together is in channel_rules.c. */
#include "passes/channels.h"

#include <stdlib.h>

uint32_t az_channel_label(const az_channels *ch, const az_value *value, uint32_t dim, int64_t index)
{
	uint32_t base = (az_value_is_const(value) ? ch->const_base : ch->value_base)[value->id];
	for (uint32_t d = 0; d < dim; d++)
		base += (uint32_t)value->type->dim[d];
	return base + (uint32_t)index;
}

static uint32_t root_of(az_channels *ch, uint32_t label)
{
	while (ch->parent[label] != label) {
		ch->parent[label] = ch->parent[ch->parent[label]];
		label = ch->parent[label];
	}
	return label;
}

void az_channel_unite(az_channels *ch, uint32_t a, uint32_t b)
{
	a = root_of(ch, a);
	b = root_of(ch, b);
	if (a == b)
		return;
	uint32_t root = AZ_MIN(a, b), other = AZ_MAX(a, b);
	ch->parent[other] = root;
	if (!ch->why[root])
		ch->why[root] = ch->why[other];
	ch->removable_only[root] |= ch->removable_only[other];
}

void az_channel_fix(az_channels *ch, uint32_t label, const char *why)
{
	label = root_of(ch, label);
	if (!ch->why[label])
		ch->why[label] = why;
}

void az_channel_only_remove(az_channels *ch, uint32_t label)
{
	ch->removable_only[root_of(ch, label)] = true;
}

bool az_channel_is_fixed(az_channels *ch, uint32_t label)
{
	return ch->why[root_of(ch, label)] != NULL;
}

/* --- Labels ------------------------------------------------------------------------------------- */

static void fix_value(az_channels *ch, const az_value *value, const char *why)
{
	for (uint32_t d = 0; d < value->type->rank; d++) {
		for (int64_t i = 0; i < value->type->dim[d]; i++)
			az_channel_fix(ch, az_channel_label(ch, value, d, i), why);
	}
}

/* A dimension of length 1 neither goes nor ties anything together. */
static void fix_single(az_channels *ch, const az_value *value)
{
	for (uint32_t d = 0; d < value->type->rank; d++) {
		if (value->type->dim[d] == 1)
			az_channel_fix(ch, az_channel_label(ch, value, d, 0), "a single channel");
	}
}

static uint32_t add_labels(az_channels *ch, const az_type *type)
{
	uint32_t base = ch->label_count;
	for (uint32_t d = 0; d < type->rank; d++)
		ch->label_count += (uint32_t)type->dim[d];
	return base;
}

static void number_labels(az_channels *ch, const az_func *main)
{
	ch->value_base = az_new_array(ch->arena, uint32_t, main->value_count + 1);
	ch->const_base = az_new_array(ch->arena, uint32_t, ch->module->const_count + 1);
	for (uint32_t i = 0; i < main->params.count; i++)
		ch->value_base[main->params.v[i]->id] = add_labels(ch, main->params.v[i]->type);
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t r = 0; r < op->result_count; r++)
			ch->value_base[op->results[r]->id] = add_labels(ch, op->results[r]->type);
	}
	for (uint32_t i = 0; i < ch->module->consts.count; i++) {
		const az_value *c = &ch->module->consts.v[i]->value;
		ch->const_base[c->id] = add_labels(ch, c->type);
	}
	ch->parent = az_new_array(ch->arena, uint32_t, ch->label_count + 1);
	for (uint32_t i = 0; i < ch->label_count; i++)
		ch->parent[i] = i;
	ch->why = az_new_array(ch->arena, const char *, ch->label_count + 1);
	ch->removable_only = az_new_array(ch->arena, bool, ch->label_count + 1);
	ch->contracted = az_new_array(ch->arena, uint8_t, ch->module->const_count + 1);
}

/* A bias or a scale that happens to be equal in several layers ties nothing together. */
static void unshare_constants(az_module *module)
{
	uint32_t count = module->consts.count;
	for (uint32_t i = 0; i < count; i++) {
		az_const *c = module->consts.v[i];
		if (c->value.type->rank > 1 && !c->splat)
			continue;
		while (c->value.uses && c->value.uses->next) {
			az_use *use = c->value.uses;
			if (!use->user)
				break;
			az_const *own = c->splat ? az_const_splat(module, c->value.name,
							   c->value.type, c->data)
						 : az_const_new(module, c->value.name,
							   c->value.type, c->data, true);
			own->value.quant = c->value.quant;
			own->value.range = c->value.range;
			az_op_set_arg(use->user, use->index, &own->value);
		}
	}
}

/* --- Units and groups --------------------------------------------------------------------------- */

/* What a set of labels touches: the same for all units of a group. */
typedef struct set {
	uint32_t root, unit;
	uint64_t hash;
	bool weighted; /* some label is of a constant */
} set;

typedef struct sets {
	uint32_t *of; /* by root label: index into v, plus 1 */
	AZ_VEC(set) v;
} sets; /* in the order of their first label */

static void note_label(az_channels *ch, sets *s, uint32_t label, uint64_t place, bool constant)
{
	uint32_t root = root_of(ch, label);
	if (ch->why[root])
		return;
	if (!s->of[root]) {
		az_vec_push(ch->arena, &s->v, ((set){.root = root, .hash = 14695981039346656037u}));
		s->of[root] = s->v.count;
	}
	set *own = &s->v.v[s->of[root] - 1];
	own->hash = (own->hash ^ (place + 1)) * 1099511628211u;
	own->hash ^= own->hash >> 29;
	own->weighted |= constant;
}

static void note_value(az_channels *ch, sets *s, const az_value *value)
{
	bool constant = az_value_is_const(value);
	if (constant && !value->uses)
		return;
	for (uint32_t d = 0; d < value->type->rank; d++) {
		uint64_t place = ((uint64_t)value->id * AZ_RANK_MAX + d) * 2 + constant;
		for (int64_t i = 0; i < value->type->dim[d]; i++)
			note_label(ch, s, az_channel_label(ch, value, d, i), place, constant);
	}
}

static int by_group(const void *a, const void *b)
{
	const set *x = a, *y = b;
	return x->unit != y->unit ? (x->unit < y->unit ? -1 : 1)
				  : (x->root > y->root) - (x->root < y->root);
}

/* Sets of the same hash get the same number, in the order of their first label; sets without weights
 * none. Returns how many groups there are. */
static uint32_t number_groups(az_channels *ch, sets *s)
{
	az_map groups = {0};
	uint32_t count = 0;
	for (uint32_t i = 0; i < s->v.count; i++) {
		set *own = &s->v.v[i];
		own->unit = AZ_CHANNEL_FIXED;
		if (!own->weighted)
			continue;
		const void *key = (const void *)(uintptr_t)own->hash;
		uintptr_t number = (uintptr_t)az_map_get(&groups, key);
		if (!number) {
			number = ++count;
			az_map_put(ch->arena, &groups, key, (void *)number);
		}
		own->unit = (uint32_t)number - 1;
	}
	return count;
}

static void make_units(az_channels *ch, sets *s)
{
	uint32_t groups = number_groups(ch, s);
	ch->groups = az_new_array(ch->arena, az_channel_group, groups + 1u);
	ch->group_count = groups;
	qsort(s->v.v, s->v.count, sizeof *s->v.v, by_group);
	uint32_t *unit = az_new_array(ch->arena, uint32_t, ch->label_count + 1);
	for (uint32_t i = 0; i < ch->label_count; i++)
		unit[i] = AZ_CHANNEL_FIXED;
	for (uint32_t i = 0; i < s->v.count && s->v.v[i].unit != AZ_CHANNEL_FIXED; i++) {
		az_channel_group *group = &ch->groups[s->v.v[i].unit];
		if (!group->units++) {
			group->first_unit = ch->unit_count;
			group->repeatable = true;
		}
		group->repeatable &= !ch->removable_only[s->v.v[i].root];
		unit[s->v.v[i].root] = ch->unit_count++;
	}
	ch->unit = az_new_array(ch->arena, uint32_t, ch->label_count + 1);
	for (uint32_t i = 0; i < ch->label_count; i++)
		ch->unit[i] = unit[root_of(ch, i)];
}

static uint32_t count_in(const az_channels *ch, const az_value *c, uint32_t d, uint32_t unit)
{
	uint32_t n = 0;
	for (int64_t i = 0; i < c->type->dim[d]; i++)
		n += ch->unit[az_channel_label(ch, c, d, i)] == unit;
	return n;
}

/* The slices of each group, read off its first unit. */
static void make_slices(az_channels *ch)
{
	for (uint32_t g = 0; g < ch->group_count; g++) {
		az_channel_group *group = &ch->groups[g];
		AZ_VEC(az_channel_slice) slices = {0};
		for (uint32_t i = 0; i < ch->module->consts.count; i++) {
			az_const *c = ch->module->consts.v[i];
			const az_type *type = c->value.type;
			for (uint32_t d = 0; c->value.uses && d < type->rank; d++) {
				uint32_t n = count_in(ch, &c->value, d, group->first_unit);
				if (!n)
					continue;
				bool sum = ch->contracted[c->value.id] >> d & 1;
				az_channel_slice slice = {c, d, n, sum};
				az_vec_push(ch->arena, &slices, slice);
				group->weights +=
					(uint64_t)(az_type_numel(type) / type->dim[d]) * n;
			}
		}
		group->slices = slices.v;
		group->slice_count = slices.count;
	}
}

/* Layers whose output channels are fixed, for the table. */
static void note_fixed(az_channels *ch, const az_func *main)
{
	for (const az_op *op = main->first; op; op = op->next) {
		if (op->code != AZ_OP_conv && op->code != AZ_OP_conv_transpose &&
			op->code != AZ_OP_matmul)
			continue;
		const az_value *y = op->results[0];
		uint32_t last = y->type->rank - 1u;
		if (!y->type->dim[last])
			continue;
		const char *why = ch->why[root_of(ch, az_channel_label(ch, y, last, 0))];
		if (why)
			az_vec_push(ch->arena, &ch->fixed, ((az_channel_fixed){op, why}));
	}
}

void az_channels_make(az_module *module, az_arena *arena, az_channels *out)
{
	*out = (az_channels){.module = module, .arena = arena};
	az_func *main = az_module_main(module);
	unshare_constants(module);
	number_labels(out, main);
	for (uint32_t i = 0; i < main->params.count; i++)
		fix_value(out, main->params.v[i], "an input of the network");
	for (uint32_t i = 0; i < main->results.count; i++)
		fix_value(out, main->results.v[i].use->value, "an output of the network");
	for (uint32_t i = 0; i < module->consts.count; i++)
		fix_single(out, &module->consts.v[i]->value);
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t r = 0; r < op->result_count; r++)
			fix_single(out, op->results[r]);
		az_channel_rules(out, op);
	}
	sets s = {.of = az_new_array(arena, uint32_t, out->label_count + 1)};
	for (uint32_t i = 0; i < module->consts.count; i++)
		note_value(out, &s, &module->consts.v[i]->value);
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t r = 0; r < op->result_count; r++)
			note_value(out, &s, op->results[r]);
	}
	make_units(out, &s);
	make_slices(out);
	note_fixed(out, main);
}
