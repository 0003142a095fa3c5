/* SPDX-License-Identifier: Apache-2.0
 *
 * Linux system calls, without a C library. A negative result is -errno. */
#ifndef ADZE_RUNTIME_SYS_H
#define ADZE_RUNTIME_SYS_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_lseek = 8, SYS_mmap = 9, SYS_rt_sigaction = 13,
       SYS_clock_gettime = 228, SYS_exit_group = 231, SYS_openat = 257, SYS_unlinkat = 263,
       SYS_renameat2 = 316, SYS_statx = 332, SYS_getpid = 39 };
#elif defined(__aarch64__) || defined(__riscv)
enum { SYS_unlinkat = 35, SYS_openat = 56, SYS_close = 57, SYS_lseek = 62, SYS_read = 63, SYS_write = 64,
       SYS_exit_group = 94, SYS_clock_gettime = 113, SYS_rt_sigaction = 134, SYS_getpid = 172,
       SYS_mmap = 222, SYS_renameat2 = 276, SYS_statx = 291 };
#elif defined(__arm__)
enum { SYS_read = 3, SYS_write = 4, SYS_close = 6, SYS_lseek = 19, SYS_getpid = 20,
       SYS_rt_sigaction = 174, SYS_mmap = 192, SYS_exit_group = 248, SYS_clock_gettime = 263,
       SYS_openat = 322, SYS_unlinkat = 328, SYS_renameat2 = 382, SYS_statx = 397 };
#endif
/* clang-format on */

static inline long sys_call(long n, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
		: "+r"(x0)
		: "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
		: "memory");
	return x0;
#elif defined(__riscv)
	register long a7 __asm__("a7") = n;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;
	__asm__ volatile("ecall"
		: "+r"(a0)
		: "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
		: "memory");
	return a0;
#elif defined(__arm__)
	register long r7 __asm__("r7") = n;
	register long r0 __asm__("r0") = a;
	register long r1 __asm__("r1") = b;
	register long r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = d;
	register long r4 __asm__("r4") = e;
	register long r5 __asm__("r5") = f;
	__asm__ volatile("svc 0"
		: "+r"(r0)
		: "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5)
		: "memory");
	return r0;
#endif
}

#define sys_call3(n, a, b, c) sys_call((n), (long)(a), (long)(b), (long)(c), 0, 0, 0)

/* Anonymous zeroed memory, page aligned; NULL when there is none. Never given back. */
void *sys_memory(uint64_t bytes);
void sys_exit(int code) __attribute__((noreturn));
uint64_t sys_now_ns(void);
int sys_write_all(long file, const void *data, uint64_t n); /* 0 when that fails */

#endif
