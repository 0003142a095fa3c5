/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets: what triples, CPUs and attributes become, and what is refused. */
#include "tests/unit/unit.h"

#include <string.h>

#include "backend/target.h"

typedef struct expected {
	const char *triple, *cpu, *attrs;
	az_arch arch;
	az_dot dot;
	uint32_t vector_bytes, vector_registers;
	bool has_fma;
} expected;

static void table(void)
{
	static const expected cases[] = {
		{"x86_64-linux", NULL, NULL, AZ_ARCH_X86_64, AZ_DOT_SSE2, 16, 16, false},
		{"x86_64-linux", "x86-64-v3", NULL, AZ_ARCH_X86_64, AZ_DOT_AVX2, 32, 16, true},
		{"x86_64-linux", "haswell", "+avxvnni", AZ_ARCH_X86_64, AZ_DOT_VNNI256, 32, 16,
			true},
		{"x86_64-linux", "x86-64-v3", "+avx512vl,+avx512vnni", AZ_ARCH_X86_64,
			AZ_DOT_VNNI256, 32, 16, true},
		{"x86_64-linux", "x86-64-v3", "+avx512f", AZ_ARCH_X86_64, AZ_DOT_AVX2, 32, 16,
			true},
		{"x86_64-linux", "x86-64-v4", NULL, AZ_ARCH_X86_64, AZ_DOT_AVX512BW, 64, 32, true},
		{"x86_64-linux", "znver4", NULL, AZ_ARCH_X86_64, AZ_DOT_VNNI512, 64, 32, true},
		{"x86_64-linux", "znver4", "-avx512vl", AZ_ARCH_X86_64, AZ_DOT_AVX2, 32, 16, true},
		{"aarch64-linux", "generic", NULL, AZ_ARCH_AARCH64, AZ_DOT_NEON, 16, 32, true},
		{"arm64-linux", "cortex-a76", "", AZ_ARCH_AARCH64, AZ_DOT_NEON_DOT, 16, 32, true},
		{"aarch64-linux", NULL, "+dotprod,+i8mm", AZ_ARCH_AARCH64, AZ_DOT_NEON_I8MM, 16, 32,
			true},
		{"aarch64-linux", "cortex-a53", "+i8mm", AZ_ARCH_AARCH64, AZ_DOT_NEON, 16, 32,
			true},
		{"armv7a-linux-gnueabihf", NULL, NULL, AZ_ARCH_ARM, AZ_DOT_NEON, 16, 16, false},
		{"armv7a-linux", "cortex-a15", NULL, AZ_ARCH_ARM, AZ_DOT_NEON, 16, 16, true},
		{"riscv64-linux", NULL, NULL, AZ_ARCH_RISCV64, AZ_DOT_GENERIC, 4, 32, true},
		{"riscv64-linux", NULL, "+v", AZ_ARCH_RISCV64, AZ_DOT_RVV, 16, 32, true},
	};
	for (size_t i = 0; i < AZ_COUNT(cases); i++) {
		az_ctx *ctx = az_ctx_new();
		const expected *c = &cases[i];
		const az_target *t = az_target_get(ctx, c->triple, c->cpu, c->attrs);
		CU_ASSERT_PTR_NOT_NULL_FATAL(t);
		CU_ASSERT_EQUAL(t->arch, c->arch);
		CU_ASSERT_EQUAL(t->dot, c->dot);
		CU_ASSERT_EQUAL(t->vector_bytes, c->vector_bytes);
		CU_ASSERT_EQUAL(t->vector_registers, c->vector_registers);
		CU_ASSERT_EQUAL(t->has_fma, c->has_fma);
		/* What a module records gives the same target again. */
		const az_target *again = az_target_get(ctx, t->triple, t->cpu, t->features);
		CU_ASSERT_PTR_NOT_NULL_FATAL(again);
		CHECK_TEXT(again->triple, t->triple);
		CHECK_TEXT(again->cpu, t->cpu);
		CHECK_TEXT(again->features, t->features);
		CU_ASSERT_EQUAL(again->dot, t->dot);
		CU_ASSERT_EQUAL(again->cpu_check, t->cpu_check);
		az_ctx_free(ctx);
	}
}

static void this_machine(void)
{
	az_ctx *ctx = az_ctx_new();
	const az_target *t = az_target_get(ctx, NULL, NULL, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_TRUE(t->native);
	const az_target *again = az_target_get(ctx, t->triple, t->cpu, t->features);
	CU_ASSERT_PTR_NOT_NULL_FATAL(again);
	CU_ASSERT_TRUE(again->native);
	CU_ASSERT_EQUAL(again->cpu_check, t->cpu_check);
	az_ctx_free(ctx);
}

static void refusals(void)
{
	static const struct {
		const char *triple, *cpu, *attrs, *message;
	} cases[] = {
		{"mips-linux", NULL, NULL, "unknown target \"mips-linux\"; there is code for"},
		{"x86_64-apple-darwin", NULL, NULL, "unknown system in triple"},
		{"x86_64-linux-gnux32", NULL, NULL, "unsupported environment in triple"},
		{"x86_64-linux", "alderlak", NULL, "did you mean \"alderlake\"?"},
		{"x86_64-linux", "i386", NULL, "cannot run"},
		{"x86_64-linux", NULL, "+avx512vnnj", "did you mean \"avx512vnni\"?"},
		{"x86_64-linux", NULL, "avx2", "neither +FEATURE nor -FEATURE"},
		{"x86_64-linux", NULL, "-sse2", "needs the feature \"sse2\""},
	};
	for (size_t i = 0; i < AZ_COUNT(cases); i++) {
		az_ctx *ctx = az_ctx_new();
		CU_ASSERT_PTR_NULL(az_target_get(ctx, cases[i].triple, cases[i].cpu,
			cases[i].attrs));
		CU_ASSERT_EQUAL(ctx->diag.error_count, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), cases[i].message));
		az_ctx_free(ctx);
	}
}

static void rows(void)
{
	az_ctx *ctx = az_ctx_new();
	az_target_row row;
	uint32_t count = 0;
	for (; az_target_row_get(count, &row); count++)
		CU_ASSERT_PTR_NOT_NULL(az_target_get(ctx, row.triple, row.cpu, row.attrs));
	CU_ASSERT_TRUE(count >= 11);
	az_ctx_free(ctx);
}

static void strict_lanes(void)
{
	az_ctx *ctx = az_ctx_new();
	const az_target *arm = az_target_get(ctx, "armv7a-linux-gnueabihf", NULL, NULL);
	const az_target *v3 = az_target_get(ctx, "x86_64-linux", "x86-64-v3", NULL);
	CU_ASSERT_EQUAL(az_float_lanes(arm, false), 1);
	CU_ASSERT_EQUAL(az_float_lanes(arm, true), 4);
	CU_ASSERT_EQUAL(az_float_lanes(v3, false), 8);
	az_ctx_free(ctx);
}

void test_backend_target(void)
{
	unit_suite("backend target",
		AZ_CASES({"triples, CPUs and attributes", table}, {"this machine", this_machine},
			{"refusals", refusals}, {"every row is a target", rows},
			{"strict float lanes", strict_lanes}));
}
