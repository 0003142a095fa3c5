/* SPDX-License-Identifier: Apache-2.0
 *
 * equalize: cross-layer equalization (Nagel et al., arXiv 1906.04721). Where one layer alone reads another, a
 * channel between them may be made smaller by s in the first and larger by s in the second: a relu between
 * them does not mind. s is chosen so that the channel's weights reach equally far on both sides,
 *
 *   s = sqrt(r1 / r2)     w1 / s, b1 / s, w2 * s     r1, r2: largest |w1|, |w2| of the channel
 *
 * which serves quantizers that all channels share: those of activations, and of weights that have one scale
 * for each tensor. Chains of layers are gone through until nothing moves any more.
 *
 * Layers with an upper bound (relu6) are left alone unless `relax` takes the bound away.
 *
 * `absorb` then moves what a relu passes nearly always into the next layer's biases (section 4.1.3 there):
 * where a batch norm says that a channel has mean m and deviation d, with c = max(0, m - 3 d)
 *
 *   b1 - c, b2 + sum w2 c        since relu(y) = relu(y - c) + c for y >= c, which 99.9 % of them are
 *
 * so that ranges of activations shrink. Not across padding, which would have to be c as well.
 *
 * Requires: stage canonical. Guarantees: the function stays, up to the rounding of floats and but for `relax` and
 * `absorb`.
 * Terminates: at most ROUNDS walks over the pairs. */
#include <math.h>

#include "passes/insert.h"
#include "passes/normal.h"
#include "passes/rewrite.h"

#define ROUNDS     40
#define ENOUGH     1e-3   /* a round that changes no channel by more ends it */
#define MOST_S     1024.0 /* of one step */
#define DEVIATIONS 3      /* below the mean: where a relu passes nearly all */

/* A layer's numbers while they change: weights [groups][outputs][inner], inner [taps][in_group]. */
typedef struct layer {
	az_op *op;
	bool last, changed;
	int64_t channels, inner, in_group, outputs; /* outputs: channels of a group */
	double *w, *bias;                           /* bias NULL: none */
	double *by, *less;                          /* by channel: divided by, then taken off */
} layer;

typedef struct pair {
	layer *a, *b;
} pair;

typedef struct equalizer {
	az_arena *arena;
	bool relax;
	AZ_VEC(layer *) layers;
	AZ_VEC(pair) pairs;
} equalizer;

static layer *layer_of(equalizer *e, az_op *op)
{
	for (uint32_t i = 0; i < e->layers.count; i++) {
		if (e->layers.v[i]->op == op)
			return e->layers.v[i];
	}
	const az_const *w = az_value_const(op->args[1].value);
	const az_type *type = w->value.type;
	layer *l = az_new(e->arena, layer);
	int64_t count = az_type_numel(type);
	*l = (layer){.op = op, .last = op->code == AZ_OP_matmul};
	l->channels = type->dim[l->last ? type->rank - 1 : 0];
	l->inner = l->channels ? count / l->channels : 0;
	l->outputs = l->channels / az_op_groups(op);
	l->in_group = l->last ? l->inner : type->dim[type->rank - 1];
	l->w = az_new_array(e->arena, double, (size_t)count + 1);
	for (int64_t i = 0; i < count; i++)
		l->w[i] =
			az_const_get(w, az_weight_place(type, l->last, i / l->inner, i % l->inner));
	const az_value *bias = az_op_arg(op, 2);
	if (bias)
		l->bias = az_new_array(e->arena, double, (size_t)l->channels + 1);
	for (int64_t c = 0; bias && c < l->channels; c++)
		l->bias[c] = az_const_get(az_value_const(bias), (uint64_t)c);
	l->by = az_new_array(e->arena, double, (size_t)l->channels + 1);
	l->less = az_new_array(e->arena, double, (size_t)l->channels + 1);
	for (int64_t c = 0; c < l->channels; c++)
		l->by[c] = 1;
	az_vec_push(e->arena, &e->layers, l);
	return l;
}

/* Operations that scale with each channel of what they read; the last dimension stays what it is. */
static bool scales_along(const az_op *op)
{
	const az_type *in = op->args[0].value->type, *out = op->results[0]->type;
	if (in->rank == 0 || out->rank == 0 || in->dim[in->rank - 1] != out->dim[out->rank - 1])
		return false;
	return op->code == AZ_OP_max_pool || op->code == AZ_OP_avg_pool ||
	       op->code == AZ_OP_reshape;
}

/* The layer that alone reads what op gives. */
static az_op *reader_of(const az_op *op)
{
	const az_value *value = op->results[0];
	az_op *user = az_only_user(value);
	while (user && scales_along(user)) {
		value = user->results[0];
		user = az_only_user(value);
	}
	bool reads = user && az_has_weights(user) && user->args[0].value == value;
	return reads && user->args[1].value != value ? user : NULL;
}

static void find_pairs(equalizer *e, const az_func *main)
{
	for (az_op *op = main->first; op; op = op->next) {
		if (!az_has_weights(op))
			continue;
		az_op *reader = reader_of(op);
		az_reals *clamp = az_op_clamp_at(op);
		bool free = clamp->count != 2;
		bool relu = !free && clamp->v[0] == 0.0f;
		if (!reader || !(free || (relu && (isinf(clamp->v[1]) || e->relax))))
			continue;
		if (az_type_numel(op->args[1].value->type) == 0 ||
			az_type_numel(reader->args[1].value->type) == 0)
			continue;
		pair p = {layer_of(e, op), layer_of(e, reader)};
		int64_t groups = p.b->channels / p.b->outputs;
		if (p.a->channels != groups * p.b->in_group)
			continue;
		if (relu && !isinf(clamp->v[1])) {
			float bound[2] = {0, INFINITY};
			*clamp = az_reals_copy(op->func->module, 2, bound);
		}
		az_vec_push(e->arena, &e->pairs, p);
	}
}

/* One weight of the second layer that reads channel c: number i of outputs * taps. */
static double *reading(const layer *b, int64_t c, int64_t i)
{
	int64_t taps = b->inner / b->in_group, group = c / b->in_group;
	int64_t output = group * b->outputs + i / taps;
	return &b->w[output * b->inner + i % taps * b->in_group + c % b->in_group];
}

/* Makes channel c of the pair equal on both sides; how far it was from that. */
static double equalize_channel(const pair *p, int64_t c)
{
	layer *a = p->a, *b = p->b;
	int64_t readings = b->outputs * (b->inner / b->in_group);
	double r1 = 0, r2 = 0;
	for (int64_t i = 0; i < a->inner; i++)
		r1 = fmax(r1, fabs(a->w[c * a->inner + i]));
	for (int64_t i = 0; i < readings; i++)
		r2 = fmax(r2, fabs(*reading(b, c, i)));
	if (!(r1 > 1e-30 && r2 > 1e-30))
		return 0; /* a dead channel */
	double s = fmin(fmax(sqrt(r1 / r2), 1 / MOST_S), MOST_S);
	for (int64_t i = 0; i < a->inner; i++)
		a->w[c * a->inner + i] /= s;
	if (a->bias)
		a->bias[c] /= s;
	a->by[c] *= s;
	for (int64_t i = 0; i < readings; i++)
		*reading(b, c, i) *= s;
	a->changed = b->changed = true;
	return fabs(log(s));
}

/* --- Absorption ------------------------------------------------------------------------------------------- */

static bool pads(const az_op *op)
{
	az_ints pad = op->code == AZ_OP_conv       ? op->attr.conv.pad
		      : op->code == AZ_OP_avg_pool ? op->attr.avg_pool.pad
		      : op->code == AZ_OP_max_pool ? op->attr.max_pool.pad
						   : (az_ints){0};
	for (uint32_t i = 0; i < pad.count; i++) {
		if (pad.v[i])
			return true;
	}
	/* Where it strides, places of a result sum over more or fewer taps. */
	return op->code == AZ_OP_conv_transpose;
}

/* From the first layer to the second with a relu and no padding, and a batch norm known? */
static bool absorbs(const pair *p)
{
	const az_op *op = az_only_user(p->a->op->results[0]);
	const az_reals *normal = az_normal_of(p->a->op);
	for (; op != p->b->op; op = az_only_user(op->results[0])) {
		if (pads(op))
			return false;
	}
	return az_op_clamp(p->a->op).count == 2 && !pads(p->b->op) && p->a->bias && p->b->bias &&
	       normal->count == 2 * p->a->channels;
}

static void absorb_channel(const pair *p, int64_t c)
{
	layer *a = p->a, *b = p->b;
	const az_reals *normal = az_normal_of(a->op);
	int64_t taps = b->inner / b->in_group, first = c / b->in_group * b->outputs;
	double mean = (double)normal->v[2 * c], deviation = (double)normal->v[2 * c + 1];
	double less = (mean - DEVIATIONS * deviation) / a->by[c];
	if (!(less > 0))
		return;
	a->bias[c] -= less;
	a->less[c] = less;
	for (int64_t i = 0; i < b->outputs * taps; i++)
		b->bias[first + i / taps] += less * *reading(b, c, i);
	a->changed = b->changed = true;
}

/* What is known of the layer's result, now that its channels are others. */
static void write_normal(const layer *l)
{
	az_reals *normal = az_normal_of(l->op);
	if (normal->count != 2 * l->channels)
		return;
	float *v = az_new_array(&l->op->func->module->arena, float, normal->count);
	for (int64_t c = 0; c < l->channels; c++) {
		v[2 * c] = (float)((double)normal->v[2 * c] / l->by[c] - l->less[c]);
		v[2 * c + 1] = (float)((double)normal->v[2 * c + 1] / l->by[c]);
	}
	*normal = az_reals_copy(l->op->func->module, normal->count, v);
}

/* --- Back --------------------------------------------------------------------------------------------- */

static void write_back(const layer *l)
{
	az_module *module = l->op->func->module;
	const az_type *type = l->op->args[1].value->type;
	int64_t count = l->channels * l->inner;
	float *w = az_new_array(&module->arena, float, (size_t)count);
	for (int64_t i = 0; i < count; i++)
		w[az_weight_place(type, l->last, i / l->inner, i % l->inner)] = (float)l->w[i];
	az_replace_numbers(l->op, 1, w, NULL);
	write_normal(l);
	if (!l->bias)
		return;
	float *bias = az_new_array(&module->arena, float, (size_t)l->channels);
	for (int64_t c = 0; c < l->channels; c++)
		bias[c] = (float)l->bias[c];
	az_replace_numbers(l->op, 2, bias, NULL);
}

bool az_pass_equalize(az_pass_ctx *pass)
{
	az_func *main = az_module_main(pass->module);
	equalizer e = {.arena = &pass->scratch, .relax = az_pass_flag(pass, "relax")};
	if (!main)
		return true;
	find_pairs(&e, main);
	for (int round = 0; round < ROUNDS; round++) {
		double moved = 0;
		for (uint32_t i = 0; i < e.pairs.count; i++) {
			for (int64_t c = 0; c < e.pairs.v[i].a->channels; c++)
				moved = fmax(moved, equalize_channel(&e.pairs.v[i], c));
		}
		if (moved < ENOUGH)
			break;
	}
	for (uint32_t i = 0; az_pass_flag(pass, "absorb") && i < e.pairs.count; i++) {
		for (int64_t c = 0; absorbs(&e.pairs.v[i]) && c < e.pairs.v[i].a->channels; c++)
			absorb_channel(&e.pairs.v[i], c);
	}
	for (uint32_t i = 0; i < e.layers.count; i++) {
		if (e.layers.v[i]->changed)
			write_back(e.layers.v[i]);
	}
	az_sweep(pass->module);
	return true;
}
