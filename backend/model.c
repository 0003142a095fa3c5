/* SPDX-License-Identifier: Apache-2.0
 *
 * The constant adze_model that an executable's runtime reads: runtime/model.h, field by field.
 * The structs are laid out by LLVM for the target as a C compiler would. */
#include <string.h>

#include "backend/module.h"
#include "backend/plan.h"

#define MODEL_VERSION 2 /* of runtime/model.h */

typedef struct writer {
	az_emitter *e;
	az_arena *arena;
	uint32_t count; /* of helper globals, for their names */
} writer;

static LLVMValueRef u32(writer *w, uint64_t v)
{
	return LLVMConstInt(w->e->i32, v, 0);
}

static LLVMValueRef u64(writer *w, uint64_t v)
{
	return LLVMConstInt(w->e->i64, v, 0);
}

/* Strings and records stand apart from the network's own sections, which are what costs count. */
static LLVMValueRef global(writer *w, LLVMValueRef data, const char *section)
{
	const char *symbol = az_arena_printf(w->arena, "adze_info%u", w->count++);
	LLVMValueRef made = LLVMAddGlobal(w->e->module, LLVMTypeOf(data), symbol);
	LLVMSetInitializer(made, data);
	LLVMSetGlobalConstant(made, 1);
	LLVMSetLinkage(made, LLVMInternalLinkage);
	LLVMSetSection(made, section);
	return made;
}

static LLVMValueRef text(writer *w, const char *string)
{
	LLVMValueRef data = LLVMConstStringInContext2(w->e->llvm, string, strlen(string), 0);
	return global(w, data, ".adze.strings");
}

static LLVMValueRef record(writer *w, LLVMValueRef *field, uint32_t count)
{
	return LLVMConstStructInContext(w->e->llvm, field, count, 0);
}

static LLVMValueRef tensor(writer *w, const char *name, const az_value *value)
{
	const az_type *type = value->type;
	const az_quant *q = value->quant;
	bool quantized = q && q->count == 1 && q->grid == AZ_GRID_AFFINE;
	LLVMValueRef dim[AZ_RANK_MAX];
	for (uint32_t i = 0; i < AZ_RANK_MAX; i++)
		dim[i] = u64(w, i < type->rank ? (uint64_t)type->dim[i] : 0);
	int32_t zero = quantized && q->zero ? q->zero[0] : 0;
	LLVMValueRef field[] = {text(w, name), u32(w, type->elem.kind), u32(w, type->elem.bits),
		u32(w, type->rank), u32(w, quantized),
		LLVMConstReal(w->e->f32, quantized ? (double)q->scale[0] : 1.0),
		u32(w, (uint32_t)zero), u64(w, az_type_size(type)),
		LLVMConstArray2(w->e->i64, dim, AZ_RANK_MAX)};
	return record(w, field, AZ_COUNT(field));
}

/* A constant array of records as a global; a null pointer when there are none. */
static LLVMValueRef array(writer *w, LLVMValueRef *item, uint32_t count)
{
	if (count == 0)
		return LLVMConstNull(w->e->ptr);
	return global(w, LLVMConstArray2(LLVMTypeOf(item[0]), item, count), AZ_INFO_SECTION);
}

static LLVMValueRef inputs(writer *w, const az_func *main)
{
	LLVMValueRef *item = az_new_array(w->arena, LLVMValueRef, main->params.count + 1);
	for (uint32_t i = 0; i < main->params.count; i++)
		item[i] = tensor(w, main->params.v[i]->name, main->params.v[i]);
	return array(w, item, main->params.count);
}

static LLVMValueRef outputs(writer *w, const az_func *main)
{
	LLVMValueRef *item = az_new_array(w->arena, LLVMValueRef, main->results.count + 1);
	for (uint32_t i = 0; i < main->results.count; i++)
		item[i] = tensor(w, main->results.v[i].name, main->results.v[i].use->value);
	return array(w, item, main->results.count);
}

static LLVMValueRef layers(writer *w, const az_lowered *lowered)
{
	LLVMValueRef *item = az_new_array(w->arena, LLVMValueRef, lowered->layer_count + 1);
	for (uint32_t i = 0; i < lowered->layer_count; i++) {
		const az_layer_cost *layer = &lowered->layer[i];
		LLVMValueRef field[] = {text(w, layer->name ? layer->name : ""), text(w, layer->op),
			text(w, layer->kernel), u64(w, layer->macs)};
		item[i] = record(w, field, AZ_COUNT(field));
	}
	return array(w, item, lowered->layer_count);
}

static LLVMValueRef arguments(writer *w, const az_lower_options *options)
{
	LLVMValueRef *item = az_new_array(w->arena, LLVMValueRef, options->argument_count + 1);
	for (uint32_t i = 0; i < options->argument_count; i++)
		item[i] = text(w, options->arguments[i]);
	return array(w, item, options->argument_count);
}

static char *cpu_text(az_arena *arena, const az_target *target)
{
	return az_arena_printf(arena, "%s%s%s", target->cpu, *target->features ? " " : "",
		target->features);
}

void az_model_describe(az_lowered *lowered, const az_module *module,
	const az_lower_options *options, LLVMValueRef run, LLVMValueRef profile, az_arena *arena)
{
	writer w = {.e = &lowered->llvm.e, .arena = arena};
	const az_func *main = az_module_main(module);
	const az_target *target = w.e->target;
	LLVMValueRef field[] = {u32(&w, MODEL_VERSION), u32(&w, target->cpu_check),
		text(&w, options->name), text(&w, target->triple),
		text(&w, cpu_text(arena, target)), text(&w, options->info ? options->info : ""),
		u64(&w, az_plan_arena_bytes(module)), u64(&w, AZ_ARENA_ALIGN),
		u64(&w, lowered->weight_bytes), u64(&w, lowered->macs), u32(&w, main->params.count),
		u32(&w, main->results.count), u32(&w, lowered->layer_count),
		u32(&w, options->argument_count), inputs(&w, main), outputs(&w, main),
		layers(&w, lowered), run, profile, arguments(&w, options)};
	LLVMValueRef data = record(&w, field, AZ_COUNT(field));
	LLVMValueRef made = LLVMAddGlobal(w.e->module, LLVMTypeOf(data), "adze_model");
	LLVMSetInitializer(made, data);
	LLVMSetGlobalConstant(made, 1);
	LLVMSetSection(made, AZ_INFO_SECTION);
}
