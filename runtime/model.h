/* SPDX-License-Identifier: Apache-2.0
 *
 * What the compiler tells an executable about its network: one constant `adze_model`, written by
 * backend/model.c field by field in this order (change both together). Freestanding. All pointers
 * point to constants; strings end with NUL. */
#ifndef ADZE_RUNTIME_MODEL_H
#define ADZE_RUNTIME_MODEL_H

#include <stdint.h>

#define ADZE_RANK_MAX 8

/* Element kinds; the numbers are those of the compiler's own enumeration. */
enum {
	ADZE_BOOL = 1, /* 8 bits, 0 or 1 */
	ADZE_INT = 2,  /* two's complement */
	ADZE_UINT = 3,
	ADZE_FLOAT = 4,   /* IEEE, 16, 32 or 64 bits */
	ADZE_BFLOAT = 5,  /* bfloat16 */
	ADZE_BIPOLAR = 6, /* 1 bit: 0 is -1 */
};

/* An input or output buffer: row-major, little-endian, elements of fewer than 8 bits packed. */
typedef struct adze_tensor {
	const char *name;
	uint32_t kind, bits;
	uint32_t rank;
	uint32_t quantized; /* real = scale * (stored - zero); else the number itself */
	float scale;
	int32_t zero;
	uint64_t size_bytes;
	int64_t dim[ADZE_RANK_MAX];
} adze_tensor;

/* One kernel call, in the order in which they run; what --profile prints. */
typedef struct adze_layer {
	const char *name; /* of the node in the network, or of its value */
	const char *op;   /* "conv", ... */
	const char *kernel;
	uint64_t macs; /* multiply-accumulates */
} adze_layer;

struct adze_parallel; /* reserved: NULL means one thread */

/* Gives 0. Buffers are aligned to 64 at best, to their elements at least; the arena to
 * arena_align. */
typedef int adze_run(const void *const inputs[], void *const outputs[], void *arena,
	const struct adze_parallel *pool);
/* The same with now() called before the first call and after each: stamps has layer_count + 1
 * places. */
typedef int adze_profile(const void *const inputs[], void *const outputs[], void *arena,
	const struct adze_parallel *pool, uint64_t (*now)(void), uint64_t *stamps);

typedef struct adze_model_info {
	uint32_t version;   /* ADZE_MODEL_VERSION */
	uint32_t cpu_check; /* bits of runtime/cpu.def for the architecture */
	const char *name;
	const char *target; /* "x86_64-unknown-linux-gnu" */
	const char *cpu;    /* and features: "x86-64-v3 +avxvnni" */
	const char *info;   /* text for --info; may be empty */
	uint64_t arena_bytes, arena_align;
	uint64_t weight_bytes;
	uint64_t macs;
	uint32_t input_count, output_count, layer_count, argument_count;
	const adze_tensor *inputs, *outputs;
	const adze_layer *layers;
	adze_run *run;
	adze_profile *profile;
	/* Options that stand before those of the command line: --embed-preprocessing. */
	const char *const *arguments;
} adze_model_info;

#define ADZE_MODEL_VERSION 2

extern const adze_model_info adze_model;

#endif
