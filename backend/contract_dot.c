/* SPDX-License-Identifier: Apache-2.0
 *
 * Dot products per target family. Weights are signed bytes. All forms are exact: nothing saturates, and
 * what an intermediate cannot hold is not formed.
 *
 *   vpdpbusd   u8 x s8; signed activations are shifted by 128
 *   pmaddwd    the even and the odd bytes of each granule as pairs of 16 bits, sign- or zero-extended
 *              in registers
 *   sdot       s8 x s8 (usdot where there is one); unsigned activations are shifted by 128
 *   smull      products of 16 bits are accumulated in pairs, so that each output has two accumulators
 *   widen      one element: 16-bit product, 32-bit sum; plain IR, which the RISC-V vector unit matches
 *   pair       two elements of 16 bits by pmaddwd, weights sign-extended; u16 less 32768
 *   word       one element of 16 bits, weights sign-extended: 32-bit product; u16 less 32768
 *   raw        one element of both operands as they are stored, less their zero points: 32-bit product */
#include "backend/contract.h"

az_dot_form az_dot_form_of(const az_target *target, bool is_float)
{
	if (is_float)
		return AZ_FORM_F32;
	switch (target->dot) {
	case AZ_DOT_SSE2:
	case AZ_DOT_AVX2:
	case AZ_DOT_AVX512BW:
		return AZ_FORM_PMADDWD;
	case AZ_DOT_VNNI128:
	case AZ_DOT_VNNI256:
	case AZ_DOT_VNNI512:
		return AZ_FORM_VPDPBUSD;
	case AZ_DOT_NEON:
		return AZ_FORM_SMULL;
	case AZ_DOT_NEON_DOT:
	case AZ_DOT_NEON_I8MM:
		return AZ_FORM_SDOT;
	default:
		return AZ_FORM_WIDEN;
	}
}

az_dot_form az_contract_form(const az_target *target, const az_contract *c)
{
	if (c->x_elem.bits != 16 || c->is_float)
		return az_dot_form_of(target, c->is_float);
	return target->arch == AZ_ARCH_X86_64 ? AZ_FORM_PAIR : AZ_FORM_WORD;
}

uint32_t az_form_granule(az_dot_form form)
{
	if (form == AZ_FORM_PAIR)
		return 2;
	return form == AZ_FORM_F32 || form == AZ_FORM_WIDEN || form == AZ_FORM_WORD ? 1 : 4;
}

uint32_t az_form_parts(az_dot_form form)
{
	return form == AZ_FORM_SMULL ? 2 : 1;
}

int64_t az_form_shift(const az_target *target, az_dot_form form, bool x_signed)
{
	if (form == AZ_FORM_PAIR || form == AZ_FORM_WORD)
		return x_signed ? 0 : -32768;
	if (form == AZ_FORM_VPDPBUSD)
		return x_signed ? 128 : 0;
	bool wants_signed =
		form == AZ_FORM_SMULL || (form == AZ_FORM_SDOT && target->dot != AZ_DOT_NEON_I8MM);
	return wants_signed && !x_signed ? -128 : 0;
}

void az_dot_kit_init(az_dot_kit *kit, az_emitter *e, bool is_float, bool x_signed, uint32_t lanes)
{
	az_dot_form form = az_dot_form_of(e->target, is_float);
	*kit = (az_dot_kit){.e = e, .form = form, .lanes = lanes};
	kit->granule = az_form_granule(form);
	kit->parts = az_form_parts(form);
	kit->elem_bytes = kit->w_bytes = is_float ? 4 : 1;
	kit->x_signed = x_signed;
	kit->x_shifted = az_form_shift(e->target, form, x_signed) != 0;
	kit->mixed = e->target->dot == AZ_DOT_NEON_I8MM;
	kit->acc_type = az_vec_type(is_float ? e->f32 : e->i32, lanes);
}

void az_dot_kit_contract(az_dot_kit *kit, az_emitter *e, const az_contract *c, int64_t shift,
	uint32_t lanes)
{
	bool x_signed = az_elem_is_signed(c->x_elem);
	az_dot_kit_init(kit, e, c->is_float, x_signed, lanes);
	az_dot_form form = az_contract_form(e->target, c);
	if (form != AZ_FORM_PAIR && form != AZ_FORM_WORD)
		return;
	kit->form = form;
	kit->granule = az_form_granule(form);
	kit->parts = 1;
	kit->elem_bytes = 2;
	kit->x_shifted = !x_signed;
	kit->w_rest = shift - c->zw;
}

void az_dot_kit_raw(az_dot_kit *kit, const az_contract *c)
{
	kit->form = AZ_FORM_RAW;
	kit->granule = kit->parts = 1;
	kit->x_shifted = false;
	kit->w_signed = az_elem_is_signed(c->w_elem);
	kit->zx = c->zx;
	kit->zw = c->zw;
}

LLVMValueRef az_dot_zero(az_dot_kit *kit)
{
	return LLVMConstNull(kit->acc_type);
}

static LLVMTypeRef bytes_type(const az_dot_kit *kit)
{
	return az_vec_type(kit->e->i8, kit->lanes * kit->granule);
}

static LLVMValueRef as(az_dot_kit *kit, LLVMTypeRef elem, uint32_t lanes, LLVMValueRef x)
{
	return LLVMBuildBitCast(kit->e->b, x, az_vec_type(elem, lanes), "");
}

/* The even and odd bytes of 16-bit lanes, extended. */
static az_dot_operand split_pairs(az_dot_kit *kit, LLVMValueRef bytes, bool is_signed)
{
	az_emitter *e = kit->e;
	LLVMValueRef pairs = as(kit, e->i16, kit->lanes * 2, bytes);
	LLVMTypeRef type = LLVMTypeOf(pairs);
	LLVMValueRef eight = az_int(e, type, 8);
	az_dot_operand out;
	if (is_signed) {
		out.v[0] = LLVMBuildAShr(e->b, LLVMBuildShl(e->b, pairs, eight, ""), eight, "");
		out.v[1] = LLVMBuildAShr(e->b, pairs, eight, "");
	} else {
		out.v[0] = LLVMBuildAnd(e->b, pairs, az_int(e, type, 255), "");
		out.v[1] = LLVMBuildLShr(e->b, pairs, eight, "");
	}
	return out;
}

az_dot_operand az_dot_from_bytes(az_dot_kit *kit, LLVMValueRef bytes)
{
	az_emitter *e = kit->e;
	az_dot_operand out = {{bytes, NULL}};
	if (kit->x_shifted)
		out.v[0] = LLVMBuildXor(e->b, bytes, az_int(e, LLVMTypeOf(bytes), -128), "");
	if (kit->form == AZ_FORM_PMADDWD)
		return split_pairs(kit, bytes, kit->x_signed);
	if (kit->form == AZ_FORM_WIDEN) {
		LLVMTypeRef wide = az_vec_type(kit->lanes == 1 ? e->i32 : e->i16, kit->lanes);
		out.v[0] = kit->x_signed ? LLVMBuildSExt(e->b, bytes, wide, "")
					 : LLVMBuildZExt(e->b, bytes, wide, "");
	}
	return out;
}

az_dot_operand az_dot_constant(az_dot_kit *kit, LLVMValueRef bytes)
{
	az_emitter *e = kit->e;
	az_dot_operand out = {{bytes, NULL}};
	if (kit->form == AZ_FORM_PMADDWD)
		return split_pairs(kit, bytes, true);
	if (kit->form == AZ_FORM_PAIR || kit->form == AZ_FORM_WORD) {
		LLVMTypeRef half = az_vec_type(e->i16, kit->lanes * kit->granule);
		out.v[0] = LLVMBuildSExt(e->b, bytes, half, "");
	}
	if (kit->form == AZ_FORM_WIDEN) {
		LLVMTypeRef wide = az_vec_type(kit->lanes == 1 ? e->i32 : e->i16, kit->lanes);
		out.v[0] = LLVMBuildSExt(e->b, bytes, wide, "");
	}
	return out;
}

/* Bytes as 32-bit numbers less their zero point; all fit into 16 bits, which the code generator sees. */
static LLVMValueRef raw_numbers(az_dot_kit *kit, LLVMValueRef bytes, bool is_signed, int64_t zero)
{
	az_emitter *e = kit->e;
	uint32_t lanes = az_lanes(LLVMTypeOf(bytes));
	LLVMTypeRef half = az_vec_type(e->i16, lanes), wide = az_vec_type(e->i32, lanes);
	LLVMValueRef x = is_signed ? LLVMBuildSExt(e->b, bytes, half, "")
				   : LLVMBuildZExt(e->b, bytes, half, "");
	x = LLVMBuildSub(e->b, x, az_int(e, half, zero), "");
	return LLVMBuildSExt(e->b, x, wide, "");
}

az_dot_operand az_dot_weights(az_dot_kit *kit, LLVMValueRef at)
{
	az_emitter *e = kit->e;
	az_dot_operand out = {{NULL, NULL}};
	if (kit->form == AZ_FORM_RAW) {
		LLVMValueRef bytes = az_load(e, bytes_type(kit), at, 1);
		out.v[0] = raw_numbers(kit, bytes, kit->w_signed, kit->zw);
		return out;
	}
	if (kit->form == AZ_FORM_F32) {
		out.v[0] = az_load(e, kit->acc_type, at, 4);
		return out;
	}
	uint32_t align = AZ_MIN(kit->lanes * kit->granule, 64u);
	out = az_dot_constant(kit, az_load(e, bytes_type(kit), at, align));
	if (kit->w_rest)
		out.v[0] = LLVMBuildAdd(e->b, out.v[0],
			az_int(e, LLVMTypeOf(out.v[0]), kit->w_rest), "");
	return out;
}

az_dot_operand az_dot_ones(az_dot_kit *kit)
{
	return az_dot_constant(kit, az_int(kit->e, bytes_type(kit), 1));
}

/* One or two elements of 16 bits, signed, in every 32-bit lane or 16-bit lane. */
static az_dot_operand broadcast_words(az_dot_kit *kit, LLVMValueRef at)
{
	az_emitter *e = kit->e;
	bool pair = kit->form == AZ_FORM_PAIR;
	LLVMTypeRef type = pair ? e->i32 : e->i16;
	LLVMValueRef x = az_splat(e, az_load(e, type, at, 1), kit->lanes);
	x = LLVMBuildBitCast(e->b, x, az_vec_type(e->i16, kit->lanes * kit->granule), "");
	if (kit->x_shifted)
		x = LLVMBuildXor(e->b, x, az_int(e, LLVMTypeOf(x), -32768), "");
	return (az_dot_operand){{x, NULL}};
}

az_dot_operand az_dot_broadcast(az_dot_kit *kit, LLVMValueRef at)
{
	az_emitter *e = kit->e;
	az_dot_operand out = {{NULL, NULL}};
	if (kit->form == AZ_FORM_F32) {
		out.v[0] = az_splat(e, az_load(e, e->f32, at, 4), kit->lanes);
		return out;
	}
	if (kit->form == AZ_FORM_PAIR || kit->form == AZ_FORM_WORD)
		return broadcast_words(kit, at);
	if (kit->form == AZ_FORM_RAW) {
		LLVMValueRef x = raw_numbers(kit, az_load(e, e->i8, at, 1), kit->x_signed, kit->zx);
		out.v[0] = az_splat(e, x, kit->lanes);
		return out;
	}
	if (kit->form == AZ_FORM_WIDEN) {
		LLVMTypeRef wide = kit->lanes == 1 ? e->i32 : e->i16;
		LLVMValueRef x = az_load(e, e->i8, at, 1);
		x = kit->x_signed ? LLVMBuildSExt(e->b, x, wide, "")
				  : LLVMBuildZExt(e->b, x, wide, "");
		out.v[0] = az_splat(e, x, kit->lanes);
		return out;
	}
	LLVMValueRef x = az_load(e, e->i32, at, 1);
	return az_dot_from_bytes(kit, as(kit, e->i8, kit->lanes * 4, az_splat(e, x, kit->lanes)));
}

az_dot_operand az_dot_consecutive(az_dot_kit *kit, LLVMValueRef at)
{
	return az_dot_from_bytes(kit, az_load(kit->e, bytes_type(kit), at, 1));
}

static LLVMValueRef step_vpdpbusd(az_dot_kit *kit, LLVMValueRef acc, LLVMValueRef x, LLVMValueRef w)
{
	const char *name = kit->lanes == 16  ? "llvm.x86.avx512.vpdpbusd.512"
			   : kit->lanes == 8 ? "llvm.x86.avx512.vpdpbusd.256"
					     : "llvm.x86.avx512.vpdpbusd.128";
	LLVMTypeRef i32 = kit->e->i32;
	LLVMValueRef args[3] = {acc, as(kit, i32, kit->lanes, x), as(kit, i32, kit->lanes, w)};
	return az_intrinsic(kit->e, name, NULL, 0, args, 3);
}

static LLVMValueRef step_pmaddwd(az_dot_kit *kit, LLVMValueRef acc, az_dot_operand x,
	az_dot_operand w)
{
	const char *name = kit->lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
			   : kit->lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
					     : "llvm.x86.sse2.pmadd.wd";
	for (uint32_t i = 0; i < 2 && x.v[i]; i++) {
		LLVMValueRef args[2] = {x.v[i], w.v[i]};
		LLVMValueRef sum = az_intrinsic(kit->e, name, NULL, 0, args, 2);
		acc = LLVMBuildAdd(kit->e->b, acc, sum, "");
	}
	return acc;
}

static LLVMValueRef step_sdot(az_dot_kit *kit, LLVMValueRef acc, LLVMValueRef x, LLVMValueRef w)
{
	az_emitter *e = kit->e;
	LLVMTypeRef types[2] = {az_vec_type(e->i32, 4), az_vec_type(e->i8, 16)};
	LLVMValueRef args[3] = {acc, x, w};
	bool arm = e->target->arch == AZ_ARCH_ARM;
	const char *name = arm ? "llvm.arm.neon.sdot" : "llvm.aarch64.neon.sdot";
	if (kit->mixed && !kit->x_signed)
		name = arm ? "llvm.arm.neon.usdot" : "llvm.aarch64.neon.usdot";
	return az_intrinsic(e, name, types, 2, args, 3);
}

/* Half h of 16 bytes, as 16-bit numbers. */
static LLVMValueRef widen_half(az_dot_kit *kit, LLVMValueRef bytes, uint32_t h)
{
	az_emitter *e = kit->e;
	LLVMValueRef index[8];
	for (uint32_t i = 0; i < 8; i++)
		index[i] = LLVMConstInt(e->i32, h * 8 + i, 0);
	LLVMValueRef half = LLVMBuildShuffleVector(e->b, bytes, LLVMGetPoison(LLVMTypeOf(bytes)),
		LLVMConstVector(index, 8), "");
	return LLVMBuildSExt(e->b, half, az_vec_type(e->i16, 8), "");
}

static void step_smull(az_dot_kit *kit, LLVMValueRef *acc, LLVMValueRef x, LLVMValueRef w)
{
	az_emitter *e = kit->e;
	for (uint32_t h = 0; h < 2; h++) {
		LLVMValueRef product =
			LLVMBuildMul(e->b, widen_half(kit, x, h), widen_half(kit, w, h), "");
		LLVMTypeRef types[2] = {az_vec_type(e->i32, 4), az_vec_type(e->i16, 8)};
		if (e->target->arch == AZ_ARCH_ARM) {
			LLVMValueRef args[2] = {acc[h], product};
			acc[h] = az_intrinsic(e, "llvm.arm.neon.vpadals", types, 2, args, 2);
			continue;
		}
		LLVMValueRef sum =
			az_intrinsic(e, "llvm.aarch64.neon.saddlp", types, 2, &product, 1);
		acc[h] = LLVMBuildAdd(e->b, acc[h], sum, "");
	}
}

void az_dot_step(az_dot_kit *kit, LLVMValueRef *acc, az_dot_operand x, az_dot_operand w)
{
	az_emitter *e = kit->e;
	LLVMValueRef product;
	switch (kit->form) {
	case AZ_FORM_F32:
		acc[0] = az_muladd(e, x.v[0], w.v[0], acc[0]);
		return;
	case AZ_FORM_VPDPBUSD:
		acc[0] = step_vpdpbusd(kit, acc[0], x.v[0], w.v[0]);
		return;
	case AZ_FORM_PMADDWD:
	case AZ_FORM_PAIR:
		acc[0] = step_pmaddwd(kit, acc[0], x, w);
		return;
	case AZ_FORM_SDOT:
		acc[0] = step_sdot(kit, acc[0], x.v[0], w.v[0]);
		return;
	case AZ_FORM_SMULL:
		step_smull(kit, acc, x.v[0], w.v[0]);
		return;
	case AZ_FORM_WORD:
		product = LLVMBuildMul(e->b, LLVMBuildSExt(e->b, x.v[0], kit->acc_type, ""),
			LLVMBuildSExt(e->b, w.v[0], kit->acc_type, ""), "");
		acc[0] = LLVMBuildAdd(e->b, acc[0], product, "");
		return;
	case AZ_FORM_RAW:
	case AZ_FORM_WIDEN:
		product = LLVMBuildMul(e->b, x.v[0], w.v[0], "");
		acc[0] = LLVMBuildAdd(e->b, acc[0], LLVMBuildSExt(e->b, product, kit->acc_type, ""),
			"");
		return;
	}
}

LLVMValueRef az_dot_finish(az_dot_kit *kit, const LLVMValueRef *acc)
{
	if (kit->parts == 1)
		return acc[0];
	az_emitter *e = kit->e;
	LLVMValueRef even[4], odd[4];
	for (uint32_t i = 0; i < 4; i++) {
		even[i] = LLVMConstInt(e->i32, 2 * i, 0);
		odd[i] = LLVMConstInt(e->i32, 2 * i + 1, 0);
	}
	LLVMValueRef a = LLVMBuildShuffleVector(e->b, acc[0], acc[1], LLVMConstVector(even, 4), "");
	LLVMValueRef b = LLVMBuildShuffleVector(e->b, acc[0], acc[1], LLVMConstVector(odd, 4), "");
	return LLVMBuildAdd(e->b, a, b, "");
}
