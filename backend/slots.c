/* SPDX-License-Identifier: Apache-2.0
 *
 * What decides about slots of the arena before their order is known (backend/slots.h). */
#include "backend/slots.h"

#include <string.h>

#include "backend/kernel.h"
#include "backend/live.h"
#include "backend/rows.h"

/* --- What lies outside ---------------------------------------------------------------------- */

/* Does the call read not a byte outside operand i? */
static bool reads_inside(const az_op *call, uint32_t i)
{
	const az_kernel *kernel = az_kernel_find(call->attr.call.kernel);
	return (kernel && kernel->exact) || az_rows_made_of(call->attr.call.callee, i);
}

/* Some call that reads beyond its operands reads the value or a view of it. */
static bool needs_slack(const az_value *value)
{
	for (const az_use *use = value->uses; use; use = use->next) {
		if (!use->user)
			continue;
		if (az_is_view(use->user) ? needs_slack(use->user->results[0])
					  : !reads_inside(use->user, use->index))
			return true;
	}
	return false;
}

bool az_is_returned(const az_value *value)
{
	for (const az_use *use = value->uses; use; use = use->next)
		if (!use->user || (az_is_view(use->user) && az_is_returned(use->user->results[0])))
			return true;
	return false;
}

bool az_lies_outside(const az_value *value)
{
	return (value->kind == AZ_VALUE_PARAM || az_is_returned(value)) && !needs_slack(value);
}

/* --- In place ------------------------------------------------------------------------------- */

static bool element_wise(const az_func *func)
{
	for (const az_op *op = func->first; op; op = op->next) {
		bool plain = az_op_table[op->code].traits & AZ_TRAIT_ELTWISE ||
			     op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize ||
			     op->code == AZ_OP_requantize || op->code == AZ_OP_lookup;
		if (!plain)
			return false;
	}
	return true;
}

static bool same_places(const az_type *a, const az_type *b)
{
	return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof a->dim) == 0 &&
	       a->elem.bits == b->elem.bits && a->elem.bits % 8 == 0;
}

/* The function reads element i of the parameter only to make element i of the result: its shape
 * is the result's, and it is no table. */
static bool read_in_step(const az_func *func, uint32_t index, const az_type *result)
{
	const az_value *param = func->params.v[index];
	for (const az_use *use = param->uses; use; use = use->next)
		if (use->user && use->user->code == AZ_OP_lookup && use->index == 1)
			return false;
	return same_places(param->type, result);
}

const az_value *az_view_root(const az_value *value)
{
	while (value->kind == AZ_VALUE_RESULT && az_is_view(value->def.op))
		value = value->def.op->args[0].value;
	return value;
}

/* Every operand of the call that is `base` or a view of it is read in step with the result. */
static bool all_in_step(const az_op *call, const az_value *base)
{
	for (uint32_t i = 0; i < call->arg_count; i++)
		if (call->args[i].value && az_view_root(call->args[i].value) == base &&
			!read_in_step(call->attr.call.callee, i, call->results[0]->type))
			return false;
	return true;
}

bool az_takes_place(const az_op *call, uint32_t arg)
{
	if (call->code != AZ_OP_call || call->result_count != 1 || !call->args[arg].value)
		return false;
	const az_kernel *kernel = az_kernel_find(call->attr.call.kernel);
	const az_value *base = az_view_root(call->args[arg].value);
	return kernel && kernel->streams && base->kind != AZ_VALUE_CONST &&
	       element_wise(call->attr.call.callee) && all_in_step(call, base);
}

int64_t az_slot_size(const az_value *value, int64_t align)
{
	return ((int64_t)az_type_size(value->type) + align - 1) / align * align;
}
