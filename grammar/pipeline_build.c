/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a pipeline while its text is parsed, and the entry point. */
#include <stdlib.h>
#include <string.h>

#include "grammar/pipeline_build.h"
#include "grammar/pipeline.tab.h"

az_pipe_steps az_pipe_step(az_pipe_state *s, az_loc loc, az_name pass)
{
	az_pipe_steps steps = {0};
	az_pipeline_step step = {pass, loc, s->options.count, s->options.v};
	s->options.v = NULL;
	s->options.count = s->options.capacity = 0;
	az_vec_push(s->arena, &steps, step);
	return steps;
}

void az_pipe_option(az_pipe_state *s, az_loc loc, az_name key, az_name value)
{
	az_pipeline_option option = {key, value ? value : az_name_of(s->ctx, ""), loc};
	for (uint32_t i = 0; i < s->options.count; i++) {
		if (s->options.v[i].key == key) {
			az_error(s->ctx, loc, "option \"%s\" is given twice", key);
			return;
		}
	}
	if (s->options.count == AZ_ARGS_MAX)
		az_error(s->ctx, loc, "a pass has at most %d options", AZ_ARGS_MAX);
	else
		az_vec_push(s->arena, &s->options, option);
}

static bool check_length(az_pipe_state *s, az_loc loc, uint64_t count)
{
	if (count <= AZ_PIPE_STEPS_MAX)
		return true;
	return az_error(s->ctx, loc, "a pipeline has at most %d steps", AZ_PIPE_STEPS_MAX);
}

bool az_pipe_join(az_pipe_state *s, az_loc loc, az_pipe_steps *to, az_pipe_steps more)
{
	if (!check_length(s, loc, (uint64_t)to->count + more.count))
		return false;
	for (uint32_t i = 0; i < more.count; i++)
		az_vec_push(s->arena, to, more.v[i]);
	return true;
}

bool az_pipe_repeat(az_pipe_state *s, az_loc loc, az_pipe_steps *steps, az_name count)
{
	uint32_t times = 0, once = steps->count;
	if (count[0] == 0 || strlen(count) > 4 || count[strspn(count, "0123456789")])
		return az_error(s->ctx, loc, "\"%s\" is no number of repetitions", count);
	times = (uint32_t)strtoul(count, NULL, 10);
	if (times == 0)
		return az_error(s->ctx, loc, "a step is repeated at least once");
	if (!check_length(s, loc, (uint64_t)once * times))
		return false;
	for (uint32_t i = once; i < once * times; i++)
		az_vec_push(s->arena, steps, steps->v[i - once]);
	return true;
}

bool az_pipe_enter(az_pipe_state *s, az_loc loc)
{
	if (++s->depth <= AZ_DEPTH_MAX)
		return true;
	return az_error(s->ctx, loc, "brackets are nested more than %d deep", AZ_DEPTH_MAX);
}

static bool parse(az_pipe_state *s, const char *file, const char *text)
{
	uint32_t errors = s->ctx->diag.error_count;
	s->file = az_name_of(s->ctx, file);
	s->size = strlen(text);
	if (s->size > 1u << 20)
		return az_error(s->ctx, (az_loc){.file = s->file}, "the pipeline is too long");
	s->text = az_arena_copy(&s->ctx->arena, text, s->size);
	az_diag_source(s->ctx, s->file, s->text, s->size);
	az_pipe_scan_open(s);
	return az_pipe_parse(s) == 0 && s->ctx->diag.error_count == errors;
}

static bool guarded(az_pipe_state *s, const char *file, const char *text)
{
	AZ_GUARD(s->ctx, return false);
	bool ok = parse(s, file, text);
	AZ_UNGUARD(s->ctx);
	return ok;
}

bool az_parse_pipeline(az_ctx *ctx, az_arena *arena, const char *file, const char *text,
	az_pipeline *out)
{
	az_pipe_state s = {.ctx = ctx, .arena = arena, .out = out};
	*out = (az_pipeline){0};
	az_arena_init(&s.scratch, &ctx->oom);
	bool ok = guarded(&s, file, text);
	az_arena_free(&s.scratch);
	return ok;
}
