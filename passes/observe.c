/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the network on the calibration samples. */
#include "passes/observe.h"

#include <stdio.h>
#include <string.h>

typedef struct run {
	az_pass_ctx *pass;
	const az_observer *observer;
	az_module *clone;
	uint32_t *result; /* per observed value: its result of the clone's main */
	az_tensor *in, *out;
	uint64_t samples;
} run;

az_value **az_twin_values(const az_func *main, const az_func *clone, az_arena *arena)
{
	az_value **twin = az_new_array(arena, az_value *, main->value_count + 1u);
	const az_op *copy = clone->first;
	for (uint32_t i = 0; i < main->params.count; i++)
		twin[main->params.v[i]->id] = clone->params.v[i];
	for (const az_op *op = main->first; op; op = op->next, copy = copy->next) {
		for (uint32_t i = 0; i < op->result_count; i++)
			twin[op->results[i]->id] = copy->results[i];
	}
	return twin;
}

static void add_results(run *r, const az_func *main, az_func *clone)
{
	az_arena *arena = &r->pass->scratch;
	az_value **twin = az_twin_values(main, clone, arena);
	r->result = az_new_array(arena, uint32_t, r->observer->count + 1);
	for (uint32_t i = 0; i < r->observer->count; i++) {
		const az_value *value = r->observer->value[i];
		char name[32];
		if (value->kind == AZ_VALUE_PARAM)
			continue;
		snprintf(name, sizeof name, "observed.%u", value->id);
		r->result[i] = clone->results.count;
		az_func_add_result(clone, name, twin[value->id]);
	}
}

static void make_tensors(run *r, const az_func *clone)
{
	az_arena *arena = &r->pass->scratch;
	r->in = az_new_array(arena, az_tensor, clone->params.count + 1);
	r->out = az_new_array(arena, az_tensor, clone->results.count + 1);
	for (uint32_t i = 0; i < clone->params.count; i++)
		r->in[i] = az_tensor_new(arena, clone->params.v[i]->type);
	for (uint32_t i = 0; i < clone->results.count; i++)
		r->out[i] = az_tensor_new(arena, clone->results.v[i].use->value->type);
}

static bool run_samples(run *r, az_exec *exec)
{
	az_pass_ctx *pass = r->pass;
	const az_stream *calib = pass->env->calib;
	const az_observer *o = r->observer;
	for (uint64_t i = 0; i < r->samples; i++) {
		az_ctx_progress(pass->ctx, o->what, i, r->samples);
		if (!calib->get(calib->data, i, r->in) ||
			!pass->env->exec->run(exec, r->in, r->out))
			return false;
		for (uint32_t j = 0; j < o->count; j++) {
			bool param = o->value[j]->kind == AZ_VALUE_PARAM;
			o->see(o->data, j,
				param ? &r->in[o->value[j]->index] : &r->out[r->result[j]]);
		}
	}
	az_ctx_progress(pass->ctx, o->what, r->samples, r->samples);
	return true;
}

/* The network made ready, while it is; outlives a jump. */
static bool run_exec(run *r, az_exec *exec)
{
	az_ctx *ctx = r->pass->ctx;
	const az_exec_api *api = r->pass->env->exec;
	AZ_GUARD(ctx, {
		api->free(exec);
		return false;
	});
	bool ok = run_samples(r, exec);
	AZ_UNGUARD(ctx);
	api->free(exec);
	return ok;
}

static bool run_clone(run *r)
{
	az_func *clone = az_module_main(r->clone);
	add_results(r, az_module_main(r->pass->module), clone);
	make_tensors(r, clone);
	az_exec *exec = r->pass->env->exec->compile(r->clone);
	return exec && run_exec(r, exec);
}

/* The clone goes whatever happens. */
static bool run_guarded(run *r)
{
	az_ctx *ctx = r->pass->ctx;
	AZ_GUARD(ctx, {
		az_module_free(r->clone);
		return false;
	});
	bool ok = run_clone(r);
	AZ_UNGUARD(ctx);
	az_module_free(r->clone);
	return ok;
}

/* The history of one that was calibrated would lead on to quantizing. */
static void forget_ranges(az_module *module)
{
	for (uint32_t i = 0; i < module->done.count; i++)
		if (strncmp(module->done.v[i], "calibrate", strlen("calibrate")) == 0)
			module->done.count = i;
}

bool az_observe(az_pass_ctx *pass, int64_t most, const az_observer *observer)
{
	const az_pass_env *env = pass->env;
	if (!env->exec || !env->calib || env->calib->count == 0)
		return az_error(pass->ctx, pass->step->loc, "%s: there are no calibration samples",
			pass->desc->name);
	if (!az_module_main(pass->module))
		return az_error(pass->ctx, pass->step->loc, "%s: the module has no function",
			pass->desc->name);
	run r = {.pass = pass, .observer = observer, .samples = env->calib->count};
	if (most > 0 && (uint64_t)most < r.samples)
		r.samples = (uint64_t)most;
	r.clone = az_module_clone(pass->module, true);
	forget_ranges(r.clone);
	return run_guarded(&r);
}
