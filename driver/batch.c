/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a network on more samples than its batch, and reading inputs from files. */
#include <string.h>

#include "driver/driver.h"
#include "ir/eval/eval.h"

/* The network runs as code for --cpu and --attr, when they are given. */
static void set_target(const az_job *job, az_module *module)
{
	const az_options *o = &job->options;
	if (module->target || !(o->cpu || o->attr))
		return;
	module->target = az_name_of(job->ctx, job->target->triple);
	module->cpu = az_name_of(job->ctx, job->target->cpu);
	module->features = az_name_of(job->ctx, job->target->features);
}

bool az_runner_open(az_runner *runner, az_job *job, az_module *module, bool interpret)
{
	if (!interpret)
		set_target(job, module);
	*runner = (az_runner){.job = job, .main = az_module_main(module)};
	runner->api = interpret ? &az_eval_exec : &az_backend_jit;
	runner->exec = runner->api->compile(module);
	return runner->exec != NULL;
}

void az_runner_close(az_runner *runner)
{
	if (runner->exec)
		runner->api->free(runner->exec);
	runner->exec = NULL;
}

az_tensor *az_job_tensors(az_job *job, const az_func *main, bool results)
{
	uint32_t n = results ? main->results.count : main->params.count;
	az_tensor *t = az_new_array(&job->arena, az_tensor, n + 1);
	for (uint32_t i = 0; i < n; i++)
		t[i] = az_tensor_new(&job->arena,
			results ? main->results.v[i].use->value->type : main->params.v[i]->type);
	return t;
}

/* given = times x wanted in the first dimension, the rest equal: returns times, 0 when it does not
 * fit. */
static int64_t batch_times(const az_type *given, const az_type *wanted)
{
	if (given == wanted)
		return 1;
	if (given->rank != wanted->rank || given->rank == 0 ||
		!az_elem_equal(given->elem, wanted->elem) || wanted->dim[0] < 1)
		return 0;
	for (uint32_t i = 1; i < given->rank; i++)
		if (given->dim[i] != wanted->dim[i])
			return 0;
	return given->dim[0] % wanted->dim[0] ? 0 : given->dim[0] / wanted->dim[0];
}

static bool find_times(az_runner *runner, const az_tensor *inputs, int64_t *times)
{
	az_job *job = runner->job;
	const az_func *main = runner->main;
	*times = -1;
	for (uint32_t i = 0; i < main->params.count; i++) {
		const az_type *wanted = main->params.v[i]->type;
		int64_t n = batch_times(inputs[i].type, wanted);
		if (n < 1)
			return az_error(job->ctx, AZ_LOC_NONE,
				"input \"%s\" is %s, the network wants %s", main->params.v[i]->name,
				az_type_print(&job->arena, inputs[i].type),
				az_type_print(&job->arena, wanted));
		if (*times >= 0 && n != *times)
			return az_error(job->ctx, AZ_LOC_NONE,
				"input \"%s\" holds %lld batches, the inputs before it %lld",
				main->params.v[i]->name, (long long)n, (long long)*times);
		*times = n;
	}
	if (*times < 0)
		*times = 1;
	return true;
}

static bool check_stackable(az_runner *runner)
{
	const az_func *main = runner->main;
	const az_type *in = main->params.v[0]->type;
	for (uint32_t i = 0; i < main->results.count; i++) {
		const az_type *out = main->results.v[i].use->value->type;
		if (out->rank == 0 || out->dim[0] != in->dim[0])
			return az_error(runner->job->ctx, AZ_LOC_NONE,
				"the inputs hold several batches, but output \"%s\" (%s) has no "
				"batch "
				"dimension to stack",
				main->results.v[i].name, az_type_print(&runner->job->arena, out));
	}
	return true;
}

static az_tensor stacked(az_arena *arena, az_ctx *ctx, const az_type *type, int64_t times)
{
	int64_t dim[AZ_RANK_MAX];
	memcpy(dim, type->dim, sizeof dim);
	if (times != 1)
		dim[0] *= times;
	return az_tensor_new(arena, az_type_get(ctx, type->elem, type->rank, dim));
}

bool az_runner_run(az_runner *runner, az_arena *arena, const az_tensor *inputs, az_tensor *outputs)
{
	const az_func *main = runner->main;
	az_ctx *ctx = runner->job->ctx;
	int64_t times;
	if (!find_times(runner, inputs, &times) || (times > 1 && !check_stackable(runner)))
		return false;
	az_tensor *in = az_new_array(arena, az_tensor, main->params.count + 1);
	az_tensor *out = az_new_array(arena, az_tensor, main->results.count + 1);
	for (uint32_t i = 0; i < main->results.count; i++)
		outputs[i] = stacked(arena, ctx, main->results.v[i].use->value->type, times);
	for (int64_t t = 0; t < times; t++) {
		for (uint32_t i = 0; i < main->params.count; i++) {
			in[i].type = main->params.v[i]->type;
			in[i].data = (char *)inputs[i].data + (size_t)t * az_type_size(in[i].type);
		}
		for (uint32_t i = 0; i < main->results.count; i++) {
			out[i].type = main->results.v[i].use->value->type;
			out[i].data =
				(char *)outputs[i].data + (size_t)t * az_type_size(out[i].type);
		}
		if (!runner->api->run(runner->exec, in, out))
			return false;
		if (times > 1)
			az_ctx_progress(ctx, "running", (uint64_t)t + 1, (uint64_t)times);
	}
	return true;
}

/* [NAME=]FILE: which parameter, and the path. */
static bool input_place(az_job *job, const az_func *main, const char *text, uint32_t position,
	uint32_t *index, const char **path)
{
	const char *equals = strchr(text, '=');
	*index = position;
	*path = text;
	if (equals)
		for (uint32_t i = 0; i < main->params.count; i++) {
			const char *name = main->params.v[i]->name;
			if (strlen(name) == (size_t)(equals - text) &&
				memcmp(name, text, (size_t)(equals - text)) == 0) {
				*index = i;
				*path = equals + 1;
				return true;
			}
		}
	if (position >= main->params.count)
		return az_error(job->ctx, AZ_LOC_NONE, "%s: the network has %u inputs only", text,
			main->params.count);
	return true;
}

bool az_job_inputs(az_job *job, const az_func *main, uint32_t count, const char **texts,
	az_tensor *inputs)
{
	az_preprocess preprocess;
	if (!az_job_preprocess(job, &preprocess))
		return false;
	az_data_options options = {.preprocess = preprocess};
	for (uint32_t i = 0; i < main->params.count; i++)
		inputs[i] = (az_tensor){0};
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index;
		const char *path;
		if (!input_place(job, main, texts[i], i, &index, &path))
			return false;
		const az_type *type = main->params.v[index]->type;
		az_stream *stream = az_data_open(job->ctx, &job->arena, path, 1, &type, &options);
		if (!stream)
			return false;
		inputs[index] = stacked(&job->arena, job->ctx, type, (int64_t)stream->count);
		for (uint64_t s = 0; s < stream->count; s++) {
			az_tensor one = {type, (char *)inputs[index].data + s * az_type_size(type)};
			if (!stream->get(stream->data, s, &one))
				return false;
		}
	}
	for (uint32_t i = 0; i < main->params.count; i++)
		if (!inputs[i].type)
			return az_error(job->ctx, AZ_LOC_NONE, "no file for input \"%s\" (%s)",
				main->params.v[i]->name,
				az_type_print(&job->arena, main->params.v[i]->type));
	return true;
}
