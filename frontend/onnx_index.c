/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that choose elements by index: GatherElements, GatherND, ScatterElements, ScatterND, TopK; and
 * CumSum. All become gathers from the flat operand, comparisons and sums; scattering wants constant indices,
 * because where each element comes from must be known. */
#include <string.h>

#include "frontend/onnx_ops.h"

#define TOPK_PAIRS_MAX (INT64_C(1) << 26) /* comparisons of one TopK */

static int64_t count_of(const az_type *t, uint32_t from, uint32_t to)
{
	int64_t n = 1;
	for (uint32_t i = from; i < to; i++)
		n *= t->dim[i];
	return n;
}

static az_value *list_i64(az_node *n, uint32_t rank, const int64_t *dim, const int64_t *v)
{
	return az_emit_const(n, az_type_get(n->im->ctx, AZ_I64, rank, dim), v);
}

/* Indices counted from the end become those from the beginning. */
static az_value *from_begin(az_node *n, az_value *index, int64_t length)
{
	index = az_emit_cast(n, index, AZ_I64);
	az_value *zero = az_emit_scalar(n, AZ_I64, 0);
	az_value *wrapped =
		az_emit2(n, AZ_OP_add, index, az_emit_scalar(n, AZ_I64, (double)length));
	return az_emit3(n, AZ_OP_where, az_emit2(n, AZ_OP_less, index, zero), wrapped, index);
}

/* data with the dimensions before `first` as one, then its rows at flat indices. */
static az_value *gather_rows(az_node *n, az_value *data, uint32_t first, az_value *index)
{
	int64_t dim[AZ_RANK_MAX] = {count_of(data->type, 0, first)};
	for (uint32_t i = first; i < data->type->rank; i++)
		dim[1 + i - first] = data->type->dim[i];
	az_value *args[] = {az_emit_reshape(n, data, 1 + data->type->rank - first, dim), index};
	az_attrs attrs;
	az_attrs_init(AZ_OP_gather, &attrs);
	return args[0] && index ? az_emit(n, AZ_OP_gather, 2, args, &attrs, AZ_ELEM_NONE) : NULL;
}

/* For each place of `shape` the flat index into data of the same place but 0 along axis. */
static int64_t *flat_bases(az_node *n, const az_type *shape, const az_type *data, uint32_t axis)
{
	int64_t count = az_type_numel(shape), at[AZ_RANK_MAX] = {0};
	int64_t *base = az_new_array(&n->im->scratch, int64_t, (size_t)count + 1);
	for (int64_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < data->rank; k++)
			base[i] = base[i] * data->dim[k] + (k == axis ? 0 : at[k]);
		for (uint32_t k = shape->rank; k-- > 0 && ++at[k] == shape->dim[k];)
			at[k] = 0;
	}
	return base;
}

/* Every dimension of the indices but axis is within data's. */
static bool indices_fit(az_node *n, const az_type *index, const az_type *data, uint32_t axis)
{
	bool fits = index->rank == data->rank && az_elem_is_integer(index->elem);
	for (uint32_t i = 0; fits && i < data->rank; i++)
		fits = i == axis || index->dim[i] <= data->dim[i];
	return fits ||
	       az_node_error(n, "indices %s do not fit data %s",
		       az_type_print(&n->im->scratch, index), az_type_print(&n->im->scratch, data));
}

static az_value *gather_along(az_node *n, az_value *data, az_value *index, uint32_t axis)
{
	const az_type *shape = index->type;
	int64_t stride = count_of(data->type, axis + 1, data->type->rank);
	const int64_t *base = flat_bases(n, shape, data->type, axis);
	az_value *flat = from_begin(n, index, data->type->dim[axis]);
	flat = az_emit2(n, AZ_OP_mul, flat, az_emit_scalar(n, AZ_I64, (double)stride));
	flat = az_emit2(n, AZ_OP_add, flat, list_i64(n, shape->rank, shape->dim, base));
	return gather_rows(n, data, data->type->rank, flat);
}

bool az_onnx_gather_elements(az_node *n)
{
	az_value *data = az_node_need(n, 0, "data"), *index = az_node_need(n, 1, "indices");
	if (!data || !index)
		return false;
	int axis = az_node_axis(n, "axis", 0, data->type->rank);
	if (axis < 0 || !indices_fit(n, index->type, data->type, (uint32_t)axis))
		return false;
	return az_node_set(n, 0, gather_along(n, data, index, (uint32_t)axis));
}

/* indices [batch..., places..., depth]: the last dimension holds an index into each of `depth` dimensions
 * of data behind the batch. */
static bool nd_fits(az_node *n, const az_type *index, const az_type *data, int64_t batch)
{
	bool fits = batch >= 0 && index->rank > batch && data->rank > batch &&
		    az_elem_is_integer(index->elem) && index->dim[index->rank - 1] >= 1 &&
		    batch + index->dim[index->rank - 1] <= data->rank;
	for (uint32_t i = 0; fits && i < (uint32_t)batch; i++)
		fits = index->dim[i] == data->dim[i];
	return fits || az_node_error(n, "indices %s with batch_dims = %lld do not fit data %s",
			       az_type_print(&n->im->scratch, index), (long long)batch,
			       az_type_print(&n->im->scratch, data));
}

bool az_onnx_gather_nd(az_node *n)
{
	az_value *data = az_node_need(n, 0, "data"), *index = az_node_need(n, 1, "indices");
	int64_t batch_dims = az_node_int(n, "batch_dims", 0);
	if (!data || !index || n->bad || !nd_fits(n, index->type, data->type, batch_dims))
		return false;
	const az_type *t = index->type, *from = data->type;
	uint32_t batch = (uint32_t)batch_dims, rank = t->rank - 1u, depth = (uint32_t)t->dim[rank];
	int64_t begin[AZ_RANK_MAX] = {0}, size[AZ_RANK_MAX], step[AZ_RANK_MAX];
	int64_t batches = count_of(t, 0, batch), places = count_of(t, batch, rank);
	memcpy(size, t->dim, sizeof size);
	for (uint32_t i = 0; i <= rank; i++)
		step[i] = 1;
	size[rank] = 1;
	int64_t *base = az_new_array(&n->im->scratch, int64_t, (size_t)(batches * places) + 1);
	for (int64_t i = 0; i < batches * places; i++)
		base[i] = i / AZ_MAX(places, 1) * count_of(from, batch, batch + depth);
	az_value *flat = list_i64(n, rank, t->dim, base);
	for (uint32_t k = 0; k < depth; k++) {
		begin[rank] = k;
		az_value *one = az_emit_reshape(n, az_emit_slice(n, index, begin, size, step), rank,
			t->dim);
		one = from_begin(n, one, from->dim[batch + k]);
		int64_t stride = count_of(from, batch + k + 1, batch + depth);
		one = az_emit2(n, AZ_OP_mul, one, az_emit_scalar(n, AZ_I64, (double)stride));
		flat = az_emit2(n, AZ_OP_add, flat, one);
	}
	return az_node_set(n, 0, gather_rows(n, data, batch + depth, flat));
}

/* The elements of data, replaced where `source` names an element of updates (-1: none). */
static bool scatter(az_node *n, az_value *data, az_value *updates, const int64_t *source)
{
	const az_type *t = data->type;
	int64_t count = az_type_numel(t);
	if (!az_elem_equal(t->elem, updates->type->elem))
		return az_node_error(n, "updates are %s, data are %s",
			az_type_print(&n->im->scratch, updates->type),
			az_type_print(&n->im->scratch, t));
	az_tensor mask = az_tensor_new(&n->im->scratch, az_type_with_elem(n->im->ctx, t, AZ_BOOL8));
	int64_t *from = az_new_array(&n->im->scratch, int64_t, (size_t)count + 1);
	bool any = false;
	for (int64_t i = 0; i < count; i++) {
		az_tensor_set(&mask, (uint64_t)i, source[i] >= 0);
		from[i] = AZ_MAX(source[i], 0);
		any = any || source[i] >= 0;
	}
	if (!any)
		return az_node_set(n, 0, data);
	az_value *taken =
		gather_rows(n, updates, updates->type->rank, list_i64(n, t->rank, t->dim, from));
	return az_node_set(n, 0,
		az_emit3(n, AZ_OP_where, az_emit_const(n, mask.type, mask.data), taken, data));
}

/* Constant indices, and no arithmetic on what they meet. NULL after reporting. */
static const az_const *scatter_indices(az_node *n)
{
	az_value *index = az_node_need(n, 1, "indices");
	const az_const *c = index ? az_value_const(index) : NULL;
	const char *reduction = az_node_word(n, "reduction", "none");
	if (index && !c)
		az_node_error(n,
			"operand 1 (indices) is computed at run time; it must be constant");
	else if (index && strcmp(reduction, "none") != 0)
		az_node_error(n, "reduction = \"%s\"; only none is supported", reduction);
	return n->bad ? NULL : c;
}

/* One index of a constant, from the beginning; false after reporting one outside. */
static bool index_at(az_node *n, const az_const *c, int64_t i, int64_t length, int64_t *out)
{
	int64_t v = az_const_get_int(c, (uint64_t)i);
	*out = v < 0 ? v + length : v;
	return (*out >= 0 && *out < length) ||
	       az_node_error(n, "index %lld is outside a dimension of %lld", (long long)v,
		       (long long)length);
}

static int64_t *no_source(az_node *n, const az_type *data)
{
	int64_t count = az_type_numel(data);
	int64_t *source = az_new_array(&n->im->scratch, int64_t, (size_t)count + 1);
	for (int64_t i = 0; i < count; i++)
		source[i] = -1;
	return source;
}

bool az_onnx_scatter_elements(az_node *n)
{
	az_value *data = az_node_need(n, 0, "data"), *updates = az_node_need(n, 2, "updates");
	const az_const *index = scatter_indices(n);
	if (!data || !updates || !index)
		return false;
	const az_type *t = index->value.type;
	int axis = az_node_axis(n, "axis", 0, data->type->rank);
	if (axis < 0 || !indices_fit(n, t, data->type, (uint32_t)axis))
		return false;
	if (!az_type_same_shape(t, updates->type))
		return az_node_error(n, "updates %s have not the shape of indices %s",
			az_type_print(&n->im->scratch, updates->type),
			az_type_print(&n->im->scratch, t));
	const int64_t *base = flat_bases(n, t, data->type, (uint32_t)axis);
	int64_t *source = no_source(n, data->type), at;
	int64_t stride = count_of(data->type, (uint32_t)axis + 1, data->type->rank);
	for (int64_t i = 0; i < az_type_numel(t); i++) {
		if (!index_at(n, index, i, data->type->dim[axis], &at))
			return false;
		source[base[i] + at * stride] = i;
	}
	return scatter(n, data, updates, source);
}

bool az_onnx_scatter_nd(az_node *n)
{
	az_value *data = az_node_need(n, 0, "data"), *updates = az_node_need(n, 2, "updates");
	const az_const *index = scatter_indices(n);
	if (!data || !updates || !index || !nd_fits(n, index->value.type, data->type, 0))
		return false;
	const az_type *t = index->value.type, *into = data->type;
	uint32_t rank = t->rank - 1u, depth = (uint32_t)t->dim[rank];
	int64_t places = count_of(t, 0, rank), row = count_of(into, depth, into->rank), at;
	if (az_type_numel(updates->type) != places * row)
		return az_node_error(n, "updates %s do not fit indices %s",
			az_type_print(&n->im->scratch, updates->type),
			az_type_print(&n->im->scratch, t));
	int64_t *source = no_source(n, into);
	for (int64_t i = 0; i < places; i++) {
		int64_t flat = 0;
		for (uint32_t k = 0; k < depth; k++) {
			if (!index_at(n, index, i * depth + k, into->dim[k], &at))
				return false;
			flat = flat * into->dim[k] + at;
		}
		for (int64_t k = 0; k < row; k++)
			source[flat * row + k] = i * row + k;
	}
	return scatter(n, data, updates, source);
}

/* One constant number: a scalar or a list of one. */
static bool constant_int(az_node *n, uint32_t i, const char *what, int64_t *out)
{
	az_ints list;
	bool there;
	if (!az_node_need(n, i, what) || !az_node_const_ints(n, i, what, &there, &list))
		return false;
	*out = list.count == 1 ? list.v[0] : 0;
	return list.count == 1 || az_node_error(n, "operand %u (%s) must be one number", i, what);
}

/* 0, 1, ... along one of `rank` dimensions of which the others are 1. */
static az_value *places_along(az_node *n, uint32_t rank, uint32_t axis, int64_t count)
{
	int64_t dim[AZ_RANK_MAX], *v = az_new_array(&n->im->scratch, int64_t, (size_t)count + 1);
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = i == axis ? count : 1;
	for (int64_t i = 0; i < count; i++)
		v[i] = i;
	return list_i64(n, rank, dim, v);
}

/* The rank of every element among its row: how many are before it in order, equal ones by place. x is
 * [rows, length]; the result i64 [rows, length]. */
static az_value *ranks(az_node *n, az_value *x, bool largest)
{
	int64_t rows = x->type->dim[0], length = x->type->dim[1];
	az_value *mine = az_emit_reshape(n, x, 3, (int64_t[]){rows, length, 1});
	az_value *other = az_emit_reshape(n, x, 3, (int64_t[]){rows, 1, length});
	az_value *before = az_emit2(n, largest ? AZ_OP_greater : AZ_OP_less, other, mine);
	az_value *earlier = az_emit2(n, AZ_OP_less, places_along(n, 3, 2, length),
		places_along(n, 3, 1, length));
	az_value *tie = az_emit2(n, AZ_OP_and, az_emit2(n, AZ_OP_equal, other, mine), earlier);
	before = az_emit_cast(n, az_emit2(n, AZ_OP_or, before, tie), AZ_I64);
	return az_emit_reduce(n, AZ_reduction_sum, before, 1, (int64_t[]){2}, true);
}

/* Place r of the result holds the index of the element of rank r: sum over i of i * (rank_i == r). */
bool az_onnx_topk(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	int64_t k, perm[AZ_RANK_MAX], back[AZ_RANK_MAX], dim[AZ_RANK_MAX];
	if (!x)
		return false;
	if (az_node_has(n, "k"))
		k = az_node_int(n, "k", 0);
	else if (!constant_int(n, 1, "k", &k))
		return false;
	int axis = az_node_axis(n, "axis", -1, x->type->rank);
	if (axis < 0)
		return false;
	uint32_t rank = x->type->rank;
	int64_t length = x->type->dim[axis], rows = az_type_numel(x->type) / AZ_MAX(length, 1);
	if (k < 0 || k > length)
		return az_node_error(n, "k is %lld, the axis has %lld places", (long long)k,
			(long long)length);
	if (rows > TOPK_PAIRS_MAX / AZ_MAX(length * length, 1))
		return az_node_error(n,
			"%lld rows of %lld places are too many to be compared pair by "
			"pair",
			(long long)rows, (long long)length);
	for (uint32_t i = 0; i < rank; i++)
		perm[i] = i + 1 == rank ? axis : (int64_t)i + ((int)i >= axis);
	for (uint32_t i = 0; i < rank; i++)
		back[perm[i]] = i;
	az_value *flat = az_emit_transpose(n, x, perm);
	for (uint32_t i = 0; flat && i < rank; i++)
		dim[i] = i + 1 == rank ? k : flat->type->dim[i];
	flat = az_emit_reshape(n, flat, 2, (int64_t[]){rows, length});
	if (!flat)
		return false;
	az_value *order = ranks(n, flat, az_node_int(n, "largest", 1) != 0);
	order = az_emit_reshape(n, order, 3, (int64_t[]){rows, length, 1});
	az_value *hit = az_emit2(n, AZ_OP_equal, order, places_along(n, 3, 2, k));
	az_value *index = az_emit3(n, AZ_OP_where, hit, places_along(n, 3, 1, length),
		az_emit_scalar(n, AZ_I64, 0));
	index = az_emit_reduce(n, AZ_reduction_sum, index, 1, (int64_t[]){1}, true);
	az_value *values = index ? gather_along(n, flat, index, 1) : NULL;
	values = az_emit_transpose(n, az_emit_reshape(n, values, rank, dim), back);
	index = az_emit_transpose(n, az_emit_reshape(n, index, rank, dim), back);
	return az_node_set(n, 0, values) && az_node_set(n, 1, index);
}

/* x moved by `by` places along axis, zeros coming in at the beginning. */
static az_value *moved(az_node *n, az_value *x, uint32_t axis, int64_t by)
{
	int64_t pad[2 * AZ_RANK_MAX] = {0}, begin[AZ_RANK_MAX] = {0}, step[AZ_RANK_MAX];
	if (!x)
		return NULL;
	for (uint32_t i = 0; i < x->type->rank; i++)
		step[i] = 1;
	int64_t size[AZ_RANK_MAX];
	memcpy(size, x->type->dim, sizeof size);
	az_attrs attrs;
	az_attrs_init(AZ_OP_pad, &attrs);
	pad[2 * axis] = by;
	attrs.pad.pad = (az_ints){2u * x->type->rank, pad};
	return az_emit_slice(n, az_emit_attr(n, AZ_OP_pad, x, &attrs), begin, size, step);
}

static az_value *flipped(az_node *n, az_value *x, uint32_t axis)
{
	int64_t begin[AZ_RANK_MAX] = {0}, step[AZ_RANK_MAX], size[AZ_RANK_MAX];
	if (!x || x->type->dim[axis] == 0)
		return x;
	memcpy(size, x->type->dim, sizeof size);
	for (uint32_t i = 0; i < x->type->rank; i++)
		step[i] = i == axis ? -1 : 1;
	begin[axis] = x->type->dim[axis] - 1;
	return az_emit_slice(n, x, begin, size, step);
}

/* Sums of 1, 2, 4, ... neighbours: log2(length) additions of whole operands. */
bool az_onnx_cumsum(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	bool reverse = az_node_int(n, "reverse", 0) != 0,
	     exclusive = az_node_int(n, "exclusive", 0) != 0;
	int64_t given;
	uint32_t axis;
	if (!x || !constant_int(n, 1, "axis", &given) ||
		!az_node_axis_of(n, given, x->type->rank, &axis))
		return false;
	if (reverse)
		x = flipped(n, x, axis);
	if (exclusive)
		x = moved(n, x, axis, 1);
	for (int64_t by = 1; x && by < x->type->dim[axis]; by *= 2)
		x = az_emit2(n, AZ_OP_add, x, moved(n, x, axis, by));
	return az_node_set(n, 0, reverse ? flipped(n, x, axis) : x);
}
