/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel `contract_bits`: contractions whose weights and activations have so few bits that counting ones
 * beats multiplying (backend/contract_bits.h): its hooks, its geometry and its packed weights. */
#include "backend/contract_bits.h"

#include "backend/bounds.h"
#include "backend/kernels.h"

#define SCRATCH_BYTES 16384 /* stays in the nearest cache beside the weights of a block */

/* --- Geometry ----------------------------------------------------------------------------------------- */

az_bits_form az_bits_form_of(const az_target *target, uint32_t pairs)
{
	bool dot = target->dot == AZ_DOT_VNNI512 || target->dot == AZ_DOT_NEON_DOT ||
		   target->dot == AZ_DOT_NEON_I8MM;
	if (target->counts_words && (pairs == 1 || !dot || !target->counts_bytes))
		return AZ_BITS_WORD;
	return dot && target->counts_bytes ? AZ_BITS_DOT : AZ_BITS_BYTES;
}

int64_t az_bits_coefficient(const az_bits *b, uint32_t j)
{
	bool negative = b->bipolar || (az_elem_is_signed(b->c.w_elem) && j + 1 == b->w_planes);
	return negative ? -(INT64_C(1) << j) : INT64_C(1) << j;
}

int64_t az_bits_block_bytes(const az_bits *b, int64_t vectors)
{
	return b->steps * b->w_planes * vectors * b->lanes * 4;
}

static int64_t window_rows(const az_contract *c, int64_t rows)
{
	return (rows - 1) * c->stride_h + (c->kernel_h - 1) * c->dilation_h + 1;
}

/* Sets the sizes of a scratch for so many rows and columns of outputs; its bytes. */
static int64_t lay_out(az_bits *b, int64_t rows, int64_t columns)
{
	const az_contract *c = &b->c;
	int64_t positions = columns;
	if (!b->by_column)
		positions = (columns - 1) * c->stride_w + (c->kernel_w - 1) * c->dilation_w + 1;
	b->row_bytes = (positions * b->position_bytes + 7) / 8 * 8;
	b->plane_bytes = window_rows(c, rows) * b->row_bytes;
	return b->plane_bytes * b->x_planes;
}

/* The largest chunk that the scratch holds, in tiles. */
static bool choose_chunk(az_bits *b, const az_tile *tile)
{
	const az_contract *c = &b->c;
	b->split_columns = c->out_h == 1;
	int64_t all = b->split_columns ? c->out_w : c->out_h;
	int64_t unit = tile->v[b->split_columns ? AZ_BITS_W : AZ_BITS_H];
	int64_t least = 0, most = (all + unit - 1) / unit;
	while (least < most) {
		int64_t n = (least + most + 1) / 2, extent = AZ_MIN(n * unit, all);
		int64_t bytes =
			b->split_columns ? lay_out(b, 1, extent) : lay_out(b, extent, c->out_w);
		if (bytes <= SCRATCH_BYTES)
			least = n;
		else
			most = n - 1;
	}
	b->chunk = least * unit;
	int64_t extent = AZ_MIN(b->chunk, all);
	if (least > 0)
		(void)(b->split_columns ? lay_out(b, 1, extent) : lay_out(b, extent, c->out_w));
	return least > 0;
}

bool az_bits_plan(const az_contract *c, const az_target *target, const az_tile *tile, az_bits *out)
{
	az_bits b = {.c = *c, .lanes = (uint32_t)tile->v[AZ_BITS_LANES]};
	b.lo = tile->v[AZ_BITS_LO];
	b.step = tile->v[AZ_BITS_STEP];
	b.x_planes = (uint32_t)tile->v[AZ_BITS_PLANES];
	b.w_planes = c->w_elem.bits;
	b.bipolar = c->w_elem.kind == AZ_KIND_BIPOLAR;
	b.form = az_bits_form_of(target, b.x_planes * (b.w_planes + (c->zw != 0)));
	bool whole = c->dilation_w == 1 && c->groups == 1;
	b.joined = whole && c->channels % 32 == 0 && c->stride_w <= c->kernel_w;
	b.by_column = !b.joined && c->taps == 1;
	b.run_words = (c->run + 31) / 32;
	b.steps = c->kernel_h * c->taps * b.run_words;
	b.position_bytes = b.joined ? c->channels / 8 : b.run_words * 4;
	bool fits = choose_chunk(&b, tile);
	*out = b;
	return fits;
}

/* --- Hooks -------------------------------------------------------------------------------------------- */

/* What the activations are, as planes; false when they have too many. */
static bool read_activations(const az_value *x, az_tile *tile)
{
	az_bounds bounds = az_value_bounds(x);
	int64_t count = (bounds.hi - bounds.lo) / bounds.step;
	uint32_t planes = 1;
	while (count >> planes)
		planes++;
	tile->v[AZ_BITS_LO] = bounds.lo;
	tile->v[AZ_BITS_STEP] = bounds.step;
	tile->v[AZ_BITS_PLANES] = planes;
	return planes <= AZ_BITS_PLANES_MAX;
}

/* Packed weights are at most 3 % and 64 bytes above their bits. */
static bool small(const az_bits *b)
{
	const az_contract *c = &b->c;
	int64_t vectors = (c->group_out + b->lanes - 1) / b->lanes;
	int64_t each = c->kernel_h * c->kernel_w * c->group_in;
	int64_t bytes = (each * c->out_channels * c->w_elem.bits + 7) / 8;
	return c->groups * az_bits_block_bytes(b, vectors) <= bytes + bytes * 3 / 100 + 64;
}

bool az_contract_bits_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_contract c;
	if (!az_contract_read(func, &c) || c.batched || c.is_float || c.x_elem.bits != 8 ||
		c.epilogue.shares)
		return false;
	const az_const *w = az_value_const(args[c.w]);
	if (!w || c.bias == UINT32_MAX || !az_value_const(args[c.bias]))
		return false;
	*tile = (az_tile){.count = AZ_BITS_COUNT};
	if (c.w_elem.bits > AZ_BITS_PLANES_MAX || !read_activations(args[c.x], tile) ||
		c.w_elem.bits * tile->v[AZ_BITS_PLANES] > AZ_BITS_PLANES_MAX || c.zw < -8 ||
		c.zw > 8)
		return false;
	az_bits_tile(&c, target, tile);
	tile->v[AZ_BITS_SAFE] = az_contract_proofs(&c, args);
	az_bits b;
	return az_bits_plan(&c, target, tile, &b) && small(&b) && az_bits_worth(&c, target, tile);
}

bool az_contract_bits_shrink(const az_target *target, az_tile *tile)
{
	(void)target;
	static const int order[] = {AZ_BITS_H, AZ_BITS_W, AZ_BITS_NR};
	for (size_t i = 0; i < AZ_COUNT(order); i++)
		if (tile->v[order[i]] > 1) {
			tile->v[order[i]]--;
			return true;
		}
	return false;
}

static bool read(const az_target *target, const az_func *func, const az_tile *tile, az_bits *out)
{
	az_contract c;
	return (az_contract_read(func, &c) && tile->count == AZ_BITS_COUNT && !c.is_float &&
		       az_bits_plan(&c, target, tile, out)) ||
	       az_error(func->module->ctx, func->loc, "@%s does not fit kernel \"contract_bits\"",
		       func->name);
}

bool az_contract_bits_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	az_bits b;
	if (!read(e->target, func, tile, &b))
		return false;
	az_bits_code code = {.e = e, .b = &b, .tile = tile, .params = params};
	az_dot_kit_init(&code.kit, e, false, true, b.lanes);
	code.kit.x_shifted = false;
	az_allow_vectors(e, b.lanes * 4);
	code.ep = (az_epilogue_code){
		.e = e, .ep = &b.c.epilogue, .params = params, .proven = tile->v[AZ_BITS_SAFE]};
	uint64_t bytes = (uint64_t)(b.plane_bytes * b.x_planes);
	code.scratch = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i8, bytes), "planes");
	LLVMSetAlignment(code.scratch, 16);
	az_epilogue_border(e, &b.c.epilogue, params[func->params.count]);
	az_bits_nest(&code);
	return true;
}

/* --- Packing ------------------------------------------------------------------------------------------ */

/* The planes of a weight, as bits from the lowest plane on. */
static uint32_t planes_of_weight(const az_bits *b, const az_const *w, int64_t o, int64_t run,
	int64_t k)
{
	const az_contract *c = &b->c;
	int64_t kh = run / c->taps, tap = run % c->taps;
	int64_t kw = c->taps == 1 ? k / c->group_in : tap;
	int64_t v = az_contract_weight(c, w, o, kh, kw, k % c->group_in);
	return b->bipolar ? v > 0 : (uint32_t)v;
}

/* Plane j of the weights that one step of one output channel of the group meets. */
static uint32_t weight_word(const az_bits *b, const az_const *w, int64_t group, int64_t o,
	int64_t step, uint32_t j)
{
	const az_contract *c = &b->c;
	int64_t run = step / b->run_words, first = step % b->run_words * 32;
	uint32_t word = 0;
	if (o >= c->group_out)
		return 0;
	for (int64_t k = first; k < AZ_MIN(first + 32, c->run); k++) {
		uint32_t v = planes_of_weight(b, w, group * c->group_out + o, run, k);
		word |= (v >> j & 1) << (k - first);
	}
	return word;
}

static void put_word(uint8_t *out, uint32_t v)
{
	for (uint32_t i = 0; i < 4; i++)
		out[i] = (uint8_t)(v >> 8 * i);
}

static uint8_t *put_block(const az_bits *b, const az_const *w, int64_t group, int64_t first,
	int64_t vectors, uint8_t *out)
{
	for (int64_t step = 0; step < b->steps; step++)
		for (uint32_t j = 0; j < b->w_planes; j++)
			for (int64_t lane = 0; lane < vectors * b->lanes; lane++, out += 4)
				put_word(out, weight_word(b, w, group, first + lane, step, j));
	return out;
}

static void pack_weights(const az_bits *b, const az_const *w, int64_t nr, az_arena *arena,
	const void **data, size_t *size)
{
	const az_contract *c = &b->c;
	int64_t vectors = (c->group_out + b->lanes - 1) / b->lanes;
	*size = (size_t)(c->groups * az_bits_block_bytes(b, vectors));
	uint8_t *out = az_arena_alloc(arena, *size, 64);
	*data = out;
	for (int64_t group = 0; group < c->groups; group++)
		for (int64_t j = 0; j < vectors; j += nr)
			out = put_block(b, w, group, j * b->lanes, AZ_MIN(nr, vectors - j), out);
}

/* What counting unequal bits leaves out for bipolar weights: the sum of the weights' ones. */
static void pack_bias(const az_bits *b, const az_const *w, const az_const *bias, az_arena *arena,
	const void **data, size_t *size)
{
	const az_contract *c = &b->c;
	az_contract_pack_bias(c, w, bias, c->zx - b->lo, arena, data, size);
	if (!b->bipolar)
		return;
	uint32_t *out = az_arena_dup(arena, *data, *size);
	int64_t times = b->step * ((INT64_C(1) << b->x_planes) - 1);
	for (int64_t o = 0; o < c->out_channels; o++) {
		int64_t ones = 0;
		for (int64_t step = 0; step < b->steps; step++)
			ones += __builtin_popcount(weight_word(b, w, o / c->group_out,
				o % c->group_out, step, 0));
		out[o] += (uint32_t)(times * ones);
	}
	*data = out;
}

bool az_contract_bits_pack(const az_target *target, const az_func *func, az_value *const *args,
	const az_tile *tile, uint32_t index, az_arena *arena, const void **data, size_t *size)
{
	az_bits b;
	*size = 0;
	if (!read(target, func, tile, &b))
		return false;
	const az_const *w = az_value_const(args[b.c.w]);
	if (index == b.c.w)
		pack_weights(&b, w, tile->v[AZ_BITS_NR], arena, data, size);
	if (index == b.c.bias)
		pack_bias(&b, w, az_value_const(args[b.c.bias]), arena, data, size);
	return true;
}
