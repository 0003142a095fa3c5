/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. */
#include "ir/moves.h"

bool az_op_only_moves(const az_op *op)
{
	switch (op->code) {
	case AZ_OP_concat:
	case AZ_OP_pad:
		return true;
	case AZ_OP_resize:
		return op->attr.resize.mode == AZ_interpolation_nearest;
	default:
		return az_op_table[op->code].traits & AZ_TRAIT_MOVES;
	}
}

int az_repeated_byte(az_elem elem, int64_t value)
{
	unsigned bits = elem.bits, mask = (1u << bits) - 1, byte = 0;
	unsigned stored = (unsigned)value & mask;
	if (bits > 8 || (8 % bits != 0 && stored != 0 && stored != mask))
		return -1;
	for (unsigned at = 0; at < 8; at += bits)
		byte |= stored << at;
	return (int)(byte & 0xff);
}

/* Does the number fit the element? */
static bool holds(az_elem elem, float value)
{
	return (double)value >= (double)az_elem_min(elem) &&
	       (double)value <= (double)az_elem_max(elem) && (float)(int64_t)value == value;
}

static bool ends_on_bytes(const az_value *value, az_elem elem)
{
	const az_type *t = value->type;
	return t->rank > 0 && t->dim[t->rank - 1] * elem.bits % 8 == 0;
}

bool az_moves_whole_bytes(const az_op *op, az_elem elem)
{
	if (!az_elem_is_integer(elem))
		return false;
	for (uint32_t i = 0; i < op->arg_count; i++)
		if (!op->args[i].value || !ends_on_bytes(op->args[i].value, elem))
			return false;
	for (uint32_t i = 0; i < op->result_count; i++)
		if (!ends_on_bytes(op->results[i], elem))
			return false;
	uint32_t last = op->results[0]->type->rank - 1u;
	switch (op->code) {
	case AZ_OP_slice:
		return az_ints_at(op->attr.slice.step, last, 1) == 1 &&
		       op->attr.slice.begin.v[last] * elem.bits % 8 == 0;
	case AZ_OP_pad: {
		const az_attrs_pad *a = &op->attr.pad;
		return a->mode == AZ_padding_constant && holds(elem, a->value) &&
		       az_repeated_byte(elem, (int64_t)a->value) >= 0 &&
		       az_ints_at(a->pad, 2 * last, 0) * elem.bits % 8 == 0;
	}
	case AZ_OP_split:
	case AZ_OP_concat:
		return true;
	default:
		return false;
	}
}
