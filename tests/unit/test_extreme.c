/* SPDX-License-Identifier: Apache-2.0
 *
 * Extreme numbers in folded islands: scales that are zero, subnormal or far apart, factors above 1, biases near
 * 2^31, channels without weights, single elements, numbers that are none. Folded results are at most a step from
 * the float island's, compiled ones have the same bits (tests/unit/island_kit.h). */
#include "tests/unit/island_kit.h"

/* clang-format off */
#define CONV(constants, x, y) \
	constants \
	"func @main(%x: u8[1,4,3,2]) -> (" y "[1,4,3,3]) {\n" \
	"  %0 = dequantize %x, " x " : f32[1,4,3,2]\n" \
	"  %1 = dequantize @w, @sw, axis = 0 : f32[3,1,1,2]\n" \
	"  %2 = conv %0, %1, @b : f32[1,4,3,3]\n" \
	"  %3 = quantize %2, @sy : " y "[1,4,3,3]\n  return %3\n}\n"
#define WEIGHTS "const @w : i8[3,1,1,2] = ~6:-127:127~\n"

static const island scales[] = {
	{"zero scale of an input", INTEGER,
	 CONV(WEIGHTS "const @none : f32[] = [0]\nconst @sw : f32[3] = [1, 0.5, 2]\nconst @b : f32[3] = [3, -1.3, 0]\n"
	      "const @sy : f32[] = [0.1]\n", "@none, @z", "i8")},
	{"subnormal scale of an input", INTEGER,
	 CONV(WEIGHTS "const @none : f32[] = [3e-39]\nconst @sw : f32[3] = [1e30, 0.5, 2]\n"
	      "const @b : f32[3] = [3, -1.3, 0]\nconst @sy : f32[] = [0.1]\n", "@none, @z", "i8")},
	{"zero and subnormal scales of channels", INTEGER,
	 CONV(WEIGHTS "const @sw : f32[3] = [0, 1e-42, 0.5]\nconst @b : f32[3] = [3, -1.37, 0]\n"
	      "const @sy : f32[] = [0.1]\n", "@s, @z", "i16")},
	{"product of scales that is subnormal", INTEGER,
	 CONV(WEIGHTS "const @small : f32[] = [1e-30]\nconst @sw : f32[3] = [1e-12, 1e20, 1e-9]\n"
	      "const @b : f32[3] = [0.3, 0, 0]\nconst @sy : f32[] = [0.1]\n", "@small, @z", "u8")},
	{"zero scale of a result", INTEGER,
	 CONV(WEIGHTS "const @sw : f32[3] = [1, 2, 3]\nconst @b : f32[3] = [3, -1.3, 0]\nconst @sy : f32[] = [0]\n",
	      "@s, @z", "i8")},
	{"zero scales, no bias, two computed operands", INTEGER,
	 "const @none : f32[] = [0]\n"
	 "func @main(%x: u8[2,3], %y: i8[3,4]) -> (i8[2,4]) {\n"
	 "  %0 = dequantize %x, @none, @z : f32[2,3]\n"
	 "  %1 = dequantize %y, @s : f32[3,4]\n"
	 "  %2 = matmul %0, %1 : f32[2,4]\n"
	 "  %3 = quantize %2, @s, @n : i8[2,4]\n  return %3\n}\n"},
	{"zero scales in sums, maxima and means", REGISTERS,
	 "const @none : f32[] = [1e-40]\n"
	 "func @main(%x: u8[1,2,2,3], %y: i16[1,2,2,3]) -> (u8[1,2,2,3], u8[1,1,1,3], u8[1,1,1,3]) {\n"
	 "  %0 = dequantize %x, @none, @z : f32[1,2,2,3]\n"
	 "  %1 = dequantize %y, @s : f32[1,2,2,3]\n"
	 "  %2 = add %0, %1 : f32[1,2,2,3]\n"
	 "  %3 = quantize %2, @u, @y : u8[1,2,2,3]\n"
	 "  %4 = max_pool %0, window = [2, 2] : f32[1,1,1,3]\n"
	 "  %5 = quantize %4, @s, @y : u8[1,1,1,3]\n"
	 "  %6 = avg_pool %0, window = [2, 2] : f32[1,1,1,3]\n"
	 "  %7 = quantize %6, @s, @z : u8[1,1,1,3]\n  return %3, %5, %7\n}\n"},
	{"scales a factor of 10^6 apart", INTEGER,
	 CONV(WEIGHTS "const @sw : f32[3] = [1e-3, 1e3, 1]\nconst @b : f32[3] = [3, -1300, 0]\n"
	      "const @sy : f32[] = [0.5]\n", "@s, @z", "i16")},
	{"factors above 1", INTEGER,
	 CONV(WEIGHTS "const @sw : f32[3] = [100, 7, 30000]\nconst @b : f32[3] = [3, -1.3, 0]\n"
	      "const @sy : f32[] = [0.01]\n", "@s, @z", "i16")},
	{"factors that overflow", INTEGER,
	 CONV(WEIGHTS "const @sw : f32[3] = [1e30, 7, 1e34]\nconst @b : f32[3] = [3, -1.3, 0]\n"
	      "const @sy : f32[] = [1e-30]\n", "@s, @z", "i8")},
	{"scale beyond the floats stays float", BORDER,
	 CONV(WEIGHTS "const @huge : f32[] = [3e38]\nconst @sw : f32[3] = [1e30, 7, 1]\nconst @b : f32[3] = [3, -1.3, 0]\n"
	      "const @sy : f32[] = [1]\n", "@huge, @z", "i8")},
};

static const island numbers[] = {
	{"biases near 2^31", INTEGER,
	 CONV(WEIGHTS "const @sw : f32[3] = [1, 1, 1]\nconst @b : f32[3] = [107374180, -107374180, 53687090]\n"
	      "const @sy : f32[] = [900000]\n", "@s, @z", "i8")},
	{"biases beyond 2^31", INTEGER,
	 CONV(WEIGHTS "const @sw : f32[3] = [1, 1, 1]\nconst @b : f32[3] = [1e12, -3e12, 5]\n"
	      "const @sy : f32[] = [1e11]\n", "@s, @z", "i8")},
	{"biases that no integer holds", BORDER,
	 CONV(WEIGHTS "const @sw : f32[3] = [1, 1, 1]\nconst @b : f32[3] = [1e30, 0, 5]\n"
	      "const @sy : f32[] = [1e29]\n", "@s, @z", "i8")},
	{"stored biases near 2^31", INTEGER,
	 WEIGHTS "const @sw : f32[] = [1]\nconst @sb : f32[] = [0.05]\n"
	 "const @b : i32[3] = [2147483647, -2147483648, 1073741952]\nconst @sy : f32[] = [1e6]\n"
	 "func @main(%x: u8[1,4,3,2]) -> (i8[1,4,3,3]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,4,3,2]\n"
	 "  %1 = dequantize @w, @sw : f32[3,1,1,2]\n"
	 "  %2 = dequantize @b, @sb : f32[3]\n"
	 "  %3 = conv %0, %1, %2 : f32[1,4,3,3]\n"
	 "  %4 = quantize %3, @sy : i8[1,4,3,3]\n  return %4\n}\n"},
	{"channels without weights", INTEGER,
	 CONV("const @w : i8[3,1,1,2] = [0, 0, 5, -7, 0, 0]\n"
	      "const @sw : f32[3] = [1, 0.5, 0]\nconst @b : f32[3] = [3, -1.3, 0]\nconst @sy : f32[] = [0.1]\n",
	      "@s, @z", "i8")},
	{"channels without weights before 2 bits", INTEGER,
	 CONV("const @w : i8[3,1,1,2] = [0, 0, 5, -7, 0, 0]\n"
	      "const @sw : f32[3] = [1, 0.5, 0]\nconst @b : f32[3] = [3, -1.3, 0]\nconst @sy : f32[] = [2]\n",
	      "@s, @z", "i2")},
	{"single elements", REGISTERS,
	 "const @w : i8[1,1,1,1] = [-128]\nconst @m : u8[1,1] = [255]\nconst @b : f32[1] = [0.4]\n"
	 "func @main(%x: u8[1,1,1,1]) -> (u8[1,1], u8[1,1,1,1]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,1,1,1]\n"
	 "  %1 = dequantize @w, @t : f32[1,1,1,1]\n"
	 "  %2 = conv %0, %1, @b : f32[1,1,1,1]\n"
	 "  %3 = quantize %2, @u, @y : u8[1,1,1,1]\n"
	 "  %4 = dequantize %3, @u, @y : f32[1,1,1,1]\n"
	 "  %5 = reduce %4, kind = mean, axes = [1, 2] : f32[1,1,1,1]\n"
	 "  %6 = quantize %5, @u, @y : u8[1,1,1,1]\n"
	 "  %7 = dequantize %6, @u, @y : f32[1,1,1,1]\n"
	 "  %8 = reshape %7, shape = [1, 1] : f32[1,1]\n"
	 "  %9 = dequantize @m, @s, @z : f32[1,1]\n"
	 "  %10 = matmul %8, %9 : f32[1,1]\n"
	 "  %11 = quantize %10, @u, @y : u8[1,1]\n"
	 "  %12 = add %0, %4 : f32[1,1,1,1]\n"
	 "  %13 = quantize %12, @u, @z : u8[1,1,1,1]\n  return %11, %13\n}\n"},
	{"infinities and numbers that are none, at the input", REGISTERS,
	 "const @w : i8[4,3] = ~12:-127:127~\n"
	 "func @main(%x: f32[9,4]) -> (i8[9,3], i2[9,4], bipolar[9,4]) {\n"
	 "  %0 = quantize %x, @s, @z : u8[9,4]\n"
	 "  %1 = dequantize %0, @s, @z : f32[9,4]\n"
	 "  %2 = dequantize @w, @t : f32[4,3]\n"
	 "  %3 = matmul %1, %2 : f32[9,3]\n"
	 "  %4 = quantize %3, @u : i8[9,3]\n"
	 "  %5 = quantize %x, @u, rounding = floor : i2[9,4]\n"
	 "  %6 = quantize %x, @u : bipolar[9,4]\n  return %4, %5, %6\n}\n"},
};
/* clang-format on */

static void run_scales(void)
{
	check_islands(scales, AZ_COUNT(scales));
}

static void run_numbers(void)
{
	check_islands(numbers, AZ_COUNT(numbers));
}

void test_extreme(void)
{
	unit_suite("extreme",
		AZ_CASES({"scales", run_scales}, {"biases, weights, elements", run_numbers}));
}
