/* SPDX-License-Identifier: Apache-2.0
 *
 * What kernel emitters share: the LLVM handles of one module being emitted and small helpers over
 * the C API. A kernel function @k(%a, %b) -> (%r) becomes
 *     void NAME_k(const void *a, const void *b, void *r)
 * Pointers do not alias unless select-kernels says so; operands that are whole values in the arena are
 * aligned to 64; AZ_SLACK_BYTES after (not before) every arena value and constant may be read. */
#ifndef AZ_BACKEND_EMIT_H
#define AZ_BACKEND_EMIT_H

#include <llvm-c/Core.h>

#include "backend/target.h"
#include "ir/graph.h"

#define AZ_SLACK_BYTES 64

typedef struct az_emitter {
	az_ctx *ctx;
	const az_target *target;
	bool fast; /* float code may contract and reassociate (numerics.md 8) */
	LLVMContextRef llvm;
	LLVMModuleRef module;
	LLVMBuilderRef b;  /* positioned where code goes */
	LLVMValueRef func; /* the function being emitted */
	LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, ptr, void_type;
} az_emitter;

/* Types, constants (scalar or splat to the vector type given). */
LLVMTypeRef az_vec_type(LLVMTypeRef elem, uint32_t lanes); /* elem itself when lanes is 1 */
uint32_t az_lanes(LLVMTypeRef type);                       /* 1 for scalars */
LLVMValueRef az_int(az_emitter *e, LLVMTypeRef type, int64_t v);
LLVMValueRef az_real(az_emitter *e, LLVMTypeRef type, double v);
LLVMValueRef az_splat(az_emitter *e, LLVMValueRef scalar, uint32_t lanes);
LLVMValueRef az_index(az_emitter *e, int64_t v); /* i64 constant */

/* Addresses and memory: byte offsets; align in bytes. */
LLVMValueRef az_at(az_emitter *e, LLVMValueRef base, LLVMValueRef offset_bytes);
LLVMValueRef az_at_const(az_emitter *e, LLVMValueRef base, int64_t offset_bytes);
LLVMValueRef az_load(az_emitter *e, LLVMTypeRef type, LLVMValueRef at, uint32_t align);
void az_store(az_emitter *e, LLVMValueRef value, LLVMValueRef at, uint32_t align);

/* Copies or fills size bytes by loops of vectors, then smaller pieces; `align` is what the
 * addresses have. LLVM's own memcpy and memset become calls, which an object must not need. */
void az_copy_bytes(az_emitter *e, LLVMValueRef to, LLVMValueRef from, int64_t size, uint32_t align);
void az_fill_bytes(az_emitter *e, LLVMValueRef to, uint8_t byte, int64_t size, uint32_t align);

/* A private table of constants, aligned to an element. */
LLVMValueRef az_constant_table(az_emitter *e, LLVMTypeRef elem, LLVMValueRef *v, uint64_t count,
	const char *name);

/* i64 arithmetic that folds constants. */
LLVMValueRef az_add(az_emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef az_mul(az_emitter *e, LLVMValueRef a, int64_t by);

/* a * b + c on floats: fused where the target can if e->fast, else two rounded operations. */
LLVMValueRef az_muladd(az_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);

/* Counted loop: for (i = begin; i < end; i += step) with loop-carried values as phis. Emits the body
 * between az_loop_begin and az_loop_end; a loop that provably runs once makes no branches. */
#define AZ_CARRIED_MAX 96
typedef struct az_loop {
	LLVMValueRef i; /* the counter, i64 */
	LLVMValueRef
		carried[AZ_CARRIED_MAX]; /* inside the body: phis; after az_loop_end: results */
	uint32_t carried_count;
	LLVMBasicBlockRef entry, body, exit;
	LLVMValueRef end, step;
	bool single; /* one iteration: no phis */
} az_loop;
/* `initial` has count values; the loop must run at least once (callers know constant bounds). */
void az_loop_begin(az_emitter *e, az_loop *loop, LLVMValueRef begin, LLVMValueRef end, int64_t step,
	uint32_t count, const LLVMValueRef *initial);
/* `next` has the carried values for the next iteration; afterwards loop->carried holds the last. */
void az_loop_end(az_emitter *e, az_loop *loop, const LLVMValueRef *next);

/* An intrinsic by name ("llvm.x86.avx512.vpdpbusd.512"); types for overloaded ones. */
LLVMValueRef az_intrinsic(az_emitter *e, const char *name, const LLVMTypeRef *types,
	uint32_t type_count, const LLVMValueRef *args, uint32_t arg_count);

/* Element-wise operation on register values: all args are vectors (or scalars) of the same lane
 * count in the operations' register type: f32 for floats (f16/bf16 widened), i32 for integers up to 32
 * bits, i64 for 64, i1 for bool. backend/expr.c; the strict functions come from ir/math.def. False
 * (after reporting) if op has no register form. */
LLVMTypeRef az_register_type(az_emitter *e, az_elem elem);
LLVMValueRef az_expr(az_emitter *e, const az_op *op, const LLVMValueRef *args);
/* Loads `lanes` consecutive elements at a byte address and widens to the register type; and the
 * reverse. Elements narrower than 8 bits are not for these. */
LLVMValueRef az_load_elems(az_emitter *e, az_elem elem, LLVMValueRef at, uint32_t lanes,
	uint32_t align);
void az_store_elems(az_emitter *e, az_elem elem, LLVMValueRef value, LLVMValueRef at,
	uint32_t align);

/* f32 -> i32, half to even; |x| < 2^22 proven by the caller's clamp. */
LLVMValueRef az_round_to_int(az_emitter *e, LLVMValueRef x);

#endif
