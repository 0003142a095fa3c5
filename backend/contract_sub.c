/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights of fewer than 8 bits: packed as they are in memory, unpacked in registers.
 *
 * All granules of a block stand in one row of steps, whatever run and tap they belong to; where the
 * inputs of a step lie is looked up in a table of offsets. A width is a sum of planes of 4, 2 and 1 bits
 * (7 = 4 + 2 + 1). A plane of p bits holds 8 / p steps in one vector of bytes: step u in bits [u p, u p +
 * p). `period` steps, those of the thinnest plane, are one turn of the loop; what remains has code and
 * vectors of its own. Layout of a block: turns; in each turn planes from the low bits on; in each plane
 * vectors of steps; for each of them the vectors of outputs.
 *
 * Stored is w - lowest value, so that planes need no sign; unpacking takes the zero point away at once. */
#include "backend/contract_sub.h"

#define LINE_BYTES  64
#define AHEAD_BYTES 4096

typedef az_sub_plane plane;
typedef az_sub_planes planes;
typedef az_sub_turn turn;

bool az_contract_is_sub(const az_contract *c)
{
	return c->w_elem.bits < 8 || c->decode.table != UINT32_MAX;
}

az_sub_planes az_sub_planes_of(uint32_t bits)
{
	planes p = {.period = 1};
	for (uint32_t size = 8, low = 0; size; size /= 2) {
		if (!(bits & size))
			continue;
		p.v[p.count++] = (plane){size, low};
		p.period = 8 / size;
		low += size;
	}
	return p;
}

int64_t az_sub_step_count(const az_contract *c, uint32_t granule)
{
	return c->kernel_h * c->taps * az_contract_granules(c, granule);
}

/* Vectors that `steps` steps of one plane take. */
static int64_t plane_vectors(plane p, int64_t steps)
{
	return (steps * p.bits + 7) / 8;
}

int64_t az_sub_turn_vectors(const planes *p, int64_t steps)
{
	int64_t n = 0;
	for (uint32_t i = 0; i < p->count; i++)
		n += plane_vectors(p->v[i], steps);
	return n;
}

int64_t az_sub_block_bytes(const az_contract *c, uint32_t granule, uint32_t lanes, int64_t vectors)
{
	planes p = az_sub_planes_of(c->w_elem.bits);
	int64_t steps = az_sub_step_count(c, granule), turns = steps / p.period;
	int64_t n = turns * az_sub_turn_vectors(&p, p.period) +
		    az_sub_turn_vectors(&p, steps % p.period);
	return n * vectors * lanes * granule;
}

/* --- Unpacking ---------------------------------------------------------------------------------------- */

/* Shifts act on lanes of 32 bits where there are such: what comes in from the neighbour is masked away. */
LLVMValueRef az_sub_field(az_emitter *e, LLVMValueRef bytes, uint32_t shift, plane p)
{
	LLVMTypeRef type = LLVMTypeOf(bytes);
	if (p.bits == 8)
		return bytes;
	if (shift != p.low) {
		uint32_t n = az_lanes(type);
		LLVMTypeRef wide = n % 4 ? type : az_vec_type(e->i32, n / 4);
		bytes = LLVMBuildBitCast(e->b, bytes, wide, "");
		if (shift > p.low)
			bytes = LLVMBuildLShr(e->b, bytes, az_int(e, wide, shift - p.low), "");
		else
			bytes = LLVMBuildShl(e->b, bytes, az_int(e, wide, p.low - shift), "");
		bytes = LLVMBuildBitCast(e->b, bytes, type, "");
	}
	return LLVMBuildAnd(e->b, bytes, az_int(e, type, ((1 << p.bits) - 1) << p.low), "");
}

/* Stored numbers to what the dot product takes. */
static LLVMValueRef centre(az_contract_code *code, LLVMValueRef u)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	LLVMTypeRef type = LLVMTypeOf(u);
	if (c->w_elem.kind == AZ_KIND_BIPOLAR) /* 0, 1 to -1, 1 */
		return LLVMBuildSub(e->b, LLVMBuildAdd(e->b, u, u, ""), az_int(e, type, 1), "");
	int64_t offset = c->zw - az_elem_min(c->w_elem);
	return offset ? LLVMBuildSub(e->b, u, az_int(e, type, offset), "") : u;
}

LLVMValueRef az_sub_load(const turn *t, uint32_t index, int64_t step, uint32_t output)
{
	az_contract_code *code = t->code;
	int64_t before = 0, bytes = (int64_t)code->kit.lanes * code->kit.granule;
	for (uint32_t i = 0; i < index; i++)
		before += plane_vectors(t->planes->v[i], t->steps);
	before += step * t->planes->v[index].bits / 8;
	LLVMTypeRef type = az_vec_type(code->e->i8, (uint32_t)bytes);
	LLVMValueRef at = az_at_const(code->e, t->at, (before * t->vectors + output) * bytes);
	return az_load(code->e, type, at, (uint32_t)AZ_MIN(bytes, 64));
}

/* `mask`: of the weights that exist, where there is no number for those that do not; else NULL. */
static az_dot_operand weight(const turn *t, int64_t step, uint32_t output, LLVMValueRef mask)
{
	az_emitter *e = t->code->e;
	LLVMValueRef u = NULL;
	for (uint32_t i = 0; i < t->planes->count; i++) {
		plane p = t->planes->v[i];
		LLVMValueRef bytes = az_sub_load(t, i, step, output);
		LLVMValueRef part = az_sub_field(e, bytes, (uint32_t)(step * p.bits % 8), p);
		u = u ? LLVMBuildOr(e->b, u, part, "") : part;
	}
	if (t->code->c->decode.table != UINT32_MAX)
		return az_decode_entries(&t->code->decoder, &t->code->kit, u);
	u = centre(t->code, u);
	if (mask)
		u = LLVMBuildAnd(e->b, u, mask, "");
	az_dot_operand out = az_dot_constant(&t->code->kit, u);
	if (t->code->rest[output])
		out.v[0] = LLVMBuildAdd(e->b, out.v[0], t->code->rest[output], "");
	return out;
}

/* --- The loop ----------------------------------------------------------------------------------------- */

/* Where the inputs of a step lie, from those of the pixel's first one. */
static int64_t step_offset(const az_contract_code *code, int64_t step)
{
	const az_contract *c = code->c;
	int64_t granules = az_contract_granules(c, code->kit.granule);
	int64_t run = step / granules, kh = run / c->taps, tap = run % c->taps;
	int64_t pixel = kh * c->dilation_h * c->width + tap * c->dilation_w;
	return (pixel * c->channels + step % granules * code->kit.granule) * code->kit.elem_bytes;
}

static bool is_straight(const az_contract *c)
{
	return c->kernel_h * c->taps == 1;
}

void az_sub_offsets(az_contract_code *code)
{
	az_emitter *e = code->e;
	if (is_straight(code->c) || code->offsets)
		return;
	int64_t steps = az_sub_step_count(code->c, code->kit.granule);
	LLVMValueRef *v = az_new_array(&e->ctx->arena, LLVMValueRef, (size_t)steps);
	for (int64_t i = 0; i < steps; i++)
		v[i] = LLVMConstInt(e->i32, (unsigned long long)step_offset(code, i), 0);
	code->offsets = az_constant_table(e, e->i32, v, (uint64_t)steps, "offsets");
}

/* A run ends inside a granule, and no stored number means 0. */
static bool needs_masks(const az_contract_code *code)
{
	const az_contract *c = code->c;
	return c->w_elem.kind == AZ_KIND_BIPOLAR && c->decode.table == UINT32_MAX &&
	       c->run % code->kit.granule != 0;
}

/* By step: all ones in the bytes of a granule whose weights exist. */
static LLVMValueRef mask_table(az_contract_code *code, int64_t steps)
{
	az_emitter *e = code->e;
	uint32_t granule = code->kit.granule;
	LLVMTypeRef type = LLVMIntTypeInContext(e->llvm, granule * 8);
	LLVMValueRef *v = az_new_array(&e->ctx->arena, LLVMValueRef, (size_t)steps);
	int64_t granules = az_contract_granules(code->c, granule);
	for (int64_t i = 0; i < steps; i++) {
		int64_t bytes = AZ_MIN(code->c->run - i % granules * granule, (int64_t)granule);
		v[i] = LLVMConstInt(type, (UINT64_C(1) << 8 * bytes) - 1, 0);
	}
	return az_constant_table(e, type, v, (uint64_t)steps, "masks");
}

static LLVMValueRef mask_at(az_contract_code *code, LLVMValueRef first, int64_t u)
{
	az_emitter *e = code->e;
	uint32_t lanes = code->kit.lanes, granule = code->kit.granule;
	LLVMTypeRef type = LLVMIntTypeInContext(e->llvm, granule * 8);
	LLVMValueRef at = az_at(e, code->masks, az_mul(e, first, granule));
	LLVMValueRef each = az_load(e, type, az_at_const(e, at, u * granule), granule);
	return LLVMBuildBitCast(e->b, az_splat(e, each, lanes), az_vec_type(e->i8, lanes * granule),
		"");
}

LLVMValueRef az_sub_input(az_contract_code *code, const az_patch *p, LLVMValueRef first, int64_t u)
{
	az_emitter *e = code->e;
	if (!code->offsets) {
		int64_t granule = code->kit.granule * code->kit.elem_bytes;
		return az_at_const(e, az_at(e, p->x, az_mul(e, first, granule)), u * granule);
	}
	LLVMValueRef at = az_at_const(e, az_at(e, code->offsets, az_mul(e, first, 4)), u * 4);
	LLVMValueRef offset = az_load(e, e->i32, at, 4);
	return az_at(e, p->x, LLVMBuildZExt(e->b, offset, e->i64, ""));
}

static void emit_turn(az_contract_code *code, const az_patch *p, const turn *t, LLVMValueRef first,
	LLVMValueRef *acc)
{
	az_dot_operand w[16];
	for (int64_t u = 0; u < t->steps; u++) {
		LLVMValueRef mask = code->masks ? mask_at(code, first, u) : NULL;
		for (uint32_t j = 0; j < p->vectors; j++)
			w[j] = weight(t, u, j, mask);
		az_contract_step(code, p, az_sub_input(code, p, first, u), w, acc);
	}
}

/* One pixel reads every weight once, and unpacking keeps so many instructions waiting that the processor
 * looks too short a way ahead: it is told what comes. Past the end it reads nothing. */
static void prefetch(az_contract_code *code, const az_patch *p, LLVMValueRef at, int64_t bytes)
{
	az_emitter *e = code->e;
	if (p->h * p->w_pixels > 1)
		return;
	for (int64_t i = 0; i < bytes; i += LINE_BYTES) {
		LLVMValueRef args[4] = {az_at_const(e, at, i + AHEAD_BYTES), az_int(e, e->i32, 0),
			az_int(e, e->i32, 3), az_int(e, e->i32, 1)};
		az_intrinsic(e, "llvm.prefetch", &e->ptr, 1, args, 4);
	}
}

void az_sub_steps(az_contract_code *code, const az_patch *p, uint32_t count, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	planes parts = az_sub_planes_of(code->c->w_elem.bits);
	int64_t steps = az_sub_step_count(code->c, code->kit.granule), whole = steps / parts.period;
	int64_t bytes = az_sub_turn_vectors(&parts, parts.period) * p->vectors * code->kit.lanes *
			code->kit.granule;
	az_sub_offsets(code);
	if (needs_masks(code) && !code->masks)
		code->masks = mask_table(code, steps);
	turn t = {code, &parts, p->w, parts.period, p->vectors};
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, count, acc);
		for (uint32_t i = 0; i < count; i++)
			acc[i] = loop.carried[i];
		t.at = az_at(e, p->w, az_mul(e, loop.i, bytes));
		prefetch(code, p, t.at, bytes);
		emit_turn(code, p, &t, az_mul(e, loop.i, parts.period), acc);
		az_loop_end(e, &loop, acc);
		for (uint32_t i = 0; i < count; i++)
			acc[i] = loop.carried[i];
	}
	t.steps = steps % parts.period;
	t.at = az_at_const(e, p->w, whole * bytes);
	emit_turn(code, p, &t, az_index(e, whole * parts.period), acc);
}

/* --- Packing ------------------------------------------------------------------------------------------ */

/* What is stored where there is no weight, of output channel o (-1: of none): what means 0, if anything does;
 * parts of weights are multiplied as they are. */
static uint32_t padding(const az_contract *c, int64_t o, bool split)
{
	if (split || (c->w_elem.kind == AZ_KIND_BIPOLAR && !c->decode.book))
		return 0;
	uint32_t entries = 1u << c->w_elem.bits;
	for (uint32_t i = 0; c->decode.book && i < entries; i++)
		if (az_const_get_int(c->decode.book, i) == 0)
			return i;
	if (c->decode.book)
		return 0;
	/* Bytes are corrected by sums of what is there, words one by one. */
	bool own = o >= 0 && c->zero_of && c->x_elem.bits == 16;
	int64_t zero = own ? az_const_get_int(c->zero_of, (uint64_t)o) : c->zw;
	return (uint32_t)(zero - az_elem_min(c->w_elem));
}

typedef struct sub_packer {
	const az_contract *c;
	const az_const *w;
	uint32_t lanes, granule;
	bool split;
	planes planes;
	uint8_t *out;
} sub_packer;

/* The weight of input g of a step as it is stored; what lies past the end of a run counts nothing. */
static uint32_t stored(const sub_packer *p, int64_t group, int64_t o, int64_t step, uint32_t g)
{
	const az_contract *c = p->c;
	uint32_t granule = p->granule;
	int64_t granules = az_contract_granules(c, granule), run = step / granules;
	int64_t k = step % granules * granule + g, kh = run / c->taps, tap = run % c->taps;
	bool bipolar = c->w_elem.kind == AZ_KIND_BIPOLAR;
	if (o >= c->group_out || k >= c->run)
		return padding(c, o < c->group_out ? group * c->group_out + o : -1, p->split);
	int64_t kw = c->taps == 1 ? k / c->group_in : tap;
	int64_t v = az_contract_stored(c, p->w, group * c->group_out + o, kh, kw, k % c->group_in);
	return bipolar ? v > 0 : (uint32_t)(v - az_elem_min(c->w_elem));
}

/* One vector of one plane: the steps from `step` on that share it. */
static void put_plane(sub_packer *p, int64_t group, int64_t first, plane part, int64_t step,
	int64_t end)
{
	int64_t shared = AZ_MIN(8 / part.bits, end - step);
	for (uint32_t lane = 0; lane < p->lanes; lane++)
		for (uint32_t g = 0; g < p->granule; g++) {
			uint32_t byte = 0;
			for (int64_t u = 0; u < shared; u++) {
				uint32_t v = stored(p, group, first + lane, step + u, g);
				v = v >> part.low & ((1u << part.bits) - 1);
				byte |= v << (u * part.bits);
			}
			*p->out++ = (uint8_t)byte;
		}
}

static void put_turn(sub_packer *p, int64_t group, int64_t first_vector, int64_t vectors,
	int64_t step, int64_t end)
{
	for (uint32_t i = 0; i < p->planes.count; i++)
		for (int64_t s = step; s < end; s += 8 / p->planes.v[i].bits)
			for (int64_t j = 0; j < vectors; j++)
				put_plane(p, group, (first_vector + j) * p->lanes, p->planes.v[i],
					s, end);
}

uint8_t *az_sub_pack_block(const az_contract *c, const az_const *w, uint32_t lanes,
	uint32_t granule, bool split, int64_t group, int64_t first, int64_t vectors, uint8_t *out)
{
	sub_packer p = {c, w, lanes, granule, split, az_sub_planes_of(c->w_elem.bits), out};
	int64_t steps = az_sub_step_count(c, granule);
	for (int64_t s = 0; s < steps; s += p.planes.period)
		put_turn(&p, group, first, vectors, s, AZ_MIN(s + p.planes.period, steps));
	return p.out;
}

void az_sub_pack(const az_contract *c, const az_const *w, uint32_t lanes, uint32_t granule,
	int64_t nr, bool split, az_arena *arena, const void **data, size_t *size)
{
	int64_t vectors = (c->group_out + lanes - 1) / lanes;
	int64_t bytes = c->groups * az_sub_block_bytes(c, granule, lanes, vectors);
	uint8_t *out = az_arena_alloc(arena, (size_t)bytes, 64), *at = out;
	for (int64_t group = 0; group < c->groups; group++)
		for (int64_t j = 0; j < vectors; j += nr)
			at = az_sub_pack_block(c, w, lanes, granule, split, group, j,
				AZ_MIN(nr, vectors - j), at);
	*data = out;
	*size = (size_t)bytes;
}
