/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel `depthwise`: convolutions with one filter per channel, in f32 and in integers of 8 and 16 bits.
 * Lanes are channels; a few neighbouring pixels of a row share the loaded columns. Packed weights are
 * [tap][channel], as stored; their zero point is subtracted in registers. Those of fewer than 8 bits lie as
 * backend/depthwise_sub.c says. */
#include "backend/depthwise.h"
#include "backend/kernels.h"

#include <string.h>

enum { TILE_W, TILE_LANES, TILE_SAFE, TILE_COUNT };

#define COLUMNS_MAX 64

static bool read(const az_func *func, az_contract *c)
{
	return az_dw_read(func, c) && c->kernel_w <= 32;
}

static int64_t input_columns(const az_contract *c, int64_t pixels)
{
	return (pixels - 1) * c->stride_w + (c->kernel_w - 1) * c->dilation_w + 1;
}

bool az_depthwise_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_contract c;
	if (!read(func, &c) || c.epilogue.shares || !az_decode_bind(&c, args) ||
		!az_value_const(args[c.w]) || input_columns(&c, 1) > COLUMNS_MAX)
		return false;
	if (!c.is_float && (c.bias == UINT32_MAX || !az_value_const(args[c.bias])))
		return false;
	bool scalar = c.is_float && target->arch == AZ_ARCH_ARM && !func->module->fast_math;
	int64_t lanes = scalar ? 1 : AZ_MAX(target->vector_bytes / 4, 1u);
	while (lanes > 4 && c.channels <= lanes / 2)
		lanes /= 2;
	/* Empty lanes of the last block would be stored where weights are packed. */
	while (c.w_elem.bits <= 8 && lanes > 4 &&
		(c.channels + lanes - 1) / lanes * lanes * 32 > c.channels * 33)
		lanes /= 2;
	int64_t w = target->vector_registers >= 32 ? 8 : 4;
	w = AZ_MIN(w, c.out_w);
	if (target->compact) /* a width that leaves no rest */
		for (w = AZ_MIN(w, INT64_C(3)); w > 1 && c.out_w % w;)
			w--;
	while (w > 1 && (w * c.kernel_w > 96 || input_columns(&c, w) > COLUMNS_MAX))
		w--;
	*tile = (az_tile){.count = TILE_COUNT};
	tile->v[TILE_W] = w;
	tile->v[TILE_LANES] = lanes;
	tile->v[TILE_SAFE] = c.is_float ? 0 : az_contract_proofs(&c, args);
	return true;
}

bool az_depthwise_shrink(const az_target *target, az_tile *tile)
{
	(void)target;
	if (tile->v[TILE_W] <= 1)
		return false;
	tile->v[TILE_W]--;
	return true;
}

typedef struct dw_code {
	az_emitter *e;
	const az_contract *c;
	const LLVMValueRef *params;
	az_epilogue_code ep;
	uint32_t lanes, elem, w_elem; /* bytes of an element */
	az_decoder decoder;
} dw_code;

/* Bytes as 16-bit lanes, signed; u16 as 32-bit lanes; i16 and floats as they are. */
static LLVMValueRef load_lanes(dw_code *code, az_elem elem, LLVMValueRef at)
{
	az_emitter *e = code->e;
	if (code->c->is_float)
		return az_load(e, az_vec_type(e->f32, code->lanes), at, 4);
	if (elem.bits == 16) {
		LLVMValueRef x = az_load(e, az_vec_type(e->i16, code->lanes), at, 1);
		return az_elem_is_signed(elem)
			       ? x
			       : LLVMBuildZExt(e->b, x, az_vec_type(e->i32, code->lanes), "");
	}
	LLVMValueRef bytes = az_load(e, az_vec_type(e->i8, code->lanes), at, 1);
	LLVMTypeRef wide = az_vec_type(e->i16, code->lanes);
	return az_elem_is_signed(elem) ? LLVMBuildSExt(e->b, bytes, wide, "")
				       : LLVMBuildZExt(e->b, bytes, wide, "");
}

static LLVMValueRef load_weight(dw_code *code, LLVMValueRef at)
{
	az_emitter *e = code->e;
	LLVMValueRef w = load_lanes(code, code->c->w_elem, at);
	if (code->c->zw == 0)
		return w;
	return LLVMBuildSub(e->b, w, az_int(e, LLVMTypeOf(w), code->c->zw), "");
}

static LLVMValueRef widen(az_emitter *e, LLVMValueRef x, LLVMTypeRef type)
{
	return LLVMTypeOf(x) == type ? x : LLVMBuildSExt(e->b, x, type, "");
}

static LLVMValueRef multiply_add(dw_code *code, LLVMValueRef x, LLVMValueRef w, LLVMValueRef acc)
{
	az_emitter *e = code->e;
	if (code->c->is_float)
		return az_muladd(e, x, w, acc);
	LLVMTypeRef wide = LLVMTypeOf(acc);
	LLVMValueRef product = LLVMBuildMul(e->b, widen(e, x, wide), widen(e, w, wide), "");
	return LLVMBuildAdd(e->b, acc, product, "");
}

/* The packed weight of a tap as a real number. */
static LLVMValueRef real_weight(dw_code *code, const az_dw_patch *r, LLVMValueRef tap)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	LLVMValueRef u = az_dw_sub_stored(e, c, code->params[c->w], tap, r->block, code->lanes);
	u = LLVMBuildZExt(e->b, u, az_vec_type(e->i32, code->lanes), "");
	LLVMValueRef row = c->decode.group > 0 ? tap : az_index(e, 0);
	return az_decode_real(&code->decoder, u, az_decode_scale(&code->decoder, row, r->channel),
		az_decode_zero(&code->decoder, row, r->channel));
}

/* Tap kw of kernel row kh. */
static LLVMValueRef tap_weight(dw_code *code, const az_dw_patch *r, LLVMValueRef kh, int64_t kw)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	LLVMValueRef base = code->params[c->w], w;
	LLVMValueRef tap = az_add(e, az_mul(e, kh, c->kernel_w), az_index(e, kw));
	if (az_contract_is_wide(c))
		return real_weight(code, r, tap);
	if (c->decode.table != UINT32_MAX) {
		w = az_dw_sub_stored(e, c, base, tap, r->block, code->lanes);
		w = LLVMBuildTrunc(e->b, w, az_vec_type(e->i8, code->lanes), "");
		return az_decode_words(&code->decoder, w);
	}
	if (az_contract_is_sub(c)) {
		w = az_dw_sub_weight(e, c, base, tap, r->block, code->lanes);
	} else {
		LLVMValueRef at = az_add(e, az_mul(e, tap, c->channels), r->channel);
		w = load_weight(code, az_at(e, base, az_mul(e, at, code->w_elem)));
	}
	if (c->zeros == UINT32_MAX)
		return w;
	LLVMValueRef zeros = az_at(e, code->params[c->zeros], az_mul(e, r->channel, 2));
	return LLVMBuildSub(e->b, w, az_load(e, LLVMTypeOf(w), zeros, 2), "");
}

/* One row of taps. */
static void tap_row(dw_code *code, const az_dw_patch *r, LLVMValueRef x, LLVMValueRef kh,
	LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	LLVMValueRef column[COLUMNS_MAX] = {NULL};
	for (int64_t kw = 0; kw < c->kernel_w; kw++) {
		LLVMValueRef weight = tap_weight(code, r, kh, kw);
		for (uint32_t m = 0; m < r->pixels; m++) {
			int64_t k = m * c->stride_w + kw * c->dilation_w;
			if (!column[k])
				column[k] = load_lanes(code, c->x_elem,
					az_at_const(e, x, k * c->channels * code->elem));
			acc[m] = multiply_add(code, column[k], weight, acc[m]);
		}
	}
}

static void emit_row(void *data, const az_dw_patch *r)
{
	dw_code *code = data;
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	LLVMTypeRef type = az_vec_type(c->is_float ? e->f32 : e->i32, code->lanes);
	LLVMValueRef zero = LLVMConstNull(type), bias = zero, acc[AZ_CARRIED_MAX];
	/* Strict floats add the bias last, as the interpreter does. */
	bool bias_last = c->is_float && !e->fast && c->bias != UINT32_MAX;
	if (c->bias != UINT32_MAX)
		bias = az_load(e, type, az_at(e, code->params[c->bias], az_mul(e, r->channel, 4)),
			4);
	for (uint32_t m = 0; m < r->pixels; m++)
		acc[m] = bias_last ? zero : bias;
	int64_t x_row = c->dilation_h * c->width * c->channels * code->elem;
	int64_t unroll = c->kernel_h * c->kernel_w * r->pixels <= 96 ? c->kernel_h : 1;
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, c->kernel_h), unroll, r->pixels, acc);
	memcpy(acc, loop.carried, r->pixels * sizeof *acc);
	LLVMValueRef x = az_at(e, r->x, az_mul(e, loop.i, x_row));
	for (int64_t u = 0; u < unroll; u++)
		tap_row(code, r, az_at_const(e, x, u * x_row), az_add(e, loop.i, az_index(e, u)),
			acc);
	az_loop_end(e, &loop, acc);
	for (uint32_t m = 0; m < r->pixels && bias_last; m++)
		loop.carried[m] = LLVMBuildFAdd(e->b, loop.carried[m], bias, "");
	az_epilogue_begin(&code->ep, r->image, r->row, r->column, r->channel, code->lanes);
	az_epilogue_patch(&code->ep, loop.carried, 1, r->pixels, 1, r->valid);
}

bool az_depthwise_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	az_contract c;
	if (!read(func, &c) || tile->count != TILE_COUNT)
		return az_error(e->ctx, func->loc, "@%s does not fit kernel \"depthwise\"",
			func->name);
	dw_code code = {.e = e, .c = &c, .params = params};
	code.lanes = (uint32_t)tile->v[TILE_LANES];
	code.elem = c.x_elem.bits / 8u;
	code.w_elem = c.is_float ? 4 : 1;
	code.ep = (az_epilogue_code){
		.e = e, .ep = &c.epilogue, .params = params, .proven = tile->v[TILE_SAFE]};
	az_allow_vectors(e, code.lanes * 4);
	az_decode_begin(&code.decoder, e, &c, params, code.lanes);
	az_epilogue_border(e, &c.epilogue, params[func->params.count]);
	az_dw_nest(e, &c, params[c.x], tile->v[TILE_W], code.lanes, emit_row, &code);
	return true;
}

/* --- Packing ------------------------------------------------------------------------------------------ */

static void pack_weights(const az_contract *c, az_const *w, az_arena *arena, const void **data,
	size_t *size)
{
	size_t elem = c->is_float ? 4 : 1, count = (size_t)az_type_numel(w->value.type);
	uint8_t *out = az_arena_array(arena, count, elem, 64);
	const uint8_t *from = az_const_data(w);
	*data = out;
	*size = count * elem;
	for (int64_t kh = 0; kh < c->kernel_h; kh++)
		for (int64_t kw = 0; kw < c->kernel_w; kw++)
			for (int64_t o = 0; o < c->channels; o++, out += elem)
				memcpy(out, from + az_contract_weight_index(c, o, kh, kw, 0) * elem,
					elem);
}

static void pack_zeros(const az_contract *c, az_arena *arena, const void **data, size_t *size)
{
	uint16_t *out = az_new_array(arena, uint16_t, (size_t)c->channels);
	for (int64_t o = 0; o < c->channels; o++)
		out[o] = (uint16_t)az_const_get_int(c->zero_of, (uint64_t)o);
	*data = out;
	*size = (size_t)c->channels * sizeof *out;
}

bool az_depthwise_pack(const az_target *target, const az_func *func, az_value *const *args,
	const az_tile *tile, uint32_t index, az_arena *arena, const void **data, size_t *size)
{
	(void)target;
	az_contract c;
	*size = 0;
	if (!read(func, &c) || !az_decode_bind(&c, args))
		return az_error(func->module->ctx, func->loc,
			"@%s does not fit kernel \"depthwise\"", func->name);
	az_const *w = az_value_const(args[c.w]);
	az_decode_pack(&c, args, index, arena, data, size);
	if (index == c.w && (az_contract_is_wide(&c) || az_contract_is_sub(&c)))
		az_dw_sub_pack(&c, w, (uint32_t)tile->v[TILE_LANES], arena, data, size);
	else if (index == c.w)
		pack_weights(&c, w, arena, data, size);
	if (index == c.zeros && index != UINT32_MAX)
		pack_zeros(&c, arena, data, size);
	if (index == c.bias && !c.is_float && c.zx != 0)
		az_contract_pack_bias(&c, w, az_value_const(args[c.bias]), c.zx, arena, data, size);
	return true;
}
