/* SPDX-License-Identifier: Apache-2.0
 *
 * canonicalize: one way to say each thing.
 *
 *   %a = reshape %x, shape = [1, 16]     becomes      %b = reshape %x, shape = [16]
 *   %b = reshape %a, shape = [16]                     %c = clip %b, lo = 0
 *   %c = relu %b                                      return %c
 *   %d = mul %c, @one
 *   return %d
 *
 * Operations without effect go; relu, min and max with a constant become clip, clips merge; a constant
 * operand stands second; subtraction of a constant is addition; reshapes and transposes merge, and move
 * onto the stored numbers of a dequantized constant; a pad with zeros goes into the convolution behind it;
 * equal operations and constants become one.
 *
 * Requires: nothing. Guarantees: none of the above is left. Terminates: every rule removes an operation
 * or moves one towards the form that no rule matches (relu, sub, min, max to clip and add; constants to
 * the right; movements towards constants), and none makes what another undoes. */
#include "passes/canonical_rules.h"

typedef bool rule(az_op *op);

static rule *const rules[AZ_OP_COUNT_][3] = {
	[AZ_OP_relu] = {az_rule_relu},
	[AZ_OP_clip] = {az_rule_clip_merge, az_rule_clip_nothing},
	[AZ_OP_min] = {az_rule_constant_second, az_rule_bound},
	[AZ_OP_max] = {az_rule_constant_second, az_rule_bound},
	[AZ_OP_add] = {az_rule_constant_second, az_rule_neutral},
	[AZ_OP_mul] = {az_rule_constant_second, az_rule_neutral},
	[AZ_OP_sub] = {az_rule_sub_constant, az_rule_neutral},
	[AZ_OP_div] = {az_rule_neutral, az_rule_div_power},
	[AZ_OP_pow] = {az_rule_neutral},
	[AZ_OP_neg] = {az_rule_twice},
	[AZ_OP_not] = {az_rule_twice},
	[AZ_OP_cast] = {az_rule_same_type},
	[AZ_OP_reshape] = {az_rule_same_type, az_rule_reshape_merge, az_rule_move_stored},
	[AZ_OP_transpose] = {az_rule_transpose_nothing, az_rule_transpose_merge,
		az_rule_move_stored},
	[AZ_OP_slice] = {az_rule_slice_nothing},
	[AZ_OP_concat] = {az_rule_single},
	[AZ_OP_split] = {az_rule_single},
	[AZ_OP_pad] = {az_rule_same_type},
	[AZ_OP_expand] = {az_rule_same_type},
	[AZ_OP_tile] = {az_rule_same_type},
	[AZ_OP_max_pool] = {az_rule_pool_nothing},
	[AZ_OP_avg_pool] = {az_rule_pool_nothing},
	[AZ_OP_resize] = {az_rule_resize_nothing},
	[AZ_OP_conv] = {az_rule_conv_pad},
	[AZ_OP_gather] = {az_rule_gather_constant},
};

static bool apply_rules(az_op *op)
{
	for (uint32_t i = 0; i < AZ_COUNT(rules[0]) && rules[op->code][i]; i++) {
		if (rules[op->code][i](op))
			return true;
	}
	return false;
}

/* One walk; true when something changed. A rule may erase its operation, nothing behind it. */
static bool walk(az_func *func)
{
	bool changed = false;
	az_op *next;
	for (az_op *op = func->first; op; op = next) {
		next = op->next;
		changed |= apply_rules(op);
	}
	return changed;
}

bool az_canonicalize(az_module *module, az_arena *scratch)
{
	bool any = false, changed;
	do {
		changed = false;
		for (uint32_t i = 0; i < module->funcs.count; i++)
			changed |= walk(module->funcs.v[i]);
		changed |= az_merge_equal(module, scratch);
		az_sweep(module);
		any |= changed;
	} while (changed);
	return any;
}

bool az_pass_canonicalize(az_pass_ctx *pass)
{
	az_canonicalize(pass->module, &pass->scratch);
	return true;
}
