/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise operations and quantizers, compiled. */
#include "tests/unit/jit_kit.h"

/* --- Element-wise ---------------------------------------------------------------------------------- */

static bool two_operands(net *n, uint32_t i)
{
	az_opcode code = (az_opcode)(AZ_OP_add + i % (AZ_OP_greater_equal - AZ_OP_add + 1));
	az_elem elem = all_elems[pick(0, NUMBERS - 1)];
	int64_t dim[AZ_RANK_MAX], other[AZ_RANK_MAX];
	uint32_t rank = pick_shape(dim, 4), under = pick_under(rank, dim, other);
	az_value *args[2] = {input(n, elem, rank, dim, -5), input(n, elem, under, other, -5)};
	az_attrs attrs;
	az_attrs_init(code, &attrs);
	if (code == AZ_OP_mod)
		attrs.mod.truncated = pick(0, 1);
	n->close = code == AZ_OP_pow && elem.bits == 64;
	return made(n, code, 2, args, &attrs, AZ_ELEM_NONE);
}

static bool one_operand(net *n, uint32_t i)
{
	az_opcode code = (az_opcode)(AZ_OP_neg + i % (AZ_OP_cos - AZ_OP_neg + 1));
	bool any = !(az_op_table[code].traits & AZ_TRAIT_FLOAT);
	az_elem elem = all_elems[pick(0, any ? NUMBERS - 1 : FLOATS - 1)];
	int64_t dim[2] = {pick(1, 3), pick(1, 70)};
	/* Sines of f64 go through f32, which has none for arguments as large as some special ones. */
	bool sine = code == AZ_OP_sin || code == AZ_OP_cos;
	az_value *x = input(n, elem, 2, dim, code == AZ_OP_exp ? -90 : sine ? 50 : -6);
	az_attrs attrs;
	az_attrs_init(code, &attrs);
	if (code == AZ_OP_clip) {
		attrs.clip.lo = pick(0, 1) ? 1.0f : -INFINITY;
		attrs.clip.hi = pick(0, 1) ? 6.0f : INFINITY;
	} else if (code == AZ_OP_gelu) {
		attrs.gelu.tanh = pick(0, 1);
	}
	n->close = elem.bits == 64 && az_elem_is_float(elem);
	return made(n, code, 1, &x, &attrs, AZ_ELEM_NONE);
}

static bool logic_and_choice(net *n, uint32_t i)
{
	int64_t dim[AZ_RANK_MAX], other[AZ_RANK_MAX];
	uint32_t rank = pick_shape(dim, 4), under = pick_under(rank, dim, other);
	az_value *c = input(n, AZ_BOOL8, rank, dim, 1);
	if (i % 2) {
		az_elem elem = all_elems[pick(0, ALL - 1)];
		az_value *args[3] = {
			c, input(n, elem, under, other, -5), input(n, elem, rank, dim, -5)};
		return made(n, AZ_OP_where, 3, args, NULL, AZ_ELEM_NONE);
	}
	az_value *args[2] = {c, input(n, AZ_BOOL8, under, other, 1)};
	az_opcode code = (az_opcode)pick(AZ_OP_and, AZ_OP_xor);
	return pick(0, 3) ? made(n, code, 2, args, NULL, AZ_ELEM_NONE)
			  : made(n, AZ_OP_not, 1, args, NULL, AZ_ELEM_NONE);
}

static bool casts(net *n, uint32_t i)
{
	az_elem from = all_elems[i % ALL], to = all_elems[i / ALL % ALL];
	int64_t dim[1] = {pick(1, 60)};
	az_value *x = input(n, from, 1, dim, pick(0, 2) ? -300 : -3e9);
	return made(n, AZ_OP_cast, 1, &x, NULL, to);
}

/* Scale and zero point: one, by axis, or by group; the axis and group chosen. */
static void scale_operands(net *n, const int64_t *dim, az_elem stored, az_value **args,
	int64_t *axis, int64_t *group)
{
	int64_t at = pick(0, 2), kind = pick(0, 2), shape[3] = {dim[at]};
	uint32_t rank = 1;
	*axis = pick(0, 1) ? at : at - 3;
	if (kind == 0) {
		shape[0] = 1;
	} else if (kind == 1) {
		*group = pick(1, 4);
		memcpy(shape, dim, sizeof shape);
		shape[at] = (dim[at] + *group - 1) / *group;
		rank = 3;
	}
	args[0] = input(n, AZ_F32, rank, shape, 1);
	args[1] = input(n, stored, rank, shape, 1);
}

static bool quantizers(net *n, uint32_t i)
{
	int64_t dim[3] = {pick(1, 3), pick(1, 5), pick(1, 40)}, bounds[2] = {5, 77};
	az_elem q = pick_int(32);
	az_value *args[3];
	az_attrs attrs;
	if (i % 3 == 0) {
		az_attrs_init(AZ_OP_quantize, &attrs);
		args[0] = input(n, pick_float(), 3, dim,
			q.bits == 32   ? -1e10
			: q.bits == 16 ? -3000
				       : -20);
		scale_operands(n, dim, q, args + 1, &attrs.quantize.axis, &attrs.quantize.group);
		attrs.quantize.rounding = (az_rounding)pick(0, 3);
		if (pick(0, 2) == 0)
			attrs.quantize.clamp = ints(n, 2, bounds);
		return made(n, AZ_OP_quantize, (uint32_t)pick(2, 3), args, &attrs, q);
	}
	if (i % 3 == 1) {
		az_attrs_init(AZ_OP_dequantize, &attrs);
		args[0] = input(n, q, 3, dim, 1);
		scale_operands(n, dim, q, args + 1, &attrs.dequantize.axis,
			&attrs.dequantize.group);
		return made(n, AZ_OP_dequantize, (uint32_t)pick(2, 3), args, &attrs, pick_float());
	}
	az_attrs_init(AZ_OP_requantize, &attrs);
	int64_t other[3];
	args[0] = input(n, pick_int(64), 3, dim, 1);
	uint32_t rank = pick_under(3, dim, other);
	args[1] = input(n, AZ_F32, rank, other, pick(0, 1) ? 0.3 : 1e-7);
	attrs.requantize.zero = pick(0, 100);
	return made(n, AZ_OP_requantize, 2, args, &attrs, q);
}

static bool tables(net *n, uint32_t i)
{
	int64_t dim[2] = {pick(1, 4), pick(1, 40)}, entries[1] = {256};
	az_value *args[2] = {input(n, pick(0, 1) ? AZ_I8 : AZ_U8, 2, dim, 1),
		input(n, all_elems[i % NUMBERS], 1, entries, 5)};
	return made(n, AZ_OP_lookup, 2, args, NULL, AZ_ELEM_NONE);
}

/* --- Suite ---------------------------------------------------------------------------------- */

JIT_CASE(two_operands, 84, 14)
JIT_CASE(one_operand, 76, 13)
JIT_CASE(logic_and_choice, 24, 8)
JIT_CASE(casts, 169, 24)
JIT_CASE(quantizers, 90, 15)
JIT_CASE(tables, 12, 6)

void test_ops_jit(void)
{
	unit_suite("operations compiled",
		AZ_CASES({"two operands", run_two_operands}, {"one operand", run_one_operand},
			{"logic, where", run_logic_and_choice}, {"casts", run_casts},
			{"quantizers", run_quantizers}, {"tables", run_tables}));
}
