/* SPDX-License-Identifier: Apache-2.0
 *
 * adze run: compile in memory (or interpret) and run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static const char *time_unit(double seconds, double *scale)
{
	*scale = seconds < 1e-3 ? 1e6 : seconds < 1 ? 1e3 : 1;
	return seconds < 1e-3 ? "us" : seconds < 1 ? "ms" : "s";
}

/* The line that executables print too. */
static bool bench(az_job *job, az_runner *runner, const az_tensor *inputs, int64_t runs)
{
	const az_func *main = runner->main;
	az_tensor *out = az_new_array(&job->arena, az_tensor, main->results.count + 1);
	double *t = az_new_array(&job->arena, double, (size_t)runs), sum = 0, scale;
	for (uint32_t i = 0; i < main->results.count; i++)
		out[i] = az_tensor_new(&job->arena, main->results.v[i].use->value->type);
	for (int64_t i = -AZ_MAX(runs / 10, 1); i < runs; i++) {
		double start = az_seconds_now();
		if (!runner->api->run(runner->exec, inputs, out))
			return false;
		if (i >= 0)
			sum += t[i] = az_seconds_now() - start;
	}
	qsort(t, (size_t)runs, sizeof *t, compare_doubles);
	double median = (t[runs / 2] + t[(runs - 1) / 2]) / 2, mean = sum / (double)runs;
	const char *unit = time_unit(median, &scale);
	printf("min %.4g %s median %.4g %s mean %.4g %s over %lld runs\n", t[0] * scale, unit,
		median * scale, unit, mean * scale, unit, (long long)runs);
	return true;
}

static bool read_labels(az_job *job, char ***out, uint64_t *count)
{
	const void *data;
	size_t size;
	*out = NULL;
	*count = 0;
	if (!job->options.labels)
		return true;
	if (!az_data_read(job->ctx, &job->arena, job->options.labels, &data, &size))
		return false;
	char *text = az_arena_copy(&job->arena, data, size);
	AZ_VEC(char *) lines = {0};
	for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
		az_vec_push(&job->arena, &lines, line);
	*out = lines.v;
	*count = lines.count;
	return true;
}

static json_object *tensor_json(const az_result *result, const az_tensor *t)
{
	json_object *o = json_object_new_object(), *shape = json_object_new_array(),
		    *data = json_object_new_array();
	for (uint32_t i = 0; i < t->type->rank; i++)
		json_object_array_add(shape, json_object_new_int64(t->type->dim[i]));
	for (int64_t i = 0; i < az_type_numel(t->type); i++)
		json_object_array_add(data, json_object_new_double(az_tensor_get(t, (uint64_t)i)));
	az_json_add_text(o, "name", result->name);
	json_object_object_add(o, "shape", shape);
	json_object_object_add(o, "data", data);
	return o;
}

static bool show(az_job *job, const az_func *main, const az_tensor *outputs)
{
	const az_options *o = &job->options;
	char **labels;
	uint64_t label_count;
	if (!read_labels(job, &labels, &label_count))
		return false;
	json_object *json = o->json ? json_object_new_array() : NULL;
	for (uint32_t i = 0; i < main->results.count; i++) {
		const az_tensor *t = &outputs[i];
		int64_t rows = t->type->rank > 1 ? t->type->dim[0] : 1,
			top = o->top.set ? o->top.v : 5;
		if (i < o->outputs_to.count && !az_npy_write(job->ctx, o->outputs_to.v[i], t))
			return false;
		if (json)
			json_object_array_add(json, tensor_json(&main->results.v[i], t));
		else if (o->outputs_to.count == 0)
			for (int64_t row = 0; row < rows; row++) {
				printf("%s %s\n", main->results.v[i].name,
					az_type_print(&job->arena, t->type));
				az_print_top(t, row, top, labels, label_count);
			}
	}
	if (json)
		az_print_json(json);
	return true;
}

static bool run(az_job *job, az_runner *runner)
{
	const az_options *o = &job->options;
	const az_func *main = runner->main;
	az_tensor *in = az_new_array(&job->arena, az_tensor, main->params.count + 1);
	az_tensor *out = az_new_array(&job->arena, az_tensor, main->results.count + 1);
	if (!az_job_inputs(job, main, o->arg_count - 1, o->args + 1, in) ||
		!az_runner_run(runner, &job->arena, in, out))
		return false;
	if (o->profile)
		fputs(az_backend_jit_profile(runner->exec, in, &job->arena), stdout);
	if (o->bench.set)
		return bench(job, runner, in, AZ_MAX(o->bench.v, 1));
	return o->profile || show(job, main, out);
}

int az_verb_run(az_job *job)
{
	az_runner runner = {0};
	bool interpret = job->options.interpret;
	if (interpret && job->options.profile) {
		az_error(job->ctx, AZ_LOC_NONE,
			"--profile is for native code, not for --interpret");
		return AZ_EXIT_USAGE;
	}
	az_module *module = az_job_load(job, job->options.args[0]);
	bool ok = module && az_job_road(job, module, true) &&
		  az_runner_open(&runner, job, module, interpret) && run(job, &runner);
	az_runner_close(&runner);
	if (module)
		az_module_free(module);
	return ok ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
}
