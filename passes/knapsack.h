/* SPDX-License-Identifier: Apache-2.0
 *
 * The multiple-choice knapsack: of every class exactly one item is taken, the weights fit a capacity, and
 * the loss is the least possible (Kellerer, Pferschy, Pisinger, Knapsack Problems, chapter 11). */
#ifndef AZ_PASSES_KNAPSACK_H
#define AZ_PASSES_KNAPSACK_H

#include "base/arena.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct az_knapsack_item {
	uint64_t weight; /* bytes */
	double loss;     /* finite */
} az_knapsack_item;

typedef struct az_knapsack_class {
	uint32_t count;
	const az_knapsack_item *item;
} az_knapsack_class;

/* Writes the index of the chosen item of each class into `chosen` (of `count` entries). False when even
 * the lightest items do not fit. Among equal losses the lighter choice wins. */
bool az_knapsack(az_arena *scratch, uint32_t count, const az_knapsack_class *classes,
	uint64_t capacity, uint32_t *chosen) AZ_NODISCARD;

#endif
