/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at values while the network runs on the calibration samples. */
#ifndef AZ_PASSES_OBSERVE_H
#define AZ_PASSES_OBSERVE_H

#include "passes/pass.h"

typedef struct az_observer {
	const char *what; /* for progress */
	uint32_t count;
	az_value *const *value; /* of main */
	void (*see)(void *data, uint32_t index, const az_tensor *tensor);
	void *data;
} az_observer;

/* Runs main as a clone with more results, made ready once; samples pass through one by one, so memory
 * does not grow with their number. `most` samples, 0: all. Reports, also when there are no samples. */
bool az_observe(az_pass_ctx *pass, int64_t most, const az_observer *observer) AZ_NODISCARD;

/* By id of a value of main: its twin in a clone, which has the same operations in the same order. */
az_value **az_twin_values(const az_func *main, const az_func *clone, az_arena *arena);

#endif
