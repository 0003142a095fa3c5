/* SPDX-License-Identifier: Apache-2.0
 *
 * Interned names: equal texts are equal pointers, for the life of the context. NUL-terminated; names
 * that hold a NUL byte are refused where they are read. */
#ifndef AZ_BASE_NAME_H
#define AZ_BASE_NAME_H

#include <stddef.h>
#include <stdint.h>

typedef struct az_ctx az_ctx;
typedef const char *az_name;

typedef struct az_name_table {
	struct az_name_slot *slot;
	uint32_t count, capacity;
} az_name_table;

az_name az_name_intern(az_ctx *ctx, const char *text, size_t n);
az_name az_name_of(az_ctx *ctx, const char *text); /* NUL-terminated; NULL gives NULL */

#endif
