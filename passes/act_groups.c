/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of activations and the moments of a network (passes/act_groups.h). Moments are read off a trial in
 * which all groups have 7 bits, so that all that can be packed is: which value of the placed network belongs
 * to which group is told by its quantizer. */
#include "passes/act_groups.h"

#include "passes/precision.h"

#define TRIAL_BITS 7 /* packed, and no other trial has them by chance */
#define ALIGN      64

/* --- Groups ----------------------------------------------------------------------------------- */

typedef struct finder {
	az_acts *acts;
	az_quantize_plan plan;
	az_precision *act;
	uint32_t *group_of; /* by root: index + 1 */
	bool *fixed;        /* by root: an input of the network is in it */
} finder;

static void add_member(finder *f, const az_value *value)
{
	az_acts *acts = f->acts;
	az_arena *arena = &acts->pass->scratch;
	if (!f->plan.wanted[value->id])
		return;
	uint32_t root = az_quantize_plan_root(&f->plan, value->id);
	const az_precision *p = &f->act[root];
	bool integer = !p->is_float && !p->by_sign && az_elem_is_integer(p->elem);
	if (f->fixed[root] || !integer || p->elem.bits > AZ_BITS_MOST)
		return;
	if (!f->group_of[root]) {
		az_act_group *g = &acts->group[acts->count];
		g->most = g->bits = p->elem.bits;
		g->loss_name = az_arena_printf(arena, "%s, activation", value->name);
		g->loss_name = az_name_of(acts->pass->ctx, g->loss_name);
		f->group_of[root] = ++acts->count;
	}
	az_vec_push(arena, &acts->group[f->group_of[root] - 1].members, value->name);
}

bool az_acts_find(az_acts *acts, az_pass_ctx *pass)
{
	az_func *main = az_module_main(pass->module);
	az_arena *arena = &pass->scratch;
	az_precisions precisions;
	*acts = (az_acts){.pass = pass};
	if (!az_precisions_init(&precisions, pass))
		return false;
	finder f = {.acts = acts};
	az_quantize_plan_make(main, arena, &f.plan);
	az_precisions_see(&precisions, main);
	f.act = az_precisions_acts(&precisions, main, &f.plan);
	f.group_of = az_new_array(arena, uint32_t, main->value_count + 1u);
	f.fixed = az_new_array(arena, bool, main->value_count + 1u);
	acts->group = az_new_array(arena, az_act_group, main->value_count + 1u);
	for (uint32_t i = 0; i < main->params.count; i++) {
		uint32_t id = main->params.v[i]->id;
		if (f.plan.wanted[id])
			f.fixed[az_quantize_plan_root(&f.plan, id)] = true;
	}
	for (const az_op *op = main->first; op; op = op->next)
		if (op->result_count == 1)
			add_member(&f, op->results[0]);
	return true;
}

void az_acts_assign_group(const az_act_group *group, az_assignment *out)
{
	for (uint32_t i = 0; i < group->members.count; i++)
		az_assign_act(out, group->members.v[i], group->bits);
}

void az_acts_assign(const az_acts *acts, az_assignment *out)
{
	for (uint32_t i = 0; i < acts->count; i++)
		az_acts_assign_group(&acts->group[i], out);
}

/* All weights as the options say but none below 8 bits: what they have changes no activation's place. */
static az_module *trial(az_acts *acts, const char *tail)
{
	az_pass_ctx *pass = acts->pass;
	az_assignment bits = {.arena = &pass->scratch};
	az_assign_all(&bits, pass->module, AZ_BITS_MOST);
	az_acts_assign(acts, &bits);
	return az_trial(pass, &bits, tail);
}

bool az_acts_measure(az_acts *acts, bool compact, uint64_t *bytes)
{
	az_pass_ctx *pass = acts->pass;
	az_arena_mark mark = az_arena_mark_get(&pass->scratch);
	az_module *placed = trial(acts, az_trial_to_placed(pass, compact, true));
	if (placed) {
		*bytes = pass->env->cost->arena_bytes(placed);
		az_module_free(placed);
	}
	az_arena_reset(&pass->scratch, mark);
	return placed != NULL;
}

uint64_t az_acts_bytes(uint64_t elements, unsigned bits)
{
	return (elements * bits + 7) / 8;
}

/* --- Moments ---------------------------------------------------------------------------------- */

/* The quantizer of each group, from a network in which quantize operations still stand behind the values. */
static bool read_quantizers(az_acts *acts)
{
	az_module *module = trial(acts, "");
	if (!module)
		return false;
	const az_func *main = az_module_main(module);
	for (uint32_t i = 0; i < acts->count; i++) {
		az_act_group *g = &acts->group[i];
		for (uint32_t k = 0; k < g->members.count && !g->quant; k++) {
			const az_value *v = az_map_get(&main->names, g->members.v[k]);
			for (const az_use *use = v ? v->uses : NULL; use; use = use->next)
				if (use->user && use->user->code == AZ_OP_quantize)
					g->quant = use->user->results[0]->quant;
		}
	}
	az_module_free(module);
	return true;
}

static uint32_t group_of(const az_acts *acts, const az_value *value)
{
	for (uint32_t i = 0; value->quant && i < acts->count; i++)
		if (acts->group[i].quant == value->quant)
			return i;
	return acts->count;
}

static bool is_view(const az_op *op)
{
	return (az_op_table[op->code].traits & AZ_TRAIT_VIEW) != 0;
}

/* By value id: the last operation (from 1) that reads it or a view of it. */
static uint32_t *last_reads(const az_func *main, az_arena *arena)
{
	uint32_t *last = az_new_array(arena, uint32_t, main->value_count + 1u);
	uint32_t now = main->op_count;
	for (const az_op *op = main->last; op; op = op->prev, now--) {
		for (uint32_t i = 0; i < op->arg_count; i++) {
			const az_value *v = op->args[i].value;
			if (!v || az_value_is_const(v))
				continue;
			uint32_t until = is_view(op) ? AZ_MAX(now, last[op->results[0]->id]) : now;
			last[v->id] = AZ_MAX(last[v->id], until);
		}
	}
	return last;
}

typedef struct alive {
	const az_value *value;
	uint32_t begin, end;
} alive;

/* Values at the same address are one buffer: where one takes the other's place both would count. */
static bool counted(const alive *list, uint32_t count, uint32_t now, uint32_t which)
{
	for (uint32_t i = 0; i < which && i < count; i++)
		if (list[i].begin <= now && now <= list[i].end &&
			list[i].value->at == list[which].value->at)
			return true;
	return false;
}

static void add_moment(az_acts *acts, const alive *list, uint32_t count, const az_op *op,
	uint32_t now)
{
	az_arena *arena = &acts->pass->scratch;
	az_moment m = {.elements = az_new_array(arena, uint64_t, acts->count + 1u),
		.name = op->loc.node ? op->loc.node : op->results[0]->name};
	m.name = az_name_of(acts->pass->ctx, m.name);
	for (uint32_t i = 0; i < count; i++) {
		const az_value *v = list[i].value;
		if (now < list[i].begin || list[i].end < now || counted(list, count, now, i))
			continue;
		uint32_t g = group_of(acts, v);
		if (g < acts->count && v->type->elem.bits < 8) {
			m.elements[g] += (uint64_t)az_type_numel(v->type);
			acts->group[g].placed = true;
		} else {
			m.fixed += (az_type_size(v->type) + ALIGN - 1) / ALIGN * ALIGN;
		}
	}
	az_vec_push(arena, &acts->moments, m);
}

static void read_placed(az_acts *acts, const az_module *placed)
{
	az_arena *arena = &acts->pass->scratch;
	const az_func *main = az_module_main(placed);
	uint32_t *last = last_reads(main, arena), count = 0, now = 0;
	alive *list = az_new_array(arena, alive, main->value_count + 1u);
	for (uint32_t i = 0; i < main->params.count; i++)
		if (main->params.v[i]->at >= 0)
			list[count++] = (alive){main->params.v[i], 0, last[main->params.v[i]->id]};
	for (const az_op *op = main->first; op; op = op->next) {
		now++;
		for (uint32_t i = 0; !is_view(op) && i < op->result_count; i++)
			if (op->results[i]->at >= 0)
				list[count++] = (alive){
					op->results[i], now, AZ_MAX(now, last[op->results[i]->id])};
	}
	now = 0;
	for (const az_op *op = main->first; op; op = op->next)
		add_moment(acts, list, count, op, ++now);
}

/* The module goes whatever happens. */
static bool read_guarded(az_acts *acts, az_module *placed)
{
	AZ_GUARD(acts->pass->ctx, {
		az_module_free(placed);
		return false;
	});
	read_placed(acts, placed);
	AZ_UNGUARD(acts->pass->ctx);
	az_module_free(placed);
	return true;
}

bool az_acts_read_moments(az_acts *acts, bool compact)
{
	uint8_t *kept = az_new_array(&acts->pass->scratch, uint8_t, acts->count + 1u);
	for (uint32_t i = 0; i < acts->count; i++) {
		kept[i] = acts->group[i].bits;
		acts->group[i].bits = TRIAL_BITS;
	}
	az_module *placed = NULL;
	if (read_quantizers(acts))
		placed = trial(acts, az_trial_to_placed(acts->pass, compact, true));
	bool ok = placed && read_guarded(acts, placed);
	for (uint32_t i = 0; i < acts->count; i++)
		acts->group[i].bits = kept[i];
	return ok;
}
