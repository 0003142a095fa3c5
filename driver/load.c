/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading a network from a file, whatever form it has. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"
#include "frontend/onnx.h"

/* "NAME=N" entries of --dim. */
static bool read_dims(az_job *job, az_onnx_options *out)
{
	const az_option_list *list = &job->options.dim;
	az_onnx_dim *dims = az_new_array(&job->arena, az_onnx_dim, list->count);
	for (uint32_t i = 0; i < list->count; i++) {
		const char *equals = strrchr(list->v[i], '=');
		char *end = NULL;
		long long size = equals ? strtoll(equals + 1, &end, 10) : 0;
		if (!equals || equals == list->v[i] || *end || size < 1 || size > AZ_DIM_MAX)
			return az_error(job->ctx, AZ_LOC_NONE,
				"--dim wants NAME=N with a positive N, found '%s'", list->v[i]);
		dims[i].name = az_name_intern(job->ctx, list->v[i], (size_t)(equals - list->v[i]));
		dims[i].size = size;
	}
	out->dim = dims;
	out->dim_count = list->count;
	return true;
}

static bool read_onnx_options(az_job *job, az_onnx_options *out)
{
	const az_option_list *list = &job->options.outputs;
	az_name *names = az_new_array(&job->arena, az_name, list->count);
	for (uint32_t i = 0; i < list->count; i++)
		names[i] = az_name_of(job->ctx, list->v[i]);
	out->output = names;
	out->output_count = list->count;
	return read_dims(job, out);
}

static bool is_adz(const void *data, size_t size)
{
	return size >= 5 && memcmp(data, "adze ", 5) == 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

/* A text module whose first line is a comment (a crash file) is text too. */
static bool is_text_path(const char *path, const void *data, size_t size)
{
	return is_adz(data, size) || ends_with(path, ".adz");
}

az_module *az_job_load(az_job *job, const char *path)
{
	const void *data;
	size_t size;
	az_onnx_options onnx = {0};
	if (!read_onnx_options(job, &onnx) ||
		!az_data_read(job->ctx, &job->arena, path, &data, &size))
		return NULL;
	if (!is_text_path(path, data, size))
		return az_onnx_import_bytes(job->ctx, path, data, size,
			az_path_folder(&job->arena, path), &onnx);
	if (onnx.dim_count || onnx.output_count) {
		az_error(job->ctx, AZ_LOC_NONE, "%s: --dim and --outputs are for ONNX models",
			path);
		return NULL;
	}
	const char *blobs = job->options.blobs;
	if (!blobs)
		blobs = az_arena_printf(&job->arena, "%s.blobs", path);
	return az_parse_module(job->ctx, path, data, size, blobs);
}

const char *az_job_symbol(az_job *job, const char *path)
{
	char *name = az_path_stem(&job->arena, job->options.name ? job->options.name : path);
	if (!job->options.name && strcmp(name, "model") == 0) {
		/* model zoos name the folder after the network, not the file */
		char *folder = az_path_base(&job->arena, az_path_folder(&job->arena, path));
		if (strcmp(folder, ".") != 0)
			name = folder;
	}
	if (isdigit((unsigned char)name[0]) || !name[0])
		name = az_arena_printf(&job->arena, "n%s", name);
	for (char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p))
			*p = '_';
	return name;
}
