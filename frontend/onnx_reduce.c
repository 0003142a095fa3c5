/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions. */
#include "frontend/onnx_ops.h"

#include <string.h>

typedef struct axes {
	uint32_t count;
	int64_t v[AZ_RANK_MAX];
	bool drop, none; /* none: nothing is reduced */
} axes;

/* Axes are an attribute up to some opset, then operand 1. */
static bool read_axes(az_node *n, uint32_t rank, axes *out)
{
	az_ints list = {0};
	bool there;
	*out = (axes){.drop = !az_node_int(n, "keepdims", 1)};
	if (!az_node_ints_either(n, "axes", 1, &there, &list))
		return false;
	if (list.count == 0) {
		out->none = az_node_int(n, "noop_with_empty_axes", 0) != 0;
		for (uint32_t i = 0; !out->none && i < rank; i++)
			out->v[out->count++] = i;
		return !n->bad;
	}
	bool seen[AZ_RANK_MAX] = {false};
	for (uint32_t i = 0; i < list.count; i++) {
		uint32_t axis;
		if (!az_node_axis_of(n, list.v[i], rank, &axis))
			return false;
		if (!seen[axis])
			out->v[out->count++] = axis;
		seen[axis] = true;
	}
	return true;
}

static az_value *reduced(az_node *n, az_reduction kind, az_value *x, const axes *a)
{
	return az_emit_reduce(n, kind, x, a->count, a->v, a->drop);
}

/* log(sum(exp(x - max))) + max: exp cannot overflow. */
static az_value *log_sum_exp(az_node *n, az_value *x, const axes *a)
{
	az_value *top = az_emit_reduce(n, AZ_reduction_max, x, a->count, a->v, false);
	az_value *sum = az_emit1(n, AZ_OP_exp, az_emit2(n, AZ_OP_sub, x, top));
	sum = az_emit_reduce(n, AZ_reduction_sum, sum, a->count, a->v, false);
	az_value *y = az_emit2(n, AZ_OP_add, az_emit1(n, AZ_OP_log, sum), top);
	if (!y || !a->drop)
		return y;
	int64_t dim[AZ_RANK_MAX];
	uint32_t rank = 0;
	for (uint32_t i = 0; i < y->type->rank; i++) {
		bool gone = false;
		for (uint32_t k = 0; k < a->count; k++)
			gone = gone || a->v[k] == (int64_t)i;
		if (!gone)
			dim[rank++] = y->type->dim[i];
	}
	return az_emit_reshape(n, y, rank, dim);
}

static az_value *reduce_as(az_node *n, const char *op, az_value *x, const axes *a)
{
	if (!strcmp(op, "ReduceSum"))
		return reduced(n, AZ_reduction_sum, x, a);
	if (!strcmp(op, "ReduceMean"))
		return reduced(n, AZ_reduction_mean, x, a);
	if (!strcmp(op, "ReduceMax"))
		return reduced(n, AZ_reduction_max, x, a);
	if (!strcmp(op, "ReduceMin"))
		return reduced(n, AZ_reduction_min, x, a);
	if (!strcmp(op, "ReduceProd"))
		return reduced(n, AZ_reduction_prod, x, a);
	if (!strcmp(op, "ReduceL1"))
		return reduced(n, AZ_reduction_sum, az_emit1(n, AZ_OP_abs, x), a);
	if (!strcmp(op, "ReduceLogSum"))
		return az_emit1(n, AZ_OP_log, reduced(n, AZ_reduction_sum, x, a));
	if (!strcmp(op, "ReduceLogSumExp"))
		return log_sum_exp(n, x, a);
	az_value *square = reduced(n, AZ_reduction_sum, az_emit2(n, AZ_OP_mul, x, x), a);
	return !strcmp(op, "ReduceL2") ? az_emit1(n, AZ_OP_sqrt, square) : square;
}

/* Integers are reduced in 64 bits where a sum or a mean needs the room, bools as integers. */
bool az_onnx_reduce(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	axes a;
	if (!x || !read_axes(n, x->type->rank, &a))
		return false;
	if (a.none)
		return az_node_set(n, 0, x);
	az_elem elem = x->type->elem;
	const char *op = n->proto->op_type;
	bool extremum = !strcmp(op, "ReduceMax") || !strcmp(op, "ReduceMin");
	if (elem.kind == AZ_KIND_BOOL)
		x = az_emit_cast(n, x, AZ_U8);
	else if (az_elem_is_integer(elem) && !extremum) {
		bool exact = !strcmp(op, "ReduceSum") || !strcmp(op, "ReduceProd") ||
			     !strcmp(op, "ReduceL1") || !strcmp(op, "ReduceSumSquare");
		x = az_emit_cast(n, x, exact ? AZ_I64 : AZ_F64);
	}
	return az_node_set(n, 0, az_emit_cast(n, reduce_as(n, op, x, &a), elem));
}

/* n->code is the extremum. */
bool az_onnx_arg_reduce(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	if (!x)
		return false;
	int axis = az_node_axis(n, "axis", 0, x->type->rank);
	if (axis < 0)
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_arg_reduce, &attrs);
	attrs.arg_reduce.kind = (az_extremum)n->code;
	attrs.arg_reduce.axis = axis;
	attrs.arg_reduce.drop = !az_node_int(n, "keepdims", 1);
	attrs.arg_reduce.last = az_node_int(n, "select_last_index", 0) != 0;
	return az_node_set(n, 0, az_emit_attr(n, AZ_OP_arg_reduce, x, &attrs));
}
