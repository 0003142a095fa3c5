/* SPDX-License-Identifier: Apache-2.0
 *
 * The networks of the cases of tests/unit/widths.h. */
#include "tests/unit/widths.h"

#include <math.h>
#include <string.h>

#include "ir/tensor.h"

typedef struct maker {
	az_module *module;
	az_builder at;
	az_value *input;
	uint64_t seed;
	widths_case c;
	az_elem w, x, acc;
	int64_t depth;  /* products that are added for one result */
	uint64_t bytes; /* that the packed weights may take */
} maker;

static int64_t pick(maker *m, int64_t lo, int64_t hi)
{
	m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return lo + (int64_t)((m->seed >> 33) % (uint64_t)(hi - lo + 1));
}

static int64_t pick_of(maker *m, uint32_t count, const int64_t *list)
{
	return list[pick(m, 0, (int64_t)count - 1)];
}

static bool with(const maker *m, widths_variant v)
{
	return m->c.with[v];
}

static az_value *build(maker *m, az_opcode code, uint32_t count, az_value **args, az_attrs *attrs,
	az_elem want)
{
	for (uint32_t i = 0; i < count; i++)
		if (!args[i])
			return NULL;
	return az_build(&m->at, code, count, args, attrs, want);
}

/* Whole numbers between lo and hi, times `unit`. */
static az_value *constant(maker *m, const char *name, const az_type *type, int64_t lo, int64_t hi,
	double unit)
{
	az_tensor t = az_tensor_new(&m->module->arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++) {
		double v = (double)pick(m, lo, hi) * unit;
		az_tensor_set(&t, (uint64_t)i,
			type->elem.kind == AZ_KIND_BIPOLAR && v == 0 ? 1 : v);
	}
	return &az_const_new(m->module, name, type, t.data, false)->value;
}

static az_value *weights(maker *m, uint32_t rank, const int64_t *dim)
{
	int64_t lo = widths_ternary(&m->c) ? -1 : az_elem_min(m->w);
	const az_type *type = az_type_get(m->module->ctx, m->w, rank, dim);
	return constant(m, "w", type, lo, az_elem_max(m->w), 1);
}

static az_value *bias(maker *m, int64_t count)
{
	const az_type *type = az_type_get(m->module->ctx, m->acc, 1, &count);
	return constant(m, "b", type, -10000, 10000, 1);
}

static az_value *reshape(maker *m, az_value *x, uint32_t rank, const int64_t *dim)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_reshape, &attrs);
	attrs.reshape.shape = az_ints_copy(m->module, rank, dim);
	return build(m, AZ_OP_reshape, 1, &x, &attrs, AZ_ELEM_NONE);
}

/* Some numbers of the input. */
static az_value *activations(maker *m, uint32_t rank, const int64_t *dim)
{
	int64_t size = 1;
	for (uint32_t i = 0; i < rank; i++)
		size *= dim[i];
	int64_t begin = pick(m, 0, WIDTHS_INPUT - size);
	az_attrs attrs;
	az_attrs_init(AZ_OP_slice, &attrs);
	attrs.slice.begin = az_ints_copy(m->module, 1, &begin);
	attrs.slice.size = az_ints_copy(m->module, 1, &size);
	az_value *x = build(m, AZ_OP_slice, 1, &m->input, &attrs, AZ_ELEM_NONE);
	x = reshape(m, x, rank, dim);
	return az_elem_equal(m->x, AZ_I16) ? x : build(m, AZ_OP_cast, 1, &x, NULL, m->x);
}

/* Not 0, unless the element has nothing else; bipolar has no zero point. */
static int64_t pick_zero(maker *m, az_elem elem)
{
	if (elem.kind == AZ_KIND_BIPOLAR)
		return 0;
	int64_t lo = AZ_MAX(az_elem_min(elem), -300), hi = AZ_MIN(az_elem_max(elem), 300), zero;
	do
		zero = pick(m, lo, hi);
	while (zero == 0);
	return zero;
}

static az_ints zeros(maker *m)
{
	int64_t zero[2] = {with(m, WIDTHS_ZERO_X) ? pick_zero(m, m->x) : 0,
		with(m, WIDTHS_ZERO_W) ? pick_zero(m, m->w) : 0};
	return az_ints_copy(m->module, 2, zero);
}

/* --- Sizes of packed weights ------------------------------------------------------------------------- */

static int64_t up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

/* `count` weights for each of `outputs`: what they take by themselves, with outputs rounded up to a vector. Widths
 * are stored as planes of 8, 4, 2 and 1 bits; the last byte of a plane may not be full. */
static void allow(maker *m, int64_t outputs, int64_t count, int64_t granule)
{
	int64_t bytes = 0;
	for (int64_t bits = 8; bits; bits /= 2)
		if (m->w.bits & bits)
			bytes += up(count / granule * bits, 8) / 8 * granule;
	m->bytes = (uint64_t)(1.03 * (double)(bytes * outputs)) + 64;
}

/* --- Operations -------------------------------------------------------------------------------------------- */

static void conv_channels(maker *m, int64_t *groups, int64_t *each, int64_t *out_each)
{
	static const int64_t odd[] = {1, 3, 5, 7, 9, 13, 17, 33, 65}, even[] = {8, 16, 32, 64, 128};
	bool many = with(m, WIDTHS_GROUPS), is_odd = with(m, WIDTHS_ODD);
	*groups = many ? pick(m, 2, 3) : 1;
	*each = is_odd ? pick_of(m, many ? 6 : 9, odd) : pick_of(m, many ? 2 : 5, even);
	*out_each = is_odd ? pick_of(m, many ? 6 : 8, odd) : pick_of(m, many ? 2 : 4, even);
}

static void depthwise_channels(maker *m, int64_t *groups, int64_t *each, int64_t *out_each)
{
	static const int64_t even[] = {8, 16, 32, 48, 64};
	*groups = with(m, WIDTHS_ODD) ? 2 * pick(m, 1, 35) - 1 : pick_of(m, 5, even);
	if (*groups == 1) /* an ordinary convolution */
		*groups = 3;
	*each = 1;
	*out_each = with(m, WIDTHS_GROUPS) ? 2 : 1;
}

/* Height and width of the image, windows; dim[0] and dim[3] are there. */
static void windows(maker *m, int64_t *dim, int64_t *kernel, az_attrs *attrs)
{
	int64_t stride[2], dilation[2], pad[4];
	for (uint32_t i = 0; i < 2; i++) {
		bool flat = i == 0 && with(m, WIDTHS_ROW), padded = with(m, WIDTHS_PAD);
		int64_t least = with(m, WIDTHS_DILATION) && !flat ? 2 : 1, size = pick(m, 2, 9);
		kernel[i] = flat && !padded ? 1 : pick(m, least, 3);
		stride[i] = with(m, WIDTHS_STRIDE) ? pick(m, 2, 3) : 1;
		dilation[i] = with(m, WIDTHS_DILATION) ? 2 : 1;
		int64_t span = (kernel[i] - 1) * dilation[i] + 1;
		dim[1 + i] = flat ? 1 : AZ_MAX(size, span);
		for (uint32_t k = 0; k < 2; k++) {
			int64_t some = pick(m, span > 1 && k == 0, span - 1);
			pad[2 * i + k] = !padded ? 0 : flat ? span / 2 : some;
		}
	}
	while (dim[0] * dim[1] * dim[2] * dim[3] > WIDTHS_INPUT) {
		uint32_t i = dim[1] > dim[2] ? 0 : 1;
		dim[1 + i]--;
	}
	attrs->conv.stride = az_ints_copy(m->module, 2, stride);
	attrs->conv.dilation = az_ints_copy(m->module, 2, dilation);
	attrs->conv.pad = az_ints_copy(m->module, 4, pad);
}

static az_value *convolution(maker *m)
{
	int64_t groups, each, out_each, kernel[2];
	bool depthwise = m->c.op == WIDTHS_DEPTHWISE;
	(depthwise ? depthwise_channels : conv_channels)(m, &groups, &each, &out_each);
	int64_t dim[4] = {with(m, WIDTHS_BATCH) ? pick(m, 2, 3) : 1, 0, 0, groups * each};
	if (dim[0] * dim[3] > 200)
		dim[0] = AZ_MIN(dim[0], 2);
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv, &attrs);
	windows(m, dim, kernel, &attrs);
	attrs.conv.groups = groups;
	attrs.conv.zero = zeros(m);
	int64_t out = groups * out_each, shape[4] = {out, kernel[0], kernel[1], each};
	m->depth = kernel[0] * kernel[1] * each;
	if (out_each == 1 && depthwise)
		allow(m, up(out, 64), kernel[0] * up(kernel[1], 4),
			1); /* four taps of a row at once */
	else
		allow(m, groups * up(out_each, 16), kernel[0] * kernel[1] * up(each, 4), 4);
	az_value *args[3] = {activations(m, 4, dim), weights(m, 4, shape), NULL};
	bool biased = pick(m, 0, 3) > 0;
	if (biased)
		args[2] = bias(m, out);
	return build(m, AZ_OP_conv, 2 + biased, args, &attrs, m->acc);
}

static az_value *product(maker *m)
{
	static const int64_t deep[] = {8, 32, 64, 128, 256}, wide[] = {8, 16, 32, 64};
	bool odd = with(m, WIDTHS_ODD), batch = with(m, WIDTHS_BATCH);
	m->depth = odd ? 2 * pick(m, 1, 75) - 1 : pick_of(m, 5, deep);
	int64_t columns = odd ? 2 * pick(m, 1, 40) - 1 : pick_of(m, 4, wide);
	int64_t dim[3] = {pick(m, 2, 3), with(m, WIDTHS_ROW) ? 1 : pick(m, 2, 9), m->depth};
	int64_t shape[2] = {m->depth, columns};
	az_attrs attrs;
	az_attrs_init(AZ_OP_matmul, &attrs);
	attrs.matmul.zero = zeros(m);
	allow(m, up(columns, 16), up(m->depth, 4), 4);
	az_value *args[3] = {activations(m, batch ? 3 : 2, dim + !batch), weights(m, 2, shape)};
	bool biased = pick(m, 0, 3) > 0;
	if (biased)
		args[2] = bias(m, columns);
	return build(m, AZ_OP_matmul, 2 + biased, args, &attrs, m->acc);
}

/* The usual size of a result, so that what follows does not always saturate. */
static double usual(const maker *m)
{
	double x = (double)(az_elem_max(m->x) - az_elem_min(m->x)) / 3.5;
	double w = (double)(az_elem_max(m->w) - az_elem_min(m->w)) / 3.5;
	return sqrt((double)m->depth) * x * w;
}

/* Bits behind the point and a finer bias, as the folding of contractions writes them. */
static az_value *finer(maker *m, az_value *y, int64_t bits)
{
	const az_type *type = az_type_get(m->module->ctx, AZ_I32, 0, NULL);
	int32_t factor = (int32_t)1 << bits;
	az_value *args[2] = {y, &az_const_new(m->module, "f", type, &factor, false)->value};
	type = az_type_get(m->module->ctx, AZ_I32, 1, &y->type->dim[y->type->rank - 1]);
	args[0] = build(m, AZ_OP_mul, 2, args, NULL, AZ_I32);
	int64_t most = (int64_t)usual(m) << bits;
	args[1] = constant(m, "fine", type, -most, most, 1);
	return args[0] && args[1] ? build(m, AZ_OP_add, 2, args, NULL, AZ_I32) : NULL;
}

/* A requantize, of finer numbers or not, or none; then 32 bits, in one row. */
static az_value *follow(maker *m, az_value *y)
{
	static const az_elem to[] = {{AZ_KIND_INT, 8}, {AZ_KIND_UINT, 8}, {AZ_KIND_INT, 4},
		{AZ_KIND_UINT, 3}, {AZ_KIND_INT, 16}, {AZ_KIND_BIPOLAR, 1}};
	if (!y)
		return NULL;
	int64_t size = az_type_numel(y->type);
	if (pick(m, 0, 3)) {
		az_elem elem = to[pick(m, 0, (int64_t)AZ_COUNT(to) - 1)];
		const az_type *type =
			az_type_get(m->module->ctx, AZ_F32, 1, &y->type->dim[y->type->rank - 1]);
		double unit = (double)az_elem_max(elem) / usual(m) / 1000;
		int64_t bits = az_elem_equal(m->acc, AZ_I32) ? pick(m, 0, 8) - 3 : 0;
		if (bits > 0) {
			unit = ldexp(unit, -(int)bits);
			y = finer(m, y, bits);
		}
		az_value *args[2] = {y, constant(m, "s", type, 1, 1000, unit)};
		az_attrs attrs;
		az_attrs_init(AZ_OP_requantize, &attrs);
		if (pick(m, 0, 1))
			attrs.requantize.zero = pick_zero(m, elem);
		y = build(m, AZ_OP_requantize, 2, args, &attrs, elem);
	}
	y = y ? reshape(m, y, 1, &size) : NULL;
	if (!y || az_elem_equal(y->type->elem, AZ_I32))
		return y;
	return build(m, AZ_OP_cast, 1, &y, NULL, AZ_I32);
}

static az_value *one_case(maker *m, uint32_t number)
{
	m->seed = (uint64_t)number * 7919 + 1;
	for (int k = 0; k < 4; k++)
		(void)pick(m, 0, 1);
	m->c = widths_case_get(number);
	m->w = widths_weights(&m->c);
	m->x = widths_activations(&m->c);
	m->acc = with(m, WIDTHS_WIDE) ? AZ_I64 : AZ_I32;
	return follow(m, m->c.op == WIDTHS_PRODUCT ? product(m) : convolution(m));
}

az_module *widths_module(az_ctx *ctx, const uint32_t *numbers, uint32_t count, uint64_t *sizes,
	uint64_t *bytes)
{
	az_module *module = az_module_new(ctx, "widths");
	module->stage = AZ_STAGE_FOLDED;
	/* What the default road would do before is past. */
	static const char *const done[] = {"infer-shapes", "fold-constants", "canonicalize",
		"decompose", "fold-batchnorm", "fuse-activation", "sink-transposes",
		"fold-quantizers"};
	for (uint32_t i = 0; i < AZ_COUNT(done); i++)
		az_vec_push(&module->arena, &module->done, az_name_of(ctx, done[i]));
	maker m = {.module = module};
	m.at.func = az_func_new(module, "main");
	int64_t input = WIDTHS_INPUT;
	m.input = az_func_add_param(m.at.func, "x", az_type_get(ctx, AZ_I16, 1, &input));
	az_value **all = az_new_array(&module->arena, az_value *, count);
	for (uint32_t i = 0; i < count; i++) {
		all[i] = one_case(&m, numbers[i]);
		if (!all[i]) {
			az_module_free(module);
			return NULL;
		}
		if (sizes)
			sizes[i] = (uint64_t)all[i]->type->dim[0];
		if (bytes)
			bytes[i] = m.bytes;
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_concat, &attrs);
	az_value *y = count == 1 ? all[0]
				 : az_build(&m.at, AZ_OP_concat, count, all, &attrs, AZ_ELEM_NONE);
	az_func_add_result(m.at.func, "y", y);
	return module;
}
