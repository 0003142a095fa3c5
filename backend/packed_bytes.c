/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers of fewer than 8 bits to bytes and back, rows and vectors of them (backend/packed_bytes.h). Where the width divides 8, the elements of a byte are
 * spread over a word of as many bytes by shifts, a vector of bytes at a time; other widths go eight elements,
 * that is as many bytes as they have bits, at a time through a word of 64 bits, words side by side. */
#include "backend/packed_bytes.h"

#include "backend/expr.h"

/* What one turn of the loop converts: whole words of elements. */
typedef struct turn {
	az_emitter *e;
	az_elem elem;
	LLVMValueRef to, from;
	uint32_t lanes;  /* words side by side */
	uint32_t word;   /* bits of a word: the elements as bytes */
	uint32_t packed; /* bits of the packed elements of a word */
	uint32_t per;    /* elements of a word */
} turn;

static LLVMTypeRef words(const turn *t)
{
	return az_vec_type(LLVMIntTypeInContext(t->e->llvm, t->word), t->lanes);
}

static LLVMTypeRef bytes(const turn *t)
{
	return az_vec_type(t->e->i8, t->lanes * t->per);
}

/* `mask` in every byte of a word. */
static LLVMValueRef in_bytes(const turn *t, uint32_t mask)
{
	uint64_t all = UINT64_C(0x0101010101010101) * mask;
	return az_int(t->e, words(t),
		(int64_t)(t->word == 64 ? all : all & ((UINT64_C(1) << t->word) - 1)));
}

static LLVMValueRef shifted(const turn *t, LLVMValueRef x, uint32_t by, bool left)
{
	LLVMValueRef n = az_int(t->e, words(t), by);
	if (by == 0)
		return x;
	return left ? LLVMBuildShl(t->e->b, x, n, "") : LLVMBuildLShr(t->e->b, x, n, "");
}

static uint32_t mask_of(az_elem elem)
{
	return (1u << elem.bits) - 1;
}

/* Bits `from` to `from` + `ones` of every lane of `lane` bits. */
static LLVMValueRef in_lanes(const turn *t, uint32_t lane, uint32_t from, uint32_t ones)
{
	uint64_t all = 0;
	for (uint32_t at = 0; at < t->word; at += lane)
		for (uint32_t i = 0; i < ones; i++)
			all |= UINT64_C(1) << (at + from + i);
	return az_int(t->e, words(t), (int64_t)all);
}

/* In every lane the `half` bits from `from` on move to `to`, those from 0 on stay. */
static LLVMValueRef move_half(const turn *t, LLVMValueRef x, uint32_t lane, uint32_t half,
	uint32_t from, uint32_t to)
{
	LLVMBuilderRef b = t->e->b;
	LLVMValueRef low = LLVMBuildAnd(b, x, in_lanes(t, lane, 0, half), "");
	LLVMValueRef high = shifted(t, x, to > from ? to - from : from - to, to > from);
	return LLVMBuildOr(b, low, LLVMBuildAnd(b, high, in_lanes(t, lane, to, half), ""), "");
}

/* Element j moves from bit j bits to bit 8 j of the word. Where the width divides 8 all of them shift what came
 * along out of sight; else the upper half of the elements moves away from the lower, in halves again and again. */
static LLVMValueRef spread(const turn *t, LLVMValueRef x)
{
	uint32_t bits = t->elem.bits;
	LLVMValueRef out = x;
	if (8 % bits != 0) {
		for (uint32_t lane = 64; lane > 8; lane /= 2)
			x = move_half(t, x, lane, lane / 16 * bits, lane / 16 * bits, lane / 2);
		return x;
	}
	for (uint32_t j = 1; j < t->per; j++)
		out = LLVMBuildOr(t->e->b, out, shifted(t, x, j * (8u - bits), true), "");
	return LLVMBuildAnd(t->e->b, out, in_bytes(t, mask_of(t->elem)), "");
}

static LLVMValueRef gather(const turn *t, LLVMValueRef x)
{
	uint32_t bits = t->elem.bits;
	x = LLVMBuildAnd(t->e->b, x, in_bytes(t, mask_of(t->elem)), "");
	LLVMValueRef out = x;
	if (8 % bits != 0) {
		for (uint32_t lane = 16; lane <= 64; lane *= 2)
			x = move_half(t, x, lane, lane / 16 * bits, lane / 2, lane / 16 * bits);
		return x;
	}
	for (uint32_t j = 1; j < t->per; j++)
		out = LLVMBuildOr(t->e->b, out, shifted(t, x, j * (8u - bits), false), "");
	return out;
}

static LLVMTypeRef stored_type(const turn *t)
{
	return LLVMIntTypeInContext(t->e->llvm, t->packed);
}

/* The packed elements of all words, each in its word. What is no whole number of bytes of two, four or eight is
 * loaded word by word. */
static LLVMValueRef load_words(const turn *t, LLVMValueRef at)
{
	az_emitter *e = t->e;
	if (t->packed == 8)
		return LLVMBuildZExt(e->b, az_load(e, az_vec_type(e->i8, t->lanes), at, 1),
			words(t), "");
	LLVMValueRef all = LLVMGetPoison(words(t));
	for (uint32_t k = 0; k < t->lanes; k++) {
		LLVMValueRef from = az_at_const(e, at, (int64_t)k * t->packed / 8);
		LLVMValueRef x =
			LLVMBuildZExt(e->b, az_load(e, stored_type(t), from, 1), e->i64, "");
		all = t->lanes == 1 ? x
				    : LLVMBuildInsertElement(e->b, all, x,
					      LLVMConstInt(e->i32, k, 0), "");
	}
	return all;
}

static void store_words(const turn *t, LLVMValueRef x, LLVMValueRef at)
{
	az_emitter *e = t->e;
	if (t->packed == 8) {
		az_store(e, LLVMBuildTrunc(e->b, x, az_vec_type(e->i8, t->lanes), ""), at, 1);
		return;
	}
	for (uint32_t k = 0; k < t->lanes; k++) {
		LLVMValueRef one = t->lanes == 1 ? x
						 : LLVMBuildExtractElement(e->b, x,
							   LLVMConstInt(e->i32, k, 0), "");
		az_store(e, LLVMBuildTrunc(e->b, one, stored_type(t), ""),
			az_at_const(e, at, (int64_t)k * t->packed / 8), 1);
	}
}

/* The elements of one turn as bytes. */
static LLVMValueRef unpacked(const turn *t, LLVMValueRef at)
{
	az_emitter *e = t->e;
	LLVMValueRef x = LLVMBuildBitCast(e->b, spread(t, load_words(t, at)), bytes(t), "");
	if (!az_elem_is_signed(t->elem))
		return x;
	LLVMValueRef sign = az_int(e, bytes(t), 1 << (t->elem.bits - 1));
	return LLVMBuildSub(e->b, LLVMBuildXor(e->b, x, sign, ""), sign, "");
}

static void put_packed(const turn *t, LLVMValueRef x, LLVMValueRef at)
{
	store_words(t, gather(t, LLVMBuildBitCast(t->e->b, x, words(t), "")), at);
}

static void unpack_turn(const turn *t, LLVMValueRef i)
{
	az_emitter *e = t->e;
	LLVMValueRef x = unpacked(t, az_at(e, t->from, az_mul(e, i, t->packed / 8)));
	az_store(e, x, az_at(e, t->to, az_mul(e, i, t->per)), 1);
}

static void pack_turn(const turn *t, LLVMValueRef i)
{
	az_emitter *e = t->e;
	LLVMValueRef x = az_load(e, bytes(t), az_at(e, t->from, az_mul(e, i, t->per)), 1);
	put_packed(t, x, az_at(e, t->to, az_mul(e, i, t->packed / 8)));
}

static void one_by_one(const turn *t, int64_t begin, int64_t end, bool pack)
{
	az_emitter *e = t->e;
	az_elem byte = t->elem;
	byte.bits = 8;
	for (int64_t i = begin; i < end; i++) {
		LLVMValueRef at = az_index(e, i);
		if (pack)
			az_store_packed(e, t->elem,
				az_load_elems(e, byte, az_at(e, t->from, at), 1, 1), t->to, at);
		else
			az_store_elems(e, byte, az_load_packed(e, t->elem, t->from, at),
				az_at(e, t->to, at), 1);
	}
}

static turn turn_of(az_emitter *e, az_elem elem)
{
	bool divides = 8 % elem.bits == 0;
	turn t = {.e = e, .elem = elem};
	t.per = divides ? 8u / elem.bits : 8u;
	t.word = 8 * t.per;
	t.packed = divides ? 8u : 8u * elem.bits;
	return t;
}

static void convert(turn *t, int64_t count, bool pack)
{
	az_emitter *e = t->e;
	int64_t done = 0, all = count / t->per;
	t->lanes = AZ_MAX(e->target->vector_bytes / t->per, 1u);
	for (; t->lanes > 0; t->lanes /= 2) {
		int64_t end = done + (all - done) / t->lanes * t->lanes;
		if (end == done)
			continue;
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, done), az_index(e, end), t->lanes, 0, NULL);
		(pack ? pack_turn : unpack_turn)(t, loop.i);
		az_loop_end(e, &loop, NULL);
		done = end;
	}
	one_by_one(t, all * t->per, count, pack);
}

void az_unpack_bytes(az_emitter *e, az_elem elem, LLVMValueRef to, LLVMValueRef from, int64_t count)
{
	turn t = turn_of(e, elem);
	t.to = to;
	t.from = from;
	convert(&t, count, false);
}

void az_pack_bytes(az_emitter *e, az_elem elem, LLVMValueRef to, LLVMValueRef from, int64_t count)
{
	turn t = turn_of(e, elem);
	t.to = to;
	t.from = from;
	convert(&t, count, true);
}

bool az_packs_lanes(az_emitter *e, az_elem elem, uint32_t lanes)
{
	return az_elem_is_integer(elem) && elem.bits < 8 && lanes % turn_of(e, elem).per == 0;
}

LLVMValueRef az_unpack_lanes(az_emitter *e, az_elem elem, LLVMValueRef at, uint32_t lanes)
{
	turn t = turn_of(e, elem);
	t.lanes = lanes / t.per;
	LLVMTypeRef type = az_vec_type(az_register_type(e, elem), lanes);
	LLVMValueRef x = unpacked(&t, at);
	return az_elem_is_signed(elem) ? LLVMBuildSExt(e->b, x, type, "")
				       : LLVMBuildZExt(e->b, x, type, "");
}

void az_pack_lanes(az_emitter *e, az_elem elem, LLVMValueRef value, LLVMValueRef at)
{
	turn t = turn_of(e, elem);
	t.lanes = az_lanes(LLVMTypeOf(value)) / t.per;
	put_packed(&t, LLVMBuildTrunc(e->b, value, bytes(&t), ""), at);
}
