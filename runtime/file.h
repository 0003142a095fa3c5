/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files. Both functions give 0 after saying what is wrong with `path`. */
#ifndef ADZE_RUNTIME_FILE_H
#define ADZE_RUNTIME_FILE_H

#include <stdint.h>

typedef struct file_bytes {
	const uint8_t *data;
	uint64_t size;
} file_bytes;

/* The content, followed by 64 zero bytes. */
int file_read(const char *path, file_bytes *out);
/* Writes the parts one behind the other to a temporary file and renames it. */
int file_write(const char *path, const file_bytes *parts, uint32_t count);

#endif
