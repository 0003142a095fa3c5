/* SPDX-License-Identifier: Apache-2.0
 *
 * round-weights: moves the float weights of every layer onto the grid that insert-quantizers will give
 * them, not to the nearest point but so that the layer's result over the samples changes least, and
 * corrects the biases. insert-quantizers keeps weights that lie on a grid, so it takes exactly these.
 *
 *   const @w : f32[..] = [0.31, 0.48]        const @w.1 : f32[..] = [0.4, 0.4]        (steps of 0.2)
 *   %c = conv %x, @w, @b                     %c = conv %x, @w.1, @b.1
 *
 * Layers are taken in order. What a layer reads is observed twice: in the float network, and in a clone
 * that insert-quantizers quantized to the same widths and in which every earlier layer has what was chosen
 * for it already.
 *
 * Requires: stage canonical, calibrate; env->exec and env->calib unless biases alone are corrected, and by
 * batch norms. Guarantees: weights lie on the grid that their constant names in its quantizer, which is one
 * that insert-quantizers makes with the same options. Terminates: one walk over the layers, each with a fixed
 * number of samples and steps. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "passes/insert.h"
#include "passes/manager.h"
#include "passes/round.h"

typedef bool round_fn(az_pass_ctx *pass, az_round_layer *layer);

/* What insert-quantizers does anyway; for correcting biases alone. */
static bool round_nearest(az_pass_ctx *pass, az_round_layer *layer)
{
	(void)pass;
	(void)layer;
	return true;
}

static const struct {
	const char *name;
	round_fn *round;
} methods[] = {
	{"nearest", round_nearest}, {"gptq", az_round_gptq}, {"adaround", az_round_adaround}};

static round_fn *method_of(const az_pass_ctx *pass)
{
	const char *name = az_pass_word(pass, "method");
	for (size_t i = 0; i < AZ_COUNT(methods); i++) {
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].round;
	}
	(void)az_error(pass->ctx, pass->step->loc,
		"round-weights: there is no method \"%s\", only \"nearest\", \"gptq\" and "
		"\"adaround\"",
		name);
	return NULL;
}

/* --- The two networks --------------------------------------------------------------------------- */

/* A clone whose history ends before calibrate: whoever runs it is to take it as it is. */
static az_module *make_clone(const az_module *module)
{
	az_module *clone = az_module_clone(module, true);
	for (uint32_t i = 0; i < clone->done.count; i++) {
		if (strncmp(clone->done.v[i], "calibrate", strlen("calibrate")) == 0)
			clone->done.count = i;
	}
	return clone;
}

/* insert-quantizers for the clone; its memory goes whatever happens. */
static bool run_insertion(az_pass_ctx *inner)
{
	az_ctx *ctx = inner->ctx;
	AZ_GUARD(ctx, {
		az_arena_free(&inner->scratch);
		return false;
	});
	bool ok = az_insert_quantizers(inner, false);
	AZ_UNGUARD(ctx);
	az_arena_free(&inner->scratch);
	return ok;
}

/* insert-quantizers on the clone, with the options of this pass but for `fine`: that would make two layers of
 * one. */
static bool quantize(az_pass_ctx *pass, az_module *clone)
{
	az_pipeline_step step = *pass->step;
	az_pipeline_option *option =
		az_new_array(&pass->scratch, az_pipeline_option, step.option_count + 1u);
	step.option_count = 0;
	step.option = option;
	for (uint32_t i = 0; i < pass->step->option_count; i++) {
		if (strcmp(pass->step->option[i].key, "fine") != 0)
			option[step.option_count++] = pass->step->option[i];
	}
	az_pass_ctx inner = {.ctx = pass->ctx,
		.module = clone,
		.env = pass->env,
		.step = &step,
		.desc = pass->desc};
	az_arena_init(&inner.scratch, &pass->ctx->oom);
	return run_insertion(&inner);
}

/* --- One layer ---------------------------------------------------------------------------------- */

static bool is_layer(const az_op *op)
{
	return op->code == AZ_OP_conv || op->code == AZ_OP_conv_transpose ||
	       op->code == AZ_OP_matmul;
}

static az_op *next_layer(az_op *op)
{
	while (op && !is_layer(op))
		op = op->next;
	return op;
}

static void add_to_bias(az_op *op, int64_t channels, const float *delta)
{
	az_module *module = op->func->module;
	const az_value *old = op->args[2].value;
	float *v = az_new_array(&module->arena, float, (size_t)channels);
	for (int64_t c = 0; c < channels; c++)
		v[c] = (float)az_const_get(az_value_const(old), (uint64_t)c) + delta[c];
	az_replace_numbers(op, 2, v, NULL);
}

/* How biases are corrected. */
typedef struct correction {
	bool analytic, data; /* data: by samples, where batch norms say nothing or are not asked */
	const az_normal *normals;
	uint32_t known, unknown;
	const char *first; /* unknown layer */
} correction;

/* False for a failure; *found: is anything known of the error? */
static bool bias_error(az_pass_ctx *pass, az_round_layer *layer, correction *by, float *delta,
	bool *found)
{
	const az_value *x = layer->op->args[0].value;
	const az_normal *normal = by->analytic ? &by->normals[x->id] : NULL;
	*found = true;
	if (normal && normal->count == x->type->dim[x->type->rank - 1]) {
		az_bias_analytic(pass, layer, normal, delta);
		by->known++;
		return true;
	}
	if (by->analytic && !by->unknown++)
		by->first = layer->op->results[0]->name;
	*found = by->data;
	return !by->data || az_bias_error(pass, layer, delta);
}

static bool correct_bias(az_pass_ctx *pass, az_round_layer *layer, correction *by)
{
	int64_t channels = layer->groups * layer->outputs;
	bool found;
	if (!az_op_arg(layer->op, 2) || !az_op_arg(layer->ours, 2))
		return true;
	float *delta = az_new_array(&pass->scratch, float, (size_t)channels);
	if (!bias_error(pass, layer, by, delta, &found))
		return false;
	if (!found)
		return true;
	for (int64_t c = 0; c < channels; c++)
		delta[c] = isfinite(delta[c]) ? delta[c] : 0;
	add_to_bias(layer->op, channels, delta);
	add_to_bias(layer->ours, channels, delta);
	return true;
}

/* Says where batch norms did not help. */
static bool report_correction(const az_pass_ctx *pass, const correction *by)
{
	az_loc loc = pass->step->loc;
	const char *instead = by->data ? "are corrected by the samples" : "stay as they are";
	if (!by->analytic || !by->unknown)
		return true;
	if (!by->known && !by->data)
		return az_error(pass->ctx, loc,
			"round-weights: no layer reads what a batch norm gives, so there is no "
			"analytic bias correction: the network has none, or its file holds them "
			"folded into the weights; correct biases by samples");
	az_note(pass->ctx, loc,
		"round-weights: batch norms say nothing of what %u of %u layers read, \"%s\" "
		"first; their biases %s",
		by->unknown, by->known + by->unknown, by->first, instead);
	return true;
}

static bool round_layer(az_pass_ctx *pass, az_round_layer *layer, round_fn *round, correction *by)
{
	az_arena_mark mark = az_arena_mark_get(&pass->scratch);
	bool ok = true;
	if (az_round_read(layer, &pass->scratch)) {
		ok = round(pass, layer);
		if (ok && round != round_nearest)
			az_round_write(layer);
		if (ok && (by->data || by->analytic))
			ok = correct_bias(pass, layer, by);
	}
	az_arena_reset(&pass->scratch, mark);
	return ok;
}

/* Most methods take as long as a layer has weights. */
static uint64_t work_of(const az_op *layer)
{
	return 1 + (uint64_t)az_type_numel(layer->args[1].value->type);
}

static uint64_t work_of_all(const az_module *module)
{
	uint64_t work = 0;
	for (az_op *op = next_layer(az_module_main(module)->first); op; op = next_layer(op->next))
		work += work_of(op);
	return work;
}

/* What must be given back whatever happens. */
typedef struct held {
	az_module *real, *ours;
	az_walk walk[2];
} held;

static void release(held *h)
{
	for (int k = 0; k < 2; k++)
		az_walk_end(&h->walk[k]);
	az_module_free(h->ours);
	az_module_free(h->real);
}

static bool has_samples(const az_pass_ctx *pass)
{
	const az_pass_env *env = pass->env;
	return env->exec && env->calib && env->calib->count;
}

static bool has_data(const az_pass_ctx *pass)
{
	return has_samples(pass) && !pass->env->calib->made_up;
}

static bool round_all(az_pass_ctx *pass, held *h, round_fn *round)
{
	az_func *main = az_module_main(pass->module);
	az_func *real = az_module_main(h->real), *ours = az_module_main(h->ours);
	az_op *a = next_layer(main->first), *b = next_layer(real->first);
	az_op *c = next_layer(ours->first);
	uint64_t total = work_of_all(pass->module), done = 0;
	/* Twins are found by counting; insert-quantizers neither adds nor drops a layer. */
	assert(work_of_all(h->real) == total && work_of_all(h->ours) == total);
	int64_t samples = az_round_effort(pass, "samples");
	correction by = {.analytic = az_pass_flag(pass, "analytic")};
	by.data = by.analytic ? has_data(pass) : az_pass_flag(pass, "bias");
	if (by.analytic)
		by.normals = az_normals_of(main, &pass->scratch);
	az_walk_begin(&h->walk[0], pass, real, samples);
	az_walk_begin(&h->walk[1], pass, ours, samples);
	while (a && b && c) {
		az_round_layer layer = {.op = a,
			.real = b,
			.ours = c,
			.walk = {&h->walk[0], &h->walk[1]},
			.work_before = done,
			.work = total};
		az_ctx_progress(pass->ctx, "round-weights", done, total);
		done += work_of(a);
		if (!round_layer(pass, &layer, round, &by))
			return false;
		a = next_layer(a->next);
		b = next_layer(b->next);
		c = next_layer(c->next);
	}
	az_ctx_progress(pass->ctx, "round-weights", total, total);
	return report_correction(pass, &by);
}

/* Layers without bias get one of zeros, to be corrected. */
static bool add_biases(const az_module *module)
{
	az_op *next;
	for (az_op *op = next_layer(az_module_main(module)->first); op; op = next) {
		next = next_layer(op->next);
		if (!az_has_weights(op) || az_op_arg(op, 2))
			continue;
		const az_type *type = op->results[0]->type;
		int64_t channels = type->dim[type->rank - 1];
		float *zeros = az_new_array(&op->func->module->arena, float, (size_t)channels + 1);
		const az_type *made = az_type_get(op->func->module->ctx, AZ_F32, 1, &channels);
		az_value *args[3] = {op->args[0].value, op->args[1].value,
			&az_const_new(op->func->module, NULL, made, zeros, true)->value};
		az_builder at = az_before(op);
		az_value *result = az_build(&at, op->code, 3, args, &op->attr, AZ_F32);
		if (!result)
			return false;
		az_replace_op(op, result);
	}
	return true;
}

static bool round_guarded(az_pass_ctx *pass, held *h, round_fn *round)
{
	az_ctx *ctx = pass->ctx;
	AZ_GUARD(ctx, {
		release(h);
		return false;
	});
	h->real = make_clone(pass->module);
	h->ours = make_clone(pass->module);
	bool ok = quantize(pass, h->ours) && round_all(pass, h, round);
	AZ_UNGUARD(ctx);
	release(h);
	return ok;
}

int64_t az_round_effort(const az_pass_ctx *pass, const char *option)
{
	int64_t effort = az_pass_int(pass, "effort"), v = az_pass_int(pass, option);
	return v > INT32_MAX / effort ? INT32_MAX : v * effort;
}

bool az_pass_round_weights(az_pass_ctx *pass)
{
	round_fn *round = method_of(pass);
	if (!round)
		return false;
	const char *const counts[] = {"samples", "effort", "piece"};
	for (size_t i = 0; i < AZ_COUNT(counts); i++) {
		if (az_pass_int(pass, counts[i]) < 1)
			return az_error(pass->ctx, pass->step->loc,
				"round-weights: %s = %lld must be positive", counts[i],
				(long long)az_pass_int(pass, counts[i]));
	}
	if (!(az_pass_real(pass, "damp") > 0))
		return az_error(pass->ctx, pass->step->loc, "round-weights: damp must be positive");
	bool analytic = round == round_nearest && az_pass_flag(pass, "analytic");
	if (!has_samples(pass) && !analytic)
		return az_error(pass->ctx, pass->step->loc,
			"round-weights: there are no calibration samples");
	if (!az_module_main(pass->module))
		return true;
	bool corrects = az_pass_flag(pass, "bias") || az_pass_flag(pass, "analytic");
	if (corrects && !add_biases(pass->module))
		return false;
	held h = {0};
	bool ok = round_guarded(pass, &h, round);
	az_sweep(pass->module);
	return ok;
}
