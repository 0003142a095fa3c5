/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header: quantizers clamp, thresholds and tables have so many results, and what selects elements has those of
 * its operands. */
#include "passes/narrow_elems.h"

#include "ir/moves.h"

static az_elem of_clamp(az_elem stored, az_ints clamp)
{
	return clamp.count == 2 ? az_elem_narrowest(stored, clamp.v[0], clamp.v[1]) : stored;
}

static az_elem of_table(az_elem stored, const az_const *table)
{
	if (!table)
		return stored;
	int64_t count = az_type_numel(table->value.type), lo = az_const_get_int(table, 0), hi = lo;
	for (int64_t i = 1; i < count; i++) {
		int64_t v = az_const_get_int(table, (uint64_t)i);
		lo = AZ_MIN(lo, v);
		hi = AZ_MAX(hi, v);
	}
	return az_elem_narrowest(stored, lo, hi);
}

/* Windows that lie in the border altogether would show the least number of the type. */
static bool sees_numbers(const az_attrs_max_pool *a)
{
	for (uint32_t i = 0; i < a->pad.count; i++)
		if (a->pad.v[i] >= az_ints_at(a->window, i / 2, 1))
			return false;
	for (uint32_t i = 0; i < a->dilation.count; i++)
		if (a->dilation.v[i] != 1)
			return false;
	return !a->ceil;
}

static az_elem narrow_of(const az_elem *narrow, const az_value *value)
{
	return value->kind == AZ_VALUE_RESULT ? narrow[value->id] : value->type->elem;
}

/* What all operands are, and the constant besides; bytes where they differ. */
static az_elem moved(const az_elem *narrow, const az_op *op)
{
	az_elem stored = op->results[0]->type->elem, elem = narrow_of(narrow, op->args[0].value);
	for (uint32_t i = 1; i < op->arg_count; i++)
		if (!az_elem_equal(narrow_of(narrow, op->args[i].value), elem))
			return stored;
	bool anyway = op->code == AZ_OP_resize || op->code == AZ_OP_reshape;
	return anyway || az_moves_whole_bytes(op, elem) ? elem : stored;
}

/* The narrowest type that holds what the operation makes, known of its operands already. */
static az_elem made(const az_elem *narrow, const az_op *op)
{
	az_elem stored = op->results[0]->type->elem;
	if (!az_elem_is_integer(stored) || stored.bits != 8)
		return stored;
	switch (op->code) {
	case AZ_OP_quantize:
		return of_clamp(stored, op->attr.quantize.clamp);
	case AZ_OP_requantize:
		return of_clamp(stored, op->attr.requantize.clamp);
	case AZ_OP_threshold: {
		const az_attrs_threshold *t = &op->attr.threshold;
		int64_t last = t->base + t->step * op->args[1].value->type->dim[0];
		return az_elem_narrowest(stored, AZ_MIN(t->base, last), AZ_MAX(t->base, last));
	}
	case AZ_OP_lookup:
		return of_table(stored, az_value_const(op->args[1].value));
	case AZ_OP_max_pool:
		return sees_numbers(&op->attr.max_pool) ? narrow_of(narrow, op->args[0].value)
							: stored;
	default:
		return az_op_only_moves(op) ? moved(narrow, op) : stored;
	}
}

az_elem *az_narrow_elems(const az_func *main, az_arena *arena)
{
	az_elem *narrow = az_new_array(arena, az_elem, main->value_count + 1u);
	for (const az_op *op = main->first; op; op = op->next)
		for (uint32_t i = 0; i < op->result_count; i++)
			narrow[op->results[i]->id] = made(narrow, op);
	return narrow;
}
