/* SPDX-License-Identifier: Apache-2.0
 *
 * See walk.h. What leads from one cut to the next is a clone of the whole network in which the values of
 * the cut are parameters: what made them is unused then, and goes.
 *
 * Of a value that is dequantized with constants, the stored numbers are kept: they are smaller, and the
 * operation behind them stays an integer one. */
#include "passes/walk.h"

#include <stdio.h>
#include <string.h>

#include "ir/tensor.h"
#include "passes/observe.h"
#include "passes/rewrite.h"

#define MOST_BYTES ((uint64_t)512 << 20) /* of two cuts of one network */
#define ALIGN      64

enum { UNMADE, FIXED, MADE }; /* not yet there, made of constants only, made of samples */

void az_walk_begin(az_walk *walk, az_pass_ctx *pass, az_func *main, int64_t samples)
{
	*walk = (az_walk){.pass = pass,
		.main = main,
		.samples = pass->env->calib ? pass->env->calib->count : 0};
	walk->samples = AZ_MIN(walk->samples, (uint64_t)samples);
	az_arena_init(&walk->cut.arena, &pass->ctx->oom);
	az_arena_init(&walk->next.arena, &pass->ctx->oom);
	walk->cut.count = main->params.count;
	walk->cut.value = main->params.v;
}

static void close_clone(az_walk *walk)
{
	if (walk->exec)
		walk->pass->env->exec->free(walk->exec);
	az_module_free(walk->clone);
	walk->exec = NULL;
	walk->clone = NULL;
}

void az_walk_end(az_walk *walk)
{
	close_clone(walk);
	az_arena_free(&walk->cut.arena);
	az_arena_free(&walk->next.arena);
}

/* --- What is needed behind a place ------------------------------------------------------------- */

typedef struct need {
	const az_func *main;
	uint8_t *state; /* by value id */
	bool *added;    /* by value id */
	AZ_VEC(az_value *) list;
} need;

static bool is_made(const need *n, const az_value *value)
{
	return value && !az_value_is_const(value) && n->state[value->id] == MADE;
}

/* The stored numbers of a value that is dequantized with constants, else the value. */
static az_value *kept_for(const need *n, az_value *value)
{
	const az_op *dq = az_def_is(value, AZ_OP_dequantize);
	for (uint32_t i = 1; dq && i < dq->arg_count; i++) {
		if (is_made(n, dq->args[i].value))
			return value;
	}
	return dq ? dq->args[0].value : value;
}

static void add_needs(need *n, const az_op *op, az_arena *arena)
{
	for (uint32_t i = 0; i < op->arg_count; i++) {
		az_value *value = op->args[i].value;
		if (!is_made(n, value))
			continue;
		value = kept_for(n, value);
		if (n->added[value->id])
			continue;
		n->added[value->id] = true;
		az_vec_push(arena, &n->list, value);
	}
}

static need needs_behind(const az_walk *walk, const az_op *place, az_arena *arena)
{
	need n = {.main = walk->main};
	n.state = az_new_array(arena, uint8_t, walk->main->value_count + 1u);
	n.added = az_new_array(arena, bool, walk->main->value_count + 1u);
	for (uint32_t i = 0; i < walk->main->params.count; i++)
		n.state[walk->main->params.v[i]->id] = MADE;
	for (const az_op *op = walk->main->first; op != place; op = op->next) {
		bool made = false;
		for (uint32_t i = 0; i < op->arg_count; i++)
			made |= is_made(&n, op->args[i].value);
		for (uint32_t i = 0; i < op->result_count; i++)
			n.state[op->results[i]->id] = made ? MADE : FIXED;
	}
	for (const az_op *op = place; op; op = op->next)
		add_needs(&n, op, arena);
	return n;
}

/* --- Going there ------------------------------------------------------------------------------- */

static int32_t place_in(const az_cut *cut, const az_value *value)
{
	for (uint32_t i = 0; i < cut->count; i++) {
		if (cut->value[i] == value)
			return (int32_t)i;
	}
	return -1;
}

/* Room for the needed values of all samples, if there is enough and anything is new. */
static void plan_next(az_walk *walk, const need *n)
{
	az_cut *next = &walk->next;
	az_arena *arena = &next->arena;
	bool same = walk->cut.stored != NULL;
	next->count = n->list.count;
	next->value = az_new_array(arena, az_value *, next->count + 1u);
	next->offset = az_new_array(arena, size_t, next->count + 1u);
	next->size_bytes = 0;
	for (uint32_t i = 0; i < next->count; i++) {
		next->value[i] = n->list.v[i];
		next->offset[i] = next->size_bytes;
		size_t size = az_type_size(n->list.v[i]->type);
		next->size_bytes += (size + ALIGN - 1) / ALIGN * ALIGN;
		same &= place_in(&walk->cut, n->list.v[i]) >= 0;
	}
	uint64_t size = next->size_bytes + (walk->cut.stored ? walk->cut.size_bytes : 0);
	walk->moves = !same && size <= MOST_BYTES / AZ_MAX(walk->samples, 1);
	if (!walk->moves)
		return;
	next->stored = az_new_array(arena, unsigned char *, walk->samples + 1);
	for (uint64_t i = 0; i < walk->samples; i++)
		next->stored[i] = az_arena_alloc(arena, next->size_bytes + 1, ALIGN);
}

/* The result of the clone that is the twin of a value. */
static int32_t add_result(az_func *copy, uint32_t *used, az_value *twin)
{
	char name[32];
	snprintf(name, sizeof name, "kept.%u", *used);
	if (*used < copy->results.count)
		az_func_set_result(copy, *used, twin);
	else
		az_func_add_result(copy, name, twin);
	return (int32_t)(*used)++;
}

/* The values of the cut as parameters of the clone, those of `next` and the layer's input as results. */
static uint32_t connect(az_walk *walk, az_func *copy, const az_value *x)
{
	az_arena *arena = &walk->pass->scratch;
	az_value **twin = az_twin_values(walk->main, copy, arena);
	walk->source = az_new_array(arena, int32_t, walk->cut.count + 1u);
	walk->result = az_new_array(arena, int32_t, walk->next.count + 1u);
	for (uint32_t i = 0; i < walk->cut.count; i++) {
		const az_value *value = walk->cut.value[i];
		walk->source[i] = (int32_t)value->index;
		if (value->kind == AZ_VALUE_PARAM)
			continue;
		walk->source[i] = (int32_t)copy->params.count;
		az_value *old = twin[value->id];
		az_value *param = az_func_add_param(copy, old->name, old->type);
		param->quant = old->quant;
		param->range = old->range;
		az_value_replace_uses(old, param);
		twin[value->id] = param;
	}
	uint32_t used = 0;
	for (uint32_t i = 0; walk->moves && i < walk->next.count; i++) {
		int32_t at = place_in(&walk->cut, walk->next.value[i]);
		walk->result[i] = -1 - at;
		if (at < 0)
			walk->result[i] = add_result(copy, &used, twin[walk->next.value[i]->id]);
	}
	int32_t at = place_in(&walk->cut, x), kept = place_in(&walk->next, x);
	if (at >= 0)
		walk->wanted = -1 - at;
	else if (walk->moves && kept >= 0)
		walk->wanted = walk->result[kept];
	else
		walk->wanted = add_result(copy, &used, twin[x->id]);
	for (uint32_t i = used; used && i < copy->results.count; i++)
		az_func_set_result(copy, i, copy->results.v[0].use->value);
	return used;
}

bool az_walk_open(az_walk *walk, const az_op *layer)
{
	az_arena *arena = &walk->pass->scratch;
	const az_value *x = layer->args[0].value;
	need n = needs_behind(walk, layer, arena);
	plan_next(walk, &n);
	walk->clone = az_module_clone(walk->main->module, true);
	az_func *copy = az_module_main(walk->clone);
	uint32_t used = connect(walk, copy, x);
	walk->in = az_new_array(arena, az_tensor, copy->params.count + 1u);
	walk->out = az_new_array(arena, az_tensor, copy->results.count + 1u);
	for (uint32_t i = 0; i < copy->params.count; i++) {
		bool outside = i < walk->main->params.count;
		walk->in[i].type = copy->params.v[i]->type;
		if (outside)
			walk->in[i] = az_tensor_new(arena, copy->params.v[i]->type);
	}
	for (uint32_t i = 0; i < copy->results.count; i++)
		walk->out[i] = az_tensor_new(arena, copy->results.v[i].use->value->type);
	if (used == 0)
		return true;
	az_sweep(walk->clone);
	walk->exec = walk->pass->env->exec->compile(walk->clone);
	return walk->exec != NULL;
}

const az_tensor *az_walk_run(az_walk *walk, uint64_t sample)
{
	const az_pass_env *env = walk->pass->env;
	const az_cut *cut = &walk->cut;
	unsigned char *next = walk->moves ? walk->next.stored[sample] : NULL;
	if (!cut->stored && !env->calib->get(env->calib->data, sample, walk->in))
		return NULL;
	for (uint32_t i = 0; cut->stored && i < cut->count; i++)
		walk->in[walk->source[i]].data = cut->stored[sample] + cut->offset[i];
	for (uint32_t i = 0; next && i < walk->next.count; i++) {
		if (walk->result[i] >= 0)
			walk->out[walk->result[i]].data = next + walk->next.offset[i];
	}
	if (walk->exec && !env->exec->run(walk->exec, walk->in, walk->out))
		return NULL;
	for (uint32_t i = 0; next && i < walk->next.count; i++) {
		if (walk->result[i] < 0)
			memcpy(next + walk->next.offset[i],
				walk->in[walk->source[-1 - walk->result[i]]].data,
				az_type_size(walk->next.value[i]->type));
	}
	return walk->wanted < 0 ? &walk->in[walk->source[-1 - walk->wanted]]
				: &walk->out[walk->wanted];
}

void az_walk_close(az_walk *walk)
{
	close_clone(walk);
	if (walk->moves) {
		az_arena old = walk->cut.arena;
		walk->cut = walk->next;
		az_arena_free(&old);
	} else {
		az_arena_free(&walk->next.arena);
	}
	walk->next = (az_cut){0};
	az_arena_init(&walk->next.arena, &walk->pass->ctx->oom);
}
