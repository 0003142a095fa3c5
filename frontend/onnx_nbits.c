/* SPDX-License-Identifier: Apache-2.0
 *
 * com.microsoft.MatMulNBits: float activations times weights of 2, 4 or 8 bits in blocks along K. The
 * weights stay packed: a constant [K, N] of their own width under a dequantize with groups. */
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

/* Packed rows of blocks numbers each, every row beginning on a byte; the middle of the range without. */
static az_value *zeros(az_node *node, const nbits *s)
{
	int64_t dim[] = {s->blocks, s->n};
	const az_type *type = az_type_get(node->im->ctx, AZ_ELEM(UINT, (uint8_t)s->bits), 2, dim);
	uint64_t row = az_bits_size((uint64_t)s->blocks, (unsigned)s->bits) * 8 / (uint64_t)s->bits;
	const az_const *given = NULL;
	if (az_node_in(node, 3)) {
		given = constant(node, 3, "zero points",
			(uint64_t)s->n * row * (uint64_t)s->bits / 8);
		if (!given || !az_elem_equal(given->value.type->elem, AZ_U8)) {
			az_node_error(node, "zero points must be packed in u8");
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
	az_value *args[] = {weights(node, &s), scales(node, &s), zeros(node, &s)};
	if (!args[0] || !args[1] || !args[2])
		return false;
	az_value *b = az_emit(node, AZ_OP_dequantize, 3, args, &attrs, a->type->elem);
	az_value *y = az_emit_matmul(node, a, b);
	return az_node_set(node, 0, bias ? az_emit2(node, AZ_OP_add, y, bias) : y);
}
