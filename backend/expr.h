/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise code on registers: what backend/expr*.c and backend/math.c share, and what the kernels
 * may use of it beside az_expr.
 *
 * Contract of az_expr(e, op, args): args[i] is operand i of op, already in register form and already
 * broadcast: every argument has the same number of lanes, also scales, zero points, slopes and the
 * condition of `where`. Absent optional operands are NULL. There are two exceptions: the table of `lookup`,
 * whose args[1] is a pointer to its packed entries, and `threshold`, which has its flip (or NULL) at
 * AZ_EXPR_FLIP and its levels, one by one, from AZ_EXPR_LEVELS on. The result is the register form of
 * op's result; f16 and bf16 results are rounded to their grid, integers are wrapped to their width, so
 * that storing and loading it again changes nothing.
 *
 * Nothing here becomes a library call on any target: rounding is done with the magic number or a
 * conversion instruction, 64-bit conversions and divisions on 32-bit ARM with integer code. */
#ifndef AZ_BACKEND_EXPR_H
#define AZ_BACKEND_EXPR_H

#include "backend/emit.h"

/* The type with the same number of lanes as `like`. */
LLVMTypeRef az_type_like(LLVMTypeRef elem, LLVMValueRef like);
/* Constants with the lanes and type of `like`. */
LLVMValueRef az_real_like(az_emitter *e, LLVMValueRef like, double v);
LLVMValueRef az_int_like(az_emitter *e, LLVMValueRef like, int64_t v);
/* Is the (lane) type f64, or floating at all? */
bool az_is_f64(az_emitter *e, LLVMValueRef x);
bool az_is_real(az_emitter *e, LLVMValueRef x);

/* Float arithmetic; contraction is allowed where e->fast says so. */
LLVMValueRef az_fadd(az_emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_fsub(az_emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_fmul(az_emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_fdiv(az_emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_sqrt(az_emitter *e, LLVMValueRef x);
LLVMValueRef az_fcmp(az_emitter *e, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_icmp(az_emitter *e, LLVMIntPredicate p, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_choose(az_emitter *e, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b);
/* The bits of a float as integers, and back. */
LLVMValueRef az_bits_of(az_emitter *e, LLVMValueRef x);
LLVMValueRef az_float_of(az_emitter *e, LLVMValueRef bits);
LLVMValueRef az_fabs(az_emitter *e, LLVMValueRef x);
LLVMValueRef az_fneg(az_emitter *e, LLVMValueRef x);
LLVMValueRef az_is_nan(az_emitter *e, LLVMValueRef x);

/* min(max(x, lo), hi) on floats: NaN stays NaN. Infinite bounds make no code. */
LLVMValueRef az_clip(az_emitter *e, LLVMValueRef x, float lo, float hi);
LLVMValueRef az_clip_int(az_emitter *e, az_elem elem, LLVMValueRef x, float lo, float hi);
/* a > b ? a : b (max) or a < b ? a : b; NaN if either is. Floats and integers of element `elem`. */
LLVMValueRef az_more(az_emitter *e, az_elem elem, bool max, LLVMValueRef a, LLVMValueRef b);

/* To an integral float value, any magnitude; signs of zero and NaN are kept. */
LLVMValueRef az_round_float(az_emitter *e, az_rounding mode, LLVMValueRef x);
/* Towards zero, to a signed integer type of as many lanes; only for values that fit. */
LLVMValueRef az_trunc_to_int(az_emitter *e, LLVMValueRef x, LLVMTypeRef type);
/* f32 -> i32 for |x| < 2^22. */
LLVMValueRef az_round_small(az_emitter *e, az_rounding mode, LLVMValueRef x);

/* Towards zero, to i32 or i64; the value must fit. */
LLVMValueRef az_truncate(az_emitter *e, LLVMValueRef x, LLVMTypeRef lane, bool is_signed);

/* A register value wrapped (integers) or rounded (f16, bf16) to what its element can hold. */
LLVMValueRef az_to_grid(az_emitter *e, az_elem elem, LLVMValueRef x);
/* Integer register value to a float, one rounding; float to the 16-bit patterns (in i32) and back. */
LLVMValueRef az_int_to_float(az_emitter *e, az_elem from, LLVMValueRef x, LLVMTypeRef to);
LLVMValueRef az_pack_half(az_emitter *e, az_elem elem, LLVMValueRef x);
LLVMValueRef az_unpack_half(az_emitter *e, az_elem elem, LLVMValueRef bits);

/* Elements of fewer than 8 bits (backend/expr_sub.c): element `index` (i64) of those at base, one lane. */
bool az_elem_is_packed(az_elem elem);
LLVMValueRef az_load_packed(az_emitter *e, az_elem elem, LLVMValueRef base, LLVMValueRef index);
void az_store_packed(az_emitter *e, az_elem elem, LLVMValueRef value, LLVMValueRef base,
	LLVMValueRef index);

/* Families of az_expr. */
LLVMValueRef az_expr_quantize(az_emitter *e, const az_op *op, const LLVMValueRef *args);
LLVMValueRef az_expr_dequantize(az_emitter *e, const az_op *op, const LLVMValueRef *args);
LLVMValueRef az_expr_requantize(az_emitter *e, const az_op *op, const LLVMValueRef *args);
LLVMValueRef az_expr_lookup(az_emitter *e, const az_op *op, const LLVMValueRef *args);
LLVMValueRef az_expr_threshold(az_emitter *e, const az_op *op, const LLVMValueRef *args);
LLVMValueRef az_cast(az_emitter *e, az_elem from, az_elem to, LLVMValueRef x);

/* Integer division and remainder as `div` and `mod` define them: x / 0 is 0. */
LLVMValueRef az_int_div(az_emitter *e, az_elem elem, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_int_mod(az_emitter *e, az_elem elem, bool truncated, LLVMValueRef a,
	LLVMValueRef b);
LLVMValueRef az_float_mod(az_emitter *e, bool truncated, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_int_pow(az_emitter *e, az_elem elem, LLVMValueRef a, LLVMValueRef b);

/* The functions of ir/math.def on f32 registers (backend/math.c); f64 goes through them as f32. NULL,
 * without a report, when `op` is none of them. */
LLVMValueRef az_math_unary(az_emitter *e, const az_op *op, LLVMValueRef x);
LLVMValueRef az_math_exp(az_emitter *e, LLVMValueRef x);
LLVMValueRef az_math_log(az_emitter *e, LLVMValueRef x);
LLVMValueRef az_math_pow(az_emitter *e, LLVMValueRef x, LLVMValueRef y);

/* Which operand of `threshold` az_expr wants at args[i]: its level i - AZ_EXPR_LEVELS. */
enum { AZ_EXPR_FLIP = 1, AZ_EXPR_LEVELS = 2, AZ_EXPR_ARGS = AZ_EXPR_LEVELS + AZ_LEVELS_MAX };

/* Is op one that az_expr takes? */
bool az_expr_takes(const az_op *op);
/* Lanes to compute with in a function whose register values are at most `bits` wide: the vector
 * registers' width, or 1 where the vector unit is not IEEE and `strict_float` arithmetic is needed. */
uint32_t az_expr_lanes(const az_emitter *e, bool strict_float, uint32_t bits);

#endif
