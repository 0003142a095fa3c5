/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows that slide over spatial dimensions. */
#include "frontend/spatial.h"

#include <string.h>

#define WINDOW_MAX (INT64_C(1) << 24) /* no product of these and a dimension overflows */

static bool read_list(az_node *n, const char *name, uint32_t count, int64_t least, int64_t *out)
{
	az_ints list = az_node_ints(n, name);
	if (n->bad)
		return false;
	if (list.count == 0)
		return true;
	if (list.count != count)
		return az_node_error(n, "attribute \"%s\" has %u entries, wanted %u", name,
			list.count, count);
	for (uint32_t i = 0; i < count; i++) {
		if (list.v[i] < least || list.v[i] > WINDOW_MAX)
			return az_node_error(n, "attribute \"%s\" holds %lld, which cannot be",
				name, (long long)list.v[i]);
		out[i] = list.v[i];
	}
	return true;
}

static bool read_window(az_node *n, const az_value *weights, az_spatial *out)
{
	for (uint32_t i = 0; weights && i < out->count; i++)
		out->window[i] = weights->type->dim[2 + i];
	if (!weights && !az_node_has(n, "kernel_shape"))
		return az_node_error(n, "attribute \"kernel_shape\" is missing");
	if (!read_list(n, "kernel_shape", out->count, 1, out->window))
		return false;
	for (uint32_t i = 0; weights && i < out->count; i++)
		if (out->window[i] != weights->type->dim[2 + i])
			return az_node_error(n, "kernel_shape and weights %s do not agree",
				az_type_print(&n->im->scratch, weights->type));
	return true;
}

bool az_spatial_read(az_node *n, const az_value *x, const az_value *weights, az_spatial *out)
{
	static const char *const pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};
	*out = (az_spatial){0};
	uint32_t rank = x->type->rank;
	if (rank < 3 || rank > 2 + AZ_SPATIAL_DIMS_MAX)
		return az_node_error(n, "x is %s; 1 to 3 spatial dimensions are supported",
			az_type_print(&n->im->scratch, x->type));
	if (weights && weights->type->rank != rank)
		return az_node_error(n, "weights %s do not go with x %s",
			az_type_print(&n->im->scratch, weights->type),
			az_type_print(&n->im->scratch, x->type));
	out->count = rank - 2;
	for (uint32_t i = 0; i < out->count; i++) {
		out->size[i] = x->type->dim[2 + i];
		out->stride[i] = out->dilation[i] = 1;
	}
	int mode = az_node_choice(n, "auto_pad", "NOTSET", pads);
	int64_t pad[2 * AZ_SPATIAL_DIMS_MAX] = {0};
	if (mode < 0 || !read_window(n, weights, out) ||
		!read_list(n, "strides", out->count, 1, out->stride) ||
		!read_list(n, "dilations", out->count, 1, out->dilation) ||
		!read_list(n, "pads", 2 * out->count, -WINDOW_MAX, pad))
		return false;
	out->auto_pad = (az_auto_pad)mode;
	for (uint32_t i = 0; mode == AZ_PAD_NOTSET && i < out->count; i++) {
		out->pad[2 * i] = pad[i];
		out->pad[2 * i + 1] = pad[out->count + i];
	}
	return true;
}

void az_spatial_same(az_spatial *s)
{
	if (s->auto_pad != AZ_PAD_UPPER && s->auto_pad != AZ_PAD_LOWER)
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		int64_t places = (s->size[i] + s->stride[i] - 1) / s->stride[i];
		int64_t span = (s->window[i] - 1) * s->dilation[i] + 1;
		int64_t total = (places - 1) * s->stride[i] + span - s->size[i];
		total = AZ_MAX(total, 0);
		s->pad[2 * i] = s->auto_pad == AZ_PAD_UPPER ? total / 2 : total - total / 2;
		s->pad[2 * i + 1] = total - s->pad[2 * i];
	}
}
