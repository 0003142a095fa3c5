/* SPDX-License-Identifier: Apache-2.0
 *
 * Fitting the layers of a narrowed network to what they gave before: with t the old layer's result at a
 * place (before its clamp) and x what the new layer reads there, weights and bias move by the D that makes
 *
 *   sum |t - (W + D) x|^2 + damp mean(diag H) |D|^2,    H = sum x x'
 *
 * smallest; one Cholesky factor per group of a layer (He et al., 1707.06168, section 3.1, with a step
 * towards the weights at hand in place of one towards zero). Layers are taken in order, so that each makes
 * up for what the ones before it lost. */
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "passes/insert.h"
#include "passes/rescale.h"
#include "passes/round.h"

#define PER_SAMPLE 64

/* Weights of one network's layer by channel: [groups][outputs][inner]. */
typedef struct side {
	const az_op *op;
	bool last;
	int64_t groups, outputs, inner;
	double *w, *bias;
} side;

typedef struct fit {
	side real, ours;
	const int64_t *from; /* by output channel of ours: the one of real */
	int64_t n;           /* unknowns of an output: inner, and the bias where there is one */
	float *h;            /* [groups][n][n], upper triangle */
	double *r;           /* [groups][outputs][n]: sum of residual times x */
} fit;

static void read_side(az_arena *arena, const az_op *op, side *s)
{
	const az_const *w = az_value_const(op->args[1].value);
	const az_value *bias = az_op_arg(op, 2);
	const az_type *type = w->value.type;
	s->op = op;
	s->last = op->code == AZ_OP_matmul;
	int64_t channels = type->dim[s->last ? type->rank - 1 : 0], count = az_type_numel(type);
	s->groups = az_op_groups(op);
	s->outputs = channels / s->groups;
	s->inner = count / AZ_MAX(channels, 1);
	s->w = az_new_array(arena, double, (size_t)count + 1);
	s->bias = az_new_array(arena, double, (size_t)channels + 1);
	for (int64_t i = 0; i < count; i++)
		s->w[i] =
			az_const_get(w, az_weight_place(type, s->last, i / s->inner, i % s->inner));
	for (int64_t c = 0; bias && c < channels; c++)
		s->bias[c] = az_const_get(az_value_const(bias), (uint64_t)c);
}

static double result_at(const side *s, int64_t channel, const float *row)
{
	const double *w = s->w + channel * s->inner;
	const float *x = row + channel / s->outputs * s->inner;
	double sum = s->bias[channel];
	for (int64_t i = 0; i < s->inner; i++)
		sum += w[i] * (double)x[i];
	return sum;
}

static void add_outer(const fit *f, const float *x, float *h)
{
	int64_t inner = f->ours.inner;
	for (int64_t i = 0; i < inner; i++) {
		float v = x[i];
		if (v == 0.0f)
			continue;
		for (int64_t j = i; j < inner; j++)
			h[i * f->n + j] += v * x[j];
		if (f->n > inner)
			h[i * f->n + inner] += v;
	}
	if (f->n > inner)
		h[f->n * f->n - 1] += 1;
}

static void add_rows(void *data, int64_t rows, const float *real, const float *ours)
{
	fit *f = data;
	const side *a = &f->real, *b = &f->ours;
	for (int64_t row = 0; row < rows; row++) {
		for (int64_t g = 0; g < b->groups; g++)
			add_outer(f, ours + g * b->inner, f->h + g * f->n * f->n);
		for (int64_t c = 0; c < b->groups * b->outputs; c++) {
			double residual = result_at(a, f->from[c], real) - result_at(b, c, ours);
			const float *x = ours + c / b->outputs * b->inner;
			double *r = f->r + c * f->n;
			for (int64_t i = 0; i < b->inner; i++)
				r[i] += residual * (double)x[i];
			if (f->n > b->inner)
				r[b->inner] += residual;
		}
		real += a->groups * a->inner;
		ours += b->groups * b->inner;
	}
}

/* Solves one group; where the samples show nothing its weights stay. */
static void solve(const fit *f, int64_t group, double damp, double *h)
{
	int64_t n = f->n, outputs = f->ours.outputs;
	const float *sum = f->h + group * n * n;
	double *r = f->r + group * outputs * n, mean = 0;
	for (int64_t i = 0; i < n; i++)
		mean += (double)sum[i * n + i] / (double)n;
	if (!(mean > 1e-30) || !isfinite(mean)) {
		memset(r, 0, (size_t)(outputs * n) * sizeof *r);
		return;
	}
	for (int64_t i = 0; i < n; i++) {
		for (int64_t j = i; j < n; j++)
			h[i * n + j] = (double)sum[i * n + j];
		h[i * n + i] += damp * mean;
	}
	/* Upper by rows is lower by columns; the right-hand sides are columns. */
	if (LAPACKE_dposv(LAPACK_COL_MAJOR, 'L', (lapack_int)n, (lapack_int)outputs, h,
		    (lapack_int)n, r, (lapack_int)n) != 0)
		memset(r, 0, (size_t)(outputs * n) * sizeof *r);
}

static void write_layer(const fit *f, az_op *op)
{
	const side *s = &f->ours;
	az_arena *arena = &op->func->module->arena;
	const az_type *type = op->args[1].value->type;
	int64_t channels = s->groups * s->outputs;
	float *w = az_new_array(arena, float, (size_t)az_type_numel(type) + 1);
	for (int64_t c = 0; c < channels; c++) {
		for (int64_t i = 0; i < s->inner; i++)
			w[az_weight_place(type, s->last, c, i)] =
				(float)(s->w[c * s->inner + i] + f->r[c * f->n + i]);
	}
	az_replace_numbers(op, 1, w, NULL);
	if (f->n == s->inner)
		return;
	float *bias = az_new_array(arena, float, (size_t)channels + 1);
	for (int64_t c = 0; c < channels; c++)
		bias[c] = (float)(s->bias[c] + f->r[c * f->n + s->inner]);
	az_replace_numbers(op, 2, bias, NULL);
}

static bool fit_layer(az_pass_ctx *pass, az_round_layer *layer, const int64_t *from, double damp)
{
	az_arena *arena = &pass->scratch;
	az_op *real = layer->real, *ours = layer->ours;
	fit f = {.from = from};
	read_side(arena, real, &f.real);
	read_side(arena, ours, &f.ours);
	f.n = f.ours.inner + (az_op_arg(ours, 2) != NULL);
	size_t n = (size_t)f.n, groups = (size_t)f.ours.groups;
	f.h = az_new_array(arena, float, groups *n *n + 1);
	f.r = az_new_array(arena, double, groups *(size_t)f.ours.outputs *n + 1);
	az_patch_plan plan = {PER_SAMPLE, add_rows, &f};
	if (!az_patches(pass, layer, &plan))
		return false;
	double *h = az_new_array(arena, double, n *n + 1);
	for (int64_t g = 0; g < f.ours.groups; g++)
		solve(&f, g, damp, h);
	for (size_t i = 0; i < groups * (size_t)f.ours.outputs * n; i++) {
		if (!isfinite(f.r[i]))
			return true;
	}
	write_layer(&f, ours);
	return true;
}

static bool fit_all(az_pass_ctx *pass, az_module *real, int64_t *const *outputs, double damp,
	az_walk walk[2])
{
	az_op *a = az_next_weighted(az_module_main(real)->first);
	az_op *b = az_next_weighted(az_module_main(pass->module)->first);
	uint64_t total = 0, done = 0;
	for (az_op *op = a; op; op = az_next_weighted(op->next))
		total++;
	for (; a && b; a = az_next_weighted(a->next), b = az_next_weighted(b->next)) {
		az_arena_mark mark = az_arena_mark_get(&pass->scratch);
		az_round_layer layer = {.real = a, .ours = b, .walk = {&walk[0], &walk[1]}};
		az_ctx_progress(pass->ctx, "rescale-widths: fitting", done, total);
		if (!fit_layer(pass, &layer, outputs[done], damp))
			return false;
		az_arena_reset(&pass->scratch, mark);
		done++;
	}
	az_ctx_progress(pass->ctx, "rescale-widths: fitting", total, total);
	return true;
}

bool az_reconstruct(az_pass_ctx *pass, az_module *real, int64_t *const *outputs, int64_t samples,
	double damp)
{
	az_walk walk[2] = {0};
	if (!pass->env->exec || !pass->env->calib || !pass->env->calib->count)
		return az_error(pass->ctx, pass->step->loc,
			"%s: there are no calibration samples to fit the layers to",
			pass->desc->name);
	az_walk_begin(&walk[0], pass, az_module_main(real), samples);
	az_walk_begin(&walk[1], pass, az_module_main(pass->module), samples);
	AZ_GUARD(pass->ctx, {
		az_walk_end(&walk[0]);
		az_walk_end(&walk[1]);
		return false;
	});
	bool ok = fit_all(pass, real, outputs, damp, walk);
	AZ_UNGUARD(pass->ctx);
	az_walk_end(&walk[0]);
	az_walk_end(&walk[1]);
	return ok;
}
