/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise operations of one operand: f32 (and what is narrower) by the strict functions of
 * ir/math.def, f64 by the C library, integers exactly. */
#include <math.h>

#include "ir/eval/part.h"
#include "ir/eval/strict.h"

static float unary_f32(const az_op *op, float x)
{
	const az_attrs *a = &op->attr;
	switch (op->code) {
#define PLAIN(name)                                                                                \
	case AZ_OP_##name:                                                                         \
		return az_strict_##name(x)
		PLAIN(neg);
		PLAIN(abs);
		PLAIN(sign);
		PLAIN(relu);
		PLAIN(sigmoid);
		PLAIN(hard_swish);
		PLAIN(tanh);
		PLAIN(exp);
		PLAIN(log);
		PLAIN(erf);
		PLAIN(softplus);
		PLAIN(softsign);
		PLAIN(mish);
		PLAIN(sqrt);
		PLAIN(reciprocal);
		PLAIN(floor);
		PLAIN(ceil);
		PLAIN(round);
		PLAIN(sin);
		PLAIN(cos);
#undef PLAIN
	case AZ_OP_clip:
		return az_strict_clip(x, a->clip.lo, a->clip.hi);
	case AZ_OP_leaky_relu:
		return az_strict_leaky_relu(x, a->leaky_relu.slope);
	case AZ_OP_elu:
		return az_strict_elu(x, a->elu.alpha);
	case AZ_OP_celu:
		return az_strict_celu(x, a->celu.alpha);
	case AZ_OP_selu:
		return az_strict_selu(x, a->selu.alpha, a->selu.gamma);
	case AZ_OP_thresholded_relu:
		return az_strict_thresholded_relu(x, a->thresholded_relu.alpha);
	case AZ_OP_hard_sigmoid:
		return az_strict_hard_sigmoid(x, a->hard_sigmoid.alpha, a->hard_sigmoid.beta);
	default: /* gelu */
		return a->gelu.tanh ? az_strict_gelu_tanh(x) : az_strict_gelu(x);
	}
}

static double clip_f64(double x, double lo, double hi)
{
	x = x < lo ? lo : x;
	return x > hi ? hi : x;
}

static double softplus_f64(double x)
{
	return (x > 0 ? x : 0) + log1p(exp(-fabs(x))) + (isnan(x) ? x : 0);
}

/* The operations that take attributes. */
static double shaped_f64(const az_op *op, double x)
{
	const az_attrs *a = &op->attr;
	double alpha;
	switch (op->code) {
	case AZ_OP_clip:
		return clip_f64(x, (double)a->clip.lo, (double)a->clip.hi);
	case AZ_OP_leaky_relu:
		return x < 0 ? (double)a->leaky_relu.slope * x : x;
	case AZ_OP_elu:
		return x < 0 ? (double)a->elu.alpha * expm1(x) : x;
	case AZ_OP_celu:
		alpha = (double)a->celu.alpha;
		return isnan(x) ? x : fmax(0, x) + fmin(0, alpha * expm1(x / alpha));
	case AZ_OP_selu:
		alpha = (double)a->selu.alpha;
		return (double)a->selu.gamma * (x > 0 ? x : alpha * expm1(x));
	case AZ_OP_thresholded_relu:
		return x > (double)a->thresholded_relu.alpha ? x : 0;
	case AZ_OP_hard_sigmoid:
		alpha = (double)a->hard_sigmoid.alpha;
		return clip_f64(alpha * x + (double)a->hard_sigmoid.beta, 0, 1);
	default: /* gelu */
		if (a->gelu.tanh)
			return 0.5 * x *
			       (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
		return 0.5 * x * (1 + erf(x * 0.7071067811865476));
	}
}

static double unary_f64(const az_op *op, double x)
{
	switch (op->code) {
	case AZ_OP_neg:
		return -x;
	case AZ_OP_abs:
		return fabs(x);
	case AZ_OP_sign:
		return (double)((x > 0) - (x < 0));
	case AZ_OP_relu:
		return x <= 0 ? 0 : x;
	case AZ_OP_sigmoid:
		return 1 / (1 + exp(-x));
	case AZ_OP_hard_swish:
		return x * clip_f64(x / 6 + 0.5, 0, 1);
	case AZ_OP_tanh:
		return tanh(x);
	case AZ_OP_exp:
		return exp(x);
	case AZ_OP_log:
		return log(x);
	case AZ_OP_erf:
		return erf(x);
	case AZ_OP_softplus:
		return softplus_f64(x);
	case AZ_OP_softsign:
		return x / (1 + fabs(x));
	case AZ_OP_mish:
		return x * tanh(softplus_f64(x));
	case AZ_OP_sqrt:
		return sqrt(x);
	case AZ_OP_reciprocal:
		return 1 / x;
	case AZ_OP_floor:
		return floor(x);
	case AZ_OP_ceil:
		return ceil(x);
	case AZ_OP_round:
		return nearbyint(x);
	case AZ_OP_sin:
		return sin(x);
	case AZ_OP_cos:
		return cos(x);
	default:
		return shaped_f64(op, x);
	}
}

/* The integers within real bounds: the lower one rounds up, the upper one down. */
static int64_t clip_int(int64_t x, float lo, float hi, bool huge)
{
	double v = huge ? (double)(uint64_t)x : (double)x;
	double least = ceil((double)lo), most = floor((double)hi);
	if (v > most)
		x = most <= -0x1p63 ? INT64_MIN : (int64_t)most;
	else if (v < least)
		x = least >= 0x1p63 ? INT64_MAX : (int64_t)least;
	return x;
}

static int64_t unary_int(const az_op *op, int64_t x, bool huge)
{
	bool negative = x < 0 && !huge;
	switch (op->code) {
	case AZ_OP_neg:
		return (int64_t)(0 - (uint64_t)x);
	case AZ_OP_abs:
		return negative ? (int64_t)(0 - (uint64_t)x) : x;
	case AZ_OP_sign:
		return negative ? -1 : x != 0;
	case AZ_OP_relu:
		return negative ? 0 : x;
	default:
		return clip_int(x, op->attr.clip.lo, op->attr.clip.hi, huge);
	}
}

bool az_eval_unary(az_eval *e)
{
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (uint64_t i = 0; i < y.count; i++) {
		if (y.kind == AZ_WIDE_F32)
			y.f[i] = unary_f32(e->op, x.f[i]);
		else if (y.kind == AZ_WIDE_F64)
			y.d[i] = unary_f64(e->op, x.d[i]);
		else
			y.i[i] = unary_int(e->op, x.i[i], x.huge);
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}
