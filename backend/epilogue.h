/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows an anchor in its function, computed on registers: element-wise operations,
 * (re)quantizers, lookups, and at most one trailing `pad`, whose border is written by the same function.
 * Operands that are parameters are one number, one per channel (the last dimension), or of the shape of
 * the result. Everything else has its value on demand: nothing is stored in between. */
#ifndef AZ_BACKEND_EPILOGUE_H
#define AZ_BACKEND_EPILOGUE_H

#include "backend/emit.h"

typedef enum az_spread {
	AZ_SPREAD_ONE,
	AZ_SPREAD_CHANNEL,
	AZ_SPREAD_FULL,
	AZ_SPREAD_TABLE,  /* of a lookup */
	AZ_SPREAD_LEVELS, /* of a threshold: rows of one number or one per channel */
} az_spread;

#define AZ_EPILOGUE_PARAMS 16
#define AZ_EPILOGUE_VALUES 64

typedef struct az_epilogue {
	const az_func *func;
	const az_op *anchor;
	const az_op *pad;      /* trailing, or NULL */
	const az_value *value; /* what is stored: the result without its padding */
	bool shares; /* reads an operand of the anchor that kernels may pack: not its first */
	/* When requantize (anchor * factor + addend) to 8 bits is all there is, else NULL. Factor and addend
	 * are i32 parameters, one number and one or one per channel; NULL where there are none. */
	const az_op *requantize;
	const az_value *factor, *addend;
	uint8_t spread[AZ_EPILOGUE_PARAMS];
	/* The stored result, in elements: pixel (n, h, w) stands at ((n * rows + h + top) * columns + w +
	 * left) * channels. */
	int64_t batch, height, width, channels;
	int64_t top, left, rows, columns;
} az_epilogue;

/* Reads what follows the anchor, whose result is [batch, height, width, channels] in memory. */
bool az_epilogue_read(const az_func *func, const az_op *anchor, int64_t batch, int64_t height,
	int64_t width, int64_t channels, az_epilogue *out);

/* What constants prove of `requantize`: entries of tiles. */
enum {
	AZ_PROVEN_RANGE = 1, /* conversions to integers are in range */
	AZ_PROVEN_SHIFT = 2, /* the factor is a power of two */
};

/* Emitting: one code per rectangle of pixels. */
typedef struct az_epilogue_code {
	az_emitter *e;
	const az_epilogue *ep;
	const LLVMValueRef *params;
	int64_t proven;      /* AZ_PROVEN_ */
	int64_t level_pitch; /* from one row of levels to the next in elements; 0: they are dense */
	LLVMValueRef pixel;  /* index of the first pixel in [batch, height, width], i64 */
	LLVMValueRef stored; /* index of the first pixel in the stored result, i64 */
	LLVMValueRef channel; /* first channel, i64 */
	uint32_t lanes;
	LLVMValueRef by_channel[AZ_EPILOGUE_PARAMS][16]; /* loaded once per rectangle, by vector */
	LLVMValueRef by_one[AZ_EPILOGUE_PARAMS];
	LLVMValueRef shift; /* of the factor, in every lane */
} az_epilogue_code;

/* Begins a rectangle whose first pixel is (image, row, column). Constant-foldable. */
void az_epilogue_begin(az_epilogue_code *code, LLVMValueRef image, LLVMValueRef row,
	LLVMValueRef column, LLVMValueRef channel, uint32_t lanes);
/* One vector of anchor results at pixel (row, column) of the rectangle and channel vector j: computes
 * what follows and stores the first `valid` lanes. */
bool az_epilogue_vector(az_epilogue_code *code, LLVMValueRef x, int64_t row, int64_t column,
	uint32_t j, uint32_t valid);
/* All of a rectangle: x[(row * columns + column) * vectors + j]; uses faster ways where there are some. */
bool az_epilogue_patch(az_epilogue_code *code, LLVMValueRef *x, uint32_t rows, uint32_t columns,
	uint32_t vectors, uint32_t last_lanes);
/* The border of the stored result. */
void az_epilogue_border(az_emitter *e, const az_epilogue *ep, LLVMValueRef result);
/* The first n lanes. */
LLVMValueRef az_first_lanes(az_emitter *e, LLVMValueRef x, uint32_t n);
/* Vectors wider than the tuning of the CPU prefers are legal in e->func after this. */
void az_allow_vectors(az_emitter *e, uint32_t bytes);

#endif
