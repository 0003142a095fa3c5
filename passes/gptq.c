/* SPDX-License-Identifier: Apache-2.0
 *
 * GPTQ: weights are rounded one after the other, and the error of each is made up for by those not yet
 * rounded, by the second derivatives H = 2 sum x x' of the layer's squared error over the samples
 * (Frantar et al., arXiv 2210.17323). With U the upper Cholesky factor of the inverse of H + damping:
 *
 *   q[i] = round(w[i] / scale)     w[j] -= (w[i] - q[i] scale) / U[i][i] * U[i][j]  for j > i
 *
 * x is what the layer reads in the network whose earlier layers are rounded already. */
#include <lapacke.h>
#include <math.h>

#include "passes/round.h"

#define PER_SAMPLE 64 /* output places of a sample that enter H */

typedef struct hessian {
	const az_round_layer *layer;
	float *h; /* [groups][inner][inner], the upper triangle */
} hessian;

static void add_rows(void *data, int64_t rows, const float *real, const float *ours)
{
	hessian *sum = data;
	int64_t n = sum->layer->inner, groups = sum->layer->groups;
	(void)real;
	for (int64_t r = 0; r < rows * groups; r++) {
		const float *x = ours + r * n;
		float *h = sum->h + r % groups * n * n;
		for (int64_t i = 0; i < n; i++) {
			float v = x[i];
			if (v == 0.0f)
				continue;
			for (int64_t j = i; j < n; j++)
				h[i * n + j] += v * x[j];
		}
	}
}

/* The upper Cholesky factor of the inverse of h with damping, which does not depend on the scale of h;
 * false when the samples show nothing. */
static bool factor(const float *h, int64_t n, double damp, double *u)
{
	double mean = 0;
	for (int64_t i = 0; i < n; i++)
		mean += (double)h[i * n + i] / (double)n;
	if (!(mean > 1e-30) || !isfinite(mean))
		return false;
	for (int64_t i = 0; i < n; i++) {
		for (int64_t j = i; j < n; j++)
			u[i * n + j] = u[j * n + i] = (double)h[i * n + j] / mean;
		u[i * n + i] += damp;
	}
	/* Column-major calls: for a symmetric matrix its lower triangle is the upper one by rows. */
	lapack_int size = (lapack_int)n;
	if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', size, u, size) != 0 ||
		LAPACKE_dpotri(LAPACK_COL_MAJOR, 'L', size, u, size) != 0)
		return false;
	/* inverse = L L' by columns, and L' is U read by rows. */
	return LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', size, u, size) == 0;
}

static void round_channel(const az_round_layer *layer, int64_t c, const double *u, double *w)
{
	int64_t n = layer->inner;
	double scale = (double)layer->scale[c], most = (double)layer->most,
	       least = (double)layer->least;
	for (int64_t i = 0; i < n; i++)
		w[i] = (double)layer->w[c * n + i];
	for (int64_t i = 0; i < n; i++) {
		double q = fmin(fmax(rint(w[i] / scale), least), most);
		double error = (w[i] - q * scale) / u[i * n + i];
		layer->q[c * n + i] = (int32_t)q;
		for (int64_t j = i + 1; j < n; j++)
			w[j] -= error * u[i * n + j];
	}
}

bool az_round_gptq(az_pass_ctx *pass, az_round_layer *layer)
{
	az_arena *arena = &pass->scratch;
	size_t n = (size_t)layer->inner;
	hessian sum = {layer, az_new_array(arena, float, (size_t)layer->groups *n *n)};
	az_patch_plan plan = {PER_SAMPLE, add_rows, &sum};
	double *u = az_new_array(arena, double, n *n), *w = az_new_array(arena, double, n);
	if (!az_patches(pass, layer, &plan))
		return false;
	for (int64_t g = 0; g < layer->groups; g++) {
		if (!factor(sum.h + (size_t)g * n * n, layer->inner,
			    (double)az_pass_real(pass, "damp"), u))
			continue;
		for (int64_t c = 0; c < layer->outputs; c++)
			round_channel(layer, g * layer->outputs + c, u, w);
	}
	return true;
}
