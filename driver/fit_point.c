/* SPDX-License-Identifier: Apache-2.0
 *
 * One point of a fit: making the network, emitting it, running it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver/fit.h"
#include "passes/manager.h"

/* Kernels work on lanes of 4 to 16 channels and fill up what is left. */
#define MULTIPLE 8

/* --- Making it ----------------------------------------------------------------------------------- */

static bool run_passes(az_fit *fit, az_module *module, az_assignment *bits, const char *text)
{
	az_job *job = fit->job;
	az_pass_env env = {.exec = &az_backend_jit,
		.calib = fit->data,
		.cost = &az_backend_cost,
		.recipe = job->options.recipe ? &job->recipe : NULL,
		.backend = az_backend_pass,
		.backend_data = (void *)(uintptr_t)job->target,
		.assigned = bits};
	az_pipeline pipeline;
	return az_parse_pipeline(job->ctx, &job->arena, "pipeline", text, &pipeline) &&
	       az_pipeline_run(module, &pipeline, &env);
}

static int64_t least_acts(const az_fit *fit)
{
	const az_options *o = &fit->job->options;
	return o->least_acts.set ? o->least_acts.v : 2;
}

/* The options that all quantizing passes share, with those of one pass before them: "{a=1,b=2}". */
static char *with_options(const az_fit *fit, const char *own)
{
	const az_options *o = &fit->job->options;
	az_text text = {.arena = &fit->job->arena};
	const char *acts = o->acts;
	if (fit->probing && fit->ram && !fit->wide_acts) /* whether there is a way at all */
		acts = az_arena_printf(&fit->job->arena, "%lld", (long long)least_acts(fit));
	az_text_add(&text, "{%s", own);
	if (acts)
		az_text_add(&text, "%sacts=%s", *own ? "," : "", acts);
	az_text_add(&text, "}");
	return strcmp(text.v, "{}") == 0 ? "" : text.v;
}

static char *range_option(const az_fit *fit)
{
	const char *range = fit->job->options.range;
	const char *number = range ? strchr(range, '=') : NULL;
	if (!range)
		return "";
	return az_arena_printf(&fit->job->arena, "method=%.*s%s%s", (int)strcspn(range, "="), range,
		number ? ",percent" : "", number ? number : "");
}

int64_t az_fit_multiple(const az_fit *fit)
{
	const az_options *o = &fit->job->options;
	return o->multiple.set ? o->multiple.v : MULTIPLE;
}

static char *pipeline_of(const az_fit *fit, const az_fit_point *point, uint64_t flash)
{
	const az_options *o = &fit->job->options;
	az_text text = {.arena = &fit->job->arena};
	const char *importance = fit->probing    ? "magnitude,reconstruct=false"
				 : o->importance ? o->importance
						 : "activation";
	if (point->ratio != 1)
		az_text_add(&text, "rescale-widths{ratio=%.6g,multiple=%lld,importance=%s},",
			point->ratio, (long long)az_fit_multiple(fit), importance);
	const char *calibrate =
		az_arena_printf(text.arena, "calibrate%s", with_options(fit, range_option(fit)));
	az_text_add(&text, "%s", calibrate);
	if (fit->ram && !fit->probing && !point->bits.acts_known) {
		char *own = az_arena_printf(&fit->job->arena, "ram=%llu,policy=%s,least=%lld%s",
			(unsigned long long)fit->ram,
			strncmp(point->policy, "uniform", 7) == 0 ? "uniform" : "sensitivity",
			(long long)least_acts(fit), point->compact ? ",size" : "");
		/* Ranges suit the bits. */
		az_text_add(&text, ",assign-activations%s,%s", with_options(fit, own), calibrate);
	}
	if ((flash || fit->bitops) && !point->bits.list.count) {
		char *own = az_arena_printf(&fit->job->arena,
			"flash=%llu,bitops=%llu,policy=%s,least=%lld,most=%lld%s",
			(unsigned long long)flash, (unsigned long long)fit->bitops, point->policy,
			(long long)point->least, (long long)(o->most.set ? o->most.v : 8),
			point->compact ? ",size" : "");
		az_text_add(&text, ",assign-bits%s", with_options(fit, own));
	}
	return text.v;
}

/* Rounding by GPTQ unless another method is asked for: it costs seconds and gains points. */
static char *quantize_text(const az_fit *fit)
{
	const az_options *o = &fit->job->options;
	const char *method = fit->probing ? "nearest" : o->round ? o->round : "gptq";
	char *own = az_arena_printf(&fit->job->arena, "method=%s%s", method,
		o->correct_bias && !fit->probing ? ",bias" : "");
	return az_arena_printf(&fit->job->arena,
		"round-weights%s,insert-quantizers%s,fold-quantizers", with_options(fit, own),
		with_options(fit, ""));
}

/* Messages of a budget that is too small are for the search to tell, with what it found out. */
typedef struct muted {
	void (*handler)(void *data, az_ctx *ctx, const az_message *message);
	az_assignment *bits;
} muted;

static void mute(void *data, az_ctx *ctx, const az_message *message)
{
	muted *m = data;
	if (!m->bits->too_small && !m->bits->too_small_arena && m->handler)
		m->handler(NULL, ctx, message);
}

static bool assign(az_fit *fit, az_module *module, az_fit_point *point, uint64_t flash)
{
	az_ctx *ctx = fit->job->ctx;
	muted m = {ctx->diag.handler, &point->bits};
	void *data = ctx->diag.handler_data;
	uint32_t errors = ctx->diag.error_count;
	ctx->diag.handler = mute;
	ctx->diag.handler_data = &m;
	bool ok = run_passes(fit, module, &point->bits, pipeline_of(fit, point, flash));
	ctx->diag.handler = m.handler;
	ctx->diag.handler_data = data;
	if (point->bits.too_small || point->bits.too_small_arena)
		ctx->diag.error_count = errors;
	return ok;
}

az_module *az_fit_network(az_fit *fit, az_fit_point *point, uint64_t flash, bool *too_small)
{
	az_module *module = az_module_clone(fit->base, true);
	bool known = point->bits.list.count > 0;
	point->bits.arena = &fit->job->arena;
	*too_small = false;
	bool ok = assign(fit, module, point, known ? 0 : flash);
	if (ok && run_passes(fit, module, &point->bits, quantize_text(fit)))
		return module;
	*too_small = point->bits.too_small || point->bits.too_small_arena;
	az_module_free(module);
	return NULL;
}

/* --- Emitting it --------------------------------------------------------------------------------- */

static uint64_t last_dim(const az_type *type)
{
	return type->rank ? (uint64_t)type->dim[type->rank - 1] : 1;
}

static void note_layers(az_fit *fit, const az_cost *cost, az_fit_point *point)
{
	az_fit_layer *layer = az_new_array(&fit->job->arena, az_fit_layer, cost->layer_count + 1u);
	for (uint32_t i = 0; i < cost->layer_count; i++) {
		const az_layer_cost *c = &cost->layer[i];
		layer[i] = (az_fit_layer){.name = c->name,
			.op = c->op,
			.kernel = c->kernel,
			.bits = c->weight_elem.bits,
			.channels = last_dim(c->output),
			.weight_bytes = c->weight_bytes,
			.constant_bytes = c->constant_bytes,
			.code_bytes = c->code_bytes,
			.seconds = c->seconds};
	}
	point->layer = layer;
	point->layer_count = cost->layer_count;
}

/* When each value of the arena is alive, in steps of main's operations. */
static void note_arena(az_fit *fit, const az_module *module, az_fit_point *point)
{
	const az_func *main = az_module_main(module);
	uint32_t *step = az_new_array(&fit->job->arena, uint32_t, main->value_count + 1u);
	uint32_t *last = az_new_array(&fit->job->arena, uint32_t, main->value_count + 1u);
	uint32_t at = 0;
	for (const az_op *op = main->first; op; op = op->next, at++) {
		for (uint32_t i = 0; i < op->arg_count; i++) {
			if (op->args[i].value && !az_value_is_const(op->args[i].value))
				last[op->args[i].value->id] = at;
		}
		for (uint32_t i = 0; i < op->result_count; i++)
			step[op->results[i]->id] = last[op->results[i]->id] = at;
	}
	az_fit_value *v = az_new_array(&fit->job->arena, az_fit_value, main->value_count + 1u);
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t i = 0; i < op->result_count; i++) {
			const az_value *r = op->results[i];
			if (r->at < 0)
				continue;
			v[point->value_count++] = (az_fit_value){.name = r->name,
				.at = (uint64_t)r->at,
				.size_bytes = az_type_size(r->type),
				.first = step[r->id],
				.last = last[r->id]};
		}
	}
	point->value = v;
}

const char *az_fit_to_bytes(const az_fit_point *point)
{
	return point->packed ? "widen-activations,pack-activations," : "widen-activations,";
}

const char *az_fit_to_placed(const az_fit *fit, const az_fit_point *point)
{
	return az_arena_printf(&fit->job->arena,
		"select-kernels%s,pack-weights,reorder-operations,plan-memory",
		point->compact ? "{size}" : "");
}

static bool measure_placed(az_fit *fit, az_module *placed, az_fit_point *point)
{
	const char *text = az_arena_printf(&fit->job->arena, "%s%s", az_fit_to_bytes(point),
		az_fit_to_placed(fit, point));
	az_cost cost;
	az_cost_api api = az_backend_cost;
	api.whole = !fit->probing;
	if (!run_passes(fit, placed, NULL, text) ||
		!api.measure(&api, placed, &fit->job->arena, &cost))
		return false;
	point->text_bytes = cost.text_bytes;
	point->rodata_bytes = cost.rodata_bytes;
	point->weight_bytes = cost.weight_bytes;
	point->arena_bytes = cost.arena_bytes;
	if (!fit->smallest_arena || cost.arena_bytes < fit->smallest_arena)
		fit->smallest_arena = cost.arena_bytes;
	point->ram_bytes = cost.arena_bytes + cost.data_bytes + cost.bss_bytes + cost.stack_bytes;
	point->macs = cost.macs;
	point->bitops = cost.bitops;
	point->seconds = cost.seconds;
	note_layers(fit, &cost, point);
	note_arena(fit, placed, point);
	uint64_t least = az_fit_flash_bytes(&fit->least);
	if (!least || az_fit_flash_bytes(point) < least)
		fit->least = *point;
	return true;
}

bool az_fit_measure(az_fit *fit, az_module *module, az_fit_point *point)
{
	az_module *placed = az_module_clone(module, true);
	AZ_GUARD(fit->job->ctx, {
		az_module_free(placed);
		return false;
	});
	bool ok = measure_placed(fit, placed, point);
	AZ_UNGUARD(fit->job->ctx);
	az_module_free(placed);
	return ok;
}

/* --- Points to be ----------------------------------------------------------------------------- */

unsigned az_fit_fewest(const az_fit *fit)
{
	const az_options *o = &fit->job->options;
	return o->least.set ? (unsigned)o->least.v : 2;
}

az_fit_point az_fit_new_point(const az_fit *fit, double ratio, bool compact)
{
	const az_options *o = &fit->job->options;
	return (az_fit_point){.ratio = ratio,
		.compact = compact,
		.packed = fit->ram != 0,
		.policy = o->policy ? o->policy : "sensitivity",
		.least = az_fit_fewest(fit),
		.top1 = (double)NAN,
		.sqnr = (double)NAN,
		.mean_squared = (double)NAN,
		.bits = {.arena = &fit->job->arena}};
}

bool az_fit_probe(az_fit *fit, double ratio, unsigned bits, bool compact, az_fit_point *out)
{
	bool ignored;
	*out = az_fit_new_point(fit, ratio, compact);
	az_assign_all(&out->bits, fit->base, bits);
	fit->probing = true;
	az_module *module = az_fit_network(fit, out, 0, &ignored);
	bool ok = module && az_fit_measure(fit, module, out);
	fit->probing = false;
	if (module)
		az_module_free(module);
	return ok;
}

/* --- Running it ---------------------------------------------------------------------------------- */

typedef struct tally {
	uint64_t labelled, right;
	double error, rebuilt, elements;
} tally;

static bool is_right(const az_tensor *out, int64_t label)
{
	int64_t n = az_type_numel(out->type), best = 0;
	for (int64_t i = 1; i < n; i++) {
		if (az_tensor_get(out, (uint64_t)i) > az_tensor_get(out, (uint64_t)best))
			best = i;
	}
	return best == label;
}

/* Does the sample have a label, and which class of the network's is it? */
static bool class_of(const az_fit *fit, const az_stream *data, uint64_t i, int64_t *class)
{
	int64_t label = data->label ? data->label(data->data, i) : -1;
	*class = label + fit->job->options.label_offset.v;
	return label >= 0;
}

static bool check_labels(az_fit *fit, int64_t classes)
{
	int64_t class;
	for (uint64_t i = 0; i < fit->all->count; i++) {
		if (class_of(fit, fit->all, i, &class) && (class < 0 || class >= classes))
			return az_error(fit->job->ctx, AZ_LOC_NONE,
				"sample %llu is of class %lld (label and --label-offset), the "
				"network has %lld classes",
				(unsigned long long)i, (long long)class, (long long)classes);
	}
	return true;
}

static void count_sample(const az_fit *fit, uint64_t i, const az_tensor *in, const az_tensor *out,
	tally *t)
{
	int64_t class, n = az_type_numel(out->type);
	const float *y = out->data;
	if (class_of(fit, fit->apart, i, &class)) {
		t->labelled++;
		t->right += is_right(out, class);
	}
	for (int64_t k = 0; k < n; k++) {
		double d = (double)y[k] - (double)fit->reference[i][k];
		t->error += d * d;
	}
	for (int64_t k = 0; in->type == out->type && k < n; k++) {
		double d = (double)y[k] - (double)((const float *)in->data)[k];
		t->rebuilt += d * d;
		t->elements++;
	}
}

/* `store`: the outputs become the reference. */
static bool run_samples(az_fit *fit, az_runner *runner, bool store, tally *t)
{
	az_job *job = fit->job;
	az_tensor *in = az_job_tensors(job, runner->main, false);
	az_tensor *out = az_job_tensors(job, runner->main, true);
	int64_t n = az_type_numel(out[0].type);
	for (uint64_t i = 0; i < fit->apart->count; i++) {
		az_ctx_progress(job->ctx, "fit: running", i, fit->apart->count);
		if (!fit->apart->get(fit->apart->data, i, in) ||
			!runner->api->run(runner->exec, in, out))
			return false;
		const float *y = out[0].data;
		if (store) {
			memcpy(fit->reference[i], y, (size_t)n * sizeof *y);
			for (int64_t k = 0; k < n; k++)
				fit->energy += (double)y[k] * (double)y[k];
		}
		count_sample(fit, i, &in[0], &out[0], t);
	}
	az_ctx_progress(job->ctx, "fit: running", fit->apart->count, fit->apart->count);
	return true;
}

static double percent(const tally *t)
{
	return t->labelled ? 100.0 * (double)t->right / (double)t->labelled : (double)NAN;
}

static double mean_squared(const tally *t)
{
	return t->elements > 0 ? t->rebuilt / t->elements : (double)NAN;
}

bool az_fit_reference(az_fit *fit)
{
	az_job *job = fit->job;
	const az_func *main = az_module_main(fit->base);
	az_runner runner;
	tally t = {0};
	if (!main->results.count ||
		!az_elem_equal(main->results.v[0].use->value->type->elem, AZ_F32))
		return az_error(job->ctx, AZ_LOC_NONE,
			"fit compares the first output, which must be f32");
	if (fit->apart->label && main->params.v[0]->type->rank &&
		main->params.v[0]->type->dim[0] > 1)
		return az_error(job->ctx, AZ_LOC_NONE,
			"accuracy needs a network of batch 1, this one has batch %lld",
			(long long)main->params.v[0]->type->dim[0]);
	const az_type *type = main->results.v[0].use->value->type;
	if (!check_labels(fit, az_type_numel(type)))
		return false;
	size_t size = az_type_size(type);
	fit->reference = az_new_array(&job->arena, float *, fit->apart->count + 1);
	for (uint64_t i = 0; i < fit->apart->count; i++)
		fit->reference[i] = az_arena_alloc(&job->arena, size + 1, 64);
	az_module *plain = az_module_clone(fit->base, true);
	plain->done.count = 0;
	bool ok = az_runner_open(&runner, job, plain, false) && run_samples(fit, &runner, true, &t);
	az_runner_close(&runner);
	az_module_free(plain);
	fit->float_top1 = percent(&t);
	fit->float_mean_squared = mean_squared(&t);
	return ok;
}

/* The fastest of several runs, on the last sample. */
static bool measure_time(az_fit *fit, az_runner *runner, double *seconds)
{
	az_tensor *in = az_job_tensors(fit->job, runner->main, false);
	az_tensor *out = az_job_tensors(fit->job, runner->main, true);
	*seconds = INFINITY;
	if (!fit->apart->get(fit->apart->data, 0, in))
		return false;
	for (double begin = az_seconds_now(); az_seconds_now() - begin < 0.2;) {
		double start = az_seconds_now();
		if (!runner->api->run(runner->exec, in, out))
			return false;
		*seconds = fmin(*seconds, az_seconds_now() - start);
	}
	return true;
}

bool az_fit_evaluate(az_fit *fit, az_module *module, az_fit_point *point)
{
	az_runner runner;
	tally t = {0};
	bool ok = az_runner_open(&runner, fit->job, module, false) &&
		  run_samples(fit, &runner, false, &t) &&
		  (!fit->job->options.never_slower || measure_time(fit, &runner, &point->measured));
	az_runner_close(&runner);
	point->top1 = percent(&t);
	point->mean_squared = mean_squared(&t);
	point->sqnr = 10 * log10(fmax(fit->energy, 1e-30) / fmax(t.error, 1e-30));
	return ok;
}

az_module *az_fit_rescaled(az_fit *fit, double ratio)
{
	az_module *module = az_module_clone(fit->base, true);
	const char *text = az_arena_printf(&fit->job->arena,
		"rescale-widths{ratio=%.6g,multiple=%lld,importance=magnitude,reconstruct=false}",
		ratio, (long long)az_fit_multiple(fit));
	if (run_passes(fit, module, NULL, text))
		return module;
	az_module_free(module);
	return NULL;
}

bool az_fit_difference(az_fit *fit, az_module *module, double *most)
{
	az_runner runner;
	az_job *job = fit->job;
	double far = 0, scale = 1e-30;
	bool ok = az_runner_open(&runner, job, module, false);
	az_tensor *in = ok ? az_job_tensors(job, runner.main, false) : NULL;
	az_tensor *out = ok ? az_job_tensors(job, runner.main, true) : NULL;
	for (uint64_t i = 0; ok && i < fit->apart->count; i++) {
		ok = fit->apart->get(fit->apart->data, i, in) &&
		     runner.api->run(runner.exec, in, out);
		for (int64_t k = 0; ok && k < az_type_numel(out[0].type); k++) {
			double was = (double)fit->reference[i][k];
			far = fmax(far, fabs((double)((const float *)out[0].data)[k] - was));
			scale = fmax(scale, fabs(was));
		}
	}
	az_runner_close(&runner);
	*most = far / scale;
	return ok;
}

bool az_fit_better(const az_fit *fit, const az_fit_point *a, const az_fit_point *b)
{
	bool labels = fit->apart->label && !isnan(a->top1) && !isnan(b->top1);
	if (labels && a->top1 != b->top1)
		return a->top1 > b->top1;
	if (a->sqnr != b->sqnr)
		return a->sqnr > b->sqnr;
	if (a->compact != b->compact)
		return b->compact;
	return az_fit_flash_bytes(a) < az_fit_flash_bytes(b);
}
