/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers on registers: conversions to and from floats, casts, division, remainder, powers. Vector
 * instructions are used where a target has them; what 32-bit ARM would do in a library goes through f64
 * (exact for 32-bit operands) or, lane by lane, through backend/expr_wide.c. */
#include "backend/expr.h"
#include "backend/expr_wide.h"

#include <math.h>

static bool is_arm(const az_emitter *e)
{
	return e->target->arch == AZ_ARCH_ARM;
}

typedef LLVMValueRef lane_function(az_emitter *e, LLVMValueRef a, LLVMValueRef b, void *data);

/* Applies f to every lane; b may be NULL. */
static LLVMValueRef by_lanes(az_emitter *e, LLVMValueRef a, LLVMValueRef b, lane_function *f,
	void *data)
{
	uint32_t lanes = az_lanes(LLVMTypeOf(a));
	if (lanes == 1)
		return f(e, a, b, data);
	LLVMValueRef out = NULL;
	for (uint32_t i = 0; i < lanes; i++) {
		LLVMValueRef at = LLVMConstInt(e->i32, i, 0);
		LLVMValueRef x = LLVMBuildExtractElement(e->b, a, at, "");
		LLVMValueRef y = b ? LLVMBuildExtractElement(e->b, b, at, "") : NULL;
		LLVMValueRef v = f(e, x, y, data);
		if (!out)
			out = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(v), lanes));
		out = LLVMBuildInsertElement(e->b, out, v, at, "");
	}
	return out;
}

typedef struct wide_conversion {
	LLVMTypeRef to;
	bool is_signed;
} wide_conversion;

static LLVMValueRef wide_to_float(az_emitter *e, LLVMValueRef x, LLVMValueRef unused, void *data)
{
	const wide_conversion *c = data;
	(void)unused;
	return az_wide_to_float(e, x, c->is_signed, c->to);
}

static LLVMValueRef wide_from_float(az_emitter *e, LLVMValueRef x, LLVMValueRef unused, void *data)
{
	(void)unused;
	(void)data;
	return az_wide_from_float(e, x);
}

static LLVMTypeRef lane_of(LLVMTypeRef type)
{
	return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

LLVMValueRef az_int_to_float(az_emitter *e, az_elem from, LLVMValueRef x, LLVMTypeRef to)
{
	if (from.bits > 32 && is_arm(e)) {
		wide_conversion c = {lane_of(to), az_elem_is_signed(from)};
		return by_lanes(e, x, NULL, wide_to_float, &c);
	}
	if (az_elem_is_signed(from) || from.bits < 32)
		return LLVMBuildSIToFP(e->b, x, to, "");
	return LLVMBuildUIToFP(e->b, x, to, "");
}

/* f32 or f64 to an integer element: truncates, saturates, NaN gives 0. */
static LLVMValueRef float_to_int(az_emitter *e, az_elem to, LLVMValueRef x)
{
	bool is_signed = az_elem_is_signed(to);
	/* Both limits are powers of two (or 0), so they are exact in every float. */
	double above = 1;
	for (int i = 0; i < to.bits - is_signed; i++)
		above *= 2;
	double lo = is_signed ? -above : 0;
	LLVMTypeRef type = az_type_like(to.bits > 32 ? e->i64 : e->i32, x);
	LLVMValueRef low = az_real_like(e, x, lo), high = az_real_like(e, x, above);
	LLVMValueRef is_low = az_fcmp(e, LLVMRealOLE, x, low),
		     is_high = az_fcmp(e, LLVMRealOGE, x, high);
	LLVMValueRef inside = az_fcmp(e, LLVMRealOGT, x, low);
	inside = LLVMBuildAnd(e->b, inside, az_fcmp(e, LLVMRealOLT, x, high), "");
	LLVMValueRef safe = az_choose(e, inside, x, az_real_like(e, x, 0)), i;
	if (to.bits > 32 && is_arm(e)) {
		LLVMTypeRef f64 = az_type_like(e->f64, x);
		safe = az_is_f64(e, x) ? safe : LLVMBuildFPExt(e->b, safe, f64, "");
		i = by_lanes(e, safe, NULL, wide_from_float, NULL);
	} else {
		i = az_truncate(e, safe, to.bits > 32 ? e->i64 : e->i32, is_signed || to.bits < 32);
	}
	uint64_t top =
		to.bits - is_signed == 64 ? UINT64_MAX : (UINT64_C(1) << (to.bits - is_signed)) - 1;
	i = az_choose(e, is_low, az_int(e, type, is_signed ? (int64_t)~top : 0), i);
	return az_choose(e, is_high, az_int(e, type, (int64_t)top), i);
}

/* f64 to f32 rounded to odd: rounding once more, to 16 bits, then gives what one rounding would. */
static LLVMValueRef narrow_to_odd(az_emitter *e, LLVMValueRef x)
{
	LLVMValueRef f = LLVMBuildFPTrunc(e->b, x, az_type_like(e->f32, x), "");
	LLVMValueRef back = LLVMBuildFPExt(e->b, f, LLVMTypeOf(x), "");
	LLVMValueRef bits = az_bits_of(e, f), one = az_int_like(e, bits, 1);
	LLVMValueRef grown = az_fcmp(e, LLVMRealOGT, az_fabs(e, back), az_fabs(e, x));
	LLVMValueRef cut = az_choose(e, grown, LLVMBuildSub(e->b, bits, one, ""), bits);
	LLVMValueRef odd = LLVMBuildOr(e->b, cut, one, "");
	LLVMValueRef inexact = az_fcmp(e, LLVMRealONE, back, x); /* false for NaN */
	return az_float_of(e, az_choose(e, inexact, odd, bits));
}

static LLVMValueRef cast_float(az_emitter *e, az_elem to, LLVMValueRef x)
{
	bool wide = az_is_f64(e, x);
	if (wide && to.bits == 16)
		return narrow_to_odd(e, x);
	if (to.bits == 64)
		return wide ? x : LLVMBuildFPExt(e->b, x, az_type_like(e->f64, x), "");
	return wide ? LLVMBuildFPTrunc(e->b, x, az_type_like(e->f32, x), "") : x;
}

static LLVMValueRef resize_int(az_emitter *e, bool is_signed, LLVMTypeRef lane, LLVMValueRef x)
{
	LLVMTypeRef type = az_type_like(lane, x);
	unsigned from = LLVMGetIntTypeWidth(lane_of(LLVMTypeOf(x))), to = LLVMGetIntTypeWidth(lane);
	if (from == to)
		return x;
	if (from > to)
		return LLVMBuildTrunc(e->b, x, type, "");
	return is_signed ? LLVMBuildSExt(e->b, x, type, "") : LLVMBuildZExt(e->b, x, type, "");
}

/* -1 or 1; NaN counts as negative. */
static LLVMValueRef cast_to_sign(az_emitter *e, az_elem from, LLVMValueRef x)
{
	LLVMTypeRef type = az_type_like(e->i32, x);
	LLVMValueRef one = az_int(e, type, 1), minus = az_int(e, type, -1);
	if (az_elem_is_float(from))
		return az_choose(e, az_fcmp(e, LLVMRealOGE, x, az_real_like(e, x, 0)), one, minus);
	if (from.kind == AZ_KIND_BOOL || !az_elem_is_signed(from))
		return one;
	return az_choose(e, az_icmp(e, LLVMIntSGE, x, az_int_like(e, x, 0)), one, minus);
}

LLVMValueRef az_cast(az_emitter *e, az_elem from, az_elem to, LLVMValueRef x)
{
	LLVMTypeRef lane = az_register_type(e, to);
	if (to.kind == AZ_KIND_BOOL) {
		if (from.kind == AZ_KIND_BOOL)
			return x;
		if (az_elem_is_float(from)) /* NaN is not zero */
			return az_fcmp(e, LLVMRealUNE, x, az_real_like(e, x, 0));
		return az_icmp(e, LLVMIntNE, x, az_int_like(e, x, 0));
	}
	if (to.kind == AZ_KIND_BIPOLAR)
		return cast_to_sign(e, from, x);
	if (az_elem_is_float(from)) {
		if (az_elem_is_float(to))
			return az_to_grid(e, to, cast_float(e, to, x));
		return float_to_int(e, to, x);
	}
	if (az_elem_is_float(to)) {
		if (from.kind == AZ_KIND_BOOL) {
			LLVMTypeRef type = az_type_like(lane, x);
			return LLVMBuildUIToFP(e->b, x, type, "");
		}
		return az_to_grid(e, to, az_int_to_float(e, from, x, az_type_like(lane, x)));
	}
	bool is_signed = from.kind != AZ_KIND_BOOL && az_elem_is_signed(from);
	return az_to_grid(e, to, resize_int(e, is_signed, lane, x));
}

/* --- Division --------------------------------------------------------------------------------------- */

static LLVMValueRef divide_signed_wide(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	LLVMValueRef zero = az_index(e, 0);
	LLVMValueRef a_low = az_icmp(e, LLVMIntSLT, a, zero),
		     b_low = az_icmp(e, LLVMIntSLT, b, zero);
	LLVMValueRef x = az_choose(e, a_low, LLVMBuildSub(e->b, zero, a, ""), a);
	LLVMValueRef y = az_choose(e, b_low, LLVMBuildSub(e->b, zero, b, ""), b);
	LLVMValueRef q = az_wide_divide(e, x, y);
	LLVMValueRef negate = LLVMBuildXor(e->b, a_low, b_low, "");
	return az_choose(e, negate, LLVMBuildSub(e->b, zero, q, ""), q);
}

/* One quotient; b is neither 0 nor, when signed, -1. */
static LLVMValueRef divide_lane(az_emitter *e, LLVMValueRef a, LLVMValueRef b, void *data)
{
	const az_elem *elem = data;
	bool is_signed = az_elem_is_signed(*elem);
	if (is_arm(e) && elem->bits > 32)
		return is_signed ? divide_signed_wide(e, a, b) : az_wide_divide(e, a, b);
	if (is_arm(e)) {
		LLVMValueRef x = az_int_to_float(e, *elem, a, e->f64);
		LLVMValueRef q = az_fdiv(e, x, az_int_to_float(e, *elem, b, e->f64));
		return is_signed ? LLVMBuildFPToSI(e->b, q, e->i32, "")
				 : LLVMBuildFPToUI(e->b, q, e->i32, "");
	}
	return is_signed ? LLVMBuildSDiv(e->b, a, b, "") : LLVMBuildUDiv(e->b, a, b, "");
}

LLVMValueRef az_int_div(az_emitter *e, az_elem elem, LLVMValueRef a, LLVMValueRef b)
{
	LLVMValueRef zero = az_int_like(e, b, 0), one = az_int_like(e, b, 1);
	LLVMValueRef by_zero = az_icmp(e, LLVMIntEQ, b, zero), special = by_zero, minus = NULL;
	if (az_elem_is_signed(elem)) { /* the lowest value by -1 traps on x86 */
		minus = az_icmp(e, LLVMIntEQ, b, az_int_like(e, b, -1));
		special = LLVMBuildOr(e->b, by_zero, minus, "");
	}
	LLVMValueRef q = by_lanes(e, a, az_choose(e, special, one, b), divide_lane, &elem);
	if (minus)
		q = az_choose(e, minus, LLVMBuildSub(e->b, zero, a, ""), q);
	return az_to_grid(e, elem, az_choose(e, by_zero, zero, q));
}

LLVMValueRef az_int_mod(az_emitter *e, az_elem elem, bool truncated, LLVMValueRef a, LLVMValueRef b)
{
	LLVMValueRef zero = az_int_like(e, b, 0);
	LLVMValueRef q = az_int_div(e, elem, a, b);
	LLVMValueRef r = LLVMBuildSub(e->b, a, LLVMBuildMul(e->b, q, b, ""), "");
	if (!truncated && az_elem_is_signed(elem)) {
		LLVMValueRef differ = az_icmp(e, LLVMIntSLT, LLVMBuildXor(e->b, r, b, ""), zero);
		differ = LLVMBuildAnd(e->b, differ, az_icmp(e, LLVMIntNE, r, zero), "");
		r = LLVMBuildAdd(e->b, r, az_choose(e, differ, b, zero), "");
	}
	r = az_choose(e, az_icmp(e, LLVMIntEQ, b, zero), zero, r);
	return az_to_grid(e, elem, r);
}

/* By squaring, modulo 2^32 or 2^64; negative exponents give the truncated quotient 1 / a^-b. */
LLVMValueRef az_int_pow(az_emitter *e, az_elem elem, LLVMValueRef a, LLVMValueRef b)
{
	bool is_signed = az_elem_is_signed(elem);
	LLVMValueRef zero = az_int_like(e, a, 0), one = az_int_like(e, a, 1),
		     minus = az_int_like(e, a, -1);
	LLVMValueRef state[3] = {one, a, b}; /* product, power of a, what is left of b */
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, elem.bits), 1, 3, state);
	LLVMValueRef odd = LLVMBuildAnd(e->b, loop.carried[2], one, "");
	LLVMValueRef factor = az_choose(e, az_icmp(e, LLVMIntNE, odd, zero), loop.carried[1], one);
	LLVMValueRef next[3] = {LLVMBuildMul(e->b, loop.carried[0], factor, ""),
		LLVMBuildMul(e->b, loop.carried[1], loop.carried[1], ""),
		LLVMBuildLShr(e->b, loop.carried[2], one, "")};
	az_loop_end(e, &loop, next);
	LLVMValueRef r = loop.carried[0];
	if (is_signed) {
		LLVMValueRef b_odd = LLVMBuildAnd(e->b, b, one, "");
		LLVMValueRef sign = az_choose(e, az_icmp(e, LLVMIntNE, b_odd, zero), minus, one);
		LLVMValueRef inverse = az_choose(e, az_icmp(e, LLVMIntEQ, a, minus), sign, zero);
		inverse = az_choose(e, az_icmp(e, LLVMIntEQ, a, one), one, inverse);
		r = az_choose(e, az_icmp(e, LLVMIntSLT, b, zero), inverse, r);
	}
	return az_to_grid(e, elem, r);
}

static LLVMValueRef float_remainder(az_emitter *e, LLVMValueRef a, LLVMValueRef b, void *data)
{
	(void)data;
	return az_wide_remainder(e, a, b);
}

/* The remainder of f32 values is exact in f64 and is an f32 again. */
LLVMValueRef az_float_mod(az_emitter *e, bool truncated, LLVMValueRef a, LLVMValueRef b)
{
	LLVMTypeRef f64 = az_type_like(e->f64, a), type = LLVMTypeOf(a);
	bool wide = az_is_f64(e, a);
	LLVMValueRef x = wide ? a : LLVMBuildFPExt(e->b, a, f64, "");
	LLVMValueRef y = wide ? b : LLVMBuildFPExt(e->b, b, f64, "");
	LLVMValueRef r = by_lanes(e, x, y, float_remainder, NULL);
	r = wide ? r : LLVMBuildFPTrunc(e->b, r, type, "");
	if (truncated)
		return r;
	LLVMValueRef zero = az_real_like(e, r, 0);
	LLVMValueRef r_low = az_fcmp(e, LLVMRealOLT, r, zero),
		     b_low = az_fcmp(e, LLVMRealOLT, b, zero);
	LLVMValueRef differ = LLVMBuildXor(e->b, r_low, b_low, "");
	differ = LLVMBuildAnd(e->b, differ, az_fcmp(e, LLVMRealUNE, r, zero), "");
	return az_choose(e, differ, LLVMBuildFAdd(e->b, r, b, ""), r);
}

LLVMValueRef az_clip_int(az_emitter *e, az_elem elem, LLVMValueRef x, float lo, float hi)
{
	/* The integers within the bounds; what a bound lets through everywhere makes no code. */
	double least = ceil((double)lo), most = floor((double)hi);
	double bottom = (double)az_elem_min(elem), top = (double)az_elem_max(elem);
	bool is_signed = az_elem_is_signed(elem);
	LLVMValueRef y = x;
	if (least > bottom) {
		LLVMValueRef v = az_int_like(e, x, least >= 0x1p63 ? INT64_MAX : (int64_t)least);
		LLVMIntPredicate less = is_signed ? LLVMIntSLT : LLVMIntULT;
		LLVMValueRef low = az_icmp(e, less, x, v);
		y = least > top ? v : az_choose(e, low, v, y);
	}
	if (most < top) {
		LLVMValueRef v = az_int_like(e, x, most <= -0x1p63 ? INT64_MIN : (int64_t)most);
		LLVMIntPredicate more = is_signed ? LLVMIntSGT : LLVMIntUGT;
		y = most < bottom ? v : az_choose(e, az_icmp(e, more, x, v), v, y);
	}
	return az_to_grid(e, elem, y);
}
