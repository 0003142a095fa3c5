/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and freeing the context, and the report of running out of memory, which must itself get by
 * without memory. */
#include "base/ctx.h"

#include <stdlib.h>

az_ctx *az_ctx_new(void)
{
	az_ctx *ctx = calloc(1, sizeof *ctx);
	if (!ctx)
		return NULL;
	ctx->oom.fail_after = -1;
	az_arena_init(&ctx->arena, &ctx->oom);
	return ctx;
}

void az_ctx_free(az_ctx *ctx)
{
	if (!ctx)
		return;
	az_arena_free(&ctx->arena);
	free(ctx);
}

void az_ctx_progress(az_ctx *ctx, const char *what, uint64_t done, uint64_t total)
{
	if (ctx->progress)
		ctx->progress(ctx->progress_data, what, done, total);
}

/* A handler may allocate, and fail again: then its report is cut short here. */
static void call_handler(az_ctx *ctx, const az_message *message)
{
	az_guard guard = {.outer = ctx->oom.jump};
	ctx->oom.jump = &guard.jump;
	ctx->guard_depth++;
	if (setjmp(guard.jump) == 0)
		ctx->diag.handler(ctx->diag.handler_data, ctx, message);
	ctx->guard_depth--;
	ctx->oom.jump = guard.outer;
}

void az_ctx_report_oom(az_ctx *ctx)
{
	az_diag *diag = &ctx->diag;
	az_message *message = &diag->out_of_memory;
	bool stored = message->text && !diag->handler;
	message->text = "out of memory";
	diag->error_count++;
	if (diag->handler) {
		call_handler(ctx, message);
	} else if (!stored) {
		*(diag->last ? diag->last : &diag->first) = message;
		diag->last = &message->next;
	}
}
