/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of .tar and .zip (.npz) files, in the order of the archive. Inside data/ only. */
#ifndef AZ_DATA_ARCHIVE_H
#define AZ_DATA_ARCHIVE_H

#include "base/file.h"
#include "base/vec.h"

typedef struct az_member {
	const char *name;
	const void *data; /* in the arena */
	size_t size;
} az_member;

typedef AZ_VEC(az_member) az_members;

/* All regular members. Reports. */
bool az_archive_read(az_ctx *ctx, az_arena *arena, const char *path, az_members *out);

#endif
