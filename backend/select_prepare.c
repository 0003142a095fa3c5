/* SPDX-License-Identifier: Apache-2.0
 *
 * Before grouping: padding of convolutions becomes an operation (the fast kernels read buffers that hold
 * their border, and a producer can write it), integer contractions get a bias for corrections to go into,
 * and transposes that move no byte become reshapes. */
#include "backend/contract.h"
#include "backend/expr.h"
#include "backend/rows.h"
#include "backend/select.h"

#include <string.h>

/* A copy of what makes operand i for every further reader, when it may be what decodes weights. */
static bool decode_apart(az_op *op, uint32_t i)
{
	az_value *w = op->args[i].value;
	az_op *maker = az_value_op(w);
	if (!maker || (maker->code != AZ_OP_dequantize && maker->code != AZ_OP_lookup))
		return true;
	const az_op *deeper = az_value_op(maker->args[0].value);
	if (deeper ? deeper->code != AZ_OP_lookup : !az_value_is_const(maker->args[0].value))
		return true;
	if (w->uses->next) {
		az_map map = {0};
		az_builder at = {op->func, op, maker->loc};
		maker = az_op_clone(&at, maker, &map);
		if (!maker)
			return false;
		az_op_set_arg(op, i, maker->results[0]);
	}
	return !deeper || decode_apart(maker, 0);
}

/* Weights from a table of 16 bits are multiplied with activations of as many: bytes are widened. */
static bool widen_for_table(az_op *op)
{
	az_value *x = op->args[0].value;
	const az_op *lookup = az_value_op(op->args[1].value);
	if (!lookup || lookup->code != AZ_OP_lookup || !az_decodes_weights(lookup) ||
		lookup->results[0]->type->elem.bits != 16 || !az_elem_is_integer(x->type->elem) ||
		x->type->elem.bits != 8)
		return true;
	const az_op *maker = az_value_op(x);
	az_builder at = {op->func, maker ? maker->next : op->func->first, op->loc};
	az_value *wide = az_build(&at, AZ_OP_cast, 1, &x, NULL, AZ_I16);
	if (wide)
		az_op_set_arg(op, 0, wide);
	return wide && az_op_reinfer(op);
}

/* What the fast kernels compute: f32, or 8 or 16 bits times at most 8 into i32; constant weights. */
static bool is_fast(const az_op *op)
{
	az_elem x = op->args[0].value->type->elem, w = op->args[1].value->type->elem;
	const az_op *maker = az_value_op(op->args[1].value);
	if (maker ? !az_decodes_weights(maker) : !az_value_is_const(op->args[1].value))
		return false;
	if (az_elem_equal(x, AZ_F32) && az_elem_equal(w, AZ_F32))
		return true;
	if (maker) /* a table stands before what is stored */
		w = maker->args[0].value->type->elem;
	return az_contract_takes_inputs(x) && az_contract_takes_weights(w) &&
	       az_elem_equal(op->results[0]->type->elem, az_op_arg(op, 4) ? AZ_F32 : AZ_I32);
}

static void replace(az_op *op, az_value *with)
{
	az_value *old = op->results[0];
	with->quant = old->quant;
	with->range = old->range;
	az_name name = old->name;
	az_value_replace_uses(old, with);
	az_op_erase(op);
	az_value_rename(with, name);
}

static bool add_bias(az_op *op)
{
	az_module *module = op->func->module;
	const az_type *y = op->results[0]->type;
	int64_t channels = y->dim[y->rank - 1];
	uint32_t none = 0;
	const az_type *type = az_type_get(module->ctx, y->elem, 1, &channels);
	az_const *bias = az_const_splat(module, "no_bias", type, &none);
	az_value *args[4] = {op->args[0].value, op->args[1].value, &bias->value, az_op_arg(op, 3)};
	az_builder at = {op->func, op, op->loc};
	az_value *made = az_build(&at, op->code, args[3] ? 4 : 3, args, &op->attr, y->elem);
	if (!made)
		return false;
	replace(op, made);
	return true;
}

/* The pad of x with these attributes, made before or new. */
static az_value *padded(az_op *conv, const az_attrs *attrs)
{
	az_value *x = conv->args[0].value;
	for (const az_use *use = x->uses; use; use = use->next)
		if (use->user && use->user->code == AZ_OP_pad &&
			az_attrs_same(AZ_OP_pad, &use->user->attr, attrs))
			return use->user->results[0];
	/* Right behind x, so that it stands before all its users. */
	const az_op *maker = az_value_op(x);
	az_builder at = {conv->func, maker ? maker->next : conv->func->first, conv->loc};
	az_value *made = az_build(&at, AZ_OP_pad, 1, &x, attrs, x->type->elem);
	if (made)
		made->quant = x->quant;
	return made;
}

static bool make_padding_explicit(az_op *conv)
{
	az_attrs_conv *attr = &conv->attr.conv;
	uint32_t spatial = conv->results[0]->type->rank - 2u;
	bool any = false;
	for (uint32_t i = 0; i < attr->pad.count; i++)
		any = any || attr->pad.v[i] != 0;
	if (!any || spatial > 2)
		return true;
	int64_t list[2 * AZ_RANK_MAX] = {0};
	for (uint32_t i = 0; i < 2 * spatial; i++)
		list[2 + i] = az_ints_at(attr->pad, i, 0);
	az_attrs attrs;
	az_attrs_init(AZ_OP_pad, &attrs);
	attrs.pad.pad = az_ints_copy(conv->func->module, 2 * (spatial + 2), list);
	attrs.pad.value = (float)az_ints_at(attr->zero, 0, 0);
	az_value *x = padded(conv, &attrs);
	if (!x)
		return false;
	az_op_set_arg(conv, 0, x);
	attr->pad = (az_ints){0, NULL};
	return az_op_reinfer(conv);
}

/* Only dimensions of length 1 move. */
static bool moves_nothing(const az_op *op)
{
	const az_type *x = op->args[0].value->type;
	int64_t last = -1;
	for (uint32_t i = 0; i < op->attr.transpose.perm.count; i++) {
		int64_t from = op->attr.transpose.perm.v[i];
		if (x->dim[from] == 1)
			continue;
		if (from < last)
			return false;
		last = from;
	}
	return true;
}

static bool reshape_instead(az_op *op)
{
	const az_type *y = op->results[0]->type;
	az_attrs attrs;
	az_attrs_init(AZ_OP_reshape, &attrs);
	attrs.reshape.shape = az_ints_copy(op->func->module, y->rank, y->dim);
	az_builder at = {op->func, op, op->loc};
	az_value *x = op->args[0].value;
	az_value *made = az_build(&at, AZ_OP_reshape, 1, &x, &attrs, AZ_ELEM_NONE);
	if (!made)
		return false;
	replace(op, made);
	return true;
}

/* Each reader of the result but one gets an operation of its own. */
static bool make_for_each(az_op *op)
{
	az_value *made = op->results[0], *args[3];
	while (made->uses && made->uses->next) {
		const az_use *use = made->uses;
		for (uint32_t i = 0; i < op->arg_count; i++)
			args[i] = op->args[i].value;
		az_builder at = {op->func, use->user, op->loc};
		az_value *copy =
			az_build(&at, op->code, op->arg_count, args, &op->attr, made->type->elem);
		if (!copy)
			return false;
		copy->quant = made->quant;
		az_op_set_arg(use->user, use->index, copy);
	}
	return true;
}

/* Of stored integers that several element-wise operations read as floats each gets its own dequantize: that
 * costs a multiplication in a register, floats in memory cost four times the integers. */
static bool dequantize_for_each(az_op *op)
{
	if (az_value_is_const(op->args[0].value) || op->args[0].value->type->elem.bits > 16)
		return true;
	for (const az_use *use = op->results[0]->uses; use; use = use->next)
		if (!use->user || !az_expr_takes(use->user) || use->index > 2)
			return true;
	return make_for_each(op);
}

/* Every reader unpacks for itself: bytes would lie in memory beside what is packed. */
static bool unpack_for_each(az_op *op)
{
	for (const az_use *use = op->results[0]->uses; use; use = use->next)
		if (!use->user)
			return true;
	return make_for_each(op);
}

/* Does the operation make each number of its result of one of its first operand's, wherever that stands? */
static bool same_everywhere(const az_op *op)
{
	if (op->result_count != 1 || !az_expr_takes(op))
		return false;
	for (uint32_t i = 1; i < op->arg_count; i++)
		if (op->args[i].value && (!az_value_is_const(op->args[i].value) ||
						 az_type_numel(op->args[i].value->type) != 1))
			return false;
	return true;
}

#define MOVED_MAX 4

bool az_memory_is_scarce(const az_module *module)
{
	for (uint32_t i = 0; i < module->done.count; i++)
		if (strcmp(module->done.v[i], "pack-activations") == 0)
			return true;
	return false;
}

/* What quantizes an input in front of a transpose goes behind it: one kernel then reads the caller's buffer and
 * writes what the first layer reads, and no copy of the input lies in memory between. It takes longer than two
 * kernels. */
static bool quantize_behind(az_op *op)
{
	az_op *chain[MOVED_MAX];
	uint32_t count = 0;
	az_value *x = op->args[0].value;
	for (az_op *maker; (maker = az_value_op(x)) && count < MOVED_MAX;
		x = maker->args[0].value) {
		if (!same_everywhere(maker) || !x->uses || x->uses->next)
			return true;
		chain[count++] = maker;
	}
	if (x->kind != AZ_VALUE_PARAM || count == 0 || chain[0]->code != AZ_OP_quantize)
		return true;
	az_builder at = {op->func, op->next, op->loc};
	az_map map = {0};
	az_value *made = az_build(&at, AZ_OP_transpose, 1, &x, &op->attr, AZ_ELEM_NONE);
	for (uint32_t i = count; made && i-- > 0;) {
		az_map_put(&op->func->module->arena, &map, chain[i]->args[0].value, made);
		az_op *copy = az_op_clone(&at, chain[i], &map);
		made = copy ? copy->results[0] : NULL;
	}
	if (!made)
		return false;
	replace(op, made);
	for (uint32_t i = 0; i < count; i++)
		az_op_erase(chain[i]);
	return true;
}

bool az_select_prepare(az_pass_ctx *pass)
{
	az_func *func = az_module_main(pass->module);
	bool scarce = az_memory_is_scarce(pass->module);
	for (az_op *op = func->first, *next; op; op = next) {
		next = op->next;
		if (op->code == AZ_OP_dequantize && !dequantize_for_each(op))
			return false;
		if (az_unpacks(op) && !unpack_for_each(op))
			return false;
		if (op->code == AZ_OP_transpose && moves_nothing(op)) {
			if (!reshape_instead(op))
				return false;
			continue;
		}
		if (op->code == AZ_OP_transpose && scarce && !quantize_behind(op))
			return false;
		if (op->code != AZ_OP_conv && op->code != AZ_OP_matmul)
			continue;
		if (!decode_apart(op, 1) || !widen_for_table(op))
			return false;
		if (!is_fast(op))
			continue;
		if (op->code == AZ_OP_conv && !make_padding_explicit(op))
			return false;
		bool lacks_bias = !az_op_arg(op, 2) && !az_op_arg(op, 4);
		if (lacks_bias && az_contract_takes_inputs(op->args[0].value->type->elem) &&
			!add_bias(op))
			return false;
	}
	return true;
}
