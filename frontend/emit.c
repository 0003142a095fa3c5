/* SPDX-License-Identifier: Apache-2.0
 *
 * Building operations, with constants folded on the way: shapes are always known, so that whatever
 * computes a shape, an axis or a padding must vanish while importing. Dequantize stays: its integer
 * operand is the weight that the network was quantized to. */
#include <float.h>
#include <string.h>

#include "base/bits.h"
#include "frontend/import.h"
#include "ir/cost.h"
#include "ir/eval/eval.h"

#define FOLD_MACS_MAX  (UINT64_C(1) << 26) /* multiply-accumulates of one matrix product */
#define FOLD_TOTAL_MAX ((uint64_t)4 << 30) /* bytes read and written by all folded operations */

static const char *inner_name(az_node *n, const char *what)
{
	const char *base = n->loc.node;
	for (uint32_t i = 0; i < n->out_count; i++)
		if (*n->proto->output[i]) {
			base = n->proto->output[i];
			break;
		}
	return az_arena_printf(&n->im->scratch, "%s%s/%s", n->scope->prefix, base, what);
}

/* Every element equal: a splat, or a single element. */
static const az_const *uniform(const az_value *value)
{
	const az_const *constant = az_value_const(value);
	if (!constant || (!constant->splat && az_type_numel(value->type) != 1))
		return NULL;
	return constant;
}

static az_value *make_const(az_node *n, const char *what, const az_type *type, const void *data,
	bool borrow)
{
	return &az_const_new(n->im->module, inner_name(n, what), type, data, borrow)->value;
}

static az_value *make_splat(az_node *n, const char *what, const az_type *type, const void *element)
{
	if (az_type_numel(type) == 0)
		return make_const(n, what, type, "", false);
	return &az_const_splat(n->im->module, inner_name(n, what), type, element)->value;
}

/* Moving equal elements about gives equal elements. */
static bool fold_uniform(az_node *n, const az_op *op, az_value **to)
{
	if (!(az_op_table[op->code].traits & AZ_TRAIT_MOVES))
		return false;
	const az_const *from = uniform(az_op_arg(op, 0));
	if (!from)
		return false;
	for (uint32_t i = 0; i < op->result_count; i++)
		to[i] = make_splat(n, az_op_table[op->code].name, op->results[i]->type, from->data);
	return true;
}

/* The bytes of a constant, aligned for its element type: mapped files keep no alignment. */
static void *aligned_data(az_import *im, az_const *constant)
{
	const void *data = az_const_data(constant);
	unsigned bytes = (constant->value.type->elem.bits + 7u) / 8;
	size_t size = az_type_size(constant->value.type);
	if ((uintptr_t)data % bytes == 0)
		return (void *)(uintptr_t)data; /* read only: az_tensor has no const form */
	void *own = az_arena_alloc(&im->fold, size + 1, 16);
	memcpy(own, data, size);
	return own;
}

static bool fold_eval(az_node *n, const az_op *op, az_value **to)
{
	az_import *im = n->im;
	az_arena_mark mark = az_arena_mark_get(&im->fold);
	az_tensor *tensor = az_new_array(&im->fold, az_tensor, op->arg_count + 1);
	const az_tensor **args = az_new_array(&im->fold, const az_tensor *, op->arg_count + 1);
	az_tensor *results = az_new_array(&im->fold, az_tensor, op->result_count);
	for (uint32_t i = 0; i < op->arg_count; i++) {
		az_value *value = az_op_arg(op, i);
		if (!value)
			continue;
		tensor[i].type = value->type;
		tensor[i].data = aligned_data(im, az_value_const(value));
		args[i] = &tensor[i];
	}
	bool ok = az_eval_op(op, &im->fold, args, results);
	for (uint32_t i = 0; ok && i < op->result_count; i++)
		to[i] = make_const(n, az_op_table[op->code].name, op->results[i]->type,
			results[i].data, false);
	az_arena_reset(&im->fold, mark);
	return ok;
}

static bool operands_constant(const az_op *op)
{
	for (uint32_t i = 0; i < op->arg_count; i++) {
		const az_value *value = az_op_arg(op, i);
		if (value && !az_value_is_const(value))
			return false;
	}
	return true;
}

/* Shapes are computed by little operations; a file must not make the import compute for hours. */
static bool worth_folding(az_import *im, const az_op *op)
{
	size_t size = 0;
	switch (op->code) {
	case AZ_OP_dequantize:
	case AZ_OP_call:
	case AZ_OP_conv:
	case AZ_OP_conv_transpose:
	case AZ_OP_max_pool:
	case AZ_OP_avg_pool:
	case AZ_OP_sum_pool:
	case AZ_OP_lrn:
		return false;
	default:
		break;
	}
	for (uint32_t i = 0; i < op->arg_count; i++)
		if (az_op_arg(op, i))
			size += az_type_size(az_op_arg(op, i)->type);
	for (uint32_t i = 0; i < op->result_count; i++)
		size += az_type_size(op->results[i]->type);
	if (size > AZ_FOLD_MAX || az_op_macs(op) > FOLD_MACS_MAX || im->folded > FOLD_TOTAL_MAX)
		return false;
	im->folded += size;
	return true;
}

/* Through a chain of moves the name is that of the first. */
static void note_moved(az_import *im, az_value *to, const az_value *from)
{
	az_name wanted = from->name;
	if (im->moved.count && im->moved.v[im->moved.count - 1].value == from)
		wanted = im->moved.v[im->moved.count - 1].wanted;
	az_vec_push(&im->scratch, &im->moved, ((az_moved){to, to->name, wanted}));
}

/* The values that stand for the operation's results: constants, then the operation is gone, or the
 * results themselves. NULL after reporting. */
static az_value **finish(az_node *n, az_op *op)
{
	az_value **to = az_new_array(&n->im->scratch, az_value *, op->result_count);
	const az_const *from = op->arg_count ? az_value_const(op->args[0].value) : NULL;
	bool folded = false;
	if (op->code == AZ_OP_reshape && from && !uniform(&from->value)) {
		to[0] = make_const(n, "reshape", op->results[0]->type, from->data, true);
		folded = true;
	} else if (operands_constant(op) && fold_uniform(n, op, to)) {
		folded = true;
	} else if (operands_constant(op) && worth_folding(n->im, op)) {
		folded = true;
		if (!fold_eval(n, op, to)) {
			n->bad = true;
			return NULL;
		}
	}
	if (folded) {
		if (op->code == AZ_OP_reshape || op->code == AZ_OP_transpose)
			note_moved(n->im, to[0], &from->value);
		az_op_erase(op);
		return to;
	}
	for (uint32_t i = 0; i < op->result_count; i++) {
		to[i] = op->results[i];
		az_value_rename(to[i], inner_name(n, az_op_table[op->code].name));
	}
	return to;
}

/* Constant scales are finite and not negative (numerics.md, 1). */
static bool scale_sound(az_node *n, az_opcode code, const az_value *scale)
{
	const az_const *c = scale ? az_value_const(scale) : NULL;
	if ((code != AZ_OP_quantize && code != AZ_OP_dequantize) || !c)
		return true;
	int64_t count =
		c->splat ? AZ_MIN(1, az_type_numel(scale->type)) : az_type_numel(scale->type);
	for (int64_t i = 0; i < count; i++) {
		double v = az_const_get(c, (uint64_t)i);
		if (!(v >= 0 && v <= (double)FLT_MAX))
			return az_node_error(n,
				"scale %s holds %g; scales must be finite and not negative",
				az_type_print(&n->im->scratch, scale->type), v);
	}
	return true;
}

az_value **az_emit_all(az_node *n, az_opcode code, uint32_t count, az_value *const *args,
	const az_attrs *attrs, az_elem want)
{
	if (n->bad || (count > 1 && !scale_sound(n, code, args[1])))
		return NULL;
	az_op *op = az_op_new(&n->at, code, count, args, attrs, want);
	if (!op) {
		n->bad = true;
		return NULL;
	}
	return finish(n, op);
}

az_value *az_emit(az_node *n, az_opcode code, uint32_t count, az_value *const *args,
	const az_attrs *attrs, az_elem want)
{
	az_value **to = az_emit_all(n, code, count, args, attrs, want);
	return to ? to[0] : NULL;
}

az_value *az_emit1(az_node *n, az_opcode code, az_value *a)
{
	return a ? az_emit(n, code, 1, &a, NULL, AZ_ELEM_NONE) : NULL;
}

az_value *az_emit2(az_node *n, az_opcode code, az_value *a, az_value *b)
{
	az_value *args[] = {a, b};
	return a && b ? az_emit(n, code, 2, args, NULL, AZ_ELEM_NONE) : NULL;
}

az_value *az_emit3(az_node *n, az_opcode code, az_value *a, az_value *b, az_value *c)
{
	az_value *args[] = {a, b, c};
	return a && b && c ? az_emit(n, code, 3, args, NULL, AZ_ELEM_NONE) : NULL;
}

az_value *az_emit_attr(az_node *n, az_opcode code, az_value *a, const az_attrs *attrs)
{
	return a ? az_emit(n, code, 1, &a, attrs, AZ_ELEM_NONE) : NULL;
}

az_value *az_emit_cast(az_node *n, az_value *x, az_elem to)
{
	if (!x || az_elem_equal(x->type->elem, to))
		return x;
	return az_emit(n, AZ_OP_cast, 1, &x, NULL, to);
}

/* The dequantize of a constant behind a value, with one scale or one per place of an axis: moving its
 * integers instead of its results keeps them constant. NULL when it is not that. */
static az_op *weight_dequantize(const az_value *x)
{
	az_op *op = x ? az_value_op(x) : NULL;
	if (!op || op->code != AZ_OP_dequantize || op->attr.dequantize.group)
		return NULL;
	if (!az_value_is_const(op->args[0].value) || !az_value_is_const(op->args[1].value))
		return NULL;
	const az_value *zero = az_op_arg(op, 2);
	return zero && !az_value_is_const(zero) ? NULL : op;
}

static az_value *dequantize_like(az_node *n, const az_op *like, az_value *q, az_elem elem,
	int64_t axis)
{
	az_value *args[] = {q, like->args[1].value, az_op_arg(like, 2)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = axis;
	return q ? az_emit(n, AZ_OP_dequantize, like->arg_count, args, &attrs, elem) : NULL;
}

static bool is_per_axis(const az_op *dequantize)
{
	return az_type_numel(dequantize->args[1].value->type) != 1;
}

/* Where the axis of one-per-place scales is after a reshape: a dimension of the same length with as
 * many elements before it. -1: nowhere. */
static int64_t reshaped_axis(const az_type *from, int64_t axis, uint32_t rank, const int64_t *dim)
{
	int64_t before = 1, place = 1;
	for (int64_t i = 0; i < axis; i++)
		before *= from->dim[i];
	for (uint32_t i = 0; i < rank; i++) {
		if (place == before && dim[i] == from->dim[axis])
			return i;
		place *= dim[i];
	}
	return -1;
}

az_value *az_emit_reshape(az_node *n, az_value *x, uint32_t rank, const int64_t *dim)
{
	if (!x)
		return NULL;
	bool same = x->type->rank == rank;
	for (uint32_t i = 0; same && i < rank; i++)
		same = x->type->dim[i] == dim[i];
	if (same)
		return x;
	az_attrs attrs;
	az_attrs_init(AZ_OP_reshape, &attrs);
	attrs.reshape.shape = (az_ints){rank, dim};
	const az_op *dequantize = weight_dequantize(x);
	if (dequantize && az_shape_valid(rank, dim)) {
		int64_t axis = -1;
		if (is_per_axis(dequantize)) {
			int64_t old =
				az_axis_normalize(dequantize->attr.dequantize.axis, x->type->rank);
			axis = reshaped_axis(x->type, old, rank, dim);
		}
		if (axis >= 0 || !is_per_axis(dequantize))
			return dequantize_like(n, dequantize,
				az_emit_attr(n, AZ_OP_reshape, dequantize->args[0].value, &attrs),
				x->type->elem, axis);
	}
	return az_emit_attr(n, AZ_OP_reshape, x, &attrs);
}

az_value *az_emit_transpose(az_node *n, az_value *x, const int64_t *perm)
{
	if (!x)
		return NULL;
	uint32_t rank = x->type->rank;
	bool same = true;
	for (uint32_t i = 0; i < rank; i++)
		same = same && perm[i] == (int64_t)i;
	if (same)
		return x;
	az_attrs attrs;
	az_attrs_init(AZ_OP_transpose, &attrs);
	attrs.transpose.perm = (az_ints){rank, perm};
	const az_op *dequantize = weight_dequantize(x);
	if (dequantize) {
		int64_t axis = az_axis_normalize(dequantize->attr.dequantize.axis, rank);
		int64_t moved = -1;
		for (uint32_t i = 0; is_per_axis(dequantize) && i < rank; i++)
			if (perm[i] == axis)
				moved = i;
		return dequantize_like(n, dequantize,
			az_emit_attr(n, AZ_OP_transpose, dequantize->args[0].value, &attrs),
			x->type->elem, moved);
	}
	return az_emit_attr(n, AZ_OP_transpose, x, &attrs);
}

az_value *az_emit_slice(az_node *n, az_value *x, const int64_t *begin, const int64_t *size,
	const int64_t *step)
{
	if (!x)
		return NULL;
	uint32_t rank = x->type->rank;
	bool same = true;
	for (uint32_t i = 0; i < rank; i++)
		same = same && begin[i] == 0 && step[i] == 1 && size[i] == x->type->dim[i];
	if (same)
		return x;
	az_attrs attrs;
	az_attrs_init(AZ_OP_slice, &attrs);
	attrs.slice.begin = (az_ints){rank, begin};
	attrs.slice.size = (az_ints){rank, size};
	attrs.slice.step = (az_ints){rank, step};
	return az_emit_attr(n, AZ_OP_slice, x, &attrs);
}

az_value *az_emit_reduce(az_node *n, az_reduction kind, az_value *x, uint32_t count,
	const int64_t *axes, bool drop)
{
	if (!x || count == 0)
		return x;
	az_attrs attrs;
	az_attrs_init(AZ_OP_reduce, &attrs);
	attrs.reduce.kind = kind;
	attrs.reduce.axes = (az_ints){count, axes};
	attrs.reduce.drop = drop;
	bool integer_sum = kind == AZ_reduction_sum && az_elem_equal(x->type->elem, AZ_I64);
	return az_emit(n, AZ_OP_reduce, 1, &x, &attrs, integer_sum ? AZ_I64 : AZ_ELEM_NONE);
}

az_value *az_emit_scalar(az_node *n, az_elem elem, double v)
{
	az_tensor one = az_tensor_new(&n->im->scratch, az_type_get(n->im->ctx, elem, 0, NULL));
	az_tensor_set(&one, 0, v);
	return make_const(n, "scalar", one.type, one.data, false);
}

az_value *az_emit_ints(az_node *n, uint32_t count, const int64_t *v)
{
	return &az_const_i64s(n->im->module, inner_name(n, "list"), count, v)->value;
}

az_value *az_emit_const(az_node *n, const az_type *type, const void *data)
{
	return make_const(n, "const", type, data, false);
}

az_value *az_emit_splat(az_node *n, const az_type *type, const void *element)
{
	return make_splat(n, "splat", type, element);
}

az_value *az_emit_channels_last(az_node *n, az_value *x)
{
	int64_t perm[AZ_RANK_MAX] = {0};
	if (!x)
		return NULL;
	uint32_t rank = x->type->rank;
	for (uint32_t i = 1; i < rank; i++)
		perm[i] = i + 1 < rank ? i + 1 : 1;
	return az_emit_transpose(n, x, perm);
}

az_value *az_emit_channels_first(az_node *n, az_value *x)
{
	int64_t perm[AZ_RANK_MAX] = {0};
	if (!x)
		return NULL;
	uint32_t rank = x->type->rank;
	for (uint32_t i = 1; i < rank; i++)
		perm[i] = i == 1 ? rank - 1 : i - 1;
	return az_emit_transpose(n, x, perm);
}
