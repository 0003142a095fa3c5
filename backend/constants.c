/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants: packing through the kernel's hook, merging equal ones by content, and sections. */
#include "backend/constants.h"

#include <string.h>

#define ALIGN 64

typedef struct entry {
	uint64_t hash;
	size_t size;
	const void *data;
	bool weights;
	LLVMValueRef global;
} entry;

struct az_constants {
	az_llvm *llvm;
	const char *name;
	az_arena *arena;
	AZ_VEC(entry) entries;
	uint64_t bytes[2]; /* of the constants and the weights section */
};

az_constants *az_constants_new(az_llvm *llvm, const char *name, az_arena *arena)
{
	az_constants *c = az_new(arena, az_constants);
	c->llvm = llvm;
	c->name = name;
	c->arena = arena;
	return c;
}

static LLVMValueRef add_global(az_constants *c, const char *symbol, LLVMValueRef data, bool weights)
{
	LLVMModuleRef module = c->llvm->e.module;
	LLVMValueRef global = LLVMAddGlobal(module, LLVMTypeOf(data), symbol);
	LLVMSetInitializer(global, data);
	LLVMSetGlobalConstant(global, 1);
	LLVMSetLinkage(global, LLVMInternalLinkage);
	LLVMSetAlignment(global, ALIGN);
	LLVMSetSection(global,
		az_arena_printf(c->arena, ".rodata.%s.%s", c->name, weights ? "weights" : "const"));
	return global;
}

static LLVMValueRef get(az_constants *c, const void *data, size_t size, bool weights)
{
	uint64_t hash = az_hash_bytes(AZ_HASH_SEED, data, size);
	for (uint32_t i = 0; i < c->entries.count; i++) {
		const entry *e = &c->entries.v[i];
		if (e->hash == hash && e->size == size && e->weights == weights &&
			memcmp(e->data, data, size) == 0)
			return e->global;
	}
	LLVMValueRef bytes = LLVMConstStringInContext2(c->llvm->e.llvm, data, size, 1);
	const char *symbol = az_arena_printf(c->arena, "%s_%c%u", c->name, weights ? 'w' : 'c',
		c->entries.count);
	LLVMValueRef global = add_global(c, symbol, bytes, weights);
	az_vec_push(c->arena, &c->entries, ((entry){hash, size, data, weights, global}));
	c->bytes[weights] += (size + ALIGN - 1) / ALIGN * ALIGN;
	return global;
}

static const az_op *only_op(const az_use *use)
{
	return use ? use->user : NULL;
}

bool az_param_is_weights(const az_func *func, uint32_t index)
{
	const az_value *value = func->params.v[index];
	const az_op *op = only_op(value->uses);
	for (; op && (op->code == AZ_OP_lookup || op->code == AZ_OP_dequantize) &&
		op->args[0].value == value;
		op = only_op(value->uses))
		value = op->results[0];
	return op &&
	       (op->code == AZ_OP_conv || op->code == AZ_OP_conv_transpose ||
		       op->code == AZ_OP_matmul) &&
	       op->args[1].value == value;
}

LLVMValueRef az_constants_operand(az_constants *c, const az_op *call, const az_kernel *kernel,
	const az_tile *tile, uint32_t index, size_t *size)
{
	const az_func *func = call->attr.call.callee;
	az_const *constant = az_value_const(call->args[index].value);
	const void *data = NULL;
	*size = 0;
	if (kernel->pack) {
		az_value **args = az_new_array(c->arena, az_value *, call->arg_count + 1);
		for (uint32_t i = 0; i < call->arg_count; i++)
			args[i] = call->args[i].value;
		if (!kernel->pack(c->llvm->e.target, func, args, tile, index, c->arena, &data,
			    size))
			return NULL;
	}
	if (*size == 0) {
		data = az_const_data(constant);
		*size = az_type_size(constant->value.type);
	}
	return get(c, data, *size, az_param_is_weights(func, index));
}

LLVMValueRef az_constants_plain(az_constants *c, az_const *constant)
{
	return get(c, az_const_data(constant), az_type_size(constant->value.type), false);
}

void az_constants_finish(az_constants *c)
{
	for (int weights = 0; weights < 2; weights++) {
		if (c->bytes[weights] == 0)
			continue;
		LLVMTypeRef type = LLVMArrayType2(c->llvm->e.i8, AZ_SLACK_BYTES);
		const char *symbol = az_arena_printf(c->arena, "%s_%s_end", c->name,
			weights ? "weights" : "const");
		(void)add_global(c, symbol, LLVMConstNull(type), weights);
		c->bytes[weights] += AZ_SLACK_BYTES;
	}
}

uint64_t az_constants_weight_bytes(const az_constants *c)
{
	return c->bytes[1];
}
