/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of operations that needs least memory at once, as a problem of its own: steps that make buffers
 * and read others. A buffer is alive from the step that makes it to the last that reads it. */
#ifndef AZ_BACKEND_ORDER_H
#define AZ_BACKEND_ORDER_H

#include "base/arena.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

#define AZ_NO_STEP UINT32_MAX

typedef struct az_order_buffer {
	uint64_t size;
	uint32_t maker;   /* step; AZ_NO_STEP: alive from the start */
	bool kept;        /* alive to the end */
	uint32_t readers; /* steps that read it */
} az_order_buffer;

typedef struct az_order_step {
	AZ_VEC(uint32_t) reads; /* buffers, each once */
	AZ_VEC(uint32_t) makes;
	/* Buffers among `reads` whose memory the step's one result may take if it is the last to read them:
	 * the first that dies gives its place. Their sizes are the result's. */
	AZ_VEC(uint32_t) gives;
} az_order_step;

typedef struct az_order_problem {
	uint32_t step_count, buffer_count;
	az_order_step *step; /* in the order at hand, which is a possible one */
	az_order_buffer *buffer;
} az_order_problem;

/* The largest sum of buffers alive at once when the steps run in this order. */
uint64_t az_order_peak(const az_order_problem *problem, const uint32_t *order, az_arena *scratch);

/* Fills `order` (of step_count entries) with the best order found and returns its peak: the given one when no
 * better one was found. *exact: no order is better. Time is bounded whatever the graph is. */
uint64_t az_order_search(const az_order_problem *problem, az_arena *scratch, uint32_t *order,
	bool *exact);

#endif
