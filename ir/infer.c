/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared checks of the inference hooks. */
#include "ir/infer.h"

#include <math.h>
#include <string.h>

bool az_infer_error(const az_infer *in, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = az_arena_vprintf(&in->ctx->arena, format, args);
	va_end(args);
	return az_error(in->ctx, in->op->loc, "%s: %s", az_op_table[in->op->code].name, text);
}

bool az_infer_begin(const az_infer *in)
{
	const az_op_desc *desc = &az_op_table[in->op->code];
	uint32_t count = in->op->arg_count;
	if (count < desc->args_min || count > desc->args_max)
		return az_infer_error(in, "%u operands, but it takes %u to %u", count,
			desc->args_min, desc->args_max);
	/* Only the operands of small fixed lists are optional; lists of any length have no holes. */
	uint32_t required = desc->args_max == AZ_ARGS_MAX ? count : desc->args_min;
	for (uint32_t i = 0; i < required; i++)
		if (!az_infer_arg(in, i))
			return az_infer_error(in, "operand %u is required", i);
	return true;
}

const az_type *az_infer_arg(const az_infer *in, uint32_t i)
{
	const az_value *value = az_op_arg(in->op, i);
	return value ? value->type : NULL;
}

const char *az_infer_elem(const az_infer *in, az_elem elem)
{
	char text[16];
	az_elem_print(text, elem);
	return az_arena_copy(&in->ctx->arena, text, strlen(text));
}

const char *az_infer_shape(const az_infer *in, const az_type *type)
{
	return az_type_print(&in->ctx->arena, type);
}

bool az_infer_result(az_infer *in, uint32_t i, az_elem elem, uint32_t rank, const int64_t *dim)
{
	if (rank > AZ_RANK_MAX)
		return az_infer_error(in, "the result has %u dimensions, at most %d are supported",
			rank, AZ_RANK_MAX);
	if (!az_shape_valid(rank, dim))
		return az_infer_error(in, "the result has too many elements");
	in->result[i] = az_type_get(in->ctx, elem, rank, dim);
	return true;
}

bool az_infer_one(az_infer *in, az_elem elem, uint32_t rank, const int64_t *dim)
{
	in->result_count = 1;
	return az_infer_result(in, 0, elem, rank, dim);
}

bool az_infer_want_float(const az_infer *in, const az_type *type, const char *what)
{
	if (az_elem_is_float(type->elem))
		return true;
	return az_infer_error(in, "%s must be floating point, not %s", what,
		az_infer_elem(in, type->elem));
}

bool az_infer_same_elem(const az_infer *in, const az_type *a, const az_type *b)
{
	if (az_elem_equal(a->elem, b->elem))
		return true;
	return az_infer_error(in, "operands of different element types: %s and %s",
		az_infer_elem(in, a->elem), az_infer_elem(in, b->elem));
}

bool az_infer_axis(const az_infer *in, int64_t axis, uint32_t rank, uint32_t *out)
{
	int normal = az_axis_normalize(axis, rank);
	if (normal < 0)
		return az_infer_error(in, "axis %lld is outside an operand of %u dimensions",
			(long long)axis, rank);
	*out = (uint32_t)normal;
	return true;
}

bool az_infer_list(const az_infer *in, const char *name, az_ints list, uint32_t most, int64_t lo,
	int64_t hi)
{
	if (list.count > most)
		return az_infer_error(in, "%s has %u entries, at most %u fit", name, list.count,
			most);
	for (uint32_t i = 0; i < list.count; i++)
		if (list.v[i] < lo || list.v[i] > hi)
			return az_infer_error(in, "%s[%u] = %lld is outside [%lld, %lld]", name, i,
				(long long)list.v[i], (long long)lo, (long long)hi);
	return true;
}

bool az_infer_list_exact(const az_infer *in, const char *name, az_ints list, uint32_t count)
{
	if (list.count == count)
		return true;
	return az_infer_error(in, "%s has %u entries, it needs %u", name, list.count, count);
}

bool az_infer_zero(const az_infer *in, int64_t zero, az_elem elem, const char *what)
{
	bool integer = az_elem_is_integer(elem);
	if (zero == 0 && (!integer || (az_elem_min(elem) <= 0)))
		return true;
	if (!integer)
		return az_infer_error(in, "%s of %s has no zero point, but it is %lld", what,
			az_infer_elem(in, elem), (long long)zero);
	if (zero < az_elem_min(elem) || zero > az_elem_max(elem))
		return az_infer_error(in, "zero point %lld of %s is outside %s", (long long)zero,
			what, az_infer_elem(in, elem));
	return true;
}

bool az_infer_clamp_real(const az_infer *in, az_reals clamp, az_elem result)
{
	if (clamp.count == 0)
		return true;
	if (clamp.count != 2)
		return az_infer_error(in, "clamp has %u entries, it takes none or two",
			clamp.count);
	if (!az_elem_is_float(result))
		return az_infer_error(in, "clamp needs a floating-point result, not %s",
			az_infer_elem(in, result));
	if (!(clamp.v[0] <= clamp.v[1])) /* NaN fails too */
		return az_infer_error(in, "clamp bounds %g and %g are not in order",
			(double)clamp.v[0], (double)clamp.v[1]);
	return true;
}

bool az_infer_normal(const az_infer *in, az_reals normal, int64_t channels)
{
	if (normal.count == 0)
		return true;
	if (channels >= 0 && normal.count != 2 * channels)
		return az_infer_error(in,
			"normal has %u entries, it takes none or two for each of %lld channels",
			normal.count, (long long)channels);
	if (normal.count % 2)
		return az_infer_error(in, "normal has %u entries, it takes two for each channel",
			normal.count);
	for (uint32_t i = 0; i < normal.count; i += 2) {
		if (!isfinite(normal.v[i]) || !isfinite(normal.v[i + 1]) || normal.v[i + 1] < 0)
			return az_infer_error(in,
				"normal: mean %g and deviation %g must be finite, the deviation "
				"not negative",
				(double)normal.v[i], (double)normal.v[i + 1]);
	}
	return true;
}

bool az_infer_clamp_int(const az_infer *in, az_ints clamp, az_elem result)
{
	if (clamp.count == 0)
		return true;
	if (!az_elem_is_integer(result))
		return az_infer_error(in, "%s takes no clamp", az_infer_elem(in, result));
	if (clamp.count != 2)
		return az_infer_error(in, "clamp has %u entries, it takes none or two",
			clamp.count);
	if (clamp.v[0] > clamp.v[1])
		return az_infer_error(in, "clamp bounds %lld and %lld are not in order",
			(long long)clamp.v[0], (long long)clamp.v[1]);
	if (clamp.v[0] < az_elem_min(result) || clamp.v[1] > az_elem_max(result))
		return az_infer_error(in, "clamp [%lld, %lld] is outside %s", (long long)clamp.v[0],
			(long long)clamp.v[1], az_infer_elem(in, result));
	return true;
}

bool az_infer_accumulator(const az_infer *in, az_elem from, az_elem *out)
{
	if (in->want.kind == AZ_KIND_NONE) {
		bool wide = az_elem_is_integer(from) && from.bits >= 32;
		*out = wide ? from : AZ_I32;
		return true;
	}
	*out = in->want;
	if (az_elem_equal(in->want, AZ_I32) || az_elem_equal(in->want, AZ_I64))
		return true;
	if (az_elem_is_integer(from) && from.bits >= 32 && az_elem_equal(in->want, from))
		return true;
	return az_infer_error(in, "sums of %s accumulate in i32 or i64, not %s",
		az_infer_elem(in, from), az_infer_elem(in, in->want));
}

bool az_infer_window(const az_infer *in, const az_type *x, const int64_t *size, az_ints stride,
	az_ints pad, az_ints dilation, az_window *window)
{
	uint32_t n = x->rank - 2u;
	if (!az_infer_list(in, "stride", stride, n, 1, AZ_DIM_MAX) ||
		!az_infer_list(in, "dilation", dilation, n, 1, AZ_DIM_MAX) ||
		!az_infer_list(in, "pad", pad, 2 * n, 0, AZ_DIM_MAX))
		return false;
	if (pad.count != 0 && pad.count != 2 * n)
		return az_infer_error(in,
			"pad has %u entries, it takes begin and end of %u spatial dimensions",
			pad.count, n);
	*window = (az_window){.count = n};
	for (uint32_t i = 0; i < n; i++) {
		if (size[i] < 1 || size[i] > AZ_DIM_MAX)
			return az_infer_error(in, "window length %lld is not positive",
				(long long)size[i]);
		window->size[i] = size[i];
		window->stride[i] = az_ints_at(stride, i, 1);
		window->dilation[i] = az_ints_at(dilation, i, 1);
		window->begin[i] = az_ints_at(pad, 2 * i, 0);
		window->end[i] = az_ints_at(pad, 2 * i + 1, 0);
	}
	return true;
}

int64_t az_infer_window_out(const az_infer *in, const az_type *x, const az_window *window,
	uint32_t i, bool ceil)
{
	int64_t length = x->dim[1 + i];
	int64_t padded = length + window->begin[i] + window->end[i];
	/* (size - 1) * dilation is below 2^62. */
	int64_t span = (window->size[i] - 1) * window->dilation[i] + 1;
	if (span > padded) {
		az_infer_error(in,
			"a window of %lld places does not fit spatial dimension %u of %s with %lld "
			"padding",
			(long long)span, i, az_infer_shape(in, x), (long long)(padded - length));
		return -1;
	}
	int64_t stride = window->stride[i];
	if (!ceil)
		return (padded - span) / stride + 1;
	int64_t out = (padded - span + stride - 1) / stride + 1;
	/* The last window must start inside the input or the padding before it. */
	if ((out - 1) * stride >= length + window->begin[i])
		out--;
	return out;
}
