/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel rows: a convolution, pool or product between activations of fewer than 8 bits that lie packed in the arena
 * (backend/rows.h), strip by strip: unpack the rows that a strip reads into scratch on the stack, the border
 * among them, let another kernel compute the strip from bytes, pack what it gave. That other kernel is asked for
 * as for any function; its code stands inside the loop over strips.
 *
 * tile = [the other kernel's place in backend/kernels.def, rows of a strip, the other kernel's tile ...] */
#include "backend/expr.h"
#include "backend/iter.h"
#include "backend/kernels.h"
#include "backend/packed_bytes.h"
#include "backend/rows.h"

#include <string.h>

#define OWN   2 /* entries of the tile before the other kernel's */
#define ALIGN 64

static az_tile inner_tile(const az_tile *tile)
{
	az_tile inner = {.count = tile->count < OWN ? 0 : tile->count - OWN};
	memcpy(inner.v, tile->v + OWN, inner.count * sizeof *inner.v);
	return inner;
}

/* The operands of the other kernel: of what is made of an input, the bytes, which tell how large they may be. */
static az_value **inner_args(const az_rows *r, az_value *const *args, az_value **room)
{
	for (uint32_t i = 0; i < r->func->params.count; i++)
		room[i] = r->source && i == r->x ? r->source->results[0] : args[i];
	return room;
}

static bool match_core(const az_target *target, const az_func *core, az_value *const *args,
	int64_t height, az_tile *tile)
{
	for (uint32_t i = 0; i < az_kernel_count; i++) {
		az_tile inner = {0};
		if (az_kernels[i].slow || !az_kernels[i].match(target, core, args, &inner) ||
			inner.count + OWN > AZ_TILE_MAX)
			continue;
		tile->count = inner.count + OWN;
		tile->v[0] = i;
		tile->v[1] = height;
		memcpy(tile->v + OWN, inner.v, inner.count * sizeof *inner.v);
		return true;
	}
	return false;
}

bool az_rows_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_rows rows;
	az_value *room[AZ_ARGS_MAX];
	if (!az_rows_read(func, &rows))
		return false;
	az_rows_choose(&rows);
	az_module *core = rows.height ? az_rows_core(&rows) : NULL;
	if (!core)
		return false;
	AZ_GUARD(func->module->ctx, {
		az_module_free(core);
		return false;
	});
	bool ok = match_core(target, az_module_main(core), inner_args(&rows, args, room),
		rows.height, tile);
	AZ_UNGUARD(func->module->ctx);
	az_module_free(core);
	return ok;
}

/* The structure at hand and the other kernel, of a tile that may come from a file. */
static const az_kernel *read_tile(const az_func *func, const az_tile *tile, az_rows *rows)
{
	if (!az_rows_read(func, rows) || tile->count < OWN || tile->v[0] < 0 ||
		tile->v[0] >= (int64_t)az_kernel_count || tile->v[1] < 1 ||
		az_rows_shape_of(rows->body).rows % tile->v[1] != 0)
		return NULL;
	rows->height = tile->v[1];
	return &az_kernels[tile->v[0]];
}

bool az_rows_shrink(const az_target *target, az_tile *tile)
{
	az_tile inner = inner_tile(tile);
	const az_kernel *kernel = &az_kernels[tile->v[0]];
	if (!kernel->shrink || !kernel->shrink(target, &inner))
		return false;
	memcpy(tile->v + OWN, inner.v, inner.count * sizeof *inner.v);
	return true;
}

bool az_rows_pack(const az_target *target, const az_func *func, az_value *const *args,
	const az_tile *tile, uint32_t index, az_arena *arena, const void **data, size_t *size)
{
	az_rows rows;
	az_value *room[AZ_ARGS_MAX];
	az_tile inner = inner_tile(tile);
	const az_kernel *kernel = read_tile(func, tile, &rows);
	*size = 0;
	if (!kernel)
		return az_error(func->module->ctx, func->loc, "rows: \"%s\" is no group of rows",
			func->name);
	az_module *core = kernel->pack ? az_rows_core(&rows) : NULL;
	if (!core)
		return !kernel->pack;
	AZ_GUARD(func->module->ctx, {
		az_module_free(core);
		return false;
	});
	bool ok = kernel->pack(target, az_module_main(core), inner_args(&rows, args, room), &inner,
		index, arena, data, size);
	AZ_UNGUARD(func->module->ctx);
	az_module_free(core);
	return ok;
}

/* --- Code ------------------------------------------------------------------------------------- */

typedef struct rows_code {
	az_emitter *e;
	const az_rows *r;
	const az_kernel *kernel;
	const az_func *core;
	az_tile tile; /* of the other kernel */
	const LLVMValueRef *params;
	LLVMValueRef scratch[AZ_ARGS_MAX], result; /* NULL: none */
	LLVMValueRef image, strip;                 /* counters */
} rows_code;

static LLVMValueRef reserve(az_emitter *e, int64_t bytes)
{
	if (!bytes)
		return NULL;
	LLVMTypeRef type = LLVMArrayType2(e->i8, (uint64_t)bytes + AZ_SLACK_BYTES);
	LLVMValueRef made = LLVMBuildAlloca(e->b, type, "rows");
	LLVMSetAlignment(made, ALIGN);
	return made;
}

static int64_t bytes_of_row(const az_type *t)
{
	return az_rows_shape_of(t).elements * t->elem.bits / 8;
}

/* Where the rows of parameter i for this strip begin, were it not in scratch. */
static LLVMValueRef row_at(rows_code *c, LLVMValueRef base, const az_type *t, int64_t step)
{
	az_emitter *e = c->e;
	int64_t row = bytes_of_row(t);
	az_rows_shape shape = az_rows_shape_of(t);
	LLVMValueRef at = shape.images > 1 ? az_mul(e, c->image, shape.rows * row) : az_index(e, 0);
	return az_at(e, base, az_add(e, at, az_mul(e, c->strip, step * row)));
}

/* Row `row` of x to scratch: unpacked, made of the input, or as it is. */
static bool bring_row(rows_code *c, LLVMValueRef to, LLVMValueRef row)
{
	az_emitter *e = c->e;
	const az_type *t = c->r->x_type;
	az_rows_shape shape = az_rows_shape_of(t);
	int64_t count = shape.elements;
	if (c->r->source)
		return az_rows_emit_source(e, c->r, c->params, to, c->image, row);
	LLVMValueRef image = shape.images > 1 ? az_mul(e, c->image, shape.rows * bytes_of_row(t))
					      : az_index(e, 0);
	LLVMValueRef from =
		az_at(e, c->params[c->r->x], az_add(e, image, az_mul(e, row, bytes_of_row(t))));
	if (t->elem.bits < 8)
		az_unpack_bytes(e, t->elem, to, from, count);
	else
		az_copy_bytes(e, to, from, count, 1);
	return true;
}

static uint8_t border_byte(const az_op *pad)
{
	return (uint8_t)(int64_t)pad->attr.pad.value;
}

/* Row k of the strip's input: of x, or of the border above and below. */
static bool fill_row(rows_code *c, LLVMValueRef k)
{
	az_emitter *e = c->e;
	const az_rows *r = c->r;
	const az_type *x = r->x_type;
	az_ints pad = r->border ? r->border->attr.pad.pad : (az_ints){0};
	int64_t top = az_ints_at(pad, 2, 0), bottom = az_ints_at(pad, 3, 0),
		left = az_ints_at(pad, 4, 0);
	LLVMValueRef to = az_at(e, c->scratch[r->x],
		az_add(e, az_mul(e, k, bytes_of_row(r->padded)), az_index(e, left * x->dim[3])));
	LLVMValueRef row = az_add(e, az_mul(e, c->strip, r->height * r->stride), k);
	row = az_add(e, row, az_index(e, -top));
	if (!top && !bottom)
		return bring_row(c, to, row);
	LLVMBasicBlockRef inside = LLVMAppendBasicBlockInContext(e->llvm, e->func, "inside"),
			  outside = LLVMAppendBasicBlockInContext(e->llvm, e->func, "border"),
			  done = LLVMAppendBasicBlockInContext(e->llvm, e->func, "row");
	LLVMBuildCondBr(e->b, az_icmp(e, LLVMIntULT, row, az_index(e, x->dim[1])), inside, outside);
	LLVMPositionBuilderAtEnd(e->b, inside);
	if (!bring_row(c, to, row))
		return false;
	LLVMBuildBr(e->b, done);
	LLVMPositionBuilderAtEnd(e->b, outside);
	az_fill_bytes(e, to, border_byte(r->border), x->dim[2] * x->dim[3], 1);
	LLVMBuildBr(e->b, done);
	LLVMPositionBuilderAtEnd(e->b, done);
	return true;
}

static bool fill_strip(rows_code *c)
{
	az_loop loop;
	az_loop_begin(c->e, &loop, az_index(c->e, 0), az_index(c->e, az_rows_span(c->r)), 1, 0,
		NULL);
	if (!fill_row(c, loop.i))
		return false;
	az_loop_end(c->e, &loop, NULL);
	return true;
}

/* The other kernel's operands and result for this strip. */
static bool bind(rows_code *c, LLVMValueRef *params)
{
	az_emitter *e = c->e;
	const az_rows *r = c->r;
	uint32_t count = r->func->params.count;
	for (uint32_t i = 0; i < count; i++) {
		const az_type *t = r->func->params.v[i]->type;
		params[i] = c->params[i];
		if (r->kind[i] == AZ_ROWS_WHOLE)
			continue;
		if (!c->scratch[i]) {
			int64_t step = r->height * (i == r->x ? r->stride : 1);
			params[i] = row_at(c, c->params[i], t, step);
			continue;
		}
		params[i] = c->scratch[i];
		if (i == r->x) {
			if (!fill_strip(c))
				return false;
		} else {
			az_unpack_bytes(e, t->elem, c->scratch[i],
				row_at(c, c->params[i], t, r->height),
				r->height * az_rows_shape_of(t).elements);
		}
	}
	params[count] = c->result ? c->result : row_at(c, c->params[count], r->body, r->height);
	return true;
}

/* What the strip gave, from scratch to its place. */
static void put_result(rows_code *c)
{
	az_emitter *e = c->e;
	const az_rows *r = c->r;
	LLVMValueRef to = c->params[r->func->params.count];
	int64_t row = az_rows_shape_of(r->body).elements;
	if (r->packing) {
		const az_type *t = r->packing->results[0]->type;
		az_pack_bytes(e, t->elem, row_at(c, to, t, r->height), c->result, r->height * row);
		return;
	}
	if (!r->margin)
		return;
	const az_type *t = r->margin->results[0]->type;
	az_ints pad = r->margin->attr.pad.pad;
	int64_t each = t->elem.bits / 8;
	LLVMValueRef first = row_at(c, to, t, r->height);
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, r->height), 1, 0, NULL);
	LLVMValueRef at = az_add(e, az_mul(e, loop.i, bytes_of_row(t)),
		az_index(e, az_ints_at(pad, 2, 0) * bytes_of_row(t) +
				    az_ints_at(pad, 4, 0) * t->dim[3] * each));
	az_copy_bytes(e, az_at(e, first, at), az_at(e, c->result, az_mul(e, loop.i, row * each)),
		row * each, 1);
	az_loop_end(e, &loop, NULL);
}

/* Scratch that the other kernel took inside the loop is taken once. */
static void move_reservations(az_emitter *e)
{
	LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(e->func), here = LLVMGetInsertBlock(e->b);
	LLVMBasicBlockRef block = LLVMGetNextBasicBlock(entry);
	for (; block; block = LLVMGetNextBasicBlock(block)) {
		LLVMValueRef next;
		for (LLVMValueRef i = LLVMGetFirstInstruction(block); i; i = next) {
			next = LLVMGetNextInstruction(i);
			if (!LLVMIsAAllocaInst(i))
				continue;
			LLVMInstructionRemoveFromParent(i);
			LLVMPositionBuilderBefore(e->b, LLVMGetFirstInstruction(entry));
			LLVMInsertIntoBuilder(e->b, i);
		}
	}
	LLVMPositionBuilderAtEnd(e->b, here);
}

static bool emit_strips(rows_code *c)
{
	az_emitter *e = c->e;
	const az_rows *r = c->r;
	LLVMValueRef params[AZ_ARGS_MAX + 1];
	az_loop images, strips;
	az_rows_shape body = az_rows_shape_of(r->body);
	az_loop_begin(e, &images, az_index(e, 0), az_index(e, body.images), 1, 0, NULL);
	c->image = images.i;
	az_loop_begin(e, &strips, az_index(e, 0), az_index(e, body.rows / r->height), 1, 0, NULL);
	c->strip = strips.i;
	if (!bind(c, params) || !c->kernel->emit(e, c->core, &c->tile, params))
		return false;
	put_result(c);
	az_loop_end(e, &strips, NULL);
	az_loop_end(e, &images, NULL);
	move_reservations(e);
	return true;
}

/* Columns of the border stay as they are once filled; so does the margin, which the caller reads. */
static bool fill_margin(rows_code *c)
{
	az_emitter *e = c->e;
	const az_op *pad = c->r->margin;
	if (c->r->border)
		az_fill_bytes(e, c->scratch[c->r->x], border_byte(c->r->border),
			az_rows_scratch(c->r, c->r->x), 1);
	if (!pad)
		return true;
	const az_type *t = pad->results[0]->type;
	LLVMTypeRef type = az_register_type(e, t->elem);
	LLVMValueRef value = az_elem_is_float(t->elem)
				     ? az_real(e, type, (double)pad->attr.pad.value)
				     : az_int(e, type, (int64_t)pad->attr.pad.value);
	int64_t begin[AZ_RANK_MAX] = {0};
	return az_fill(e, c->params[c->r->func->params.count], t->elem, t->rank, t->dim, begin,
		t->dim, value);
}

static bool emit(rows_code *c)
{
	for (uint32_t i = 0; i < c->r->func->params.count; i++)
		c->scratch[i] = reserve(c->e, az_rows_scratch(c->r, i));
	c->result = reserve(c->e, az_rows_result_scratch(c->r));
	return fill_margin(c) && emit_strips(c);
}

bool az_rows_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	az_rows rows;
	const az_kernel *kernel = read_tile(func, tile, &rows);
	if (!kernel)
		return az_error(e->ctx, func->loc, "rows: \"%s\" is no group of rows", func->name);
	az_module *core = az_rows_core(&rows);
	if (!core)
		return false;
	rows_code code = {.e = e,
		.r = &rows,
		.kernel = kernel,
		.core = az_module_main(core),
		.tile = inner_tile(tile),
		.params = params};
	AZ_GUARD(e->ctx, {
		az_module_free(core);
		return false;
	});
	bool ok = emit(&code);
	AZ_UNGUARD(e->ctx);
	az_module_free(core);
	return ok;
}
