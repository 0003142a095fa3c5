/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed elements are moved as the bytes that they lie in. */
#ifndef AZ_BACKEND_MOVE_BYTES_H
#define AZ_BACKEND_MOVE_BYTES_H

#include "ir/graph.h"

/* Has the function packed operands or results? */
bool az_has_packed(const az_func *func);

/* The function's one operation on bytes instead of packed elements, in a module of its own (the caller frees it);
 * parameters and results stay in their order. NULL: it is no such function (not reported), or out of memory. */
az_module *az_move_bytes(const az_func *func);

#endif
