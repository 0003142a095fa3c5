/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text is a pipeline or is refused with a message. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "grammar/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	az_pipeline pipeline;
	az_ctx *ctx = az_ctx_new();
	if (!ctx)
		return 0;
	const char *text = az_arena_copy(&ctx->arena, (const char *)data, size);
	bool ok = az_parse_pipeline(ctx, &ctx->arena, "-p", text, &pipeline);
	if (ok == (ctx->diag.error_count > 0))
		abort();
	az_ctx_free(ctx);
	return 0;
}
