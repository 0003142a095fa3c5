/* SPDX-License-Identifier: Apache-2.0
 *
 * The strict float functions of ir/math.def in C: az_strict_exp(x), az_strict_pow(x, y), ... Files that
 * include this are compiled with -ffp-contract=off. */
#ifndef AZ_IR_EVAL_STRICT_H
#define AZ_IR_EVAL_STRICT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline int32_t az_strict_bits(float x)
{
	int32_t i;
	memcpy(&i, &x, sizeof i);
	return i;
}

static inline float az_strict_from_bits(int32_t i)
{
	float x;
	memcpy(&x, &i, sizeof x);
	return x;
}

/* clang-format off */
#define V                    float
#define I                    int32_t
#define B                    bool
#define FUNC1(name, x)       static inline float az_strict_##name(float x) {
#define FUNC2(name, x, y)    static inline float az_strict_##name(float x, float y) {
#define FUNC3(name, x, y, z) static inline float az_strict_##name(float x, float y, float z) {
#define FUNC_END             }
#define CALL1(name, x)       az_strict_##name(x)
#define CALL2(name, x, y)    az_strict_##name(x, y)
#define CALL3(name, x, y, z) az_strict_##name(x, y, z)
#define F(c)                 (c)
#define N(c)                 (c)
#define ADD(a, b)            ((a) + (b))
#define SUB(a, b)            ((a) - (b))
#define MUL(a, b)            ((a) * (b))
#define DIV(a, b)            ((a) / (b))
#define SQRT(a)              sqrtf(a)
#define LT(a, b)             ((a) < (b))
#define LE(a, b)             ((a) <= (b))
#define GT(a, b)             ((a) > (b))
#define EQ(a, b)             ((a) == (b))
#define ISNAN(a)             ((a) != (a))
#define NOT(a)               (!(a))
#define AND(a, b)            ((a) && (b))
#define OR(a, b)             ((a) || (b))
#define SEL(c, a, b)         ((c) ? (a) : (b))
#define ISEL(c, a, b)        ((c) ? (a) : (b))
#define BITS(a)              az_strict_bits(a)
#define FROM_BITS(a)         az_strict_from_bits(a)
#define IADD(a, b)           ((int32_t)((uint32_t)(a) + (uint32_t)(b)))
#define ISUB(a, b)           ((int32_t)((uint32_t)(a) - (uint32_t)(b)))
#define IAND(a, b)           ((a) & (b))
#define IOR(a, b)            ((a) | (b))
#define IXOR(a, b)           ((a) ^ (b))
#define ISHL(a, n)           ((int32_t)((uint32_t)(a) << (n)))
#define IASHR(a, n)          ((a) >> (n))
#define IEQ(a, b)            ((a) == (b))
#define TRUNC(a)             ((int32_t)(a))
#define ITOF(a)              ((float)(a))
/* clang-format on */
#include "ir/math.def"

#endif
