/* SPDX-License-Identifier: Apache-2.0
 *
 * The few functions that a compiler may call without being asked. The empty asm keeps each loop from
 * being turned into a call of the function that it is. */
#include <stddef.h>
#include <stdint.h>

#define KEEP_LOOP __asm__ volatile("" ::: "memory")

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	unsigned char *p = to;
	const unsigned char *q = from;
	while (n--) {
		*p++ = *q++;
		KEEP_LOOP;
	}
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *p = to;
	const unsigned char *q = from;
	if ((uintptr_t)p - (uintptr_t)q >= n)
		return memcpy(to, from, n);
	while (n--) {
		p[n] = q[n];
		KEEP_LOOP;
	}
	return to;
}

void *memset(void *to, int c, size_t n)
{
	unsigned char *p = to;
	while (n--) {
		*p++ = (unsigned char)c;
		KEEP_LOOP;
	}
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;
	while (n--) {
		if (*p != *q)
			return *p - *q;
		p++;
		q++;
		KEEP_LOOP;
	}
	return 0;
}

#if defined(__arm__)
/* The names and argument orders of the ARM run-time ABI (IHI 0043). */
void __aeabi_memcpy(void *to, const void *from, size_t n);
void __aeabi_memcpy4(void *to, const void *from, size_t n);
void __aeabi_memcpy8(void *to, const void *from, size_t n);
void __aeabi_memmove(void *to, const void *from, size_t n);
void __aeabi_memmove4(void *to, const void *from, size_t n);
void __aeabi_memmove8(void *to, const void *from, size_t n);
void __aeabi_memset(void *to, size_t n, int c);
void __aeabi_memset4(void *to, size_t n, int c);
void __aeabi_memset8(void *to, size_t n, int c);
void __aeabi_memclr(void *to, size_t n);
void __aeabi_memclr4(void *to, size_t n);
void __aeabi_memclr8(void *to, size_t n);
void __aeabi_unwind_cpp_pr0(void);

void __aeabi_memcpy(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
}
void __aeabi_memcpy4(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
}
void __aeabi_memcpy8(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
}
void __aeabi_memmove(void *to, const void *from, size_t n)
{
	memmove(to, from, n);
}
void __aeabi_memmove4(void *to, const void *from, size_t n)
{
	memmove(to, from, n);
}
void __aeabi_memmove8(void *to, const void *from, size_t n)
{
	memmove(to, from, n);
}
void __aeabi_memset(void *to, size_t n, int c)
{
	memset(to, c, n);
}
void __aeabi_memset4(void *to, size_t n, int c)
{
	memset(to, c, n);
}
void __aeabi_memset8(void *to, size_t n, int c)
{
	memset(to, c, n);
}
void __aeabi_memclr(void *to, size_t n)
{
	memset(to, 0, n);
}
void __aeabi_memclr4(void *to, size_t n)
{
	memset(to, 0, n);
}
void __aeabi_memclr8(void *to, size_t n)
{
	memset(to, 0, n);
}
void __aeabi_unwind_cpp_pr0(void)
{
}

/* Division, which ARMv7-A need not have in hardware. Quotient and remainder by shift and subtract. */
uint64_t adze_divide_64(uint64_t n, uint64_t d, uint64_t *remainder);
uint64_t __aeabi_uidivmod(uint32_t n, uint32_t d);
uint32_t __aeabi_uidiv(uint32_t n, uint32_t d);
uint64_t __aeabi_idivmod(int32_t n, int32_t d);
int32_t __aeabi_idiv(int32_t n, int32_t d);

__attribute__((used)) uint64_t adze_divide_64(uint64_t n, uint64_t d, uint64_t *remainder)
{
	uint64_t q = 0, r = 0;
	for (int i = 63; i >= 0; i--) {
		r = r << 1 | (n >> i & 1);
		if (r >= d && d) {
			r -= d;
			q |= UINT64_C(1) << i;
		}
	}
	*remainder = r;
	return q;
}

/* Quotient in r0, remainder in r1: the low and high half of a 64-bit result. */
uint64_t __aeabi_uidivmod(uint32_t n, uint32_t d)
{
	uint64_t r;
	uint32_t q = (uint32_t)adze_divide_64(n, d, &r);
	return r << 32 | q;
}
uint32_t __aeabi_uidiv(uint32_t n, uint32_t d)
{
	return (uint32_t)__aeabi_uidivmod(n, d);
}
uint64_t __aeabi_idivmod(int32_t n, int32_t d)
{
	uint64_t both = __aeabi_uidivmod(n < 0 ? -(uint32_t)n : (uint32_t)n,
		d < 0 ? -(uint32_t)d : (uint32_t)d);
	uint32_t q = (uint32_t)both, r = (uint32_t)(both >> 32);
	q = (n < 0) != (d < 0) ? -q : q;
	r = n < 0 ? -r : r;
	return (uint64_t)r << 32 | q;
}
int32_t __aeabi_idiv(int32_t n, int32_t d)
{
	return (int32_t)(uint32_t)__aeabi_idivmod(n, d);
}

int64_t adze_divide_signed_64(int64_t n, int64_t d, int64_t *remainder);
__attribute__((used)) int64_t adze_divide_signed_64(int64_t n, int64_t d, int64_t *remainder)
{
	uint64_t r, q = adze_divide_64(n < 0 ? -(uint64_t)n : (uint64_t)n,
			    d < 0 ? -(uint64_t)d : (uint64_t)d, &r);
	*remainder = (int64_t)(n < 0 ? -r : r);
	return (int64_t)((n < 0) != (d < 0) ? -q : q);
}

/* Quotient in r0:r1, remainder in r2:r3. */
#define DIVIDE(name, function)                                                                     \
	__asm__(".text\n.globl " name "\n.type " name ",%function\n" name ":\n"                    \
		" push {r4,lr}\n sub sp,sp,#16\n add r4,sp,#8\n str r4,[sp]\n bl " function        \
		"\n ldr r2,[sp,#8]\n ldr r3,[sp,#12]\n add sp,sp,#16\n pop {r4,pc}\n")
DIVIDE("__aeabi_uldivmod", "adze_divide_64");
DIVIDE("__aeabi_ldivmod", "adze_divide_signed_64");
#endif
