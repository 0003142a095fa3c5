/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel `matmul_run`: products of two matrices, f32 or bytes, both known only at run time
 * (attention). The second operand is read where it stands, row by row; batches go one by one. */
#include "backend/contract.h"
#include "backend/kernels.h"

bool az_matmul_run_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	(void)args;
	az_contract c;
	if (!az_contract_read(func, &c) || !c.is_matmul)
		return false;
	if (!c.is_float && (c.x_elem.bits != 8 || c.w_elem.bits != 8))
		return false;
	az_contract_tile(&c, target, tile);
	/* Bytes are widened to the width of the sums: neither long bodies nor many accumulators pay. */
	if (!c.is_float) {
		tile->v[AZ_TILE_UK] = 1;
		tile->v[AZ_TILE_LANES] = AZ_MAX(target->vector_bytes / 4, 1u);
		tile->v[AZ_TILE_NR] = AZ_MIN(tile->v[AZ_TILE_NR], 2);
		tile->v[AZ_TILE_W] = AZ_MIN(tile->v[AZ_TILE_W], 4);
	}
	return true;
}

bool az_matmul_run_shrink(const az_target *target, az_tile *tile)
{
	(void)target;
	return az_tile_shrink(tile);
}

bool az_matmul_run_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	az_contract c;
	if (!az_contract_read(func, &c) || tile->count != AZ_TILE_CONTRACT_COUNT)
		return az_error(e->ctx, func->loc, "@%s does not fit kernel \"matmul_run\"",
			func->name);
	az_contract_code code = {.e = e, .c = &c, .tile = tile, .params = params};
	uint32_t lanes = (uint32_t)tile->v[AZ_TILE_LANES];
	az_dot_kit_init(&code.kit, e, c.is_float, az_elem_is_signed(c.x_elem), lanes);
	if (!c.is_float)
		az_dot_kit_raw(&code.kit, &c);
	az_allow_vectors(e, lanes * 4);
	code.ep = (az_epilogue_code){.e = e, .ep = &c.epilogue, .params = params};
	code.w_step = c.out_channels * code.kit.elem_bytes;
	code.w_image = c.batched ? c.channels * code.w_step : 0;
	az_contract_nest(&code);
	return true;
}
