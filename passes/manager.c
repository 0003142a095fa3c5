/* SPDX-License-Identifier: Apache-2.0
 *
 * Running pipelines. The whole pipeline is checked first: names, options, and whether the stage that
 * each pass leaves is one that the next accepts. A clone taken before each pass (constant data is
 * shared, so it costs little) is what a failing pass leaves behind as a test, and what --check-each
 * compares with. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/manager.h"

typedef struct run_state {
	az_ctx *ctx;
	az_module *module;
	const az_pipeline *pipeline;
	const az_pass_env *env;
	az_pass_ctx pass;  /* of the running pass; here, so that its scratch survives a jump */
	az_module *before; /* clone, or NULL */
} run_state;

const az_pass_desc *az_pass_find(const char *name)
{
	for (uint32_t i = 0; i < az_pass_count; i++) {
		if (strcmp(az_pass_table[i].name, name) == 0)
			return &az_pass_table[i];
	}
	return NULL;
}

static const char *next_pass(void *state)
{
	uint32_t *i = state;
	return *i < az_pass_count ? az_pass_table[(*i)++].name : NULL;
}

const char *az_pass_nearest(const char *name)
{
	uint32_t i = 0;
	return az_nearest_word(name, next_pass, &i);
}

static az_pass_fn *function_of(const az_pass_desc *desc, const az_pass_env *env)
{
	return desc->run ? desc->run : env->backend ? env->backend(desc->name) : NULL;
}

/* "imported, canonical or folded" */
static const char *stage_list(az_arena *arena, uint8_t stages)
{
	az_text text = {.arena = arena};
	for (int i = 0; i < AZ_STAGE_COUNT_; i++) {
		if (!(stages & 1 << i))
			continue;
		bool last = stages >> (i + 1) == 0;
		az_text_add(&text, "%s%s",
			text.count == 0 ? ""
			: last          ? " or "
					: ", ",
			az_stage_words[i]);
	}
	return text.v;
}

static bool check_step(run_state *run, const az_pipeline_step *step, int *stage)
{
	const az_pass_desc *desc = az_pass_find(step->pass);
	if (!desc) {
		const char *near = az_pass_nearest(step->pass);
		return az_error(run->ctx, step->loc, "there is no pass \"%s\"%s%s%s", step->pass,
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
	bool ok = az_options_check(run->ctx, desc, step);
	if (!function_of(desc, run->env))
		ok = az_error(run->ctx, step->loc, "pass \"%s\" needs a target, none was given",
			desc->name);
	if (*stage >= 0 && !(desc->takes & 1 << *stage))
		ok = az_error(run->ctx, step->loc,
			"pass \"%s\" takes a module at stage %s, here it is %s", desc->name,
			stage_list(&run->pass.scratch, desc->takes), az_stage_words[*stage]);
	if (desc->gives >= 0)
		*stage = desc->gives;
	return ok;
}

static bool check_pipeline(run_state *run)
{
	bool ok = true;
	int stage = (int)run->module->stage;
	for (uint32_t i = 0; i < run->pipeline->count && !az_error_limit(run->ctx); i++)
		ok &= check_step(run, &run->pipeline->step[i], &stage);
	const char *stop = run->env->stop_after;
	if (stop && !az_pass_find(stop)) {
		const char *near = az_pass_nearest(stop);
		ok = az_error(run->ctx, AZ_LOC_NONE, "there is no pass \"%s\" to stop after%s%s%s",
			stop, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
	return ok;
}

/* The module as it was, behind a comment that says what to run on it. */
static void write_crash(run_state *run, uint32_t from)
{
	az_text text = {.arena = &run->pass.scratch};
	az_text_add(&text, "# RUN: adze opt -p ");
	for (uint32_t i = from; i < run->pipeline->count; i++) {
		const az_pipeline_step *step = &run->pipeline->step[i];
		az_text_add(&text, "%s%s", i > from ? "," : "\"",
			az_step_text(&run->pass.scratch, az_pass_find(step->pass), step));
	}
	az_text_add(&text, "\" %%s\n");
	az_module_print(&text, run->before);
	char *folder = az_arena_printf(&run->pass.scratch, "%s.blobs", run->env->crash_path);
	if (az_blobs_write(run->before, folder) &&
		az_file_write(run->ctx, run->env->crash_path, text.v, text.count, false))
		az_note(run->ctx, AZ_LOC_NONE, "the module before the pass is in \"%s\"",
			run->env->crash_path);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool run_pass(run_state *run, const az_pipeline_step *step, const az_pass_desc *desc)
{
	run->pass.ctx = run->ctx;
	run->pass.module = run->module;
	run->pass.env = run->env;
	run->pass.step = step;
	run->pass.desc = desc;
	if (!function_of(desc, run->env)(&run->pass))
		return false;
	if (desc->gives >= 0)
		run->module->stage = (az_stage)desc->gives;
	char *text = az_step_text(&run->pass.scratch, desc, step);
	az_vec_push(&run->module->arena, &run->module->done, az_name_of(run->ctx, text));
	if (run->env->verify_each && !az_module_verify(run->module)) {
		az_note(run->ctx, AZ_LOC_NONE, "found after pass \"%s\"", desc->name);
		return false;
	}
	if (run->env->check_each && desc->keeps != AZ_KEEPS_NOTHING)
		return az_check_kept(run->ctx, run->before, run->module, desc, step->loc);
	return true;
}

static bool run_step(run_state *run, uint32_t i, az_pass_time *time)
{
	const az_pipeline_step *step = &run->pipeline->step[i];
	const az_pass_desc *desc = az_pass_find(step->pass);
	if (run->env->crash_path || run->env->check_each)
		run->before = az_module_clone(run->module, true);
	double start = now();
	bool ok = run_pass(run, step, desc);
	*time = (az_pass_time){desc->name, now() - start};
	if (!ok) {
		az_note(run->ctx, step->loc, "pass \"%s\" failed", desc->name);
		if (run->env->crash_path)
			write_crash(run, i);
	}
	if (run->before)
		az_module_free(run->before);
	run->before = NULL;
	if (ok && run->env->after)
		ok = run->env->after(run->env->after_data, run->module, desc->name, i);
	az_arena_free(&run->pass.scratch);
	return ok;
}

static bool run_pipeline(run_state *run)
{
	if (!check_pipeline(run))
		return false;
	az_arena_free(&run->pass.scratch);
	uint32_t count = run->pipeline->count;
	az_pass_time *times = az_new_array(&run->ctx->arena, az_pass_time, count + 1);
	for (uint32_t i = 0; i < count; i++) {
		if (!run_step(run, i, &times[i]))
			return false;
		if (run->env->time_passes) {
			run->ctx->pass_times = times;
			run->ctx->pass_time_count = i + 1;
		}
		const char *stop = run->env->stop_after;
		if (stop && strcmp(stop, run->pipeline->step[i].pass) == 0)
			break;
	}
	return true;
}

static void end_run(run_state *run)
{
	if (run->before)
		az_module_free(run->before);
	az_arena_free(&run->pass.scratch);
	free(run);
}

bool az_pipeline_run(az_module *module, const az_pipeline *pipeline, const az_pass_env *env)
{
	az_ctx *ctx = module->ctx;
	/* Outside every arena: it must survive a jump out of a pass that ran out of memory. */
	run_state *run = calloc(1, sizeof *run);
	if (!run) {
		az_ctx_report_oom(ctx);
		return false;
	}
	run->ctx = ctx;
	run->module = module;
	run->pipeline = pipeline;
	run->env = env;
	az_arena_init(&run->pass.scratch, &ctx->oom);
	AZ_GUARD(ctx, end_run(run); return false);
	bool ok = run_pipeline(run);
	AZ_UNGUARD(ctx);
	end_run(run);
	return ok;
}

uint32_t az_pipeline_times(const az_ctx *ctx, const az_pass_time **times)
{
	*times = ctx->pass_times;
	return ctx->pass_time_count;
}
