/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX tensors: element types (our own table: the system's schema is older than int4), and the three
 * places where elements may stand: raw bytes, typed fields, external files. */
#ifndef AZ_FRONTEND_TENSOR_H
#define AZ_FRONTEND_TENSOR_H

#include "base/file.h"
#include "base/vec.h"
#include "ir/tensor.h"

#include "onnx/onnx.pb-c.h"

/* Where the bytes of tensors are found. */
typedef struct az_tensor_source {
	az_ctx *ctx;
	az_arena *arena;    /* for bytes that had to be made */
	az_bytes file;      /* what the markers of az_wire_reduce point into */
	const char *folder; /* external data lies here; NULL: refused */
	AZ_VEC(struct az_external_file) external;
} az_tensor_source;

typedef struct az_external_file {
	az_name path;
	az_bytes bytes;
} az_external_file;

/* The element type of an ONNX data type. `what` ("input", ...) and name are for the message. */
bool az_onnx_elem(az_ctx *ctx, az_loc loc, int64_t data_type, const char *what, const char *name,
	az_elem *out) AZ_NODISCARD;

/* The packed bytes of a tensor: in the file where they stand there as we need them (`*mapped`), else
 * made in the arena. Reports. */
bool az_onnx_tensor(az_tensor_source *source, az_loc loc, const Onnx__TensorProto *proto,
	const az_type **type, const void **data, bool *mapped) AZ_NODISCARD;

/* Is `data` in the model file or in an external one? */
bool az_tensor_source_holds(const az_tensor_source *source, const void *data);
void az_tensor_source_close(az_tensor_source *source); /* unmaps external files */

/* Unpacks a checked message into the arena (frontend/wire.h). */
const Onnx__ModelProto *az_onnx_unpack_model(az_arena *arena, az_bytes reduced);
const Onnx__TensorProto *az_onnx_unpack_tensor(az_arena *arena, az_bytes reduced);
const Onnx__AttributeProto *az_onnx_unpack_attribute(az_arena *arena, az_bytes reduced);
/* The payload of the nth length-delimited field that the schema does not know; false: no more. */
bool az_onnx_unknown_field(const ProtobufCMessage *message, uint32_t number, unsigned nth,
	az_bytes *out);

#endif
