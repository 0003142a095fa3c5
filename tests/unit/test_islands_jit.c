/* SPDX-License-Identifier: Apache-2.0
 *
 * Islands of every kind, folded and compiled: contractions, element-wise operations, pools, movement, tables;
 * mixtures of widths and signs, 16-bit activations, differing scales. */
#include "tests/unit/island_kit.h"

/* clang-format off */
static const island contractions[] = {
	{"convolution", INTEGER,
	 "const @w : i8[5,3,3,3] = ~135:-127:127~\n"
	 "const @b : f32[5] = [1, -2, 0.5, 30, 0]\n"
	 "func @main(%x: u8[1,5,4,3]) -> (u8[1,5,4,5]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,5,4,3]\n"
	 "  %1 = dequantize @w, @t : f32[5,3,3,3]\n"
	 "  %2 = conv %0, %1, @b, pad = [1, 1, 1, 1], clamp = [0, 90] : f32[1,5,4,5]\n"
	 "  %3 = quantize %2, @u, @z : u8[1,5,4,5]\n  return %3\n}\n"},
	{"depthwise, i16 by i8 into u16", INTEGER,
	 "const @w : i8[3,3,3,1] = ~27:-127:127~\n"
	 "func @main(%x: i16[1,5,4,3]) -> (u16[1,5,4,3]) {\n"
	 "  %0 = dequantize %x, @s : f32[1,5,4,3]\n"
	 "  %1 = dequantize @w, @zs, axis = 0 : f32[3,3,3,1]\n"
	 "  %2 = conv %0, %1, pad = [1, 1, 1, 1], groups = 3 : f32[1,5,4,3]\n"
	 "  %3 = quantize %2, @u, @h : u16[1,5,4,3]\n  return %3\n}\n"},
	{"transposed convolution", INTEGER,
	 "const @w : i4[3,2,2,4] = ~48:-7:7~\n"
	 "const @b : f32[3] = [1, -2, 0.5]\n"
	 "func @main(%x: u8[1,3,3,4]) -> (i8[1,6,6,3]) {\n"
	 "  %0 = dequantize %x, @s, @y : f32[1,3,3,4]\n"
	 "  %1 = dequantize @w, @zs, axis = 0 : f32[3,2,2,4]\n"
	 "  %2 = conv_transpose %0, %1, @b, stride = [2, 2] : f32[1,6,6,3]\n"
	 "  %3 = quantize %2, @s, @n : i8[1,6,6,3]\n  return %3\n}\n"},
	{"product, stored bias", INTEGER,
	 "const @w : u8[6,3] = ~18:0:255~\n"
	 "const @b : i32[3] = [700, -20, 3]\n"
	 "const @sb : f32[] = [0.0015]\n"
	 "func @main(%x: i8[2,6]) -> (i8[2,3]) {\n"
	 "  %0 = dequantize %x, @s, @n : f32[2,6]\n"
	 "  %1 = dequantize @w, @t, @y : f32[6,3]\n"
	 "  %2 = dequantize @b, @sb : f32[3]\n"
	 "  %3 = matmul %0, %1, %2 : f32[2,3]\n"
	 "  %4 = quantize %3, @s, @n : i8[2,3]\n  return %4\n}\n"},
	{"product of two computed operands", INTEGER,
	 "func @main(%x: u8[2,3,4], %y: i8[2,4,5]) -> (u8[2,3,5]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[2,3,4]\n"
	 "  %1 = dequantize %y, @t, @n : f32[2,4,5]\n"
	 "  %2 = matmul %0, %1 : f32[2,3,5]\n"
	 "  %3 = quantize %2, @s, @y : u8[2,3,5]\n  return %3\n}\n"},
	{"16 bits by 8, long: i64", INTEGER,
	 "const @w : i8[600,4] = ~2400:-127:127~\n"
	 "func @main(%x: i16[1,600]) -> (i16[1,4]) {\n"
	 "  %0 = dequantize %x, @s : f32[1,600]\n"
	 "  %1 = dequantize @w, @t : f32[600,4]\n"
	 "  %2 = matmul %0, %1 : f32[1,4]\n"
	 "  %3 = quantize %2, @u : i16[1,4]\n  return %3\n}\n"},
	{"u16 convolution, long: i64", INTEGER,
	 "const @w : i8[3,3,3,64] = ~1728:-127:127~\n"
	 "const @b : f32[3] = [1e7, -2, 0.5]\n"
	 "func @main(%x: u16[1,4,3,64]) -> (i16[1,2,1,3]) {\n"
	 "  %0 = dequantize %x, @s, @h : f32[1,4,3,64]\n"
	 "  %1 = dequantize @w, @zs, axis = 0 : f32[3,3,3,64]\n"
	 "  %2 = conv %0, %1, @b : f32[1,2,1,3]\n"
	 "  %3 = quantize %2, @u : i16[1,2,1,3]\n  return %3\n}\n"},
	{"i64 depthwise", INTEGER,
	 "const @w : i16[3,3,3,1] = ~27:-32768:32767~\n"
	 "func @main(%x: u16[1,4,3,3]) -> (i16[1,2,1,3]) {\n"
	 "  %0 = dequantize %x, @s, @h : f32[1,4,3,3]\n"
	 "  %1 = dequantize @w, @zs, axis = 0 : f32[3,3,3,1]\n"
	 "  %2 = conv %0, %1, groups = 3 : f32[1,2,1,3]\n"
	 "  %3 = quantize %2, @u : i16[1,2,1,3]\n  return %3\n}\n"},
	{"i64 transposed convolution", INTEGER,
	 "const @w : i16[2,2,2,3] = ~24:-32768:32767~\n"
	 "func @main(%x: u16[1,4,3,3]) -> (i8[1,8,6,2]) {\n"
	 "  %0 = dequantize %x, @s, @h : f32[1,4,3,3]\n"
	 "  %1 = dequantize @w, @t : f32[2,2,2,3]\n"
	 "  %2 = conv_transpose %0, %1, stride = [2, 2] : f32[1,8,6,2]\n"
	 "  %3 = quantize %2, @u : i8[1,8,6,2]\n  return %3\n}\n"},
	{"batch norm with a falling channel before 6 bits", INTEGER,
	 "const @w : i4[3,1,1,2] = ~6:-7:7~\n"
	 "const @k : f32[3] = [2, -0.7, 0]\n"
	 "const @d : f32[3] = [0.1, 3, 1.26]\n"
	 "func @main(%x: u4[1,4,3,2]) -> (u6[1,4,3,3]) {\n"
	 "  %0 = dequantize %x, @s : f32[1,4,3,2]\n"
	 "  %1 = dequantize @w, @zs, axis = 0 : f32[3,1,1,2]\n"
	 "  %2 = conv %0, %1, @d : f32[1,4,3,3]\n"
	 "  %3 = mul %2, @k : f32[1,4,3,3]\n"
	 "  %4 = add %3, @d : f32[1,4,3,3]\n"
	 "  %5 = quantize %4, @s, clamp = [1, 60] : u6[1,4,3,3]\n  return %5\n}\n"},
	{"the same before 3 bits", INTEGER,
	 "const @w : i4[3,1,1,2] = ~6:-7:7~\n"
	 "const @k : f32[3] = [2, -0.7, 0]\n"
	 "const @d : f32[3] = [0.1, 3, 1.26]\n"
	 "func @main(%x: u4[1,4,3,2]) -> (i3[1,4,3,3]) {\n"
	 "  %0 = dequantize %x, @s : f32[1,4,3,2]\n"
	 "  %1 = dequantize @w, @zs, axis = 0 : f32[3,1,1,2]\n"
	 "  %2 = conv %0, %1, @d : f32[1,4,3,3]\n"
	 "  %3 = mul %2, @k : f32[1,4,3,3]\n"
	 "  %4 = add %3, @d : f32[1,4,3,3]\n"
	 "  %5 = quantize %4, @u, rounding = ceil, clamp = [-3, 3] : i3[1,4,3,3]\n  return %5\n}\n"},
	{"bias before 2 bits", INTEGER,
	 "const @w : i2[7,3,3,2] = ~126:-1:1~\n"
	 "const @b : f32[7] = [0.1, 0.2, -0.3, 0.4, 1, 0, -1]\n"
	 "func @main(%x: u2[1,4,3,2]) -> (u2[1,2,1,7]) {\n"
	 "  %0 = dequantize %x, @u : f32[1,4,3,2]\n"
	 "  %1 = dequantize @w, @u : f32[7,3,3,2]\n"
	 "  %2 = conv %0, %1, @b, clamp = [0, 0f7f800000] : f32[1,2,1,7]\n"
	 "  %3 = quantize %2, @u : u2[1,2,1,7]\n  return %3\n}\n"},
	{"signs", INTEGER,
	 "const @w : bipolar[20,3] = [1, -1, 1, 1, -1, -1, -1, 1, 1, 1, -1, 1, -1, -1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1,"
	 " 1, -1, 1, 1, -1, -1, -1, 1, 1, 1, -1, 1, -1, -1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, 1, 1, 1, 1, -1, -1, 1,"
	 " -1, -1, -1, -1]\n"
	 "const @b : f32[3] = [0.1, 0.2, -0.3]\n"
	 "func @main(%x: bipolar[2,20]) -> (bipolar[2,3]) {\n"
	 "  %0 = dequantize %x, @u : f32[2,20]\n"
	 "  %1 = dequantize @w, @u : f32[20,3]\n"
	 "  %2 = matmul %0, %1, @b : f32[2,3]\n"
	 "  %3 = quantize %2, @s : bipolar[2,3]\n  return %3\n}\n"},
};

static const island elementwise[] = {
	{"add", REGISTERS,
	 "func @main(%x: u8[1,5,4,3], %y: i8[1,5,4,3]) -> (u8[1,5,4,3]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,5,4,3]\n"
	 "  %1 = dequantize %y, @t, @n : f32[1,5,4,3]\n"
	 "  %2 = add %0, %1, clamp = [0, 9] : f32[1,5,4,3]\n"
	 "  %3 = quantize %2, @s, @z : u8[1,5,4,3]\n  return %3\n}\n"},
	{"add of 4 and 16 bits", REGISTERS,
	 "func @main(%x: u4[1,5,4,3], %y: i16[1,5,4,3]) -> (i6[1,5,4,3]) {\n"
	 "  %0 = dequantize %x, @u : f32[1,5,4,3]\n"
	 "  %1 = dequantize %y, @t : f32[1,5,4,3]\n"
	 "  %2 = add %0, %1 : f32[1,5,4,3]\n"
	 "  %3 = quantize %2, @u : i6[1,5,4,3]\n  return %3\n}\n"},
	{"sub", REGISTERS,
	 "func @main(%x: u8[3,7], %y: u16[3,7]) -> (i16[3,7]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[3,7]\n"
	 "  %1 = dequantize %y, @t, @h : f32[3,7]\n"
	 "  %2 = sub %0, %1 : f32[3,7]\n"
	 "  %3 = quantize %2, @s : i16[3,7]\n  return %3\n}\n"},
	{"mul, broadcast", REGISTERS,
	 "func @main(%x: u8[1,5,4,3], %y: i8[1,1,1,3]) -> (u8[1,5,4,3]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,5,4,3]\n"
	 "  %1 = dequantize %y, @t, @n : f32[1,1,1,3]\n"
	 "  %2 = mul %0, %1 : f32[1,5,4,3]\n"
	 "  %3 = quantize %2, @s, @y : u8[1,5,4,3]\n  return %3\n}\n"},
	{"residual behind two convolutions, read twice", REGISTERS,
	 "const @w : i8[3,1,1,3] = ~9:-127:127~\n"
	 "func @main(%x: u8[1,5,4,3]) -> (u8[1,5,4,3], u8[1,5,4,3]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,5,4,3]\n"
	 "  %1 = dequantize @w, @t : f32[3,1,1,3]\n"
	 "  %2 = conv %0, %1 : f32[1,5,4,3]\n"
	 "  %3 = quantize %2, @u, @y : u8[1,5,4,3]\n"
	 "  %4 = dequantize %3, @u, @y : f32[1,5,4,3]\n"
	 "  %5 = conv %4, %1 : f32[1,5,4,3]\n"
	 "  %6 = quantize %5, @u, @y : u8[1,5,4,3]\n"
	 "  %7 = dequantize %6, @u, @y : f32[1,5,4,3]\n"
	 "  %8 = add %4, %7, clamp = [0, 0f7f800000] : f32[1,5,4,3]\n"
	 "  %9 = quantize %8, @u, @z : u8[1,5,4,3]\n"
	 "  %10 = sub %4, %7 : f32[1,5,4,3]\n"
	 "  %11 = quantize %10, @u, @z : u8[1,5,4,3]\n"
	 "  return %9, %11\n}\n"},
	{"table of a chain", INTEGER,
	 "func @main(%x: u8[3,7]) -> (i8[3,7]) {\n"
	 "  %0 = dequantize %x, @s, @y : f32[3,7]\n"
	 "  %1 = sigmoid %0 : f32[3,7]\n"
	 "  %2 = mul %0, %1 : f32[3,7]\n"
	 "  %3 = quantize %2, @t, @n : i8[3,7]\n  return %3\n}\n"},
	{"table of 3 bits into 16", INTEGER,
	 "func @main(%x: u3[3,7]) -> (i16[3,7]) {\n"
	 "  %0 = dequantize %x, @s : f32[3,7]\n"
	 "  %1 = tanh %0 : f32[3,7]\n"
	 "  %2 = quantize %1, @t : i16[3,7]\n  return %2\n}\n"},
	{"table of signs", INTEGER,
	 "func @main(%x: bipolar[3,7]) -> (i8[3,7]) {\n"
	 "  %0 = dequantize %x, @s : f32[3,7]\n"
	 "  %1 = exp %0 : f32[3,7]\n"
	 "  %2 = quantize %1, @t : i8[3,7]\n  return %2\n}\n"},
	{"16 bits are computed", REGISTERS,
	 "func @main(%x: i16[3,7]) -> (i16[3,7]) {\n"
	 "  %0 = dequantize %x, @s : f32[3,7]\n"
	 "  %1 = leaky_relu %0 : f32[3,7]\n"
	 "  %2 = sigmoid %1 : f32[3,7]\n"
	 "  %3 = quantize %2, @t : i16[3,7]\n  return %3\n}\n"},
	{"clip, leaky and parametric relu", INTEGER,
	 "const @p : f32[] = [0.3]\n"
	 "func @main(%x: u8[3,7]) -> (u8[3,7], i4[3,7], u8[3,7]) {\n"
	 "  %0 = dequantize %x, @s, @y : f32[3,7]\n"
	 "  %1 = clip %0, lo = -1, hi = 3 : f32[3,7]\n"
	 "  %2 = quantize %1, @s, @y : u8[3,7]\n"
	 "  %3 = leaky_relu %0 : f32[3,7]\n"
	 "  %4 = quantize %3, @u : i4[3,7]\n"
	 "  %5 = prelu %0, @p : f32[3,7]\n"
	 "  %6 = quantize %5, @s, @y : u8[3,7]\n"
	 "  return %2, %4, %6\n}\n"},
	{"softmax at the border", BORDER,
	 "func @main(%x: u8[3,7]) -> (u8[3,7]) {\n"
	 "  %0 = dequantize %x, @s, @y : f32[3,7]\n"
	 "  %1 = softmax %0 : f32[3,7]\n"
	 "  %2 = quantize %1, @t : u8[3,7]\n  return %2\n}\n"},
};

static const island others[] = {
	{"pools", INTEGER,
	 "func @main(%x: i8[1,5,4,3]) -> (i8[1,4,3,3], i8[1,5,4,3], u8[1,1,1,3], i8[1,1,1,3]) {\n"
	 "  %0 = dequantize %x, @s, @n : f32[1,5,4,3]\n"
	 "  %1 = max_pool %0, window = [2, 2] : f32[1,4,3,3]\n"
	 "  %2 = quantize %1, @s, @n : i8[1,4,3,3]\n"
	 "  %3 = avg_pool %0, window = [3, 3], pad = [1, 1, 1, 1] : f32[1,5,4,3]\n"
	 "  %4 = quantize %3, @t, @n : i8[1,5,4,3]\n"
	 "  %5 = reduce %0, kind = mean, axes = [1, 2] : f32[1,1,1,3]\n"
	 "  %6 = quantize %5, @t, @y : u8[1,1,1,3]\n"
	 "  %7 = reduce %0, kind = max, axes = [1, 2] : f32[1,1,1,3]\n"
	 "  %8 = quantize %7, @s, @n : i8[1,1,1,3]\n"
	 "  return %2, %4, %6, %8\n}\n"},
	{"mean of 16 bits", INTEGER,
	 "func @main(%x: u16[1,5,4,3]) -> (i8[1,3]) {\n"
	 "  %0 = dequantize %x, @s, @h : f32[1,5,4,3]\n"
	 "  %1 = reduce %0, kind = mean, axes = [1, 2], drop = true : f32[1,3]\n"
	 "  %2 = quantize %1, @u : i8[1,3]\n  return %2\n}\n"},
	{"mean to 2 bits", INTEGER,
	 "func @main(%x: u4[1,5,4,3]) -> (u2[1,1,1,3]) {\n"
	 "  %0 = dequantize %x, @s : f32[1,5,4,3]\n"
	 "  %1 = reduce %0, kind = mean, axes = [1, 2] : f32[1,1,1,3]\n"
	 "  %2 = quantize %1, @s : u2[1,1,1,3]\n  return %2\n}\n"},
	{"concat of one scale", INTEGER,
	 "func @main(%x: u8[1,2,3], %y: u8[1,4,3]) -> (u8[1,6,3]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,2,3]\n"
	 "  %1 = dequantize %y, @s, @z : f32[1,4,3]\n"
	 "  %2 = concat %0, %1, axis = 1 : f32[1,6,3]\n"
	 "  %3 = quantize %2, @s, @z : u8[1,6,3]\n  return %3\n}\n"},
	{"concat of differing scales, widths and signs", INTEGER,
	 "func @main(%x: u8[1,2,3], %y: i4[1,4,3], %v: u6[1,1,3]) -> (u8[1,7,3]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,2,3]\n"
	 "  %1 = dequantize %y, @t : f32[1,4,3]\n"
	 "  %2 = dequantize %v, @u : f32[1,1,3]\n"
	 "  %3 = concat %0, %1, %2, axis = 1 : f32[1,7,3]\n"
	 "  %4 = quantize %3, @t, @y : u8[1,7,3]\n  return %4\n}\n"},
	{"concat of 16 bits", REGISTERS,
	 "func @main(%x: i16[1,2,3], %y: u8[1,4,3]) -> (i16[1,6,3]) {\n"
	 "  %0 = dequantize %x, @s : f32[1,2,3]\n"
	 "  %1 = dequantize %y, @t, @y : f32[1,4,3]\n"
	 "  %2 = concat %0, %1, axis = 1 : f32[1,6,3]\n"
	 "  %3 = quantize %2, @u : i16[1,6,3]\n  return %3\n}\n"},
	{"padding of any value", INTEGER,
	 "func @main(%x: u8[1,5,4,3], %y: i16[2,2]) -> (u8[1,8,5,3], i8[1,6,4,3], i16[2,4]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,5,4,3]\n"
	 "  %1 = pad %0, pad = [0, 0, 1, 2, 0, 1, 0, 0], value = 1.234 : f32[1,8,5,3]\n"
	 "  %2 = quantize %1, @s, @z : u8[1,8,5,3]\n"
	 "  %3 = pad %0, pad = [0, 0, 1, 0, 0, 0, 0, 0], value = -7 : f32[1,6,4,3]\n"
	 "  %4 = quantize %3, @t, @n : i8[1,6,4,3]\n"
	 "  %5 = dequantize %y, @u : f32[2,2]\n"
	 "  %6 = pad %5, pad = [0, 0, 1, 1], value = 3.9 : f32[2,4]\n"
	 "  %7 = quantize %6, @u : i16[2,4]\n"
	 "  return %2, %4, %7\n}\n"},
	{"resize to the nearest", INTEGER,
	 "func @main(%x: u8[1,5,4,3]) -> (u8[1,10,8,3]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,5,4,3]\n"
	 "  %1 = resize %0, size = [1, 10, 8, 3], scale = [1, 2, 2, 1] : f32[1,10,8,3]\n"
	 "  %2 = quantize %1, @s, @z : u8[1,10,8,3]\n  return %2\n}\n"},
	{"linear resize", BORDER,
	 "func @main(%x: u8[1,5,4,3]) -> (u8[1,10,8,3]) {\n"
	 "  %0 = dequantize %x, @s, @z : f32[1,5,4,3]\n"
	 "  %1 = resize %0, size = [1, 10, 8, 3], scale = [1, 2, 2, 1], mode = linear : f32[1,10,8,3]\n"
	 "  %2 = quantize %1, @s, @z : u8[1,10,8,3]\n  return %2\n}\n"},
	{"movement", INTEGER,
	 "const @i : i64[2] = [1, -1]\n"
	 "func @main(%x: i16[1,5,4,3], %y: i8[4,6]) -> (i16[3,8], u8[2,6], i8[4,2]) {\n"
	 "  %0 = dequantize %x, @s : f32[1,5,4,3]\n"
	 "  %1 = slice %0, begin = [0, 1, 0, 0], size = [1, 2, 4, 3] : f32[1,2,4,3]\n"
	 "  %2 = reshape %1, shape = [8, 3] : f32[8,3]\n"
	 "  %3 = transpose %2, perm = [1, 0] : f32[3,8]\n"
	 "  %4 = quantize %3, @s : i16[3,8]\n"
	 "  %5 = dequantize %y, @s, @n : f32[4,6]\n"
	 "  %6 = gather %5, @i : f32[2,6]\n"
	 "  %7 = quantize %6, @t, @y : u8[2,6]\n"
	 "  %8 = slice %5, begin = [0, 1], size = [4, 2] : f32[4,2]\n"
	 "  %10 = quantize %8, @s, @n : i8[4,2]\n"
	 "  return %4, %7, %10\n}\n"},
};
/* clang-format on */

static void run_contractions(void)
{
	check_islands(contractions, AZ_COUNT(contractions));
}

static void run_elementwise(void)
{
	check_islands(elementwise, AZ_COUNT(elementwise));
}

static void run_others(void)
{
	check_islands(others, AZ_COUNT(others));
}

void test_islands_jit(void)
{
	unit_suite("islands",
		AZ_CASES({"contractions", run_contractions}, {"element-wise", run_elementwise},
			{"pools, movement, tables", run_others}));
}
