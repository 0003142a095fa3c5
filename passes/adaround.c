/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound: every weight is rounded down or up, whichever serves the layer's result (Nagel et al., arXiv
 * 2004.10568). With a number V for each weight,
 *
 *   h = clip(1.2 sigmoid(V) - 0.1, 0, 1)      w~ = below + h (above - below)
 *
 * where below and above are the numbers of the grid between which the weight lies.
 *
 * Adam minimizes mean |act(W x + b) - act(W~ x~ + b~)|^2 / mean |act(W x + b)|^2
 * + lambda sum(1 - |2h - 1|^beta), where act is the clamp behind the layer, x and x~ are what it reads in the
 * float network and in the quantized one, and beta falls from 20 to 2 and so drives every h to 0 or 1. The
 * gradient is written out below.
 *
 * Weights lie [group][inner][output] here, so that the innermost loops run over neighbouring outputs. */
#include <math.h>
#include <string.h>

#include "passes/round.h"

/* The hot loops for several instruction sets, the best of which is taken at run time; they add in the same
 * order and without contraction, so all give the same numbers. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__OPTIMIZE__)
#define FAST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FAST
#endif
/* Before the loops are looked at: they become vectors without calls and branches only. */
#define INSIDE __attribute__((always_inline)) static inline

#define PER_SAMPLE 32    /* output places of a sample that are learned from */
#define SHOW       64    /* steps between two signs of life */
#define BATCH      64    /* rows of one step */
#define LAMBDA     0.01f /* weight of the second term */
#define RATE       0.01f /* of Adam */
#define WARM_UP    0.2f  /* share of the steps before the second term begins */
#define BETA_FIRST 20.0f
#define BETA_LAST  2.0f
#define STRETCH    1.2f /* of the sigmoid, so that h reaches 0 and 1 */
#define MARGIN     0.1f

typedef struct learner {
	az_round_layer *layer;
	int64_t weights, channels, width; /* width of a row of patches */
	int64_t rows;
	float *x;              /* [rows][width], patches of the quantized network */
	float *y;              /* [rows][channels], what the float layer gives */
	float *v, *h;          /* [weights] */
	float *base;           /* [weights], the number of the grid below, in steps */
	int32_t *below;        /* [weights], as stored */
	float *w, *slope;      /* [weights], w~ and dh/dV */
	float *gradient;       /* [weights], of the first term by w~ */
	float *first, *second; /* [weights], Adam's moments */
	float *error;          /* [4][channels], gradient by the layer's result */
	float *step;           /* [weights], from there to the number above */
	float inverse;         /* 1 / mean |act(y)|^2 */
	uint64_t state;
} learner;

/* out[channel] += sum over the patch. */
static void apply(const az_round_layer *layer, const float *w, const float *x, float *out)
{
	int64_t n = layer->outputs;
	for (int64_t g = 0; g < layer->groups; g++, out += n) {
		for (int64_t k = 0; k < layer->inner; k++, w += n) {
			float v = *x++;
			if (v == 0.0f)
				continue;
			for (int64_t o = 0; o < n; o++)
				out[o] += v * w[o];
		}
	}
}

static float act(const az_round_layer *layer, float y)
{
	y = y < layer->lo ? layer->lo : y;
	return y > layer->hi ? layer->hi : y;
}

/* Keeps the quantized patches and what the float layer makes of its own; w holds the float weights. */
static void add_rows(void *data, int64_t rows, const float *real, const float *ours)
{
	learner *l = data;
	for (int64_t r = 0; r < rows; r++, l->rows++) {
		float *x = l->x + l->rows * l->width, *y = l->y + l->rows * l->channels;
		for (int64_t i = 0; i < l->width; i++)
			x[i] = ours[r * l->width + i];
		for (int64_t c = 0; c < l->channels; c++)
			y[c] = l->layer->bias[c];
		apply(l->layer, l->w, real + r * l->width, y);
		for (int64_t c = 0; c < l->channels; c++)
			y[c] = act(l->layer, y[c]);
	}
}

/* Index in the layer's weights of weight i of the learner's. */
static int64_t place(const az_round_layer *layer, int64_t i)
{
	int64_t o = i % layer->outputs, k = i / layer->outputs % layer->inner;
	int64_t g = i / layer->outputs / layer->inner;
	return (g * layer->outputs + o) * layer->inner + k;
}

static void begin(learner *l)
{
	const az_round_layer *layer = l->layer;
	for (int64_t i = 0; i < l->weights; i++) {
		int64_t at = place(layer, i);
		double scale = (double)layer->scale[layer->block[at]];
		int32_t q = az_round_below(layer, at, (double)layer->w[at] / scale);
		int32_t lower = az_round_number(layer, at, q);
		int32_t steps = az_round_number(layer, at, q + 1) - lower;
		/* Equal entries of a codebook are one step of nothing. */
		l->below[i] = q;
		l->step[i] = (float)(scale * (double)AZ_MAX(steps, 1));
		l->base[i] = (float)lower / (float)AZ_MAX(steps, 1);
		float part = layer->w[at] / l->step[i] - l->base[i];
		float sigmoid = (fminf(fmaxf(part, 0.0f), 1.0f) + MARGIN) / STRETCH;
		l->v[i] = -logf(1.0f / sigmoid - 1.0f);
	}
	double sum = 0;
	for (int64_t i = 0; i < l->rows * l->channels; i++)
		sum += (double)l->y[i] * (double)l->y[i];
	l->inverse = sum > 1e-30 && isfinite(sum) ? (float)((double)l->rows / sum) : 0.0f;
	l->inverse *= (float)l->channels;
}

/* 2^x for |x| < 126 and log2 x for normal x > 0, to 1e-4; plain arithmetic that compilers turn into vectors
 * and that is the same everywhere, as a C library's is not. */
INSIDE float power_of_two(float x)
{
	float whole = (float)(int32_t)(x + (x < 0.0f ? -0.5f : 0.5f)), f = x - whole;
	int32_t bits = ((int32_t)whole + 127) << 23;
	float scale;
	memcpy(&scale, &bits, sizeof scale);
	return scale *
	       (1.0f + f * (0.6931472f + f * (0.2402265f + f * (0.0555041f + f * 0.0096181f))));
}

INSIDE float log_of_two(float x)
{
	int32_t bits;
	memcpy(&bits, &x, sizeof bits);
	int32_t exponent = (bits - 0x3f3504f3) >> 23; /* mantissa from sqrt(1/2) to sqrt(2) */
	bits -= exponent * (1 << 23);
	memcpy(&x, &bits, sizeof x);
	float t = (x - 1.0f) / (x + 1.0f), u = t * t;
	return (float)exponent + t * (2.8853901f + u * (0.9617967f + u * 0.5770780f));
}

INSIDE float clip(float x, float lo, float hi)
{
	x = x < lo ? lo : x;
	return x > hi ? hi : x;
}

FAST static void soft_weights(learner *l)
{
	const float *v = l->v, *base = l->base, *scale = l->step;
	float *h = l->h, *slope = l->slope, *w = l->w;
	int64_t count = l->weights;
	for (int64_t i = 0; i < count; i++) {
		float sigmoid = 1.0f / (1.0f + power_of_two(clip(v[i] * -1.442695f, -60, 60)));
		float x = STRETCH * sigmoid - MARGIN;
		float inside = STRETCH * sigmoid * (1.0f - sigmoid);
		inside = x > 0.0f ? inside : 0.0f;
		slope[i] = x < 1.0f ? inside : 0.0f;
		h[i] = clip(x, 0.0f, 1.0f);
		w[i] = scale[i] * (base[i] + h[i]);
	}
}

/* What the layer gives for four rows. */
FAST static void forward(const learner *l, const float *const x[4], float *const out[4])
{
	const az_round_layer *layer = l->layer;
	int64_t n = layer->outputs, inner = layer->inner;
	for (int64_t g = 0; g < layer->groups; g++) {
		const float *w = l->w + g * inner * n;
		float *a = out[0] + g * n, *b = out[1] + g * n;
		float *c = out[2] + g * n, *d = out[3] + g * n;
		for (int64_t k = 0; k < inner; k++, w += n) {
			int64_t at = g * inner + k;
			float p = x[0][at], q = x[1][at], r = x[2][at], s = x[3][at];
			if (p == 0.0f && q == 0.0f && r == 0.0f && s == 0.0f)
				continue;
			for (int64_t o = 0; o < n; o++) {
				float by = w[o];
				a[o] += p * by;
				b[o] += q * by;
				c[o] += r * by;
				d[o] += s * by;
			}
		}
	}
}

/* Adds four rows to the gradient by w~. */
FAST static void backward(learner *l, const float *const x[4], float *const error[4])
{
	const az_round_layer *layer = l->layer;
	int64_t n = layer->outputs, inner = layer->inner;
	for (int64_t g = 0; g < layer->groups; g++) {
		float *gradient = l->gradient + g * inner * n;
		const float *a = error[0] + g * n, *b = error[1] + g * n;
		const float *c = error[2] + g * n, *d = error[3] + g * n;
		for (int64_t k = 0; k < inner; k++, gradient += n) {
			int64_t at = g * inner + k;
			float p = x[0][at], q = x[1][at], r = x[2][at], s = x[3][at];
			if (p == 0.0f && q == 0.0f && r == 0.0f && s == 0.0f)
				continue;
			for (int64_t o = 0; o < n; o++)
				gradient[o] += p * a[o] + q * b[o] + r * c[o] + s * d[o];
		}
	}
}

static void learn_rows(learner *l, const int64_t row[4])
{
	const az_round_layer *layer = l->layer;
	const float *x[4];
	float *error[4], factor = 2.0f * l->inverse / (float)BATCH;
	for (int k = 0; k < 4; k++) {
		x[k] = l->x + row[k] * l->width;
		error[k] = l->error + k * l->channels;
		memcpy(error[k], layer->bias_ours, (size_t)l->channels * sizeof(float));
	}
	forward(l, x, error);
	for (int k = 0; k < 4; k++) {
		const float *y = l->y + row[k] * l->channels;
		for (int64_t c = 0; c < l->channels; c++) {
			float z = error[k][c];
			bool inside = z > layer->lo && z < layer->hi;
			error[k][c] = inside ? factor * (z - y[c]) : 0.0f;
		}
	}
	backward(l, x, error);
}

/* Adds the slope of the second term where it counts. */
FAST static void push_apart(learner *l, float beta)
{
	const float *h = l->h;
	float *gradient = l->gradient, most = LAMBDA * 2.0f * beta;
	int64_t count = l->weights;
	for (int64_t i = 0; i < count; i++) {
		float d = 2.0f * h[i] - 1.0f, size = d < 0.0f ? -d : d;
		float steep = log_of_two(size < 1e-6f ? 1e-6f : size) * (beta - 1.0f);
		steep = most * power_of_two(clip(steep, -60, 60));
		gradient[i] += d < 0.0f ? steep : -steep;
	}
}

/* One step of Adam. `step` counts from 1. */
FAST static void descend(learner *l, int64_t step)
{
	float first = 1.0f / (1.0f - powf(0.9f, (float)step));
	float second = 1.0f / (1.0f - powf(0.999f, (float)step));
	const float *gradient = l->gradient, *by = l->slope;
	float *v = l->v, *mean = l->first, *square = l->second;
	int64_t count = l->weights;
	for (int64_t i = 0; i < count; i++) {
		float slope = gradient[i] * by[i];
		mean[i] = 0.9f * mean[i] + 0.1f * slope;
		square[i] = 0.999f * square[i] + 0.001f * slope * slope;
		v[i] -= RATE * (mean[i] * first) / (sqrtf(square[i] * second) + 1e-8f);
	}
}

/* The gradient by h, from that by w~. */
FAST static void by_rounding(learner *l)
{
	for (int64_t i = 0; i < l->weights; i++)
		l->gradient[i] *= l->step[i];
}

static void learn(az_ctx *ctx, learner *l, int64_t steps)
{
	for (int64_t step = 0; step < steps; step++) {
		if (step % SHOW == 0)
			az_ctx_progress(ctx, "round-weights",
				l->layer->work_before + (uint64_t)((double)l->weights *
								   (double)step / (double)steps),
				l->layer->work);
		float done = (float)step / (float)steps;
		soft_weights(l);
		memset(l->gradient, 0, (size_t)l->weights * sizeof(float));
		for (int64_t b = 0; b < BATCH; b += 4) {
			int64_t row[4];
			for (int k = 0; k < 4; k++) {
				/* Knuth's generator. */
				l->state = l->state * UINT64_C(6364136223846793005) +
					   UINT64_C(1442695040888963407);
				row[k] = (int64_t)((l->state >> 33) % (uint64_t)l->rows);
			}
			learn_rows(l, row);
		}
		by_rounding(l);
		if (done >= WARM_UP)
			push_apart(l, BETA_LAST + (BETA_FIRST - BETA_LAST) * (1.0f - done) /
							  (1.0f - WARM_UP));
		descend(l, step + 1);
	}
	soft_weights(l);
}

bool az_round_adaround(az_pass_ctx *pass, az_round_layer *layer)
{
	az_arena *arena = &pass->scratch;
	learner l = {.layer = layer, .state = 1};
	az_patch_plan plan = {PER_SAMPLE, add_rows, &l};
	l.channels = layer->groups * layer->outputs;
	l.width = layer->groups * layer->inner;
	l.weights = l.channels * layer->inner;
	size_t rows = (size_t)az_patch_rows(layer, &plan);
	if (rows == 0)
		return true;
	l.x = az_new_array(arena, float, rows *(size_t)l.width);
	l.y = az_new_array(arena, float, rows *(size_t)l.channels);
	l.error = az_new_array(arena, float, 4 * (size_t)l.channels);
	float **each[] = {
		&l.v, &l.h, &l.base, &l.w, &l.slope, &l.gradient, &l.first, &l.second, &l.step};
	for (size_t i = 0; i < AZ_COUNT(each); i++)
		*each[i] = az_new_array(arena, float, (size_t)l.weights);
	l.below = az_new_array(arena, int32_t, (size_t)l.weights);
	for (int64_t i = 0; i < l.weights; i++)
		l.w[i] = layer->w[place(layer, i)];
	if (!az_patches(pass, layer, &plan))
		return false;
	begin(&l);
	if (l.inverse == 0.0f)
		return true;
	learn(pass->ctx, &l, az_round_effort(pass, "iterations"));
	for (int64_t i = 0; i < l.weights; i++)
		layer->q[place(layer, i)] = l.below[i] + (l.h[i] >= 0.5f);
	return true;
}
