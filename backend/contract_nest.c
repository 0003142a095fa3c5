/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of a contraction: groups, then blocks of channels around rectangles of pixels, so that the
 * weights of a block stay in the nearest cache; the other way round where sums of activations are
 * needed, which all blocks share. What does not divide is a rectangle or block of its own, with code of its
 * own: nothing outside the result is ever written. */
#include "backend/contract.h"

typedef void inner_fn(az_contract_code *code, az_patch *patch);

/* Columns of one band of rows, `h` high, the first row given. */
static void columns(az_contract_code *code, az_patch *p, LLVMValueRef row, uint32_t h,
	inner_fn *inner)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	int64_t step = code->tile->v[AZ_TILE_W], whole = c->out_w / step * step;
	int64_t elem = code->kit.elem_bytes, x_column = c->stride_w * c->channels * elem;
	LLVMValueRef group_x = p->x;
	LLVMValueRef at = az_add(e, az_mul(e, p->image, c->height), az_mul(e, row, c->stride_h));
	LLVMValueRef x_row = az_at(e, group_x, az_mul(e, at, c->width * c->channels * elem));
	p->row = row;
	p->h = h;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), step, 0, NULL);
		p->column = loop.i;
		p->w_pixels = (uint32_t)step;
		p->x = az_at(e, x_row, az_mul(e, loop.i, x_column));
		inner(code, p);
		az_loop_end(e, &loop, NULL);
	}
	if (whole < c->out_w) {
		p->column = az_index(e, whole);
		p->w_pixels = (uint32_t)(c->out_w - whole);
		p->x = az_at_const(e, x_row, whole * x_column);
		inner(code, p);
	}
	p->x = group_x;
}

static void pixels(az_contract_code *code, az_patch *p, inner_fn *inner)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	int64_t step = code->tile->v[AZ_TILE_H], whole = c->out_h / step * step;
	az_loop images, rows;
	az_loop_begin(e, &images, az_index(e, 0), az_index(e, c->batch), 1, 0, NULL);
	LLVMValueRef first_w = p->w;
	p->image = images.i;
	p->w = az_at(e, first_w, az_mul(e, images.i, code->w_image));
	if (whole > 0) {
		az_loop_begin(e, &rows, az_index(e, 0), az_index(e, whole), step, 0, NULL);
		columns(code, p, rows.i, (uint32_t)step, inner);
		az_loop_end(e, &rows, NULL);
	}
	if (whole < c->out_h)
		columns(code, p, az_index(e, whole), (uint32_t)(c->out_h - whole), inner);
	az_loop_end(e, &images, NULL);
	p->w = first_w;
}

/* The block whose number is given. `p->channel` and `p->w` come as those of the group. */
static void block(az_contract_code *code, az_patch *p, LLVMValueRef index, inner_fn *inner)
{
	az_emitter *e = code->e;
	uint32_t lanes = code->kit.lanes;
	int64_t nr = code->tile->v[AZ_TILE_NR];
	LLVMValueRef group_w = p->w, group_channel = p->channel;
	int64_t bytes = code->packed ? az_contract_block_bytes(code->c, code->kit.granule, lanes,
					       code->kit.w_bytes, nr)
				     : nr * lanes * code->kit.w_bytes;
	p->w = az_at(e, group_w, az_mul(e, index, bytes));
	p->channel = az_add(e, group_channel, az_mul(e, index, nr * lanes));
	int64_t vector = (int64_t)lanes * code->kit.granule * code->kit.w_bytes;
	code->w_vector = vector;
	if (code->packed)
		code->w_step = p->vectors * vector;
	inner(code, p);
	p->w = group_w;
	p->channel = group_channel;
}

static void blocks(az_contract_code *code, az_patch *p, inner_fn *inner)
{
	az_emitter *e = code->e;
	uint32_t lanes = code->kit.lanes;
	int64_t nr = code->tile->v[AZ_TILE_NR], channels = code->c->group_out;
	int64_t whole = channels / (nr * lanes);
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, 0, NULL);
		p->vectors = (uint32_t)nr;
		p->last_lanes = lanes;
		block(code, p, loop.i, inner);
		az_loop_end(e, &loop, NULL);
	}
	int64_t rest = channels - whole * nr * lanes;
	if (rest > 0) {
		p->vectors = (uint32_t)((rest + lanes - 1) / lanes);
		p->last_lanes = (uint32_t)(rest - (p->vectors - 1) * lanes);
		block(code, p, az_index(e, whole), inner);
	}
}

static void patch_inner(az_contract_code *code, az_patch *p)
{
	az_contract_patch(code, p);
}

static void pixels_inner(az_contract_code *code, az_patch *p)
{
	pixels(code, p, patch_inner);
}

static void sums_inner(az_contract_code *code, az_patch *p)
{
	az_contract_sums(code, p);
	blocks(code, p, patch_inner);
}

/* Bytes of the packed weights of one group. */
static int64_t group_bytes(const az_contract_code *code)
{
	const az_contract *c = code->c;
	if (az_contract_is_wide(c))
		return az_wide_channel_bytes(c) * c->group_out;
	int64_t vectors = (c->group_out + code->kit.lanes - 1) / code->kit.lanes;
	return az_contract_block_bytes(c, code->kit.granule, code->kit.lanes, code->kit.w_bytes,
		vectors);
}

void az_contract_nest(az_contract_code *code)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	int64_t elem = code->kit.elem_bytes;
	az_loop groups;
	az_loop_begin(e, &groups, az_index(e, 0), az_index(e, c->groups), 1, 0, NULL);
	az_patch p = {
		.x = az_at(e, code->params[c->x], az_mul(e, groups.i, c->group_in * elem)),
		.w = az_at(e, code->params[c->w], az_mul(e, groups.i, group_bytes(code))),
		.channel = az_mul(e, groups.i, c->group_out),
	};
	if (code->sums)
		pixels(code, &p, sums_inner);
	else
		blocks(code, &p, pixels_inner);
	az_loop_end(e, &groups, NULL);
}
