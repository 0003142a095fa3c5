/* SPDX-License-Identifier: Apache-2.0
 *
 * Building and changing graphs: uses, names, constants, quantizers, copies; and what the verifier
 * says when somebody broke one. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "ir/graph.h"
#include "ir/print.h"
#include "ir/verify.h"

static az_module *module_of(az_ctx *ctx, az_func **func, az_value **x)
{
	const int64_t dim = 4;
	az_module *module = az_module_new(ctx, "test");
	*func = az_func_new(module, "main");
	*x = az_func_add_param(*func, "x", az_type_get(ctx, AZ_F32, 1, &dim));
	return module;
}

static const char *text_of(const az_module *module)
{
	az_text text = {.arena = &module->ctx->arena};
	az_module_print(&text, module);
	return text.v;
}

static az_value *unary(az_func *func, az_opcode code, az_value *x)
{
	az_builder at = {.func = func};
	return az_build(&at, code, 1, &x, NULL, AZ_ELEM_NONE);
}

static void names(void)
{
	az_ctx *ctx = az_ctx_new();
	az_func *func;
	az_value *x;
	az_module *module = module_of(ctx, &func, &x);
	az_value *a = unary(func, AZ_OP_relu, x), *b = unary(func, AZ_OP_neg, a);
	CHECK_TEXT(a->name, "0");
	CHECK_TEXT(b->name, "1");
	az_value_rename(b, "x");
	CHECK_TEXT(b->name, "x.1");
	az_value_rename(a, "x");
	CHECK_TEXT(a->name, "x.2");
	az_value_rename(b, "y");
	az_value_rename(a, "x");
	CHECK_TEXT(a->name, "x.1");
	az_value_rename(a, "x.1");
	CHECK_TEXT(a->name, "x.1");
	az_value_rename(a, NULL);
	CHECK_TEXT(a->name, "0");
	for (int i = 0; i < 1000; i++) {
		char name[16];
		snprintf(name, sizeof name, "w.%d", i + 1);
		az_const *c = az_const_f32_scalar(module, "w", (float)i);
		CHECK_TEXT(c->value.name, i ? (snprintf(name, sizeof name, "w.%d", i), name) : "w");
	}
	CHECK_TEXT(az_func_new(module, "main")->name, "main.1");
	az_module_free(module);
	az_ctx_free(ctx);
}

static void uses(void)
{
	az_ctx *ctx = az_ctx_new();
	az_func *func;
	az_value *x;
	az_module *module = module_of(ctx, &func, &x);
	az_builder at = {.func = func};
	az_value *a = unary(func, AZ_OP_relu, x);
	az_value *args[] = {a, a};
	az_value *sum = az_build(&at, AZ_OP_add, 2, args, NULL, AZ_ELEM_NONE);
	az_func_add_result(func, "y", sum);
	CU_ASSERT_EQUAL(az_value_use_count(a), 2);
	CU_ASSERT_TRUE(az_module_verify(module));
	az_value_replace_uses(a, x);
	CU_ASSERT_EQUAL(az_value_use_count(a), 0);
	CU_ASSERT_EQUAL(az_value_use_count(x), 3);
	CU_ASSERT_TRUE(az_module_verify(module));
	az_op_erase(az_value_op(a));
	CU_ASSERT_EQUAL(az_value_use_count(x), 2);
	az_op_set_arg(az_value_op(sum), 1, &az_const_f32_scalar(module, "c", 1)->value);
	CU_ASSERT_EQUAL(az_value_use_count(x), 1);
	CU_ASSERT_TRUE(az_op_reinfer(az_value_op(sum)));
	az_value *late = unary(func, AZ_OP_tanh, x);
	az_op_move_before(az_value_op(late), az_value_op(sum));
	CU_ASSERT_PTR_EQUAL(func->first, az_value_op(late));
	CU_ASSERT_TRUE(az_module_verify(module));
	CHECK_TEXT(text_of(module), "adze 1 module \"test\" stage imported\n\n"
				    "const @c : f32[] = [1]\n\n"
				    "func @main(%x: f32[4]) -> (\"y\": f32[4]) {\n"
				    "  %0 = tanh %x : f32[4]\n"
				    "  %1 = add %x, @c : f32[4]\n"
				    "  return %1\n"
				    "}\n");
	az_module_free(module);
	az_ctx_free(ctx);
}

/* A refused operation leaves the graph as it was. */
static void refused(void)
{
	az_ctx *ctx = az_ctx_new();
	az_func *func;
	az_value *x;
	az_module *module = module_of(ctx, &func, &x);
	az_builder at = {.func = func};
	az_attrs attrs;
	az_attrs_init(AZ_OP_softmax, &attrs);
	attrs.softmax.axis = 7;
	CU_ASSERT_PTR_NULL(az_op_new(&at, AZ_OP_softmax, 1, &x, &attrs, AZ_ELEM_NONE));
	CU_ASSERT_PTR_NULL(func->first);
	CU_ASSERT_PTR_NULL(x->uses);
	CU_ASSERT_EQUAL(func->value_count, 1);
	CHECK_TEXT(unit_message(ctx, 0),
		"error: softmax: axis 7 is outside an operand of 1 dimensions\n");
	az_module_free(module);
	az_ctx_free(ctx);
}

static void constants(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = az_module_new(ctx, "test");
	const int64_t dim[] = {3, 5}, one = 1, none = 0;
	static const unsigned char same[8] = {0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0xf3};
	static const unsigned char other[8] = {0x33, 0x33, 0x33, 0x34, 0x33, 0x33, 0x33, 0xf3};
	const az_type *i4 = az_type_get(ctx, AZ_ELEM(INT, 4), 2, dim);
	az_const *a = az_const_new(module, "a", i4, same, true);
	az_const *b = az_const_new(module, "b", i4, other, true);
	CU_ASSERT_TRUE(a->splat);
	CU_ASSERT_FALSE(b->splat);
	CU_ASSERT_EQUAL(a->size_bytes, 1);
	/* The bits behind the last element are cleared, expanded or copied. */
	CU_ASSERT_EQUAL(((const unsigned char *)az_const_data(a))[7], 0x03);
	CU_ASSERT_EQUAL(((const unsigned char *)az_const_data(b))[7], 0x03);
	CU_ASSERT_PTR_EQUAL(az_const_data(a), az_const_data(a));
	CU_ASSERT_EQUAL(az_const_get_int(a, 14), 3);
	CU_ASSERT_EQUAL(az_const_get_int(b, 6), 4);
	az_const *single = az_const_splat(module, "s", az_type_get(ctx, AZ_U8, 1, &one), other);
	CU_ASSERT_FALSE(single->splat);
	az_const *empty =
		az_const_new(module, "e", az_type_get(ctx, AZ_F32, 1, &none), NULL, false);
	CU_ASSERT_EQUAL(empty->size_bytes, 0);
	CU_ASSERT_PTR_NOT_NULL(az_const_data(empty));
	const int64_t v[] = {1, -2};
	CU_ASSERT_EQUAL(az_const_get(az_const_i64s(module, NULL, 2, v), 1), -2);
	CU_ASSERT_EQUAL(module->consts.count, 5);
	az_const_erase(b);
	CU_ASSERT_EQUAL(module->consts.count, 4);
	CHECK_TEXT(az_const_f32_scalar(module, "b", 1)->value.name, "b");
	az_module_free(module);
	az_ctx_free(ctx);
}

static void quantizers(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = az_module_new(ctx, "test");
	const float scale[] = {1, 2}, other[] = {1, 3};
	const int32_t zeros[] = {0, 0};
	const az_quant like = {.axis = 1, .count = 2, .scale = scale, .zero = zeros};
	az_quant renamed = like;
	renamed.name = az_name_of(ctx, "q");
	const az_quant *q = az_quant_get(module, &like);
	CHECK_TEXT(q->name, "q");
	CU_ASSERT_PTR_NULL(q->zero);
	CU_ASSERT_PTR_EQUAL(az_quant_get(module, &like), q);
	CU_ASSERT_PTR_EQUAL(az_quant_get(module, &renamed), q);
	CU_ASSERT_PTR_EQUAL(az_quant_get(module, q), q);
	renamed.scale = other;
	CHECK_TEXT(az_quant_get(module, &renamed)->name, "q.1");
	CU_ASSERT_EQUAL(module->quants.count, 2);
	CU_ASSERT_PTR_EQUAL(az_quant_scalar(module, 0.5f, 3), az_quant_scalar(module, 0.5f, 3));
	CU_ASSERT_PTR_NOT_EQUAL(az_quant_scalar(module, 0.5f, 3), az_quant_scalar(module, 0.5f, 2));
	CU_ASSERT_EQUAL(module->quants.count, 2);
	az_module_free(module);
	az_ctx_free(ctx);
}

static void functions(void)
{
	az_ctx *ctx = az_ctx_new();
	az_func *func;
	az_value *x;
	az_module *module = module_of(ctx, &func, &x);
	az_func *callee = az_func_new(module, "callee");
	az_value *y = unary(callee, AZ_OP_relu, az_func_add_param(callee, "y", x->type));
	az_func_add_result(callee, NULL, y);
	az_builder at = {.func = func};
	az_attrs attrs;
	az_attrs_init(AZ_OP_call, &attrs);
	attrs.call.callee = callee;
	az_value *r = az_build(&at, AZ_OP_call, 1, &x, &attrs, AZ_ELEM_NONE);
	az_func_add_result(func, "r", r);
	CU_ASSERT_FALSE(az_module_verify(module)); /* the callee stands behind its caller */
	az_func_move_before(callee, func);
	CU_ASSERT_PTR_EQUAL(az_module_main(module), func);
	CU_ASSERT_TRUE(az_module_verify(module));
	az_map map = {0};
	az_map_put(&module->arena, &map, callee->params.v[0], x);
	az_op *inlined = az_op_clone(&at, callee->first, &map);
	CU_ASSERT_PTR_EQUAL(inlined->args[0].value, x);
	CU_ASSERT_PTR_EQUAL(az_map_get(&map, y), inlined->results[0]);
	az_value_replace_uses(r, inlined->results[0]);
	az_op_erase(az_value_op(r));
	az_func_erase(callee);
	CU_ASSERT_EQUAL(module->funcs.count, 1);
	CU_ASSERT_TRUE(az_module_verify(module));
	az_module_free(module);
	az_ctx_free(ctx);
}

static void attributes(void)
{
	az_ctx *ctx = az_ctx_new();
	az_attrs a, b;
	const int64_t ones[] = {1, 1, 1}, twos[] = {1, 2};
	az_attrs_init(AZ_OP_conv, &a);
	az_attrs_init(AZ_OP_conv, &b);
	b.conv.stride = (az_ints){3, ones};
	CU_ASSERT_TRUE(az_attrs_same(AZ_OP_conv, &a, &b)); /* a list of nothing but its fill */
	b.conv.stride = (az_ints){2, twos};
	CU_ASSERT_FALSE(az_attrs_same(AZ_OP_conv, &a, &b));
	CU_ASSERT_EQUAL(a.conv.groups, 1);
	az_attrs_init(AZ_OP_resize, &a);
	CU_ASSERT_EQUAL(a.resize.cubic, -0.75f);
	CU_ASSERT_EQUAL(a.resize.nearest, AZ_nearest_mode_round_prefer_floor);
	CU_ASSERT_EQUAL(az_opcode_find("conv_transpose"), AZ_OP_conv_transpose);
	CU_ASSERT_EQUAL(az_opcode_find("Conv"), AZ_OP_COUNT_);
	CHECK_TEXT(az_opcode_nearest("softmx"), "softmax");
	az_ctx_free(ctx);
}

static void copies(void)
{
	az_ctx *ctx = az_ctx_new();
	az_func *func;
	az_value *x;
	az_module *module = module_of(ctx, &func, &x);
	az_value *a = unary(func, AZ_OP_relu, x);
	az_op_erase(az_value_op(unary(func, AZ_OP_relu, a))); /* a hole in the ids */
	az_value *b = unary(func, AZ_OP_neg, a);
	b->quant = az_quant_scalar(module, 0.5f, 1);
	b->range = (az_range){true, -1, 1};
	az_func_add_result(func, "y", b);
	az_module *shared = az_module_clone(module, true);
	char *text = az_arena_copy(&ctx->arena, text_of(module), strlen(text_of(module)));
	az_module *deep = az_module_clone(module, false);
	CHECK_TEXT(text_of(shared), text);
	CU_ASSERT_TRUE(az_module_verify(shared));
	CU_ASSERT_EQUAL(az_module_main(shared)->value_count, 3);
	az_module_free(shared);
	az_module_free(module);
	CHECK_TEXT(text_of(deep), text);
	CU_ASSERT_TRUE(az_module_verify(deep));
	az_module_free(deep);
	az_ctx_free(ctx);
}

static void broken(void)
{
	az_ctx *ctx = az_ctx_new();
	az_func *func;
	az_value *x;
	az_module *module = module_of(ctx, &func, &x);
	az_value *a = unary(func, AZ_OP_relu, x), *b = unary(func, AZ_OP_neg, a);
	az_func_add_result(func, "y", b);
	az_op_move_before(az_value_op(b), az_value_op(a));
	CU_ASSERT_FALSE(az_module_verify(module));
	CHECK_TEXT(unit_message(ctx, 0), "error: value used before it is defined: \"0\"\n");
	az_op_move_before(az_value_op(a), az_value_op(b));
	CU_ASSERT_TRUE(az_module_verify(module));
	const int64_t dim = 5;
	const az_type *type = a->type;
	a->type = az_type_get(ctx, AZ_F32, 1, &dim);
	CU_ASSERT_FALSE(az_module_verify(module));
	CHECK_TEXT(unit_message(ctx, 1), "error: relu: result \"0\" is f32[5], should be f32[4]\n");
	a->type = type;
	az_use *use = a->uses;
	a->uses = NULL;
	CU_ASSERT_FALSE(az_module_verify(module));
	a->uses = use;
	a->name = b->name;
	CU_ASSERT_FALSE(az_module_verify(module));
	az_module_free(module);
	az_ctx_free(ctx);
}

void test_ir_graph(void)
{
	unit_suite("ir_graph",
		AZ_CASES({"names are unique", names}, {"use lists", uses},
			{"a refused operation leaves no trace", refused}, {"constants", constants},
			{"quantizers", quantizers}, {"functions and calls", functions},
			{"attributes", attributes}, {"copies", copies},
			{"the verifier finds broken graphs", broken}));
}
