/* SPDX-License-Identifier: Apache-2.0
 *
 * The verifier's look at the arena plan. A value is alive from the operation that makes it to its
 * last user. A result may take the place of an operand that dies at the same operation: kernels that
 * cannot work in place must not be given such places, which the planner knows and this file does not.
 * A view at its operand's address is the same buffer, alive as long as either. */
#include <stdlib.h>
#include <string.h>

#include "ir/internal.h"
#include "ir/verify_parts.h"

typedef struct place {
	const az_value *value;
	int64_t begin, end; /* bytes */
	uint32_t until;     /* position of the last user */
} place;

typedef struct planner {
	const az_func *func;
	az_map position; /* az_op -> its number from 1, as a pointer */
	uint32_t end;    /* number of the return */
	uint32_t *until; /* by value id; views counted into what they look at */
	place *alive;    /* disjoint, by address */
	uint32_t count;
	uint32_t next_death; /* nobody alive dies before this position */
} planner;

static uint32_t last_user(const planner *p, const az_value *value)
{
	uintptr_t last = 0;
	for (const az_use *use = value->uses; use; use = use->next) {
		uintptr_t at = p->end;
		if (use->user)
			at = (uintptr_t)az_map_get(&p->position, use->user);
		last = at > last ? at : last;
	}
	return (uint32_t)last;
}

/* The operand whose buffer the result is, or NULL. */
static const az_value *viewed(const az_op *op)
{
	if (!(az_op_table[op->code].traits & AZ_TRAIT_VIEW))
		return NULL;
	const az_value *operand = op->args[0].value;
	return operand->kind != AZ_VALUE_CONST && operand->at == op->results[0]->at ? operand
										    : NULL;
}

/* Backwards, so that a view of a view reaches the buffer. */
static void find_ends(planner *p)
{
	for (const az_op *op = p->func->last; op; op = op->prev) {
		for (uint32_t i = 0; i < op->result_count; i++) {
			const az_value *value = op->results[i];
			uint32_t last = last_user(p, value);
			p->until[value->id] = AZ_MAX(p->until[value->id], last);
		}
		const az_value *operand = viewed(op);
		if (operand)
			p->until[operand->id] = p->until[op->results[0]->id];
	}
	for (uint32_t i = 0; i < p->func->params.count; i++) {
		const az_value *param = p->func->params.v[i];
		p->until[param->id] = AZ_MAX(p->until[param->id], last_user(p, param));
	}
}

static void drop_dead(planner *p, uint32_t now)
{
	uint32_t kept = 0, next = UINT32_MAX;
	if (now < p->next_death)
		return;
	for (uint32_t i = 0; i < p->count; i++) {
		if (p->alive[i].until > now) {
			next = AZ_MIN(next, p->alive[i].until);
			p->alive[kept++] = p->alive[i];
		}
	}
	p->count = kept;
	p->next_death = next;
}

/* How many of the living begin at or below this address. */
static uint32_t rank_of(const planner *p, int64_t begin)
{
	uint32_t low = 0, high = p->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (p->alive[middle].begin <= begin)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The living are disjoint, so only the neighbours can overlap. */
static const place *find_overlap(const planner *p, uint32_t rank, int64_t begin, int64_t end)
{
	if (rank > 0 && p->alive[rank - 1].end > begin)
		return &p->alive[rank - 1];
	return rank < p->count && p->alive[rank].begin < end ? &p->alive[rank] : NULL;
}

static bool enter(planner *p, const az_value *value, az_loc loc)
{
	int64_t begin = value->at, end = begin + (int64_t)az_type_size(value->type);
	if (begin == end)
		return true;
	uint32_t rank = rank_of(p, begin);
	const place *other = find_overlap(p, rank, begin, end);
	if (other)
		return az_error(p->func->module->ctx, loc,
			"\"%s\" at %lld to %lld overlaps \"%s\" at %lld to %lld", value->name,
			(long long)begin, (long long)end, other->value->name,
			(long long)other->begin, (long long)other->end);
	memmove(&p->alive[rank + 1], &p->alive[rank], (p->count - rank) * sizeof *p->alive);
	p->alive[rank] = (place){value, begin, end, p->until[value->id]};
	p->next_death = AZ_MIN(p->next_death, p->until[value->id]);
	p->count++;
	return true;
}

/* Without an address: returned (it lies in the result), or seen or made by a view of something that
 * has one or lies outside. */
static bool may_lie_outside(const az_value *value)
{
	if (az_op_table[value->def.op->code].traits & AZ_TRAIT_VIEW)
		return true;
	for (const az_use *use = value->uses; use; use = use->next) {
		if (!use->user || az_op_table[use->user->code].traits & AZ_TRAIT_VIEW)
			return true;
	}
	return false;
}

static bool place_result(planner *p, const az_op *op, const az_value *value)
{
	if (value->at < 0) {
		if (may_lie_outside(value))
			return true;
		return az_error(p->func->module->ctx, op->loc, "\"%s\" has no address",
			value->name);
	}
	return viewed(op) || enter(p, value, op->loc);
}

static bool walk(planner *p)
{
	bool ok = true;
	uint32_t now = 0;
	for (uint32_t i = 0; i < p->func->params.count; i++) {
		if (p->func->params.v[i]->at >= 0)
			ok &= enter(p, p->func->params.v[i], p->func->loc);
	}
	for (const az_op *op = p->func->first; op; op = op->next) {
		drop_dead(p, ++now);
		for (uint32_t i = 0; i < op->result_count; i++)
			ok &= place_result(p, op, op->results[i]);
		if (az_error_limit(p->func->module->ctx))
			return false;
	}
	return ok;
}

bool az_verify_places(const az_func *main, az_arena *arena)
{
	planner p = {.func = main, .end = main->op_count + 1, .next_death = UINT32_MAX};
	uintptr_t number = 0;
	for (const az_op *op = main->first; op; op = op->next)
		az_map_put(arena, &p.position, op, (void *)++number);
	p.until = az_new_array(arena, uint32_t, main->value_count);
	p.alive = az_new_array(arena, place, main->value_count);
	find_ends(&p);
	return walk(&p);
}
