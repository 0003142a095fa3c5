/* SPDX-License-Identifier: Apache-2.0
 *
 * One array from a file, whatever its format. */
#include <string.h>

#include "data/archive.h"
#include "data/data.h"
#include "data/npy.h"
#include "frontend/onnx.h"

/* "file.npz:key" split in place; false when path names no .npz. */
static bool split_npz(az_arena *arena, const char *path, const char **file, const char **key)
{
	const char *end = strstr(path, ".npz");
	if (!end || (end[4] && end[4] != ':'))
		return false;
	*file = az_arena_copy(arena, path, (size_t)(end + 4 - path));
	*key = end[4] ? end + 5 : NULL;
	return true;
}

static bool is_key(const char *member, const char *key)
{
	size_t n = strlen(key);
	return strncmp(member, key, n) == 0 && (!member[n] || strcmp(member + n, ".npy") == 0);
}

static bool read_npz(az_ctx *ctx, az_arena *arena, const char *file, const char *key,
	az_tensor *out)
{
	az_members members = {0};
	if (!az_archive_read(ctx, arena, file, &members))
		return false;
	if (!key && members.count != 1)
		return az_error(ctx, AZ_LOC_NONE, "%s: holds %u arrays; name one as %s:key", file,
			members.count, file);
	for (uint32_t i = 0; i < members.count; i++)
		if (!key || is_key(members.v[i].name, key))
			return az_npy_parse(ctx, arena, file, members.v[i].data, members.v[i].size,
				out);
	return az_error(ctx, AZ_LOC_NONE, "%s: no array '%s'", file, key);
}

bool az_data_tensor(az_ctx *ctx, az_arena *arena, const char *path, az_tensor *out)
{
	const char *file, *key;
	const void *data;
	size_t size, n = strlen(path);
	if (split_npz(arena, path, &file, &key))
		return read_npz(ctx, arena, file, key, out);
	if (n > 3 && strcmp(path + n - 3, ".pb") == 0)
		return az_onnx_read_tensor(ctx, arena, path, out, NULL);
	if (!az_data_read(ctx, arena, path, &data, &size))
		return false;
	if (az_is_idx(data, size))
		return az_idx_parse(ctx, arena, path, data, size, out);
	return az_npy_parse(ctx, arena, path, data, size, out);
}
