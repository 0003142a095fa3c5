/* SPDX-License-Identifier: Apache-2.0
 *
 * What people see: diagnostics and progress on stderr, JSON and top classes on stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "driver/driver.h"

static void print_message(void *data, az_ctx *ctx, const az_message *message)
{
	(void)data;
	az_arena arena;
	az_arena_init(&arena, &ctx->oom);
	fputs(az_message_format(&arena, ctx, message), stderr);
	az_arena_free(&arena);
}

/* The line of progress that is being written: since when, and from where on it counts. */
typedef struct progress_line {
	const char *what;
	uint64_t from, done;
	double began; /* seconds */
} progress_line;

static progress_line line;

double az_seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void az_print_left(double seconds)
{
	unsigned left = seconds < 1e6 ? (unsigned)seconds : 1000000;
	fprintf(stderr, "%u:%02u left", left / 60, left % 60);
}

/* How long the rest takes if it goes on as until now; nothing in the first two seconds. */
static void print_left(uint64_t done, uint64_t total)
{
	double passed = az_seconds_now() - line.began;
	if (passed < 2 || done <= line.from)
		return;
	fputs(", ", stderr);
	az_print_left(passed * (double)(total - done) / (double)(done - line.from));
}

/* One line, rewritten in place; only on a terminal. */
static void print_progress(void *data, const char *what, uint64_t done, uint64_t total)
{
	(void)data;
	if (!line.what || strcmp(line.what, what) != 0 || done < line.done)
		line = (progress_line){what, done, done, az_seconds_now()};
	line.done = done;
	if (total && done >= total) {
		line.what = NULL;
		fprintf(stderr, "\r\033[K");
	} else if (total) {
		fprintf(stderr, "\r\033[K%s %llu/%llu (%llu %%)", what, (unsigned long long)done,
			(unsigned long long)total, (unsigned long long)(100 * done / total));
		print_left(done, total);
	} else {
		fprintf(stderr, "\r\033[K%s %llu", what, (unsigned long long)done);
	}
	fflush(stderr);
}

void az_report_attach(az_ctx *ctx)
{
	ctx->diag.handler = print_message;
	if (isatty(STDERR_FILENO))
		ctx->progress = print_progress;
}

const char *az_json_text(json_object *object)
{
	return json_object_to_json_string_ext(object,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
}

void az_print_json(json_object *object)
{
	puts(az_json_text(object));
	json_object_put(object);
}

void az_top_k(const double *v, int64_t n, int64_t k, int64_t *index)
{
	for (int64_t i = 0; i < k; i++) {
		int64_t best = -1;
		for (int64_t j = 0; j < n; j++) {
			bool taken = false;
			for (int64_t t = 0; t < i && !taken; t++)
				taken = index[t] == j;
			if (!taken && (best < 0 || v[j] > v[best]))
				best = j;
		}
		index[i] = best;
	}
}

void az_print_top(const az_tensor *output, int64_t row, int64_t count, char *const *labels,
	uint64_t label_count)
{
	int64_t rows = output->type->rank > 1 ? output->type->dim[0] : 1;
	int64_t n = rows ? az_type_numel(output->type) / rows : 0;
	int64_t k = AZ_MIN(count, n);
	double *v = calloc((size_t)n + 1, sizeof *v);
	int64_t *index = calloc((size_t)k + 1, sizeof *index);
	if (v && index) {
		for (int64_t i = 0; i < n; i++)
			v[i] = az_tensor_get(output, (uint64_t)(row * n + i));
		az_top_k(v, n, k, index);
		for (int64_t i = 0; i < k; i++) {
			bool named = (uint64_t)index[i] < label_count;
			printf("%5lld  %-12g %s\n", (long long)index[i], v[index[i]],
				named ? labels[index[i]] : "");
		}
	}
	free(v);
	free(index);
}
