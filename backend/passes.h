/* SPDX-License-Identifier: Apache-2.0
 *
 * The passes of the default road that need a target, as functions. They find it in the pass
 * environment's backend_data. */
#ifndef AZ_BACKEND_PASSES_H
#define AZ_BACKEND_PASSES_H

#include "backend/target.h"
#include "passes/pass.h"

az_pass(select_kernels);
az_pass(pack_weights);
az_pass(reorder_operations);
az_pass(plan_memory);

#endif
