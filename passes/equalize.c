/* SPDX-License-Identifier: Apache-2.0
 *
 * equalize: gives the channels between a convolution and a depthwise convolution equal ranges, so that
 * one quantizer fits them all. With m[c] the largest number that the samples show in channel c, M the
 * largest of those and s[c] = max(M / (1.25 m[c]), 1):
 *
 *   %a = conv %x, @w, @b, clamp = [0, 6]          %a = conv %x, @w.1, @b.1, clamp = [0, M]
 *   %d = conv %a, @v, groups = C                  %d = conv %a, @v.1, groups = C
 *
 * where @w.1 and @b.1 are @w and @b times s per output channel and @v.1 is @v divided by s. Both
 * convolutions have a weight scale per channel, which takes the factor in: no weight is quantized worse.
 * An upper bound becomes M: it holds a channel a little above the largest number that was seen, as the
 * quantizer would.
 *
 * Requires: stage canonical, env->exec and env->calib. Guarantees: the same function on the samples.
 * Terminates: one walk over the samples, one over the operations. */
#include <math.h>
#include <string.h>

#include "passes/observe.h"
#include "passes/rewrite.h"

#define SCALE_MOST 256.0f /* a channel is blown up at most so much */
#define MARGIN     1.25f  /* for numbers larger than any that was seen */

typedef struct edge {
	az_op *from, *to;
	float *largest; /* per channel */
} edge;

typedef struct edges {
	AZ_VEC(edge) list;
	AZ_VEC(az_value *) values;
} edges;

static bool constant_weights(const az_op *op)
{
	const az_value *bias = az_op_arg(op, 2);
	return op->code == AZ_OP_conv && az_const_f32_of(op->args[1].value) &&
	       (!bias || az_const_f32_of(bias));
}

/* Channel by channel: one input channel for each group. */
static bool is_depthwise(const az_op *op)
{
	if (!constant_weights(op) || op->attr.conv.groups <= 1)
		return false;
	const az_type *w = op->args[1].value->type;
	return w->dim[w->rank - 1] == 1;
}

static void find_edges(az_pass_ctx *pass, const az_func *main, edges *out)
{
	az_arena *arena = &pass->scratch;
	for (az_op *op = main->first; op; op = op->next) {
		if (!constant_weights(op) || op->attr.conv.clamp.count != 2 ||
			op->attr.conv.clamp.v[0] != 0.0f)
			continue;
		az_value *value = op->results[0];
		az_op *user = az_only_user(value);
		if (!user || user->args[0].value != value || !is_depthwise(user))
			continue;
		size_t channels = (size_t)value->type->dim[value->type->rank - 1];
		edge e = {op, user, az_new_array(arena, float, channels)};
		az_vec_push(arena, &out->list, e);
		az_vec_push(arena, &out->values, value);
	}
}

static void note_largest(void *data, uint32_t index, const az_tensor *tensor)
{
	edge *e = &((edges *)data)->list.v[index];
	const float *v = tensor->data;
	int64_t count = az_type_numel(tensor->type);
	int64_t channels = tensor->type->dim[tensor->type->rank - 1];
	for (int64_t i = 0; i < count; i += channels) {
		for (int64_t c = 0; c < channels; c++)
			e->largest[c] = v[i + c] > e->largest[c] ? v[i + c] : e->largest[c];
	}
}

/* The constant with its slices along the first dimension times factor[i / each], or divided by it. */
static az_value *scaled(az_const *c, const float *factor, int64_t each, bool divide)
{
	const az_type *type = c->value.type;
	int64_t count = az_type_numel(type), inner = count / AZ_MAX(type->dim[0], 1);
	float *v = az_new_array(&c->module->arena, float, (size_t)count);
	for (int64_t i = 0; i < count; i++) {
		float w = (float)az_const_get(c, (uint64_t)i), s = factor[i / inner / each];
		v[i] = divide ? w / s : w * s;
	}
	return &az_const_new(c->module, c->value.name, type, v, true)->value;
}

static void apply(edge *e)
{
	const az_type *type = e->from->results[0]->type;
	int64_t channels = type->dim[type->rank - 1];
	float most = 0;
	for (int64_t c = 0; c < channels; c++)
		most = fmaxf(most, e->largest[c]);
	if (!(most > 0) || !isfinite(most))
		return;
	for (int64_t c = 0; c < channels; c++)
		e->largest[c] = fminf(fmaxf(most / (e->largest[c] * MARGIN), 1.0f), SCALE_MOST);
	az_op_set_arg(e->from, 1,
		scaled(az_value_const(e->from->args[1].value), e->largest, 1, false));
	if (az_op_arg(e->from, 2))
		az_op_set_arg(e->from, 2,
			scaled(az_value_const(e->from->args[2].value), e->largest, 1, false));
	az_const *w = az_value_const(e->to->args[1].value);
	az_op_set_arg(e->to, 1, scaled(w, e->largest, w->value.type->dim[0] / channels, true));
	float bound[2] = {0, most};
	if (isfinite(e->from->attr.conv.clamp.v[1]))
		e->from->attr.conv.clamp = az_reals_copy(e->from->func->module, 2, bound);
	e->from->results[0]->range.known = false;
}

bool az_pass_equalize(az_pass_ctx *pass)
{
	const az_func *main = az_module_main(pass->module);
	edges found = {0};
	if (main)
		find_edges(pass, main, &found);
	if (found.list.count == 0)
		return true;
	az_observer observer = {
		"equalize", found.values.count, found.values.v, note_largest, &found};
	if (!az_observe(pass, az_pass_int(pass, "samples"), &observer))
		return false;
	for (uint32_t i = 0; i < found.list.count; i++)
		apply(&found.list.v[i]);
	az_sweep(pass->module);
	return true;
}
