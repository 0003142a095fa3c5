/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU features: cpuid on x86-64 (with what the system saves of the registers), the auxiliary vector
 * elsewhere; the RISC-V vector extension is tried out, since not every kernel reports it. */
#include "runtime/cpu.h"

#include <stddef.h>

#include "runtime/sys.h"

typedef struct feature_row {
	const char *name;
	uint32_t bit;
} feature_row;

/* Rows of this architecture only: the others expand to nothing. */
#define ROW(name, bit) {name, bit},
#if defined(__x86_64__)
#define IF_x86_64(row) row
#define IF_aarch64(row)
#define IF_arm(row)
#define IF_riscv64(row)
#elif defined(__aarch64__)
#define IF_x86_64(row)
#define IF_aarch64(row) row
#define IF_arm(row)
#define IF_riscv64(row)
#elif defined(__arm__)
#define IF_x86_64(row)
#define IF_aarch64(row)
#define IF_arm(row) row
#define IF_riscv64(row)
#else
#define IF_x86_64(row)
#define IF_aarch64(row)
#define IF_arm(row)
#define IF_riscv64(row) row
#endif
#define CPU(architecture, feature, bit) IF_##architecture(ROW(feature, bit))
static const feature_row features[] = {
#include "runtime/cpu.def"
};

static const uintptr_t *auxiliary_vector;

__attribute__((unused)) static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

void cpu_remember(const uintptr_t *auxiliary)
{
	auxiliary_vector = auxiliary;
}

#if defined(__x86_64__)

typedef struct cpuid_result {
	uint32_t a, b, c, d;
} cpuid_result;

static cpuid_result cpuid(uint32_t leaf, uint32_t sub)
{
	cpuid_result r;
	__asm__ volatile("cpuid"
		: "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
		: "a"(leaf), "c"(sub));
	return r;
}

static uint32_t saved_state(uint32_t has_xsave)
{
	uint32_t low = 0, high;
	if (has_xsave)
		__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

/* Where each feature of cpu.def stands: leaf, register, bit; and the register state it needs. */
typedef enum where { LEAF1_C, LEAF7_B, LEAF7_C, LEAF7_D, LEAF71_A, LEAF81_C, WHERE_COUNT } where;

typedef struct place {
	const char *name;
	where where;
	uint32_t bit;
	uint32_t state; /* 0 none, 6 AVX, 0xe6 AVX-512 */
} place;

static const place places[] = {
	{"sse3", LEAF1_C, 0, 0},
	{"ssse3", LEAF1_C, 9, 0},
	{"sse4.1", LEAF1_C, 19, 0},
	{"sse4.2", LEAF1_C, 20, 0},
	{"popcnt", LEAF1_C, 23, 0},
	{"movbe", LEAF1_C, 22, 0},
	{"avx", LEAF1_C, 28, 6},
	{"fma", LEAF1_C, 12, 6},
	{"f16c", LEAF1_C, 29, 6},
	{"lzcnt", LEAF81_C, 5, 0},
	{"bmi", LEAF7_B, 3, 0},
	{"bmi2", LEAF7_B, 8, 0},
	{"avx2", LEAF7_B, 5, 6},
	{"avx512f", LEAF7_B, 16, 0xe6},
	{"avx512dq", LEAF7_B, 17, 0xe6},
	{"avx512ifma", LEAF7_B, 21, 0xe6},
	{"avx512cd", LEAF7_B, 28, 0xe6},
	{"avx512bw", LEAF7_B, 30, 0xe6},
	{"avx512vl", LEAF7_B, 31, 0xe6},
	{"avx512vbmi", LEAF7_C, 1, 0xe6},
	{"avx512vbmi2", LEAF7_C, 6, 0xe6},
	{"gfni", LEAF7_C, 8, 0},
	{"avx512vnni", LEAF7_C, 11, 0xe6},
	{"avx512bitalg", LEAF7_C, 12, 0xe6},
	{"avx512vpopcntdq", LEAF7_C, 14, 0xe6},
	{"avx512fp16", LEAF7_D, 23, 0xe6},
	{"avxvnni", LEAF71_A, 4, 6},
	{"avx512bf16", LEAF71_A, 5, 0xe6},
};

static int has_feature(const char *name)
{
	uint32_t largest = cpuid(0, 0).a, word[WHERE_COUNT] = {0};
	word[LEAF1_C] = cpuid(1, 0).c;
	word[LEAF81_C] = cpuid(0x80000001u, 0).c;
	if (largest >= 7) {
		cpuid_result r = cpuid(7, 0);
		word[LEAF7_B] = r.b;
		word[LEAF7_C] = r.c;
		word[LEAF7_D] = r.d;
		word[LEAF71_A] = r.a >= 1 ? cpuid(7, 1).a : 0;
	}
	uint32_t state = saved_state(word[LEAF1_C] >> 27 & 1);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (same(places[i].name, name))
			return (word[places[i].where] >> places[i].bit & 1) &&
			       (state & places[i].state) == places[i].state;
	return 0;
}

#else

static uintptr_t auxiliary_value(uintptr_t type)
{
	for (const uintptr_t *p = auxiliary_vector; p && p[0]; p += 2)
		if (p[0] == type)
			return p[1];
	return 0;
}

enum { AT_HWCAP = 16, AT_HWCAP2 = 26 };

#if defined(__riscv)

static void on_illegal_instruction(int signal)
{
	static const char text[] =
		"this CPU lacks the feature 'v' that this program was compiled for\n";
	(void)signal;
	sys_call3(SYS_write, 2, text, sizeof text - 1);
	sys_exit(1);
}

/* Reads the vector length: exits with a message where there is none. */
static void try_vectors(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags, mask;
	} action = {on_illegal_instruction, 0, 0}, old;
	enum { ILLEGAL = 4 };
	unsigned long length;
	sys_call(SYS_rt_sigaction, ILLEGAL, (long)&action, (long)&old, 8, 0, 0);
	__asm__ volatile("csrr %0, 0xc22" : "=r"(length)); /* vlenb */
	sys_call(SYS_rt_sigaction, ILLEGAL, (long)&old, 0, 8, 0, 0);
	(void)length;
}

static int has_feature(const char *name)
{
	(void)name; /* "v", the only one */
	if (!(auxiliary_value(AT_HWCAP) >> ('v' - 'a') & 1))
		try_vectors();
	return 1;
}

#else

typedef struct hwcap_row {
	const char *name;
	uintptr_t type;
	uint32_t bit;
} hwcap_row;

/* Bits of Linux's hwcap.h for the architecture. */
static const hwcap_row rows[] = {
#if defined(__aarch64__)
	{"dotprod", AT_HWCAP, 20},
	{"i8mm", AT_HWCAP2, 13},
	{"fullfp16", AT_HWCAP, 10},
	{"bf16", AT_HWCAP2, 14},
	{"sve", AT_HWCAP, 22},
	{"lse", AT_HWCAP, 8},
#else
	{"neon", AT_HWCAP, 12},
	{"vfp4", AT_HWCAP, 16},
#endif
};

static int has_feature(const char *name)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (same(rows[i].name, name))
			return auxiliary_value(rows[i].type) >> rows[i].bit & 1;
	return 0;
}

#endif
#endif

const char *cpu_missing(uint32_t needed)
{
	for (size_t i = 0; i < sizeof features / sizeof *features; i++)
		if ((needed >> features[i].bit & 1) && !has_feature(features[i].name))
			return features[i].name;
	return NULL;
}
