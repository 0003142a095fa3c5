/* SPDX-License-Identifier: Apache-2.0
 *
 * QuantizeLinear and DequantizeLinear: one scale, one per place of an axis, or one per block. */
#include "frontend/onnx_ops.h"

/* A scale or zero point: one number loses its dimension, so that it needs no axis. */
static az_value *parameter(az_node *n, az_value *p)
{
	if (p && p->type->rank > 0 && az_type_numel(p->type) == 1 && p->type->rank <= 1)
		return az_emit_reshape(n, p, 0, NULL);
	return p;
}

/* Axis and block size as our operations want them. */
static bool read_granularity(az_node *n, const az_value *x, const az_value *scale, int64_t *axis,
	int64_t *group)
{
	*group = az_node_int(n, "block_size", 0);
	*axis = -1;
	if (*group < 0)
		return az_node_error(n, "block_size = %lld is no length", (long long)*group);
	if (n->bad || (scale->type->rank == 0 && *group == 0))
		return !n->bad;
	if (*group == 0 && scale->type->rank != 1)
		return az_node_error(n,
			"scale is %s; without block_size it must be a number or a list",
			az_type_print(&n->im->scratch, scale->type));
	int at = az_node_axis(n, "axis", 1, x->type->rank);
	*axis = at;
	return at >= 0;
}

static bool read_output_type(az_node *n, az_elem *elem)
{
	int64_t type = az_node_int(n, "output_dtype", 0);
	if (type == 0)
		return !n->bad;
	if (!az_onnx_elem(n->im->ctx, n->loc, type, "the result of", n->loc.node, elem))
		n->bad = true;
	return !n->bad;
}

bool az_onnx_quantize(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *scale = parameter(n, az_node_need(n, 1, "scale"));
	az_value *zero = parameter(n, az_node_in(n, 2));
	az_elem elem = zero ? zero->type->elem : AZ_U8;
	az_attrs attrs;
	az_attrs_init(AZ_OP_quantize, &attrs);
	if (!x || !scale || (!zero && !read_output_type(n, &elem)) ||
		!read_granularity(n, x, scale, &attrs.quantize.axis, &attrs.quantize.group))
		return false;
	if (az_elem_is_integer(x->type->elem))
		x = az_emit_cast(n, x, AZ_F32);
	az_value *args[] = {x, scale, zero};
	return az_node_set(n, 0, az_emit(n, AZ_OP_quantize, zero ? 3 : 2, args, &attrs, elem));
}

bool az_onnx_dequantize(az_node *n)
{
	az_value *q = az_node_need(n, 0, "x"), *scale = parameter(n, az_node_need(n, 1, "scale"));
	az_value *zero = parameter(n, az_node_in(n, 2));
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	if (!q || !scale)
		return false;
	az_elem elem = scale->type->elem;
	if (!read_output_type(n, &elem) ||
		!read_granularity(n, q, scale, &attrs.dequantize.axis, &attrs.dequantize.group))
		return false;
	az_value *args[] = {q, scale, zero};
	return az_node_set(n, 0, az_emit(n, AZ_OP_dequantize, zero ? 3 : 2, args, &attrs, elem));
}
