/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that place elements elsewhere and do not look at them. */
#ifndef AZ_IR_MOVES_H
#define AZ_IR_MOVES_H

#include "ir/graph.h"

/* Is every element of the result one of an operand's, or a constant? */
bool az_op_only_moves(const az_op *op);

/* Would the operation move whole bytes if its elements were `elem`, integers that may be packed several to a byte?
 * Then it is the same operation on bytes, its last dimension in bytes. Slices, splits, concatenations and constant
 * borders may be; others are not, and neither is what has no dimension. */
bool az_moves_whole_bytes(const az_op *op, az_elem elem);

/* The byte that consecutive elements of this value make, 0 to 255; -1: they are no repeated byte. */
int az_repeated_byte(az_elem elem, int64_t value);

#endif
