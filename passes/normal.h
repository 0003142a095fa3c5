/* SPDX-License-Identifier: Apache-2.0
 *
 * What batch norms tell of the values in a network without data: the result of one has a known mean and
 * deviation per channel over the data it was trained on. fold-batchnorm notes them as the attribute `normal`
 * of what computes the result: mean and deviation by turns, of the numbers before the clamp. From there they
 * are followed through what comes behind, taking numbers for normally distributed where a clamp cuts them off
 * and summands for independent (Nagel et al., arXiv 1906.04721, section 4.2). */
#ifndef AZ_PASSES_NORMAL_H
#define AZ_PASSES_NORMAL_H

#include "ir/graph.h"

/* A value's channels are its last dimension. */
typedef struct az_normal {
	int64_t count; /* channels; 0: nothing is known */
	double *mean, *variance;
	/* The same before the clamp: how far numbers reach, between the bounds that cut them off. */
	double *centre, *spread;
	double lo, hi; /* infinite where there is none */
} az_normal;

/* By id of the values of main, in the arena. */
az_normal *az_normals_of(const az_func *main, az_arena *arena);
/* A range that holds so many deviations to both sides in every channel. */
az_range az_normal_range(const az_normal *normal, double deviations);

/* Numbers distributed so, for counting; the same in every call. `see` gets as many for every channel. */
void az_normal_numbers(const az_normal *normal, az_arena *scratch,
	void (*see)(void *data, const float *v, int64_t count), void *data);

/* The attribute of an operation that has it, else NULL. */
az_reals *az_normal_of(az_op *op);
/* Takes the attributes out of all functions. */
void az_normals_drop(az_module *module);

#endif
