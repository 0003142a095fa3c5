/* SPDX-License-Identifier: Apache-2.0
 *
 * Code that is kept between the modules of one context. A search emits and runs hundreds of networks that differ
 * in a layer or two; making code is most of what that costs. While a store is open, each kernel function is made
 * once, as an object of its own, for every network that the JIT runs or whose costs are measured: a function is
 * the same when its text, kernel, tile and target are. What `compile` writes is never put together from it.
 *
 * Sizes are those of the whole object but for some bytes: literals of a few bytes lie differently when each
 * function has its own. Who decides within AZ_COST_SLACK bytes asks for the whole (az_cost_api.whole). */
#ifndef AZ_BACKEND_KEPT_H
#define AZ_BACKEND_KEPT_H

#include <llvm-c/LLJIT.h>

#include "backend/kernel.h"
#include "backend/probe.h"
#include "backend/sections.h"

typedef struct az_kept_kernel {
	az_name symbol;
	az_bytes object;
	az_sections sections;
	uint64_t code_bytes, frame_bytes;
	bool loaded; /* into the store's session */
} az_kept_kernel;

typedef struct az_kept {
	az_ctx *ctx;
	az_arena arena;
	az_map kernels; /* az_kept_kernel by its key */
	az_probe_memo probes;
	LLVMOrcLLJITRef jit; /* NULL until something is run */
	uint32_t count;      /* of names given out */
} az_kept;

typedef AZ_VEC(az_kept_kernel *) az_kept_list;

/* The function as an object; made when it is new. in_place: a call writes over one of its operands. NULL after
 * reporting. */
az_kept_kernel *az_kept_get(az_kept *kept, const az_target *target, bool fast, const az_func *func,
	const az_kernel *kernel, const az_tile *tile, bool in_place);

#endif
