/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets: what a triple, CPU and features mean to the kernels. One row per target family in
 * backend/targets.def. Every target is created through LLVMNormalizeTargetTriple (docs/targets.md
 * says why). */
#ifndef AZ_BACKEND_TARGET_H
#define AZ_BACKEND_TARGET_H

#include "base/ctx.h"

typedef enum az_arch { AZ_ARCH_X86_64, AZ_ARCH_AARCH64, AZ_ARCH_ARM, AZ_ARCH_RISCV64 } az_arch;

/* The instruction that multiplies four bytes and adds into 32 bits, or what stands in for it. */
typedef enum az_dot {
	AZ_DOT_GENERIC, /* widen, multiply, add: any target */
	AZ_DOT_SSE2,    /* pmaddwd on 16-bit pairs, 128 bits */
	AZ_DOT_AVX2,    /* vpmaddwd on 16-bit pairs, 256 bits */
	AZ_DOT_VNNI128, /* vpdpbusd, by vector width */
	AZ_DOT_VNNI256,
	AZ_DOT_VNNI512,
	AZ_DOT_AVX512BW,  /* vpmaddwd on 16-bit pairs, 512 bits */
	AZ_DOT_NEON,      /* widening multiplies */
	AZ_DOT_NEON_DOT,  /* sdot, udot */
	AZ_DOT_NEON_I8MM, /* usdot as well */
	AZ_DOT_RVV,       /* vwmulsu, vwadd */
} az_dot;

typedef struct az_target {
	const char *triple; /* normalized */
	const char *cpu, *features, *abi;
	az_arch arch;
	az_dot dot;
	uint32_t
		vector_bytes; /* of a float or integer vector register: 16, 32, 64; 4: no vectors */
	uint32_t vector_registers; /* 16 or 32 */
	bool has_fma;              /* fused multiply-add for --float code */
	/* Vector instructions that count the ones of every byte, of every 32 bits. */
	bool counts_bytes, counts_words;
	bool native;        /* is this very machine: JIT and timing allowed */
	bool compact;       /* tiles for little code (select-kernels{size}), not for speed */
	uint32_t cpu_check; /* bits the executable checks at start (runtime/cpu.h) */
	uint32_t pointer_bytes;
	const char *runtime; /* name of the embedded runtime objects, e.g. "x86_64" */
} az_target;

/* triple: any LLVM triple or a short form (x86_64-linux, aarch64-linux, armv7a-linux-gnueabihf,
 * riscv64-linux); NULL = this machine. cpu: LLVM's name, x86-64-v2/v3/v4, generic, native; NULL =
 * native without a triple, else the family's baseline. attrs: "+f,-f" or NULL. In the arena of
 * ctx. Reports. */
const az_target *az_target_get(az_ctx *ctx, const char *triple, const char *cpu, const char *attrs);

/* Rows for `adze targets`: name, triple, dot family, CPUs worth naming; false past the end. */
typedef struct az_target_row {
	const char *name, *triple, *cpu, *attrs, *doc;
} az_target_row;
bool az_target_row_get(uint32_t index, az_target_row *out);
const char *az_dot_name(az_dot dot);

/* Lanes of a vector of f32 that the target computes as numerics.md asks. 1 for strict code on
 * ARMv7, whose vector unit flushes subnormals to zero: such code is scalar. */
uint32_t az_float_lanes(const az_target *target, bool fast);

#endif
