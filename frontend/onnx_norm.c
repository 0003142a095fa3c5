/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalization and softmax. What the IR has no operation for is written as reductions and
 * element-wise operations. */
#include "frontend/onnx_ops.h"

#include <math.h>

bool az_onnx_batch_norm(az_node *n)
{
	az_value *args[5];
	if (az_node_int(n, "training_mode", 0) || az_node_int(n, "spatial", 1) != 1)
		return az_node_error(n,
			"only inference over channels is supported: training_mode must be 0, "
			"spatial 1");
	for (uint32_t i = 1; i < n->out_count; i++)
		if (!az_node_refuse_output(n, i, "a statistic"))
			return false;
	for (uint32_t i = 0; i < 5; i++) {
		args[i] = az_node_need(n, i, i ? "a parameter" : "x");
		if (args[i] && i)
			args[i] = az_emit_cast(n, args[i], args[0]->type->elem);
		if (!args[i])
			return false;
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_batch_norm, &attrs);
	attrs.batch_norm.axis = 1;
	attrs.batch_norm.epsilon = az_node_real(n, "epsilon", 1e-5f);
	return az_node_set(n, 0, az_emit(n, AZ_OP_batch_norm, 5, args, &attrs, AZ_ELEM_NONE));
}

bool az_onnx_lrn(az_node *n)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_lrn, &attrs);
	attrs.lrn.axis = 1;
	attrs.lrn.size = az_node_int(n, "size", 0);
	attrs.lrn.alpha = az_node_real(n, "alpha", 1e-4f);
	attrs.lrn.beta = az_node_real(n, "beta", 0.75f);
	attrs.lrn.bias = az_node_real(n, "bias", 1);
	return az_node_set(n, 0, az_emit_attr(n, AZ_OP_lrn, az_node_need(n, 0, "x"), &attrs));
}

static az_value *softmax_along(az_node *n, az_value *x, int64_t axis)
{
	az_attrs attrs;
	az_opcode code = (az_opcode)n->code;
	az_attrs_init(code, &attrs);
	if (code == AZ_OP_softmax)
		attrs.softmax.axis = axis;
	else
		attrs.log_softmax.axis = axis;
	return az_emit_attr(n, code, x, &attrs);
}

bool az_onnx_softmax(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	if (!x)
		return false;
	int axis = az_node_axis(n, "axis", -1, x->type->rank);
	return axis >= 0 && az_node_set(n, 0, softmax_along(n, x, axis));
}

/* Before opset 13: over all dimensions from axis on, as one. */
bool az_onnx_softmax_flat(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	if (!x)
		return false;
	const az_type *type = x->type;
	int64_t axis = az_node_int(n, "axis", 1);
	if (axis < 0)
		axis += type->rank;
	if (axis < 0 || axis > type->rank)
		return az_node_error(n, "axis is outside a shape of rank %u", type->rank);
	int64_t flat[2] = {1, 1};
	int64_t wide = axis; /* the dimension that is not 1, if there is only one */
	uint32_t wide_count = 0;
	for (uint32_t i = 0; i < type->rank; i++) {
		flat[i >= axis] *= type->dim[i];
		if (i >= axis && type->dim[i] != 1) {
			wide = i;
			wide_count++;
		}
	}
	if (wide_count <= 1 && wide < type->rank)
		return az_node_set(n, 0, softmax_along(n, x, wide));
	az_value *y = softmax_along(n, az_emit_reshape(n, x, 2, flat), 1);
	return az_node_set(n, 0, az_emit_reshape(n, y, type->rank, type->dim));
}

typedef struct moments {
	az_value *mean, *centred, *deviation; /* deviation = sqrt(variance + epsilon) */
} moments;

static bool find_moments(az_node *n, az_value *x, uint32_t count, const int64_t *axes,
	double epsilon, moments *out)
{
	out->mean = az_emit_reduce(n, AZ_reduction_mean, x, count, axes, false);
	out->centred = az_emit2(n, AZ_OP_sub, x, out->mean);
	az_value *square = az_emit2(n, AZ_OP_mul, out->centred, out->centred);
	az_value *variance = az_emit_reduce(n, AZ_reduction_mean, square, count, axes, false);
	if (!variance)
		return false;
	variance =
		az_emit2(n, AZ_OP_add, variance, az_emit_scalar(n, variance->type->elem, epsilon));
	out->deviation = az_emit1(n, AZ_OP_sqrt, variance);
	return out->deviation != NULL;
}

/* A list of channels as [C, 1, 1, ...] beside [N, C, ...]. */
static az_value *per_channel(az_node *n, az_value *list, uint32_t rank)
{
	int64_t dim[AZ_RANK_MAX];
	if (!list)
		return NULL;
	dim[0] = az_type_numel(list->type);
	for (uint32_t i = 1; i + 1 < rank; i++)
		dim[i] = 1;
	return az_emit_reshape(n, list, rank - 1, dim);
}

static az_value *scale_and_shift(az_node *n, az_value *y, az_value *scale, az_value *shift)
{
	if (scale)
		y = az_emit2(n, AZ_OP_mul, y, scale);
	if (shift)
		y = az_emit2(n, AZ_OP_add, y, shift);
	return y;
}

bool az_onnx_instance_norm(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *scale = az_node_need(n, 1, "scale");
	az_value *shift = az_node_need(n, 2, "bias");
	if (!x || !scale || !shift)
		return false;
	uint32_t rank = x->type->rank;
	if (rank < 3)
		return az_node_error(n, "x must have spatial dimensions");
	int64_t axes[AZ_RANK_MAX];
	for (uint32_t i = 2; i < rank; i++)
		axes[i - 2] = i;
	moments m;
	if (!find_moments(n, x, rank - 2, axes, (double)az_node_real(n, "epsilon", 1e-5f), &m))
		return false;
	az_value *y = az_emit2(n, AZ_OP_div, m.centred, m.deviation);
	return az_node_set(n, 0,
		scale_and_shift(n, y, per_channel(n, scale, rank), per_channel(n, shift, rank)));
}

/* Half-width floats are normalized in f32 (stash_type 1). */
static az_value *widen(az_node *n, az_value *x)
{
	bool narrow = x && x->type->elem.bits < 32 && az_node_int(n, "stash_type", 1) == 1;
	return narrow ? az_emit_cast(n, x, AZ_F32) : x;
}

static uint32_t axes_from(uint32_t first, uint32_t rank, int64_t *axes)
{
	for (uint32_t i = first; i < rank; i++)
		axes[i - first] = i;
	return rank - first;
}

bool az_onnx_layer_norm(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *scale = az_node_need(n, 1, "scale");
	az_value *shift = az_node_in(n, 2);
	if (!x || !scale)
		return false;
	int axis = az_node_axis(n, "axis", -1, x->type->rank);
	int64_t axes[AZ_RANK_MAX];
	moments m;
	if (axis < 0)
		return false;
	uint32_t count = axes_from((uint32_t)axis, x->type->rank, axes);
	double epsilon = (double)az_node_real(n, "epsilon", 1e-5f);
	if (!find_moments(n, widen(n, x), count, axes, epsilon, &m))
		return false;
	az_value *y =
		az_emit_cast(n, az_emit2(n, AZ_OP_div, m.centred, m.deviation), x->type->elem);
	if (az_node_wants(n, 1))
		az_node_set(n, 1, m.mean);
	if (az_node_wants(n, 2))
		az_node_set(n, 2, az_emit1(n, AZ_OP_reciprocal, m.deviation));
	return az_node_set(n, 0, scale_and_shift(n, y, scale, shift));
}

bool az_onnx_rms_norm(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *scale = az_node_need(n, 1, "scale");
	if (!x || !scale)
		return false;
	int axis = az_node_axis(n, "axis", -1, x->type->rank);
	int64_t axes[AZ_RANK_MAX];
	if (axis < 0)
		return false;
	uint32_t count = axes_from((uint32_t)axis, x->type->rank, axes);
	az_value *wide = widen(n, x);
	az_value *square = az_emit_reduce(n, AZ_reduction_mean, az_emit2(n, AZ_OP_mul, wide, wide),
		count, axes, false);
	if (!square)
		return false;
	az_value *epsilon =
		az_emit_scalar(n, square->type->elem, (double)az_node_real(n, "epsilon", 1e-5f));
	az_value *root = az_emit1(n, AZ_OP_sqrt, az_emit2(n, AZ_OP_add, square, epsilon));
	az_value *y = az_emit_cast(n, az_emit2(n, AZ_OP_div, wide, root), x->type->elem);
	return az_node_set(n, 0, scale_and_shift(n, y, scale, NULL));
}

bool az_onnx_group_norm(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *scale = az_node_need(n, 1, "scale");
	az_value *shift = az_node_need(n, 2, "bias");
	int64_t groups = az_node_int(n, "num_groups", 0);
	if (!x || !scale || !shift)
		return false;
	const az_type *type = x->type;
	if (type->rank < 2 || groups < 1 || type->dim[1] % groups || type->dim[0] == 0)
		return az_node_error(n, "x %s cannot be divided into %lld groups",
			az_type_print(&n->im->scratch, type), (long long)groups);
	int64_t grouped[3] = {type->dim[0], groups, az_type_numel(type) / type->dim[0] / groups};
	moments m;
	az_value *wide = az_emit_reshape(n, widen(n, x), 3, grouped);
	if (!find_moments(n, wide, 1, (int64_t[]){2}, (double)az_node_real(n, "epsilon", 1e-5f),
		    &m))
		return false;
	az_value *y = az_emit_cast(n, az_emit2(n, AZ_OP_div, m.centred, m.deviation), type->elem);
	if (n->opset < 21) /* one scale per group */
		y = scale_and_shift(n, y, per_channel(n, scale, 3), per_channel(n, shift, 3));
	y = az_emit_reshape(n, y, type->rank, type->dim);
	if (n->opset >= 21)
		y = scale_and_shift(n, y, per_channel(n, scale, type->rank),
			per_channel(n, shift, type->rank));
	return az_node_set(n, 0, y);
}

/* (x - mean) / (sqrt(mean of squares - square of mean) + 1e-9) */
bool az_onnx_mean_variance_norm(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints axes = az_node_ints(n, "axes");
	static const int64_t missing[] = {0, 2, 3};
	if (!x || n->bad)
		return false;
	if (axes.count == 0)
		axes = (az_ints){3, missing};
	az_value *mean = az_emit_reduce(n, AZ_reduction_mean, x, axes.count, axes.v, false);
	az_value *square = az_emit2(n, AZ_OP_mul, x, x);
	square = az_emit_reduce(n, AZ_reduction_mean, square, axes.count, axes.v, false);
	az_value *variance = az_emit2(n, AZ_OP_sub, square, az_emit2(n, AZ_OP_mul, mean, mean));
	az_value *root = az_emit1(n, AZ_OP_sqrt, variance);
	if (!root)
		return false;
	root = az_emit2(n, AZ_OP_add, root, az_emit_scalar(n, root->type->elem, 1e-9));
	return az_node_set(n, 0, az_emit2(n, AZ_OP_div, az_emit2(n, AZ_OP_sub, x, mean), root));
}

bool az_onnx_lp_norm(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	int64_t p = az_node_int(n, "p", 2);
	if (!x)
		return false;
	if (p != 1 && p != 2)
		return az_node_error(n, "p is %lld, wanted 1 or 2", (long long)p);
	int64_t axis = az_node_axis(n, "axis", -1, x->type->rank);
	if (axis < 0)
		return false;
	az_value *size = p == 1 ? az_emit1(n, AZ_OP_abs, x) : az_emit2(n, AZ_OP_mul, x, x);
	size = az_emit_reduce(n, AZ_reduction_sum, size, 1, &axis, false);
	if (p == 2)
		size = az_emit1(n, AZ_OP_sqrt, size);
	return az_node_set(n, 0, az_emit2(n, AZ_OP_div, x, size));
}
