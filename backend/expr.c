/* SPDX-License-Identifier: Apache-2.0
 *
 * az_expr: which register code stands for which element-wise operation. The formulas are those of
 * docs/numerics.md and of the interpreter, to the bit unless e->fast allows contraction. */
#include "backend/expr.h"

static az_elem arg_elem(const az_op *op, uint32_t i)
{
	return az_op_arg(op, i)->type->elem;
}

static LLVMValueRef zero_like(az_emitter *e, LLVMValueRef x)
{
	return az_is_real(e, x) ? az_real_like(e, x, 0) : az_int_like(e, x, 0);
}

/* --- Two operands ------------------------------------------------------------------------------------- */

static LLVMValueRef binary_float(az_emitter *e, const az_op *op, LLVMValueRef a, LLVMValueRef b)
{
	switch (op->code) {
	case AZ_OP_add:
		return az_fadd(e, a, b);
	case AZ_OP_sub:
		return az_fsub(e, a, b);
	case AZ_OP_mul:
		return az_fmul(e, a, b);
	case AZ_OP_div:
		return az_fdiv(e, a, b);
	case AZ_OP_pow:
		return az_math_pow(e, a, b);
	case AZ_OP_mod:
		return az_float_mod(e, op->attr.mod.truncated, a, b);
	case AZ_OP_prelu:
		return az_choose(e, az_fcmp(e, LLVMRealOLT, a, zero_like(e, a)), az_fmul(e, a, b),
			a);
	default:
		return NULL;
	}
}

static LLVMValueRef binary_int(az_emitter *e, const az_op *op, LLVMValueRef a, LLVMValueRef b)
{
	az_elem elem = arg_elem(op, 0);
	switch (op->code) {
	case AZ_OP_add:
		return LLVMBuildAdd(e->b, a, b, "");
	case AZ_OP_sub:
		return LLVMBuildSub(e->b, a, b, "");
	case AZ_OP_mul:
		return LLVMBuildMul(e->b, a, b, "");
	case AZ_OP_div:
		return az_int_div(e, elem, a, b);
	case AZ_OP_pow:
		return az_int_pow(e, elem, a, b);
	case AZ_OP_mod:
		return az_int_mod(e, elem, op->attr.mod.truncated, a, b);
	case AZ_OP_prelu: {
		LLVMValueRef product = LLVMBuildMul(e->b, a, b, "");
		if (!az_elem_is_signed(elem))
			return a;
		return az_choose(e, az_icmp(e, LLVMIntSLT, a, zero_like(e, a)), product, a);
	}
	default:
		return NULL;
	}
}

static LLVMValueRef binary(az_emitter *e, const az_op *op, LLVMValueRef a, LLVMValueRef b)
{
	az_elem elem = arg_elem(op, 0);
	if (op->code == AZ_OP_min || op->code == AZ_OP_max)
		return az_more(e, elem, op->code == AZ_OP_max, a, b);
	bool real = az_elem_is_float(elem);
	LLVMValueRef x = real ? binary_float(e, op, a, b) : binary_int(e, op, a, b);
	az_reals clamp = az_op_clamp(op);
	if (x && clamp.count == 2)
		x = az_clip(e, x, clamp.v[0], clamp.v[1]);
	return x ? az_to_grid(e, elem, x) : NULL;
}

static LLVMValueRef compare(az_emitter *e, const az_op *op, LLVMValueRef a, LLVMValueRef b)
{
	static const LLVMRealPredicate real[] = {
		LLVMRealOEQ, LLVMRealOLT, LLVMRealOLE, LLVMRealOGT, LLVMRealOGE};
	static const LLVMIntPredicate with_sign[] = {
		LLVMIntEQ, LLVMIntSLT, LLVMIntSLE, LLVMIntSGT, LLVMIntSGE};
	static const LLVMIntPredicate without_sign[] = {
		LLVMIntEQ, LLVMIntULT, LLVMIntULE, LLVMIntUGT, LLVMIntUGE};
	_Static_assert(AZ_OP_greater_equal - AZ_OP_equal == 4, "order of the comparisons");
	uint32_t which = (uint32_t)(op->code - AZ_OP_equal);
	az_elem elem = arg_elem(op, 0);
	if (az_elem_is_float(elem))
		return az_fcmp(e, real[which], a, b);
	/* A true i1 compares as 1 without a sign. */
	bool is_signed = elem.kind != AZ_KIND_BOOL && az_elem_is_signed(elem);
	return az_icmp(e, is_signed ? with_sign[which] : without_sign[which], a, b);
}

static LLVMValueRef logic(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	switch (op->code) {
	case AZ_OP_and:
		return LLVMBuildAnd(e->b, args[0], args[1], "");
	case AZ_OP_or:
		return LLVMBuildOr(e->b, args[0], args[1], "");
	case AZ_OP_xor:
		return LLVMBuildXor(e->b, args[0], args[1], "");
	default:
		return LLVMBuildNot(e->b, args[0], "");
	}
}

/* --- One operand -------------------------------------------------------------------------------------- */

static LLVMValueRef unary_int(az_emitter *e, const az_op *op, LLVMValueRef x)
{
	az_elem elem = arg_elem(op, 0);
	bool is_signed = az_elem_is_signed(elem);
	LLVMValueRef zero = zero_like(e, x), minus = LLVMBuildSub(e->b, zero, x, "");
	LLVMValueRef negative = az_icmp(e, LLVMIntSLT, x, zero);
	switch (op->code) {
	case AZ_OP_neg:
		return az_to_grid(e, elem, minus);
	case AZ_OP_abs:
		return is_signed ? az_to_grid(e, elem, az_choose(e, negative, minus, x)) : x;
	case AZ_OP_sign: {
		LLVMValueRef one =
			az_choose(e, az_icmp(e, LLVMIntEQ, x, zero), zero, az_int_like(e, x, 1));
		return is_signed ? az_choose(e, negative, az_int_like(e, x, -1), one) : one;
	}
	case AZ_OP_relu:
		return is_signed ? az_choose(e, negative, zero, x) : x;
	case AZ_OP_clip:
		return az_clip_int(e, elem, x, op->attr.clip.lo, op->attr.clip.hi);
	default:
		return NULL;
	}
}

/* The float operations that are written with plain arithmetic. */
static LLVMValueRef unary_plain(az_emitter *e, const az_op *op, LLVMValueRef x)
{
	LLVMValueRef zero = zero_like(e, x), one = az_real_like(e, x, 1);
	switch (op->code) {
	case AZ_OP_neg:
		return az_fneg(e, x);
	case AZ_OP_abs:
		return az_fabs(e, x);
	case AZ_OP_sign: {
		LLVMValueRef s = az_choose(e, az_fcmp(e, LLVMRealOGT, x, zero), one, zero);
		return az_choose(e, az_fcmp(e, LLVMRealOLT, x, zero), az_real_like(e, x, -1), s);
	}
	case AZ_OP_relu:
		return az_choose(e, az_fcmp(e, LLVMRealOLE, x, zero), zero, x);
	case AZ_OP_clip:
		return az_clip(e, x, op->attr.clip.lo, op->attr.clip.hi);
	case AZ_OP_sqrt:
		return az_sqrt(e, x);
	case AZ_OP_reciprocal:
		return az_fdiv(e, one, x);
	case AZ_OP_floor:
		return az_round_float(e, AZ_rounding_floor, x);
	case AZ_OP_ceil:
		return az_round_float(e, AZ_rounding_ceil, x);
	case AZ_OP_round:
		return az_round_float(e, AZ_rounding_even, x);
	case AZ_OP_leaky_relu: {
		LLVMValueRef slope = az_real_like(e, x, (double)op->attr.leaky_relu.slope);
		return az_choose(e, az_fcmp(e, LLVMRealOLT, x, zero), az_fmul(e, slope, x), x);
	}
	case AZ_OP_thresholded_relu: {
		LLVMValueRef alpha = az_real_like(e, x, (double)op->attr.thresholded_relu.alpha);
		return az_choose(e, az_fcmp(e, LLVMRealOGT, x, alpha), x, zero);
	}
	default:
		return NULL;
	}
}

static LLVMValueRef unary(az_emitter *e, const az_op *op, LLVMValueRef x)
{
	az_elem elem = arg_elem(op, 0);
	if (!az_elem_is_float(elem))
		return unary_int(e, op, x);
	LLVMValueRef y = unary_plain(e, op, x);
	if (!y)
		y = az_math_unary(e, op, x);
	return y ? az_to_grid(e, elem, y) : NULL;
}

/* x, scale, bias, mean, variance */
static LLVMValueRef batch_norm(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	LLVMValueRef x = args[0];
	LLVMValueRef epsilon = az_real_like(e, x, (double)op->attr.batch_norm.epsilon);
	LLVMValueRef root = az_sqrt(e, az_fadd(e, args[4], epsilon));
	x = az_fdiv(e, az_fsub(e, x, args[3]), root);
	x = az_fadd(e, az_fmul(e, x, args[1]), args[2]);
	return az_to_grid(e, arg_elem(op, 0), x);
}

/* --- All ---------------------------------------------------------------------------------------------- */

bool az_expr_takes(const az_op *op)
{
	return (az_op_table[op->code].traits & (AZ_TRAIT_ELTWISE | AZ_TRAIT_MAPS)) != 0;
}

static LLVMValueRef expr(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	switch (op->code) {
	case AZ_OP_quantize:
		return az_expr_quantize(e, op, args);
	case AZ_OP_dequantize:
		return az_expr_dequantize(e, op, args);
	case AZ_OP_requantize:
		return az_expr_requantize(e, op, args);
	case AZ_OP_lookup:
		return az_expr_lookup(e, op, args);
	case AZ_OP_threshold:
		return az_expr_threshold(e, op, args);
	case AZ_OP_batch_norm:
		return batch_norm(e, op, args);
	case AZ_OP_cast:
		return az_cast(e, arg_elem(op, 0), op->results[0]->type->elem, args[0]);
	case AZ_OP_where:
		return az_choose(e, args[0], args[1], args[2]);
	case AZ_OP_equal:
	case AZ_OP_less:
	case AZ_OP_less_equal:
	case AZ_OP_greater:
	case AZ_OP_greater_equal:
		return compare(e, op, args[0], args[1]);
	case AZ_OP_and:
	case AZ_OP_or:
	case AZ_OP_xor:
	case AZ_OP_not:
		return logic(e, op, args);
	default:
		if (!az_expr_takes(op))
			return NULL;
		return op->arg_count == 2 ? binary(e, op, args[0], args[1]) : unary(e, op, args[0]);
	}
}

LLVMValueRef az_expr(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	LLVMValueRef x = expr(e, op, args);
	if (!x)
		az_error(e->ctx, op->loc, "%s: no code for %s operands", az_op_table[op->code].name,
			az_elem_print((char[16]){0}, arg_elem(op, 0)));
	return x;
}
