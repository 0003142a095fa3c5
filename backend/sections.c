/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the section headers of an object that was just made. LLVM's C interface does not tell the alignment
 * of sections, which their sum depends on. */
#include "backend/sections.h"

#include <string.h>

#define SHF_ALLOC 2

/* Where things stand in the header of the file and of a section, for 32 and 64 bits. */
typedef struct layout {
	uint8_t word, headers, header_size, header_count, names;
	uint8_t flags, offset, size, align;
} layout;

static const layout of_32 = {4, 0x20, 0x2e, 0x30, 0x32, 0x08, 0x10, 0x14, 0x20};
static const layout of_64 = {8, 0x28, 0x3a, 0x3c, 0x3e, 0x08, 0x18, 0x20, 0x30};

static uint64_t read_int(const uint8_t *at, uint32_t bytes)
{
	uint64_t v = 0;
	for (uint32_t i = 0; i < bytes; i++)
		v |= (uint64_t)at[i] << (8 * i);
	return v;
}

void az_sections_add(az_sections *sections, const az_section *section)
{
	uint64_t align = AZ_MAX(section->align, 1);
	for (uint32_t i = 0; i < sections->list.count; i++) {
		az_section *s = &sections->list.v[i];
		if (strcmp(s->name, section->name) != 0)
			continue;
		s->size = (s->size + align - 1) / align * align + section->size;
		s->align = AZ_MAX(s->align, align);
		return;
	}
	az_vec_push(sections->arena, &sections->list, *section);
}

bool az_sections_read(az_sections *sections, az_ctx *ctx, az_bytes object)
{
	const uint8_t *data = object.data;
	if (object.size < 64 || memcmp(data, "\177ELF", 4) != 0)
		return az_error(ctx, AZ_LOC_NONE, "the object just made is not ELF");
	const layout *l = data[4] == 2 ? &of_64 : &of_32;
	const uint8_t *headers = data + read_int(data + l->headers, l->word);
	uint64_t size = read_int(data + l->header_size, 2);
	uint64_t count = read_int(data + l->header_count, 2);
	const uint8_t *names = headers + read_int(data + l->names, 2) * size;
	const char *text = (const char *)data + read_int(names + l->offset, l->word);
	for (uint64_t i = 1; i < count; i++) {
		const uint8_t *h = headers + i * size;
		if (read_int(h + l->flags, l->word) & SHF_ALLOC)
			az_sections_add(sections,
				&(az_section){text + read_int(h, 4), read_int(h + l->size, l->word),
					read_int(h + l->align, l->word)});
	}
	return true;
}
