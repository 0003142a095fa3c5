/* SPDX-License-Identifier: Apache-2.0
 *
 * Contractions of few bits (backend/contract_bits.h): random convolutions and products whose runs of inputs fill
 * words or end inside one, of every pair of widths whose product is at most 4, compiled with every way of
 * counting that this machine has, bit for bit against the interpreter; and the bounds of values that choose them. */
#include "tests/unit/jit_kit.h"

#include "backend/bounds.h"

static const char bits_road[] = "widen-activations,select-kernels,pack-weights";

static const family ways[] = {{"x86-64", ""}, {"x86-64-v3", ""}, {"x86-64-v4", ""},
	{"x86-64-v4", "+avx512vpopcntdq"}, {"x86-64-v4", "+avx512vnni"},
	{"x86-64-v4", "+avx512vnni,+avx512vpopcntdq,+avx512bitalg"}, {"native", NULL}};

static uint32_t taken;

/* Elements of weights and activations. */
static bool pick_elems(az_elem *w, az_elem *x)
{
	static const az_elem all[] = {{AZ_KIND_BIPOLAR, 1}, {AZ_KIND_INT, 1}, {AZ_KIND_UINT, 1},
		{AZ_KIND_INT, 2}, {AZ_KIND_UINT, 2}, {AZ_KIND_INT, 3}, {AZ_KIND_UINT, 3},
		{AZ_KIND_INT, 4}, {AZ_KIND_UINT, 4}};
	do {
		*w = all[pick(0, (int64_t)AZ_COUNT(all) - 1)];
		*x = all[pick(0, (int64_t)AZ_COUNT(all) - 1)];
	} while (w->bits * x->bits > 4);
	return true;
}

static az_value *few_weights(net *n, az_elem elem, uint32_t rank, const int64_t *dim)
{
	const az_type *type = az_type_get(n->ctx, elem, rank, dim);
	az_tensor t = az_tensor_new(&n->module->arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++) {
		double v = (double)pick(az_elem_min(elem), az_elem_max(elem));
		az_tensor_set(&t, (uint64_t)i, elem.kind == AZ_KIND_BIPOLAR && v == 0 ? 1 : v);
	}
	return &az_const_new(n->module, "w", type, t.data, false)->value;
}

static int64_t zero_in(az_elem e)
{
	return e.kind == AZ_KIND_BIPOLAR || pick(0, 1) ? 0 : pick(az_elem_min(e), az_elem_max(e));
}

static az_value *few_inputs(net *n, az_elem elem, uint32_t rank, const int64_t *dim)
{
	const az_type *type = az_type_get(n->ctx, elem, rank, dim);
	az_tensor t = az_tensor_new(&n->module->arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++) {
		double v = (double)pick(az_elem_min(elem), az_elem_max(elem));
		az_tensor_set(&t, (uint64_t)i, elem.kind == AZ_KIND_BIPOLAR && v == 0 ? 1 : v);
	}
	n->in[n->count++] = t;
	return az_func_add_param(n->at.func, "x", type);
}

static az_value *few_conv(net *n, az_elem w, az_elem x)
{
	static const int64_t each[] = {32, 64, 96, 128, 25, 30, 40, 31, 63};
	static const int64_t outs[] = {4, 8, 16, 20, 37, 64, 1, 70};
	int64_t groups = pick(0, 3) ? 1 : pick(2, 3), in = each[pick(0, 8)], out = outs[pick(0, 7)];
	int64_t kernel[2] = {pick(1, 3), pick(1, 3)}, stride[2] = {pick(1, 2), pick(1, 3)};
	int64_t dilation[2] = {pick(0, 3) ? 1 : 2, pick(0, 3) ? 1 : 2}, pad[4] = {0};
	int64_t dim[4] = {pick(1, 2), pick(1, 9), pick(1, 11), in * groups};
	for (uint32_t i = 0; i < 2; i++) {
		int64_t span = (kernel[i] - 1) * dilation[i] + 1;
		dim[1 + i] = AZ_MAX(dim[1 + i], span);
		for (uint32_t k = 0; k < 2; k++)
			pad[2 * i + k] = pick(0, 1) ? 0 : pick(0, span - 1);
	}
	/* Rows that the scratch does not hold at once. */
	if (pick(0, 15) == 0)
		dim[2] = 300;
	int64_t shape[4] = {out * groups, kernel[0], kernel[1], in};
	int64_t zero[2] = {zero_in(x), zero_in(w)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv, &attrs);
	attrs.conv.stride = ints(n, 2, stride);
	attrs.conv.dilation = ints(n, 2, dilation);
	attrs.conv.pad = ints(n, 4, pad);
	attrs.conv.zero = ints(n, 2, zero);
	attrs.conv.groups = groups;
	az_value *args[2] = {few_inputs(n, x, 4, dim), few_weights(n, w, 4, shape)};
	return make(n, AZ_OP_conv, 2, args, &attrs, AZ_I32);
}

static az_value *few_matmul(net *n, az_elem w, az_elem x)
{
	static const int64_t depth[] = {32, 64, 128, 1024, 1500, 2048, 96, 28};
	int64_t dim[2] = {pick(0, 1) ? 1 : pick(2, 40), depth[pick(0, 7)]};
	int64_t shape[2] = {dim[1], pick(0, 1) ? 64 * pick(1, 4) : pick(1, 40)};
	int64_t zero[2] = {zero_in(x), zero_in(w)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_matmul, &attrs);
	attrs.matmul.zero = ints(n, 2, zero);
	az_value *args[2] = {few_inputs(n, x, 2, dim), few_weights(n, w, 2, shape)};
	return make(n, AZ_OP_matmul, 2, args, &attrs, AZ_I32);
}

/* A requantize, or the sums themselves. */
static bool few_case(net *n)
{
	az_elem w, x;
	pick_elems(&w, &x);
	az_value *y = pick(0, 2) ? few_conv(n, w, x) : few_matmul(n, w, x);
	if (y && pick(0, 1)) {
		int64_t channels = y->type->dim[y->type->rank - 1];
		float *scale = az_new_array(&n->module->arena, float, (size_t)channels);
		for (int64_t i = 0; i < channels; i++)
			scale[i] = (float)pick(1, 1000) / 4000.0f;
		az_value *args[2] = {y, &az_const_f32(n->module, "s", 1, &channels, scale)->value};
		y = make(n, AZ_OP_requantize, 2, args, NULL, pick(0, 1) ? AZ_I8 : AZ_U8);
	}
	return y != NULL;
}

/* Is it the kernel of the call, or the one within its strips? */
static bool counts_bits(const az_op *op)
{
	if (op->code != AZ_OP_call)
		return false;
	const az_attrs_call *call = &op->attr.call;
	const char *name = call->kernel;
	if (strcmp(name, "rows") == 0)
		name = az_backend_kernel_name((uint32_t)call->tile.v[0]);
	return strcmp(name, "contract_bits") == 0;
}

static bool few_runs(const net *n, const az_tensor *expected, const family *way)
{
	const az_target *t = az_target_get(n->ctx, NULL, way->cpu, way->attrs);
	if (!t || !t->native)
		return true;
	az_tensor actual;
	new_results(n, &actual);
	az_module *copy = az_module_clone(n->module, true);
	bool ok = pass(copy, t, bits_road);
	for (const az_op *op = az_module_main(copy)->first; ok && op; op = op->next)
		taken += counts_bits(op);
	ok = ok && run(&az_backend_jit, copy, n->in, &actual) && equal(expected, &actual, false);
	az_module_free(copy);
	return ok;
}

static void few_bits(void)
{
	const char *all = getenv("AZ_LONG");
	uint32_t count = all && *all ? 600 : 48;
	uint32_t tried = 0;
	taken = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (!unit_takes(i))
			continue;
		tried++;
		seed = (uint64_t)i * 7919 + 17;
		net n = {.ctx = az_ctx_new()};
		n.module = az_module_new(n.ctx, "case");
		n.module->stage = AZ_STAGE_FOLDED;
		n.at.func = az_func_new(n.module, "main");
		az_tensor expected;
		bool ok = few_case(&n);
		if (ok) {
			az_func_add_result(n.at.func, "y", n.at.func->last->results[0]);
			new_results(&n, &expected);
			ok = run(&az_eval_exec, n.module, n.in, &expected);
		}
		/* The ways take turns, two a case. */
		for (uint32_t k = 0; ok && k < 2; k++)
			ok = few_runs(&n, &expected, &ways[(2 * i + k) % AZ_COUNT(ways)]);
		CU_ASSERT_TRUE(ok);
		if (!ok) {
			az_text text = {.arena = &n.module->arena};
			az_module_print(&text, n.module);
			printf("case %u\n%.3000s\n%s\n", i, text.v, unit_message(n.ctx, 0));
		}
		az_module_free(n.module);
		az_ctx_free(n.ctx);
	}
	/* Most are what the kernel is for. */
	CU_ASSERT_TRUE(taken * 3 > tried);
}

/* --- Bounds ------------------------------------------------------------------------------------------- */

static void check_bounds(const az_value *v, int64_t lo, int64_t hi, int64_t step)
{
	az_bounds b = az_value_bounds(v);
	CU_ASSERT_TRUE(b.lo == lo && b.hi == hi && b.step == step);
}

static void bounds_of_values(void)
{
	net n = {.ctx = az_ctx_new()};
	n.module = az_module_new(n.ctx, "bounds");
	n.module->stage = AZ_STAGE_FOLDED;
	n.at.func = az_func_new(n.module, "main");
	int64_t dim[4] = {1, 4, 4, 3}, pads[8] = {0, 0, 1, 1, 1, 1, 0, 0}, clamp[2] = {3, 9};
	az_value *two =
		az_func_add_param(n.at.func, "x", az_type_get(n.ctx, AZ_ELEM(BIPOLAR, 1), 4, dim));
	az_value *wide = make(&n, AZ_OP_cast, 1, &two, NULL, AZ_I8);
	check_bounds(two, -1, 1, 2);
	check_bounds(wide, -1, 1, 2);
	az_attrs attrs;
	az_attrs_init(AZ_OP_pad, &attrs);
	attrs.pad.pad = ints(&n, 8, pads);
	az_value *padded = make(&n, AZ_OP_pad, 1, &wide, &attrs, AZ_ELEM_NONE);
	check_bounds(padded, -1, 1, 1);
	attrs.pad.value = -1;
	padded = make(&n, AZ_OP_pad, 1, &wide, &attrs, AZ_ELEM_NONE);
	check_bounds(padded, -1, 1, 2);
	az_value *bytes = az_func_add_param(n.at.func, "b", az_type_get(n.ctx, AZ_I32, 4, dim));
	az_value *scale[2] = {bytes, &az_const_f32_scalar(n.module, "s", 0.5f)->value};
	az_attrs_init(AZ_OP_requantize, &attrs);
	attrs.requantize.clamp = ints(&n, 2, clamp);
	az_value *few = make(&n, AZ_OP_requantize, 2, scale, &attrs, AZ_U8);
	check_bounds(few, 3, 9, 1);
	check_bounds(make(&n, AZ_OP_cast, 1, &few, NULL, AZ_ELEM(UINT, 2)), 0, 3, 1);
	check_bounds(make(&n, AZ_OP_cast, 1, &few, NULL, AZ_I16), 3, 9, 1);
	az_module_free(n.module);
	az_ctx_free(n.ctx);
}

void test_contract_bits(void)
{
	unit_suite("contract_bits", AZ_CASES({"against the interpreter", few_bits},
					    {"bounds of values", bounds_of_values}));
}
