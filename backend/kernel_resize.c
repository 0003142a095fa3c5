/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel resize, with what follows. Where each place comes from, and the weights of interpolation, are computed
 * at compile time by the interpreter's own functions (ir/resize.h) and lie in tables, one per dimension that
 * changes; vectors run along a last dimension that does not. Interpolation goes through the dimensions in
 * the interpreter's order, the first innermost, without storing between. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"
#include "ir/resize.h"

typedef struct resized {
	az_chain chain;
	az_view x;
	az_elem elem;
	int taps;                          /* 1 for nearest */
	LLVMValueRef places[AZ_RANK_MAX];  /* table of i32 [out][taps]; NULL: the dimension stays */
	LLVMValueRef weights[AZ_RANK_MAX]; /* table of f32 [out][taps] */
} resized;

static LLVMValueRef table_at(az_emitter *e, const resized *r, LLVMValueRef place, int tap)
{
	return az_add(e, az_mul(e, place, 4 * r->taps), az_index(e, 4 * tap));
}

static LLVMValueRef source(az_emitter *e, const resized *r, uint32_t d, LLVMValueRef place, int tap)
{
	LLVMValueRef at = az_at(e, r->places[d], table_at(e, r, place, tap));
	return LLVMBuildZExt(e->b, az_load(e, e->i32, at, 4), e->i64, "");
}

static LLVMValueRef weight(az_emitter *e, const resized *r, uint32_t d, const az_place *place,
	int tap)
{
	LLVMValueRef at = az_at(e, r->weights[d], table_at(e, r, place->index[d], tap));
	LLVMValueRef w = az_load(e, e->f32, at, 4);
	if (r->elem.bits == 64)
		w = LLVMBuildFPExt(e->b, w, e->f64, "");
	return az_splat(e, w, place->lanes);
}

/* The value at `at`, whose indices from `dims` on are the operand's and below it the result's. */
static LLVMValueRef value_at(az_emitter *e, const resized *r, uint32_t dims, const az_place *place,
	const az_place *at)
{
	while (dims > 0 && !r->places[dims - 1])
		dims--;
	if (dims == 0)
		return az_view_load(e, &r->x, at);
	uint32_t d = dims - 1;
	az_place from = *at;
	if (!r->weights[d]) {
		from.index[d] = source(e, r, d, place->index[d], 0);
		return value_at(e, r, d, place, &from);
	}
	LLVMTypeRef type = az_vec_type(az_register_type(e, r->elem), place->lanes);
	LLVMValueRef sum = LLVMConstNull(type);
	for (int tap = 0; tap < r->taps; tap++) {
		from.index[d] = source(e, r, d, place->index[d], tap);
		LLVMValueRef v = value_at(e, r, d, place, &from);
		sum = az_fadd(e, sum, az_fmul(e, v, weight(e, r, d, place, tap)));
	}
	return sum;
}

static bool row(az_emitter *e, void *data, const az_place *place)
{
	resized *r = data;
	az_chain_row(e, &r->chain, place);
	return true;
}

static bool body(az_emitter *e, void *data, const az_place *place)
{
	resized *r = data;
	LLVMValueRef v = value_at(e, r, place->rank, place, place);
	return az_chain_finish(e, &r->chain, place, az_to_grid(e, r->elem, v));
}

static void make_tables(az_emitter *e, resized *r, const az_op *op, uint32_t d)
{
	const az_attrs_resize *attr = &op->attr.resize;
	az_resize_axis axis = az_resize_axis_of(op, d);
	bool nearest = attr->mode == AZ_interpolation_nearest, same = axis.in == axis.out;
	size_t count = (size_t)(axis.out * r->taps);
	int32_t *place = az_new_array(&e->ctx->arena, int32_t, count + 1);
	float *w = az_new_array(&e->ctx->arena, float, count + 1);
	if (!nearest && az_resize_is_identity(&axis, attr))
		return;
	for (int64_t i = 0; i < axis.out; i++) {
		if (nearest) {
			place[i] = (int32_t)az_resize_nearest(&axis, i, attr);
			same = same && place[i] == i;
			continue;
		}
		az_resize_mix mix = az_resize_mix_at(&axis, i, attr);
		for (int k = 0; k < r->taps; k++) {
			place[i * r->taps + k] = (int32_t)mix.at[k];
			w[i * r->taps + k] = mix.weight[k];
		}
	}
	if (nearest && same)
		return;
	r->places[d] = az_rodata(e, place, count * sizeof *place);
	if (!nearest)
		r->weights[d] = az_rodata(e, w, count * sizeof *w);
}

bool az_resize_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return az_chain_is(func, &chain, AZ_OP_resize);
}

bool az_resize_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	resized r = {.taps = 1};
	(void)tile;
	if (!az_chain_is(func, &r.chain, AZ_OP_resize))
		return az_error(e->ctx, func->loc, "resize: \"%s\" is no such group", func->name);
	const az_op *op = r.chain.anchor;
	const az_type *x = az_op_arg(op, 0)->type, *y = op->results[0]->type;
	if (az_type_numel(y) == 0)
		return az_chain_fill_pad(e, &r.chain);
	r.elem = x->elem;
	if (op->attr.resize.mode != AZ_interpolation_nearest)
		r.taps = op->attr.resize.mode == AZ_interpolation_cubic ? 4 : 2;
	az_arena_mark mark = az_arena_mark_get(&e->ctx->arena);
	for (uint32_t d = 0; d < x->rank; d++)
		make_tables(e, &r, op, d);
	az_arena_reset(&e->ctx->arena, mark);
	az_chain_bind(e, &r.chain, params);
	az_view_dense(&r.x, az_chain_base(e, func, az_op_arg(op, 0), params), x->elem, x->rank,
		x->dim);
	int64_t zero[AZ_ITER_RANK] = {0}, size[AZ_ITER_RANK] = {1};
	for (uint32_t d = 0; d < y->rank; d++)
		size[d] = y->dim[d];
	bool vector = y->rank > 0 && !r.places[y->rank - 1];
	uint32_t lanes = vector ? az_chain_lanes(e, &r.chain) : 1;
	return az_iterate(e, AZ_MAX(y->rank, 1u), zero, size, lanes, row, body, &r) &&
	       az_chain_fill_pad(e, &r.chain);
}
