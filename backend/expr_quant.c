/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of representation on registers: quantize, dequantize, requantize, lookup. The formulas are
 * those of docs/numerics.md; stored types of up to 16 bits stay in 32-bit integers, where the clamp bounds
 * are below 2^22 and rounding is one or two instructions; wider ones go through f64, which holds every
 * number involved exactly. */
#include "backend/expr.h"

/* Bounds of the stored result: the clamp attribute or those of its element. */
static void stored_bounds(az_elem elem, az_ints clamp, int64_t *lo, int64_t *hi)
{
	*lo = clamp.count == 2 ? clamp.v[0] : az_elem_min(elem);
	*hi = clamp.count == 2 ? clamp.v[1] : az_elem_max(elem);
}

/* max then min as compare-select; NaN gives lo. */
static LLVMValueRef clamp_to(az_emitter *e, LLVMValueRef t, LLVMValueRef lo, LLVMValueRef hi)
{
	t = az_choose(e, az_fcmp(e, LLVMRealOGT, t, lo), t, lo);
	return az_choose(e, az_fcmp(e, LLVMRealOLT, t, hi), t, hi);
}

/* bound - zero as f32: computed exactly, then the nearest float on the inner side (`up` for the lower bound). */
static LLVMValueRef wide_bound(az_emitter *e, int64_t bound, LLVMValueRef zero, bool up)
{
	LLVMTypeRef f64 = az_type_like(e->f64, zero);
	LLVMValueRef z = LLVMBuildSIToFP(e->b, zero, f64, "");
	LLVMValueRef d = LLVMBuildFSub(e->b, az_real(e, f64, (double)bound), z, "");
	LLVMValueRef f = LLVMBuildFPTrunc(e->b, d, az_type_like(e->f32, zero), "");
	LLVMValueRef back = LLVMBuildFPExt(e->b, f, f64, "");
	LLVMValueRef outside = az_fcmp(e, up ? LLVMRealOLT : LLVMRealOGT, back, d);
	/* One step away from zero is one more in the bits, whatever the sign. */
	LLVMValueRef bits = az_bits_of(e, f), one = az_int_like(e, bits, 1);
	LLVMValueRef minus = az_int_like(e, bits, -1);
	LLVMValueRef negative = az_icmp(e, LLVMIntSLT, bits, az_int_like(e, bits, 0));
	LLVMValueRef step = az_choose(e, negative, up ? minus : one, up ? one : minus);
	LLVMValueRef inside = az_float_of(e, LLVMBuildAdd(e->b, bits, step, ""));
	return az_choose(e, outside, inside, f);
}

static LLVMValueRef quantize_wide(az_emitter *e, az_rounding mode, az_elem elem, LLVMValueRef t,
	LLVMValueRef zero, int64_t lo, int64_t hi)
{
	t = clamp_to(e, t, wide_bound(e, lo, zero, true), wide_bound(e, hi, zero, false));
	LLVMTypeRef f64 = az_type_like(e->f64, t);
	LLVMValueRef r = LLVMBuildFPExt(e->b, az_round_float(e, mode, t), f64, "");
	r = LLVMBuildFAdd(e->b, r, LLVMBuildSIToFP(e->b, zero, f64, ""), "");
	return az_truncate(e, r, e->i32, az_elem_is_signed(elem));
}

/* Clamp, round, add zero: what quantize and requantize share once they have the real quotient. */
static LLVMValueRef to_stored(az_emitter *e, az_rounding mode, az_elem elem, az_ints clamp,
	LLVMValueRef t, LLVMValueRef zero)
{
	int64_t lo, hi;
	stored_bounds(elem, clamp, &lo, &hi);
	if (!zero)
		zero = az_int(e, az_type_like(e->i32, t), 0);
	if (elem.bits > 16)
		return quantize_wide(e, mode, elem, t, zero, lo, hi);
	LLVMValueRef lo_z = LLVMBuildSub(e->b, az_int_like(e, zero, lo), zero, "");
	LLVMValueRef hi_z = LLVMBuildSub(e->b, az_int_like(e, zero, hi), zero, "");
	LLVMTypeRef f32 = LLVMTypeOf(t);
	if (elem.kind == AZ_KIND_BIPOLAR) /* the sign; NaN counts as negative */
		return az_choose(e, az_fcmp(e, LLVMRealOGE, t, az_real_like(e, t, 0)),
			az_int_like(e, zero, 1), az_int_like(e, zero, -1));
	t = clamp_to(e, t, LLVMBuildSIToFP(e->b, lo_z, f32, ""),
		LLVMBuildSIToFP(e->b, hi_z, f32, ""));
	return LLVMBuildAdd(e->b, az_round_small(e, mode, t), zero, "");
}

/* Zero, or subnormal, which counts as zero. */
static LLVMValueRef is_no_scale(az_emitter *e, LLVMValueRef scale)
{
	LLVMValueRef magnitude = az_bits_of(e, az_fabs(e, scale));
	return az_icmp(e, LLVMIntSLT, magnitude, az_int_like(e, magnitude, 0x00800000));
}

static LLVMValueRef to_f32(az_emitter *e, LLVMValueRef x)
{
	return az_is_f64(e, x) ? LLVMBuildFPTrunc(e->b, x, az_type_like(e->f32, x), "") : x;
}

LLVMValueRef az_expr_quantize(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	const az_attrs_quantize *attr = &op->attr.quantize;
	az_elem elem = op->results[0]->type->elem;
	/* A zero scale means that every value is 0. */
	LLVMValueRef t = az_fdiv(e, to_f32(e, args[0]), args[1]);
	t = az_choose(e, is_no_scale(e, args[1]), az_real_like(e, t, 0), t);
	return to_stored(e, attr->rounding, elem, attr->clamp, t,
		op->arg_count > 2 ? args[2] : NULL);
}

LLVMValueRef az_expr_requantize(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	const az_attrs_requantize *attr = &op->attr.requantize;
	az_elem elem = op->results[0]->type->elem;
	az_elem from = az_op_arg(op, 0)->type->elem;
	LLVMValueRef acc = az_int_to_float(e, from, args[0], az_type_like(e->f32, args[0]));
	/* A subnormal scale needs no test here: its products round to 0 all the same. */
	LLVMValueRef t = LLVMBuildFMul(e->b, acc, args[1], "");
	LLVMValueRef zero = az_int(e, az_type_like(e->i32, t), attr->zero);
	return to_stored(e, attr->rounding, elem, attr->clamp, t, zero);
}

/* f32(q - zero), the difference exact. */
static LLVMValueRef difference(az_emitter *e, az_elem elem, LLVMValueRef q, LLVMValueRef zero)
{
	LLVMTypeRef f32 = az_type_like(e->f32, q);
	if (!zero)
		return az_int_to_float(e, elem, q, f32);
	if (elem.bits <= 16)
		return LLVMBuildSIToFP(e->b, LLVMBuildSub(e->b, q, zero, ""), f32, "");
	if (elem.bits <= 32) {
		LLVMTypeRef f64 = az_type_like(e->f64, q);
		LLVMValueRef a = az_int_to_float(e, elem, q, f64);
		LLVMValueRef z = LLVMBuildSIToFP(e->b, zero, f64, "");
		return LLVMBuildFPTrunc(e->b, LLVMBuildFSub(e->b, a, z, ""), f32, "");
	}
	LLVMValueRef z = LLVMBuildSExt(e->b, zero, LLVMTypeOf(q), "");
	return az_int_to_float(e, elem, LLVMBuildSub(e->b, q, z, ""), f32);
}

LLVMValueRef az_expr_dequantize(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	az_elem from = az_op_arg(op, 0)->type->elem, to = op->results[0]->type->elem;
	LLVMValueRef d = difference(e, from, args[0], op->arg_count > 2 ? args[2] : NULL);
	LLVMValueRef scale =
		az_choose(e, is_no_scale(e, args[1]), az_real_like(e, args[1], 0), args[1]);
	LLVMValueRef x = LLVMBuildFMul(e->b, d, scale, "");
	if (to.bits == 64)
		return LLVMBuildFPExt(e->b, x, az_type_like(e->f64, x), "");
	return az_to_grid(e, to, x);
}

LLVMValueRef az_expr_lookup(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	az_elem from = az_op_arg(op, 0)->type->elem, to = az_op_arg(op, 1)->type->elem;
	LLVMValueRef x = args[0], table = args[1];
	uint32_t lanes = az_lanes(LLVMTypeOf(x));
	if (from.kind == AZ_KIND_BOOL)
		x = LLVMBuildZExt(e->b, x, az_type_like(e->i32, x), "");
	else if (from.kind == AZ_KIND_BIPOLAR)
		x = LLVMBuildLShr(e->b, LLVMBuildAdd(e->b, x, az_int_like(e, x, 1), ""),
			az_int_like(e, x, 1), "");
	else
		x = LLVMBuildSub(e->b, x, az_int_like(e, x, az_elem_min(from)), "");
	int64_t bytes = to.bits / 8;
	LLVMValueRef out = LLVMGetPoison(az_vec_type(az_register_type(e, to), lanes));
	for (uint32_t i = 0; i < lanes; i++) {
		LLVMValueRef lane = LLVMConstInt(e->i32, i, 0);
		LLVMValueRef at = lanes == 1 ? x : LLVMBuildExtractElement(e->b, x, lane, "");
		at = LLVMBuildZExt(e->b, at, e->i64, "");
		LLVMValueRef v =
			az_elem_is_packed(to)
				? az_load_packed(e, to, table, at)
				: az_load_elems(e, to, az_at(e, table, az_mul(e, at, bytes)), 1,
					  (uint32_t)bytes);
		out = lanes == 1 ? v : LLVMBuildInsertElement(e->b, out, v, lane, "");
	}
	return out;
}

/* Are comparisons of vectors bits that arithmetic may be masked by, not numbers? */
static bool has_masks(const az_emitter *e)
{
	return e->target->arch == AZ_ARCH_RISCV64 ||
	       (e->target->arch == AZ_ARCH_X86_64 && e->target->vector_bytes >= 64);
}

/* Up from the base by a step for each level reached, masked; or down from the top for each that is not: a
 * comparison that holds is -1 as an integer. */
LLVMValueRef az_expr_threshold(az_emitter *e, const az_op *op, const LLVMValueRef *args)
{
	const az_attrs_threshold *attr = &op->attr.threshold;
	LLVMValueRef x = args[0];
	if (args[AZ_EXPR_FLIP])
		x = LLVMBuildXor(e->b, x, args[AZ_EXPR_FLIP], "");
	int64_t levels = op->args[1].value->type->dim[0];
	LLVMTypeRef type = az_type_like(e->i32, x);
	if (has_masks(e)) {
		LLVMValueRef y = az_int(e, type, attr->base), step = az_int(e, type, attr->step);
		for (int64_t i = 0; i < levels; i++) {
			LLVMValueRef over = az_icmp(e, LLVMIntSGE, x, args[AZ_EXPR_LEVELS + i]);
			y = az_choose(e, over, LLVMBuildAdd(e->b, y, step, ""), y);
		}
		return y;
	}
	LLVMValueRef minus = az_int(e, type, 0);
	for (int64_t i = 0; i < levels; i++) {
		LLVMValueRef under = az_icmp(e, LLVMIntSLT, x, args[AZ_EXPR_LEVELS + i]);
		minus = LLVMBuildAdd(e->b, minus, LLVMBuildSExt(e->b, under, type, ""), "");
	}
	if (attr->step == 2)
		minus = LLVMBuildAdd(e->b, minus, minus, "");
	return LLVMBuildAdd(e->b, az_int(e, type, attr->base + attr->step * levels), minus, "");
}
