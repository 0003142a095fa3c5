/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading quantizers off the graph. */
#include <math.h>

#include "passes/fold_quantizers.h"

bool az_params_of(const az_op *op, az_params *out)
{
	bool q = op->code == AZ_OP_quantize;
	const az_const *scale = az_value_const(op->args[1].value);
	const az_value *zero = az_op_arg(op, 2);
	if (!scale || !az_elem_equal(scale->value.type->elem, AZ_F32) ||
		(zero && !az_value_is_const(zero)))
		return false;
	if ((q ? op->attr.quantize.group : op->attr.dequantize.group) > 0)
		return false;
	uint32_t rank = op->args[0].value->type->rank;
	bool one = az_type_numel(scale->value.type) == 1;
	out->scale = scale;
	out->zero = zero ? az_value_const(zero) : NULL;
	out->axis = one ? -1
			: az_axis_normalize(q ? op->attr.quantize.axis : op->attr.dequantize.axis,
				  rank);
	return true;
}

float az_params_scale(const az_params *p, int64_t c)
{
	bool one = az_type_numel(p->scale->value.type) == 1;
	float scale = (float)az_const_get(p->scale, one ? 0 : (uint64_t)c);
	return fabsf(scale) < 0x1p-126f ? 0.0f : scale;
}

int64_t az_params_zero(const az_params *p, int64_t c)
{
	if (!p->zero)
		return 0;
	bool one = az_type_numel(p->zero->value.type) == 1;
	return az_const_get_int(p->zero, one ? 0 : (uint64_t)c);
}

bool az_params_equal(const az_params *a, const az_params *b)
{
	return a->axis < 0 && b->axis < 0 && az_params_scale(a, 0) == az_params_scale(b, 0) &&
	       az_params_zero(a, 0) == az_params_zero(b, 0);
}

az_op *az_dequantized(const az_value *value, az_params *out)
{
	az_op *op = az_def_is(value, AZ_OP_dequantize);
	if (!op || !az_elem_equal(value->type->elem, AZ_F32))
		return NULL;
	az_elem elem = op->args[0].value->type->elem;
	bool fits = az_elem_is_integer(elem) || elem.kind == AZ_KIND_BIPOLAR;
	return fits && az_params_of(op, out) ? op : NULL;
}

az_op *az_plain_dequantized(const az_value *value, az_params *out)
{
	az_op *op = az_dequantized(value, out);
	return op && out->axis < 0 ? op : NULL;
}

bool az_params_all_zero(const az_params *p)
{
	return p->axis < 0 && az_params_scale(p, 0) == 0;
}

bool az_tensor_quantize(const az_op *op, az_params *out)
{
	return op && op->code == AZ_OP_quantize && az_params_of(op, out) && out->axis < 0 &&
	       !az_params_all_zero(out) && az_elem_is_integer(op->results[0]->type->elem) &&
	       az_elem_equal(op->args[0].value->type->elem, AZ_F32);
}

bool az_plain_quantize(const az_op *op, az_params *out)
{
	return az_tensor_quantize(op, out) && op->attr.quantize.clamp.count == 0 &&
	       op->attr.quantize.rounding == AZ_rounding_even;
}

/* What a bound on the reals becomes, rounded as everything else is. */
static int64_t bound_of(float v, float scale, int64_t zero, int64_t least, int64_t most,
	az_rounding rounding)
{
	float t = v / scale, low = (float)(least - zero), high = (float)(most - zero);
	t = t > low ? t : low;
	t = t < high ? t : high;
	float whole = rounding == AZ_rounding_floor  ? floorf(t)
		      : rounding == AZ_rounding_ceil ? ceilf(t)
		      : rounding == AZ_rounding_zero ? truncf(t)
						     : rintf(t);
	return (int64_t)whole + zero;
}

bool az_fold_requantize(az_op *quantize, az_value *acc, az_value *scale, float lo, float hi,
	az_value *layer)
{
	az_params y;
	if (!az_tensor_quantize(quantize, &y))
		return false;
	az_module *module = quantize->func->module;
	az_value *result = quantize->results[0];
	az_elem elem = result->type->elem;
	float sy = az_params_scale(&y, 0);
	int64_t zy = az_params_zero(&y, 0), least = az_elem_min(elem), most = az_elem_max(elem);
	const az_attrs_quantize *attr = &quantize->attr.quantize;
	if (attr->clamp.count == 2) {
		least = attr->clamp.v[0];
		most = attr->clamp.v[1];
	}
	int64_t clamp[2] = {bound_of(lo, sy, zy, least, most, attr->rounding),
		bound_of(hi, sy, zy, least, most, attr->rounding)};
	least = az_elem_min(elem);
	most = az_elem_max(elem);
	az_attrs attrs;
	az_attrs_init(AZ_OP_requantize, &attrs);
	attrs.requantize.zero = zy;
	attrs.requantize.rounding = attr->rounding;
	if (clamp[0] > least || clamp[1] < most)
		attrs.requantize.clamp = (az_ints){2, clamp};
	az_value *args[2] = {acc, scale};
	az_builder at = az_before(quantize);
	at.loc = az_value_op(acc)->loc;
	az_value *made = az_build(&at, AZ_OP_requantize, 2, args, &attrs, elem);
	if (!made)
		return false;
	made->quant = az_quant_scalar(module, sy, (int32_t)zy);
	made->range = layer->range;
	az_name name = az_name_generated(result->name) ? layer->name : result->name;
	az_value_rename(name == layer->name ? layer : result, NULL);
	az_replace_op(quantize, made);
	if (!az_name_generated(name))
		az_value_rename(made, name);
	return true;
}
