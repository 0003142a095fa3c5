/* SPDX-License-Identifier: Apache-2.0
 *
 * Costs, measured on the emitted object: sizes of its sections, of the kernel functions from its
 * symbols, stack frames as the code generator states them. */
#include <llvm-c/Object.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/module.h"
#include "backend/plan.h"

static bool starts(const char *text, const char *with)
{
	return text && strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
	size_t n = strlen(text), m = strlen(with);
	return n >= m && strcmp(text + n - m, with) == 0;
}

/* NAME_profile and adze_model stand in sections of their own, which are not the network's. */
static void add_section(az_cost *out, const char *name, uint64_t size)
{
	bool apart = name && starts(name, ".text.") && ends(name, "_profile");
	if (!name || apart || strcmp(name, AZ_INFO_SECTION) == 0)
		return;
	if (starts(name, ".text"))
		out->text_bytes += size;
	else if (starts(name, ".rodata") || starts(name, ".srodata"))
		out->rodata_bytes += size;
	else if (starts(name, ".data") || starts(name, ".sdata"))
		out->data_bytes += size;
	else if (starts(name, ".bss") || starts(name, ".sbss"))
		out->bss_bytes += size;
	if (starts(name, ".rodata.") && strstr(name, ".weights"))
		out->weight_bytes += size;
}

static void read_sections(LLVMBinaryRef binary, az_cost *out)
{
	LLVMSectionIteratorRef at = LLVMObjectFileCopySectionIterator(binary);
	while (!LLVMObjectFileIsSectionIteratorAtEnd(binary, at)) {
		add_section(out, LLVMGetSectionName(at), LLVMGetSectionSize(at));
		LLVMMoveToNextSection(at);
	}
	LLVMDisposeSectionIterator(at);
}

/* A function's size counts for the first layer that calls it. */
static void add_symbol(const az_lowered *lowered, const char *name, uint64_t size)
{
	for (uint32_t i = 0; i < lowered->layer_count; i++) {
		if (strcmp(lowered->symbol[i], name) == 0) {
			lowered->layer[i].code_bytes = size;
			return;
		}
	}
}

static void read_symbols(LLVMBinaryRef binary, const az_lowered *lowered)
{
	LLVMSymbolIteratorRef at = LLVMObjectFileCopySymbolIterator(binary);
	while (!LLVMObjectFileIsSymbolIteratorAtEnd(binary, at)) {
		const char *name = LLVMGetSymbolName(at);
		if (name)
			add_symbol(lowered, name, LLVMGetSymbolSize(at));
		LLVMMoveToNextSymbol(at);
	}
	LLVMDisposeSymbolIterator(at);
}

static bool read_object(az_ctx *ctx, az_bytes object, const az_lowered *lowered, az_cost *out)
{
	LLVMMemoryBufferRef buffer =
		LLVMCreateMemoryBufferWithMemoryRange(object.data, object.size, "object", 0);
	char *message = NULL;
	LLVMBinaryRef binary = LLVMCreateBinary(buffer, NULL, &message);
	if (binary) {
		read_sections(binary, out);
		read_symbols(binary, lowered);
		LLVMDisposeBinary(binary);
	} else {
		(void)az_error(ctx, AZ_LOC_NONE, "cannot read the object just made: %s", message);
		LLVMDisposeMessage(message);
	}
	LLVMDisposeMemoryBuffer(buffer);
	return binary != NULL;
}

static uint64_t boundary_bytes(const az_func *main)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < main->params.count; i++)
		bytes += az_type_size(main->params.v[i]->type);
	for (uint32_t i = 0; i < main->results.count; i++)
		bytes += az_type_size(main->results.v[i].use->value->type);
	return bytes;
}

bool az_cost_read(const az_module *module, az_lowered *lowered, az_bytes object, az_cost *out)
{
	const az_llvm *llvm = &lowered->llvm;
	*out = (az_cost){0};
	if (!read_object(module->ctx, object, lowered, out))
		return false;
	out->arena_bytes = az_plan_arena_bytes(module);
	out->arena_lower_bound_bytes = az_plan_lower_bound(module);
	/* Two frames deep, each with a return address. */
	out->stack_bytes = llvm->entry_frame_bytes + llvm->other_frame_bytes +
			   2 * llvm->e.target->pointer_bytes;
	out->io_bytes = boundary_bytes(az_module_main(module));
	out->macs = lowered->macs;
	out->layer_count = lowered->layer_count;
	out->layer = lowered->layer;
	return true;
}

static bool measure_module(const az_module *module, az_arena *arena, az_cost *out)
{
	if (module->stage != AZ_STAGE_PLACED)
		return az_error(module->ctx, AZ_LOC_NONE, "costs are measured on placed modules");
	const az_target *target =
		az_target_get(module->ctx, module->target, module->cpu, module->features);
	if (!target)
		return false;
	az_lower_options options = {.name = "net"};
	az_lowered lowered;
	az_bytes object = {0};
	bool ok =
		az_module_lower(module, target, &options, arena, &lowered) &&
		az_llvm_codegen(&lowered.llvm, AZ_CODE_OBJECT, arena, &object.data, &object.size) &&
		az_cost_read(module, &lowered, object, out);
	az_llvm_close(&lowered.llvm);
	return ok;
}

static bool measure(const az_module *module, az_arena *arena, az_cost *out)
{
	AZ_GUARD(module->ctx, return false);
	bool ok = measure_module(module, arena, out);
	AZ_UNGUARD(module->ctx);
	return ok;
}

const az_cost_api az_backend_cost = {.name = "object", .measure = measure};
