/* SPDX-License-Identifier: Apache-2.0
 *
 * The backend as the driver sees it: targets, the three backend passes, output forms, JIT, cost. */
#ifndef AZ_BACKEND_BACKEND_H
#define AZ_BACKEND_BACKEND_H

#include "backend/target.h"
#include "ir/cost.h"
#include "ir/exec.h"

struct az_pass_ctx;

/* select-kernels, pack-weights, reorder-operations, plan-memory; NULL for other names. They find the target in
 * env->backend_data (an az_target). */
bool (*az_backend_pass(const char *name))(struct az_pass_ctx *pass);

typedef enum az_emit {
	AZ_EMIT_EXE, /* static executable */
	AZ_EMIT_OBJ, /* relocatable object; the header is az_backend_header */
	AZ_EMIT_ASM,
	AZ_EMIT_LLVM, /* LLVM IR text */
	AZ_EMIT_SO,   /* shared object with the same interface */
} az_emit;

typedef struct az_emit_options {
	az_emit emit;
	az_name name;           /* prefix of symbols: C identifier */
	const char *model_info; /* text for --info, may be NULL */
	az_cost *cost;          /* if not NULL: filled in, from the very object that is emitted */
	const struct az_cost_table *rates; /* for it; NULL: the built-in table */
	uint32_t argument_count; /* options that an executable reads before its command line */
	const char *const *arguments;
} az_emit_options;

/* The bytes of the output file, in the arena. The module must be placed for this target. */
bool az_backend_emit(const az_module *module, const az_target *target,
	const az_emit_options *options, az_arena *arena, const void **data, size_t *size);
/* Text of NAME.h, with the sizes that the cost of the object tells. */
char *az_backend_header(const az_module *module, const az_target *target, const char *name,
	const az_cost *cost, az_arena *arena);

/* Runs the remaining road to `placed` on a clone for this machine, emits the object and loads it. */
extern const az_exec_api az_backend_jit;
/* Runs a network made by az_backend_jit several times; a text in the arena with the median time of
 * each layer and its share. */
char *az_backend_jit_profile(az_exec *exec, const az_tensor *inputs, az_arena *arena);
/* Runs it so many times; the fastest time of each layer, and the layers. In the arena; the number of
 * layers. */
uint32_t az_backend_jit_times(az_exec *exec, const az_tensor *inputs, uint32_t runs,
	az_arena *arena, const az_layer_cost **layer, const uint64_t **nanoseconds_of);
extern const az_cost_api az_backend_cost;
/* From here on the JIT and az_backend_cost make every kernel function once and keep it, until it is forgotten.
 * Networks made by the JIT must be gone by then. Reports. */
bool az_backend_keep(az_ctx *ctx) AZ_NODISCARD;
void az_backend_forget(az_ctx *ctx);

/* Names of kernels for `adze info`; NULL past the end. */
const char *az_backend_kernel_name(uint32_t index);

#endif
