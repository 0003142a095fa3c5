/* SPDX-License-Identifier: Apache-2.0
 *
 * 64-bit integer arithmetic that 32-bit ARM has only as library calls, and the float remainder that no
 * target has, in integer code. Values are scalars;
 * backend/expr_int.c goes through the lanes. */
#ifndef AZ_BACKEND_EXPR_WIDE_H
#define AZ_BACKEND_EXPR_WIDE_H

#include "backend/emit.h"

/* i64 (signed or not) to f32 or f64, rounded to even once. */
LLVMValueRef az_wide_to_float(az_emitter *e, LLVMValueRef x, bool is_signed, LLVMTypeRef to);
/* f64 to i64, truncated; |x| < 2^63 (signed) or 0 <= x < 2^64. */
LLVMValueRef az_wide_from_float(az_emitter *e, LLVMValueRef x);
/* Unsigned quotient; b is not 0. */
LLVMValueRef az_wide_divide(az_emitter *e, LLVMValueRef a, LLVMValueRef b);
/* Remainder of two f64 with the sign of the first, exact. */
LLVMValueRef az_wide_remainder(az_emitter *e, LLVMValueRef x, LLVMValueRef y);

#endif
