/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants of IR text. A blob is believed only when its size and its hash are right; its name is
 * checked first, so that no text reaches files outside the blob folder. */
#include <string.h>

#include "grammar/adz_build.h"
#include "ir/internal.h"

static bool size_error(az_adz_state *s, const az_type *type, const char *what, uint64_t found,
	uint64_t wanted)
{
	return az_error(s->ctx, s->data.loc, "%s wants %llu %s, found %llu",
		az_type_print(&s->line, type), (unsigned long long)wanted, what,
		(unsigned long long)found);
}

static az_const *from_list(az_adz_state *s, az_name name, const az_type *type)
{
	az_adz_list list = s->data.list;
	uint64_t count = (uint64_t)az_type_numel(type);
	if (list.count != count) {
		size_error(s, type, "numbers", list.count, count);
		return NULL;
	}
	void *data = az_arena_alloc(&s->module->arena, az_type_size(type), 8);
	for (uint32_t i = 0; i < list.count; i++) {
		if (!az_adz_element(s, list.v[i], type->elem, data, i))
			return NULL;
	}
	return az_const_new(s->module, name, type, data, true);
}

static az_const *from_splat(az_adz_state *s, az_name name, const az_type *type)
{
	uint64_t element = 0;
	if (!az_adz_element(s, s->data.num, type->elem, &element, 0))
		return NULL;
	return az_const_splat(s->module, name, type, &element);
}

static bool check_hash_text(az_adz_state *s)
{
	const char *hash = s->data.hash;
	if (strlen(hash) == 64 && strspn(hash, "0123456789abcdef") == 64)
		return true;
	return az_error(s->ctx, s->data.loc, "a blob is named by 64 lower-case hexadecimal digits");
}

/* The mapping stands in the state, so that it is released whatever happens. */
static az_const *copy_blob(az_adz_state *s, az_name name, const az_type *type, const char *path)
{
	char hash[65];
	if (s->mapped.size != az_type_size(type)) {
		az_error(s->ctx, s->data.loc, "\"%s\" has %zu bytes, %s wants %zu", path,
			s->mapped.size, az_type_print(&s->line, type), az_type_size(type));
		return NULL;
	}
	az_sha256_hex(hash, s->mapped.data, s->mapped.size);
	if (strcmp(hash, s->data.hash) != 0) {
		az_error(s->ctx, s->data.loc, "\"%s\" was changed: its hash is %s", path, hash);
		return NULL;
	}
	az_const *constant = az_const_new(s->module, name, type, s->mapped.data, false);
	if (constant->size_bytes == s->mapped.size &&
		memcmp(constant->data, s->mapped.data, s->mapped.size) == 0) {
		constant->hash = s->data.hash;
		constant->hashed = constant->data;
	}
	return constant;
}

static az_const *from_blob(az_adz_state *s, az_name name, const az_type *type)
{
	int64_t bytes;
	if (!check_hash_text(s) || !az_adz_int(s, s->data.num, 0, INT64_MAX, &bytes))
		return NULL;
	if ((uint64_t)bytes != az_type_size(type)) {
		size_error(s, type, "bytes", (uint64_t)bytes, az_type_size(type));
		return NULL;
	}
	if (!s->blob_folder) {
		az_error(s->ctx, s->data.loc, "there is no blob folder to read from");
		return NULL;
	}
	const char *path = az_path_join(&s->line, s->blob_folder,
		az_arena_printf(&s->line, "%s.bin", s->data.hash));
	if (!az_file_map(s->ctx, path, &s->mapped)) {
		az_note(s->ctx, s->data.loc, "constant \"%s\" is stored in it", name);
		return NULL;
	}
	az_const *constant = copy_blob(s, name, type, path);
	az_file_unmap(s->mapped);
	s->mapped = (az_bytes){0};
	return constant;
}

static az_const *read_const(az_adz_state *s, az_name name, const az_type *type)
{
	switch (s->data.form) {
	case AZ_ADZ_DATA_LIST:
		return from_list(s, name, type);
	case AZ_ADZ_DATA_SPLAT:
		return from_splat(s, name, type);
	case AZ_ADZ_DATA_BLOB:
		break;
	}
	return from_blob(s, name, type);
}

void az_adz_const_lost(az_adz_state *s, az_name name)
{
	az_map_put(&s->arena, &s->lost_globals, name, s);
}

void az_adz_const(az_adz_state *s, az_loc loc, az_name name, const az_adz_typed *typed)
{
	if (az_map_get(&s->module->const_names, name)) {
		az_error(s->ctx, loc, "constant \"%s\" is defined twice", name);
		return;
	}
	az_const *constant = typed->type ? read_const(s, name, typed->type) : NULL;
	if (!constant) {
		az_adz_const_lost(s, name);
		return;
	}
	constant->loc = loc;
	constant->value.quant = typed->quant;
	constant->value.range = typed->range;
	constant->value.at = typed->at;
}
