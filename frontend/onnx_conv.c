/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv and ConvTranspose. Our convolutions are channels last: transposes are written around them, which
 * sink-transposes cancels later; constant weights are permuted while importing. */
#include "frontend/onnx_ops.h"
#include "frontend/spatial.h"

az_value *az_emit_conv(az_node *n, az_value *x, az_value *w, az_value *bias, const int64_t *zero,
	az_elem want)
{
	az_spatial s;
	if (!az_spatial_read(n, x, w, &s))
		return NULL;
	az_spatial_same(&s);
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv, &attrs);
	attrs.conv.stride = (az_ints){s.count, s.stride};
	attrs.conv.pad = (az_ints){2 * s.count, s.pad};
	attrs.conv.dilation = (az_ints){s.count, s.dilation};
	attrs.conv.groups = az_node_int(n, "group", 1);
	if (zero)
		attrs.conv.zero = (az_ints){2, zero};
	az_value *args[] = {az_emit_channels_last(n, x), az_emit_channels_last(n, w), bias};
	if (!args[0] || !args[1])
		return NULL;
	return az_emit_channels_first(n, az_emit(n, AZ_OP_conv, bias ? 3 : 2, args, &attrs, want));
}

bool az_onnx_conv(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *w = az_node_need(n, 1, "weights");
	return x && w &&
	       az_node_set(n, 0, az_emit_conv(n, x, w, az_node_in(n, 2), NULL, AZ_ELEM_NONE));
}

/* [I, O/g, spatial...] of ONNX to our O x spatial x I/g. */
static az_value *transposed_weights(az_node *n, az_value *w, int64_t groups)
{
	const az_type *type = w->type;
	uint32_t spatial = type->rank - 2u;
	int64_t in = type->dim[0], out = type->dim[1];
	if (groups < 1 || in % groups) {
		az_node_error(n, "%lld input channels cannot be divided into %lld groups",
			(long long)in, (long long)groups);
		return NULL;
	}
	int64_t split[AZ_RANK_MAX] = {groups, in / groups, out}, perm[AZ_RANK_MAX] = {0, 2};
	int64_t joined[AZ_RANK_MAX] = {groups * out};
	for (uint32_t i = 0; i < spatial; i++) {
		split[3 + i] = joined[1 + i] = type->dim[2 + i];
		perm[2 + i] = 3 + i;
	}
	perm[2 + spatial] = 1;
	joined[1 + spatial] = in / groups;
	w = az_emit_reshape(n, w, 3 + spatial, split);
	return az_emit_reshape(n, az_emit_transpose(n, w, perm), 2 + spatial, joined);
}

/* output_shape or SAME give the length; the padding follows from it. */
static bool transposed_pads(az_node *n, az_spatial *s, int64_t *output_pad)
{
	az_ints shape = az_node_ints(n, "output_shape");
	bool same = s->auto_pad == AZ_PAD_UPPER || s->auto_pad == AZ_PAD_LOWER;
	if (n->bad || (shape.count == 0 && !same))
		return !n->bad;
	/* Some exporters give the batch and channels too. */
	if (shape.count == s->count + 2)
		shape = (az_ints){s->count, shape.v + 2};
	if (shape.count && shape.count != s->count)
		return az_node_error(n, "output_shape has %u entries, wanted %u", shape.count,
			s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		int64_t length = shape.count ? shape.v[i] : s->size[i] * s->stride[i];
		int64_t span = (s->window[i] - 1) * s->dilation[i] + 1;
		int64_t total = (s->size[i] - 1) * s->stride[i] + output_pad[i] + span - length;
		if (length < 1 || length > AZ_DIM_MAX)
			return az_node_error(n, "output_shape holds %lld", (long long)length);
		if (total < 0) {
			output_pad[i] -= total;
			total = 0;
		}
		s->pad[2 * i] = s->auto_pad == AZ_PAD_UPPER ? total / 2 : total - total / 2;
		s->pad[2 * i + 1] = total - s->pad[2 * i];
	}
	return true;
}

bool az_onnx_conv_transpose(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x"), *w = az_node_need(n, 1, "weights");
	az_spatial s;
	if (!x || !w || !az_spatial_read(n, x, w, &s))
		return false;
	int64_t output_pad[AZ_SPATIAL_DIMS_MAX] = {0}, groups = az_node_int(n, "group", 1);
	az_ints given = az_node_ints(n, "output_padding");
	if (given.count && given.count != s.count)
		return az_node_error(n, "output_padding has %u entries, wanted %u", given.count,
			s.count);
	for (uint32_t i = 0; i < given.count; i++) {
		output_pad[i] = given.v[i];
		if (given.v[i] < 0 || given.v[i] > AZ_DIM_MAX)
			return az_node_error(n, "output_padding holds %lld", (long long)given.v[i]);
	}
	if (!transposed_pads(n, &s, output_pad))
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv_transpose, &attrs);
	attrs.conv_transpose.stride = (az_ints){s.count, s.stride};
	attrs.conv_transpose.pad = (az_ints){2 * s.count, s.pad};
	attrs.conv_transpose.dilation = (az_ints){s.count, s.dilation};
	attrs.conv_transpose.output_pad = (az_ints){s.count, output_pad};
	attrs.conv_transpose.groups = groups;
	az_value *args[] = {
		az_emit_channels_last(n, x), transposed_weights(n, w, groups), az_node_in(n, 2)};
	if (!args[0] || !args[1])
		return false;
	az_value *y = az_emit(n, AZ_OP_conv_transpose, args[2] ? 3 : 2, args, &attrs, AZ_ELEM_NONE);
	return az_node_set(n, 0, az_emit_channels_first(n, y));
}
