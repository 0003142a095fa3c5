/* SPDX-License-Identifier: Apache-2.0
 *
 * Making one row of bytes of an input of the network (backend/rows.h): the operations that do it, on one row, as a
 * function of their own, evaluated as any chain of element-wise operations is. The row's elements lie in x as its
 * order of dimensions has them, a transposed one's as far apart as all of x makes them. */
#include "backend/chain.h"
#include "backend/rows.h"

/* x seen in the order of dimensions that the anchor wants. */
static az_view view_of(const az_rows *r)
{
	const az_type *x = r->func->params.v[r->x]->type;
	az_view dense, view;
	az_view_dense(&dense, NULL, x->elem, x->rank, x->dim);
	view = dense;
	for (uint32_t d = 0; r->turn && d < x->rank; d++)
		view.stride[d] = dense.stride[r->turn->attr.transpose.perm.v[d]];
	return view;
}

static const az_type *row_type(const az_rows *r, uint32_t i)
{
	const az_type *t = r->func->params.v[i]->type;
	int64_t dim[4] = {1, 1, r->x_type->dim[2], r->x_type->dim[3]}, turned[4];
	if (i != r->x)
		return t;
	for (uint32_t d = 0; d < 4; d++)
		turned[r->turn ? r->turn->attr.transpose.perm.v[d] : d] = dim[d];
	return az_type_get(r->func->module->ctx, t->elem, 4, turned);
}

static bool fill(const az_rows *r, az_module *module)
{
	az_func *row = az_func_new(module, "row");
	const az_func *func = r->func;
	az_map map = {0};
	for (uint32_t i = 0; i < func->params.count; i++)
		az_map_put(&module->arena, &map, func->params.v[i],
			az_func_add_param(row, func->params.v[i]->name, row_type(r, i)));
	az_builder at = {row, NULL, AZ_LOC_NONE};
	for (const az_op *op = func->first; op; op = op->next)
		if (az_rows_makes(r, op) && !az_op_clone(&at, op, &map))
			return false;
	az_func_add_result(row, "r", az_map_get(&map, r->source->results[0]));
	return true;
}

static bool emit(az_emitter *e, const az_rows *r, const az_module *module,
	const LLVMValueRef *params, const az_view *x)
{
	az_chain chain;
	const az_func *row = az_module_main(module);
	if (!az_chain_parse(row, &chain))
		return az_error(e->ctx, r->func->loc, "rows: no kernel makes rows of \"%s\"",
			r->func->name);
	az_chain_bind(e, &chain, params);
	return az_chain_walk(e, &chain, r->turn ? x : NULL);
}

bool az_rows_emit_source(az_emitter *e, const az_rows *r, const LLVMValueRef *params,
	LLVMValueRef to, LLVMValueRef image, LLVMValueRef row)
{
	LLVMValueRef all[AZ_ARGS_MAX + 1];
	uint32_t count = r->func->params.count;
	az_view x = view_of(r);
	LLVMValueRef place = az_add(e, az_mul(e, image, x.stride[0]), az_mul(e, row, x.stride[1]));
	for (uint32_t i = 0; i < count; i++)
		all[i] = params[i];
	all[count] = to;
	all[r->x] = x.base = az_at(e, params[r->x], az_mul(e, place, x.elem.bits / 8));
	az_module *module = az_module_new(e->ctx, "row");
	AZ_GUARD(e->ctx, {
		az_module_free(module);
		return false;
	});
	bool ok = fill(r, module) && emit(e, r, module, all, &x);
	AZ_UNGUARD(e->ctx);
	az_module_free(module);
	return ok;
}
