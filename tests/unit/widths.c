/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. */
#include "tests/unit/widths.h"

#include <string.h>

#include "ir/eval/eval.h"

typedef struct maker {
	az_module *module;
	az_builder at;
	az_value *input;
	uint64_t seed;
} maker;

static int64_t pick(maker *m, int64_t lo, int64_t hi)
{
	m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return lo + (int64_t)((m->seed >> 33) % (uint64_t)(hi - lo + 1));
}

static az_elem weight_elem(uint32_t i)
{
	i %= 16;
	if (i == 0)
		return AZ_ELEM(BIPOLAR, 1);
	return i < 8 ? AZ_ELEM(INT, (uint8_t)(i + 1)) : AZ_ELEM(UINT, (uint8_t)(i - 7));
}

static az_elem act_elem(uint32_t i)
{
	i %= 17;
	if (i >= 15)
		return i == 15 ? AZ_I16 : AZ_ELEM(UINT, 16);
	return i < 8 ? AZ_ELEM(UINT, (uint8_t)(i + 1)) : AZ_ELEM(INT, (uint8_t)(i - 6));
}

static az_value *build(maker *m, az_opcode code, uint32_t count, az_value **args, az_attrs *attrs,
	az_elem want)
{
	for (uint32_t i = 0; i < count; i++)
		if (!args[i] && i < 2)
			return NULL;
	return az_build(&m->at, code, count, args, attrs, want);
}

static az_value *constant(maker *m, const char *name, az_elem elem, uint32_t rank,
	const int64_t *dim)
{
	const az_type *type = az_type_get(m->module->ctx, elem, rank, dim);
	az_tensor t = az_tensor_new(&m->module->arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++) {
		int64_t lo = AZ_MAX(az_elem_min(elem), -10000), hi = az_elem_max(elem);
		double v = az_elem_is_float(elem) ? (double)pick(m, 1, 1000) / 200000.0
						  : (double)pick(m, lo, AZ_MIN(hi, 10000));
		az_tensor_set(&t, (uint64_t)i, elem.kind == AZ_KIND_BIPOLAR && v == 0 ? 1 : v);
	}
	return &az_const_new(m->module, name, type, t.data, false)->value;
}

static az_value *reshape(maker *m, az_value *x, uint32_t rank, const int64_t *dim)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_reshape, &attrs);
	attrs.reshape.shape = az_ints_copy(m->module, rank, dim);
	return build(m, AZ_OP_reshape, 1, &x, &attrs, AZ_ELEM_NONE);
}

/* Some numbers of the input. */
static az_value *activations(maker *m, az_elem elem, uint32_t rank, const int64_t *dim)
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
	return az_elem_equal(elem, AZ_I16) ? x : build(m, AZ_OP_cast, 1, &x, NULL, elem);
}

static int64_t pick_zero(maker *m, az_elem elem, int64_t most)
{
	if (elem.kind == AZ_KIND_BIPOLAR || pick(m, 0, 1))
		return 0;
	return pick(m, AZ_MAX(az_elem_min(elem), -most), AZ_MIN(az_elem_max(elem), most));
}

static az_elem acc_elem(maker *m, az_elem x)
{
	return x.bits == 16 && pick(m, 0, 2) == 0 ? AZ_I64 : AZ_I32;
}

static az_value *convolution(maker *m, bool depthwise, az_elem w, az_elem x)
{
	int64_t groups = pick(m, 0, 2) ? 1 : pick(m, 2, 3), each = pick(m, 1, 9);
	int64_t in = groups * each, out = groups * pick(m, 1, groups > 1 ? 9 : 37);
	if (depthwise)
		groups = in = out = pick(m, 2, 70);
	int64_t kernel[2] = {pick(m, 1, 3), pick(m, 1, 3)}, stride[2], dilation[2], pad[4];
	int64_t dim[4] = {pick(m, 1, 2), 0, 0, in};
	for (uint32_t i = 0; i < 2; i++) {
		stride[i] = pick(m, 1, 2);
		dilation[i] = pick(m, 0, 3) ? 1 : 2;
		int64_t span = (kernel[i] - 1) * dilation[i] + 1;
		dim[1 + i] = pick(m, 2, 7);
		dim[1 + i] = AZ_MAX(dim[1 + i], span);
		pad[2 * i] = pick(m, 0, span - 1);
		pad[2 * i + 1] = pick(m, 0, span - 1);
	}
	int64_t shape[4] = {out, kernel[0], kernel[1], in / groups};
	int64_t zero[2] = {pick_zero(m, x, 300), pick_zero(m, w, 200)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv, &attrs);
	attrs.conv.stride = az_ints_copy(m->module, 2, stride);
	attrs.conv.dilation = az_ints_copy(m->module, 2, dilation);
	attrs.conv.pad = az_ints_copy(m->module, 4, pad);
	attrs.conv.zero = az_ints_copy(m->module, 2, zero);
	attrs.conv.groups = groups;
	az_elem acc = acc_elem(m, x);
	az_value *args[3] = {activations(m, x, 4, dim), constant(m, "w", w, 4, shape), NULL};
	bool bias = pick(m, 0, 2) > 0;
	if (bias)
		args[2] = constant(m, "b", acc, 1, &out);
	return build(m, AZ_OP_conv, 2 + bias, args, &attrs, acc);
}

static az_value *product(maker *m, az_elem w, az_elem x)
{
	int64_t k = pick(m, 1, 90), columns = pick(m, 1, 80);
	int64_t dim[2] = {pick(m, 0, 1) ? 1 : pick(m, 2, 9), k}, shape[2] = {k, columns};
	int64_t zero[2] = {pick_zero(m, x, 300), pick_zero(m, w, 200)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_matmul, &attrs);
	attrs.matmul.zero = az_ints_copy(m->module, 2, zero);
	az_elem acc = acc_elem(m, x);
	az_value *args[3] = {activations(m, x, 2, dim), constant(m, "w", w, 2, shape), NULL};
	bool bias = pick(m, 0, 2) > 0;
	if (bias)
		args[2] = constant(m, "b", acc, 1, &columns);
	return build(m, AZ_OP_matmul, 2 + bias, args, &attrs, acc);
}

/* A requantize or none; then 32 bits, in one row. */
static az_value *follow(maker *m, az_value *y)
{
	static const az_elem to[] = {{AZ_KIND_INT, 8}, {AZ_KIND_UINT, 8}, {AZ_KIND_INT, 4},
		{AZ_KIND_UINT, 3}, {AZ_KIND_INT, 16}, {AZ_KIND_BIPOLAR, 1}};
	if (!y)
		return NULL;
	int64_t size = az_type_numel(y->type);
	if (pick(m, 0, 2)) {
		az_elem elem = to[pick(m, 0, (int64_t)AZ_COUNT(to) - 1)];
		az_value *args[2] = {
			y, constant(m, "s", AZ_F32, 1, &y->type->dim[y->type->rank - 1])};
		az_attrs attrs;
		az_attrs_init(AZ_OP_requantize, &attrs);
		attrs.requantize.zero = pick_zero(m, elem, 20);
		y = build(m, AZ_OP_requantize, 2, args, &attrs, elem);
	}
	y = y ? reshape(m, y, 1, &size) : NULL;
	if (!y || az_elem_equal(y->type->elem, AZ_I32))
		return y;
	return build(m, AZ_OP_cast, 1, &y, NULL, AZ_I32);
}

static az_value *one_case(maker *m, uint32_t i)
{
	m->seed = (uint64_t)i * 7919 + 1;
	for (int k = 0; k < 4; k++)
		(void)pick(m, 0, 1);
	/* 16 and 17 have no common divisor, nor has 3 with either. */
	az_elem w = weight_elem(i), x = act_elem(i);
	az_value *y = i % 3 == 2 ? product(m, w, x) : convolution(m, i % 3 == 1, w, x);
	return follow(m, y);
}

az_module *widths_module(az_ctx *ctx, uint32_t first, uint32_t count)
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
		all[i] = one_case(&m, first + i);
		if (!all[i]) {
			az_module_free(module);
			return NULL;
		}
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_concat, &attrs);
	az_value *y = count == 1 ? all[0]
				 : az_build(&m.at, AZ_OP_concat, count, all, &attrs, AZ_ELEM_NONE);
	az_func_add_result(m.at.func, "y", y);
	return module;
}
