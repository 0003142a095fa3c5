/* SPDX-License-Identifier: Apache-2.0
 *
 * Gathering, scattering, the largest few, running sums, Einsum: what ONNX's own operator tests leave out, and what is
 * refused. */
#include "tests/unit/onnx_kit.h"

static kit with_index(az_elem elem, const int64_t *dims, uint32_t count, const double *v)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(2, 3), 6, (double[]){1, 2, 3, 4, 5, 6});
	kit_const(&k, "i", elem, dims, count, v);
	kit_const(&k, "u", AZ_F32, DIMS(2, 1), 2, (double[]){70, 80});
	return k;
}

static void gathers(void)
{
	kit k = with_index(AZ_I32, DIMS(2, 2), 4, (double[]){2, -1, 0, -3});
	kit_node(&k, "GatherElements: x i -> y", "", "axis=1");
	kit_gives(&k, 4, (double[]){3, 3, 4, 4});
	k = with_index(AZ_I64, DIMS(2, 1), 2, (double[]){-1, 0});
	kit_node(&k, "GatherND: x i -> y", "", "batch_dims=1");
	kit_gives(&k, 2, (double[]){3, 4});
	k = with_index(AZ_I64, DIMS(3, 2), 4, (double[]){0, 0, 0, 0});
	kit_node(&k, "GatherElements: x i -> y", "", "axis=1");
	kit_refuses(&k, "indices i64[3,2] do not fit data f32[2,3]");
	k = with_index(AZ_I64, DIMS(2, 3), 1, (double[]){0});
	kit_node(&k, "GatherND: x i -> y", "", "");
	kit_refuses(&k, "indices i64[2,3] with batch_dims = 0 do not fit data f32[2,3]");
}

static void scatters(void)
{
	kit k = with_index(AZ_I64, DIMS(2, 1), 2, (double[]){-1, 0});
	kit_node(&k, "ScatterElements: x i u -> y", "", "axis=1");
	kit_gives(&k, 6, (double[]){1, 2, 70, 80, 5, 6});
	k = with_index(AZ_I64, DIMS(2, 1), 2, (double[]){3, 0});
	kit_node(&k, "ScatterElements: x i u -> y", "", "axis=1");
	kit_refuses(&k, "index 3 is outside a dimension of 3");
	k = with_index(AZ_I64, DIMS(2, 1), 2, (double[]){0, 0});
	kit_node(&k, "ScatterElements: x i u -> y", "", "axis=1 reduction=add");
	kit_refuses(&k, "reduction = \"add\"; only none is supported");
	k = with_index(AZ_I64, DIMS(2, 1), 2, (double[]){0, 0});
	kit_node(&k, "Cast: x -> t", "", "to=7");
	kit_node(&k, "ScatterND: x t u -> y", "", "");
	kit_refuses(&k, "operand 1 (indices) is computed at run time; it must be constant");
}

static void largest(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(1, 5), 5, (double[]){-INFINITY, 2, INFINITY, 2, -INFINITY});
	kit_const(&k, "k", AZ_I64, DIMS(1), 1, (double[]){5});
	kit_node(&k, "TopK: x k -> v y", "", "");
	kit_gives(&k, 5, (double[]){2, 1, 3, 0, 4});
	k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(1, 5), 1, (double[]){1});
	kit_const(&k, "k", AZ_I64, DIMS(1), 1, (double[]){6});
	kit_node(&k, "TopK: x k -> y i", "", "");
	kit_refuses(&k, "k is 6, the axis has 5 places");
	k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(100000), 1, (double[]){1});
	kit_const(&k, "k", AZ_I64, DIMS(1), 1, (double[]){6});
	kit_node(&k, "TopK: x k -> y i", "", "");
	kit_refuses(&k, "1 rows of 100000 places are too many to be compared pair by pair");
}

static void running_sums(void)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(5), 5, (double[]){1, 2, INFINITY, 4, 5});
	kit_const(&k, "a", AZ_I64, SCALAR, 1, (double[]){-1});
	kit_node(&k, "CumSum: x a -> y", "", "");
	kit_gives(&k, 5, (double[]){1, 3, INFINITY, INFINITY, INFINITY});
	k = kit_new();
	kit_input(&k, "x", AZ_I32, DIMS(5), 5, (double[]){1, 2, 3, 4, 5});
	kit_const(&k, "a", AZ_I64, SCALAR, 1, (double[]){0});
	kit_node(&k, "CumSum: x a -> y", "", "exclusive=1 reverse=1");
	kit_gives(&k, 5, (double[]){14, 12, 9, 5, 0});
}

static void einsum(const char *equation, const char *refusal, uint32_t count, const double *wanted)
{
	kit k = kit_new();
	kit_input(&k, "x", AZ_F32, DIMS(2, 3), 6, (double[]){1, 2, 3, 4, 5, 6});
	kit_const(&k, "w", AZ_F32, DIMS(3, 2), 6, (double[]){1, 0, 0, 1, 1, 1});
	kit_node(&k, "Einsum: x w -> y", "",
		az_arena_printf(&k.ctx->arena, "equation=%s", equation));
	if (refusal)
		kit_refuses(&k, refusal);
	else
		kit_gives(&k, count, wanted);
}

static void einsums(void)
{
	einsum("ij,jk->ki", NULL, 4, (double[]){4, 10, 5, 11});
	einsum("ij,kl->", NULL, 1, (double[]){21 * 4});
	einsum("ij,jk", NULL, 4, (double[]){4, 5, 10, 11});
	einsum("ij,ji->j", NULL, 3, (double[]){1, 5, 9});
	einsum("ij,ij->i", "a letter has length 2 in operand 0 and 3 in operand 1", 0, NULL);
	einsum("ij,jk->iz", "the result has a letter that no operand has", 0, NULL);
	einsum("ij", "the equation has not one term for each operand", 0, NULL);
	einsum("ijk,jk->i", "operand 0 is f32[2,3], the equation gives it 3 letters", 0, NULL);
	einsum("ii,jk->i", "letter i twice in one operand is not supported", 0, NULL);
	einsum("i1,jk->i", "the equation cannot be read at \"1,jk->i\"", 0, NULL);
}

void test_onnx_index(void)
{
	unit_suite("onnx_index",
		AZ_CASES({"gathers", gathers}, {"scatters", scatters}, {"TopK", largest},
			{"CumSum", running_sums}, {"Einsum", einsums}));
}
