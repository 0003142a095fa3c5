/* SPDX-License-Identifier: Apache-2.0
 *
 * Costs, measured on the emitted object: sizes of its sections, of kernel functions and constants from its
 * symbols, stack frames as the code generator states them. */
#include <llvm-c/Object.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/cost_table.h"
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

/* --- Sections ------------------------------------------------------------------------------------------- */

static void add_rodata(az_cost *out, const char *name, uint64_t size)
{
	out->rodata_bytes += size;
	bool ours = starts(name, ".rodata.");
	if (ours && ends(name, ".weights"))
		out->weight_bytes += size;
	else if (ours && ends(name, ".const"))
		out->constant_bytes += size;
	else
		out->literal_bytes += size;
}

/* NAME_profile and adze_model stand in sections of their own, which are not the network's. */
static void add_section(az_cost *out, const char *name, uint64_t size)
{
	bool apart = starts(name, ".text.") && ends(name, "_profile");
	if (apart || strcmp(name, AZ_INFO_SECTION) == 0)
		return;
	if (starts(name, ".text"))
		out->text_bytes += size;
	else if (starts(name, ".rodata") || starts(name, ".srodata"))
		add_rodata(out, name, size);
	else if (starts(name, ".data") || starts(name, ".sdata"))
		out->data_bytes += size;
	else if (starts(name, ".bss") || starts(name, ".sbss"))
		out->bss_bytes += size;
}

/* Kernels that stand in objects of their own come first, as they do where there is one object. */
static bool read_sections(az_ctx *ctx, az_bytes object, const az_lowered *lowered, az_arena *arena,
	az_cost *out)
{
	az_sections all = {.arena = arena};
	for (uint32_t i = 0; i < lowered->kept.count; i++) {
		const az_sections *own = &lowered->kept.v[i]->sections;
		for (uint32_t k = 0; k < own->list.count; k++)
			az_sections_add(&all, &own->list.v[k]);
	}
	if (!az_sections_read(&all, ctx, object))
		return false;
	for (uint32_t i = 0; i < all.list.count; i++)
		add_section(out, all.list.v[i].name, all.list.v[i].size);
	return true;
}

/* --- Symbols -------------------------------------------------------------------------------------------- */

/* Sizes by symbol, of those that a network's own names begin; kept one higher, so that 0 is absent. */
static void read_symbols(LLVMBinaryRef binary, az_ctx *ctx, const char *prefix, az_arena *arena,
	az_map *sizes)
{
	LLVMSymbolIteratorRef at = LLVMObjectFileCopySymbolIterator(binary);
	while (!LLVMObjectFileIsSymbolIteratorAtEnd(binary, at)) {
		const char *name = LLVMGetSymbolName(at);
		if (starts(name, prefix))
			az_map_put(arena, sizes, az_name_of(ctx, name),
				(void *)(uintptr_t)(LLVMGetSymbolSize(at) + 1));
		LLVMMoveToNextSymbol(at);
	}
	LLVMDisposeSymbolIterator(at);
}

/* The bytes behind a symbol, for the first who asks. */
static uint64_t take(az_arena *arena, az_map *sizes, az_name symbol, bool *shared)
{
	static const char taken;
	void *size = az_map_get(sizes, symbol);
	*shared = *shared || size == &taken;
	if (!size || size == &taken)
		return 0;
	az_map_put(arena, sizes, symbol, (void *)(uintptr_t)&taken);
	return (uint64_t)(uintptr_t)size - 1;
}

static void fill_layers(az_lowered *lowered, az_arena *arena, az_map *sizes)
{
	for (uint32_t i = 0; i < lowered->layer_count; i++) {
		az_layer_cost *layer = &lowered->layer[i];
		layer->code_bytes = take(arena, sizes, lowered->symbol[i], &layer->code_shared);
		layer->stack_bytes = az_llvm_frame(&lowered->llvm, lowered->symbol[i]);
		for (uint32_t k = 0; k < lowered->kept.count; k++)
			if (lowered->kept.v[k]->symbol == lowered->symbol[i])
				layer->stack_bytes = lowered->kept.v[k]->frame_bytes;
	}
	for (uint32_t i = 0; i < lowered->constants.count; i++) {
		const az_layer_constant *c = &lowered->constants.v[i];
		az_layer_cost *layer = &lowered->layer[c->layer];
		bool shared = false;
		uint64_t size = take(arena, sizes, c->symbol, &shared);
		if (c->weights) {
			layer->weight_bytes += size;
			layer->weights_shared = layer->weights_shared || shared;
		} else {
			layer->constant_bytes += size;
		}
	}
}

static bool read_object(az_ctx *ctx, az_bytes object, az_lowered *lowered, az_arena *arena,
	az_cost *out)
{
	LLVMMemoryBufferRef buffer =
		LLVMCreateMemoryBufferWithMemoryRange(object.data, object.size, "object", 0);
	char *message = NULL;
	az_map sizes = {0};
	LLVMBinaryRef binary = LLVMCreateBinary(buffer, NULL, &message);
	if (binary) {
		bool no = false;
		read_symbols(binary, ctx, lowered->prefix, arena, &sizes);
		for (uint32_t i = 0; i < lowered->kept.count; i++)
			az_map_put(arena, &sizes, lowered->kept.v[i]->symbol,
				(void *)(uintptr_t)(lowered->kept.v[i]->code_bytes + 1));
		fill_layers(lowered, arena, &sizes);
		out->entry_bytes = take(arena, &sizes, az_name_of(ctx, lowered->llvm.entry), &no);
		LLVMDisposeBinary(binary);
	} else {
		(void)az_error(ctx, AZ_LOC_NONE, "cannot read the object just made: %s", message);
		LLVMDisposeMessage(message);
	}
	LLVMDisposeMemoryBuffer(buffer);
	return binary != NULL;
}

/* --- The whole ------------------------------------------------------------------------------------------ */

static void add_buffers(const az_func *main, az_cost *out)
{
	for (uint32_t i = 0; i < main->params.count; i++)
		out->input_bytes += az_type_size(main->params.v[i]->type);
	for (uint32_t i = 0; i < main->results.count; i++)
		out->output_bytes += az_type_size(main->results.v[i].use->value->type);
	out->io_bytes = out->input_bytes + out->output_bytes;
}

static void add_up(az_cost *out)
{
	for (uint32_t i = 0; i < out->layer_count; i++) {
		const az_layer_cost *layer = &out->layer[i];
		out->macs += layer->macs;
		out->bitops += layer->bitops;
		out->parameters += layer->parameters;
		out->seconds += layer->seconds;
		out->unknown += layer->seconds == 0;
		out->slower += az_layer_is_slower(layer);
	}
}

bool az_cost_read(const az_module *module, az_lowered *lowered, az_bytes object,
	const az_cost_table *table, az_arena *arena, az_cost *out)
{
	const az_llvm *llvm = &lowered->llvm;
	*out = (az_cost){0};
	if (!read_sections(module->ctx, object, lowered, arena, out) ||
		!read_object(module->ctx, object, lowered, arena, out))
		return false;
	out->arena_bytes = az_plan_arena_bytes(module);
	out->arena_lower_bound_bytes = az_plan_lower_bound(module);
	/* Two frames deep, each with a return address. */
	uint64_t frame = llvm->other_frame_bytes;
	for (uint32_t i = 0; i < lowered->kept.count; i++)
		frame = AZ_MAX(frame, lowered->kept.v[i]->frame_bytes);
	out->stack_bytes = llvm->entry_frame_bytes + frame + 2 * llvm->e.target->pointer_bytes;
	add_buffers(az_module_main(module), out);
	az_cost_estimate(table, llvm->e.target, lowered->layer, lowered->layer_count);
	out->layer_count = lowered->layer_count;
	out->layer = lowered->layer;
	add_up(out);
	return true;
}

static bool measure_module(const az_cost_api *api, const az_module *module, az_arena *arena,
	az_cost *out)
{
	if (module->stage != AZ_STAGE_PLACED)
		return az_error(module->ctx, AZ_LOC_NONE, "costs are measured on placed modules");
	const az_target *target =
		az_target_get(module->ctx, module->target, module->cpu, module->features);
	if (!target)
		return false;
	az_lower_options options = {.name = "net", .kept = !api->whole};
	az_lowered lowered;
	az_bytes object = {0};
	bool ok =
		az_module_lower(module, target, &options, arena, &lowered) &&
		az_llvm_codegen(&lowered.llvm, AZ_CODE_OBJECT, arena, &object.data, &object.size) &&
		az_cost_read(module, &lowered, object, api->table, arena, out);
	az_llvm_close(&lowered.llvm);
	return ok;
}

static bool measure(const az_cost_api *api, const az_module *module, az_arena *arena, az_cost *out)
{
	AZ_GUARD(module->ctx, return false);
	bool ok = measure_module(api, module, arena, out);
	AZ_UNGUARD(module->ctx);
	return ok;
}

const az_cost_api az_backend_cost = {
	.name = "object", .measure = measure, .arena_bytes = az_plan_arena_bytes};
