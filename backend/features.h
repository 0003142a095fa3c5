/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions about CPUs that the LLVM C API has no answer for: which features a CPU name implies,
 * which names exist. Asked without ever letting LLVM print or stop the process. */
#ifndef AZ_BACKEND_FEATURES_H
#define AZ_BACKEND_FEATURES_H

#include "backend/target.h"

/* Which of the features a target with this CPU and feature string ("+a,-b") has: has[i] for
 * name[i]. CPU and features must be known to be valid (az_features_check). Reports. */
bool az_features_query(az_ctx *ctx, const char *triple, const char *cpu, const char *features,
	uint32_t count, const char *const *name, bool *has) AZ_NODISCARD;

/* Whether LLVM knows the CPU and every feature and can use them together; names the nearest
 * spelling of what it does not know. Runs in a child process, since LLVM prints or aborts. */
bool az_features_check(az_ctx *ctx, const char *triple, const char *cpu,
	const char *features) AZ_NODISCARD;

/* Registers the back ends of this file's targets with LLVM; may be called any number of times. */
void az_llvm_init(void);

#endif
