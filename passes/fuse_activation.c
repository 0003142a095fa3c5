/* SPDX-License-Identifier: Apache-2.0
 *
 * fuse-activation: a clip whose operand is computed for it alone becomes the clamp of that computation.
 *
 *   %c = conv %x, @w, @b : f32[1,8,8,16]          becomes   %c = conv %x, @w, @b, clamp = [0, 6]
 *   %t = transpose %c, perm = [0, 3, 1, 2]                  %r = transpose %c, perm = [0, 3, 1, 2]
 *   %r = clip %t, lo = 0, hi = 6
 *
 * Data movement in between does not matter, a clip means the same before and after it.
 *
 * Requires: canonicalize (relu is a clip). Guarantees: no clip follows a convolution, product, sum or
 * difference that nothing else uses. Terminates: every step removes a clip. */
#include <math.h>

#include "passes/rewrite.h"

/* A split has results that the clip does not see. */
static bool moves_data(const az_op *op)
{
	return (az_op_table[op->code].traits & AZ_TRAIT_MOVES) && op->result_count == 1;
}

static bool fuse(az_op *clip)
{
	az_value *value = clip->args[0].value;
	az_op *op = az_value_op(value);
	while (op && moves_data(op) && az_used_once(value)) {
		value = op->args[0].value;
		op = az_value_op(value);
	}
	az_reals *clamp = op ? az_op_clamp_at(op) : NULL;
	if (!clamp || !az_used_once(value) || !az_elem_is_float(value->type->elem))
		return false;
	float bound[2] = {clip->attr.clip.lo, clip->attr.clip.hi};
	if (clamp->count == 2) {
		bound[0] = fmaxf(bound[0], clamp->v[0]);
		bound[1] = fminf(bound[1], clamp->v[1]);
	}
	if (!(bound[0] <= bound[1]))
		return false;
	*clamp = az_reals_copy(op->func->module, 2, bound);
	value->range.known = false;
	az_value *before = clip->args[0].value;
	before->range = clip->results[0]->range;
	/* The value that ends the layer keeps the layer's last name. */
	az_name name = clip->results[0]->name;
	az_value_rename(clip->results[0], NULL);
	az_replace_op(clip, before);
	az_value_rename(before, name);
	return true;
}

bool az_pass_fuse_activation(az_pass_ctx *pass)
{
	for (uint32_t i = 0; i < pass->module->funcs.count; i++) {
		az_op *next;
		for (az_op *op = pass->module->funcs.v[i]->first; op; op = next) {
			next = op->next;
			if (op->code == AZ_OP_clip)
				fuse(op);
		}
	}
	return true;
}
