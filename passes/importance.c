/* SPDX-License-Identifier: Apache-2.0
 *
 * How much a channel matters.
 *
 *   magnitude    the squared weights that make it (Li et al., 1608.08710, with the square of the norm);
 *                every tensor counts alike, whatever its scale
 *   activation   E[x^2] times the squared weights that read it: what its readers lose without it, were
 *                channels independent (He et al., 1707.06168, objective 1)
 *   taylor       |dL / da| of a factor a on the channel (Molchanov et al., 1906.10771, equation 8), by a
 *                finite difference; L is the cross-entropy of the samples' labels. Without labels L is
 *                the squared change of the outputs, which has no slope where nothing changed yet: the
 *                channel is then taken away altogether */
#include <math.h>
#include <string.h>

#include "passes/observe.h"
#include "passes/rescale.h"

static uint32_t unit_at(const az_channels *ch, const az_value *v, uint32_t dim, int64_t i)
{
	return ch->unit[az_channel_label(ch, v, dim, i)];
}

void az_channel_add_shares(const az_channels *ch, const az_value *v, uint32_t dim,
	const double *share, double *score)
{
	double sum = 0;
	for (int64_t i = 0; i < v->type->dim[dim]; i++)
		sum += share[i];
	for (int64_t i = 0; sum > 0 && i < v->type->dim[dim]; i++) {
		uint32_t unit = unit_at(ch, v, dim, i);
		if (unit != AZ_CHANNEL_FIXED)
			score[unit] += share[i] / sum;
	}
}

double *az_channel_measure(az_arena *arena, const az_const *c, uint32_t dim, bool squares)
{
	const az_type *type = c->value.type;
	uint64_t stride = 1, size = (uint64_t)type->dim[dim];
	double *out = az_new_array(arena, double, size + 1);
	for (uint32_t d = dim + 1; d < type->rank; d++)
		stride *= (uint64_t)type->dim[d];
	for (uint64_t i = 0; i < (uint64_t)az_type_numel(type); i++) {
		double x = fabs(az_const_get(c, i)), *at = &out[i / stride % size];
		*at = squares ? *at + x * x : fmax(*at, x);
	}
	return out;
}

uint32_t az_weights_output_dim(const az_op *op)
{
	return op->code == AZ_OP_matmul ? 1 : 0;
}

uint32_t az_weights_input_dim(const az_op *op)
{
	return op->code == AZ_OP_matmul ? 0 : op->args[1].value->type->rank - 1u;
}

static bool by_magnitude(az_pass_ctx *pass, const az_channels *ch, int64_t samples, double *score)
{
	(void)samples;
	az_op *op = az_next_weighted(az_module_main(ch->module)->first);
	for (; op; op = az_next_weighted(op->next)) {
		const az_value *w = op->args[1].value;
		uint32_t dim = az_weights_output_dim(op);
		az_channel_add_shares(ch, w, dim,
			az_channel_measure(&pass->scratch, az_value_const(w), dim, true), score);
	}
	return true;
}

/* --- Activation --------------------------------------------------------------------------------- */

typedef struct squares {
	const az_value **value;
	double **sum; /* by observed value, by its last dimension */
} squares;

static void add_squares(void *data, uint32_t index, const az_tensor *tensor)
{
	squares *s = data;
	const float *x = tensor->data;
	int64_t channels = tensor->type->dim[tensor->type->rank - 1];
	for (int64_t i = 0; i < az_type_numel(tensor->type); i++)
		s->sum[index][i % channels] += (double)x[i] * (double)x[i];
}

static bool by_activation(az_pass_ctx *pass, const az_channels *ch, int64_t samples, double *score)
{
	az_arena *arena = &pass->scratch;
	uint32_t layers = 0;
	az_op *first = az_next_weighted(az_module_main(ch->module)->first);
	for (az_op *op = first; op; op = az_next_weighted(op->next))
		layers++;
	az_value **value = az_new_array(arena, az_value *, layers + 1u);
	squares s = {.sum = az_new_array(arena, double *, layers + 1u)};
	layers = 0;
	for (az_op *op = first; op; op = az_next_weighted(op->next)) {
		az_value *x = op->args[0].value;
		s.sum[layers] =
			az_new_array(arena, double, (size_t)x->type->dim[x->type->rank - 1] + 1);
		value[layers++] = x;
	}
	az_observer observer = {"rescale-widths: activations", layers, value, add_squares, &s};
	if (!az_observe(pass, samples, &observer))
		return false;
	layers = 0;
	for (az_op *op = first; op; op = az_next_weighted(op->next), layers++) {
		const az_value *x = op->args[0].value, *w = op->args[1].value;
		uint32_t dim = az_weights_input_dim(op);
		double *read = az_channel_measure(arena, az_value_const(w), dim, true);
		double *share = s.sum[layers];
		int64_t channels = x->type->dim[x->type->rank - 1], inputs = w->type->dim[dim];
		for (int64_t i = 0; i < channels; i++)
			share[i] *= read[i % inputs];
		az_channel_add_shares(ch, x, x->type->rank - 1u, share, score);
	}
	return true;
}

/* --- Taylor ------------------------------------------------------------------------------------- */

#define STEP 0.05f

typedef struct slopes {
	az_pass_ctx *pass;
	const az_channels *ch;
	az_module *clone;
	az_exec *exec;
	uint32_t inputs; /* of the network; the factors follow */
	uint32_t layers;
	const az_value **made; /* the layers' results in ch->module */
	az_tensor *in, *out;
	float **before; /* outputs of each sample when nothing is changed */
	double *base;   /* loss of each sample then */
	int64_t samples;
	bool labels;
} slopes;

/* A factor per channel behind every layer, as parameters of the clone. */
static bool add_factors(slopes *s)
{
	az_func *main = az_module_main(s->clone);
	const az_op *twin = az_next_weighted(az_module_main(s->ch->module)->first);
	s->inputs = main->params.count;
	for (az_op *op = az_next_weighted(main->first); op;
		op = az_next_weighted(op->next), twin = az_next_weighted(twin->next)) {
		az_value *y = op->results[0];
		int64_t channels = y->type->dim[y->type->rank - 1];
		az_value *factor = az_func_add_param(main, "factor",
			az_type_get(s->pass->ctx, AZ_F32, 1, &channels));
		az_builder at = {main, op->next, op->loc};
		az_value *args[2] = {y, factor};
		az_value *scaled = az_build(&at, AZ_OP_mul, 2, args, NULL, AZ_F32);
		if (!scaled)
			return false;
		az_value_replace_uses(y, scaled);
		az_op_set_arg(az_value_op(scaled), 0, y);
		s->made[s->layers++] = twin->results[0];
	}
	return true;
}

static void set_factors(slopes *s, uint32_t unit, float factor)
{
	for (uint32_t l = 0; l < s->layers; l++) {
		const az_value *y = s->made[l];
		uint32_t last = y->type->rank - 1u;
		float *v = s->in[s->inputs + l].data;
		for (int64_t i = 0; i < y->type->dim[last]; i++) {
			if (unit == AZ_CHANNEL_FIXED || unit_at(s->ch, y, last, i) == unit)
				v[i] = factor;
		}
	}
}

/* -log of the softmax of the first output at the label; probabilities are taken as they are. */
static double cross_entropy(const az_tensor *out, int64_t label, bool probabilities)
{
	const float *x = out->data;
	int64_t n = az_type_numel(out->type);
	double most = -INFINITY, sum = 0;
	if (label < 0 || label >= n)
		return 0;
	if (probabilities)
		return -log(fmax((double)x[label], 1e-12));
	for (int64_t i = 0; i < n; i++)
		most = fmax(most, (double)x[i]);
	for (int64_t i = 0; i < n; i++)
		sum += exp((double)x[i] - most);
	return most + log(sum) - (double)x[label];
}

static double squared_change(const az_tensor *out, const float *before)
{
	const float *x = out->data;
	double sum = 0;
	for (int64_t i = 0; i < az_type_numel(out->type); i++) {
		double d = (double)x[i] - (double)before[i];
		sum += d * d;
	}
	return sum;
}

static bool run_loss(slopes *s, int64_t sample, double *loss)
{
	const az_stream *calib = s->pass->env->calib;
	const az_func *main = az_module_main(s->ch->module);
	bool probabilities = az_def_is(main->results.v[0].use->value, AZ_OP_softmax) != NULL;
	if (!calib->get(calib->data, (uint64_t)sample, s->in) ||
		!s->pass->env->exec->run(s->exec, s->in, s->out))
		return false;
	*loss = s->labels ? cross_entropy(s->out, calib->label(calib->data, (uint64_t)sample),
				    probabilities)
			  : squared_change(s->out, s->before[sample]);
	return true;
}

static bool run_base(slopes *s)
{
	set_factors(s, AZ_CHANNEL_FIXED, 1);
	size_t size = az_type_size(s->out[0].type);
	for (int64_t i = 0; i < s->samples; i++) {
		s->before[i] = az_arena_alloc(&s->pass->scratch, size + 1, 64);
		if (!run_loss(s, i, &s->base[i]))
			return false;
		memcpy(s->before[i], s->out[0].data, size);
		s->base[i] = s->labels ? s->base[i] : 0;
	}
	return true;
}

static bool run_units(slopes *s, double *score)
{
	float step = s->labels ? STEP : 1.0f;
	if (!run_base(s))
		return false;
	for (uint32_t u = 0; u < s->ch->unit_count; u++) {
		az_ctx_progress(s->pass->ctx, "rescale-widths: channels", u, s->ch->unit_count);
		double sum = 0, loss;
		set_factors(s, u, 1 - step);
		for (int64_t i = 0; i < s->samples; i++) {
			if (!run_loss(s, i, &loss))
				return false;
			sum += loss - s->base[i];
		}
		set_factors(s, u, 1);
		score[u] = fabs(sum) / (double)step;
	}
	az_ctx_progress(s->pass->ctx, "rescale-widths: channels", s->ch->unit_count,
		s->ch->unit_count);
	return true;
}

/* The network is freed whatever happens. */
static bool run_guarded(slopes *s, double *score)
{
	const az_exec_api *api = s->pass->env->exec;
	AZ_GUARD(s->pass->ctx, {
		api->free(s->exec);
		return false;
	});
	bool ok = run_units(s, score);
	AZ_UNGUARD(s->pass->ctx);
	api->free(s->exec);
	return ok;
}

static bool open_slopes(slopes *s)
{
	az_arena *arena = &s->pass->scratch;
	s->made = az_new_array(arena, const az_value *, az_module_main(s->clone)->op_count + 1u);
	if (!add_factors(s))
		return false;
	const az_func *main = az_module_main(s->clone);
	s->in = az_new_array(arena, az_tensor, main->params.count + 1u);
	s->out = az_new_array(arena, az_tensor, main->results.count + 1u);
	for (uint32_t i = 0; i < main->params.count; i++)
		s->in[i] = az_tensor_new(arena, main->params.v[i]->type);
	for (uint32_t i = 0; i < main->results.count; i++)
		s->out[i] = az_tensor_new(arena, main->results.v[i].use->value->type);
	s->before = az_new_array(arena, float *, (size_t)s->samples + 1);
	s->base = az_new_array(arena, double, (size_t)s->samples + 1);
	s->exec = s->pass->env->exec->compile(s->clone);
	return s->exec != NULL;
}

static bool by_taylor(az_pass_ctx *pass, const az_channels *ch, int64_t samples, double *score)
{
	const az_pass_env *env = pass->env;
	if (!env->exec || !env->calib || !env->calib->count)
		return az_error(pass->ctx, pass->step->loc, "%s: there are no calibration samples",
			pass->desc->name);
	const az_func *main = az_module_main(pass->module);
	if (!main->results.count ||
		!az_elem_equal(main->results.v[0].use->value->type->elem, AZ_F32))
		return az_error(pass->ctx, pass->step->loc,
			"%s: importance by taylor wants an output of f32", pass->desc->name);
	slopes s = {.pass = pass, .ch = ch, .labels = env->calib->label != NULL};
	s.samples = (int64_t)AZ_MIN(env->calib->count, (uint64_t)AZ_MAX(samples, 1));
	s.clone = az_module_clone(pass->module, true);
	AZ_GUARD(pass->ctx, {
		az_module_free(s.clone);
		return false;
	});
	bool ok = open_slopes(&s) && run_guarded(&s, score);
	AZ_UNGUARD(pass->ctx);
	az_module_free(s.clone);
	return ok;
}

static const struct {
	const char *name;
	bool (*run)(az_pass_ctx *pass, const az_channels *ch, int64_t samples, double *score);
} methods[] = {{"magnitude", by_magnitude}, {"activation", by_activation}, {"taylor", by_taylor}};

bool az_channel_importance(az_pass_ctx *pass, const az_channels *channels, const char *method,
	int64_t samples, double *score)
{
	for (size_t i = 0; i < AZ_COUNT(methods); i++) {
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].run(pass, channels, samples, score);
	}
	return az_error(pass->ctx, pass->step->loc,
		"%s: there is no importance \"%s\", only \"magnitude\", \"activation\" and "
		"\"taylor\"",
		pass->desc->name, method);
}
