/* SPDX-License-Identifier: Apache-2.0
 *
 * Lifetimes, in one backward walk: when an operation is met all users of its results have been met. */
#include "backend/live.h"

static uint32_t last_use(const az_value *value, const az_map *number, uint32_t end)
{
	uint32_t last = 0;
	for (const az_use *use = value->uses; use; use = use->next) {
		uint32_t at = use->user ? (uint32_t)(uintptr_t)az_map_get(number, use->user) : end;
		last = AZ_MAX(last, at);
	}
	return last;
}

static void set(az_live *live, const az_value *value, uint32_t begin, uint32_t last)
{
	live->begin[value->id] = begin;
	live->end[value->id] = AZ_MAX(AZ_MAX(live->end[value->id], last), begin);
}

void az_live_get(const az_func *main, az_arena *arena, az_live *out)
{
	az_map number = {0};
	uint32_t time = 0, end = main->op_count + 1;
	for (az_op *op = main->first; op; op = op->next)
		az_map_put(arena, &number, op, (void *)(uintptr_t)++time);
	*out = (az_live){.begin = az_new_array(arena, uint32_t, main->value_count + 1),
		.end = az_new_array(arena, uint32_t, main->value_count + 1)};
	AZ_VEC(az_value *) list = {0};
	for (const az_op *op = main->last; op; op = op->prev, time--) {
		for (uint32_t i = 0; i < op->result_count; i++)
			set(out, op->results[i], time, last_use(op->results[i], &number, end));
		const az_value *seen = az_is_view(op) ? op->args[0].value : NULL;
		if (seen && seen->kind != AZ_VALUE_CONST) /* a view keeps what it looks at alive */
			out->end[seen->id] =
				AZ_MAX(out->end[seen->id], out->end[op->results[0]->id]);
	}
	for (uint32_t i = 0; i < main->params.count; i++) {
		set(out, main->params.v[i], 0, last_use(main->params.v[i], &number, end));
		az_vec_push(arena, &list, main->params.v[i]);
	}
	for (const az_op *op = main->first; op; op = op->next)
		for (uint32_t i = 0; !az_is_view(op) && i < op->result_count; i++)
			az_vec_push(arena, &list, op->results[i]);
	out->value = list.v;
	out->count = list.count;
}
