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
 * Requires: stage canonical, calibrate, env->exec and env->calib. Guarantees: weights are scale times whole
 * numbers wherever insert-quantizers gives them one scale per output channel. Terminates: one walk over the
 * layers, each with a fixed number of samples and steps. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/bits.h"
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

/* Whole numbers with one scale per output channel? Gives both constants. */
static bool on_grid(const az_round_layer *layer, az_const **q, az_const **scale)
{
	const az_op *dq = az_def_is(layer->ours->args[1].value, AZ_OP_dequantize);
	if (!dq || dq->arg_count != 2 || dq->attr.dequantize.group != 0)
		return false;
	*q = az_value_const(dq->args[0].value);
	*scale = az_value_const(dq->args[1].value);
	if (!*q || !*scale || (*q)->value.type->elem.kind != AZ_KIND_INT ||
		(*q)->value.type->elem.bits < 2)
		return false;
	const az_type *type = (*q)->value.type;
	int64_t axis = layer->last ? type->rank - 1 : 0;
	if (az_type_numel(type) != az_type_numel(layer->real->args[1].value->type))
		return false;
	return dq->attr.dequantize.axis == axis &&
	       az_type_numel((*scale)->value.type) == type->dim[axis];
}

static void read_bias(const az_op *op, int64_t channels, float *out)
{
	const az_value *bias = az_op_arg(op, 2);
	for (int64_t c = 0; c < channels && bias; c++)
		out[c] = (float)az_const_get(az_value_const(bias), (uint64_t)c);
}

/* The clamp is the same attribute of all three operations. */
static az_reals clamp_of(const az_op *op)
{
	return op->code == AZ_OP_conv             ? op->attr.conv.clamp
	       : op->code == AZ_OP_conv_transpose ? op->attr.conv_transpose.clamp
						  : op->attr.matmul.clamp;
}

static int64_t groups_of(const az_op *op)
{
	return op->code == AZ_OP_conv             ? op->attr.conv.groups
	       : op->code == AZ_OP_conv_transpose ? op->attr.conv_transpose.groups
						  : 1;
}

/* False for a layer that stays as it is. */
static bool read_layer(az_round_layer *layer, az_arena *arena)
{
	az_const *q, *scale;
	if (!az_has_weights(layer->op))
		return false;
	layer->last = layer->op->code == AZ_OP_matmul;
	if (!on_grid(layer, &q, &scale))
		return false;
	const az_type *type = q->value.type;
	int64_t channels = type->dim[layer->last ? type->rank - 1 : 0], count = az_type_numel(type);
	if (count == 0)
		return false;
	layer->groups = groups_of(layer->op);
	layer->outputs = channels / layer->groups;
	layer->inner = count / channels;
	layer->most = az_elem_max(type->elem);
	layer->least = -layer->most; /* or one below, if insert-quantizers goes as far */
	az_reals clamp = clamp_of(layer->op);
	layer->lo = clamp.count == 2 ? clamp.v[0] : -INFINITY;
	layer->hi = clamp.count == 2 ? clamp.v[1] : INFINITY;
	layer->w = az_new_array(arena, float, (size_t)count);
	layer->q = az_new_array(arena, int32_t, (size_t)count);
	layer->scale = az_new_array(arena, float, (size_t)channels);
	layer->bias = az_new_array(arena, float, (size_t)channels);
	layer->bias_ours = az_new_array(arena, float, (size_t)channels);
	const az_const *w = az_value_const(layer->real->args[1].value);
	for (int64_t i = 0; i < count; i++) {
		uint64_t at =
			az_weight_place(type, layer->last, i / layer->inner, i % layer->inner);
		layer->w[i] = (float)az_const_get(w, at);
		layer->q[i] = (int32_t)az_const_get_int(q, at);
		layer->least = AZ_MIN(layer->least, layer->q[i]);
		if (!isfinite(layer->w[i]))
			return false;
	}
	for (int64_t c = 0; c < channels; c++)
		layer->scale[c] = (float)az_const_get(scale, (uint64_t)c);
	read_bias(layer->real, channels, layer->bias);
	read_bias(layer->ours, channels, layer->bias_ours);
	return true;
}

/* Puts other numbers in the place of a constant; they take over its name where nobody else reads it. */
static void replace_const(az_op *op, uint32_t index, const float *v)
{
	az_value *old = op->args[index].value;
	az_name name = old->name;
	az_value *made = &az_const_new(op->func->module, name, old->type, v, true)->value;
	az_op_set_arg(op, index, made);
	if (old->uses)
		return;
	az_const_erase(az_value_const(old));
	az_value_rename(made, name);
}

/* The chosen weights: stored in the quantized clone, as floats in the module. */
static void write_weights(const az_round_layer *layer)
{
	az_op *dq = az_value_op(layer->ours->args[1].value);
	az_module *ours = layer->ours->func->module, *module = layer->op->func->module;
	az_const *old = az_value_const(dq->args[0].value);
	const az_type *type = old->value.type;
	int64_t count = az_type_numel(type);
	void *stored = az_arena_alloc(&ours->arena, az_type_size(type), 64);
	float *v = az_new_array(&module->arena, float, (size_t)count);
	for (int64_t i = 0; i < count; i++) {
		int64_t c = i / layer->inner;
		uint64_t at = az_weight_place(type, layer->last, c, i % layer->inner);
		az_bits_set(stored, at, type->elem.bits, (uint64_t)(int64_t)layer->q[i]);
		v[at] = (float)layer->q[i] * layer->scale[c];
	}
	az_const *q = az_const_new(ours, old->value.name, type, stored, true);
	q->value.quant = old->value.quant;
	az_op_set_arg(dq, 0, &q->value);
	replace_const(layer->op, 1, v);
}

static void add_to_bias(az_op *op, int64_t channels, const float *delta)
{
	az_module *module = op->func->module;
	const az_value *old = op->args[2].value;
	float *v = az_new_array(&module->arena, float, (size_t)channels);
	for (int64_t c = 0; c < channels; c++)
		v[c] = (float)az_const_get(az_value_const(old), (uint64_t)c) + delta[c];
	replace_const(op, 2, v);
}

static bool correct_bias(az_pass_ctx *pass, az_round_layer *layer)
{
	int64_t channels = layer->groups * layer->outputs;
	if (!az_op_arg(layer->op, 2) || !az_op_arg(layer->ours, 2))
		return true;
	float *delta = az_new_array(&pass->scratch, float, (size_t)channels);
	if (!az_bias_error(pass, layer, delta))
		return false;
	for (int64_t c = 0; c < channels; c++)
		delta[c] = isfinite(delta[c]) ? delta[c] : 0;
	add_to_bias(layer->op, channels, delta);
	add_to_bias(layer->ours, channels, delta);
	return true;
}

static bool round_layer(az_pass_ctx *pass, az_round_layer *layer, round_fn *round)
{
	az_arena_mark mark = az_arena_mark_get(&pass->scratch);
	bool ok = true;
	if (read_layer(layer, &pass->scratch)) {
		ok = round(pass, layer);
		if (ok && round != round_nearest)
			write_weights(layer);
		if (ok && az_pass_flag(pass, "bias"))
			ok = correct_bias(pass, layer);
	}
	az_arena_reset(&pass->scratch, mark);
	return ok;
}

static uint64_t count_layers(const az_module *module)
{
	uint64_t count = 0;
	for (az_op *op = next_layer(az_module_main(module)->first); op; op = next_layer(op->next))
		count++;
	return count;
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

static bool round_all(az_pass_ctx *pass, held *h, round_fn *round)
{
	az_func *main = az_module_main(pass->module);
	az_func *real = az_module_main(h->real), *ours = az_module_main(h->ours);
	az_op *a = next_layer(main->first), *b = next_layer(real->first);
	az_op *c = next_layer(ours->first);
	uint64_t total = count_layers(pass->module), done = 0;
	/* Twins are found by counting; insert-quantizers neither adds nor drops a layer. */
	assert(count_layers(h->real) == total && count_layers(h->ours) == total);
	int64_t samples = az_round_effort(pass, "samples");
	az_walk_begin(&h->walk[0], pass, real, samples);
	az_walk_begin(&h->walk[1], pass, ours, samples);
	while (a && b && c) {
		az_round_layer layer = {
			.op = a, .real = b, .ours = c, .walk = {&h->walk[0], &h->walk[1]}};
		az_ctx_progress(pass->ctx, "round-weights", done++, total);
		if (!round_layer(pass, &layer, round))
			return false;
		a = next_layer(a->next);
		b = next_layer(b->next);
		c = next_layer(c->next);
	}
	az_ctx_progress(pass->ctx, "round-weights", total, total);
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
	const az_pass_env *env = pass->env;
	round_fn *round = method_of(pass);
	if (!round)
		return false;
	if (az_pass_int(pass, "samples") < 1)
		return az_error(pass->ctx, pass->step->loc,
			"round-weights: samples = %lld must be positive",
			(long long)az_pass_int(pass, "samples"));
	if (az_pass_int(pass, "effort") < 1)
		return az_error(pass->ctx, pass->step->loc,
			"round-weights: effort = %lld must be positive",
			(long long)az_pass_int(pass, "effort"));
	if (!(az_pass_real(pass, "damp") > 0))
		return az_error(pass->ctx, pass->step->loc, "round-weights: damp must be positive");
	if (!env->exec || !env->calib || env->calib->count == 0)
		return az_error(pass->ctx, pass->step->loc,
			"round-weights: there are no calibration samples");
	if (!az_module_main(pass->module))
		return true;
	held h = {0};
	bool ok = round_guarded(pass, &h, round);
	az_sweep(pass->module);
	return ok;
}
