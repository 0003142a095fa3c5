/* SPDX-License-Identifier: Apache-2.0
 *
 * calibrate: runs the network on the calibration samples and notes for every value that will be
 * quantized the smallest and the largest number seen.
 *
 *   %c = conv %x, @w : f32[1,8,8,16]      becomes      %c = conv %x, @w : f32[1,8,8,16] in [-3.1, 5.7]
 *
 * The network runs as a clone with more results, made ready once; samples pass through one by one, so
 * memory does not grow with their number.
 *
 * Requires: stage canonical, env->exec and env->calib. Guarantees: every value that insert-quantizers
 * quantizes has a range. Terminates: one walk over the samples. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "passes/quantize_plan.h"

typedef struct observed {
	az_value *value; /* of the module that is calibrated */
	uint32_t result; /* of the clone's main; unused for parameters */
} observed;

typedef struct calibration {
	az_pass_ctx *pass;
	az_module *clone;
	AZ_VEC(observed) list;
	az_tensor *in, *out;
	uint64_t samples;
} calibration;

/* Values of both functions in the same order: parameters, then results. The clone gets the wanted ones
 * as further results. */
static void choose(calibration *c, const az_func *main, az_func *clone)
{
	az_arena *arena = &c->pass->scratch;
	az_quantize_plan plan;
	az_quantize_plan_make(main, arena, &plan);
	for (uint32_t i = 0; i < main->params.count; i++) {
		observed o = {main->params.v[i], 0};
		if (plan.wanted[o.value->id])
			az_vec_push(arena, &c->list, o);
	}
	const az_op *twin = clone->first;
	for (const az_op *op = main->first; op; op = op->next, twin = twin->next) {
		for (uint32_t i = 0; i < op->result_count; i++) {
			observed o = {op->results[i], clone->results.count};
			if (!plan.wanted[o.value->id])
				continue;
			char name[32];
			snprintf(name, sizeof name, "calibrate.%u", o.value->id);
			az_func_add_result(clone, name, twin->results[i]);
			az_vec_push(arena, &c->list, o);
		}
	}
}

static void observe(az_value *value, const az_tensor *tensor)
{
	const float *v = tensor->data;
	int64_t count = az_type_numel(tensor->type);
	az_range *range = &value->range;
	for (int64_t i = 0; i < count; i++) {
		if (!isfinite(v[i]))
			continue;
		if (!range->known)
			*range = (az_range){true, v[i], v[i]};
		range->lo = v[i] < range->lo ? v[i] : range->lo;
		range->hi = v[i] > range->hi ? v[i] : range->hi;
	}
}

static bool run_samples(calibration *c, az_exec *exec)
{
	az_pass_ctx *pass = c->pass;
	const az_stream *calib = pass->env->calib;
	for (uint64_t i = 0; i < c->samples; i++) {
		az_ctx_progress(pass->ctx, "calibrate", i, c->samples);
		if (!calib->get(calib->data, i, c->in) ||
			!pass->env->exec->run(exec, c->in, c->out))
			return false;
		for (uint32_t j = 0; j < c->list.count; j++) {
			const observed *o = &c->list.v[j];
			bool param = o->value->kind == AZ_VALUE_PARAM;
			observe(o->value, param ? &c->in[o->value->index] : &c->out[o->result]);
		}
	}
	az_ctx_progress(pass->ctx, "calibrate", c->samples, c->samples);
	return true;
}

static void make_tensors(calibration *c, const az_func *clone)
{
	az_arena *arena = &c->pass->scratch;
	c->in = az_new_array(arena, az_tensor, clone->params.count + 1);
	c->out = az_new_array(arena, az_tensor, clone->results.count + 1);
	for (uint32_t i = 0; i < clone->params.count; i++)
		c->in[i] = az_tensor_new(arena, clone->params.v[i]->type);
	for (uint32_t i = 0; i < clone->results.count; i++)
		c->out[i] = az_tensor_new(arena, clone->results.v[i].use->value->type);
}

static bool calibrate(calibration *c)
{
	az_pass_ctx *pass = c->pass;
	const az_func *main = az_module_main(pass->module);
	az_func *clone = az_module_main(c->clone);
	choose(c, main, clone);
	make_tensors(c, clone);
	for (uint32_t i = 0; i < c->list.count; i++)
		c->list.v[i].value->range.known = false;
	az_exec *exec = pass->env->exec->compile(c->clone);
	if (!exec)
		return false;
	bool ok = run_samples(c, exec);
	pass->env->exec->free(exec);
	return ok;
}

bool az_pass_calibrate(az_pass_ctx *pass)
{
	const az_pass_env *env = pass->env;
	if (strcmp(az_pass_word(pass, "method"), "min-max") != 0)
		return az_error(pass->ctx, pass->step->loc,
			"calibrate: there is no method \"%s\", only \"min-max\"",
			az_pass_word(pass, "method"));
	if (!env->exec || !env->calib || env->calib->count == 0)
		return az_error(pass->ctx, pass->step->loc,
			"calibrate: there are no calibration samples");
	if (!az_module_main(pass->module))
		return az_error(pass->ctx, pass->step->loc,
			"calibrate: the module has no function");
	int64_t most = az_pass_int(pass, "samples");
	calibration c = {.pass = pass, .samples = env->calib->count};
	if (most > 0 && (uint64_t)most < c.samples)
		c.samples = (uint64_t)most;
	c.clone = az_module_clone(pass->module, true);
	bool ok = calibrate(&c);
	az_module_free(c.clone);
	return ok;
}
