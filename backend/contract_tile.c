/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing the tile of a contraction: as many accumulators as the register file holds beside the weights
 * and one broadcast, cut so that rows and channels of the layer divide into them with little waste. */
#include "backend/contract.h"

#define DOTS_MAX                                                                                   \
	112 /* dot products in one loop body: longer ones make the register allocator spill */

static int64_t ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

/* Lanes of a vector of outputs: the widest that does not leave most of it empty. */
static uint32_t pick_lanes(const az_contract *c, const az_target *target, az_dot_form form)
{
	/* The vector unit of ARMv7 flushes subnormals: strict float is scalar there. */
	if (c->is_float && target->arch == AZ_ARCH_ARM && !c->anchor->func->module->fast_math)
		return 1;
	uint32_t lanes = AZ_MAX(target->vector_bytes / 4, 1u);
	if (form == AZ_FORM_VPDPBUSD)
		lanes = target->dot == AZ_DOT_VNNI512 ? 16 : target->dot == AZ_DOT_VNNI256 ? 8 : 4;
	if (form == AZ_FORM_PMADDWD)
		lanes = target->dot == AZ_DOT_AVX512BW ? 16 : target->dot == AZ_DOT_AVX2 ? 8 : 4;
	if (form == AZ_FORM_SDOT || form == AZ_FORM_SMULL)
		lanes = 4;
	while (lanes > 4) {
		int64_t wide = ceil_div(c->group_out, lanes) * lanes;
		int64_t narrow = ceil_div(c->group_out, lanes / 2) * (lanes / 2);
		if (narrow * 4 > wide * 3)
			break;
		lanes /= 2;
	}
	return lanes;
}

/* Registers that are neither accumulators nor weights. */
static uint32_t reserve(az_dot_form form)
{
	switch (form) {
	case AZ_FORM_PMADDWD:
		return 4; /* halves of x, a product, a mask */
	case AZ_FORM_SMULL:
		return 3;
	case AZ_FORM_WIDEN:
		return 3;
	default:
		return 2;
	}
}

/* Rows and columns of at most `most` pixels that cut the output evenly. */
static void pick_pixels(const az_contract *c, int64_t most, int64_t *h, int64_t *w)
{
	*w = ceil_div(c->out_w, ceil_div(c->out_w, most));
	*h = *w == c->out_w ? AZ_MAX(most / *w, 1) : 1;
	*h = ceil_div(c->out_h, ceil_div(c->out_h, *h));
}

/* Dot products issued for the whole layer per useful one, in percent; small tiles pay for weights. */
static int64_t waste(const az_contract *c, int64_t vectors, int64_t nr, int64_t most)
{
	int64_t h, w;
	pick_pixels(c, most, &h, &w);
	int64_t issued = ceil_div(c->out_h, h) * ceil_div(c->out_w, w) * h * w;
	int64_t useful = c->out_h * c->out_w;
	int64_t loads = nr + h * w; /* per nr * h * w dot products */
	int64_t steps = nr * h * w;
	(void)vectors;
	return issued * 100 / useful + (2 * loads > steps ? (2 * loads - steps) * 60 / steps : 0);
}

void az_contract_tile(const az_contract *c, const az_target *target, az_tile *tile)
{
	az_dot_form form = az_dot_form_of(target, c->is_float);
	uint32_t lanes = pick_lanes(c, target, form), parts = az_form_parts(form);
	uint32_t registers = AZ_MAX(target->vector_registers, 8u);
	if (lanes == 1)
		registers =
			target->arch == AZ_ARCH_RISCV64 || target->arch == AZ_ARCH_ARM ? 20 : 16;
	int64_t vectors = ceil_div(c->group_out, lanes);
	uint32_t per_weight = form == AZ_FORM_PMADDWD ? 2 : 1;
	int64_t best = INT64_MAX, best_nr = 1, best_most = 1;
	for (int64_t nr = 1; nr <= 8; nr++) {
		if (nr > vectors || (nr > 4 && c->out_h * c->out_w > 3))
			break;
		int64_t room = (int64_t)registers - reserve(form) - nr * per_weight;
		int64_t most = AZ_MIN(room / (nr * parts), 28);
		if (most < 1)
			break;
		most = AZ_MIN(most, c->out_h * c->out_w);
		int64_t cost = waste(c, vectors, nr, most);
		/* A remaining block of fewer vectors runs at the same rows: count its loss. */
		cost += vectors % nr ? 10 * nr / vectors : 0;
		if (cost <= best) {
			best = cost;
			best_nr = nr;
			best_most = most;
		}
	}
	int64_t h, w;
	pick_pixels(c, best_most, &h, &w);
	int64_t granules = az_contract_granules(c, az_form_granule(form));
	int64_t uk = 1;
	for (int64_t k = 2; k <= 4; k++)
		if (h * w * best_nr * parts * k <= DOTS_MAX && granules % k == 0)
			uk = k;
	if (uk == 1 && granules >= 6 && h * w * best_nr * parts * 2 <= DOTS_MAX)
		uk = 2;
	*tile = (az_tile){.count = AZ_TILE_CONTRACT_COUNT};
	tile->v[AZ_TILE_H] = h;
	tile->v[AZ_TILE_W] = w;
	tile->v[AZ_TILE_NR] = best_nr;
	tile->v[AZ_TILE_UK] = uk;
	tile->v[AZ_TILE_LANES] = lanes;
}

bool az_tile_shrink(az_tile *tile)
{
	if (tile->v[AZ_TILE_UK] > 1) {
		tile->v[AZ_TILE_UK] /= 2;
		return true;
	}
	if (tile->v[AZ_TILE_H] > 1) {
		tile->v[AZ_TILE_H]--;
		return true;
	}
	if (tile->v[AZ_TILE_W] > 2) {
		tile->v[AZ_TILE_W] -= tile->v[AZ_TILE_W] > 8 ? 2 : 1;
		return true;
	}
	if (tile->v[AZ_TILE_NR] > 1) {
		tile->v[AZ_TILE_NR]--;
		return true;
	}
	return false;
}
