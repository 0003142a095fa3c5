/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel eltwise: any element-wise operations, quantizers and lookups over one shape, with any
 * broadcasting among the operands, several results and a trailing constant pad. Dimensions that every
 * operand runs through alike are walked as one; vectors lie along the last. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"

#define VIEWS_MAX (AZ_CHAIN_OPS * AZ_CHAIN_ARGS + AZ_CHAIN_RESULTS)

bool az_eltwise_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return az_chain_parse(func, &chain) && !chain.anchor;
}

static bool row(az_emitter *e, void *data, const az_place *place)
{
	az_chain_row(e, data, place);
	return true;
}

static bool body(az_emitter *e, void *data, const az_place *place)
{
	return az_chain_finish(e, data, place, NULL);
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
	az_view *views[VIEWS_MAX];
	uint32_t count = az_chain_views(&chain, views, VIEWS_MAX);
	int64_t zero[AZ_ITER_RANK] = {0}, size[AZ_ITER_RANK] = {0};
	for (uint32_t d = 0; d < chain.shape->rank; d++)
		size[d] = chain.shape->dim[d];
	uint32_t rank = az_iter_collapse(chain.shape->rank, size, views, count);
	return az_iterate(e, rank, zero, size, az_chain_lanes(e, &chain), row, body, &chain) &&
	       az_chain_fill_pad(e, &chain);
}
