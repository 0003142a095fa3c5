/* SPDX-License-Identifier: Apache-2.0
 *
 * widen-activations: activations of fewer than 8 bits lie in bytes between kernels; their numbers stay
 * what they are. Weights keep their width: they are unpacked in registers.
 *
 *   %q = requantize %acc, @s : u4[..]      becomes      %q = requantize %acc, @s, clamp = [0, 15] : u8[..]
 *
 * Quantize and requantize make the wide type at once, under the narrow one's bounds; any other operation
 * with a narrow result is followed by a cast. Parameters and results of main keep their types, with casts
 * at the border. Tables are extended to the indices of the wide type, zero points of activations widened.
 *
 * Requires: stage canonical or folded. Guarantees: no operation of main but a cast at the border, or one
 * beside an operation that can make nothing else, has a result of fewer than 8 bits. Terminates: one walk. */
#include <string.h>

#include "base/bits.h"
#include "passes/normal.h"
#include "passes/rewrite.h"

typedef struct widener {
	az_pass_ctx *pass;
	az_func *main;
	az_map was; /* wide az_value -> az_type that it had */
} widener;

static bool is_narrow(az_elem e)
{
	return e.kind == AZ_KIND_BIPOLAR || (az_elem_is_integer(e) && e.bits < 8);
}

static az_elem widened(az_elem e)
{
	return az_elem_is_signed(e) ? AZ_I8 : AZ_U8;
}

static void note(widener *w, az_value *wide, const az_type *was)
{
	az_map_put(&w->pass->scratch, &w->was, wide, (void *)(uintptr_t)was);
}

/* Uses by operations read `wide`; what the function returns stays. */
static void replace_inner_uses(az_value *v, az_value *wide)
{
	const az_op *self = az_value_op(wide);
	az_use *next;
	for (az_use *use = v->uses; use; use = next) {
		next = use->next;
		if (use->user && use->user != self)
			az_op_set_arg(use->user, use->index, wide);
	}
}

/* What the function returns is a cast of the wide value to the type it had; the cast takes the name. */
static bool return_narrow(widener *w, az_op *after, az_value *returned, az_value *wide,
	az_elem elem)
{
	if (!az_is_result(returned))
		return true;
	az_builder at = {w->main, after->next, after->loc};
	az_value *narrow = az_build(&at, AZ_OP_cast, 1, &wide, NULL, elem);
	if (!narrow)
		return false;
	az_use *next;
	for (az_use *use = returned->uses; use; use = next) {
		next = use->next;
		if (!use->user)
			az_func_set_result(use->func, use->index, narrow);
	}
	narrow->quant = wide->quant;
	narrow->range = wide->range;
	return true;
}

static bool cast_after(widener *w, az_value *v)
{
	az_op *def = az_value_op(v);
	az_builder at = {w->main, def ? def->next : w->main->first, def ? def->loc : AZ_LOC_NONE};
	az_value *wide = az_build(&at, AZ_OP_cast, 1, &v, NULL, widened(v->type->elem));
	if (!wide)
		return false;
	wide->range = v->range;
	wide->quant = v->quant;
	note(w, wide, v->type);
	replace_inner_uses(v, wide);
	return true;
}

/* The narrow bounds, inside the clamp that is there already. */
static void narrow_clamp(az_module *module, az_ints *clamp, az_elem e)
{
	int64_t v[] = {az_elem_min(e), az_elem_max(e)};
	if (clamp->count == 2) {
		v[0] = AZ_MAX(v[0], clamp->v[0]);
		v[1] = AZ_MIN(v[1], clamp->v[1]);
	}
	*clamp = az_ints_copy(module, 2, v);
}

/* quantize, requantize or threshold again, with bytes as its result. */
static bool remake(widener *w, az_op *op)
{
	az_value *old = op->results[0], *args[3];
	const az_type *was = old->type;
	az_attrs attrs = op->attr;
	if (op->code != AZ_OP_threshold) /* which counts up from its base in any type */
		narrow_clamp(w->main->module,
			op->code == AZ_OP_quantize ? &attrs.quantize.clamp
						   : &attrs.requantize.clamp,
			was->elem);
	for (uint32_t i = 0; i < op->arg_count; i++)
		args[i] = az_op_arg(op, i);
	az_builder at = az_before(op);
	az_value *wide = az_build(&at, op->code, op->arg_count, args, &attrs, widened(was->elem));
	if (!wide)
		return false;
	az_name name = old->name;
	wide->range = old->range;
	wide->quant = old->quant;
	note(w, wide, was);
	replace_inner_uses(old, wide);
	if (!return_narrow(w, op, old, wide, was->elem))
		return false;
	az_op_erase(op);
	az_value_rename(wide, name);
	return true;
}

/* Entry i of the table for a wide operand is that of the nearest narrow number. */
static bool widen_table(widener *w, az_op *op)
{
	az_const *table = az_value_const(op->args[1].value);
	const az_type *was = az_map_get(&w->was, op->args[0].value);
	az_elem elem = op->args[1].value->type->elem,
		x = was ? was->elem : op->args[0].value->type->elem;
	if (!was && !is_narrow(elem))
		return true;
	if (!table)
		return az_error(w->pass->ctx, op->loc,
			"lookup: a table computed at run time needs operands and results of 8 "
			"bits");
	az_elem to = is_narrow(elem) ? widened(elem) : elem, index = was ? widened(x) : x;
	int64_t count = INT64_C(1) << index.bits, lo = az_elem_min(x), hi = az_elem_max(x);
	az_module *module = w->main->module;
	const az_type *type = az_type_get(module->ctx, to, 1, &count);
	az_tensor full = az_tensor_new(&module->arena, type);
	for (int64_t i = 0; i < count; i++) {
		int64_t near = AZ_MAX(lo, AZ_MIN(hi, i + az_elem_min(index)));
		int64_t entry = x.kind == AZ_KIND_BIPOLAR ? near > 0 : near - lo;
		az_tensor_set(&full, (uint64_t)i, az_const_get(table, (uint64_t)entry));
	}
	az_op_set_arg(op, 1,
		&az_const_new(module, table->value.name, type, full.data, true)->value);
	return true;
}

/* A zero point of an activation is stored like one. */
static void widen_zero(widener *w, az_op *op)
{
	az_value *zero = az_op_arg(op, 2);
	az_const *from = zero ? az_value_const(zero) : NULL;
	if (!from || az_value_is_const(op->args[0].value) || !is_narrow(zero->type->elem))
		return;
	az_module *module = w->main->module;
	const az_type *type = az_type_with_elem(module->ctx, zero->type, widened(zero->type->elem));
	az_tensor to = az_tensor_new(&module->arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++)
		az_tensor_set(&to, (uint64_t)i, az_const_get(from, (uint64_t)i));
	az_op_set_arg(op, 2, &az_const_new(module, zero->name, type, to.data, true)->value);
}

static bool reads_wide(const widener *w, const az_op *op)
{
	for (uint32_t i = 0; i < op->arg_count; i++)
		if (az_op_arg(op, i) && az_map_get(&w->was, az_op_arg(op, i)))
			return true;
	return false;
}

/* Types that follow from the operands are derived again; returned results keep theirs by a cast. */
static bool rederive(widener *w, az_op *op)
{
	const az_type *was[AZ_ARGS_MAX];
	for (uint32_t i = 0; i < op->result_count; i++)
		was[i] = op->results[i]->type;
	if (op->code == AZ_OP_lookup)
		op->results[0]->type =
			az_type_with_elem(w->pass->ctx, was[0], op->args[1].value->type->elem);
	if (!az_op_reinfer(op))
		return false;
	for (uint32_t i = 0; i < op->result_count; i++) {
		if (op->results[i]->type == was[i])
			continue;
		note(w, op->results[i], was[i]);
		if (!return_narrow(w, op, op->results[i], op->results[i], was[i]->elem))
			return false;
	}
	return true;
}

static bool widen(widener *w, az_op *op)
{
	if (op->code == AZ_OP_lookup && !widen_table(w, op))
		return false;
	if ((op->code == AZ_OP_lookup || reads_wide(w, op)) && !rederive(w, op))
		return false;
	if (op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize)
		widen_zero(w, op);
	bool quantizes = (op->code == AZ_OP_quantize || op->code == AZ_OP_requantize) &&
			 op->results[0]->type->elem.kind != AZ_KIND_BIPOLAR;
	if ((quantizes || op->code == AZ_OP_threshold) && is_narrow(op->results[0]->type->elem))
		return remake(w, op);
	for (uint32_t i = 0; i < op->result_count; i++)
		if (is_narrow(op->results[i]->type->elem) && !cast_after(w, op->results[i]))
			return false;
	return true;
}

bool az_pass_widen_activations(az_pass_ctx *pass)
{
	widener w = {.pass = pass, .main = az_module_main(pass->module)};
	if (!w.main)
		return true;
	az_op *next, *first = w.main->first;
	for (uint32_t i = 0; i < w.main->params.count; i++) {
		az_value *v = w.main->params.v[i];
		if (is_narrow(v->type->elem) && v->uses && !cast_after(&w, v))
			return false;
	}
	for (az_op *op = first; op; op = next) {
		next = op->next;
		if (!widen(&w, op))
			return false;
	}
	az_normals_drop(pass->module);
	az_sweep(pass->module);
	return true;
}
