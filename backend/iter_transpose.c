/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies whose source runs along another dimension than the result: transposes. Both are touched in whole
 * vectors, rearranged in registers: a few rows are interleaved (an image's planes becoming pixels), many are
 * transposed in square blocks of one 16-byte vector per row. The ragged edges are copied one by one. */
#include "backend/iter_transpose.h"

#define ROWS_MAX    8  /* rows that are interleaved as they are */
#define BLOCK_BYTES 16 /* unpacking two such vectors is one instruction everywhere */
#define LANES_MAX   64

typedef struct turn {
	az_view from, to;
	LLVMTypeRef type; /* of an element, as an integer */
	uint32_t bytes;
	uint32_t across;      /* dimension along which the source runs */
	uint32_t rows, lanes; /* of a block: along the last dimension, along `across` */
} turn;

static LLVMValueRef shuffle(az_emitter *e, LLVMValueRef a, LLVMValueRef b, const uint32_t *index,
	uint32_t n)
{
	LLVMValueRef mask[LANES_MAX];
	for (uint32_t i = 0; i < n; i++)
		mask[i] = LLVMConstInt(e->i32, index[i], 0);
	return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(mask, n), "");
}

/* Rows to columns by halving: each step interleaves row i with row i + rows / 2. rows = lanes = 2^k, or fewer
 * rows, which then come out one behind the other as one long interleaved run. */
static void interleave(az_emitter *e, LLVMValueRef *v, uint32_t rows, uint32_t lanes)
{
	for (uint32_t step = 1; step < rows; step *= 2) {
		LLVMValueRef next[LANES_MAX];
		for (uint32_t i = 0; i < rows / 2; i++) {
			uint32_t low[LANES_MAX], high[LANES_MAX];
			for (uint32_t k = 0; k < lanes / 2; k++) {
				low[2 * k] = k;
				low[2 * k + 1] = lanes + k;
				high[2 * k] = lanes / 2 + k;
				high[2 * k + 1] = lanes + lanes / 2 + k;
			}
			next[2 * i] = shuffle(e, v[i], v[i + rows / 2], low, lanes);
			next[2 * i + 1] = shuffle(e, v[i], v[i + rows / 2], high, lanes);
		}
		for (uint32_t i = 0; i < rows; i++)
			v[i] = next[i];
	}
}

/* Any number of rows: result vector j, lane k is element j * lanes + k of the run r0[0] r1[0] ... r0[1] ... */
static void interleave_any(az_emitter *e, LLVMValueRef *v, uint32_t rows, uint32_t lanes)
{
	LLVMValueRef out[ROWS_MAX];
	for (uint32_t j = 0; j < rows; j++) {
		out[j] = v[0];
		for (uint32_t r = 0; r < rows; r++) {
			uint32_t index[LANES_MAX];
			for (uint32_t k = 0; k < lanes; k++) {
				uint32_t t = j * lanes + k;
				bool mine = t % rows == r;
				/* The first shuffle places its own lanes, later ones keep what is placed. */
				index[k] = r == 0 ? (mine ? t / rows : 0)
					   : mine ? lanes + t / rows
						  : k;
			}
			out[j] = shuffle(e, out[j], r == 0 ? LLVMGetPoison(LLVMTypeOf(v[0])) : v[r],
				index, lanes);
		}
	}
	for (uint32_t j = 0; j < rows; j++)
		v[j] = out[j];
}

/* One block whose first element is at `place`. */
static void block(az_emitter *e, const turn *t, const az_place *place)
{
	LLVMValueRef v[LANES_MAX];
	uint32_t last = place->rank - 1;
	LLVMValueRef from = az_view_at(e, &t->from, place), to = az_view_at(e, &t->to, place);
	LLVMTypeRef row = az_vec_type(t->type, t->lanes);
	for (uint32_t r = 0; r < t->rows; r++) {
		int64_t offset = r * t->from.stride[last] * t->bytes;
		v[r] = az_load(e, row, az_at_const(e, from, offset), t->bytes);
	}
	bool power = (t->rows & (t->rows - 1)) == 0;
	if (power)
		interleave(e, v, t->rows, t->lanes);
	else
		interleave_any(e, v, t->rows, t->lanes);
	/* Fewer rows than lanes: the run goes on where the vector ends. */
	int64_t step = t->rows == t->lanes ? t->to.stride[t->across] : (int64_t)t->lanes;
	for (uint32_t r = 0; r < t->rows; r++)
		az_store(e, v[r], az_at_const(e, to, r * step * t->bytes), t->bytes);
}

static void blocks(az_emitter *e, const turn *t, uint32_t rank, const int64_t *size)
{
	az_loop loops[AZ_ITER_RANK];
	az_place place = {.rank = rank};
	for (uint32_t d = 0; d < rank; d++) {
		int64_t step = d == t->across ? t->lanes : d + 1 == rank ? t->rows : 1;
		az_loop_begin(e, &loops[d], az_index(e, 0), az_index(e, size[d]), step, 0, NULL);
		place.index[d] = loops[d].i;
	}
	block(e, t, &place);
	for (uint32_t d = rank; d-- > 0;)
		az_loop_end(e, &loops[d], NULL);
}

/* The size of a block for this copy; false when it is none. */
static bool choose(const az_emitter *e, turn *t, uint32_t rank, const int64_t *size)
{
	uint32_t last = rank - 1;
	t->across = rank;
	for (uint32_t d = 0; d < last; d++) {
		if (t->from.stride[d] == 1 && size[d] > 1)
			t->across = d;
	}
	if (t->across == rank || t->to.stride[last] != 1 || t->from.stride[last] <= 1)
		return false;
	uint32_t vector = e->target->vector_bytes / t->bytes;
	bool run = t->to.stride[t->across] == size[last];
	if (size[last] <= ROWS_MAX && run && vector >= 2 && vector <= LANES_MAX) {
		t->rows = (uint32_t)size[last];
		t->lanes = vector;
		/* So many rows as lanes would be a square block. */
		return t->rows != t->lanes && size[t->across] >= vector;
	}
	t->rows = t->lanes = BLOCK_BYTES / t->bytes;
	return e->target->vector_bytes >= BLOCK_BYTES && size[last] >= t->rows &&
	       size[t->across] >= t->lanes;
}

bool az_copy_turned(az_emitter *e, const az_view *from, const az_view *to, uint32_t rank,
	const int64_t *size, bool *done)
{
	turn t = {.from = *from, .to = *to, .bytes = to->elem.bits / 8u};
	*done = false;
	if (rank < 2 || !choose(e, &t, rank, size))
		return true;
	*done = true;
	t.type = LLVMIntTypeInContext(e->llvm, to->elem.bits);
	uint32_t last = rank - 1;
	int64_t whole[AZ_ITER_RANK], rest[AZ_ITER_RANK];
	for (uint32_t d = 0; d < rank; d++)
		whole[d] = rest[d] = size[d];
	whole[t.across] = size[t.across] / t.lanes * t.lanes;
	whole[last] = size[last] / t.rows * t.rows;
	blocks(e, &t, rank, whole);
	/* What is left behind along `across`, then along the last dimension. */
	az_view from_rest = *from, to_rest = *to;
	from_rest.offset += whole[t.across];
	to_rest.offset += whole[t.across] * to->stride[t.across];
	rest[t.across] = size[t.across] - whole[t.across];
	if (rest[t.across] && !az_copy_plain(e, from_rest, to_rest, rank, rest))
		return false;
	from_rest = *from, to_rest = *to;
	from_rest.offset += whole[last] * from->stride[last];
	to_rest.offset += whole[last];
	rest[t.across] = whole[t.across];
	rest[last] = size[last] - whole[last];
	return !rest[last] || az_copy_plain(e, from_rest, to_rest, rank, rest);
}
