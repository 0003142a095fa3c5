/* SPDX-License-Identifier: Apache-2.0
 *
 * Inference for contractions: conv, conv_transpose, matmul. Floats give their own element type;
 * integers (of any widths and signs, bipolar included) accumulate in i32 or i64. */
#include "ir/infer.h"

/* Element of the result from those of the two factors. */
static bool product_elem(const az_infer *in, const az_type *a, const az_type *b, az_elem *out)
{
	bool scaled = az_infer_arg(in, 4) != NULL;
	bool a_float = az_elem_is_float(a->elem), b_float = az_elem_is_float(b->elem);
	if (a->elem.kind == AZ_KIND_BOOL || b->elem.kind == AZ_KIND_BOOL)
		return az_infer_error(in, "operands must be numbers, not bool");
	if (a_float != b_float)
		return az_infer_error(in,
			"operands of %s and %s: both must be floating point or neither",
			az_infer_elem(in, a->elem), az_infer_elem(in, b->elem));
	if (a_float && (scaled || az_infer_arg(in, 3)))
		return az_infer_error(in, "floats take no zero points and no scales");
	if (scaled) {
		*out = AZ_F32;
		return in->want.kind == AZ_KIND_NONE || az_elem_equal(in->want, AZ_F32) ||
		       az_infer_error(in, "the result of scaled sums is f32, not %s",
			       az_infer_elem(in, in->want));
	}
	if (!a_float) {
		if (in->want.kind == AZ_KIND_NONE) {
			*out = AZ_I32;
			return true;
		}
		return az_infer_accumulator(in, AZ_I8, out);
	}
	if (!az_infer_same_elem(in, a, b))
		return false;
	if (in->want.kind != AZ_KIND_NONE && !az_elem_equal(in->want, a->elem))
		return az_infer_error(in, "the result is %s like the operands, not %s",
			az_infer_elem(in, a->elem), az_infer_elem(in, in->want));
	*out = a->elem;
	return true;
}

static bool check_bias(const az_infer *in, az_elem elem, int64_t channels)
{
	const az_type *bias = az_infer_arg(in, 2);
	if (!bias)
		return true;
	if (bias->rank != 1 || bias->dim[0] != channels)
		return az_infer_error(in, "bias %s must have one entry for each of %lld outputs",
			az_infer_shape(in, bias), (long long)channels);
	if (!az_elem_equal(bias->elem, elem))
		return az_infer_error(in, "bias is %s, the result %s",
			az_infer_elem(in, bias->elem), az_infer_elem(in, elem));
	return true;
}

static bool check_zeros(const az_infer *in, az_ints zero, const az_type *a, const az_type *b)
{
	if (zero.count > 2)
		return az_infer_error(in, "zero has %u entries, it takes two", zero.count);
	return az_infer_zero(in, az_ints_at(zero, 0, 0), a->elem, "the first operand") &&
	       az_infer_zero(in, az_ints_at(zero, 1, 0), b->elem, "the second operand");
}

static bool same_shape(const az_type *type, uint32_t rank, const int64_t *dim)
{
	bool same = type->rank == rank;
	for (uint32_t i = 0; same && i < rank; i++)
		same = type->dim[i] == dim[i];
	return same;
}

/* Zero points per output channel or scale; scales per group of `group` places of dimension `axis` of w. */
static bool check_scales(const az_infer *in, const az_type *w, uint32_t axis, int64_t channels,
	int64_t group)
{
	const az_type *zeros = az_infer_arg(in, 3), *scales = az_infer_arg(in, 4);
	int64_t dim[AZ_RANK_MAX] = {channels};
	uint32_t rank = 1;
	if (scales ? group < 1 : group != 0)
		return az_infer_error(in, "group = %lld %s scales", (long long)group,
			scales ? "with" : "without");
	if (scales) {
		rank = w->rank;
		for (uint32_t i = 0; i < rank; i++)
			dim[i] = w->dim[i];
		dim[axis] = w->dim[axis] / group + (w->dim[axis] % group != 0);
		if (!az_elem_equal(scales->elem, AZ_F32) || !same_shape(scales, rank, dim))
			return az_infer_error(in,
				"scales must be f32, one per group of %lld of dimension %u of the "
				"weights %s, not %s %s",
				(long long)group, axis, az_infer_shape(in, w),
				az_infer_elem(in, scales->elem), az_infer_shape(in, scales));
	}
	if (zeros && (!az_elem_is_integer(zeros->elem) || zeros->elem.bits > 32 ||
			     !same_shape(zeros, rank, dim)))
		return az_infer_error(in,
			"zeros must be integers of at most 32 bits, one per %s, not %s %s",
			scales ? "scale" : "output channel", az_infer_elem(in, zeros->elem),
			az_infer_shape(in, zeros));
	return true;
}

/* Ranks of x and weights, groups against channels: what both convolutions share. */
static bool check_conv(const az_infer *in, const az_type *x, const az_type *w, int64_t groups)
{
	if (x->rank < 3 || x->rank > 2 + AZ_SPATIAL_MAX)
		return az_infer_error(in, "x must be [N, 1 to %d spatial dimensions, C], not %s",
			AZ_SPATIAL_MAX, az_infer_shape(in, x));
	if (w->rank != x->rank)
		return az_infer_error(in, "weights %s must have as many dimensions as x %s",
			az_infer_shape(in, w), az_infer_shape(in, x));
	int64_t in_channels = x->dim[x->rank - 1], out_channels = w->dim[0];
	if (groups < 1)
		return az_infer_error(in, "groups = %lld is not positive", (long long)groups);
	if (in_channels < 1 || out_channels < 1)
		return az_infer_error(in, "x %s and weights %s must have channels",
			az_infer_shape(in, x), az_infer_shape(in, w));
	if (in_channels % groups || w->dim[w->rank - 1] != in_channels / groups)
		return az_infer_error(in,
			"weights have %lld input channels per group, x has %lld / %lld groups",
			(long long)w->dim[w->rank - 1], (long long)in_channels, (long long)groups);
	if (out_channels % groups)
		return az_infer_error(in, "%lld output channels cannot be divided into %lld groups",
			(long long)out_channels, (long long)groups);
	return true;
}

bool az_infer_conv(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_conv *attr = &in->op->attr.conv;
	const az_type *x = az_infer_arg(in, 0), *w = az_infer_arg(in, 1);
	az_elem elem;
	az_window window;
	if (!product_elem(in, x, w, &elem) || !check_conv(in, x, w, attr->groups) ||
		!az_infer_window(in, x, w->dim + 1, attr->stride, attr->pad, attr->dilation,
			&window))
		return false;
	if (!check_zeros(in, attr->zero, x, w) || !check_bias(in, elem, w->dim[0]) ||
		!check_scales(in, w, w->rank - 1u, w->dim[0], attr->group) ||
		!az_infer_clamp_real(in, attr->clamp, elem) ||
		!az_infer_normal(in, attr->normal, w->dim[0]))
		return false;
	int64_t dim[AZ_RANK_MAX] = {x->dim[0]};
	for (uint32_t i = 0; i < window.count; i++) {
		dim[1 + i] = az_infer_window_out(in, x, &window, i, false);
		if (dim[1 + i] < 0)
			return false;
	}
	dim[x->rank - 1] = w->dim[0];
	return az_infer_one(in, elem, x->rank, dim);
}

bool az_infer_conv_transpose(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_conv_transpose *attr = &in->op->attr.conv_transpose;
	const az_type *x = az_infer_arg(in, 0), *w = az_infer_arg(in, 1);
	az_elem elem;
	az_window window;
	if (!product_elem(in, x, w, &elem) || !check_conv(in, x, w, attr->groups) ||
		!az_infer_window(in, x, w->dim + 1, attr->stride, attr->pad, attr->dilation,
			&window))
		return false;
	if (!az_infer_list(in, "output_pad", attr->output_pad, window.count, 0, AZ_DIM_MAX) ||
		!check_zeros(in, attr->zero, x, w) || !check_bias(in, elem, w->dim[0]) ||
		!check_scales(in, w, w->rank - 1u, w->dim[0], 0) ||
		!az_infer_clamp_real(in, attr->clamp, elem) ||
		!az_infer_normal(in, attr->normal, w->dim[0]))
		return false;
	int64_t dim[AZ_RANK_MAX] = {x->dim[0]};
	for (uint32_t i = 0; i < window.count; i++) {
		if (x->dim[1 + i] < 1)
			return az_infer_error(in, "spatial dimension %u of x is empty", i);
		/* Each product is below 2^62, so that halves cannot overflow in the sum. */
		int64_t spread = (x->dim[1 + i] - 1) * window.stride[i];
		int64_t span = (window.size[i] - 1) * window.dilation[i] + 1;
		if (spread > AZ_NUMEL_MAX || span > AZ_NUMEL_MAX)
			return az_infer_error(in, "spatial dimension %u of the result is too large",
				i);
		dim[1 + i] = spread + span + az_ints_at(attr->output_pad, i, 0) - window.begin[i] -
			     window.end[i];
		if (dim[1 + i] < 1)
			return az_infer_error(in, "padding leaves nothing of spatial dimension %u",
				i);
	}
	dim[x->rank - 1] = w->dim[0];
	return az_infer_one(in, elem, x->rank, dim);
}

bool az_infer_matmul(az_infer *in)
{
	if (!az_infer_begin(in))
		return false;
	const az_attrs_matmul *attr = &in->op->attr.matmul;
	const az_type *a = az_infer_arg(in, 0), *b = az_infer_arg(in, 1);
	az_elem elem;
	if (!product_elem(in, a, b, &elem))
		return false;
	if (a->rank < 2 || b->rank < 2)
		return az_infer_error(in, "operands %s and %s must be matrices",
			az_infer_shape(in, a), az_infer_shape(in, b));
	if (a->dim[a->rank - 1] != b->dim[b->rank - 2])
		return az_infer_error(in, "a has %lld columns, b has %lld rows",
			(long long)a->dim[a->rank - 1], (long long)b->dim[b->rank - 2]);
	int64_t columns = b->dim[b->rank - 1];
	if (az_infer_arg(in, 4) && b->rank != 2)
		return az_infer_error(in, "scales are for one matrix, not %s",
			az_infer_shape(in, b));
	if (!check_zeros(in, attr->zero, a, b) || !check_bias(in, elem, columns) ||
		!check_scales(in, b, 0, columns, attr->group) ||
		!az_infer_clamp_real(in, attr->clamp, elem) ||
		!az_infer_normal(in, attr->normal, columns))
		return false;
	uint32_t rank;
	int64_t dim[AZ_RANK_MAX + 2];
	if (!az_shape_broadcast(a->rank - 2u, a->dim, b->rank - 2u, b->dim, &rank, dim))
		return az_infer_error(in, "leading dimensions of %s and %s do not broadcast",
			az_infer_shape(in, a), az_infer_shape(in, b));
	dim[rank++] = a->dim[a->rank - 2];
	dim[rank++] = columns;
	return az_infer_one(in, elem, rank, dim);
}
