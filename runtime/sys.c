/* SPDX-License-Identifier: Apache-2.0
 *
 * See sys.h. */
#include "runtime/sys.h"

void *sys_memory(uint64_t bytes)
{
	enum { READ_WRITE = 3, PRIVATE_ANONYMOUS = 0x22 };
	if (bytes > SIZE_MAX / 2)
		return NULL;
	long p = sys_call(SYS_mmap, 0, (long)(size_t)(bytes ? bytes : 1), READ_WRITE,
		PRIVATE_ANONYMOUS, -1, 0);
	return (unsigned long)p > -4096UL ? NULL : (void *)p;
}

void sys_exit(int code)
{
	for (;;)
		sys_call3(SYS_exit_group, code, 0, 0);
}

uint64_t sys_now_ns(void)
{
	enum { MONOTONIC = 1 };
	long t[2] = {0, 0}; /* seconds, nanoseconds: a long each on all targets */
	sys_call3(SYS_clock_gettime, MONOTONIC, t, 0);
	return (uint64_t)(unsigned long)t[0] * 1000000000u + (uint64_t)(unsigned long)t[1];
}

int sys_write_all(long file, const void *data, uint64_t n)
{
	const char *p = data;
	while (n) {
		long k = sys_call3(SYS_write, file, p, n);
		if (k <= 0)
			return 0;
		p += k;
		n -= (uint64_t)k;
	}
	return 1;
}
