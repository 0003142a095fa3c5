/* SPDX-License-Identifier: Apache-2.0
 *
 * See labels.h. A first line whose second column is no number is taken for a heading. */
#include "data/labels.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/vec.h"
#include "data/data.h"

static bool is_table(const char *path)
{
	size_t n = strlen(path);
	return n > 4 && (strcmp(path + n - 4, ".tsv") == 0 || strcmp(path + n - 4, ".txt") == 0 ||
				strcmp(path + n - 4, ".csv") == 0);
}

typedef struct label_row {
	const char *file; /* last part of the path */
	int64_t label;
} label_row;

typedef AZ_VEC(label_row) label_rows;

/* One line: "file SEP class ..." or just "class". */
static bool parse_line(char *line, az_arena *arena, label_row *out)
{
	char *sep = strpbrk(line, "\t,");
	char *number = sep ? sep + 1 : line, *end;
	if (sep)
		*sep = 0;
	out->label = strtoll(number, &end, 10);
	out->file = sep ? az_path_base(arena, line) : NULL;
	return end != number && (!*end || strchr("\t,\r ", *end));
}

static bool read_rows(az_ctx *ctx, az_arena *arena, const char *path, label_rows *rows)
{
	const void *data;
	size_t size;
	if (!az_data_read(ctx, arena, path, &data, &size))
		return false;
	char *text = az_arena_copy(arena, data, size);
	unsigned number = 0;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		label_row row;
		number++;
		if (!*line || *line == '\r')
			continue;
		if (parse_line(line, arena, &row))
			az_vec_push(arena, rows, row);
		else if (number > 1)
			return az_error(ctx, AZ_LOC_NONE, "%s:%u: no class in the second column",
				path, number);
	}
	return true;
}

static int64_t find_row(const label_rows *rows, const char *name)
{
	for (uint32_t i = 0; i < rows->count; i++)
		if (rows->v[i].file && strcmp(rows->v[i].file, name) == 0)
			return rows->v[i].label;
	return -1;
}

static bool read_table(az_ctx *ctx, az_arena *arena, const char *path, uint64_t name_count,
	const char *const *names, az_labels *out)
{
	label_rows rows = {0};
	if (!read_rows(ctx, arena, path, &rows))
		return false;
	out->count = name_count ? name_count : rows.count;
	int64_t *v = az_new_array(arena, int64_t, out->count + 1);
	for (uint64_t i = 0; i < out->count; i++)
		v[i] = name_count ? find_row(&rows, az_path_base(arena, names[i]))
				  : rows.v[i].label;
	out->v = v;
	return true;
}

bool az_labels_read(az_ctx *ctx, az_arena *arena, const char *path, uint64_t name_count,
	const char *const *names, az_labels *out)
{
	az_tensor t;
	if (is_table(path))
		return read_table(ctx, arena, path, name_count, names, out);
	if (!az_data_tensor(ctx, arena, path, &t))
		return false;
	if (!az_elem_is_integer(t.type->elem))
		return az_error(ctx, AZ_LOC_NONE, "%s: classes must be integers, found %s", path,
			az_type_print(arena, t.type));
	out->count = (uint64_t)az_type_numel(t.type);
	int64_t *v = az_new_array(arena, int64_t, out->count + 1);
	for (uint64_t i = 0; i < out->count; i++)
		v[i] = (int64_t)az_tensor_get(&t, i);
	out->v = v;
	return true;
}
