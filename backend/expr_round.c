/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounding and conversion between numbers. Rounding to i32 uses the one conversion instruction that rounds
 * to even where the target has it, else the magic number 1.5 * 2^23, whose low bits after an addition
 * are the rounded integer. Generic LLVM rounding operations are avoided: on some targets they are calls
 * of the C library, on some they abort the code generator. */
#include "backend/expr.h"

#define MAGIC_F32      12582912.0
#define MAGIC_F32_BITS 0x4b400000
#define INTEGRAL_F32   0x1p23 /* from here on every f32 is an integer */
#define INTEGRAL_F64   0x1p52

/* Calls `name` on pieces of `lanes` lanes and joins the results. */
static LLVMValueRef in_pieces(az_emitter *e, const char *name, LLVMValueRef x, uint32_t lanes)
{
	uint32_t count = az_lanes(LLVMTypeOf(x));
	if (count <= lanes) {
		LLVMTypeRef types[2] = {az_vec_type(e->i32, count), az_vec_type(e->f32, count)};
		return az_intrinsic(e, name, types, 2, &x, 1);
	}
	LLVMValueRef index[64], half[2];
	uint32_t n = count / 2;
	for (uint32_t h = 0; h < 2; h++) {
		for (uint32_t i = 0; i < n; i++)
			index[i] = LLVMConstInt(e->i32, h * n + i, 0);
		LLVMValueRef mask = LLVMConstVector(index, n);
		LLVMValueRef part =
			LLVMBuildShuffleVector(e->b, x, LLVMGetPoison(LLVMTypeOf(x)), mask, "");
		half[h] = in_pieces(e, name, part, lanes);
	}
	for (uint32_t i = 0; i < count; i++)
		index[i] = LLVMConstInt(e->i32, i, 0);
	return LLVMBuildShuffleVector(e->b, half[0], half[1], LLVMConstVector(index, count), "");
}

static bool halves_to(uint32_t count, uint32_t lanes)
{
	return count <= 64 && (count & (count - 1)) == 0 && (count == 1 || count >= lanes);
}

LLVMValueRef az_round_to_int(az_emitter *e, LLVMValueRef x)
{
	uint32_t count = az_lanes(LLVMTypeOf(x));
	if (e->target->arch == AZ_ARCH_X86_64 && halves_to(count, 4))
		return in_pieces(e, "llvm.lrint", x, AZ_MAX(e->target->vector_bytes / 4, 4u));
	if (e->target->arch == AZ_ARCH_AARCH64 && halves_to(count, 4))
		return in_pieces(e, "llvm.aarch64.neon.fcvtns", x, 4);
	LLVMValueRef sum = LLVMBuildFAdd(e->b, x, az_real_like(e, x, MAGIC_F32), "");
	LLVMValueRef bits = az_bits_of(e, sum);
	return LLVMBuildSub(e->b, bits, az_int_like(e, bits, MAGIC_F32_BITS), "");
}

/* Significand shifted to its place: |x| < 2^31, or the lane is unspecified. */
static LLVMValueRef shift_to_int(az_emitter *e, LLVMValueRef x, LLVMTypeRef type)
{
	LLVMBuilderRef b = e->b;
	LLVMValueRef bits = LLVMBuildBitCast(b, x, type, ""), zero = az_int(e, type, 0);
	LLVMValueRef exponent = LLVMBuildAnd(b, LLVMBuildLShr(b, bits, az_int(e, type, 23), ""),
		az_int(e, type, 255), "");
	LLVMValueRef m = LLVMBuildOr(b, LLVMBuildAnd(b, bits, az_int(e, type, 0x7fffff), ""),
		az_int(e, type, 0x800000), "");
	LLVMValueRef right = LLVMBuildSub(b, az_int(e, type, 127 + 23), exponent, "");
	LLVMValueRef left = LLVMBuildSub(b, zero, right, "");
	LLVMValueRef all = az_int(e, type, 31);
	LLVMValueRef far = az_icmp(e, LLVMIntSGT, right, all);
	LLVMValueRef small = LLVMBuildLShr(b, m, az_choose(e, far, all, right), "");
	LLVMValueRef large = LLVMBuildShl(b, m, left, "");
	m = az_choose(e, az_icmp(e, LLVMIntSGE, right, zero), small, large);
	LLVMValueRef negative = az_icmp(e, LLVMIntSLT, bits, zero);
	return az_choose(e, negative, LLVMBuildSub(b, zero, m, ""), m);
}

static LLVMValueRef convert(az_emitter *e, LLVMValueRef x, LLVMTypeRef type, bool is_signed)
{
	return is_signed ? LLVMBuildFPToSI(e->b, x, type, "") : LLVMBuildFPToUI(e->b, x, type, "");
}

/* QEMU 7.2 stops with an assertion at RISC-V's vector conversions with a rounding of their own
 * (vfcvt.rtz and its relatives). The common one is done on the bits, the others lane by lane. */
LLVMValueRef az_truncate(az_emitter *e, LLVMValueRef x, LLVMTypeRef lane, bool is_signed)
{
	LLVMTypeRef type = az_type_like(lane, x);
	uint32_t lanes = az_lanes(type);
	if (e->target->arch != AZ_ARCH_RISCV64 || lanes == 1)
		return convert(e, x, type, is_signed);
	if (!az_is_f64(e, x) && lane == e->i32 && is_signed)
		return shift_to_int(e, x, type);
	LLVMValueRef out = LLVMGetPoison(type);
	for (uint32_t i = 0; i < lanes; i++) {
		LLVMValueRef at = LLVMConstInt(e->i32, i, 0);
		LLVMValueRef v = LLVMBuildExtractElement(e->b, x, at, "");
		v = convert(e, v, lane, is_signed);
		out = LLVMBuildInsertElement(e->b, out, v, at, "");
	}
	return out;
}

LLVMValueRef az_round_small(az_emitter *e, az_rounding mode, LLVMValueRef x)
{
	if (mode == AZ_rounding_even)
		return az_round_to_int(e, x);
	LLVMTypeRef type = az_type_like(e->i32, x);
	LLVMValueRef i = az_truncate(e, x, e->i32, true);
	if (mode == AZ_rounding_zero)
		return i;
	LLVMValueRef back = LLVMBuildSIToFP(e->b, i, LLVMTypeOf(x), "");
	bool down = mode == AZ_rounding_floor;
	LLVMValueRef off = az_fcmp(e, down ? LLVMRealOGT : LLVMRealOLT, back, x);
	/* A true comparison sign-extends to -1. */
	LLVMValueRef step = LLVMBuildSExt(e->b, off, type, "");
	return down ? LLVMBuildAdd(e->b, i, step, "") : LLVMBuildSub(e->b, i, step, "");
}

/* Rounds a magnitude below 2^23 (2^52) to even: the sum has no room for a fraction. */
static LLVMValueRef magnitude_even(az_emitter *e, LLVMValueRef magnitude, LLVMValueRef integral)
{
	LLVMValueRef sum = LLVMBuildFAdd(e->b, magnitude, integral, "");
	return LLVMBuildFSub(e->b, sum, integral, "");
}

LLVMValueRef az_round_float(az_emitter *e, az_rounding mode, LLVMValueRef x)
{
	bool wide = az_is_f64(e, x);
	LLVMValueRef integral = az_real_like(e, x, wide ? INTEGRAL_F64 : INTEGRAL_F32);
	LLVMValueRef magnitude = az_fabs(e, x), zero = az_real_like(e, x, 0),
		     one = az_real_like(e, x, 1);
	LLVMValueRef bits = az_bits_of(e, x);
	LLVMValueRef sign =
		LLVMBuildAnd(e->b, bits, az_int_like(e, bits, wide ? INT64_MIN : INT32_MIN), "");
	LLVMValueRef is_small = az_fcmp(e, LLVMRealOLT, magnitude, integral);
	LLVMValueRef r = magnitude_even(e, az_choose(e, is_small, magnitude, zero), integral);
	/* Toward zero in magnitude, then one further for floor of negatives and ceil of positives. */
	if (mode != AZ_rounding_even) {
		LLVMValueRef over = az_fcmp(e, LLVMRealOGT, r, magnitude);
		r = LLVMBuildFSub(e->b, r, az_choose(e, over, one, zero), "");
	}
	if (mode == AZ_rounding_floor || mode == AZ_rounding_ceil) {
		LLVMIntPredicate p = mode == AZ_rounding_floor ? LLVMIntSLT : LLVMIntSGE;
		LLVMValueRef outward = az_icmp(e, p, bits, az_int_like(e, bits, 0));
		LLVMValueRef inexact = az_fcmp(e, LLVMRealOLT, r, magnitude);
		outward = LLVMBuildAnd(e->b, outward, inexact, "");
		r = LLVMBuildFAdd(e->b, r, az_choose(e, outward, one, zero), "");
	}
	r = az_float_of(e, LLVMBuildOr(e->b, az_bits_of(e, r), sign, ""));
	return az_choose(e, is_small, r, x);
}
