/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops around: groups, images, chunks of which the activations are split once, then blocks of channels
 * around rectangles of pixels. What does not divide has code of its own. */
#include "backend/contract_bits.h"

/* So many rows and columns of outputs, whose planes are in the scratch. */
typedef struct chunk {
	LLVMValueRef row, column; /* the first output */
	int64_t rows, columns;
} chunk;

static void columns(az_bits_code *code, const chunk *c, az_patch *p, LLVMValueRef row, uint32_t h)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	int64_t step = code->tile->v[AZ_BITS_W], whole = c->columns / step * step;
	int64_t each = (b->by_column ? 1 : b->c.stride_w) * b->position_bytes;
	LLVMValueRef x = az_at(e, code->scratch, az_mul(e, row, b->c.stride_h * b->row_bytes));
	p->row = az_add(e, c->row, row);
	p->h = h;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), step, 0, NULL);
		p->column = az_add(e, c->column, loop.i);
		p->w_pixels = (uint32_t)step;
		p->x = az_at(e, x, az_mul(e, loop.i, each));
		az_bits_patch(code, p);
		az_loop_end(e, &loop, NULL);
	}
	if (whole < c->columns) {
		p->column = az_add(e, c->column, az_index(e, whole));
		p->w_pixels = (uint32_t)(c->columns - whole);
		p->x = az_at_const(e, x, whole * each);
		az_bits_patch(code, p);
	}
}

static void pixels(az_bits_code *code, const chunk *c, az_patch *p)
{
	az_emitter *e = code->e;
	int64_t step = code->tile->v[AZ_BITS_H], whole = c->rows / step * step;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), step, 0, NULL);
		columns(code, c, p, loop.i, (uint32_t)step);
		az_loop_end(e, &loop, NULL);
	}
	if (whole < c->rows)
		columns(code, c, p, az_index(e, whole), (uint32_t)(c->rows - whole));
}

static void blocks(az_bits_code *code, const chunk *c, const az_patch *group)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	int64_t nr = code->tile->v[AZ_BITS_NR], each = nr * b->lanes;
	int64_t whole = b->c.group_out / each, rest = b->c.group_out - whole * each;
	int64_t bytes = az_bits_block_bytes(b, nr);
	az_patch p = *group;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, 0, NULL);
		p.vectors = (uint32_t)nr;
		p.last_lanes = b->lanes;
		p.w = az_at(e, group->w, az_mul(e, loop.i, bytes));
		p.channel = az_add(e, group->channel, az_mul(e, loop.i, each));
		pixels(code, c, &p);
		az_loop_end(e, &loop, NULL);
	}
	if (rest > 0) {
		p.vectors = (uint32_t)((rest + b->lanes - 1) / b->lanes);
		p.last_lanes = (uint32_t)(rest - (int64_t)(p.vectors - 1) * b->lanes);
		p.w = az_at_const(e, group->w, whole * bytes);
		p.channel = az_add(e, group->channel, az_index(e, whole * each));
		pixels(code, c, &p);
	}
}

static void one_chunk(az_bits_code *code, const chunk *c, const az_patch *group)
{
	az_emitter *e = code->e;
	const az_contract *k = &code->b->c;
	LLVMValueRef row = az_mul(e, c->row, k->stride_h * k->width * k->channels);
	LLVMValueRef x =
		az_at(e, az_at(e, group->x, row), az_mul(e, c->column, k->stride_w * k->channels));
	az_bits_fill(code, x, c->rows, c->columns);
	blocks(code, c, group);
}

static void chunks(az_bits_code *code, const az_patch *group)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	int64_t all = b->split_columns ? b->c.out_w : b->c.out_h, whole = all / b->chunk;
	LLVMValueRef none = az_index(e, 0);
	for (int rest = 0; rest < 2; rest++) {
		int64_t extent = rest ? all - whole * b->chunk : b->chunk;
		if (extent == 0 || (!rest && whole == 0))
			continue;
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, rest ? whole : 0),
			az_index(e, rest ? whole + 1 : whole), 1, 0, NULL);
		LLVMValueRef first = az_mul(e, loop.i, b->chunk);
		chunk c = {none, first, 1, extent};
		if (!b->split_columns)
			c = (chunk){first, none, extent, b->c.out_w};
		one_chunk(code, &c, group);
		az_loop_end(e, &loop, NULL);
	}
}

void az_bits_nest(az_bits_code *code)
{
	az_emitter *e = code->e;
	const az_bits *b = code->b;
	const az_contract *c = &b->c;
	int64_t vectors = (c->group_out + b->lanes - 1) / b->lanes;
	az_loop groups, images;
	az_loop_begin(e, &groups, az_index(e, 0), az_index(e, c->groups), 1, 0, NULL);
	az_patch p = {
		.x = az_at(e, code->params[c->x], az_mul(e, groups.i, c->group_in)),
		.w = az_at(e, code->params[c->w],
			az_mul(e, groups.i, az_bits_block_bytes(b, vectors))),
		.channel = az_mul(e, groups.i, c->group_out),
	};
	LLVMValueRef first = p.x;
	az_loop_begin(e, &images, az_index(e, 0), az_index(e, c->batch), 1, 0, NULL);
	p.image = images.i;
	p.x = az_at(e, first, az_mul(e, images.i, c->height * c->width * c->channels));
	chunks(code, &p);
	az_loop_end(e, &images, NULL);
	az_loop_end(e, &groups, NULL);
}
