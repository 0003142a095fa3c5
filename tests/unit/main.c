/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the unit suites: all, or those named on the command line, by their name or their file's (test_NAME.c).
 * Exits with 1 when an assertion failed, 2 when the frame itself did. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "tests/unit/unit.h"

#include <CUnit/Basic.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static char folder[] = "/tmp/adze-unit-XXXXXX";
static char **wanted;
static int wanted_count;
static const char *file_name; /* of the suites that are being entered */

void unit_suite(const char *name, const unit_case *cases, size_t count)
{
	bool run = wanted_count == 0;
	for (int i = 0; i < wanted_count; i++)
		run |= strcmp(wanted[i], name) == 0 || strcmp(wanted[i], file_name) == 0;
	if (!run)
		return;
	CU_pSuite suite = CU_add_suite(name, NULL, NULL);
	for (size_t i = 0; suite && i < count; i++) {
		if (!CU_add_test(suite, cases[i].name, cases[i].run))
			suite = NULL;
	}
	if (!suite) {
		fprintf(stderr, "unit_tests: %s: %s\n", name, CU_get_error_msg());
		exit(2);
	}
}

void unit_every_allocation_fails(bool (*work)(az_ctx *ctx))
{
	bool enough = false;
	for (long n = 0; !enough && n < 100000; n++) {
		az_ctx *ctx = az_ctx_new();
		ctx->oom.fail_after = n;
		bool ok = work(ctx);
		enough = ctx->oom.fail_after >= 0; /* the failure was not reached */
		ctx->oom.fail_after = -1;
		if (ok != enough || ctx->guard_depth != 0)
			CU_FAIL("a failed allocation was not turned into a failed call");
		if (!enough && strcmp(unit_message(ctx, 0), "error: out of memory\n") != 0)
			CU_FAIL("a failed allocation was not reported");
		az_ctx_free(ctx);
	}
	CU_ASSERT_TRUE(enough);
}

bool unit_takes(uint32_t i)
{
#ifdef __SANITIZE_ADDRESS__
	enum { SHARE = 3 };
#else
	enum { SHARE = 1 };
#endif
	const char *all = getenv("AZ_LONG");
	return (all && *all) || (i * UINT32_C(2654435761) >> 16) % SHARE == 0;
}

const char *unit_message(az_ctx *ctx, unsigned n)
{
	const az_message *message = ctx->diag.first;
	while (message && n--)
		message = message->next;
	return message ? az_message_format(&ctx->arena, ctx, message) : "";
}

void unit_check_text(const char *actual, const char *expected, const char *file, unsigned line)
{
	bool same = actual && expected && strcmp(actual, expected) == 0;
	if (!same)
		printf("\n%s:%u: got\n%s\nwanted\n%s\n", file, line, actual ? actual : "(NULL)",
			expected ? expected : "(NULL)");
	CU_assertImplementation(same, line, "texts are equal", file, "", CU_FALSE);
}

const char *unit_folder(void)
{
	return folder;
}

char *unit_path(az_ctx *ctx, const char *name)
{
	return az_path_join(&ctx->arena, folder, name);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
	(void)info, (void)kind, (void)ftw;
	return remove(path);
}

int main(int argc, char **argv)
{
	wanted = argv + 1;
	wanted_count = argc - 1;
	if (!mkdtemp(folder) || CU_initialize_registry() != CUE_SUCCESS) {
		fprintf(stderr, "unit_tests: cannot start\n");
		return 2;
	}
#define SUITE(name)                                                                                \
	file_name = #name;                                                                         \
	test_##name();
#include "tests/suites.def"
#undef SUITE
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_ErrorCode error = CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return error != CUE_SUCCESS ? 2 : failures ? 1 : 0;
}
