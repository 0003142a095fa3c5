/* SPDX-License-Identifier: Apache-2.0
 *
 * The pass table as data, made from passes/passes.def. A row without its function is a link error. */
#include "passes/pass.h"

#define PASS(id, ...)                 static const az_option_desc options_##id[] = {
#define BACKEND_PASS(id, ...)         static const az_option_desc options_##id[] = {
#define OPTION(name, kind, init, doc) {name, AZ_OPTION_##kind, init, doc},
#define END(id)                                                                                    \
	{                                                                                          \
		NULL, AZ_OPTION_flag, NULL, NULL                                                   \
	}                                                                                          \
	}                                                                                          \
	;
/* clang-format off */
#include "passes/passes.def"
/* clang-format on */

enum {
	I = 1 << AZ_STAGE_IMPORTED,
	C = 1 << AZ_STAGE_CANONICAL,
	F = 1 << AZ_STAGE_FOLDED,
	S = 1 << AZ_STAGE_SELECTED,
	AZ_STAGE_KEEP = -1,
};

/* clang-format off */
const az_pass_desc az_pass_table[] = {
#define PASS(id, name, takes, gives, keeps, doc) \
	{name, takes, AZ_STAGE_##gives, AZ_KEEPS_##keeps, az_pass_##id, options_##id, doc},
#define BACKEND_PASS(id, name, takes, gives, keeps, doc) \
	{name, takes, AZ_STAGE_##gives, AZ_KEEPS_##keeps, NULL, options_##id, doc},
#include "passes/passes.def"
};
/* clang-format on */

const uint32_t az_pass_count = AZ_COUNT(az_pass_table);
