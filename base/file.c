/* SPDX-License-Identifier: Apache-2.0
 *
 * Files through POSIX calls. Everything that may run out of memory happens before a file is opened or
 * after it is closed, so that no descriptor and no temporary file is left by the jump. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha256.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_TRIES 100

static bool fail(az_ctx *ctx, const char *what, const char *path, int error)
{
	return az_error(ctx, AZ_LOC_NONE, "cannot %s '%s': %s", what, path, strerror(error));
}

bool az_file_map(az_ctx *ctx, const char *path, az_bytes *out)
{
	*out = (az_bytes){.data = ""};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang us */
	if (fd < 0)
		return fail(ctx, "open", path, errno);
	struct stat info;
	void *data = MAP_FAILED;
	int error = 0;
	if (fstat(fd, &info) != 0)
		error = errno;
	else if (S_ISDIR(info.st_mode))
		error = EISDIR;
	else if (S_ISREG(info.st_mode) && info.st_size > 0) {
		data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		error = data == MAP_FAILED ? errno : 0;
	}
	close(fd);
	if (error)
		return fail(ctx, "read", path, error);
	if (!S_ISREG(info.st_mode))
		return az_error(ctx, AZ_LOC_NONE, "cannot read '%s': not a regular file", path);
	if (data != MAP_FAILED)
		*out = (az_bytes){data, (size_t)info.st_size};
	return true;
}

void az_file_unmap(az_bytes bytes)
{
	if (bytes.size)
		munmap((void *)(uintptr_t)bytes.data, bytes.size);
}

/* Writes it all and closes; the error number, or 0. */
static int write_and_close(int fd, const void *data, size_t size)
{
	const char *p = data;
	int error = 0;
	while (size && !error) {
		ssize_t n = write(fd, p, AZ_MIN(size, (size_t)1 << 30));
		if (n >= 0) {
			p += n;
			size -= (size_t)n;
		} else if (errno != EINTR) {
			error = errno;
		}
	}
	/* Some file systems notice a full disk only now. */
	if (close(fd) != 0 && !error && errno != EINTR)
		error = errno;
	return error;
}

/* Devices and pipes have no folder entry to replace: written in place. */
static bool write_special(az_ctx *ctx, const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = fd < 0 ? errno : write_and_close(fd, data, size);
	return error ? fail(ctx, "write", path, error) : true;
}

/* Opens a new file beside `path`; the name is in *name. open rather than mkstemp, so that the kernel
 * applies the umask to `mode`. The descriptor, or -1 with errno. */
static int open_temporary(az_arena *arena, const char *folder, mode_t mode, const char **name)
{
	for (unsigned i = 0; i < TEMPORARY_TRIES; i++) {
		*name = az_path_join(arena, folder,
			az_arena_printf(arena, ".adze-%ld-%u", (long)getpid(), i));
		int fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	errno = EEXIST;
	return -1;
}

static bool replace_file(az_ctx *ctx, const char *path, const void *data, size_t size,
	bool executable)
{
	const char *temporary;
	const char *folder = az_path_folder(&ctx->arena, path);
	int fd = open_temporary(&ctx->arena, folder, executable ? 0777 : 0666, &temporary);
	if (fd < 0)
		return fail(ctx, "write", path, errno);
	int error = write_and_close(fd, data, size);
	if (!error && rename(temporary, path) != 0)
		error = errno;
	if (!error)
		return true;
	unlink(temporary);
	return fail(ctx, "write", path, error);
}

/* A link stays a link: what it points to is replaced. NULL when `path` is none, or leads nowhere. */
static char *link_target(az_arena *arena, const char *path)
{
	struct stat info;
	if (lstat(path, &info) != 0 || !S_ISLNK(info.st_mode))
		return NULL;
	char resolved[PATH_MAX];
	return realpath(path, resolved) ? az_arena_copy(arena, resolved, strlen(resolved)) : NULL;
}

static bool write_file(az_ctx *ctx, const char *path, const void *data, size_t size,
	bool executable)
{
	struct stat info;
	if (stat(path, &info) == 0) {
		if (S_ISDIR(info.st_mode))
			return fail(ctx, "write", path, EISDIR);
		if (!S_ISREG(info.st_mode))
			return write_special(ctx, path, data, size);
		if (access(path, W_OK) != 0) /* renaming would pass over a write protection */
			return fail(ctx, "write", path, errno);
	}
	const char *target = link_target(&ctx->arena, path);
	return replace_file(ctx, target ? target : path, data, size, executable);
}

bool az_file_write(az_ctx *ctx, const char *path, const void *data, size_t size, bool executable)
{
	AZ_GUARD(ctx, return false);
	bool ok = write_file(ctx, path, data, size, executable);
	AZ_UNGUARD(ctx);
	return ok;
}

bool az_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool is_folder(const char *path)
{
	struct stat info;
	return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Makes each folder along the way; `text` is a scratch copy of the path. */
static bool make_folders(az_ctx *ctx, const char *path, char *text)
{
	char *p = text;
	while (*p) {
		p += strspn(p, "/");
		p += strcspn(p, "/");
		char after = *p;
		*p = 0;
		if (*text && mkdir(text, 0777) != 0) {
			int error =
				errno; /* EEXIST, or what stat-able folders give when read-only */
			if (!is_folder(text))
				return fail(ctx, "make folder", path,
					error == EEXIST ? ENOTDIR : error);
		}
		*p = after;
	}
	return true;
}

bool az_folder_make(az_ctx *ctx, const char *path)
{
	AZ_GUARD(ctx, return false);
	bool ok = make_folders(ctx, path, az_arena_copy(&ctx->arena, path, strlen(path)));
	AZ_UNGUARD(ctx);
	return ok;
}

/* The last part of a path: [*start, returned end), without the slashes around it. */
static const char *last_part(const char *path, const char **start)
{
	const char *end = path + strlen(path);
	while (end > path && end[-1] == '/')
		end--;
	*start = end;
	while (*start > path && (*start)[-1] != '/')
		--*start;
	return end;
}

char *az_path_folder(az_arena *arena, const char *path)
{
	const char *start;
	last_part(path, &start);
	if (start == path)
		return az_arena_copy(arena, *path == '/' ? "/" : ".", 1);
	while (start > path + 1 && start[-1] == '/')
		start--;
	return az_arena_copy(arena, path, (size_t)(start - path));
}

char *az_path_base(az_arena *arena, const char *path)
{
	const char *start, *end = last_part(path, &start);
	return az_arena_copy(arena, start, (size_t)(end - start));
}

char *az_path_stem(az_arena *arena, const char *path)
{
	const char *start, *end = last_part(path, &start);
	for (const char *dot = end; dot > start + 1;) {
		if (*--dot == '.') /* a name that begins with its only dot has no extension */
			return az_arena_copy(arena, start, (size_t)(dot - start));
	}
	return az_arena_copy(arena, start, (size_t)(end - start));
}

char *az_path_join(az_arena *arena, const char *folder, const char *name)
{
	size_t n = strlen(folder);
	if (n == 0 || *name == '/' || strcmp(folder, ".") == 0)
		return az_arena_copy(arena, name, strlen(name));
	return az_arena_printf(arena, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

void az_sha256_hex(char out[65], const void *data, size_t size)
{
	SHA256_CTX sha;
	SHA256Init(&sha);
	SHA256Update(&sha, data, size);
	SHA256End(&sha, out);
}
