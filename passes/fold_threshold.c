/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of at most 4 bits: everything between an accumulator and its quantizer becomes one comparison per
 * level and channel (numerics.md 5).
 *
 *   %f = dequantize %acc, @s, axis = 1                %q = threshold %acc, @t, base = -1 : i2[..]
 *   %g = mul %f, @a
 *   %h = add %g, @b
 *   %q = quantize %h, @sy, clamp = [-1, 1] : i2[..]
 *
 * The chain may hold anything that is monotone in the accumulator and has one constant per channel or one for
 * all: then the result is a staircase, and the place of each step is found by bisection on the interpreter's
 * own function, so every rounding and every tie falls as it did. Channels on which the staircase falls flip
 * the bits of the accumulator (~a, which reverses the order and cannot overflow). */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "ir/eval/eval.h"
#include "passes/fold_quantizers.h"

typedef struct staircase {
	az_op *quantize;
	AZ_VEC(az_op *) ops; /* from the quantize up to the dequantize, included */
	az_value *acc;
	int64_t channels, levels, base, step;
	int64_t least, most;   /* what the accumulator's type holds */
	const az_type *points; /* [levels, 1, ..., channels] of the accumulator */
	az_func *func;
	az_arena *scratch;
	bool *falls;    /* by channel */
	int64_t *level; /* levels x channels */
} staircase;

/* One constant for all, or one for each place of the last dimension. */
static bool by_channel(const az_value *value, int64_t channels)
{
	const az_type *type = value->type;
	const az_const *c = az_value_const(value);
	if (!c || !az_elem_is_float(type->elem))
		return false;
	int64_t count = az_type_numel(type);
	bool fits = count == 1 || (count == channels && type->dim[type->rank - 1] == channels);
	for (int64_t i = 0; fits && i < count; i++)
		fits = isfinite(az_const_get(c, (uint64_t)i));
	return fits;
}

static bool all_at_least_zero(const az_const *c)
{
	for (int64_t i = 0; i < az_type_numel(c->value.type); i++) {
		if (az_const_get(c, (uint64_t)i) < 0)
			return false;
	}
	return true;
}

/* The operand that moves when op is monotone in it, channel by channel; -1 when it is not. */
static int monotone_operand(const az_op *op, int64_t channels)
{
	int moving = az_value_is_const(az_op_arg(op, 0)) ? 1 : 0;
	const az_value *other = az_op_arg(op, 1 - (uint32_t)moving);
	switch (op->code) {
	case AZ_OP_add:
	case AZ_OP_sub:
	case AZ_OP_mul:
	case AZ_OP_min:
	case AZ_OP_max:
		return by_channel(other, channels) ? moving : -1;
	case AZ_OP_div:
		return moving == 0 && by_channel(other, channels) ? 0 : -1;
	case AZ_OP_prelu:
		return moving == 0 && by_channel(other, channels) &&
				       all_at_least_zero(az_value_const(other))
			       ? 0
			       : -1;
	case AZ_OP_leaky_relu:
		return op->attr.leaky_relu.slope >= 0 ? 0 : -1;
	case AZ_OP_hard_sigmoid:
	case AZ_OP_relu:
	case AZ_OP_clip:
	case AZ_OP_neg:
	case AZ_OP_sign:
	case AZ_OP_floor:
	case AZ_OP_ceil:
	case AZ_OP_round:
		return 0;
	case AZ_OP_batch_norm:
		for (uint32_t i = 1; i < op->arg_count; i++) {
			if (!by_channel(op->args[i].value, channels))
				return -1;
		}
		return az_axis_normalize(op->attr.batch_norm.axis, op->results[0]->type->rank) ==
				       op->results[0]->type->rank - 1
			       ? 0
			       : -1;
	default:
		return -1;
	}
}

static bool last_axis(const az_op *op, const az_params *p)
{
	return p->axis < 0 || p->axis == op->args[0].value->type->rank - 1;
}

static bool is_accumulator(const az_value *v)
{
	az_elem elem = v->type->elem;
	const az_op *op = az_value_op(v);
	while (op && op->code == AZ_OP_reshape)
		op = az_value_op(op->args[0].value);
	bool sums = op && (op->code == AZ_OP_conv || op->code == AZ_OP_conv_transpose ||
				  op->code == AZ_OP_matmul || op->code == AZ_OP_reduce ||
				  op->code == AZ_OP_sum_pool);
	return sums && (az_elem_equal(elem, AZ_I32) || az_elem_equal(elem, AZ_I64));
}

static bool find_ops(staircase *s)
{
	az_params p;
	az_op *op = s->quantize;
	az_vec_push(s->scratch, &s->ops, op);
	for (;;) {
		int moving = s->ops.count == 1 ? 0 : monotone_operand(op, s->channels);
		az_value *v = moving < 0 ? NULL : op->args[moving].value;
		if (!v || !az_value_op(v) || !az_elem_equal(v->type->elem, AZ_F32) ||
			v->type != s->quantize->args[0].value->type)
			return false;
		op = az_value_op(v);
		az_vec_push(s->scratch, &s->ops, op);
		if (op->code == AZ_OP_dequantize)
			break;
	}
	s->acc = op->args[0].value;
	return is_accumulator(s->acc) && az_params_of(op, &p) && last_axis(op, &p);
}

/* The part of the result's range that the quantizer can reach. */
static bool read_result(staircase *s)
{
	const az_op *q = s->quantize;
	const az_type *type = q->results[0]->type;
	az_params p;
	if (!az_params_of(q, &p) || type->rank < 1 || !last_axis(q, &p) ||
		!az_elem_equal(q->args[0].value->type->elem, AZ_F32))
		return false;
	s->channels = type->dim[type->rank - 1];
	if (type->elem.kind == AZ_KIND_BIPOLAR) {
		s->base = -1;
		s->step = 2;
		s->levels = 1;
		return s->channels > 0;
	}
	if (!az_elem_is_integer(type->elem))
		return false;
	az_ints clamp = q->attr.quantize.clamp;
	s->base = clamp.count == 2 ? clamp.v[0] : az_elem_min(type->elem);
	s->levels = (clamp.count == 2 ? clamp.v[1] : az_elem_max(type->elem)) - s->base;
	s->step = 1;
	return s->channels > 0 && s->levels > 0 && s->levels <= AZ_LEVELS_MAX;
}

/* The chain alone, over `points` accumulators: its results are the quantized numbers and the float before. */
static bool build_func(staircase *s)
{
	az_module *module = s->quantize->func->module;
	az_map map = {0};
	s->func = az_func_new(module, "staircase");
	az_builder at = {s->func, NULL, AZ_LOC_NONE};
	az_map_put(s->scratch, &map, s->acc, az_func_add_param(s->func, "acc", s->points));
	az_op *last = NULL;
	for (uint32_t i = s->ops.count; i-- > 0;) {
		last = az_op_clone(&at, s->ops.v[i], &map);
		if (!last)
			return false;
	}
	az_func_add_result(s->func, "q", last->results[0]);
	az_func_add_result(s->func, "f", last->args[0].value);
	return true;
}

/* out[i] = the quantized number of accumulator a[i]; false when one is not a number on the way. */
static bool evaluate(staircase *s, const int64_t *a, int64_t *out)
{
	az_arena_mark mark = az_arena_mark_get(s->scratch);
	az_tensor in = az_tensor_new(s->scratch, s->points), results[2];
	uint64_t count = (uint64_t)(s->levels * s->channels);
	for (uint64_t i = 0; i < count; i++)
		az_bits_set(in.data, i, s->points->elem.bits, (uint64_t)a[i]);
	bool ok = az_eval_func(s->func, s->scratch, &in, results);
	for (uint64_t i = 0; ok && i < count; i++) {
		out[i] = (int64_t)az_tensor_get(&results[0], i);
		ok = !isnan(az_tensor_get(&results[1], i));
	}
	az_arena_reset(s->scratch, mark);
	return ok;
}

/* Both ends of every channel: the direction, and that no step of the chain leaves the numbers. */
static bool find_directions(staircase *s)
{
	uint64_t count = (uint64_t)(s->levels * s->channels);
	int64_t *at = az_new_array(s->scratch, int64_t, count);
	int64_t *low = az_new_array(s->scratch, int64_t, count);
	int64_t *high = az_new_array(s->scratch, int64_t, count);
	for (uint64_t i = 0; i < count; i++)
		at[i] = s->least;
	if (!evaluate(s, at, low))
		return false;
	for (uint64_t i = 0; i < count; i++)
		at[i] = s->most;
	if (!evaluate(s, at, high))
		return false;
	s->falls = az_new_array(s->scratch, bool, (size_t)s->channels);
	for (int64_t c = 0; c < s->channels; c++)
		s->falls[c] = high[c] < low[c];
	return true;
}

/* The smallest accumulator (flipped where the channel falls) from which on level k is reached. A level that
 * is never reached stands at the largest number of the type, which no accumulator takes (build_acc). */
static bool bisect(staircase *s)
{
	uint64_t count = (uint64_t)(s->levels * s->channels);
	int64_t *lo = az_new_array(s->scratch, int64_t, count);
	int64_t *hi = az_new_array(s->scratch, int64_t, count);
	int64_t *at = az_new_array(s->scratch, int64_t, count);
	int64_t *got = az_new_array(s->scratch, int64_t, count);
	for (uint64_t i = 0; i < count; i++) {
		lo[i] = s->least;
		hi[i] = s->most;
	}
	for (unsigned bit = 0; bit < s->points->elem.bits; bit++) {
		for (uint64_t i = 0; i < count; i++) {
			uint64_t span = (uint64_t)hi[i] - (uint64_t)lo[i];
			int64_t middle = (int64_t)((uint64_t)lo[i] + span / 2);
			at[i] = s->falls[i % (uint64_t)s->channels] ? ~middle : middle;
		}
		if (!evaluate(s, at, got))
			return false;
		for (uint64_t i = 0; i < count; i++) {
			int64_t middle = s->falls[i % (uint64_t)s->channels] ? ~at[i] : at[i];
			int64_t k = (int64_t)(i / (uint64_t)s->channels);
			if (lo[i] == hi[i])
				continue;
			if (got[i] >= s->base + s->step * (k + 1))
				hi[i] = middle;
			else
				lo[i] = middle + 1;
		}
	}
	s->level = hi;
	return true;
}

static az_value *levels_const(const staircase *s, const char *name)
{
	az_module *module = s->quantize->func->module;
	int64_t dim[2] = {s->levels, 1};
	for (int64_t i = 0; i < s->levels * s->channels; i++) {
		if (s->level[i] != s->level[i / s->channels * s->channels])
			dim[1] = s->channels;
	}
	const az_type *type = az_type_get(module->ctx, s->points->elem, 2, dim);
	void *data = az_arena_alloc(&module->arena, az_type_size(type), 64);
	for (int64_t i = 0; i < dim[0] * dim[1]; i++)
		az_bits_set(data, (uint64_t)i, type->elem.bits,
			(uint64_t)s->level[dim[1] == 1 ? i * s->channels : i]);
	return &az_const_new(module, name, type, data, true)->value;
}

/* All bits of the channels that fall; NULL where none does. */
static az_value *flip_const(const staircase *s, const char *name)
{
	az_module *module = s->quantize->func->module;
	const az_type *type = az_type_get(module->ctx, s->points->elem, 1, &s->channels);
	void *data = az_arena_alloc(&module->arena, az_type_size(type), 64);
	bool any = false;
	for (int64_t c = 0; c < s->channels; c++) {
		any |= s->falls[c];
		az_bits_set(data, (uint64_t)c, type->elem.bits, s->falls[c] ? UINT64_MAX : 0);
	}
	return any ? &az_const_new(module, name, type, data, true)->value : NULL;
}

static bool build(staircase *s)
{
	az_value *result = s->quantize->results[0], *layer = s->quantize->args[0].value;
	az_name name = az_name_generated(result->name) ? layer->name : result->name;
	bool named = !az_name_generated(name);
	az_value *args[3] = {s->acc};
	args[1] = levels_const(s, named ? az_arena_printf(s->scratch, "%s.levels", name) : NULL);
	args[2] = flip_const(s, named ? az_arena_printf(s->scratch, "%s.flip", name) : NULL);
	az_attrs attrs;
	az_attrs_init(AZ_OP_threshold, &attrs);
	attrs.threshold.base = s->base;
	attrs.threshold.step = s->step;
	az_builder at = az_before(s->quantize);
	at.loc = s->ops.v[s->ops.count - 1]->loc;
	az_value *made =
		az_build(&at, AZ_OP_threshold, args[2] ? 3 : 2, args, &attrs, result->type->elem);
	if (!made)
		return false;
	az_params y;
	if (az_params_of(s->quantize, &y) && y.axis < 0 &&
		result->type->elem.kind != AZ_KIND_BIPOLAR)
		made->quant = az_quant_scalar(s->quantize->func->module, az_params_scale(&y, 0),
			(int32_t)az_params_zero(&y, 0));
	made->range = layer->range;
	az_value_rename(name == layer->name ? layer : result, NULL);
	az_replace_op(s->quantize, made);
	if (named)
		az_value_rename(made, name);
	return true;
}

bool az_fold_threshold(az_op *op, az_arena *scratch)
{
	staircase s = {.quantize = op, .scratch = scratch};
	if (!read_result(&s) || !find_ops(&s))
		return false;
	az_module *module = op->func->module;
	az_elem elem = s.acc->type->elem;
	int64_t dim[AZ_RANK_MAX];
	uint32_t rank = s.acc->type->rank;
	for (uint32_t d = 0; d < rank; d++)
		dim[d] = 1;
	if (rank < 2)
		return false;
	dim[0] = s.levels;
	dim[rank - 1] = s.channels;
	s.points = az_type_get(module->ctx, elem, rank, dim);
	s.least = az_elem_min(elem);
	s.most = az_elem_max(elem);
	bool found = build_func(&s) && find_directions(&s) && bisect(&s);
	az_func_erase(s.func);
	return found && build(&s);
}
