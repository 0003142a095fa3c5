/* SPDX-License-Identifier: Apache-2.0
 *
 * The helpers of backend/emit.h that know nothing of kernels: types, constants, addresses, loops,
 * intrinsics. Constants are folded by LLVM's builder; what it leaves (x + 0, x * 1) is folded
 * here so that straight-line code with constant offsets stays free of arithmetic. */
#include "backend/emit.h"

#include <assert.h>
#include <string.h>

#define LANES_MAX 256

LLVMTypeRef az_vec_type(LLVMTypeRef elem, uint32_t lanes)
{
	return lanes == 1 ? elem : LLVMVectorType(elem, lanes);
}

uint32_t az_lanes(LLVMTypeRef type)
{
	return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1;
}

static LLVMTypeRef elem_type(LLVMTypeRef type)
{
	return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

static LLVMValueRef repeat_const(LLVMValueRef scalar, uint32_t lanes)
{
	LLVMValueRef all[LANES_MAX];
	assert(lanes <= LANES_MAX);
	for (uint32_t i = 0; i < lanes; i++)
		all[i] = scalar;
	return lanes == 1 ? scalar : LLVMConstVector(all, lanes);
}

LLVMValueRef az_int(az_emitter *e, LLVMTypeRef type, int64_t v)
{
	(void)e;
	return repeat_const(LLVMConstInt(elem_type(type), (uint64_t)v, 1), az_lanes(type));
}

LLVMValueRef az_real(az_emitter *e, LLVMTypeRef type, double v)
{
	(void)e;
	return repeat_const(LLVMConstReal(elem_type(type), v), az_lanes(type));
}

LLVMValueRef az_splat(az_emitter *e, LLVMValueRef scalar, uint32_t lanes)
{
	if (lanes == 1)
		return scalar;
	if (LLVMIsConstant(scalar))
		return repeat_const(scalar, lanes);
	LLVMTypeRef vector = LLVMVectorType(LLVMTypeOf(scalar), lanes);
	LLVMValueRef poison = LLVMGetPoison(vector);
	LLVMValueRef first =
		LLVMBuildInsertElement(e->b, poison, scalar, LLVMConstInt(e->i64, 0, 0), "");
	LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(e->i32, lanes));
	return LLVMBuildShuffleVector(e->b, first, poison, zeros, "");
}

LLVMValueRef az_index(az_emitter *e, int64_t v)
{
	return LLVMConstInt(e->i64, (uint64_t)v, 1);
}

/* Plain, not inbounds: the base of a window may lie outside its buffer by the padding. */
LLVMValueRef az_at(az_emitter *e, LLVMValueRef base, LLVMValueRef offset_bytes)
{
	if (LLVMIsAConstantInt(offset_bytes) && LLVMConstIntGetSExtValue(offset_bytes) == 0)
		return base;
	return LLVMBuildGEP2(e->b, e->i8, base, &offset_bytes, 1, "");
}

LLVMValueRef az_at_const(az_emitter *e, LLVMValueRef base, int64_t offset_bytes)
{
	return az_at(e, base, az_index(e, offset_bytes));
}

LLVMValueRef az_load(az_emitter *e, LLVMTypeRef type, LLVMValueRef at, uint32_t align)
{
	LLVMValueRef load = LLVMBuildLoad2(e->b, type, at, "");
	LLVMSetAlignment(load, align);
	return load;
}

void az_store(az_emitter *e, LLVMValueRef value, LLVMValueRef at, uint32_t align)
{
	LLVMSetAlignment(LLVMBuildStore(e->b, value, at), align);
}

/* One loop of pieces of `bytes` bytes as far as they fit, loaded from `from` or all equal to
 * `byte`; returns how far. */
static int64_t move_pieces(az_emitter *e, LLVMValueRef to, LLVMValueRef from, uint8_t byte,
	int64_t begin, int64_t size, uint32_t bytes, uint32_t align)
{
	uint32_t word = AZ_MIN(AZ_MIN(align, bytes), 8u);
	int64_t end = begin + (size - begin) / bytes * bytes;
	if (begin == end)
		return begin;
	LLVMTypeRef type = az_vec_type(LLVMIntTypeInContext(e->llvm, word * 8), bytes / word);
	int64_t filled = (int64_t)(byte * (UINT64_MAX / 255 >> (64 - word * 8)));
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, begin), az_index(e, end), bytes, 0, NULL);
	LLVMValueRef piece =
		from ? az_load(e, type, az_at(e, from, loop.i), align) : az_int(e, type, filled);
	az_store(e, piece, az_at(e, to, loop.i), align);
	az_loop_end(e, &loop, NULL);
	return end;
}

static void move_bytes(az_emitter *e, LLVMValueRef to, LLVMValueRef from, uint8_t byte,
	int64_t size, uint32_t align)
{
	int64_t done = 0;
	for (uint32_t bytes = e->target->vector_bytes; bytes > 0; bytes /= 2)
		done = move_pieces(e, to, from, byte, done, size, bytes, AZ_MIN(align, bytes));
}

void az_copy_bytes(az_emitter *e, LLVMValueRef to, LLVMValueRef from, int64_t size, uint32_t align)
{
	move_bytes(e, to, from, 0, size, align);
}

void az_fill_bytes(az_emitter *e, LLVMValueRef to, uint8_t byte, int64_t size, uint32_t align)
{
	move_bytes(e, to, NULL, byte, size, align);
}

LLVMValueRef az_constant_table(az_emitter *e, LLVMTypeRef elem, LLVMValueRef *v, uint64_t count,
	const char *name)
{
	LLVMValueRef values = LLVMConstArray2(elem, v, count);
	LLVMValueRef table = LLVMAddGlobal(e->module, LLVMTypeOf(values), name);
	LLVMSetInitializer(table, values);
	LLVMSetGlobalConstant(table, 1);
	LLVMSetLinkage(table, LLVMPrivateLinkage);
	LLVMSetAlignment(table, LLVMGetIntTypeWidth(elem) / 8);
	return table;
}

LLVMValueRef az_add(az_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
	if (LLVMIsAConstantInt(a) && LLVMConstIntGetSExtValue(a) == 0)
		return b;
	if (LLVMIsAConstantInt(b) && LLVMConstIntGetSExtValue(b) == 0)
		return a;
	return LLVMBuildNSWAdd(e->b, a, b, "");
}

LLVMValueRef az_mul(az_emitter *e, LLVMValueRef a, int64_t by)
{
	if (by == 1)
		return a;
	if (by == 0)
		return az_index(e, 0);
	return LLVMBuildNSWMul(e->b, a, az_index(e, by), "");
}

LLVMValueRef az_muladd(az_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
	if (e->fast) {
		LLVMTypeRef type = LLVMTypeOf(a);
		LLVMValueRef args[3] = {a, b, c};
		return az_intrinsic(e, "llvm.fmuladd", &type, 1, args, 3);
	}
	return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, a, b, ""), c, "");
}

static bool runs_once(LLVMValueRef begin, LLVMValueRef end, int64_t step)
{
	return LLVMIsAConstantInt(begin) && LLVMIsAConstantInt(end) &&
	       LLVMConstIntGetSExtValue(end) - LLVMConstIntGetSExtValue(begin) <= step;
}

void az_loop_begin(az_emitter *e, az_loop *loop, LLVMValueRef begin, LLVMValueRef end, int64_t step,
	uint32_t count, const LLVMValueRef *initial)
{
	assert(step > 0 && count <= AZ_CARRIED_MAX);
	*loop = (az_loop){.carried_count = count, .end = end, .step = az_index(e, step)};
	loop->entry = LLVMGetInsertBlock(e->b);
	loop->single = runs_once(begin, end, step);
	if (loop->single) {
		loop->i = begin;
		if (count > 0)
			memcpy(loop->carried, initial, count * sizeof *initial);
		return;
	}
	loop->body = LLVMAppendBasicBlockInContext(e->llvm, e->func, "loop");
	LLVMBuildBr(e->b, loop->body);
	LLVMPositionBuilderAtEnd(e->b, loop->body);
	loop->i = LLVMBuildPhi(e->b, e->i64, "i");
	LLVMAddIncoming(loop->i, &begin, &loop->entry, 1);
	for (uint32_t k = 0; k < count; k++) {
		LLVMValueRef from = initial[k];
		loop->carried[k] = LLVMBuildPhi(e->b, LLVMTypeOf(from), "");
		LLVMAddIncoming(loop->carried[k], &from, &loop->entry, 1);
	}
}

void az_loop_end(az_emitter *e, az_loop *loop, const LLVMValueRef *next)
{
	uint32_t count = loop->carried_count;
	if (!loop->single) {
		LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
		LLVMValueRef i = LLVMBuildNSWAdd(e->b, loop->i, loop->step, "");
		LLVMAddIncoming(loop->i, &i, &last, 1);
		for (uint32_t k = 0; k < count; k++) {
			LLVMValueRef value = next[k];
			LLVMAddIncoming(loop->carried[k], &value, &last, 1);
		}
		loop->exit = LLVMAppendBasicBlockInContext(e->llvm, e->func, "done");
		LLVMValueRef more = LLVMBuildICmp(e->b, LLVMIntSLT, i, loop->end, "");
		LLVMBuildCondBr(e->b, more, loop->body, loop->exit);
		LLVMPositionBuilderAtEnd(e->b, loop->exit);
	}
	if (count > 0)
		memcpy(loop->carried, next, count * sizeof *next);
}

LLVMValueRef az_intrinsic(az_emitter *e, const char *name, const LLVMTypeRef *types,
	uint32_t type_count, const LLVMValueRef *args, uint32_t arg_count)
{
	unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
	assert(id != 0);
	LLVMTypeRef overloads[4];
	LLVMValueRef operands[16];
	assert(type_count <= AZ_COUNT(overloads) && arg_count <= AZ_COUNT(operands));
	for (uint32_t i = 0; i < type_count; i++)
		overloads[i] = types[i];
	for (uint32_t i = 0; i < arg_count; i++)
		operands[i] = args[i];
	LLVMValueRef func = LLVMGetIntrinsicDeclaration(e->module, id, overloads, type_count);
	LLVMTypeRef type = LLVMIntrinsicGetType(e->llvm, id, overloads, type_count);
	return LLVMBuildCall2(e->b, type, func, operands, arg_count, "");
}
