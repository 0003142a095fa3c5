/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of fold-quantizers for what leaves numbers as they are, or looks each up in a table. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "ir/eval/eval.h"
#include "passes/fold_quantizers.h"
#include "passes/quantize_plan.h"

/* The fact for a value with these parameters. */
static const az_quant *quant_of(const az_op *op, const az_params *p)
{
	return az_quant_scalar(op->func->module, az_params_scale(p, 0),
		(int32_t)az_params_zero(p, 0));
}

bool az_fold_cancel(az_op *op)
{
	az_params y, x;
	if (!az_plain_quantize(op, &y))
		return false;
	const az_op *dq = az_plain_dequantized(op->args[0].value, &x);
	if (!dq || !az_params_equal(&x, &y) || dq->args[0].value->type != op->results[0]->type)
		return false;
	az_replace_op(op, dq->args[0].value);
	return true;
}

bool az_fold_zero(az_op *op)
{
	az_params y;
	const az_type *type = op->results[0]->type;
	if (!az_params_of(op, &y) || !az_params_all_zero(&y))
		return false;
	bool bipolar = type->elem.kind == AZ_KIND_BIPOLAR;
	az_ints clamp = op->attr.quantize.clamp;
	int64_t q = bipolar ? 1 : az_params_zero(&y, 0);
	if (clamp.count == 2)
		q = AZ_MAX(AZ_MIN(q, clamp.v[1]), clamp.v[0]);
	az_module *module = op->func->module;
	void *element = az_arena_alloc(&module->arena, 8, 8);
	az_bits_set(element, 0, type->elem.bits, (uint64_t)q);
	az_value *made = &az_const_splat(module, NULL, type, element)->value;
	if (!bipolar)
		made->quant = quant_of(op, &y);
	az_replace_op(op, made);
	return true;
}

bool az_fold_pad(az_op *op)
{
	az_params y;
	az_op *pad = az_def_is(op->args[0].value, AZ_OP_pad);
	if (!pad || !az_used_once(pad->results[0]) || !az_tensor_quantize(op, &y) ||
		pad->attr.pad.mode != AZ_padding_constant)
		return false;
	/* The interpreter quantizes the padding: one number through the same operation. */
	az_module *module = op->func->module;
	az_elem elem = op->results[0]->type->elem;
	az_value *args[3] = {&az_const_f32_scalar(module, NULL, pad->attr.pad.value)->value,
		op->args[1].value, az_op_arg(op, 2)};
	if (elem.bits > 16)
		return false;
	az_builder at = az_before(op);
	az_op *one = az_op_new(&at, AZ_OP_quantize, op->arg_count, args, &op->attr, elem);
	az_value *number;
	if (!one)
		return false;
	bool ok = az_fold_op(one, &module->arena, &number);
	az_op_erase(one);
	if (!ok)
		return false;
	args[0] = pad->args[0].value;
	az_value *q = az_build(&at, AZ_OP_quantize, op->arg_count, args, &op->attr, elem);
	az_attrs attrs = pad->attr;
	attrs.pad.value = (float)az_const_get_int(az_value_const(number), 0);
	az_value *made = q ? az_build(&at, AZ_OP_pad, 1, &q, &attrs, AZ_ELEM_NONE) : NULL;
	if (!made)
		return false;
	q->quant = made->quant = quant_of(op, &y);
	az_replace_op(op, made);
	return true;
}

/* Operands that hold data (an index does not). */
static uint32_t data_count(const az_op *op)
{
	return op->code == AZ_OP_gather ? 1 : op->arg_count;
}

/* The padding value as a stored number; false when the quantizer does not hold it exactly. */
static bool stored_padding(const az_op *op, const az_params *p, az_elem elem, az_attrs *attrs)
{
	if (op->code != AZ_OP_pad || op->attr.pad.mode != AZ_padding_constant)
		return true;
	if (elem.kind == AZ_KIND_BIPOLAR)
		return false;
	float scale = az_params_scale(p, 0), value = op->attr.pad.value;
	int64_t zero = az_params_zero(p, 0);
	int64_t stored = az_quantize_one(value, scale, zero, az_elem_min(elem), az_elem_max(elem));
	attrs->pad.value = (float)stored;
	return (float)(stored - zero) * scale == value;
}

bool az_fold_sink(az_op *op, az_arena *scratch)
{
	bool chooses =
		op->code == AZ_OP_reduce && (op->attr.reduce.kind == AZ_reduction_max ||
						    op->attr.reduce.kind == AZ_reduction_min);
	if ((!az_shares_quantizer(op) && !chooses) || op->result_count != 1)
		return false;
	az_value **args = az_new_array(scratch, az_value *, op->arg_count + 1);
	az_params first, other;
	const az_op *dq = az_plain_dequantized(op->args[0].value, &first);
	if (!dq)
		return false;
	az_elem elem = dq->args[0].value->type->elem;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		args[i] = op->args[i].value;
		if (i >= data_count(op))
			continue;
		const az_op *next = az_plain_dequantized(args[i], &other);
		if (!next || !az_params_equal(&first, &other) ||
			!az_elem_equal(next->args[0].value->type->elem, elem))
			return false;
		args[i] = next->args[0].value;
	}
	az_attrs attrs = op->attr;
	if (!stored_padding(op, &first, elem, &attrs))
		return false;
	az_builder at = az_before(op);
	az_value *moved = az_build(&at, op->code, op->arg_count, args, &attrs, AZ_ELEM_NONE);
	if (!moved)
		return false;
	moved->quant = quant_of(op, &first);
	moved->range = op->results[0]->range;
	az_value *back[3] = {moved, dq->args[1].value, az_op_arg(dq, 2)};
	az_value *made = az_build(&at, AZ_OP_dequantize, dq->arg_count, back, NULL, AZ_F32);
	if (!made)
		return false;
	az_name name = op->results[0]->name;
	az_value_rename(op->results[0], NULL);
	az_replace_op(op, made);
	if (!az_name_generated(name))
		az_value_rename(moved, name);
	return true;
}

bool az_fold_concat(az_op *op, az_arena *scratch)
{
	az_params y, x;
	const az_op *concat = az_def_is(op->args[0].value, AZ_OP_concat);
	if (!concat || !az_used_once(concat->results[0]) || !az_tensor_quantize(op, &y))
		return false;
	az_value **args = az_new_array(scratch, az_value *, concat->arg_count);
	for (uint32_t i = 0; i < concat->arg_count; i++) {
		if (!az_plain_dequantized(concat->args[i].value, &x))
			return false;
	}
	az_builder at = az_before(op);
	az_value *piece[3] = {NULL, op->args[1].value, az_op_arg(op, 2)};
	const az_quant *quant = quant_of(op, &y);
	for (uint32_t i = 0; i < concat->arg_count; i++) {
		piece[0] = concat->args[i].value;
		args[i] = az_build(&at, AZ_OP_quantize, op->arg_count, piece, &op->attr,
			op->results[0]->type->elem);
		if (!args[i])
			return false;
		args[i]->quant = quant;
	}
	az_value *made =
		az_build(&at, AZ_OP_concat, concat->arg_count, args, &concat->attr, AZ_ELEM_NONE);
	if (!made)
		return false;
	made->quant = quant;
	az_replace_op(op, made);
	return true;
}

/* Bounds that are tighter than those of the requantize that makes q go into it. */
static bool tighten(az_value *q, const int64_t *clamp)
{
	az_op *op = az_def_is(q, AZ_OP_requantize);
	if (!op)
		return false;
	az_ints old = op->attr.requantize.clamp;
	int64_t both[2] = {clamp[0], clamp[1]};
	if (old.count == 2) {
		both[0] = AZ_MAX(old.v[0], clamp[0]);
		both[1] = AZ_MIN(old.v[1], clamp[1]);
	}
	if (both[0] > both[1])
		return false;
	op->attr.requantize.clamp = az_ints_copy(op->func->module, 2, both);
	return true;
}

bool az_fold_clip(az_op *op)
{
	az_params x, y;
	const az_op *clip = az_def_is(op->args[0].value, AZ_OP_clip);
	if (!clip || !az_plain_quantize(op, &y))
		return false;
	const az_op *dq = az_plain_dequantized(clip->args[0].value, &x);
	if (!dq || !az_params_equal(&x, &y) || dq->args[0].value->type != op->results[0]->type)
		return false;
	az_value *q = dq->args[0].value;
	az_elem elem = q->type->elem;
	if (elem.kind == AZ_KIND_BIPOLAR)
		return false;
	float scale = az_params_scale(&x, 0);
	int64_t zero = az_params_zero(&x, 0), least = az_elem_min(elem), most = az_elem_max(elem);
	int64_t clamp[2] = {az_quantize_one(clip->attr.clip.lo, scale, zero, least, most),
		az_quantize_one(clip->attr.clip.hi, scale, zero, least, most)};
	bool alone =
		az_used_once(q) && az_used_once(dq->results[0]) && az_used_once(clip->results[0]);
	if (alone && tighten(q, clamp)) {
		az_name name = op->results[0]->name;
		az_value_rename(op->results[0], NULL);
		az_replace_op(op, q);
		if (!az_name_generated(name))
			az_value_rename(q, name);
		return true;
	}
	if (clamp[1] > 1 << 24 || clamp[0] < -(1 << 24))
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_clip, &attrs);
	attrs.clip.lo = clamp[0] > least ? (float)clamp[0] : -INFINITY;
	attrs.clip.hi = clamp[1] < most ? (float)clamp[1] : INFINITY;
	az_builder at = az_before(op);
	az_value *made = az_build(&at, AZ_OP_clip, 1, &q, &attrs, AZ_ELEM_NONE);
	if (!made)
		return false;
	made->quant = quant_of(op, &y);
	az_replace_op(op, made);
	return true;
}

typedef struct chain {
	az_op *dequantize;
	AZ_VEC(az_op *) ops; /* between the dequantize and the quantize, makers before users */
	uint32_t depth;
} chain;

#define CHAIN_MAX 64

static bool in_chain(const chain *c, const az_op *op)
{
	for (uint32_t i = 0; i < c->ops.count; i++) {
		if (c->ops.v[i] == op)
			return true;
	}
	return op == c->dequantize;
}

/* Collects what makes the value: element-wise operations on numbers of one dequantize and single constants. */
static bool find_chain(const az_value *v, chain *out, az_arena *scratch)
{
	az_params x;
	az_op *op = az_value_op(v), *dq = az_plain_dequantized(v, &x);
	if (!op || out->ops.count >= CHAIN_MAX || out->depth >= CHAIN_MAX ||
		(dq && out->dequantize && dq != out->dequantize))
		return false;
	if (in_chain(out, op))
		return true;
	if (dq) {
		out->dequantize = dq;
		return dq->args[0].value->type->elem.bits <= 8;
	}
	if (!(az_op_table[op->code].traits & AZ_TRAIT_ELTWISE) || op->result_count != 1)
		return false;
	out->depth++;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		const az_value *arg = op->args[i].value;
		if (az_value_is_const(arg) ? az_type_numel(arg->type) != 1
					   : arg->type->rank != v->type->rank ||
						     !find_chain(arg, out, scratch))
			return false;
	}
	out->depth--;
	az_vec_push(scratch, &out->ops, op);
	return true;
}

/* The chain run by the interpreter on every number that the type can hold. */
static const void *table_of(az_func *func, const chain *c, const az_type *in_type,
	az_arena *scratch)
{
	az_map map = {0};
	az_builder at = {func, NULL, AZ_LOC_NONE};
	az_value *x = az_func_add_param(func, "x", in_type);
	az_map_put(scratch, &map, c->dequantize->args[0].value, x);
	az_op *last = az_op_clone(&at, c->dequantize, &map);
	for (uint32_t i = 0; last && i < c->ops.count; i++)
		last = az_op_clone(&at, c->ops.v[i], &map);
	if (!last)
		return NULL;
	az_func_add_result(func, "y", last->results[0]);
	az_tensor in = az_tensor_new(scratch, in_type), out;
	int64_t count = in_type->dim[0], lowest = az_elem_min(in_type->elem);
	if (in_type->elem.kind == AZ_KIND_BIPOLAR)
		lowest = 0; /* by its stored bit */
	for (int64_t i = 0; i < count; i++)
		az_bits_set(in.data, (uint64_t)i, in_type->elem.bits, (uint64_t)(lowest + i));
	return az_eval_func(func, scratch, &in, &out) ? out.data : NULL;
}

bool az_fold_lookup(az_op *op, az_arena *scratch)
{
	chain c = {0};
	if (!find_chain(op->args[0].value, &c, scratch) || !c.dequantize)
		return false;
	az_vec_push(scratch, &c.ops, op);
	az_module *module = op->func->module;
	az_value *q = c.dequantize->args[0].value, *result = op->results[0];
	int64_t count = INT64_C(1) << q->type->elem.bits;
	const az_type *in_type = az_type_get(module->ctx, q->type->elem, 1, &count);
	az_func *func = az_func_new(module, "lookup");
	const void *data = table_of(func, &c, in_type, scratch);
	az_const *table = NULL;
	if (data) {
		const az_type *type = az_type_get(module->ctx, result->type->elem, 1, &count);
		bool named = !az_name_generated(result->name);
		const char *name =
			named ? az_arena_printf(scratch, "%s.table", result->name) : "table";
		table = az_const_new(module, name, type, data, false);
	}
	az_func_erase(func);
	if (!table)
		return false;
	az_value *args[2] = {q, &table->value};
	az_builder at = az_before(op);
	az_value *made = az_build(&at, AZ_OP_lookup, 2, args, NULL, result->type->elem);
	if (!made)
		return false;
	az_params y;
	made->quant = az_tensor_quantize(op, &y) ? quant_of(op, &y) : result->quant;
	/* The name of the layer is that of the last float value, unless the quantize has one. */
	az_value *layer = op->args[0].value;
	if (az_name_generated(result->name) && c.ops.count > 1 && !az_name_generated(layer->name)) {
		az_name name = layer->name;
		az_value_rename(layer, NULL);
		az_value_rename(made, name);
	}
	az_replace_op(op, made);
	return true;
}
