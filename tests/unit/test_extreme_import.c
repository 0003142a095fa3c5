/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantized ONNX networks with extreme parameters and data: what docs/numerics.md says comes out, of the
 * interpreter and of native code alike, or the import refuses and names the node, what it found and what it
 * wanted. */
#include <float.h>

#include "tests/unit/onnx_kit.h"

#define QONNX "qonnx.custom_op.general"

static const double special[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1e-45, 3e38, -3e38, 0.5};

/* x, quantized with one scale and back. */
static kit there_and_back(double scale, double zero, az_elem elem)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(3, 3), AZ_COUNT(special), special);
	kit_const(&k, "s", AZ_F32, SCALAR, 1, &scale);
	kit_const(&k, "z", elem, SCALAR, 1, &zero);
	kit_node(&k, "QuantizeLinear: x s z -> q", "", "");
	kit_node(&k, "DequantizeLinear: q s z -> y", "", "");
	return k;
}

static void special_data(void)
{
	kit k = there_and_back(0.25, 3,
		AZ_U8); /* NaN and -infinity are the lowest, infinity the highest */
	kit_gives(&k, 9, (double[]){-0.75, 63, -0.75, 0, 0, 0, 63, -0.75, 0.5});
	k = there_and_back(0.25, 0, AZ_I8);
	kit_gives(&k, 9, (double[]){-32, 31.75, -32, 0, 0, 0, 31.75, -32, 0.5});
}

static void scales_of_nothing(void)
{
	kit k = there_and_back(0, 3, AZ_U8);
	kit_gives(&k, 1, (double[]){0});
	k = there_and_back(1e-40, 3, AZ_U8); /* subnormal: counts as 0 */
	kit_gives(&k, 1, (double[]){0});
	k = there_and_back(FLT_MIN, 0, AZ_I8); /* the smallest that counts */
	kit_gives(&k, 9,
		(double[]){-128 * FLT_MIN, 127 * FLT_MIN, -128 * FLT_MIN, 0, 0, 0, 127 * FLT_MIN,
			-128 * FLT_MIN, 127 * FLT_MIN});
}

static void scales_refused(void)
{
	static const struct {
		double scale;
		const char *text;
	} cases[] = {{-0.5, "scale f32[] holds -0.5; scales must be finite and not negative"},
		{INFINITY, "scale f32[] holds inf;"}, {NAN, "scale f32[] holds nan;"}};
	for (size_t i = 0; i < AZ_COUNT(cases); i++) {
		kit k = there_and_back(cases[i].scale, 0, AZ_I8);
		kit_refuses(&k, cases[i].text);
	}
}

/* Parameters of the wrong form on a [2, 6] operand. */
static void parameters_refused(void)
{
	static const struct {
		int64_t scale[3], zero[3];
		const char *node, *attrs, *text;
	} cases[] = {
		{{3, -1}, {3, -1}, "QuantizeLinear: x s z -> y", "axis=1",
			"scale f32[3] is neither one number nor one for each of the 6 places of "
			"axis 1"},
		{{3, -1}, {3, -1}, "DequantizeLinear: b s z -> y", "axis=0",
			"scale f32[3] is neither one number nor one for each of the 2 places of "
			"axis 0"},
		{{6, -1}, {6, -1}, "QuantizeLinear: x s z -> y", "axis=2",
			"axis 2 is outside a shape of rank 2"},
		{{6, -1}, {6, -1}, "QuantizeLinear: x s z -> y", "axis=-3",
			"axis -3 is outside a shape of rank 2"},
		{{6, -1}, {3, -1}, "QuantizeLinear: x s z -> y", "axis=1", "zero"},
		{{2, 6, -1}, {2, 6, -1}, "QuantizeLinear: x s z -> y", "axis=1",
			"scale is f32[2,6]; without block_size it must be a number or a list"},
		{{2, 2, -1}, {2, 2, -1}, "QuantizeLinear: x s z -> y", "axis=1 block_size=4",
			NULL}, /* the last block is shorter */
		{{2, 3, -1}, {2, 3, -1}, "QuantizeLinear: x s z -> y", "axis=1 block_size=4",
			"scale"},
		{{2, 2, -1}, {2, 2, -1}, "QuantizeLinear: x s z -> y", "axis=1 block_size=-4",
			"block_size = -4 is no length"},
		{{6, -1}, {6, -1}, "QuantizeLinear: x b z -> y", "axis=1", "scale"},
		{{6, -1}, {6, -1}, "DequantizeLinear: x s z -> y", "axis=1",
			"the operand must be an integer or bipolar, not f32"},
		{{-1}, {-1}, "QuantizeLinear: x s z z -> y", "",
			"4 operands, QuantizeLinear takes at most 3"},
		{{-1}, {-1}, "QuantizeLinear: x -> y", "", "operand 1 (scale) is missing"},
	};
	for (size_t i = 0; i < AZ_COUNT(cases); i++) {
		kit k = kit_new();
		kit_input(&k, "x", AZ_F32, DIMS(2, 6), 1, (double[]){1});
		kit_const(&k, "b", AZ_I8, DIMS(2, 6), 1, (double[]){1});
		kit_const(&k, "s", AZ_F32, cases[i].scale, 1, (double[]){0.5});
		kit_const(&k, "z", AZ_I8, cases[i].zero, 1, (double[]){0});
		kit_node(&k, cases[i].node, "", cases[i].attrs);
		if (cases[i].text)
			kit_refuses(&k, cases[i].text);
		else
			kit_gives(&k, 1, (double[]){2});
	}
}

/* x and weights of a convolution are quantized, its result as well. */
static kit convolution(uint32_t count, const double *w, uint32_t scales, const double *w_scale,
	double bias)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(1, 2, 3, 3), AZ_COUNT(special), special);
	kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){0.5});
	kit_const(&k, "z", AZ_U8, SCALAR, 1, (double[]){128});
	kit_const(&k, "w", AZ_F32, DIMS(2, 2, 1, 1), count, w);
	kit_const(&k, "ws", AZ_F32, DIMS(2), scales, w_scale);
	kit_const(&k, "wz", AZ_I8, DIMS(2), 1, (double[]){0});
	kit_const(&k, "b", AZ_F32, DIMS(2), 1, &bias);
	kit_const(&k, "ys", AZ_F32, SCALAR, 1, (double[]){2});
	kit_node(&k, "QuantizeLinear: x s z -> xq", "", "");
	kit_node(&k, "DequantizeLinear: xq s z -> xd", "", "");
	kit_node(&k, "QuantizeLinear: w ws wz -> wq", "", "axis=0");
	kit_node(&k, "DequantizeLinear: wq ws wz -> wd", "", "axis=0");
	kit_node(&k, "Conv: xd wd b -> c", "", "");
	kit_node(&k, "QuantizeLinear: c ys z -> y", "", "");
	return k;
}

/* The first and last element of a convolution, channel 0. */
static void convolution_gives(kit k, double first, double last)
{
	bool ok = kit_run(&k);
	CU_ASSERT_TRUE(ok);
	if (!ok)
		printf("\n%s\n", unit_message(k.ctx, 0));
	CU_ASSERT_EQUAL(ok ? kit_at(&k, 0) : -1, first);
	CU_ASSERT_EQUAL(ok ? kit_at(&k, 8) : -1, last);
	kit_free(&k);
}

static void weights(void)
{
	const double one = 1;
	/* x[0] is -64, x[8] is 0.5, in both channels */
	convolution_gives(convolution(1, (double[]){0}, 1, &one, 0), 128, 128);
	convolution_gives(convolution(1, (double[]){0}, 1, &one, 40), 148, 148);
	convolution_gives(convolution(1, (double[]){1}, 1, &one, 0), 64, 128);
	/* NaN is the lowest number, infinity the highest: -128 and 127 */
	convolution_gives(convolution(2, (double[]){NAN, 0}, 1, &one, 0), 255, 96);
	convolution_gives(convolution(2, (double[]){INFINITY, 0}, 1, &one, 0), 0, 160);
	/* one channel without scale, scales apart by a million */
	convolution_gives(convolution(1, (double[]){1}, 2, (double[]){0, 1}, 40), 148, 148);
	convolution_gives(convolution(1, (double[]){1}, 2, (double[]){1e6, 1}, 0), 128, 128);
	convolution_gives(convolution(1, (double[]){1e6}, 2, (double[]){1e6, 1}, 0), 0, 255);
	/* a bias far outside the grid */
	convolution_gives(convolution(1, (double[]){1}, 1, &one, 1e30), 255, 255);
	convolution_gives(convolution(1, (double[]){1}, 1, &one, -1e30), 0, 0);
}

static void single_elements(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(1, 1), 1, (double[]){3});
	kit_const(&k, "s", AZ_F32, DIMS(1), 1, (double[]){0.5});
	kit_const(&k, "z", AZ_I8, DIMS(1), 1, (double[]){1});
	kit_const(&k, "w", AZ_I8, DIMS(1, 1), 1, (double[]){-3});
	kit_node(&k, "QuantizeLinear: x s z -> q", "", "axis=1");
	kit_node(&k, "DequantizeLinear: q s z -> d", "", "axis=1");
	kit_node(&k, "DequantizeLinear: w s z -> wd", "", "axis=0");
	kit_node(&k, "MatMul: d wd -> y", "", "");
	kit_gives(&k, 1, (double[]){-6});
}

/* Dynamic ranges of data without a range. */
static void dynamic_ranges(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(4), 1, (double[]){0});
	kit_node(&k, "DynamicQuantizeLinear: x -> y s z", "", "");
	kit_gives(&k, 1, (double[]){0});
	k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(4), 1, (double[]){-2.5});
	kit_node(&k, "DynamicQuantizeLinear: x -> y s z", "", "");
	kit_gives(&k, 1, (double[]){0});
}

static void qonnx_scales(void)
{
	static const struct {
		double scale, wanted;
	} cases[] = {{-0.5, 3}, {0, 0}, {1e-40, 0}};
	for (size_t i = 0; i < AZ_COUNT(cases); i++) {
		kit k = kit_new();
		kit_input(&k, "x", AZ_F32, DIMS(2), 1, (double[]){3});
		kit_const(&k, "s", AZ_F32, SCALAR, 1, &cases[i].scale);
		kit_const(&k, "z", AZ_F32, SCALAR, 1, (double[]){0});
		kit_const(&k, "b", AZ_F32, SCALAR, 1, (double[]){4});
		kit_node(&k, "Quant: x s z b -> y", QONNX, "signed=1");
		kit_gives(&k, 1, &cases[i].wanted);
	}
	for (int negative = 0; negative < 2; negative++) {
		kit k = kit_new();
		double scale = negative ? -0.5 : INFINITY;
		kit_input(&k, "x", AZ_F32, DIMS(2), 2, (double[]){3, -3});
		kit_const(&k, "s", AZ_F32, SCALAR, 1, &scale);
		kit_node(&k, "BipolarQuant: x s -> y", QONNX, "");
		if (negative)
			kit_gives(&k, 2, (double[]){-0.5, 0.5});
		else
			kit_refuses(&k, "operand 1 (scale) holds inf");
	}
}

/* Attributes that an operator does not have are ignored with a warning, operands are refused. */
static void unknown_words(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(2), 1, (double[]){3});
	kit_node(&k, "LeakyRelu: x -> y", "", "alpa=0.5");
	CU_ASSERT_TRUE(kit_run(&k));
	CHECK_TEXT(unit_message(k.ctx, 0),
		"t.onnx: node \"LeakyRelu_0\" (LeakyRelu): warning: LeakyRelu has no attribute "
		"\"alpa\": it is ignored; did you mean \"alpha\"?\n");
	kit_free(&k);
	k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(2), 1, (double[]){3});
	kit_node(&k, "Relu: x x -> y", "", "");
	kit_refuses(&k, "node \"Relu_0\" (Relu): error: 2 operands, Relu takes at most 1");
	k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(2), 1, (double[]){3});
	kit_node(&k, "Relu: x _ _ -> y", "", ""); /* absent ones are none */
	kit_gives(&k, 1, (double[]){3});
}

void test_extreme_import(void)
{
	unit_suite("extreme_import",
		AZ_CASES({"NaN and infinity in data", special_data},
			{"zero and subnormal scales", scales_of_nothing},
			{"scales refused", scales_refused},
			{"parameters refused", parameters_refused},
			{"extreme weights, scales, biases", weights},
			{"single elements", single_elements}, {"dynamic ranges", dynamic_ranges},
			{"QONNX scales", qonnx_scales},
			{"unknown attributes, operands too many", unknown_words}));
}
