/* SPDX-License-Identifier: Apache-2.0
 *
 * How every layer is to be quantized: the options that calibrate, round-weights and insert-quantizers have
 * in common (AZ_QUANTIZE_OPTIONS in passes.def), then the rules of a recipe that match the layer, later ones
 * winning. What a rule says beats `edges`, by which the first and last layers get more bits than the rest. */
#ifndef AZ_PASSES_PRECISION_H
#define AZ_PASSES_PRECISION_H

#include "passes/quantize_plan.h"

typedef struct az_precisions {
	az_pass_ctx *pass;
	az_precision weight, act; /* where no rule says anything */
	int edges; /* bits that weights and operands of first and last layers get at least; 0: as others */
	int64_t fine;       /* so many first layers get two bytes for each operand */
	bool exact;         /* weights that lie on one grid as a whole keep it, with a zero point */
	uint32_t count;     /* values that az_precisions_see has seen */
	uint8_t *edge;      /* by value id of a layer's result: bits of az_recipe_edge */
	bool *edge_operand; /* by value id: a first or last layer reads it */
	bool *matched;      /* by rule */
} az_precisions;

/* Reads the options of the running pass and checks what they and the rules ask for. Reports. */
bool az_precisions_init(az_precisions *p, az_pass_ctx *pass) AZ_NODISCARD;
/* Finds the first and last layers of main. What is asked below is about values that it had then. */
void az_precisions_see(az_precisions *p, const az_func *main);

/* The weights of op, an operation that has weights. */
az_precision az_precision_weight(az_precisions *p, const az_op *op);
/* The inputs of the network, whatever reads them. */
az_precision az_precision_input(az_precisions *p);
/* By id of the root: what all wanted values with one quantizer get, the widest that one of them asks for;
 * those that only move numbers ask for nothing. */
az_precision *az_precisions_acts(az_precisions *p, const az_func *main,
	const az_quantize_plan *plan);
/* The stored form of numbers in that range. */
az_elem az_precision_elem(const az_precision *p, const az_range *range);

/* Warns of rules that matched nothing. */
void az_precisions_finish(const az_precisions *p);

#endif
