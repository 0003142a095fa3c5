/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of a placed module. The width of an activation is that of the numbers it takes: quantizers say so
 * by their bounds, and what only moves numbers keeps it. */
#include "backend/layers.h"

typedef struct walk {
	az_arena *arena;
	az_map elems; /* az_value -> az_elem *: where narrower than stored */
} walk;

/* --- Widths of activations ------------------------------------------------------------------------------ */

static az_elem elem_of(const walk *w, const az_value *value)
{
	const az_elem *known = value ? az_map_get(&w->elems, value) : NULL;
	return known ? *known : value ? value->type->elem : AZ_ELEM_NONE;
}

/* Noted anew by every call of a function. */
static void note(walk *w, const az_value *value, az_elem elem)
{
	if (!az_elem_equal(elem_of(w, value), elem))
		az_map_put(w->arena, &w->elems, value, az_arena_dup(w->arena, &elem, sizeof elem));
}

static az_elem bounded(az_elem stored, az_ints clamp)
{
	if (!az_elem_is_integer(stored) || clamp.count != 2)
		return stored;
	return az_elem_narrowest(stored, clamp.v[0], clamp.v[1]);
}

/* Results of computing on numbers; others are made of the operand's own. */
static bool computes(const az_op *op)
{
	bool rewrites =
		op->code == AZ_OP_lookup || op->code == AZ_OP_cast || op->code == AZ_OP_dequantize;
	return rewrites || az_op_macs(op) > 0 ||
	       ((az_op_table[op->code].traits & AZ_TRAIT_ELTWISE) && op->arg_count > 1);
}

static az_elem result_elem(const walk *w, const az_op *op, const az_value *result)
{
	az_elem stored = result->type->elem;
	if (op->code == AZ_OP_quantize)
		return bounded(stored, op->attr.quantize.clamp);
	if (op->code == AZ_OP_requantize)
		return bounded(stored, op->attr.requantize.clamp);
	if (op->code == AZ_OP_threshold) {
		const az_attrs_threshold *t = &op->attr.threshold;
		int64_t reached[2] = {t->base, t->base + t->step * op->args[1].value->type->dim[0]};
		return bounded(stored, (az_ints){2, reached});
	}
	if (op->code == AZ_OP_cast && az_elem_is_integer(stored)) { /* bytes that were packed */
		az_elem x = elem_of(w, op->args[0].value);
		return x.kind == stored.kind && x.bits < stored.bits ? x : stored;
	}
	if (op->arg_count == 0 || computes(op))
		return stored;
	az_elem widest = AZ_ELEM_NONE;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		const az_value *x = op->args[i].value;
		if (!x || !az_elem_equal(x->type->elem, stored))
			return stored;
		az_elem e = elem_of(w, x);
		if (e.bits > widest.bits)
			widest = e;
		if (op->code != AZ_OP_concat)
			break;
	}
	return widest;
}

static void follow(walk *w, const az_func *func)
{
	for (const az_op *op = func->first; op; op = op->next)
		for (uint32_t i = 0; i < op->result_count; i++)
			if (op->code != AZ_OP_call)
				note(w, op->results[i], result_elem(w, op, op->results[i]));
}

/* The widths of this call's operands go into the function, those of its results come out. */
static void enter(walk *w, const az_op *call)
{
	const az_func *func = call->attr.call.callee;
	for (uint32_t i = 0; i < call->arg_count; i++)
		if (call->args[i].value)
			note(w, func->params.v[i], elem_of(w, call->args[i].value));
	follow(w, func);
	for (uint32_t i = 0; i < call->result_count; i++)
		note(w, call->results[i], elem_of(w, func->results.v[i].use->value));
}

/* --- Weights -------------------------------------------------------------------------------------------- */

static bool within_one(const az_const *c)
{
	int64_t n = az_type_numel(c->value.type);
	for (int64_t i = 0; i < n; i++) {
		int64_t v = az_const_get_int(c, (uint64_t)i);
		if (v < -1 || v > 1)
			return false;
	}
	return true;
}

static const char *kind_of(const az_const *c)
{
	az_elem e = c->value.type->elem;
	const az_quant *q = c->value.quant;
	if (az_elem_is_float(e))
		return "float";
	if (e.kind == AZ_KIND_BIPOLAR)
		return "bipolar";
	if (q && q->grid != AZ_GRID_AFFINE)
		return q->grid == AZ_GRID_ODD ? "odd" : "codebook";
	bool small = e.kind == AZ_KIND_INT && e.bits == 2;
	return small && within_one(c) ? "ternary" : "affine";
}

static const char *scales_of(const az_const *c)
{
	const az_quant *q = c->value.quant;
	if (!q)
		return "";
	return q->group ? "group" : q->count > 1 ? "channel" : "tensor";
}

/* Steps of a requantize that comparisons replace. */
#define REQUANTIZE_STEPS 3

/* What the operations on its 32-bit sums take besides a requantize. */
static uint32_t steps_of(const az_func *func)
{
	int64_t steps = 0;
	for (const az_op *op = func->first; op; op = op->next) {
		az_elem elem = op->results[0]->type->elem;
		if ((op->code == AZ_OP_mul || op->code == AZ_OP_add) && az_elem_equal(elem, AZ_I32))
			steps++;
		if (op->code == AZ_OP_threshold)
			steps += 2 * op->args[1].value->type->dim[0] - REQUANTIZE_STEPS;
	}
	return (uint32_t)AZ_MAX(steps, 0);
}

/* --- Layers --------------------------------------------------------------------------------------------- */

/* What a kernel function is about: its contraction, else its first operation that is not element by
 * element, else its first. */
static const az_op *anchor(const az_func *func)
{
	const az_op *best = func->first;
	for (const az_op *op = func->first; op; op = op->next) {
		if (az_op_macs(op) > 0)
			return op;
		bool plain = az_op_table[op->code].traits & AZ_TRAIT_ELTWISE ||
			     op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize ||
			     op->code == AZ_OP_requantize;
		if (!plain && best == func->first)
			best = op;
	}
	return best;
}

/* The call's operand that operand i of the operation reads, itself or as what it means. */
static const az_value *outside(const az_op *call, const az_op *op, uint32_t i)
{
	const az_value *v = az_op_arg(op, i);
	for (const az_op *maker = v ? az_value_op(v) : NULL;
		maker && (maker->code == AZ_OP_dequantize || maker->code == AZ_OP_lookup);
		maker = az_value_op(v))
		v = maker->args[0].value;
	return v && v->kind == AZ_VALUE_PARAM ? az_op_arg(call, v->index) : NULL;
}

static void add_weights(az_layer_cost *layer, const az_op *call, const az_op *op)
{
	for (uint32_t i = 1; i <= 2; i++) {
		const az_value *v = outside(call, op, i);
		const az_const *c = v ? az_value_const(v) : NULL;
		if (!c)
			continue;
		layer->parameters += (uint64_t)az_type_numel(v->type);
		if (i > 1)
			continue;
		layer->weight_elem = v->type->elem;
		layer->weight_kind = kind_of(c);
		layer->weight_scales = scales_of(c);
	}
}

static void add_shape(az_layer_cost *layer, const az_op *op)
{
	const az_type *y = op->results[0]->type, *x = op->args[0].value->type;
	uint64_t rows = (uint64_t)az_type_numel(y);
	if (y->rank > 0 && y->dim[y->rank - 1] > 0)
		rows /= (uint64_t)y->dim[y->rank - 1];
	layer->pixels = rows > 1;
	layer->depthwise = op->code == AZ_OP_conv && op->attr.conv.groups > 1 &&
			   op->attr.conv.groups == x->dim[x->rank - 1];
}

static az_layer_cost layer_of(walk *w, const az_op *call)
{
	const az_func *func = call->attr.call.callee;
	const az_op *op = anchor(func);
	az_layer_cost layer = {.name = call->loc.node ? call->loc.node : call->results[0]->name,
		.op = op ? az_op_table[op->code].name : "",
		.kernel = call->attr.call.kernel,
		.output = call->results[0]->type,
		.weight_kind = "",
		.weight_scales = ""};
	layer.tile_count = AZ_MIN(call->attr.call.tile.count, (uint32_t)AZ_COST_TILE_MAX);
	for (uint32_t i = 0; i < layer.tile_count; i++)
		layer.tile[i] = call->attr.call.tile.v[i];
	enter(w, call);
	layer.output_elem = elem_of(w, call->results[0]);
	layer.elements = (uint64_t)az_type_numel(layer.output);
	for (const az_op *in = func->first; in; in = in->next)
		layer.macs += az_op_macs(in);
	if (!op || op->arg_count == 0 || !op->args[0].value)
		return layer;
	layer.input_elem = elem_of(w, op->args[0].value);
	layer.elements = AZ_MAX(layer.elements, (uint64_t)az_type_numel(op->args[0].value->type));
	if (layer.macs > 0) {
		const az_value *second = az_op_arg(op, 1);
		add_weights(&layer, call, op);
		add_shape(&layer, op);
		layer.steps = steps_of(func);
		layer.bitops =
			layer.macs * layer.input_elem.bits * (second ? elem_of(w, second).bits : 1);
	}
	return layer;
}

az_layer_cost *az_layers_describe(const az_module *module, az_arena *arena, uint32_t *count)
{
	const az_func *main = az_module_main(module);
	walk w = {.arena = arena};
	az_layer_cost *layer = az_new_array(arena, az_layer_cost, main->op_count + 1);
	*count = 0;
	for (const az_op *op = main->first; op; op = op->next) {
		if (op->code == AZ_OP_call)
			layer[(*count)++] = layer_of(&w, op);
		else
			for (uint32_t i = 0; i < op->result_count; i++)
				note(&w, op->results[i], result_elem(&w, op, op->results[i]));
	}
	return layer;
}
