/* SPDX-License-Identifier: Apache-2.0
 *
 * One rectangle of output pixels by one block of channels: accumulators start from the bias, run over
 * kernel rows, taps and granules as loop-carried registers, and end in the epilogue. */
#include "backend/contract.h"

#include <assert.h>

int64_t az_contract_granules(const az_contract *c, uint32_t granule)
{
	return (c->run + granule - 1) / granule;
}

int64_t az_contract_block_bytes(const az_contract *c, uint32_t granule, uint32_t lanes,
	uint32_t elem_bytes, int64_t vectors)
{
	if (az_contract_is_scaled(c))
		return az_scaled_block_bytes(c, granule, lanes, elem_bytes, vectors);
	if (az_contract_is_wide(c))
		return az_wide_channel_bytes(c) * vectors * lanes;
	if (az_contract_is_sub(c))
		return az_sub_block_bytes(c, granule, lanes, vectors);
	return c->kernel_h * c->taps * az_contract_granules(c, granule) * vectors * lanes *
	       granule * elem_bytes;
}

/* Bytes from the input of one output pixel to that of another. */
static int64_t pixel_bytes(const az_contract_code *code, int64_t row, int64_t column)
{
	const az_contract *c = code->c;
	return (row * c->stride_h * c->width + column * c->stride_w) * c->channels *
	       code->kit.elem_bytes;
}

void az_contract_step(az_contract_code *code, const az_patch *p, LLVMValueRef x,
	const az_dot_operand *weight, LLVMValueRef *acc)
{
	az_dot_kit *kit = &code->kit;
	for (uint32_t m = 0; m < p->h * p->w_pixels; m++) {
		int64_t offset = pixel_bytes(code, m / p->w_pixels, m % p->w_pixels);
		az_dot_operand pixel = az_dot_broadcast(kit, az_at_const(kit->e, x, offset));
		for (uint32_t j = 0; j < p->vectors; j++)
			az_dot_step(kit, &acc[(m * p->vectors + j) * kit->parts], pixel, weight[j]);
	}
}

static void granule(az_contract_code *code, const az_patch *p, LLVMValueRef x, LLVMValueRef w,
	LLVMValueRef *acc)
{
	az_dot_kit *kit = &code->kit;
	az_dot_operand weight[16];
	for (uint32_t j = 0; j < p->vectors; j++) {
		weight[j] = az_dot_weights(kit, az_at_const(kit->e, w, j * code->w_vector));
		if (code->rest[j])
			weight[j].v[0] = LLVMBuildAdd(kit->e->b, weight[j].v[0], code->rest[j], "");
	}
	az_contract_step(code, p, x, weight, acc);
}

/* The granules of one run. */
static void run_loop(az_contract_code *code, const az_patch *p, LLVMValueRef x, LLVMValueRef w,
	uint32_t count, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	int64_t step = code->kit.granule * code->kit.elem_bytes;
	int64_t uk = code->tile->v[AZ_TILE_UK];
	int64_t granules = az_contract_granules(code->c, code->kit.granule);
	int64_t main = granules / uk * uk;
	if (main > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, main), uk, count, acc);
		for (uint32_t i = 0; i < count; i++)
			acc[i] = loop.carried[i];
		LLVMValueRef at_x = az_at(e, x, az_mul(e, loop.i, step));
		LLVMValueRef at_w = az_at(e, w, az_mul(e, loop.i, code->w_step));
		for (int64_t u = 0; u < uk; u++)
			granule(code, p, az_at_const(e, at_x, u * step),
				az_at_const(e, at_w, u * code->w_step), acc);
		az_loop_end(e, &loop, acc);
		for (uint32_t i = 0; i < count; i++)
			acc[i] = loop.carried[i];
	}
	for (int64_t k = main; k < granules; k++)
		granule(code, p, az_at_const(e, x, k * step), az_at_const(e, w, k * code->w_step),
			acc);
}

static void taps_loop(az_contract_code *code, const az_patch *p, LLVMValueRef x, LLVMValueRef w,
	uint32_t count, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	int64_t granules = az_contract_granules(c, code->kit.granule);
	int64_t x_tap = c->dilation_w * c->channels * code->kit.elem_bytes;
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, c->taps), 1, count, acc);
	for (uint32_t i = 0; i < count; i++)
		acc[i] = loop.carried[i];
	LLVMValueRef at_x = az_at(e, x, az_mul(e, loop.i, x_tap));
	LLVMValueRef at_w = az_at(e, w, az_mul(e, loop.i, granules * code->w_step));
	run_loop(code, p, at_x, at_w, count, acc);
	az_loop_end(e, &loop, acc);
	for (uint32_t i = 0; i < count; i++)
		acc[i] = loop.carried[i];
}

static void rows_loop(az_contract_code *code, const az_patch *p, uint32_t count, LLVMValueRef *acc)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	int64_t granules = az_contract_granules(c, code->kit.granule);
	int64_t x_row = c->dilation_h * c->width * c->channels * code->kit.elem_bytes;
	az_loop loop;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, c->kernel_h), 1, count, acc);
	for (uint32_t i = 0; i < count; i++)
		acc[i] = loop.carried[i];
	LLVMValueRef at_x = az_at(e, p->x, az_mul(e, loop.i, x_row));
	LLVMValueRef at_w = az_at(e, p->w, az_mul(e, loop.i, c->taps * granules * code->w_step));
	taps_loop(code, p, at_x, at_w, count, acc);
	az_loop_end(e, &loop, acc);
	for (uint32_t i = 0; i < count; i++)
		acc[i] = loop.carried[i];
}

/* Lanes of 32 bits of parameter `index`, one for each channel of vector j. */
static LLVMValueRef load_channels(az_contract_code *code, const az_patch *p, uint32_t index,
	uint32_t j)
{
	LLVMValueRef at = az_at(code->e, code->params[index], az_mul(code->e, p->channel, 4));
	at = az_at_const(code->e, at, (int64_t)j * code->kit.lanes * 4);
	return az_load(code->e, az_vec_type(code->e->i32, code->kit.lanes), at, 4);
}

/* For activations of 16 bits: what stored weights are more than the real ones, as the dot product takes it. */
static void load_rest(az_contract_code *code, const az_patch *p)
{
	az_emitter *e = code->e;
	const az_dot_kit *kit = &code->kit;
	int64_t each = kit->granule * 2;
	for (uint32_t j = 0; j < p->vectors; j++) {
		LLVMValueRef at =
			az_at(e, code->params[code->c->zeros], az_mul(e, p->channel, each));
		code->rest[j] = az_load(e, az_vec_type(e->i16, kit->lanes * kit->granule),
			az_at_const(e, at, (int64_t)j * kit->lanes * each), 2);
	}
}

/* The bias of vector j, or zeros. */
static LLVMValueRef load_bias(az_contract_code *code, const az_patch *p, uint32_t j)
{
	const az_contract *c = code->c;
	if (c->bias == UINT32_MAX)
		return az_dot_zero(&code->kit);
	LLVMValueRef at = az_at(code->e, code->params[c->bias], az_mul(code->e, p->channel, 4));
	at = az_at_const(code->e, at, (int64_t)j * code->kit.lanes * 4);
	return az_load(code->e, code->kit.acc_type, at, 4);
}

/* Strict floats add the bias last, as the interpreter does. */
static bool bias_last(const az_contract_code *code)
{
	return code->kit.parts > 1 ||
	       (code->c->is_float && (!code->e->fast || az_contract_is_wide(code->c)));
}

/* Ends accumulation: bias (unless it was there from the start), sums of activations. */
static void finish(az_contract_code *code, const az_patch *p, const LLVMValueRef *acc,
	LLVMValueRef *out)
{
	az_emitter *e = code->e;
	az_dot_kit *kit = &code->kit;
	for (uint32_t m = 0; m < p->h * p->w_pixels; m++) {
		LLVMValueRef sum = NULL;
		if (code->sums)
			sum = az_splat(e, az_load(e, e->i32, az_at_const(e, code->sums, m * 4), 4),
				kit->lanes);
		for (uint32_t j = 0; j < p->vectors; j++) {
			uint32_t i = m * p->vectors + j;
			LLVMValueRef x = az_dot_finish(kit, &acc[i * kit->parts]);
			if (sum && code->c->zeros != UINT32_MAX)
				x = LLVMBuildAdd(e->b, x,
					LLVMBuildMul(e->b, sum,
						load_channels(code, p, code->c->zeros, j), ""),
					"");
			else if (sum)
				x = LLVMBuildAdd(e->b, x, sum, "");
			if (code->c->bias != UINT32_MAX && bias_last(code))
				x = code->c->is_float
					    ? LLVMBuildFAdd(e->b, x, load_bias(code, p, j), "")
					    : LLVMBuildAdd(e->b, x, load_bias(code, p, j), "");
			out[i] = x;
		}
	}
}

void az_contract_steps(az_contract_code *code, const az_patch *p, uint32_t count, LLVMValueRef *acc)
{
	if (az_contract_is_wide(code->c)) {
		az_wide_steps(code, p, count, acc);
		if (az_wide_scales_last(code))
			az_wide_scale(code, p, acc);
	} else if (code->tile->v[AZ_TILE_SUMS] == AZ_SUMS_SPLIT) {
		az_split_steps(code, p, acc);
	} else if (az_contract_is_sub(code->c)) {
		az_sub_steps(code, p, count, acc);
	} else {
		rows_loop(code, p, count, acc);
	}
}

static void plain_patch(az_contract_code *code, const az_patch *p, LLVMValueRef *out)
{
	az_dot_kit *kit = &code->kit;
	uint32_t outputs = p->h * p->w_pixels * p->vectors, count = outputs * kit->parts;
	LLVMValueRef acc[AZ_CARRIED_MAX];
	assert(count <= AZ_CARRIED_MAX);
	if (code->c->zeros != UINT32_MAX && code->c->x_elem.bits == 16)
		load_rest(code, p);
	for (uint32_t j = 0; j < p->vectors; j++) {
		LLVMValueRef start = bias_last(code) ? az_dot_zero(kit) : load_bias(code, p, j);
		for (uint32_t m = 0; m < p->h * p->w_pixels; m++)
			for (uint32_t part = 0; part < kit->parts; part++)
				acc[(m * p->vectors + j) * kit->parts + part] = start;
	}
	az_contract_steps(code, p, count, acc);
	finish(code, p, acc, out);
}

void az_contract_patch(az_contract_code *code, const az_patch *p)
{
	LLVMValueRef out[AZ_CARRIED_MAX];
	if (az_contract_is_scaled(code->c))
		az_scaled_patch(code, p, out);
	else
		plain_patch(code, p, out);
	az_epilogue_begin(&code->ep, p->image, p->row, p->column, p->channel, code->kit.lanes);
	az_epilogue_patch(&code->ep, out, p->h, p->w_pixels, p->vectors, p->last_lanes);
}

/* --- Sums of activations ---------------------------------------------------------------------------- */

/* Adds the run at x into acc, whole vectors first, then the rest under a mask. */
static LLVMValueRef sum_run(az_contract_code *code, LLVMValueRef x, LLVMValueRef acc)
{
	az_emitter *e = code->e;
	az_dot_kit *kit = &code->kit;
	int64_t bytes = (int64_t)kit->lanes * kit->granule, whole = code->c->run / bytes * bytes;
	LLVMValueRef part[2] = {acc, az_dot_zero(kit)};
	az_dot_operand ones = az_dot_ones(kit);
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), bytes, kit->parts,
			part);
		for (uint32_t i = 0; i < kit->parts; i++)
			part[i] = loop.carried[i];
		az_dot_step(kit, part, az_dot_consecutive(kit, az_at(e, x, loop.i)), ones);
		az_loop_end(e, &loop, part);
		for (uint32_t i = 0; i < kit->parts; i++)
			part[i] = loop.carried[i];
	}
	int64_t rest = code->c->run - whole;
	if (rest > 0) {
		LLVMValueRef mask[64];
		for (int64_t i = 0; i < bytes; i++)
			mask[i] = LLVMConstInt(e->i8, i < rest ? 1 : 0, 0);
		LLVMValueRef w = bytes == 1 ? mask[0] : LLVMConstVector(mask, (unsigned)bytes);
		az_dot_step(kit, part, az_dot_consecutive(kit, az_at_const(e, x, whole)),
			az_dot_constant(kit, w));
	}
	return kit->parts > 1 ? LLVMBuildAdd(e->b, part[0], part[1], "") : part[0];
}

static LLVMValueRef add_lanes(az_emitter *e, LLVMValueRef x)
{
	LLVMTypeRef type = LLVMTypeOf(x);
	return az_lanes(type) == 1 ? x : az_intrinsic(e, "llvm.vector.reduce.add", &type, 1, &x, 1);
}

LLVMValueRef az_contract_sum_run(az_contract_code *code, LLVMValueRef x)
{
	return add_lanes(code->e, sum_run(code, x, az_dot_zero(&code->kit)));
}

/* The sum of what the output pixel whose window begins at x sees. */
static LLVMValueRef sum_window(az_contract_code *code, LLVMValueRef x)
{
	az_emitter *e = code->e;
	const az_contract *c = code->c;
	int64_t tap = c->dilation_w * c->channels * code->kit.elem_bytes;
	int64_t row = c->dilation_h * c->width * c->channels * code->kit.elem_bytes;
	LLVMValueRef acc = az_dot_zero(&code->kit);
	az_loop rows, taps;
	az_loop_begin(e, &rows, az_index(e, 0), az_index(e, c->kernel_h), 1, 1, &acc);
	az_loop_begin(e, &taps, az_index(e, 0), az_index(e, c->taps), 1, 1, rows.carried);
	LLVMValueRef at = az_at(e, az_at(e, x, az_mul(e, rows.i, row)), az_mul(e, taps.i, tap));
	acc = sum_run(code, at, taps.carried[0]);
	az_loop_end(e, &taps, &acc);
	az_loop_end(e, &rows, taps.carried);
	return add_lanes(e, rows.carried[0]);
}

void az_contract_sums(az_contract_code *code, const az_patch *p)
{
	az_emitter *e = code->e;
	az_loop rows, columns;
	az_loop_begin(e, &rows, az_index(e, 0), az_index(e, p->h), 1, 0, NULL);
	az_loop_begin(e, &columns, az_index(e, 0), az_index(e, p->w_pixels), 1, 0, NULL);
	LLVMValueRef x = az_at(e, p->x, az_mul(e, rows.i, pixel_bytes(code, 1, 0)));
	x = az_at(e, x, az_mul(e, columns.i, pixel_bytes(code, 0, 1)));
	LLVMValueRef d = az_int(e, e->i32, code->d);
	LLVMValueRef sum = LLVMBuildMul(e->b, sum_window(code, x), d, "");
	LLVMValueRef m = az_add(e, az_mul(e, rows.i, p->w_pixels), columns.i);
	az_store(e, sum, az_at(e, code->sums, az_mul(e, m, 4)), 4);
	az_loop_end(e, &columns, NULL);
	az_loop_end(e, &rows, NULL);
}
