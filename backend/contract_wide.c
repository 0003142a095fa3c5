/* SPDX-License-Identifier: Apache-2.0
 *
 * Floats times packed weights of 1 to 8 bits. The stored numbers of one output channel, less the lowest, follow
 * one another bit by bit in 32-bit words; words of neighbouring channels lie side by side, so that one vector
 * holds as many channels as it has lanes. A turn of the loop takes the steps after which a word is full
 * again (32 of one bit, 4 of 8); what remains ends in single bytes. No channel loses a whole byte.
 *
 * Layout of a block of channels: words [word][channel], bytes [byte][channel]. The last block is as narrow as
 * its channels; lanes past its end read what comes behind and are never stored. */
#include "backend/contract.h"
#include "backend/expr.h"

typedef struct turns {
	int64_t steps, period, words; /* in all; of one turn; 32-bit words of one turn */
	uint32_t bits;
} turns;

static turns turns_of(const az_contract *c)
{
	turns t = {.steps = c->kernel_h * c->taps * c->run, .bits = c->w_elem.bits};
	t.words = t.bits;
	t.period = 32;
	while (t.words % 2 == 0) {
		t.words /= 2;
		t.period /= 2;
	}
	return t;
}

int64_t az_wide_channel_bytes(const az_contract *c)
{
	turns t = turns_of(c);
	return (t.steps * t.bits + 7) / 8;
}

/* Long turns times large tiles make code that no cache holds. */
void az_wide_limit(const az_contract *c, az_tile *tile)
{
	int64_t *v = tile->v;
	while (turns_of(c).period * v[AZ_TILE_H] * v[AZ_TILE_W] * v[AZ_TILE_NR] > 256) {
		if (v[AZ_TILE_H] > 1)
			v[AZ_TILE_H]--;
		else if (v[AZ_TILE_W] > 4 || (v[AZ_TILE_W] > 1 && v[AZ_TILE_NR] == 1))
			v[AZ_TILE_W]--;
		else if (v[AZ_TILE_NR] > 1)
			v[AZ_TILE_NR]--;
		else
			break;
	}
}

/* Kernel row, column and input channel of a step. */
typedef struct tap {
	int64_t kh, kw, i;
} tap;

static tap tap_of(const az_contract *c, int64_t step)
{
	int64_t run = step / c->run, k = step % c->run;
	tap t = {.kh = run / c->taps, .kw = run % c->taps, .i = k};
	if (c->taps == 1) { /* a joined run holds the channels of all columns */
		t.kw = k / c->group_in;
		t.i = k % c->group_in;
	}
	return t;
}

/* --- Tables by step ----------------------------------------------------------------------------------- */

static int64_t input_offset(const az_contract *c, int64_t step)
{
	tap t = tap_of(c, step);
	int64_t pixel = t.kh * c->dilation_h * c->width + t.kw * c->dilation_w;
	return (pixel * c->channels + t.i) * 4;
}

static int64_t row_of_step(const az_contract *c, int64_t step)
{
	tap t = tap_of(c, step);
	return az_decode_row(c, t.kh, t.kw, t.i);
}

static LLVMValueRef table(az_contract_code *code, int64_t count,
	int64_t (*entry)(const az_contract *c, int64_t step))
{
	az_emitter *e = code->e;
	LLVMValueRef *v = az_new_array(&e->ctx->arena, LLVMValueRef, (size_t)count);
	for (int64_t i = 0; i < count; i++)
		v[i] = LLVMConstInt(e->i32, (unsigned long long)entry(code->c, i), 0);
	return az_constant_table(e, e->i32, v, (uint64_t)count, "steps");
}

static LLVMValueRef table_entry(az_emitter *e, LLVMValueRef table, LLVMValueRef first, int64_t u)
{
	LLVMValueRef at = az_at_const(e, az_at(e, table, az_mul(e, first, 4)), u * 4);
	return LLVMBuildZExt(e->b, az_load(e, e->i32, at, 4), e->i64, "");
}

/* --- The loop ----------------------------------------------------------------------------------------- */

typedef struct turn {
	az_contract_code *code;
	const az_patch *patch;
	turns t;
	int64_t count;      /* steps */
	LLVMValueRef at;    /* its weights */
	LLVMValueRef first; /* its first step */
	LLVMValueRef word[8][16];
	LLVMValueRef scale[16], zero[16], row; /* as loaded last */
} turn;

static int64_t block_channels(const az_contract_code *code, const az_patch *p)
{
	return (int64_t)(p->vectors - 1) * code->kit.lanes + p->last_lanes;
}

static void load_words(turn *t)
{
	az_emitter *e = t->code->e;
	uint32_t lanes = t->code->kit.lanes;
	int64_t channels = block_channels(t->code, t->patch), bits = t->count * t->t.bits;
	LLVMTypeRef words = az_vec_type(e->i32, lanes), bytes = az_vec_type(e->i8, lanes);
	for (uint32_t j = 0; j < t->patch->vectors; j++) {
		for (int64_t w = 0; w < bits / 32; w++)
			t->word[w][j] = az_load(e, words,
				az_at_const(e, t->at, (w * channels + j * lanes) * 4), 1);
		LLVMValueRef last = NULL;
		for (int64_t b = 0; b * 8 < bits % 32; b++) {
			int64_t at = bits / 32 * channels * 4 + b * channels + j * lanes;
			LLVMValueRef part = az_load(e, bytes, az_at_const(e, t->at, at), 1);
			part = LLVMBuildZExt(e->b, part, words, "");
			part = LLVMBuildShl(e->b, part, az_int(e, words, b * 8), "");
			last = last ? LLVMBuildOr(e->b, last, part, "") : part;
		}
		t->word[bits / 32][j] = last;
	}
}

/* Stored number u of vector j in the low bits. */
static LLVMValueRef stored_at(const turn *t, int64_t u, uint32_t j)
{
	az_emitter *e = t->code->e;
	int64_t bit = u * t->t.bits, shift = bit % 32;
	LLVMValueRef x = t->word[bit / 32][j];
	LLVMTypeRef type = LLVMTypeOf(x);
	if (shift)
		x = LLVMBuildLShr(e->b, x, az_int(e, type, shift), "");
	if (shift + t->t.bits > 32) {
		LLVMValueRef high = t->word[bit / 32 + 1][j];
		high = LLVMBuildShl(e->b, high, az_int(e, type, 32 - shift), "");
		x = LLVMBuildOr(e->b, x, high, "");
	}
	return x;
}

/* Do rows of scales follow one another in steps of `group`? */
static bool rows_are_even(const az_contract *c)
{
	return c->taps == 1 &&
	       (c->group_in % c->decode.group == 0 || c->kernel_h * c->kernel_w == 1);
}

/* The row of step u where it differs from that of step u - 1; else NULL. */
static LLVMValueRef new_row(turn *t, int64_t u)
{
	az_emitter *e = t->code->e;
	const az_contract *c = t->code->c;
	int64_t group = c->decode.group, period = t->t.period;
	if (group == 0)
		return u ? NULL : az_index(e, 0);
	if (!rows_are_even(c) || (group % period && period % group)) {
		if (!t->code->rows)
			t->code->rows = table(t->code, t->t.steps, row_of_step);
		return table_entry(e, t->code->rows, t->first, u);
	}
	if (u % AZ_MIN(group, period))
		return NULL;
	LLVMValueRef first = LLVMBuildUDiv(e->b, t->first, az_index(e, group), "");
	return az_add(e, first, az_index(e, u / group));
}

bool az_wide_scales_last(const az_contract_code *code)
{
	return code->e->fast && code->c->decode.group == 0;
}

void az_wide_scale(az_contract_code *code, const az_patch *p, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	for (uint32_t j = 0; j < p->vectors; j++) {
		LLVMValueRef channel =
			az_add(e, p->channel, az_index(e, (int64_t)j * code->kit.lanes));
		LLVMValueRef scale = az_decode_scale(&code->decoder, az_index(e, 0), channel);
		for (uint32_t m = 0; m < p->h * p->w_pixels; m++) {
			uint32_t i = m * p->vectors + j;
			acc[i] = az_fmul(e, acc[i], scale);
		}
	}
}

static void load_scales(turn *t, int64_t u)
{
	az_contract_code *code = t->code;
	az_emitter *e = code->e;
	LLVMValueRef row = new_row(t, u);
	for (uint32_t j = 0; row && j < t->patch->vectors; j++) {
		LLVMValueRef channel =
			az_add(e, t->patch->channel, az_index(e, (int64_t)j * code->kit.lanes));
		if (!az_wide_scales_last(code))
			t->scale[j] = az_decode_scale(&code->decoder, row, channel);
		t->zero[j] = az_decode_zero(&code->decoder, row, channel);
	}
}

static void emit_turn(turn *t, LLVMValueRef *acc)
{
	az_contract_code *code = t->code;
	az_emitter *e = code->e;
	load_words(t);
	for (int64_t u = 0; u < t->count; u++) {
		az_dot_operand w[16];
		load_scales(t, u);
		for (uint32_t j = 0; j < t->patch->vectors; j++)
			w[j].v[0] = az_decode_real(&code->decoder, stored_at(t, u, j), t->scale[j],
				t->zero[j]);
		LLVMValueRef x =
			code->offsets
				? az_at(e, t->patch->x, table_entry(e, code->offsets, t->first, u))
				: az_at_const(e, az_at(e, t->patch->x, az_mul(e, t->first, 4)),
					  u * 4);
		az_contract_step(code, t->patch, x, w, acc);
	}
}

void az_wide_steps(az_contract_code *code, const az_patch *p, uint32_t count, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	turn t = {.code = code, .patch = p, .t = turns_of(c)};
	int64_t whole = t.t.steps / t.t.period;
	int64_t bytes = t.t.words * 4 * block_channels(code, p);
	if (c->kernel_h * c->taps > 1 && !code->offsets)
		code->offsets = table(code, t.t.steps, input_offset);
	t.count = t.t.period;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, count, acc);
		for (uint32_t i = 0; i < count; i++)
			acc[i] = loop.carried[i];
		t.at = az_at(e, p->w, az_mul(e, loop.i, bytes));
		t.first = az_mul(e, loop.i, t.t.period);
		emit_turn(&t, acc);
		az_loop_end(e, &loop, acc);
		for (uint32_t i = 0; i < count; i++)
			acc[i] = loop.carried[i];
	}
	t.count = t.t.steps % t.t.period;
	if (t.count == 0)
		return;
	t.at = az_at_const(e, p->w, whole * bytes);
	t.first = az_index(e, whole * t.t.period);
	emit_turn(&t, acc);
}

/* --- Packing ------------------------------------------------------------------------------------------ */

/* Byte `byte` of the bits of output channel o. */
static uint8_t channel_byte(const az_contract *c, const az_const *w, int64_t o, int64_t byte)
{
	turns t = turns_of(c);
	bool bipolar = c->w_elem.kind == AZ_KIND_BIPOLAR;
	int64_t first = byte * 8 / t.bits, end = AZ_MIN((byte * 8 + 7) / t.bits + 1, t.steps);
	uint32_t out = 0;
	for (int64_t step = first; step < end; step++) {
		tap at = tap_of(c, step);
		int64_t v = az_contract_stored(c, w, o, at.kh, at.kw, at.i);
		uint32_t u = bipolar ? v > 0 : (uint32_t)(v - az_elem_min(c->w_elem));
		int64_t shift = step * t.bits - byte * 8;
		out |= shift < 0 ? u >> -shift : u << shift;
	}
	return (uint8_t)out;
}

void az_wide_pack(const az_contract *c, const az_const *w, uint32_t lanes, int64_t nr,
	az_arena *arena, const void **data, size_t *size)
{
	int64_t each = az_wide_channel_bytes(c);
	int64_t words = turns_of(c).steps * c->w_elem.bits / 32;
	int64_t bytes = c->out_channels * each, block = nr * lanes;
	uint8_t *out = az_arena_alloc(arena, (size_t)bytes, 64);
	*data = out;
	*size = (size_t)bytes;
	for (int64_t g = 0; g < c->groups; g++)
		for (int64_t j = 0; j < c->group_out; j += block) {
			int64_t channels = AZ_MIN(block, c->group_out - j);
			for (int64_t k = 0; k < channels; k++)
				for (int64_t b = 0; b < each; b++) {
					int64_t at = b < words * 4
							     ? (b / 4 * channels + k) * 4 + b % 4
							     : b * channels + k;
					out[at] = channel_byte(c, w, g * c->group_out + j + k, b);
				}
			out += channels * each;
		}
}
