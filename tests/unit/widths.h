/* SPDX-License-Identifier: Apache-2.0
 *
 * Contractions of every width. A case is an operation (convolution, depthwise convolution or product), an
 * element of the weights, an element of the activations and for each variant (odd channel counts, groups,
 * stride, ...) whether the case has it; sizes, data and what follows the operation are random, seeded by the
 * number of the case. Modules have one parameter `x : i16[8192]`, from which each case takes its activations
 * (slice, reshape, cast), and one result `y : i32[..]` with the results of all cases, one behind the other.
 *
 * All cases: each triple of operation, weights and activations has two cases with opposite variants, so that
 * it is tried with and without each. The sample: some of them, chosen so that any two properties that meet in
 * any case (weights and activations, weights and operation, weights and a variant or its absence, two variants,
 * ...) meet in one of the sample. */
#ifndef AZ_TESTS_WIDTHS_H
#define AZ_TESTS_WIDTHS_H

#include "ir/graph.h"

#define WIDTHS_INPUT 8192

enum {
	WIDTHS_WEIGHTS = 18,     /* bipolar, ternary, i1 to i8, u1 to u8 */
	WIDTHS_ACTIVATIONS = 19, /* bipolar, i1 to i8, u1 to u8, i16, u16 */
	WIDTHS_PAIRS = WIDTHS_WEIGHTS * WIDTHS_ACTIVATIONS,
};

typedef enum widths_op {
	WIDTHS_CONVOLUTION,
	WIDTHS_DEPTHWISE,
	WIDTHS_PRODUCT,
	WIDTHS_OPS,
} widths_op;

#define WIDTHS_CASES (2u * WIDTHS_OPS * WIDTHS_PAIRS)

typedef enum widths_variant {
	WIDTHS_ODD,    /* channel counts */
	WIDTHS_GROUPS, /* of a depthwise convolution: two outputs for each channel */
	WIDTHS_STRIDE,
	WIDTHS_PAD,
	WIDTHS_DILATION,
	WIDTHS_ZERO_X,
	WIDTHS_ZERO_W,
	WIDTHS_ROW, /* one row: of the image, or of the left matrix */
	WIDTHS_BATCH,
	WIDTHS_WIDE, /* accumulators of 64 bits */
	WIDTHS_VARIANTS,
} widths_variant;

typedef struct widths_case {
	widths_op op;
	uint32_t weights, activations; /* numbers of elements */
	bool with[WIDTHS_VARIANTS];
} widths_case;

extern const char *const widths_op_name[WIDTHS_OPS];

widths_case widths_case_get(uint32_t number);
/* Is the variant anything to this operation on these elements? */
bool widths_applies(const widths_case *c, widths_variant v);
az_elem widths_weights(const widths_case *c);
bool widths_ternary(const widths_case *c); /* i2, but never -2 */
az_elem widths_activations(const widths_case *c);
/* "case 12: depthwise, weights i3, activations u5, odd stride zero_x", in the arena. */
const char *widths_text(az_arena *arena, uint32_t number);

/* The numbers of the sample, or of all cases, ascending; of one operation, or of all with WIDTHS_OPS. */
uint32_t widths_list(az_arena *arena, bool all, widths_op op, uint32_t **out);

/* A module of the cases; NULL when one cannot be built (reported). `sizes`, when not NULL, gets how many results
 * each has; `bytes` the most that its packed weights may take: 1.03 times what they are, in whole vectors, and 64. */
az_module *widths_module(az_ctx *ctx, const uint32_t *numbers, uint32_t count, uint64_t *sizes,
	uint64_t *bytes);

#endif
