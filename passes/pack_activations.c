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
 * maximum) and read by convolutions, pools, products with constant matrices, and element by element, it has two to
 * four dimensions and more than a few elements, and its rows are whole bytes. What one element-wise operation alone reads stays in registers, and all
 * else as it is.
 *
 * Some read what is packed as it is: reshapes, slices, splits, concatenations and borders that move whole bytes,
 * resizing to the nearest, and pools with a border or with windows so high that a few rows would be most of the value, sums
 * over all pixels among them. What is only moved, and what pools by maximum make, is packed again:
 *
 *   %s = slice %q, ... : u8[..]                         ->    %t = slice %p, ... : u4[..]
 *                                                             %s = cast %t : u8[..]
 *   %a = sum_pool %q, window = [8, 8] : i32[..]         ->    %a = sum_pool %p, window = [8, 8] : i32[..]
 *
 * Requires: stage folded, behind widen-activations. Guarantees: results are the same numbers. Terminates: values
 * only leave the set of those to be packed, until none does; then one walk. */
#include "ir/moves.h"
#include "passes/narrow_elems.h"
#include "passes/rewrite.h"

typedef struct packer {
	az_pass_ctx *pass;
	az_func *main;
	az_elem *narrow; /* by value: the narrowest type that holds its numbers */
	bool *packed;    /* by value: is it to be? */
	az_map order;    /* az_op -> its place, from 1 */
} packer;

/* --- Where it may be -------------------------------------------------------------------------- */

/* A sum over all pixels, as if by a pool? */
static bool sums_pixels(const az_op *op)
{
	const az_attrs_reduce *a = &op->attr.reduce;
	const az_type *x = op->args[0].value->type;
	if (op->code != AZ_OP_reduce || a->kind != AZ_reduction_sum || x->rank != 4 ||
		a->axes.count != 2)
		return false;
	int first = az_axis_normalize(a->axes.v[0], 4), second = az_axis_normalize(a->axes.v[1], 4);
	return AZ_MIN(first, second) == 1 && AZ_MAX(first, second) == 2;
}

/* Does a pool read packed elements as they are, rather than some rows unpacked? */
static bool pools_packed(const az_op *op)
{
	if (sums_pixels(op))
		return true;
	if (op->code != AZ_OP_max_pool && op->code != AZ_OP_sum_pool)
		return false;
	bool max = op->code == AZ_OP_max_pool;
	az_ints window = max ? op->attr.max_pool.window : op->attr.sum_pool.window;
	az_ints pad = max ? op->attr.max_pool.pad : op->attr.sum_pool.pad;
	const az_type *x = op->args[0].value->type;
	return x->rank == 4 && (az_ints_at(pad, 0, 0) || az_ints_at(pad, 2, 0) ||
				       2 * az_ints_at(window, 0, 1) > x->dim[1]);
}

/* Does it read packed elements as they are and make such? */
static bool stays_narrow(const az_op *op)
{
	return az_op_only_moves(op) || (op->code == AZ_OP_max_pool && pools_packed(op));
}

/* A product with one matrix of weights, which may be made of constants. */
static bool has_constant_matrix(const az_op *matmul)
{
	const az_value *w = matmul->args[1].value;
	for (const az_op *maker; w->type->rank == 2 && (maker = az_value_op(w));
		w = maker->args[0].value)
		if (maker->code != AZ_OP_dequantize && maker->code != AZ_OP_lookup)
			return false;
	return w->type->rank == 2 && az_value_is_const(w);
}

/* Does it read the value unpacked, some rows at a time or element by element? */
static bool reads_unpacked(const az_use *use)
{
	const az_op *op = use->user;
	if (!op || op->result_count != 1 || pools_packed(op))
		return false;
	switch (op->code) {
	case AZ_OP_conv:
	case AZ_OP_max_pool:
	case AZ_OP_sum_pool:
		return use->index == 0 && op->args[0].value->type->rank == 4;
	case AZ_OP_matmul:
		return use->index == 0 && has_constant_matrix(op);
	case AZ_OP_dequantize:
	case AZ_OP_requantize:
	case AZ_OP_lookup:
		return use->index == 0;
	default:
		return az_op_table[op->code].traits & AZ_TRAIT_ELTWISE;
	}
}

#define LEAST 64 /* elements: places in memory are as far apart, so fewer save nothing */

/* Does packing save memory, and are rows whole bytes then? */
static bool is_worth(const az_type *t, az_elem elem)
{
	int64_t row = t->rank < 2 ? 0 : t->dim[t->rank - 1] * (t->rank == 4 ? t->dim[2] : 1);
	return elem.bits < 8 && row > 0 && t->rank <= 4 && az_type_numel(t) > LEAST &&
	       row * elem.bits % 8 == 0;
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
		if (!az_op_parameters_const(op) || az_value_is_const(op->args[0].value))
			return NULL;
	}
	return op && az_used_once(op->results[0]) ? op : NULL;
}

static uintptr_t place(const packer *p, const az_op *op)
{
	return op ? (uintptr_t)az_map_get(&p->order, op) : 0;
}

/* Of two operands of an element-wise operation, is it `a` whose kernel goes on with it, not b's? */
static bool goes_on(const packer *p, const az_op *a, const az_op *b)
{
	if (a && b && az_op_only_moves(a) != az_op_only_moves(b))
		return az_op_only_moves(b);
	return place(p, a) >= place(p, b);
}

/* Is the value only handed on in registers to the element-wise operation that reads it? Not where the kernel of
 * another operand goes on. */
static bool stays_in_registers(const packer *p, const az_value *value)
{
	const az_op *own = anchor_of(value);
	const az_op *user = az_only_user(value);
	if (!user || is_anchor(user))
		return false;
	for (; user && !is_anchor(user); user = az_only_user(value)) {
		for (uint32_t i = 0; i < user->arg_count; i++) {
			const az_value *other = user->args[i].value;
			if (other && other != value && !goes_on(p, own, anchor_of(other)))
				return false;
		}
		value = user->results[0];
	}
	return true;
}

/* --- Which are packed ------------------------------------------------------------------------- */

static bool is_packed(const packer *p, const az_value *value)
{
	return value->kind == AZ_VALUE_RESULT && p->packed[value->id];
}

/* Are all its operands and results? */
static bool all_packed(const packer *p, const az_op *op)
{
	for (uint32_t i = 0; i < op->arg_count; i++)
		if (!is_packed(p, op->args[i].value))
			return false;
	for (uint32_t i = 0; i < op->result_count; i++)
		if (!is_packed(p, op->results[i]))
			return false;
	return true;
}

/* Does it read the value packed, if that and all around it are? */
static bool reads_packed(const packer *p, const az_use *use)
{
	const az_op *op = use->user;
	if (!op)
		return false;
	return stays_narrow(op) ? all_packed(p, op) : pools_packed(op);
}

/* Made of an input of the network, element by element, for one convolution or product? The kernel of that makes
 * the rows that it reads, and the value lies nowhere. */
static bool made_by_reader(const az_value *value)
{
	const az_op *user = az_only_user(value);
	bool reads = user && (user->code == AZ_OP_conv ||
				     (user->code == AZ_OP_matmul && has_constant_matrix(user)));
	if (!reads || user->args[0].value != value)
		return false;
	for (const az_op *op; (op = az_value_op(value)); value = op->args[0].value) {
		unsigned traits = az_op_table[op->code].traits;
		if (traits & AZ_TRAIT_VIEW)
			continue;
		if (!(traits & (AZ_TRAIT_ELTWISE | AZ_TRAIT_MAPS)) || !az_used_once(value) ||
			!az_op_parameters_const(op))
			return false;
	}
	return !az_value_is_const(value);
}

/* Could it be packed, if all around it that could be were? */
static bool is_candidate(const packer *p, const az_value *value)
{
	const az_op *maker = az_value_op(value);
	if (made_by_reader(value))
		return false;
	return is_worth(value->type, p->narrow[value->id]) &&
	       (stays_narrow(maker) || (value->uses && !stays_in_registers(p, value)));
}

/* Is it, now that others left? */
static bool stays_packed(const packer *p, const az_value *value)
{
	const az_op *maker = az_value_op(value);
	if (stays_narrow(maker) && !all_packed(p, maker))
		return false;
	for (const az_use *use = value->uses; use; use = use->next)
		if (!reads_unpacked(use) && !reads_packed(p, use))
			return false;
	return true;
}

static bool leave(packer *p)
{
	bool left = false;
	for (const az_op *op = p->main->first; op; op = op->next)
		for (uint32_t i = 0; i < op->result_count; i++) {
			const az_value *value = op->results[i];
			if (!p->packed[value->id] || stays_packed(p, value))
				continue;
			p->packed[value->id] = false;
			left = true;
		}
	return left;
}

static void choose(packer *p)
{
	az_arena *arena = &p->pass->scratch;
	uintptr_t count = 0;
	p->narrow = az_narrow_elems(p->main, arena);
	p->packed = az_new_array(arena, bool, p->main->value_count + 1u);
	for (const az_op *op = p->main->first; op; op = op->next)
		az_map_put(arena, &p->order, op, (void *)++count);
	for (const az_op *op = p->main->first; op; op = op->next)
		for (uint32_t i = 0; i < op->result_count; i++)
			p->packed[op->results[i]->id] = is_candidate(p, op->results[i]);
	while (leave(p))
		continue;
}

/* --- Doing it --------------------------------------------------------------------------------- */

static void tell(az_value *value, const az_value *from)
{
	value->quant = from->quant;
	value->range = from->range;
}

/* A cast behind the value, and one back for what reads it unpacked. What stays narrow is made anew in its turn. */
static bool pack(az_value *value, az_elem elem)
{
	az_op *op = az_value_op(value);
	az_builder at = {op->func, op->next, op->loc};
	az_value *packed = az_build(&at, AZ_OP_cast, 1, &value, NULL, elem);
	az_value *bytes =
		packed ? az_build(&at, AZ_OP_cast, 1, &packed, NULL, value->type->elem) : NULL;
	if (!bytes)
		return false;
	tell(packed, value);
	tell(bytes, value);
	const az_op *self = az_value_op(packed);
	az_use *next;
	for (az_use *use = value->uses; use; use = next) {
		next = use->next;
		if (use->user != self)
			az_op_set_arg(use->user, use->index, bytes);
	}
	return true;
}

/* What a value was unpacked from; NULL: it is not. */
static az_value *unpacked_from(const az_value *value)
{
	const az_op *cast = az_def_is(value, AZ_OP_cast);
	az_value *from = cast ? cast->args[0].value : NULL;
	return from && from->type->elem.bits < 8 ? from : NULL;
}

/* The operation on what its operands were unpacked from, and a cast back for what reads its results. */
static bool keep_narrow(packer *p, az_op *op)
{
	az_builder at = {op->func, op, op->loc};
	az_value **args = az_new_array(&p->pass->scratch, az_value *, op->arg_count);
	for (uint32_t i = 0; i < op->arg_count; i++)
		args[i] = unpacked_from(op->args[i].value);
	az_op *narrow = az_op_new(&at, op->code, op->arg_count, args, &op->attr, AZ_ELEM_NONE);
	if (!narrow)
		return false;
	for (uint32_t i = 0; i < op->result_count; i++) {
		az_value *value = op->results[i], *packed = narrow->results[i];
		az_value *bytes = az_build(&at, AZ_OP_cast, 1, &packed, NULL, value->type->elem);
		if (!bytes)
			return false;
		tell(packed, value);
		az_replace_value(value, bytes);
	}
	az_op_erase(op);
	return true;
}

/* A sum over all pixels as a pool of packed elements. */
static bool sum_by_pool(az_op *op, az_value *packed)
{
	az_builder at = {op->func, op, op->loc};
	const az_type *x = packed->type, *y = op->results[0]->type;
	az_attrs attrs;
	az_attrs_init(AZ_OP_sum_pool, &attrs);
	attrs.sum_pool.window = az_ints_copy(op->func->module, 2, &x->dim[1]);
	attrs.sum_pool.zero = op->attr.reduce.zero;
	az_value *sum = az_build(&at, AZ_OP_sum_pool, 1, &packed, &attrs, y->elem);
	sum = sum ? az_build_reshape(&at, sum, y->rank, y->dim) : NULL;
	if (sum)
		az_replace_op(op, sum);
	return sum != NULL;
}

static bool rewrite(packer *p, az_op *op)
{
	az_value *value = op->results[0];
	if (stays_narrow(op))
		return !p->packed[value->id] || keep_narrow(p, op);
	az_value *from = pools_packed(op) ? unpacked_from(op->args[0].value) : NULL;
	if (from && op->code == AZ_OP_reduce)
		return sum_by_pool(op, from);
	if (from)
		az_op_set_arg(op, 0, from);
	return !p->packed[value->id] || pack(value, p->narrow[value->id]);
}

bool az_pass_pack_activations(az_pass_ctx *pass)
{
	packer p = {.pass = pass, .main = az_module_main(pass->module)};
	if (!p.main)
		return true;
	choose(&p);
	az_op *next;
	for (az_op *op = p.main->first; op; op = next) {
		next = op->next;
		if (!rewrite(&p, op))
			return false;
	}
	az_sweep(pass->module); /* unpacking that nothing reads any longer */
	return true;
}
