/* SPDX-License-Identifier: Apache-2.0
 *
 * The sections of relocatable ELF objects that end up in memory: name, size, alignment. Those of several
 * objects are added up as one object would hold them, one behind the other. */
#ifndef AZ_BACKEND_SECTIONS_H
#define AZ_BACKEND_SECTIONS_H

#include "base/ctx.h"
#include "base/file.h"
#include "base/vec.h"

typedef struct az_section {
	const char *name; /* in the object's bytes or the arena of who adds */
	uint64_t size, align;
} az_section;

typedef struct az_sections {
	az_arena *arena;
	AZ_VEC(az_section) list;
} az_sections;

/* Behind a section of the same name, or a new one. */
void az_sections_add(az_sections *sections, const az_section *section);
/* Adds those of a little-endian ELF object, which must outlive the list. Reports what is none. */
bool az_sections_read(az_sections *sections, az_ctx *ctx, az_bytes object) AZ_NODISCARD;

#endif
