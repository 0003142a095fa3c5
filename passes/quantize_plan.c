/* SPDX-License-Identifier: Apache-2.0
 *
 * Planning a quantized network, from the results backwards: a value is wanted as integers when an
 * operation reads it that will compute in integers. Convolutions and products with constant weights
 * always do, and products of two computed values; an element-wise operation, a pool, a mean or a movement does when its own result is wanted.
 * So the tail behind the last product (softmax and the like) stays float, as does what feeds an
 * operation that has no integer form. */
#include "passes/quantize_plan.h"

#include "ir/moves.h"

bool az_has_weights(const az_op *op)
{
	if (op->code != AZ_OP_conv && op->code != AZ_OP_conv_transpose && op->code != AZ_OP_matmul)
		return false;
	const az_value *bias = az_op_arg(op, 2);
	return az_const_f32_of(op->args[1].value) && (!bias || az_const_f32_of(bias)) &&
	       az_elem_equal(op->args[0].value->type->elem, AZ_F32) &&
	       (op->code != AZ_OP_matmul || op->args[1].value->type->rank == 2);
}

static bool is_local_float(const az_value *value)
{
	return value && !az_value_is_const(value) && az_elem_equal(value->type->elem, AZ_F32) &&
	       !az_def_is(value, AZ_OP_dequantize);
}

bool az_shares_quantizer(const az_op *op)
{
	switch (op->code) {
	case AZ_OP_max_pool:
		return true;
	case AZ_OP_pad:
		return op->attr.pad.mode != AZ_padding_constant || op->attr.pad.value == 0.0f;
	default:
		return az_op_only_moves(op) && op->result_count == 1;
	}
}

/* A product of two computed values, such as those of attention. */
static bool multiplies_values(const az_op *op)
{
	return op->code == AZ_OP_matmul && is_local_float(op->args[0].value) &&
	       is_local_float(op->args[1].value);
}

/* Operations that take quantized operands when their result is wanted quantized. */
static bool passes_want_on(const az_op *op)
{
	if (az_shares_quantizer(op))
		return true;
	switch (op->code) {
	case AZ_OP_avg_pool:
		return true;
	case AZ_OP_reduce:
		return op->attr.reduce.kind == AZ_reduction_mean ||
		       op->attr.reduce.kind == AZ_reduction_sum;
	case AZ_OP_resize:
		return true;
	default:
		return (az_op_table[op->code].traits & AZ_TRAIT_ELTWISE) &&
		       az_elem_equal(op->results[0]->type->elem, AZ_F32);
	}
}

uint32_t az_quantize_plan_root(const az_quantize_plan *plan, uint32_t id)
{
	while (plan->parent[id] != id)
		id = plan->parent[id];
	return id;
}

static void join(az_quantize_plan *plan, const az_value *a, const az_value *b)
{
	uint32_t x = az_quantize_plan_root(plan, a->id), y = az_quantize_plan_root(plan, b->id);
	plan->parent[x > y ? x : y] = x > y ? y : x;
}

void az_quantize_plan_make(const az_func *main, az_arena *arena, az_quantize_plan *out)
{
	out->wanted = az_new_array(arena, bool, main->value_count + 1);
	out->parent = az_new_array(arena, uint32_t, main->value_count + 1);
	for (uint32_t i = 0; i < main->value_count; i++)
		out->parent[i] = i;
	for (const az_op *op = main->last; op; op = op->prev) {
		if (op->result_count != 1)
			continue;
		bool wanted = out->wanted[op->results[0]->id];
		if (az_has_weights(op)) {
			out->wanted[op->args[0].value->id] = is_local_float(op->args[0].value);
		} else if (multiplies_values(op) || (wanted && passes_want_on(op))) {
			for (uint32_t i = 0; i < op->arg_count; i++) {
				if (is_local_float(op->args[i].value))
					out->wanted[op->args[i].value->id] = true;
			}
		}
		if (!wanted || !az_shares_quantizer(op))
			continue;
		for (uint32_t i = 0; i < op->arg_count; i++) {
			if (is_local_float(op->args[i].value))
				join(out, op->args[i].value, op->results[0]);
		}
	}
}
