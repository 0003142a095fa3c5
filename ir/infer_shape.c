/* SPDX-License-Identifier: Apache-2.0
 *
 * Inference for operations that move data without computing, resize, and calls. */
#include "ir/infer.h"

#include <math.h>

bool az_infer_reshape(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	az_ints shape = in->op->attr.reshape.shape;
	if (!az_infer_list(in, "shape", shape, AZ_RANK_MAX, 0, AZ_DIM_MAX))
		return false;
	if (!az_infer_one(in, x->elem, shape.count, shape.v))
		return false;
	if (az_type_numel(in->result[0]) != az_type_numel(x))
		return az_infer_error(in, "%s has %lld elements, %s has %lld",
			az_infer_shape(in, x), (long long)az_type_numel(x),
			az_infer_shape(in, in->result[0]), (long long)az_type_numel(in->result[0]));
	return true;
}

bool az_infer_transpose(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	az_ints perm = in->op->attr.transpose.perm;
	if (!az_infer_list_exact(in, "perm", perm, x->rank) ||
		!az_infer_list(in, "perm", perm, x->rank, 0, (int64_t)x->rank - 1))
		return false;
	bool seen[AZ_RANK_MAX] = {false};
	int64_t dim[AZ_RANK_MAX];
	for (uint32_t i = 0; i < x->rank; i++) {
		if (seen[perm.v[i]])
			return az_infer_error(in, "perm names dimension %lld twice",
				(long long)perm.v[i]);
		seen[perm.v[i]] = true;
		dim[i] = x->dim[perm.v[i]];
	}
	return az_infer_one(in, x->elem, x->rank, dim);
}

bool az_infer_slice(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_slice *attr = &in->op->attr.slice;
	const az_type *x = az_infer_arg(in, 0);
	if (!az_infer_list_exact(in, "begin", attr->begin, x->rank) ||
		!az_infer_list_exact(in, "size", attr->size, x->rank) ||
		!az_infer_list(in, "begin", attr->begin, x->rank, 0, AZ_DIM_MAX) ||
		!az_infer_list(in, "size", attr->size, x->rank, 0, AZ_DIM_MAX) ||
		!az_infer_list(in, "step", attr->step, x->rank, -AZ_DIM_MAX, AZ_DIM_MAX))
		return false;
	for (uint32_t i = 0; i < x->rank; i++) {
		int64_t step = az_ints_at(attr->step, i, 1);
		if (step == 0)
			return az_infer_error(in, "step of dimension %u is zero", i);
		int64_t first = attr->begin.v[i], last = first + (attr->size.v[i] - 1) * step;
		if (attr->size.v[i] > 0 && (first >= x->dim[i] || last < 0 || last >= x->dim[i]))
			return az_infer_error(in,
				"elements %lld to %lld are outside dimension %u of %s",
				(long long)first, (long long)last, i, az_infer_shape(in, x));
	}
	return az_infer_one(in, x->elem, x->rank, attr->size.v);
}

bool az_infer_concat(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *first = az_infer_arg(in, 0);
	uint32_t axis;
	if (!az_infer_axis(in, in->op->attr.concat.axis, first->rank, &axis))
		return false;
	int64_t dim[AZ_RANK_MAX];
	for (uint32_t i = 0; i < first->rank; i++)
		dim[i] = first->dim[i];
	for (uint32_t k = 1; k < in->op->arg_count; k++) {
		const az_type *x = az_infer_arg(in, k);
		if (!az_infer_same_elem(in, first, x))
			return false;
		bool fits = x->rank == first->rank;
		for (uint32_t i = 0; fits && i < x->rank; i++)
			fits = i == axis || x->dim[i] == dim[i];
		if (!fits)
			return az_infer_error(in,
				"operand %u is %s, which does not go with %s along "
				"axis %u",
				k, az_infer_shape(in, x), az_infer_shape(in, first), axis);
		dim[axis] += x->dim[axis];
	}
	return az_infer_one(in, first->elem, first->rank, dim);
}

bool az_infer_split(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	az_ints sizes = in->op->attr.split.sizes;
	uint32_t axis;
	if (!az_infer_axis(in, in->op->attr.split.axis, x->rank, &axis) ||
		!az_infer_list(in, "sizes", sizes, AZ_ARGS_MAX, 0, AZ_DIM_MAX))
		return false;
	if (sizes.count < 1)
		return az_infer_error(in, "sizes is empty");
	if (in->result_count && in->result_count != sizes.count)
		return az_infer_error(in, "%u results for %u sizes", in->result_count, sizes.count);
	int64_t sum = 0, dim[AZ_RANK_MAX];
	for (uint32_t i = 0; i < x->rank; i++)
		dim[i] = x->dim[i];
	in->result_count = sizes.count;
	for (uint32_t k = 0; k < sizes.count; k++) {
		sum += sizes.v[k];
		dim[axis] = sizes.v[k];
		if (!az_infer_result(in, k, x->elem, x->rank, dim))
			return false;
	}
	if (sum != x->dim[axis])
		return az_infer_error(in, "sizes add up to %lld, axis %u of %s has %lld places",
			(long long)sum, axis, az_infer_shape(in, x), (long long)x->dim[axis]);
	return true;
}

bool az_infer_pad(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_pad *attr = &in->op->attr.pad;
	const az_type *x = az_infer_arg(in, 0);
	if (!az_infer_list_exact(in, "pad", attr->pad, 2u * x->rank) ||
		!az_infer_list(in, "pad", attr->pad, 2u * x->rank, -AZ_DIM_MAX, AZ_DIM_MAX))
		return false;
	bool number = az_elem_is_float(x->elem);
	if (attr->mode == AZ_padding_constant && !number) {
		double v = (double)attr->value;
		if (!(v >= (double)az_elem_min(x->elem) && v <= (double)az_elem_max(x->elem)) ||
			v != floor(v) || (x->elem.kind == AZ_KIND_BIPOLAR && v == 0))
			return az_infer_error(in, "value %g is not one of %s", v,
				az_infer_elem(in, x->elem));
	}
	int64_t dim[AZ_RANK_MAX];
	for (uint32_t i = 0; i < x->rank; i++) {
		int64_t begin = attr->pad.v[2 * i], end = attr->pad.v[2 * i + 1];
		dim[i] = x->dim[i] + begin + end;
		if (dim[i] < 0 || -begin > x->dim[i] || -end > x->dim[i])
			return az_infer_error(in, "dimension %u of %s cannot lose %lld and %lld", i,
				az_infer_shape(in, x), (long long)-begin, (long long)-end);
		if (attr->mode != AZ_padding_constant && x->dim[i] == 0 && dim[i] > 0)
			return az_infer_error(in,
				"dimension %u is empty, there is nothing to repeat", i);
	}
	return az_infer_one(in, x->elem, x->rank, dim);
}

bool az_infer_expand(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	az_ints shape = in->op->attr.expand.shape;
	if (!az_infer_list(in, "shape", shape, AZ_RANK_MAX, 0, AZ_DIM_MAX) ||
		!az_infer_one(in, x->elem, shape.count, shape.v))
		return false;
	bool fits = x->rank <= shape.count;
	for (uint32_t i = 0; fits && i < x->rank; i++) {
		int64_t to = shape.v[shape.count - x->rank + i];
		fits = x->dim[i] == 1 || x->dim[i] == to;
	}
	if (!fits)
		return az_infer_error(in, "%s does not broadcast to %s", az_infer_shape(in, x),
			az_infer_shape(in, in->result[0]));
	return true;
}

bool az_infer_tile(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	az_ints repeats = in->op->attr.tile.repeats;
	if (!az_infer_list_exact(in, "repeats", repeats, x->rank) ||
		!az_infer_list(in, "repeats", repeats, x->rank, 0, AZ_DIM_MAX))
		return false;
	int64_t dim[AZ_RANK_MAX];
	for (uint32_t i = 0; i < x->rank; i++)
		dim[i] = x->dim[i] * repeats.v[i]; /* at most 2^62 */
	return az_infer_one(in, x->elem, x->rank, dim);
}

bool az_infer_gather(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *data = az_infer_arg(in, 0), *index = az_infer_arg(in, 1);
	uint32_t axis, rank = 0;
	if (!az_infer_axis(in, in->op->attr.gather.axis, data->rank, &axis))
		return false;
	if (!az_elem_equal(index->elem, AZ_I32) && !az_elem_equal(index->elem, AZ_I64))
		return az_infer_error(in, "indices must be i32 or i64, not %s",
			az_infer_elem(in, index->elem));
	int64_t dim[2 * AZ_RANK_MAX];
	for (uint32_t i = 0; i < axis; i++)
		dim[rank++] = data->dim[i];
	for (uint32_t i = 0; i < index->rank; i++)
		dim[rank++] = index->dim[i];
	for (uint32_t i = axis + 1; i < data->rank; i++)
		dim[rank++] = data->dim[i];
	if (data->dim[axis] == 0 && az_type_numel(index) > 0)
		return az_infer_error(in, "axis %u of %s is empty", axis, az_infer_shape(in, data));
	return az_infer_one(in, data->elem, rank, dim);
}

bool az_infer_resize(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_resize *attr = &in->op->attr.resize;
	const az_type *x = az_infer_arg(in, 0);
	if (!az_infer_list_exact(in, "size", attr->size, x->rank) ||
		!az_infer_list(in, "size", attr->size, x->rank, 0, AZ_DIM_MAX))
		return false;
	if (attr->scale.count != 0 && attr->scale.count != x->rank)
		return az_infer_error(in, "scale has %u entries, it takes none or %u",
			attr->scale.count, x->rank);
	for (uint32_t i = 0; i < attr->scale.count; i++)
		if (!(attr->scale.v[i] > 0) || isinf(attr->scale.v[i]))
			return az_infer_error(in, "scale of dimension %u is not positive", i);
	for (uint32_t i = 0; i < x->rank; i++)
		if (x->dim[i] == 0 && attr->size.v[i] > 0)
			return az_infer_error(in, "dimension %u of x is empty", i);
	if (attr->mode != AZ_interpolation_nearest &&
		!az_infer_want_float(in, x, "x of an interpolating resize"))
		return false;
	return az_infer_one(in, x->elem, x->rank, attr->size.v);
}

bool az_infer_call(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_func *callee = in->op->attr.call.callee;
	if (!callee)
		return az_infer_error(in, "no function to call");
	if (in->op->arg_count != callee->params.count)
		return az_infer_error(in, "%u operands for the %u parameters of \"%s\"",
			in->op->arg_count, callee->params.count, callee->name);
	for (uint32_t i = 0; i < callee->params.count; i++) {
		const az_type *have = az_infer_arg(in, i), *takes = callee->params.v[i]->type;
		if (have != takes)
			return az_infer_error(in, "operand %u is %s, \"%s\" takes %s", i,
				az_infer_shape(in, have), callee->name, az_infer_shape(in, takes));
	}
	uint32_t count = callee->results.count;
	if (in->result_count && in->result_count != count)
		return az_infer_error(in, "%u results, \"%s\" returns %u", in->result_count,
			callee->name, count);
	if (count < 1 || count > AZ_ARGS_MAX)
		return az_infer_error(in, "\"%s\" returns %u results", callee->name, count);
	in->result_count = count;
	for (uint32_t i = 0; i < count; i++) {
		const az_value *value = callee->results.v[i].use->value;
		if (!value)
			return az_infer_error(in, "result %u of \"%s\" is missing", i,
				callee->name);
		in->result[i] = value->type;
	}
	return true;
}
