/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header: u4[1,8,8,16] becomes u8[1,8,8,8], and what an operation says of its last dimension is said in
 * bytes. */
#include "backend/move_bytes.h"

#include "ir/moves.h"

bool az_has_packed(const az_func *func)
{
	for (uint32_t i = 0; i < func->params.count; i++)
		if (func->params.v[i]->type->elem.bits % 8 != 0)
			return true;
	for (uint32_t i = 0; i < func->results.count; i++)
		if (func->results.v[i].use->value->type->elem.bits % 8 != 0)
			return true;
	return false;
}

static const az_type *in_bytes(az_ctx *ctx, const az_type *t)
{
	int64_t dim[AZ_RANK_MAX];
	for (uint32_t d = 0; d < t->rank; d++)
		dim[d] = t->dim[d];
	dim[t->rank - 1] = dim[t->rank - 1] * t->elem.bits / 8;
	return az_type_get(ctx, AZ_U8, t->rank, dim);
}

/* The list with entries [first, first + count) counted in bytes. */
static az_ints scaled(az_module *module, az_ints list, uint32_t first, uint32_t count,
	unsigned bits)
{
	int64_t *v = az_new_array(&module->arena, int64_t, list.count);
	for (uint32_t i = 0; i < list.count; i++)
		v[i] = i >= first && i < first + count ? list.v[i] * bits / 8 : list.v[i];
	return (az_ints){list.count, v};
}

static az_attrs attrs_in_bytes(az_module *module, const az_op *op)
{
	az_attrs attrs = op->attr;
	az_elem elem = op->results[0]->type->elem;
	uint32_t rank = op->results[0]->type->rank, last = rank - 1;
	switch (op->code) {
	case AZ_OP_slice:
		attrs.slice.begin = scaled(module, attrs.slice.begin, last, 1, elem.bits);
		attrs.slice.size = scaled(module, attrs.slice.size, last, 1, elem.bits);
		break;
	case AZ_OP_pad:
		attrs.pad.pad = scaled(module, attrs.pad.pad, 2 * last, 2, elem.bits);
		attrs.pad.value = (float)az_repeated_byte(elem, (int64_t)attrs.pad.value);
		break;
	case AZ_OP_split:
		if (az_axis_normalize(attrs.split.axis, rank) == (int)last)
			attrs.split.sizes = scaled(module, attrs.split.sizes, 0,
				attrs.split.sizes.count, elem.bits);
		break;
	default:
		break;
	}
	return attrs;
}

static bool fill(const az_func *func, az_module *module)
{
	az_ctx *ctx = module->ctx;
	const az_op *op = func->first;
	az_func *bytes = az_func_new(module, "bytes");
	az_map map = {0};
	for (uint32_t i = 0; i < func->params.count; i++) {
		const az_value *param = func->params.v[i];
		az_map_put(&module->arena, &map, param,
			az_func_add_param(bytes, param->name, in_bytes(ctx, param->type)));
	}
	az_value **args = az_new_array(&module->arena, az_value *, op->arg_count);
	for (uint32_t i = 0; i < op->arg_count; i++)
		args[i] = az_map_get(&map, op->args[i].value);
	az_attrs attrs = attrs_in_bytes(module, op);
	az_builder at = {bytes, NULL, AZ_LOC_NONE};
	az_op *moved = az_op_new(&at, op->code, op->arg_count, args, &attrs, AZ_ELEM_NONE);
	if (!moved)
		return false;
	for (uint32_t i = 0; i < func->results.count; i++)
		az_func_add_result(bytes, func->results.v[i].name,
			moved->results[func->results.v[i].use->value->index]);
	return true;
}

az_module *az_move_bytes(const az_func *func)
{
	const az_op *op = func->first;
	if (!op || op != func->last || !az_moves_whole_bytes(op, op->results[0]->type->elem))
		return NULL;
	for (uint32_t i = 0; i < op->arg_count; i++)
		if (op->args[i].value->kind != AZ_VALUE_PARAM)
			return NULL;
	az_ctx *ctx = func->module->ctx;
	az_module *module = az_module_new(ctx, "bytes");
	AZ_GUARD(ctx, {
		az_module_free(module);
		return NULL;
	});
	bool ok = fill(func, module);
	AZ_UNGUARD(ctx);
	if (ok)
		return module;
	az_module_free(module);
	return NULL;
}
