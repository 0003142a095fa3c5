/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding pictures to interleaved bytes. Inside data/ only. */
#ifndef AZ_DATA_IMAGE_H
#define AZ_DATA_IMAGE_H

#include "base/ctx.h"
#include "runtime/picture.h"

bool az_image_is(const char *name); /* by ending: png jpg jpeg ppm pgm, any case */
/* Decodes by content: PNG and JPEG to 3 channels, binary PPM and PGM to 3 and 1. Pixels in the
 * arena. Reports. */
bool az_image_decode(az_ctx *ctx, az_arena *arena, const char *path, const void *data, size_t size,
	az_picture *out);

#endif
