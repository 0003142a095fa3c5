/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading ONNX models into the IR (stage imported) and ONNX TensorProto files into tensors. */
#ifndef AZ_FRONTEND_ONNX_H
#define AZ_FRONTEND_ONNX_H

#include "ir/graph.h"
#include "ir/tensor.h"

typedef struct az_onnx_dim { /* --dim NAME=N */
	az_name name;
	int64_t size;
} az_onnx_dim;

typedef struct az_onnx_options {
	uint32_t dim_count;
	const az_onnx_dim *dim; /* symbolic dimensions; the unbound batch is 1 */
	uint32_t output_count;
	const az_name *
		output; /* --outputs: keep these values instead of the graph's outputs; 0 = those */
} az_onnx_options;

/* Maps and imports a file (.onnx). Reports every unsupported node in one run. NULL on failure. The
 * module keeps no pointer into the file. */
az_module *az_onnx_import(az_ctx *ctx, const char *path, const az_onnx_options *options);
/* The same from memory; external data is looked for in `folder` (NULL: refused). */
az_module *az_onnx_import_bytes(az_ctx *ctx, const char *name, const void *data, size_t size,
	const char *folder, const az_onnx_options *options);

/* A TensorProto file (.pb). The tensor is in the arena; *name (may be NULL) gets its name or NULL. */
bool az_onnx_read_tensor(az_ctx *ctx, az_arena *arena, const char *path, az_tensor *out,
	az_name *name);

/* ONNX operators this build imports: rows of frontend/onnx_ops.def, NULL-name terminated. */
typedef struct az_onnx_op_info {
	const char *domain, *name;
	int since, until; /* opset range, until 0 = no end known */
} az_onnx_op_info;
extern const az_onnx_op_info az_onnx_op_infos[];

#endif
