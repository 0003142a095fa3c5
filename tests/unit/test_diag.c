/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagnostics: what is stored or handed over, how it is laid out, near spellings, and reports made
 * while memory runs out. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"

static az_loc at(az_ctx *ctx, const char *file, uint32_t line, uint32_t col, uint32_t len)
{
	return (az_loc){.file = az_name_of(ctx, file), .line = line, .col = col, .len = len};
}

static void stored_in_order(void)
{
	az_ctx *ctx = az_ctx_new();
	CU_ASSERT_FALSE(az_error(ctx, AZ_LOC_NONE, "no %s", "luck"));
	az_note(ctx, AZ_LOC_NONE, "why");
	az_warning(ctx, at(ctx, "a.adz", 0, 0, 0), "odd");
	CHECK_TEXT(unit_message(ctx, 0), "error: no luck\n");
	CHECK_TEXT(unit_message(ctx, 1), "note: why\n");
	CHECK_TEXT(unit_message(ctx, 2), "a.adz: warning: odd\n");
	CHECK_TEXT(unit_message(ctx, 3), "");
	CU_ASSERT_EQUAL(ctx->diag.error_count, 1);
	CU_ASSERT_EQUAL(ctx->diag.warning_count, 1);
	CU_ASSERT_EQUAL(ctx->guard_depth, 0);
	az_ctx_free(ctx);
}

static void carets(void)
{
	az_ctx *ctx = az_ctx_new();
	static const char text[] = "one\n  %b = cnv2d %a\r\n\tt\xc3\xa9 x\n\nlast";
	az_diag_source(ctx, az_name_of(ctx, "n.adz"), text, sizeof text - 1);
	az_error(ctx, at(ctx, "n.adz", 2, 8, 5), "unknown");
	az_error(ctx, at(ctx, "n.adz", 3, 6, 0), "tab");
	az_error(ctx, at(ctx, "n.adz", 4, 1, 1), "empty line");
	az_error(ctx, at(ctx, "n.adz", 5, 99, 99), "past the end");
	az_error(ctx, at(ctx, "n.adz", 6, 1, 1), "no such line");
	az_error(ctx, at(ctx, "m.adz", 1, 1, 1), "no such file");
	az_error(ctx, at(ctx, "n.adz", 1, 0, 0), "no column");
	CHECK_TEXT(unit_message(ctx, 0), "n.adz:2:8: error: unknown\n"
					 "    2 |   %b = cnv2d %a\n"
					 "      |        ^~~~~\n");
	CHECK_TEXT(unit_message(ctx, 1), "n.adz:3:6: error: tab\n"
					 "    3 | \tt\xc3\xa9 x\n"
					 "      | \t   ^\n");
	CHECK_TEXT(unit_message(ctx, 2), "n.adz:4:1: error: empty line\n    4 | \n      | ^\n");
	CHECK_TEXT(unit_message(ctx, 3), "n.adz:5:99: error: past the end\n"
					 "    5 | last\n"
					 "      |     ^\n");
	CHECK_TEXT(unit_message(ctx, 4), "n.adz:6:1: error: no such line\n");
	CHECK_TEXT(unit_message(ctx, 5), "m.adz:1:1: error: no such file\n");
	CHECK_TEXT(unit_message(ctx, 6), "n.adz:1: error: no column\n");
	az_ctx_free(ctx);
}

static void long_lines_are_cut(void)
{
	az_ctx *ctx = az_ctx_new();
	char text[1000];
	memset(text, 'a', sizeof text);
	text[500] = 'X';
	az_diag_source(ctx, az_name_of(ctx, "l"), text, sizeof text);
	az_error(ctx, at(ctx, "l", 1, 501, 1), "here");
	const char *shown = unit_message(ctx, 0);
	CU_ASSERT_TRUE(strlen(shown) < 250);
	const char *line = strchr(shown, '\n') + 1, *marker = strchr(line, '\n') + 1;
	CU_ASSERT_PTR_NOT_NULL_FATAL(strchr(line, 'X'));
	CU_ASSERT_PTR_NOT_NULL_FATAL(strchr(marker, '^'));
	CU_ASSERT_EQUAL(strchr(line, 'X') - line, strchr(marker, '^') - marker);
	az_ctx_free(ctx);
}

static void nodes(void)
{
	az_ctx *ctx = az_ctx_new();
	az_loc loc = {.file = az_name_of(ctx, "net.onnx"),
		.node = az_name_of(ctx, "/conv1"),
		.op = az_name_of(ctx, "Conv")};
	az_error(ctx, loc, "bad");
	loc.node = NULL;
	az_error(ctx, loc, "bad");
	loc.op = NULL;
	loc.file = NULL;
	loc.node = az_name_of(ctx, "x\x1b[31m");
	az_error(ctx, loc, "red \x1b[31m\nnext");
	CHECK_TEXT(unit_message(ctx, 0), "net.onnx: node \"/conv1\" (Conv): error: bad\n");
	CHECK_TEXT(unit_message(ctx, 1), "net.onnx: node (Conv): error: bad\n");
	CHECK_TEXT(unit_message(ctx, 2), "node \"x\\1b[31m\": error: red ?[31m\nnext\n");
	az_ctx_free(ctx);
}

static void limit(void)
{
	az_ctx *ctx = az_ctx_new();
	for (int i = 0; i < AZ_ERRORS_MAX; i++) {
		CU_ASSERT_FALSE(az_error_limit(ctx));
		az_error(ctx, AZ_LOC_NONE, "%d", i);
	}
	CU_ASSERT_TRUE(az_error_limit(ctx));
	az_ctx_free(ctx);
}

static char seen[256];
static bool greedy;

static void handler(void *data, az_ctx *ctx, const az_message *message)
{
	CU_ASSERT_PTR_EQUAL(data, seen);
	if (greedy) { /* a handler that always runs out */
		ctx->oom.fail_after = 0;
		az_arena_alloc(&ctx->arena, 1, 1);
	}
	strcat(seen, message->text);
	strcat(seen, ";");
}

static void handlers(void)
{
	az_ctx *ctx = az_ctx_new();
	ctx->diag.handler = handler;
	ctx->diag.handler_data = seen;
	seen[0] = 0;
	greedy = false;
	az_error(ctx, AZ_LOC_NONE, "one");
	az_note(ctx, AZ_LOC_NONE, "two");
	CHECK_TEXT(seen, "one;two;");
	CU_ASSERT_PTR_NULL(ctx->diag.first);
	ctx->oom.fail_after = 0;
	az_error(ctx, AZ_LOC_NONE, "lost");
	CHECK_TEXT(seen, "one;two;out of memory;");
	greedy = true;
	az_error(ctx, AZ_LOC_NONE, "lost as well"); /* comes back at all, once */
	CHECK_TEXT(seen, "one;two;out of memory;");
	CU_ASSERT_EQUAL(ctx->guard_depth, 0);
	az_ctx_free(ctx);
}

static void out_of_memory_is_stored_once(void)
{
	az_ctx *ctx = az_ctx_new();
	az_error(ctx, AZ_LOC_NONE, "first");
	for (int i = 0; i < 2; i++) {
		ctx->oom.fail_after = 0;
		CU_ASSERT_FALSE(az_error(ctx, AZ_LOC_NONE, "lost"));
	}
	az_error(ctx, AZ_LOC_NONE, "last");
	CHECK_TEXT(unit_message(ctx, 1), "error: out of memory\n");
	CHECK_TEXT(unit_message(ctx, 2), "error: last\n");
	CHECK_TEXT(unit_message(ctx, 3), "");
	az_ctx_free(ctx);
}

static const char *next_word(void *state)
{
	const char ***p = state;
	return **p ? *(*p)++ : NULL;
}

static const char *nearest(const char *word)
{
	static const char *const words[] = {
		"conv", "matmul", "maxpool", "relu", "", "resize", NULL};
	const char *const *p = words;
	return az_nearest_word(word, next_word, &p);
}

static void spelling(void)
{
	CHECK_TEXT(nearest("cnov"), "conv");
	CHECK_TEXT(nearest("conv2d"), "conv");
	CHECK_TEXT(nearest("mtamul"), "matmul");
	CHECK_TEXT(nearest("maxpol"), "maxpool");
	CHECK_TEXT(nearest("reul"), "relu");
	CU_ASSERT_PTR_NULL(nearest("softmax"));
	CU_ASSERT_PTR_NULL(nearest(""));
	CU_ASSERT_PTR_NULL(nearest("x"));
	char word[200] = {0};
	memset(word, 'a', sizeof word - 1);
	CU_ASSERT_PTR_NULL(nearest(word));
}

static bool lay_out(az_ctx *ctx)
{
	static const char text[] = "some text";
	AZ_GUARD(ctx, return false);
	az_diag_source(ctx, az_name_of(ctx, "f"), text, sizeof text - 1);
	az_message message = {.loc = at(ctx, "f", 1, 3, 2), .text = "bad"};
	az_message_format(&ctx->arena, ctx, &message);
	AZ_UNGUARD(ctx);
	return true;
}

static void every_allocation_fails(void)
{
	unit_every_allocation_fails(lay_out);
}

static unsigned calls;

static void count_progress(void *data, const char *what, uint64_t done, uint64_t total)
{
	calls += data == &calls && strcmp(what, "reading") == 0 && done <= total;
}

static void progress(void)
{
	az_ctx *ctx = az_ctx_new();
	az_ctx_progress(ctx, "reading", 0, 1);
	ctx->progress = count_progress;
	ctx->progress_data = &calls;
	az_ctx_progress(ctx, "reading", 1, 2);
	CU_ASSERT_EQUAL(calls, 1);
	az_ctx_free(ctx);
	az_ctx_free(NULL);
}

void test_diag(void)
{
	unit_suite("diag", AZ_CASES({"stored in order", stored_in_order}, {"carets", carets},
				   {"long lines are cut", long_lines_are_cut}, {"nodes", nodes},
				   {"the error limit", limit}, {"handlers", handlers},
				   {"out of memory is stored once", out_of_memory_is_stored_once},
				   {"near spellings", spelling},
				   {"every allocation fails once", every_allocation_fails},
				   {"progress", progress}));
}
