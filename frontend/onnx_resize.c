/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize and its forerunner Upsample. The operation takes a size and a scale for every dimension: the
 * scale enters the coordinate formula even where it is not the quotient of the lengths. */
#include "frontend/onnx_ops.h"

#include <math.h>

typedef struct extent {
	uint32_t rank;
	int64_t size[AZ_RANK_MAX];
	float scale[AZ_RANK_MAX];
} extent;

static void start(const az_value *x, extent *e)
{
	e->rank = x->type->rank;
	for (uint32_t i = 0; i < e->rank; i++) {
		e->size[i] = x->type->dim[i];
		e->scale[i] = 1;
	}
}

/* The dimensions that the lists speak of: all, or the attribute axes (opset 18). */
static bool read_axes(az_node *n, uint32_t rank, uint32_t count, uint32_t *axis)
{
	az_ints axes = az_node_ints(n, "axes");
	if (n->bad)
		return false;
	uint32_t wanted = axes.count ? axes.count : rank;
	if (count != wanted || count > AZ_RANK_MAX)
		return az_node_error(n, "scales or sizes have %u entries, wanted %u", count,
			wanted);
	for (uint32_t i = 0; i < count; i++)
		if (!az_node_axis_of(n, axes.count ? axes.v[i] : i, rank, &axis[i]))
			return false;
	return true;
}

static bool by_scales(az_node *n, const az_value *x, az_reals scales, extent *e)
{
	uint32_t axis[AZ_RANK_MAX];
	if (!read_axes(n, e->rank, scales.count, axis))
		return false;
	for (uint32_t i = 0; i < scales.count; i++) {
		float length = floorf((float)x->type->dim[axis[i]] * scales.v[i]);
		if (!(scales.v[i] > 0) || !(length <= (float)AZ_DIM_MAX))
			return az_node_error(n, "scale %u is %g", i, (double)scales.v[i]);
		e->size[axis[i]] = (int64_t)length;
		e->scale[axis[i]] = scales.v[i];
	}
	return true;
}

static bool by_sizes(az_node *n, const az_value *x, az_ints sizes, extent *e)
{
	static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
	uint32_t axis[AZ_RANK_MAX];
	int policy = az_node_choice(n, "keep_aspect_ratio_policy", "stretch", policies);
	float common = policy == 1 ? INFINITY : 0;
	if (policy < 0 || !read_axes(n, e->rank, sizes.count, axis))
		return false;
	for (uint32_t i = 0; i < sizes.count; i++) {
		int64_t from = x->type->dim[axis[i]];
		if (sizes.v[i] < 1 || sizes.v[i] > AZ_DIM_MAX || from < 1)
			return az_node_error(n, "size %u is %lld", i, (long long)sizes.v[i]);
		e->size[axis[i]] = sizes.v[i];
		e->scale[axis[i]] = (float)((double)sizes.v[i] / (double)from);
		common = policy == 1 ? fminf(common, e->scale[axis[i]])
				     : fmaxf(common, e->scale[axis[i]]);
	}
	for (uint32_t i = 0; policy > 0 && i < sizes.count; i++) {
		e->scale[axis[i]] = common;
		e->size[axis[i]] =
			(int64_t)floor((double)common * (double)x->type->dim[axis[i]] + 0.5);
	}
	return true;
}

static bool read_extent(az_node *n, const az_value *x, uint32_t scales_at, extent *e)
{
	bool there;
	az_reals scales = az_node_reals(n, "scales"); /* Upsample of opset 7 */
	az_ints sizes = {0};
	start(x, e);
	if (scales.count == 0)
		az_node_const_reals(n, scales_at, "scales", &there, &scales);
	if (n->bad)
		return false;
	if (scales.count)
		return by_scales(n, x, scales, e);
	az_node_const_ints(n, scales_at + 1, "sizes", &there, &sizes);
	if (n->bad)
		return false;
	if (sizes.count == 0 && e->rank)
		return az_node_error(n, "neither scales nor sizes are given");
	return by_sizes(n, x, sizes, e);
}

static az_value *resize_to(az_node *n, az_value *x, const extent *e, az_attrs *attrs)
{
	attrs->resize.size = (az_ints){e->rank, e->size};
	attrs->resize.scale = (az_reals){e->rank, e->scale};
	return az_emit_attr(n, AZ_OP_resize, x, attrs);
}

/* Interpolation is in floating point. */
static az_value *resize_any(az_node *n, az_value *x, const extent *e, az_attrs *attrs)
{
	az_elem elem = x->type->elem;
	bool same = true;
	for (uint32_t i = 0; i < e->rank; i++)
		same = same && e->size[i] == x->type->dim[i] && e->scale[i] == 1.0f;
	if (same)
		return x;
	if (attrs->resize.mode != AZ_interpolation_nearest && !az_elem_is_float(elem))
		x = az_emit_cast(n, x, AZ_F32);
	return az_emit_cast(n, x ? resize_to(n, x, e, attrs) : NULL, elem);
}

static const char *const modes[] = {"nearest", "linear", "cubic", NULL};

/* Opset 10 and Upsample: coordinates are divided by the scale; nearest cuts, and rounds up where a
 * dimension shrinks. The two kinds of dimensions are resized one after the other. */
bool az_onnx_upsample(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	int mode = az_node_choice(n, "mode", "nearest", modes);
	extent e, grow, shrink;
	if (!x || mode < 0 || !read_extent(n, x, 1, &e))
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_resize, &attrs);
	attrs.resize.mode = (az_interpolation)mode;
	attrs.resize.coordinate = AZ_coordinate_asymmetric;
	attrs.resize.nearest = AZ_nearest_mode_floor;
	if (mode != 0)
		return az_node_set(n, 0, resize_any(n, x, &e, &attrs));
	start(x, &grow);
	shrink = e;
	for (uint32_t i = 0; i < e.rank; i++)
		if (e.scale[i] >= 1) {
			grow.size[i] = e.size[i];
			grow.scale[i] = e.scale[i];
			shrink.scale[i] = 1;
		}
	x = resize_any(n, x, &grow, &attrs);
	attrs.resize.nearest = AZ_nearest_mode_ceil;
	return x && az_node_set(n, 0, resize_any(n, x, &shrink, &attrs));
}

bool az_onnx_resize(az_node *n)
{
	static const char *const coordinates[] = {"half_pixel", "half_pixel_symmetric",
		"pytorch_half_pixel", "align_corners", "asymmetric", NULL};
	static const char *const nearests[] = {
		"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
	az_value *x = az_node_need(n, 0, "x");
	int mode = az_node_choice(n, "mode", "nearest", modes);
	int coordinate =
		az_node_choice(n, "coordinate_transformation_mode", "half_pixel", coordinates);
	int nearest = az_node_choice(n, "nearest_mode", "round_prefer_floor", nearests);
	extent e;
	if (az_node_int(n, "antialias", 0))
		return az_node_error(n, "antialias is not supported");
	if (!x || mode < 0 || coordinate < 0 || nearest < 0 || !read_extent(n, x, 2, &e))
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_resize, &attrs);
	attrs.resize.mode = (az_interpolation)mode;
	attrs.resize.coordinate = (az_coordinate)coordinate;
	attrs.resize.nearest = (az_nearest_mode)nearest;
	attrs.resize.cubic = az_node_real(n, "cubic_coeff_a", -0.75f);
	attrs.resize.exclude_outside = az_node_int(n, "exclude_outside", 0) != 0;
	return az_node_set(n, 0, resize_any(n, x, &e, &attrs));
}
