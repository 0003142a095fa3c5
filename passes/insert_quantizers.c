/* SPDX-License-Identifier: Apache-2.0
 *
 * insert-quantizers: puts quantize and dequantize around everything that will compute in integers, with
 * the ranges that calibrate noted, and replaces the weights by dequantized integers.
 *
 *   %c = conv %x, @w, @b : f32[..] in [0, 6]      %d = dequantize @w.q, @w.scale, axis = 0
 *                                                 %c = conv %x.dq, %d, @b
 *                                                 %q = quantize %c, @c.scale, @c.zero : u8[..]
 *                                                 %e = dequantize %q, @c.scale, @c.zero
 *
 * Weights: symmetric, one scale per output channel, |q| <= 2^(bits-1) - 1. Activations: unsigned,
 * asymmetric, one scale per value; the range is widened to hold 0, so that padding and relu are exact.
 * Values that only move or choose among others (concat, max_pool, reshape, ...) share one quantizer with
 * them, over the union of their ranges. Biases stay f32 until fold-quantizers; where one would not fit
 * 2^30 steps, that channel's weight scale is raised (numerics.md 5).
 *
 * Requires: stage canonical, calibrate. Guarantees: every operation with constant weights has quantized
 * operands. Terminates: one walk over the values. */
#include <math.h>

#include "base/bits.h"
#include "passes/insert.h"
#include "passes/precision.h"

typedef struct inserter {
	az_pass_ctx *pass;
	az_module *module;
	az_quantize_plan plan;
	az_range *shared;         /* by root id: the union of the ranges */
	const az_value **seen;    /* by root id: a member with the scale's name */
	az_value **scale, **zero; /* by root id: the constants */
	uint8_t *act_bits;        /* by root id: the most that a member asks for */
	az_precisions precisions;
} inserter;

static void collect(inserter *in, const az_value *value)
{
	if (!in->plan.wanted[value->id] || !value->range.known)
		return;
	uint32_t root = az_quantize_plan_root(&in->plan, value->id);
	az_range *r = &in->shared[root];
	if (!r->known)
		*r = (az_range){true, 0, 0};
	r->lo = fminf(r->lo, value->range.lo);
	r->hi = fmaxf(r->hi, value->range.hi);
	if (!in->seen[root])
		in->seen[root] = value;
	int bits = az_precision_act(&in->precisions, az_value_op(value));
	in->act_bits[root] = (uint8_t)AZ_MAX(in->act_bits[root], bits);
}

static az_elem act_of(const inserter *in, uint32_t root)
{
	return (az_elem){AZ_KIND_UINT, in->act_bits[root]};
}

/* Scale and zero point of a group of values as constants. */
static bool make_quantizer(inserter *in, const az_value *value, uint32_t root)
{
	az_module *module = in->module;
	const az_range *r = &in->shared[root];
	if (!r->known)
		return az_error(in->pass->ctx, AZ_LOC_NONE,
			"insert-quantizers: value \"%s\" has no range, run calibrate first",
			value->name);
	if (in->scale[root])
		return true;
	az_elem act = act_of(in, root);
	float levels = (float)az_elem_max(act);
	float scale = (r->hi - r->lo) / levels;
	if (!(scale >= 0x1p-126f) || !isfinite(scale))
		scale = 1.0f;
	int64_t zero = (int64_t)fminf(fmaxf(rintf(-r->lo / scale), 0.0f), levels);
	const char *name = in->seen[root]->name;
	az_arena *scratch = &in->pass->scratch;
	const az_type *type = az_type_get(in->pass->ctx, act, 0, NULL);
	unsigned char stored[8] = {0};
	az_bits_set(stored, 0, act.bits, (uint64_t)zero);
	in->scale[root] =
		&az_const_f32_scalar(module, az_arena_printf(scratch, "%s.scale", name), scale)
			 ->value;
	in->zero[root] = &az_const_new(module, az_arena_printf(scratch, "%s.zero", name), type,
		stored, false)
				  ->value;
	return true;
}

static bool quantize_value(inserter *in, az_func *main, az_value *value)
{
	if (!in->plan.wanted[value->id])
		return true;
	uint32_t root = az_quantize_plan_root(&in->plan, value->id);
	if (!make_quantizer(in, value, root))
		return false;
	az_op *def = az_value_op(value);
	az_builder at = {main, def ? def->next : main->first, def ? def->loc : AZ_LOC_NONE};
	az_value *args[3] = {value, in->scale[root], in->zero[root]};
	az_value *q = az_build(&at, AZ_OP_quantize, 3, args, NULL, act_of(in, root));
	if (!q)
		return false;
	args[0] = q;
	az_value *dq = az_build(&at, AZ_OP_dequantize, 3, args, NULL, AZ_F32);
	if (!dq)
		return false;
	q->quant = az_quant_scalar(in->module, (float)az_const_get(az_value_const(args[1]), 0),
		(int32_t)az_const_get_int(az_value_const(args[2]), 0));
	az_value_replace_uses(value, dq);
	az_op_set_arg(az_value_op(q), 0, value);
	return true;
}

static bool insert(inserter *in, az_func *main)
{
	az_arena *scratch = &in->pass->scratch;
	az_elem input = {AZ_KIND_UINT, (uint8_t)az_precision_act(&in->precisions, NULL)};
	float input_levels = (float)az_elem_max(input);
	bool *shifted = az_new_array(scratch, bool, main->params.count + 1);
	if (!az_shift_inputs(main, input_levels, shifted, scratch))
		return false;
	az_weighted sums = {0};
	if (!az_quantize_fine(main, az_pass_int(in->pass, "fine"), input, &sums, scratch))
		return false;
	size_t count = main->value_count + 1u;
	az_quantize_plan_make(main, scratch, &in->plan);
	for (uint32_t i = 0; i < sums.list.count; i++) {
		for (uint32_t part = 0; part < 2; part++)
			in->plan.wanted[sums.list.v[i]->args[part].value->id] = false;
	}
	for (uint32_t i = 0; i < main->params.count; i++) {
		if (shifted[i])
			in->plan.wanted[main->params.v[i]->id] = false;
	}
	in->shared = az_new_array(scratch, az_range, count);
	in->seen = az_new_array(scratch, const az_value *, count);
	in->scale = az_new_array(scratch, az_value *, count);
	in->zero = az_new_array(scratch, az_value *, count);
	in->act_bits = az_new_array(scratch, uint8_t, count);
	for (uint32_t i = 0; i < main->params.count; i++)
		collect(in, main->params.v[i]);
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t i = 0; i < op->result_count; i++)
			collect(in, op->results[i]);
	}
	for (uint32_t i = 0; i < main->params.count; i++) {
		if (!quantize_value(in, main, main->params.v[i]))
			return false;
	}
	az_op *next;
	for (az_op *op = main->first; op; op = next) {
		next = op->next;
		if (op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize)
			continue; /* just inserted: ids beyond the plan */
		for (uint32_t i = 0; i < op->result_count; i++) {
			if (!quantize_value(in, main, op->results[i]))
				return false;
		}
	}
	for (az_op *op = main->first; op; op = op->next) {
		if (!az_has_weights(op))
			continue;
		unsigned bits = (unsigned)az_precision_weight(&in->precisions, op);
		if (!az_quantize_weights(op, bits, az_pass_flag(in->pass, "exact"), scratch))
			return false;
	}
	return true;
}

bool az_pass_insert_quantizers(az_pass_ctx *pass)
{
	int64_t weights = az_pass_int(pass, "weights"), acts = az_pass_int(pass, "acts");
	if (weights < 2 || weights > 8 || acts < 2 || acts > 8)
		return az_error(pass->ctx, pass->step->loc,
			"insert-quantizers: weights = %lld and acts = %lld must be 2 to 8 bits",
			(long long)weights, (long long)acts);
	az_func *main = az_module_main(pass->module);
	if (!main)
		return true;
	inserter in = {.pass = pass, .module = pass->module};
	bool ok = az_precisions_init(&in.precisions, pass, (int)weights, (int)acts) &&
		  insert(&in, main);
	if (ok)
		az_precisions_finish(&in.precisions);
	az_sweep(pass->module);
	return ok;
}
