/* SPDX-License-Identifier: Apache-2.0
 *
 * The entry points for IR text: set up, parse, verify, clean up whatever happened. */
#include <string.h>

#include "base/file.h"
#include "grammar/adz_build.h"
#include "grammar/adz.tab.h"
#include "grammar/parse.h"
#include "ir/verify.h"

/* Diagnostics quote the text for as long as the context lives, so it gets a copy. */
static bool parse(az_adz_state *s, const char *file, const char *text, size_t size)
{
	uint32_t errors = s->ctx->diag.error_count;
	az_loc loc = {.file = az_name_of(s->ctx, file)};
	if (size > AZ_ADZ_TEXT_MAX)
		return az_error(s->ctx, loc, "the text has more than %u bytes", AZ_ADZ_TEXT_MAX);
	s->file = loc.file;
	s->text = az_arena_copy(&s->ctx->arena, text, size);
	s->size = size;
	az_diag_source(s->ctx, s->file, s->text, size);
	s->module = az_module_new(s->ctx, NULL);
	az_adz_scan_open(s);
	if (az_adz_parse(s) != 0 || s->ctx->diag.error_count != errors)
		return false;
	if (!az_module_main(s->module))
		return az_error(s->ctx, loc, "the module has no function");
	return az_module_verify(s->module);
}

static bool guarded(az_adz_state *s, const char *file, const char *text, size_t size)
{
	AZ_GUARD(s->ctx, return false);
	bool ok = parse(s, file, text, size);
	AZ_UNGUARD(s->ctx);
	return ok;
}

az_module *az_parse_module(az_ctx *ctx, const char *file, const char *text, size_t size,
	const char *blob_folder)
{
	az_adz_state s = {.ctx = ctx, .blob_folder = blob_folder};
	az_arena_init(&s.arena, &ctx->oom);
	az_arena_init(&s.line, &ctx->oom);
	bool ok = guarded(&s, file, text, size);
	if (s.mapped.data)
		az_file_unmap(s.mapped);
	az_arena_free(&s.arena);
	az_arena_free(&s.line);
	if (ok)
		return s.module;
	az_module_free(s.module);
	return NULL;
}

/* "<path>.blobs" in the context's arena; NULL when there is no memory. */
static const char *default_folder(az_ctx *ctx, const char *path)
{
	AZ_GUARD(ctx, return NULL);
	const char *folder = az_arena_printf(&ctx->arena, "%s.blobs", path);
	AZ_UNGUARD(ctx);
	return folder;
}

az_module *az_parse_file(az_ctx *ctx, const char *path, const char *blob_folder)
{
	az_bytes bytes;
	const char *folder = blob_folder ? blob_folder : default_folder(ctx, path);
	if (!folder || !az_file_map(ctx, path, &bytes))
		return NULL;
	az_module *module = az_parse_module(ctx, path, bytes.data, bytes.size, folder);
	az_file_unmap(bytes);
	return module;
}
