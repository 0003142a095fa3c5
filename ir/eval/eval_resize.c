/* SPDX-License-Identifier: Apache-2.0
 *
 * resize: ONNX Resize. Coordinates and weights are f32; nearest picks elements, linear and cubic run
 * one dimension after the other, first to last, through those that change. */
#include "ir/eval/part.h"
#include "ir/resize.h"

static bool resize_nearest(az_eval *e)
{
	const az_attrs_resize *attr = &e->op->attr.resize;
	const az_type *x = e->args[0]->type, *y = e->results[0].type;
	int64_t stride[AZ_RANK_MAX], *source[AZ_RANK_MAX], index[AZ_RANK_MAX] = {0};
	az_row_major(x->rank, x->dim, stride);
	for (uint32_t i = 0; i < x->rank; i++) {
		az_resize_axis m = az_resize_axis_of(e->op, i);
		source[i] = az_new_array(e->scratch, int64_t, (size_t)m.out + 1);
		for (int64_t k = 0; k < m.out; k++) {
			source[i][k] = az_resize_nearest(&m, k, attr) * stride[i];
		}
	}
	int64_t count = az_type_numel(y);
	for (int64_t i = 0; i < count; i++) {
		int64_t from = 0;
		for (uint32_t k = 0; k < x->rank; k++)
			from += source[k][index[k]];
		az_copy_run(e->results[0].data, (uint64_t)i, e->args[0]->data, (uint64_t)from, 1,
			y->elem.bits);
		for (uint32_t k = x->rank; k-- > 0;) {
			if (++index[k] < y->dim[k])
				break;
			index[k] = 0;
		}
	}
	return true;
}

/* Interpolates along the middle of [outer, in, inner]. */
static az_wide interpolate(az_eval *e, const az_wide *x, const az_resize_axis *m, int64_t outer,
	int64_t inner)
{
	az_wide y = az_wide_new(e->scratch, x->kind, (uint64_t)(outer * m->out * inner));
	for (int64_t p = 0; p < m->out; p++) {
		az_resize_mix r = az_resize_mix_at(m, p, &e->op->attr.resize);
		for (int64_t o = 0; o < outer; o++) {
			int64_t to = (o * m->out + p) * inner, from = o * m->in * inner;
			for (int64_t i = 0; i < inner; i++) {
				float f = 0;
				double d = 0;
				for (int k = 0; k < r.count; k++) {
					int64_t at = from + r.at[k] * inner + i;
					if (x->kind == AZ_WIDE_F32)
						f = f + x->f[at] * r.weight[k];
					else
						d = d + x->d[at] * (double)r.weight[k];
				}
				if (x->kind == AZ_WIDE_F32)
					y.f[to + i] = f;
				else
					y.d[to + i] = d;
			}
		}
	}
	return y;
}

bool az_eval_resize(az_eval *e)
{
	const az_attrs_resize *attr = &e->op->attr.resize;
	if (attr->mode == AZ_interpolation_nearest)
		return resize_nearest(e);
	az_type shape = *e->args[0]->type;
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	for (uint32_t i = 0; i < shape.rank; i++) {
		az_resize_axis m = az_resize_axis_of(e->op, i);
		if (az_resize_is_identity(&m, attr))
			continue;
		az_axis_view view = az_axis_view_of(&shape, i);
		x = interpolate(e, &x, &m, view.outer, view.inner);
		shape.dim[i] = m.out;
	}
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (uint64_t i = 0; i < y.count; i++) {
		if (y.kind == AZ_WIDE_F32)
			y.f[i] = x.f[i];
		else
			y.d[i] = x.d[i];
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}
