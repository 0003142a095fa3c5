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
 * Weights: see insert_weights.c. Activations: one scale per value; unsigned ones asymmetric, over a range
 * that is widened to hold 0, so that padding and relu are exact; signed ones symmetric. One bit is u1 where
 * nothing is negative, else bipolar. What is to stay float gets no quantizer. Values that only move or choose among others (concat, max_pool, reshape, ...) share one quantizer with
 * them, over the union of their ranges. Biases stay f32 until fold-quantizers; where one would not fit
 * 2^30 steps, that channel's weight scale is raised (numerics.md 5).
 *
 * Requires: stage canonical; calibrate, unless all activations stay float. Guarantees: every operation with
 * constant weights has the operands that options and recipe ask for. Terminates: one walk over the values. */
#include <math.h>

#include "base/bits.h"
#include "passes/insert.h"
#include "passes/normal.h"

typedef struct inserter {
	az_pass_ctx *pass;
	az_module *module;
	az_quantize_plan plan;
	az_precisions precisions;
	az_precision *act;        /* by root id */
	az_range *shared;         /* by root id: the union of the ranges */
	const az_value **seen;    /* by root id: a member with the scale's name */
	az_value **scale, **zero; /* by root id: the constants; a zero point of 0 is none */
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
}

static az_elem act_of(const inserter *in, uint32_t root)
{
	return az_precision_elem(&in->act[root], &in->shared[root]);
}

/* The scale; the zero point of unsigned numbers, others have none. */
static float scale_of(az_elem act, const az_range *r, int64_t *zero)
{
	bool is_unsigned = act.kind == AZ_KIND_UINT;
	float levels = (float)az_elem_max(act);
	float scale = (is_unsigned ? r->hi - r->lo : fmaxf(r->hi, -r->lo)) / levels;
	if (!(scale >= 0x1p-126f) || !isfinite(scale))
		scale = 1.0f;
	*zero = is_unsigned ? (int64_t)fminf(fmaxf(rintf(-r->lo / scale), 0.0f), levels) : 0;
	return scale;
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
	int64_t zero;
	az_elem act = act_of(in, root);
	float scale = scale_of(act, r, &zero);
	const char *name = in->seen[root]->name;
	az_arena *scratch = &in->pass->scratch;
	in->scale[root] =
		&az_const_f32_scalar(module, az_arena_printf(scratch, "%s.scale", name), scale)
			 ->value;
	if (act.kind != AZ_KIND_UINT)
		return true;
	const az_type *type = az_type_get(in->pass->ctx, act, 0, NULL);
	unsigned char stored[8] = {0};
	az_bits_set(stored, 0, act.bits, (uint64_t)zero);
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
	uint32_t count = args[2] ? 3 : 2;
	az_value *q = az_build(&at, AZ_OP_quantize, count, args, NULL, act_of(in, root));
	if (!q)
		return false;
	args[0] = q;
	az_value *dq = az_build(&at, AZ_OP_dequantize, count, args, NULL, AZ_F32);
	if (!dq)
		return false;
	q->quant = az_quant_scalar(in->module, (float)az_const_get(az_value_const(args[1]), 0),
		args[2] ? (int32_t)az_const_get_int(az_value_const(args[2]), 0) : 0);
	az_value_replace_uses(value, dq);
	az_op_set_arg(az_value_op(q), 0, value);
	return true;
}

/* What shares a quantizer with something that stays float stays float. */
static void leave_floats(inserter *in)
{
	const az_quantize_plan *plan = &in->plan;
	for (uint32_t i = 0; i < in->precisions.count; i++) {
		if (plan->wanted[i] && in->act[az_quantize_plan_root(plan, i)].is_float)
			plan->wanted[i] = false;
	}
}

/* Inputs on other grids, two bytes for the first layers; then which values get which quantizer. */
static bool prepare(inserter *in, az_func *main)
{
	az_arena *scratch = &in->pass->scratch;
	bool *shifted = az_new_array(scratch, bool, main->params.count + 1);
	az_precision input = az_precision_input(&in->precisions);
	bool affine = !input.is_float && input.elem.kind == AZ_KIND_UINT && !input.by_sign;
	az_weighted sums = {0};
	if (affine && !az_shift_inputs(main, (float)az_elem_max(input.elem), shifted, scratch))
		return false;
	if (in->precisions.fine > 0 && (!affine || input.elem.bits < 2 || input.elem.bits > 8))
		return az_error(in->pass->ctx, in->pass->step->loc,
			"%s: fine wants acts of 2 to 8 bits", in->pass->desc->name);
	if (!az_quantize_fine(main, in->precisions.fine, input.elem, &sums, scratch))
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
	az_precisions_see(&in->precisions, main);
	in->act = az_precisions_acts(&in->precisions, main, &in->plan);
	leave_floats(in);
	in->shared = az_new_array(scratch, az_range, count);
	in->seen = az_new_array(scratch, const az_value *, count);
	in->scale = az_new_array(scratch, az_value *, count);
	in->zero = az_new_array(scratch, az_value *, count);
	return true;
}

static bool quantize_values(inserter *in, az_func *main)
{
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
		for (uint32_t i = 0; i < op->result_count; i++) {
			/* Just inserted ones have ids beyond the plan. */
			if (op->results[i]->id < in->precisions.count &&
				!quantize_value(in, main, op->results[i]))
				return false;
		}
	}
	return true;
}

static bool quantize_weights(inserter *in, az_func *main)
{
	az_pass_ctx *pass = in->pass;
	for (az_op *op = main->first; op; op = op->next) {
		if (!az_has_weights(op))
			continue;
		az_precision precision = az_precision_weight(&in->precisions, op);
		az_arena_mark mark = az_arena_mark_get(&pass->scratch);
		bool ok = az_quantize_weights(op, &precision, in->precisions.exact, &pass->scratch);
		az_arena_reset(&pass->scratch, mark);
		if (!ok)
			return false;
	}
	return true;
}

bool az_insert_quantizers(az_pass_ctx *pass, bool warn)
{
	az_func *main = az_module_main(pass->module);
	inserter in = {.pass = pass, .module = pass->module};
	if (!az_precisions_init(&in.precisions, pass))
		return false;
	bool ok = !main ||
		  (prepare(&in, main) && quantize_values(&in, main) && quantize_weights(&in, main));
	if (ok && warn)
		az_precisions_finish(&in.precisions);
	az_normals_drop(pass->module);
	az_sweep(pass->module);
	return ok;
}

bool az_pass_insert_quantizers(az_pass_ctx *pass)
{
	return az_insert_quantizers(pass, true);
}
