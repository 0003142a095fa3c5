/* SPDX-License-Identifier: Apache-2.0
 *
 * Random operands and attributes for every operation: inference refuses with a message or gives types that
 * the interpreter can fill (or refuse, where the data decides). Run under sanitizers it shows that no attribute
 * gets past inference that evaluation cannot bear. Operands often fit each other and attributes are often
 * tame, so that enough gets through. */
#include "tests/unit/eval_kit.h"

#include <math.h>

#include "ir/cost.h"

typedef struct dice {
	uint64_t state;
} dice;

static uint32_t roll(dice *d, uint32_t sides)
{
	d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(d->state >> 33) % sides;
}

static az_elem random_elem(dice *d)
{
	static const az_elem elems[] = {AZ_ELEM(FLOAT, 32), AZ_ELEM(FLOAT, 32), AZ_ELEM(FLOAT, 16),
		AZ_ELEM(FLOAT, 64), AZ_ELEM(BFLOAT, 16), AZ_ELEM(INT, 8), AZ_ELEM(UINT, 8),
		AZ_ELEM(INT, 4), AZ_ELEM(UINT, 3), AZ_ELEM(INT, 32), AZ_ELEM(INT, 64),
		AZ_ELEM(UINT, 64), AZ_ELEM(BOOL, 8), AZ_ELEM(BIPOLAR, 1), AZ_ELEM(INT, 16)};
	return elems[roll(d, AZ_COUNT(elems))];
}

static int64_t random_int(dice *d)
{
	static const int64_t far[] = {-1, -2, -5, 7, 100, INT64_MAX, INT64_MIN, INT64_C(1) << 31,
		-(INT64_C(1) << 31), INT64_C(1) << 40};
	return roll(d, 5) ? (int64_t)roll(d, 4) : far[roll(d, AZ_COUNT(far))];
}

static float random_real(dice *d)
{
	static const float reals[] = {
		0.0f, 1.0f, -1.0f, 0.5f, 3.7f, -2.25f, 1e30f, 1e-42f, INFINITY, NAN};
	return reals[roll(d, roll(d, 4) ? 6 : AZ_COUNT(reals))];
}

/* Lists of the length that fits x, mostly: two entries less than dimensions for windows. */
static uint32_t random_count(dice *d, const char *name, az_opcode code, uint32_t rank)
{
	uint32_t spatial = rank > 2 ? rank - 2 : 0;
	if (roll(d, 8) == 0)
		return roll(d, 5);
	if (strcmp(name, "pad") == 0)
		return code == AZ_OP_pad ? 2 * rank : 2 * spatial;
	if (strcmp(name, "window") == 0 || strcmp(name, "stride") == 0)
		return code == AZ_OP_slice ? rank : spatial;
	if (strcmp(name, "dilation") == 0 || strcmp(name, "output_pad") == 0)
		return spatial;
	return strcmp(name, "zero") == 0 || strcmp(name, "clamp") == 0 ? 2 : rank;
}

/* `wild` in 8: how likely the attribute is to be anything; otherwise it stays at its default, or is a
 * list of small positive numbers where the default list is of no use. */
static void random_attr(dice *d, az_arena *arena, az_opcode code, const az_attr_desc *desc,
	uint32_t rank, uint32_t wild, void *field)
{
	uint32_t words, count = random_count(d, desc->name, code, rank);
	bool tame = roll(d, 8) >= wild;
	if (desc->kind == AZ_ATTR_ints) {
		int64_t *v = az_new_array(arena, int64_t, count + 1u);
		for (uint32_t i = 0; i < count; i++)
			v[i] = tame ? 1 + (int64_t)roll(d, 2) : random_int(d);
		if (!tame || !desc->init.fill)
			*(az_ints *)field = (az_ints){count, v};
	}
	if (tame)
		return;
	if (az_enum_words(desc->kind, &words)) {
		*(int *)field = (int)roll(d, words); /* enumerations are ints */
	} else if (desc->kind == AZ_ATTR_int) {
		*(int64_t *)field = random_int(d);
	} else if (desc->kind == AZ_ATTR_real) {
		*(float *)field = random_real(d);
	} else if (desc->kind == AZ_ATTR_flag) {
		*(bool *)field = roll(d, 2);
	} else if (desc->kind == AZ_ATTR_reals) {
		float *v = az_new_array(arena, float, count + 1u);
		for (uint32_t i = 0; i < count; i++)
			v[i] = random_real(d);
		*(az_reals *)field = (az_reals){count, v};
	}
}

/* Like the first operand; a list as long as its last dimension; weights for it; or anything. */
static const az_type *random_type(dice *d, az_ctx *ctx, az_elem elem, const az_type *like)
{
	uint32_t rank = roll(d, 2) ? 3 + roll(d, 2) : roll(d, 6), way = like ? roll(d, 8) : 7;
	int64_t dim[AZ_RANK_MAX] = {0};
	if (way < 6 && like->rank > 0) {
		int64_t last = like->dim[like->rank - 1];
		if (way < 2)
			return az_type_get(ctx, elem, like->rank, like->dim);
		rank = way < 5 ? 1 : like->rank;
		for (uint32_t i = 0; i < rank; i++)
			dim[i] = i + 1 == rank ? last : 1 + roll(d, 2);
		return az_type_get(ctx, elem, rank, dim);
	}
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = roll(d, 12) ? 1 + roll(d, 4) : 0;
	return az_type_get(ctx, elem, way == 6 ? 0 : rank, dim);
}

static az_tensor random_tensor(dice *d, az_ctx *ctx, az_arena *arena, az_elem elem,
	const az_type *like)
{
	const az_type *type = random_type(d, ctx, elem, like);
	az_tensor tensor = az_tensor_new(arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++)
		az_tensor_set(&tensor, (uint64_t)i,
			roll(d, 3) ? (double)roll(d, 5) - 1 : (double)random_real(d));
	return tensor;
}

/* One operation; 1 when it was evaluated. */
static int one(az_opcode code, uint64_t seed)
{
	dice d = {seed};
	az_ctx *ctx = az_ctx_new();
	az_module *module = az_module_new(ctx, "random");
	az_arena *arena = &module->arena;
	az_builder at = {.func = az_func_new(module, "f")};
	const az_op_desc *desc = &az_op_table[code];
	az_value *values[8] = {0};
	az_tensor tensors[8], *results = az_new_array(arena, az_tensor, AZ_ARGS_MAX);
	const az_tensor *args[8] = {0};
	uint32_t span = AZ_MIN(desc->args_max, 5) - AZ_MIN(desc->args_min, 5);
	uint32_t count = desc->args_min + (span ? roll(&d, span + 1) : 0);
	az_elem elem = random_elem(&d);
	for (uint32_t i = 0; i < count; i++) {
		az_elem own = roll(&d, 4) ? elem : roll(&d, 2) ? AZ_F32 : random_elem(&d);
		tensors[i] = random_tensor(&d, ctx, arena, own, i ? tensors[0].type : NULL);
		args[i] = &tensors[i];
		values[i] = az_func_add_param(at.func, "p", tensors[i].type);
	}
	az_attrs attrs;
	az_attrs_init(code, &attrs);
	uint32_t wild = roll(&d, 5);
	for (uint32_t i = 0; i < desc->attr_count; i++)
		random_attr(&d, arena, code, &desc->attrs[i], count ? tensors[0].type->rank : 0,
			wild, (char *)&attrs + desc->attrs[i].offset);
	az_op *op = az_op_new(&at, code, count, values, &attrs,
		roll(&d, 2) ? random_elem(&d) : AZ_ELEM_NONE);
	int evaluated = 0;
	bool small = op != NULL;
	for (uint32_t i = 0; op && i < op->result_count; i++)
		small = small && az_type_numel(op->results[i]->type) < 100000;
	if (op && small)
		evaluated = az_eval_op(op, arena, args, results);
	if (!op || (small && !evaluated))
		CU_ASSERT_TRUE(ctx->diag.error_count > 0);
	if (op)
		(void)az_op_macs(op);
	az_module_free(module);
	az_ctx_free(ctx);
	return evaluated;
}

static void every_operation(void)
{
	enum { ROUNDS = 600 };
	for (int code = 0; code < AZ_OP_COUNT_; code++) {
		if (code == AZ_OP_call)
			continue;
		int evaluated = 0;
		for (uint64_t seed = 0; seed < ROUNDS; seed++)
			evaluated += one((az_opcode)code, seed * 1000003u + (uint64_t)code);
		if (evaluated == 0)
			printf("\n%s: nothing got through\n", az_op_table[code].name);
		CU_ASSERT_TRUE(evaluated > 0);
	}
}

void test_eval_random(void)
{
	unit_suite("eval_random", AZ_CASES({"every operation", every_operation}));
}
