/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays and pictures from arbitrary bytes: read or refused, never more. */
#include <stddef.h>
#include <stdint.h>

#include "data/image.h"
#include "data/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	az_ctx *ctx = az_ctx_new();
	if (!ctx)
		return 0;
	az_tensor tensor;
	az_picture picture;
	if (size < 24 ||
		data[0] != 0x89) { /* a PNG may ask for a large picture: bounded by the decoder */
		az_npy_parse(ctx, &ctx->arena, "fuzz", data, size, &tensor);
		if (az_is_idx(data, size))
			az_idx_parse(ctx, &ctx->arena, "fuzz", data, size, &tensor);
	}
	az_image_decode(ctx, &ctx->arena, "fuzz", data, size, &picture);
	az_ctx_free(ctx);
	return 0;
}
