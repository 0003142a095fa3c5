/* SPDX-License-Identifier: Apache-2.0
 *
 * Inference for changes of representation: quantize, dequantize, requantize, lookup, cast. Scales and
 * zero points are operands; a constant zero point is checked against the element it belongs to. */
#include "ir/infer.h"

/* Scale: one number, one per index of the axis, or (group > 0) one per group of places along it. */
static bool check_scale(const az_infer *in, const az_type *x, const az_type *scale, int64_t axis,
	int64_t group)
{
	if (scale->elem.kind == AZ_KIND_FLOAT && scale->elem.bits == 64)
		return az_infer_error(in, "scale must be f32, f16 or bf16, not f64");
	if (!az_infer_want_float(in, scale, "scale"))
		return false;
	if (group < 0)
		return az_infer_error(in, "group = %lld is negative", (long long)group);
	if (group == 0 && scale->rank <= 1 && az_type_numel(scale) == 1)
		return true;
	uint32_t at;
	if (!az_infer_axis(in, axis, x->rank, &at))
		return false;
	if (group == 0) {
		if (scale->rank == 1 && scale->dim[0] == x->dim[at])
			return true;
		return az_infer_error(in,
			"scale %s is neither one number nor one for each of the %lld "
			"places of axis %u",
			az_infer_shape(in, scale), (long long)x->dim[at], at);
	}
	bool fits = scale->rank == x->rank;
	for (uint32_t i = 0; fits && i < x->rank; i++) {
		int64_t wanted = x->dim[i];
		if (i == at)
			wanted = wanted / group + (wanted % group != 0);
		fits = scale->dim[i] == wanted;
	}
	if (!fits)
		return az_infer_error(in,
			"scale %s does not give one number per group of %lld along axis "
			"%u of %s",
			az_infer_shape(in, scale), (long long)group, at, az_infer_shape(in, x));
	return true;
}

static bool check_zero(const az_infer *in, const az_type *scale, az_elem stored)
{
	const az_value *zero = az_op_arg(in->op, 2);
	if (!zero)
		return true;
	const az_type *type = zero->type;
	if (!az_elem_is_integer(type->elem) || type->elem.bits > 32)
		return az_infer_error(in, "zero points must be integers of at most 32 bits, not %s",
			az_infer_elem(in, type->elem));
	bool fits = type->rank == scale->rank || (az_type_numel(type) == 1 && type->rank <= 1);
	if (fits && az_type_numel(type) != 1)
		for (uint32_t i = 0; i < type->rank; i++)
			fits = fits && type->dim[i] == scale->dim[i];
	if (!fits)
		return az_infer_error(in, "zero points %s do not fit scale %s",
			az_infer_shape(in, type), az_infer_shape(in, scale));
	const az_const *constant = az_value_const(zero);
	if (!constant)
		return true;
	int64_t count = constant->splat ? AZ_MIN(1, az_type_numel(type)) : az_type_numel(type);
	for (int64_t i = 0; i < count; i++)
		if (!az_infer_zero(in, az_const_get_int(constant, (uint64_t)i), stored,
			    "the stored type"))
			return false;
	return true;
}

/* What quantize and requantize may make. */
static bool check_stored(const az_infer *in, az_elem elem)
{
	if (elem.kind == AZ_KIND_NONE)
		return az_infer_error(in, "the result's element type must be stated");
	if (elem.kind == AZ_KIND_BIPOLAR || (az_elem_is_integer(elem) && elem.bits <= 32))
		return true;
	return az_infer_error(in,
		"the result must be bipolar or an integer of at most 32 bits, not %s",
		az_infer_elem(in, elem));
}

bool az_infer_quantize(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_quantize *attr = &in->op->attr.quantize;
	const az_type *x = az_infer_arg(in, 0), *scale = az_infer_arg(in, 1);
	if (!az_infer_want_float(in, x, "x"))
		return false;
	if (!check_stored(in, in->want) || !check_scale(in, x, scale, attr->axis, attr->group) ||
		!check_zero(in, scale, in->want) || !az_infer_clamp_int(in, attr->clamp, in->want))
		return false;
	return az_infer_one(in, in->want, x->rank, x->dim);
}

bool az_infer_dequantize(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_dequantize *attr = &in->op->attr.dequantize;
	const az_type *q = az_infer_arg(in, 0), *scale = az_infer_arg(in, 1);
	if (!az_elem_is_integer(q->elem) && q->elem.kind != AZ_KIND_BIPOLAR)
		return az_infer_error(in, "the operand must be an integer or bipolar, not %s",
			az_infer_elem(in, q->elem));
	az_elem elem = in->want.kind == AZ_KIND_NONE ? AZ_F32 : in->want;
	if (!az_elem_is_float(elem))
		return az_infer_error(in, "the result must be floating point, not %s",
			az_infer_elem(in, elem));
	if (!check_scale(in, q, scale, attr->axis, attr->group) || !check_zero(in, scale, q->elem))
		return false;
	return az_infer_one(in, elem, q->rank, q->dim);
}

bool az_infer_requantize(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_requantize *attr = &in->op->attr.requantize;
	const az_type *acc = az_infer_arg(in, 0), *scale = az_infer_arg(in, 1);
	if (!az_elem_is_integer(acc->elem))
		return az_infer_error(in, "the accumulator must be an integer, not %s",
			az_infer_elem(in, acc->elem));
	if (!az_elem_equal(scale->elem, AZ_F32))
		return az_infer_error(in, "scale must be f32, not %s",
			az_infer_elem(in, scale->elem));
	if (!check_stored(in, in->want) || !az_infer_zero(in, attr->zero, in->want, "the result") ||
		!az_infer_clamp_int(in, attr->clamp, in->want))
		return false;
	uint32_t rank;
	int64_t dim[AZ_RANK_MAX];
	bool fits = az_shape_broadcast(acc->rank, acc->dim, scale->rank, scale->dim, &rank, dim) &&
		    rank == acc->rank;
	for (uint32_t i = 0; fits && i < rank; i++)
		fits = dim[i] == acc->dim[i];
	if (!fits)
		return az_infer_error(in, "scale %s does not broadcast to %s",
			az_infer_shape(in, scale), az_infer_shape(in, acc));
	return az_infer_one(in, in->want, acc->rank, acc->dim);
}

bool az_infer_lookup(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0), *table = az_infer_arg(in, 1);
	if (az_elem_is_float(x->elem) || x->elem.bits > 8)
		return az_infer_error(in,
			"the operand must be an integer of at most 8 bits, not %s",
			az_infer_elem(in, x->elem));
	/* Bipolar is looked up by its stored bit. */
	int64_t entries = az_elem_is_integer(x->elem) ? INT64_C(1) << x->elem.bits : 2;
	if (table->rank != 1 || table->dim[0] != entries)
		return az_infer_error(in, "table %s must have %lld entries for %s",
			az_infer_shape(in, table), (long long)entries, az_infer_elem(in, x->elem));
	if (in->want.kind != AZ_KIND_NONE && !az_elem_equal(in->want, table->elem))
		return az_infer_error(in, "the result is %s like the table, not %s",
			az_infer_elem(in, table->elem), az_infer_elem(in, in->want));
	return az_infer_one(in, table->elem, x->rank, x->dim);
}

bool az_infer_threshold(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_threshold *attr = &in->op->attr.threshold;
	const az_type *acc = az_infer_arg(in, 0), *levels = az_infer_arg(in, 1),
		      *flip = az_infer_arg(in, 2);
	if (!az_elem_is_integer(acc->elem) || !az_elem_is_signed(acc->elem) ||
		acc->elem.bits < 32 || acc->rank < 1)
		return az_infer_error(in, "the accumulator must be i32 or i64, not %s",
			az_infer_elem(in, acc->elem));
	if (!az_infer_same_elem(in, acc, levels) || (flip && !az_infer_same_elem(in, acc, flip)))
		return false;
	int64_t channels = acc->dim[acc->rank - 1];
	if (levels->rank != 2 || levels->dim[0] > AZ_LEVELS_MAX ||
		(levels->dim[1] != 1 && levels->dim[1] != channels))
		return az_infer_error(in,
			"levels %s must be at most %d for each of %lld channels or for all",
			az_infer_shape(in, levels), AZ_LEVELS_MAX, (long long)channels);
	if (flip && (flip->rank != 1 || (flip->dim[0] != 1 && flip->dim[0] != channels)))
		return az_infer_error(in, "flip %s must be one number or one for each channel",
			az_infer_shape(in, flip));
	if (!check_stored(in, in->want))
		return false;
	bool bipolar = in->want.kind == AZ_KIND_BIPOLAR;
	if (attr->step < 1 || attr->step > 2 || (bipolar && attr->step != 2))
		return az_infer_error(in, "step = %lld must be 1 or 2, and 2 for bipolar results",
			(long long)attr->step);
	if (attr->base < az_elem_min(in->want) || attr->base > az_elem_max(in->want) ||
		attr->base + attr->step * levels->dim[0] > az_elem_max(in->want))
		return az_infer_error(in, "results from %lld in %lld steps of %lld leave %s",
			(long long)attr->base, (long long)levels->dim[0], (long long)attr->step,
			az_infer_elem(in, in->want));
	return az_infer_one(in, in->want, acc->rank, acc->dim);
}

bool az_infer_cast(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_type *x = az_infer_arg(in, 0);
	if (in->want.kind == AZ_KIND_NONE)
		return az_infer_error(in, "the result's element type must be stated");
	return az_infer_one(in, in->want, x->rank, x->dim);
}
