/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel eltwise: any element-wise operations, quantizers and lookups over one shape, with any
 * broadcasting among the operands, several results and a trailing constant pad. Dimensions that every
 * operand runs through alike are walked as one; vectors lie along the last. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"

bool az_eltwise_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return az_chain_parse(func, &chain) && !chain.anchor;
}

bool az_eltwise_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	az_chain chain;
	(void)tile;
	if (!az_chain_parse(func, &chain))
		return az_error(e->ctx, func->loc, "eltwise: \"%s\" is no element-wise group",
			func->name);
	az_chain_bind(e, &chain, params);
	return az_chain_walk(e, &chain, NULL);
}
