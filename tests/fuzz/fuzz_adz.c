/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes are IR text or are refused with a message; and what is accepted keeps the law of the
 * printer: its text, read again, prints the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/parse.h"
#include "ir/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(az_ctx *ctx, const char *text, size_t size)
{
	az_module *module = az_parse_module(ctx, "fuzz.adz", text, size, NULL);
	if (!module) {
		if (!ctx->diag.error_count)
			abort();
		return;
	}
	az_text first = {.arena = &ctx->arena}, second = {.arena = &ctx->arena};
	az_module_print(&first, module);
	az_module *copy = az_parse_module(ctx, "again.adz", first.v, first.count, NULL);
	bool blob = strstr(first.v, " = blob \"") != NULL; /* there is no folder to read it from */
	if (!copy && !blob)
		abort();
	if (copy) {
		az_module_print(&second, copy);
		if (first.count != second.count || memcmp(first.v, second.v, first.count) != 0)
			abort();
	}
	az_module_free(copy);
	az_module_free(module);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	az_ctx *ctx = az_ctx_new();
	if (!ctx)
		return 0;
	check(ctx, (const char *)data, size);
	az_ctx_free(ctx);
	return 0;
}
