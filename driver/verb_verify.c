/* SPDX-License-Identifier: Apache-2.0
 *
 * adze verify: ONNX test_data_set folders (input_<i>.pb, output_<i>.pb) against native code or the
 * interpreter. Without tolerances an output may differ by 5e-4 of its largest element. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"
#include "frontend/onnx.h"

#define DEFAULT_TOLERANCE 5e-4

typedef struct difference {
	double error;    /* largest |x - ref| */
	double largest;  /* largest |ref| */
	int64_t outside; /* elements past the tolerance */
	int64_t differing;
	bool same_top;
} difference;

static bool both_same_special(double a, double b)
{
	return (isnan(a) && isnan(b)) || a == b;
}

static double tolerance(const az_options *o, double largest, double ref)
{
	if (!o->rtol.set && !o->atol.set)
		return DEFAULT_TOLERANCE * largest;
	return (o->atol.set ? o->atol.v : 0) + (o->rtol.set ? o->rtol.v : 0) * fabs(ref);
}

static difference compare(const az_options *o, const az_tensor *x, const az_tensor *ref)
{
	difference d = {.same_top = true};
	int64_t n = az_type_numel(ref->type), best_x = 0, best_ref = 0;
	for (int64_t i = 0; i < n; i++) {
		double r = fabs(az_tensor_get(ref, (uint64_t)i));
		if (isfinite(r) && r > d.largest)
			d.largest = r;
	}
	for (int64_t i = 0; i < n; i++) {
		double a = az_tensor_get(x, (uint64_t)i), b = az_tensor_get(ref, (uint64_t)i);
		if (a > az_tensor_get(x, (uint64_t)best_x))
			best_x = i;
		if (b > az_tensor_get(ref, (uint64_t)best_ref))
			best_ref = i;
		if (both_same_special(a, b))
			continue;
		double error = fabs(a - b);
		d.differing++;
		if (!(error <= d.error))
			d.error = error;
		if (!(error <= tolerance(o, d.largest, b)))
			d.outside++;
	}
	d.same_top = best_x == best_ref;
	return d;
}

typedef struct suite {
	az_job *job;
	az_runner runner, interpreter;
	json_object *json;
	int passed, failed;
} suite;

static void report(suite *s, const char *folder, const char *output, const char *with, difference d,
	bool ok)
{
	if (s->json) {
		json_object *o = json_object_new_object();
		json_object_object_add(o, "folder", json_object_new_string(folder));
		json_object_object_add(o, "output", json_object_new_string(output));
		json_object_object_add(o, "with", json_object_new_string(with));
		json_object_object_add(o, "passed", json_object_new_boolean(ok));
		json_object_object_add(o, "max_error", json_object_new_double(d.error));
		json_object_object_add(o, "largest", json_object_new_double(d.largest));
		json_object_object_add(o, "outside", json_object_new_int64(d.outside));
		json_object_object_add(o, "differing", json_object_new_int64(d.differing));
		json_object_object_add(o, "same_top1", json_object_new_boolean(d.same_top));
		json_object_array_add(s->json, o);
		return;
	}
	printf("%s %s \"%s\" against %s: largest difference %.3g (%.3g of the largest output), "
	       "%lld "
	       "outside, top-1 %s\n",
		ok ? "pass" : "FAIL", folder, output, with, d.error,
		d.largest > 0 ? d.error / d.largest : d.error, (long long)d.outside,
		d.same_top ? "same" : "differs");
}

static bool read_set(suite *s, az_arena *arena, const char *folder, const char *kind,
	uint32_t count, az_tensor *out)
{
	for (uint32_t i = 0; i < count; i++) {
		char *name = az_arena_printf(arena, "%s_%u.pb", kind, i);
		if (!az_onnx_read_tensor(s->job->ctx, arena, az_path_join(arena, folder, name),
			    &out[i], NULL))
			return false;
	}
	return true;
}

static bool check_outputs(suite *s, const char *folder, const char *with, const az_tensor *got,
	const az_tensor *expected)
{
	const az_func *main = s->runner.main;
	bool all = true;
	for (uint32_t i = 0; i < main->results.count; i++) {
		if (!az_type_same_shape(got[i].type, expected[i].type))
			return az_error(s->job->ctx, AZ_LOC_NONE,
				"%s: output \"%s\" is %s, expected %s", folder,
				main->results.v[i].name, az_type_print(&s->job->arena, got[i].type),
				az_type_print(&s->job->arena, expected[i].type));
		difference d = compare(&s->job->options, &got[i], &expected[i]);
		bool ok = d.outside == 0;
		report(s, folder, main->results.v[i].name, with, d, ok);
		all &= ok;
	}
	return all;
}

static bool run_set(suite *s, az_arena *arena, const char *folder)
{
	const az_func *main = s->runner.main;
	az_tensor *in = az_new_array(arena, az_tensor, main->params.count + 1);
	az_tensor *expected = az_new_array(arena, az_tensor, main->results.count + 1);
	az_tensor *got = az_new_array(arena, az_tensor, main->results.count + 1);
	az_tensor *reference = az_new_array(arena, az_tensor, main->results.count + 1);
	if (!read_set(s, arena, folder, "input", main->params.count, in) ||
		!read_set(s, arena, folder, "output", main->results.count, expected) ||
		!az_runner_run(&s->runner, arena, in, got))
		return false;
	bool ok = check_outputs(s, folder, "the stored outputs", got, expected);
	if (s->interpreter.exec)
		ok &= az_runner_run(&s->interpreter, arena, in, reference) &&
		      check_outputs(s, folder, "the interpreter", got, reference);
	return ok;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* test_data_set_* beside the model, in name order. */
static uint32_t find_sets(az_job *job, const char *model, const char ***out)
{
	AZ_VEC(char *) found = {0};
	char *folder = az_path_folder(&job->arena, model);
	DIR *dir = opendir(folder);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (strncmp(entry->d_name, "test_data_set_", 14) == 0)
			az_vec_push(&job->arena, &found,
				az_path_join(&job->arena, folder, entry->d_name));
	if (dir)
		closedir(dir);
	if (found.count)
		qsort(found.v, found.count, sizeof *found.v, compare_names);
	*out = (const char **)found.v;
	return found.count;
}

static bool run_sets(suite *s)
{
	az_job *job = s->job;
	uint32_t count = job->options.arg_count - 1;
	const char **folders = job->options.args + 1;
	if (count == 0)
		count = find_sets(job, job->options.args[0], &folders);
	if (count == 0)
		return az_error(job->ctx, AZ_LOC_NONE, "%s: no test_data_set folder beside it",
			job->options.args[0]);
	for (uint32_t i = 0; i < count; i++) {
		az_arena arena;
		az_arena_init(&arena, &job->ctx->oom);
		if (run_set(s, &arena, folders[i]))
			s->passed++;
		else
			s->failed++;
		az_arena_free(&arena);
	}
	return s->failed == 0;
}

int az_verb_verify(az_job *job)
{
	suite s = {.job = job};
	const az_options *o = &job->options;
	az_module *module = az_job_load(job, o->args[0]);
	bool ok = module && az_job_road(job, module, true) &&
		  az_runner_open(&s.runner, job, module, o->interpret) &&
		  (!o->both || az_runner_open(&s.interpreter, job, module, true));
	if (ok && o->json)
		s.json = json_object_new_array();
	ok = ok && run_sets(&s);
	if (s.json)
		az_print_json(s.json);
	else if (s.passed + s.failed > 0)
		printf("%d passed, %d failed\n", s.passed, s.failed);
	az_runner_close(&s.runner);
	az_runner_close(&s.interpreter);
	if (module)
		az_module_free(module);
	return ok ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
}
