/* SPDX-License-Identifier: Apache-2.0
 *
 * match-ort: sums and products of two quantized values by the formulas of ONNX Runtime's kernels (MLAS,
 * QLinearAdd and QLinearMul) in the place of their definition. They are other roundings of the same number:
 * results differ by one step at ties.
 *
 *   %a = dequantize %aq, @sa, @za        %a = dequantize %aq, @A
 *   %b = dequantize %bq, @sb, @zb        %b = dequantize %bq, @B
 *   %y = add %a, %b                      %k = add %b, @k
 *   %yq = quantize %y, @sy, @zy          %y = add %a, %k
 *                                        %yq = quantize %y, 1
 *
 * with A = sa / sy, B = sb / sy, k = zy - (A za + B zb), and for a product
 * round((aq - za)(bq - zb) * (sa sb / sy) + zy). All in f32, no fused multiply-add: where ONNX Runtime has
 * one, a sum in some thousands still differs.
 *
 * Requires: nothing; after fold-quantizers all such islands show. Guarantees: nothing else is touched.
 * Terminates: one walk; what it makes is no such island. */
#include "passes/fold_quantizers.h"

#include "passes/pass.h"

typedef struct island {
	az_op *quantize, *op; /* op: add or mul */
	const az_op *a, *b;   /* dequantize */
	az_params pa, pb, py;
} island;

static bool is_byte(const az_value *v)
{
	return az_elem_is_integer(v->type->elem) && v->type->elem.bits == 8;
}

static bool find(az_op *quantize, island *out)
{
	if (!az_plain_quantize(quantize, &out->py) || !is_byte(quantize->results[0]))
		return false;
	az_op *op = az_value_op(quantize->args[0].value);
	if (!op || (op->code != AZ_OP_add && op->code != AZ_OP_mul) ||
		!az_used_once(op->results[0]))
		return false;
	out->quantize = quantize;
	out->op = op;
	out->a = az_plain_dequantized(op->args[0].value, &out->pa);
	out->b = az_plain_dequantized(op->args[1].value, &out->pb);
	return out->a && out->b && is_byte(out->a->args[0].value) &&
	       is_byte(out->b->args[0].value) && az_params_scale(&out->py, 0) > 0;
}

static az_value *number(const island *i, float v)
{
	return &az_const_f32_scalar(i->quantize->func->module, NULL, v)->value;
}

/* f32(q - zero) * scale; no zero point when it is NULL. */
static az_value *scaled(az_builder *at, const island *i, const az_op *dequantize, float scale,
	az_value *zero)
{
	az_value *args[3] = {dequantize->args[0].value, number(i, scale), zero};
	return az_build(at, AZ_OP_dequantize, zero ? 3 : 2, args, NULL, AZ_F32);
}

static az_value *two(az_builder *at, az_opcode code, az_value *a, az_value *b)
{
	az_value *args[2] = {a, b};
	return a && b ? az_build(at, code, 2, args, NULL, AZ_ELEM_NONE) : NULL;
}

static az_value *sum(az_builder *at, const island *i)
{
	float sy = az_params_scale(&i->py, 0);
	float a = az_params_scale(&i->pa, 0) / sy, b = az_params_scale(&i->pb, 0) / sy;
	float za = (float)az_params_zero(&i->pa, 0) * a, zb = (float)az_params_zero(&i->pb, 0) * b;
	float k = (float)az_params_zero(&i->py, 0) - (za + zb);
	az_value *rest = two(at, AZ_OP_add, scaled(at, i, i->b, b, NULL), number(i, k));
	return two(at, AZ_OP_add, scaled(at, i, i->a, a, NULL), rest);
}

static az_value *product(az_builder *at, const island *i)
{
	float scales = az_params_scale(&i->pa, 0) * az_params_scale(&i->pb, 0);
	float scale = scales / az_params_scale(&i->py, 0);
	az_value *a = scaled(at, i, i->a, 1, az_op_arg(i->a, 2));
	az_value *b = scaled(at, i, i->b, 1, az_op_arg(i->b, 2));
	az_value *y = two(at, AZ_OP_mul, two(at, AZ_OP_mul, a, b), number(i, scale));
	return two(at, AZ_OP_add, y, number(i, (float)az_params_zero(&i->py, 0)));
}

static bool rewrite(const island *i)
{
	az_module *module = i->quantize->func->module;
	az_builder at = az_before(i->quantize);
	at.loc = i->op->loc;
	az_elem elem = i->quantize->results[0]->type->elem;
	float sy = az_params_scale(&i->py, 0);
	int64_t zy = az_params_zero(&i->py, 0);
	az_reals clip = i->op->code == AZ_OP_add ? i->op->attr.add.clamp : i->op->attr.mul.clamp;
	int64_t clamp[2];
	az_attrs attrs;
	az_attrs_init(AZ_OP_quantize, &attrs);
	for (uint32_t k = 0; k < clip.count && k < 2; k++)
		clamp[k] = az_quantize_one(clip.v[k], sy, zy, az_elem_min(elem), az_elem_max(elem));
	if (clip.count == 2)
		attrs.quantize.clamp = (az_ints){2, clamp};
	az_value *args[2] = {
		i->op->code == AZ_OP_add ? sum(&at, i) : product(&at, i), number(i, 1)};
	az_value *made = args[0] ? az_build(&at, AZ_OP_quantize, 2, args, &attrs, elem) : NULL;
	if (!made)
		return false;
	made->quant = az_quant_scalar(module, sy, (int32_t)zy);
	made->range = i->quantize->results[0]->range;
	az_replace_op(i->quantize, made);
	return true;
}

bool az_pass_match_ort(az_pass_ctx *pass)
{
	az_func *main = az_module_main(pass->module);
	island found;
	for (az_op *op = main ? main->first : NULL, *next; op; op = next) {
		next = op->next;
		if (find(op, &found) && !rewrite(&found))
			return false;
	}
	az_sweep(pass->module);
	return true;
}
