/* SPDX-License-Identifier: Apache-2.0
 *
 * See layers.h. Both networks run as they are, with the values of interest as additional results. */
#include "driver/layers.h"

#include <string.h>

typedef struct side {
	az_module *module; /* a clone with more results */
	az_runner runner;
	az_tensor *inputs, *outputs;
	uint32_t first; /* index of the first additional result */
} side;

static bool is_measurable(const az_value *v)
{
	return az_elem_is_float(v->type->elem) ||
	       (v->quant && v->quant->grid == AZ_GRID_AFFINE && !v->quant->group);
}

/* The values that both have, by name; the second one's values must be floats. */
static uint32_t find_pairs(const az_func *a, const az_func *b, az_arena *arena, az_value ***left,
	az_value ***right)
{
	AZ_VEC(az_value *) l = {0}, r = {0};
	for (const az_op *op = a->first; op; op = op->next)
		for (uint32_t i = 0; i < op->result_count; i++) {
			az_value *v = op->results[i], *w = az_map_get(&b->names, v->name);
			if (!w || w->kind != AZ_VALUE_RESULT || !is_measurable(v) ||
				!az_elem_is_float(w->type->elem) ||
				az_type_numel(v->type) != az_type_numel(w->type))
				continue;
			az_vec_push(arena, &l, v);
			az_vec_push(arena, &r, w);
		}
	*left = l.v;
	*right = r.v;
	return l.count;
}

static bool open_side(side *s, az_job *job, az_value *const *values, uint32_t count)
{
	az_func *main = az_module_main(s->module);
	s->first = main->results.count;
	for (uint32_t i = 0; i < count; i++)
		az_func_add_result(main, values[i]->name,
			az_map_get(&main->names, values[i]->name));
	if (!az_runner_open(&s->runner, job, s->module, job->options.interpret))
		return false;
	s->inputs = az_job_tensors(job, main, false);
	s->outputs = az_job_tensors(job, main, true);
	return true;
}

static void close_side(side *s)
{
	az_runner_close(&s->runner);
	if (s->module)
		az_module_free(s->module);
}

/* Element i as a real number. */
static double real_of(const az_tensor *t, const az_quant *quant, uint64_t i)
{
	double v = az_tensor_get(t, i);
	if (!quant || az_elem_is_float(t->type->elem))
		return v;
	uint64_t k = 0;
	if (quant->count > 1) {
		uint64_t inner = 1;
		for (uint32_t d = (uint32_t)quant->axis + 1; d < t->type->rank; d++)
			inner *= (uint64_t)t->type->dim[d];
		k = i / inner % quant->count;
	}
	return (double)quant->scale[k] * (v - (quant->zero ? quant->zero[k] : 0));
}

static void add_sample(az_layer_noise *layer, const az_quant *quant, const az_tensor *x,
	const az_tensor *ref)
{
	int64_t n = az_type_numel(x->type);
	for (int64_t i = 0; i < n; i++) {
		double r = az_tensor_get(ref, (uint64_t)i), d = real_of(x, quant, (uint64_t)i) - r;
		layer->signal += r * r;
		layer->noise += d * d;
	}
}

static bool measure(az_job *job, side *a, side *b, const az_stream *data, uint64_t samples,
	az_value *const *values, uint32_t count, az_layer_noise *layers)
{
	for (uint64_t s = 0; s < samples; s++) {
		if (!data->get(data->data, s, a->inputs) || !data->get(data->data, s, b->inputs) ||
			!a->runner.api->run(a->runner.exec, a->inputs, a->outputs) ||
			!b->runner.api->run(b->runner.exec, b->inputs, b->outputs))
			return false;
		for (uint32_t i = 0; i < count; i++)
			add_sample(&layers[i], values[i]->quant, &a->outputs[a->first + i],
				&b->outputs[b->first + i]);
		az_ctx_progress(job->ctx, "measuring layers", s + 1, samples);
	}
	return true;
}

bool az_layers_compare(az_job *job, const az_module *module, const az_module *reference,
	const az_stream *data, uint64_t samples, const az_layer_noise **layers, uint32_t *count)
{
	az_value **left, **right;
	*count = find_pairs(az_module_main(module), az_module_main(reference), &job->arena, &left,
		&right);
	az_layer_noise *out = az_new_array(&job->arena, az_layer_noise, *count + 1);
	for (uint32_t i = 0; i < *count; i++) {
		const az_op *op = az_value_op(left[i]);
		out[i] = (az_layer_noise){.name = left[i]->name,
			.type = left[i]->type,
			.op = op->loc.op ? op->loc.op : az_op_table[op->code].name};
	}
	*layers = out;
	side a = {.module = az_module_clone(module, true)};
	side b = {.module = az_module_clone(reference, true)};
	bool ok = a.module && b.module && open_side(&a, job, left, *count) &&
		  open_side(&b, job, right, *count) &&
		  measure(job, &a, &b, data, AZ_MIN(samples, data->count), left, *count, out);
	close_side(&a);
	close_side(&b);
	return ok;
}
