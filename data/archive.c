/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are compressed or hold other files, through libarchive. */
#include "data/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "data/data.h"

#define CHUNK        ((size_t)1 << 16)
#define EXPANDED_MAX ((size_t)1 << 34) /* more than this is a decompression bomb */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

/* The rest of the current member, in the arena. */
static bool read_member(az_ctx *ctx, az_arena *arena, struct archive *a, const char *path,
	const void **data, size_t *size)
{
	size_t used = 0, capacity = CHUNK;
	char *buffer = az_arena_alloc(arena, capacity, 64);
	for (;;) {
		if (used == capacity) {
			char *larger = az_arena_alloc(arena, 2 * capacity, 64);
			memcpy(larger, buffer, used);
			buffer = larger;
			capacity *= 2;
		}
		la_ssize_t n = archive_read_data(a, buffer + used, capacity - used);
		if (n < 0)
			return az_error(ctx, AZ_LOC_NONE, "%s: cannot decompress: %s", path,
				archive_error_string(a));
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > EXPANDED_MAX)
			return az_error(ctx, AZ_LOC_NONE, "%s: expands to more than %zu bytes",
				path, EXPANDED_MAX);
	}
	*data = buffer;
	*size = used;
	return true;
}

static bool read_compressed(az_ctx *ctx, az_arena *arena, const char *path, const void **data,
	size_t *size)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	if (!a)
		return az_error(ctx, AZ_LOC_NONE, "%s: out of memory", path);
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_format_raw(a);
	bool ok;
	if (archive_read_open_filename(a, path, CHUNK) != ARCHIVE_OK ||
		archive_read_next_header(a, &entry) != ARCHIVE_OK)
		ok = az_error(ctx, AZ_LOC_NONE, "%s: cannot read: %s", path,
			archive_error_string(a));
	else
		ok = read_member(ctx, arena, a, path, data, size);
	archive_read_free(a);
	return ok;
}

bool az_data_read(az_ctx *ctx, az_arena *arena, const char *path, const void **data, size_t *size)
{
	az_bytes bytes;
	if (ends_with(path, ".gz") || ends_with(path, ".xz"))
		return read_compressed(ctx, arena, path, data, size);
	if (!az_file_map(ctx, path, &bytes))
		return false;
	char *copy = az_arena_alloc(arena, bytes.size + 1, 64);
	memcpy(copy, bytes.data, bytes.size);
	*data = copy;
	*size = bytes.size;
	az_file_unmap(bytes);
	return true;
}

static bool read_members(az_ctx *ctx, az_arena *arena, struct archive *a, const char *path,
	az_members *out)
{
	struct archive_entry *entry;
	int status;
	while ((status = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
		az_member member = {0};
		const char *name = archive_entry_pathname(entry);
		if (archive_entry_filetype(entry) != AE_IFREG || !name)
			continue;
		member.name = az_arena_copy(arena, name, strlen(name));
		if (!read_member(ctx, arena, a, path, &member.data, &member.size))
			return false;
		az_vec_push(arena, out, member);
	}
	if (status != ARCHIVE_EOF)
		return az_error(ctx, AZ_LOC_NONE, "%s: cannot read: %s", path,
			archive_error_string(a));
	return true;
}

bool az_archive_read(az_ctx *ctx, az_arena *arena, const char *path, az_members *out)
{
	struct archive *a = archive_read_new();
	if (!a)
		return az_error(ctx, AZ_LOC_NONE, "%s: out of memory", path);
	archive_read_support_filter_all(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_zip(a);
	bool ok;
	if (archive_read_open_filename(a, path, CHUNK) != ARCHIVE_OK)
		ok = az_error(ctx, AZ_LOC_NONE, "%s: cannot read: %s", path,
			archive_error_string(a));
	else
		ok = read_members(ctx, arena, a, path, out);
	archive_read_free(a);
	return ok;
}
