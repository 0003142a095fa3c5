/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files in memory, and files written so that nobody sees half of one. */
#include "runtime/file.h"

#include "runtime/sys.h"
#include "runtime/text.h"

enum { AT_FDCWD = -100, O_WRONLY_CREAT_TRUNC = 01101, END = 2, SET = 0 };

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

static int write_all(long file, const uint8_t *data, uint64_t n)
{
	while (n) {
		long k = sys_call3(SYS_write, file, data, n);
		if (k <= 0)
			return 0;
		data += k;
		n -= (uint64_t)k;
	}
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

int file_write(const char *path, const file_bytes *parts, uint32_t count)
{
	char *name = temporary_name(path);
	long file =
		name ? sys_call(SYS_openat, AT_FDCWD, (long)name, O_WRONLY_CREAT_TRUNC, 0666, 0, 0)
		     : -1;
	if (file < 0)
		return fail("cannot write ", path, NULL);
	int ok = 1;
	for (uint32_t i = 0; i < count && ok; i++)
		ok = write_all(file, parts[i].data, parts[i].size);
	ok = sys_call3(SYS_close, file, 0, 0) == 0 && ok;
	/* the system call with flags: RISC-V has no other, and no flags mean the same */
	ok = ok && sys_call(SYS_renameat2, AT_FDCWD, (long)name, AT_FDCWD, (long)path, 0, 0) == 0;
	if (!ok) {
		sys_call3(SYS_unlinkat, AT_FDCWD, name, 0);
		return fail("cannot write ", path, NULL);
	}
	return 1;
}
