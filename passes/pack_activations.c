/* SPDX-License-Identifier: Apache-2.0
 *
 * pack-activations: activations that take fewer than 8 bits lie packed in memory, not one to a byte.
 *
 *   %q = requantize %acc, @s, clamp = [0, 15] : u8[..]        %q = requantize ... : u8[..]
 *   %c = conv %q, ...                                   ->    %p = cast %q : u4[..]
 *                                                             %x = cast %p : u8[..]
 *                                                             %c = conv %x, ...
 *
 * Their numbers stay. A value is packed where that keeps its bytes out of memory altogether: its makers write
 * and its readers unpack a few rows at a time. So it is made by a quantizer (or by thresholds, a table, pooling by
 * maximum) and read by convolutions, pools without a border above and below, and element by element, it
 * has four dimensions, and its rows are whole bytes. What one element-wise operation alone reads stays in
 * registers, and all else as it is.
 *
 * Requires: stage folded, behind widen-activations. Guarantees: results are the same numbers. Terminates: one
 * walk. */
#include "passes/rewrite.h"

typedef struct packer {
	az_pass_ctx *pass;
	az_func *main;
	az_map narrow; /* az_value -> az_elem * that holds its numbers */
	az_map order;  /* az_op -> its place, from 1 */
} packer;

/* --- How many bits ---------------------------------------------------------------------------- */

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

/* The narrowest type that holds what the operation makes, known of its operands already. */
static az_elem made(const packer *p, const az_op *op)
{
	az_elem stored = op->results[0]->type->elem;
	const az_elem *known;
	if (!az_elem_is_integer(stored) || stored.bits != 8 || op->result_count != 1)
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
		known = az_map_get(&p->narrow, op->args[0].value);
		return known && sees_numbers(&op->attr.max_pool) ? *known : stored;
	default:
		return stored;
	}
}

/* --- Where it may be -------------------------------------------------------------------------- */

static bool reads_rows(const az_use *use)
{
	const az_op *op = use->user;
	if (!op || op->result_count != 1)
		return false;
	switch (op->code) {
	case AZ_OP_conv:
		return use->index == 0;
	case AZ_OP_max_pool:
		return !az_ints_at(op->attr.max_pool.pad, 0, 0) &&
		       !az_ints_at(op->attr.max_pool.pad, 2, 0);
	case AZ_OP_sum_pool:
		return !az_ints_at(op->attr.sum_pool.pad, 0, 0) &&
		       !az_ints_at(op->attr.sum_pool.pad, 2, 0);
	case AZ_OP_dequantize:
	case AZ_OP_requantize:
	case AZ_OP_lookup:
		return use->index == 0;
	default:
		return az_op_table[op->code].traits & AZ_TRAIT_ELTWISE;
	}
}

static bool may_be_packed(const az_value *value, az_elem elem)
{
	const az_type *t = value->type;
	if (elem.bits >= 8 || t->rank != 4 || !value->uses ||
		t->dim[2] * t->dim[3] * elem.bits % 8 != 0)
		return false;
	for (const az_use *use = value->uses; use; use = use->next)
		if (!reads_rows(use))
			return false;
	return true;
}

/* --- What lies in memory ---------------------------------------------------------------------- */

static bool is_anchor(const az_op *op)
{
	return !(az_op_table[op->code].traits & AZ_TRAIT_ELTWISE) && op->code != AZ_OP_quantize &&
	       op->code != AZ_OP_dequantize && op->code != AZ_OP_requantize &&
	       op->code != AZ_OP_lookup && op->code != AZ_OP_threshold;
}

/* The operation that makes the value, through element-wise ones whose results nothing else reads and that have
 * one operand which is computed; NULL: another one, or the value is read more than once. */
static const az_op *anchor_of(const az_value *value)
{
	const az_op *op = az_value_op(value);
	for (; op && az_used_once(op->results[0]) && !is_anchor(op);
		op = az_value_op(op->args[0].value)) {
		for (uint32_t i = 1; i < op->arg_count; i++)
			if (op->args[i].value && !az_value_is_const(op->args[i].value))
				return NULL;
		if (az_value_is_const(op->args[0].value))
			return NULL;
	}
	return op && az_used_once(op->results[0]) ? op : NULL;
}

static uintptr_t place(const packer *p, const az_op *op)
{
	return op ? (uintptr_t)az_map_get(&p->order, op) : 0;
}

/* Is the value only handed on in registers to the element-wise operation that reads it? Not where another operand
 * of that comes from a later convolution or the like, which then goes on. */
static bool stays_in_registers(const packer *p, const az_value *value)
{
	uintptr_t own = place(p, anchor_of(value));
	const az_op *user = az_only_user(value);
	if (!user || is_anchor(user))
		return false;
	for (; user && !is_anchor(user); user = az_only_user(value)) {
		for (uint32_t i = 0; i < user->arg_count; i++) {
			const az_value *other = user->args[i].value;
			if (other && other != value && place(p, anchor_of(other)) > own)
				return false;
		}
		value = user->results[0];
	}
	return true;
}

/* --- Doing it --------------------------------------------------------------------------------- */

/* Readers read `*bytes` then. */
static bool pack(az_value *value, az_op *op, az_elem elem, az_value **bytes)
{
	az_builder at = {op->func, op->next, op->loc};
	az_value *packed = az_build(&at, AZ_OP_cast, 1, &value, NULL, elem);
	*bytes = packed ? az_build(&at, AZ_OP_cast, 1, &packed, NULL, value->type->elem) : NULL;
	if (!*bytes)
		return false;
	packed->quant = (*bytes)->quant = value->quant;
	packed->range = (*bytes)->range = value->range;
	const az_op *self = az_value_op(packed);
	az_use *next;
	for (az_use *use = value->uses; use; use = next) {
		next = use->next;
		if (use->user != self)
			az_op_set_arg(use->user, use->index, *bytes);
	}
	return true;
}

static void note(packer *p, const az_value *value, az_elem elem)
{
	az_arena *arena = &p->pass->scratch;
	az_map_put(arena, &p->narrow, value, az_arena_dup(arena, &elem, sizeof elem));
}

bool az_pass_pack_activations(az_pass_ctx *pass)
{
	packer p = {.pass = pass, .main = az_module_main(pass->module)};
	az_op *next;
	uintptr_t count = 0;
	for (az_op *op = p.main ? p.main->first : NULL; op; op = op->next)
		az_map_put(&pass->scratch, &p.order, op, (void *)++count);
	for (az_op *op = p.main ? p.main->first : NULL; op; op = next) {
		next = op->next;
		if (op->result_count != 1)
			continue;
		az_value *value = op->results[0], *bytes;
		az_elem elem = made(&p, op);
		if (az_elem_equal(elem, value->type->elem))
			continue;
		note(&p, value, elem);
		if (!may_be_packed(value, elem) || stays_in_registers(&p, value))
			continue;
		if (!pack(value, op, elem, &bytes))
			return false;
		note(&p, bytes, elem);
	}
	return true;
}
