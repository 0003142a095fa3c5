/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed weights against one output pixel. Every weight is used once, so that what brings it to a byte counts
 * as much as its product; little of it is done. A part of a weight is masked and multiplied as it stands, and
 * parts that stand alike have a sum of their own: it is divided by what their place is worth at the end, which
 * leaves nothing over. A width of one plane keeps parts where they are in each half of a byte; of two planes,
 * each is shifted down and has one sum; of three, whole bytes take fewer operations. Nothing is subtracted from a weight: sums of activations, which all
 * outputs share, make up for zero points, and what is stored where there is no weight is 0.
 *
 * Where the dot product has pairs of 16 bits, bytes are multiplied into such pairs at once: parts of at most 15
 * cannot make them overflow. */
#include "backend/contract_sub.h"

#define PART_MAX  15 /* no part of a weight is more, wherever it stands */
#define PAIRS_MAX 4  /* 2 * 255 * PART_MAX * PAIRS_MAX fits into 16 bits */

bool az_split_fits(const az_contract *c, const az_target *target)
{
	if (c->is_float || c->x_elem.bits != 8 || c->w_elem.bits >= 8 || c->batched ||
		c->batch * c->out_h * c->out_w != 1 || target->compact ||
		c->decode.table != UINT32_MAX || az_contract_is_scaled(c) ||
		az_sub_planes_of(c->w_elem.bits).count > 2)
		return false;
	int64_t terms = c->kernel_h * c->kernel_w * c->group_in;
	if (terms > INT32_MAX / (255 * PART_MAX))
		return false;
	switch (target->dot) {
	case AZ_DOT_VNNI128:
	case AZ_DOT_VNNI256:
	case AZ_DOT_VNNI512:
	case AZ_DOT_AVX2:
	case AZ_DOT_AVX512BW:
	case AZ_DOT_NEON_DOT:
	case AZ_DOT_NEON_I8MM:
		return true;
	default:
		return false;
	}
}

/* Where in half a byte the part of step u of a plane stays. */
static uint32_t place(const az_sub_planes *planes, az_sub_plane p, int64_t u)
{
	return planes->count == 1 ? (uint32_t)(u * p.bits % 4) : 0;
}

/* Sums of one vector of outputs: by place, or by plane. */
static uint32_t sum_count(const az_sub_planes *planes)
{
	return planes->count == 1 ? 4 / planes->v[0].bits : planes->count;
}

static uint32_t sum_of(const az_sub_planes *planes, uint32_t index, int64_t u)
{
	az_sub_plane p = planes->v[index];
	return planes->count == 1 ? place(planes, p, u) / p.bits : index;
}

/* Bits that what a sum counts must move up; negative: down. */
static int32_t worth(const az_sub_planes *planes, uint32_t sum)
{
	if (planes->count == 1)
		return -(int32_t)(sum * planes->v[0].bits);
	return (int32_t)planes->v[sum].low;
}

void az_split_tile(const az_contract *c, const az_target *target, az_tile *tile)
{
	int64_t lanes = tile->v[AZ_TILE_LANES], vectors = (c->group_out + lanes - 1) / lanes;
	az_sub_planes planes = az_sub_planes_of(c->w_elem.bits);
	int64_t each = sum_count(&planes) + planes.count;
	int64_t most = ((int64_t)target->vector_registers - 5) / each;
	most = AZ_MAX(AZ_MIN(AZ_MIN(most, vectors), 8), 1);
	int64_t nr = most;
	for (int64_t n = most; n * 3 > most * 2 && vectors % nr; n--)
		nr = vectors % n ? nr : n;
	tile->v[AZ_TILE_NR] = nr;
	tile->v[AZ_TILE_UK] = 1;
	tile->v[AZ_TILE_SUMS] = AZ_SUMS_SPLIT;
}

/* --- The loop ----------------------------------------------------------------------------------------- */

/* Sums: [output][sum]. `pair` holds products of 16 bits that have not been added yet, of `pairs` steps. */
typedef struct split {
	az_sub_turn turn;
	const az_patch *patch;
	LLVMValueRef acc[AZ_CARRIED_MAX], pair[AZ_CARRIED_MAX];
	uint32_t sums, count, pairs[AZ_CARRIED_MAX];
} split;

static const char *pairs_name(uint32_t lanes)
{
	return lanes == 16  ? "llvm.x86.avx512.pmaddubs.w.512"
	       : lanes == 8 ? "llvm.x86.avx2.pmadd.ub.sw"
			    : "llvm.x86.ssse3.pmadd.ub.sw.128";
}

/* Adds the pairs that wait for sum i. */
static void add_pairs(split *s, uint32_t i)
{
	az_dot_kit *kit = &s->turn.code->kit;
	if (!s->pair[i])
		return;
	LLVMTypeRef type = LLVMTypeOf(s->pair[i]);
	az_dot_operand x = {{s->pair[i], NULL}}, ones = {{az_int(kit->e, type, 1), NULL}};
	az_dot_step(kit, &s->acc[i], x, ones);
	s->pair[i] = NULL;
	s->pairs[i] = 0;
}

static void multiply(split *s, uint32_t i, LLVMValueRef x, LLVMValueRef w)
{
	az_dot_kit *kit = &s->turn.code->kit;
	az_emitter *e = kit->e;
	if (kit->form != AZ_FORM_PMADDWD) {
		az_dot_operand a = {{x, NULL}}, b = {{w, NULL}};
		az_dot_step(kit, &s->acc[i], a, b);
		return;
	}
	LLVMValueRef args[2] = {kit->x_signed ? w : x, kit->x_signed ? x : w};
	LLVMValueRef pair = az_intrinsic(e, pairs_name(kit->lanes), NULL, 0, args, 2);
	s->pair[i] = s->pair[i] ? LLVMBuildAdd(e->b, s->pair[i], pair, "") : pair;
	if (++s->pairs[i] == PAIRS_MAX)
		add_pairs(s, i);
}

/* Four bytes of activations for every output. */
static LLVMValueRef input(split *s, LLVMValueRef first, int64_t u)
{
	az_contract_code *code = s->turn.code;
	az_emitter *e = code->e;
	LLVMValueRef at = az_sub_input(code, s->patch, first, u);
	if (code->kit.form != AZ_FORM_PMADDWD)
		return az_dot_broadcast(&code->kit, at).v[0];
	LLVMValueRef x = az_splat(e, az_load(e, e->i32, at, 1), code->kit.lanes);
	return LLVMBuildBitCast(e->b, x, az_vec_type(e->i8, code->kit.lanes * 4), "");
}

static void emit_turn(split *s, LLVMValueRef first)
{
	const az_sub_planes *planes = s->turn.planes;
	for (int64_t u = 0; u < s->turn.steps; u++) {
		LLVMValueRef x = input(s, first, u);
		for (uint32_t i = 0; i < planes->count; i++) {
			uint32_t bits = planes->v[i].bits, to = place(planes, planes->v[i], u);
			uint32_t sum = sum_of(planes, i, u);
			for (uint32_t j = 0; j < s->turn.vectors; j++) {
				LLVMValueRef w = az_sub_load(&s->turn, i, u, j);
				w = az_sub_field(s->turn.code->e, w, (uint32_t)(u * bits % 8),
					(az_sub_plane){bits, to});
				multiply(s, j * s->sums + sum, x, w);
			}
		}
	}
	for (uint32_t i = 0; i < s->count; i++)
		add_pairs(s, i);
}

static void all_turns(split *s)
{
	az_contract_code *code = s->turn.code;
	az_emitter *e = code->e;
	const az_sub_planes *planes = s->turn.planes;
	int64_t period = planes->period, steps = az_sub_step_count(code->c, code->kit.granule);
	int64_t whole = steps / period, vector = (int64_t)code->kit.lanes * code->kit.granule;
	int64_t bytes = az_sub_turn_vectors(planes, period) * s->turn.vectors * vector;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, s->count, s->acc);
		for (uint32_t i = 0; i < s->count; i++)
			s->acc[i] = loop.carried[i];
		s->turn.at = az_at(e, s->patch->w, az_mul(e, loop.i, bytes));
		s->turn.steps = period;
		emit_turn(s, az_mul(e, loop.i, period));
		az_loop_end(e, &loop, s->acc);
		for (uint32_t i = 0; i < s->count; i++)
			s->acc[i] = loop.carried[i];
	}
	s->turn.at = az_at_const(e, s->patch->w, whole * bytes);
	s->turn.steps = steps % period;
	emit_turn(s, az_index(e, whole * period));
}

void az_split_steps(az_contract_code *code, const az_patch *p, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	az_sub_planes planes = az_sub_planes_of(code->c->w_elem.bits);
	/* Bits of bipolar weights are worth 2, of which sums of activations take 1. */
	int32_t twice = code->c->w_elem.kind == AZ_KIND_BIPOLAR;
	split s = {.turn = {code, &planes, p->w, planes.period, p->vectors}, .patch = p};
	s.sums = sum_count(&planes);
	s.count = s.sums * p->vectors;
	for (uint32_t i = 0; i < s.count; i++)
		s.acc[i] = az_dot_zero(&code->kit);
	az_sub_offsets(code);
	all_turns(&s);
	for (uint32_t i = 0; i < s.count; i++) {
		int32_t up = worth(&planes, i % s.sums) + twice;
		LLVMValueRef x = s.acc[i], by = az_int(e, LLVMTypeOf(x), up < 0 ? -up : up);
		if (up)
			x = up < 0 ? LLVMBuildAShr(e->b, x, by, "") : LLVMBuildShl(e->b, x, by, "");
		acc[i / s.sums] = LLVMBuildAdd(e->b, acc[i / s.sums], x, "");
	}
}
