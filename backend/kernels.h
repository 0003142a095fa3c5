/* SPDX-License-Identifier: Apache-2.0
 *
 * The hooks of every kernel, declared from backend/kernels.def. */
#ifndef AZ_BACKEND_KERNELS_H
#define AZ_BACKEND_KERNELS_H

#include "backend/kernel.h"

typedef bool az_match_hook(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile);
typedef bool az_shrink_hook(const az_target *target, az_tile *tile);
typedef bool az_emit_hook(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params);
typedef bool az_pack_hook(const az_target *target, const az_func *func, az_value *const *args,
	const az_tile *tile, uint32_t index, az_arena *arena, const void **data, size_t *size);

#define KERNEL(name, shrink, pack, traits)                                                         \
	az_match_hook az_##name##_match;                                                           \
	az_shrink_hook az_##name##_shrink;                                                         \
	az_emit_hook az_##name##_emit;                                                             \
	az_pack_hook az_##name##_pack;
#include "backend/kernels.def"

#endif
