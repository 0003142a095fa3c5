/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing the tile of a contraction: as many accumulators as the register file holds beside the weights
 * and one broadcast, cut so that rows and channels of the layer divide into them with little waste. */
#include "backend/contract.h"

#include <math.h>

#define NEAR_BYTES 24576 /* weights of a block that stay in the nearest cache */
#define DOTS_MAX   112   /* dot products of a loop body: longer ones make it spill */

uint32_t az_contract_lanes(const az_contract *c, uint32_t lanes)
{
	while (lanes > 4) {
		int64_t wide = az_ceil_div(c->group_out, lanes) * lanes;
		int64_t narrow = az_ceil_div(c->group_out, lanes / 2) * (lanes / 2);
		if (narrow * 4 > wide * 3)
			break;
		lanes /= 2;
	}
	return lanes;
}

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
	bool widest = target->dot == AZ_DOT_AVX512BW || target->dot == AZ_DOT_VNNI512;
	if (form == AZ_FORM_PAIR) {
		bool half = target->dot == AZ_DOT_AVX2 || target->dot == AZ_DOT_VNNI256;
		lanes = widest ? 16 : half ? 8 : 4;
	}
	if (form == AZ_FORM_SDOT || form == AZ_FORM_SMULL)
		lanes = 4;
	return az_contract_lanes(c, lanes);
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

/* A tile of outputs under consideration. */
typedef struct candidate {
	int64_t h, w, nr;
} candidate;

/* Parts of 4, 2 and 1 bits that packed weights consist of; 0: they are whole bytes. */
static uint32_t plane_count(const az_contract *c)
{
	uint32_t planes = 0;
	for (uint32_t bits = c->is_float ? 0 : c->w_elem.bits & 7; bits; bits &= bits - 1)
		planes++;
	return planes;
}

/* Issue slots of bringing the weights of one vector and granule to bytes: some operations for each plane. */
static double unpack_slots(const az_contract *c)
{
	return 1.5 * (double)plane_count(c);
}

/* Registers for it where there are several planes: of every vector, and masks. */
static int64_t unpack_registers(const az_contract *c, int64_t nr)
{
	int64_t planes = plane_count(c);
	return planes > 1 ? planes * nr + 2 : 0;
}

/* Issue slots of one granule of one tile: its dot products (never fewer than hide their latency), making
 * its weights, and fetching those that come from the second cache; `fixed` is what a tile costs besides, spread over
 * its granules. */
static double tile_cost(int64_t pixels, int64_t nr, uint32_t parts, bool far_weights, double unpack,
	double fixed)
{
	double dots = (double)(pixels * nr * parts), loads = (double)(pixels + nr);
	double slots = AZ_MAX(AZ_MAX(dots, 1.15 * loads), 8.0);
	return slots + ((far_weights ? 0.4 : 0) + unpack) * (double)nr + fixed;
}

/* Of all tiles of one block of vectors. */
static double block_cost(const az_contract *c, candidate t, int64_t nr, uint32_t parts,
	bool far_weights)
{
	az_dot_form form = c->is_float ? AZ_FORM_F32 : AZ_FORM_VPDPBUSD;
	int64_t granules = c->kernel_h * c->taps * az_contract_granules(c, az_form_granule(form));
	/* Wide rather than high: rows far apart may fall on one another in the cache. */
	double fixed =
		24.0 / (double)granules + 0.02 * (double)(t.h * t.w) + 0.3 * (double)(t.h - 1);
	int64_t rows = c->out_h / t.h, columns = c->out_w / t.w;
	int64_t h = c->out_h % t.h, w = c->out_w % t.w;
	double unpack = unpack_slots(c);
	double sum = (double)(rows * columns) *
		     tile_cost(t.h * t.w, nr, parts, far_weights, unpack, fixed);
	if (w)
		sum += (double)rows * tile_cost(t.h * w, nr, parts, far_weights, unpack, fixed);
	if (h)
		sum += (double)columns * tile_cost(h * t.w, nr, parts, far_weights, unpack, fixed);
	if (h && w)
		sum += tile_cost(h * w, nr, parts, far_weights, unpack, fixed);
	return sum;
}

static double layer_cost(const az_contract *c, candidate t, int64_t vectors, uint32_t lanes,
	uint32_t parts)
{
	int64_t elem = c->is_float ? 4 : 1;
	int64_t panel = c->kernel_h * c->taps * c->run * t.nr * lanes * elem;
	bool far_weights = panel > NEAR_BYTES;
	double sum = (double)(vectors / t.nr) * block_cost(c, t, t.nr, parts, far_weights);
	if (vectors % t.nr)
		sum += block_cost(c, t, vectors % t.nr, parts, far_weights);
	return sum;
}

/* Bytes of code, in vector instructions: every rest of rows, columns and vectors has a copy of its own. */
static double code_size(const az_contract *c, candidate t, int64_t vectors, uint32_t parts)
{
	int64_t h[2] = {t.h, c->out_h % t.h}, w[2] = {t.w, c->out_w % t.w},
		nr[2] = {t.nr, vectors % t.nr};
	double sum = 0;
	for (uint32_t i = 0; i < 8; i++) {
		int64_t pixels = h[i & 1] * w[i >> 1 & 1], v = nr[i >> 2];
		if (pixels && v)
			sum += 40 + (double)(pixels * v * (parts + 8) + v * 2 + pixels * 2);
	}
	return sum;
}

/* The smallest code that takes at most twice the time of the cheapest tile. */
static candidate pick_compact(const az_contract *c, candidate cheapest, uint32_t lanes,
	uint32_t parts)
{
	int64_t vectors = az_ceil_div(c->group_out, lanes);
	double most = 2 * layer_cost(c, cheapest, vectors, lanes, parts);
	double least = code_size(c, cheapest, vectors, parts);
	candidate best = cheapest;
	for (int64_t nr = 1; nr <= cheapest.nr; nr++)
		for (int64_t w = 1; w <= AZ_MIN(c->out_w, 8); w++)
			for (int64_t h = 1; h <= AZ_MIN(c->out_h, 4) && h * w * nr <= 8; h++) {
				candidate t = {h, w, nr};
				double size = code_size(c, t, vectors, parts);
				if (size < least &&
					layer_cost(c, t, vectors, lanes, parts) <= most) {
					least = size;
					best = t;
				}
			}
	return best;
}

/* The cheapest tile of at most `most` pixels, for any number of vectors that the registers allow. */
static candidate pick(const az_contract *c, az_dot_form form, uint32_t registers, uint32_t lanes)
{
	uint32_t parts = az_form_parts(form), per_weight = form == AZ_FORM_PMADDWD ? 2 : 1;
	int64_t vectors = az_ceil_div(c->group_out, lanes), pixels = c->out_h * c->out_w;
	candidate best = {1, 1, 1};
	double least = INFINITY;
	for (int64_t nr = 1; nr <= AZ_MIN(vectors, pixels > 3 ? 4 : 8); nr++) {
		int64_t room = (int64_t)registers - reserve(form) - nr * per_weight -
			       unpack_registers(c, nr);
		int64_t most = AZ_MIN(room / (nr * parts), 28);
		for (int64_t w = 1; w <= AZ_MIN(most, c->out_w); w++)
			for (int64_t h = 1; h <= AZ_MIN(most / w, c->out_h); h++) {
				candidate t = {h, w, nr};
				double cost = layer_cost(c, t, vectors, lanes, parts);
				if (cost < least) {
					least = cost;
					best = t;
				}
			}
	}
	return best;
}

void az_contract_tile(const az_contract *c, const az_target *target, az_tile *tile)
{
	az_dot_form form = az_contract_form(target, c);
	uint32_t lanes = pick_lanes(c, target, form), parts = az_form_parts(form);
	uint32_t registers = AZ_MAX(target->vector_registers, 8u);
	if (lanes == 1)
		registers =
			target->arch == AZ_ARCH_RISCV64 || target->arch == AZ_ARCH_ARM ? 20 : 16;
	candidate t = pick(c, form, registers, lanes);
	if (target->compact)
		t = pick_compact(c, t, lanes, parts);
	int64_t dots = t.h * t.w * t.nr * parts;
	int64_t granules = az_contract_granules(c, az_form_granule(form));
	int64_t uk = 1;
	for (int64_t k = 2; k <= 4; k++)
		if (dots * k <= DOTS_MAX && granules % k == 0)
			uk = k;
	if (uk == 1 && granules >= 6 && dots * 2 <= DOTS_MAX)
		uk = 2;
	if (target->compact)
		uk = 1;
	*tile = (az_tile){.count = AZ_TILE_CONTRACT_COUNT};
	tile->v[AZ_TILE_H] = t.h;
	tile->v[AZ_TILE_W] = t.w;
	tile->v[AZ_TILE_NR] = t.nr;
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
