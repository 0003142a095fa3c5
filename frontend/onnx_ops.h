/* SPDX-License-Identifier: Apache-2.0
 *
 * The importers that frontend/onnx_ops.def names, and what their families share. */
#ifndef AZ_FRONTEND_ONNX_OPS_H
#define AZ_FRONTEND_ONNX_OPS_H

#include "frontend/import.h"

#define ONNX(domain, name, since, until, importer, code) az_importer az_onnx_##importer;
#include "frontend/onnx_ops.def"

/* The convolution that the node's attributes describe; bias and zero (of x and weights) may be NULL. */
az_value *az_emit_conv(az_node *n, az_value *x, az_value *w, az_value *bias, const int64_t *zero,
	az_elem want);
/* The average pool that the node's attributes describe, of x [N, C, spatial...]. */
az_value *az_emit_average_pool(az_node *n, az_value *x);
/* numpy's matmul: operands of one dimension are a row and a column. */
az_value *az_emit_matmul(az_node *n, az_value *a, az_value *b);
az_value *az_emit_expand(az_node *n, az_value *x, uint32_t rank, const int64_t *dim);

#endif
