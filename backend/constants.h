/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants of a module being lowered: as the kernels read them, each once, in two sections,
 * `.rodata.NAME.weights` and `.rodata.NAME.const`, aligned to 64, with AZ_SLACK_BYTES readable
 * after the last. */
#ifndef AZ_BACKEND_CONSTANTS_H
#define AZ_BACKEND_CONSTANTS_H

#include "backend/llvm.h"

typedef struct az_constants az_constants;

az_constants *az_constants_new(az_llvm *llvm, const char *name, az_arena *arena);
/* The global that holds operand `index` of the call (a constant), packed by the kernel. *size:
 * its bytes. */
LLVMValueRef az_constants_operand(az_constants *constants, const az_op *call,
	const az_kernel *kernel, const az_tile *tile, uint32_t index, size_t *size);
/* The constant's bytes as they are. */
LLVMValueRef az_constants_plain(az_constants *constants, az_const *constant);
/* Adds the slack; nothing may be added after. */
void az_constants_finish(az_constants *constants);
/* Bytes of the weights section so far, alignment and slack included. */
uint64_t az_constants_weight_bytes(const az_constants *constants);

/* Parameter `index` of the function is the second operand of a contraction. */
bool az_param_is_weights(const az_func *func, uint32_t index);

#endif
