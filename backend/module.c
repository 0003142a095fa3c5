/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering a placed module. main is a straight list of calls and views: NAME_run is the same list
 * of calls with the addresses that the plan chose. Kernel functions are internal; a function of
 * the IR is emitted once, however often it is called. A view is nothing, the same bytes; what the
 * caller must find in his buffers and is not made there is copied by loops of our own, so that an
 * object needs no memcpy. */
#include "backend/module.h"

#include <ctype.h>
#include <string.h>

#include "backend/layers.h"
#include "backend/plan.h"

typedef struct lower {
	az_lowered *out;
	const az_module *module;
	const az_func *main;
	const az_lower_options *options;
	az_arena *arena;
	az_constants *constants;
	az_map kernels; /* az_func -> its LLVM function */
	LLVMValueRef inputs, outputs, arena_at, now,
		stamps;               /* parameters of the function being made */
	LLVMValueRef *input, *output; /* loaded once */
} lower;

/* --- Kernel functions ----------------------------------------------------------------------- */

static const char *kernel_symbol(lower *l, const az_func *func)
{
	char *text = az_arena_printf(l->arena, "%s_%s", l->options->name, func->name);
	for (char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	return text;
}

static bool overlap(const az_value *a, const az_value *b)
{
	int64_t a_size = (int64_t)az_type_size(a->type), b_size = (int64_t)az_type_size(b->type);
	return a->at >= 0 && b->at >= 0 && a->at < b->at + b_size && b->at < a->at + a_size;
}

/* Some call of the function writes over one of its operands. */
static bool called_in_place(const lower *l, const az_func *func)
{
	for (const az_op *op = l->main->first; op; op = op->next) {
		if (op->code != AZ_OP_call || op->attr.call.callee != func)
			continue;
		for (uint32_t i = 0; i < op->arg_count; i++)
			for (uint32_t k = 0; op->args[i].value && k < op->result_count; k++)
				if (op->args[i].value->kind != AZ_VALUE_CONST &&
					overlap(op->args[i].value, op->results[k]))
					return true;
	}
	return false;
}

static az_tile tile_of(const az_op *call)
{
	az_tile tile = {.count = AZ_MIN(call->attr.call.tile.count, (uint32_t)AZ_TILE_MAX)};
	for (uint32_t i = 0; i < tile.count; i++)
		tile.v[i] = call->attr.call.tile.v[i];
	return tile;
}

static const az_kernel *kernel_of(az_ctx *ctx, const az_op *call)
{
	const char *name = call->attr.call.kernel;
	const az_kernel *kernel = name ? az_kernel_find(name) : NULL;
	if (!kernel)
		(void)az_error(ctx, call->loc, "call @%s: there is no kernel \"%s\"",
			call->attr.call.callee->name, name ? name : "");
	return kernel;
}

/* One that stands in an object of its own: declared here. */
static LLVMValueRef declare_kept(lower *l, const az_func *func, const az_kernel *kernel,
	const az_tile *tile)
{
	az_llvm *llvm = &l->out->llvm;
	az_kept_kernel *kept = az_kept_get(l->module->ctx->kept, llvm->e.target, llvm->e.fast, func,
		kernel, tile, called_in_place(l, func));
	if (!kept)
		return NULL;
	LLVMValueRef made = LLVMGetNamedFunction(llvm->e.module, kept->symbol);
	if (made)
		return made;
	az_vec_push(l->arena, &l->out->kept, kept);
	made = LLVMAddFunction(llvm->e.module, kept->symbol, az_llvm_kernel_type(llvm, func));
	LLVMSetVisibility(made, LLVMHiddenVisibility);
	return made;
}

static bool emit_kernels(lower *l)
{
	bool kept = l->options->kept && l->module->ctx->kept;
	for (const az_op *op = l->main->first; op; op = op->next) {
		if (op->code != AZ_OP_call || az_map_get(&l->kernels, op->attr.call.callee))
			continue;
		const az_func *func = op->attr.call.callee;
		const az_kernel *kernel = kernel_of(l->module->ctx, op);
		if (!kernel)
			return false;
		az_tile tile = tile_of(op);
		LLVMValueRef made = kept ? declare_kept(l, func, kernel, &tile)
					 : az_llvm_kernel(&l->out->llvm, kernel_symbol(l, func),
						   func, kernel, &tile, called_in_place(l, func));
		if (!made)
			return false;
		az_map_put(l->arena, &l->kernels, func, made);
	}
	return true;
}

/* --- Layers --------------------------------------------------------------------------------- */

static void list_layers(lower *l)
{
	az_lowered *out = l->out;
	uint32_t count = 0;
	out->layer = az_layers_describe(l->module, l->arena, &out->layer_count);
	out->symbol = az_new_array(l->arena, az_name, out->layer_count + 1);
	for (const az_op *op = l->main->first; op; op = op->next) {
		if (op->code != AZ_OP_call)
			continue;
		size_t length;
		LLVMValueRef made = az_map_get(&l->kernels, op->attr.call.callee);
		out->macs += out->layer[count].macs;
		out->symbol[count++] = az_name_of(l->module->ctx, LLVMGetValueName2(made, &length));
	}
}

/* --- Addresses ------------------------------------------------------------------------------ */

static LLVMValueRef load_pointer(lower *l, LLVMValueRef array, uint32_t index)
{
	az_emitter *e = &l->out->llvm.e;
	uint32_t bytes = e->target->pointer_bytes;
	return az_load(e, e->ptr, az_at_const(e, array, (int64_t)index * bytes), bytes);
}

static void load_buffers(lower *l)
{
	for (uint32_t i = 0; i < l->main->params.count; i++)
		l->input[i] = load_pointer(l, l->inputs, i);
	for (uint32_t i = 0; i < l->main->results.count; i++)
		l->output[i] = load_pointer(l, l->outputs, i);
}

static LLVMValueRef pointer(lower *l, const az_value *value)
{
	if (value->at >= 0)
		return az_at_const(&l->out->llvm.e, l->arena_at, value->at);
	const az_value *base = az_plan_base(value);
	if (base->at >= 0)
		return az_at_const(&l->out->llvm.e, l->arena_at, base->at);
	if (base->kind == AZ_VALUE_CONST)
		return az_constants_plain(l->constants, base->def.constant);
	if (base->kind == AZ_VALUE_PARAM)
		return l->input[base->index];
	int output = az_plan_output(base);
	return output >= 0 ? l->output[output] : NULL;
}

/* --- Copies --------------------------------------------------------------------------------- */

/* No wider alignment than that of the element is known. */
static void copy(lower *l, LLVMValueRef to, LLVMValueRef from, const az_type *type)
{
	uint32_t align = type->elem.bits / 8u;
	if (align == 0 || (align & (align - 1)) != 0)
		align = 1;
	az_copy_bytes(&l->out->llvm.e, to, from, (int64_t)az_type_size(type), align);
}

static void copy_inputs(lower *l)
{
	for (uint32_t i = 0; i < l->main->params.count; i++) {
		const az_value *param = l->main->params.v[i];
		if (param->at >= 0)
			copy(l, pointer(l, param), l->input[i], param->type);
	}
}

static void copy_outputs(lower *l)
{
	for (uint32_t i = 0; i < l->main->results.count; i++) {
		const az_value *value = l->main->results.v[i].use->value;
		LLVMValueRef from = pointer(l, value);
		if (from != l->output[i])
			copy(l, l->output[i], from, value->type);
	}
}

/* --- NAME_run ------------------------------------------------------------------------------- */

static void stamp(lower *l, uint32_t index)
{
	az_emitter *e = &l->out->llvm.e;
	if (!l->now)
		return;
	LLVMTypeRef type = LLVMFunctionType(e->i64, NULL, 0, 0);
	LLVMValueRef ticks = LLVMBuildCall2(e->b, type, l->now, NULL, 0, "");
	az_store(e, ticks, az_at_const(e, l->stamps, (int64_t)index * 8), 8);
}

static LLVMValueRef operand(lower *l, const az_op *call, uint32_t i, uint32_t layer)
{
	const az_value *value = call->args[i].value;
	if (!value)
		return LLVMConstNull(l->out->llvm.e.ptr);
	if (value->kind != AZ_VALUE_CONST)
		return pointer(l, value);
	const az_kernel *kernel = kernel_of(l->module->ctx, call);
	az_tile tile = tile_of(call);
	size_t size = 0;
	LLVMValueRef global = az_constants_operand(l->constants, call, kernel, &tile, i, &size);
	size_t length;
	if (global && !l->now)
		az_vec_push(l->arena, &l->out->constants,
			((az_layer_constant){layer, az_param_is_weights(call->attr.call.callee, i),
				az_name_of(l->module->ctx, LLVMGetValueName2(global, &length))}));
	return global;
}

static bool emit_call(lower *l, const az_op *call, uint32_t layer)
{
	LLVMValueRef args[2 * AZ_ARGS_MAX];
	uint32_t count = 0;
	for (uint32_t i = 0; i < call->arg_count; i++)
		args[count++] = operand(l, call, i, layer);
	for (uint32_t i = 0; i < call->result_count; i++)
		args[count++] = pointer(l, call->results[i]);
	for (uint32_t i = 0; i < count; i++)
		if (!args[i])
			return az_error(l->module->ctx, call->loc,
				"call @%s: operand %u has no place", call->attr.call.callee->name,
				i);
	LLVMValueRef func = az_map_get(&l->kernels, call->attr.call.callee);
	LLVMTypeRef type = LLVMGlobalGetValueType(func);
	LLVMBuildCall2(l->out->llvm.e.b, type, func, args, count, "");
	return true;
}

static bool emit_op(lower *l, const az_op *op, uint32_t *layer)
{
	if (op->code == AZ_OP_call) {
		if (!emit_call(l, op, *layer))
			return false;
		stamp(l, ++*layer);
		return true;
	}
	if (!(az_op_table[op->code].traits & AZ_TRAIT_VIEW))
		return az_error(l->module->ctx, op->loc, "%s stands in main of a placed module",
			az_op_table[op->code].name);
	const az_value *from = op->args[0].value, *to = op->results[0];
	if (to->at >= 0 && to->at != from->at)
		copy(l, pointer(l, to), pointer(l, from), to->type);
	return true;
}

static LLVMTypeRef run_type(az_emitter *e, bool profile)
{
	LLVMTypeRef params[6] = {e->ptr, e->ptr, e->ptr, e->ptr, e->ptr, e->ptr};
	return LLVMFunctionType(e->i32, params, profile ? 6 : 4, 0);
}

/* NAME_run, or NAME_profile with its two more parameters. NULL after reporting. */
static LLVMValueRef emit_run(lower *l, bool profile)
{
	az_emitter *e = &l->out->llvm.e;
	const char *symbol =
		az_arena_printf(l->arena, "%s_%s", l->options->name, profile ? "profile" : "run");
	LLVMValueRef func = az_llvm_function(&l->out->llvm, symbol, run_type(e, profile), false);
	if (profile) /* apart, so that a linker can leave it out */
		LLVMSetSection(func, az_arena_printf(l->arena, ".text.%s", symbol));
	l->inputs = LLVMGetParam(func, 0);
	l->outputs = LLVMGetParam(func, 1);
	l->arena_at = LLVMGetParam(func, 2);
	l->now = profile ? LLVMGetParam(func, 4) : NULL;
	l->stamps = profile ? LLVMGetParam(func, 5) : NULL;
	load_buffers(l);
	stamp(l, 0);
	copy_inputs(l);
	uint32_t layer = 0;
	for (const az_op *op = l->main->first; op; op = op->next)
		if (!emit_op(l, op, &layer))
			return NULL;
	copy_outputs(l);
	LLVMBuildRet(e->b, LLVMConstNull(e->i32));
	return func;
}

static bool lower_all(lower *l)
{
	if (!emit_kernels(l))
		return false;
	list_layers(l);
	LLVMValueRef run = emit_run(l, false);
	LLVMValueRef profile = run && l->options->profile ? emit_run(l, true) : NULL;
	if (!run || (l->options->profile && !profile))
		return false;
	az_constants_finish(l->constants);
	l->out->weight_bytes = az_constants_weight_bytes(l->constants);
	if (l->options->describe)
		az_model_describe(l->out, l->module, l->options, run, profile, l->arena);
	return true;
}

bool az_module_lower(const az_module *module, const az_target *target,
	const az_lower_options *options, az_arena *arena, az_lowered *out)
{
	*out = (az_lowered){.prefix = options->name};
	if (module->stage != AZ_STAGE_PLACED)
		return az_error(module->ctx, AZ_LOC_NONE,
			"code is made from placed modules, this one is %s",
			az_stage_words[module->stage]);
	if (module->target != target->triple || module->cpu != target->cpu ||
		module->features != target->features)
		return az_error(module->ctx, AZ_LOC_NONE,
			"the module is placed for \"%s\", CPU \"%s\", not for \"%s\", CPU \"%s\"",
			module->target, module->cpu, target->triple, target->cpu);
	lower l = {.out = out,
		.module = module,
		.main = az_module_main(module),
		.options = options,
		.arena = arena};
	if (!az_llvm_open(&out->llvm, module->ctx, target, module->fast_math, options->name))
		return false;
	out->llvm.entry = az_arena_printf(arena, "%s_run", options->name);
	l.constants = az_constants_new(&out->llvm, options->name, arena);
	l.input = az_new_array(arena, LLVMValueRef, l.main->params.count + 1);
	l.output = az_new_array(arena, LLVMValueRef, l.main->results.count + 1);
	return lower_all(&l);
}
