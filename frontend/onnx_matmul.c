/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products: MatMul and Gemm. */
#include "frontend/onnx_ops.h"

/* The product; integers accumulate in 32 or 64 bits and come back in the operands' type. */
static az_value *product(az_node *n, az_value *a, az_value *b, az_value *bias)
{
	az_value *args[] = {a, b, bias};
	if (!a || !b)
		return NULL;
	az_elem elem = a->type->elem, want = AZ_ELEM_NONE;
	if (!az_elem_is_float(elem))
		want = elem.bits > 32 ? AZ_I64 : AZ_I32;
	return az_emit_cast(n, az_emit(n, AZ_OP_matmul, bias ? 3 : 2, args, NULL, want), elem);
}

az_value *az_emit_matmul(az_node *n, az_value *a, az_value *b)
{
	if (!a || !b)
		return NULL;
	const az_type *at = a->type, *bt = b->type;
	if (at->rank == 0 || bt->rank == 0) {
		az_node_error(n, "operands must have a dimension");
		return NULL;
	}
	if (at->rank == 1)
		a = az_emit_reshape(n, a, 2, (int64_t[]){1, at->dim[0]});
	if (bt->rank == 1)
		b = az_emit_reshape(n, b, 2, (int64_t[]){bt->dim[0], 1});
	az_value *y = product(n, a, b, NULL);
	if (!y || (at->rank > 1 && bt->rank > 1))
		return y;
	/* The dimension that was put in goes again. */
	int64_t dim[AZ_RANK_MAX];
	uint32_t rank = 0;
	for (uint32_t i = 0; i < y->type->rank; i++) {
		bool row = i + 2 == y->type->rank && at->rank == 1;
		bool column = i + 1 == y->type->rank && bt->rank == 1;
		if (!row && !column)
			dim[rank++] = y->type->dim[i];
	}
	return az_emit_reshape(n, y, rank, dim);
}

bool az_onnx_matmul(az_node *n)
{
	az_value *a = az_node_need(n, 0, "a"), *b = az_node_need(n, 1, "b");
	return az_node_set(n, 0, az_emit_matmul(n, a, b));
}

static az_value *flip(az_node *n, az_value *x)
{
	return az_emit_transpose(n, x, (int64_t[]){1, 0});
}

static az_value *scale_by(az_node *n, az_value *x, float factor)
{
	if (!x || factor == 1.0f)
		return x;
	return az_emit2(n, AZ_OP_mul, x, az_emit_scalar(n, x->type->elem, (double)factor));
}

/* C as the bias of a product with `columns` columns, or NULL: it does not have that form. */
static az_value *as_bias(az_node *n, az_value *c, int64_t columns)
{
	const az_type *type = c->type;
	if (!az_elem_is_float(type->elem) || type->rank == 0 || az_type_numel(type) != columns ||
		type->dim[type->rank - 1] != columns)
		return NULL;
	return az_emit_reshape(n, c, 1, &columns);
}

bool az_onnx_gemm(az_node *n)
{
	az_value *a = az_node_need(n, 0, "a"), *b = az_node_need(n, 1, "b"), *c = az_node_in(n, 2);
	float alpha = az_node_real(n, "alpha", 1), beta = az_node_real(n, "beta", 1);
	if (!a || !b)
		return false;
	if (a->type->rank != 2 || b->type->rank != 2)
		return az_node_error(n, "operands must be matrices, not %s and %s",
			az_type_print(&n->im->scratch, a->type),
			az_type_print(&n->im->scratch, b->type));
	if (az_node_int(n, "transA", 0))
		a = flip(n, a);
	if (az_node_int(n, "transB", 0))
		b = flip(n, b);
	if (!a || !b)
		return false;
	if (beta == 0)
		c = NULL;
	c = scale_by(n, c, beta);
	az_value *bias = c && alpha == 1.0f ? as_bias(n, c, b->type->dim[1]) : NULL;
	az_value *y = scale_by(n, product(n, a, b, bias), alpha);
	if (c && !bias)
		y = az_emit2(n, AZ_OP_add, y, c);
	return az_node_set(n, 0, y);
}
