/* SPDX-License-Identifier: Apache-2.0
 *
 * drop-quantizers: makes a float network of a quantized one, so that it can be quantized anew.
 *
 *   %d = dequantize @w.q, @s, axis = 0           @w = the reals that @w.q stands for
 *   %c = conv %x, %d                             %c = conv %x, @w
 *   %q = quantize %c, @t, @z : u8[..]            %e = clip %c, lo = 0, hi = 5.1
 *   %e = dequantize %q, @t, @z
 *
 * A quantizer saturates, and networks count on it: many have no relu but a quantizer whose least number is
 * 0. So each pair leaves a clip behind, except where what it reads cannot have left the range of a pair
 * before it, or is an input.
 *
 * Requires: pairs of quantize and dequantize with constant parameters around float operations; integers
 * remain allowed as inputs and results only. What else computes with stored integers is reported by node.
 * Guarantees: no other quantizer is left. Terminates: one walk. */
#include <math.h>

#include "passes/quantize_plan.h"

/* Every operand is there and constant. */
static bool on_constants(const az_op *op)
{
	for (uint32_t i = 0; i < op->arg_count; i++) {
		if (op->args[i].value && !az_value_is_const(op->args[i].value))
			return false;
	}
	return op->arg_count > 0 && op->result_count > 0;
}

static bool fold(az_op *op, az_arena *scratch)
{
	az_value **made = az_new_array(scratch, az_value *, op->result_count);
	if (!az_fold_op(op, scratch, made))
		return false;
	for (uint32_t i = 0; i < op->result_count; i++) {
		az_name name = op->results[i]->name;
		az_value_replace_uses(op->results[i], made[i]);
		if (!az_name_generated(name)) {
			az_value_rename(op->results[i], NULL);
			az_value_rename(made[i], name);
		}
	}
	az_op_erase(op);
	return true;
}

/* The quantize whose numbers op dequantizes by the same parameters; NULL: there is none. */
static az_op *pair_of(const az_op *op)
{
	az_op *q = az_def_is(op->args[0].value, AZ_OP_quantize);
	bool same = q && q->args[1].value == op->args[1].value &&
		    az_op_arg(q, 2) == az_op_arg(op, 2) && az_value_is_const(q->args[1].value) &&
		    q->attr.quantize.group == op->attr.dequantize.group &&
		    q->attr.quantize.axis == op->attr.dequantize.axis &&
		    az_elem_equal(op->results[0]->type->elem, q->args[0].value->type->elem);
	if (q && !same && az_value_is_const(q->args[1].value) &&
		az_value_is_const(op->args[1].value)) {
		/* Equal constants that are two. */
		const az_const *a = az_value_const(q->args[1].value);
		const az_const *b = az_value_const(op->args[1].value);
		const az_value *za = az_op_arg(q, 2), *zb = az_op_arg(op, 2);
		bool one = az_type_numel(a->value.type) == 1 && az_type_numel(b->value.type) == 1;
		bool zeros = !za && !zb;
		if (za && zb && az_value_is_const(za) && az_value_is_const(zb))
			zeros = az_const_get_int(az_value_const(za), 0) ==
				az_const_get_int(az_value_const(zb), 0);
		same = one && zeros && az_const_get(a, 0) == az_const_get(b, 0);
	}
	return same ? q : NULL;
}

/* Reals of the least and the largest stored number; the widest where there are several scales. */
static bool bounds_of(const az_op *q, float *lo, float *hi)
{
	const az_const *scale = az_value_const(q->args[1].value);
	const az_value *zero = az_op_arg(q, 2);
	az_elem elem = q->results[0]->type->elem;
	az_ints clamp = q->attr.quantize.clamp;
	double least = clamp.count == 2 ? (double)clamp.v[0] : (double)az_elem_min(elem);
	double most = clamp.count == 2 ? (double)clamp.v[1] : (double)az_elem_max(elem);
	*lo = *hi = 0;
	if ((zero && !az_value_is_const(zero)) || elem.kind == AZ_KIND_BIPOLAR)
		return false;
	uint64_t zeros = zero ? (uint64_t)az_type_numel(zero->type) : 0;
	for (uint64_t i = 0; i < (uint64_t)az_type_numel(scale->value.type); i++) {
		double s = az_const_get(scale, i), z = 0;
		if (zeros)
			z = (double)az_const_get_int(az_value_const(zero), zeros > 1 ? i : 0);
		if (!(s >= 0x1p-126))
			return false;
		*lo = fminf(*lo, (float)((least - z) * s));
		*hi = fmaxf(*hi, (float)((most - z) * s));
	}
	return true;
}

/* An input, or numbers that a quantizer has bounded before. */
static bool is_bounded(const az_value *x)
{
	const az_op *op = az_value_op(x);
	while (op && (op->code == AZ_OP_reshape || op->code == AZ_OP_transpose)) {
		x = op->args[0].value;
		op = az_value_op(x);
	}
	if (!op)
		return true;
	return az_shares_quantizer(op) || op->code == AZ_OP_avg_pool || op->code == AZ_OP_reduce;
}

static bool drop_pair(az_op *dq, az_op *q)
{
	az_value *x = q->args[0].value;
	az_attrs attrs;
	az_attrs_init(AZ_OP_clip, &attrs);
	if (!bounds_of(q, &attrs.clip.lo, &attrs.clip.hi))
		return false;
	az_builder at = az_before(dq);
	if (!is_bounded(x))
		x = az_build(&at, AZ_OP_clip, 1, &x, &attrs, AZ_ELEM_NONE);
	if (x)
		az_replace_op(dq, x);
	return x != NULL;
}

/* At the borders stored integers are the network's own. */
static bool may_stay(const az_op *op)
{
	if (op->code == AZ_OP_dequantize)
		return az_value_op(op->args[0].value) == NULL;
	return op->code == AZ_OP_quantize && az_is_result(op->results[0]);
}

static bool check_rest(az_pass_ctx *pass, const az_func *func)
{
	bool ok = true;
	for (const az_op *op = func->first; op; op = op->next) {
		bool quantizer = op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize ||
				 op->code == AZ_OP_requantize;
		if (quantizer && !may_stay(op))
			ok = az_error(pass->ctx, op->loc,
				"drop-quantizers: '%s' (%%%s) is no pair of quantize and "
				"dequantize with constant parameters: this network computes with "
				"stored integers here",
				az_op_table[op->code].name, op->results[0]->name);
	}
	return ok;
}

bool az_pass_drop_quantizers(az_pass_ctx *pass)
{
	az_func *main = az_module_main(pass->module);
	az_op *next, *q;
	for (az_op *op = main ? main->first : NULL; op; op = next) {
		next = op->next;
		if (on_constants(op)) {
			if (!fold(op, &pass->scratch))
				return false;
		} else if (op->code == AZ_OP_dequantize && (q = pair_of(op))) {
			(void)drop_pair(op, q);
		}
	}
	az_sweep(pass->module);
	return !main || check_rest(pass, main);
}
