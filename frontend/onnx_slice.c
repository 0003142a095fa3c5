/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking tensors apart and putting them together: Slice, Split, Concat, Gather, Pad. */
#include "frontend/onnx_ops.h"

/* One dimension of a slice, as numpy cuts it. */
static void cut(int64_t length, int64_t start, int64_t end, int64_t step, int64_t *begin,
	int64_t *size)
{
	int64_t least = step > 0 ? 0 : -1, most = step > 0 ? length : length - 1;
	if (start < 0)
		start = AZ_MAX(start, -length - 1) + length;
	if (end < 0)
		end = AZ_MAX(end, -length - 1) + length;
	start = AZ_MIN(AZ_MAX(start, step > 0 ? 0 : AZ_MIN(0, most)), most);
	end = AZ_MIN(AZ_MAX(end, least), most);
	int64_t span = step > 0 ? end - start : start - end;
	int64_t stride = step > 0 ? step : -step;
	*size = span > 0 ? (span - 1) / stride + 1 : 0;
	*begin = *size ? start : 0;
}

/* Up to opset 9 the lists are attributes. */
static bool read_slice(az_node *n, az_ints *starts, az_ints *ends, az_ints *axes, az_ints *steps)
{
	bool there_starts, there_ends, there;
	*steps = (az_ints){0};
	if (!az_node_ints_either(n, "starts", 1, &there_starts, starts) ||
		!az_node_ints_either(n, "ends", 2, &there_ends, ends) ||
		!az_node_ints_either(n, "axes", 3, &there, axes))
		return false;
	az_node_const_ints(n, 4, "steps", &there, steps);
	if (n->bad)
		return false;
	if (!there_starts || !there_ends)
		return az_node_error(n, "starts or ends are missing");
	if (starts->count != ends->count || (axes->count && axes->count != starts->count) ||
		(steps->count && steps->count != starts->count))
		return az_node_error(n, "starts, ends, axes and steps differ in length");
	return true;
}

bool az_onnx_slice(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints starts, ends, axes, steps;
	int64_t begin[AZ_RANK_MAX] = {0}, size[AZ_RANK_MAX], step[AZ_RANK_MAX];
	if (!x || !read_slice(n, &starts, &ends, &axes, &steps))
		return false;
	uint32_t rank = x->type->rank;
	for (uint32_t i = 0; i < rank; i++) {
		size[i] = x->type->dim[i];
		step[i] = 1;
	}
	for (uint32_t i = 0; i < starts.count; i++) {
		uint32_t axis;
		int64_t by = az_ints_at(steps, i, 1);
		if (!az_node_axis_of(n, axes.count ? axes.v[i] : i, rank, &axis))
			return false;
		if (by == 0)
			return az_node_error(n, "step %u is zero", i);
		/* Longer steps than the dimension take one element all the same. */
		by = AZ_MAX(AZ_MIN(by, AZ_DIM_MAX), -AZ_DIM_MAX);
		cut(x->type->dim[axis], starts.v[i], ends.v[i], by, &begin[axis], &size[axis]);
		step[axis] = size[axis] > 1 ? by : 1;
	}
	return az_node_set(n, 0, az_emit_slice(n, x, begin, size, step));
}

/* Equal pieces; the last one is shorter where they do not divide (opset 18). */
static bool equal_pieces(az_node *n, int64_t length, uint32_t count, int64_t *sizes)
{
	int64_t piece = (length + count - 1) / count;
	if (length % count && n->opset < 18)
		return az_node_error(n, "%lld places cannot be split into %u equal parts",
			(long long)length, count);
	for (uint32_t i = 0; i < count; i++) {
		sizes[i] = AZ_MIN(piece, length);
		length -= sizes[i];
	}
	return true;
}

bool az_onnx_split(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints given;
	bool there;
	if (!x || !az_node_ints_either(n, "split", 1, &there, &given))
		return false;
	int axis = az_node_axis(n, "axis", 0, x->type->rank);
	int64_t count = az_node_int(n, "num_outputs", n->out_count);
	if (axis < 0)
		return false;
	if (count < 1 || count > AZ_ARGS_MAX || given.count > AZ_ARGS_MAX)
		return az_node_error(n, "%lld outputs, wanted 1 to %d", (long long)count,
			AZ_ARGS_MAX);
	int64_t sizes[AZ_ARGS_MAX];
	if (given.count == 0 && !equal_pieces(n, x->type->dim[axis], (uint32_t)count, sizes))
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_split, &attrs);
	attrs.split.axis = axis;
	attrs.split.sizes = given.count ? given : (az_ints){(uint32_t)count, sizes};
	if (attrs.split.sizes.count < n->out_count)
		return az_node_error(n, "%u sizes for %u outputs", attrs.split.sizes.count,
			n->out_count);
	if (attrs.split.sizes.count == 1)
		return az_node_set(n, 0, x);
	az_value **pieces = az_emit_all(n, AZ_OP_split, 1, &x, &attrs, AZ_ELEM_NONE);
	for (uint32_t i = 0; pieces && i < n->out_count; i++)
		az_node_set(n, i, pieces[i]);
	return pieces != NULL;
}

bool az_onnx_concat(az_node *n)
{
	az_value *first = az_node_need(n, 0, "first");
	for (uint32_t i = 0; i < n->in_count; i++)
		if (!az_node_need(n, i, "operand"))
			return false;
	if (!first)
		return false;
	int axis = az_node_axis(n, "axis", 1, first->type->rank);
	if (axis < 0)
		return false;
	if (n->in_count == 1)
		return az_node_set(n, 0, first);
	az_attrs attrs;
	az_attrs_init(AZ_OP_concat, &attrs);
	attrs.concat.axis = axis;
	return az_node_set(n, 0,
		az_emit(n, AZ_OP_concat, n->in_count, n->in, &attrs, AZ_ELEM_NONE));
}

bool az_onnx_gather(az_node *n)
{
	az_value *args[] = {az_node_need(n, 0, "data"), az_node_need(n, 1, "indices")};
	if (!args[0] || !args[1])
		return false;
	int axis = az_node_axis(n, "axis", 0, args[0]->type->rank);
	if (axis < 0)
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_gather, &attrs);
	attrs.gather.axis = axis;
	return az_node_set(n, 0, az_emit(n, AZ_OP_gather, 2, args, &attrs, AZ_ELEM_NONE));
}

/* The value that Pad fills in: attribute up to opset 10, then operand 2. */
static bool read_fill(az_node *n, const az_value *x, float *out)
{
	az_value *value = az_node_in(n, 2);
	*out = az_node_real(n, "value", 0);
	if (n->bad || !value)
		return !n->bad;
	const az_const *constant = az_value_const(value);
	if (!constant || az_type_numel(value->type) != 1)
		return az_node_error(n, "constant_value must be one constant number");
	double v = az_const_get(constant, 0);
	*out = (float)v;
	bool exact = v != v || (double)*out == v || az_elem_is_float(x->type->elem);
	return exact || az_node_error(n, "constant_value %.17g is not exact in f32", v);
}

/* begin and end of every dimension: [d0 begin, d0 end, d1 begin, ...]. */
static bool read_pads(az_node *n, uint32_t rank, int64_t *pad)
{
	az_ints list, axes = {0};
	bool there, there_axes;
	if (!az_node_ints_either(n, "pads", 1, &there, &list))
		return false;
	az_node_const_ints(n, 3, "axes", &there_axes, &axes);
	if (n->bad)
		return false;
	uint32_t count = there_axes ? axes.count : rank;
	if (!there || list.count != 2 * count)
		return az_node_error(n, "pads has %u entries, wanted %u", list.count, 2 * count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t axis;
		if (!az_node_axis_of(n, there_axes ? axes.v[i] : i, rank, &axis))
			return false;
		pad[2 * axis] = list.v[i];
		pad[2 * axis + 1] = list.v[count + i];
		for (uint32_t k = 0; k < 2; k++)
			if (pad[2 * axis + k] > AZ_DIM_MAX || pad[2 * axis + k] < -AZ_DIM_MAX)
				return az_node_error(n, "pads holds %lld",
					(long long)pad[2 * axis + k]);
	}
	return true;
}

/* Negative pads cut off; what is left of `pad` only adds. */
static az_value *cut_off(az_node *n, az_value *x, int64_t *pad)
{
	int64_t begin[AZ_RANK_MAX], size[AZ_RANK_MAX], step[AZ_RANK_MAX];
	for (uint32_t i = 0; i < x->type->rank; i++) {
		begin[i] = AZ_MAX(0, -pad[2 * i]);
		size[i] = x->type->dim[i] - begin[i] - AZ_MAX(0, -pad[2 * i + 1]);
		step[i] = 1;
		pad[2 * i] = AZ_MAX(0, pad[2 * i]);
		pad[2 * i + 1] = AZ_MAX(0, pad[2 * i + 1]);
		if (size[i] < 0) {
			az_node_error(n, "pads cut more than the %lld places of dimension %u",
				(long long)x->type->dim[i], i);
			return NULL;
		}
	}
	return az_emit_slice(n, x, begin, size, step);
}

bool az_onnx_pad(az_node *n)
{
	static const char *const modes[] = {"constant", "edge", "reflect", "wrap", NULL};
	static const az_padding paddings[] = {
		AZ_padding_constant, AZ_padding_edge, AZ_padding_reflect, AZ_padding_wrap};
	az_value *x = az_node_need(n, 0, "x");
	int mode = az_node_choice(n, "mode", "constant", modes);
	int64_t pad[2 * AZ_RANK_MAX] = {0};
	az_attrs attrs;
	az_attrs_init(AZ_OP_pad, &attrs);
	if (!x || mode < 0 || !read_pads(n, x->type->rank, pad) ||
		(mode == 0 && !read_fill(n, x, &attrs.pad.value)))
		return false;
	x = cut_off(n, x, pad);
	if (!x)
		return false;
	bool none = true;
	for (uint32_t i = 0; i < 2u * x->type->rank; i++)
		none = none && pad[i] == 0;
	if (none)
		return az_node_set(n, 0, x);
	attrs.pad.mode = paddings[mode];
	attrs.pad.pad = (az_ints){2u * x->type->rank, pad};
	return az_node_set(n, 0, az_emit_attr(n, AZ_OP_pad, x, &attrs));
}
