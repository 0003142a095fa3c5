/* SPDX-License-Identifier: Apache-2.0
 *
 * adze eval: accuracy over a data set, and agreement with a second network. The class of a sample is
 * the largest element of the first output, ties to the lowest index (numerics.md 9). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver/layers.h"

/* Of one set of numbers against another. */
typedef struct difference {
	double squares, largest, elements; /* of the differences; how many */
	double signal;                     /* squares of the reference */
} difference;

typedef struct tally {
	uint64_t samples, labelled, top1, top5, agree;
	uint64_t against_top1, against_top5;
	difference against; /* first output, the second network is the reference */
	difference
		reconstruction; /* first output, the input is the reference: when their types are equal */
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

/* What is not a number is no class's score. */
static double score(const az_tensor *t, int64_t i)
{
	double v = az_tensor_get(t, (uint64_t)i);
	return isnan(v) ? -INFINITY : v;
}

static int64_t rank_of(const az_tensor *t, int64_t index)
{
	int64_t rank = 0, n = az_type_numel(t->type);
	if (isnan(az_tensor_get(t, (uint64_t)index)))
		return n;
	double v = score(t, index);
	for (int64_t i = 0; i < n; i++) {
		double x = score(t, i);
		rank += x > v || (x == v && i < index);
	}
	return rank;
}

static int64_t arg_max(const az_tensor *t)
{
	int64_t best = 0, n = az_type_numel(t->type);
	for (int64_t i = 1; i < n; i++)
		if (score(t, i) > score(t, best))
			best = i;
	return best;
}

static void add_difference(difference *d, const az_tensor *x, const az_tensor *reference)
{
	int64_t n = az_type_numel(x->type);
	for (int64_t i = 0; i < n; i++) {
		double a = az_tensor_get(x, (uint64_t)i), b = az_tensor_get(reference, (uint64_t)i);
		d->squares += (a - b) * (a - b);
		d->signal += b * b;
		if (!(fabs(a - b) <= d->largest)) /* NaN stays */
			d->largest = fabs(a - b);
	}
	d->elements += (double)n;
}

static bool count_label(az_job *job, tally *t, uint64_t sample, const az_tensor *out,
	const az_tensor *ref, int64_t label)
{
	int64_t classes = az_type_numel(out->type);
	if (label < 0) /* this sample has none */
		return true;
	label += job->options.label_offset.v;
	if (label < 0 || label >= classes)
		return az_error(job->ctx, AZ_LOC_NONE,
			"sample %llu is of class %lld (label and --label-offset), the network has "
			"%lld",
			(unsigned long long)sample, (long long)label, (long long)classes);
	int64_t rank = rank_of(out, label);
	t->labelled++;
	t->top1 += rank < 1;
	t->top5 += rank < 5;
	if (ref) {
		rank = rank_of(ref, label);
		t->against_top1 += rank < 1;
		t->against_top5 += rank < 5;
	}
	return true;
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
		if (!data->get(data->data, i, in) || !runner->api->run(runner->exec, in, out) ||
			(against && !against->api->run(against->exec, in, ref)) ||
			!count_label(job, t, i, &out[0], ref ? &ref[0] : NULL, label))
			return false;
		if (in[0].type == out[0].type)
			add_difference(&t->reconstruction, &out[0], &in[0]);
		if (against) {
			add_difference(&t->against, &out[0], &ref[0]);
			t->agree += arg_max(&out[0]) == arg_max(&ref[0]);
		}
		t->samples++;
		az_ctx_progress(job->ctx, "evaluating", t->samples, data->count);
	}
	return true;
}

/* Both read the same inputs, and give as many numbers. */
static bool check_alike(az_job *job, const az_func *a, const az_func *b)
{
	if (a->params.count != b->params.count)
		return az_error(job->ctx, AZ_LOC_NONE,
			"the networks have %u and %u inputs: they cannot be compared",
			a->params.count, b->params.count);
	for (uint32_t i = 0; i < a->params.count; i++)
		if (a->params.v[i]->type != b->params.v[i]->type)
			return az_error(job->ctx, AZ_LOC_NONE,
				"input \"%s\" is %s, that of --against is %s", a->params.v[i]->name,
				az_type_print(&job->arena, a->params.v[i]->type),
				az_type_print(&job->arena, b->params.v[i]->type));
	const az_type *x = a->results.v[0].use->value->type, *y = b->results.v[0].use->value->type;
	if (az_type_numel(x) != az_type_numel(y))
		return az_error(job->ctx, AZ_LOC_NONE,
			"output \"%s\" is %s, that of --against is %s", a->results.v[0].name,
			az_type_print(&job->arena, x), az_type_print(&job->arena, y));
	return true;
}

/* There is something to count: labels, another network, or an output that is to be like the input. */
static bool check_purpose(az_job *job, const az_func *main)
{
	const az_options *o = &job->options;
	if (main->params.count == 0 || main->results.count == 0)
		return az_error(job->ctx, AZ_LOC_NONE,
			"eval wants a network with inputs and outputs, this one has %u and %u",
			main->params.count, main->results.count);
	if (o->labels || o->against ||
		main->params.v[0]->type == main->results.v[0].use->value->type)
		return true;
	return az_error(job->ctx, AZ_LOC_NONE,
		"there is nothing to count: give --labels=FILE or --against=MODEL (output \"%s\" "
		"is "
		"not like the input)",
		main->results.v[0].name);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static double mean_of(const difference *d)
{
	return d->elements > 0 ? d->squares / d->elements : 0;
}

static json_object *tally_report(az_job *job, const tally *t, bool against)
{
	bool labels = t->labelled > 0, rebuilt = t->reconstruction.elements > 0;
	json_object *json = json_object_new_object();
	az_json_add_count(json, "samples", t->samples);
	az_json_add_count(json, "labelled", t->labelled);
	struct {
		const char *key, *text;
		double v;
		bool shown;
	} rows[] = {
		{"top1_percent", "top-1 %", percent(t->top1, t->labelled), labels},
		{"top5_percent", "top-5 %", percent(t->top5, t->labelled), labels},
		{"against_top1_percent", "top-1 of the other network %",
			percent(t->against_top1, t->labelled), against && labels},
		{"against_top5_percent", "top-5 of the other network %",
			percent(t->against_top5, t->labelled), against && labels},
		{"agreement_percent", "agreement %", percent(t->agree, t->samples), against},
		{"mean_squared_difference", "mean squared difference", mean_of(&t->against),
			against},
		{"max_difference", "largest difference", t->against.largest, against},
		{"sqnr_db", "signal to quantization noise, dB",
			10 * log10(t->against.signal / t->against.squares), against},
		{"mean_squared_error", "mean squared error of reconstruction",
			mean_of(&t->reconstruction), rebuilt},
		{"max_error", "largest error of reconstruction", t->reconstruction.largest,
			rebuilt},
	};
	if (!job->options.json)
		printf("samples %llu\n", (unsigned long long)t->samples);
	if (!job->options.json && labels && t->labelled != t->samples)
		printf("labelled %llu\n", (unsigned long long)t->labelled);
	for (size_t i = 0; i < AZ_COUNT(rows); i++) {
		az_json_add_real(json, rows[i].key, rows[i].shown ? rows[i].v : NAN);
		if (!job->options.json && rows[i].shown)
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
		az_json_add_text(o, "name", l->name);
		az_json_add_text(o, "op", l->op);
		az_json_add_text(o, "type", type);
		az_json_add_real(o, "sqnr_db", decibels(l));
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

/* Options that say nothing without another; NULL: all is well. */
static const char *misused(const az_options *o)
{
	if (!o->data)
		return "eval wants --data=DATA";
	if (o->layers.set && !o->against)
		return "--layers compares with --against=MODEL";
	if (o->layers.set && o->layers.v < 1)
		return "--layers wants a positive number of samples";
	if (o->limit.set && o->limit.v < 1)
		return "--limit wants a positive number of samples";
	if (o->invert && !o->every)
		return "--invert keeps what --every=K leaves out, and wants it";
	if (o->label_offset.set && !o->labels)
		return "--label-offset wants --labels=FILE";
	return NULL;
}

int az_verb_eval(az_job *job)
{
	az_job other = {0};
	az_runner runner = {0}, against = {0};
	const az_options *o = &job->options;
	const char *fault = misused(o);
	if (fault) {
		fprintf(stderr, "adze: error: %s\n", fault);
		return AZ_EXIT_USAGE;
	}
	az_module *second = NULL, *module = az_job_load(job, o->args[0]);
	bool ok = module && az_job_road(job, module, true) &&
		  az_runner_open(&runner, job, module, o->interpret);
	if (ok && o->against) {
		second = load_against(job, &other);
		ok = second && check_alike(job, az_module_main(module), az_module_main(second)) &&
		     az_runner_open(&against, &other, second, o->interpret);
	}
	tally t = {0};
	az_stream *data = ok ? open_data(job, runner.main) : NULL;
	ok = data && check_purpose(job, runner.main) &&
	     evaluate(job, data, &runner, o->against ? &against : NULL, &t) &&
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
