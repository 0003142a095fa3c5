/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel `contract`: convolutions and matrix products whose weights are constants, in f32 and in
 * integers of 8 and 16 bits by at most 8, with what follows them (backend/contract.h, backend/epilogue.h). */
#include "backend/contract.h"
#include "backend/kernels.h"

#include <string.h>

static bool has_zero(const az_const *book)
{
	int64_t count = az_type_numel(book->value.type);
	for (int64_t i = 0; i < count; i++)
		if (az_const_get_int(book, (uint64_t)i) == 0)
			return true;
	return false;
}

static bool whole_pieces(const az_contract *c, uint32_t granule)
{
	return c->group % granule == 0 && c->group_in % granule == 0;
}

/* Sums of a group in 32 bits; no output alone in a vector; no padding between words with zero points. */
static bool scaled_fits(const az_contract *c, uint32_t granule)
{
	double x = (double)(az_elem_max(c->x_elem) - az_elem_min(c->x_elem));
	double terms = (double)AZ_MIN(c->group, c->group_in);
	bool words = c->x_elem.bits == 16;
	if (c->groups > 1 && c->group_out < 4)
		return false;
	if (words && c->zeros != UINT32_MAX && !whole_pieces(c, granule))
		return false;
	return terms * x * (c->decode.book && c->decode.table_elem.bits == 16 ? 32768.0 : 511.0) <
	       0x1p31;
}

bool az_contract_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_contract c;
	if (!az_contract_read_any(func, &c) || c.batched || c.epilogue.shares)
		return false;
	const az_const *w = az_value_const(args[c.w]);
	bool needs_bias = !c.is_float && !az_contract_is_scaled(&c);
	if (!w || !az_decode_bind(&c, args) ||
		(needs_bias && (c.bias == UINT32_MAX || !az_value_const(args[c.bias]))))
		return false;
	/* There may be no zero to fill a granule with; single bipolar contractions mask what is not there. */
	uint32_t granule = az_form_granule(az_contract_form(target, &c));
	bool no_zero = c.decode.book ? !has_zero(c.decode.book) : c.w_elem.kind == AZ_KIND_BIPOLAR;
	if (no_zero && c.decode.book && c.run % granule)
		return false;
	if (no_zero && az_contract_is_scaled(&c) && (c.run % granule || !whole_pieces(&c, granule)))
		return false;
	if (az_contract_is_scaled(&c) && !scaled_fits(&c, granule))
		return false;
	az_contract_tile(&c, target, tile);
	if (az_contract_is_wide(&c))
		az_wide_limit(&c, tile);
	if (az_contract_is_scaled(&c)) {
		az_scaled_limit(&c, tile, target->vector_registers,
			az_form_parts(az_contract_form(target, &c)));
		tile->v[AZ_TILE_SUMS] =
			c.zeros != UINT32_MAX || az_contract_weight_shift(&c, w) != c.zw;
		return true;
	}
	if (!c.is_float) {
		/* The weights as signed bytes less their zero point, or the activations' sums. */
		bool fits = az_contract_weight_shift(&c, w) == c.zw && c.zeros == UINT32_MAX;
		tile->v[AZ_TILE_SUMS] = fits ? AZ_SUMS_NONE : AZ_SUMS_ZEROS;
		if (az_split_fits(&c, target))
			az_split_tile(&c, target, tile);
		tile->v[AZ_TILE_SAFE] = az_contract_proofs(&c, args);
	}
	return true;
}

bool az_contract_shrink(const az_target *target, az_tile *tile)
{
	(void)target;
	return az_tile_shrink(tile);
}

static bool is_split(const az_tile *tile)
{
	return tile->v[AZ_TILE_SUMS] == AZ_SUMS_SPLIT;
}

/* What the packed weights are less. */
static int64_t kept_less(const az_contract *c, const az_tile *tile)
{
	if (is_split(tile))
		return az_elem_min(c->w_elem);
	if (!tile->v[AZ_TILE_SUMS] || az_contract_is_sub(c))
		return c->zw;
	return az_elem_is_signed(c->w_elem) ? 0 : 128;
}

bool az_contract_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	az_contract c;
	if (!az_contract_read_any(func, &c) || tile->count != AZ_TILE_CONTRACT_COUNT ||
		(is_split(tile) && !az_split_fits(&c, e->target)))
		return az_error(e->ctx, func->loc, "@%s does not fit kernel \"contract\"",
			func->name);
	az_contract_code code = {.e = e, .c = &c, .tile = tile, .params = params, .packed = true};
	uint32_t lanes = (uint32_t)tile->v[AZ_TILE_LANES];
	az_dot_kit_contract(&code.kit, e, &c, kept_less(&c, tile), lanes);
	az_allow_vectors(e, lanes * 4);
	code.ep = (az_epilogue_code){
		.e = e, .ep = &c.epilogue, .params = params, .proven = tile->v[AZ_TILE_SAFE]};
	if (c.zeros != UINT32_MAX) /* it has all that is missing of a weight */
		code.kit.w_rest = 0;
	if (tile->v[AZ_TILE_SUMS] && c.x_elem.bits == 8)
		code.d = c.zeros == UINT32_MAX ? kept_less(&c, tile) - c.zw : 1;
	if (code.d && !az_contract_is_scaled(&c)) {
		int64_t pixels = tile->v[AZ_TILE_H] * tile->v[AZ_TILE_W];
		code.sums = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i32, (uint64_t)pixels), "sums");
	}
	az_decode_begin(&code.decoder, e, &c, params, lanes);
	az_epilogue_border(e, &c.epilogue, params[func->params.count]);
	az_contract_nest(&code);
	return true;
}

/* --- Packing ------------------------------------------------------------------------------------------ */

typedef struct packer {
	const az_contract *c;
	az_const *w;
	uint32_t lanes, granule, elem_bytes;
	int64_t nr, shift;
	uint8_t *out;
} packer;

static void put(packer *p, int64_t o, int64_t kh, int64_t kw, int64_t i)
{
	const az_contract *c = p->c;
	uint64_t index = az_contract_weight_index(c, o, kh, kw, i);
	if (c->is_float) {
		memcpy(p->out, (const uint8_t *)az_const_data(p->w) + index * 4, 4);
		return;
	}
	*p->out = (uint8_t)(az_const_get_int(p->w, index) - p->shift);
}

static int64_t zero_of(const az_contract *c, int64_t group, int64_t o)
{
	if (!c->zero_of || o >= c->group_out)
		return c->zw;
	return az_const_get_int(c->zero_of, (uint64_t)(group * c->group_out + o));
}

/* One granule of one vector: element k of the run of the tap, or zeros past its end. */
static void put_vector(packer *p, int64_t group, int64_t vector, int64_t kh, int64_t tap,
	int64_t granule)
{
	const az_contract *c = p->c;
	for (uint32_t lane = 0; lane < p->lanes; lane++)
		for (uint32_t g = 0; g < p->granule; g++, p->out += p->elem_bytes) {
			int64_t o = vector * p->lanes + lane, k = granule * p->granule + g;
			if (o >= c->group_out || k >= c->run) {
				if (c->x_elem.bits == 16) /* a weight of 0, once unpacked */
					*p->out = (uint8_t)(zero_of(c, group, o) - p->shift);
				continue;
			}
			/* A joined run holds the channels of all columns. */
			int64_t kw = c->taps == 1 ? k / c->group_in : tap;
			put(p, group * c->group_out + o, kh, kw, k % c->group_in);
		}
}

static void put_block(packer *p, int64_t group, int64_t first, int64_t vectors)
{
	const az_contract *c = p->c;
	int64_t granules = az_contract_granules(c, p->granule);
	for (int64_t kh = 0; kh < c->kernel_h; kh++)
		for (int64_t tap = 0; tap < c->taps; tap++)
			for (int64_t k = 0; k < granules; k++)
				for (int64_t j = 0; j < vectors; j++)
					put_vector(p, group, first + j, kh, tap, k);
}

/* Scaled sums: the rows of a block one after the other, each as a contraction of its own. */
static void put_rows(packer *p, int64_t group, int64_t first, int64_t vectors)
{
	const az_contract *whole = p->c;
	int64_t groups = (whole->group_in + whole->group - 1) / whole->group;
	for (int64_t row = 0; row < whole->kernel_h * whole->kernel_w * groups; row++) {
		az_contract piece = az_scaled_piece(whole, row);
		p->c = &piece;
		if (az_contract_is_sub(&piece))
			p->out = az_sub_pack_block(&piece, p->w, p->lanes, p->granule, false, group,
				first, vectors, p->out);
		else
			put_block(p, group, first, vectors);
		p->c = whole;
	}
}

static void pack_weights(packer *p, az_arena *arena, const void **data, size_t *size)
{
	const az_contract *c = p->c;
	int64_t vectors = (c->group_out + p->lanes - 1) / p->lanes;
	int64_t bytes = c->groups *
			az_contract_block_bytes(c, p->granule, p->lanes, p->elem_bytes, vectors);
	uint8_t *out = az_arena_alloc(arena, (size_t)bytes, 64);
	p->out = out;
	for (int64_t group = 0; group < c->groups; group++)
		for (int64_t j = 0; j < vectors; j += p->nr) {
			int64_t count = AZ_MIN(p->nr, vectors - j);
			if (az_contract_is_scaled(c))
				put_rows(p, group, j, count);
			else
				put_block(p, group, j, count);
		}
	*data = out;
	*size = (size_t)bytes;
}

/* What the sums of activations are multiplied with, by channel; for 16-bit activations what is missing of each
 * weight, as often as a granule has weights. */
static void pack_zeros(const packer *p, az_arena *arena, const void **data, size_t *size)
{
	const az_contract *c = p->c;
	bool words = c->x_elem.bits == 16;
	uint32_t times = words ? p->granule : 1, bytes = words ? 2 : 4;
	uint8_t *out = az_arena_array(arena, (size_t)c->out_channels * times, bytes, 64);
	*data = out;
	*size = (size_t)c->out_channels * times * bytes;
	for (int64_t o = 0; o < c->out_channels; o++)
		for (uint32_t i = 0; i < times; i++, out += bytes) {
			int64_t zero = az_const_get_int(c->zero_of, (uint64_t)o);
			uint32_t v = (uint32_t)(p->shift - zero);
			for (uint32_t b = 0; b < bytes; b++)
				out[b] = (uint8_t)(v >> (8 * b));
		}
}

void az_contract_pack_bias(const az_contract *c, const az_const *w, const az_const *bias,
	int64_t times, az_arena *arena, const void **data, size_t *size)
{
	uint32_t *out = az_new_array(arena, uint32_t, (size_t)c->out_channels);
	for (int64_t o = 0; o < c->out_channels; o++) {
		int64_t sum = 0;
		for (int64_t kh = 0; kh < c->kernel_h; kh++)
			for (int64_t kw = 0; kw < c->kernel_w; kw++)
				for (int64_t i = 0; i < c->group_in; i++)
					sum += az_contract_weight(c, w, o, kh, kw, i) - c->zw;
		out[o] = (uint32_t)(az_const_get_int(bias, (uint64_t)o) - times * sum);
	}
	*data = out;
	*size = (size_t)c->out_channels * sizeof *out;
}

bool az_contract_pack(const az_target *target, const az_func *func, az_value *const *args,
	const az_tile *tile, uint32_t index, az_arena *arena, const void **data, size_t *size)
{
	az_contract c;
	*size = 0;
	if (!az_contract_read_any(func, &c) || !az_decode_bind(&c, args))
		return az_error(func->module->ctx, func->loc,
			"@%s does not fit kernel \"contract\"", func->name);
	az_dot_form form = az_contract_form(target, &c);
	packer p = {.c = &c, .w = az_value_const(args[c.w])};
	p.lanes = (uint32_t)tile->v[AZ_TILE_LANES];
	p.granule = az_form_granule(form);
	p.elem_bytes = c.is_float ? 4 : 1;
	p.nr = tile->v[AZ_TILE_NR];
	p.shift = kept_less(&c, tile);
	az_decode_pack(&c, args, index, arena, data, size);
	if (index == c.w && az_contract_is_wide(&c))
		az_wide_pack(&c, p.w, p.lanes, p.nr, arena, data, size);
	else if (index == c.w && az_contract_is_sub(&c) && !az_contract_is_scaled(&c))
		az_sub_pack(&c, p.w, p.lanes, p.granule, p.nr, is_split(tile), arena, data, size);
	else if (index == c.w)
		pack_weights(&p, arena, data, size);
	int64_t times = c.zx + az_form_shift(target, form, az_elem_is_signed(c.x_elem));
	if (az_contract_is_scaled(&c))
		az_scaled_pack(&c, args, p.w, index, times, p.shift, p.granule, arena, data, size);
	else if (index == c.bias && !c.is_float)
		az_contract_pack_bias(&c, p.w, az_value_const(args[c.bias]), times, arena, data,
			size);
	else if (index == c.zeros && index != UINT32_MAX)
		pack_zeros(&p, arena, data, size);
	return true;
}
