/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. Operands that do not come from the chain are views broadcast to the space; scales of
 * quantizers follow their axis (or groups along it), parameters of batch_norm theirs. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "ir/moves.h"

/* --- Structure ------------------------------------------------------------------------------------------- */

static bool elem_fits(const az_type *type)
{
	return type->elem.bits <= 8 || (type->elem.bits & (type->elem.bits - 1)) == 0;
}

/* Anchors whose kernel walks over memory by itself take whole bytes; the others need not. */
static bool anchor_elem_fits(const az_op *anchor, const az_type *type)
{
	switch (anchor->code) {
	case AZ_OP_conv:
	case AZ_OP_conv_transpose:
	case AZ_OP_matmul:
	case AZ_OP_max_pool:
	case AZ_OP_sum_pool:
	case AZ_OP_resize:
		return elem_fits(type);
	default:
		return elem_fits(type) && type->elem.bits >= 8;
	}
}

static bool is_chain_op(const az_op *op)
{
	return az_expr_takes(op) && op->arg_count <= AZ_CHAIN_ARGS && op->result_count == 1;
}

/* Where a value comes from; the chain's operations so far are known. */
static int32_t origin(const az_chain *c, const az_value *value)
{
	if (value->kind != AZ_VALUE_RESULT)
		return AZ_FROM_OUTSIDE;
	for (uint32_t i = 0; i < c->op_count; i++) {
		if (c->op[i] == value->def.op)
			return (int32_t)i;
	}
	return AZ_FROM_ANCHOR;
}

static bool add_op(az_chain *c, const az_op *op)
{
	if (c->op_count == AZ_CHAIN_OPS || c->pad)
		return false;
	az_chain_arg *args = c->arg[c->op_count];
	for (uint32_t k = 0; k < op->arg_count; k++) {
		const az_value *value = az_op_arg(op, k);
		args[k] = (az_chain_arg){.value = value, .from = AZ_FROM_OUTSIDE};
		if (!value)
			continue;
		if (!elem_fits(value->type))
			return false;
		args[k].from = origin(c, value);
		if (args[k].from == AZ_FROM_ANCHOR &&
			(!c->anchor || value != c->anchor->results[0]))
			return false;
		/* Tables and levels must lie in memory. */
		if ((op->code == AZ_OP_lookup || op->code == AZ_OP_threshold) && k > 0 &&
			args[k].from != AZ_FROM_OUTSIDE)
			return false;
	}
	c->op[c->op_count++] = op;
	return elem_fits(op->results[0]->type);
}

/* A constant pad that only adds, and only the last operation. */
static bool is_trailing_pad(const az_op *op)
{
	if (op->code != AZ_OP_pad || op->next || op->attr.pad.mode != AZ_padding_constant)
		return false;
	for (uint32_t i = 0; i < op->attr.pad.pad.count; i++) {
		if (op->attr.pad.pad.v[i] < 0)
			return false;
	}
	return true;
}

static bool fits_space(const az_type *type, const az_type *space)
{
	if (type->rank > space->rank)
		return false;
	for (uint32_t d = 0; d < type->rank; d++) {
		int64_t n = type->dim[d];
		if (n != 1 && n != space->dim[space->rank - type->rank + d])
			return false;
	}
	return true;
}

static bool find_results(az_chain *c)
{
	const az_func *func = c->func;
	if (func->results.count > AZ_CHAIN_RESULTS)
		return false;
	c->result_count = func->results.count;
	for (uint32_t i = 0; i < c->result_count; i++) {
		const az_value *value = func->results.v[i].use->value;
		bool padded = c->pad && value == c->pad->results[0];
		const az_value *body = padded ? az_op_arg(c->pad, 0) : value;
		if (!body || body->kind != AZ_VALUE_RESULT ||
			!az_type_same_shape(body->type, c->shape))
			return false;
		c->result_from[i] = origin(c, body);
	}
	return true;
}

bool az_chain_parse(const az_func *func, az_chain *c)
{
	*c = (az_chain){.func = func};
	const az_op *first = func->first, *last = func->last;
	if (!first)
		return false;
	bool only_pad = is_trailing_pad(first);
	if (!is_chain_op(first))
		c->anchor = first;
	for (const az_op *op = first; op; op = op->next) {
		if (op == c->anchor)
			continue;
		if (is_trailing_pad(op))
			c->pad = op;
		else if (!is_chain_op(op) || !add_op(c, op))
			return false;
	}
	if (only_pad) /* a pad alone is an anchor of its own */
		c->pad = NULL;
	const az_value *body = c->pad ? az_op_arg(c->pad, 0) : last->results[0];
	c->shape = body->type;
	if (c->anchor) {
		for (uint32_t k = 0; k < c->anchor->result_count; k++) {
			if (!anchor_elem_fits(c->anchor, c->anchor->results[k]->type))
				return false;
		}
		for (uint32_t k = 0; k < c->anchor->arg_count; k++) {
			const az_value *value = az_op_arg(c->anchor, k);
			if (value && !anchor_elem_fits(c->anchor, value->type))
				return false;
		}
		if ((c->op_count || c->pad) &&
			!az_type_same_shape(c->anchor->results[0]->type, c->shape))
			return false;
	}
	for (uint32_t i = 0; i < c->op_count; i++) {
		if (!fits_space(c->op[i]->results[0]->type, c->shape))
			return false;
	}
	/* Several results of the anchor itself are its kernel's business. */
	if (c->anchor && c->anchor->result_count > 1)
		return c->op_count == 0 && !c->pad;
	return find_results(c);
}

bool az_chain_is(const az_func *func, az_chain *chain, az_opcode code)
{
	return func->first && func->first->code == code && az_chain_parse(func, chain) &&
	       chain->anchor == func->first;
}

/* --- Operands -------------------------------------------------------------------------------------------- */

static LLVMValueRef const_scalar(az_emitter *e, az_const *constant)
{
	az_elem elem = constant->value.type->elem;
	LLVMTypeRef type = az_register_type(e, elem);
	if (az_elem_is_float(elem))
		return az_real(e, type, az_const_get(constant, 0));
	return az_int(e, type, az_const_get_int(constant, 0));
}

LLVMValueRef az_chain_result_base(const az_func *func, uint32_t i, const LLVMValueRef *params)
{
	return params[func->params.count + i];
}

LLVMValueRef az_chain_base(az_emitter *e, const az_func *func, const az_value *value,
	const LLVMValueRef *params)
{
	(void)func;
	if (value->kind == AZ_VALUE_PARAM)
		return params[value->index];
	az_const *constant = az_value_const(value);
	return az_rodata(e, az_const_data(constant), az_type_size(value->type));
}

static void axis_view(az_view *view, int64_t axis, uint32_t rank, uint32_t space)
{
	int at = az_axis_normalize(axis, rank);
	for (uint32_t d = 0; d < space; d++)
		view->stride[d] = 0;
	view->stride[space - rank + (uint32_t)AZ_MAX(at, 0)] = 1;
}

static bool is_table(const az_op *op, uint32_t k)
{
	return op->code == AZ_OP_lookup && k == 1;
}

static bool is_levels(const az_op *op, uint32_t k)
{
	return op->code == AZ_OP_threshold && k == 1;
}

/* The view of operand k of op, whose first operand has the shape that the axis counts in. */
static void operand_view(az_ctx *ctx, az_view *view, const az_op *op, uint32_t k,
	const az_type *type, uint32_t space)
{
	const az_type *x = az_op_arg(op, 0)->type;
	int64_t axis, group = 0;
	if (is_levels(op, k)) {
		/* The first level of every channel. */
		int64_t channels = type->dim[1];
		az_view_broadcast(view, NULL, az_type_get(ctx, type->elem, 1, &channels), space);
		return;
	}
	az_view_broadcast(view, NULL, type, space);
	switch (op->code) {
	case AZ_OP_quantize:
		axis = op->attr.quantize.axis;
		group = op->attr.quantize.group;
		break;
	case AZ_OP_dequantize:
		axis = op->attr.dequantize.axis;
		group = op->attr.dequantize.group;
		break;
	case AZ_OP_batch_norm:
		axis = op->attr.batch_norm.axis;
		break;
	default:
		return;
	}
	if (k == 0)
		return;
	if (group > 0) {
		if (type->rank != x->rank)
			return;
		uint32_t at =
			space - x->rank + (uint32_t)AZ_MAX(az_axis_normalize(axis, x->rank), 0);
		view->group[at] = group;
		/* One group only: the broadcast already gives it. */
		if (view->stride[at] == 0)
			view->group[at] = 1;
	} else if (type->rank == 1 && az_type_numel(type) != 1) {
		axis_view(view, axis, x->rank, space);
	}
}

static void bind_result(az_chain *c, uint32_t i, const LLVMValueRef *params)
{
	const az_value *value = c->func->results.v[i].use->value;
	az_view *view = &c->result[i];
	az_view_dense(view, az_chain_result_base(c->func, i, params), value->type->elem,
		value->type->rank, value->type->dim);
	if (!c->pad || value != c->pad->results[0])
		return;
	for (uint32_t d = 0; d < value->type->rank; d++)
		view->offset += c->pad->attr.pad.pad.v[2 * d] * view->stride[d];
}

void az_chain_bind(az_emitter *e, az_chain *c, const LLVMValueRef *params)
{
	for (uint32_t i = 0; i < c->op_count; i++) {
		const az_op *op = c->op[i];
		for (uint32_t k = 0; k < op->arg_count; k++) {
			az_chain_arg *arg = &c->arg[i][k];
			if (!arg->value || arg->from != AZ_FROM_OUTSIDE)
				continue;
			az_const *constant = az_value_const(arg->value);
			bool table = is_table(op, k);
			operand_view(e->ctx, &arg->view, op, k, arg->value->type, c->shape->rank);
			if (constant && constant->splat && !table && !is_levels(op, k))
				arg->view.constant = const_scalar(e, constant);
			else
				arg->view.base = az_chain_base(e, c->func, arg->value, params);
		}
	}
	for (uint32_t i = 0; i < c->result_count; i++)
		bind_result(c, i, params);
}

uint32_t az_chain_views(az_chain *c, az_view **views, uint32_t max)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < c->op_count; i++) {
		for (uint32_t k = 0; k < c->op[i]->arg_count; k++) {
			az_chain_arg *arg = &c->arg[i][k];
			bool table = is_table(c->op[i], k);
			if (arg->value && arg->from == AZ_FROM_OUTSIDE && !table && count < max)
				views[count++] = &arg->view;
		}
	}
	for (uint32_t i = 0; i < c->result_count && count < max; i++)
		views[count++] = &c->result[i];
	return count;
}

/* --- Evaluation ------------------------------------------------------------------------------------------ */

void az_chain_row(az_emitter *e, az_chain *c, const az_place *place)
{
	az_place one = *place;
	one.lanes = one.valid = 1;
	for (uint32_t i = 0; i < c->op_count; i++) {
		for (uint32_t k = 0; k < c->op[i]->arg_count; k++) {
			az_chain_arg *arg = &c->arg[i][k];
			arg->hoisted = NULL;
			if (!arg->value || arg->from != AZ_FROM_OUTSIDE || is_table(c->op[i], k) ||
				is_levels(c->op[i], k))
				continue;
			if (!arg->view.constant && az_view_is_splat(&arg->view, place->rank))
				arg->hoisted = az_view_load(e, &arg->view, &one);
		}
	}
}

static LLVMValueRef operand(az_emitter *e, const az_chain *c, uint32_t i, uint32_t k,
	const az_place *place, const LLVMValueRef *made, LLVMValueRef anchor)
{
	const az_chain_arg *arg = &c->arg[i][k];
	if (!arg->value)
		return NULL;
	if (arg->from == AZ_FROM_ANCHOR)
		return anchor;
	if (arg->from >= 0)
		return made[arg->from];
	if (is_table(c->op[i], k))
		return arg->view.base;
	if (arg->hoisted)
		return az_splat(e, arg->hoisted, place->lanes);
	return az_view_load(e, &arg->view, place);
}

/* The operands of a threshold as az_expr wants them. */
static void load_levels(az_emitter *e, const az_chain *c, uint32_t i, const az_place *place,
	const LLVMValueRef *made, LLVMValueRef anchor, LLVMValueRef *args)
{
	const az_chain_arg *arg = &c->arg[i][1];
	const az_type *type = arg->value->type;
	args[0] = operand(e, c, i, 0, place, made, anchor);
	args[AZ_EXPR_FLIP] =
		c->op[i]->arg_count > 2 ? operand(e, c, i, 2, place, made, anchor) : NULL;
	az_view row = arg->view;
	for (int64_t level = 0; level < type->dim[0]; level++) {
		row.offset = arg->view.offset + level * type->dim[1];
		args[AZ_EXPR_LEVELS + level] = az_view_load(e, &row, place);
	}
}

bool az_chain_finish(az_emitter *e, az_chain *c, const az_place *place, LLVMValueRef anchor)
{
	LLVMValueRef made[AZ_CHAIN_OPS];
	for (uint32_t i = 0; i < c->op_count; i++) {
		LLVMValueRef args[AZ_EXPR_ARGS];
		if (c->op[i]->code == AZ_OP_threshold)
			load_levels(e, c, i, place, made, anchor, args);
		else
			for (uint32_t k = 0; k < c->op[i]->arg_count; k++)
				args[k] = operand(e, c, i, k, place, made, anchor);
		made[i] = az_expr(e, c->op[i], args);
		if (!made[i])
			return false;
	}
	for (uint32_t i = 0; i < c->result_count; i++) {
		int32_t from = c->result_from[i];
		az_view_store(e, &c->result[i], place, from < 0 ? anchor : made[from]);
	}
	return true;
}

bool az_chain_fill_pad(az_emitter *e, az_chain *c)
{
	if (!c->pad)
		return true;
	const az_attrs_pad *attr = &c->pad->attr.pad;
	const az_type *outer = c->pad->results[0]->type;
	LLVMTypeRef type = az_register_type(e, outer->elem);
	LLVMValueRef value = az_elem_is_float(outer->elem) ? az_real(e, type, (double)attr->value)
							   : az_int(e, type, (int64_t)attr->value);
	for (uint32_t i = 0; i < c->result_count; i++) {
		if (c->func->results.v[i].use->value != c->pad->results[0])
			continue;
		/* Dimension by dimension: before and behind the interior, the outer ones inside it. */
		int64_t begin[AZ_RANK_MAX] = {0}, end[AZ_RANK_MAX];
		for (uint32_t d = 0; d < outer->rank; d++)
			end[d] = outer->dim[d];
		for (uint32_t d = 0; d < outer->rank; d++) {
			int64_t lo = attr->pad.v[2 * d],
				hi = outer->dim[d] - attr->pad.v[2 * d + 1];
			LLVMValueRef base = c->result[i].base;
			end[d] = lo;
			if (!az_fill(e, base, outer->elem, outer->rank, outer->dim, begin, end,
				    value))
				return false;
			begin[d] = hi;
			end[d] = outer->dim[d];
			if (!az_fill(e, base, outer->elem, outer->rank, outer->dim, begin, end,
				    value))
				return false;
			begin[d] = lo;
			end[d] = hi;
		}
	}
	return true;
}

/* Does the operation compute on floats in a way that a vector unit without subnormals would change? */
static bool is_strict_float(const az_op *op)
{
	bool floats = az_elem_is_float(op->results[0]->type->elem);
	if (az_op_only_moves(op))
		return false;
	for (uint32_t k = 0; k < op->arg_count; k++) {
		const az_value *value = az_op_arg(op, k);
		floats = floats || (value && az_elem_is_float(value->type->elem));
	}
	switch (op->code) {
	case AZ_OP_requantize: /* the product of an integer and a normal scale is normal or zero */
	case AZ_OP_dequantize:
	case AZ_OP_lookup:
	case AZ_OP_threshold:
	case AZ_OP_where:
		return false;
	default:
		return floats;
	}
}

uint32_t az_chain_lanes(const az_emitter *e, const az_chain *c)
{
	bool strict = c->anchor && is_strict_float(c->anchor);
	for (uint32_t i = 0; i < c->op_count; i++)
		strict = strict || is_strict_float(c->op[i]);
	return az_expr_lanes(e, strict, 32);
}
