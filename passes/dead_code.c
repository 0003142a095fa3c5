/* SPDX-License-Identifier: Apache-2.0
 *
 * dead-code (dce): erases operations whose results nobody uses, constants without uses, and functions
 * that nobody calls.
 *
 *   %a = relu %x                         becomes      return %x
 *   return %x
 *
 * Requires: nothing. Guarantees: every operation is needed for a result. Terminates: one walk from the
 * last operation to the first, users before their operands. */
#include "passes/rewrite.h"

bool az_pass_dead_code(az_pass_ctx *pass)
{
	az_sweep(pass->module);
	return true;
}

bool az_pass_dce(az_pass_ctx *pass)
{
	return az_pass_dead_code(pass);
}
