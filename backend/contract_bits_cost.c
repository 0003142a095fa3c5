/* SPDX-License-Identifier: Apache-2.0
 *
 * When counting ones beats unpacking the weights and multiplying, and with which tile. Costs are in issue
 * slots of the vector unit, for one vector of outputs; what an instruction costs beside another differs
 * between the targets more than between the CPUs of one. */
#include <math.h>
#include <string.h>

#include "backend/contract_bits.h"

/* Slots per 32 multiply-accumulates. */
typedef struct rates {
	double multiply; /* unpacked */
	double unpack;   /* weights of one row: nothing shares the unpacking */
	double count;    /* a pair of planes */
	double load;     /* 32 bytes of activations to be split, and each plane of them */
	double plane;
} rates;

static rates rates_of(const az_target *target, az_bits_form form)
{
	/* AMD counts in as many units as it adds; elsewhere there is one, and two for dot products. */
	bool many = strncmp(target->cpu, "znver", 5) == 0;
	switch (target->dot) {
	case AZ_DOT_VNNI512:
	case AZ_DOT_VNNI256:
	case AZ_DOT_VNNI128:
		if (form != AZ_BITS_BYTES)
			return (rates){8, 8, many ? 1.6 : 2.6, 1, 1};
		return (rates){8, 8, 5, 1, 2};
	case AZ_DOT_AVX512BW:
		return form == AZ_BITS_WORD ? (rates){32, 16, 3, 1, 2} : (rates){32, 16, 9, 1, 2};
	case AZ_DOT_AVX2:
		return (rates){32, 16, 9, 2, 3};
	case AZ_DOT_SSE2:
		return (rates){32, 16, 16, 4, 6};
	case AZ_DOT_NEON_DOT:
	case AZ_DOT_NEON_I8MM:
		return (rates){8, 16, 3, 4, 16};
	case AZ_DOT_NEON:
		if (target->arch == AZ_ARCH_ARM)
			return (rates){48, 16, 4, 24, 48};
		return (rates){48, 16, 4, 4, 16};
	case AZ_DOT_RVV:
		return (rates){96, 64, 16, 8, 8};
	case AZ_DOT_GENERIC:
		break;
	}
	return (rates){128, 96, 18, 80, 40};
}

/* Splitting the activations that one output pixel adds. */
static double split_cost(const az_bits *b, const rates *r)
{
	const az_contract *c = &b->c;
	int64_t words = b->by_column ? b->run_words
				     : az_ceil_div(c->group_in, 32) * AZ_MIN(c->stride_w, c->out_w);
	double rows = (double)c->stride_h;
	if (c->out_h == 1)
		rows = (double)c->kernel_h;
	return rows * (double)words * (r->load + r->plane * b->x_planes) + 2;
}

bool az_bits_worth(const az_contract *c, const az_target *target, const az_tile *tile)
{
	az_bits b;
	if (!az_bits_plan(c, target, tile, &b))
		return false;
	rates r = rates_of(target, b.form);
	int64_t pixels = c->batch * c->out_h * c->out_w,
		vectors = az_ceil_div(c->group_out, b.lanes);
	double unpack = r.unpack / (double)AZ_MIN(pixels, 12);
	double granules = (double)(c->kernel_h * c->taps * az_ceil_div(c->run, 4)) / 8;
	double product = granules * (double)vectors * (r.multiply + unpack);
	double pairs = b.x_planes * (b.w_planes + (c->zw ? 0.7 : 0));
	double counting = (double)b.steps * (double)vectors * pairs * r.count;
	return counting + split_cost(&b, &r) < 0.9 * product;
}

/* --- The tile ----------------------------------------------------------------------------------------- */

typedef struct candidate {
	int64_t h, w, nr;
} candidate;

typedef struct shape {
	const az_contract *c;
	uint32_t x_planes, w_planes;
	int64_t steps;
} shape;

/* Of one step of a tile: counts, never fewer than hide their latency, loads, and the loop. */
static double tile_cost(const shape *s, int64_t pixels, int64_t nr)
{
	double pairs = s->x_planes * s->w_planes;
	double counts = 1.5 * pairs * (double)AZ_MAX(pixels * nr, 6);
	double loads = (double)(pixels * s->x_planes) * (nr * s->w_planes > 1 ? 0.5 : 0.1) +
		       0.5 * (double)(nr * s->w_planes);
	return counts + loads + 1.5 + 12.0 / (double)s->steps;
}

static double block_cost(const shape *s, candidate t, int64_t nr)
{
	const az_contract *c = s->c;
	int64_t rows = c->out_h / t.h, columns = c->out_w / t.w;
	int64_t h = c->out_h % t.h, w = c->out_w % t.w;
	double sum = (double)(rows * columns) * tile_cost(s, t.h * t.w, nr);
	if (w)
		sum += (double)rows * tile_cost(s, t.h * w, nr);
	if (h)
		sum += (double)columns * tile_cost(s, h * t.w, nr);
	if (h && w)
		sum += tile_cost(s, h * w, nr);
	return sum + 0.01 * (double)t.h;
}

static double layer_cost(const shape *s, candidate t, int64_t vectors)
{
	double sum = (double)(vectors / t.nr) * block_cost(s, t, t.nr);
	return vectors % t.nr ? sum + block_cost(s, t, vectors % t.nr) : sum;
}

/* Outputs of a tile that the registers hold beside weights, a word of activations and what counting needs. */
static int64_t room_for(const az_target *target, az_bits_form form, int64_t weights)
{
	int64_t registers = AZ_MAX(target->vector_registers, 16u);
	int64_t room = registers - 4 - weights;
	if (form == AZ_BITS_DOT) /* coefficients */
		room -= 2;
	if (form == AZ_BITS_BYTES) /* masks, tables */
		room = (registers - 6 - weights) * 3 / 4;
	return AZ_MAX(room, 1);
}

void az_bits_tile(const az_contract *c, const az_target *target, az_tile *tile)
{
	uint32_t lanes = az_contract_lanes(c, AZ_MAX(target->vector_bytes / 4, 1u));
	shape s = {.c = c, .w_planes = c->w_elem.bits};
	s.x_planes = (uint32_t)tile->v[AZ_BITS_PLANES];
	s.steps = c->kernel_h * c->taps * az_ceil_div(c->run, 32);
	az_bits_form form = az_bits_form_of(target, s.x_planes * (s.w_planes + (c->zw != 0)));
	int64_t vectors = az_ceil_div(c->group_out, lanes), pixels = c->out_h * c->out_w;
	candidate best = {1, 1, 1};
	double least = INFINITY;
	for (int64_t nr = 1; nr <= AZ_MIN(vectors, pixels > 3 ? 4 : 8); nr++) {
		int64_t weights = form == AZ_BITS_BYTES ? nr : nr * s.w_planes;
		int64_t most = room_for(target, form, weights) / nr;
		for (int64_t w = 1; w <= AZ_MIN(most, c->out_w); w++)
			for (int64_t h = 1; h <= AZ_MIN(most / w, c->out_h); h++) {
				candidate t = {h, w, nr};
				double cost = layer_cost(&s, t, vectors);
				if (cost < least) {
					least = cost;
					best = t;
				}
			}
	}
	tile->v[AZ_BITS_H] = best.h;
	tile->v[AZ_BITS_W] = best.w;
	tile->v[AZ_BITS_NR] = best.nr;
	tile->v[AZ_BITS_LANES] = lanes;
}
