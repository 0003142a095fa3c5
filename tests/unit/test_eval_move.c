/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that move data by hand, whole functions with calls, and running out of memory. */
#include "tests/unit/eval_kit.h"

static void set_shape(az_attrs *a)
{
	static const int64_t v[] = {3, 2};
	a->reshape.shape = (az_ints){2, v};
}

static void set_perm(az_attrs *a)
{
	static const int64_t v[] = {1, 0};
	a->transpose.perm = (az_ints){2, v};
}

static void set_slice(az_attrs *a)
{
	static const int64_t begin[] = {1, 2}, size[] = {1, 2}, step[] = {1, -2};
	a->slice.begin = (az_ints){2, begin};
	a->slice.size = (az_ints){2, size};
	a->slice.step = (az_ints){2, step};
}

static void set_slice_outside(az_attrs *a)
{
	static const int64_t begin[] = {1}, size[] = {3};
	a->slice.begin = (az_ints){1, begin};
	a->slice.size = (az_ints){1, size};
}

static void set_concat1(az_attrs *a)
{
	a->concat.axis = 1;
}

static void set_split(az_attrs *a)
{
	static const int64_t v[] = {1, 0, 2};
	a->split.axis = -1;
	a->split.sizes = (az_ints){3, v};
}

static void views(void)
{
	CHECK(set_shape, .code = AZ_OP_reshape, ARGS("i2[2,3] 1 0 -1 -2 1 0"),
		.result = "i2[3,2] 1 0 -1 -2 1 0");
	CHECK(set_shape, .code = AZ_OP_reshape, ARGS("f32[2] 1 2"),
		.result = "error: reshape: f32[2] has 2 elements, f32[3,2] has 6\n");
	CHECK(set_perm, .code = AZ_OP_transpose, ARGS("u3[2,3] 1 2 3 4 5 6"),
		.result = "u3[3,2] 1 4 2 5 3 6");
	CHECK(set_slice, .code = AZ_OP_slice, ARGS("f32[2,3] 1 2 3 4 5 nan"),
		.result = "f32[1,2] nan 4");
	CHECK(set_slice_outside, .code = AZ_OP_slice, ARGS("f32[3] 1 2 3"),
		.result = "error: slice: elements 1 to 3 are outside dimension 0 of f32[3]\n");
	CHECK(set_concat1, .code = AZ_OP_concat, ARGS("i4[2,1] 1 2", "i4[2,2] 3 4 5 6"),
		.result = "i4[2,3] 1 3 4 2 5 6");
	CHECK(NULL, .code = AZ_OP_concat, ARGS("f32[2,1] 1 2", "f32[1,2] 1 2"),
		.result = "error: concat: operand 1 is f32[1,2], which does not go with f32[2,1] "
			  "along "
			  "axis 0\n");
	CHECK(set_split, .code = AZ_OP_split, ARGS("i8[2,3] 1 2 3 4 5 6"),
		.result = "i8[2,1] 1 4; i8[2,0]; i8[2,2] 2 3 5 6");
}

static const int64_t pads[] = {2, 1};

static void set_constant(az_attrs *a)
{
	a->pad.pad = (az_ints){2, pads};
	a->pad.value = 7;
}

static void set_edge(az_attrs *a)
{
	a->pad.pad = (az_ints){2, pads};
	a->pad.mode = AZ_padding_edge;
}

static void set_reflect(az_attrs *a)
{
	set_edge(a);
	a->pad.mode = AZ_padding_reflect;
}

static void set_wrap(az_attrs *a)
{
	set_edge(a);
	a->pad.mode = AZ_padding_wrap;
}

static void set_crop(az_attrs *a)
{
	static const int64_t v[] = {-1, 1};
	a->pad.pad = (az_ints){2, v};
}

static void set_expand(az_attrs *a)
{
	static const int64_t v[] = {2, 2};
	a->expand.shape = (az_ints){2, v};
}

static void set_tile(az_attrs *a)
{
	static const int64_t v[] = {2, 2};
	a->tile.repeats = (az_ints){2, v};
}

static void set_gather1(az_attrs *a)
{
	a->gather.axis = 1;
}

static void growing(void)
{
	CHECK(set_constant, .code = AZ_OP_pad, ARGS("i4[3] 1 2 3"), .result = "i4[6] 7 7 1 2 3 7");
	CHECK(set_edge, .code = AZ_OP_pad, ARGS("f32[3] 1 2 3"), .result = "f32[6] 1 1 1 2 3 3");
	CHECK(set_reflect, .code = AZ_OP_pad, ARGS("f32[3] 1 2 3"), .result = "f32[6] 3 2 1 2 3 2");
	CHECK(set_wrap, .code = AZ_OP_pad, ARGS("f32[3] 1 2 3"), .result = "f32[6] 2 3 1 2 3 1");
	CHECK(set_crop, .code = AZ_OP_pad, ARGS("f32[3] 1 2 3"), .result = "f32[3] 2 3 0");
	CHECK(set_constant, .code = AZ_OP_pad, ARGS("i3[3] 1 2 3"),
		.result = "error: pad: value 7 is not one of i3\n");
	CHECK(set_expand, .code = AZ_OP_expand, ARGS("u1[2,1] 1 0"), .result = "u1[2,2] 1 1 0 0");
	CHECK(set_tile, .code = AZ_OP_tile, ARGS("f32[1,2] 1 2"),
		.result = "f32[2,4] 1 2 1 2 1 2 1 2");
	CHECK(set_gather1, .code = AZ_OP_gather, ARGS("i4[2,3] 1 2 3 4 5 6", "i64[2] -1 0"),
		.result = "i4[2,2] 3 1 6 4");
	CHECK(NULL, .code = AZ_OP_gather, ARGS("f32[3] 1 2 3", "i32[] 3"),
		.result = "error: gather: index 3 is outside an axis of 3 places\n");
}

/* main(x) = twice(x) + twice(relu(x)), with twice(x) = x + x. */
static az_func *make_network(az_module *module)
{
	const az_type *type = az_type_get(module->ctx, AZ_F32, 1, (const int64_t[]){3});
	az_builder at = {.func = az_func_new(module, "twice")};
	az_value *x = az_func_add_param(at.func, "x", type);
	az_value *sum = az_build(&at, AZ_OP_add, 2, (az_value *[]){x, x}, NULL, AZ_ELEM_NONE);
	az_func_add_result(at.func, "y", sum);
	az_attrs attrs;
	az_attrs_init(AZ_OP_call, &attrs);
	attrs.call.callee = at.func;
	at = (az_builder){.func = az_func_new(module, "main")};
	x = az_func_add_param(at.func, "x", type);
	az_value *a = az_build(&at, AZ_OP_call, 1, &x, &attrs, AZ_ELEM_NONE);
	az_value *b = az_build(&at, AZ_OP_relu, 1, &x, NULL, AZ_ELEM_NONE);
	b = az_build(&at, AZ_OP_call, 1, &b, &attrs, AZ_ELEM_NONE);
	az_value *y = az_build(&at, AZ_OP_add, 2, (az_value *[]){a, b}, NULL, AZ_ELEM_NONE);
	az_func_add_result(at.func, "y", y);
	az_func_add_result(at.func, "x", x);
	return at.func;
}

static void count_values(void *data, const az_value *value, const az_tensor *tensor)
{
	CU_ASSERT_TRUE(value->type == tensor->type);
	++*(int *)data;
}

static void functions(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = az_module_new(ctx, "test");
	az_func *func = make_network(module);
	az_tensor x = kit_tensor(ctx, &module->arena, "f32[3] -1 0.5 3"), y[2];
	int count = 0;
	CU_ASSERT_TRUE(az_eval_observe(func, &module->arena, &x, y, count_values, &count));
	CU_ASSERT_EQUAL(count, 4);
	az_text text = {.arena = &module->arena};
	kit_print(&text, &module->arena, &y[0]);
	CHECK_TEXT(text.v, "f32[3] -2 2 12");
	text = (az_text){.arena = &module->arena};
	kit_print(&text, &module->arena, &y[1]);
	CHECK_TEXT(text.v, "f32[3] -1 0.5 3");
	az_module_free(module);
	az_ctx_free(ctx);
}

static bool run_network(az_ctx *ctx)
{
	AZ_GUARD(ctx, return false);
	az_module *module = az_module_new(ctx, "test");
	make_network(module);
	AZ_UNGUARD(ctx);
	az_exec *exec = az_eval_exec.compile(module);
	const az_type *type = az_module_main(module)->params.v[0]->type;
	float in[] = {-1, 0.5f, 3}, out[2][3];
	az_tensor x = {type, in}, y[2] = {{type, out[0]}, {type, out[1]}};
	bool ok = exec && az_eval_exec.run(exec, &x, y);
	az_eval_exec.free(exec);
	az_module_free(module);
	return ok && out[0][2] == 12;
}

static void execution(void)
{
	az_ctx *ctx = az_ctx_new();
	CU_ASSERT_TRUE(run_network(ctx));
	az_module *module = az_module_new(ctx, "test");
	make_network(module);
	az_exec *exec = az_eval_exec.compile(module);
	float v[3] = {0};
	az_tensor wrong = {az_type_get(ctx, AZ_F32, 1, (const int64_t[]){2}), v};
	CU_ASSERT_FALSE(az_eval_exec.run(exec, &wrong, NULL));
	CHECK_TEXT(unit_message(ctx, 0), "error: input 0 is f32[2], the network has f32[3]\n");
	az_eval_exec.free(exec);
	/* Every allocation of a run fails in turn: reported, and nothing lost. */
	exec = az_eval_exec.compile(module);
	const az_type *type = az_module_main(module)->params.v[0]->type;
	float out[2][3];
	az_tensor x = {type, v}, y[2] = {{type, out[0]}, {type, out[1]}};
	bool ok = false;
	for (long n = 0; !ok && n < 100; n++) {
		ctx->oom.fail_after = n;
		ok = az_eval_exec.run(exec, &x, y);
		CU_ASSERT_EQUAL(ctx->guard_depth, 0);
	}
	ctx->oom.fail_after = -1;
	CU_ASSERT_TRUE(ok);
	az_eval_exec.free(exec);
	az_module_free(module);
	az_ctx_free(ctx);
}

void test_eval_move(void)
{
	unit_suite("eval_move",
		AZ_CASES({"views and pieces", views}, {"padding and repeating", growing},
			{"functions and calls", functions}, {"execution", execution}));
}
