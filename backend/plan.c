/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an arena plan: what lies where, how large it all is. */
#include "backend/plan.h"

#include "backend/emit.h"
#include "backend/live.h"

static int64_t round_up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

static void extend(int64_t *end, const az_value *value)
{
	if (value->at >= 0)
		*end = AZ_MAX(*end, value->at + (int64_t)az_type_size(value->type));
}

uint64_t az_plan_arena_bytes(const az_module *module)
{
	const az_func *main = az_module_main(module);
	int64_t end = 0;
	for (uint32_t i = 0; i < main->params.count; i++)
		extend(&end, main->params.v[i]);
	for (const az_op *op = main->first; op; op = op->next)
		for (uint32_t i = 0; i < op->result_count; i++)
			extend(&end, op->results[i]);
	return end == 0 ? 0 : (uint64_t)round_up(end + AZ_SLACK_BYTES, AZ_ARENA_ALIGN);
}

bool az_is_view(const az_op *op)
{
	return op && az_op_table[op->code].traits & AZ_TRAIT_VIEW;
}

const az_value *az_plan_base(const az_value *value)
{
	while (value->kind == AZ_VALUE_RESULT && az_is_view(value->def.op)) {
		const az_value *operand = value->def.op->args[0].value;
		if (value->at >= 0 && value->at != operand->at)
			break;
		value = operand;
	}
	return value;
}

int az_plan_output(const az_value *value)
{
	if (value->kind != AZ_VALUE_RESULT || value->at >= 0)
		return -1;
	int best = -1;
	for (const az_use *use = value->uses; use; use = use->next) {
		int found = -1;
		if (!use->user)
			found = (int)use->index;
		else if (az_is_view(use->user))
			found = az_plan_output(use->user->results[0]);
		if (found >= 0 && (best < 0 || found < best))
			best = found;
	}
	return best;
}

/* Bytes that operand and result share at the call where one takes the other's place. */
static int64_t shared(const az_op *op, const az_live *live)
{
	int64_t bytes = 0;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		const az_value *arg = op->args[i].value;
		if (!arg || arg->kind == AZ_VALUE_CONST || arg->at < 0)
			continue;
		const az_value *base = az_plan_base(arg);
		for (uint32_t k = 0; k < op->result_count; k++)
			if (op->results[k]->at == base->at &&
				live->end[base->id] == live->begin[op->results[k]->id])
				bytes += (int64_t)az_type_size(op->results[k]->type);
	}
	return bytes;
}

/* The sum over time, by differences: what begins is added, what has ended taken away. */
uint64_t az_plan_lower_bound(const az_module *module)
{
	const az_func *main = az_module_main(module);
	az_arena scratch;
	az_arena_init(&scratch, &module->ctx->oom);
	az_live live;
	az_live_get(main, &scratch, &live);
	int64_t *change = az_new_array(&scratch, int64_t, main->op_count + 3);
	for (uint32_t i = 0; i < live.count; i++) {
		const az_value *value = live.value[i];
		if (value->at < 0)
			continue;
		change[live.begin[value->id]] += (int64_t)az_type_size(value->type);
		change[live.end[value->id] + 1] -= (int64_t)az_type_size(value->type);
	}
	int64_t now = change[0], most = now;
	uint32_t time = 1;
	for (const az_op *op = main->first; op; op = op->next, time++) {
		now += change[time];
		most = AZ_MAX(most, now - (az_is_view(op) ? 0 : shared(op, &live)));
	}
	az_arena_free(&scratch);
	return (uint64_t)most;
}
