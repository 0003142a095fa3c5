/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that must hold of a module. Reports every fault it finds, up to AZ_ERRORS_MAX:
 * operands before users and in scope, counts, types equal to what inference gives, operations
 * allowed at the stage, use lists, names, quantizers that fit their value, calls that fit their callee,
 * and from `placed` on addresses that do not overlap while alive. */
#ifndef AZ_IR_VERIFY_H
#define AZ_IR_VERIFY_H

#include "ir/graph.h"

bool az_module_verify(const az_module *module) AZ_NODISCARD;

#endif
