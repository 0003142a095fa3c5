/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kernel costs in registers: one kernel function is emitted alone for the target and its
 * assembly is read. Used by select-kernels to shrink tiles that do not fit the register file. */
#ifndef AZ_BACKEND_PROBE_H
#define AZ_BACKEND_PROBE_H

#include "backend/kernel.h"

typedef struct az_probe {
	uint32_t spills;      /* spills and reloads of vector registers, anywhere in the function */
	uint32_t loop_spills; /* those of them inside innermost loops: what costs time */
} az_probe;

/* Answers given before, by the text of function, kernel and tile. Zero-initialised but for the
 * arena. */
typedef struct az_probe_memo {
	az_arena *arena;
	az_map known;
} az_probe_memo;

/* Emits `func` with the kernel and tile and counts. fast: az_module.fast_math. memo may be NULL.
 * Reports and returns false when emitting fails. A function takes some 5 to 10 ms. */
bool az_emit_probe(az_ctx *ctx, const az_target *target, bool fast, const az_func *func,
	const az_kernel *kernel, const az_tile *tile, az_probe_memo *memo,
	az_probe *out) AZ_NODISCARD;

#endif
