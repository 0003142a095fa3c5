/* SPDX-License-Identifier: Apache-2.0
 *
 * adze eval: accuracy over a data set, and agreement with a second network. The class of a sample is
 * the largest element of the first output, ties to the lowest index (numerics.md 9). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver/layers.h"

typedef struct tally {
	uint64_t samples, labelled, top1, top5, agree;
	uint64_t against_top1;
	double squared_error, elements; /* of the first output, against the second network */
	double signal;
	double reconstruction; /* of the output against the input, when their shapes agree */
	double reconstruction_elements;
} tally;

static az_stream *open_data(az_job *job, const az_func *main)
{
	const az_options *o = &job->options;
	az_data_options options = {.labels = o->labels, .invert = o->invert};
	const az_type **types = az_new_array(&job->arena, const az_type *, main->params.count);
	for (uint32_t i = 0; i < main->params.count; i++)
		types[i] = main->params.v[i]->type;
	if (o->limit.set)
		options.limit = (uint64_t)AZ_MAX(o->limit.v, 1);
	if (o->every) {
		char *end;
		options.every = strtoull(o->every, &end, 10);
		if (*end == '+')
			options.offset = strtoull(end + 1, &end, 10);
		if (*end || options.every < 1 || options.offset >= options.every) {
			az_error(job->ctx, AZ_LOC_NONE,
				"--every wants K or K+I with I < K, found '%s'", o->every);
			return NULL;
		}
	}
	if (!az_job_preprocess(job, &options.preprocess))
		return NULL;
	return az_data_open(job->ctx, &job->arena, o->data, main->params.count, types, &options);
}

static int64_t rank_of(const az_tensor *t, int64_t index)
{
	int64_t rank = 0, n = az_type_numel(t->type);
	double v = az_tensor_get(t, (uint64_t)index);
	for (int64_t i = 0; i < n; i++) {
		double x = az_tensor_get(t, (uint64_t)i);
		rank += x > v || (x == v && i < index);
	}
	return rank;
}

static int64_t arg_max(const az_tensor *t)
{
	int64_t best = 0, n = az_type_numel(t->type);
	for (int64_t i = 1; i < n; i++)
		if (az_tensor_get(t, (uint64_t)i) > az_tensor_get(t, (uint64_t)best))
			best = i;
	return best;
}

static void count_label(tally *t, const az_tensor *out, int64_t label)
{
	if (label < 0 || label >= az_type_numel(out->type))
		return;
	int64_t rank = rank_of(out, label);
	t->labelled++;
	t->top1 += rank < 1;
	t->top5 += rank < 5;
}

static void count_against(tally *t, const az_tensor *out, const az_tensor *ref, int64_t label)
{
	int64_t n = AZ_MIN(az_type_numel(out->type), az_type_numel(ref->type));
	int64_t best = arg_max(ref);
	t->agree += arg_max(out) == best;
	t->against_top1 += label >= 0 && best == label;
	for (int64_t i = 0; i < n; i++) {
		double a = az_tensor_get(out, (uint64_t)i), b = az_tensor_get(ref, (uint64_t)i);
		t->squared_error += (a - b) * (a - b);
		t->signal += b * b;
	}
	t->elements += (double)n;
}

static void count_reconstruction(tally *t, const az_tensor *in, const az_tensor *out)
{
	if (in->type != out->type)
		return;
	int64_t n = az_type_numel(in->type);
	for (int64_t i = 0; i < n; i++) {
		double d = az_tensor_get(in, (uint64_t)i) - az_tensor_get(out, (uint64_t)i);
		t->reconstruction += d * d;
	}
	t->reconstruction_elements += (double)n;
}

static bool evaluate(az_job *job, az_stream *data, az_runner *runner, az_runner *against, tally *t)
{
	const az_func *main = runner->main;
	if (job->options.labels && main->params.v[0]->type->rank &&
		main->params.v[0]->type->dim[0] > 1)
		return az_error(job->ctx, AZ_LOC_NONE,
			"accuracy needs a network of batch 1, this one has batch %lld",
			(long long)main->params.v[0]->type->dim[0]);
	az_tensor *in = az_job_tensors(job, main, false), *out = az_job_tensors(job, main, true);
	az_tensor *ref = against ? az_job_tensors(job, against->main, true) : NULL;
	for (uint64_t i = 0; i < data->count; i++) {
		int64_t label = data->label ? data->label(data->data, i) : -1;
		if (label >= 0)
			label += job->options.label_offset.v;
		if (!data->get(data->data, i, in) || !runner->api->run(runner->exec, in, out) ||
			(against && !against->api->run(against->exec, in, ref)))
			return false;
		count_label(t, &out[0], label);
		count_reconstruction(t, &in[0], &out[0]);
		if (against)
			count_against(t, &out[0], &ref[0], label);
		t->samples++;
		az_ctx_progress(job->ctx, "evaluating", t->samples, data->count);
	}
	return true;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static json_object *tally_report(az_job *job, const tally *t, bool against)
{
	json_object *json = json_object_new_object();
	json_object_object_add(json, "samples", json_object_new_int64((int64_t)t->samples));
	struct {
		const char *key, *text;
		double v;
		bool shown;
	} rows[] = {
		{"top1_percent", "top-1 %", percent(t->top1, t->labelled), t->labelled > 0},
		{"top5_percent", "top-5 %", percent(t->top5, t->labelled), t->labelled > 0},
		{"against_top1_percent", "top-1 of the other network %",
			percent(t->against_top1, t->labelled), against && t->labelled > 0},
		{"agreement_percent", "agreement %", percent(t->agree, t->samples), against},
		{"mean_squared_difference", "mean squared difference",
			t->elements > 0 ? t->squared_error / t->elements : 0, against},
		{"sqnr_db", "signal to quantization noise, dB",
			10 * log10(t->signal / t->squared_error), against && t->squared_error > 0},
		{"mean_squared_error", "mean squared error of reconstruction",
			t->reconstruction_elements > 0
				? t->reconstruction / t->reconstruction_elements
				: 0,
			t->reconstruction_elements > 0},
	};
	if (!job->options.json)
		printf("samples %llu\n", (unsigned long long)t->samples);
	for (size_t i = 0; i < AZ_COUNT(rows); i++) {
		if (!rows[i].shown)
			continue;
		json_object_object_add(json, rows[i].key, json_object_new_double(rows[i].v));
		if (!job->options.json)
			printf("%s %.6g\n", rows[i].text, rows[i].v);
	}
	return json;
}

/* Signal to noise in dB; a layer without noise is as good as infinitely many. */
static double decibels(const az_layer_noise *layer)
{
	return 10 * log10(layer->signal / layer->noise);
}

static void report_layers(az_job *job, json_object *json, const az_layer_noise *layers,
	uint32_t count)
{
	json_object *list = json_object_new_array();
	for (uint32_t i = 0; i < count; i++) {
		const az_layer_noise *l = &layers[i];
		const char *type = az_type_print(&job->arena, l->type);
		if (!job->options.json)
			printf("%8.2f dB  %-24s %-14s %s\n", decibels(l), type, l->op, l->name);
		json_object *o = json_object_new_object();
		json_object_object_add(o, "name", json_object_new_string(l->name));
		json_object_object_add(o, "op", json_object_new_string(l->op));
		json_object_object_add(o, "type", json_object_new_string(type));
		json_object_object_add(o, "sqnr_db",
			isfinite(decibels(l)) ? json_object_new_double(decibels(l)) : NULL);
		json_object_array_add(list, o);
	}
	json_object_object_add(json, "layers", list);
}

static bool report(az_job *job, az_stream *data, const tally *t, const az_module *module,
	const az_module *second)
{
	const az_layer_noise *layers;
	uint32_t count;
	json_object *json = tally_report(job, t, second != NULL);
	bool ok = true;
	if (job->options.layers.set) {
		uint64_t samples = (uint64_t)AZ_MAX(job->options.layers.v, 1);
		ok = az_layers_compare(job, module, second, data, samples, &layers, &count);
		if (ok)
			report_layers(job, json, layers, count);
	}
	if (ok && job->options.json)
		az_print_json(json);
	else
		json_object_put(json);
	return ok;
}

/* The second network is taken as it is: no calibration, no road options of the first. */
static az_module *load_against(az_job *job, az_job *other)
{
	*other = (az_job){.ctx = job->ctx};
	az_arena_init(&other->arena, &job->ctx->oom);
	const az_options *o = &job->options;
	other->options = (az_options){.args = o->args,
		.arg_count = o->arg_count,
		.cpu = o->cpu,
		.attr = o->attr,
		.dim = o->dim,
		.outputs = o->outputs};
	az_module *module = az_job_load(other, o->against);
	if (module && !az_job_road(other, module, true)) {
		az_module_free(module);
		module = NULL;
	}
	return module;
}

int az_verb_eval(az_job *job)
{
	az_job other = {0};
	az_runner runner = {0}, against = {0};
	const az_options *o = &job->options;
	if (!o->data) {
		fprintf(stderr, "adze: error: eval wants --data=DATA\n");
		return AZ_EXIT_USAGE;
	}
	if (o->layers.set && !o->against) {
		fprintf(stderr, "adze: error: --layers compares with --against=MODEL\n");
		return AZ_EXIT_USAGE;
	}
	az_module *second = NULL, *module = az_job_load(job, o->args[0]);
	bool ok = module && az_job_road(job, module, true) &&
		  az_runner_open(&runner, job, module, o->interpret);
	if (ok && o->against) {
		second = load_against(job, &other);
		ok = second && az_runner_open(&against, &other, second, o->interpret);
	}
	tally t = {0};
	az_stream *data = ok ? open_data(job, runner.main) : NULL;
	ok = data && evaluate(job, data, &runner, o->against ? &against : NULL, &t) &&
	     report(job, data, &t, module, second);
	az_runner_close(&runner);
	az_runner_close(&against);
	if (second)
		az_module_free(second);
	if (other.ctx)
		az_arena_free(&other.arena);
	if (module)
		az_module_free(module);
	return ok ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
}
