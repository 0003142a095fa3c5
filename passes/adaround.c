/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound: every weight is rounded down or up, whichever serves the layer's result (Nagel et al., arXiv
 * 2004.10568). With a number V for each weight,
 *
 *   h = clip(1.2 sigmoid(V) - 0.1, 0, 1)      w~ = scale * (floor(w / scale) + h)
 *
 * Adam minimizes mean |act(W x + b) - act(W~ x~ + b~)|^2 / mean |act(W x + b)|^2
 * + lambda sum(1 - |2h - 1|^beta), where act is the clamp behind the layer, x and x~ are what it reads in the
 * float network and in the quantized one, and beta falls from 20 to 2 and so drives every h to 0 or 1. The
 * gradient is written out below.
 *
 * Weights lie [group][inner][output] here, so that the innermost loops run over neighbouring outputs. */
#include <math.h>

#include "passes/round.h"

#define PER_SAMPLE 32    /* output places of a sample that are learned from */
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
	float *base;           /* [weights], the grid point below */
	float *w, *slope;      /* [weights], w~ and dh/dV */
	float *gradient;       /* [weights], of the first term by w~ */
	float *first, *second; /* [weights], Adam's moments */
	float *error;          /* [channels], gradient by the layer's result */
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
	float least = -(float)layer->most, most = (float)layer->most - 1.0f;
	for (int64_t i = 0; i < l->weights; i++) {
		int64_t at = place(layer, i);
		float x = layer->w[at] / layer->scale[at / layer->inner];
		l->base[i] = fminf(fmaxf(floorf(x), least), most);
		float part = fminf(fmaxf(x - l->base[i], 0.0f), 1.0f);
		float sigmoid = (part + MARGIN) / STRETCH;
		l->v[i] = -logf(1.0f / sigmoid - 1.0f);
	}
	double sum = 0;
	for (int64_t i = 0; i < l->rows * l->channels; i++)
		sum += (double)l->y[i] * (double)l->y[i];
	l->inverse = sum > 1e-30 && isfinite(sum) ? (float)((double)l->rows / sum) : 0.0f;
	l->inverse *= (float)l->channels;
}

static void soft_weights(learner *l)
{
	const az_round_layer *layer = l->layer;
	for (int64_t i = 0; i < l->weights; i++) {
		float sigmoid = 1.0f / (1.0f + expf(-l->v[i]));
		float h = STRETCH * sigmoid - MARGIN;
		l->slope[i] = h > 0.0f && h < 1.0f ? STRETCH * sigmoid * (1.0f - sigmoid) : 0.0f;
		l->h[i] = fminf(fmaxf(h, 0.0f), 1.0f);
	}
	for (int64_t i = 0; i < l->weights; i++) {
		int64_t c = i / layer->outputs / layer->inner * layer->outputs + i % layer->outputs;
		l->w[i] = layer->scale[c] * (l->base[i] + l->h[i]);
	}
}

/* Adds one row of the batch to the gradient by w~. */
static void learn_row(learner *l, int64_t row, float *error)
{
	const az_round_layer *layer = l->layer;
	const float *x = l->x + row * l->width, *y = l->y + row * l->channels;
	int64_t n = layer->outputs;
	for (int64_t c = 0; c < l->channels; c++)
		error[c] = layer->bias_ours[c];
	apply(layer, l->w, x, error);
	float factor = 2.0f * l->inverse / (float)BATCH;
	for (int64_t c = 0; c < l->channels; c++) {
		bool inside = error[c] > layer->lo && error[c] < layer->hi;
		error[c] = inside ? factor * (error[c] - y[c]) : 0.0f;
	}
	float *gradient = l->gradient;
	for (int64_t g = 0; g < layer->groups; g++, error += n) {
		for (int64_t k = 0; k < layer->inner; k++, gradient += n) {
			float v = *x++;
			if (v == 0.0f)
				continue;
			for (int64_t o = 0; o < n; o++)
				gradient[o] += v * error[o];
		}
	}
}

/* One step of Adam; `beta` 0: without the second term. `step` counts from 1. */
static void descend(learner *l, float beta, int64_t step)
{
	const az_round_layer *layer = l->layer;
	float first = 1.0f - powf(0.9f, (float)step), second = 1.0f - powf(0.999f, (float)step);
	for (int64_t i = 0; i < l->weights; i++) {
		int64_t c = i / layer->outputs / layer->inner * layer->outputs + i % layer->outputs;
		float by_h = l->gradient[i] * layer->scale[c];
		if (beta > 0.0f) {
			float d = 2.0f * l->h[i] - 1.0f, steep = powf(fabsf(d), beta - 1.0f);
			by_h -= LAMBDA * 2.0f * beta * (d < 0.0f ? -steep : steep);
		}
		float slope = by_h * l->slope[i];
		l->first[i] = 0.9f * l->first[i] + 0.1f * slope;
		l->second[i] = 0.999f * l->second[i] + 0.001f * slope * slope;
		l->v[i] -= RATE * (l->first[i] / first) / (sqrtf(l->second[i] / second) + 1e-8f);
	}
}

static void learn(learner *l, int64_t steps)
{
	for (int64_t step = 0; step < steps; step++) {
		float done = (float)step / (float)steps, beta = 0.0f;
		if (done >= WARM_UP)
			beta = BETA_LAST +
			       (BETA_FIRST - BETA_LAST) * (1.0f - done) / (1.0f - WARM_UP);
		soft_weights(l);
		for (int64_t i = 0; i < l->weights; i++)
			l->gradient[i] = 0;
		for (int64_t b = 0; b < BATCH; b++) {
			/* Knuth's generator. */
			l->state = l->state * UINT64_C(6364136223846793005) +
				   UINT64_C(1442695040888963407);
			learn_row(l, (int64_t)((l->state >> 33) % (uint64_t)l->rows), l->error);
		}
		descend(l, beta, step + 1);
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
	l.error = az_new_array(arena, float, (size_t)l.channels);
	float **each[] = {&l.v, &l.h, &l.base, &l.w, &l.slope, &l.gradient, &l.first, &l.second};
	for (size_t i = 0; i < AZ_COUNT(each); i++)
		*each[i] = az_new_array(arena, float, (size_t)l.weights);
	for (int64_t i = 0; i < l.weights; i++)
		l.w[i] = layer->w[place(layer, i)];
	if (!az_patches(pass, layer, &plan))
		return false;
	begin(&l);
	if (l.inverse == 0.0f)
		return true;
	learn(&l, az_pass_int(pass, "iterations"));
	for (int64_t i = 0; i < l.weights; i++)
		layer->q[place(layer, i)] = (int32_t)l.base[i] + (l.h[i] >= 0.5f);
	return true;
}
