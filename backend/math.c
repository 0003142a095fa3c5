/* SPDX-License-Identifier: Apache-2.0
 *
 * The strict float functions of ir/math.def as code over f32 vectors: each step is built as the instruction it
 * names, so that the results equal the interpreter's bit for bit. Under --float sums and products may
 * contract, except in pow, whose error terms are exact only with every product rounded. f64 values go
 * through f32: seven digits, where the interpreter has the C library's sixteen. */
#include "backend/expr.h"

#include <math.h>

/* What the definitions below need beside their operands: types of as many lanes. */
typedef struct maths {
	az_emitter *e;
	LLVMTypeRef f, i;
	bool contract;
} maths;

static LLVMValueRef loose(const maths *m, LLVMValueRef x)
{
	if (m->contract && LLVMIsAInstruction(x) && LLVMCanValueUseFastMathFlags(x))
		LLVMSetFastMathFlags(x, LLVMFastMathAllowContract);
	return x;
}

static LLVMValueRef by_const(const maths *m, int64_t n)
{
	return az_int(m->e, m->i, n);
}

/* clang-format off */
#define V                    LLVMValueRef
#define I                    LLVMValueRef
#define B                    LLVMValueRef
#define FUNC1(name, x)       static inline V math_##name(const maths *m, V x) { (void)m;
#define FUNC2(name, x, y)    static inline V math_##name(const maths *m, V x, V y) { (void)m;
#define FUNC3(name, x, y, z) static inline V math_##name(const maths *m, V x, V y, V z) { (void)m;
#define FUNC_END             }
#define CALL1(name, x)       math_##name(m, x)
#define CALL2(name, x, y)    math_##name(m, x, y)
#define CALL3(name, x, y, z) math_##name(m, x, y, z)
#define F(c)                 az_real(m->e, m->f, (double)(c))
#define N(c)                 az_int(m->e, m->i, (c))
#define ADD(p, q)            loose(m, LLVMBuildFAdd(m->e->b, p, q, ""))
#define SUB(p, q)            loose(m, LLVMBuildFSub(m->e->b, p, q, ""))
#define MUL(p, q)            loose(m, LLVMBuildFMul(m->e->b, p, q, ""))
#define DIV(p, q)            LLVMBuildFDiv(m->e->b, p, q, "")
#define SQRT(p)              az_sqrt(m->e, p)
#define LT(p, q)             az_fcmp(m->e, LLVMRealOLT, p, q)
#define LE(p, q)             az_fcmp(m->e, LLVMRealOLE, p, q)
#define GT(p, q)             az_fcmp(m->e, LLVMRealOGT, p, q)
#define EQ(p, q)             az_fcmp(m->e, LLVMRealOEQ, p, q)
#define ISNAN(p)             az_is_nan(m->e, p)
#define NOT(p)               LLVMBuildNot(m->e->b, p, "")
#define AND(p, q)            LLVMBuildAnd(m->e->b, p, q, "")
#define OR(p, q)             LLVMBuildOr(m->e->b, p, q, "")
#define SEL(r, p, q)         az_choose(m->e, r, p, q)
#define ISEL(r, p, q)        az_choose(m->e, r, p, q)
#define BITS(p)              LLVMBuildBitCast(m->e->b, p, m->i, "")
#define FROM_BITS(p)         LLVMBuildBitCast(m->e->b, p, m->f, "")
#define IADD(p, q)           LLVMBuildAdd(m->e->b, p, q, "")
#define ISUB(p, q)           LLVMBuildSub(m->e->b, p, q, "")
#define IAND(p, q)           LLVMBuildAnd(m->e->b, p, q, "")
#define IOR(p, q)            LLVMBuildOr(m->e->b, p, q, "")
#define IXOR(p, q)           LLVMBuildXor(m->e->b, p, q, "")
#define ISHL(p, n)           LLVMBuildShl(m->e->b, p, by_const(m, n), "")
#define IASHR(p, n)          LLVMBuildAShr(m->e->b, p, by_const(m, n), "")
#define IEQ(p, q)            az_icmp(m->e, LLVMIntEQ, p, q)
#define TRUNC(p)             az_truncate(m->e, p, m->e->i32, true)
#define ITOF(p)              LLVMBuildSIToFP(m->e->b, p, m->f, "")
/* clang-format on */
#include "ir/math.def"

static maths maths_for(az_emitter *e, LLVMValueRef x, bool contract)
{
	return (maths){e, az_type_like(e->f32, x), az_type_like(e->i32, x), contract && e->fast};
}

static LLVMValueRef narrow(az_emitter *e, LLVMValueRef x)
{
	return az_is_f64(e, x) ? LLVMBuildFPTrunc(e->b, x, az_type_like(e->f32, x), "") : x;
}

/* y as wide as x was. */
static LLVMValueRef widen_like(az_emitter *e, LLVMValueRef x, LLVMValueRef y)
{
	return az_is_f64(e, x) ? LLVMBuildFPExt(e->b, y, LLVMTypeOf(x), "") : y;
}

LLVMValueRef az_math_exp(az_emitter *e, LLVMValueRef x)
{
	maths m = maths_for(e, x, true);
	return widen_like(e, x, math_exp(&m, narrow(e, x)));
}

LLVMValueRef az_math_log(az_emitter *e, LLVMValueRef x)
{
	maths m = maths_for(e, x, true);
	return widen_like(e, x, math_log(&m, narrow(e, x)));
}

LLVMValueRef az_math_pow(az_emitter *e, LLVMValueRef x, LLVMValueRef y)
{
	maths m = maths_for(e, x, false);
	return widen_like(e, x, math_pow(&m, narrow(e, x), narrow(e, y)));
}

static LLVMValueRef real(const maths *m, float v)
{
	return az_real(m->e, m->f, (double)v);
}

static LLVMValueRef with_attributes(const maths *m, const az_op *op, LLVMValueRef x)
{
	const az_attrs *a = &op->attr;
	switch (op->code) {
	case AZ_OP_leaky_relu:
		return math_leaky_relu(m, x, real(m, a->leaky_relu.slope));
	case AZ_OP_elu:
		return math_elu(m, x, real(m, a->elu.alpha));
	case AZ_OP_celu:
		return math_celu(m, x, real(m, a->celu.alpha));
	case AZ_OP_selu:
		return math_selu(m, x, real(m, a->selu.alpha), real(m, a->selu.gamma));
	case AZ_OP_thresholded_relu:
		return math_thresholded_relu(m, x, real(m, a->thresholded_relu.alpha));
	case AZ_OP_hard_sigmoid:
		return math_hard_sigmoid(m, x, real(m, a->hard_sigmoid.alpha),
			real(m, a->hard_sigmoid.beta));
	case AZ_OP_clip:
		return az_clip(m->e, x, a->clip.lo, a->clip.hi);
	case AZ_OP_gelu:
		return a->gelu.tanh ? math_gelu_tanh(m, x) : math_gelu(m, x);
	default:
		return NULL;
	}
}

static LLVMValueRef plain(const maths *m, az_opcode code, LLVMValueRef x)
{
	switch (code) {
	case AZ_OP_neg:
		return math_neg(m, x);
	case AZ_OP_abs:
		return math_abs(m, x);
	case AZ_OP_sign:
		return math_sign(m, x);
	case AZ_OP_relu:
		return math_relu(m, x);
	case AZ_OP_sigmoid:
		return math_sigmoid(m, x);
	case AZ_OP_hard_swish:
		return math_hard_swish(m, x);
	case AZ_OP_tanh:
		return math_tanh(m, x);
	case AZ_OP_exp:
		return math_exp(m, x);
	case AZ_OP_log:
		return math_log(m, x);
	case AZ_OP_erf:
		return math_erf(m, x);
	case AZ_OP_softplus:
		return math_softplus(m, x);
	case AZ_OP_softsign:
		return math_softsign(m, x);
	case AZ_OP_mish:
		return math_mish(m, x);
	case AZ_OP_sqrt:
		return math_sqrt(m, x);
	case AZ_OP_reciprocal:
		return math_reciprocal(m, x);
	case AZ_OP_floor:
		return math_floor(m, x);
	case AZ_OP_ceil:
		return math_ceil(m, x);
	case AZ_OP_round:
		return math_round(m, x);
	case AZ_OP_sin:
		return math_sin(m, x);
	case AZ_OP_cos:
		return math_cos(m, x);
	default:
		return NULL;
	}
}

/* What needs arithmetic only is computed in f64. */
static LLVMValueRef in_f64(az_emitter *e, const az_op *op, LLVMValueRef x)
{
	LLVMValueRef one = az_real_like(e, x, 1), v;
	switch (op->code) {
	case AZ_OP_hard_sigmoid:
		v = az_fmul(e, az_real_like(e, x, (double)op->attr.hard_sigmoid.alpha), x);
		v = az_fadd(e, v, az_real_like(e, x, (double)op->attr.hard_sigmoid.beta));
		return az_clip(e, v, 0, 1);
	case AZ_OP_hard_swish:
		v = az_fdiv(e, x, az_real_like(e, x, 6));
		v = az_fadd(e, v, az_real_like(e, x, 0.5));
		return az_fmul(e, x, az_clip(e, v, 0, 1));
	case AZ_OP_softsign:
		return az_fdiv(e, x, az_fadd(e, one, az_fabs(e, x)));
	default:
		return NULL;
	}
}

LLVMValueRef az_math_unary(az_emitter *e, const az_op *op, LLVMValueRef x)
{
	LLVMValueRef wide = az_is_f64(e, x) ? in_f64(e, op, x) : NULL;
	if (wide)
		return wide;
	maths m = maths_for(e, x, true);
	LLVMValueRef f = narrow(e, x);
	LLVMValueRef y = with_attributes(&m, op, f);
	if (!y)
		y = plain(&m, op->code, f);
	return y ? widen_like(e, x, y) : NULL;
}
