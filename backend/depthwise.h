/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions with one filter per channel: what their two kernels share. Rows, then rectangles of one row
 * of pixels, then blocks of channels: what lies together is read together, also where the rows of many channels
 * would fall on one another in the cache. */
#ifndef AZ_BACKEND_DEPTHWISE_H
#define AZ_BACKEND_DEPTHWISE_H

#include "backend/contract.h"

/* Pixels of one row and one block of channels. */
typedef struct az_dw_patch {
	LLVMValueRef x; /* first column of the first pixel's window, first channel of the block */
	LLVMValueRef image, row, column; /* of the first pixel, i64 */
	LLVMValueRef channel;            /* first of the block, i64 */
	LLVMValueRef block;              /* its number, i64 */
	uint32_t pixels;
	uint32_t valid; /* channels in it */
} az_dw_patch;

typedef void az_dw_emit(void *code, const az_dw_patch *patch);

bool az_dw_read(const az_func *func, az_contract *out);
/* Emits everything but the border: `step` pixels and `channels` channels at a time. */
void az_dw_nest(az_emitter *e, const az_contract *c, LLVMValueRef x, int64_t step,
	uint32_t channels, az_dw_emit *emit, void *code);

/* Weights of fewer than 8 bits: steps are (tap, block of `lanes` channels), blocks innermost; 8 / p steps
 * share a vector of bytes of a plane of p bits (backend/depthwise_sub.c). */
/* Stored numbers less the lowest, and what they are for the dot product: i16 lanes. */
LLVMValueRef az_dw_sub_stored(az_emitter *e, const az_contract *c, LLVMValueRef base,
	LLVMValueRef tap, LLVMValueRef block, uint32_t lanes);
LLVMValueRef az_dw_sub_weight(az_emitter *e, const az_contract *c, LLVMValueRef base,
	LLVMValueRef tap, LLVMValueRef block, uint32_t lanes);
void az_dw_sub_pack(const az_contract *c, const az_const *w, uint32_t lanes, az_arena *arena,
	const void **data, size_t *size);

#endif
