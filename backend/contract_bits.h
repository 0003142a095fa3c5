/* SPDX-License-Identifier: Apache-2.0
 *
 * Contractions of very few bits: activations are split into planes of one bit each, packed into words of
 * 32 along K; weights lie in such planes already. A word of activations against one of weights is one
 * `and` (or `xor`) and the count of the ones, for 32 multiply-accumulates.
 *
 * A stored activation is x = step * u + lo with u of `x_planes` bits; a weight is the sum of coefficient
 * times bit over its planes, the highest plane of iN counting negative, or 2 bit - 1 (bipolar). Then
 *
 *   sum (x - zx) (w - zw) = step * sum u (w - zw)  +  (lo - zx) * sum (w - zw)
 *
 * The second part is a constant per channel and goes into the bias. In the first, sum u w is a sum over
 * pairs of planes of 2^i * coefficient * ones(a and b); for bipolar weights ones(a xor b) counts the places
 * that are unequal, and sum a (2 b - 1) = sum b - ones(a xor b). A zero point zw is one more plane of weights
 * that are all 1, with coefficient -zw; it is not stored.
 *
 * The scratch (on the stack) holds the planes of a chunk: as many rows of outputs (columns, where there is
 * one row) as it has room for. It is [plane][input row][position][words]; positions are input pixels, or
 * output columns with all of their window's row where the words of pixels would not be full.
 *
 * Packed weights: for each group, for each block of at most nr vectors, [kernel row][tap][word][plane][vector]
 * [lane] words of 32 bits; bit k of a word is element k. What lies past the end of a run is 0 on both sides. */
#ifndef AZ_BACKEND_CONTRACT_BITS_H
#define AZ_BACKEND_CONTRACT_BITS_H

#include "backend/contract.h"

#define AZ_BITS_PLANES_MAX 4

/* Entries of the tile: rows x columns of output pixels, vectors of output channels, lanes, conversion
 * proven in range, and what the activations are. */
enum {
	AZ_BITS_H,
	AZ_BITS_W,
	AZ_BITS_NR,
	AZ_BITS_LANES,
	AZ_BITS_SAFE,
	AZ_BITS_LO,
	AZ_BITS_STEP,
	AZ_BITS_PLANES,
	AZ_BITS_COUNT,
};

/* How ones are counted and summed. */
typedef enum az_bits_form {
	AZ_BITS_DOT,   /* of bytes; a dot product with the coefficient in every byte */
	AZ_BITS_WORD,  /* of words */
	AZ_BITS_BYTES, /* of bytes, summed in bytes as long as these hold, plane by plane */
} az_bits_form;

typedef struct az_bits {
	az_contract c;
	az_bits_form form;
	uint32_t lanes, x_planes, w_planes;
	int64_t lo, step;
	bool bipolar;   /* weights */
	bool by_column; /* positions are output columns */
	bool joined;    /* pixels follow one another without a gap: a row is one run */
	int64_t run_words, steps;
	int64_t position_bytes; /* of one plane of one position, of a row, of all rows */
	int64_t row_bytes, plane_bytes;
	bool split_columns; /* a chunk is some columns of the only row */
	int64_t chunk;      /* rows or columns of outputs in a chunk; a multiple of the tile's */
} az_bits;

/* The geometry for a tile; false when the scratch does not hold one row of tiles. */
bool az_bits_plan(const az_contract *c, const az_target *target, const az_tile *tile, az_bits *out);
az_bits_form az_bits_form_of(const az_target *target, uint32_t pairs);
/* Of plane j of the weights. */
int64_t az_bits_coefficient(const az_bits *b, uint32_t j);
/* Bytes of the packed weights of so many vectors. */
int64_t az_bits_block_bytes(const az_bits *b, int64_t vectors);

/* Is this kernel faster than unpacking the weights? For a tile whose lanes and activations are set. */
bool az_bits_worth(const az_contract *c, const az_target *target, const az_tile *tile);
void az_bits_tile(const az_contract *c, const az_target *target, az_tile *tile);

/* One function being emitted. */
typedef struct az_bits_code {
	az_emitter *e;
	const az_bits *b;
	const az_tile *tile;
	const LLVMValueRef *params;
	az_epilogue_code ep;
	az_dot_kit kit;       /* of the form DOT */
	LLVMValueRef scratch; /* the planes */
	LLVMValueRef table;   /* of offsets into the scratch by step; NULL: one run */
} az_bits_code;

/* Fills the scratch with so many rows of input from x on, for so many columns of outputs. */
void az_bits_fill(az_bits_code *code, LLVMValueRef x, int64_t rows, int64_t columns);
/* One rectangle by one block; p->x is in the scratch. */
void az_bits_patch(az_bits_code *code, const az_patch *p);
void az_bits_nest(az_bits_code *code);

#endif
