/* SPDX-License-Identifier: Apache-2.0
 *
 * Making one row of bytes of an input of the network (backend/rows.h). The element-wise operations that do it, on
 * one row, are a function of their own, in the order in which the input's dimensions stand, so that vectors run
 * along its memory. A transposed row is made in scratch and put in order as bytes. */
#include "backend/chain.h"
#include "backend/rows.h"

static uint32_t place_in_x(const az_rows *r, uint32_t d)
{
	return r->turn ? (uint32_t)r->turn->attr.transpose.perm.v[d] : d;
}

/* The lengths of one row, as the anchor has its dimensions. */
static void row_dims(const az_rows *r, int64_t *dim)
{
	for (uint32_t d = 0; d < r->x_type->rank; d++)
		dim[d] = r->x_type->dim[d];
	dim[0] = dim[az_rows_shape_of(r->x_type).dim] = 1;
}

/* One row of elements `elem`, its dimensions as x has them. */
static const az_type *row_type(const az_rows *r, az_elem elem)
{
	int64_t row[4], dim[4];
	row_dims(r, row);
	for (uint32_t d = 0; d < r->x_type->rank; d++)
		dim[place_in_x(r, d)] = row[d];
	return az_type_get(r->func->module->ctx, elem, r->x_type->rank, dim);
}

/* The function of the element-wise operations. */
static bool fill(const az_rows *r, az_module *module)
{
	az_func *row = az_func_new(module, "row");
	const az_func *func = r->func;
	az_map map = {0};
	for (uint32_t i = 0; i < func->params.count; i++) {
		const az_value *param = func->params.v[i];
		const az_type *type = i == r->x ? row_type(r, param->type->elem) : param->type;
		az_map_put(&module->arena, &map, param, az_func_add_param(row, param->name, type));
	}
	if (r->turn)
		az_map_put(&module->arena, &map, r->turn->results[0], row->params.v[r->x]);
	az_builder at = {row, NULL, AZ_LOC_NONE};
	for (const az_op *op = func->first; op; op = op->next)
		if (az_rows_makes(r, op) && op != r->turn && !az_op_clone(&at, op, &map))
			return false;
	az_func_add_result(row, "r", az_map_get(&map, r->source->results[0]));
	return true;
}

/* `x`: the row where it lies. */
static bool evaluate(az_emitter *e, const az_rows *r, const az_module *module,
	const LLVMValueRef *params, const az_view *x)
{
	az_chain chain;
	const az_func *row = az_module_main(module);
	if (!az_chain_parse(row, &chain) || chain.anchor)
		return az_error(e->ctx, r->func->loc, "rows: no kernel makes rows of \"%s\"",
			r->func->name);
	az_chain_bind(e, &chain, params);
	for (uint32_t i = 0; i < chain.op_count; i++)
		for (uint32_t k = 0; k < chain.op[i]->arg_count; k++)
			if (chain.arg[i][k].value == row->params.v[r->x])
				chain.arg[i][k].view = *x;
	return az_chain_walk(e, &chain, NULL);
}

/* Evaluates them on the row at `x`, results at `to`. */
static bool make_row(az_emitter *e, const az_rows *r, const LLVMValueRef *params, const az_view *x,
	LLVMValueRef to)
{
	LLVMValueRef all[AZ_ARGS_MAX + 1];
	uint32_t count = r->func->params.count;
	for (uint32_t i = 0; i < count; i++)
		all[i] = params[i];
	all[count] = to;
	az_module *module = az_module_new(e->ctx, "row");
	AZ_GUARD(e->ctx, {
		az_module_free(module);
		return false;
	});
	bool ok = fill(r, module) && evaluate(e, r, module, all, x);
	AZ_UNGUARD(e->ctx);
	az_module_free(module);
	return ok;
}

/* Elements of the row `from`, whose dimensions stand as x has them, in the order that the anchor reads. */
static bool put_in_order(az_emitter *e, const az_rows *r, const az_view *from, LLVMValueRef to)
{
	int64_t dim[4];
	uint32_t rank = r->x_type->rank;
	az_view turned = *from, dense;
	row_dims(r, dim);
	for (uint32_t d = 0; d < rank; d++)
		turned.stride[d] = from->stride[place_in_x(r, d)];
	az_view_dense(&dense, to, from->elem, rank, dim);
	return az_copy(e, turned, dense, rank, dim);
}

bool az_rows_emit_source(az_emitter *e, const az_rows *r, const LLVMValueRef *params,
	LLVMValueRef to, LLVMValueRef image, LLVMValueRef row)
{
	const az_type *t = r->func->params.v[r->x]->type;
	az_view x, made;
	az_view_dense(&x, NULL, t->elem, t->rank, t->dim);
	az_rows_shape shape = az_rows_shape_of(r->x_type);
	LLVMValueRef at = az_mul(e, row, x.stride[place_in_x(r, shape.dim)]);
	if (shape.images > 1)
		at = az_add(e, at, az_mul(e, image, x.stride[place_in_x(r, 0)]));
	x.base = az_at(e, params[r->x], az_mul(e, at, t->elem.bits / 8));
	if (!r->turn)
		return make_row(e, r, params, &x, to);
	if (r->source == r->turn)
		return put_in_order(e, r, &x, to);
	const az_type *bytes = row_type(r, r->x_type->elem);
	LLVMValueRef scratch =
		LLVMBuildAlloca(e->b, LLVMArrayType2(e->i8, (uint64_t)az_type_size(bytes)), "made");
	az_view_dense(&made, scratch, bytes->elem, bytes->rank, bytes->dim);
	return make_row(e, r, params, &x, scratch) && put_in_order(e, r, &made, to);
}
