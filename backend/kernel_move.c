/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel move: operations that only move elements: transpose, slice, expand, tile, concat, split, pad, reshape.
 * Without anything behind them they are copies between two views, of bytes, in vectors where both run along
 * their last dimension; with element-wise operations behind them (transpose, slice, expand, pad by a
 * constant) the source view is read as an operand of the chain. Packed elements are moved as bytes. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"
#include "backend/move_bytes.h"

/* The operations whose result is one view of the operand. */
static bool one_view(const az_op *op, az_view *view, LLVMValueRef base)
{
	const az_type *x = az_op_arg(op, 0)->type;
	az_view dense;
	az_view_dense(&dense, base, x->elem, x->rank, x->dim);
	*view = dense;
	switch (op->code) {
	case AZ_OP_reshape:
		az_view_dense(view, base, x->elem, op->results[0]->type->rank,
			op->results[0]->type->dim);
		return true;
	case AZ_OP_transpose:
		for (uint32_t d = 0; d < x->rank; d++)
			view->stride[d] = dense.stride[op->attr.transpose.perm.v[d]];
		return true;
	case AZ_OP_slice:
		for (uint32_t d = 0; d < x->rank; d++) {
			view->offset += op->attr.slice.begin.v[d] * dense.stride[d];
			view->stride[d] *= az_ints_at(op->attr.slice.step, d, 1);
		}
		return true;
	case AZ_OP_expand:
		az_view_broadcast(view, base, x, op->results[0]->type->rank);
		return true;
	default:
		return false;
	}
}

static bool is_move(az_opcode code)
{
	switch (code) {
	case AZ_OP_reshape:
	case AZ_OP_transpose:
	case AZ_OP_slice:
	case AZ_OP_expand:
	case AZ_OP_tile:
	case AZ_OP_concat:
	case AZ_OP_split:
	case AZ_OP_pad:
		return true;
	default:
		return false;
	}
}

bool az_move_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	az_view view;
	(void)target;
	(void)args;
	tile->count = 0;
	if (az_has_packed(func)) {
		az_module *bytes = az_move_bytes(func);
		az_module_free(bytes);
		return bytes != NULL;
	}
	if (!func->first || !is_move(func->first->code) ||
		!az_chain_is(func, &chain, func->first->code))
		return false;
	if (chain.op_count == 0 && (!chain.pad || chain.anchor->code == AZ_OP_concat))
		return true;
	return one_view(chain.anchor, &view, NULL);
}

/* --- Copies --------------------------------------------------------------------------------------------- */

static LLVMValueRef operand_base(az_emitter *e, const az_op *op, uint32_t k,
	const LLVMValueRef *params)
{
	return az_chain_base(e, op->func, az_op_arg(op, k), params);
}

static az_view result_view(const az_op *op, uint32_t k, const LLVMValueRef *params)
{
	const az_type *y = op->results[k]->type;
	az_view view;
	az_view_dense(&view, az_chain_result_base(op->func, k, params), y->elem, y->rank, y->dim);
	return view;
}

/* `whole`: where the result lies, perhaps within a border. */
static bool emit_concat(az_emitter *e, const az_op *op, const LLVMValueRef *params, az_view whole)
{
	const az_type *y = op->results[0]->type;
	uint32_t axis = (uint32_t)az_axis_normalize(op->attr.concat.axis, y->rank);
	int64_t at = 0;
	for (uint32_t k = 0; k < op->arg_count; k++) {
		const az_type *x = az_op_arg(op, k)->type;
		az_view from, to = whole;
		if (az_type_numel(x) == 0)
			continue;
		az_view_dense(&from, operand_base(e, op, k, params), x->elem, x->rank, x->dim);
		to.offset += at * to.stride[axis];
		at += x->dim[axis];
		if (!az_copy(e, from, to, x->rank, x->dim))
			return false;
	}
	return true;
}

static bool emit_split(az_emitter *e, const az_op *op, const LLVMValueRef *params)
{
	const az_type *x = az_op_arg(op, 0)->type;
	uint32_t axis = (uint32_t)az_axis_normalize(op->attr.split.axis, x->rank);
	int64_t at = 0;
	/* Results in the order of the function, which need not be all of the operation's, nor in order. */
	for (uint32_t k = 0; k < op->result_count; k++) {
		const az_type *y = op->results[k]->type;
		az_view from;
		az_view_dense(&from, operand_base(e, op, 0, params), x->elem, x->rank, x->dim);
		from.offset = at * from.stride[axis];
		at += y->dim[axis];
		for (uint32_t i = 0; i < op->func->results.count; i++) {
			az_view to;
			if (op->func->results.v[i].use->value != op->results[k])
				continue;
			az_view_dense(&to, az_chain_result_base(op->func, i, params), y->elem,
				y->rank, y->dim);
			if (!az_copy(e, from, to, y->rank, y->dim))
				return false;
		}
	}
	return true;
}

/* Each dimension is walked as (repeat, place). */
static bool emit_tile(az_emitter *e, const az_op *op, const LLVMValueRef *params)
{
	const az_type *x = az_op_arg(op, 0)->type;
	az_view dense, to = result_view(op, 0, params), from;
	az_view_dense(&dense, operand_base(e, op, 0, params), x->elem, x->rank, x->dim);
	from = dense;
	int64_t dim[AZ_ITER_RANK];
	az_view result = to;
	for (uint32_t d = 0; d < x->rank; d++) {
		dim[2 * d] = op->attr.tile.repeats.v[d];
		dim[2 * d + 1] = x->dim[d];
		from.stride[2 * d] = 0;
		from.stride[2 * d + 1] = dense.stride[d];
		to.stride[2 * d] = result.stride[d] * x->dim[d];
		to.stride[2 * d + 1] = result.stride[d];
	}
	return az_copy(e, from, to, 2u * x->rank, dim);
}

/* --- Padding -------------------------------------------------------------------------------------------- */

/* Index of the operand that place i of a padded dimension repeats; -1: the constant. */
static int64_t padded_source(az_padding mode, int64_t i, int64_t n)
{
	if (i >= 0 && i < n)
		return i;
	switch (mode) {
	case AZ_padding_edge:
		return i < 0 ? 0 : n - 1;
	case AZ_padding_reflect: {
		int64_t period = AZ_MAX(2 * (n - 1), 1);
		int64_t k = ((i % period) + period) % period;
		return n == 1 ? 0 : k < n ? k : period - k;
	}
	case AZ_padding_wrap:
		return ((i % n) + n) % n;
	default:
		return -1;
	}
}

/* Runs of a padded dimension whose sources advance by a constant step. */
typedef struct run {
	int64_t to, from, length, step;
} run;

static run next_run(az_padding mode, int64_t at, int64_t out, int64_t begin, int64_t n)
{
	run r = {at, padded_source(mode, at - begin, n), 1, 0};
	for (; at + r.length < out; r.length++) {
		int64_t source = padded_source(mode, at + r.length - begin, n);
		int64_t last = padded_source(mode, at + r.length - 1 - begin, n);
		if (r.length == 1)
			r.step = source - last;
		if (source - last != r.step || (source < 0) != (r.from < 0) ||
			(r.step != 1 && r.step != 0 && r.step != -1))
			break;
	}
	if (r.length == 1)
		r.step = 0;
	return r;
}

typedef struct padding {
	const az_op *op;
	az_view from, to;
	int64_t size[AZ_RANK_MAX];
	LLVMValueRef value;
} padding;

static bool pad_dims(az_emitter *e, const padding *p, uint32_t dim, padding now, bool outside)
{
	const az_type *x = az_op_arg(p->op, 0)->type, *y = p->op->results[0]->type;
	if (dim == y->rank || outside) {
		for (uint32_t d = dim; d < y->rank; d++)
			now.size[d] = y->dim[d];
		if (outside) {
			now.from = (az_view){.constant = now.value, .elem = y->elem};
			return az_copy_converted(e, now.from, now.to, y->rank, now.size);
		}
		return az_copy(e, now.from, now.to, y->rank, now.size);
	}
	az_padding mode = p->op->attr.pad.mode;
	int64_t begin = p->op->attr.pad.pad.v[2 * dim];
	for (int64_t at = 0; at < y->dim[dim];) {
		run r = next_run(mode, at, y->dim[dim], begin, x->dim[dim]);
		padding part = now;
		part.size[dim] = r.length;
		part.to.offset += r.to * p->to.stride[dim];
		part.from.offset += AZ_MAX(r.from, 0) * p->from.stride[dim];
		part.from.stride[dim] = r.step * p->from.stride[dim];
		if (!pad_dims(e, p, dim + 1, part, r.from < 0))
			return false;
		at += r.length;
	}
	return true;
}

static bool emit_pad(az_emitter *e, const az_op *op, const LLVMValueRef *params)
{
	const az_type *x = az_op_arg(op, 0)->type;
	padding p = {.op = op, .to = result_view(op, 0, params)};
	az_view_dense(&p.from, operand_base(e, op, 0, params), x->elem, x->rank, x->dim);
	LLVMTypeRef type = az_register_type(e, x->elem);
	double v = (double)op->attr.pad.value;
	p.value = az_elem_is_float(x->elem) ? az_real(e, type, v) : az_int(e, type, (int64_t)v);
	return pad_dims(e, &p, 0, p, false);
}

static bool emit_bytes(az_emitter *e, const az_func *func, const LLVMValueRef *params)
{
	az_module *bytes = az_move_bytes(func);
	if (!bytes)
		return az_error(e->ctx, func->loc, "move: \"%s\" moves no whole bytes", func->name);
	AZ_GUARD(e->ctx, {
		az_module_free(bytes);
		return false;
	});
	bool ok = az_move_emit(e, az_module_main(bytes), NULL, params);
	AZ_UNGUARD(e->ctx);
	az_module_free(bytes);
	return ok;
}

bool az_move_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	az_chain chain;
	az_view x;
	(void)tile;
	if (az_has_packed(func))
		return emit_bytes(e, func, params);
	if (!func->first || !is_move(func->first->code) ||
		!az_chain_is(func, &chain, func->first->code))
		return az_error(e->ctx, func->loc, "move: \"%s\" moves nothing", func->name);
	const az_op *op = chain.anchor;
	switch (op->code) {
	case AZ_OP_concat:
		az_chain_bind(e, &chain, params);
		return emit_concat(e, op, params, chain.result[0]) && az_chain_fill_pad(e, &chain);
	case AZ_OP_split:
		return emit_split(e, op, params);
	case AZ_OP_tile:
		return emit_tile(e, op, params);
	case AZ_OP_pad:
		return emit_pad(e, op, params);
	default:
		break;
	}
	one_view(op, &x, operand_base(e, op, 0, params));
	if (chain.op_count) {
		az_chain_bind(e, &chain, params);
		return az_chain_walk(e, &chain, &x);
	}
	if (chain.pad) {
		az_chain_bind(e, &chain, params);
		const az_type *inner = chain.shape;
		for (uint32_t i = 0; i < chain.result_count; i++) {
			if (!az_copy(e, x, chain.result[i], inner->rank, inner->dim))
				return false;
		}
		return az_chain_fill_pad(e, &chain);
	}
	const az_type *y = op->results[0]->type;
	return az_copy(e, x, result_view(op, 0, params), y->rank, y->dim);
}
