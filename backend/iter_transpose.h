/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of az_copy (backend/iter.h) that transposes in registers. */
#ifndef AZ_BACKEND_ITER_TRANSPOSE_H
#define AZ_BACKEND_ITER_TRANSPOSE_H

#include "backend/iter.h"

/* Copies a collapsed space if it is a transpose worth it; *done says whether it was. */
bool az_copy_turned(az_emitter *e, const az_view *from, const az_view *to, uint32_t rank,
	const int64_t *size, bool *done);
/* az_copy without transposing in registers. */
bool az_copy_plain(az_emitter *e, az_view from, az_view to, uint32_t rank, const int64_t *dim);

#endif
