/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing modules: the blobs first, so that the text never names one that is not there. */
#include <string.h>

#include "base/file.h"
#include "ir/internal.h"
#include "ir/print.h"

static bool write_blob(const az_module *module, const az_const *constant, const char *folder,
	az_arena *arena)
{
	char *path = az_path_join(arena, folder,
		az_arena_printf(arena, "%s.bin", az_const_hash(constant)));
	return az_file_exists(path) ||
	       az_file_write(module->ctx, path, constant->data, constant->size_bytes, false);
}

static bool write_blobs(const az_module *module, const char *folder, az_arena *arena)
{
	bool made = false;
	for (uint32_t i = 0; i < module->consts.count; i++) {
		const az_const *constant = module->consts.v[i];
		if (!az_const_is_blob(constant))
			continue;
		if (!made && !az_folder_make(module->ctx, folder))
			return false;
		made = true;
		if (!write_blob(module, constant, folder, arena))
			return false;
	}
	return true;
}

static bool write_module(const az_module *module, const char *path, const char *blob_folder,
	az_arena *arena)
{
	az_text text = {.arena = arena};
	if (!blob_folder)
		blob_folder = az_arena_printf(arena, "%s.blobs", path);
	if (!write_blobs(module, blob_folder, arena))
		return false;
	az_module_print(&text, module);
	return az_file_write(module->ctx, path, text.v, text.count, false);
}

static bool guarded_blobs(const az_module *module, const char *folder, az_arena *arena)
{
	AZ_GUARD(module->ctx, return false);
	bool ok = write_blobs(module, folder, arena);
	AZ_UNGUARD(module->ctx);
	return ok;
}

static bool guarded_module(const az_module *module, const char *path, const char *blob_folder,
	az_arena *arena)
{
	AZ_GUARD(module->ctx, return false);
	bool ok = write_module(module, path, blob_folder, arena);
	AZ_UNGUARD(module->ctx);
	return ok;
}

bool az_blobs_write(const az_module *module, const char *folder)
{
	az_arena arena;
	az_arena_init(&arena, &module->ctx->oom);
	bool ok = guarded_blobs(module, folder, &arena);
	az_arena_free(&arena);
	return ok;
}

bool az_module_write(const az_module *module, const char *path, const char *blob_folder)
{
	az_arena arena;
	az_arena_init(&arena, &module->ctx->oom);
	bool ok = guarded_module(module, path, blob_folder, &arena);
	az_arena_free(&arena);
	return ok;
}
