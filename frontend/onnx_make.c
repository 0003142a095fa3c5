/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators whose result is constant once shapes are: Constant, ConstantOfShape, Shape, Size, Range,
 * EyeLike; and OneHot and Trilu, which are comparisons with constants. */
#include "frontend/onnx_ops.h"

#include <math.h>
#include <string.h>

#include "base/bits.h"

static bool constant_tensor(az_node *n, const Onnx__TensorProto *t)
{
	if (!t)
		return az_node_error(n, "attribute \"value\" holds no tensor");
	az_value *value = az_tensor_value(n->im, n->loc, NULL, t);
	if (!value)
		n->bad = true;
	return az_node_set(n, 0, value);
}

bool az_onnx_constant(az_node *n)
{
	const Onnx__AttributeProto *attr;
	int64_t dim;
	if ((attr = az_node_attr(n, "value")))
		return constant_tensor(n, attr->t);
	if ((attr = az_node_attr(n, "value_float")))
		return az_node_set(n, 0,
			az_emit_const(n, az_type_get(n->im->ctx, AZ_F32, 0, NULL), &attr->f));
	if ((attr = az_node_attr(n, "value_int")))
		return az_node_set(n, 0,
			az_emit_const(n, az_type_get(n->im->ctx, AZ_I64, 0, NULL), &attr->i));
	if ((attr = az_node_attr(n, "value_floats"))) {
		dim = (int64_t)attr->n_floats;
		return az_node_set(n, 0,
			az_emit_const(n, az_type_get(n->im->ctx, AZ_F32, 1, &dim),
				attr->n_floats ? (const void *)attr->floats : ""));
	}
	if ((attr = az_node_attr(n, "value_ints"))) {
		dim = (int64_t)attr->n_ints;
		return az_node_set(n, 0,
			az_emit_const(n, az_type_get(n->im->ctx, AZ_I64, 1, &dim),
				attr->n_ints ? (const void *)attr->ints : ""));
	}
	return az_node_error(n,
		"only tensors and numbers are supported, not strings or sparse tensors");
}

static const az_type *shape_type(az_node *n, az_elem elem, az_ints shape)
{
	if (shape.count > AZ_RANK_MAX || !az_shape_valid(shape.count, shape.v)) {
		az_node_error(n,
			"the shape has a dimension that is negative or too large, or too many");
		return NULL;
	}
	return az_type_get(n->im->ctx, elem, shape.count, shape.v);
}

bool az_onnx_constant_of_shape(az_node *n)
{
	az_ints shape;
	bool there;
	if (!az_node_need(n, 0, "shape") || !az_node_const_ints(n, 0, "shape", &there, &shape))
		return false;
	const az_type *from = az_type_get(n->im->ctx, AZ_F32, 0, NULL);
	const void *element = &(float){0};
	const Onnx__AttributeProto *attr = az_node_attr(n, "value");
	bool mapped;
	if (attr && attr->t) {
		if (!az_onnx_tensor(&n->im->tensors, n->loc, attr->t, &from, &element, &mapped)) {
			n->bad = true;
			return false;
		}
		if (az_type_numel(from) != 1)
			return az_node_error(n, "value must be one element");
	}
	const az_type *type = shape_type(n, from->elem, shape);
	return type && az_node_set(n, 0, az_emit_splat(n, type, element));
}

bool az_onnx_shape(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	if (!x)
		return false;
	int64_t rank = x->type->rank;
	int64_t start = az_node_int(n, "start", 0), end = az_node_int(n, "end", rank);
	if (start < 0)
		start = AZ_MAX(start, -rank) + rank;
	if (end < 0)
		end = AZ_MAX(end, -rank) + rank;
	start = AZ_MIN(start, rank);
	end = AZ_MIN(end, rank);
	return az_node_set(n, 0,
		az_emit_ints(n, (uint32_t)AZ_MAX(end - start, 0), x->type->dim + start));
}

bool az_onnx_size(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	if (!x)
		return false;
	int64_t count = az_type_numel(x->type);
	return az_node_set(n, 0,
		az_emit_const(n, az_type_get(n->im->ctx, AZ_I64, 0, NULL), &count));
}

static bool constant_number(az_node *n, uint32_t i, const char *what, double *out)
{
	az_value *value = az_node_need(n, i, what);
	const az_const *constant = value ? az_value_const(value) : NULL;
	if (!value)
		return false;
	if (!constant || az_type_numel(value->type) != 1)
		return az_node_error(n, "operand %u (%s) must be one constant number", i, what);
	*out = az_const_get(constant, 0);
	return true;
}

bool az_onnx_range(az_node *n)
{
	double start, limit, delta;
	if (!constant_number(n, 0, "start", &start) || !constant_number(n, 1, "limit", &limit) ||
		!constant_number(n, 2, "delta", &delta))
		return false;
	if (delta == 0 || !isfinite(start) || !isfinite(limit) || !isfinite(delta))
		return az_node_error(n, "a range from %g to %g by %g has no end", start, limit,
			delta);
	double length = fmax(ceil((limit - start) / delta), 0);
	if (length > AZ_INLINE_MAX)
		return az_node_error(n, "a range of %.0f places, at most %d are supported", length,
			AZ_INLINE_MAX);
	int64_t count = (int64_t)length;
	const az_type *type = az_type_get(n->im->ctx, n->in[0]->type->elem, 1, &count);
	az_tensor tensor = az_tensor_new(&n->im->scratch, type);
	for (int64_t i = 0; i < count; i++)
		az_tensor_set(&tensor, (uint64_t)i, start + (double)i * delta);
	return az_node_set(n, 0, az_emit_const(n, type, tensor.data));
}

bool az_onnx_eye_like(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	int64_t k = az_node_int(n, "k", 0);
	if (!x)
		return false;
	az_elem elem = x->type->elem;
	if (x->type->rank != 2 || az_type_numel(x->type) > AZ_INLINE_MAX)
		return az_node_error(n, "x is %s, wanted a matrix of at most %d elements",
			az_type_print(&n->im->scratch, x->type), AZ_INLINE_MAX);
	if (az_node_has(n, "dtype") && !az_onnx_elem(n->im->ctx, n->loc, az_node_int(n, "dtype", 0),
					       "the result of", n->loc.node, &elem)) {
		n->bad = true;
		return false;
	}
	az_tensor tensor =
		az_tensor_new(&n->im->scratch, az_type_with_elem(n->im->ctx, x->type, elem));
	int64_t rows = x->type->dim[0], columns = x->type->dim[1];
	for (int64_t i = 0; i < rows; i++)
		if (k >= -i && k < columns - i)
			az_tensor_set(&tensor, (uint64_t)(i * columns + i + k), 1);
	return az_node_set(n, 0, az_emit_const(n, tensor.type, tensor.data));
}

/* 0, 1, ..., count - 1 in the element type, as [count, 1, ..., 1]. */
static az_value *places(az_node *n, az_elem elem, int64_t count, uint32_t ones)
{
	int64_t dim[AZ_RANK_MAX] = {count};
	for (uint32_t i = 0; i < ones; i++)
		dim[1 + i] = 1;
	const az_type *type = az_type_get(n->im->ctx, elem, 1 + ones, dim);
	az_tensor tensor = az_tensor_new(&n->im->scratch, type);
	for (int64_t i = 0; i < count; i++)
		az_tensor_set(&tensor, (uint64_t)i, (double)i);
	return az_emit_const(n, type, tensor.data);
}

/* A place is on where it equals the index, or the index counted from the end. */
bool az_onnx_one_hot(az_node *n)
{
	az_value *index = az_node_need(n, 0, "indices"), *values = az_node_need(n, 2, "values");
	double depth;
	if (!index || !values || !constant_number(n, 1, "depth", &depth))
		return false;
	uint32_t rank = index->type->rank;
	int axis = az_node_axis(n, "axis", -1, rank + 1);
	if (axis < 0)
		return false;
	if (rank + 1 > AZ_RANK_MAX || !(depth >= 1 && depth <= AZ_INLINE_MAX))
		return az_node_error(n, "depth %g or rank %u is not supported", depth, rank);
	if (values->type->rank != 1 || values->type->dim[0] != 2)
		return az_node_error(n, "values must be [off, on]");
	int64_t dim[AZ_RANK_MAX], zero = 0, one = 1, step = 1;
	for (uint32_t i = 0; i <= rank; i++)
		dim[i] = (int)i == axis ? 1 : index->type->dim[i - ((int)i > axis)];
	az_elem elem = AZ_I64;
	index = az_emit_reshape(n, az_emit_cast(n, index, elem), rank + 1, dim);
	az_value *place = places(n, elem, (int64_t)depth, rank - (uint32_t)axis);
	az_value *wrapped = az_emit2(n, AZ_OP_add, index, az_emit_scalar(n, elem, depth));
	az_value *hit = az_emit2(n, AZ_OP_or, az_emit2(n, AZ_OP_equal, index, place),
		az_emit2(n, AZ_OP_equal, wrapped, place));
	az_value *off = az_emit_reshape(n, az_emit_slice(n, values, &zero, &one, &step), 0, NULL);
	az_value *on = az_emit_reshape(n, az_emit_slice(n, values, &one, &one, &step), 0, NULL);
	return az_node_set(n, 0, az_emit3(n, AZ_OP_where, hit, on, off));
}

/* Keeps column - row >= k (upper) or <= k (lower). */
bool az_onnx_trilu(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	double k = 0;
	bool upper = az_node_int(n, "upper", 1) != 0;
	if (!x || (az_node_in(n, 1) && !constant_number(n, 1, "k", &k)))
		return false;
	uint32_t rank = x->type->rank;
	if (rank < 2)
		return az_node_error(n, "x must be a matrix");
	int64_t rows = x->type->dim[rank - 2], columns = x->type->dim[rank - 1];
	if (rows > AZ_INLINE_MAX || columns > AZ_INLINE_MAX)
		return az_node_error(n, "matrices of more than %d rows are not supported",
			AZ_INLINE_MAX);
	az_value *row = places(n, AZ_I64, rows, 1), *column = places(n, AZ_I64, columns, 0);
	az_value *least = az_emit2(n, AZ_OP_add, row, az_emit_scalar(n, AZ_I64, k));
	az_value *kept = az_emit2(n, upper ? AZ_OP_greater_equal : AZ_OP_less_equal, column, least);
	return az_node_set(n, 0,
		az_emit3(n, AZ_OP_where, kept, x, az_emit_scalar(n, x->type->elem, 0)));
}
