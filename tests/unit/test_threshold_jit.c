/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds compiled: alone and behind every kind of accumulator, 1 to 15 levels, one for all channels or one
 * each, flipped channels, odd channel counts, results of every width. */
#include "tests/unit/jit_kit.h"

/* Random levels about as large as the accumulators are; the outermost numbers stand for always and never. */
static void set_levels(net *n, int64_t range)
{
	az_tensor *t = &n->in[n->count - 1];
	for (uint64_t i = 0; i < (uint64_t)az_type_numel(t->type); i++) {
		int64_t v = pick(-range, range);
		if (pick(0, 15) == 0)
			v = pick(0, 1) ? az_elem_min(t->type->elem) : az_elem_max(t->type->elem);
		az_bits_set(t->data, i, t->type->elem.bits, (uint64_t)v);
	}
}

static bool threshold(net *n, az_value *acc, int64_t range)
{
	static const az_elem results[] = {{AZ_KIND_UINT, 8}, {AZ_KIND_INT, 8}, {AZ_KIND_UINT, 4},
		{AZ_KIND_INT, 3}, {AZ_KIND_UINT, 1}, {AZ_KIND_INT, 16}, {AZ_KIND_BIPOLAR, 1}};
	if (!acc)
		return false;
	const az_type *type = acc->type;
	az_elem to = results[pick(0, 6)];
	bool bipolar = to.kind == AZ_KIND_BIPOLAR, each = pick(0, 2) != 0;
	int64_t channels = type->dim[type->rank - 1], most = (INT64_C(1) << AZ_MIN(to.bits, 4)) - 1;
	int64_t dim[2] = {bipolar ? 1 : pick(1, most), each ? channels : 1};
	az_value *args[3] = {acc, input(n, type->elem, 2, dim, 1)};
	set_levels(n, range);
	uint32_t count = 2;
	if (pick(0, 1)) {
		args[count++] = input(n, type->elem, 1, &channels, 1);
		az_tensor *flip = &n->in[n->count - 1];
		for (int64_t c = 0; c < channels; c++)
			az_bits_set(flip->data, (uint64_t)c, type->elem.bits,
				pick(0, 1) ? UINT64_MAX : 0);
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_threshold, &attrs);
	attrs.threshold.base = az_elem_min(to);
	attrs.threshold.step = bipolar ? 2 : 1;
	return made(n, AZ_OP_threshold, count, args, &attrs, to);
}

static bool alone(net *n, uint32_t i)
{
	int64_t dim[3] = {pick(1, 3), pick(1, 4), pick(1, 40)};
	az_elem elem = i % 2 ? AZ_I32 : AZ_I64;
	az_value *acc = input(n, elem, (uint32_t)pick(1, 3), dim, 1);
	return threshold(n, acc, 12);
}

static bool behind_conv(net *n, uint32_t i)
{
	bool depthwise = i % 3 == 0;
	int64_t c = pick(1, 40), out = depthwise ? c : pick(1, 70);
	int64_t dim[4] = {1, pick(3, 6), pick(3, 6), c}, w[4] = {out, 3, 3, depthwise ? 1 : c};
	static const uint8_t bits[] = {8, 4, 2, 1};
	az_elem elem = i % 5 == 4 ? AZ_ELEM(BIPOLAR, 1) : AZ_ELEM(INT, bits[i % 4]);
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv, &attrs);
	int64_t pad[4] = {1, 1, 1, 1}, zero[2] = {pick(0, 3), 0};
	attrs.conv.pad = ints(n, 4, pad);
	attrs.conv.groups = depthwise ? c : 1;
	attrs.conv.zero = ints(n, 2, zero);
	az_value *args[3] = {input(n, AZ_U8, 4, dim, 1), input(n, elem, 4, w, 1), NULL};
	return threshold(n, make(n, AZ_OP_conv, 2, args, &attrs, i % 7 ? AZ_I32 : AZ_I64), 20000);
}

static bool behind_product(net *n, uint32_t i)
{
	int64_t k = pick(1, 90), a[2] = {pick(0, 1) ? 1 : pick(2, 9), k}, b[2] = {k, pick(1, 70)};
	static const uint8_t bits[] = {8, 3, 2, 1};
	az_elem elem = i % 5 == 4 ? AZ_ELEM(BIPOLAR, 1) : AZ_ELEM(INT, bits[i % 4]);
	az_value *args[2] = {input(n, AZ_I8, 2, a, 1), input(n, elem, 2, b, 1)};
	return threshold(n, make(n, AZ_OP_matmul, 2, args, NULL, AZ_I32), 300);
}

static bool behind_sums(net *n, uint32_t i)
{
	int64_t dim[4] = {1, pick(2, 5), pick(2, 5), pick(1, 33)}, window[2] = {2, 2},
		axes[2] = {1, 2};
	az_attrs attrs;
	az_value *x = input(n, AZ_U8, 4, dim, 1);
	if (i % 2) {
		az_attrs_init(AZ_OP_sum_pool, &attrs);
		attrs.sum_pool.window = ints(n, 2, window);
		return threshold(n, make(n, AZ_OP_sum_pool, 1, &x, &attrs, AZ_I32), 600);
	}
	az_attrs_init(AZ_OP_reduce, &attrs);
	attrs.reduce.axes = ints(n, 2, axes);
	return threshold(n, make(n, AZ_OP_reduce, 1, &x, &attrs, AZ_I32), 2000);
}

JIT_CASE(alone, 60, 12)
JIT_CASE(behind_conv, 105, 15)
JIT_CASE(behind_product, 80, 16)
JIT_CASE(behind_sums, 24, 12)

void test_threshold_jit(void)
{
	unit_suite("thresholds compiled",
		AZ_CASES({"alone", run_alone}, {"behind convolutions", run_behind_conv},
			{"behind products", run_behind_product}, {"behind sums", run_behind_sums}));
}
