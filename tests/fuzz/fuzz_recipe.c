/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes and pipelines from arbitrary text: read or refused, never more. */
#include <stddef.h>
#include <stdint.h>

#include "grammar/parse.h"
#include "grammar/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	az_ctx *ctx = az_ctx_new();
	if (!ctx)
		return 0;
	az_recipe recipe;
	az_pipeline pipeline;
	char *text = az_arena_copy(&ctx->arena, (const char *)data, size);
	(void)!az_parse_recipe(ctx, &ctx->arena, "fuzz", text, size, &recipe);
	(void)!az_parse_pipeline(ctx, &ctx->arena, "fuzz", text, &pipeline);
	az_ctx_free(ctx);
	return 0;
}
