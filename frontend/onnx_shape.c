/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes: Reshape and its relatives, Transpose, Expand, Tile, blocks between depth and space. */
#include "frontend/onnx_ops.h"

#include <string.h>

bool az_onnx_reshape(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints shape;
	bool there, keep_zero = az_node_int(n, "allowzero", 0) != 0;
	if (!x || !az_node_ints_either(n, "shape", 1, &there, &shape))
		return false;
	if (!there || shape.count > AZ_RANK_MAX)
		return az_node_error(n, "the shape is missing or has more than %d dimensions",
			AZ_RANK_MAX);
	int64_t dim[AZ_RANK_MAX], known = 1;
	int open = -1;
	for (uint32_t i = 0; i < shape.count; i++) {
		dim[i] = shape.v[i];
		if (dim[i] == 0 && !keep_zero) {
			if (i >= x->type->rank)
				return az_node_error(n,
					"dimension %u of the shape is 0, but x has only %u", i,
					x->type->rank);
			dim[i] = x->type->dim[i];
		}
		if (dim[i] == -1 && open >= 0)
			return az_node_error(n, "the shape has more than one -1");
		if (dim[i] == -1)
			open = (int)i;
		else if (dim[i] < 0 || dim[i] > AZ_DIM_MAX ||
			 (dim[i] && known > AZ_NUMEL_MAX / dim[i]))
			return az_node_error(n, "the shape holds %lld", (long long)dim[i]);
		else
			known *= dim[i];
	}
	int64_t count = az_type_numel(x->type);
	if (open >= 0) {
		if (known == 0 || count % known)
			return az_node_error(n,
				"%s cannot be given a shape whose known part has %lld elements",
				az_type_print(&n->im->scratch, x->type), (long long)known);
		dim[open] = count / known;
	}
	return az_node_set(n, 0, az_emit_reshape(n, x, shape.count, dim));
}

bool az_onnx_flatten(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	if (!x)
		return false;
	int64_t axis = az_node_int(n, "axis", 1), dim[2] = {1, 1};
	if (axis < 0)
		axis += x->type->rank;
	if (axis < 0 || axis > x->type->rank)
		return az_node_error(n, "axis is outside a shape of rank %u", x->type->rank);
	for (uint32_t i = 0; i < x->type->rank; i++)
		dim[i >= axis] *= x->type->dim[i];
	return az_node_set(n, 0, az_emit_reshape(n, x, 2, dim));
}

static bool mark_axes(az_node *n, az_ints list, uint32_t rank, bool *marked)
{
	for (uint32_t i = 0; i < list.count; i++) {
		uint32_t axis;
		if (!az_node_axis_of(n, list.v[i], rank, &axis))
			return false;
		if (marked[axis])
			return az_node_error(n, "axis %u is named twice", axis);
		marked[axis] = true;
	}
	return true;
}

bool az_onnx_squeeze(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints list;
	bool there, gone[AZ_RANK_MAX] = {false};
	if (!x || !az_node_ints_either(n, "axes", 1, &there, &list) ||
		!mark_axes(n, list, x->type->rank, gone))
		return false;
	int64_t dim[AZ_RANK_MAX];
	uint32_t rank = 0;
	for (uint32_t i = 0; i < x->type->rank; i++) {
		if (gone[i] && x->type->dim[i] != 1)
			return az_node_error(n, "axis %u of %s is not 1", i,
				az_type_print(&n->im->scratch, x->type));
		if (there ? !gone[i] : x->type->dim[i] != 1)
			dim[rank++] = x->type->dim[i];
	}
	return az_node_set(n, 0, az_emit_reshape(n, x, rank, dim));
}

bool az_onnx_unsqueeze(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints list;
	bool there, put[AZ_RANK_MAX] = {false};
	if (!x || !az_node_ints_either(n, "axes", 1, &there, &list))
		return false;
	if (list.count > AZ_RANK_MAX || x->type->rank + list.count > AZ_RANK_MAX)
		return az_node_error(n, "the result would have more than %d dimensions",
			AZ_RANK_MAX);
	uint32_t rank = x->type->rank + list.count, from = 0;
	int64_t dim[AZ_RANK_MAX];
	if (!mark_axes(n, list, rank, put))
		return false;
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = put[i] ? 1 : x->type->dim[from++];
	return az_node_set(n, 0, az_emit_reshape(n, x, rank, dim));
}

bool az_onnx_transpose(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints perm = az_node_ints(n, "perm");
	int64_t order[AZ_RANK_MAX];
	bool seen[AZ_RANK_MAX] = {false};
	if (!x || n->bad)
		return false;
	uint32_t rank = x->type->rank;
	if (perm.count && perm.count != rank)
		return az_node_error(n, "perm has %u entries, wanted %u", perm.count, rank);
	for (uint32_t i = 0; i < rank; i++) {
		int64_t from = perm.count ? perm.v[i] : (int64_t)(rank - 1 - i);
		uint32_t axis;
		if (!az_node_axis_of(n, from, rank, &axis))
			return false;
		if (seen[axis])
			return az_node_error(n, "perm names dimension %u twice", axis);
		seen[axis] = true;
		order[i] = axis;
	}
	return az_node_set(n, 0, az_emit_transpose(n, x, order));
}

/* A list of lengths, each within the limits. */
static bool check_lengths(az_node *n, az_ints list, const char *what)
{
	if (list.count > AZ_RANK_MAX)
		return az_node_error(n, "%s has %u entries, at most %d are supported", what,
			list.count, AZ_RANK_MAX);
	for (uint32_t i = 0; i < list.count; i++)
		if (list.v[i] < 0 || list.v[i] > AZ_DIM_MAX)
			return az_node_error(n, "%s holds %lld", what, (long long)list.v[i]);
	return true;
}

az_value *az_emit_expand(az_node *n, az_value *x, uint32_t rank, const int64_t *dim)
{
	int64_t to[AZ_RANK_MAX];
	uint32_t to_rank;
	if (!x)
		return NULL;
	if (!az_shape_broadcast(x->type->rank, x->type->dim, rank, dim, &to_rank, to)) {
		az_node_error(n, "%s does not broadcast to the shape given",
			az_type_print(&n->im->scratch, x->type));
		return NULL;
	}
	bool same = to_rank == x->type->rank;
	for (uint32_t i = 0; same && i < to_rank; i++)
		same = to[i] == x->type->dim[i];
	if (same)
		return x;
	az_attrs attrs;
	az_attrs_init(AZ_OP_expand, &attrs);
	attrs.expand.shape = (az_ints){to_rank, to};
	return az_emit_attr(n, AZ_OP_expand, x, &attrs);
}

bool az_onnx_expand(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints shape;
	bool there;
	if (!x || !az_node_need(n, 1, "shape") ||
		!az_node_const_ints(n, 1, "shape", &there, &shape) ||
		!check_lengths(n, shape, "shape"))
		return false;
	return az_node_set(n, 0, az_emit_expand(n, x, shape.count, shape.v));
}

bool az_onnx_tile(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_ints repeats;
	bool there;
	if (!x || !az_node_need(n, 1, "repeats") ||
		!az_node_const_ints(n, 1, "repeats", &there, &repeats) ||
		!check_lengths(n, repeats, "repeats"))
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_tile, &attrs);
	attrs.tile.repeats = repeats;
	return az_node_set(n, 0, az_emit_attr(n, AZ_OP_tile, x, &attrs));
}

static bool read_blocks(az_node *n, az_value *x, int64_t *block)
{
	*block = az_node_int(n, "blocksize", 0);
	if (x->type->rank != 4)
		return az_node_error(n, "x is %s, wanted [N, C, H, W]",
			az_type_print(&n->im->scratch, x->type));
	if (*block < 1 || *block > 4096)
		return az_node_error(n, "blocksize is %lld", (long long)*block);
	return true;
}

bool az_onnx_depth_to_space(az_node *n)
{
	static const char *const modes[] = {"DCR", "CRD", NULL};
	az_value *x = az_node_need(n, 0, "x");
	int64_t b;
	int mode = az_node_choice(n, "mode", "DCR", modes);
	if (!x || mode < 0 || !read_blocks(n, x, &b))
		return false;
	const int64_t *d = x->type->dim;
	if (d[1] % (b * b))
		return az_node_error(n, "%lld channels do not divide into blocks of %lld",
			(long long)d[1], (long long)(b * b));
	int64_t depth = d[1] / (b * b);
	int64_t column_first[] = {d[0], depth, b, b, d[2], d[3]},
		depth_first[] = {d[0], b, b, depth, d[2], d[3]};
	int64_t column_perm[] = {0, 1, 4, 2, 5, 3}, depth_perm[] = {0, 3, 4, 1, 5, 2};
	az_value *y = az_emit_reshape(n, x, 6, mode ? column_first : depth_first);
	y = az_emit_transpose(n, y, mode ? column_perm : depth_perm);
	return az_node_set(n, 0,
		az_emit_reshape(n, y, 4, (int64_t[]){d[0], depth, d[2] * b, d[3] * b}));
}

bool az_onnx_space_to_depth(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	int64_t b;
	if (!x || !read_blocks(n, x, &b))
		return false;
	const int64_t *d = x->type->dim;
	if (d[2] % b || d[3] % b)
		return az_node_error(n, "%s does not divide into blocks of %lld",
			az_type_print(&n->im->scratch, x->type), (long long)b);
	az_value *y = az_emit_reshape(n, x, 6, (int64_t[]){d[0], d[1], d[2] / b, b, d[3] / b, b});
	y = az_emit_transpose(n, y, (int64_t[]){0, 3, 5, 1, 2, 4});
	return az_node_set(n, 0,
		az_emit_reshape(n, y, 4, (int64_t[]){d[0], d[1] * b * b, d[2] / b, d[3] / b}));
}
