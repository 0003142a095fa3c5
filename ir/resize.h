/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the places of a resized dimension come from, in f32 as docs/numerics.md has it: shared by the
 * interpreter and by the kernels, which compute it when they are compiled. */
#ifndef AZ_IR_RESIZE_H
#define AZ_IR_RESIZE_H

#include "ir/graph.h"

typedef struct az_resize_axis {
	int64_t in, out;
	float scale;
} az_resize_axis;

/* The up to four places that a result place is mixed from. */
typedef struct az_resize_mix {
	int64_t at[4];
	float weight[4];
	int count;
} az_resize_mix;

/* Dimension i of a resize. */
az_resize_axis az_resize_axis_of(const az_op *op, uint32_t i);
/* The operand's place that place `at` of a nearest resize takes. */
int64_t az_resize_nearest(const az_resize_axis *axis, int64_t at, const az_attrs_resize *attr);
/* What place `at` of a linear or cubic resize is mixed from: the sum of element * weight in this order. */
az_resize_mix az_resize_mix_at(const az_resize_axis *axis, int64_t at, const az_attrs_resize *attr);
/* Whether interpolation leaves every place as it is (then the dimension is not interpolated). */
bool az_resize_is_identity(const az_resize_axis *axis, const az_attrs_resize *attr);

#endif
