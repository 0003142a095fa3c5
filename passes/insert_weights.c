/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights as dequantized integers.
 *
 *   %c = conv %x, @w        %d = dequantize @w.q, @w.scale, axis = 0                    one scale per channel
 *                           %d = dequantize @w.q, @w.scale, axis = 3, group = 32        per 32 input channels
 *                           %l = lookup @w.q, @w.table                                  odd grid, codebook
 *                           %d = dequantize %l, @w.scale, axis = 0
 *                           %c = conv %x, %d
 *
 * Weights that share a scale are a block; blocks are fitted one by one. Signed integers have no zero point;
 * above 4 bits their lowest number is left out, and ternary is i2 without it. Unsigned ones have a zero
 * point; one bit is -1 or 1. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "passes/insert.h"
#include "passes/weight_grid.h"

/* A scale that makes anything of a few bits nothing, without being zero. */
#define NOTHING 0x1p-80f
/* Of so few the lowest number is worth its lack of symmetry. */
#define FEW_BITS 4
/* Of a step, by which a weight may miss the grid that it is said to lie on. */
#define GRID_TOLERANCE 0.01f

typedef struct weights {
	az_op *op;
	az_module *module;
	az_arena *scratch;
	const az_const *w;
	const az_type *type;
	const char *name;
	az_precision p;
	bool last; /* output channels stand last */
	int64_t count, channels;
	int64_t axis, group; /* as of dequantize; axis -1: one scale */
	int64_t blocks;
	int64_t least;  /* stored number */
	az_elem elem;   /* as stored */
	float *v;       /* [count], block by block */
	int64_t *place; /* [count], where each stands */
	int64_t *start; /* [blocks + 1] */
	float *scale;   /* [blocks] */
	int64_t *zero;  /* [blocks] */
	void *stored;
	az_codebook book;
} weights;

uint64_t az_weight_place(const az_type *type, bool last, int64_t c, int64_t i)
{
	int64_t channels = last ? type->dim[type->rank - 1] : type->dim[0];
	int64_t inner = az_type_numel(type) / channels;
	return (uint64_t)(last ? i * channels + c : c * inner + i);
}

/* The scale of the quantized operand of an operation with weights. */
static float scale_of(const az_value *x)
{
	const az_op *dq = az_def_is(x, AZ_OP_dequantize);
	return dq ? (float)az_const_get(az_value_const(dq->args[1].value), 0) : 1.0f;
}

/* --- Blocks ------------------------------------------------------------------------------------- */

static void read_form(weights *q)
{
	q->last = q->op->code == AZ_OP_matmul;
	int64_t channel_axis = q->last ? q->type->rank - 1 : 0;
	int64_t input_axis = q->last ? 0 : q->type->rank - 1;
	q->count = az_type_numel(q->type);
	q->channels = q->type->dim[channel_axis];
	q->axis = channel_axis;
	if (q->p.granularity == AZ_PER_TENSOR)
		q->axis = -1;
	if (q->p.granularity == AZ_PER_GROUP && q->type->dim[input_axis] > q->p.group) {
		q->axis = input_axis;
		q->group = q->p.group;
	}
	q->elem = q->p.elem;
	bool table = q->p.grid == AZ_WEIGHT_ODD || q->p.grid == AZ_WEIGHT_CODEBOOK;
	if (table)
		q->elem.kind = AZ_KIND_UINT;
	if (q->p.grid == AZ_WEIGHT_ODD && q->elem.bits == 1)
		q->elem.kind = AZ_KIND_BIPOLAR;
	bool lowest = q->elem.kind != AZ_KIND_INT || (q->elem.bits <= FEW_BITS && !q->p.ternary);
	q->least = lowest ? az_elem_min(q->elem) : -az_elem_max(q->elem);
}

/* The shape of the scales. */
static const az_type *scale_type(const weights *q)
{
	int64_t dim[AZ_RANK_MAX];
	if (q->axis < 0)
		return az_type_get(q->module->ctx, AZ_F32, 0, NULL);
	if (!q->group)
		return az_type_get(q->module->ctx, AZ_F32, 1, &q->type->dim[q->axis]);
	memcpy(dim, q->type->dim, q->type->rank * sizeof *dim);
	dim[q->axis] = (dim[q->axis] + q->group - 1) / q->group;
	return az_type_get(q->module->ctx, AZ_F32, q->type->rank, dim);
}

static int64_t block_of(const weights *q, int64_t i)
{
	if (q->axis < 0)
		return 0;
	int64_t inner = 1, length = q->type->dim[q->axis];
	for (uint32_t d = (uint32_t)q->axis + 1; d < q->type->rank; d++)
		inner *= q->type->dim[d];
	int64_t at = i / inner % length;
	if (!q->group)
		return at;
	int64_t groups = (length + q->group - 1) / q->group;
	return (i / inner / length * groups + at / q->group) * inner + i % inner;
}

/* Sorts the weights by block. */
static void make_blocks(weights *q)
{
	az_arena *arena = q->scratch;
	q->blocks = az_type_numel(scale_type(q));
	q->v = az_new_array(arena, float, (size_t)q->count + 1);
	q->place = az_new_array(arena, int64_t, (size_t)q->count + 1);
	q->start = az_new_array(arena, int64_t, (size_t)q->blocks + 2);
	q->scale = az_new_array(&q->module->arena, float, (size_t)q->blocks);
	q->zero = az_new_array(arena, int64_t, (size_t)q->blocks);
	for (int64_t i = 0; i < q->count; i++)
		q->start[block_of(q, i) + 2]++;
	for (int64_t b = 0; b < q->blocks; b++)
		q->start[b + 2] += q->start[b + 1];
	for (int64_t i = 0; i < q->count; i++) {
		int64_t at = q->start[block_of(q, i) + 1]++;
		float v = (float)az_const_get(q->w, (uint64_t)i);
		q->v[at] = isfinite(v) ? v : 0.0f;
		q->place[at] = i;
	}
}

/* --- Fitting ------------------------------------------------------------------------------------ */

static float bipolar_scale(const float *w, int64_t count)
{
	double sum = 0;
	for (int64_t i = 0; i < count; i++)
		sum += (double)fabsf(w[i]);
	float mean = (float)(sum / (double)AZ_MAX(count, 1));
	return mean >= NOTHING && isfinite(mean) ? mean : NOTHING;
}

static void fit_block(weights *q, int64_t b)
{
	const float *w = q->v + q->start[b];
	int64_t count = q->start[b + 1] - q->start[b], most = az_elem_max(q->elem);
	if (q->p.grid == AZ_WEIGHT_ODD)
		q->scale[b] = q->elem.kind == AZ_KIND_BIPOLAR
				      ? bipolar_scale(w, count)
				      : az_odd_scale(w, count, q->elem.bits);
	else if (q->elem.kind == AZ_KIND_BIPOLAR)
		q->scale[b] = bipolar_scale(w, count);
	else if (q->elem.kind == AZ_KIND_UINT)
		q->scale[b] = az_weight_affine(w, count, most, &q->zero[b]);
	else if (q->p.grid == AZ_WEIGHT_POWER)
		q->scale[b] = az_power_scale(w, count, most);
	else
		q->scale[b] = az_weight_scale(w, count, q->least, most);
	if (q->p.grid == AZ_WEIGHT_POWER && q->elem.kind == AZ_KIND_BIPOLAR)
		q->scale[b] = ldexpf(1.0f, (int)rintf(log2f(q->scale[b])));
}

static uint64_t stored_one(const weights *q, float v, int64_t b)
{
	int64_t most = az_elem_max(q->elem);
	if (q->elem.kind == AZ_KIND_BIPOLAR)
		return v >= 0;
	if (q->p.grid == AZ_WEIGHT_ODD)
		return az_odd_nearest(v, q->scale[b], q->elem.bits);
	if (q->p.grid == AZ_WEIGHT_CODEBOOK)
		return az_codebook_nearest(&q->book, v, q->scale[b]);
	return (uint64_t)az_quantize_one(v, q->scale[b], q->zero[b], q->least, most);
}

/* What a stored number stands for, in scales. */
static int64_t meant(const weights *q, uint64_t k, int64_t b)
{
	if (q->elem.kind == AZ_KIND_BIPOLAR)
		return k ? 1 : -1;
	if (q->p.grid == AZ_WEIGHT_ODD)
		return 2 * (int64_t)k - ((INT64_C(1) << q->elem.bits) - 1);
	if (q->p.grid == AZ_WEIGHT_CODEBOOK)
		return q->book.v[k];
	return (int64_t)k - q->zero[b];
}

/* Is the grid that the constant names one of those asked for? */
static bool grid_fits(const weights *q, const az_quant *grid)
{
	bool odd = q->p.grid == AZ_WEIGHT_ODD && q->elem.kind != AZ_KIND_BIPOLAR;
	bool book = q->p.grid == AZ_WEIGHT_CODEBOOK;
	int exponent;
	for (uint32_t b = 0; b < grid->count; b++) {
		float part = frexpf(grid->scale[b], &exponent);
		if (q->p.grid == AZ_WEIGHT_POWER ? part != 0.5f : !(part > 0))
			return false;
	}
	for (uint32_t k = 0; k < grid->table_count; k++) {
		if (grid->table[k] < -127 || grid->table[k] > 127)
			return false;
	}
	return grid->grid == (odd           ? AZ_GRID_ODD
				     : book ? AZ_GRID_CODEBOOK
					    : AZ_GRID_AFFINE) &&
	       grid->count == q->blocks && grid->axis == q->axis && grid->group == q->group &&
	       (!grid->zero || q->elem.kind == AZ_KIND_UINT) &&
	       grid->table_count == (book ? 1u << q->elem.bits : 0u);
}

/* Takes the grid that round-weights left with the constant, if all weights lie on it within the numbers that
 * can be stored. */
static bool take_grid(weights *q)
{
	const az_quant *grid = q->w->value.quant;
	if (!grid || !grid_fits(q, grid))
		return false;
	q->book = (az_codebook){.count = grid->table_count};
	for (uint32_t k = 0; k < grid->table_count; k++)
		q->book.v[k] = grid->table[k];
	bool lies = true;
	for (int64_t b = 0; b < q->blocks; b++) {
		q->scale[b] = grid->scale[b];
		q->zero[b] = grid->zero ? grid->zero[b] : 0;
		for (int64_t i = q->start[b]; i < q->start[b + 1]; i++) {
			float v = (float)meant(q, stored_one(q, q->v[i], b), b) * q->scale[b];
			lies &= fabsf(q->v[i] - v) <= GRID_TOLERANCE * q->scale[b];
		}
	}
	for (int64_t b = 0; b < q->blocks && !lies; b++)
		q->zero[b] = 0;
	return lies;
}

static void fit(weights *q)
{
	if (take_grid(q))
		return;
	if (q->p.grid == AZ_WEIGHT_CODEBOOK) {
		az_codebook_fit(q->v, q->blocks, q->count / AZ_MAX(q->blocks, 1), q->elem.bits, 127,
			q->scratch, &q->book);
		memcpy(q->scale, q->book.scale, (size_t)q->blocks * sizeof *q->scale);
		return;
	}
	for (int64_t b = 0; b < q->blocks; b++)
		fit_block(q, b);
}

/* Raises scales where a bias would need more than 2^30 steps. */
static void bear_bias(weights *q)
{
	const az_value *bias = az_op_arg(q->op, 2);
	if (!bias || q->group)
		return;
	float sx = scale_of(q->op->args[0].value);
	for (int64_t c = 0; c < q->channels; c++) {
		float b = fabsf((float)az_const_get(az_value_const(bias), (uint64_t)c));
		float least = b / (sx * 0x1p30f), *scale = &q->scale[q->axis < 0 ? 0 : c];
		if (q->p.grid == AZ_WEIGHT_POWER && least > *scale)
			least = ldexpf(1.0f, (int)ceilf(log2f(least)));
		if (isfinite(least))
			*scale = fmaxf(*scale, least);
	}
}

static void store(weights *q)
{
	const az_type *type = az_type_with_elem(q->module->ctx, q->type, q->elem);
	q->stored = az_arena_alloc(&q->module->arena, az_type_size(type), 64);
	for (int64_t b = 0; b < q->blocks; b++) {
		for (int64_t i = q->start[b]; i < q->start[b + 1]; i++)
			az_bits_set(q->stored, (uint64_t)q->place[i], q->elem.bits,
				stored_one(q, q->v[i], b));
	}
}

/* --- Into the graph ----------------------------------------------------------------------------- */

static const char *part_name(const weights *q, const char *part)
{
	return az_arena_printf(q->scratch, "%s.%s", q->name, part);
}

/* What k stands for; NULL where stored numbers stand for themselves. */
static az_value *table_const(const weights *q)
{
	bool odd = q->p.grid == AZ_WEIGHT_ODD && q->elem.kind != AZ_KIND_BIPOLAR;
	if (!odd && q->p.grid != AZ_WEIGHT_CODEBOOK)
		return NULL;
	int64_t count = INT64_C(1) << q->elem.bits;
	az_elem elem = odd && q->elem.bits == 8 ? AZ_I16 : AZ_I8;
	unsigned char *data = az_arena_alloc(&q->module->arena, (size_t)count * 2, 64);
	for (int64_t k = 0; k < count; k++)
		az_bits_set(data, (uint64_t)k, elem.bits,
			(uint64_t)(odd ? 2 * k - (count - 1) : q->book.v[k]));
	const az_type *type = az_type_get(q->module->ctx, elem, 1, &count);
	return &az_const_new(q->module, part_name(q, "table"), type, data, true)->value;
}

static const az_quant *meaning(const weights *q, az_name name, const int32_t *zero)
{
	bool odd = q->p.grid == AZ_WEIGHT_ODD && q->elem.kind != AZ_KIND_BIPOLAR;
	bool book = q->p.grid == AZ_WEIGHT_CODEBOOK;
	if (q->blocks == 1 && q->axis < 0 && !odd && !book)
		return az_quant_scalar(q->module, q->scale[0], zero ? zero[0] : 0);
	az_quant quant = {.name = name,
		.grid = odd    ? AZ_GRID_ODD
			: book ? AZ_GRID_CODEBOOK
			       : AZ_GRID_AFFINE,
		.count = (uint32_t)q->blocks,
		.axis = (int16_t)q->axis,
		.group = (int32_t)q->group,
		.scale = q->scale,
		.zero = zero,
		.table_count = book ? q->book.count : 0,
		.table = book ? q->book.v : NULL};
	return az_quant_get(q->module, &quant);
}

static az_value *zero_const(const weights *q, const az_type *scale, const int32_t *zero)
{
	const az_type *type = az_type_with_elem(q->module->ctx, scale, q->elem);
	void *data = az_arena_alloc(&q->module->arena, az_type_size(type) + 8, 64);
	for (int64_t b = 0; b < q->blocks; b++)
		az_bits_set(data, (uint64_t)b, q->elem.bits, (uint64_t)zero[b]);
	return &az_const_new(q->module, part_name(q, "zero"), type, data, true)->value;
}

static bool replace(weights *q)
{
	az_builder at = az_before(q->op);
	const az_type *stored = az_type_with_elem(q->module->ctx, q->type, q->elem);
	const az_type *type = scale_type(q);
	int32_t *zero = NULL;
	for (int64_t b = 0; b < q->blocks; b++) {
		if (q->zero[b] && !zero)
			zero = az_new_array(q->scratch, int32_t, (size_t)q->blocks);
	}
	for (int64_t b = 0; zero && b < q->blocks; b++)
		zero[b] = (int32_t)q->zero[b];
	az_const *k = az_const_new(q->module, part_name(q, "q"), stored, q->stored, true);
	k->value.quant = meaning(q, k->value.name, zero);
	az_value *table = table_const(q), *args[3] = {&k->value, table, NULL};
	if (table && !(args[0] = az_build(&at, AZ_OP_lookup, 2, args, NULL, AZ_ELEM_NONE)))
		return false;
	args[1] = &az_const_new(q->module, part_name(q, "scale"), type, q->scale, true)->value;
	if (zero)
		args[2] = zero_const(q, type, zero);
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = q->axis;
	attrs.dequantize.group = q->group;
	az_value *dq = az_build(&at, AZ_OP_dequantize, zero ? 3 : 2, args, &attrs, AZ_F32);
	if (dq)
		az_op_set_arg(q->op, 1, dq);
	return dq != NULL;
}

/* The scale and zero point of weights that are multiples of one step, not more apart than the type
 * holds; false when they are no such multiples, or need no zero point. */
static bool whole_grid(weights *q)
{
	int64_t span = az_elem_max(q->elem) - az_elem_min(q->elem);
	float *v = az_new_array(q->scratch, float, (size_t)q->count + 1), least = 0, most = 0;
	for (int64_t i = 0; i < q->count; i++)
		v[i] = (float)az_const_get(q->w, (uint64_t)i);
	float scale = az_weight_step(v, q->count, span);
	if (scale == 0)
		return false;
	for (int64_t i = 0; i < q->count; i++) {
		least = fminf(least, rintf(v[i] / scale));
		most = fmaxf(most, rintf(v[i] / scale));
	}
	float end = (float)az_elem_max(q->elem);
	if ((most <= end && -least <= end) || most - least > (float)span)
		return false;
	q->axis = -1;
	q->group = 0;
	make_blocks(q);
	q->scale[0] = scale;
	q->zero[0] = az_elem_min(q->elem) - (int64_t)least;
	const az_type *type = az_type_with_elem(q->module->ctx, q->type, q->elem);
	q->stored = az_arena_alloc(&q->module->arena, az_type_size(type), 64);
	for (int64_t i = 0; i < q->count; i++)
		az_bits_set(q->stored, (uint64_t)i, q->elem.bits,
			(uint64_t)az_quantize_one(v[i], scale, q->zero[0], az_elem_min(q->elem),
				az_elem_max(q->elem)));
	return true;
}

bool az_quantize_weights(az_op *op, const az_precision *precision, bool exact, az_arena *scratch)
{
	const az_const *w = az_value_const(op->args[1].value);
	weights q = {.op = op,
		.module = op->func->module,
		.scratch = scratch,
		.w = w,
		.type = w->value.type,
		.name = az_name_generated(w->value.name) ? "w" : w->value.name,
		.p = *precision};
	if (precision->is_float || az_type_numel(q.type) == 0)
		return true;
	read_form(&q);
	bool plain = q.p.grid == AZ_WEIGHT_AFFINE && q.elem.kind == AZ_KIND_INT;
	if (exact && plain && whole_grid(&q))
		return replace(&q);
	make_blocks(&q);
	fit(&q);
	bear_bias(&q);
	store(&q);
	return replace(&q);
}
