/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows, reductions, normalization, moves, resizing and plain contractions, compiled, with what may follow
 * them in one kernel. */
#include "tests/unit/jit_kit.h"

/* --- Windows, reductions, normalization ---------------------------------------------------------------- */

static bool pools(net *n, uint32_t i)
{
	static const az_opcode codes[3] = {AZ_OP_max_pool, AZ_OP_avg_pool, AZ_OP_sum_pool};
	az_opcode code = codes[i % 3];
	uint32_t s = (uint32_t)pick(1, 3);
	az_elem elem = code == AZ_OP_avg_pool ? pick_float() : all_elems[pick(0, 9)];
	int64_t dim[5] = {pick(1, 2)}, window[3], stride[3], pad[6], dilation[3];
	for (uint32_t k = 0; k < s; k++) {
		window[k] = pick(1, 3);
		stride[k] = pick(1, 3);
		dilation[k] = pick(0, 3) ? 1 : 2;
		int64_t span = (window[k] - 1) * dilation[k] + 1;
		pad[2 * k] = pick(0, span - 1);
		pad[2 * k + 1] = pick(0, span - 1);
		dim[1 + k] = AZ_MAX(pick(3, 9), span);
	}
	dim[1 + s] = pick(1, 40);
	az_attrs attrs;
	az_attrs_init(code, &attrs);
	/* The three begin with the same fields. */
	attrs.max_pool.window = ints(n, s, window);
	attrs.max_pool.stride = ints(n, s, stride);
	attrs.max_pool.pad = ints(n, 2 * s, pad);
	attrs.max_pool.dilation = ints(n, s, dilation);
	attrs.max_pool.ceil = pick(0, 1);
	if (code == AZ_OP_avg_pool)
		attrs.avg_pool.include_pad = pick(0, 1);
	if (code == AZ_OP_sum_pool && !az_elem_is_float(elem))
		attrs.sum_pool.zero = pick(0, 9);
	az_value *x = input(n, elem, 2 + s, dim, -5);
	return follow(n, make(n, code, 1, &x, &attrs, AZ_ELEM_NONE));
}

/* An integer of fewer than 8 bits. */
static az_elem pick_narrow(void)
{
	bool has_sign = pick(0, 1);
	return (az_elem){has_sign ? AZ_KIND_INT : AZ_KIND_UINT, (uint8_t)pick(1 + has_sign, 7)};
}

/* Elements that lie packed, pixels that need not be whole bytes. */
static bool packed_pools(net *n, uint32_t i)
{
	int64_t dim[4] = {pick(1, 2), pick(3, 9), pick(3, 9), pick(1, 40)};
	int64_t window[2] = {pick(1, 3), pick(1, 3)}, stride[2] = {pick(1, 3), pick(1, 2)}, pad[4];
	for (uint32_t k = 0; k < 4; k++)
		pad[k] = pick(0, window[k / 2] - 1);
	az_opcode code = i % 2 ? AZ_OP_max_pool : AZ_OP_sum_pool;
	az_attrs attrs;
	az_attrs_init(code, &attrs);
	attrs.max_pool.window = ints(n, 2, window);
	attrs.max_pool.stride = ints(n, 2, stride);
	attrs.max_pool.pad = ints(n, 4, pad);
	if (i % 3 == 0)
		dim[3] = 8 * pick(1, 5);
	az_value *x = input(n, pick_narrow(), 4, dim, 1);
	if (code == AZ_OP_max_pool)
		return made(n, code, 1, &x, &attrs, AZ_ELEM_NONE);
	attrs.sum_pool.zero = pick(0, 1);
	return follow(n, make(n, code, 1, &x, &attrs, AZ_ELEM_NONE));
}

static bool reductions(net *n, uint32_t i)
{
	int64_t dim[AZ_RANK_MAX], axes[4];
	uint32_t rank = pick_shape(dim, 4), count = 0;
	az_attrs attrs;
	if (i % 3 == 0) {
		az_value *x = input(n, all_elems[pick(0, 9)], rank, dim, -3);
		az_attrs_init(AZ_OP_arg_reduce, &attrs);
		attrs.arg_reduce.kind = (az_extremum)pick(0, 1);
		attrs.arg_reduce.axis = pick(-(int64_t)rank, (int64_t)rank - 1);
		attrs.arg_reduce.drop = pick(0, 1);
		attrs.arg_reduce.last = pick(0, 1);
		return made(n, AZ_OP_arg_reduce, 1, &x, &attrs, AZ_ELEM_NONE);
	}
	az_attrs_init(AZ_OP_reduce, &attrs);
	attrs.reduce.kind = (az_reduction)pick(0, AZ_reduction_prod);
	bool mean = attrs.reduce.kind == AZ_reduction_mean;
	az_value *x = input(n, mean ? pick_float() : all_elems[pick(0, 9)], rank, dim, -3);
	for (uint32_t k = 0; k < rank; k++)
		if (pick(0, 1))
			axes[count++] = pick(0, 1) ? k : (int64_t)k - rank;
	attrs.reduce.axes = ints(n, count, axes);
	attrs.reduce.drop = pick(0, 1);
	return follow(n, make(n, AZ_OP_reduce, 1, &x, &attrs, AZ_ELEM_NONE));
}

static bool normalizations(net *n, uint32_t i)
{
	int64_t dim[4] = {pick(1, 2), pick(1, 4), pick(1, 4), pick(1, 40)}, axis = pick(-4, 3);
	az_elem elem = pick_float();
	az_value *args[5] = {input(n, elem, 4, dim, i % 2 ? 4 : -4)};
	az_attrs attrs;
	n->close = elem.bits == 64;
	if (i % 4 == 0) {
		az_attrs_init(AZ_OP_batch_norm, &attrs);
		attrs.batch_norm.axis = axis;
		for (uint32_t k = 1; k < 5; k++)
			args[k] = input(n, elem, 1, &dim[(axis + 4) % 4], 1);
		return made(n, AZ_OP_batch_norm, 5, args, &attrs, AZ_ELEM_NONE);
	}
	if (i % 4 == 1) {
		az_attrs_init(AZ_OP_lrn, &attrs);
		attrs.lrn.axis = axis;
		attrs.lrn.size = pick(1, 7);
		return follow(n, make(n, AZ_OP_lrn, 1, args, &attrs, AZ_ELEM_NONE));
	}
	az_opcode code = i % 4 == 2 ? AZ_OP_softmax : AZ_OP_log_softmax;
	az_attrs_init(code, &attrs);
	attrs.softmax.axis = axis; /* the only field of both */
	return follow(n, make(n, code, 1, args, &attrs, AZ_ELEM_NONE));
}

/* --- Moving data ------------------------------------------------------------------------------------------ */

static bool slices(net *n, az_value *x)
{
	static const int64_t steps[] = {1, 1, 2, -1, -2};
	int64_t begin[4], size[4], step[4];
	for (uint32_t k = 0; k < x->type->rank; k++) {
		int64_t length = x->type->dim[k];
		step[k] = steps[pick(0, 4)];
		int64_t width = step[k] < 0 ? -step[k] : step[k];
		size[k] = pick(1, (length - 1) / width + 1);
		int64_t span = (size[k] - 1) * width, lo = pick(0, length - 1 - span);
		begin[k] = step[k] < 0 ? lo + span : lo;
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_slice, &attrs);
	attrs.slice.begin = ints(n, x->type->rank, begin);
	attrs.slice.size = ints(n, x->type->rank, size);
	attrs.slice.step = ints(n, x->type->rank, step);
	return follow(n, make(n, AZ_OP_slice, 1, &x, &attrs, AZ_ELEM_NONE));
}

static bool pads(net *n, az_value *x)
{
	int64_t pad[8];
	az_attrs attrs;
	az_attrs_init(AZ_OP_pad, &attrs);
	attrs.pad.mode = (az_padding)pick(0, 3);
	for (uint32_t k = 0; k < 2u * x->type->rank; k++)
		pad[k] = pick(0, AZ_MIN(x->type->dim[k / 2] - 1, 4)) - (x->type->dim[k / 2] > 3);
	attrs.pad.pad = ints(n, 2u * x->type->rank, pad);
	attrs.pad.value = 1;
	return made(n, AZ_OP_pad, 1, &x, &attrs, AZ_ELEM_NONE);
}

static bool joins(net *n, az_value *x, uint32_t i)
{
	uint32_t rank = x->type->rank, axis = (uint32_t)pick(0, (int64_t)rank - 1);
	az_value *args[3] = {x};
	int64_t dim[AZ_RANK_MAX];
	az_attrs attrs;
	if (i % 2) {
		uint32_t count = (uint32_t)pick(1, 3);
		for (uint32_t k = 1; k < count; k++) {
			memcpy(dim, x->type->dim, sizeof dim);
			dim[axis] = pick(1, 20);
			args[k] = input(n, x->type->elem, rank, dim, -5);
		}
		az_attrs_init(AZ_OP_concat, &attrs);
		attrs.concat.axis = axis;
		return made(n, AZ_OP_concat, count, args, &attrs, AZ_ELEM_NONE);
	}
	int64_t first = pick(0, x->type->dim[axis]);
	int64_t sizes[2] = {first, x->type->dim[axis] - first};
	if (sizes[0] == 0 || sizes[1] == 0)
		return false;
	az_attrs_init(AZ_OP_split, &attrs);
	attrs.split.axis = axis;
	attrs.split.sizes = ints(n, 2, sizes);
	return az_op_new(&n->at, AZ_OP_split, 1, args, &attrs, AZ_ELEM_NONE) != NULL;
}

static bool repeats(net *n, az_value *x, uint32_t i)
{
	uint32_t rank = x->type->rank;
	int64_t v[AZ_RANK_MAX], dim[2] = {pick(1, 5), pick(1, 5)};
	az_attrs attrs;
	for (uint32_t k = 0; k < rank; k++)
		v[k] = pick(1, 3);
	if (i % 3 == 0) {
		az_attrs_init(AZ_OP_tile, &attrs);
		attrs.tile.repeats = ints(n, rank, v);
		return made(n, AZ_OP_tile, 1, &x, &attrs, AZ_ELEM_NONE);
	}
	if (i % 3 == 1) {
		for (uint32_t k = 0; k < rank; k++)
			v[1 + k] = x->type->dim[k] == 1 ? pick(1, 4) : x->type->dim[k];
		v[0] = pick(1, 3);
		az_attrs_init(AZ_OP_expand, &attrs);
		attrs.expand.shape = ints(n, rank + 1, v);
		return follow(n, make(n, AZ_OP_expand, 1, &x, &attrs, AZ_ELEM_NONE));
	}
	az_value *args[2] = {x, input(n, pick(0, 1) ? AZ_I32 : AZ_I64, 2, dim, 1)};
	az_attrs_init(AZ_OP_gather, &attrs);
	attrs.gather.axis = pick(0, (int64_t)rank - 1);
	int64_t length = x->type->dim[attrs.gather.axis];
	for (uint64_t k = 0; k < (uint64_t)(dim[0] * dim[1]); k++)
		az_tensor_set(&n->in[1], k, (double)pick(-length, length - 1));
	return follow(n, make(n, AZ_OP_gather, 2, args, &attrs, AZ_ELEM_NONE));
}

static bool moves(net *n, uint32_t i)
{
	int64_t dim[AZ_RANK_MAX], perm[4] = {0, 1, 2, 3};
	uint32_t rank = pick_shape(dim, 4);
	az_value *x = input(n, all_elems[pick(0, ALL - 1)], rank, dim, -5);
	switch (i % 5) {
	case 0:
		return slices(n, x);
	case 1:
		return pads(n, x);
	case 2:
		return joins(n, x, i / 5);
	case 3:
		return repeats(n, x, i / 5);
	default:
		break;
	}
	for (uint32_t k = rank; k-- > 1;) {
		int64_t j = pick(0, k), swap = perm[k];
		perm[k] = perm[j];
		perm[j] = swap;
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_transpose, &attrs);
	attrs.transpose.perm = ints(n, rank, perm);
	return follow(n, make(n, AZ_OP_transpose, 1, &x, &attrs, AZ_ELEM_NONE));
}

/* Packed elements, by whole bytes: `step` of them. */
static bool packed_moves(net *n, uint32_t i)
{
	static const int64_t steps[8] = {0, 8, 4, 8, 2, 8, 4, 8};
	az_elem elem = pick_narrow();
	uint32_t rank = (uint32_t)pick(1, 4), last = rank - 1;
	int64_t step = steps[elem.bits], dim[4], begin[4], size[4], stride[4], pad[8];
	for (uint32_t k = 0; k < rank; k++) {
		int64_t unit = k == last ? step : 1;
		dim[k] = unit * pick(1, 5);
		size[k] = unit * pick(1, dim[k] / unit);
		begin[k] = unit * pick(0, (dim[k] - size[k]) / unit);
		stride[k] = k < last && 2 * size[k] <= dim[k] - begin[k] ? 2 : 1;
		pad[2 * k] = unit * pick(0, 2);
		pad[2 * k + 1] = unit * pick(0, 2);
	}
	az_value *x = input(n, elem, rank, dim, 1), *two[2] = {x, x};
	uint32_t axis = (uint32_t)pick(0, last);
	int64_t sizes[2] = {size[axis], dim[axis] - size[axis]};
	az_attrs attrs;
	switch (i % 4) {
	case 0:
		az_attrs_init(AZ_OP_slice, &attrs);
		attrs.slice.begin = ints(n, rank, begin);
		attrs.slice.size = ints(n, rank, size);
		attrs.slice.step = ints(n, rank, stride);
		return made(n, AZ_OP_slice, 1, &x, &attrs, AZ_ELEM_NONE);
	case 1:
		az_attrs_init(AZ_OP_pad, &attrs);
		attrs.pad.pad = ints(n, 2 * rank, pad);
		if (8 % elem.bits == 0)
			attrs.pad.value = (float)pick(az_elem_min(elem), az_elem_max(elem));
		return made(n, AZ_OP_pad, 1, &x, &attrs, AZ_ELEM_NONE);
	case 2:
		dim[axis] = (axis == last ? step : 1) * pick(1, 4);
		two[1] = input(n, elem, rank, dim, 1);
		az_attrs_init(AZ_OP_concat, &attrs);
		attrs.concat.axis = axis;
		return made(n, AZ_OP_concat, 2, two, &attrs, AZ_ELEM_NONE);
	default:
		az_attrs_init(AZ_OP_split, &attrs);
		attrs.split.axis = axis;
		attrs.split.sizes = ints(n, sizes[1] ? 2 : 1, sizes);
		return az_op_new(&n->at, AZ_OP_split, 1, &x, &attrs, AZ_ELEM_NONE) != NULL;
	}
}

static bool resizes(net *n, uint32_t i)
{
	int64_t dim[AZ_RANK_MAX], size[AZ_RANK_MAX];
	uint32_t rank = pick_shape(dim, 4);
	az_attrs attrs;
	az_attrs_init(AZ_OP_resize, &attrs);
	attrs.resize.mode = (az_interpolation)(i % 3);
	attrs.resize.coordinate = (az_coordinate)pick(0, 4);
	attrs.resize.nearest = (az_nearest_mode)pick(0, 3);
	attrs.resize.exclude_outside = pick(0, 3) == 0;
	for (uint32_t k = 0; k < rank; k++)
		size[k] = pick(0, 1) ? dim[k] : pick(1, 14);
	attrs.resize.size = ints(n, rank, size);
	if (i % 6 == 0) {
		az_value *packed = input(n, pick_narrow(), rank, dim, 1);
		return made(n, AZ_OP_resize, 1, &packed, &attrs, AZ_ELEM_NONE);
	}
	az_elem elem = i % 3 == 0 ? all_elems[pick(0, NUMBERS - 1)] : pick_float();
	az_value *x = input(n, elem, rank, dim, -5);
	return follow(n, make(n, AZ_OP_resize, 1, &x, &attrs, AZ_ELEM_NONE));
}

/* --- Contractions ------------------------------------------------------------------------------------------- */

static bool convolutions(net *n, uint32_t i)
{
	bool transposed = i % 2, real = pick(0, 2) == 0;
	uint32_t s = (uint32_t)pick(1, 3);
	az_elem xe = real ? pick_float() : pick_int(32), we = real ? xe : pick_int(16);
	int64_t groups = pick(1, 3), depth = pick(1, pick(0, 1) ? 5 : 40), zero[2] = {0};
	int64_t x[5] = {pick(1, 2)}, w[5] = {groups * pick(1, 4)}, stride[3], pad[6], out_pad[3];
	for (uint32_t k = 0; k < s; k++) {
		w[1 + k] = pick(1, 3);
		stride[k] = pick(1, 3);
		x[1 + k] = pick(3, 6);
		out_pad[k] = pick(0, stride[k] - 1);
		pad[2 * k] = pick(0, w[1 + k] - 1);
		pad[2 * k + 1] = pick(0, w[1 + k] - 1);
	}
	x[1 + s] = groups * depth;
	w[1 + s] = depth;
	if (!real)
		zero[0] = pick(0, 9), zero[1] = pick(0, 9);
	az_opcode code = transposed ? AZ_OP_conv_transpose : AZ_OP_conv;
	az_attrs attrs;
	az_attrs_init(code, &attrs);
	/* Both begin with stride and pad. */
	attrs.conv.stride = ints(n, s, stride);
	attrs.conv.pad = ints(n, 2 * s, pad);
	if (transposed) {
		attrs.conv_transpose.output_pad = ints(n, s, out_pad);
		attrs.conv_transpose.groups = groups;
		attrs.conv_transpose.zero = ints(n, 2, zero);
	} else {
		attrs.conv.groups = groups;
		attrs.conv.zero = ints(n, 2, zero);
	}
	az_elem want = real ? AZ_ELEM_NONE : pick(0, 2) ? AZ_I32 : AZ_I64;
	az_value *args[3] = {input(n, xe, 2 + s, x, 1), input(n, we, 2 + s, w, 1)};
	bool bias = pick(0, 1);
	if (bias)
		args[2] = input(n, real ? xe : want, 1, w, 1);
	n->close = real;
	az_value *y = make(n, code, 2 + bias, args, &attrs, want);
	return real ? y != NULL : follow(n, y);
}

static bool products(net *n, uint32_t i)
{
	bool real = i % 3 == 0;
	az_elem ae = real ? pick_float() : pick_int(32), be = real ? ae : pick_int(16);
	int64_t lead = pick(1, 3), k = pick(1, 20), zero[2] = {real ? 0 : 7, real ? 0 : 3};
	int64_t a[3] = {pick(0, 1) ? lead : 1, pick(1, 5), k}, b[3] = {lead, k, pick(1, 40)};
	uint32_t drop = (uint32_t)pick(0, 1);
	az_attrs attrs;
	az_attrs_init(AZ_OP_matmul, &attrs);
	attrs.matmul.zero = ints(n, 2, zero);
	az_value *args[2] = {input(n, ae, 3, a, 1), input(n, be, 3 - drop, b + drop, 1)};
	n->close = real;
	az_value *y = make(n, AZ_OP_matmul, 2, args, &attrs, real ? AZ_ELEM_NONE : AZ_I32);
	return real ? y != NULL : follow(n, y);
}

/* --- Suite ---------------------------------------------------------------------------------- */

JIT_CASE(pools, 60, 15)
JIT_CASE(packed_pools, 60, 15)
JIT_CASE(reductions, 90, 15)
JIT_CASE(normalizations, 48, 12)
JIT_CASE(moves, 100, 17)
JIT_CASE(packed_moves, 80, 17)
JIT_CASE(resizes, 45, 11)
JIT_CASE(convolutions, 60, 15)
JIT_CASE(products, 30, 10)

void test_shapes_jit(void)
{
	unit_suite("shapes compiled",
		AZ_CASES({"pools", run_pools}, {"packed pools", run_packed_pools},
			{"reductions", run_reductions}, {"normalizations", run_normalizations},
			{"moving data", run_moves}, {"moving packed data", run_packed_moves},
			{"resize", run_resizes}, {"convolutions", run_convolutions},
			{"products", run_products}));
}
