/* SPDX-License-Identifier: Apache-2.0
 *
 * Patches: what single output places of a layer sum over, in the float network and in the quantized one.
 * Both are walked from layer to layer; of every sample only some places are shown. Which places is the same
 * in every run. */
#include <string.h>

#include "ir/tensor.h"
#include "passes/round.h"

typedef struct geometry {
	const az_op *op;
	const az_type *x, *w, *y;
	bool product;     /* a matrix product: one tap */
	int64_t places;   /* output places, of all images */
	int64_t channels; /* of x */
	int64_t in_group, taps;
	int64_t width; /* of a patch: [groups][taps][in_group] */
} geometry;

/* Of one of the two networks; they may differ in channels, not in places. */
static geometry geometry_of(const az_op *op)
{
	geometry g = {.op = op,
		.x = op->args[0].value->type,
		.w = op->args[1].value->type,
		.y = op->results[0]->type,
		.product = op->code == AZ_OP_matmul,
		.taps = 1};
	g.places = az_type_numel(g.y) / AZ_MAX(g.y->dim[g.y->rank - 1], 1);
	g.channels = g.x->dim[g.x->rank - 1];
	g.in_group = g.channels / az_op_groups(op);
	for (uint32_t i = 1; !g.product && i + 1 < g.w->rank; i++)
		g.taps *= g.w->dim[i];
	g.width = g.channels * g.taps;
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
static void take(const geometry *g, const float *x, int64_t place, float *out)
{
	int64_t inner = g->taps * g->in_group;
	for (int64_t t = 0; t < g->taps; t++) {
		int64_t pixel = g->product ? place : source(g, place, t);
		for (int64_t c = 0; c < g->channels && pixel >= 0; c++)
			out[c / g->in_group * inner + t * g->in_group + c % g->in_group] =
				x[pixel * g->channels + c];
	}
}

int64_t az_patch_rows(const az_round_layer *layer, const az_patch_plan *plan)
{
	geometry g = geometry_of(layer->real);
	return (int64_t)layer->walk[0]->samples * AZ_MIN(g.places, plan->per_sample);
}

double *az_patch_inside(const az_round_layer *layer, int64_t *taps, az_arena *arena)
{
	geometry g = geometry_of(layer->real);
	double *share = az_new_array(arena, double, (size_t)g.taps);
	for (int64_t t = 0; t < g.taps; t++) {
		int64_t inside = 0;
		for (int64_t place = 0; place < g.places; place++)
			inside += g.product || source(&g, place, t) >= 0;
		share[t] = (double)inside / (double)AZ_MAX(g.places, 1);
	}
	*taps = g.taps;
	return share;
}

static void add_means(double *sum, int64_t width, int64_t rows, const float *patch)
{
	for (int64_t i = 0; i < rows * width; i++)
		sum[i % width] += (double)patch[i];
}

static bool show(az_pass_ctx *pass, az_round_layer *layer, const az_patch_plan *plan)
{
	const geometry g[2] = {geometry_of(layer->real), geometry_of(layer->ours)};
	int64_t places = g[0].places, rows = AZ_MIN(places, plan->per_sample);
	float *patch[2];
	uint64_t state = 1;
	for (int k = 0; k < 2; k++)
		patch[k] = az_new_array(&pass->scratch, float, (size_t)(rows * g[k].width) + 1);
	for (uint64_t i = 0; i < layer->walk[0]->samples; i++) {
		/* Knuth's generator: where in each of `rows` equal pieces a place is taken. */
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		int64_t shift = (int64_t)((state >> 33) % (uint64_t)AZ_MAX(places, 1));
		for (int k = 0; k < 2; k++) {
			const az_tensor *x = az_walk_run(layer->walk[k], i);
			if (!x)
				return false;
			memset(patch[k], 0, (size_t)(rows * g[k].width) * sizeof(float));
			for (int64_t r = 0; r < rows; r++)
				take(&g[k], x->data, (r * places / rows + shift) % places,
					patch[k] + r * g[k].width);
			add_means(layer->sum[k], g[k].width, rows, patch[k]);
		}
		layer->rows += rows;
		if (plan->see)
			plan->see(plan->data, rows, patch[0], patch[1]);
	}
	return true;
}

bool az_patches(az_pass_ctx *pass, az_round_layer *layer, const az_patch_plan *plan)
{
	az_arena *arena = &pass->scratch;
	const az_op *const op[2] = {layer->real, layer->ours};
	for (int k = 0; k < 2; k++)
		layer->sum[k] = az_new_array(arena, double, (size_t)geometry_of(op[k]).width + 1);
	az_arena_mark mark = az_arena_mark_get(arena);
	bool ok = az_walk_open(layer->walk[0], layer->real) &&
		  az_walk_open(layer->walk[1], layer->ours) && show(pass, layer, plan);
	if (ok) {
		az_walk_close(layer->walk[0]);
		az_walk_close(layer->walk[1]);
	}
	az_arena_reset(arena, mark);
	return ok;
}
