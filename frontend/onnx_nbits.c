/* SPDX-License-Identifier: Apache-2.0
 *
 * com.microsoft.MatMulNBits: float activations times weights of 2, 4 or 8 bits in blocks along K. The
 * weights stay packed: a constant [K, N] of their own width under a dequantize with groups. */
#include <math.h>

#include "base/bits.h"
#include "frontend/onnx_ops.h"

typedef struct nbits {
	int64_t k, n, bits, block, blocks; /* blocks along K */
} nbits;

static bool read_shape(az_node *node, nbits *s)
{
	s->k = az_node_int(node, "K", 0);
	s->n = az_node_int(node, "N", 0);
	s->bits = az_node_int(node, "bits", 4);
	s->block = az_node_int(node, "block_size", 0);
	if (node->bad)
		return false;
	if (s->k < 1 || s->n < 1 || s->k > AZ_DIM_MAX || s->n > AZ_DIM_MAX)
		return az_node_error(node, "K = %lld and N = %lld must be positive",
			(long long)s->k, (long long)s->n);
	if (s->bits != 2 && s->bits != 4 && s->bits != 8)
		return az_node_error(node, "bits = %lld; 2, 4 and 8 are supported",
			(long long)s->bits);
	if (s->block < 8 || s->block % 8 || s->block > AZ_DIM_MAX)
		return az_node_error(node, "block_size = %lld is no positive multiple of 8",
			(long long)s->block);
	s->blocks = (s->k + s->block - 1) / s->block;
	if (az_node_int(node, "weight_prepacked", 0))
		return az_node_error(node,
			"weight_prepacked: weights in the order of one machine are "
			"not supported");
	if (az_node_in(node, 4))
		return az_node_error(node,
			"operand 4 (g_idx) is not supported: rows must be in order");
	return true;
}

static const az_const *constant(az_node *node, uint32_t i, const char *what, uint64_t bytes)
{
	az_value *v = az_node_need(node, i, what);
	const az_const *c = v ? az_value_const(v) : NULL;
	if (v && (!c || az_type_size(v->type) < bytes)) {
		az_node_error(node, "operand %u (%s) must be a constant of %llu bytes at least", i,
			what, (unsigned long long)bytes);
		return NULL;
	}
	return c;
}

/* B is [N][blocks][block * bits / 8]: turned into a packed [K, N]. */
static az_value *weights(az_node *node, const nbits *s)
{
	uint64_t row = (uint64_t)(s->blocks * s->block);
	const az_const *b = constant(node, 1, "B", (uint64_t)s->n * row * (uint64_t)s->bits / 8);
	if (!b)
		return NULL;
	int64_t dim[] = {s->k, s->n};
	az_elem elem = AZ_ELEM(UINT, (uint8_t)s->bits);
	if (!az_shape_valid(2, dim)) {
		az_node_error(node, "K x N is too large");
		return NULL;
	}
	const az_type *type = az_type_get(node->im->ctx, elem, 2, dim);
	const void *from = az_const_data((az_const *)(uintptr_t)b);
	void *to = az_arena_alloc(&node->im->scratch, az_type_size(type), 8);
	for (int64_t k = 0; k < s->k; k++)
		for (int64_t n = 0; n < s->n; n++)
			az_bits_set(to, (uint64_t)(k * s->n + n), (unsigned)s->bits,
				az_bits_get(from, (uint64_t)n * row + (uint64_t)k,
					(unsigned)s->bits));
	return az_emit_const(node, type, to);
}

/* [N * blocks] to [blocks, N]. */
static az_value *scales(az_node *node, const nbits *s)
{
	az_value *scale = az_node_need(node, 2, "scales");
	int64_t dim[] = {s->n, s->blocks}, perm[] = {1, 0};
	if (scale && az_type_numel(scale->type) != s->n * s->blocks) {
		az_node_error(node, "scales are %s, %lld numbers are needed",
			az_type_print(&node->im->scratch, scale->type),
			(long long)(s->n * s->blocks));
		return NULL;
	}
	return az_emit_transpose(node, az_emit_reshape(node, scale, 2, dim), perm);
}

/* Packed rows of blocks numbers each, every row beginning on a byte; the middle of the range without, and
 * where they are floats: what these differ from the middle is added apart. */
static az_value *zeros(az_node *node, const nbits *s, bool real)
{
	int64_t dim[] = {s->blocks, s->n};
	const az_type *type = az_type_get(node->im->ctx, AZ_ELEM(UINT, (uint8_t)s->bits), 2, dim);
	uint64_t row = az_bits_size((uint64_t)s->blocks, (unsigned)s->bits) * 8 / (uint64_t)s->bits;
	const az_const *given = NULL;
	if (az_node_in(node, 3) && !real) {
		given = constant(node, 3, "zero points",
			(uint64_t)s->n * row * (uint64_t)s->bits / 8);
		if (!given)
			return NULL;
		if (!az_elem_equal(given->value.type->elem, AZ_U8)) {
			az_node_error(node,
				"zero points are %s; they must be packed in u8 or floats",
				az_type_print(&node->im->scratch, given->value.type));
			return NULL;
		}
	}
	const void *from = given ? az_const_data((az_const *)(uintptr_t)given) : NULL;
	void *to = az_arena_alloc(&node->im->scratch, az_type_size(type), 8);
	for (int64_t b = 0; b < s->blocks; b++)
		for (int64_t n = 0; n < s->n; n++) {
			uint64_t v = UINT64_C(1) << (s->bits - 1);
			if (from)
				v = az_bits_get(from, (uint64_t)n * row + (uint64_t)b,
					(unsigned)s->bits);
			az_bits_set(to, (uint64_t)(b * s->n + n), (unsigned)s->bits, v);
		}
	return az_emit_const(node, type, to);
}

/* What float zero points change: every block of a row of A is summed, and the sums are multiplied by
 * (middle - zero) * scale of that block. The weights stay packed. */
static az_value *shift(az_node *node, const nbits *s, az_value *a, az_value *scale)
{
	az_value *zero = az_node_need(node, 3, "zero points");
	int64_t dim[AZ_RANK_MAX + 1], pad[2 * AZ_RANK_MAX] = {0}, flat[] = {s->n, s->blocks};
	uint32_t rank = a->type->rank;
	if (az_type_numel(zero->type) != s->n * s->blocks) {
		az_node_error(node, "zero points are %s, %lld numbers are needed",
			az_type_print(&node->im->scratch, zero->type),
			(long long)(s->n * s->blocks));
		return NULL;
	}
	if (rank < 1 || rank + 1 > AZ_RANK_MAX) {
		az_node_error(node, "A has %u dimensions", rank);
		return NULL;
	}
	zero = az_emit_transpose(node, az_emit_reshape(node, zero, 2, flat), (int64_t[]){1, 0});
	az_value *middle = az_emit_scalar(node, a->type->elem, ldexp(1, (int)s->bits - 1));
	az_value *by = az_emit2(node, AZ_OP_mul, az_emit2(node, AZ_OP_sub, middle, zero), scale);
	az_attrs attrs;
	az_attrs_init(AZ_OP_pad, &attrs);
	pad[2 * rank - 1] = s->blocks * s->block - s->k;
	attrs.pad.pad = (az_ints){2 * rank, pad};
	if (pad[2 * rank - 1])
		a = az_emit_attr(node, AZ_OP_pad, a, &attrs);
	if (!a)
		return NULL;
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = a->type->dim[i];
	dim[rank - 1] = s->blocks;
	dim[rank] = s->block;
	a = az_emit_reshape(node, a, rank + 1, dim);
	a = az_emit_reduce(node, AZ_reduction_sum, a, 1, (int64_t[]){rank}, true);
	return az_emit_matmul(node, a, by);
}

bool az_onnx_matmul_nbits(az_node *node)
{
	az_value *a = az_node_need(node, 0, "A"), *bias = az_node_in(node, 5);
	nbits s = {0};
	if (!a || !read_shape(node, &s))
		return false;
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	attrs.dequantize.axis = 0;
	attrs.dequantize.group = s.block;
	bool real = az_node_in(node, 3) && az_elem_is_float(node->in[3]->type->elem);
	az_value *args[] = {weights(node, &s), scales(node, &s), zeros(node, &s, real)};
	if (!args[0] || !args[1] || !args[2])
		return false;
	az_value *b = az_emit(node, AZ_OP_dequantize, 3, args, &attrs, a->type->elem);
	az_value *y = az_emit_matmul(node, a, b);
	if (real)
		y = az_emit2(node, AZ_OP_add, y, shift(node, &s, a, args[1]));
	return az_node_set(node, 0, bias ? az_emit2(node, AZ_OP_add, y, bias) : y);
}
