/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts about a value that its type does not hold: what the stored numbers mean (quantizer) and which
 * reals were seen (range). The operations do not read them: `quantize`, `requantize` and the integer
 * operations carry scales and zero points themselves. People, reports and the verifier do.
 *
 * affine: real = scale * (stored - zero)                          numerics.md 1
 * odd:    real = scale * (2 * stored - (2^bits - 1))              (DoReFa grid)
 * codebook: real = scale * table[stored] */
#ifndef AZ_IR_QUANT_H
#define AZ_IR_QUANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/name.h"
#include "base/text.h"

typedef enum az_grid { AZ_GRID_AFFINE, AZ_GRID_ODD, AZ_GRID_CODEBOOK } az_grid;

typedef struct az_quant {
	az_name name; /* declared as !name in text; NULL: one scale, printed in place as {scale:zero} */
	uint8_t grid;         /* az_grid */
	int16_t axis;         /* dimension the scales follow; -1 when there is one scale */
	int32_t group;        /* elements per scale along axis; 0: one scale per index */
	uint32_t count;       /* scales (and zeros, if any) */
	const float *scale;   /* finite, >= 0 */
	const int32_t *zero;  /* NULL: all zero */
	uint32_t table_count; /* codebook entries, else 0 */
	const int32_t *table;
} az_quant;

typedef struct az_range {
	bool known;
	float lo, hi;
} az_range;

#endif
