/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums with a scale for each group of input channels of each tap: every group is a contraction of its own,
 * accumulated in integers from zero, then f32(sum) * scale is added to the result, in the order of the groups
 * (numerics.md 6). Weights lie group after group within a block of outputs, each as the contraction of that
 * group alone would have them.
 *
 * The operand `scales` carries the corrections too: for each row (tap, group) the scales of all channels, then
 * what the zero points make of the row's weights, i32. */
#include "backend/contract.h"

#include <string.h>

static int64_t groups_of(const az_contract *c)
{
	return (c->group_in + c->group - 1) / c->group;
}

static int64_t row_count(const az_contract *c)
{
	return c->kernel_h * c->kernel_w * groups_of(c);
}

az_contract az_scaled_piece(const az_contract *c, int64_t row)
{
	az_contract piece = *c;
	int64_t tap = row / groups_of(c), first = row % groups_of(c) * c->group;
	piece.kernel_h = piece.taps = 1;
	piece.run = AZ_MIN(c->group, c->group_in - first);
	piece.origin = c->is_matmul ? first * c->out_channels : tap * c->group_in + first;
	piece.scales = piece.zeros = piece.bias = UINT32_MAX;
	piece.zero_of = NULL;
	return piece;
}

static int64_t piece_bytes(const az_contract *c, int64_t row, uint32_t granule, uint32_t lanes,
	uint32_t elem_bytes, int64_t vectors)
{
	az_contract piece = az_scaled_piece(c, row);
	return az_contract_block_bytes(&piece, granule, lanes, elem_bytes, vectors);
}

int64_t az_scaled_block_bytes(const az_contract *c, uint32_t granule, uint32_t lanes,
	uint32_t elem_bytes, int64_t vectors)
{
	int64_t groups = groups_of(c), bytes = 0;
	if (groups > 1)
		bytes = (groups - 1) * piece_bytes(c, 0, granule, lanes, elem_bytes, vectors);
	bytes += piece_bytes(c, groups - 1, granule, lanes, elem_bytes, vectors);
	return bytes * c->kernel_h * c->kernel_w;
}

void az_scaled_limit(const az_contract *c, az_tile *tile, uint32_t registers, uint32_t parts)
{
	(void)c;
	int64_t *v = tile->v, room = AZ_MAX((int64_t)registers - 4, 2);
	while (v[AZ_TILE_H] * v[AZ_TILE_W] * v[AZ_TILE_NR] * (parts + 1) > room) {
		if (v[AZ_TILE_H] > 1)
			v[AZ_TILE_H]--;
		else if (v[AZ_TILE_W] > 1)
			v[AZ_TILE_W]--;
		else if (v[AZ_TILE_NR] > 1)
			v[AZ_TILE_NR]--;
		else
			break;
	}
}

/* --- Emitting ----------------------------------------------------------------------------------------- */

/* One row of one patch. */
typedef struct piece_code {
	az_contract_code *whole;
	const az_patch *patch;
	az_contract piece;
	LLVMValueRef row, x, w; /* its number (i64), first input, weights */
} piece_code;

/* Lanes of the row's part of an operand: entry (row * parts + part) of all channels, `bytes` each. */
static LLVMValueRef row_lanes(const piece_code *p, uint32_t index, int64_t parts, int64_t part,
	LLVMTypeRef type, int64_t bytes, uint32_t j)
{
	az_contract_code *code = p->whole;
	az_emitter *e = code->e;
	LLVMValueRef line = az_add(e, az_mul(e, p->row, parts), az_index(e, part));
	LLVMValueRef at = az_add(e, az_mul(e, line, code->c->out_channels), p->patch->channel);
	at = az_add(e, at, az_index(e, (int64_t)j * code->kit.lanes));
	return az_load(e, type, az_at(e, code->params[index], az_mul(e, at, bytes)),
		(uint32_t)AZ_MIN(bytes, 4));
}

/* Inputs of the row times the weights' zero points, for each pixel. */
static void sum_inputs(const piece_code *p, az_contract_code *inner, LLVMValueRef *sum)
{
	const az_contract *c = p->whole->c;
	for (uint32_t m = 0; m < p->patch->h * p->patch->w_pixels; m++) {
		int64_t row = m / p->patch->w_pixels, column = m % p->patch->w_pixels;
		int64_t offset = (row * c->stride_h * c->width + column * c->stride_w) *
				 c->channels * p->whole->kit.elem_bytes;
		LLVMValueRef x = az_at_const(p->whole->e, p->x, offset);
		sum[m] = az_splat(p->whole->e, az_contract_sum_run(inner, x), p->whole->kit.lanes);
	}
}

/* Adds f32(sum of the row) * scale to the patch's results. */
static void emit_piece(piece_code *p, LLVMValueRef *total)
{
	az_contract_code inner = *p->whole;
	az_emitter *e = inner.e;
	const az_contract *c = p->whole->c;
	az_dot_kit *kit = &inner.kit;
	az_patch patch = *p->patch;
	uint32_t pixels = patch.h * patch.w_pixels, outputs = pixels * patch.vectors;
	LLVMValueRef acc[AZ_CARRIED_MAX], sum[AZ_CARRIED_MAX] = {NULL};
	bool zeros = c->zeros != UINT32_MAX, words = c->x_elem.bits == 16;
	inner.c = &p->piece;
	inner.offsets = NULL;
	patch.x = p->x;
	patch.w = p->w;
	for (uint32_t j = 0; j < patch.vectors && zeros && words; j++)
		inner.rest[j] = row_lanes(p, c->zeros, 1, 0,
			az_vec_type(e->i16, kit->lanes * kit->granule), 2 * kit->granule, j);
	for (uint32_t i = 0; i < outputs * kit->parts; i++)
		acc[i] = az_dot_zero(kit);
	az_contract_steps(&inner, &patch, outputs * kit->parts, acc);
	if (inner.d)
		sum_inputs(p, &inner, sum);
	LLVMTypeRef real = az_vec_type(e->f32, kit->lanes), whole = az_vec_type(e->i32, kit->lanes);
	for (uint32_t j = 0; j < patch.vectors; j++) {
		LLVMValueRef scale = row_lanes(p, c->scales, 2, 0, real, 4, j);
		LLVMValueRef more = row_lanes(p, c->scales, 2, 1, whole, 4, j), factor = NULL;
		if (inner.d)
			factor = zeros ? row_lanes(p, c->zeros, 1, 0, whole, 4, j)
				       : az_int(e, whole, inner.d);
		for (uint32_t m = 0; m < pixels; m++) {
			uint32_t i = m * patch.vectors + j;
			LLVMValueRef x = az_dot_finish(kit, &acc[i * kit->parts]);
			x = LLVMBuildAdd(e->b, x, more, "");
			if (factor)
				x = LLVMBuildAdd(e->b, x, LLVMBuildMul(e->b, sum[m], factor, ""),
					"");
			x = LLVMBuildFMul(e->b, LLVMBuildSIToFP(e->b, x, real, ""), scale, "");
			total[i] = LLVMBuildFAdd(e->b, total[i], x, "");
		}
	}
}

/* The groups of one tap, the first of which is row `row`. */
static void emit_tap(piece_code *p, LLVMValueRef x, LLVMValueRef w, LLVMValueRef row,
	uint32_t count, LLVMValueRef *total)
{
	az_contract_code *code = p->whole;
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	const az_dot_kit *kit = &code->kit;
	int64_t whole = c->group_in / c->group, step = c->group * kit->elem_bytes;
	int64_t bytes =
		piece_bytes(c, 0, kit->granule, kit->lanes, kit->w_bytes, p->patch->vectors);
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, count, total);
		memcpy(total, loop.carried, count * sizeof *total);
		p->piece = az_scaled_piece(c, 0);
		p->row = az_add(e, row, loop.i);
		p->x = az_at(e, x, az_mul(e, loop.i, step));
		p->w = az_at(e, w, az_mul(e, loop.i, bytes));
		emit_piece(p, total);
		az_loop_end(e, &loop, total);
		memcpy(total, loop.carried, count * sizeof *total);
	}
	if (c->group_in % c->group == 0)
		return;
	p->piece = az_scaled_piece(c, whole);
	p->row = az_add(e, row, az_index(e, whole));
	p->x = az_at_const(e, x, whole * step);
	p->w = az_at_const(e, w, whole * bytes);
	emit_piece(p, total);
}

void az_scaled_patch(az_contract_code *code, const az_patch *patch, LLVMValueRef *out)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	const az_dot_kit *kit = &code->kit;
	uint32_t count = patch->h * patch->w_pixels * patch->vectors;
	LLVMTypeRef real = az_vec_type(e->f32, kit->lanes);
	LLVMValueRef total[AZ_CARRIED_MAX];
	for (uint32_t i = 0; i < count; i++)
		total[i] = LLVMConstNull(real);
	int64_t tap_bytes =
		az_contract_block_bytes(c, kit->granule, kit->lanes, kit->w_bytes, patch->vectors) /
		(c->kernel_h * c->kernel_w);
	piece_code p = {.whole = code, .patch = patch};
	az_loop rows, taps;
	az_loop_begin(e, &rows, az_index(e, 0), az_index(e, c->kernel_h), 1, count, total);
	az_loop_begin(e, &taps, az_index(e, 0), az_index(e, c->kernel_w), 1, count, rows.carried);
	memcpy(total, taps.carried, count * sizeof *total);
	LLVMValueRef tap = az_add(e, az_mul(e, rows.i, c->kernel_w), taps.i);
	LLVMValueRef pixel = az_add(e, az_mul(e, rows.i, c->dilation_h * c->width),
		az_mul(e, taps.i, c->dilation_w));
	emit_tap(&p, az_at(e, patch->x, az_mul(e, pixel, c->channels * kit->elem_bytes)),
		az_at(e, patch->w, az_mul(e, tap, tap_bytes)), az_mul(e, tap, groups_of(c)), count,
		total);
	az_loop_end(e, &taps, total);
	az_loop_end(e, &rows, taps.carried);
	for (uint32_t i = 0; i < count; i++) {
		out[i] = rows.carried[i];
		if (c->bias == UINT32_MAX)
			continue;
		LLVMValueRef at = az_add(e, patch->channel,
			az_index(e, (int64_t)(i % patch->vectors) * kit->lanes));
		at = az_at(e, code->params[c->bias], az_mul(e, at, 4));
		out[i] = LLVMBuildFAdd(e->b, out[i], az_load(e, real, at, 4), "");
	}
}

/* --- Packing ------------------------------------------------------------------------------------------ */

/* Place of the scale (and zero point) of a row and channel. */
static uint64_t scale_index(const az_contract *c, int64_t row, int64_t o)
{
	return (uint64_t)(c->is_matmul ? row * c->out_channels + o : o * row_count(c) + row);
}

static int64_t zero_at(const az_contract *c, int64_t row, int64_t o)
{
	return c->zero_of ? az_const_get_int(c->zero_of, scale_index(c, row, o)) : c->zw;
}

static void pack_scales(const az_contract *c, const az_const *scales, const az_const *w,
	int64_t times, az_arena *arena, const void **data, size_t *size)
{
	int64_t rows = row_count(c), channels = c->out_channels;
	uint32_t *out = az_new_array(arena, uint32_t, (size_t)(2 * rows * channels));
	for (int64_t r = 0; r < rows; r++) {
		az_contract piece = az_scaled_piece(c, r);
		for (int64_t o = 0; o < channels; o++) {
			float s = (float)az_const_get(scales, scale_index(c, r, o));
			int64_t sum = 0;
			for (int64_t i = 0; i < piece.run; i++)
				sum += az_contract_weight(&piece, w, o, 0, 0, i) - zero_at(c, r, o);
			memcpy(&out[2 * r * channels + o], &s, sizeof s);
			if ((out[2 * r * channels + o] & 0x7fffffffu) < 0x00800000u)
				out[2 * r * channels + o] = 0; /* subnormals count as 0 */
			out[(2 * r + 1) * channels + o] = (uint32_t)(-times * sum);
		}
	}
	*data = out;
	*size = (size_t)(2 * rows * channels) * sizeof *out;
}

void az_scaled_pack(const az_contract *c, az_value *const *args, const az_const *w, uint32_t index,
	int64_t times, int64_t kept, uint32_t granule, az_arena *arena, const void **data,
	size_t *size)
{
	if (index == c->scales)
		pack_scales(c, az_value_const(args[index]), w, times, arena, data, size);
	if (index != c->zeros || index == UINT32_MAX)
		return;
	bool words = c->x_elem.bits == 16;
	int64_t rows = row_count(c), channels = c->out_channels;
	uint32_t bytes = words ? 2 : 4, copies = words ? granule : 1;
	uint8_t *out = az_arena_array(arena, (size_t)(rows * channels * copies), bytes, 64);
	*data = out;
	*size = (size_t)(rows * channels * copies) * bytes;
	for (int64_t i = 0; i < rows * channels; i++) {
		uint32_t v = (uint32_t)(kept - zero_at(c, i / channels, i % channels));
		for (uint32_t k = 0; k < copies * bytes; k++)
			*out++ = (uint8_t)(v >> (8 * (k % bytes)));
	}
}
