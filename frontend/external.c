/* SPDX-License-Identifier: Apache-2.0
 *
 * External tensor data. Each file is mapped once. */
#include "frontend/external.h"

#include <stdlib.h>
#include <string.h>

typedef struct place {
	const char *location;
	uint64_t offset, length;
	bool has_length;
} place;

static bool parse_number(const char *text, uint64_t *out)
{
	if (!*text || strlen(text) > 19)
		return false;
	*out = 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		*out = *out * 10 + (uint64_t)(*text - '0');
	}
	return true;
}

static bool parse_entries(az_ctx *ctx, az_loc loc, const Onnx__TensorProto *proto, place *out)
{
	*out = (place){0};
	for (size_t i = 0; i < proto->n_external_data; i++) {
		const char *key = proto->external_data[i]->key;
		const char *value = proto->external_data[i]->value;
		if (!key || !value)
			continue;
		if (!strcmp(key, "location"))
			out->location = value;
		else if (!strcmp(key, "offset") && !parse_number(value, &out->offset))
			return az_error(ctx, loc,
				"tensor \"%s\": external offset \"%s\" is no number",
				proto->name ? proto->name : "", value);
		else if (!strcmp(key, "length")) {
			out->has_length = true;
			if (!parse_number(value, &out->length))
				return az_error(ctx, loc,
					"tensor \"%s\": external length \"%s\" is no number",
					proto->name ? proto->name : "", value);
		}
	}
	if (!out->location || !*out->location)
		return az_error(ctx, loc, "tensor \"%s\": external data without a location",
			proto->name ? proto->name : "");
	return true;
}

/* "..", at the start, between slashes or at the end. */
static bool goes_up(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")); at += 2)
		if ((at == path || at[-1] == '/' || at[-1] == '\\') &&
			(!at[2] || at[2] == '/' || at[2] == '\\'))
			return true;
	return false;
}

/* Links are followed before the comparison: one that leads out of the folder is refused. */
static bool inside(const char *folder, const char *path)
{
	char *real_folder = realpath(folder, NULL);
	char *real_path = realpath(path, NULL);
	bool ok = true;
	if (real_folder && real_path) {
		size_t n = strlen(real_folder);
		ok = !strncmp(real_folder, real_path, n) &&
		     (real_path[n] == '/' || (n && real_folder[n - 1] == '/'));
	}
	free(real_folder);
	free(real_path);
	return ok; /* what does not exist is reported when it is opened */
}

static bool map_file(az_tensor_source *source, az_loc loc, const Onnx__TensorProto *proto,
	const char *location, az_bytes *out)
{
	az_ctx *ctx = source->ctx;
	if (!source->folder)
		return az_error(ctx, loc,
			"tensor \"%s\" lies in file \"%s\", but a model without a folder has no "
			"files",
			proto->name ? proto->name : "", location);
	if (location[0] == '/' || location[0] == '\\' || goes_up(location))
		return az_error(ctx, loc,
			"tensor \"%s\": external path \"%s\" leaves the model's folder",
			proto->name ? proto->name : "", location);
	const char *path = az_path_join(source->arena, source->folder, location);
	if (!inside(source->folder, path))
		return az_error(ctx, loc,
			"tensor \"%s\": external path \"%s\" leaves the model's folder by a link",
			proto->name ? proto->name : "", location);
	az_name name = az_name_of(ctx, path);
	for (uint32_t i = 0; i < source->external.count; i++)
		if (source->external.v[i].path == name) {
			*out = source->external.v[i].bytes;
			return true;
		}
	az_vec_push(source->arena, &source->external, ((az_external_file){name, {NULL, 0}}));
	if (!az_file_map(ctx, path, out))
		return false;
	source->external.v[source->external.count - 1].bytes = *out;
	return true;
}

bool az_onnx_external(az_tensor_source *source, az_loc loc, const Onnx__TensorProto *proto,
	az_bytes *out)
{
	place at;
	az_bytes file;
	if (!parse_entries(source->ctx, loc, proto, &at) ||
		!map_file(source, loc, proto, at.location, &file))
		return false;
	if (at.offset > file.size || (at.has_length && at.length > file.size - at.offset))
		return az_error(source->ctx, loc,
			"tensor \"%s\": external data goes past the end of file \"%s\" (%zu bytes)",
			proto->name ? proto->name : "", at.location, file.size);
	*out = (az_bytes){(const uint8_t *)file.data + at.offset,
		at.has_length ? (size_t)at.length : file.size - (size_t)at.offset};
	return true;
}
