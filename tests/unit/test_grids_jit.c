/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights that are not plain integers per tensor or channel, compiled for the x86-64 families that this machine
 * runs (every few cases for all targets), against the interpreter, bit for bit: packed weights times floats, with
 * scales per tensor, channel or group, zero points, codebooks; integers with zero points by
 * channel, codebooks, scales by group. */
#include "tests/unit/jit_kit.h"

/* Bipolar, i2 to i8, u1 to u8, the next after every round of the families. */
static az_elem weight_elem(net *n, uint32_t first, uint32_t i)
{
	i = first + i / AZ_COUNT(families) % (16 - first);
	has(n, i);
	if (i == 0)
		return AZ_ELEM(BIPOLAR, 1);
	return i < 8 ? AZ_ELEM(INT, (uint8_t)(i + 1)) : AZ_ELEM(UINT, (uint8_t)(i - 7));
}

static bool maybe(net *n, int64_t once_in)
{
	bool yes = pick(1, once_in) == 1;
	has(n, yes);
	return yes;
}

static az_value *random_const(net *n, const char *name, az_elem elem, uint32_t rank,
	const int64_t *dim, double range)
{
	const az_type *type = az_type_get(n->ctx, elem, rank, dim);
	az_tensor t = az_tensor_new(&n->module->arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++) {
		double v = az_elem_is_float(elem)
				   ? (double)pick(1, 1000) / 1000 * range
				   : (double)pick(AZ_MAX(az_elem_min(elem), -1000000),
					     AZ_MIN(az_elem_max(elem), 1000000));
		az_tensor_set(&t, (uint64_t)i, elem.kind == AZ_KIND_BIPOLAR && v == 0 ? 1 : v);
	}
	return &az_const_new(n->module, name, type, t.data, false)->value;
}

/* One layer's dimensions. */
typedef struct dims {
	bool product;
	uint32_t rank;
	int64_t x[4], w[4];
	int64_t in, out; /* input channels per group, output channels */
	az_attrs attrs;
	az_opcode code;
} dims;

static dims pick_conv(net *n, bool depthwise)
{
	dims d = {.rank = 4, .code = AZ_OP_conv};
	int64_t groups = pick(0, 2) ? 1 : pick(2, 3), each = pick(0, 3) ? pick(1, 9) : 32;
	int64_t in = groups * each, out = groups * pick(1, groups > 1 ? 9 : 37);
	if (depthwise)
		groups = in = out = pick(2, 70);
	d.in = in / groups;
	d.out = out;
	int64_t kernel[2] = {pick(1, 3), pick(1, 3)}, stride[2], dilation[2], pad[4];
	d.x[0] = pick(1, 2);
	d.x[3] = in;
	for (uint32_t i = 0; i < 2; i++) {
		stride[i] = pick(1, 2);
		dilation[i] = pick(0, 3) ? 1 : 2;
		int64_t span = (kernel[i] - 1) * dilation[i] + 1;
		d.x[1 + i] = pick(span, span + 6);
		pad[2 * i] = pick(0, span - 1);
		pad[2 * i + 1] = pick(0, span - 1);
	}
	int64_t w[4] = {out, kernel[0], kernel[1], d.in};
	memcpy(d.w, w, sizeof w);
	az_attrs_init(AZ_OP_conv, &d.attrs);
	d.attrs.conv.stride = ints(n, 2, stride);
	d.attrs.conv.dilation = ints(n, 2, dilation);
	d.attrs.conv.pad = ints(n, 4, pad);
	d.attrs.conv.groups = groups;
	return d;
}

static dims pick_product(void)
{
	dims d = {.rank = 2, .code = AZ_OP_matmul, .product = true};
	d.in = pick(0, 1) ? 32 * pick(1, 6) : pick(1, 150);
	d.out = pick(1, 80);
	d.x[0] = pick(0, 1) ? 1 : pick(2, 9);
	d.x[1] = d.w[0] = d.in;
	d.w[1] = d.out;
	az_attrs_init(AZ_OP_matmul, &d.attrs);
	return d;
}

static dims pick_layer(net *n, uint32_t i)
{
	has(n, i % 3);
	return i % 3 == 2 ? pick_product() : pick_conv(n, i % 3 == 1);
}

/* Stored numbers of `elem`, through a table when asked for. */
static az_value *stored(net *n, const dims *d, az_elem elem, bool table, az_elem entries)
{
	az_value *w = random_const(n, "w", elem, d->rank, d->w, 1);
	if (!table)
		return w;
	int64_t count = INT64_C(1) << elem.bits;
	az_value *args[2] = {w, random_const(n, "table", entries, 1, &count, 1)};
	return make(n, AZ_OP_lookup, 2, args, NULL, AZ_ELEM_NONE);
}

static const int64_t groups[] = {1, 3, 4, 8, 16, 24, 32, 64};

static int64_t shape_of_scales(net *n, const dims *d, int64_t *group, uint32_t *rank,
	int64_t *shape)
{
	*group = 0;
	*rank = 1;
	shape[0] = 1;
	int64_t kind = pick(0, 2), which = pick(0, 7);
	has(n, kind == 2 ? 2 + (uint32_t)which / 2 : (uint32_t)kind);
	if (kind == 1)
		shape[0] = d->out;
	if (kind != 2)
		return d->product ? 1 : 0;
	*group = groups[which];
	*rank = d->rank;
	memcpy(shape, d->w, sizeof d->w);
	uint32_t at = d->product ? 0 : d->rank - 1;
	shape[at] = (shape[at] + *group - 1) / *group;
	return at;
}

/* x times dequantized weights. */
static bool wide_case(net *n, uint32_t i)
{
	az_elem elem = weight_elem(n, 0, i);
	dims d = pick_layer(n, i);
	bool table = maybe(n, 4), bias = maybe(n, 2);
	int64_t shape[4];
	uint32_t rank;
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = shape_of_scales(n, &d, &attrs.dequantize.group, &rank, shape);
	az_value *q = stored(n, &d, elem, table, pick(0, 1) ? AZ_I8 : AZ_I16);
	az_value *args[3] = {q, random_const(n, "s", AZ_F32, rank, shape, 0.1), NULL};
	bool zero = !table && elem.kind != AZ_KIND_BIPOLAR && pick(0, 1);
	has(n, zero);
	if (zero)
		args[2] = random_const(n, "z", elem, rank, shape, 1);
	az_value *w = make(n, AZ_OP_dequantize, 2 + zero, args, &attrs, AZ_F32);
	az_value *in[3] = {input(n, AZ_F32, d.rank, d.x, 2), w, NULL};
	if (bias)
		in[2] = random_const(n, "b", AZ_F32, 1, &d.out, 3);
	return w && follow(n, make(n, d.code, 2 + bias, in, &d.attrs, AZ_F32));
}

static az_elem act_elem(net *n)
{
	static const az_elem some[] = {
		{AZ_KIND_UINT, 8}, {AZ_KIND_INT, 8}, {AZ_KIND_INT, 16}, {AZ_KIND_UINT, 16}};
	uint32_t which = (uint32_t)pick(0, 4) % 4;
	has(n, which);
	return some[which];
}

/* Perhaps a zero point of the activations. */
static void maybe_zero(net *n, dims *d, az_elem x)
{
	int64_t list[2] = {pick(az_elem_min(x), az_elem_max(x)), 0};
	if (!maybe(n, 2))
		return;
	if (d->product)
		d->attrs.matmul.zero = ints(n, 2, list);
	else
		d->attrs.conv.zero = ints(n, 2, list);
}

/* Integer activations and a zero point of the weights for each output channel. */
static bool zeros_case(net *n, uint32_t i)
{
	az_elem elem = weight_elem(n, 1, i), x = act_elem(n);
	dims d = pick_layer(n, i);
	az_elem acc = maybe(n, 6) ? AZ_I64 : AZ_I32;
	maybe_zero(n, &d, x);
	az_value *in[4] = {input(n, x, d.rank, d.x, 2), random_const(n, "w", elem, d.rank, d.w, 1),
		NULL, random_const(n, "z", elem, 1, &d.out, 1)};
	if (maybe(n, 2))
		in[2] = random_const(n, "b", acc, 1, &d.out, 1);
	return follow(n, make(n, d.code, 4, in, &d.attrs, acc));
}

/* Integer activations and codebooks; integers with zero points by
 * channel, codebooks, scales by group. */
static bool book_case(net *n, uint32_t i)
{
	az_elem elem = weight_elem(n, 0, i), x = act_elem(n);
	dims d = pick_layer(n, i);
	maybe_zero(n, &d, x);
	az_value *w = stored(n, &d, elem, true, x.bits == 16 ? AZ_I16 : AZ_I8);
	az_value *in[3] = {input(n, x, d.rank, d.x, 2), w, NULL};
	bool bias = maybe(n, 2);
	if (bias)
		in[2] = random_const(n, "b", AZ_I32, 1, &d.out, 1);
	return follow(n, make(n, d.code, 2 + bias, in, &d.attrs, AZ_I32));
}

/* Integer activations, sums of groups with a scale each. */
static bool scaled_case(net *n, uint32_t i)
{
	az_elem elem = weight_elem(n, 0, i), x = act_elem(n);
	dims d = pick_layer(n, i);
	uint32_t which = (uint32_t)pick(0, 7);
	int64_t group = groups[which], shape[4];
	has(n, which / 2);
	uint32_t at = d.product ? 0 : d.rank - 1;
	memcpy(shape, d.w, sizeof shape);
	shape[at] = (shape[at] + group - 1) / group;
	if (d.product)
		d.attrs.matmul.group = group;
	else
		d.attrs.conv.group = group;
	maybe_zero(n, &d, x);
	bool table = maybe(n, 5);
	bool zeros = !table && elem.kind != AZ_KIND_BIPOLAR && pick(0, 1);
	has(n, zeros);
	az_value *in[5] = {input(n, x, d.rank, d.x, 2),
		stored(n, &d, elem, table, x.bits == 16 ? AZ_I16 : AZ_I8), NULL,
		zeros ? random_const(n, "z", elem, d.rank, shape, 1) : NULL,
		random_const(n, "s", AZ_F32, d.rank, shape, 0.1)};
	if (maybe(n, 2))
		in[2] = random_const(n, "b", AZ_F32, 1, &d.out, 3);
	return follow(n, make(n, d.code, 5, in, &d.attrs, AZ_F32));
}

JIT_CASE(wide_case, 240, 40)
JIT_CASE(zeros_case, 150, 50)
JIT_CASE(book_case, 150, 50)
JIT_CASE(scaled_case, 150, 50)

void test_grids_jit(void)
{
	unit_suite("grids compiled",
		AZ_CASES({"packed weights times floats", run_wide_case},
			{"zero points by channel", run_zeros_case}, {"codebooks", run_book_case},
			{"scaled sums", run_scaled_case}));
}
