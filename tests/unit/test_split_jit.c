/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed weights against one output pixel (backend/contract_split.c): every width of weights, signed and
 * unsigned, with bytes of both signs; runs that end inside a granule and inside a turn, channels that end inside
 * a vector, windows, groups, zero points of one number and by channel, numbers at their limits. Compiled code of
 * the families that this machine runs, in turns, against the interpreter; some for every target. */
#include "tests/unit/jit_kit.h"

/* Numbers of a case: any, or the limits of the type only, where sums are largest. */
static double numeral(az_elem elem, bool limits)
{
	int64_t lo = az_elem_min(elem), hi = az_elem_max(elem);
	if (elem.kind == AZ_KIND_BIPOLAR || limits)
		return (double)(pick(0, 3) ? hi : lo);
	return (double)pick(lo, hi);
}

static az_tensor numerals(net *n, az_elem elem, uint32_t rank, const int64_t *dim, bool limits)
{
	az_tensor t = az_tensor_new(&n->module->arena, az_type_get(n->ctx, elem, rank, dim));
	for (int64_t i = 0; i < az_type_numel(t.type); i++)
		az_tensor_set(&t, (uint64_t)i, numeral(elem, limits));
	return t;
}

static az_value *stored(net *n, az_elem elem, uint32_t rank, const int64_t *dim, bool limits)
{
	az_tensor t = numerals(n, elem, rank, dim, limits);
	return &az_const_new(n->module, "k", t.type, t.data, false)->value;
}

static az_value *taken(net *n, az_elem elem, uint32_t rank, const int64_t *dim, bool limits)
{
	az_tensor t = numerals(n, elem, rank, dim, limits);
	n->in[n->count++] = t;
	return az_func_add_param(n->at.func, "x", t.type);
}

static az_ints zeros(net *n, az_elem x, az_elem w)
{
	int64_t zero[2] = {pick(0, 1) ? pick(az_elem_min(x), az_elem_max(x)) : 0,
		w.kind != AZ_KIND_BIPOLAR && pick(0, 1) ? pick(az_elem_min(w), az_elem_max(w)) : 0};
	return ints(n, zero[0] || zero[1] ? 2 : 0, zero);
}

/* A fourth operand: zero points of the weights by channel. */
static az_value *zeros_by_channel(net *n, az_elem w, int64_t channels, az_ints *zero)
{
	if (w.kind == AZ_KIND_BIPOLAR || pick(0, 2))
		return NULL;
	int64_t first[2] = {az_ints_at(*zero, 0, 0), 0};
	*zero = ints(n, first[0] ? 2 : 0, first);
	return stored(n, w, 1, &channels, false);
}

static az_elem weights_of(uint32_t i)
{
	i %= 15;
	if (i == 0)
		return AZ_ELEM(BIPOLAR, 1);
	return i <= 7 ? AZ_ELEM(INT, (uint8_t)i) : AZ_ELEM(UINT, (uint8_t)(i - 7));
}

static bool requantized(net *n, az_value *y, int64_t channels)
{
	if (!y || pick(0, 1))
		return y != NULL;
	az_attrs attrs;
	az_attrs_init(AZ_OP_requantize, &attrs);
	attrs.requantize.zero = pick(-20, 20);
	float *scale = az_new_array(&n->module->arena, float, (size_t)channels);
	for (int64_t i = 0; i < channels; i++)
		scale[i] = (float)pick(1, 900) * 1e-5f;
	az_value *args[2] = {y, &az_const_f32(n->module, "s", 1, &channels, scale)->value};
	return made(n, AZ_OP_requantize, 2, args, &attrs, AZ_I8);
}

static bool product(net *n, uint32_t i)
{
	static const int64_t runs[] = {1, 3, 5, 31, 32, 64, 66, 129, 260};
	az_elem w = weights_of(i), x = pick(0, 1) ? AZ_U8 : AZ_I8;
	bool limits = pick(0, 1) != 0;
	int64_t dim[2] = {runs[pick(0, 8)], pick(0, 1) ? pick(1, 40) : pick(60, 200)};
	int64_t in[2] = {1, dim[0]};
	az_attrs attrs;
	az_attrs_init(AZ_OP_matmul, &attrs);
	attrs.matmul.zero = zeros(n, x, w);
	az_value *args[4] = {taken(n, x, 2, in, limits), stored(n, w, 2, dim, limits),
		stored(n, AZ_ELEM(INT, 32), 1, &dim[1], false),
		zeros_by_channel(n, w, dim[1], &attrs.matmul.zero)};
	return requantized(n, make(n, AZ_OP_matmul, args[3] ? 4 : 3, args, &attrs, AZ_I32), dim[1]);
}

static bool window(net *n, uint32_t i)
{
	az_elem w = weights_of(i), x = pick(0, 1) ? AZ_U8 : AZ_I8;
	bool limits = pick(0, 1) != 0;
	int64_t groups = pick(1, 3), each = pick(1, 20), out = groups * pick(4, 40);
	int64_t dim[4] = {out, pick(1, 3), pick(1, 4), each};
	int64_t in[4] = {1, dim[1], dim[2], groups * each};
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv, &attrs);
	attrs.conv.groups = groups;
	attrs.conv.zero = zeros(n, x, w);
	az_value *args[4] = {taken(n, x, 4, in, limits), stored(n, w, 4, dim, limits),
		stored(n, AZ_ELEM(INT, 32), 1, &out, false),
		zeros_by_channel(n, w, out, &attrs.conv.zero)};
	return requantized(n, make(n, AZ_OP_conv, args[3] ? 4 : 3, args, &attrs, AZ_I32), out);
}

/* The longest run there may be, and one more: nothing overflows, the second is not split. */
static void longest(void)
{
	for (int64_t more = 0; more < 2; more++) {
		net n = {.ctx = az_ctx_new()};
		n.module = az_module_new(n.ctx, "case");
		n.module->stage = AZ_STAGE_FOLDED;
		n.at.func = az_func_new(n.module, "main");
		int64_t dim[2] = {INT32_MAX / (255 * 15) + more, 1}, in[2] = {1, dim[0]};
		az_value *args[3] = {taken(&n, AZ_U8, 2, in, true),
			stored(&n, AZ_ELEM(UINT, 4), 2, dim, true),
			stored(&n, AZ_ELEM(INT, 32), 1, &dim[1], false)};
		az_tensor ones = n.in[0];
		memset(ones.data, 255, (size_t)dim[0]);
		az_value *y = make(&n, AZ_OP_matmul, 3, args, NULL, AZ_I32);
		az_func_add_result(n.at.func, "y", y);
		CU_ASSERT_TRUE(compare(&n, AZ_COUNT(families) - 1));
		az_module_free(n.module);
		az_ctx_free(n.ctx);
	}
}

JIT_CASE(product, 150, 75)
JIT_CASE(window, 120, 120)

void test_split_jit(void)
{
	unit_suite("one row compiled", AZ_CASES({"products", run_product}, {"windows", run_window},
					       {"the longest run", longest}));
}
