/* SPDX-License-Identifier: Apache-2.0
 *
 * expose-edges: what stands between a caller and the network's own numbers becomes the caller's.
 *
 * {stored}: a parameter that is quantized first is given quantized, a result that is dequantized last is
 * given as it is stored; the facts beside the value say what the numbers mean.
 *
 *   func @main(%x: f32[1,3,8,8]) -> ...          func @main(%x: u8[1,3,8,8] {0.5:3}) -> ...
 *     %1 = quantize %x, @s, @z : u8[1,3,8,8]
 *
 * {nhwc}: a parameter that is transposed to channels last first, and a result that is transposed from it
 * last, are given channels last.
 *
 * Between the edge and the operation that goes, operations that move numbers, or work on each alone, may
 * stand; they are kept. Edges that are neither stay what they are, and a note says which. Guarantees: names
 * and order of parameters and results stay. Terminates: each step takes an operation away. */
#include "passes/rewrite.h"

#include <string.h>

#define CHAIN_MAX 8

/* Operations between an edge and the one that goes, from the edge on. */
typedef struct chain {
	uint32_t count;
	az_op *op[CHAIN_MAX];
	az_op *goal;
} chain;

typedef bool test(const az_op *op);

/* --- Which operations ----------------------------------------------------------------------------------- */

static bool only_moves(const az_op *op)
{
	return op->result_count == 1 && op->arg_count == 1 &&
	       (op->code == AZ_OP_transpose || op->code == AZ_OP_reshape);
}

/* One scale and zero point for all elements, both constant. */
static bool is_plain(const az_op *op)
{
	const az_value *scale = az_op_arg(op, 1), *zero = az_op_arg(op, 2);
	return az_value_is_const(scale) && az_type_numel(scale->type) == 1 &&
	       (!zero || (az_value_is_const(zero) && az_type_numel(zero->type) == 1));
}

static bool is_quantize(const az_op *op)
{
	return op->code == AZ_OP_quantize && is_plain(op);
}

/* Of an activation: accumulators are no numbers to give to a caller. */
static bool is_dequantize(const az_op *op)
{
	return op->code == AZ_OP_dequantize && is_plain(op) &&
	       op->args[0].value->type->elem.bits <= 16 && !az_value_is_const(op->args[0].value);
}

static bool works_alone(const az_op *op)
{
	bool quantizes =
		(op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize) && is_plain(op);
	bool plain = (az_op_table[op->code].traits & AZ_TRAIT_ELTWISE) && op->arg_count == 1;
	return op->result_count == 1 && (quantizes || plain || op->code == AZ_OP_cast);
}

static bool is_permutation(const az_op *op, bool to_last)
{
	if (op->code != AZ_OP_transpose || op->results[0]->type->rank < 3)
		return false;
	az_ints perm = op->attr.transpose.perm;
	uint32_t last = perm.count - 1;
	for (uint32_t i = 0; i < perm.count; i++) {
		int64_t wanted = to_last ? (i == 0             ? 0
						   : i == last ? 1
							       : i + 1)
					 : (i == 0          ? 0
						   : i == 1 ? last
							    : i - 1);
		if (perm.v[i] != wanted)
			return false;
	}
	return true;
}

static bool is_to_last(const az_op *op)
{
	return is_permutation(op, true);
}

static bool is_from_last(const az_op *op)
{
	return is_permutation(op, false);
}

/* --- Finding them --------------------------------------------------------------------------------------- */

/* The value's one user, which it is the first operand of. */
static az_op *behind(const az_value *v)
{
	az_op *op = az_only_user(v);
	return op && op->args[0].value == v ? op : NULL;
}

/* What makes the value, which has no other use. */
static az_op *before(const az_value *v)
{
	az_op *op = az_value_op(v);
	return op && op->result_count == 1 && v->uses && !v->uses->next ? op : NULL;
}

/* From a parameter on (`behind`) or from a result back (`before`), with nothing but `between` up to the goal. */
static bool find(const az_value *v, az_op *next(const az_value *), test *goal, test *between,
	chain *out)
{
	*out = (chain){0};
	for (;;) {
		az_op *op = next(v);
		if (!op)
			return false;
		if (goal(op)) {
			out->goal = op;
			return true;
		}
		if (!between(op) || out->count == CHAIN_MAX)
			return false;
		out->op[out->count++] = op;
		v = next == behind ? op->results[0] : op->args[0].value;
	}
}

/* --- Taking them away ----------------------------------------------------------------------------------- */

static const az_quant *quant_of(az_module *module, const az_op *op)
{
	const az_value *zero = az_op_arg(op, 2);
	float scale = (float)az_const_get(az_value_const(op->args[1].value), 0);
	return az_quant_scalar(module, scale,
		zero ? (int32_t)az_const_get_int(az_value_const(zero), 0) : 0);
}

/* The types of what lies between follow from the operands; quant: what the numbers mean now. */
static bool rederive(az_op *op, const az_quant *quant)
{
	if (!az_op_reinfer(op))
		return false;
	if (quant)
		op->results[0]->quant = quant;
	return true;
}

/* The parameter takes the type; the operation goes. */
static bool move_to_param(az_value *param, const az_type *type, const chain *c,
	const az_quant *quant)
{
	param->type = type;
	if (quant) {
		param->quant = quant;
		param->range = (az_range){0};
	}
	for (uint32_t i = 0; i < c->count; i++)
		if (!rederive(c->op[i], quant))
			return false;
	az_value *last = c->goal->args[0].value;
	az_value_replace_uses(c->goal->results[0], last);
	az_op_erase(c->goal);
	return true;
}

static bool move_to_result(az_func *main, uint32_t index, const chain *c, const az_quant *quant)
{
	az_value *from = c->goal->args[0].value;
	if (quant)
		from->quant = quant;
	if (c->count == 0) {
		az_func_set_result(main, index, from);
	} else {
		az_op_set_arg(c->op[c->count - 1], 0, from);
		for (uint32_t i = c->count; i-- > 0;)
			if (!rederive(c->op[i], quant))
				return false;
	}
	az_op_erase(c->goal);
	return true;
}

static bool expose_stored(az_pass_ctx *pass, az_func *main)
{
	chain c;
	for (uint32_t i = 0; i < main->params.count; i++) {
		az_value *v = main->params.v[i];
		if (!az_elem_is_float(v->type->elem))
			continue;
		if (!find(v, behind, is_quantize, only_moves, &c)) {
			az_note(pass->ctx, AZ_LOC_NONE,
				"input \"%s\" stays %s: the network reads floats", v->name,
				az_type_print(&pass->scratch, v->type));
			continue;
		}
		const az_type *type =
			az_type_with_elem(pass->ctx, v->type, c.goal->results[0]->type->elem);
		if (!move_to_param(v, type, &c, quant_of(pass->module, c.goal)))
			return false;
	}
	for (uint32_t i = 0; i < main->results.count; i++) {
		az_value *v = main->results.v[i].use->value;
		if (!az_elem_is_float(v->type->elem))
			continue;
		if (!find(v, before, is_dequantize, only_moves, &c))
			az_note(pass->ctx, AZ_LOC_NONE,
				"output \"%s\" stays %s: it is computed in floats, or of "
				"accumulators",
				main->results.v[i].name, az_type_print(&pass->scratch, v->type));
		else if (!move_to_result(main, i, &c, quant_of(pass->module, c.goal)))
			return false;
	}
	return true;
}

/* The shape before the permutation, from that behind it. */
static const az_type *with_shape(az_ctx *ctx, const az_value *v, const az_type *shape)
{
	return az_type_get(ctx, v->type->elem, shape->rank, shape->dim);
}

static bool expose_nhwc(az_pass_ctx *pass, az_func *main)
{
	chain c;
	for (uint32_t i = 0; i < main->params.count; i++) {
		az_value *v = main->params.v[i];
		if (find(v, behind, is_to_last, works_alone, &c)) {
			const az_type *type = with_shape(pass->ctx, v, c.goal->results[0]->type);
			if (!move_to_param(v, type, &c, NULL))
				return false;
		} else if (v->type->rank > 2) {
			az_note(pass->ctx, AZ_LOC_NONE,
				"input \"%s\" stays %s: no transpose to channels last follows",
				v->name, az_type_print(&pass->scratch, v->type));
		}
	}
	for (uint32_t i = 0; i < main->results.count; i++) {
		az_value *v = main->results.v[i].use->value;
		if (find(v, before, is_from_last, works_alone, &c) &&
			!move_to_result(main, i, &c, NULL))
			return false;
	}
	return true;
}

bool az_pass_expose_edges(az_pass_ctx *pass)
{
	az_func *main = az_module_main(pass->module);
	if (!main)
		return true;
	if (az_pass_flag(pass, "stored") && !expose_stored(pass, main))
		return false;
	if (az_pass_flag(pass, "nhwc") && !expose_nhwc(pass, main))
		return false;
	az_sweep(pass->module);
	return true;
}
