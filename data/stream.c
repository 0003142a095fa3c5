/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sources as streams of samples. Arrays are held whole (as stored, not as floats); pictures are
 * decoded when asked for, so that memory stays bounded. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/archive.h"
#include "data/data.h"
#include "data/image.h"
#include "data/labels.h"

typedef struct source {
	az_ctx *ctx;
	az_arena *arena;
	const char *path;
	az_preprocess preprocess;
	const az_type *input;
	az_tensor array; /* an array: sample_type per sample */
	const az_type *sample_type;
	az_members pictures; /* pictures: data NULL means read the file `name` */
	uint64_t total;      /* samples before selection */
	uint64_t every, offset;
	bool invert;
	az_labels labels;
} source;

/* Sample i of the selection as an index into all. */
static uint64_t selected(const source *s, uint64_t i)
{
	if (s->every <= 1)
		return i;
	if (!s->invert)
		return i * s->every + s->offset;
	uint64_t block = i / (s->every - 1), place = i % (s->every - 1);
	return block * s->every + place + (place >= s->offset);
}

static uint64_t count_selected(const source *s)
{
	uint64_t kept = s->total;
	if (s->every > 1) {
		kept = s->total > s->offset ? (s->total - s->offset + s->every - 1) / s->every : 0;
		if (s->invert)
			kept = s->total - kept;
	}
	return kept;
}

static bool get_array(source *s, uint64_t index, az_arena *arena, az_tensor *out)
{
	az_tensor sample = {
		s->sample_type, (char *)s->array.data + index * az_type_size(s->sample_type)};
	return az_data_convert(s->ctx, arena, s->path, &sample, false, &s->preprocess, out);
}

static bool get_picture(source *s, uint64_t index, az_arena *arena, az_tensor *out)
{
	az_member m = s->pictures.v[index];
	az_picture p;
	if (!m.data && !az_data_read(s->ctx, arena, m.name, &m.data, &m.size))
		return false;
	if (!az_image_decode(s->ctx, arena, m.name, m.data, m.size, &p))
		return false;
	int64_t dim[] = {p.height, p.width, p.channels};
	az_tensor sample = {az_type_get(s->ctx, AZ_U8, 3, dim), p.pixel};
	return az_data_convert(s->ctx, arena, m.name, &sample, true, &s->preprocess, out);
}

static bool get(void *data, uint64_t i, az_tensor *inputs)
{
	source *s = data;
	az_arena scratch;
	az_arena_init(&scratch, &s->ctx->oom);
	uint64_t index = selected(s, i);
	bool ok = s->array.type ? get_array(s, index, &scratch, &inputs[0])
				: get_picture(s, index, &scratch, &inputs[0]);
	az_arena_free(&scratch);
	return ok;
}

static int64_t label(void *data, uint64_t i)
{
	source *s = data;
	uint64_t index = selected(s, i);
	return index < s->labels.count ? s->labels.v[index] : -1;
}

/* Is the array one sample of the input, as it is? */
static bool is_one_sample(const az_type *array, const az_type *input)
{
	return array->rank == input->rank && memcmp(array->dim, input->dim, sizeof array->dim) == 0;
}

static bool open_array(source *s)
{
	const az_type *input = s->input;
	if (!az_data_tensor(s->ctx, s->arena, s->path, &s->array))
		return false;
	const az_type *t = s->array.type;
	s->total = 1;
	s->sample_type = t;
	if (is_one_sample(t, input) || az_type_numel(t) == az_type_numel(input))
		return true;
	int64_t batch = input->rank > 1 ? input->dim[0] : 1, n = az_type_numel(input);
	if (t->rank == 0 || n == 0 || az_type_numel(t) % n || t->dim[0] % batch ||
		t->dim[0] / batch != az_type_numel(t) / n || t->elem.bits % 8)
		return az_error(s->ctx, AZ_LOC_NONE,
			"%s: holds %s, the network wants samples of %s", s->path,
			az_type_print(s->arena, t), az_type_print(s->arena, input));
	int64_t dim[AZ_RANK_MAX];
	memcpy(dim, t->dim, sizeof dim);
	s->total = (uint64_t)(t->dim[0] / batch);
	dim[0] = batch;
	bool drop = batch == 1; /* a sample has no batch dimension of its own */
	s->sample_type = az_type_get(s->ctx, t->elem, t->rank - drop, dim + drop);
	return true;
}

static int compare_members(const void *a, const void *b)
{
	return strcmp(((const az_member *)a)->name, ((const az_member *)b)->name);
}

static void list_folder(source *s, const char *folder, int depth)
{
	DIR *dir = opendir(folder);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		struct stat status;
		if (entry->d_name[0] == '.')
			continue;
		az_member m = {.name = az_path_join(s->arena, folder, entry->d_name)};
		if (stat(m.name, &status) == 0 && S_ISDIR(status.st_mode) && depth < 8)
			list_folder(s, m.name, depth + 1);
		else if (az_image_is(m.name))
			az_vec_push(s->arena, &s->pictures, m);
	}
	if (dir)
		closedir(dir);
}

static bool list_archive(source *s)
{
	az_members all = {0};
	if (!az_archive_read(s->ctx, s->arena, s->path, &all))
		return false;
	for (uint32_t i = 0; i < all.count; i++)
		if (az_image_is(all.v[i].name))
			az_vec_push(s->arena, &s->pictures, all.v[i]);
	return true;
}

static bool open_pictures(source *s, bool folder)
{
	if (folder)
		list_folder(s, s->path, 0);
	else if (!list_archive(s))
		return false;
	if (s->pictures.count == 0)
		return az_error(s->ctx, AZ_LOC_NONE, "%s: no .png, .jpg, .ppm or .pgm in it",
			s->path);
	qsort(s->pictures.v, s->pictures.count, sizeof *s->pictures.v, compare_members);
	s->total = s->pictures.count;
	return true;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

static bool open_source(source *s)
{
	struct stat status;
	bool folder = stat(s->path, &status) == 0 && S_ISDIR(status.st_mode);
	if (folder || ends_with(s->path, ".tar") || ends_with(s->path, ".zip"))
		return open_pictures(s, folder);
	if (!az_image_is(s->path))
		return open_array(s);
	az_member one = {.name = s->path};
	az_vec_push(s->arena, &s->pictures, one);
	s->total = 1;
	return true;
}

static bool open_labels(source *s, const char *path)
{
	const char **names = az_new_array(s->arena, const char *, s->pictures.count + 1);
	for (uint32_t i = 0; i < s->pictures.count; i++)
		names[i] = s->pictures.v[i].name;
	if (!az_labels_read(s->ctx, s->arena, path, s->pictures.count, names, &s->labels))
		return false;
	if (s->labels.count < s->total)
		return az_error(s->ctx, AZ_LOC_NONE, "%s: %llu classes for %llu samples", path,
			(unsigned long long)s->labels.count, (unsigned long long)s->total);
	return true;
}

az_stream *az_data_open(az_ctx *ctx, az_arena *arena, const char *path, uint32_t input_count,
	const az_type *const *input_type, const az_data_options *options)
{
	if (input_count != 1) {
		az_error(ctx, AZ_LOC_NONE, "%s: the network has %u inputs; a data source feeds one",
			path, input_count);
		return NULL;
	}
	source *s = az_new(arena, source);
	*s = (source){.ctx = ctx,
		.arena = arena,
		.path = path,
		.preprocess = options->preprocess,
		.input = input_type[0],
		.every = options->every,
		.offset = options->offset,
		.invert = options->invert};
	if (!open_source(s) || (options->labels && !open_labels(s, options->labels)))
		return NULL;
	az_stream *stream = az_new(arena, az_stream);
	*stream = (az_stream){.data = s, .count = count_selected(s), .get = get};
	if (options->limit && stream->count > options->limit)
		stream->count = options->limit;
	if (options->labels)
		stream->label = label;
	if (stream->count == 0) {
		az_error(ctx, AZ_LOC_NONE, "%s: no samples", path);
		return NULL;
	}
	return stream;
}
