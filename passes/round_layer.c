/* SPDX-License-Identifier: Apache-2.0
 *
 * One layer's weights for round-weights, on whatever grid insert-quantizers put them in the clone, and the
 * chosen ones back: as stored numbers into the clone, as floats into the module. The float constant says in
 * its quantizer which grid its numbers lie on; insert-quantizers takes that one (insert_weights.c). */
#include <math.h>

#include "base/bits.h"
#include "passes/insert.h"
#include "passes/round.h"

typedef struct parts {
	const az_op *dq;
	const az_const *q, *scale, *zero, *table; /* zero, table: NULL where there is none */
} parts;

/* dequantize of a constant, or of a table's entries by a constant. */
static bool parts_of(const az_op *op, parts *p)
{
	p->dq = az_def_is(op->args[1].value, AZ_OP_dequantize);
	if (!p->dq)
		return false;
	const az_op *lookup = az_def_is(p->dq->args[0].value, AZ_OP_lookup);
	const az_value *zero = az_op_arg(p->dq, 2);
	p->q = az_value_const((lookup ? lookup : p->dq)->args[0].value);
	p->scale = az_value_const(p->dq->args[1].value);
	p->zero = zero ? az_value_const(zero) : NULL;
	p->table = lookup ? az_value_const(lookup->args[1].value) : NULL;
	return p->q && p->scale && (!zero || p->zero) && (!lookup || p->table);
}

static void read_bias(const az_op *op, int64_t channels, float *out)
{
	const az_value *bias = az_op_arg(op, 2);
	for (int64_t c = 0; c < channels && bias; c++)
		out[c] = (float)az_const_get(az_value_const(bias), (uint64_t)c);
}

/* Which scale the weight at this place of the constant has. */
static int32_t block_at(const parts *p, int64_t at)
{
	const az_type *type = p->q->value.type;
	int64_t axis = p->dq->attr.dequantize.axis, group = p->dq->attr.dequantize.group;
	int64_t inner = 1;
	if (az_type_numel(p->scale->value.type) == 1)
		return 0;
	for (uint32_t d = (uint32_t)axis + 1; d < type->rank; d++)
		inner *= type->dim[d];
	int64_t length = type->dim[axis], along = at / inner % length;
	if (!group)
		return (int32_t)along;
	int64_t blocks = (length + group - 1) / group;
	return (int32_t)((at / inner / length * blocks + along / group) * inner + at % inner);
}

static bool is_power(float v)
{
	int exponent;
	return frexpf(v, &exponent) == 0.5f;
}

static void read_grid(az_round_layer *layer, const parts *p, az_arena *arena)
{
	az_elem elem = p->q->value.type->elem;
	layer->blocks = az_type_numel(p->scale->value.type);
	layer->scale = az_new_array(arena, float, (size_t)layer->blocks);
	layer->zero = az_new_array(arena, int32_t, (size_t)layer->blocks);
	layer->powers = layer->blocks > 1;
	for (int64_t b = 0; b < layer->blocks; b++) {
		layer->scale[b] = (float)az_const_get(p->scale, (uint64_t)b);
		layer->zero[b] = p->zero ? (int32_t)az_const_get_int(p->zero, (uint64_t)b) : 0;
		layer->powers &= is_power(layer->scale[b]);
	}
	layer->most = (int32_t)az_elem_max(elem);
	layer->least = (int32_t)az_elem_min(elem);
	if (elem.kind == AZ_KIND_INT)
		layer->least = -layer->most; /* or one below, if insert-quantizers goes as far */
	if (elem.kind != AZ_KIND_BIPOLAR && !p->table)
		return;
	/* A bipolar number is stored as 0 or 1. */
	layer->least = 0;
	layer->most = (1 << elem.bits) - 1;
	layer->table = az_new_array(arena, int32_t, (size_t)layer->most + 1);
	for (int32_t k = 0; k <= layer->most; k++)
		layer->table[k] =
			p->table ? (int32_t)az_const_get_int(p->table, (uint64_t)k) : 2 * k - 1;
}

static bool read_weights(az_round_layer *layer, const parts *p, az_arena *arena)
{
	const az_type *type = p->q->value.type;
	const az_const *w = az_value_const(layer->real->args[1].value);
	int64_t channels = layer->groups * layer->outputs, count = channels * layer->inner;
	bool bipolar = type->elem.kind == AZ_KIND_BIPOLAR, own = layer->blocks % channels == 0;
	layer->w = az_new_array(arena, float, (size_t)count);
	layer->q = az_new_array(arena, int32_t, (size_t)count);
	layer->block = az_new_array(arena, int32_t, (size_t)count);
	int32_t *owner = az_new_array(arena, int32_t, (size_t)layer->blocks);
	for (int64_t i = 0; i < count; i++) {
		int64_t c = i / layer->inner;
		uint64_t at = az_weight_place(type, layer->last, c, i % layer->inner);
		layer->block[i] = block_at(p, (int64_t)at);
		layer->w[i] = (float)az_const_get(w, at);
		int64_t q = az_const_get_int(p->q, at);
		layer->q[i] = (int32_t)(bipolar ? q > 0 : q);
		layer->least = AZ_MIN(layer->least, layer->q[i]);
		own &= owner[layer->block[i]] == 0 || owner[layer->block[i]] == c + 1;
		owner[layer->block[i]] = (int32_t)c + 1;
		if (!isfinite(layer->w[i]))
			return false;
	}
	layer->own_scales = own;
	return true;
}

bool az_round_read(az_round_layer *layer, az_arena *arena)
{
	parts p;
	if (!az_has_weights(layer->op) || !parts_of(layer->ours, &p))
		return false;
	layer->last = layer->op->code == AZ_OP_matmul;
	const az_type *type = p.q->value.type;
	int64_t channels = type->dim[layer->last ? type->rank - 1 : 0], count = az_type_numel(type);
	if (count == 0 || count != az_type_numel(layer->real->args[1].value->type))
		return false;
	layer->groups = az_op_groups(layer->op);
	layer->outputs = channels / layer->groups;
	layer->inner = count / channels;
	az_reals clamp = az_op_clamp(layer->op);
	layer->lo = clamp.count == 2 ? clamp.v[0] : -INFINITY;
	layer->hi = clamp.count == 2 ? clamp.v[1] : INFINITY;
	layer->bias = az_new_array(arena, float, (size_t)channels);
	layer->bias_ours = az_new_array(arena, float, (size_t)channels);
	read_bias(layer->real, channels, layer->bias);
	read_bias(layer->ours, channels, layer->bias_ours);
	read_grid(layer, &p, arena);
	return read_weights(layer, &p, arena);
}

/* --- The grid ------------------------------------------------------------------------------------------ */

int32_t az_round_number(const az_round_layer *layer, int64_t i, int32_t q)
{
	return layer->table ? layer->table[q] : q - layer->zero[layer->block[i]];
}

double az_round_value(const az_round_layer *layer, int64_t i)
{
	return (double)az_round_number(layer, i, layer->q[i]) *
	       (double)layer->scale[layer->block[i]];
}

/* The last entry at or below v, but not the last of all. */
static int32_t entry_below(const az_round_layer *layer, double v)
{
	int32_t lo = 0, hi = layer->most;
	while (hi - lo > 1) {
		int32_t middle = lo + (hi - lo) / 2;
		if ((double)layer->table[middle] <= v)
			lo = middle;
		else
			hi = middle;
	}
	return lo;
}

int32_t az_round_below(const az_round_layer *layer, int64_t i, double v)
{
	if (layer->table)
		return entry_below(layer, v);
	double least = (double)layer->least, most = (double)layer->most - 1.0;
	return (int32_t)fmin(fmax(floor(v + (double)layer->zero[layer->block[i]]), least), most);
}

int32_t az_round_nearest(const az_round_layer *layer, int64_t i, double v)
{
	if (!layer->table) {
		double q = rint(v) + (double)layer->zero[layer->block[i]];
		return (int32_t)fmin(fmax(q, (double)layer->least), (double)layer->most);
	}
	int32_t k = entry_below(layer, v);
	double below = v - (double)layer->table[k], above = (double)layer->table[k + 1] - v;
	return below < above ? k : k + 1;
}

/* --- Back ------------------------------------------------------------------------------------------------ */

/* The quantizer of the stored weights with the scales that were chosen; `name` NULL: as it is called. */
static const az_quant *with_scales(az_module *module, const az_round_layer *layer,
	const az_quant *was, az_name name)
{
	float *scale = az_new_array(&module->arena, float, (size_t)layer->blocks);
	int32_t *zero = NULL;
	for (int64_t b = 0; b < layer->blocks; b++) {
		scale[b] = layer->scale[b];
		if (was->zero && !zero)
			zero = az_new_array(&module->arena, int32_t, (size_t)layer->blocks);
	}
	for (int64_t b = 0; zero && b < layer->blocks; b++)
		zero[b] = was->zero[b];
	if (!was->name)
		return az_quant_scalar(module, scale[0], zero ? zero[0] : 0);
	az_quant quant = *was;
	quant.name = name ? name : was->name;
	quant.scale = scale;
	quant.zero = zero;
	return az_quant_get(module, &quant);
}

void az_round_write(const az_round_layer *layer)
{
	parts p;
	if (!parts_of(layer->ours, &p))
		return;
	az_module *ours = layer->ours->func->module, *module = layer->op->func->module;
	const az_type *type = p.q->value.type;
	int64_t count = az_type_numel(type);
	void *stored = az_arena_alloc(&ours->arena, az_type_size(type), 64);
	float *v = az_new_array(&module->arena, float, (size_t)count);
	float *scale = az_new_array(&ours->arena, float, (size_t)layer->blocks);
	for (int64_t i = 0; i < count; i++) {
		uint64_t at =
			az_weight_place(type, layer->last, i / layer->inner, i % layer->inner);
		az_bits_set(stored, at, type->elem.bits, (uint64_t)(int64_t)layer->q[i]);
		v[at] = (float)az_round_value(layer, i);
	}
	for (int64_t b = 0; b < layer->blocks; b++)
		scale[b] = layer->scale[b];
	const az_quant *grid = p.q->value.quant;
	az_const *q = az_const_new(ours, NULL, type, stored, true);
	az_const *s = az_const_new(ours, NULL, p.scale->value.type, scale, true);
	az_op *lookup = az_def_is(p.dq->args[0].value, AZ_OP_lookup);
	az_op *dq = az_value_op(layer->ours->args[1].value);
	az_op_set_arg(lookup ? lookup : dq, 0, &q->value);
	az_op_set_arg(dq, 1, &s->value);
	az_replace_numbers(layer->op, 1, v, with_scales(module, layer, grid, grid->name));
}
