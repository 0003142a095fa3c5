/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files in memory, and files written so that nobody sees half of one. */
#include "runtime/file.h"

#include "runtime/sys.h"
#include "runtime/text.h"

enum { AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, O_WRONLY = 1, O_WRONLY_CREAT_TRUNC = 01101 };
enum { END = 2, SET = 0 };
enum {
	STATX_TYPE = 1,
	STATX_BYTES = 256,
	STATX_MODE_AT = 28,
	MODE_TYPE = 0170000,
	MODE_FILE = 0100000
};

static int read_all(long file, uint8_t *to, uint64_t n)
{
	while (n) {
		long k = sys_call3(SYS_read, file, to, n);
		if (k <= 0)
			return 0;
		to += k;
		n -= (uint64_t)k;
	}
	return 1;
}

int file_read(const char *path, file_bytes *out)
{
	long file = sys_call(SYS_openat, AT_FDCWD, (long)path, 0, 0, 0, 0);
	if (file < 0)
		return fail("cannot open ", path, NULL);
	long size = sys_call3(SYS_lseek, file, 0, END);
	uint8_t *data = size < 0 ? NULL : sys_memory((uint64_t)size + 64);
	int ok = data && sys_call3(SYS_lseek, file, 0, SET) == 0 &&
		 read_all(file, data, (uint64_t)size);
	sys_call3(SYS_close, file, 0, 0);
	if (!ok)
		return fail("cannot read ", path, NULL);
	*out = (file_bytes){data, (uint64_t)size};
	return 1;
}

/* path with ".<pid>.tmp" behind it. */
static char *temporary_name(const char *path)
{
	uint64_t n = text_length(path);
	char *name = sys_memory(n + 32);
	long id = sys_call3(SYS_getpid, 0, 0, 0);
	if (!name)
		return NULL;
	for (uint64_t i = 0; i < n; i++)
		name[i] = path[i];
	name[n++] = '.';
	do {
		name[n++] = (char)('0' + (unsigned long)id % 10u);
		id = (long)((unsigned long)id / 10u);
	} while (id);
	for (const char *p = ".tmp"; *p; p++)
		name[n++] = *p;
	return name;
}

/* A device, a pipe, a link: what a rename would replace instead of filling. */
static int is_special(const char *path)
{
	uint64_t info[STATX_BYTES / 8] = {0};
	long found = sys_call(SYS_statx, AT_FDCWD, (long)path, AT_SYMLINK_NOFOLLOW, STATX_TYPE,
		(long)info, 0);
	uint32_t mode = (uint32_t)(info[STATX_MODE_AT / 8] >> 8 * (STATX_MODE_AT % 8)) & MODE_TYPE;
	return found == 0 && mode != MODE_FILE;
}

static int write_parts(long file, const file_bytes *parts, uint32_t count)
{
	int ok = file >= 0;
	for (uint32_t i = 0; i < count && ok; i++)
		ok = sys_write_all(file, parts[i].data, parts[i].size);
	return file >= 0 && sys_call3(SYS_close, file, 0, 0) == 0 && ok;
}

static int replace_file(const char *path, const file_bytes *parts, uint32_t count)
{
	char *name = temporary_name(path);
	if (!name)
		return 0;
	long file = sys_call(SYS_openat, AT_FDCWD, (long)name, O_WRONLY_CREAT_TRUNC, 0666, 0, 0);
	if (file < 0)
		return 0;
	/* the system call with flags: RISC-V has no other, and no flags mean the same */
	int ok = write_parts(file, parts, count) &&
		 sys_call(SYS_renameat2, AT_FDCWD, (long)name, AT_FDCWD, (long)path, 0, 0) == 0;
	if (!ok)
		sys_call3(SYS_unlinkat, AT_FDCWD, name, 0);
	return ok;
}

int file_write(const char *path, const file_bytes *parts, uint32_t count)
{
	int ok =
		is_special(path)
			? write_parts(sys_call(SYS_openat, AT_FDCWD, (long)path, O_WRONLY, 0, 0, 0),
				  parts, count)
			: replace_file(path, parts, count);
	return ok || fail("cannot write ", path, NULL);
}
