/* SPDX-License-Identifier: Apache-2.0
 *
 * Splitting activations into planes: bytes of a run become, for every plane, words whose bit k is that of
 * element k. x86 collects bits of bytes in one instruction (sign bits before AVX-512); other vector units
 * through comparisons, which the code generator turns into their way of doing it; what has none collects
 * four bytes by one multiplication. */
#include "backend/contract_bits.h"

#define UNROLLED 4 /* groups of bytes without a loop */

/* x - lo of every byte of a word; carries do not cross bytes. */
static LLVMValueRef move_bytes(az_emitter *e, LLVMValueRef x, int64_t lo)
{
	if (lo == 0)
		return x;
	uint32_t each = (uint32_t)(-lo & 255) * 0x01010101u;
	LLVMValueRef low = LLVMBuildAnd(e->b, x, az_int(e, e->i32, 0x7f7f7f7f), "");
	LLVMValueRef sum = LLVMBuildAdd(e->b, low, az_int(e, e->i32, each & 0x7f7f7f7fu), "");
	LLVMValueRef high = LLVMBuildXor(e->b, x, az_int(e, e->i32, each), "");
	high = LLVMBuildAnd(e->b, high, az_int(e, e->i32, 0x80808080u), "");
	return LLVMBuildXor(e->b, sum, high, "");
}

/* Bit i of each of `count` bytes from a word, as the low bits of one; of two numbers the greater is 1. */
static LLVMValueRef collect_four(const az_bits_code *code, LLVMValueRef x, uint32_t i)
{
	az_emitter *e = code->e;
	/* 2 apart: u = (x - lo) / 2. */
	if (code->b->step == 2)
		i++;
	if (i)
		x = LLVMBuildLShr(e->b, x, az_int(e, e->i32, i), "");
	x = LLVMBuildAnd(e->b, x, az_int(e, e->i32, 0x01010101), "");
	x = LLVMBuildMul(e->b, x, az_int(e, e->i32, 0x01020408), "");
	return LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, x, az_int(e, e->i32, 24), ""),
		az_int(e, e->i32, 15), "");
}

/* The planes of up to 32 bytes, four at a time. */
static void scalar_words(az_bits_code *code, LLVMValueRef at, int64_t valid, LLVMValueRef *out)
{
	az_emitter *e = code->e;
	for (uint32_t i = 0; i < code->b->x_planes; i++)
		out[i] = NULL;
	for (int64_t k = 0; k < valid; k += 4) {
		LLVMValueRef x = az_load(e, e->i32, az_at_const(e, at, k), 1);
		x = move_bytes(e, x, code->b->lo);
		for (uint32_t i = 0; i < code->b->x_planes; i++) {
			LLVMValueRef four = collect_four(code, x, i);
			if (k)
				four = LLVMBuildShl(e->b, four, az_int(e, e->i32, k), "");
			out[i] = out[i] ? LLVMBuildOr(e->b, out[i], four, "") : four;
		}
	}
}

/* Bit i of every byte, as bits of one number. */
static LLVMValueRef collect(const az_bits_code *code, LLVMValueRef x, uint32_t i)
{
	az_emitter *e = code->e;
	uint32_t n = az_lanes(LLVMTypeOf(x));
	LLVMTypeRef type = LLVMTypeOf(x), half = az_vec_type(e->i16, n / 2);
	LLVMValueRef zero = LLVMConstNull(type), bits;
	if (code->b->step == 2)
		i++;
	if (e->target->arch == AZ_ARCH_X86_64 && e->target->vector_bytes < 64) {
		/* Bit i of each byte to its sign, in lanes of 16 bits: there is no shift of bytes. */
		x = LLVMBuildBitCast(e->b, x, half, "");
		x = LLVMBuildShl(e->b, x, az_int(e, half, 7 - (int64_t)i), "");
		x = LLVMBuildBitCast(e->b, x, type, "");
		bits = LLVMBuildICmp(e->b, LLVMIntSLT, x, zero, "");
	} else {
		x = LLVMBuildAnd(e->b, x, az_int(e, type, INT64_C(1) << i), "");
		bits = LLVMBuildICmp(e->b, LLVMIntNE, x, zero, "");
	}
	return LLVMBuildBitCast(e->b, bits, LLVMIntTypeInContext(e->llvm, n), "");
}

/* The planes of n bytes, as numbers of `type`, shifted left by `shift` and joined to those in `out`. */
static void collect_planes(az_bits_code *code, LLVMValueRef at, uint32_t n, LLVMTypeRef type,
	uint32_t shift, LLVMValueRef *out)
{
	az_emitter *e = code->e;
	LLVMTypeRef bytes = az_vec_type(e->i8, n);
	LLVMValueRef x = az_load(e, bytes, at, 1);
	if (code->b->lo)
		x = LLVMBuildSub(e->b, x, az_int(e, bytes, code->b->lo), "");
	for (uint32_t i = 0; i < code->b->x_planes; i++) {
		LLVMValueRef v = LLVMBuildZExt(e->b, collect(code, x, i), type, "");
		if (shift)
			v = LLVMBuildShl(e->b, v, az_int(e, type, shift), "");
		out[i] = shift ? LLVMBuildOr(e->b, out[i], v, "") : v;
	}
}

/* `valid` bytes, at most as many as a group has, to their words. */
static void group(az_bits_code *code, LLVMValueRef from, LLVMValueRef to, int64_t valid)
{
	az_emitter *e = code->e;
	const az_target *target = e->target;
	LLVMValueRef v[AZ_BITS_PLANES_MAX];
	LLVMTypeRef type = valid > 32 ? e->i64 : e->i32;
	if (target->vector_bytes < 16 || target->arch == AZ_ARCH_ARM) {
		scalar_words(code, from, valid, v);
	} else if (valid > 32) {
		collect_planes(code, from, 64, type, 0, v);
	} else if (target->vector_bytes >= 32 && valid > 16) {
		collect_planes(code, from, 32, type, 0, v);
	} else {
		collect_planes(code, from, 16, type, 0, v);
		if (valid > 16)
			collect_planes(code, az_at_const(e, from, 16), 16, type, 16, v);
	}
	int64_t room = valid > 32 ? 64 : 32;
	for (uint32_t i = 0; i < code->b->x_planes; i++) {
		if (valid < room)
			v[i] = LLVMBuildAnd(e->b, v[i],
				LLVMConstInt(type, (UINT64_C(1) << valid) - 1, 0), "");
		az_store(e, v[i], az_at_const(e, to, i * code->b->plane_bytes), 4);
	}
}

/* A run of bytes to words. */
static void run(az_bits_code *code, LLVMValueRef from, LLVMValueRef to, int64_t bytes)
{
	az_emitter *e = code->e;
	int64_t each = e->target->vector_bytes == 64 ? 64 : 32, whole = bytes / each;
	if (whole > UNROLLED) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, 0, NULL);
		group(code, az_at(e, from, az_mul(e, loop.i, each)),
			az_at(e, to, az_mul(e, loop.i, each / 8)), each);
		az_loop_end(e, &loop, NULL);
	} else {
		for (int64_t k = 0; k < whole; k++)
			group(code, az_at_const(e, from, k * each),
				az_at_const(e, to, k * each / 8), each);
	}
	if (bytes % each)
		group(code, az_at_const(e, from, whole * each),
			az_at_const(e, to, whole * each / 8), bytes % each);
}

void az_bits_fill(az_bits_code *code, LLVMValueRef x, int64_t rows, int64_t columns)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	const az_contract *c = &b->c;
	int64_t height = (rows - 1) * c->stride_h + (c->kernel_h - 1) * c->dilation_h + 1;
	int64_t width = (columns - 1) * c->stride_w + (c->kernel_w - 1) * c->dilation_w + 1;
	int64_t from_step = (b->by_column ? c->stride_w : 1) * c->channels;
	az_loop lines, positions;
	az_loop_begin(e, &lines, az_index(e, 0), az_index(e, height), 1, 0, NULL);
	LLVMValueRef from = az_at(e, x, az_mul(e, lines.i, c->width * c->channels));
	LLVMValueRef to = az_at(e, code->scratch, az_mul(e, lines.i, b->row_bytes));
	if (b->joined) {
		run(code, from, to, width * c->channels);
	} else {
		int64_t count = b->by_column ? columns : width;
		az_loop_begin(e, &positions, az_index(e, 0), az_index(e, count), 1, 0, NULL);
		run(code, az_at(e, from, az_mul(e, positions.i, from_step)),
			az_at(e, to, az_mul(e, positions.i, b->position_bytes)), c->run);
		az_loop_end(e, &positions, NULL);
	}
	az_loop_end(e, &lines, NULL);
}
