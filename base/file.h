/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: mapped for reading, written to a temporary name in the same folder and renamed, so that no
 * reader ever sees half a file and a failure leaves nothing behind. */
#ifndef AZ_BASE_FILE_H
#define AZ_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ctx.h"

typedef struct az_bytes {
	const void *data;
	size_t size;
} az_bytes;

/* Maps a file read-only; the mapping is released by az_file_unmap. Reports. */
bool az_file_map(az_ctx *ctx, const char *path, az_bytes *out) AZ_NODISCARD;
void az_file_unmap(az_bytes bytes);

/* Writes and renames; `executable` sets mode 0777 less the umask. Reports; leaves nothing behind. */
bool az_file_write(az_ctx *ctx, const char *path, const void *data, size_t size,
	bool executable) AZ_NODISCARD;

bool az_file_exists(const char *path);
/* Makes the folder and its parents. Reports. */
bool az_folder_make(az_ctx *ctx, const char *path) AZ_NODISCARD;

/* Text pieces of a path, in the arena: folder ("." if none), last part, last part without extension. */
char *az_path_folder(az_arena *arena, const char *path);
char *az_path_base(az_arena *arena, const char *path);
char *az_path_stem(az_arena *arena, const char *path);
char *az_path_join(az_arena *arena, const char *folder, const char *name);

/* The SHA-256 of the bytes as 64 lower-case hexadecimal digits and a NUL. */
void az_sha256_hex(char out[65], const void *data, size_t size);

#endif
