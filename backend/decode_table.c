/* SPDX-License-Identifier: Apache-2.0
 *
 * Codebooks of integers in registers: bytes that number entries become entries. Sixteen entries are one byte
 * permutation (pshufb, tbl, vtbl); larger tables are several, of which the higher bits choose. Where there is
 * no such instruction entries are loaded one by one. Entries of 16 bits are two tables of bytes.
 *
 * A packed table: the low bytes of its entries, filled up to 16, then the high ones, if any. */
#include "backend/contract.h"
#include "backend/expr.h"

#define REACH 16

static uint32_t entries_of(const az_contract *c)
{
	return 1u << c->w_elem.bits;
}

static uint32_t plane_bytes(const az_contract *c)
{
	return AZ_MAX(entries_of(c), (uint32_t)REACH);
}

void az_decode_pack_table(const az_contract *c, az_arena *arena, const void **data, size_t *size)
{
	uint32_t plane = plane_bytes(c), planes = c->decode.table_elem.bits / 8u;
	uint8_t *out = az_arena_alloc(arena, (size_t)plane * planes, 64);
	for (uint32_t i = 0; i < entries_of(c); i++) {
		uint64_t v = (uint64_t)az_const_get_int(c->decode.book, i);
		for (uint32_t p = 0; p < planes; p++)
			out[p * plane + i] = (uint8_t)(v >> (8 * p));
	}
	*data = out;
	*size = (size_t)plane * planes;
}

static bool permutes(const az_target *t)
{
	switch (t->arch) {
	case AZ_ARCH_X86_64:
		return t->vector_bytes >= 32; /* where pshufb surely is */
	case AZ_ARCH_AARCH64:
		return t->vector_bytes >= 16;
	case AZ_ARCH_ARM:
		return t->vector_bytes >= 16;
	default:
		return false;
	}
}

void az_decode_load_table(az_decoder *d)
{
	az_emitter *e = d->e;
	const az_contract *c = d->c;
	uint32_t planes = c->decode.table_elem.bits / 8u, plane = plane_bytes(c);
	d->reach = permutes(e->target) ? REACH : 0;
	for (uint32_t i = 0; d->reach && i < planes * plane / REACH; i++)
		d->table[i] = az_load(e, az_vec_type(e->i8, REACH),
			az_at_const(e, d->params[c->decode.table], (int64_t)i * REACH), REACH);
}

/* Lanes [first, first + count) of x, repeating from its beginning past its end. */
static LLVMValueRef take(az_emitter *e, LLVMValueRef x, uint32_t first, uint32_t count)
{
	LLVMValueRef index[64];
	uint32_t have = az_lanes(LLVMTypeOf(x));
	if (first == 0 && count == have)
		return x;
	for (uint32_t i = 0; i < count; i++)
		index[i] = LLVMConstInt(e->i32, (first + i) % have, 0);
	return LLVMBuildShuffleVector(e->b, x, LLVMGetPoison(LLVMTypeOf(x)),
		LLVMConstVector(index, count), "");
}

/* One permutation of a table of 16 bytes by as many numbers below 16 as x has lanes. */
static LLVMValueRef permute(az_emitter *e, LLVMValueRef table, LLVMValueRef x)
{
	uint32_t n = az_lanes(LLVMTypeOf(x));
	if (e->target->arch == AZ_ARCH_X86_64) {
		const char *name = n == 64   ? "llvm.x86.avx512.pshuf.b.512"
				   : n == 32 ? "llvm.x86.avx2.pshuf.b"
					     : "llvm.x86.ssse3.pshuf.b.128";
		LLVMValueRef args[2] = {take(e, table, 0, n), x};
		return az_intrinsic(e, name, NULL, 0, args, 2);
	}
	if (e->target->arch == AZ_ARCH_AARCH64) {
		LLVMTypeRef type = LLVMTypeOf(x);
		LLVMValueRef args[2] = {table, x};
		return az_intrinsic(e, "llvm.aarch64.neon.tbl1", &type, 1, args, 2);
	}
	LLVMValueRef half[2];
	for (uint32_t i = 0; i < 2; i++) {
		LLVMValueRef args[3] = {
			take(e, table, 0, 8), take(e, table, 8, 8), take(e, x, 8 * i, 8)};
		half[i] = az_intrinsic(e, "llvm.arm.neon.vtbl2", NULL, 0, args, 3);
	}
	LLVMValueRef index[16];
	for (uint32_t i = 0; i < 16; i++)
		index[i] = LLVMConstInt(e->i32, i, 0);
	return LLVMBuildShuffleVector(e->b, half[0], half[1], LLVMConstVector(index, 16), "");
}

static LLVMValueRef permuted(az_decoder *d, LLVMValueRef x, uint32_t plane)
{
	az_emitter *e = d->e;
	uint32_t n = az_lanes(LLVMTypeOf(x)), bits = d->c->w_elem.bits;
	uint32_t most = e->target->arch == AZ_ARCH_X86_64 ? 64 : 16;
	uint32_t wide = n <= 16 ? 16 : AZ_MIN(n, most), count = bits > 4 ? 1u << (bits - 4) : 1;
	LLVMValueRef whole = take(e, x, 0, wide), part[16];
	LLVMTypeRef type = LLVMTypeOf(whole);
	LLVMValueRef low = count > 1 ? LLVMBuildAnd(e->b, whole, az_int(e, type, 15), "") : whole;
	for (uint32_t i = 0; i < count; i++)
		part[i] = permute(e, d->table[plane * plane_bytes(d->c) / REACH + i], low);
	for (uint32_t bit = 4; count > 1; bit++, count /= 2) {
		LLVMValueRef set = LLVMBuildAnd(e->b, whole, az_int(e, type, 1 << bit), "");
		set = az_icmp(e, LLVMIntNE, set, LLVMConstNull(type));
		for (uint32_t i = 0; i < count / 2; i++)
			part[i] = LLVMBuildSelect(e->b, set, part[2 * i + 1], part[2 * i], "");
	}
	return take(e, part[0], 0, n);
}

static LLVMValueRef gathered(az_decoder *d, LLVMValueRef x, uint32_t plane)
{
	az_emitter *e = d->e;
	uint32_t n = az_lanes(LLVMTypeOf(x));
	LLVMValueRef base =
		az_at_const(e, d->params[d->c->decode.table], (int64_t)plane * plane_bytes(d->c));
	LLVMValueRef out = LLVMGetPoison(LLVMTypeOf(x));
	for (uint32_t i = 0; i < n; i++) {
		LLVMValueRef lane = LLVMConstInt(e->i32, i, 0), k = x;
		if (n > 1)
			k = LLVMBuildExtractElement(e->b, x, lane, "");
		k = az_load(e, e->i8, az_at(e, base, LLVMBuildZExt(e->b, k, e->i64, "")), 1);
		out = n > 1 ? LLVMBuildInsertElement(e->b, out, k, lane, "") : k;
	}
	return out;
}

static LLVMValueRef plane_of(az_decoder *d, LLVMValueRef x, uint32_t plane)
{
	uint32_t n = az_lanes(LLVMTypeOf(x));
	/* More than a register of bytes, or an odd number of them: halves. */
	if (!d->reach || n < 4)
		return gathered(d, x, plane);
	return permuted(d, x, plane);
}

LLVMValueRef az_decode_words(az_decoder *d, LLVMValueRef bytes)
{
	az_emitter *e = d->e;
	LLVMTypeRef half = az_vec_type(e->i16, az_lanes(LLVMTypeOf(bytes)));
	LLVMValueRef low = plane_of(d, bytes, 0);
	if (d->c->decode.table_elem.bits == 8)
		return LLVMBuildSExt(e->b, low, half, "");
	LLVMValueRef high = LLVMBuildZExt(e->b, plane_of(d, bytes, 1), half, "");
	high = LLVMBuildShl(e->b, high, az_int(e, half, 8), "");
	return LLVMBuildOr(e->b, high, LLVMBuildZExt(e->b, low, half, ""), "");
}

az_dot_operand az_decode_entries(az_decoder *d, az_dot_kit *kit, LLVMValueRef bytes)
{
	if (kit->form == AZ_FORM_PAIR || kit->form == AZ_FORM_WORD)
		return (az_dot_operand){{az_decode_words(d, bytes), NULL}};
	return az_dot_constant(kit, plane_of(d, bytes, 0));
}
