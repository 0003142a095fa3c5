/* SPDX-License-Identifier: Apache-2.0
 *
 * Rates of kernels, as measured: the table that is built in (backend/cost_table.def), and files of the same
 * form. A row is one line
 *
 *     COST(vnni512, conv, 8, 4, 233.7)
 *
 * kind of dot product (az_dot_name), work, bits of an input, bits of a weight (0: none), and units a nanosecond:
 * multiply-accumulates of conv, row (a product with one row of outputs), depthwise and product (both
 * operands known at run time only), steps of epilogue (what each output of a contraction takes besides a
 * requantize: a factor, a sum, levels), else elements of input or output, whichever has more. Lines that begin
 * with # or / are comments. */
#ifndef AZ_BACKEND_COST_TABLE_H
#define AZ_BACKEND_COST_TABLE_H

#include "backend/target.h"
#include "ir/cost.h"

typedef struct az_cost_row {
	const char *dot, *work;
	int input_bits, weight_bits;
	double rate;
} az_cost_row;

typedef struct az_cost_table {
	uint32_t count;
	const az_cost_row *row;           /* the first that fits counts */
	const struct az_cost_table *next; /* asked when no row fits */
} az_cost_table;

extern const az_cost_table az_cost_rates;

/* A file of rows, the built-in ones behind it; in the arena. Reports. */
bool az_cost_table_read(az_ctx *ctx, az_arena *arena, const char *path,
	az_cost_table *out) AZ_NODISCARD;

/* The word for what a layer does, as it stands in rows; NULL: there is none. */
const char *az_layer_work(const az_layer_cost *layer);

/* Fills in the seconds of every layer. table NULL: the built-in one. */
void az_cost_estimate(const az_cost_table *table, const az_target *target, az_layer_cost *layer,
	uint32_t count);

#endif
