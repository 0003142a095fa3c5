/* SPDX-License-Identifier: Apache-2.0
 *
 * Patches: what single output places of a layer sum over, in the float network and in the quantized one.
 * Each network runs as a clone that ends with the layer's input; samples pass through one by one and only
 * some places of each are shown, so memory does not grow with their number. Which places is the same in
 * every run. */
#include "ir/tensor.h"
#include "passes/rewrite.h"
#include "passes/round.h"

/* One network, ending with the input of a layer. */
typedef struct probe {
	const az_exec_api *api;
	az_module *clone;
	az_exec *exec; /* NULL when the layer reads an input of the network */
	az_tensor *in, *out;
	const az_tensor *x;
} probe;

typedef struct geometry {
	const az_op *op;
	const az_type *x, *w, *y;
	int64_t places;   /* output places, of all images */
	int64_t channels; /* of x */
	int64_t in_group, taps;
} geometry;

static geometry geometry_of(const az_round_layer *layer)
{
	const az_op *op = layer->real;
	geometry g = {op, op->args[0].value->type, op->args[1].value->type, op->results[0]->type, 0,
		0, 0, 1};
	g.places = az_type_numel(g.y) / AZ_MAX(g.y->dim[g.y->rank - 1], 1);
	g.channels = g.x->dim[g.x->rank - 1];
	g.in_group = g.channels / layer->groups;
	for (uint32_t i = 1; !layer->last && i + 1 < g.w->rank; i++)
		g.taps *= g.w->dim[i];
	return g;
}

/* The pixel of x that meets a tap at an output place, counted over all images; -1 in the padding. */
static int64_t source(const geometry *g, int64_t place, int64_t tap)
{
	bool transposed = g->op->code == AZ_OP_conv_transpose;
	const az_attrs *a = &g->op->attr;
	az_ints stride = transposed ? a->conv_transpose.stride : a->conv.stride;
	az_ints pad = transposed ? a->conv_transpose.pad : a->conv.pad;
	az_ints dilation = transposed ? a->conv_transpose.dilation : a->conv.dilation;
	int64_t pixel = 0, step = 1;
	for (uint32_t i = g->x->rank - 2u; i-- > 0;) {
		int64_t at = place % g->y->dim[i + 1], k = tap % g->w->dim[i + 1];
		place /= g->y->dim[i + 1];
		tap /= g->w->dim[i + 1];
		int64_t by = az_ints_at(stride, i, 1), from = az_ints_at(pad, 2 * i, 0);
		k *= az_ints_at(dilation, i, 1);
		int64_t in = transposed ? at + from - k : at * by - from + k;
		if (transposed && in % by)
			return -1;
		in = transposed ? in / by : in;
		if (in < 0 || in >= g->x->dim[i + 1])
			return -1;
		pixel += in * step;
		step *= g->x->dim[i + 1];
	}
	return place * step + pixel;
}

/* One patch; `out` is zeroed. */
static void take(const geometry *g, const az_round_layer *layer, const float *x, int64_t place,
	float *out)
{
	for (int64_t t = 0; t < g->taps; t++) {
		int64_t pixel = layer->last ? place : source(g, place, t);
		for (int64_t c = 0; c < g->channels && pixel >= 0; c++)
			out[c / g->in_group * layer->inner + t * g->in_group + c % g->in_group] =
				x[pixel * g->channels + c];
	}
}

static az_value *twin_value(const az_func *from, az_func *to, const az_value *value)
{
	if (value->kind == AZ_VALUE_PARAM)
		return to->params.v[value->index];
	az_op *b = to->first;
	for (const az_op *a = from->first; a != value->def.op; a = a->next)
		b = b->next;
	return b->results[value->index];
}

static az_tensor *make_inputs(az_arena *arena, const az_func *main)
{
	az_tensor *in = az_new_array(arena, az_tensor, main->params.count + 1);
	for (uint32_t i = 0; i < main->params.count; i++)
		in[i] = az_tensor_new(arena, main->params.v[i]->type);
	return in;
}

/* `in` of the probe is set: both networks read the same sample. */
static bool open_probe(az_pass_ctx *pass, const az_value *x, probe *out)
{
	az_arena *arena = &pass->scratch;
	const az_func *main = x->kind == AZ_VALUE_PARAM ? x->def.func : x->def.op->func;
	out->api = pass->env->exec;
	if (x->kind == AZ_VALUE_PARAM) {
		out->x = &out->in[x->index];
		return true;
	}
	out->clone = az_module_clone(main->module, true);
	az_func *copy = az_module_main(out->clone);
	az_value *end = twin_value(main, copy, x);
	out->out = az_new_array(arena, az_tensor, copy->results.count + 1);
	for (uint32_t i = 0; i < copy->results.count; i++) {
		az_func_set_result(copy, i, end);
		out->out[i] = az_tensor_new(arena, x->type);
	}
	az_sweep(out->clone);
	out->x = out->out;
	out->exec = out->api->compile(out->clone);
	return out->exec != NULL;
}

static void close_probe(probe *p)
{
	if (p->exec)
		p->api->free(p->exec);
	if (p->clone)
		az_module_free(p->clone);
}

int64_t az_patch_rows(const az_pass_ctx *pass, const az_round_layer *layer,
	const az_patch_plan *plan)
{
	geometry g = geometry_of(layer);
	int64_t samples = (int64_t)AZ_MIN(pass->env->calib->count, (uint64_t)INT32_MAX);
	return AZ_MIN(samples, plan->samples) * AZ_MIN(g.places, plan->per_sample);
}

static bool show(az_pass_ctx *pass, const az_round_layer *layer, const az_patch_plan *plan,
	probe two[2])
{
	geometry g = geometry_of(layer);
	const az_stream *calib = pass->env->calib;
	int64_t width = layer->groups * layer->inner, rows = AZ_MIN(g.places, plan->per_sample);
	int64_t samples = az_patch_rows(pass, layer, plan) / AZ_MAX(rows, 1);
	size_t size = (size_t)(rows * width);
	float *patch[2];
	uint64_t state = 1;
	for (int k = 0; k < 2; k++)
		patch[k] = az_new_array(&pass->scratch, float, size + 1);
	for (int64_t i = 0; i < samples; i++) {
		/* Knuth's generator: where in each of `rows` equal pieces a place is taken. */
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		int64_t shift = (int64_t)((state >> 33) % (uint64_t)g.places);
		if (!calib->get(calib->data, (uint64_t)i, two[0].in))
			return false;
		for (int k = 0; k < 2; k++) {
			if (two[k].exec && !two[k].api->run(two[k].exec, two[k].in, two[k].out))
				return false;
			for (size_t e = 0; e < size; e++)
				patch[k][e] = 0;
			for (int64_t r = 0; r < rows; r++)
				take(&g, layer, two[k].x->data,
					(r * g.places / rows + shift) % g.places,
					patch[k] + r * width);
		}
		plan->see(plan->data, rows, patch[0], patch[1]);
	}
	return true;
}

bool az_patches(az_pass_ctx *pass, const az_round_layer *layer, const az_patch_plan *plan)
{
	probe two[2] = {0};
	az_arena_mark mark = az_arena_mark_get(&pass->scratch);
	two[0].in = two[1].in = make_inputs(&pass->scratch, layer->real->func);
	bool ok = open_probe(pass, layer->real->args[0].value, &two[0]) &&
		  open_probe(pass, layer->ours->args[0].value, &two[1]) &&
		  show(pass, layer, plan, two);
	close_probe(&two[0]);
	close_probe(&two[1]);
	az_arena_reset(&pass->scratch, mark);
	return ok;
}
