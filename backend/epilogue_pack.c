/* SPDX-License-Identifier: Apache-2.0
 *
 * The packing epilogue of x86. Where a requantize is all there is: shift and add what came of fraction bits,
 * convert, multiply, convert back (rounding to even), then pack with saturation. Equal to docs/numerics.md: the bounds are integers, so clamping after rounding is clamping
 * before it; saturating at 16 bits, adding the zero point and saturating at 8 is one clamp because the
 * zero point lies within the 8-bit bounds. A conversion that overflows gives the smallest integer: right for
 * negative numbers, and positive ones are kept below by a minimum where they are not proven small. Anything else is computed in
 * registers of 32 bits, where it is a number of the result's type, so that saturating changes nothing. */
#include "backend/epilogue_pack.h"

#include "backend/expr.h"

typedef struct packing {
	az_epilogue_code *code;
	const az_op *op; /* the requantize that is all there is, or NULL */
	bool is_signed;
	int64_t zero, lo, hi;
	uint32_t columns, vectors, last_lanes;
} packing;

static LLVMValueRef call2(packing *p, const char *const names[3], LLVMValueRef a, LLVMValueRef b)
{
	uint32_t lanes = p->code->lanes;
	LLVMValueRef args[2] = {a, b};
	const char *name = names[lanes == 16 ? 2 : lanes == 8 ? 1 : 0];
	return az_intrinsic(p->code->e, name, NULL, 0, args, 2);
}

static LLVMValueRef pack_words(packing *p, LLVMValueRef a, LLVMValueRef b)
{
	static const char *const names[3] = {"llvm.x86.sse2.packssdw.128", "llvm.x86.avx2.packssdw",
		"llvm.x86.avx512.packssdw.512"};
	return call2(p, names, a, b);
}

static LLVMValueRef pack_bytes(packing *p, LLVMValueRef a, LLVMValueRef b)
{
	static const char *const u8[3] = {"llvm.x86.sse2.packuswb.128", "llvm.x86.avx2.packuswb",
		"llvm.x86.avx512.packuswb.512"};
	static const char *const i8[3] = {"llvm.x86.sse2.packsswb.128", "llvm.x86.avx2.packsswb",
		"llvm.x86.avx512.packsswb.512"};
	return call2(p, p->is_signed ? i8 : u8, a, b);
}

/* acc * factor + addend. */
static LLVMValueRef affine(packing *p, LLVMValueRef acc, uint32_t j)
{
	az_emitter *e = p->code->e;
	const az_epilogue *ep = p->code->ep;
	if (ep->factor && p->code->proven & AZ_PROVEN_SHIFT)
		acc = LLVMBuildShl(e->b, acc, az_epilogue_shift(p->code), "");
	else if (ep->factor)
		acc = LLVMBuildMul(e->b, acc, az_epilogue_operand(p->code, ep->factor, j), "");
	if (ep->addend)
		acc = LLVMBuildAdd(e->b, acc, az_epilogue_operand(p->code, ep->addend, j), "");
	return acc;
}

/* round(acc * scale), not yet clamped. */
static LLVMValueRef scaled(packing *p, LLVMValueRef acc, uint32_t j)
{
	az_emitter *e = p->code->e;
	acc = affine(p, acc, j);
	LLVMValueRef scale = az_epilogue_operand(p->code, p->op->args[1].value, j);
	LLVMValueRef x = LLVMBuildSIToFP(e->b, acc, LLVMTypeOf(scale), "");
	x = LLVMBuildFMul(e->b, x, scale, "");
	if (!(p->code->proven & AZ_PROVEN_RANGE)) {
		LLVMValueRef most = az_real_like(e, x, (double)(p->hi - p->zero));
		x = az_choose(e, az_fcmp(e, LLVMRealOLT, x, most), x, most);
	}
	return az_round_to_int(e, x);
}

/* Four vectors of 32 bits as one of bytes, interleaved: the four bytes of vector t from its 128-bit part l
 * stand at dword 4 l + t. */
static LLVMValueRef pack_interleaved(packing *p, const LLVMValueRef q[4])
{
	az_emitter *e = p->code->e;
	LLVMValueRef half[2];
	for (uint32_t i = 0; i < 2; i++) {
		half[i] = pack_words(p, q[2 * i], q[2 * i + 1]);
		LLVMTypeRef type = LLVMTypeOf(half[i]);
		LLVMValueRef args[2] = {half[i], az_int(e, type, p->zero)};
		if (p->zero != 0)
			half[i] = az_intrinsic(e, "llvm.sadd.sat", &type, 1, args, 2);
	}
	LLVMValueRef bytes = pack_bytes(p, half[0], half[1]);
	LLVMTypeRef type = LLVMTypeOf(bytes);
	int64_t least = p->is_signed ? -128 : 0, most = p->is_signed ? 127 : 255;
	if (p->lo > least) {
		LLVMValueRef args[2] = {bytes, az_int(e, type, p->lo)};
		bytes = az_intrinsic(e, p->is_signed ? "llvm.smax" : "llvm.umax", &type, 1, args,
			2);
	}
	if (p->hi < most) {
		LLVMValueRef args[2] = {bytes, az_int(e, type, p->hi)};
		bytes = az_intrinsic(e, p->is_signed ? "llvm.smin" : "llvm.umin", &type, 1, args,
			2);
	}
	return bytes;
}

/* Four vectors of 32 bits as one of bytes: vector t at bytes [t * lanes, (t + 1) * lanes). */
static LLVMValueRef pack_four(packing *p, const LLVMValueRef q[4])
{
	az_emitter *e = p->code->e;
	uint32_t lanes = p->code->lanes;
	LLVMValueRef bytes = pack_interleaved(p, q);
	LLVMTypeRef type = LLVMTypeOf(bytes);
	if (lanes == 4)
		return bytes;
	LLVMValueRef index[16];
	for (uint32_t i = 0; i < lanes; i++)
		index[i] = LLVMConstInt(e->i32, i % (lanes / 4) * 4 + i / (lanes / 4), 0);
	LLVMValueRef words = LLVMBuildBitCast(e->b, bytes, az_vec_type(e->i32, lanes), "");
	words = LLVMBuildShuffleVector(e->b, words, LLVMGetPoison(LLVMTypeOf(words)),
		LLVMConstVector(index, lanes), "");
	return LLVMBuildBitCast(e->b, words, type, "");
}

static LLVMValueRef bytes_at(az_emitter *e, LLVMValueRef x, uint32_t first, uint32_t count)
{
	LLVMValueRef index[64];
	if (count == 1)
		return LLVMBuildExtractElement(e->b, x, LLVMConstInt(e->i32, first, 0), "");
	for (uint32_t i = 0; i < count; i++)
		index[i] = LLVMConstInt(e->i32, first + i, 0);
	return LLVMBuildShuffleVector(e->b, x, LLVMGetPoison(LLVMTypeOf(x)),
		LLVMConstVector(index, count), "");
}

/* Stores vectors [first, first + count) of the rectangle; neighbours in a pixel go together. */
static void store(packing *p, LLVMValueRef bytes, uint32_t first, uint32_t count)
{
	az_emitter *e = p->code->e;
	uint32_t lanes = p->code->lanes;
	for (uint32_t t = 0; t < count;) {
		uint32_t m = (first + t) / p->vectors, j = (first + t) % p->vectors;
		uint32_t run = AZ_MIN(p->vectors - j, count - t);
		uint32_t length = run * lanes;
		if (j + run == p->vectors)
			length -= lanes - p->last_lanes;
		LLVMValueRef at = az_epilogue_address(p->code, m / p->columns, m % p->columns, j);
		LLVMValueRef part =
			length == 4 * lanes ? bytes : bytes_at(e, bytes, t * lanes, length);
		az_store(e, part, at, 1);
		t += run;
	}
}

static packing begin(az_epilogue_code *code)
{
	const az_op *op = code->ep->requantize;
	az_elem elem = code->ep->value->type->elem;
	packing p = {.code = code, .op = op};
	p.is_signed = az_elem_is_signed(elem);
	p.lo = az_elem_min(elem);
	p.hi = az_elem_max(elem);
	if (!op)
		return p;
	az_ints clamp = op->attr.requantize.clamp;
	p.zero = op->attr.requantize.zero;
	p.lo = clamp.count == 2 ? clamp.v[0] : p.lo;
	p.hi = clamp.count == 2 ? clamp.v[1] : p.hi;
	return p;
}

bool az_epilogue_packs(const az_target *target, const az_epilogue *ep)
{
	az_elem elem = ep->value->type->elem;
	return target->arch == AZ_ARCH_X86_64 && elem.bits == 8 && az_elem_is_integer(elem);
}

/* Integers of 32 bits that saturation brings into the result's type. */
static LLVMValueRef to_pack(packing *p, LLVMValueRef x, int64_t row, int64_t column, uint32_t j)
{
	return p->op ? scaled(p, x, j) : az_epilogue_value(p->code, x, row, column, j);
}

bool az_epilogue_pack_quads(az_epilogue_code *code, const LLVMValueRef *x, uint32_t pixels,
	uint32_t valid)
{
	packing p = begin(code);
	/* The block's scales: four vectors, as many numbers as it has bytes. */
	for (uint32_t m = 0; m < pixels; m++) {
		LLVMValueRef q[4];
		for (uint32_t t = 0; t < 4; t++) {
			q[t] = to_pack(&p, x[m * 4 + t], 0, m, t);
			if (!q[t])
				return false;
		}
		LLVMValueRef bytes = pack_interleaved(&p, q);
		LLVMValueRef at = az_epilogue_address(code, 0, m, 0);
		az_store(code->e, az_first_lanes(code->e, bytes, valid), at, 1);
	}
	return true;
}

bool az_epilogue_pack(az_epilogue_code *code, LLVMValueRef *x, uint32_t rows, uint32_t columns,
	uint32_t vectors, uint32_t last_lanes)
{
	if (!az_epilogue_packs(code->e->target, code->ep) || code->lanes < 4)
		return false;
	packing p = begin(code);
	p.columns = columns;
	p.vectors = vectors;
	p.last_lanes = last_lanes;
	uint32_t total = rows * columns * vectors;
	for (uint32_t i = 0; i < total; i += 4) {
		uint32_t count = AZ_MIN(total - i, 4u);
		LLVMValueRef q[4];
		for (uint32_t t = 0; t < 4; t++) {
			uint32_t m = (i + t) / vectors, j = (i + t) % vectors;
			q[t] = t < count ? to_pack(&p, x[i + t], m / columns, m % columns, j)
					 : q[count - 1];
			if (!q[t])
				return false;
		}
		store(&p, pack_four(&p, q), i, count);
	}
	return true;
}
