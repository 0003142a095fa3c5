/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: mapping, writing without leaving half a file or a temporary one, folders, paths, SHA-256. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static unsigned count_entries(const char *folder)
{
	unsigned count = 0;
	DIR *dir = opendir(folder);
	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count - 2;
}

/* A new empty folder for one test. */
static char *fresh(az_ctx *ctx, const char *name)
{
	char *path = unit_path(ctx, name);
	CU_ASSERT_TRUE_FATAL(az_folder_make(ctx, path));
	return path;
}

static bool holds(az_ctx *ctx, const char *path, const char *text)
{
	az_bytes bytes;
	if (!az_file_map(ctx, path, &bytes))
		return false;
	bool same = bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
	az_file_unmap(bytes);
	return same;
}

static mode_t mode_of(const char *path)
{
	struct stat info;
	return stat(path, &info) == 0 ? info.st_mode & 0777 : 0;
}

static void writes_and_maps(void)
{
	az_ctx *ctx = az_ctx_new();
	char *folder = fresh(ctx, "write"), *path = az_path_join(&ctx->arena, folder, "a.txt");
	mode_t mask = umask(022);
	CU_ASSERT_FALSE(az_file_exists(path));
	CU_ASSERT_TRUE(az_file_write(ctx, path, "hello", 5, false));
	CU_ASSERT_TRUE(az_file_exists(path));
	CU_ASSERT_TRUE(holds(ctx, path, "hello"));
	CU_ASSERT_EQUAL(mode_of(path), 0644);
	CU_ASSERT_TRUE(az_file_write(ctx, path, "", 0, true));
	CU_ASSERT_TRUE(holds(ctx, path, ""));
	CU_ASSERT_EQUAL(mode_of(path), 0755);
	CU_ASSERT_EQUAL(count_entries(folder), 1);
	CU_ASSERT_EQUAL(ctx->diag.error_count, 0);
	umask(mask);
	az_ctx_free(ctx);
}

static void large_file(void)
{
	az_ctx *ctx = az_ctx_new();
	size_t size = (size_t)5 << 20;
	char *data = az_arena_alloc(&ctx->arena, size, 1), *path = unit_path(ctx, "large");
	memset(data, 'q', size);
	az_bytes bytes;
	CU_ASSERT_TRUE(az_file_write(ctx, path, data, size, false));
	CU_ASSERT_TRUE_FATAL(az_file_map(ctx, path, &bytes));
	CU_ASSERT_EQUAL(bytes.size, size);
	CU_ASSERT_EQUAL(memcmp(bytes.data, data, size), 0);
	az_file_unmap(bytes);
	az_ctx_free(ctx);
}

static void links_stay(void)
{
	az_ctx *ctx = az_ctx_new();
	char *folder = fresh(ctx, "links"), *real = az_path_join(&ctx->arena, folder, "real");
	char *link = az_path_join(&ctx->arena, folder, "link");
	CU_ASSERT_TRUE(az_file_write(ctx, real, "1", 1, false));
	CU_ASSERT_EQUAL(symlink("real", link), 0);
	CU_ASSERT_TRUE(az_file_write(ctx, link, "2", 1, false));
	CU_ASSERT_TRUE(holds(ctx, real, "2"));
	struct stat info;
	CU_ASSERT_TRUE(lstat(link, &info) == 0 && S_ISLNK(info.st_mode));
	az_ctx_free(ctx);
}

static void devices(void)
{
	az_ctx *ctx = az_ctx_new();
	CU_ASSERT_TRUE(az_file_write(ctx, "/dev/null", "hello", 5, true));
	struct stat info;
	CU_ASSERT_TRUE(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
	CU_ASSERT_FALSE(az_file_write(ctx, "/dev/full", "hello", 5, false));
	CHECK_TEXT(unit_message(ctx, 0),
		"error: cannot write '/dev/full': No space left on device\n");
	az_bytes bytes;
	CU_ASSERT_FALSE(az_file_map(ctx, "/dev/null", &bytes));
	CHECK_TEXT(unit_message(ctx, 1), "error: cannot read '/dev/null': not a regular file\n");
	char *pipe = unit_path(ctx, "pipe");
	CU_ASSERT_EQUAL(mkfifo(pipe, 0600), 0);
	CU_ASSERT_FALSE(az_file_map(ctx, pipe, &bytes)); /* and does not wait for a writer */
	az_ctx_free(ctx);
}

/* A limit on the size of files stands for a full disk: the write stops half-way. */
static void full_disk(void)
{
	az_ctx *ctx = az_ctx_new();
	char *folder = fresh(ctx, "full"), *path = az_path_join(&ctx->arena, folder, "out");
	size_t size = (size_t)1 << 20;
	char *data = az_arena_alloc(&ctx->arena, size, 1);
	struct rlimit before, small;
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
	void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
	bool ok = az_file_write(ctx, path, data, size, false);
	bool again = az_file_write(ctx, path, "x", 1, false);
	bool third = az_file_write(ctx, path, data, size, false);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, old);
	CU_ASSERT_FALSE(ok);
	CU_ASSERT_TRUE(again);
	CU_ASSERT_FALSE(third);
	CU_ASSERT_TRUE(holds(ctx, path, "x")); /* the older file survived */
	CU_ASSERT_EQUAL(count_entries(folder), 1);
	az_ctx_free(ctx);
}

static void write_failures(void)
{
	az_ctx *ctx = az_ctx_new();
	char *folder = fresh(ctx, "fail"), *file = az_path_join(&ctx->arena, folder, "file");
	CU_ASSERT_FALSE(az_file_write(ctx, folder, "x", 1, false));
	CU_ASSERT_TRUE(az_file_write(ctx, file, "x", 1, false));
	CU_ASSERT_FALSE(az_file_write(ctx, az_path_join(&ctx->arena, folder, "no/file"), "x", 1,
		false));
	CU_ASSERT_FALSE(az_file_write(ctx, az_path_join(&ctx->arena, file, "x"), "x", 1, false));
	CU_ASSERT_FALSE(az_file_write(ctx, "", "x", 1, false));
	char *dangling = az_path_join(&ctx->arena, folder, "dangling");
	CU_ASSERT_EQUAL(symlink("nowhere/at/all", dangling), 0);
	CU_ASSERT_TRUE(az_file_write(ctx, dangling, "x", 1, false)); /* replaced by a file */
	CU_ASSERT_TRUE(holds(ctx, dangling, "x"));
	CU_ASSERT_EQUAL(ctx->diag.error_count, 4);
	CU_ASSERT_EQUAL(count_entries(folder), 2);
	if (geteuid() != 0) { /* the superuser may write everything */
		CU_ASSERT_EQUAL(chmod(file, 0444), 0);
		CU_ASSERT_FALSE(az_file_write(ctx, file, "y", 1, false));
		CU_ASSERT_EQUAL(chmod(folder, 0555), 0);
		CU_ASSERT_FALSE(az_file_write(ctx, az_path_join(&ctx->arena, folder, "new"), "y", 1,
			false));
		CU_ASSERT_EQUAL(chmod(folder, 0755), 0);
	}
	az_ctx_free(ctx);
}

static void map_failures(void)
{
	az_ctx *ctx = az_ctx_new();
	az_bytes bytes;
	CU_ASSERT_FALSE(az_file_map(ctx, "/nonexistent/x", &bytes));
	CU_ASSERT_FALSE(az_file_map(ctx, unit_folder(), &bytes));
	CU_ASSERT_FALSE(az_file_map(ctx, "", &bytes));
	CHECK_TEXT(unit_message(ctx, 0),
		"error: cannot open '/nonexistent/x': No such file or directory\n");
	CU_ASSERT_EQUAL(bytes.size, 0);
	az_file_unmap(bytes);
	CU_ASSERT_EQUAL(ctx->diag.error_count, 3);
	az_ctx_free(ctx);
}

static void folders(void)
{
	az_ctx *ctx = az_ctx_new();
	char *deep = unit_path(ctx, "d//e/f/");
	CU_ASSERT_TRUE(az_folder_make(ctx, deep));
	CU_ASSERT_TRUE(az_folder_make(ctx, deep)); /* there already */
	CU_ASSERT_TRUE(az_file_exists(unit_path(ctx, "d/e/f")));
	CU_ASSERT_TRUE(az_folder_make(ctx, "/"));
	CU_ASSERT_TRUE(az_folder_make(ctx, "."));
	CU_ASSERT_TRUE(az_file_write(ctx, unit_path(ctx, "d/file"), "x", 1, false));
	CU_ASSERT_FALSE(az_folder_make(ctx, unit_path(ctx, "d/file")));
	CU_ASSERT_FALSE(az_folder_make(ctx, unit_path(ctx, "d/file/x")));
	CU_ASSERT_FALSE(az_folder_make(ctx, "/proc/adze"));
	CU_ASSERT_EQUAL(ctx->diag.error_count, 3);
	az_ctx_free(ctx);
}

static void paths(void)
{
	static const struct {
		const char *path, *folder, *base, *stem;
	} rows[] = {{"a/b.onnx", "a", "b.onnx", "b"}, {"b.tar.gz", ".", "b.tar.gz", "b.tar"},
		{"/b", "/", "b", "b"}, {"//x/b", "//x", "b", "b"}, {"a//b", "a", "b", "b"},
		{"a/b/", "a", "b", "b"}, {".hidden", ".", ".hidden", ".hidden"}, {"/", "/", "", ""},
		{"", ".", "", ""}, {"a.d/b", "a.d", "b", "b"}, {"x.", ".", "x.", "x"}};
	az_ctx *ctx = az_ctx_new();
	for (size_t i = 0; i < AZ_COUNT(rows); i++) {
		CHECK_TEXT(az_path_folder(&ctx->arena, rows[i].path), rows[i].folder);
		CHECK_TEXT(az_path_base(&ctx->arena, rows[i].path), rows[i].base);
		CHECK_TEXT(az_path_stem(&ctx->arena, rows[i].path), rows[i].stem);
	}
	CHECK_TEXT(az_path_join(&ctx->arena, "a", "b"), "a/b");
	CHECK_TEXT(az_path_join(&ctx->arena, "a/", "b"), "a/b");
	CHECK_TEXT(az_path_join(&ctx->arena, "/", "b"), "/b");
	CHECK_TEXT(az_path_join(&ctx->arena, ".", "b"), "b");
	CHECK_TEXT(az_path_join(&ctx->arena, "", "b"), "b");
	CHECK_TEXT(az_path_join(&ctx->arena, "a", "/b"), "/b");
	az_ctx_free(ctx);
}

static void sha256(void)
{
	char text[65];
	az_sha256_hex(text, "abc", 3);
	CHECK_TEXT(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	az_sha256_hex(text, NULL, 0);
	CHECK_TEXT(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static bool write_once(az_ctx *ctx)
{
	AZ_GUARD(ctx, return false);
	char *path = unit_path(ctx, "oom/out");
	bool ok = az_folder_make(ctx, unit_path(ctx, "oom")) &&
		  az_file_write(ctx, path, "12", 2, false);
	AZ_UNGUARD(ctx);
	return ok;
}

static void every_allocation_fails(void)
{
	unit_every_allocation_fails(write_once);
	az_ctx *ctx = az_ctx_new();
	CU_ASSERT_EQUAL(count_entries(unit_path(ctx, "oom")), 1);
	az_ctx_free(ctx);
}

void test_file(void)
{
	unit_suite("file",
		AZ_CASES({"writes and maps", writes_and_maps}, {"large file", large_file},
			{"links stay", links_stay}, {"devices", devices}, {"full disk", full_disk},
			{"write failures", write_failures}, {"map failures", map_failures},
			{"folders", folders}, {"paths", paths}, {"sha256", sha256},
			{"every allocation fails once", every_allocation_fails}));
}
