/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking ONNX graphs: names, order, dimensions, outputs, functions, branches, folding, and reporting
 * everything that is not supported in one run. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "frontend/onnx.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/unit/onnx_writer.h"

static const int64_t by_three[] = {2, 3, -1}, open_batch[] = {-2, 3, -1}, no_dims[] = {-1};

/* A graph with input x, the nodes given (NULL-terminated), output y. */
static az_text graph_of(az_arena *arena, const int64_t *dims, const char *const *nodes)
{
	az_text graph = {.arena = arena};
	for (; *nodes; nodes++) {
		az_text node = onnx_node(arena, *nodes);
		put_message(&graph, 1, &node);
	}
	az_text x = onnx_value(arena, "x", ONNX_FLOAT, dims), y = {.arena = arena};
	put_text(&y, 1, "y");
	put_message(&graph, 11, &x);
	put_message(&graph, 12, &y);
	return graph;
}

#define NODES(...) ((const char *const[]){__VA_ARGS__, NULL})

static az_module *import_with(az_ctx *ctx, const az_text *graph, const az_onnx_options *options)
{
	az_text model = onnx_model(&ctx->arena, graph, 13);
	return az_onnx_import_bytes(ctx, "t.onnx", model.v, model.count, NULL, options);
}

static az_module *import(az_ctx *ctx, const az_text *graph)
{
	return import_with(ctx, graph, NULL);
}

static void refused(const char *const *nodes, const char *text)
{
	az_ctx *ctx = az_ctx_new();
	az_text graph = graph_of(&ctx->arena, by_three, nodes);
	CU_ASSERT_PTR_NULL(import(ctx, &graph));
	CHECK_TEXT(unit_message(ctx, 0), text);
	CHECK_TEXT(unit_message(ctx, 1), "");
	az_ctx_free(ctx);
}

static void wrong_names(void)
{
	refused(NODES("Relu: x -> y", "Abs: x -> y"),
		"t.onnx: node \"Abs_1\" (Abs): error: value \"y\" is made twice\n");
	refused(NODES("Relu: x -> x", "Abs: x -> y"),
		"t.onnx: node \"Relu_0\" (Relu): error: value \"x\" is made twice\n");
	refused(NODES("Relu: a -> y", "Abs: x -> a"),
		"t.onnx: node \"Relu_0\" (Relu): error: operand \"a\" is made by a later node; "
		"nodes "
		"must stand behind those they depend on\n");
	refused(NODES("Relu: y -> a", "Abs: a -> y"),
		"t.onnx: node \"Relu_0\" (Relu): error: operand \"y\" is made by a later node; "
		"nodes "
		"must stand behind those they depend on\n");
	refused(NODES("Add: x q -> y"),
		"t.onnx: node \"Add_0\" (Add): error: operand \"q\" is not made by anything\n");
	refused(NODES("Relu: x -> a"), "t.onnx: error: output \"y\" is not made by anything\n");
	refused(NODES("Add: x _ -> y"),
		"t.onnx: node \"Add_0\" (Add): error: operand 1 (b) is missing\n");
}

static void wrong_operators(void)
{
	refused(NODES("Rellu: x -> y"), "t.onnx: node \"Rellu_0\" (Rellu): error: operator Rellu "
					"(opset 13) is not supported; "
					"the nearest that is: Relu\n");
	refused(NODES("Upsample: x -> y"), "t.onnx: node \"Upsample_0\" (Upsample): error: "
					   "operator Upsample of opset 13 is not "
					   "supported; it is supported up to opset 9\n");
	refused(NODES("Mish: x -> y"), "t.onnx: node \"Mish_0\" (Mish): error: operator Mish of "
				       "opset 13 is not supported; it "
				       "is supported from opset 18\n");
	refused(NODES("NonZero: x -> y"),
		"t.onnx: node \"NonZero_0\" (NonZero): error: operator NonZero (opset 13) is not "
		"supported: the shape of its output depends on data\n");
	refused(NODES("Reshape: x x -> y"),
		"t.onnx: node \"Reshape_0\" (Reshape): error: operand 1 (shape) is computed at run "
		"time; "
		"it must be constant, because shapes are fixed when a network is compiled\n");
	refused(NODES("MatMul: x x -> y"), "t.onnx: node \"MatMul_0\" (MatMul): error: matmul: a "
					   "has 3 columns, b has 2 rows\n");
}

/* All faults of one run; what depends on a failed node is passed over. */
static void reports_all(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text graph = graph_of(&ctx->arena, by_three,
		NODES("Foo: x -> a", "Relu: a -> b", "Bar: b x -> c", "Baz: x -> d",
			"Add: c d -> e", "Boo: x -> unused", "Add: e e -> y"));
	CU_ASSERT_PTR_NULL(import(ctx, &graph));
	CU_ASSERT_EQUAL(ctx->diag.error_count, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), "operator Foo"));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 1), "operator Baz"));
	az_ctx_free(ctx);
}

static void counts_the_rest(void)
{
	az_ctx *ctx = az_ctx_new();
	const char *nodes[32] = {NULL};
	for (int i = 0; i < 30; i++)
		nodes[i] = az_arena_printf(&ctx->arena, "Foo: x -> a%d", i);
	az_text sum = {.arena = &ctx->arena};
	az_text_add(&sum, "Sum:");
	for (int i = 0; i < 30; i++)
		az_text_add(&sum, " a%d", i);
	az_text_add(&sum, " -> y");
	nodes[30] = sum.v;
	az_text graph = graph_of(&ctx->arena, by_three, nodes);
	CU_ASSERT_PTR_NULL(import(ctx, &graph));
	CU_ASSERT_EQUAL(ctx->diag.error_count, AZ_ERRORS_MAX + 1);
	CHECK_TEXT(unit_message(ctx, AZ_ERRORS_MAX),
		"t.onnx: error: 10 more nodes have operators that are not supported\n");
	az_ctx_free(ctx);
}

static void dimensions(void)
{
	az_ctx *ctx = az_ctx_new();
	static const int64_t open_second[] = {-2, 3, -3, -1};
	az_text graph = graph_of(&ctx->arena, open_batch, NODES("Relu: x -> y"));
	az_module *module = import(ctx, &graph);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_EQUAL(az_module_main(module)->params.v[0]->type->dim[0], 1);
	az_module_free(module);
	az_onnx_dim bound[] = {{az_name_of(ctx, "n"), 7}, {az_name_of(ctx, "x:2"), 5}};
	az_onnx_options options = {.dim_count = 2, .dim = bound};
	module = import_with(ctx, &graph, &options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_EQUAL(az_module_main(module)->results.v[0].use->value->type->dim[0], 7);
	az_module_free(module);
	graph = graph_of(&ctx->arena, open_second, NODES("Relu: x -> y"));
	CU_ASSERT_PTR_NULL(import(ctx, &graph));
	CHECK_TEXT(unit_message(ctx, 0),
		"t.onnx: error: dimension 2 of input \"x\" is not known; give "
		"its length with --dim x:2=N\n");
	module = import_with(ctx, &graph, &options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_EQUAL(az_module_main(module)->params.v[0]->type->dim[2], 5);
	az_module_free(module);
	az_ctx_free(ctx);
}

static void chosen_outputs(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text graph = graph_of(&ctx->arena, by_three,
		NODES("Relu: x -> a", "Abs: a -> b", "Foo: b -> c", "Neg: c -> y"));
	az_name names[] = {az_name_of(ctx, "b"), az_name_of(ctx, "x")};
	az_onnx_options options = {.output_count = 2, .output = names};
	az_module *module = import_with(ctx, &graph, &options); /* Foo is not needed */
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE(az_module_verify(module));
	CU_ASSERT_EQUAL(az_module_main(module)->op_count, 2);
	CHECK_TEXT(az_module_main(module)->results.v[0].name, "b");
	az_module_free(module);
	names[0] = az_name_of(ctx, "nothing");
	CU_ASSERT_PTR_NULL(import_with(ctx, &graph, &options));
	CHECK_TEXT(unit_message(ctx, 0),
		"t.onnx: error: output \"nothing\" is not made by anything\n");
	az_ctx_free(ctx);
}

/* A shape computed from x's shape vanishes. */
static void folds(void)
{
	static const int64_t one[] = {1, -1}, zero = 0, minus = -1;
	az_ctx *ctx = az_ctx_new();
	az_arena *a = &ctx->arena;
	az_text graph = graph_of(a, by_three,
		NODES("Shape: x -> s", "Gather: s zero -> d", "Unsqueeze: d zeros -> u"));
	az_text concat = onnx_node(a, "Concat: u minus -> shape");
	onnx_attr_int(&concat, "axis", 0);
	put_message(&graph, 1, &concat);
	az_text reshape = onnx_node(a, "Reshape: x shape -> y");
	put_message(&graph, 1, &reshape);
	az_text t = onnx_tensor(a, "zero", ONNX_INT64, no_dims, &zero, 8);
	put_message(&graph, 5, &t);
	t = onnx_tensor(a, "zeros", ONNX_INT64, one, &zero, 8);
	put_message(&graph, 5, &t);
	t = onnx_tensor(a, "minus", ONNX_INT64, one, &minus, 8);
	put_message(&graph, 5, &t);
	az_module *module = import(ctx, &graph);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE(az_module_verify(module));
	CU_ASSERT_EQUAL(az_module_main(module)->op_count, 0); /* x has that shape */
	CU_ASSERT_EQUAL(module->consts.count, 0);
	az_module_free(module);
	az_ctx_free(ctx);
}

static az_text function(az_arena *arena, const char *name, const char *inner)
{
	az_text f = {.arena = arena}, set = {.arena = arena};
	az_text node = onnx_node(arena, inner);
	put_text(&f, 1, name);
	put_text(&f, 4, "a");
	put_text(&f, 5, "b");
	put_message(&f, 7, &node);
	put_text(&f, 10, "mine");
	put_int(&set, 2, 13);
	put_message(&f, 9, &set);
	set.count = 0;
	put_text(&set, 1, "mine");
	put_int(&set, 2, 1);
	put_message(&f, 9, &set);
	return f;
}

/* x -> mine.F -> y with the body of F given. */
static az_text caller(az_arena *arena, const char *inner)
{
	az_text node = onnx_node(arena, "F: x -> y");
	put_text(&node, 7, "mine");
	az_text graph = graph_of(arena, by_three, NODES("Relu: x -> unused"));
	put_message(&graph, 1, &node);
	az_text model = onnx_model(arena, &graph, 13), f = function(arena, "F", inner);
	if (strstr(inner, "F:")) {
		f.count = 0;
		node = onnx_node(arena, "F: a -> b");
		put_text(&node, 7, "mine");
		put_text(&f, 1, "F");
		put_text(&f, 4, "a");
		put_text(&f, 5, "b");
		put_message(&f, 7, &node);
		put_text(&f, 10, "mine");
	}
	put_message(&model, 25, &f);
	return model;
}

static void functions(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text model = caller(&ctx->arena, "Abs: a -> b");
	az_module *module = az_onnx_import_bytes(ctx, "t.onnx", model.v, model.count, NULL, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE(az_module_verify(module));
	CU_ASSERT_EQUAL(az_module_main(module)->op_count, 1);
	CU_ASSERT_EQUAL(az_module_main(module)->first->code, AZ_OP_abs);
	CHECK_TEXT(az_module_main(module)->first->results[0]->name, "y");
	az_module_free(module);
	model = caller(&ctx->arena, "F: a -> b");
	CU_ASSERT_PTR_NULL(az_onnx_import_bytes(ctx, "t.onnx", model.v, model.count, NULL, NULL));
	CHECK_TEXT(unit_message(ctx, 0),
		"t.onnx: node \"F_0\" (F): error: function \"F\" calls itself\n");
	az_ctx_free(ctx);
}

static void put_real(az_text *to, unsigned field, float value)
{
	put_varint(to, field << 3 | 5);
	az_text_add_bytes(to, (const char *)&value, sizeof value);
}

static az_text real_attr(az_arena *arena, const char *name, float value)
{
	az_text attr = {.arena = arena};
	put_text(&attr, 1, name);
	put_real(&attr, 2, value);
	put_int(&attr, 20, 1);
	return attr;
}

/* The body's LeakyRelu takes its alpha from the call, else from the function's default. */
static float slope_of(bool in_call, bool in_default)
{
	az_ctx *ctx = az_ctx_new();
	az_arena *a = &ctx->arena;
	az_text leaky = onnx_node(a, "LeakyRelu: a -> b"), ref = {.arena = a}, f = {.arena = a};
	put_text(&ref, 1, "alpha");
	put_text(&ref, 21, "slope");
	put_int(&ref, 20, 1);
	put_message(&leaky, 5, &ref);
	put_text(&f, 1, "F");
	put_text(&f, 4, "a");
	put_text(&f, 5, "b");
	put_message(&f, 7, &leaky);
	put_text(&f, 10, "mine");
	az_text node = onnx_node(a, "F: x -> y"), attr = real_attr(a, "slope", 0.25f);
	put_text(&node, 7, "mine");
	if (in_call)
		put_message(&node, 5, &attr);
	attr = real_attr(a, "slope", 0.5f);
	if (in_default)
		put_message(&f, 11, &attr);
	az_text graph = graph_of(a, by_three, NODES("Relu: x -> unused"));
	put_message(&graph, 1, &node);
	az_text model = onnx_model(a, &graph, 13);
	put_message(&model, 25, &f);
	az_module *module = az_onnx_import_bytes(ctx, "t.onnx", model.v, model.count, NULL, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	float slope = az_module_main(module)->first->attr.leaky_relu.slope;
	az_module_free(module);
	az_ctx_free(ctx);
	return slope;
}

static void function_attributes(void)
{
	CU_ASSERT_EQUAL(slope_of(true, true), 0.25f);
	CU_ASSERT_EQUAL(slope_of(false, true), 0.5f);
	CU_ASSERT_EQUAL(slope_of(true, false), 0.25f);
	CU_ASSERT_EQUAL(slope_of(false, false), 0.01f);
}

/* Integers of quantized weights are permuted, not what they stand for; they keep their name. */
static void quantized_weights(void)
{
	static const int64_t image[] = {1, 2, 5, 5, -1}, four[] = {4, 2, 1, 1, -1}, one[] = {4, -1};
	static const float scales[] = {1, 2, 3, 4};
	az_ctx *ctx = az_ctx_new();
	az_arena *a = &ctx->arena;
	az_text dequantize = onnx_node(a, "DequantizeLinear: q s -> w");
	az_text conv = onnx_node(a, "Conv: x w -> y");
	onnx_attr_int(&dequantize, "axis", 0);
	az_text graph = graph_of(a, image, NODES("Relu: x -> unused"));
	put_message(&graph, 1, &dequantize);
	put_message(&graph, 1, &conv);
	az_text t = onnx_tensor(a, "q", ONNX_INT8, four, "\1\2\3\4\5\6\7\10", 8);
	put_message(&graph, 5, &t);
	t = onnx_tensor(a, "s", ONNX_FLOAT, one, scales, sizeof scales);
	put_message(&graph, 5, &t);
	az_module *module = import(ctx, &graph);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE(az_module_verify(module));
	const az_op *op = az_module_main(module)->first;
	while (op && op->code != AZ_OP_dequantize)
		op = op->next;
	CU_ASSERT_PTR_NOT_NULL_FATAL(op);
	CHECK_TEXT(op->args[0].value->name, "q");
	CHECK_TEXT(az_type_print(a, op->args[0].value->type), "i8[4,1,1,2]");
	CU_ASSERT_EQUAL(op->attr.dequantize.axis, 0);
	CU_ASSERT_EQUAL(op->next->code, AZ_OP_conv);
	az_module_free(module);
	az_ctx_free(ctx);
}

static az_text branch(az_arena *arena, const char *node_text)
{
	az_text graph = {.arena = arena}, out = {.arena = arena};
	az_text node = onnx_node(arena, node_text);
	put_message(&graph, 1, &node);
	put_text(&out, 1, "r");
	put_message(&graph, 12, &out);
	return graph;
}

static void branches(void)
{
	az_ctx *ctx = az_ctx_new();
	az_arena *a = &ctx->arena;
	az_text then_graph = branch(a, "Neg: x -> r"), else_graph = branch(a, "Foo: x -> r");
	az_text node = onnx_node(a, "If: c -> y");
	onnx_attr_message(&node, "then_branch", 6, 5, &then_graph);
	onnx_attr_message(&node, "else_branch", 6, 5, &else_graph);
	az_text graph = graph_of(a, by_three, NODES("Relu: x -> unused"));
	put_message(&graph, 1, &node);
	az_text t = onnx_tensor(a, "c", ONNX_BOOL, no_dims, "\1", 1), open = {.arena = a};
	az_text_add_bytes(&open, graph.v, graph.count);
	put_message(&graph, 5, &t);
	az_module *module = import(ctx, &graph);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE(az_module_verify(module));
	CU_ASSERT_EQUAL(az_module_main(module)->first->code, AZ_OP_neg);
	az_module_free(module);
	az_text c = onnx_value(a, "c", ONNX_BOOL, no_dims);
	put_message(&open, 11, &c);
	CU_ASSERT_PTR_NULL(import(ctx, &open));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0),
		"only an If whose condition is constant"));
	az_ctx_free(ctx);
}

/* Convolution weights are permuted at once, and stay one repeated value if they are. */
static void weights(void)
{
	static const int64_t image[] = {1, 2, 5, 5, -1}, shape[] = {4, 2, 3, 3}, four[] = {4, -1};
	az_ctx *ctx = az_ctx_new();
	az_text graph = graph_of(&ctx->arena, image,
		NODES("ConstantOfShape: shape -> w", "Conv: x w -> y"));
	az_text t = onnx_tensor(&ctx->arena, "shape", ONNX_INT64, four, shape, sizeof shape);
	put_message(&graph, 5, &t);
	az_module *module = import(ctx, &graph);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE(az_module_verify(module));
	CU_ASSERT_EQUAL(az_module_main(module)->op_count, 3); /* transpose, conv, transpose */
	CU_ASSERT_EQUAL_FATAL(module->consts.count, 1);
	CU_ASSERT_TRUE(module->consts.v[0]->splat);
	CHECK_TEXT(az_type_print(&ctx->arena, module->consts.v[0]->value.type), "f32[4,3,3,2]");
	az_module_free(module);
	az_ctx_free(ctx);
}

void test_onnx_graph(void)
{
	unit_suite("onnx_graph",
		AZ_CASES({"refuses wrong names and order", wrong_names},
			{"refuses operators with reasons", wrong_operators},
			{"reports all faults in one run", reports_all},
			{"counts what is not reported one by one", counts_the_rest},
			{"binds dimensions", dimensions},
			{"keeps the outputs chosen", chosen_outputs}, {"folds shapes", folds},
			{"writes out functions", functions},
			{"hands attributes to functions", function_attributes},
			{"permutes quantized weights", quantized_weights},
			{"takes constant branches", branches}, {"permutes weights", weights}));
}
