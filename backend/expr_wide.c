/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. Conversions work on the bits of the IEEE formats; division is the schoolbook one, a
 * bit at a time: networks use it for a handful of indices, if at all. */
#include "backend/expr_wide.h"
#include "backend/iter.h"

static LLVMValueRef c64(az_emitter *e, uint64_t v)
{
	return LLVMConstInt(e->i64, v, 0);
}

static LLVMValueRef shr(az_emitter *e, LLVMValueRef x, LLVMValueRef by)
{
	return LLVMBuildLShr(e->b, x, by, "");
}

LLVMValueRef az_wide_to_float(az_emitter *e, LLVMValueRef x, bool is_signed, LLVMTypeRef to)
{
	bool single = to == e->f32;
	unsigned fraction = single ? 23 : 52;
	uint64_t bias = single ? 127 : 1023, drop = 63 - fraction;
	LLVMValueRef zero = c64(e, 0), sign = zero, m = x;
	if (is_signed) {
		LLVMValueRef negative = LLVMBuildICmp(e->b, LLVMIntSLT, x, zero, "");
		m = LLVMBuildSelect(e->b, negative, LLVMBuildSub(e->b, zero, x, ""), x, "");
		sign = LLVMBuildSelect(e->b, negative, c64(e, UINT64_C(1) << (single ? 31 : 63)),
			zero, "");
	}
	LLVMValueRef args[2] = {LLVMBuildOr(e->b, m, c64(e, 1), ""), LLVMConstInt(e->i1, 1, 0)};
	LLVMValueRef zeros = az_intrinsic(e, "llvm.ctlz", &e->i64, 1, args, 2);
	LLVMValueRef high = LLVMBuildShl(e->b, m, zeros, "");
	LLVMValueRef top = shr(e, high, c64(e, drop));
	/* Half less one, and one more where the kept part is odd: a carry means round up. */
	LLVMValueRef rest = LLVMBuildAnd(e->b, high, c64(e, (UINT64_C(1) << drop) - 1), "");
	LLVMValueRef odd = LLVMBuildAnd(e->b, top, c64(e, 1), "");
	rest = LLVMBuildAdd(e->b, rest, c64(e, (UINT64_C(1) << (drop - 1)) - 1), "");
	LLVMValueRef carry = shr(e, LLVMBuildAdd(e->b, rest, odd, ""), c64(e, drop));
	/* The leading one adds 1 to the exponent, which is therefore one less here. */
	LLVMValueRef exponent = LLVMBuildSub(e->b, c64(e, bias + 62), zeros, "");
	LLVMValueRef bits = LLVMBuildShl(e->b, exponent, c64(e, fraction), "");
	bits = LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, bits, top, ""), carry, "");
	bits = LLVMBuildOr(e->b, bits, sign, "");
	LLVMValueRef none = LLVMBuildICmp(e->b, LLVMIntEQ, m, zero, "");
	bits = LLVMBuildSelect(e->b, none, zero, bits, "");
	if (single)
		bits = LLVMBuildTrunc(e->b, bits, e->i32, "");
	return LLVMBuildBitCast(e->b, bits, to, "");
}

LLVMValueRef az_wide_from_float(az_emitter *e, LLVMValueRef x)
{
	LLVMValueRef bits = LLVMBuildBitCast(e->b, x, e->i64, ""), zero = c64(e, 0);
	LLVMValueRef exponent = LLVMBuildAnd(e->b, shr(e, bits, c64(e, 52)), c64(e, 0x7ff), "");
	LLVMValueRef m = LLVMBuildAnd(e->b, bits, c64(e, (UINT64_C(1) << 52) - 1), "");
	m = LLVMBuildOr(e->b, m, c64(e, UINT64_C(1) << 52), "");
	LLVMValueRef left = LLVMBuildSub(e->b, exponent, c64(e, 1075), "");
	LLVMValueRef right = LLVMBuildSub(e->b, zero, left, "");
	LLVMValueRef is_left = LLVMBuildICmp(e->b, LLVMIntSGE, left, zero, "");
	LLVMValueRef below_one = LLVMBuildICmp(e->b, LLVMIntSGT, right, c64(e, 52), "");
	LLVMValueRef by = LLVMBuildSelect(e->b, is_left, left, zero, "");
	LLVMValueRef grown = LLVMBuildShl(e->b, m, LLVMBuildAnd(e->b, by, c64(e, 63), ""), "");
	LLVMValueRef cut = shr(e, m, LLVMBuildAnd(e->b, right, c64(e, 63), ""));
	m = LLVMBuildSelect(e->b, is_left, grown, cut, "");
	m = LLVMBuildSelect(e->b, below_one, zero, m, "");
	LLVMValueRef negative = LLVMBuildICmp(e->b, LLVMIntSLT, bits, zero, "");
	return LLVMBuildSelect(e->b, negative, LLVMBuildSub(e->b, zero, m, ""), m, "");
}

/* A function of the module made from helpers' code: where the builder was, to come back to. */
typedef struct aside {
	LLVMBasicBlockRef back;
	LLVMValueRef outer;
} aside;

/* Opens function `name`; false when it exists already. */
static bool aside_begin(az_emitter *e, const char *name, LLVMTypeRef type, LLVMValueRef *f,
	aside *at)
{
	*f = LLVMGetNamedFunction(e->module, name);
	if (*f)
		return false;
	*f = LLVMAddFunction(e->module, name, type);
	LLVMSetLinkage(*f, LLVMInternalLinkage);
	/* Without it 32-bit ARM refers to the C++ runtime. */
	unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
	LLVMAddAttributeAtIndex(*f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
		LLVMCreateEnumAttribute(e->llvm, nounwind, 0));
	*at = (aside){LLVMGetInsertBlock(e->b), e->func};
	e->func = *f;
	LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->llvm, *f, ""));
	return true;
}

static void aside_end(az_emitter *e, aside at, LLVMValueRef result)
{
	LLVMBuildRet(e->b, result);
	e->func = at.outer;
	LLVMPositionBuilderAtEnd(e->b, at.back);
}

static LLVMValueRef quotient(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	az_loop loop;
	LLVMValueRef start[3] = {
		a, c64(e, 0), c64(e, 0)}; /* what is left of a, remainder, quotient */
	az_loop_begin(e, &loop, c64(e, 0), c64(e, 64), 1, 3, start);
	LLVMValueRef top = shr(e, loop.carried[0], c64(e, 63)),
		     lost = shr(e, loop.carried[1], c64(e, 63));
	LLVMValueRef r =
		LLVMBuildOr(e->b, LLVMBuildShl(e->b, loop.carried[1], c64(e, 1), ""), top, "");
	LLVMValueRef fits = LLVMBuildICmp(e->b, LLVMIntUGE, r, b, "");
	fits = LLVMBuildOr(e->b, fits, LLVMBuildTrunc(e->b, lost, e->i1, ""), "");
	LLVMValueRef q = LLVMBuildShl(e->b, loop.carried[2], c64(e, 1), "");
	LLVMValueRef next[3] = {LLVMBuildShl(e->b, loop.carried[0], c64(e, 1), ""),
		LLVMBuildSelect(e->b, fits, LLVMBuildSub(e->b, r, b, ""), r, ""),
		LLVMBuildOr(e->b, q, LLVMBuildZExt(e->b, fits, e->i64, ""), "")};
	az_loop_end(e, &loop, next);
	return loop.carried[2];
}

LLVMValueRef az_wide_divide(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	LLVMTypeRef params[2] = {e->i64, e->i64};
	LLVMTypeRef type = LLVMFunctionType(e->i64, params, 2, 0);
	LLVMValueRef args[2] = {a, b}, f;
	aside at;
	if (aside_begin(e, "adze.udiv64", type, &f, &at))
		aside_end(e, at, quotient(e, LLVMGetParam(f, 0), LLVMGetParam(f, 1)));
	return LLVMBuildCall2(e->b, type, f, args, 2, "");
}

/* --- Remainder --------------------------------------------------------------------------------------- */

typedef struct parts {
	LLVMValueRef exponent, mantissa; /* the leading bit of mantissa is bit 52 */
} parts;

static LLVMValueRef leading_zeros(az_emitter *e, LLVMValueRef x)
{
	LLVMValueRef args[2] = {x, LLVMConstInt(e->i1, 0, 0)};
	return az_intrinsic(e, "llvm.ctlz", &e->i64, 1, args, 2);
}

/* Shifts the leading bit to bit 52; zero stays zero. */
static parts normalize(az_emitter *e, parts p)
{
	LLVMValueRef by = LLVMBuildSub(e->b, leading_zeros(e, p.mantissa), c64(e, 11), "");
	LLVMValueRef m = LLVMBuildShl(e->b, p.mantissa, by, "");
	return (parts){LLVMBuildSub(e->b, p.exponent, by, ""), m};
}

static parts take_apart(az_emitter *e, LLVMValueRef magnitude)
{
	LLVMValueRef exponent = shr(e, magnitude, c64(e, 52));
	LLVMValueRef m = LLVMBuildAnd(e->b, magnitude, c64(e, (UINT64_C(1) << 52) - 1), "");
	LLVMValueRef tiny = LLVMBuildICmp(e->b, LLVMIntEQ, exponent, c64(e, 0), "");
	LLVMValueRef whole = LLVMBuildOr(e->b, m, c64(e, UINT64_C(1) << 52), "");
	parts p = {LLVMBuildSelect(e->b, tiny, c64(e, 1), exponent, ""),
		LLVMBuildSelect(e->b, tiny, m, whole, "")};
	return normalize(e, p);
}

static LLVMValueRef reduce_once(az_emitter *e, LLVMValueRef m, LLVMValueRef by)
{
	LLVMValueRef less = LLVMBuildSub(e->b, m, by, "");
	LLVMValueRef fits = LLVMBuildICmp(e->b, LLVMIntUGE, m, by, "");
	return LLVMBuildSelect(e->b, fits, less, m, "");
}

/* Long division of the mantissas, of which only the remainder is kept. */
static LLVMValueRef remainder_code(az_emitter *e, LLVMValueRef x, LLVMValueRef y)
{
	LLVMValueRef bits = LLVMBuildBitCast(e->b, x, e->i64, ""), zero = c64(e, 0);
	LLVMValueRef y_bits = LLVMBuildBitCast(e->b, y, e->i64, "");
	LLVMValueRef mask = c64(e, INT64_MAX), infinite = c64(e, UINT64_C(0x7ff) << 52);
	LLVMValueRef a = LLVMBuildAnd(e->b, bits, mask, ""),
		     b = LLVMBuildAnd(e->b, y_bits, mask, "");
	LLVMValueRef sign = LLVMBuildAnd(e->b, bits, c64(e, UINT64_C(1) << 63), "");
	parts p = take_apart(e, a), q = take_apart(e, b);
	/* Zero divisors and infinities take no turns; their result is replaced below. */
	LLVMValueRef usable = LLVMBuildICmp(e->b, LLVMIntULT, a, infinite, "");
	usable = LLVMBuildAnd(e->b, usable, LLVMBuildICmp(e->b, LLVMIntNE, b, zero, ""), "");
	usable = LLVMBuildAnd(e->b, usable, LLVMBuildICmp(e->b, LLVMIntULE, b, infinite, ""), "");
	LLVMValueRef divides = LLVMBuildICmp(e->b, LLVMIntULE, b, a, "");
	divides = LLVMBuildAnd(e->b, divides, usable, "");
	LLVMValueRef turns = LLVMBuildSub(e->b, p.exponent, q.exponent, "");
	az_loop loop;
	az_span_begin(e, &loop, zero, LLVMBuildSelect(e->b, divides, turns, zero, ""), 1,
		&p.mantissa);
	LLVMValueRef next = reduce_once(e, loop.carried[0], q.mantissa);
	next = LLVMBuildShl(e->b, next, c64(e, 1), "");
	az_span_end(e, &loop, &next);
	LLVMValueRef left = reduce_once(e, loop.carried[0], q.mantissa);
	parts r = normalize(e, (parts){q.exponent, left});
	LLVMValueRef high =
		LLVMBuildShl(e->b, LLVMBuildSub(e->b, r.exponent, c64(e, 1), ""), c64(e, 52), "");
	LLVMValueRef normal = LLVMBuildAdd(e->b, high, r.mantissa, "");
	LLVMValueRef down = LLVMBuildSub(e->b, c64(e, 1), r.exponent, "");
	LLVMValueRef is_tiny = LLVMBuildICmp(e->b, LLVMIntSGT, down, zero, "");
	LLVMValueRef tiny = shr(e, r.mantissa, LLVMBuildAnd(e->b, down, c64(e, 63), ""));
	LLVMValueRef out = LLVMBuildSelect(e->b, is_tiny, tiny, normal, "");
	out = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, left, zero, ""), zero, out, "");
	out = LLVMBuildSelect(e->b, divides, LLVMBuildOr(e->b, out, sign, ""), bits, "");
	out = LLVMBuildSelect(e->b, usable, out, c64(e, UINT64_C(0x7ff8) << 48), "");
	return LLVMBuildBitCast(e->b, out, e->f64, "");
}

LLVMValueRef az_wide_remainder(az_emitter *e, LLVMValueRef x, LLVMValueRef y)
{
	LLVMTypeRef params[2] = {e->f64, e->f64};
	LLVMTypeRef type = LLVMFunctionType(e->f64, params, 2, 0);
	LLVMValueRef args[2] = {x, y}, f;
	aside at;
	if (aside_begin(e, "adze.fmod", type, &f, &at))
		aside_end(e, at, remainder_code(e, LLVMGetParam(f, 0), LLVMGetParam(f, 1)));
	return LLVMBuildCall2(e->b, type, f, args, 2, "");
}
