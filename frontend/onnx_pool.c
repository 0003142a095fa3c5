/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling. Global pools are reductions over the spatial dimensions. */
#include "frontend/onnx_ops.h"
#include "frontend/spatial.h"

/* The attributes of the three pools have the same names; ceil and include_pad are set apart. */
#define FILL(attrs, s)                                                                             \
	do {                                                                                       \
		(attrs)->window = (az_ints){(s)->count, (s)->window};                              \
		(attrs)->stride = (az_ints){(s)->count, (s)->stride};                              \
		(attrs)->pad = (az_ints){2 * (s)->count, (s)->pad};                                \
		(attrs)->dilation = (az_ints){(s)->count, (s)->dilation};                          \
	} while (0)

bool az_onnx_max_pool(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	az_spatial s;
	if (!x || !az_node_refuse_output(n, 1, "indices") || !az_spatial_read(n, x, NULL, &s))
		return false;
	az_spatial_same(&s);
	az_attrs attrs;
	az_attrs_init(AZ_OP_max_pool, &attrs);
	FILL(&attrs.max_pool, &s);
	attrs.max_pool.ceil = az_node_int(n, "ceil_mode", 0) != 0;
	az_value *y = az_emit_attr(n, AZ_OP_max_pool, az_emit_channels_last(n, x), &attrs);
	return az_node_set(n, 0, az_emit_channels_first(n, y));
}

az_value *az_emit_average_pool(az_node *n, az_value *x)
{
	az_spatial s;
	if (!az_spatial_read(n, x, NULL, &s))
		return NULL;
	az_spatial_same(&s);
	az_attrs attrs;
	az_attrs_init(AZ_OP_avg_pool, &attrs);
	FILL(&attrs.avg_pool, &s);
	attrs.avg_pool.ceil = az_node_int(n, "ceil_mode", 0) != 0;
	attrs.avg_pool.include_pad = az_node_int(n, "count_include_pad", 0) != 0;
	az_value *y = az_emit_attr(n, AZ_OP_avg_pool, az_emit_channels_last(n, x), &attrs);
	return az_emit_channels_first(n, y);
}

bool az_onnx_average_pool(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	return x && az_node_set(n, 0, az_emit_average_pool(n, x));
}

static az_value *power_of_absolute(az_node *n, az_value *x, int64_t p)
{
	if (p == 2)
		return az_emit2(n, AZ_OP_mul, x, x);
	x = az_emit1(n, AZ_OP_abs, x);
	if (p == 1 || !x)
		return x;
	return az_emit2(n, AZ_OP_pow, x, az_emit_scalar(n, x->type->elem, (double)p));
}

static az_value *root(az_node *n, az_value *x, int64_t p)
{
	if (p == 1 || !x)
		return x;
	if (p == 2)
		return az_emit1(n, AZ_OP_sqrt, x);
	return az_emit2(n, AZ_OP_pow, x, az_emit_scalar(n, x->type->elem, 1.0 / (double)p));
}

bool az_onnx_lp_pool(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	int64_t p = az_node_int(n, "p", 2);
	az_spatial s;
	if (p < 1)
		return az_node_error(n, "p is %lld, wanted at least 1", (long long)p);
	if (!x || !az_spatial_read(n, x, NULL, &s))
		return false;
	az_spatial_same(&s);
	az_attrs attrs;
	az_attrs_init(AZ_OP_sum_pool, &attrs);
	FILL(&attrs.sum_pool, &s);
	attrs.sum_pool.ceil = az_node_int(n, "ceil_mode", 0) != 0;
	x = power_of_absolute(n, az_emit_channels_last(n, x), p);
	az_value *y = root(n, az_emit_attr(n, AZ_OP_sum_pool, x, &attrs), p);
	return az_node_set(n, 0, az_emit_channels_first(n, y));
}

static az_value *reduce_spatial(az_node *n, az_reduction kind, az_value *x)
{
	int64_t axes[AZ_RANK_MAX];
	if (!x)
		return NULL;
	if (x->type->rank < 2) {
		az_node_error(n, "x is %s, wanted [N, C, ...]",
			az_type_print(&n->im->scratch, x->type));
		return NULL;
	}
	for (uint32_t i = 2; i < x->type->rank; i++)
		axes[i - 2] = i;
	return az_emit_reduce(n, kind, x, x->type->rank - 2u, axes, false);
}

/* n->code is the reduction. */
bool az_onnx_global_pool(az_node *n)
{
	az_value *x = az_node_need(n, 0, "x");
	return az_node_set(n, 0, reduce_spatial(n, (az_reduction)n->code, x));
}

bool az_onnx_global_lp_pool(az_node *n)
{
	int64_t p = az_node_int(n, "p", 2);
	az_value *x = az_node_need(n, 0, "x");
	if (p < 1)
		return az_node_error(n, "p is %lld, wanted at least 1", (long long)p);
	if (!x)
		return false;
	az_value *y = reduce_spatial(n, AZ_reduction_sum, power_of_absolute(n, x, p));
	return az_node_set(n, 0, root(n, y, p));
}
