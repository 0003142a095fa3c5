/* SPDX-License-Identifier: Apache-2.0
 *
 * The backend's entry points for the driver: its passes by name, and the output forms. */
#include "backend/backend.h"

#include <string.h>

#include "backend/link.h"
#include "backend/module.h"
#include "backend/passes.h"
#include "backend/runtime_objects.h"

bool (*az_backend_pass(const char *name))(struct az_pass_ctx *pass)
{
	static const struct {
		const char *name;
		az_pass_fn *run;
	} passes[] = {
		{"select-kernels", az_pass_select_kernels},
		{"pack-weights", az_pass_pack_weights},
		{"reorder-operations", az_pass_reorder_operations},
		{"plan-memory", az_pass_plan_memory},
	};
	for (uint32_t i = 0; i < AZ_COUNT(passes); i++)
		if (strcmp(passes[i].name, name) == 0)
			return passes[i].run;
	return NULL;
}

static bool link_exe(az_ctx *ctx, const az_target *target, az_bytes object, az_arena *arena,
	az_bytes *out)
{
	size_t size = 0;
	const unsigned char *runtime = az_runtime_object(target->runtime, &size);
	if (!runtime)
		return az_error(ctx, AZ_LOC_NONE,
			"this build carries no runtime for \"%s\"; --emit=obj works",
			target->runtime);
	az_bytes objects[2] = {{runtime, size}, object};
	return az_link(ctx, false, 2, objects, arena, out);
}

static bool finish(const az_module *module, az_lowered *lowered, const az_emit_options *options,
	az_arena *arena, az_bytes *out)
{
	az_llvm *llvm = &lowered->llvm;
	az_ctx *ctx = llvm->e.ctx;
	if (options->emit == AZ_EMIT_LLVM) {
		const char *text = az_llvm_print(llvm, arena);
		*out = (az_bytes){text, strlen(text)};
		return true;
	}
	az_bytes code = {0};
	if (!az_llvm_codegen(llvm, options->emit == AZ_EMIT_ASM ? AZ_CODE_ASM : AZ_CODE_OBJECT,
		    arena, &code.data, &code.size))
		return false;
	if (options->cost && options->emit != AZ_EMIT_ASM &&
		!az_cost_read(module, lowered, code, options->rates, arena, options->cost))
		return false;
	if (options->emit == AZ_EMIT_EXE)
		return link_exe(ctx, llvm->e.target, code, arena, out);
	if (options->emit == AZ_EMIT_SO)
		return az_link(ctx, true, 1, &code, arena, out);
	*out = code;
	return true;
}

static bool emit(const az_module *module, const az_target *target, const az_emit_options *options,
	az_arena *arena, az_bytes *out)
{
	bool exe = options->emit == AZ_EMIT_EXE;
	az_lower_options how = {.name = options->name,
		.profile = exe || options->emit == AZ_EMIT_OBJ,
		.describe = exe,
		.info = options->model_info,
		.argument_count = options->argument_count,
		.arguments = options->arguments};
	az_lowered lowered;
	bool ok = az_module_lower(module, target, &how, arena, &lowered) &&
		  finish(module, &lowered, options, arena, out);
	az_llvm_close(&lowered.llvm);
	return ok;
}

bool az_backend_emit(const az_module *module, const az_target *target,
	const az_emit_options *options, az_arena *arena, const void **data, size_t *size)
{
	AZ_GUARD(module->ctx, return false);
	az_bytes out = {0};
	bool text = options->emit == AZ_EMIT_ASM || options->emit == AZ_EMIT_LLVM;
	bool ok = emit(module, target, options, arena, &out);
	az_cost_api api = az_backend_cost;
	api.table = options->rates;
	if (ok && text && options->cost) /* no object was made */
		ok = api.measure(&api, module, arena, options->cost);
	AZ_UNGUARD(module->ctx);
	*data = out.data;
	*size = out.size;
	return ok;
}
