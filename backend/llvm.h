/* SPDX-License-Identifier: Apache-2.0
 *
 * One LLVM module being made for one target, and turning it into bytes. What LLVM complains about
 * becomes a reported error; LLVM never prints and, by construction of what is emitted, never
 * stops the process. */
#ifndef AZ_BACKEND_LLVM_H
#define AZ_BACKEND_LLVM_H

#include <llvm-c/TargetMachine.h>

#include "backend/kernel.h"

/* A function's stack frame, by the hash of its name. */
typedef struct az_frame {
	uint64_t name, bytes;
} az_frame;

typedef struct az_llvm {
	az_emitter e;
	LLVMTargetMachineRef machine;
	char fault[256];   /* the first error LLVM diagnosed while making code */
	const char *entry; /* name of the function whose frame is counted apart; may be NULL */
	uint64_t entry_frame_bytes; /* stack frames, known after az_llvm_codegen */
	uint64_t other_frame_bytes; /* the largest of all others */
	az_frame *frame;            /* all of them */
	uint32_t frame_count, frame_room;
} az_llvm;

/* Reports. az_llvm_close frees what was opened, also after failure. */
bool az_llvm_open(az_llvm *llvm, az_ctx *ctx, const az_target *target, bool fast,
	const char *name) AZ_NODISCARD;
void az_llvm_close(az_llvm *llvm);

/* Starts a function of the module (internal or not) and positions the builder at its first block. */
LLVMValueRef az_llvm_function(az_llvm *llvm, const char *symbol, LLVMTypeRef type, bool internal);
/* Emits a kernel function whole; its pointers are `noalias` unless a call is in place. NULL after
 * reporting. */
LLVMValueRef az_llvm_kernel(az_llvm *llvm, const char *symbol, const az_func *func,
	const az_kernel *kernel, const az_tile *tile, bool in_place);

/* The type of a function made from `func`: one pointer per operand and result. */
LLVMTypeRef az_llvm_kernel_type(az_llvm *llvm, const az_func *func);

typedef enum az_code { AZ_CODE_OBJECT, AZ_CODE_ASM, AZ_CODE_ASM_COMMENTED } az_code;

/* Object or assembly in the arena; the module is spent. Reports. */
bool az_llvm_codegen(az_llvm *llvm, az_code code, az_arena *arena, const void **data,
	size_t *size) AZ_NODISCARD;
/* Bytes of a function's frame, after az_llvm_codegen. */
uint64_t az_llvm_frame(const az_llvm *llvm, const char *symbol);
/* The module as LLVM's text, in the arena. */
char *az_llvm_print(az_llvm *llvm, az_arena *arena);

#endif
