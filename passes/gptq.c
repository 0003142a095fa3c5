/* SPDX-License-Identifier: Apache-2.0
 *
 * GPTQ: weights are rounded one after the other, and the error of each is made up for by those not yet
 * rounded, by the second derivatives H = sum x x' of the layer's squared error over the samples (Frantar et
 * al., arXiv 2210.17323). With U the upper Cholesky factor of the inverse of H + damping:
 *
 *   q[i] = nearest(w[i])     w[j] -= (w[i] - q[i]) / U[i][i] * U[i][j]  for j > i
 *
 * x is what the layer reads in the network whose earlier layers are rounded already. To make up for those,
 * too, w begins not at the float weights but at those whose results with x are nearest to the float layer's
 * with its own input z: w + (H + damping)^-1 sum w (z - x) x'. Where the bias will take up the mean, H and
 * that sum are taken about the means.
 *
 * Of few bits the best scale is another one than for rounding to nearest, since what is clipped is passed on:
 * several are tried. Then single weights move by a step while the error falls. The sum of squares
 * e' (H + damping) e says at every turn which of two choices is better.
 *
 * Layers that sum over very many numbers are taken in pieces, as if those were not correlated between two
 * pieces: H grows with the square of a piece. */
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "passes/round.h"

#define PER_SAMPLE 64 /* output places of a sample that enter H */
#define FEW        8  /* numbers of a grid with so many or fewer: scales are tried */
#define SWEEPS     8  /* over the weights of a channel, at most */

static const double factors[] = {1.0, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.35, 1.5};

typedef struct moments {
	const az_round_layer *layer;
	int64_t pieces, length; /* the last piece may be shorter */
	float *h;               /* [groups][pieces][length][length], the upper triangle: sum x x' */
	double *r;              /* [groups][outputs][inner]: sum w (z - x) x' */
	float *lost;            /* [inner]: z - x of a row */
} moments;

static int64_t piece_length(const moments *sum, int64_t piece)
{
	return AZ_MIN(sum->length, sum->layer->inner - piece * sum->length);
}

static float *piece_of(const moments *sum, int64_t group, int64_t piece)
{
	return sum->h + (group * sum->pieces + piece) * sum->length * sum->length;
}

static void add_products(float *h, int64_t n, const float *x)
{
	for (int64_t i = 0; i < n; i++, h += n) {
		float v = x[i];
		for (int64_t j = i; v != 0.0f && j < n; j++)
			h[j] += v * x[j];
	}
}

static void add_rows(void *data, int64_t rows, const float *real, const float *ours)
{
	moments *sum = data;
	const az_round_layer *layer = sum->layer;
	int64_t n = layer->inner, groups = layer->groups;
	for (int64_t r = 0; r < rows * groups; r++) {
		const float *x = ours + r * n, *z = real + r * n;
		int64_t g = r % groups;
		for (int64_t p = 0; p < sum->pieces; p++)
			add_products(piece_of(sum, g, p), piece_length(sum, p),
				x + p * sum->length);
		for (int64_t i = 0; i < n; i++)
			sum->lost[i] = z[i] - x[i];
		for (int64_t c = g * layer->outputs; c < (g + 1) * layer->outputs; c++) {
			const float *w = layer->w + c * n;
			float lost = 0;
			for (int64_t i = 0; i < n; i++)
				lost += w[i] * sum->lost[i];
			double *to = sum->r + c * n;
			for (int64_t i = 0; i < n; i++)
				to[i] += (double)(lost * x[i]);
		}
	}
}

/* Sums about the means; sum[0] and sum[1] hold those of z and x. */
static void centre(moments *sum)
{
	const az_round_layer *layer = sum->layer;
	int64_t n = layer->inner;
	double rows = (double)AZ_MAX(layer->rows, 1);
	for (int64_t g = 0; g < layer->groups; g++) {
		const double *z = layer->sum[0] + g * n, *x = layer->sum[1] + g * n;
		for (int64_t p = 0; p < sum->pieces; p++) {
			const double *part = x + p * sum->length;
			float *h = piece_of(sum, g, p);
			int64_t length = piece_length(sum, p);
			for (int64_t i = 0; i < length; i++) {
				for (int64_t j = i; j < length; j++)
					h[i * length + j] -= (float)(part[i] * part[j] / rows);
			}
		}
		for (int64_t c = g * layer->outputs; c < (g + 1) * layer->outputs; c++) {
			double lost = 0;
			for (int64_t i = 0; i < n; i++)
				lost += (double)layer->w[c * n + i] * (z[i] - x[i]);
			for (int64_t i = 0; i < n; i++)
				sum->r[c * n + i] -= lost * x[i] / rows;
		}
	}
}

/* What is known of a piece of a group. */
typedef struct problem {
	int64_t n;
	double *h;     /* [n][n], damped, both triangles */
	double *lower; /* its Cholesky factor, by columns */
	double *u;     /* the factor of the inverse, upper by rows */
	double mean;   /* of the diagonal, by which h was divided */
} problem;

/* False when the samples show nothing. */
static bool factor(problem *p, const float *h, double damp)
{
	int64_t n = p->n;
	size_t size_bytes = (size_t)n * (size_t)n * sizeof(double);
	p->mean = 0;
	for (int64_t i = 0; i < n; i++)
		p->mean += (double)h[i * n + i] / (double)n;
	if (!(p->mean > 1e-30) || !isfinite(p->mean))
		return false;
	for (int64_t i = 0; i < n; i++) {
		for (int64_t j = i; j < n; j++)
			p->h[i * n + j] = p->h[j * n + i] = (double)h[i * n + j] / p->mean;
		p->h[i * n + i] += damp;
	}
	/* Column-major calls: for a symmetric matrix its lower triangle is the upper one by rows. */
	lapack_int size = (lapack_int)n;
	memcpy(p->lower, p->h, size_bytes);
	if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', size, p->lower, size) != 0)
		return false;
	memcpy(p->u, p->lower, size_bytes);
	/* inverse = L L' by columns, and L' is U read by rows. */
	return LAPACKE_dpotri(LAPACK_COL_MAJOR, 'L', size, p->u, size) == 0 &&
	       LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', size, p->u, size) == 0;
}

/* One channel under way. */
typedef struct channel {
	az_round_layer *layer;
	const problem *p;
	int64_t first; /* its first weight */
	double *goal;  /* [n], the weights that serve best */
	double *w;     /* [n] */
	double *slope; /* [n] */
	int32_t *q, *best;
	double times, best_times, least; /* of the scales; the error with the best */
} channel;

static double scale_at(const channel *c, int64_t i)
{
	return (double)c->layer->scale[c->layer->block[c->first + i]] * c->times;
}

static double meaning(const channel *c, int64_t i, int32_t q)
{
	return scale_at(c, i) * (double)az_round_number(c->layer, c->first + i, q);
}

static void pass_on(channel *c)
{
	int64_t n = c->p->n;
	memcpy(c->w, c->goal, (size_t)n * sizeof *c->w);
	for (int64_t i = 0; i < n; i++) {
		const double *u = c->p->u + i * n;
		c->q[i] = az_round_nearest(c->layer, c->first + i, c->w[i] / scale_at(c, i));
		double error = (c->w[i] - meaning(c, i, c->q[i])) / u[i];
		for (int64_t j = i + 1; j < n; j++)
			c->w[j] -= error * u[j];
	}
}

/* Half the derivative of the error by each weight; gives the error. */
static double slopes(channel *c)
{
	int64_t n = c->p->n;
	double sum = 0;
	memset(c->slope, 0, (size_t)n * sizeof *c->slope);
	for (int64_t i = 0; i < n; i++)
		c->w[i] = meaning(c, i, c->q[i]) - c->goal[i];
	for (int64_t i = 0; i < n; i++) {
		const double *h = c->p->h + i * n;
		for (int64_t j = 0; j < n; j++)
			c->slope[j] += c->w[i] * h[j];
	}
	for (int64_t i = 0; i < n; i++)
		sum += c->slope[i] * c->w[i];
	return sum;
}

/* Each weight to the number that serves best while the others stay, until nothing moves; gives the error. */
static double settle(channel *c)
{
	int64_t n = c->p->n;
	double error = slopes(c);
	for (int sweep = 0; sweep < SWEEPS; sweep++) {
		bool moved = false;
		for (int64_t i = 0; i < n; i++) {
			const double *h = c->p->h + i * n;
			double is = meaning(c, i, c->q[i]);
			double best = (is - c->slope[i] / h[i]) / scale_at(c, i);
			int32_t q = az_round_nearest(c->layer, c->first + i, best);
			double by = meaning(c, i, q) - is;
			double gain = -by * (2 * c->slope[i] + by * h[i]);
			if (q == c->q[i] || gain <= 1e-12 * error)
				continue;
			c->q[i] = q;
			error -= gain;
			moved = true;
			for (int64_t j = 0; j < n; j++)
				c->slope[j] += by * h[j];
		}
		if (!moved)
			break;
	}
	return error;
}

static void keep(channel *c, double error)
{
	if (!(error < c->least))
		return;
	c->least = error;
	c->best_times = c->times;
	memcpy(c->best, c->q, (size_t)c->p->n * sizeof *c->q);
}

/* The factor of the scales that serves the best choice best. */
static double fitted_times(channel *c)
{
	int64_t n = c->p->n;
	double qw = 0, qq = 0;
	c->times = 1;
	for (int64_t i = 0; i < n; i++)
		c->w[i] = meaning(c, i, c->best[i]);
	for (int64_t i = 0; i < n; i++) {
		const double *h = c->p->h + i * n;
		double sum = 0;
		for (int64_t j = 0; j < n; j++)
			sum += h[j] * c->w[j];
		qw += sum * c->goal[i];
		qq += sum * c->w[i];
	}
	return qq > 0 ? qw / qq : 1;
}

static void try_times(channel *c, double times)
{
	c->times = times;
	pass_on(c);
	keep(c, settle(c));
}

static void round_channel(channel *c)
{
	az_round_layer *layer = c->layer;
	int64_t n = c->p->n;
	bool whole = n == layer->inner; /* else pieces share scales */
	bool few = whole && layer->most - layer->least < FEW && layer->own_scales && !layer->powers;
	c->least = INFINITY;
	c->times = c->best_times = 1;
	memcpy(c->q, layer->q + c->first, (size_t)n * sizeof *c->q);
	memcpy(c->best, c->q, (size_t)n * sizeof *c->q);
	for (size_t i = 0; i < (few ? AZ_COUNT(factors) : 1); i++)
		try_times(c, factors[i]);
	for (int i = 0; few && i < 2; i++) {
		double times = fitted_times(c);
		if (times > 0.1 && times < 10)
			try_times(c, times);
	}
	memcpy(layer->q + c->first, c->best, (size_t)n * sizeof *c->q);
	if (c->best_times == 1)
		return;
	int32_t last = -1;
	for (int64_t i = 0; i < n; i++) {
		int32_t block = layer->block[c->first + i];
		if (block > last)
			layer->scale[block] *= (float)c->best_times;
		last = AZ_MAX(last, block);
	}
}

/* One piece of all channels of a group. */
static void round_piece(channel *c, problem *p, const moments *sum, int64_t group, int64_t piece)
{
	const az_round_layer *layer = sum->layer;
	/* Each piece makes up for its share of what earlier layers lost. */
	double share = 1 / (p->mean * (double)sum->pieces);
	for (int64_t o = group * layer->outputs; o < (group + 1) * layer->outputs; o++) {
		c->first = o * layer->inner + piece * sum->length;
		for (int64_t i = 0; i < p->n; i++)
			c->goal[i] = sum->r[c->first + i] * share;
		if (LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'L', (lapack_int)p->n, 1, p->lower,
			    (lapack_int)p->n, c->goal, (lapack_int)p->n) != 0)
			memset(c->goal, 0, (size_t)p->n * sizeof *c->goal);
		for (int64_t i = 0; i < p->n; i++)
			c->goal[i] += (double)layer->w[c->first + i];
		round_channel(c);
	}
}

bool az_round_gptq(az_pass_ctx *pass, az_round_layer *layer)
{
	az_arena *arena = &pass->scratch;
	size_t inner = (size_t)layer->inner;
	int64_t longest = AZ_MIN(az_pass_int(pass, "piece"), layer->inner);
	moments sum = {.layer = layer, .pieces = (layer->inner + longest - 1) / longest};
	sum.length = (layer->inner + sum.pieces - 1) / sum.pieces;
	size_t n = (size_t)sum.length;
	sum.h = az_new_array(arena, float, (size_t)(layer->groups * sum.pieces) * n * n);
	sum.r = az_new_array(arena, double, (size_t)(layer->groups * layer->outputs) * inner);
	sum.lost = az_new_array(arena, float, inner);
	az_patch_plan plan = {PER_SAMPLE, add_rows, &sum};
	problem p = {.h = az_new_array(arena, double, n *n),
		.lower = az_new_array(arena, double, n *n),
		.u = az_new_array(arena, double, n *n)};
	channel c = {.layer = layer, .p = &p};
	double **each[] = {&c.goal, &c.w, &c.slope};
	for (size_t i = 0; i < AZ_COUNT(each); i++)
		*each[i] = az_new_array(arena, double, n);
	c.q = az_new_array(arena, int32_t, n);
	c.best = az_new_array(arena, int32_t, n);
	if (!az_patches(pass, layer, &plan))
		return false;
	if (az_pass_flag(pass, "bias"))
		centre(&sum);
	for (int64_t k = 0; k < layer->groups * sum.pieces; k++) {
		int64_t group = k / sum.pieces, piece = k % sum.pieces;
		p.n = piece_length(&sum, piece);
		if (factor(&p, piece_of(&sum, group, piece), (double)az_pass_real(pass, "damp")))
			round_piece(&c, &p, &sum, group, piece);
	}
	return true;
}
