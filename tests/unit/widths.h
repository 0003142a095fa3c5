/* SPDX-License-Identifier: Apache-2.0
 *
 * Random contractions of every width: modules of one parameter `x : i16[8192]`, from which each case takes
 * its activations (slice, reshape, cast), and one result `y : i32[..]` with the results of all cases, one
 * behind the other. Case i has weights of element i, activations of element i (of 16 and 17), and the kind
 * convolution, depthwise or product by i, so that the first 3 * 16 * 17 cases cover every triple; shapes,
 * strides, padding, groups, zero points and what follows are random. */
#ifndef AZ_TESTS_WIDTHS_H
#define AZ_TESTS_WIDTHS_H

#include "ir/graph.h"

#define WIDTHS_CASES 816
#define WIDTHS_INPUT 8192

/* Cases [first, first + count); NULL when one cannot be built (reported). */
az_module *widths_module(az_ctx *ctx, uint32_t first, uint32_t count);

#endif
