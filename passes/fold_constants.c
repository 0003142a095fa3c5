/* SPDX-License-Identifier: Apache-2.0
 *
 * fold-constants: operations whose operands are all constant are evaluated by the interpreter.
 *
 *   %w = transpose @w, perm = [0, 2, 3, 1]      becomes      const @w.1
 *   %y = conv %x, %w                                         %y = conv %x, @w.1
 *
 * `dequantize` stays: it is what says that a weight is quantized; so does the `lookup` of a codebook. Results larger than `limit` bytes
 * stay operations too unless they are uniform.
 *
 * Requires: nothing. Guarantees: no operation but dequantize has only constant operands, except large
 * ones. Terminates: one walk, every operation is visited once. */
#include "passes/rewrite.h"

/* Weights of a codebook: their numbers are what is to be stored. */
static bool is_codebook(const az_op *op)
{
	if (op->code != AZ_OP_lookup)
		return false;
	for (const az_use *use = op->results[0]->uses; use; use = use->next)
		if (use->user &&
			(use->user->code == AZ_OP_dequantize || use->user->code == AZ_OP_conv ||
				use->user->code == AZ_OP_matmul))
			return true;
	return false;
}

static bool foldable(const az_op *op)
{
	if (is_codebook(op) || op->code == AZ_OP_dequantize || op->code == AZ_OP_call ||
		op->arg_count == 0 || !(az_op_table[op->code].traits & AZ_TRAIT_PURE))
		return false;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		const az_value *arg = op->args[i].value;
		if (arg && !az_value_is_const(arg))
			return false;
	}
	return true;
}

static bool small(const az_op *op, int64_t limit)
{
	double x;
	bool uniform = true;
	for (uint32_t i = 0; i < op->arg_count; i++)
		uniform &= !op->args[i].value || az_const_uniform(op->args[i].value, &x);
	if (uniform)
		return true;
	for (uint32_t i = 0; i < op->result_count; i++) {
		if ((int64_t)az_type_size(op->results[i]->type) > limit)
			return false;
	}
	return true;
}

bool az_pass_fold_constants(az_pass_ctx *pass)
{
	int64_t limit = az_pass_int(pass, "limit");
	for (uint32_t f = 0; f < pass->module->funcs.count; f++) {
		az_op *next;
		for (az_op *op = pass->module->funcs.v[f]->first; op; op = next) {
			next = op->next;
			if (!foldable(op) || !small(op, limit))
				continue;
			az_arena_mark mark = az_arena_mark_get(&pass->scratch);
			az_value **made =
				az_new_array(&pass->scratch, az_value *, op->result_count);
			if (!az_fold_op(op, &pass->scratch, made))
				return false;
			for (uint32_t i = 0; i < op->result_count; i++)
				az_replace_value(op->results[i], made[i]);
			az_op_erase(op);
			az_arena_reset(&pass->scratch, mark);
		}
	}
	az_sweep(pass->module);
	return true;
}
