/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels softmax (softmax and log_softmax) and lrn, with what follows. Sums run in index order, so the result is
 * the interpreter's; exponentials are computed in vectors, twice rather than stored between, so that
 * 16-bit results and fused operations need no buffer. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"

#include <math.h>

typedef struct soft {
	az_chain chain;
	az_view x;
	az_elem elem;
	bool log;
	uint32_t axis;
	int64_t length;
	LLVMValueRef top, sum; /* of the row, when the axis is the last dimension */
} soft;

static LLVMValueRef x_at(az_emitter *e, const soft *s, const az_place *place)
{
	return az_view_load(e, &s->x, place);
}

/* A scan along the axis for all lanes of a place: acc = step(acc, x). */
typedef LLVMValueRef step_function(az_emitter *e, soft *s, LLVMValueRef acc, LLVMValueRef x,
	LLVMValueRef top);

static LLVMValueRef step_max(az_emitter *e, soft *s, LLVMValueRef acc, LLVMValueRef x,
	LLVMValueRef top)
{
	(void)top;
	return az_more(e, s->elem, true, acc, x);
}

static LLVMValueRef step_sum(az_emitter *e, soft *s, LLVMValueRef acc, LLVMValueRef x,
	LLVMValueRef top)
{
	(void)s;
	return az_fadd(e, acc, az_math_exp(e, az_fsub(e, x, top)));
}

static LLVMValueRef scan(az_emitter *e, soft *s, const az_place *place, step_function *step,
	LLVMValueRef acc, LLVMValueRef top)
{
	az_loop loop;
	az_place at = *place;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, s->length), 1, 1, &acc);
	at.index[s->axis] = loop.i;
	LLVMValueRef next = step(e, s, loop.carried[0], x_at(e, s, &at), top);
	az_loop_end(e, &loop, &next);
	return loop.carried[0];
}

static LLVMValueRef start(az_emitter *e, const soft *s, uint32_t lanes, double v)
{
	return az_real(e, az_vec_type(az_register_type(e, s->elem), lanes), v);
}

static bool finish(az_emitter *e, soft *s, const az_place *place, LLVMValueRef top,
	LLVMValueRef sum)
{
	LLVMValueRef d = az_fsub(e, x_at(e, s, place), top);
	LLVMValueRef y =
		s->log ? az_fsub(e, d, az_math_log(e, sum)) : az_fdiv(e, az_math_exp(e, d), sum);
	return az_chain_finish(e, &s->chain, place, az_to_grid(e, s->elem, y));
}

/* --- The axis is not the last dimension: lanes are independent -------------------------------------------- */

static bool across_write(az_emitter *e, soft *s, const az_place *place, LLVMValueRef top,
	LLVMValueRef sum)
{
	az_loop loop;
	az_place at = *place;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, s->length), 1, 0, NULL);
	at.index[s->axis] = loop.i;
	/* The row's operands follow the axis too, so they are loaded here. */
	az_chain_row(e, &s->chain, &at);
	if (!finish(e, s, &at, top, sum))
		return false;
	az_loop_end(e, &loop, NULL);
	return true;
}

static bool across_body(az_emitter *e, void *data, const az_place *place)
{
	soft *s = data;
	LLVMValueRef top = scan(e, s, place, step_max, start(e, s, place->lanes, -INFINITY), NULL);
	LLVMValueRef sum = scan(e, s, place, step_sum, start(e, s, place->lanes, 0), top);
	return across_write(e, s, place, top, sum);
}

/* --- The axis is the last dimension: vectors lie along it ------------------------------------------------- */

/* Runs over the row in vectors with one scalar carried: the lanes of step's vector in index order. */
static LLVMValueRef along(az_emitter *e, soft *s, const az_place *place, uint32_t lanes, bool sums,
	LLVMValueRef acc, LLVMValueRef top)
{
	uint32_t last = place->rank - 1;
	int64_t whole = s->length / lanes * lanes;
	for (int part = 0; part < 2; part++) {
		int64_t begin = part ? whole : 0, end = part ? s->length : whole;
		if (begin == end)
			continue;
		az_loop loop;
		az_place at = *place;
		uint32_t n = part ? (uint32_t)(end - begin) : lanes;
		at.lanes = lanes;
		at.valid = n;
		az_loop_begin(e, &loop, az_index(e, begin), az_index(e, end), n, 1, &acc);
		at.index[last] = loop.i;
		LLVMValueRef v = x_at(e, s, &at);
		if (sums)
			v = az_math_exp(e, az_fsub(e, v, az_splat(e, top, lanes)));
		LLVMValueRef next = loop.carried[0];
		for (uint32_t i = 0; i < n; i++) {
			LLVMValueRef lane = az_lanes_of(e, v, i, 1);
			next = sums ? az_fadd(e, next, lane)
				    : az_more(e, s->elem, true, next, lane);
		}
		az_loop_end(e, &loop, &next);
		acc = loop.carried[0];
	}
	return acc;
}

static bool along_row(az_emitter *e, void *data, const az_place *place)
{
	soft *s = data;
	uint32_t lanes = place->lanes;
	while (lanes > 1 && lanes / 2 >= s->length)
		lanes /= 2;
	az_chain_row(e, &s->chain, place);
	s->top = along(e, s, place, lanes, false, start(e, s, 1, -INFINITY), NULL);
	s->sum = along(e, s, place, lanes, true, start(e, s, 1, 0), s->top);
	return true;
}

static bool along_body(az_emitter *e, void *data, const az_place *place)
{
	soft *s = data;
	LLVMValueRef top = az_splat(e, s->top, place->lanes),
		     sum = az_splat(e, s->sum, place->lanes);
	return finish(e, s, place, top, sum);
}

static bool is_softmax(const az_func *func, az_chain *chain)
{
	return az_chain_is(func, chain, AZ_OP_softmax) ||
	       az_chain_is(func, chain, AZ_OP_log_softmax);
}

bool az_softmax_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return is_softmax(func, &chain);
}

bool az_softmax_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	soft s = {.axis = 0};
	(void)tile;
	if (!is_softmax(func, &s.chain))
		return az_error(e->ctx, func->loc, "softmax: \"%s\" is no softmax", func->name);
	const az_op *op = s.chain.anchor;
	const az_type *x = az_op_arg(op, 0)->type;
	s.log = op->code == AZ_OP_log_softmax;
	int64_t axis = s.log ? op->attr.log_softmax.axis : op->attr.softmax.axis;
	s.axis = (uint32_t)az_axis_normalize(axis, x->rank);
	s.length = x->dim[s.axis];
	s.elem = x->elem;
	az_chain_bind(e, &s.chain, params);
	az_view_dense(&s.x, az_chain_base(e, func, az_op_arg(op, 0), params), x->elem, x->rank,
		x->dim);
	int64_t zero[AZ_ITER_RANK] = {0}, size[AZ_ITER_RANK] = {0};
	for (uint32_t d = 0; d < x->rank; d++)
		size[d] = x->dim[d];
	bool last = s.axis + 1u == x->rank;
	if (!last && s.length > 0)
		size[s.axis] = 1;
	uint32_t lanes = az_chain_lanes(e, &s.chain);
	return az_iterate(e, x->rank, zero, size, lanes, last ? along_row : NULL,
		       last ? along_body : across_body, &s) &&
	       az_chain_fill_pad(e, &s.chain);
}
