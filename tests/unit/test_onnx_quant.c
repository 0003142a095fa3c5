/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization operators of other domains: QONNX against its definition (numpy in
 * github.com/fastmachinelearning/qonnx), com.microsoft against results worked out by hand, QCDQ; and what each
 * of them refuses. */
#include "tests/unit/onnx_kit.h"

#define QONNX "qonnx.custom_op.general"
#define MS    "com.microsoft"

static const char *const modes[] = {"ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP",
	"HALF_DOWN", "ROUND_TO_ZERO", "round", "half_up"};

static double round_by(const char *mode, double x)
{
	double size = fabs(x), sign = x > 0 ? 1 : x < 0 ? -1 : 0;
	switch (mode[0] == 'H' || mode[0] == 'h' ? (mode[5] == 'E' ? 'R' : mode[5] | 32)
						 : (mode[0] == 'R' && mode[5] ? 'D' : mode[0])) {
	case 'C':
		return ceil(x);
	case 'F':
		return floor(x);
	case 'U':
		return sign * ceil(size);
	case 'D':
		return sign * floor(size);
	case 'u':
		return sign * floor(size + 0.5);
	case 'd':
		return sign * ceil(size - 0.5);
	default:
		return nearbyint(x);
	}
}

typedef struct quant_case {
	int bits, is_signed, narrow;
	double zero;
	const char *mode;
} quant_case;

static double quant_wanted(const quant_case *c, double x, double scale)
{
	double hi = c->is_signed ? ldexp(1, c->bits - 1) - 1 : ldexp(1, c->bits) - 1 - c->narrow;
	double lo = c->is_signed ? -ldexp(1, c->bits - 1) + c->narrow : 0;
	double t = x / scale + c->zero;
	t = t > hi ? hi : t < lo ? lo : t;
	return (round_by(c->mode, t) - c->zero) * scale;
}

/* Scales are powers of two and x has ties, so that every mode shows. */
static void quant_case_run(const quant_case *c, const char *domain, const char *op, bool native)
{
	double x[48], wanted[48], scale[3] = {0.25, 0.5, 2};
	kit k = kit_new();
	k.interpret_only = !native;
	for (int i = 0; i < 48; i++) {
		x[i] = (i % 16 - 8) * 0.125 * (1 + i / 16) * (c->bits > 4 ? 7 : 1);
		wanted[i] = quant_wanted(c, x[i], scale[i / 16]);
	}
	kit_input(&k, "x", AZ_F32, DIMS(1, 3, 16), 48, x);
	kit_const(&k, "s", AZ_F32, DIMS(3, 1), 3, scale);
	kit_const(&k, "z", AZ_F32, SCALAR, 1, &c->zero);
	kit_const(&k, "b", AZ_F32, SCALAR, 1, (double[]){c->bits});
	kit_node(&k, az_arena_printf(&k.ctx->arena, "%s: x s z b -> y", op), domain,
		az_arena_printf(&k.ctx->arena, "signed=%d narrow=%d rounding_mode=%s", c->is_signed,
			c->narrow, c->mode));
	kit_gives(&k, 48, wanted);
}

static void quant(void)
{
	static const char *const domains[] = {QONNX, "finn.custom_op.general", "onnx.brevitas"};
	static const double zeros[] = {0, 2, 0.5, -40};
	uint32_t turn = 0;
	for (size_t m = 0; m < AZ_COUNT(modes); m++)
		for (int bits = 2; bits <= 8; bits += 2)
			for (int form = 0; form < 4; form++) {
				quant_case c = {
					bits, form & 1, form >> 1, zeros[turn++ % 4], modes[m]};
				quant_case_run(&c, domains[turn % 3],
					turn % 2 ? "Quant" : "IntQuant", turn % 5 == 0);
			}
}

static void widths_per_channel(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(2, 3), 6, (double[]){-9, -9, -9, 100, 100, 100});
	kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){0.5});
	kit_const(&k, "z", AZ_F32, SCALAR, 1, (double[]){0});
	kit_const(&k, "b", AZ_F32, DIMS(3), 3, (double[]){2, 3, 8});
	kit_node(&k, "Quant: x s z b -> y", QONNX, "signed=1 narrow=1");
	kit_gives(&k, 6, (double[]){-0.5, -1.5, -9, 0.5, 1.5, 63.5});
}

static void scales_along_two_axes(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(2, 2), 4, (double[]){3, 3, 3, 3});
	kit_const(&k, "s", AZ_F32, DIMS(2, 2), 4, (double[]){1, 2, 4, 8});
	kit_const(&k, "z", AZ_F32, SCALAR, 1, (double[]){0});
	kit_const(&k, "b", AZ_F32, SCALAR, 1, (double[]){4});
	kit_node(&k, "Quant: x s z b -> y", QONNX, "signed=1 rounding_mode=CEIL");
	kit_gives(&k, 4, (double[]){3, 4, 4, 8});
}

static void one_bit(void)
{
	for (int signed_quant = 0; signed_quant < 2; signed_quant++) {
		kit k = kit_new();
		kit_input(&k, "x", AZ_F32, DIMS(4), 4, (double[]){-3, -0.0, 0.1, 7});
		kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){0.75});
		kit_const(&k, "z", AZ_F32, SCALAR, 1, (double[]){0});
		kit_const(&k, "b", AZ_F32, SCALAR, 1, (double[]){1});
		if (signed_quant)
			kit_node(&k, "Quant: x s z b -> y", QONNX, "signed=1 narrow=1");
		else
			kit_node(&k, "BipolarQuant: x s -> y", QONNX, "");
		kit_gives(&k, 4, (double[]){-0.75, 0.75, 0.75, 0.75});
	}
	kit k = kit_new(); /* unsigned: 0 and 1 */
	kit_input(&k, "x", AZ_F32, DIMS(4), 4, (double[]){-3, 0.2, 0.5, 7});
	kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){0.5});
	kit_const(&k, "z", AZ_F32, SCALAR, 1, (double[]){0});
	kit_const(&k, "b", AZ_F32, SCALAR, 1, (double[]){1});
	kit_node(&k, "Quant: x s z b -> y", QONNX, "signed=0");
	kit_gives(&k, 4, (double[]){0, 0, 0.5, 0.5});
}

static void drops_bits(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(5), 5, (double[]){-3.5, -0.5, 1.5, 7.5, 30});
	kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){0.5});
	kit_const(&k, "z", AZ_F32, SCALAR, 1, (double[]){0});
	kit_const(&k, "i", AZ_F32, SCALAR, 1, (double[]){8});
	kit_const(&k, "o", AZ_F32, SCALAR, 1, (double[]){6});
	kit_node(&k, "Trunc: x s z i o -> y", QONNX, "");
	kit_gives(&k, 5, (double[]){-1, -0.5, 0, 1.5, 7.5});

	k = kit_new();
	k.domain_opset = 2;
	kit_input(&k, "x", AZ_F32, DIMS(5), 5, (double[]){-3.5, -0.5, 1.5, 7.5, 30});
	kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){0.5});
	kit_const(&k, "z", AZ_F32, SCALAR, 1, (double[]){0});
	kit_const(&k, "i", AZ_F32, SCALAR, 1, (double[]){8});
	kit_const(&k, "r", AZ_F32, SCALAR, 1, (double[]){2});
	kit_const(&k, "o", AZ_F32, SCALAR, 1, (double[]){4});
	kit_node(&k, "Trunc: x s z i r o -> y", QONNX, "signed=1 narrow=0 rounding_mode=ROUND");
	kit_gives(&k, 5, (double[]){-4, 0, 2, 8, 14});
}

/* Quant of a constant and Quant of the input with one operand changed. */
static void quant_refuses(const char *node, const char *attrs, double zero, double bits,
	const char *text)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(2, 3), 1, (double[]){1});
	kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){1});
	kit_const(&k, "wide", AZ_F32, DIMS(4), 1, (double[]){1});
	kit_const(&k, "whole", AZ_I8, SCALAR, 1, (double[]){1});
	kit_const(&k, "z", AZ_F32, SCALAR, 1, &zero);
	kit_const(&k, "b", AZ_F32, SCALAR, 1, &bits);
	kit_node(&k, node, QONNX, attrs);
	kit_refuses(&k, text);
}

static void qonnx_refuses(void)
{
	quant_refuses("Quant: x s z b -> y", "rounding_mode=STOCHASTIC", 0, 4,
		"node \"Quant_0\" (Quant): error: attribute \"rounding_mode\" is \"STOCHASTIC\", "
		"supported "
		"are ROUND, HALF_EVEN, FLOOR, CEIL, ROUND_TO_ZERO, DOWN, UP, HALF_UP, HALF_DOWN");
	quant_refuses("Quant: x s z b -> y", "", 0, 4.5,
		"bit width is 4.5; it must be a whole number from 1 to 32");
	quant_refuses("Quant: x s z b -> y", "", 0, NAN, "bit width is nan");
	quant_refuses("Quant: x s z b -> y", "", 0, 33, "bit width is 33");
	quant_refuses("Quant: x s z b -> y", "signed=1", 1, 1,
		"one signed bit is -1 or 1; its zero point must be 0");
	quant_refuses("Quant: x wide z b -> y", "", 0, 4,
		"scale is f32[4], which does not broadcast to x, f32[2,3]");
	quant_refuses("Quant: x whole z b -> y", "", 0, 4,
		"operand 1 (scale) must hold floats, not i8[]");
	quant_refuses("Quant: x s z x -> y", "", 0, 4,
		"operand 3 (bit width) is computed at run time");
	quant_refuses("Quant: x s z -> y", "", 0, 4, "operand 3 (bit width) is missing");
	quant_refuses("BipolarQuant: x -> y", "", 0, 4, "operand 1 (scale) is missing");
	quant_refuses("Trunc: x s z s b -> y", "", 0, 4, "1 bits cannot be truncated to 4");
	quant_refuses("FloatQuant: x s z b -> y", "", 0, 4,
		"operator FloatQuant of domain \"" QONNX
		"\" is not supported: its grid is made of small floats, not of integers");
}

/* Brevitas writes few bits as bytes with a Clip of integers. */
static void qcdq(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(6), 6, (double[]){-9, -3.4, -0.25, 0.3, 3.1, 9});
	kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){0.5});
	kit_const(&k, "z", AZ_I8, SCALAR, 1, (double[]){0});
	kit_const(&k, "lo", AZ_I8, SCALAR, 1, (double[]){-7});
	kit_const(&k, "hi", AZ_I8, SCALAR, 1, (double[]){7});
	kit_node(&k, "QuantizeLinear: x s z -> q", "", "");
	kit_node(&k, "Clip: q lo hi -> c", "", "");
	kit_node(&k, "DequantizeLinear: c s z -> y", "", "");
	kit_gives(&k, 6, (double[]){-3.5, -3.5, 0, 0.5, 3, 3.5});
}

static void types_of_few_bits(void)
{
	static const az_elem elems[] = {
		{AZ_KIND_INT, 2}, {AZ_KIND_UINT, 2}, {AZ_KIND_INT, 4}, {AZ_KIND_UINT, 4}};
	for (size_t i = 0; i < AZ_COUNT(elems); i++) {
		kit k = kit_new();
		double lo = (double)az_elem_min(elems[i]), hi = (double)az_elem_max(elems[i]);
		k.opset = 25;
		kit_input(&k, "x", AZ_F32, DIMS(5), 5, (double[]){-100, 0.5, 1, 1.5, 100});
		kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){1});
		kit_const(&k, "z", elems[i], SCALAR, 1, (double[]){1});
		kit_node(&k, "QuantizeLinear: x s z -> q", "", "");
		kit_node(&k, "DequantizeLinear: q s z -> y", "", "");
		kit_gives(&k, 5, (double[]){lo - 1, 0, fmin(1, hi - 1), fmin(2, hi - 1), hi - 1});
	}
}

/* Three bytes times the identity: 2 * x + 1 of the middle. */
static void nbits(const char *operands, az_elem zero_elem, double zero, double wanted)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(1, 16), 1, (double[]){1});
	kit_const(&k, "w", AZ_U8, DIMS(1, 1, 8), 1, (double[]){0x99}); /* 9 */
	kit_const(&k, "s", AZ_F32, DIMS(1), 1, (double[]){0.5});
	kit_const(&k, "z", zero_elem, DIMS(1), 1, &zero);
	kit_const(&k, "g", AZ_I32, DIMS(16), 1, (double[]){0});
	kit_node(&k, az_arena_printf(&k.ctx->arena, "MatMulNBits: x w s %s -> y", operands), MS,
		"K=16 N=1 bits=4 block_size=16 accuracy_level=4");
	if (isnan(wanted))
		kit_refuses(&k, "operand 4 (g_idx) is not supported: rows must be in order");
	else
		kit_gives(&k, 1, &wanted);
}

static void matmul_nbits(void)
{
	nbits("", AZ_U8, 0, 8);     /* 16 * 0.5 * (9 - 8) */
	nbits("z", AZ_U8, 7, 16);   /* 9 - 7 */
	nbits("z", AZ_F32, 8.5, 4); /* 9 - 8.5 */
	nbits("_ g", AZ_U8, 0, NAN);
}

static void microsoft_refuses(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_U8, DIMS(1, 4), 1, (double[]){1});
	kit_const(&k, "s", AZ_F32, DIMS(2), 1, (double[]){1});
	kit_const(&k, "z", AZ_U8, SCALAR, 1, (double[]){1});
	kit_node(&k, "QLinearSigmoid: x z z s z -> y", MS, "");
	kit_refuses(&k, "node \"QLinearSigmoid_0\" (QLinearSigmoid): error: dequantize: ");
	k = kit_new();
	kit_input(&k, "x", AZ_U8, DIMS(1, 4), 1, (double[]){1});
	kit_const(&k, "one", AZ_F32, SCALAR, 1, (double[]){1});
	kit_const(&k, "s", AZ_F32, DIMS(2), 1, (double[]){1});
	kit_const(&k, "z", AZ_U8, SCALAR, 1, (double[]){1});
	kit_node(&k, "QLinearSigmoid: x one z s z -> y", MS, "");
	kit_refuses(&k, "the result must have one scale and one zero point");
	k = kit_new();
	kit_input(&k, "x", AZ_U8, DIMS(1, 4), 1, (double[]){1});
	kit_node(&k, "QLinearConcat: x x x x -> y", MS, "axis=1");
	kit_refuses(&k, "4 operands are not 2 and 3 for each input");
}

void test_onnx_quant(void)
{
	unit_suite("onnx_quant",
		AZ_CASES({"Quant, all rounding modes", quant},
			{"widths per channel", widths_per_channel},
			{"scales along two axes", scales_along_two_axes}, {"one bit", one_bit},
			{"Trunc", drops_bits}, {"QONNX refuses", qonnx_refuses}, {"QCDQ", qcdq},
			{"types of few bits", types_of_few_bits}, {"MatMulNBits", matmul_nbits},
			{"com.microsoft refuses", microsoft_refuses}));
}
