/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights of fewer than 8 bits of convolutions with one filter per channel. A step is one tap of one block
 * of `lanes` channels; steps run over blocks, then taps. A width is a sum of planes of 4, 2 and 1 bits (or 8), and a
 * plane of p bits keeps step s in bits [s p mod 8, + p) of vector s p / 8 of bytes. Planes follow one another,
 * low bits first. So nothing is lost but the lanes of the last block and the end of the last vector.
 *
 * Stored is w - lowest value; the zero point goes at once when a weight is unpacked. */
#include "backend/depthwise.h"

static int64_t block_count(const az_contract *c, uint32_t lanes)
{
	return (c->channels + lanes - 1) / lanes;
}

/* Bytes of a plane. */
static int64_t plane_bytes(const az_contract *c, uint32_t lanes, uint32_t bits)
{
	int64_t steps = c->kernel_h * c->kernel_w * block_count(c, lanes);
	return (steps * bits + 7) / 8 * lanes;
}

/* Bits [low, low + bits) of the weights of a step, as 16-bit lanes. */
static LLVMValueRef field(az_emitter *e, LLVMValueRef plane, LLVMValueRef step, uint32_t bits,
	uint32_t lanes)
{
	LLVMTypeRef wide = az_vec_type(e->i16, lanes);
	LLVMValueRef bit = az_mul(e, step, bits);
	LLVMValueRef vector = LLVMBuildLShr(e->b, bit, az_index(e, 3), "");
	LLVMValueRef at = az_at(e, plane, az_mul(e, vector, lanes));
	LLVMValueRef x = LLVMBuildZExt(e->b,
		az_load(e, az_vec_type(e->i8, lanes), at, AZ_MIN(lanes, 64u)), wide, "");
	LLVMValueRef shift = LLVMBuildAnd(e->b, bit, az_index(e, 7), "");
	shift = az_splat(e, LLVMBuildTrunc(e->b, shift, e->i16, ""), lanes);
	x = LLVMBuildLShr(e->b, x, shift, "");
	return LLVMBuildAnd(e->b, x, az_int(e, wide, (1 << bits) - 1), "");
}

LLVMValueRef az_dw_sub_stored(az_emitter *e, const az_contract *c, LLVMValueRef base,
	LLVMValueRef tap, LLVMValueRef block, uint32_t lanes)
{
	LLVMValueRef step = az_add(e, az_mul(e, tap, block_count(c, lanes)), block), u = NULL;
	LLVMTypeRef wide = az_vec_type(e->i16, lanes);
	for (uint32_t size = 8, low = 0; size; size /= 2) {
		if (!(c->w_elem.bits & size))
			continue;
		LLVMValueRef part = field(e, base, step, size, lanes);
		if (low)
			part = LLVMBuildShl(e->b, part, az_int(e, wide, low), "");
		u = u ? LLVMBuildOr(e->b, u, part, "") : part;
		base = az_at_const(e, base, plane_bytes(c, lanes, size));
		low += size;
	}
	return u;
}

LLVMValueRef az_dw_sub_weight(az_emitter *e, const az_contract *c, LLVMValueRef base,
	LLVMValueRef tap, LLVMValueRef block, uint32_t lanes)
{
	LLVMTypeRef wide = az_vec_type(e->i16, lanes);
	LLVMValueRef u = az_dw_sub_stored(e, c, base, tap, block, lanes);
	if (c->w_elem.kind == AZ_KIND_BIPOLAR) /* 0, 1 to -1, 1 */
		return LLVMBuildSub(e->b, LLVMBuildAdd(e->b, u, u, ""), az_int(e, wide, 1), "");
	int64_t offset = c->zw - az_elem_min(c->w_elem);
	return offset ? LLVMBuildSub(e->b, u, az_int(e, wide, offset), "") : u;
}

/* --- Packing ------------------------------------------------------------------------------------------ */

static uint32_t stored(const az_contract *c, const az_const *w, int64_t channel, int64_t tap)
{
	int64_t v = az_contract_stored(c, w, channel, tap / c->kernel_w, tap % c->kernel_w, 0);
	return c->w_elem.kind == AZ_KIND_BIPOLAR ? v > 0 : (uint32_t)(v - az_elem_min(c->w_elem));
}

static void put_plane(const az_contract *c, const az_const *w, uint32_t lanes, uint32_t bits,
	uint32_t low, uint8_t *out)
{
	int64_t blocks = block_count(c, lanes), taps = c->kernel_h * c->kernel_w;
	for (int64_t step = 0; step < taps * blocks; step++)
		for (uint32_t lane = 0; lane < lanes; lane++) {
			int64_t channel = step % blocks * lanes + lane, bit = step * bits;
			if (channel >= c->channels)
				continue;
			uint32_t v = stored(c, w, channel, step / blocks) >> low;
			v = (v & ((1u << bits) - 1)) << bit % 8;
			out[bit / 8 * lanes + lane] |= (uint8_t)v;
		}
}

void az_dw_sub_pack(const az_contract *c, const az_const *w, uint32_t lanes, az_arena *arena,
	const void **data, size_t *size)
{
	int64_t bytes = 0;
	for (uint32_t bits = 8; bits; bits /= 2)
		if (c->w_elem.bits & bits)
			bytes += plane_bytes(c, lanes, bits);
	uint8_t *out = az_arena_alloc(arena, (size_t)bytes, 64);
	*data = out;
	*size = (size_t)bytes;
	for (uint32_t bits = 8, low = 0; bits; bits /= 2) {
		if (!(c->w_elem.bits & bits))
			continue;
		put_plane(c, w, lanes, bits, low, out);
		out += plane_bytes(c, lanes, bits);
		low += bits;
	}
}
