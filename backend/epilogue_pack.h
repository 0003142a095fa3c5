/* SPDX-License-Identifier: Apache-2.0
 *
 * Making bytes of many vectors of accumulators at once: x86 packs four vectors of 32 bits into one of
 * bytes, saturating, which makes most of the clamping of a requantize free. */
#ifndef AZ_BACKEND_EPILOGUE_PACK_H
#define AZ_BACKEND_EPILOGUE_PACK_H

#include "backend/epilogue.h"

/* Does it make integers of 8 bits on a target that packs them? */
bool az_epilogue_packs(const az_target *target, const az_epilogue *ep);
/* false when it does not: then nothing was stored. */
bool az_epilogue_pack(az_epilogue_code *code, LLVMValueRef *x, uint32_t rows, uint32_t columns,
	uint32_t vectors, uint32_t last_lanes);
/* The same for pixels of one row, each four vectors whose 128-bit parts are interleaved: part l of vector t
 * holds channels 16 l + 4 t to 16 l + 4 t + 3, and operands by channel stand in that order, none is of the shape
 * of the result. Stores `valid` channels. */
bool az_epilogue_pack_quads(az_epilogue_code *code, const LLVMValueRef *x, uint32_t pixels,
	uint32_t valid);
/* Where the first lane of vector j of a pixel of the rectangle is stored. */
LLVMValueRef az_epilogue_address(az_epilogue_code *code, int64_t row, int64_t column, uint32_t j);

/* What is stored for the anchor's results x of vector j there, in registers; NULL after a report. */
LLVMValueRef az_epilogue_value(az_epilogue_code *code, LLVMValueRef x, int64_t row, int64_t column,
	uint32_t j);
/* By how many bits the factor shifts, where it is proven to be a power of two. */
LLVMValueRef az_epilogue_shift(az_epilogue_code *code);
/* The operand of one number or one per channel, for vector j. */
LLVMValueRef az_epilogue_operand(az_epilogue_code *code, const az_value *param, uint32_t j);

#endif
