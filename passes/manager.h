/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the pass manager share: options, comparing before and after. */
#ifndef AZ_PASSES_MANAGER_H
#define AZ_PASSES_MANAGER_H

#include "passes/pass.h"

/* NULL when there is none. */
const az_pass_desc *az_pass_find(const char *name);
const char *az_pass_nearest(const char *name);

/* Names and values of the step's options against the pass's row. Reports every fault. */
bool az_options_check(az_ctx *ctx, const az_pass_desc *desc, const az_pipeline_step *step);
/* "plan-memory{align=64}": the pass with the options that differ from their defaults, in the row's
 * order. */
char *az_step_text(az_arena *arena, const az_pass_desc *desc, const az_pipeline_step *step);

/* Runs main of both modules in the interpreter on the same random input and compares by what the pass
 * keeps. Reports a difference with the name of the result. */
bool az_check_kept(az_ctx *ctx, const az_module *before, const az_module *after,
	const az_pass_desc *desc, az_loc loc);

#endif
