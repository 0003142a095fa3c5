/* SPDX-License-Identifier: Apache-2.0
 *
 * Register forms of elements: loading and storing with conversion, and the small float helpers that the
 * other expression files are written in. f16 and bf16 are converted with integer code only (the
 * functions of base/num.c, lane by lane without branches), so that no target needs a library for it. */
#include "backend/expr.h"

#include <math.h>

LLVMTypeRef az_type_like(LLVMTypeRef elem, LLVMValueRef like)
{
	return az_vec_type(elem, az_lanes(LLVMTypeOf(like)));
}

LLVMValueRef az_real_like(az_emitter *e, LLVMValueRef like, double v)
{
	return az_real(e, LLVMTypeOf(like), v);
}

LLVMValueRef az_int_like(az_emitter *e, LLVMValueRef like, int64_t v)
{
	return az_int(e, LLVMTypeOf(like), v);
}

static LLVMTypeRef lane_type(LLVMValueRef x)
{
	LLVMTypeRef type = LLVMTypeOf(x);
	return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

bool az_is_f64(az_emitter *e, LLVMValueRef x)
{
	return lane_type(x) == e->f64;
}

bool az_is_real(az_emitter *e, LLVMValueRef x)
{
	return lane_type(x) == e->f32 || lane_type(x) == e->f64;
}

/* Only contraction: it changes roundings, never what happens to infinities and NaN. */
static LLVMValueRef loosen(az_emitter *e, LLVMValueRef x)
{
	if (e->fast && LLVMIsAInstruction(x) && LLVMCanValueUseFastMathFlags(x))
		LLVMSetFastMathFlags(x, LLVMFastMathAllowContract);
	return x;
}

LLVMValueRef az_fadd(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	return loosen(e, LLVMBuildFAdd(e->b, a, b, ""));
}

LLVMValueRef az_fsub(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	return loosen(e, LLVMBuildFSub(e->b, a, b, ""));
}

LLVMValueRef az_fmul(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	return loosen(e, LLVMBuildFMul(e->b, a, b, ""));
}

LLVMValueRef az_fdiv(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildFDiv(e->b, a, b, "");
}

LLVMValueRef az_sqrt(az_emitter *e, LLVMValueRef x)
{
	LLVMTypeRef type = LLVMTypeOf(x);
	return az_intrinsic(e, "llvm.sqrt", &type, 1, &x, 1);
}

LLVMValueRef az_fcmp(az_emitter *e, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildFCmp(e->b, p, a, b, "");
}

LLVMValueRef az_icmp(az_emitter *e, LLVMIntPredicate p, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildICmp(e->b, p, a, b, "");
}

LLVMValueRef az_choose(az_emitter *e, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildSelect(e->b, c, a, b, "");
}

LLVMValueRef az_bits_of(az_emitter *e, LLVMValueRef x)
{
	LLVMTypeRef to = az_is_f64(e, x) ? e->i64 : e->i32;
	return LLVMBuildBitCast(e->b, x, az_type_like(to, x), "");
}

LLVMValueRef az_float_of(az_emitter *e, LLVMValueRef bits)
{
	LLVMTypeRef to = lane_type(bits) == e->i64 ? e->f64 : e->f32;
	return LLVMBuildBitCast(e->b, bits, az_type_like(to, bits), "");
}

LLVMValueRef az_fabs(az_emitter *e, LLVMValueRef x)
{
	int64_t mask = az_is_f64(e, x) ? INT64_MAX : INT32_MAX;
	LLVMValueRef bits = az_bits_of(e, x);
	return az_float_of(e, LLVMBuildAnd(e->b, bits, az_int_like(e, bits, mask), ""));
}

LLVMValueRef az_fneg(az_emitter *e, LLVMValueRef x)
{
	int64_t mask = az_is_f64(e, x) ? INT64_MIN : INT32_MIN;
	LLVMValueRef bits = az_bits_of(e, x);
	return az_float_of(e, LLVMBuildXor(e->b, bits, az_int_like(e, bits, mask), ""));
}

LLVMValueRef az_is_nan(az_emitter *e, LLVMValueRef x)
{
	return az_fcmp(e, LLVMRealUNO, x, x);
}

LLVMValueRef az_clip(az_emitter *e, LLVMValueRef x, float lo, float hi)
{
	/* `lo > x ? lo : x` gives x when it is NaN, and is one instruction on x86. */
	if (lo > -INFINITY) {
		LLVMValueRef bound = az_real_like(e, x, (double)lo);
		x = az_choose(e, az_fcmp(e, LLVMRealOGT, bound, x), bound, x);
	}
	if (hi < INFINITY) {
		LLVMValueRef bound = az_real_like(e, x, (double)hi);
		x = az_choose(e, az_fcmp(e, LLVMRealOLT, bound, x), bound, x);
	}
	return x;
}

LLVMValueRef az_more(az_emitter *e, az_elem elem, bool max, LLVMValueRef a, LLVMValueRef b)
{
	if (!az_elem_is_float(elem)) {
		bool is_signed = az_elem_is_signed(elem);
		LLVMIntPredicate p = max ? (is_signed ? LLVMIntSGT : LLVMIntUGT)
					 : (is_signed ? LLVMIntSLT : LLVMIntULT);
		return az_choose(e, az_icmp(e, p, a, b), a, b);
	}
	/* A NaN in b wins the plain comparison already. */
	LLVMValueRef wins = az_fcmp(e, max ? LLVMRealOGT : LLVMRealOLT, a, b);
	return az_choose(e, az_is_nan(e, a), a, az_choose(e, wins, a, b));
}

/* --- 16-bit floats -------------------------------------------------------------------------------- */

static LLVMValueRef shift_left(az_emitter *e, LLVMValueRef x, int64_t by)
{
	return LLVMBuildShl(e->b, x, az_int_like(e, x, by), "");
}

static LLVMValueRef shift_right(az_emitter *e, LLVMValueRef x, int64_t by)
{
	return LLVMBuildLShr(e->b, x, az_int_like(e, x, by), "");
}

static LLVMValueRef and_const(az_emitter *e, LLVMValueRef x, int64_t mask)
{
	return LLVMBuildAnd(e->b, x, az_int_like(e, x, mask), "");
}

static LLVMValueRef add_const(az_emitter *e, LLVMValueRef x, int64_t v)
{
	return LLVMBuildAdd(e->b, x, az_int_like(e, x, v), "");
}

static LLVMValueRef or_values(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildOr(e->b, a, b, "");
}

static LLVMValueRef unpack_f16(az_emitter *e, LLVMValueRef h)
{
	LLVMValueRef sign = shift_left(e, and_const(e, h, 0x8000), 16);
	LLVMValueRef magnitude = and_const(e, h, 0x7fff);
	LLVMValueRef wide = shift_left(e, magnitude, 13);
	LLVMValueRef normal = add_const(e, wide, 112 << 23);
	LLVMValueRef special = or_values(e, wide, az_int_like(e, h, 0x7f800000));
	/* Below the normal numbers the bits count multiples of 2^-24: exact in binary32. */
	LLVMValueRef count = LLVMBuildSIToFP(e->b, magnitude, az_type_like(e->f32, h), "");
	LLVMValueRef small = LLVMBuildFMul(e->b, count, az_real_like(e, count, 0x1p-24), "");
	LLVMValueRef bits = az_choose(e,
		az_icmp(e, LLVMIntUGE, magnitude, az_int_like(e, h, 0x7c00)), special, normal);
	bits = az_choose(e, az_icmp(e, LLVMIntULT, magnitude, az_int_like(e, h, 0x400)),
		az_bits_of(e, small), bits);
	return az_float_of(e, or_values(e, bits, sign));
}

static LLVMValueRef pack_f16(az_emitter *e, LLVMValueRef x)
{
	LLVMValueRef bits = az_bits_of(e, x);
	LLVMValueRef sign = and_const(e, shift_right(e, bits, 16), 0x8000);
	LLVMValueRef magnitude = and_const(e, bits, 0x7fffffff);
	/* Normal: rebias, add just under half and the last kept bit; a carry out of the fraction is right. */
	LLVMValueRef odd = and_const(e, shift_right(e, magnitude, 13), 1);
	LLVMValueRef normal = add_const(e, magnitude, 0xfff - (112 << 23));
	normal = shift_right(e, LLVMBuildAdd(e->b, normal, odd, ""), 13);
	/* Subnormal: adding 0.5 leaves the multiple of 2^-24, rounded, in the low bits. */
	LLVMValueRef half = az_real_like(e, x, 0.5);
	LLVMValueRef small = LLVMBuildFAdd(e->b, az_float_of(e, magnitude), half, "");
	small = add_const(e, az_bits_of(e, small), -0x3f000000);
	LLVMValueRef nan = and_const(e, shift_right(e, magnitude, 13), 0x1ff);
	nan = or_values(e, nan, az_int_like(e, nan, 0x7e00));
	LLVMValueRef out = az_choose(e,
		az_icmp(e, LLVMIntULT, magnitude, az_int_like(e, magnitude, 0x38800000)), small,
		normal);
	out = az_choose(e, az_icmp(e, LLVMIntUGE, magnitude, az_int_like(e, magnitude, 0x477ff000)),
		az_int_like(e, out, 0x7c00), out);
	out = az_choose(e, az_icmp(e, LLVMIntUGT, magnitude, az_int_like(e, magnitude, 0x7f800000)),
		nan, out);
	return or_values(e, out, sign);
}

static LLVMValueRef pack_bf16(az_emitter *e, LLVMValueRef x)
{
	LLVMValueRef bits = az_bits_of(e, x);
	LLVMValueRef odd = and_const(e, shift_right(e, bits, 16), 1);
	LLVMValueRef rounded = LLVMBuildAdd(e->b, add_const(e, bits, 0x7fff), odd, "");
	LLVMValueRef nan = shift_right(e, bits, 16);
	nan = or_values(e, nan, az_int_like(e, nan, 0x40));
	return az_choose(e, az_is_nan(e, x), nan, shift_right(e, rounded, 16));
}

LLVMValueRef az_pack_half(az_emitter *e, az_elem elem, LLVMValueRef x)
{
	return elem.kind == AZ_KIND_BFLOAT ? pack_bf16(e, x) : pack_f16(e, x);
}

LLVMValueRef az_unpack_half(az_emitter *e, az_elem elem, LLVMValueRef bits)
{
	if (elem.kind == AZ_KIND_BFLOAT)
		return az_float_of(e, shift_left(e, bits, 16));
	return unpack_f16(e, bits);
}

/* --- Register types, loads, stores ------------------------------------------------------------------ */

LLVMTypeRef az_register_type(az_emitter *e, az_elem elem)
{
	if (elem.kind == AZ_KIND_BOOL)
		return e->i1;
	if (az_elem_is_float(elem))
		return elem.bits == 64 ? e->f64 : e->f32;
	return elem.bits > 32 ? e->i64 : e->i32;
}

/* The type as it lies in memory. */
static LLVMTypeRef memory_type(az_emitter *e, az_elem elem)
{
	if (az_elem_is_float(elem) && elem.bits >= 32)
		return elem.bits == 64 ? e->f64 : e->f32;
	return elem.bits == 8    ? e->i8
	       : elem.bits == 16 ? e->i16
	       : elem.bits == 32 ? e->i32
				 : e->i64;
}

static bool is_half(az_elem elem)
{
	return az_elem_is_float(elem) && elem.bits == 16;
}

LLVMValueRef az_load_elems(az_emitter *e, az_elem elem, LLVMValueRef at, uint32_t lanes,
	uint32_t align)
{
	LLVMTypeRef in_memory = az_vec_type(memory_type(e, elem), lanes);
	LLVMValueRef x = az_load(e, in_memory, at, align);
	if (elem.kind == AZ_KIND_BOOL)
		return az_icmp(e, LLVMIntNE, x, az_int(e, in_memory, 0));
	LLVMTypeRef type = az_vec_type(az_register_type(e, elem), lanes);
	if (is_half(elem)) {
		LLVMTypeRef wide = az_vec_type(e->i32, lanes);
		return az_unpack_half(e, elem, LLVMBuildZExt(e->b, x, wide, ""));
	}
	if (in_memory == type)
		return x;
	return az_elem_is_signed(elem) ? LLVMBuildSExt(e->b, x, type, "")
				       : LLVMBuildZExt(e->b, x, type, "");
}

void az_store_elems(az_emitter *e, az_elem elem, LLVMValueRef value, LLVMValueRef at,
	uint32_t align)
{
	LLVMTypeRef in_memory = az_type_like(memory_type(e, elem), value);
	if (is_half(elem))
		value = az_pack_half(e, elem, value);
	if (elem.kind == AZ_KIND_BOOL)
		value = LLVMBuildZExt(e->b, value, in_memory, "");
	else if (LLVMTypeOf(value) != in_memory)
		value = LLVMBuildTrunc(e->b, value, in_memory, "");
	az_store(e, value, at, align);
}

LLVMValueRef az_to_grid(az_emitter *e, az_elem elem, LLVMValueRef x)
{
	if (is_half(elem))
		return az_unpack_half(e, elem, az_pack_half(e, elem, x));
	if (az_elem_is_float(elem) || elem.kind == AZ_KIND_BOOL || elem.bits == 32 ||
		elem.bits == 64)
		return x;
	if (elem.kind == AZ_KIND_BIPOLAR)
		return az_choose(e, az_icmp(e, LLVMIntSGT, x, az_int_like(e, x, 0)),
			az_int_like(e, x, 1), az_int_like(e, x, -1));
	LLVMTypeRef type = LLVMTypeOf(x);
	if (!az_elem_is_signed(elem))
		return and_const(e, x, (INT64_C(1) << elem.bits) - 1);
	int64_t unused = (type == az_type_like(e->i64, x) ? 64 : 32) - elem.bits;
	return LLVMBuildAShr(e->b, shift_left(e, x, unused), az_int(e, type, unused), "");
}

uint32_t az_expr_lanes(const az_emitter *e, bool strict_float, uint32_t bits)
{
	if (e->target->arch == AZ_ARCH_ARM && strict_float && !e->fast)
		return 1;
	uint32_t lanes = e->target->vector_bytes * 8 / AZ_MAX(bits, 32u);
	return AZ_MAX(lanes, 1u);
}
