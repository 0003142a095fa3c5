/* SPDX-License-Identifier: Apache-2.0
 *
 * infer-shapes: derives the type of every value again, operands first, so that a change of one type
 * reaches everything that depends on it.
 *
 *   %y = conv %x, @w : f32[1,9,9,8]      becomes      %y = conv %x, @w : f32[1,8,8,8]
 *
 * Requires: nothing. Guarantees: every result type is what inference gives. Terminates: one walk. */
#include "passes/pass.h"

bool az_pass_infer_shapes(az_pass_ctx *pass)
{
	bool ok = true;
	for (uint32_t i = 0; i < pass->module->funcs.count; i++) {
		for (az_op *op = pass->module->funcs.v[i]->first; op; op = op->next)
			ok &= az_op_reinfer(op);
	}
	return ok;
}
