/* SPDX-License-Identifier: Apache-2.0
 *
 * Inference for normalizations, windows and reductions. Integer sums accumulate in i32 or i64; every
 * other result keeps the operand's element type. */
#include "ir/infer.h"

bool az_infer_batch_norm(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	uint32_t axis;
	if (!az_infer_want_float(in, x, "x") ||
		!az_infer_axis(in, in->op->attr.batch_norm.axis, x->rank, &axis))
		return false;
	for (uint32_t i = 1; i < 5; i++) {
		const az_type *p = az_infer_arg(in, i);
		if (!az_infer_same_elem(in, x, p))
			return false;
		if (p->rank != 1 || p->dim[0] != x->dim[axis])
			return az_infer_error(in, "operand %u is %s, axis %u of x has %lld places",
				i, az_infer_shape(in, p), axis, (long long)x->dim[axis]);
	}
	if (!(in->op->attr.batch_norm.epsilon >= 0))
		return az_infer_error(in, "epsilon is negative");
	return az_infer_one(in, x->elem, x->rank, x->dim);
}

bool az_infer_lrn(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	uint32_t axis;
	if (!az_infer_want_float(in, x, "x") ||
		!az_infer_axis(in, in->op->attr.lrn.axis, x->rank, &axis))
		return false;
	if (in->op->attr.lrn.size < 1 || in->op->attr.lrn.size > AZ_DIM_MAX)
		return az_infer_error(in, "size = %lld is not a positive length",
			(long long)in->op->attr.lrn.size);
	return az_infer_one(in, x->elem, x->rank, x->dim);
}

bool az_infer_softmax(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	int64_t axis = in->op->code == AZ_OP_softmax ? in->op->attr.softmax.axis
						     : in->op->attr.log_softmax.axis;
	uint32_t at;
	if (!az_infer_want_float(in, x, "x") || !az_infer_axis(in, axis, x->rank, &at))
		return false;
	return az_infer_one(in, x->elem, x->rank, x->dim);
}

/* The fields that the three pools have in common. */
typedef struct pool_attrs {
	az_ints window, stride, pad, dilation;
	bool ceil;
	int64_t zero;
} pool_attrs;

static pool_attrs pool_get(const az_op *op)
{
	if (op->code == AZ_OP_max_pool) {
		const az_attrs_max_pool *a = &op->attr.max_pool;
		return (pool_attrs){a->window, a->stride, a->pad, a->dilation, a->ceil, 0};
	}
	if (op->code == AZ_OP_avg_pool) {
		const az_attrs_avg_pool *a = &op->attr.avg_pool;
		return (pool_attrs){a->window, a->stride, a->pad, a->dilation, a->ceil, 0};
	}
	const az_attrs_sum_pool *a = &op->attr.sum_pool;
	return (pool_attrs){a->window, a->stride, a->pad, a->dilation, a->ceil, a->zero};
}

/* Element of a sum of x. */
static bool sum_elem(const az_infer *in, const az_type *x, int64_t zero, az_elem *out)
{
	if (x->elem.kind == AZ_KIND_BOOL)
		return az_infer_error(in, "bool has no sum");
	if (!az_infer_zero(in, zero, x->elem, "the operand"))
		return false;
	if (!az_elem_is_float(x->elem))
		return az_infer_accumulator(in, x->elem, out);
	*out = x->elem;
	if (in->want.kind != AZ_KIND_NONE && !az_elem_equal(in->want, x->elem))
		return az_infer_error(in, "the result is %s like the operand, not %s",
			az_infer_elem(in, x->elem), az_infer_elem(in, in->want));
	return true;
}

bool az_infer_pool(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	pool_attrs attr = pool_get(in->op);
	az_elem elem = x->elem;
	az_window window;
	if (x->rank < 3 || x->rank > 2 + AZ_SPATIAL_MAX)
		return az_infer_error(in, "x must be [N, 1 to %d spatial dimensions, C], not %s",
			AZ_SPATIAL_MAX, az_infer_shape(in, x));
	if (!az_infer_list_exact(in, "window", attr.window, x->rank - 2u))
		return false;
	if (!az_infer_window(in, x, attr.window.v, attr.stride, attr.pad, attr.dilation, &window))
		return false;
	if (in->op->code == AZ_OP_avg_pool && !az_infer_want_float(in, x, "x"))
		return false;
	if (in->op->code == AZ_OP_sum_pool && !sum_elem(in, x, attr.zero, &elem))
		return false;
	int64_t dim[AZ_RANK_MAX] = {x->dim[0]};
	for (uint32_t i = 0; i < window.count; i++) {
		dim[1 + i] = az_infer_window_out(in, x, &window, i, attr.ceil);
		if (dim[1 + i] < 0)
			return false;
		int64_t span = (window.size[i] - 1) * window.dilation[i] + 1;
		if (window.begin[i] >= span || window.end[i] >= span)
			return az_infer_error(in,
				"padding of spatial dimension %u is as wide as the "
				"window of %lld places",
				i, (long long)span);
	}
	dim[x->rank - 1] = x->dim[x->rank - 1];
	return az_infer_one(in, elem, x->rank, dim);
}

static bool reduce_elem(const az_infer *in, const az_type *x, az_elem *out)
{
	const az_attrs_reduce *attr = &in->op->attr.reduce;
	bool sum = attr->kind == AZ_reduction_sum;
	if (attr->zero != 0 && (!sum || az_elem_is_float(x->elem)))
		return az_infer_error(in, "zero belongs to sums of integers");
	if (sum)
		return sum_elem(in, x, attr->zero, out);
	*out = x->elem;
	bool extremum = attr->kind == AZ_reduction_max || attr->kind == AZ_reduction_min;
	if (attr->kind == AZ_reduction_mean && !az_infer_want_float(in, x, "the operand of a mean"))
		return false;
	if (!extremum && !az_elem_is_float(x->elem) &&
		(!az_elem_is_integer(x->elem) || x->elem.bits < 8))
		return az_infer_error(in,
			"a product needs floating point or integers of 8 bits or more, "
			"not %s",
			az_infer_elem(in, x->elem));
	if (in->want.kind != AZ_KIND_NONE && !az_elem_equal(in->want, x->elem))
		return az_infer_error(in, "the result is %s like the operand, not %s",
			az_infer_elem(in, x->elem), az_infer_elem(in, in->want));
	return true;
}

bool az_infer_reduce(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_reduce *attr = &in->op->attr.reduce;
	const az_type *x = az_infer_arg(in, 0);
	az_elem elem;
	if (!reduce_elem(in, x, &elem))
		return false;
	bool over[AZ_RANK_MAX] = {false};
	for (uint32_t i = 0; i < attr->axes.count; i++) {
		uint32_t axis;
		if (!az_infer_axis(in, attr->axes.v[i], x->rank, &axis))
			return false;
		if (over[axis])
			return az_infer_error(in, "axis %u is named twice", axis);
		over[axis] = true;
	}
	uint32_t rank = 0;
	int64_t dim[AZ_RANK_MAX];
	for (uint32_t i = 0; i < x->rank; i++)
		if (!over[i])
			dim[rank++] = x->dim[i];
		else if (!attr->drop)
			dim[rank++] = 1;
	return az_infer_one(in, elem, rank, dim);
}

bool az_infer_arg_reduce(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_arg_reduce *attr = &in->op->attr.arg_reduce;
	const az_type *x = az_infer_arg(in, 0);
	uint32_t axis, rank = 0;
	int64_t dim[AZ_RANK_MAX];
	if (!az_infer_axis(in, attr->axis, x->rank, &axis))
		return false;
	if (x->dim[axis] < 1)
		return az_infer_error(in, "axis %u of %s is empty", axis, az_infer_shape(in, x));
	for (uint32_t i = 0; i < x->rank; i++)
		if (i != axis)
			dim[rank++] = x->dim[i];
		else if (!attr->drop)
			dim[rank++] = 1;
	return az_infer_one(in, AZ_I64, rank, dim);
}
