/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluating a chain everywhere: dimensions that all operands run through alike are walked as one. */
#include "backend/chain.h"

#define VIEWS_MAX (AZ_CHAIN_OPS * AZ_CHAIN_ARGS + AZ_CHAIN_RESULTS + 1)

typedef struct walk {
	az_chain *chain;
	az_view x;
	bool reads_x;
} walk;

static bool walk_row(az_emitter *e, void *data, const az_place *place)
{
	az_chain_row(e, ((walk *)data)->chain, place);
	return true;
}

static bool walk_body(az_emitter *e, void *data, const az_place *place)
{
	walk *w = data;
	return az_chain_finish(e, w->chain, place,
		w->reads_x ? az_view_load(e, &w->x, place) : NULL);
}

static void swap(int64_t *list, uint32_t a, uint32_t b)
{
	int64_t kept = list[a];
	list[a] = list[b];
	list[b] = kept;
}

static void swap_dims(az_view *const *views, uint32_t count, int64_t *size, uint32_t a, uint32_t b)
{
	swap(size, a, b);
	for (uint32_t i = 0; i < count; i++) {
		swap(views[i]->stride, a, b);
		swap(views[i]->group, a, b);
	}
}

/* Vectors lie along the last dimension. Where that is short and x runs along another one, as the three colours of a
 * picture do that come plane by plane, they lie along that. */
static void turn(const az_view *x, az_view *const *views, uint32_t count, uint32_t rank,
	int64_t *size, uint32_t lanes)
{
	uint32_t last = rank - 1;
	for (uint32_t d = 0; d < last; d++)
		if (size[last] < lanes && size[d] > size[last] && x->stride[d] == 1 &&
			x->stride[last] != 1) {
			swap_dims(views, count, size, d, last);
			return;
		}
}

bool az_chain_walk(az_emitter *e, az_chain *c, const az_view *x)
{
	walk w = {.chain = c, .reads_x = x != NULL};
	az_view *views[VIEWS_MAX];
	uint32_t count = az_chain_views(c, views, VIEWS_MAX - 1), lanes = az_chain_lanes(e, c);
	int64_t zero[AZ_ITER_RANK] = {0}, size[AZ_ITER_RANK] = {0};
	for (uint32_t d = 0; d < c->shape->rank; d++)
		size[d] = c->shape->dim[d];
	if (x) {
		w.x = *x;
		views[count++] = &w.x;
	}
	uint32_t rank = az_iter_collapse(c->shape->rank, size, views, count);
	if (x)
		turn(&w.x, views, count, rank, size, lanes);
	return az_iterate(e, rank, zero, size, lanes, walk_row, walk_body, &w) &&
	       az_chain_fill_pad(e, c);
}
