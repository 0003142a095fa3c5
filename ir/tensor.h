/* SPDX-License-Identifier: Apache-2.0
 *
 * A tensor outside any graph: a type and its packed bytes (base/bits.h). The owner of data is stated
 * where one is passed. */
#ifndef AZ_IR_TENSOR_H
#define AZ_IR_TENSOR_H

#include "ir/type.h"

typedef struct az_tensor {
	const az_type *type;
	void *data;
} az_tensor;

az_tensor az_tensor_new(az_arena *arena, const az_type *type); /* zeroed, aligned to 64 */
double az_tensor_get(const az_tensor *tensor, uint64_t i);     /* as az_const_get */
void az_tensor_set(az_tensor *tensor, uint64_t i,
	double v); /* converts: rounds to even, saturates */

#endif
