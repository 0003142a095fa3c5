/* SPDX-License-Identifier: Apache-2.0
 *
 * What a layer loses at each width, by three policies.
 *
 *   sensitivity     the energy of the error at the network's outputs when this layer alone has so many bits
 *                   and all others 8, less what 8 bits everywhere lose, in parts of the outputs' energy
 *   hessian         trace(H) / n * |Q(w) - w|^2 (HAWQ-V2, 1911.03852, equation 5), H of the outputs' squared
 *                   change. v'Hv along random signs v is a second difference of that change, which is zero
 *                   where nothing changed: one run per v, no gradients
 *   orthogonality   layers whose features are like those of others matter less (OMPQ, 2109.07865): K the
 *                   centred Gram matrix of a layer's features over the samples, gamma the sum of
 *                   <K, K'> / |K||K'| over the other layers, theta = exp(-beta gamma), averaged over the
 *                   layers from here on; theta (8 - bits) is lost */
#include <math.h>
#include <string.h>

#include "passes/assign.h"
#include "passes/insert.h"
#include "passes/observe.h"

typedef struct az_error_meter {
	az_pass_ctx *pass;
	const az_bit_layers *layers;
	int64_t samples;
	az_tensor *in, *out;
	float **reference; /* by sample: the first output of the float network */
	double energy;
} measuring;

/* --- Running ------------------------------------------------------------------------------------ */

static bool run_all(measuring *m, az_exec *exec, double *error)
{
	const az_pass_env *env = m->pass->env;
	double sum = 0;
	for (int64_t i = 0; i < m->samples; i++) {
		if (!env->calib->get(env->calib->data, (uint64_t)i, m->in) ||
			!env->exec->run(exec, m->in, m->out))
			return false;
		int64_t n = az_type_numel(m->out[0].type);
		const float *y = m->out[0].data;
		if (!error) {
			memcpy(m->reference[i], y, (size_t)n * sizeof *y);
			for (int64_t k = 0; k < n; k++)
				m->energy += (double)y[k] * (double)y[k];
			continue;
		}
		for (int64_t k = 0; k < n; k++) {
			double d = (double)y[k] - (double)m->reference[i][k];
			sum += d * d;
		}
	}
	if (error)
		*error = sum / fmax(m->energy, 1e-30);
	return true;
}

/* Runs a network over the samples: the error of its outputs; error NULL: they become the reference. */
static bool run_network(measuring *m, const az_module *module, double *error)
{
	const az_exec_api *api = m->pass->env->exec;
	az_exec *exec = api->compile(module);
	if (!exec)
		return false;
	AZ_GUARD(m->pass->ctx, {
		api->free(exec);
		return false;
	});
	bool ok = run_all(m, exec, error);
	AZ_UNGUARD(m->pass->ctx);
	api->free(exec);
	return ok;
}

/* The same with a network that goes afterwards, whatever happens. */
static bool run_once(measuring *m, az_module *module, double *error)
{
	AZ_GUARD(m->pass->ctx, {
		az_module_free(module);
		return false;
	});
	bool ok = run_network(m, module, error);
	AZ_UNGUARD(m->pass->ctx);
	az_module_free(module);
	return ok;
}

static bool open_measuring(measuring *m)
{
	az_pass_ctx *pass = m->pass;
	const az_func *main = az_module_main(pass->module);
	if (!pass->env->exec || !pass->env->calib || !pass->env->calib->count)
		return az_error(pass->ctx, pass->step->loc, "%s: there are no calibration samples",
			pass->desc->name);
	if (!main->results.count ||
		!az_elem_equal(main->results.v[0].use->value->type->elem, AZ_F32))
		return az_error(pass->ctx, pass->step->loc, "%s: the first output must be f32",
			pass->desc->name);
	az_arena *arena = &pass->scratch;
	m->samples = (int64_t)AZ_MIN((uint64_t)m->samples, pass->env->calib->count);
	m->in = az_new_array(arena, az_tensor, main->params.count + 1u);
	m->out = az_new_array(arena, az_tensor, main->results.count);
	for (uint32_t i = 0; i < main->params.count; i++)
		m->in[i] = az_tensor_new(arena, main->params.v[i]->type);
	for (uint32_t i = 0; i < main->results.count; i++)
		m->out[i] = az_tensor_new(arena, main->results.v[i].use->value->type);
	m->reference = az_new_array(arena, float *, (size_t)m->samples + 1);
	for (int64_t i = 0; i < m->samples; i++)
		m->reference[i] = az_arena_alloc(arena, az_type_size(m->out[0].type) + 1, 64);
	/* The history must not lead on to quantizing. */
	az_module *plain = az_module_clone(pass->module, true);
	plain->done.count = 0;
	return run_once(m, plain, NULL);
}

static void note_loss(az_pass_ctx *pass, const az_bit_loss *loss)
{
	az_assignment *a = pass->env->assigned;
	az_vec_push(a->arena, &a->losses, *loss);
	if (a->measured)
		a->measured(a->data, loss);
}

/* Fewer bits never lose less: where noise says so, it is noise. */
static void make_monotone(az_bit_loss *l)
{
	for (int b = AZ_BITS_MOST - 1; b >= 1; b--)
		l->loss[b] = fmax(l->loss[b], l->loss[b + 1]);
}

void az_note_loss(az_pass_ctx *pass, az_bit_loss *loss)
{
	make_monotone(loss);
	note_loss(pass, loss);
}

az_error_meter *az_error_meter_open(az_pass_ctx *pass, int64_t samples)
{
	az_error_meter *m = az_new(&pass->scratch, az_error_meter);
	*m = (az_error_meter){.pass = pass, .samples = AZ_MAX(samples, 1)};
	return open_measuring(m) ? m : NULL;
}

bool az_error_measure(az_error_meter *meter, az_module *module, double *error)
{
	return module && run_once(meter, module, error);
}

/* --- Sensitivity -------------------------------------------------------------------------------- */

/* Layer `which` with so many bits, all others with 8. */
static bool measure_width(measuring *m, uint32_t which, unsigned bits, double *error)
{
	az_assignment trial = {.arena = &m->pass->scratch};
	for (uint32_t i = 0; i < m->layers->count; i++)
		az_assign(&trial, m->layers->op[i]->results[0]->name,
			i == which ? bits : AZ_BITS_MOST);
	az_module *module = az_trial(m->pass, &trial, "");
	return module && run_once(m, module, error);
}

static bool by_sensitivity(measuring *m)
{
	az_pass_ctx *pass = m->pass;
	uint64_t total = (uint64_t)m->layers->count * (AZ_BITS_MOST - 1);
	double floor_error = 0;
	bool known = false;
	for (uint32_t i = 0; i < m->layers->count; i++) {
		az_bit_loss l = {.layer = m->layers->op[i]->results[0]->name};
		if (az_assigned_loss(pass->env->assigned, l.layer))
			continue;
		if (!known && !measure_width(m, i, AZ_BITS_MOST, &floor_error))
			return false;
		known = true;
		for (unsigned b = 1; b < AZ_BITS_MOST; b++) {
			az_arena_mark mark = az_arena_mark_get(&pass->scratch);
			az_ctx_progress(pass->ctx, "assign-bits: sensitivity",
				(uint64_t)i * (AZ_BITS_MOST - 1) + b - 1, total);
			if (!measure_width(m, i, b, &l.loss[b]))
				return false;
			l.loss[b] = fmax(l.loss[b] - floor_error, 0);
			az_arena_reset(&pass->scratch, mark);
		}
		az_note_loss(pass, &l);
	}
	az_ctx_progress(pass->ctx, "assign-bits: sensitivity", total, total);
	return true;
}

/* --- Hessian ------------------------------------------------------------------------------------ */

#define PROBES 2
#define STEP   0.05 /* of the root mean square of the weights */

/* The layer's weights moved by `step` along random signs, in a clone. */
static bool measure_probe(measuring *m, const az_op *op, double step, uint64_t *state,
	double *error)
{
	az_module *clone = az_module_clone(m->pass->module, true);
	clone->done.count = 0;
	az_op *twin = az_module_main(clone)->first;
	for (const az_op *at = op->func->first; at != op; at = at->next)
		twin = twin->next;
	const az_value *w = op->args[1].value;
	int64_t n = az_type_numel(w->type);
	float *v = az_new_array(&clone->arena, float, (size_t)n + 1);
	for (int64_t i = 0; i < n; i++) {
		*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		double sign = *state >> 63 ? 1 : -1;
		v[i] = (float)(az_const_get(az_value_const(w), (uint64_t)i) + sign * step);
	}
	az_op_set_arg(twin, 1, &az_const_new(clone, w->name, w->type, v, true)->value);
	return run_once(m, clone, error);
}

/* |Q(w) - w|^2 with one scale per channel. */
static double rounding_error(const az_op *op, unsigned bits, az_arena *arena)
{
	const az_value *w = op->args[1].value;
	bool last = op->code == AZ_OP_matmul;
	int64_t channels = w->type->dim[last ? w->type->rank - 1 : 0];
	int64_t inner = az_type_numel(w->type) / AZ_MAX(channels, 1);
	int64_t most = bits > 1 ? ((int64_t)1 << (bits - 1)) - 1 : 0;
	int64_t least = bits > 4 ? -most : -most - 1; /* as insert-quantizers stores them */
	float *v = az_new_array(arena, float, (size_t)inner + 1);
	double sum = 0;
	for (int64_t c = 0; c < channels; c++) {
		double mean = 0;
		for (int64_t i = 0; i < inner; i++) {
			v[i] = (float)az_const_get(az_value_const(w),
				az_weight_place(w->type, last, c, i));
			mean += fabs((double)v[i]) / (double)inner;
		}
		double scale = most ? (double)az_weight_scale(v, inner, least, most) : mean;
		for (int64_t i = 0; i < inner; i++) {
			double x = (double)v[i];
			double q = most ? fmin(fmax(rint(x / scale), (double)least), (double)most)
					: (x < 0 ? -1 : 1);
			sum += (q * scale - x) * (q * scale - x);
		}
	}
	return sum;
}

static bool by_hessian(measuring *m)
{
	az_pass_ctx *pass = m->pass;
	uint64_t state = 1;
	for (uint32_t i = 0; i < m->layers->count; i++) {
		const az_op *op = m->layers->op[i];
		az_bit_loss l = {.layer = op->results[0]->name};
		az_ctx_progress(pass->ctx, "assign-bits: curvature", i, m->layers->count);
		if (az_assigned_loss(pass->env->assigned, l.layer))
			continue;
		const az_const *w = az_value_const(op->args[1].value);
		double n = (double)m->layers->weights[i], square = 0, curvature = 0, error;
		for (uint64_t k = 0; k < m->layers->weights[i]; k++)
			square += az_const_get(w, k) * az_const_get(w, k);
		double step = fmax(STEP * sqrt(square / fmax(n, 1)), 1e-20);
		for (int p = 0; p < PROBES; p++) {
			if (!measure_probe(m, op, step, &state, &error))
				return false;
			curvature += error / (step * step * n) / PROBES;
		}
		for (unsigned b = 1; b < AZ_BITS_MOST; b++)
			l.loss[b] = curvature * rounding_error(op, b, &pass->scratch);
		az_note_loss(pass, &l);
	}
	az_ctx_progress(pass->ctx, "assign-bits: curvature", m->layers->count, m->layers->count);
	return true;
}

/* --- Orthogonality ------------------------------------------------------------------------------ */

#define BETA     10.0
#define FEATURES 2048 /* of a layer's result, at most, evenly spaced */

typedef struct features {
	int64_t samples, *seen; /* by layer */
	int64_t *width;
	float **v; /* by layer: [samples][width] */
} features;

static void keep_features(void *data, uint32_t index, const az_tensor *tensor)
{
	features *f = data;
	int64_t n = az_type_numel(tensor->type), width = f->width[index];
	float *row = f->v[index] + f->seen[index]++ * width;
	for (int64_t i = 0; i < width; i++)
		row[i] = ((const float *)tensor->data)[i * n / width];
}

/* K = F F', centred, [samples][samples]. */
static double *gram(az_arena *arena, const features *f, uint32_t layer)
{
	int64_t n = f->samples, width = f->width[layer];
	double *k = az_new_array(arena, double, (size_t)(n * n) + 1), total = 0;
	double *mean = az_new_array(arena, double, (size_t)n + 1);
	for (int64_t a = 0; a < n; a++) {
		for (int64_t b = 0; b < n; b++) {
			for (int64_t i = 0; i < width; i++)
				k[a * n + b] += (double)f->v[layer][a * width + i] *
						(double)f->v[layer][b * width + i];
			mean[a] += k[a * n + b] / (double)n;
		}
		total += mean[a] / (double)n;
	}
	for (int64_t a = 0; a < n; a++) {
		for (int64_t b = 0; b < n; b++)
			k[a * n + b] += total - mean[a] - mean[b];
	}
	return k;
}

static double likeness(const double *x, const double *y, int64_t n)
{
	double xy = 0, xx = 0, yy = 0;
	for (int64_t i = 0; i < n * n; i++) {
		xy += x[i] * y[i];
		xx += x[i] * x[i];
		yy += y[i] * y[i];
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static void note_orthogonality(measuring *m, double **k, int64_t samples)
{
	uint32_t count = m->layers->count;
	double *theta = az_new_array(&m->pass->scratch, double, count + 1u);
	for (uint32_t i = 0; i < count; i++) {
		double gamma = 0;
		for (uint32_t j = 0; j < count; j++)
			gamma += i == j ? 0 : likeness(k[i], k[j], samples);
		theta[i] = exp(-BETA * gamma / count);
	}
	double sum = 0;
	for (uint32_t i = count; i-- > 0;) {
		az_bit_loss l = {.layer = m->layers->op[i]->results[0]->name};
		sum += theta[i];
		for (int b = 1; b < AZ_BITS_MOST; b++)
			l.loss[b] = sum / (count - i) * (AZ_BITS_MOST - b);
		if (!az_assigned_loss(m->pass->env->assigned, l.layer))
			note_loss(m->pass, &l);
	}
}

static bool by_orthogonality(measuring *m)
{
	az_arena *arena = &m->pass->scratch;
	uint32_t count = m->layers->count;
	features f = {.samples = m->samples,
		.seen = az_new_array(arena, int64_t, count + 1u),
		.width = az_new_array(arena, int64_t, count + 1u),
		.v = az_new_array(arena, float *, count + 1u)};
	az_value **value = az_new_array(arena, az_value *, count + 1u);
	double **k = az_new_array(arena, double *, count + 1u);
	for (uint32_t i = 0; i < count; i++) {
		value[i] = m->layers->op[i]->results[0];
		f.width[i] = AZ_MIN(az_type_numel(value[i]->type), FEATURES);
		f.v[i] = az_new_array(arena, float, (size_t)(f.samples * f.width[i]) + 1);
	}
	az_observer observer = {"assign-bits: features", count, value, keep_features, &f};
	if (!az_observe(m->pass, m->samples, &observer))
		return false;
	for (uint32_t i = 0; i < count; i++)
		k[i] = gram(arena, &f, i);
	note_orthogonality(m, k, f.samples);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(measuring *m);
} policies[] = {{"sensitivity", by_sensitivity}, {"hessian", by_hessian},
	{"orthogonality", by_orthogonality}};

bool az_bit_losses(az_pass_ctx *pass, const az_bit_layers *layers, const char *policy,
	int64_t samples)
{
	measuring m = {.pass = pass, .layers = layers, .samples = AZ_MAX(samples, 1)};
	for (size_t i = 0; i < AZ_COUNT(policies); i++) {
		if (strcmp(policies[i].name, policy) == 0)
			return open_measuring(&m) && policies[i].run(&m);
	}
	return az_error(pass->ctx, pass->step->loc,
		"%s: there is no policy \"%s\", only \"uniform\", \"sensitivity\", \"hessian\" and "
		"\"orthogonality\"",
		pass->desc->name, policy);
}
