/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter as a way of running networks (ir/exec.h). */
#include <stdlib.h>

#include "ir/eval/part.h"

struct az_exec {
	const az_func *func;
	az_arena arena; /* empty between runs */
};

static az_exec *exec_compile(const az_module *module)
{
	const az_func *func = az_module_main(module);
	if (!func) {
		az_error(module->ctx, AZ_LOC_NONE, "the module has no function to run");
		return NULL;
	}
	az_exec *exec = calloc(1, sizeof *exec);
	if (!exec) {
		az_ctx_report_oom(module->ctx);
		return NULL;
	}
	exec->func = func;
	az_arena_init(&exec->arena, &module->ctx->oom);
	return exec;
}

static bool check(az_ctx *ctx, const char *what, uint32_t i, const az_type *wanted,
	const az_tensor *given)
{
	if (given->type == wanted)
		return true;
	return az_error(ctx, AZ_LOC_NONE, "%s %u is %s, the network has %s", what, i,
		given->type ? az_type_print(&ctx->arena, given->type) : "nothing",
		az_type_print(&ctx->arena, wanted));
}

static bool run(az_exec *exec, const az_tensor *inputs, az_tensor *outputs)
{
	const az_func *func = exec->func;
	az_ctx *ctx = func->module->ctx;
	for (uint32_t i = 0; i < func->params.count; i++)
		if (!check(ctx, "input", i, func->params.v[i]->type, &inputs[i]))
			return false;
	for (uint32_t i = 0; i < func->results.count; i++)
		if (!check(ctx, "output", i, func->results.v[i].use->value->type, &outputs[i]))
			return false;
	return az_eval_body(func, &exec->arena, 0, inputs, outputs, NULL, NULL);
}

static bool exec_run(az_exec *exec, const az_tensor *inputs, az_tensor *outputs)
{
	az_ctx *ctx = exec->func->module->ctx;
	AZ_GUARD(ctx, az_arena_free(&exec->arena); return false);
	bool ok = run(exec, inputs, outputs);
	AZ_UNGUARD(ctx);
	az_arena_free(&exec->arena);
	return ok;
}

static void exec_free(az_exec *exec)
{
	if (!exec)
		return;
	az_arena_free(&exec->arena);
	free(exec);
}

const az_exec_api az_eval_exec = {"interpreter", exec_compile, exec_run, exec_free};
