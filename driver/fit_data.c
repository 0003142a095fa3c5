/* SPDX-License-Identifier: Apache-2.0
 *
 * Calibration samples in two parts. Narrowed layers are fitted to what the old ones gave, and weights are rounded by
 * what their inputs are: on the very samples of that, networks of few channels look far better than they are. So every
 * fourth sample is kept apart, and networks are compared on those. */
#include "driver/fit.h"

#define EVERY 4
#define FEW   8 /* samples: too few to keep any apart */

typedef struct part {
	const az_stream *all;
	bool apart;
} part;

static uint64_t index_in_all(const part *p, uint64_t i)
{
	return p->apart ? i * EVERY + EVERY - 1 : i / (EVERY - 1) * EVERY + i % (EVERY - 1);
}

static bool get(void *data, uint64_t i, az_tensor *inputs)
{
	const part *p = data;
	return p->all->get(p->all->data, index_in_all(p, i), inputs);
}

static int64_t label(void *data, uint64_t i)
{
	const part *p = data;
	return p->all->label(p->all->data, index_in_all(p, i));
}

static az_stream *new_part(az_arena *arena, const az_stream *all, bool apart)
{
	part *p = az_new(arena, part);
	az_stream *stream = az_new(arena, az_stream);
	uint64_t count = all->count / EVERY;
	*p = (part){all, apart};
	*stream = (az_stream){.data = p,
		.count = apart ? count : all->count - count,
		.made_up = all->made_up,
		.get = get,
		.label = all->label ? label : NULL};
	return stream;
}

void az_fit_split_data(az_fit *fit, az_stream *all)
{
	bool few = all->count < FEW;
	fit->all = all;
	fit->data = few ? all : new_part(&fit->job->arena, all, false);
	fit->apart = few ? all : new_part(&fit->job->arena, all, true);
}
