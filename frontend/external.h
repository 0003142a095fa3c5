/* SPDX-License-Identifier: Apache-2.0
 *
 * External tensor data: a range of a file inside the model's folder. */
#ifndef AZ_FRONTEND_EXTERNAL_H
#define AZ_FRONTEND_EXTERNAL_H

#include "frontend/tensor.h"

/* The bytes that the tensor's external_data entries name. Paths must be relative, without "..", and
 * must not leave the folder through a link. Reports. */
bool az_onnx_external(az_tensor_source *source, az_loc loc, const Onnx__TensorProto *proto,
	az_bytes *out) AZ_NODISCARD;

#endif
