/* SPDX-License-Identifier: Apache-2.0
 *
 * Requantizing many vectors of accumulators at once: x86 packs four vectors of 32 bits into one of
 * bytes, saturating, which makes most of the clamping free. */
#ifndef AZ_BACKEND_EPILOGUE_PACK_H
#define AZ_BACKEND_EPILOGUE_PACK_H

#include "backend/epilogue.h"

/* false when the epilogue or the target is another: then nothing was emitted. */
bool az_epilogue_pack(az_epilogue_code *code, LLVMValueRef *x, uint32_t rows, uint32_t columns,
	uint32_t vectors, uint32_t last_lanes);
/* The same for pixels of one row, each four vectors whose 128-bit parts are interleaved: part l of vector t
 * holds channels 16 l + 4 t to 16 l + 4 t + 3, and the scales stand in that order. Stores `valid` channels. */
void az_epilogue_pack_quads(az_epilogue_code *code, const LLVMValueRef *x, uint32_t pixels,
	uint32_t valid);
/* Where the first lane of vector j of a pixel of the rectangle is stored. */
LLVMValueRef az_epilogue_address(az_epilogue_code *code, int64_t row, int64_t column, uint32_t j);

/* The operand of one number or one per channel, for vector j. */
LLVMValueRef az_epilogue_operand(az_epilogue_code *code, const az_value *param, uint32_t j);

#endif
