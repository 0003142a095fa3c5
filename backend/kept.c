/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and keeping kernel functions as objects. */
#include "backend/kept.h"

#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/llvm.h"
#include "backend/select.h"

bool az_backend_keep(az_ctx *ctx)
{
	az_kept *kept = calloc(1, sizeof *kept);
	if (!kept) {
		az_ctx_report_oom(ctx);
		return false;
	}
	kept->ctx = ctx;
	az_arena_init(&kept->arena, &ctx->oom);
	kept->probes.arena = &kept->arena;
	ctx->kept = kept;
	return true;
}

void az_backend_forget(az_ctx *ctx)
{
	az_kept *kept = ctx->kept;
	if (!kept)
		return;
	if (kept->jit)
		LLVMConsumeError(LLVMOrcDisposeLLJIT(kept->jit));
	az_arena_free(&kept->arena);
	free(kept);
	ctx->kept = NULL;
}

static bool make(az_kept *kept, az_llvm *llvm, const az_func *func, const az_kernel *kernel,
	const az_tile *tile, bool in_place, az_kept_kernel *out)
{
	LLVMValueRef made = az_llvm_kernel(llvm, out->symbol, func, kernel, tile, in_place);
	if (!made)
		return false;
	LLVMSetLinkage(made, LLVMExternalLinkage);
	LLVMSetVisibility(made, LLVMHiddenVisibility);
	if (!az_llvm_codegen(llvm, AZ_CODE_OBJECT, &kept->arena, &out->object.data,
		    &out->object.size) ||
		!az_sections_read(&out->sections, kept->ctx, out->object))
		return false;
	out->frame_bytes = az_llvm_frame(llvm, out->symbol);
	for (uint32_t i = 0; i < out->sections.list.count; i++)
		out->code_bytes += strcmp(out->sections.list.v[i].name, ".text") == 0
					   ? out->sections.list.v[i].size
					   : 0;
	return true;
}

az_kept_kernel *az_kept_get(az_kept *kept, const az_target *target, bool fast, const az_func *func,
	const az_kernel *kernel, const az_tile *tile, bool in_place)
{
	az_name name = az_func_key(func, kernel->name, tile, &kept->arena);
	az_name key = az_name_of(kept->ctx,
		az_arena_printf(&kept->arena, "%s %s %s %d%d %s", target->triple, target->cpu,
			target->features, fast, in_place, name));
	az_kept_kernel *known = az_map_get(&kept->kernels, key);
	if (known)
		return known;
	az_kept_kernel *k = az_new(&kept->arena, az_kept_kernel);
	k->symbol = az_name_of(kept->ctx, az_arena_printf(&kept->arena, "kept%u", kept->count++));
	k->sections.arena = &kept->arena;
	az_llvm llvm = {0};
	bool ok = az_llvm_open(&llvm, kept->ctx, target, fast, k->symbol) &&
		  make(kept, &llvm, func, kernel, tile, in_place, k);
	az_llvm_close(&llvm);
	if (!ok)
		return NULL;
	az_map_put(&kept->arena, &kept->kernels, key, k);
	return k;
}
