/* SPDX-License-Identifier: Apache-2.0
 *
 * The strict functions against f64 libm, over every 1009th bit pattern: the error bounds that
 * ir/math.def states. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "base/compiler.h"
#include "ir/eval/strict.h"

#define STRIDE 1009

/* Distance of y from the true value r, in units of the last place of r as f32. */
static double ulps(float y, double r)
{
	float rounded = (float)r;
	if (y == rounded || (isnan(y) && isnan(r)))
		return 0;
	if (!isfinite(y) || !isfinite(rounded))
		return INFINITY;
	int exponent;
	frexpf(fmaxf(fabsf(rounded), 0x1p-126f), &exponent);
	return fabs((double)y - r) / ldexp(1, exponent - 24);
}

static void bound(const char *name, float (*strict)(float), double (*exact)(double), float lo,
	float hi, double most_ulps, double most)
{
	double worst_ulps = 0, worst = 0;
	for (uint64_t i = 0; i <= UINT32_MAX; i += STRIDE) {
		float x = az_strict_from_bits((int32_t)(uint32_t)i);
		if (!(x >= lo && x <= hi))
			continue;
		double r = exact((double)x);
		float y = strict(x);
		worst_ulps = fmax(worst_ulps, ulps(y, r));
		worst = fmax(worst, y == (float)r ? 0 : fabs((double)y - r));
	}
	if (worst_ulps > most_ulps || worst > most)
		printf("\n%s: %g ulp, %g\n", name, worst_ulps, worst);
	CU_ASSERT_TRUE(worst_ulps <= most_ulps && worst <= most);
}

static void errors(void)
{
	bound("exp", az_strict_exp, exp, -80.0f, INFINITY, 1.0, INFINITY);
	bound("log", az_strict_log, log, 0.0f, INFINITY, 0.8, INFINITY);
	bound("tanh", az_strict_tanh, tanh, -INFINITY, INFINITY, 1.3, INFINITY);
	bound("erf", az_strict_erf, erf, -INFINITY, INFINITY, 1.3, INFINITY);
	bound("sin", az_strict_sin, sin, -1.0f, 1.0f, 1.5, INFINITY);
	bound("cos", az_strict_cos, cos, -1.0f, 1.0f, 1.5, INFINITY);
	bound("sin", az_strict_sin, sin, -65536.0f, 65536.0f, INFINITY, 1.2e-7);
	bound("cos", az_strict_cos, cos, -65536.0f, 65536.0f, INFINITY, 1.2e-7);
}

static void rounding_is_exact(void)
{
	bound("floor", az_strict_floor, floor, -INFINITY, INFINITY, 0, 0);
	bound("ceil", az_strict_ceil, ceil, -INFINITY, INFINITY, 0, 0);
	bound("round", az_strict_round, rint, -INFINITY, INFINITY, 0, 0);
	CU_ASSERT_TRUE(signbit(az_strict_ceil(-0.5f)) && signbit(az_strict_round(-0.5f)));
	CU_ASSERT_TRUE(signbit(az_strict_floor(-0.0f)));
}

static void power(void)
{
	uint32_t random = 1;
	double worst = 0;
	for (int i = 0; i < 1000000; i++) {
		random = random * 1664525u + 1013904223u;
		float x = i & 1 ? az_strict_from_bits((int32_t)(random >> 1))
				: 0.5f + 1.5f * (float)(random >> 8) * 0x1p-24f;
		random = random * 1664525u + 1013904223u;
		float y = (float)(int32_t)random * 0x1p-31f * (i & 1 ? 10.0f : 1000.0f);
		worst = fmax(worst, ulps(az_strict_pow(x, y), pow((double)x, (double)y)));
	}
	CU_ASSERT_TRUE(worst <= 6);
}

/* Signs, zeros, infinities and NaN in both places, as C's pow. */
static void power_corners(void)
{
	static const float v[] = {0.0f, -0.0f, 1.0f, -1.0f, 2.0f, -2.0f, 0.5f, -0.5f, 3.0f, -3.0f,
		INFINITY, -INFINITY, NAN, 1e-40f, -1e-40f, 3e38f, 1e10f, -1e10f};
	for (size_t i = 0; i < AZ_COUNT(v); i++) {
		for (size_t k = 0; k < AZ_COUNT(v); k++) {
			double r = pow((double)v[i], (double)v[k]);
			float y = az_strict_pow(v[i], v[k]);
			CU_ASSERT_TRUE(ulps(y, r) <= 6);
			CU_ASSERT_TRUE(isnan(r) || !signbit(y) == !signbit(r));
		}
	}
}

static void corners(void)
{
	CU_ASSERT_EQUAL(az_strict_exp(-80.0001f), 0);
	CU_ASSERT_EQUAL(az_strict_exp(-INFINITY), 0);
	CU_ASSERT_TRUE(isinf(az_strict_exp(89.0f)) && isnan(az_strict_exp(NAN)));
	CU_ASSERT_TRUE(isnan(az_strict_log(-1.0f)) && isnan(az_strict_log(NAN)));
	CU_ASSERT_EQUAL(az_strict_log(-0.0f), -INFINITY);
	CU_ASSERT_TRUE(isnan(az_strict_tanh(NAN)) && isnan(az_strict_erf(NAN)));
	CU_ASSERT_TRUE(isnan(az_strict_sin(INFINITY)) && isnan(az_strict_cos(65537.0f)));
	CU_ASSERT_TRUE(isnan(az_strict_relu(NAN)) && isnan(az_strict_clip(NAN, 0.0f, 1.0f)));
	CU_ASSERT_TRUE(isnan(az_strict_min(NAN, 1.0f)) && isnan(az_strict_min(1.0f, NAN)));
	CU_ASSERT_TRUE(isnan(az_strict_max(NAN, 1.0f)) && isnan(az_strict_max(1.0f, NAN)));
	CU_ASSERT_EQUAL(az_strict_softplus(200.0f), 200.0f);
	CU_ASSERT_EQUAL(az_strict_sigmoid(-200.0f), 0);
	CU_ASSERT_EQUAL(az_strict_sigmoid(0.0f), 0.5f);
}

void test_strict_math(void)
{
	unit_suite("strict_math",
		AZ_CASES({"error bounds", errors}, {"rounding is exact", rounding_is_exact},
			{"power", power}, {"power, corners", power_corners}, {"corners", corners}));
}
