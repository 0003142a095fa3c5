/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kernel costs in registers: one kernel function is emitted alone for the target and its
 * assembly is read. Used by select-kernels to shrink tiles that do not fit the register file. */
#ifndef AZ_BACKEND_PROBE_H
#define AZ_BACKEND_PROBE_H

#include "backend/kernel.h"

typedef struct az_probe {
	uint32_t spills, reloads; /* of vector registers, anywhere in the function */
	uint32_t loop_spills;     /* spills and reloads inside innermost loops: what costs time */
} az_probe;

/* Emits `func` with the kernel and tile and counts. Remembers answers by the text of func, kernel and tile for the
 * life of the context. fast: az_module.fast_math. Reports and returns false when emitting fails. */
bool az_emit_probe(az_ctx *ctx, const az_target *target, bool fast, const az_func *func,
        const az_kernel *kernel, const az_tile *tile, az_probe *out) AZ_NODISCARD;

#endif
