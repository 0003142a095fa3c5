/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise operations of two or three operands. Operands are broadcast first. Integers wrap around
 * when they are stored; u64 compares and divides without sign. */
#include <math.h>

#include "ir/eval/part.h"
#include "ir/eval/strict.h"

/* Floats: the remainder is exact (fmod is); with the sign of b unless truncated. */
static float mod_f32(float a, float b, bool truncated)
{
	float r = fmodf(a, b);
	return !truncated && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static double mod_f64(double a, double b, bool truncated)
{
	double r = fmod(a, b);
	return !truncated && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static float binary_f32(const az_op *op, float a, float b)
{
	switch (op->code) {
	case AZ_OP_add:
		return a + b;
	case AZ_OP_sub:
		return a - b;
	case AZ_OP_mul:
		return a * b;
	case AZ_OP_div:
		return a / b;
	case AZ_OP_pow:
		return az_strict_pow(a, b);
	case AZ_OP_mod:
		return mod_f32(a, b, op->attr.mod.truncated);
	case AZ_OP_min:
		return az_strict_min(a, b);
	case AZ_OP_max:
		return az_strict_max(a, b);
	default:
		return az_strict_prelu(a, b);
	}
}

static double binary_f64(const az_op *op, double a, double b)
{
	switch (op->code) {
	case AZ_OP_add:
		return a + b;
	case AZ_OP_sub:
		return a - b;
	case AZ_OP_mul:
		return a * b;
	case AZ_OP_div:
		return a / b;
	case AZ_OP_pow:
		return pow(a, b);
	case AZ_OP_mod:
		return mod_f64(a, b, op->attr.mod.truncated);
	case AZ_OP_min:
		return a < b || isnan(a) ? a : b;
	case AZ_OP_max:
		return a > b || isnan(a) ? a : b;
	default:
		return a < 0 ? a * b : a;
	}
}

/* Truncated quotient; x / 0 is 0, the one overflow wraps around. */
static int64_t div_int(int64_t a, int64_t b, bool huge)
{
	if (b == 0)
		return 0;
	if (huge)
		return (int64_t)((uint64_t)a / (uint64_t)b);
	return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

/* x mod 0 is 0. */
static int64_t mod_int(int64_t a, int64_t b, bool huge, bool truncated)
{
	if (b == 0 || (b == -1 && !huge))
		return 0;
	if (huge)
		return (int64_t)((uint64_t)a % (uint64_t)b);
	int64_t r = a % b;
	return !truncated && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* Modulo 2^64. Negative exponents give the truncated quotient 1 / a^-b, of which 0 is 0. */
static int64_t pow_int(int64_t a, int64_t b, bool huge)
{
	if (b < 0 && !huge) {
		if (a == 1)
			return 1;
		if (a == -1)
			return b & 1 ? -1 : 1;
		return 0;
	}
	uint64_t r = 1, square = (uint64_t)a;
	for (uint64_t n = (uint64_t)b; n; n >>= 1) {
		if (n & 1)
			r *= square;
		square *= square;
	}
	return (int64_t)r;
}

static bool less_int(int64_t a, int64_t b, bool huge)
{
	return huge ? (uint64_t)a < (uint64_t)b : a < b;
}

static int64_t binary_int(const az_op *op, int64_t a, int64_t b, bool huge)
{
	uint64_t ua = (uint64_t)a, ub = (uint64_t)b;
	switch (op->code) {
	case AZ_OP_add:
		return (int64_t)(ua + ub);
	case AZ_OP_sub:
		return (int64_t)(ua - ub);
	case AZ_OP_mul:
		return (int64_t)(ua * ub);
	case AZ_OP_div:
		return div_int(a, b, huge);
	case AZ_OP_pow:
		return pow_int(a, b, huge);
	case AZ_OP_mod:
		return mod_int(a, b, huge, op->attr.mod.truncated);
	case AZ_OP_min:
		return less_int(a, b, huge) ? a : b;
	case AZ_OP_max:
		return less_int(b, a, huge) ? a : b;
	default: /* prelu */
		return a < 0 && !huge ? (int64_t)(ua * ub) : a;
	}
}

bool az_eval_binary(az_eval *e)
{
	const az_op *op = e->op;
	const az_type *type = e->results[0].type;
	az_wide a = az_wide_load_as(e->scratch, e->args[0], type);
	az_wide b = az_wide_load_as(e->scratch, e->args[1], type);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	az_reals clamp = az_op_clamp(op);
	for (uint64_t i = 0; i < y.count; i++) {
		if (y.kind == AZ_WIDE_INT) {
			y.i[i] = binary_int(op, a.i[i], b.i[i], a.huge);
		} else if (y.kind == AZ_WIDE_F32) {
			float v = binary_f32(op, a.f[i], b.f[i]);
			y.f[i] = clamp.count ? az_strict_clip(v, clamp.v[0], clamp.v[1]) : v;
		} else {
			double v = binary_f64(op, a.d[i], b.d[i]);
			if (clamp.count && v < (double)clamp.v[0])
				v = (double)clamp.v[0];
			if (clamp.count && v > (double)clamp.v[1])
				v = (double)clamp.v[1];
			y.d[i] = v;
		}
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

typedef enum order { ORDER_LESS, ORDER_EQUAL, ORDER_GREATER, ORDER_NONE } order;

static order compare(const az_wide *a, const az_wide *b, uint64_t i)
{
	if (a->kind == AZ_WIDE_INT) {
		if (less_int(a->i[i], b->i[i], a->huge))
			return ORDER_LESS;
		return a->i[i] == b->i[i] ? ORDER_EQUAL : ORDER_GREATER;
	}
	double x = a->kind == AZ_WIDE_F32 ? (double)a->f[i] : a->d[i];
	double y = b->kind == AZ_WIDE_F32 ? (double)b->f[i] : b->d[i];
	if (x < y)
		return ORDER_LESS;
	if (x > y)
		return ORDER_GREATER;
	return x == y ? ORDER_EQUAL : ORDER_NONE;
}

bool az_eval_compare(az_eval *e)
{
	const az_type *type = e->results[0].type;
	az_wide a = az_wide_load_as(e->scratch, e->args[0], type);
	az_wide b = az_wide_load_as(e->scratch, e->args[1], type);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (uint64_t i = 0; i < y.count; i++) {
		order o = compare(&a, &b, i);
		bool equal = o == ORDER_EQUAL, result;
		switch (e->op->code) {
		case AZ_OP_equal:
			result = equal;
			break;
		case AZ_OP_less:
			result = o == ORDER_LESS;
			break;
		case AZ_OP_less_equal:
			result = o == ORDER_LESS || equal;
			break;
		case AZ_OP_greater:
			result = o == ORDER_GREATER;
			break;
		default:
			result = o == ORDER_GREATER || equal;
		}
		y.i[i] = result;
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

/* Any byte but 0 counts as true. */
bool az_eval_logic(az_eval *e)
{
	const az_type *type = e->results[0].type;
	az_wide a = az_wide_load_as(e->scratch, e->args[0], type);
	az_wide b = az_wide_load_as(e->scratch, e->args[e->op->arg_count - 1], type);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (uint64_t i = 0; i < y.count; i++) {
		bool p = a.i[i] != 0, q = b.i[i] != 0;
		if (e->op->code == AZ_OP_not)
			y.i[i] = !p;
		else if (e->op->code == AZ_OP_and)
			y.i[i] = p && q;
		else if (e->op->code == AZ_OP_or)
			y.i[i] = p || q;
		else
			y.i[i] = p != q;
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

bool az_eval_where(az_eval *e)
{
	const az_type *type = e->results[0].type;
	unsigned bits = type->elem.bits;
	az_wide c = az_wide_load_as(e->scratch, e->args[0], type);
	void *both[2];
	for (uint32_t k = 0; k < 2; k++) {
		az_strided map = az_strided_broadcast(e->args[1 + k]->type, type);
		both[k] = az_tensor_new(e->scratch, type).data;
		az_copy_strided(both[k], e->args[1 + k]->data, &map, bits);
	}
	for (uint64_t i = 0; i < c.count; i++)
		az_copy_run(e->results[0].data, i, both[c.i[i] ? 0 : 1], i, 1, bits);
	return true;
}
