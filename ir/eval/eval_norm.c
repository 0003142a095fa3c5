/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_norm, lrn, softmax, log_softmax: strict f32 in index order; f64 in double with the C
 * library's functions. */
#include <math.h>

#include "ir/eval/part.h"
#include "ir/eval/strict.h"

bool az_eval_batch_norm(az_eval *e)
{
	const az_attrs_batch_norm *attr = &e->op->attr.batch_norm;
	az_axis_view view = az_axis_view_of(e->args[0]->type, attr->axis);
	az_wide in[5];
	for (uint32_t i = 0; i < 5; i++)
		in[i] = az_wide_load(e->scratch, e->args[i]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (int64_t i = 0; i < (int64_t)y.count; i++) {
		int64_t c = i / view.inner % view.length;
		if (y.kind == AZ_WIDE_F64) {
			double deviation = sqrt(in[4].d[c] + (double)attr->epsilon);
			double unit = (in[0].d[i] - in[3].d[c]) / deviation;
			y.d[i] = unit * in[1].d[c] + in[2].d[c];
		} else {
			float deviation = sqrtf(in[4].f[c] + attr->epsilon);
			float unit = (in[0].f[i] - in[3].f[c]) / deviation;
			y.f[i] = unit * in[1].f[c] + in[2].f[c];
		}
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

/* Sum of the squares of places first..last of the line that starts at `line`. */
static double squares(const az_wide *x, int64_t line, int64_t inner, int64_t first, int64_t last)
{
	if (x->kind == AZ_WIDE_F64) {
		double sum = 0;
		for (int64_t k = first; k <= last; k++)
			sum = sum + x->d[line + k * inner] * x->d[line + k * inner];
		return sum;
	}
	float sum = 0;
	for (int64_t k = first; k <= last; k++)
		sum = sum + x->f[line + k * inner] * x->f[line + k * inner];
	return (double)sum;
}

bool az_eval_lrn(az_eval *e)
{
	const az_attrs_lrn *attr = &e->op->attr.lrn;
	az_axis_view view = az_axis_view_of(e->args[0]->type, attr->axis);
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	int64_t before = (attr->size - 1) / 2, after = attr->size / 2;
	for (int64_t i = 0; i < (int64_t)y.count; i++) {
		int64_t c = i / view.inner % view.length;
		int64_t first = AZ_MAX(c - before, 0), last = AZ_MIN(c + after, view.length - 1);
		double sum = squares(&x, i - c * view.inner, view.inner, first, last);
		if (y.kind == AZ_WIDE_F64) {
			double step = (double)attr->alpha / (double)attr->size;
			double base = (double)attr->bias + step * sum;
			y.d[i] = x.d[i] / pow(base, (double)attr->beta);
		} else {
			float step = attr->alpha / (float)attr->size;
			float base = attr->bias + step * (float)sum;
			y.f[i] = x.f[i] / az_strict_pow(base, attr->beta);
		}
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

/* One line of n places, `step` apart. */
static void softmax_f32(const float *x, float *y, int64_t n, int64_t step, bool logarithm)
{
	float most = -INFINITY, sum = 0;
	for (int64_t k = 0; k < n; k++)
		most = az_strict_max(most, x[k * step]);
	for (int64_t k = 0; k < n; k++) {
		float power = az_strict_exp(x[k * step] - most);
		sum = sum + power;
		y[k * step] = power;
	}
	float log_sum = az_strict_log(sum);
	for (int64_t k = 0; k < n; k++) {
		if (logarithm)
			y[k * step] = (x[k * step] - most) - log_sum;
		else
			y[k * step] = y[k * step] / sum;
	}
}

static void softmax_f64(const double *x, double *y, int64_t n, int64_t step, bool logarithm)
{
	double most = -INFINITY, sum = 0;
	for (int64_t k = 0; k < n; k++)
		most = most > x[k * step] || isnan(most) ? most : x[k * step];
	for (int64_t k = 0; k < n; k++) {
		double power = exp(x[k * step] - most);
		sum = sum + power;
		y[k * step] = power;
	}
	for (int64_t k = 0; k < n; k++) {
		if (logarithm)
			y[k * step] = (x[k * step] - most) - log(sum);
		else
			y[k * step] = y[k * step] / sum;
	}
}

bool az_eval_softmax(az_eval *e)
{
	bool logarithm = e->op->code == AZ_OP_log_softmax;
	int64_t axis = logarithm ? e->op->attr.log_softmax.axis : e->op->attr.softmax.axis;
	az_axis_view view = az_axis_view_of(e->args[0]->type, axis);
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (int64_t o = 0; o < view.outer; o++)
		for (int64_t i = 0; i < view.inner; i++) {
			int64_t at = o * view.length * view.inner + i;
			if (y.kind == AZ_WIDE_F64)
				softmax_f64(x.d + at, y.d + at, view.length, view.inner, logarithm);
			else
				softmax_f32(x.f + at, y.f + at, view.length, view.inner, logarithm);
		}
	az_wide_store(&y, &e->results[0]);
	return true;
}
