/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. The ragged end of a row is computed in a whole vector that is loaded and stored in
 * pieces of 2^k elements, so that one more copy of the body is enough for every length and in-place
 * results stay right (no element is computed twice). */
#include "backend/iter.h"
#include "backend/expr.h"
#include "backend/iter_transpose.h"
#include "backend/packed_bytes.h"

#include <assert.h>

void az_view_dense(az_view *view, LLVMValueRef base, az_elem elem, uint32_t rank,
	const int64_t *dim)
{
	*view = (az_view){.base = base, .elem = elem};
	int64_t stride = 1;
	for (uint32_t d = AZ_ITER_RANK; d-- > 0;) {
		view->group[d] = 1;
		if (d < rank) {
			view->stride[d] = stride;
			stride *= dim[d];
		}
	}
}

void az_view_broadcast(az_view *view, LLVMValueRef base, const az_type *type, uint32_t rank)
{
	az_view dense;
	az_view_dense(&dense, base, type->elem, type->rank, type->dim);
	*view = dense;
	for (uint32_t d = 0; d < rank; d++) {
		uint32_t missing = rank - type->rank;
		bool runs = d >= missing && type->dim[d - missing] != 1;
		view->stride[d] = runs ? dense.stride[d - missing] : 0;
	}
}

LLVMValueRef az_view_index(az_emitter *e, const az_view *view, const az_place *place)
{
	LLVMValueRef at = az_index(e, view->offset);
	for (uint32_t d = 0; d < place->rank; d++) {
		if (view->stride[d] == 0)
			continue;
		LLVMValueRef index = az_index_div(e, place->index[d], view->group[d]);
		at = az_add(e, at, az_mul(e, index, view->stride[d]));
	}
	return at;
}

LLVMValueRef az_view_at(az_emitter *e, const az_view *view, const az_place *place)
{
	LLVMValueRef index = az_view_index(e, view, place);
	return az_at(e, view->base, az_mul(e, index, view->elem.bits / 8));
}

bool az_view_is_splat(const az_view *view, uint32_t rank)
{
	return view->constant || rank == 0 || view->stride[rank - 1] == 0;
}

LLVMValueRef az_lanes_of(az_emitter *e, LLVMValueRef vector, uint32_t first, uint32_t count)
{
	if (az_lanes(LLVMTypeOf(vector)) == count)
		return vector;
	if (count == 1)
		return LLVMBuildExtractElement(e->b, vector, LLVMConstInt(e->i32, first, 0), "");
	LLVMValueRef index[256];
	for (uint32_t i = 0; i < count; i++)
		index[i] = LLVMConstInt(e->i32, first + i, 0);
	return LLVMBuildShuffleVector(e->b, vector, LLVMGetPoison(LLVMTypeOf(vector)),
		LLVMConstVector(index, count), "");
}

/* `part` (of `count` lanes) written over lanes [first, first + count) of `whole`. */
static LLVMValueRef insert_lanes(az_emitter *e, LLVMValueRef whole, LLVMValueRef part,
	uint32_t first, uint32_t count)
{
	uint32_t lanes = az_lanes(LLVMTypeOf(whole));
	if (count == lanes)
		return part;
	if (count == 1)
		return LLVMBuildInsertElement(e->b, whole, part, LLVMConstInt(e->i32, first, 0),
			"");
	LLVMValueRef index[256];
	for (uint32_t i = 0; i < lanes; i++)
		index[i] = LLVMConstInt(e->i32, i < count ? i : 0, 0);
	LLVMValueRef wide = LLVMBuildShuffleVector(e->b, part, LLVMGetPoison(LLVMTypeOf(part)),
		LLVMConstVector(index, lanes), "");
	for (uint32_t i = 0; i < lanes; i++) {
		bool inside = i >= first && i < first + count;
		index[i] = LLVMConstInt(e->i32, inside ? lanes + i - first : i, 0);
	}
	return LLVMBuildShuffleVector(e->b, whole, wide, LLVMConstVector(index, lanes), "");
}

static uint32_t largest_piece(uint32_t n)
{
	uint32_t p = 1;
	while (p * 2 <= n)
		p *= 2;
	return p;
}

LLVMValueRef az_load_part(az_emitter *e, az_elem elem, LLVMValueRef at, uint32_t lanes,
	uint32_t valid)
{
	uint32_t bytes = elem.bits / 8;
	if (valid >= lanes)
		return az_load_elems(e, elem, at, lanes, bytes);
	LLVMValueRef whole = LLVMConstNull(az_vec_type(az_register_type(e, elem), lanes));
	for (uint32_t first = 0; first < valid;) {
		uint32_t n = largest_piece(valid - first);
		LLVMValueRef from = az_at_const(e, at, (int64_t)first * bytes);
		LLVMValueRef piece = az_load_elems(e, elem, from, n, bytes);
		whole = insert_lanes(e, whole, piece, first, n);
		first += n;
	}
	return whole;
}

void az_store_part(az_emitter *e, az_elem elem, LLVMValueRef value, LLVMValueRef at, uint32_t valid)
{
	uint32_t bytes = elem.bits / 8;
	for (uint32_t first = 0; first < valid;) {
		uint32_t n = largest_piece(valid - first);
		LLVMValueRef piece = az_lanes_of(e, value, first, n);
		az_store_elems(e, elem, piece, az_at_const(e, at, (int64_t)first * bytes), bytes);
		first += n;
	}
}

/* The place of lane i alone. */
static az_place lane_place(az_emitter *e, const az_place *place, uint32_t i)
{
	uint32_t last = place->rank - 1;
	az_place one = *place;
	one.lanes = one.valid = 1;
	if (i > 0)
		one.index[last] = az_add(e, place->index[last], az_index(e, i));
	return one;
}

/* Where packed elements of a whole vector that run on from a byte begin; NULL: they do not. */
static LLVMValueRef packed_run(az_emitter *e, const az_view *view, const az_place *place)
{
	uint32_t last = place->rank - 1, bits = view->elem.bits;
	if (!place->even || place->valid < place->lanes || view->stride[last] != 1 ||
		view->group[last] != 1 || view->offset * bits % 8 != 0 ||
		!az_packs_lanes(e, view->elem, place->lanes))
		return NULL;
	for (uint32_t d = 0; d < last; d++)
		if (view->stride[d] * bits % 8 != 0)
			return NULL;
	LLVMValueRef bit = az_mul(e, az_view_index(e, view, place), bits);
	return az_at(e, view->base, LLVMBuildLShr(e->b, bit, az_index(e, 3), ""));
}

static LLVMValueRef load_packed(az_emitter *e, const az_view *view, const az_place *place)
{
	if (place->lanes == 1 || az_view_is_splat(view, place->rank)) {
		LLVMValueRef index = az_view_index(e, view, place);
		return az_splat(e, az_load_packed(e, view->elem, view->base, index), place->lanes);
	}
	LLVMValueRef run = packed_run(e, view, place);
	if (run)
		return az_unpack_lanes(e, view->elem, run, place->lanes);
	LLVMValueRef whole =
		LLVMConstNull(az_vec_type(az_register_type(e, view->elem), place->lanes));
	for (uint32_t i = 0; i < place->valid; i++) {
		az_place one = lane_place(e, place, i);
		LLVMValueRef index = az_view_index(e, view, &one);
		LLVMValueRef x = az_load_packed(e, view->elem, view->base, index);
		whole = LLVMBuildInsertElement(e->b, whole, x, LLVMConstInt(e->i32, i, 0), "");
	}
	return whole;
}

static void store_packed(az_emitter *e, const az_view *view, const az_place *place,
	LLVMValueRef value)
{
	LLVMValueRef run = packed_run(e, view, place);
	if (run) {
		az_pack_lanes(e, view->elem, value, run);
		return;
	}
	for (uint32_t i = 0; i < place->valid; i++) {
		az_place one = lane_place(e, place, i);
		az_store_packed(e, view->elem, az_lanes_of(e, value, i, 1), view->base,
			az_view_index(e, view, &one));
	}
}

LLVMValueRef az_view_load(az_emitter *e, const az_view *view, const az_place *place)
{
	if (view->constant)
		return az_splat(e, view->constant, place->lanes);
	if (az_elem_is_packed(view->elem))
		return load_packed(e, view, place);
	LLVMValueRef at = az_view_at(e, view, place);
	uint32_t last = place->rank - 1;
	uint32_t bytes = view->elem.bits / 8u;
	if (place->lanes == 1)
		return az_load_elems(e, view->elem, at, 1, bytes);
	if (az_view_is_splat(view, place->rank))
		return az_splat(e, az_load_elems(e, view->elem, at, 1, bytes), place->lanes);
	if (view->stride[last] == 1 && view->group[last] == 1)
		return az_load_part(e, view->elem, at, place->lanes, place->valid);
	LLVMValueRef whole =
		LLVMConstNull(az_vec_type(az_register_type(e, view->elem), place->lanes));
	for (uint32_t i = 0; i < place->valid; i++) {
		az_place one = *place;
		one.lanes = one.valid = 1;
		one.index[last] = az_add(e, place->index[last], az_index(e, i));
		LLVMValueRef x = az_load_elems(e, view->elem, az_view_at(e, view, &one), 1, bytes);
		whole = LLVMBuildInsertElement(e->b, whole, x, LLVMConstInt(e->i32, i, 0), "");
	}
	return whole;
}

void az_view_store(az_emitter *e, const az_view *view, const az_place *place, LLVMValueRef value)
{
	uint32_t last = place->rank - 1;
	if (az_elem_is_packed(view->elem)) {
		store_packed(e, view, place, value);
		return;
	}
	if (place->lanes == 1 || view->stride[last] == 1) {
		az_store_part(e, view->elem, value, az_view_at(e, view, place), place->valid);
		return;
	}
	for (uint32_t i = 0; i < place->valid; i++) {
		az_place one = *place;
		one.lanes = one.valid = 1;
		one.index[last] = az_add(e, place->index[last], az_index(e, i));
		az_store_part(e, view->elem, az_lanes_of(e, value, i, 1), az_view_at(e, view, &one),
			1);
	}
}

/* --- Shape of the walk --------------------------------------------------------------------------------- */

static void drop_dim(uint32_t rank, int64_t *dim, az_view *const *views, uint32_t count,
	uint32_t at)
{
	for (uint32_t d = at; d + 1 < rank; d++) {
		dim[d] = dim[d + 1];
		for (uint32_t v = 0; v < count; v++) {
			views[v]->stride[d] = views[v]->stride[d + 1];
			views[v]->group[d] = views[v]->group[d + 1];
		}
	}
}

static bool joins(int64_t inner, az_view *const *views, uint32_t count, uint32_t d)
{
	for (uint32_t v = 0; v < count; v++) {
		const az_view *view = views[v];
		if (view->constant)
			continue;
		if (view->stride[d] != view->stride[d + 1] * inner)
			return false;
		if (view->group[d] != 1 || view->group[d + 1] != 1)
			return false;
	}
	return true;
}

uint32_t az_iter_collapse(uint32_t rank, int64_t *dim, az_view *const *views, uint32_t count)
{
	for (uint32_t d = rank; d-- > 0 && rank > 1;) {
		if (dim[d] == 1) {
			drop_dim(rank, dim, views, count, d);
			rank--;
		}
	}
	for (uint32_t d = rank; d-- > 1;) {
		if (!joins(dim[d], views, count, d - 1))
			continue;
		/* The joined dimension keeps the inner strides. */
		dim[d] *= dim[d - 1];
		drop_dim(rank, dim, views, count, d - 1);
		rank--;
	}
	if (rank > 0)
		return rank;
	dim[0] = 1;
	for (uint32_t v = 0; v < count; v++)
		views[v]->stride[0] = views[v]->constant ? 0 : 1;
	return 1;
}

/* --- Loops --------------------------------------------------------------------------------------------- */

static bool iterate_row(az_emitter *e, az_place *place, int64_t begin, int64_t end, uint32_t lanes,
	az_body *body, void *data)
{
	uint32_t last = place->rank - 1;
	int64_t whole = begin + (end - begin) / lanes * lanes;
	place->lanes = place->valid = lanes;
	place->even = begin % lanes == 0;
	if (whole > begin) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, begin), az_index(e, whole), lanes, 0, NULL);
		place->index[last] = loop.i;
		if (!body(e, data, place))
			return false;
		az_loop_end(e, &loop, NULL);
	}
	if (whole == end)
		return true;
	place->index[last] = az_index(e, whole);
	place->valid = (uint32_t)(end - whole);
	while (place->lanes / 2 >= place->valid)
		place->lanes /= 2;
	place->even = whole % place->lanes == 0;
	return body(e, data, place);
}

bool az_iterate(az_emitter *e, uint32_t rank, const int64_t *begin, const int64_t *end,
	uint32_t lanes, az_body *row, az_body *body, void *data)
{
	az_loop loops[AZ_ITER_RANK];
	az_place place = {.rank = rank};
	assert(rank > 0 && rank <= AZ_ITER_RANK);
	for (uint32_t d = 0; d < rank; d++) {
		if (begin[d] >= end[d])
			return true;
	}
	for (uint32_t d = 0; d + 1 < rank; d++) {
		az_loop_begin(e, &loops[d], az_index(e, begin[d]), az_index(e, end[d]), 1, 0, NULL);
		place.index[d] = loops[d].i;
	}
	place.lanes = place.valid = lanes;
	place.index[rank - 1] = az_index(e, begin[rank - 1]);
	if (row && !row(e, data, &place))
		return false;
	if (!iterate_row(e, &place, begin[rank - 1], end[rank - 1], lanes, body, data))
		return false;
	for (uint32_t d = rank - 1; d-- > 0;)
		az_loop_end(e, &loops[d], NULL);
	return true;
}

void az_span_begin(az_emitter *e, az_loop *loop, LLVMValueRef begin, LLVMValueRef end,
	uint32_t count, const LLVMValueRef *initial)
{
	assert(count <= AZ_CARRIED_MAX);
	*loop = (az_loop){.carried_count = count, .end = end, .step = az_index(e, 1)};
	loop->entry = LLVMGetInsertBlock(e->b);
	LLVMBasicBlockRef head = LLVMAppendBasicBlockInContext(e->llvm, e->func, "span");
	LLVMBasicBlockRef inside = LLVMAppendBasicBlockInContext(e->llvm, e->func, "in");
	loop->exit = LLVMAppendBasicBlockInContext(e->llvm, e->func, "out");
	loop->body = head;
	LLVMBuildBr(e->b, head);
	LLVMPositionBuilderAtEnd(e->b, head);
	loop->i = LLVMBuildPhi(e->b, e->i64, "");
	LLVMAddIncoming(loop->i, &begin, &loop->entry, 1);
	for (uint32_t k = 0; k < count; k++) {
		LLVMValueRef from = initial[k];
		loop->carried[k] = LLVMBuildPhi(e->b, LLVMTypeOf(from), "");
		LLVMAddIncoming(loop->carried[k], &from, &loop->entry, 1);
	}
	LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, loop->i, end, ""), inside,
		loop->exit);
	LLVMPositionBuilderAtEnd(e->b, inside);
}

/* The phis of the head are also the results: they hold the last values when the test fails. */
void az_span_end(az_emitter *e, az_loop *loop, const LLVMValueRef *next)
{
	LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
	LLVMValueRef i = LLVMBuildNSWAdd(e->b, loop->i, loop->step, "");
	LLVMAddIncoming(loop->i, &i, &last, 1);
	for (uint32_t k = 0; k < loop->carried_count; k++) {
		LLVMValueRef value = next[k];
		LLVMAddIncoming(loop->carried[k], &value, &last, 1);
	}
	LLVMBuildBr(e->b, loop->body);
	LLVMPositionBuilderAtEnd(e->b, loop->exit);
}

LLVMValueRef az_index_min(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	return az_choose(e, az_icmp(e, LLVMIntSLT, a, b), a, b);
}

LLVMValueRef az_index_max(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	return az_choose(e, az_icmp(e, LLVMIntSGT, a, b), a, b);
}

LLVMValueRef az_index_div(az_emitter *e, LLVMValueRef a, int64_t by)
{
	if (by == 1)
		return a;
	if (e->target->pointer_bytes == 8 || LLVMIsAConstantInt(a))
		return LLVMBuildUDiv(e->b, a, az_index(e, by), "");
	/* Indices fit 32 bits there, and a 32-bit division by a constant is a multiplication. */
	LLVMValueRef q = LLVMBuildUDiv(e->b, LLVMBuildTrunc(e->b, a, e->i32, ""),
		LLVMConstInt(e->i32, (uint64_t)by, 0), "");
	return LLVMBuildZExt(e->b, q, e->i64, "");
}

/* --- Filling and copying ------------------------------------------------------------------------------- */

typedef struct move {
	az_view from, to;
} move;

static bool move_body(az_emitter *e, void *data, const az_place *place)
{
	move *m = data;
	az_view_store(e, &m->to, place, az_view_load(e, &m->from, place));
	return true;
}

bool az_copy_converted(az_emitter *e, az_view from, az_view to, uint32_t rank, const int64_t *dim)
{
	move m = {from, to};
	int64_t size[AZ_ITER_RANK] = {0}, zero[AZ_ITER_RANK] = {0};
	for (uint32_t d = 0; d < rank; d++)
		size[d] = dim[d];
	az_view *views[2] = {&m.from, &m.to};
	rank = az_iter_collapse(rank, size, views, 2);
	return az_iterate(e, rank, zero, size, az_expr_lanes(e, false, 32), NULL, move_body, &m);
}

bool az_fill(az_emitter *e, LLVMValueRef base, az_elem elem, uint32_t rank, const int64_t *dim,
	const int64_t *begin, const int64_t *end, LLVMValueRef value)
{
	az_view from = {.constant = value, .elem = elem}, to;
	az_view_dense(&to, base, elem, rank, dim);
	int64_t size[AZ_ITER_RANK];
	for (uint32_t d = 0; d < rank; d++) {
		size[d] = end[d] - begin[d];
		to.offset += begin[d] * to.stride[d];
		if (size[d] <= 0)
			return true;
	}
	return az_copy_converted(e, from, to, rank, size);
}

/* Elements as integers of the same size: copying needs no conversion. */
static bool copy_body(az_emitter *e, void *data, const az_place *place)
{
	move *m = data;
	uint32_t bytes = m->to.elem.bits / 8u;
	LLVMTypeRef type = LLVMIntTypeInContext(e->llvm, m->to.elem.bits);
	bool splat = az_view_is_splat(&m->from, place->rank);
	LLVMValueRef from = az_view_at(e, &m->from, place), to = az_view_at(e, &m->to, place);
	for (uint32_t first = 0; first < place->valid;) {
		uint32_t n = largest_piece(place->valid - first);
		int64_t offset = (int64_t)first * bytes;
		LLVMValueRef x = splat ? az_splat(e, az_load(e, type, from, bytes), n)
				       : az_load(e, az_vec_type(type, n),
						 az_at_const(e, from, offset), bytes);
		az_store(e, x, az_at_const(e, to, offset), bytes);
		first += n;
	}
	return true;
}

static bool copy_collapsed(az_emitter *e, move *m, uint32_t rank, const int64_t *size)
{
	int64_t zero[AZ_ITER_RANK] = {0};
	/* Vectors where both run along the last dimension, or one element is repeated along it. */
	bool vector = m->to.stride[rank - 1] == 1 && m->from.stride[rank - 1] <= 1 &&
		      m->from.stride[rank - 1] >= 0;
	uint32_t lanes = vector ? e->target->vector_bytes * 8 / m->to.elem.bits : 1;
	return az_iterate(e, rank, zero, size, AZ_MAX(lanes, 1u), NULL, copy_body, m);
}

bool az_copy_plain(az_emitter *e, az_view from, az_view to, uint32_t rank, const int64_t *dim)
{
	move m = {from, to};
	return copy_collapsed(e, &m, rank, dim);
}

bool az_copy(az_emitter *e, az_view from, az_view to, uint32_t rank, const int64_t *dim)
{
	move m = {from, to};
	int64_t size[AZ_ITER_RANK] = {0};
	bool done;
	for (uint32_t d = 0; d < rank; d++)
		size[d] = dim[d];
	az_view *views[2] = {&m.from, &m.to};
	rank = az_iter_collapse(rank, size, views, 2);
	for (uint32_t d = 0; d < rank; d++) {
		if (size[d] == 0)
			return true;
	}
	if (!az_copy_turned(e, &m.from, &m.to, rank, size, &done))
		return false;
	return done || copy_collapsed(e, &m, rank, size);
}

LLVMValueRef az_rodata(az_emitter *e, const void *bytes, size_t size)
{
	LLVMValueRef data = LLVMConstStringInContext2(e->llvm, bytes, size, 1);
	LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(data), "table");
	LLVMSetInitializer(global, data);
	LLVMSetGlobalConstant(global, 1);
	LLVMSetLinkage(global, LLVMPrivateLinkage);
	LLVMSetAlignment(global, 64);
	return global;
}
