/* SPDX-License-Identifier: Apache-2.0
 *
 * Making constants from constants: permuted, reshaped, evaluated. A splat stays a splat wherever the
 * result is uniform too, so that networks whose weights are one repeated number stay small. */
#include <string.h>

#include "base/bits.h"
#include "ir/eval/eval.h"
#include "passes/rewrite.h"

az_const *az_const_reshaped(az_const *from, uint32_t rank, const int64_t *dim)
{
	az_module *module = from->module;
	const az_type *type = az_type_get(module->ctx, from->value.type->elem, rank, dim);
	if (type == from->value.type)
		return from;
	az_const *made = from->splat
				 ? az_const_splat(module, from->value.name, type, from->data)
				 : az_const_new(module, from->value.name, type, from->data, true);
	if (from->value.quant && from->value.quant->axis < 0)
		made->value.quant = from->value.quant;
	return made;
}

/* Walks the result in order; the operand's offset moves by one stride at a time. */
static void permute(const az_const *from, const az_type *to, const int64_t *perm, void *out)
{
	const az_type *type = from->value.type;
	unsigned bits = type->elem.bits;
	int64_t stride[AZ_RANK_MAX], at[AZ_RANK_MAX] = {0}, step = 1;
	for (uint32_t i = type->rank; i-- > 0;) {
		stride[i] = step;
		step *= type->dim[i];
	}
	int64_t count = az_type_numel(to), offset = 0;
	size_t whole = bits % 8 == 0 ? bits / 8 : 0;
	for (int64_t i = 0; i < count; i++) {
		if (whole)
			memcpy((char *)out + (size_t)i * whole,
				(const char *)from->data + (size_t)offset * whole, whole);
		else
			az_bits_set(out, (uint64_t)i, bits,
				az_bits_get(from->data, (uint64_t)offset, bits));
		for (uint32_t d = to->rank; d-- > 0;) {
			offset += stride[perm[d]];
			if (++at[d] < to->dim[d])
				break;
			offset -= stride[perm[d]] * to->dim[d];
			at[d] = 0;
		}
	}
}

az_const *az_const_transposed(az_const *from, const int64_t *perm)
{
	az_module *module = from->module;
	const az_type *type = from->value.type;
	int64_t dim[AZ_RANK_MAX];
	for (uint32_t i = 0; i < type->rank; i++)
		dim[i] = type->dim[perm[i]];
	if (from->splat || az_perm_is_view((az_ints){type->rank, perm}, type->dim))
		return az_const_reshaped(from, type->rank, dim);
	const az_type *to = az_type_get(module->ctx, type->elem, type->rank, dim);
	void *data = az_arena_alloc(&module->arena, az_type_size(to), 64);
	permute(from, to, perm, data);
	az_const *made = az_const_new(module, from->value.name, to, data, true);
	if (from->value.quant && from->value.quant->axis < 0)
		made->value.quant = from->value.quant;
	return made;
}

/* A uniform operand gives a uniform result. */
static bool copies(const az_op *op)
{
	return az_op_table[op->code].traits & AZ_TRAIT_MOVES;
}

static az_name name_for(const az_value *value)
{
	return az_name_generated(value->name) ? NULL : value->name;
}

static bool all_uniform(const az_op *op)
{
	double x;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		const az_value *arg = op->args[i].value;
		if (arg && !az_const_uniform(arg, &x))
			return false;
	}
	return true;
}

/* Element-wise on uniform operands: one element is computed, on a copy with scalars for operands. */
static bool fold_uniform(az_op *op, az_arena *scratch, az_value **results)
{
	az_module *module = op->func->module;
	az_tensor arg[3], out;
	const az_tensor *args[3] = {NULL};
	az_value shadow_args[3], shadow_result = *op->results[0];
	az_value *shadow_results[1] = {&shadow_result};
	az_use uses[3];
	az_op shadow = *op;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		uses[i] = op->args[i];
		if (!op->args[i].value)
			continue;
		shadow_args[i] = *op->args[i].value;
		shadow_args[i].type = az_type_get(module->ctx, shadow_args[i].type->elem, 0, NULL);
		uses[i].value = &shadow_args[i];
		arg[i] = (az_tensor){shadow_args[i].type, NULL};
		arg[i].data = az_arena_dup(scratch, az_value_const(op->args[i].value)->data,
			az_type_size(arg[i].type));
		args[i] = &arg[i];
	}
	shadow_result.type = az_type_get(module->ctx, shadow_result.type->elem, 0, NULL);
	shadow.args = uses;
	shadow.results = shadow_results;
	if (!az_eval_op(&shadow, scratch, args, &out))
		return false;
	results[0] =
		&az_const_splat(module, name_for(op->results[0]), op->results[0]->type, out.data)
			 ->value;
	return true;
}

bool az_fold_op(az_op *op, az_arena *scratch, az_value **results)
{
	az_module *module = op->func->module;
	az_const *first = op->arg_count ? az_value_const(op->args[0].value) : NULL;
	if (first && first->splat && copies(op)) {
		for (uint32_t i = 0; i < op->result_count; i++)
			results[i] = &az_const_splat(module, name_for(op->results[i]),
				op->results[i]->type, first->data)
					      ->value;
		return true;
	}
	bool eltwise = (az_op_table[op->code].traits & AZ_TRAIT_ELTWISE) && op->arg_count <= 3;
	if (eltwise && az_type_numel(op->results[0]->type) > 0 && all_uniform(op))
		return fold_uniform(op, scratch, results);
	if (op->code == AZ_OP_transpose) {
		results[0] = &az_const_transposed(first, op->attr.transpose.perm.v)->value;
		return true;
	}
	if (op->code == AZ_OP_reshape) {
		const az_type *type = op->results[0]->type;
		results[0] = &az_const_reshaped(first, type->rank, type->dim)->value;
		return true;
	}
	az_tensor *arg = az_new_array(scratch, az_tensor, op->arg_count + 1);
	const az_tensor **args = az_new_array(scratch, const az_tensor *, op->arg_count + 1);
	az_tensor *out = az_new_array(scratch, az_tensor, op->result_count + 1);
	for (uint32_t i = 0; i < op->arg_count; i++) {
		az_value *value = op->args[i].value;
		if (!value)
			continue;
		arg[i].type = value->type;
		/* Tensors are written by nobody here; the type has no way to say so. */
		arg[i].data = (void *)(uintptr_t)az_const_data(az_value_const(value));
		args[i] = &arg[i];
	}
	if (!az_eval_op(op, scratch, args, out))
		return false;
	for (uint32_t i = 0; i < op->result_count; i++)
		results[i] = &az_const_new(module, name_for(op->results[i]), op->results[i]->type,
			out[i].data, false)
				      ->value;
	return true;
}
