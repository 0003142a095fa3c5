/* SPDX-License-Identifier: Apache-2.0
 *
 * Averages and sums of quantized values: sum (x - zero) exactly, then requantize by
 * f32(f32(sx / sy) / n), n being how many places each result averages (numerics.md 7). */
#include <float.h>
#include <math.h>

#include "passes/fold_quantizers.h"

/* How many places each window of an avg_pool counts, for every spatial position in order. */
static float *pool_counts(const az_op *op, az_arena *arena, int64_t *positions)
{
	const az_attrs_avg_pool *a = &op->attr.avg_pool;
	const az_type *x = op->args[0].value->type, *y = op->results[0]->type;
	uint32_t spatial = x->rank - 2u;
	int64_t at[AZ_RANK_MAX] = {0}, total = 1;
	for (uint32_t d = 0; d < spatial; d++)
		total *= y->dim[1 + d];
	float *n = az_new_array(arena, float, (size_t)total);
	for (int64_t p = 0; p < total; p++) {
		int64_t count = 1;
		for (uint32_t d = 0; d < spatial; d++) {
			int64_t begin = az_ints_at(a->pad, 2 * d, 0);
			int64_t end = az_ints_at(a->pad, 2 * d + 1, 0);
			int64_t low = a->include_pad ? -begin : 0;
			int64_t high = x->dim[1 + d] + (a->include_pad ? end : 0);
			int64_t inside = 0;
			for (int64_t k = 0; k < a->window.v[d]; k++) {
				int64_t i = at[d] * az_ints_at(a->stride, d, 1) - begin +
					    k * az_ints_at(a->dilation, d, 1);
				inside += i >= low && i < high;
			}
			count *= inside;
		}
		n[p] = (float)count;
		for (uint32_t d = spatial; d-- > 0;) {
			if (++at[d] < y->dim[1 + d])
				break;
			at[d] = 0;
		}
	}
	*positions = total;
	return n;
}

static float *reduce_counts(const az_op *op, az_arena *arena, int64_t *positions)
{
	const az_type *x = op->args[0].value->type;
	float *n = az_new_array(arena, float, 1);
	n[0] = 1;
	*positions = 1;
	if (op->attr.reduce.kind != AZ_reduction_mean)
		return n;
	for (uint32_t i = 0; i < op->attr.reduce.axes.count; i++)
		n[0] *= (float)x->dim[az_axis_normalize(op->attr.reduce.axes.v[i], x->rank)];
	return n;
}

/* The largest number of elements that one sum takes. */
static double most_terms(const az_op *op)
{
	const az_type *x = op->args[0].value->type;
	double n = 1;
	if (op->code == AZ_OP_reduce) {
		for (uint32_t i = 0; i < op->attr.reduce.axes.count; i++)
			n *= (double)x->dim[az_axis_normalize(op->attr.reduce.axes.v[i], x->rank)];
		return n;
	}
	for (uint32_t i = 0; i < op->attr.avg_pool.window.count; i++)
		n *= (double)op->attr.avg_pool.window.v[i];
	return n;
}

static az_value *build_sum(az_op *op, az_value *q, int64_t zero)
{
	az_elem elem = q->type->elem;
	double largest =
		fmax((double)(az_elem_max(elem) - zero), (double)(zero - az_elem_min(elem)));
	bool narrow = most_terms(op) * largest < 0x1p31 - 2; /* as contractions */
	az_attrs attrs;
	az_opcode code = op->code == AZ_OP_reduce ? AZ_OP_reduce : AZ_OP_sum_pool;
	az_attrs_init(code, &attrs);
	if (code == AZ_OP_reduce) {
		attrs.reduce.kind = AZ_reduction_sum;
		attrs.reduce.axes = op->attr.reduce.axes;
		attrs.reduce.drop = op->attr.reduce.drop;
		attrs.reduce.zero = zero;
	} else {
		attrs.sum_pool.window = op->attr.avg_pool.window;
		attrs.sum_pool.stride = op->attr.avg_pool.stride;
		attrs.sum_pool.pad = op->attr.avg_pool.pad;
		attrs.sum_pool.dilation = op->attr.avg_pool.dilation;
		attrs.sum_pool.ceil = op->attr.avg_pool.ceil;
		attrs.sum_pool.zero = zero;
	}
	az_builder at = az_before(op);
	return az_build(&at, code, 1, &q, &attrs, narrow ? AZ_I32 : AZ_I64);
}

/* f32(f32(sx / sy) / n): one number, or one per position when borders average fewer places. */
static az_value *average_scale(az_op *op, float ratio, const float *n, int64_t positions)
{
	az_module *module = op->func->module;
	const az_type *y = op->results[0]->type;
	bool same = true;
	for (int64_t p = 1; p < positions; p++)
		same &= n[p] == n[0];
	if (same)
		return &az_const_f32_scalar(module, NULL, ratio / n[0])->value;
	float *v = az_new_array(&module->arena, float, (size_t)positions);
	for (int64_t p = 0; p < positions; p++)
		v[p] = ratio / n[p];
	int64_t dim[AZ_RANK_MAX];
	for (uint32_t d = 1; d + 1 < y->rank; d++)
		dim[d - 1] = y->dim[d];
	dim[y->rank - 2] = 1;
	const az_type *type = az_type_get(module->ctx, AZ_F32, y->rank - 1u, dim);
	return &az_const_new(module, NULL, type, v, true)->value;
}

bool az_fold_average(az_op *op, az_arena *scratch)
{
	az_params x, y;
	bool reduces = op->code == AZ_OP_reduce;
	if (reduces && op->attr.reduce.kind != AZ_reduction_mean &&
		op->attr.reduce.kind != AZ_reduction_sum)
		return false;
	const az_op *dq = az_plain_dequantized(op->args[0].value, &x);
	az_value *layer = op->results[0];
	if (!dq || !layer->uses || dq->args[0].value->type->elem.kind == AZ_KIND_BIPOLAR)
		return false;
	for (const az_use *use = layer->uses; use; use = use->next) {
		if (!az_tensor_quantize(use->user, &y))
			return false;
	}
	int64_t positions;
	const float *n = reduces ? reduce_counts(op, scratch, &positions)
				 : pool_counts(op, scratch, &positions);
	for (int64_t p = 0; p < positions; p++) {
		if (n[p] < 1)
			return false; /* a window that lies in the padding alone has no mean */
	}
	az_value *acc = build_sum(op, dq->args[0].value, az_params_zero(&x, 0));
	if (!acc)
		return false;
	while (layer->uses) {
		az_op *quantize = layer->uses->user;
		az_tensor_quantize(quantize, &y);
		float ratio = az_params_scale(&x, 0) / az_params_scale(&y, 0);
		ratio = isinf(ratio) ? FLT_MAX : ratio; /* saturates as well, and 0 stays 0 */
		az_value *scale = average_scale(op, ratio, n, positions);
		if (!az_fold_requantize(quantize, acc, scale, -INFINITY, INFINITY, layer))
			return false;
	}
	az_op_erase(op);
	return true;
}
