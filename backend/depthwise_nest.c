/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of depthwise convolutions (backend/depthwise.h). */
#include "backend/depthwise.h"

typedef struct nest {
	az_emitter *e;
	const az_contract *c;
	uint32_t channels;
	int64_t elem;
	az_dw_emit *emit;
	void *code;
} nest;

bool az_dw_read(const az_func *func, az_contract *out)
{
	return az_contract_read_any(func, out) && !az_contract_is_scaled(out) && !out->is_matmul &&
	       out->groups > 1 && out->group_in == 1 && out->group_out == 1;
}

/* The blocks of channels of one rectangle; p->x is that of its first channel. */
static void blocks(const nest *n, az_dw_patch *p)
{
	az_emitter *e = n->e;
	int64_t whole = n->c->channels / n->channels;
	LLVMValueRef x = p->x;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, 0, NULL);
		p->block = loop.i;
		p->channel = az_mul(e, loop.i, n->channels);
		p->x = az_at(e, x, az_mul(e, loop.i, n->channels * n->elem));
		p->valid = n->channels;
		n->emit(n->code, p);
		az_loop_end(e, &loop, NULL);
	}
	int64_t done = whole * n->channels;
	if (done < n->c->channels) {
		p->block = az_index(e, whole);
		p->channel = az_index(e, done);
		p->x = az_at_const(e, x, done * n->elem);
		p->valid = (uint32_t)(n->c->channels - done);
		n->emit(n->code, p);
	}
}

static void columns(const nest *n, az_dw_patch *p, LLVMValueRef x, int64_t step)
{
	az_emitter *e = n->e;
	const az_contract *c = n->c;
	int64_t whole = c->out_w / step * step, column = c->stride_w * c->channels * n->elem;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), step, 0, NULL);
		p->column = loop.i;
		p->x = az_at(e, x, az_mul(e, loop.i, column));
		p->pixels = (uint32_t)step;
		blocks(n, p);
		az_loop_end(e, &loop, NULL);
	}
	if (whole < c->out_w) {
		p->column = az_index(e, whole);
		p->x = az_at_const(e, x, whole * column);
		p->pixels = (uint32_t)(c->out_w - whole);
		blocks(n, p);
	}
}

void az_dw_nest(az_emitter *e, const az_contract *c, LLVMValueRef x, int64_t step,
	uint32_t channels, az_dw_emit *emit, void *code)
{
	nest n = {e, c, channels, c->x_elem.bits / 8, emit, code};
	az_dw_patch p = {0};
	az_loop images, rows;
	az_loop_begin(e, &images, az_index(e, 0), az_index(e, c->batch), 1, 0, NULL);
	az_loop_begin(e, &rows, az_index(e, 0), az_index(e, c->out_h), 1, 0, NULL);
	p.image = images.i;
	p.row = rows.i;
	LLVMValueRef line =
		az_add(e, az_mul(e, images.i, c->height), az_mul(e, rows.i, c->stride_h));
	columns(&n, &p, az_at(e, x, az_mul(e, line, c->width * c->channels * n.elem)), step);
	az_loop_end(e, &rows, NULL);
	az_loop_end(e, &images, NULL);
}
