/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel `depthwise_quad`: convolutions with one filter per channel on bytes, four taps of a row per
 * dot product. Four neighbouring columns are interleaved so that every 32-bit lane holds the bytes of one
 * channel; such a quad serves every output whose taps of that row lie within it (two of a 3-tap row), with the
 * weights shifted inside the lane. Interleaving works within 128 bits and leaves the channels in an order
 * that the packing epilogue undoes by itself; bias, scales, levels and what else there is by channel are packed in
 * that order for it.
 *
 * A block is lanes * 4 channels: four vectors of 32-bit lanes. Vector t holds, in its 128-bit part l,
 * channels 16 l + 4 t to 16 l + 4 t + 3 of the block. Packed weights: [block][kernel row][quad][t][lane][4].
 * Weights are signed bytes less their zero point where all fit; else less 128 if unsigned, and a second
 * dot product adds the rest of the zero point.
 *
 * Weights of fewer than 8 bits are packed as backend/depthwise_sub.c says, a block as a step's lanes, and are
 * brought into the order above once in a call, on the stack: in the loops there would be one for every pixel. */
#include <string.h>

#include "backend/depthwise.h"
#include "backend/epilogue_pack.h"
#include "backend/kernels.h"

enum { TILE_GROUPS, TILE_LANES, TILE_SUMS, TILE_SAFE, TILE_COUNT };

#define COLUMNS_MAX 64
#define STACK_MAX   16384 /* of unpacked weights, bytes */

/* Outputs that one quad serves. */
static int64_t group_outputs(const az_contract *c)
{
	return c->kernel_w >= 4 ? 1 : (4 - c->kernel_w) / c->stride_w + 1;
}

static int64_t quads(const az_contract *c)
{
	return (c->kernel_w + 3) / 4;
}

static bool read(const az_func *func, az_contract *c)
{
	return az_dw_read(func, c) && az_contract_is_plain(c) && c->x_elem.bits == 8 &&
	       c->w_elem.bits <= 8 && c->dilation_w == 1 && c->kernel_w >= 2 && c->kernel_w <= 8 &&
	       c->kernel_h * quads(c) <= 16 && c->bias != UINT32_MAX;
}

static int64_t block_count(const az_contract *c, int64_t bytes)
{
	return (c->channels + bytes - 1) / bytes;
}

/* Bytes of the weights of one block. */
static int64_t block_bytes(const az_contract *c, int64_t bytes)
{
	return c->kernel_h * quads(c) * 4 * bytes;
}

/* Channels of a block for packed weights: hardly any lanes may be empty, and all must fit the stack. */
static bool fit_packed(const az_contract *c, int64_t *lanes)
{
	while (*lanes > 4 && block_count(c, *lanes * 4) * *lanes * 4 * 32 > c->channels * 33)
		*lanes /= 2;
	int64_t blocks = block_count(c, *lanes * 4);
	return blocks * *lanes * 4 * 32 <= c->channels * 33 &&
	       blocks * block_bytes(c, *lanes * 4) <= STACK_MAX;
}

/* What is left of the weights' zero point when they are kept less 128 or as they are. */
static int64_t rest(const az_contract *c)
{
	return (az_elem_is_signed(c->w_elem) ? 0 : 128) - c->zw;
}

/* Must the operand of the epilogue be brought into the order of the interleaving? */
static bool is_by_channel(const az_contract *c, uint32_t index)
{
	az_spread spread = c->epilogue.spread[index];
	const az_type *type = c->epilogue.func->params.v[index]->type;
	return spread == AZ_SPREAD_CHANNEL || (spread == AZ_SPREAD_LEVELS && type->dim[1] > 1);
}

/* The packing epilogue takes the channels in the order of the interleaving. */
static bool packs(const az_target *target, const az_contract *c)
{
	const az_func *func = c->epilogue.func;
	if (!az_epilogue_packs(target, &c->epilogue))
		return false;
	for (uint32_t i = 0; i < AZ_MIN(func->params.count, AZ_EPILOGUE_PARAMS); i++) {
		if (c->epilogue.spread[i] == AZ_SPREAD_FULL ||
			(is_by_channel(c, i) && func->params.v[i]->type->elem.bits != 32))
			return false;
	}
	return true;
}

/* Is all known that must be packed? */
static bool has_constants(const az_contract *c, az_value *const *args)
{
	const az_func *func = c->epilogue.func;
	for (uint32_t i = 0; i < AZ_MIN(func->params.count, AZ_EPILOGUE_PARAMS); i++) {
		if (is_by_channel(c, i) && !az_value_const(args[i]))
			return false;
	}
	return true;
}

bool az_depthwise_quad_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_contract c;
	if (!read(func, &c) || c.epilogue.shares || !az_value_const(args[c.w]) ||
		!az_value_const(args[c.bias]))
		return false;
	az_dot_form form = az_dot_form_of(target, false);
	if (form != AZ_FORM_VPDPBUSD && form != AZ_FORM_SDOT && form != AZ_FORM_PMADDWD)
		return false;
	bool sums = !az_contract_is_sub(&c) &&
		    az_contract_weight_shift(&c, az_value_const(args[c.w])) != c.zw;
	if (packs(target, &c) && !has_constants(&c, args))
		return false;
	if (sums && (rest(&c) > 127 || form == AZ_FORM_PMADDWD))
		return false;
	int64_t lanes = AZ_MAX(target->vector_bytes / 4, 4u);
	if (form == AZ_FORM_VPDPBUSD && target->dot != AZ_DOT_VNNI512)
		lanes = target->dot == AZ_DOT_VNNI256 ? 8 : 4;
	while (lanes > 4) {
		int64_t wide = (c.channels + lanes * 4 - 1) / (lanes * 4) * lanes * 4;
		int64_t narrow = (c.channels + lanes * 2 - 1) / (lanes * 2) * lanes * 2;
		if (narrow >= wide)
			break;
		lanes /= 2;
	}
	if (az_contract_is_sub(&c) && !fit_packed(&c, &lanes))
		return false;
	int64_t n = group_outputs(&c), groups = target->vector_registers >= 32 ? 4 / n : 2 / n;
	groups = target->compact ? 1 : AZ_MAX(groups, 1);
	*tile = (az_tile){.count = TILE_COUNT};
	tile->v[TILE_GROUPS] = AZ_MIN(groups, (c.out_w + n - 1) / n);
	tile->v[TILE_LANES] = lanes;
	tile->v[TILE_SUMS] = sums;
	tile->v[TILE_SAFE] = az_contract_proofs(&c, args);
	return true;
}

bool az_depthwise_quad_shrink(const az_target *target, az_tile *tile)
{
	(void)target;
	if (tile->v[TILE_GROUPS] <= 1)
		return false;
	tile->v[TILE_GROUPS]--;
	return true;
}

/* --- Emitting ----------------------------------------------------------------------------------------- */

typedef struct quad_code {
	az_emitter *e;
	const az_contract *c;
	const LLVMValueRef *params;
	LLVMValueRef weights; /* a byte each */
	az_dot_kit kit;
	az_epilogue_code ep;
	uint32_t lanes, bytes; /* 32-bit lanes; channels of a block */
	bool sums, packs;
} quad_code;

/* Columns of one row of a patch and their interleavings, made when first used. */
typedef struct quad_row {
	quad_code *code;
	LLVMValueRef x;
	LLVMValueRef column[COLUMNS_MAX];
	LLVMValueRef pair[COLUMNS_MAX][2]; /* of columns k and k + 1, low and high halves */
	int64_t count;                     /* columns that may be read */
} quad_row;

/* Interleaves elements of `bits` of the low or high halves of all 128-bit parts. */
static LLVMValueRef unpack(quad_code *code, LLVMValueRef a, LLVMValueRef b, uint32_t bits,
	uint32_t high)
{
	az_emitter *e = code->e;
	uint32_t per_part = 128 / bits, count = code->bytes * 8 / bits;
	LLVMTypeRef type = az_vec_type(bits == 8 ? e->i8 : e->i16, count);
	LLVMValueRef index[64];
	for (uint32_t i = 0; i < count; i++) {
		uint32_t from = i / per_part * per_part + high * per_part / 2 + i % per_part / 2;
		index[i] = LLVMConstInt(e->i32, from + (i % 2) * count, 0);
	}
	a = LLVMBuildBitCast(e->b, a, type, "");
	b = LLVMBuildBitCast(e->b, b, type, "");
	return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(index, count), "");
}

static LLVMValueRef column_at(quad_row *row, int64_t k)
{
	quad_code *code = row->code;
	/* What lies past the last needed column meets weights of zero. */
	k = AZ_MIN(k, row->count - 1);
	if (!row->column[k])
		row->column[k] = az_load(code->e, az_vec_type(code->e->i8, code->bytes),
			az_at_const(code->e, row->x, k * code->c->channels), 1);
	return row->column[k];
}

static LLVMValueRef pair_at(quad_row *row, int64_t k, uint32_t high)
{
	if (!row->pair[k][high])
		row->pair[k][high] =
			unpack(row->code, column_at(row, k), column_at(row, k + 1), 8, high);
	return row->pair[k][high];
}

/* The quad of columns k to k + 3, vector t. */
static az_dot_operand quad_at(quad_row *row, int64_t k, uint32_t t)
{
	quad_code *code = row->code;
	LLVMValueRef q =
		unpack(code, pair_at(row, k, t / 2), pair_at(row, k + 2, t / 2), 16, t % 2);
	LLVMTypeRef bytes = az_vec_type(code->e->i8, code->bytes);
	return az_dot_from_bytes(&code->kit, LLVMBuildBitCast(code->e->b, q, bytes, ""));
}

static LLVMValueRef load_dwords(quad_code *code, LLVMValueRef w, int64_t offset)
{
	az_emitter *e = code->e;
	return az_load(e, az_vec_type(e->i32, code->lanes), az_at_const(e, w, offset),
		AZ_MIN(code->bytes, 64u));
}

/* Weights moved up by `columns` bytes inside each lane. */
static az_dot_operand moved_weights(quad_code *code, LLVMValueRef dwords, int64_t columns)
{
	az_emitter *e = code->e;
	if (columns > 0)
		dwords = LLVMBuildShl(e->b, dwords, az_int(e, LLVMTypeOf(dwords), 8 * columns), "");
	LLVMTypeRef bytes = az_vec_type(e->i8, code->bytes);
	return az_dot_constant(&code->kit, LLVMBuildBitCast(e->b, dwords, bytes, ""));
}

/* The rest of the zero point at every tap of quad q. */
static LLVMValueRef rest_dwords(quad_code *code, int64_t q)
{
	az_emitter *e = code->e;
	uint32_t word = 0;
	for (int64_t b = 0; b < 4; b++)
		if (4 * q + b < code->c->kernel_w)
			word |= (uint32_t)(uint8_t)rest(code->c) << (8 * b);
	return az_int(e, az_vec_type(e->i32, code->lanes), (int32_t)word);
}

/* One row of taps for all outputs. */
static void tap_row(quad_code *code, const az_dw_patch *p, LLVMValueRef x, LLVMValueRef w,
	LLVMValueRef *acc)
{
	const az_contract *c = code->c;
	int64_t n = group_outputs(c);
	quad_row row = {.code = code, .x = x};
	row.count = (p->pixels - 1) * c->stride_w + c->kernel_w;
	for (int64_t q = 0; q < quads(c); q++) {
		for (uint32_t t = 0; t < 4; t++) {
			LLVMValueRef dwords = load_dwords(code, w, (q * 4 + t) * code->bytes);
			az_dot_operand weight[4];
			for (int64_t i = 0; i < n; i++)
				weight[i] = moved_weights(code, dwords, i * c->stride_w);
			for (uint32_t m = 0; m < p->pixels; m++) {
				int64_t i = m % n, first = (m - i) * c->stride_w + 4 * q;
				az_dot_operand quad = quad_at(&row, first, t);
				LLVMValueRef *to = &acc[m * 4 + t];
				az_dot_step(&code->kit, to, quad, weight[i]);
				if (code->sums)
					az_dot_step(&code->kit, to, quad,
						moved_weights(code, rest_dwords(code, q),
							i * c->stride_w));
			}
		}
	}
}

/* The four vectors of a pixel in the order of channels: part k of them all is part k / 4 of vector k % 4. */
static void natural_order(quad_code *code, const LLVMValueRef *v, LLVMValueRef *out)
{
	az_emitter *e = code->e;
	uint32_t parts = code->lanes / 4;
	for (uint32_t a = 0; a < 4; a++) {
		LLVMValueRef joined = NULL;
		for (uint32_t i = 0; i < parts; i++) {
			uint32_t k = a * parts + i;
			LLVMValueRef index[16];
			for (uint32_t lane = 0; lane < code->lanes; lane++) {
				bool mine = lane / 4 == i;
				uint32_t from = mine ? code->lanes + k / 4 * 4 + lane % 4 : lane;
				index[lane] = LLVMConstInt(e->i32, from, 0);
			}
			LLVMValueRef base = joined ? joined : v[k % 4];
			joined = LLVMBuildShuffleVector(e->b, base, v[k % 4],
				LLVMConstVector(index, code->lanes), "");
		}
		out[a] = joined;
	}
}

static void finish(quad_code *code, const az_dw_patch *p, LLVMValueRef *acc)
{
	az_epilogue_begin(&code->ep, p->image, p->row, p->column, p->channel, code->lanes);
	if (code->packs) {
		(void)az_epilogue_pack_quads(&code->ep, acc, p->pixels, p->valid);
		return;
	}
	uint32_t vectors = (p->valid + code->lanes - 1) / code->lanes;
	LLVMValueRef out[AZ_CARRIED_MAX];
	for (uint32_t m = 0; m < p->pixels; m++) {
		LLVMValueRef four[4];
		natural_order(code, &acc[m * 4], four);
		memcpy(&out[m * vectors], four, vectors * sizeof *four);
	}
	az_epilogue_patch(&code->ep, out, 1, p->pixels, vectors,
		p->valid - (vectors - 1) * code->lanes);
}

static void emit_patch(void *data, const az_dw_patch *p)
{
	quad_code *code = data;
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	LLVMValueRef acc[AZ_CARRIED_MAX];
	LLVMValueRef bias = az_at(e, code->params[c->bias], az_mul(e, p->block, code->bytes * 4));
	for (uint32_t t = 0; t < 4; t++) {
		LLVMValueRef start = load_dwords(code, bias, t * code->bytes);
		for (uint32_t m = 0; m < p->pixels; m++)
			acc[m * 4 + t] = start;
	}
	int64_t w_row = quads(c) * 4 * code->bytes, x_row = c->dilation_h * c->width * c->channels;
	LLVMValueRef w = az_at(e, code->weights, az_mul(e, p->block, c->kernel_h * w_row));
	for (int64_t kh = 0; kh < c->kernel_h; kh++)
		tap_row(code, p, az_at_const(e, p->x, kh * x_row), az_at_const(e, w, kh * w_row),
			acc);
	finish(code, p, acc);
}

/* The weights of row kh and quad q of a block as the loops read them. */
static void unpack_quad(quad_code *code, LLVMValueRef packed, LLVMValueRef block, LLVMValueRef to,
	int64_t kh, int64_t q)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	LLVMTypeRef type = az_vec_type(e->i8, code->bytes);
	LLVMValueRef v[4];
	for (int64_t b = 0; b < 4; b++) {
		int64_t kw = 4 * q + b;
		v[b] = LLVMConstNull(type);
		if (kw < c->kernel_w)
			v[b] = LLVMBuildTrunc(e->b,
				az_dw_sub_weight(e, c, packed, az_index(e, kh * c->kernel_w + kw),
					block, code->bytes),
				type, "");
	}
	for (uint32_t t = 0; t < 4; t++) {
		LLVMValueRef low = unpack(code, v[0], v[1], 8, t / 2);
		LLVMValueRef high = unpack(code, v[2], v[3], 8, t / 2);
		az_store(e, unpack(code, low, high, 16, t % 2),
			az_at_const(e, to, ((kh * quads(c) + q) * 4 + t) * code->bytes),
			AZ_MIN(code->bytes, 64u));
	}
}

/* All weights, on the stack. */
static LLVMValueRef unpack_weights(quad_code *code)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	int64_t blocks = block_count(c, code->bytes), size = block_bytes(c, code->bytes);
	LLVMValueRef to =
		LLVMBuildAlloca(e->b, LLVMArrayType2(e->i8, (uint64_t)(blocks * size)), "weights");
	LLVMSetAlignment(to, 64);
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, blocks), 1, 0, NULL);
	LLVMValueRef at = az_at(e, to, az_mul(e, loop.i, size));
	for (int64_t kh = 0; kh < c->kernel_h; kh++)
		for (int64_t q = 0; q < quads(c); q++)
			unpack_quad(code, code->params[c->w], loop.i, at, kh, q);
	az_loop_end(e, &loop, NULL);
	return to;
}

bool az_depthwise_quad_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	az_contract c;
	if (!read(func, &c) || tile->count != TILE_COUNT)
		return az_error(e->ctx, func->loc, "@%s does not fit kernel \"depthwise_quad\"",
			func->name);
	quad_code code = {.e = e, .c = &c, .params = params};
	code.lanes = (uint32_t)tile->v[TILE_LANES];
	code.bytes = code.lanes * 4;
	code.sums = tile->v[TILE_SUMS] != 0;
	code.packs = packs(e->target, &c);
	az_dot_kit_init(&code.kit, e, false, az_elem_is_signed(c.x_elem), code.lanes);
	code.ep = (az_epilogue_code){
		.e = e, .ep = &c.epilogue, .params = params, .proven = tile->v[TILE_SAFE]};
	if (code.packs)
		code.ep.level_pitch = block_count(&c, code.bytes) * code.bytes;
	az_allow_vectors(e, code.bytes);
	code.weights = az_contract_is_sub(&c) ? unpack_weights(&code) : params[c.w];
	az_epilogue_border(e, &c.epilogue, params[func->params.count]);
	az_dw_nest(e, &c, params[c.x], tile->v[TILE_GROUPS] * group_outputs(&c), code.bytes,
		emit_patch, &code);
	return true;
}

/* --- Packing ------------------------------------------------------------------------------------------ */

/* The channel of lane `lane` of vector t of a block. */
static int64_t channel_of(int64_t block, int64_t bytes, int64_t t, int64_t lane)
{
	return block * bytes + lane / 4 * 16 + 4 * t + lane % 4;
}

/* Rows of numbers of 32 bits per channel, in the order of the interleaving. */
static void pack_rows(const uint32_t *from, int64_t rows, int64_t channels, int64_t bytes,
	az_arena *arena, const void **data, size_t *size)
{
	int64_t blocks = (channels + bytes - 1) / bytes;
	*size = (size_t)(rows * blocks * bytes) * sizeof *from;
	uint32_t *out = az_arena_alloc(arena, *size, 64);
	*data = out;
	for (int64_t k = 0; k < rows * blocks * bytes; k++, out++) {
		int64_t b = k / bytes % blocks, t = k % bytes / (bytes / 4), lane = k % (bytes / 4);
		int64_t o = channel_of(b, bytes, t, lane);
		*out = o < channels ? from[k / (blocks * bytes) * channels + o] : 0;
	}
}

static void pack_weights(const az_contract *c, const az_const *w, int64_t bytes, int64_t shift,
	az_arena *arena, const void **data, size_t *size)
{
	int64_t blocks = (c->channels + bytes - 1) / bytes;
	*size = (size_t)(blocks * c->kernel_h * quads(c) * 4 * bytes);
	uint8_t *out = az_arena_alloc(arena, *size, 64);
	*data = out;
	for (int64_t b = 0; b < blocks; b++)
		for (int64_t kh = 0; kh < c->kernel_h; kh++)
			for (int64_t k = 0; k < quads(c) * 4 * bytes; k++, out++) {
				int64_t q = k / (4 * bytes), t = k / bytes % 4, byte = k % bytes;
				int64_t kw = 4 * q + byte % 4;
				int64_t o = channel_of(b, bytes, t, byte / 4);
				if (o < c->channels && kw < c->kernel_w)
					*out = (uint8_t)(az_contract_weight(c, w, o, kh, kw, 0) -
							 shift);
			}
}

bool az_depthwise_quad_pack(const az_target *target, const az_func *func, az_value *const *args,
	const az_tile *tile, uint32_t index, az_arena *arena, const void **data, size_t *size)
{
	az_contract c;
	*size = 0;
	if (!read(func, &c))
		return az_error(func->module->ctx, func->loc,
			"@%s does not fit kernel \"depthwise_quad\"", func->name);
	az_const *w = az_value_const(args[c.w]);
	int64_t bytes = tile->v[TILE_LANES] * 4;
	if (index == c.w && az_contract_is_sub(&c)) {
		az_dw_sub_pack(&c, w, (uint32_t)bytes, arena, data, size);
	} else if (index == c.w) {
		bool as_stored = tile->v[TILE_SUMS] != 0;
		int64_t shift = as_stored ? rest(&c) + c.zw : c.zw;
		pack_weights(&c, w, bytes, shift, arena, data, size);
	} else if (index == c.bias) {
		bool is_signed = az_elem_is_signed(c.x_elem);
		int64_t x_shift = az_form_shift(target, az_dot_form_of(target, false), is_signed);
		const void *bias;
		size_t bias_size;
		az_contract_pack_bias(&c, w, az_value_const(args[c.bias]), c.zx + x_shift, arena,
			&bias, &bias_size);
		pack_rows(bias, 1, c.channels, bytes, arena, data, size);
	} else if (index < AZ_EPILOGUE_PARAMS && is_by_channel(&c, index) && packs(target, &c)) {
		az_const *rows = az_value_const(args[index]);
		int64_t count = az_type_numel(rows->value.type) / c.channels;
		pack_rows(az_const_data(rows), count, c.channels, bytes, arena, data, size);
	}
	return true;
}
