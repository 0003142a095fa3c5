/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at a graph and replacing values in it. */
#include "passes/rewrite.h"

#include <ctype.h>
#include <math.h>

az_op *az_def_is(const az_value *value, az_opcode code)
{
	az_op *op = value ? az_value_op(value) : NULL;
	return op && op->code == code ? op : NULL;
}

bool az_used_once(const az_value *value)
{
	return value->uses && !value->uses->next;
}

az_op *az_only_user(const az_value *value)
{
	return az_used_once(value) ? value->uses->user : NULL;
}

bool az_is_result(const az_value *value)
{
	for (const az_use *use = value->uses; use; use = use->next) {
		if (!use->user)
			return true;
	}
	return false;
}

bool az_name_generated(az_name name)
{
	if (!name)
		return true;
	while (isdigit((unsigned char)*name))
		name++;
	return *name == 0;
}

az_builder az_before(az_op *op)
{
	return (az_builder){op->func, op, op->loc};
}

/* Facts follow the numbers: the range always, the quantizer only onto the same storage. */
static void take_facts(az_value *to, const az_value *from)
{
	if (!to->range.known)
		to->range = from->range;
	if (!to->quant && from->quant && az_elem_equal(to->type->elem, from->type->elem) &&
		from->quant->axis < 0)
		to->quant = from->quant;
}

void az_replace_value(az_value *old, az_value *with)
{
	if (old == with)
		return;
	az_value_replace_uses(old, with);
	if (with->kind != AZ_VALUE_RESULT)
		return;
	take_facts(with, old);
	/* Source networks number their values too, so a value that was just made takes any name. */
	bool worth = !az_name_generated(old->name) || with->id > old->id;
	if (worth && az_name_generated(with->name)) {
		az_name name = old->name;
		az_value_rename(old, NULL);
		az_value_rename(with, name);
	}
}

void az_replace_op(az_op *op, az_value *with)
{
	az_value *old = op->results[0];
	az_op *maker = az_value_op(with);
	if (maker && !maker->loc.node && op->loc.node)
		maker->loc = op->loc;
	az_replace_value(old, with);
	az_op_erase(op);
}

void az_replace_numbers(az_op *op, uint32_t index, const float *v, const az_quant *meaning)
{
	az_value *old = op->args[index].value;
	az_name name = old->name;
	az_value *made = &az_const_new(op->func->module, name, old->type, v, true)->value;
	made->quant = meaning;
	az_op_set_arg(op, index, made);
	if (old->uses)
		return;
	az_const_erase(az_value_const(old));
	az_value_rename(made, name);
}

static bool sweep_func(az_func *func)
{
	bool changed = false;
	az_op *before;
	for (az_op *op = func->last; op; op = before) {
		before = op->prev;
		bool used = !(az_op_table[op->code].traits & AZ_TRAIT_PURE);
		for (uint32_t i = 0; i < op->result_count && !used; i++)
			used = op->results[i]->uses != NULL;
		if (used)
			continue;
		az_op_erase(op);
		changed = true;
	}
	return changed;
}

static bool called(const az_module *module, const az_func *callee)
{
	for (uint32_t i = 0; i < module->funcs.count; i++) {
		for (const az_op *op = module->funcs.v[i]->first; op; op = op->next) {
			if (op->code == AZ_OP_call && op->attr.call.callee == callee)
				return true;
		}
	}
	return false;
}

bool az_sweep(az_module *module)
{
	bool changed = false;
	/* Callers stand behind their callees, so one walk from the end sees every call that is gone. */
	for (uint32_t i = module->funcs.count; i-- > 0;) {
		az_func *func = module->funcs.v[i];
		if (func != az_module_main(module) && !called(module, func)) {
			az_func_erase(func);
			changed = true;
		} else {
			changed |= sweep_func(func);
		}
	}
	for (uint32_t i = module->consts.count; i-- > 0;) {
		if (module->consts.v[i]->value.uses)
			continue;
		az_const_erase(module->consts.v[i]);
		changed = true;
	}
	return changed;
}

bool az_perm_identity(az_ints perm)
{
	for (uint32_t i = 0; i < perm.count; i++) {
		if (perm.v[i] != (int64_t)i)
			return false;
	}
	return true;
}

bool az_perm_is_view(az_ints perm, const int64_t *dim)
{
	int64_t last = -1;
	for (uint32_t i = 0; i < perm.count; i++) {
		if (dim[perm.v[i]] == 1)
			continue;
		if (perm.v[i] < last)
			return false;
		last = perm.v[i];
	}
	return true;
}

void az_perm_inverse(uint32_t rank, const int64_t *perm, int64_t *inverse)
{
	for (uint32_t i = 0; i < rank; i++)
		inverse[perm[i]] = i;
}

az_value *az_build_reshape(az_builder *at, az_value *x, uint32_t rank, const int64_t *dim)
{
	bool same = x->type->rank == rank;
	for (uint32_t i = 0; i < rank && same; i++)
		same = x->type->dim[i] == dim[i];
	if (same)
		return x;
	az_attrs attrs;
	az_attrs_init(AZ_OP_reshape, &attrs);
	attrs.reshape.shape = (az_ints){rank, dim};
	return az_build(at, AZ_OP_reshape, 1, &x, &attrs, AZ_ELEM_NONE);
}

az_value *az_build_transpose(az_builder *at, az_value *x, uint32_t rank, const int64_t *perm)
{
	if (az_perm_identity((az_ints){rank, perm}))
		return x;
	az_attrs attrs;
	az_attrs_init(AZ_OP_transpose, &attrs);
	attrs.transpose.perm = (az_ints){rank, perm};
	return az_build(at, AZ_OP_transpose, 1, &x, &attrs, AZ_ELEM_NONE);
}

bool az_const_uniform(const az_value *value, double *x)
{
	const az_const *c = az_value_const(value);
	if (!c || !(c->splat || az_type_numel(value->type) == 1))
		return false;
	*x = az_const_get(c, 0);
	return true;
}

az_const *az_const_f32_of(const az_value *value)
{
	az_const *c = value ? az_value_const(value) : NULL;
	return c && az_elem_equal(value->type->elem, AZ_F32) ? c : NULL;
}

bool az_ops_equal(const az_op *a, const az_op *b)
{
	if (a->code != b->code || a->arg_count != b->arg_count ||
		a->result_count != b->result_count || !az_attrs_same(a->code, &a->attr, &b->attr))
		return false;
	for (uint32_t i = 0; i < a->arg_count; i++) {
		if (a->args[i].value != b->args[i].value)
			return false;
	}
	for (uint32_t i = 0; i < a->result_count; i++) {
		if (a->results[i]->type != b->results[i]->type)
			return false;
	}
	return true;
}

int64_t az_quantize_one(float x, float scale, int64_t zero, int64_t lo, int64_t hi)
{
	float low = (float)(lo - zero), high = (float)(hi - zero);
	float v = scale >= 0x1p-126f ? x / scale : 0.0f;
	v = v > low ? v : low; /* NaN gives lo */
	v = v < high ? v : high;
	return (int64_t)rintf(v) + zero;
}
