/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting: one rectangle of output pixels by one block of channels. A word of activations, in every lane,
 * meets words of weights of as many outputs. */
#include "backend/contract_bits.h"

#include <assert.h>

/* Bytes count at most 8 ones each: so many words fit into their sums. */
#define BYTES_HOLD 31
#define OPS_MAX    64 /* counts of a loop body */

typedef struct step_at {
	LLVMValueRef x; /* of the first pixel, plane 0 */
	LLVMValueRef w; /* plane 0, vector 0 */
} step_at;

static int64_t offset_of(const az_bits *b, int64_t step)
{
	int64_t run = step / b->run_words, kh = run / b->c.taps, tap = run % b->c.taps;
	return kh * b->c.dilation_h * b->row_bytes + tap * b->c.dilation_w * b->position_bytes +
	       step % b->run_words * 4;
}

static bool is_straight(const az_bits *b)
{
	return b->c.kernel_h * b->c.taps == 1;
}

static LLVMValueRef offset_table(az_emitter *e, const az_bits *b)
{
	LLVMValueRef *v = az_new_array(&e->ctx->arena, LLVMValueRef, (size_t)b->steps);
	for (int64_t i = 0; i < b->steps; i++)
		v[i] = LLVMConstInt(e->i32, (unsigned long long)offset_of(b, i), 0);
	return az_constant_table(e, e->i32, v, (uint64_t)b->steps, "offsets");
}

/* Step first + u. */
static step_at locate(az_bits_code *code, const az_patch *p, LLVMValueRef first, int64_t u)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	int64_t w_step = (int64_t)b->w_planes * p->vectors * b->lanes * 4;
	step_at at;
	at.w = az_at_const(e, az_at(e, p->w, az_mul(e, first, w_step)), u * w_step);
	if (is_straight(b)) {
		at.x = az_at_const(e, az_at(e, p->x, az_mul(e, first, 4)), u * 4);
	} else {
		if (!code->table)
			code->table = offset_table(e, b);
		LLVMValueRef entry =
			az_at_const(e, az_at(e, code->table, az_mul(e, first, 4)), u * 4);
		LLVMValueRef offset = az_load(e, e->i32, entry, 4);
		at.x = az_at(e, p->x, LLVMBuildZExt(e->b, offset, e->i64, ""));
	}
	return at;
}

/* The word of pixel m in plane i, in every lane. */
static LLVMValueRef activations(az_bits_code *code, const az_patch *p, step_at at, uint32_t m,
	uint32_t i)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	int64_t column = b->by_column ? 1 : b->c.stride_w;
	int64_t offset = m / p->w_pixels * b->c.stride_h * b->row_bytes +
			 m % p->w_pixels * column * b->position_bytes + i * b->plane_bytes;
	return az_splat(e, az_load(e, e->i32, az_at_const(e, at.x, offset), 4), b->lanes);
}

static LLVMValueRef weights(az_bits_code *code, const az_patch *p, step_at at, uint32_t j,
	uint32_t vector)
{
	az_emitter *e = code->e;
	uint32_t bytes = code->b->lanes * 4;
	LLVMValueRef from = az_at_const(e, at.w, ((int64_t)j * p->vectors + vector) * bytes);
	return az_load(e, az_vec_type(e->i32, code->b->lanes), from, bytes);
}

/* --- Counting ----------------------------------------------------------------------------------------- */

/* Ones of every byte of a word where there is no vector unit. */
static LLVMValueRef count_scalar(az_emitter *e, LLVMValueRef x)
{
	LLVMTypeRef t = e->i32;
	LLVMValueRef half = LLVMBuildLShr(e->b, x, az_int(e, t, 1), "");
	x = LLVMBuildSub(e->b, x, LLVMBuildAnd(e->b, half, az_int(e, t, 0x55555555), ""), "");
	half = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, x, az_int(e, t, 2), ""),
		az_int(e, t, 0x33333333), "");
	x = LLVMBuildAdd(e->b, LLVMBuildAnd(e->b, x, az_int(e, t, 0x33333333), ""), half, "");
	x = LLVMBuildAdd(e->b, x, LLVMBuildLShr(e->b, x, az_int(e, t, 4), ""), "");
	return LLVMBuildAnd(e->b, x, az_int(e, t, 0x0f0f0f0f), "");
}

/* The ones of words (form WORD) or bytes; the type stays that of x or is that of bytes. */
static LLVMValueRef count_ones(az_bits_code *code, LLVMValueRef x)
{
	az_emitter *e = code->e;
	uint32_t lanes = code->b->lanes;
	if (lanes == 1)
		return count_scalar(e, x);
	if (code->b->form != AZ_BITS_WORD)
		x = LLVMBuildBitCast(e->b, x, az_vec_type(e->i8, lanes * 4), "");
	LLVMTypeRef type = LLVMTypeOf(x);
	return az_intrinsic(e, "llvm.ctpop", &type, 1, &x, 1);
}

static LLVMValueRef meet(az_bits_code *code, LLVMValueRef x, LLVMValueRef w)
{
	LLVMBuilderRef b = code->e->b;
	LLVMValueRef both =
		code->b->bipolar ? LLVMBuildXor(b, x, w, "") : LLVMBuildAnd(b, x, w, "");
	return count_ones(code, both);
}

/* acc + counts * coefficient, for words of 32 bits. */
static LLVMValueRef add_times(az_emitter *e, LLVMValueRef acc, LLVMValueRef counts, int64_t c)
{
	LLVMTypeRef type = LLVMTypeOf(acc);
	int64_t size = c < 0 ? -c : c;
	if ((size & (size - 1)) != 0)
		counts = LLVMBuildMul(e->b, counts, az_int(e, type, size), "");
	else if (size > 1)
		counts = LLVMBuildShl(e->b, counts,
			az_int(e, type, __builtin_ctzll((uint64_t)size)), "");
	return c < 0 ? LLVMBuildSub(e->b, acc, counts, "") : LLVMBuildAdd(e->b, acc, counts, "");
}

static void add_counts(az_bits_code *code, LLVMValueRef *acc, LLVMValueRef counts, int64_t c)
{
	az_emitter *e = code->e;
	if (code->b->form == AZ_BITS_WORD) {
		*acc = add_times(e, *acc, counts, c);
		return;
	}
	az_dot_operand x = {{counts, NULL}}, w = {{az_int(e, LLVMTypeOf(counts), c), NULL}};
	az_dot_step(&code->kit, acc, x, w);
}

/* The only pair of planes there is: its counts are multiplied at the end. */
static bool only_pair(const az_bits *b)
{
	return b->form == AZ_BITS_WORD && b->x_planes * b->w_planes == 1 && b->c.zw == 0;
}

static int64_t pair_coefficient(const az_bits *b, uint32_t i, uint32_t j)
{
	int64_t w = j < b->w_planes ? az_bits_coefficient(b, j) : -b->c.zw;
	return b->step * w * (INT64_C(1) << i);
}

/* All planes of one word of every pixel. */
static void step(az_bits_code *code, const az_patch *p, step_at at, LLVMValueRef *acc)
{
	const az_bits *b = code->b;
	LLVMValueRef w[AZ_BITS_PLANES_MAX][16];
	for (uint32_t j = 0; j < b->w_planes; j++)
		for (uint32_t v = 0; v < p->vectors; v++)
			w[j][v] = weights(code, p, at, j, v);
	for (uint32_t m = 0; m < p->h * p->w_pixels; m++)
		for (uint32_t i = 0; i < b->x_planes; i++) {
			LLVMValueRef x = activations(code, p, at, m, i), *to = &acc[m * p->vectors];
			for (uint32_t j = 0; j < b->w_planes; j++)
				for (uint32_t v = 0; v < p->vectors; v++)
					add_counts(code, &to[v], meet(code, x, w[j][v]),
						only_pair(b) ? 1 : pair_coefficient(b, i, j));
			if (b->c.zw == 0)
				continue;
			LLVMValueRef ones = count_ones(code, x);
			for (uint32_t v = 0; v < p->vectors; v++)
				add_counts(code, &to[v], ones, pair_coefficient(b, i, b->w_planes));
		}
}

static int64_t unrolled(int64_t length, int64_t ops)
{
	int64_t uk = 1;
	for (int64_t k = 2; k <= 8; k *= 2)
		if (ops * k <= OPS_MAX && length >= 2 * k)
			uk = k;
	return uk;
}

static void keep(LLVMValueRef *to, const LLVMValueRef *from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		to[i] = from[i];
}

static void all_steps(az_bits_code *code, const az_patch *p, uint32_t count, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	int64_t uk = unrolled(b->steps, (int64_t)count * b->x_planes * b->w_planes);
	int64_t main = b->steps / uk * uk;
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, main), uk, count, acc);
	keep(acc, loop.carried, count);
	for (int64_t u = 0; u < uk; u++)
		step(code, p, locate(code, p, loop.i, u), acc);
	az_loop_end(e, &loop, acc);
	keep(acc, loop.carried, count);
	for (int64_t s = main; s < b->steps; s++)
		step(code, p, locate(code, p, az_index(e, s), 0), acc);
}

/* --- Sums in bytes ------------------------------------------------------------------------------------ */

/* The sum of the bytes of every word. */
static LLVMValueRef add_bytes(az_emitter *e, LLVMValueRef x, uint32_t lanes)
{
	LLVMTypeRef type = az_vec_type(e->i32, lanes);
	LLVMValueRef pairs = az_int(e, type, 0x00ff00ff);
	x = LLVMBuildBitCast(e->b, x, type, "");
	LLVMValueRef odd = LLVMBuildLShr(e->b, x, az_int(e, type, 8), "");
	x = LLVMBuildAdd(e->b, LLVMBuildAnd(e->b, x, pairs, ""), LLVMBuildAnd(e->b, odd, pairs, ""),
		"");
	return LLVMBuildAdd(e->b, LLVMBuildAnd(e->b, x, az_int(e, type, 0xffff), ""),
		LLVMBuildLShr(e->b, x, az_int(e, type, 16), ""), "");
}

/* Plane i against plane j (that of ones: j == w_planes) of one word of every pixel. */
static void pair_step(az_bits_code *code, const az_patch *p, step_at at, uint32_t i, uint32_t j,
	LLVMValueRef *sums)
{
	LLVMBuilderRef b = code->e->b;
	bool ones = j == code->b->w_planes;
	LLVMValueRef w[16];
	for (uint32_t v = 0; v < p->vectors && !ones; v++)
		w[v] = weights(code, p, at, j, v);
	for (uint32_t m = 0; m < p->h * p->w_pixels; m++) {
		LLVMValueRef x = activations(code, p, at, m, i);
		LLVMValueRef alone = ones ? count_ones(code, x) : NULL;
		for (uint32_t v = 0; v < p->vectors; v++) {
			LLVMValueRef *to = &sums[m * p->vectors + v];
			*to = LLVMBuildAdd(b, *to, alone ? alone : meet(code, x, w[v]), "");
		}
	}
}

/* One pair of planes over `length` steps from `first` on. */
static void pair_steps(az_bits_code *code, const az_patch *p, LLVMValueRef first, int64_t length,
	uint32_t i, uint32_t j, uint32_t count, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	uint32_t lanes = code->b->lanes;
	LLVMTypeRef type = lanes == 1 ? e->i32 : az_vec_type(e->i8, lanes * 4);
	LLVMValueRef sums[AZ_CARRIED_MAX];
	for (uint32_t k = 0; k < count; k++)
		sums[k] = LLVMConstNull(type);
	int64_t uk = unrolled(length, count), main = length / uk * uk;
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, main), uk, count, sums);
	keep(sums, loop.carried, count);
	for (int64_t u = 0; u < uk; u++)
		pair_step(code, p, locate(code, p, az_add(e, first, loop.i), u), i, j, sums);
	az_loop_end(e, &loop, sums);
	keep(sums, loop.carried, count);
	for (int64_t s = main; s < length; s++)
		pair_step(code, p, locate(code, p, first, s), i, j, sums);
	for (uint32_t k = 0; k < count; k++)
		acc[k] = add_times(e, acc[k], add_bytes(e, sums[k], lanes),
			pair_coefficient(code->b, i, j));
}

static void all_pairs(az_bits_code *code, const az_patch *p, LLVMValueRef first, int64_t length,
	uint32_t count, LLVMValueRef *acc)
{
	const az_bits *b = code->b;
	for (uint32_t j = 0; j < b->w_planes + (b->c.zw != 0); j++)
		for (uint32_t i = 0; i < b->x_planes; i++)
			pair_steps(code, p, first, length, i, j, count, acc);
}

static void all_spans(az_bits_code *code, const az_patch *p, uint32_t count, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	int64_t steps = code->b->steps, spans = (steps + BYTES_HOLD - 1) / BYTES_HOLD;
	int64_t length = (steps + spans - 1) / spans, whole = steps / length;
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, count, acc);
	keep(acc, loop.carried, count);
	all_pairs(code, p, az_mul(e, loop.i, length), length, count, acc);
	az_loop_end(e, &loop, acc);
	keep(acc, loop.carried, count);
	if (whole * length < steps)
		all_pairs(code, p, az_index(e, whole * length), steps - whole * length, count, acc);
}

/* --- The patch ---------------------------------------------------------------------------------------- */

static LLVMValueRef bias_of(az_bits_code *code, const az_patch *p, uint32_t vector)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	LLVMValueRef at = az_at(e, code->params[b->c.bias], az_mul(e, p->channel, 4));
	return az_load(e, az_vec_type(e->i32, b->lanes),
		az_at_const(e, at, (int64_t)vector * b->lanes * 4), 4);
}

void az_bits_patch(az_bits_code *code, const az_patch *p)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	uint32_t count = p->h * p->w_pixels * p->vectors;
	bool late = only_pair(b);
	LLVMValueRef acc[AZ_CARRIED_MAX];
	assert(count <= AZ_CARRIED_MAX && p->vectors <= 16);
	for (uint32_t v = 0; v < p->vectors; v++) {
		LLVMValueRef start =
			late ? LLVMConstNull(az_vec_type(e->i32, b->lanes)) : bias_of(code, p, v);
		for (uint32_t m = 0; m < p->h * p->w_pixels; m++)
			acc[m * p->vectors + v] = start;
	}
	if (b->form == AZ_BITS_BYTES)
		all_spans(code, p, count, acc);
	else
		all_steps(code, p, count, acc);
	for (uint32_t v = 0; v < p->vectors && late; v++) {
		LLVMValueRef bias = bias_of(code, p, v);
		for (uint32_t m = 0; m < p->h * p->w_pixels; m++) {
			LLVMValueRef *x = &acc[m * p->vectors + v];
			*x = add_times(e, bias, *x, pair_coefficient(b, 0, 0));
		}
	}
	az_epilogue_begin(&code->ep, p->image, p->row, p->column, p->channel, b->lanes);
	az_epilogue_patch(&code->ep, acc, p->h, p->w_pixels, p->vectors, p->last_lanes);
}
