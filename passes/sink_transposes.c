/* SPDX-License-Identifier: Apache-2.0
 *
 * sink-transposes: makes the network channels-last throughout. Convolutions and pools are channels-last
 * by definition; a network that was written channels-first has a transpose on either side of each. Here
 * they move towards the results, through everything that can do without them, and cancel.
 *
 *   %c = conv %x, @w                              %c = conv %x, @w
 *   %t = transpose %c, perm = [0, 3, 1, 2]        %a = add %c, @k.1
 *   %a = add %t, @k                               %d = conv %a, @v
 *   %u = transpose %a, perm = [0, 2, 3, 1]
 *   %d = conv %u, @v
 *
 * First every transpose is pushed down; what a flattening cannot let through is moved into the rows of
 * the matrix behind it. Then those that are left before a convolution (at the network's input) move up
 * to it. A transpose that only moves dimensions of length 1 ends as a reshape.
 *
 * Requires: constants folded. Guarantees: no transpose between operations that can do without; gives
 * stage canonical. Terminates: down, one walk in order, each operation is visited once and what is made
 * stands before its users; up, one walk in the other direction. */
#include "passes/canonical_rules.h"
#include "passes/sink.h"

static bool is_heavy(const az_op *transpose)
{
	return !az_perm_is_view(transpose->attr.transpose.perm,
		transpose->args[0].value->type->dim);
}

/* Element-wise, with one operand that is worth transposing instead of the result. */
static bool hoistable(const az_op *f)
{
	if (f->result_count != 1 || !az_used_once(f->results[0]))
		return false;
	if (f->code == AZ_OP_quantize || f->code == AZ_OP_dequantize)
		return az_type_numel(f->args[1].value->type) == 1 && f->attr.quantize.group == 0 &&
		       !az_value_is_const(f->args[0].value);
	if (!(az_op_table[f->code].traits & AZ_TRAIT_ELTWISE))
		return false;
	uint32_t moving = 0;
	for (uint32_t i = 0; i < f->arg_count; i++)
		moving += !az_value_is_const(f->args[i].value);
	return moving == 1;
}

/* T(f(a)) becomes f(T(a)). */
static bool hoist(az_op *transpose)
{
	az_op *f = az_value_op(transpose->args[0].value);
	if (!f || !hoistable(f) || az_is_result(transpose->results[0]))
		return false;
	az_perm perm = az_perm_of(transpose), inverse = az_perm_invert(&perm);
	az_builder at = az_before(transpose);
	az_value *args[AZ_RANK_MAX];
	bool data_only = f->code == AZ_OP_quantize || f->code == AZ_OP_dequantize;
	for (uint32_t i = 0; i < f->arg_count; i++) {
		args[i] = f->args[i].value;
		if (data_only && i > 0)
			continue;
		az_value *v = az_sink_pull(&at, args[i], &inverse, true);
		if (!v && args[i]->type->rank == perm.rank)
			v = az_build_transpose(&at, args[i], perm.rank, perm.v);
		if (!v)
			return false;
		args[i] = v;
	}
	bool chosen = az_op_table[f->code].traits & AZ_TRAIT_ELEM;
	az_elem elem = chosen ? f->results[0]->type->elem : AZ_ELEM_NONE;
	at.loc = f->loc;
	az_value *made = az_build(&at, f->code, f->arg_count, args, &f->attr, elem);
	if (!made)
		return false;
	made->quant = f->results[0]->quant;
	az_replace_op(transpose, made);
	return true;
}

static void hoist_all(az_func *func)
{
	az_op *before;
	for (az_op *op = func->last; op; op = before) {
		/* What hoist makes stands before op, so the walk meets it. */
		before = op->prev;
		if (op->code != AZ_OP_transpose || !is_heavy(op))
			continue;
		az_op *next = op->next;
		if (hoist(op))
			before = next ? next->prev : func->last;
	}
}

/* A transpose that nobody reads any more leaves its name to its operand, which is the same tensor of
 * the source network in another order. Those that this pass made (ids from first_new) have none. */
static void inherit_names(az_func *func, uint32_t first_new)
{
	for (az_op *op = func->last; op; op = op->prev) {
		if (op->code != AZ_OP_transpose || op->results[0]->uses)
			continue;
		az_name name = op->results[0]->name;
		az_value *x = op->args[0].value;
		if (op->results[0]->id >= first_new || x->kind != AZ_VALUE_RESULT ||
			az_def_is(x, AZ_OP_transpose))
			continue;
		az_value_rename(op->results[0], NULL);
		az_value_rename(x, name);
	}
}

bool az_pass_sink_transposes(az_pass_ctx *pass)
{
	az_module *module = pass->module;
	for (uint32_t i = 0; i < module->funcs.count; i++) {
		az_op *next;
		uint32_t first_new = module->funcs.v[i]->value_count;
		for (az_op *op = module->funcs.v[i]->first; op; op = next) {
			next = op->next;
			az_sink_push(op, &pass->scratch);
		}
		inherit_names(module->funcs.v[i], first_new);
	}
	az_sweep(module);
	/* Equal transposes are one from here on, so that a single use is seen as such. */
	az_merge_equal(module, &pass->scratch);
	az_sweep(module);
	for (uint32_t i = 0; i < module->funcs.count; i++)
		hoist_all(module->funcs.v[i]);
	module->stage = AZ_STAGE_CANONICAL;
	az_canonicalize(module, &pass->scratch);
	return true;
}
