/* SPDX-License-Identifier: Apache-2.0
 *
 * The .npy format (versions 1 to 3) and MNIST's idx format, from memory. Inside data/ only. */
#ifndef AZ_DATA_NPY_H
#define AZ_DATA_NPY_H

#include "ir/tensor.h"

/* The tensor's data is in the arena. `path` is for messages. Report. */
bool az_npy_parse(az_ctx *ctx, az_arena *arena, const char *path, const void *data, size_t size,
	az_tensor *out);
bool az_idx_parse(az_ctx *ctx, az_arena *arena, const char *path, const void *data, size_t size,
	az_tensor *out);
bool az_is_npy(const void *data, size_t size);
bool az_is_idx(const void *data, size_t size);

#endif
