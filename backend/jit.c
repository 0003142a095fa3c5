/* SPDX-License-Identifier: Apache-2.0
 *
 * Running networks on this machine: the rest of the road on a clone, the very object that the
 * ahead-of-time path emits, loaded into this process. */
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/backend.h"
#include "backend/features.h"
#include "backend/module.h"
#include "backend/plan.h"
#include "base/text.h"
#include "passes/pass.h"

#define PROFILE_RUNS 11

typedef int run_fn(const void *const *inputs, void *const *outputs, void *arena, const void *pool);
typedef int profile_fn(const void *const *inputs, void *const *outputs, void *arena,
	const void *pool, uint64_t (*now)(void), uint64_t *stamps);

struct az_exec {
	az_ctx *ctx;
	az_arena arena;           /* everything below that is memory */
	LLVMOrcLLJITRef jit, own; /* own: NULL where the session is that of kept code */
	LLVMOrcResourceTrackerRef code;
	run_fn *run;
	profile_fn *profile;
	void *places; /* the activation arena */
	uint32_t input_count, output_count, layer_count;
	const az_layer_cost *layer;
	const void **input;
	void **output;
	const size_t *output_bytes;
};

/* --- Making it placed ----------------------------------------------------------------------- */

/* A module that names its target gets it, others this machine. NULL after reporting. */
static const az_target *target_of(const az_module *module)
{
	if (!module->target)
		return az_target_get(module->ctx, NULL, NULL, NULL);
	const az_target *target =
		az_target_get(module->ctx, module->target, module->cpu, module->features);
	if (target && !target->native) {
		(void)az_error(module->ctx, AZ_LOC_NONE,
			"this machine cannot run code for \"%s\", CPU \"%s\"; use the interpreter",
			target->triple, target->cpu);
		return NULL;
	}
	return target;
}

static bool finish_road(az_module *module, const az_target *target)
{
	az_ctx *ctx = module->ctx;
	az_arena scratch;
	az_arena_init(&scratch, &ctx->oom);
	az_pass_env env = {.backend = az_backend_pass, .backend_data = (void *)(uintptr_t)target};
	char *text = az_road_text(&scratch, module, &(az_road){0});
	az_pipeline pipeline = {0};
	bool ok = !*text || (az_parse_pipeline(ctx, &scratch, "road", text, &pipeline) &&
				    az_pipeline_run(module, &pipeline, &env));
	az_arena_free(&scratch);
	return ok;
}

/* --- Loading -------------------------------------------------------------------------------- */

static bool orc_ok(az_ctx *ctx, LLVMErrorRef error)
{
	if (!error)
		return true;
	char *text = LLVMGetErrorMessage(error);
	(void)az_error(ctx, AZ_LOC_NONE, "cannot load compiled code: %s", text);
	LLVMDisposeErrorMessage(text);
	return false;
}

/* What the session reports by itself also comes back from the call that failed. */
static void drop_error(void *data, LLVMErrorRef error)
{
	(void)data;
	LLVMConsumeError(error);
}

/* A session of the network's own, or that of kept code, which is opened when it is first needed. */
static bool open_session(az_exec *exec)
{
	az_kept *kept = exec->ctx->kept;
	LLVMOrcLLJITRef *jit = kept ? &kept->jit : &exec->own;
	if (!*jit) {
		if (!orc_ok(exec->ctx, LLVMOrcCreateLLJIT(jit, NULL)))
			return false;
		LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(*jit),
			drop_error, NULL);
	}
	exec->jit = *jit;
	return true;
}

static bool look_up(az_exec *exec, const char *name, const char *end, uintptr_t *address)
{
	LLVMOrcExecutorAddress found = 0;
	char *symbol = az_arena_printf(&exec->arena, "%s_%s", name, end);
	if (!orc_ok(exec->ctx, LLVMOrcLLJITLookup(exec->jit, &found, symbol)))
		return false;
	*address = (uintptr_t)found;
	return true;
}

static LLVMMemoryBufferRef copy_object(az_bytes object)
{
	return LLVMCreateMemoryBufferWithMemoryRangeCopy(object.data, object.size, "network");
}

/* Kept kernels stay in the session when the network goes. */
static bool load_kept(az_exec *exec, LLVMOrcJITDylibRef library, const az_kept_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		az_kept_kernel *kernel = list->v[i];
		if (!kernel->loaded &&
			!orc_ok(exec->ctx, LLVMOrcLLJITAddObjectFile(exec->jit, library,
						   copy_object(kernel->object))))
			return false;
		kernel->loaded = true;
	}
	return true;
}

static bool load(az_exec *exec, const char *name, const az_kept_list *kept, az_bytes object)
{
	if (!open_session(exec))
		return false;
	LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(exec->jit);
	exec->code = LLVMOrcJITDylibCreateResourceTracker(library);
	uintptr_t run = 0, profile = 0;
	if (!load_kept(exec, library, kept) ||
		!orc_ok(exec->ctx, LLVMOrcLLJITAddObjectFileWithRT(exec->jit, exec->code,
					   copy_object(object))) ||
		!look_up(exec, name, "run", &run) || !look_up(exec, name, "profile", &profile))
		return false;
	exec->run = (run_fn *)run;
	exec->profile = (profile_fn *)profile;
	return true;
}

static bool emit_and_load(az_exec *exec, const az_module *module, const az_target *target)
{
	/* Networks that share a session must not share names. */
	az_kept *kept = exec->ctx->kept;
	const char *name = kept ? az_arena_printf(&exec->arena, "net%u", kept->count++) : "net";
	az_lower_options options = {.name = name, .profile = true, .kept = true};
	az_lowered lowered;
	az_arena scratch;
	az_arena_init(&scratch, &exec->ctx->oom);
	az_bytes object = {0};
	bool ok = az_module_lower(module, target, &options, &scratch, &lowered) &&
		  az_llvm_codegen(&lowered.llvm, AZ_CODE_OBJECT, &scratch, &object.data,
			  &object.size);
	az_llvm_close(&lowered.llvm);
	if (ok) {
		exec->layer_count = lowered.layer_count;
		exec->layer = az_arena_dup(&exec->arena, lowered.layer,
			lowered.layer_count * sizeof *lowered.layer);
		exec->places = az_arena_alloc(&exec->arena, az_plan_arena_bytes(module), 64);
		ok = load(exec, name, &lowered.kept, object);
	}
	az_arena_free(&scratch);
	return ok;
}

/* --- The table ------------------------------------------------------------------------------ */

static void release(az_exec *exec)
{
	if (exec->code) {
		LLVMConsumeError(LLVMOrcResourceTrackerRemove(exec->code));
		LLVMOrcReleaseResourceTracker(exec->code);
	}
	if (exec->own)
		LLVMConsumeError(LLVMOrcDisposeLLJIT(exec->own));
	az_arena_free(&exec->arena);
	free(exec);
}

static bool compile_clone(az_exec *exec, const az_module *module)
{
	const az_func *main = az_module_main(module);
	exec->input_count = main->params.count;
	exec->output_count = main->results.count;
	exec->input = az_new_array(&exec->arena, const void *, exec->input_count + 1);
	exec->output = az_new_array(&exec->arena, void *, exec->output_count + 1);
	size_t *bytes = az_new_array(&exec->arena, size_t, exec->output_count + 1);
	for (uint32_t i = 0; i < exec->output_count; i++)
		bytes[i] = az_type_size(main->results.v[i].use->value->type);
	exec->output_bytes = bytes;
	const az_target *target = target_of(module);
	if (!target)
		return false;
	az_module *clone = az_module_clone(module, true);
	bool ok = finish_road(clone, target) && emit_and_load(exec, clone, target);
	az_module_free(clone);
	return ok;
}

static az_exec *compile(const az_module *module)
{
	az_exec *volatile exec = calloc(1, sizeof *exec);
	if (!exec) {
		az_ctx_report_oom(module->ctx);
		return NULL;
	}
	exec->ctx = module->ctx;
	AZ_GUARD(module->ctx, {
		release(exec);
		return NULL;
	});
	az_arena_init(&exec->arena, &module->ctx->oom);
	bool ok = compile_clone(exec, module);
	AZ_UNGUARD(module->ctx);
	if (ok)
		return exec;
	release(exec);
	return NULL;
}

static bool run(az_exec *exec, const az_tensor *inputs, az_tensor *outputs)
{
	for (uint32_t i = 0; i < exec->input_count; i++)
		exec->input[i] = inputs[i].data;
	for (uint32_t i = 0; i < exec->output_count; i++)
		exec->output[i] = outputs[i].data;
	int code = exec->run(exec->input, exec->output, exec->places, NULL);
	return code == 0 ||
	       az_error(exec->ctx, AZ_LOC_NONE, "the network stopped with code %d", code);
}

const az_exec_api az_backend_jit = {.name = "jit", .compile = compile, .run = run, .free = release};

/* --- Profile -------------------------------------------------------------------------------- */

static uint64_t nanoseconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Of each layer the time that so many of the runs were faster than. The answers go into buffers of their
 * own. */
static uint64_t *layer_times(az_exec *exec, const az_tensor *inputs, uint32_t runs, uint32_t rank,
	az_arena *arena)
{
	uint32_t n = exec->layer_count;
	uint64_t *stamps = az_new_array(arena, uint64_t, n + 1);
	uint64_t *all = az_new_array(arena, uint64_t, (size_t)runs *(n + 1));
	uint64_t *times = az_new_array(arena, uint64_t, n + 1);
	for (uint32_t i = 0; i < exec->input_count; i++)
		exec->input[i] = inputs[i].data;
	for (uint32_t i = 0; i < exec->output_count; i++)
		exec->output[i] = az_arena_alloc(arena, exec->output_bytes[i], 64);
	for (uint32_t r = 0; r < runs; r++) {
		(void)exec->profile(exec->input, exec->output, exec->places, NULL, nanoseconds,
			stamps);
		for (uint32_t i = 0; i < n; i++)
			all[(size_t)i * runs + r] = stamps[i + 1] - stamps[i];
	}
	for (uint32_t i = 0; i < n; i++) {
		qsort(all + (size_t)i * runs, runs, sizeof *all, by_value);
		times[i] = all[(size_t)i * runs + rank];
	}
	return times;
}

uint32_t az_backend_jit_times(az_exec *exec, const az_tensor *inputs, uint32_t runs,
	az_arena *arena, const az_layer_cost **layer, const uint64_t **nanoseconds_of)
{
	*layer = exec->layer;
	*nanoseconds_of = layer_times(exec, inputs, runs, 0, arena);
	return exec->layer_count;
}

char *az_backend_jit_profile(az_exec *exec, const az_tensor *inputs, az_arena *arena)
{
	uint64_t *time = layer_times(exec, inputs, PROFILE_RUNS, PROFILE_RUNS / 2, arena),
		 total = 0;
	az_text out = {.arena = arena};
	for (uint32_t i = 0; i < exec->layer_count; i++)
		total += time[i];
	for (uint32_t i = 0; i < exec->layer_count; i++) {
		const az_layer_cost *layer = &exec->layer[i];
		az_text_add(&out, "%10.3f us %5.1f %%  %-14s %-14s %s\n", (double)time[i] / 1e3,
			total ? 100.0 * (double)time[i] / (double)total : 0.0, layer->op,
			layer->kernel, layer->name ? layer->name : "");
	}
	az_text_add(&out, "%10.3f us 100.0 %%  all layers\n", (double)total / 1e3);
	return out.v;
}
