/* SPDX-License-Identifier: Apache-2.0
 *
 * Inference for element-wise operations: both operands have one element type, shapes broadcast as
 * numpy's do. Arithmetic on integers needs 8 bits or more (it wraps around); comparing, choosing and
 * the extremes work on every width. */
#include "ir/infer.h"

#include <math.h>

static bool broadcast(const az_infer *in, const az_type *a, const az_type *b, uint32_t *rank,
	int64_t *dim)
{
	if (az_shape_broadcast(a->rank, a->dim, b->rank, b->dim, rank, dim))
		return true;
	return az_infer_error(in, "shapes of %s and %s do not broadcast", az_infer_shape(in, a),
		az_infer_shape(in, b));
}

static bool check_number(const az_infer *in, const az_type *x, bool any_width)
{
	if (az_elem_is_float(x->elem))
		return true;
	if (az_elem_is_integer(x->elem) && (any_width || x->elem.bits >= 8))
		return true;
	return az_infer_error(in,
		any_width ? "operands must be numbers, not %s"
			  : "operands must be floating point or integers of 8 bits "
			    "or more, not %s",
		az_infer_elem(in, x->elem));
}

bool az_infer_binary(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_op *op = in->op;
	const az_type *a = az_infer_arg(in, 0), *b = az_infer_arg(in, 1);
	bool any_width = op->code == AZ_OP_min || op->code == AZ_OP_max;
	az_reals clamp = {0};
	if (op->code == AZ_OP_add)
		clamp = op->attr.add.clamp;
	else if (op->code == AZ_OP_sub)
		clamp = op->attr.sub.clamp;
	else if (op->code == AZ_OP_mul)
		clamp = op->attr.mul.clamp;
	uint32_t rank;
	int64_t dim[AZ_RANK_MAX];
	if (!check_number(in, a, any_width) || !az_infer_same_elem(in, a, b) ||
		!broadcast(in, a, b, &rank, dim) || !az_infer_clamp_real(in, clamp, a->elem))
		return false;
	if (op->code == AZ_OP_add && !az_infer_normal(in, op->attr.add.normal, -1))
		return false;
	return az_infer_one(in, a->elem, rank, dim);
}

bool az_infer_compare(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *a = az_infer_arg(in, 0), *b = az_infer_arg(in, 1);
	uint32_t rank;
	int64_t dim[AZ_RANK_MAX];
	if (!az_infer_same_elem(in, a, b) || !broadcast(in, a, b, &rank, dim))
		return false;
	return az_infer_one(in, AZ_BOOL8, rank, dim);
}

bool az_infer_logic(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	for (uint32_t i = 0; i < in->op->arg_count; i++)
		if (az_infer_arg(in, i)->elem.kind != AZ_KIND_BOOL)
			return az_infer_error(in, "operands must be bool, not %s",
				az_infer_elem(in, az_infer_arg(in, i)->elem));
	const az_type *a = az_infer_arg(in, 0), *b = az_infer_arg(in, in->op->arg_count - 1);
	uint32_t rank;
	int64_t dim[AZ_RANK_MAX];
	if (!broadcast(in, a, b, &rank, dim))
		return false;
	return az_infer_one(in, AZ_BOOL8, rank, dim);
}

bool az_infer_where(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *c = az_infer_arg(in, 0), *a = az_infer_arg(in, 1), *b = az_infer_arg(in, 2);
	if (c->elem.kind != AZ_KIND_BOOL)
		return az_infer_error(in, "the condition must be bool, not %s",
			az_infer_elem(in, c->elem));
	uint32_t rank, both_rank;
	int64_t dim[AZ_RANK_MAX], both[AZ_RANK_MAX];
	if (!az_infer_same_elem(in, a, b) || !broadcast(in, a, b, &both_rank, both))
		return false;
	if (!az_shape_broadcast(c->rank, c->dim, both_rank, both, &rank, dim))
		return az_infer_error(in, "the condition %s does not broadcast with %s and %s",
			az_infer_shape(in, c), az_infer_shape(in, a), az_infer_shape(in, b));
	return az_infer_one(in, a->elem, rank, dim);
}

static bool check_unary_attrs(const az_infer *in)
{
	const az_op *op = in->op;
	if (op->code == AZ_OP_clip && (isnan(op->attr.clip.lo) || isnan(op->attr.clip.hi)))
		return az_infer_error(in, "a bound is not a number");
	if (op->code == AZ_OP_celu && op->attr.celu.alpha == 0)
		return az_infer_error(in, "alpha is zero");
	return true;
}

bool az_infer_unary(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	if (az_op_table[in->op->code].traits & AZ_TRAIT_FLOAT) {
		if (!az_infer_want_float(in, x, "x"))
			return false;
	} else {
		bool any_width = in->op->code == AZ_OP_relu || in->op->code == AZ_OP_clip;
		if (!check_number(in, x, any_width))
			return false;
	}
	if (!check_unary_attrs(in))
		return false;
	return az_infer_one(in, x->elem, x->rank, x->dim);
}
