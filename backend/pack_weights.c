/* SPDX-License-Identifier: Apache-2.0
 *
 * The pass pack-weights: the zero point of an integer contraction's activations goes into its bias,
 * bias - zx * sum (w - zw), so that layers which differed by it only share one function. The bytes of
 * packed constants are laid out when code is made (az_kernel.pack): the module keeps plain values. */
#include "backend/contract.h"
#include "backend/passes.h"
#include "backend/select.h"

/* The contraction of a function, if it is of bytes with a zero point of its activations. */
static az_op *biased(az_func *func)
{
	az_contract c;
	if (!az_contract_read(func, &c) || c.is_float || c.zx == 0 || c.bias == UINT32_MAX)
		return NULL;
	for (az_op *op = func->first; op; op = op->next)
		if (op == c.anchor)
			return op;
	return NULL;
}

static bool constant_weights(const az_func *main, const az_func *func)
{
	az_contract c;
	if (!az_contract_read(func, &c))
		return false;
	for (const az_op *op = main->first; op; op = op->next)
		if (op->code == AZ_OP_call && op->attr.call.callee == func &&
			(!az_value_const(op->args[c.w].value) ||
				!az_value_const(op->args[c.bias].value)))
			return false;
	return true;
}

static void fold_bias(az_pass_ctx *pass, const az_func *func, az_op *call)
{
	az_contract c;
	if (!az_contract_read(func, &c))
		return;
	az_const *bias = az_value_const(call->args[c.bias].value);
	const void *data;
	size_t size;
	az_contract_pack_bias(&c, az_value_const(call->args[c.w].value), bias, c.zx, &pass->scratch,
		&data, &size);
	az_const *made =
		az_const_new(pass->module, bias->value.name, bias->value.type, data, false);
	made->value.quant = bias->value.quant;
	az_op_set_arg(call, c.bias, &made->value);
	if (!bias->value.uses)
		az_const_erase(bias);
}

static void fold_func(az_pass_ctx *pass, az_func *main, az_func *func)
{
	az_op *anchor = biased(func);
	if (!anchor || !constant_weights(main, func))
		return;
	for (az_op *op = main->first; op; op = op->next)
		if (op->code == AZ_OP_call && op->attr.call.callee == func)
			fold_bias(pass, func, op);
	az_ints *zero =
		anchor->code == AZ_OP_conv ? &anchor->attr.conv.zero : &anchor->attr.matmul.zero;
	int64_t list[2] = {0, az_ints_at(*zero, 1, 0)};
	*zero = az_ints_copy(pass->module, list[1] ? 2 : 0, list);
}

static az_tile tile_of(const az_op *call)
{
	az_tile tile = {.count = AZ_MIN(call->attr.call.tile.count, (uint32_t)AZ_TILE_MAX)};
	for (uint32_t i = 0; i < tile.count; i++)
		tile.v[i] = call->attr.call.tile.v[i];
	return tile;
}

/* Functions that became equal are one. */
static void merge(az_pass_ctx *pass, az_func *main)
{
	az_map by_key = {0}, gone = {0};
	for (az_op *op = main->first; op; op = op->next) {
		if (op->code != AZ_OP_call || !op->attr.call.kernel)
			continue;
		az_func *func = op->attr.call.callee;
		az_tile tile = tile_of(op);
		az_name key = az_func_key(func, op->attr.call.kernel, &tile, &pass->scratch);
		az_func *same = az_map_get(&by_key, key);
		if (!same)
			az_map_put(&pass->scratch, &by_key, key, func);
		else if (same != func) {
			op->attr.call.callee = same;
			az_map_put(&pass->scratch, &gone, func, func);
		}
	}
	for (uint32_t i = 0; i < gone.count; i++)
		az_func_erase(gone.entry[i].value);
}

bool az_pass_pack_weights(az_pass_ctx *pass)
{
	az_func *main = az_module_main(pass->module);
	if (!main)
		return az_error(pass->ctx, AZ_LOC_NONE, "the module has no main function");
	for (uint32_t i = 0; i < pass->module->funcs.count; i++)
		if (pass->module->funcs.v[i] != main)
			fold_func(pass, main, pass->module->funcs.v[i]);
	merge(pass, main);
	return true;
}
