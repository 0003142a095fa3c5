/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces that the files of the verifier share. */
#ifndef AZ_IR_VERIFY_PARTS_H
#define AZ_IR_VERIFY_PARTS_H

#include "ir/graph.h"

/* Every value of a placed main has an address or lies in a parameter, a result or under a view, and
 * no two overlap while both are alive. Reports. */
bool az_verify_places(const az_func *main, az_arena *arena);

#endif
