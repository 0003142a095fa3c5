/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows that slide over spatial dimensions: the attributes that convolutions and pools share. */
#ifndef AZ_FRONTEND_SPATIAL_H
#define AZ_FRONTEND_SPATIAL_H

#include "frontend/import.h"

#define AZ_SPATIAL_DIMS_MAX 3

typedef enum az_auto_pad { AZ_PAD_NOTSET, AZ_PAD_UPPER, AZ_PAD_LOWER, AZ_PAD_VALID } az_auto_pad;

typedef struct az_spatial {
	uint32_t count;
	int64_t size[AZ_SPATIAL_DIMS_MAX]; /* of the operand, NCHW */
	int64_t window[AZ_SPATIAL_DIMS_MAX], stride[AZ_SPATIAL_DIMS_MAX];
	int64_t dilation[AZ_SPATIAL_DIMS_MAX];
	int64_t pad[2 * AZ_SPATIAL_DIMS_MAX]; /* begin and end of each dimension */
	az_auto_pad auto_pad;
} az_spatial;

/* Reads kernel_shape (or takes `weights`, [O, I, spatial...]), strides, dilations, pads, auto_pad of a
 * node whose operand x is [N, C, spatial...]. Automatic padding is not worked out. Reports. */
bool az_spatial_read(az_node *n, const az_value *x, const az_value *weights, az_spatial *out);
/* Turns auto_pad into pads so that the output has ceil(size / stride) places (SAME). */
void az_spatial_same(az_spatial *spatial);

#endif
