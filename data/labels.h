/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes of samples. Inside data/ only. */
#ifndef AZ_DATA_LABELS_H
#define AZ_DATA_LABELS_H

#include "base/ctx.h"
#include "ir/tensor.h"

typedef struct az_labels {
	uint64_t count;
	const int64_t *v; /* in the order of the samples, -1 unknown */
} az_labels;

/* An integer array (.npy, idx, ...), or text lines "file<TAB>class..." matched by the last part of the
 * samples' names (name_count 0: lines are in order). Reports. */
bool az_labels_read(az_ctx *ctx, az_arena *arena, const char *path, uint64_t name_count,
	const char *const *names, az_labels *out);

#endif
