/* SPDX-License-Identifier: Apache-2.0
 *
 * The multiple-choice knapsack under several budgets at once: of every class exactly one item is taken, what
 * the items take together fits every capacity, and the loss is the least possible. An integer program, solved
 * by GLPK's branch and cut; for one budget passes/knapsack.h is exact and faster. */
#ifndef AZ_PASSES_ILP_H
#define AZ_PASSES_ILP_H

#include "base/arena.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct az_ilp_item {
	const uint64_t *weight; /* by budget, below 2^53 */
	double loss;            /* finite */
} az_ilp_item;

typedef struct az_ilp_class {
	uint32_t count; /* at least 1 */
	const az_ilp_item *item;
} az_ilp_class;

typedef enum az_ilp_result {
	AZ_ILP_BEST, /* no choice within the budgets loses less (to 1e-7 of the losses) */
	AZ_ILP_GOOD, /* within the budgets; the search was ended before it was proven to be the best */
	AZ_ILP_NONE,   /* no choice is within the budgets */
	AZ_ILP_FAILED, /* GLPK gave up: out of memory, or numbers that it cannot work with */
} az_ilp_result;

/* Writes the index of the chosen item of each class into `chosen` (of `count` entries) when it is BEST or GOOD. */
az_ilp_result az_ilp(az_arena *scratch, uint32_t count, const az_ilp_class *classes,
	uint32_t budgets, const uint64_t *capacity, uint32_t *chosen) AZ_NODISCARD;

#endif
