/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools, reduce, arg_reduce. Everything is folded in index order: a pool's window row by row, a
 * reduction along the operand's memory. */
#include <math.h>

#include "ir/eval/part.h"
#include "ir/infer.h"

typedef struct pool {
	az_window window;
	int64_t in[AZ_SPATIAL_MAX], out[AZ_SPATIAL_MAX];
	int64_t taps, channels;
	bool include_pad;
} pool;

static void pool_shape(pool *p, const az_type *x, const az_type *y, az_ints window, az_ints stride,
	az_ints pad, az_ints dilation)
{
	uint32_t n = x->rank - 2u;
	p->window.count = n;
	p->taps = 1;
	p->channels = x->dim[x->rank - 1];
	for (uint32_t i = 0; i < n; i++) {
		p->window.size[i] = window.v[i];
		p->window.stride[i] = az_ints_at(stride, i, 1);
		p->window.dilation[i] = az_ints_at(dilation, i, 1);
		p->window.begin[i] = az_ints_at(pad, 2 * i, 0);
		p->window.end[i] = az_ints_at(pad, 2 * i + 1, 0);
		p->in[i] = x->dim[1 + i];
		p->out[i] = y->dim[1 + i];
		p->taps *= window.v[i];
	}
}

typedef enum tap_kind { TAP_INSIDE, TAP_PADDING, TAP_OUTSIDE } tap_kind;

/* Where tap number `tap` of the window at `at` lies; outside is what only the ceil mode reaches. */
static tap_kind pool_tap(const pool *p, const int64_t *at, int64_t tap, int64_t *pixel)
{
	const az_window *w = &p->window;
	tap_kind kind = TAP_INSIDE;
	int64_t step = 1;
	*pixel = 0;
	for (uint32_t i = w->count; i-- > 0;) {
		int64_t k = tap % w->size[i] * w->dilation[i];
		int64_t place = at[i] * w->stride[i] - w->begin[i] + k;
		tap /= w->size[i];
		if (place >= p->in[i] + w->end[i])
			kind = TAP_OUTSIDE;
		else if ((place < 0 || place >= p->in[i]) && kind == TAP_INSIDE)
			kind = TAP_PADDING;
		*pixel += place * step;
		step *= p->in[i];
	}
	return kind;
}

/* Folds all windows; counts (one per output place) receive how many places each mean divides by. */
static void fold_windows(const pool *p, az_reduction kind, const az_wide *acc, const az_wide *x,
	int64_t images, int64_t zero, int64_t *counts)
{
	int64_t places = 1, pixels = 1;
	for (uint32_t i = 0; i < p->window.count; i++) {
		places *= p->out[i];
		pixels *= p->in[i];
	}
	for (int64_t o = 0; o < images * places; o++) {
		int64_t at[AZ_SPATIAL_MAX], rest = o % places;
		for (uint32_t i = p->window.count; i-- > 0;) {
			at[i] = rest % p->out[i];
			rest /= p->out[i];
		}
		for (int64_t tap = 0; tap < p->taps; tap++) {
			int64_t pixel;
			tap_kind where = pool_tap(p, at, tap, &pixel);
			if (where == TAP_INSIDE)
				az_wide_fold(kind, acc, (uint64_t)(o * p->channels), x,
					(uint64_t)((o / places * pixels + pixel) * p->channels),
					(uint64_t)p->channels, zero);
			if (counts &&
				(where == TAP_INSIDE || (where == TAP_PADDING && p->include_pad)))
				counts[o]++;
		}
	}
}

/* acc[i] / counts[i / channels]; a window that saw nothing gives 0. */
static void divide(const az_wide *acc, const int64_t *counts, int64_t channels)
{
	for (int64_t i = 0; i < (int64_t)acc->count; i++) {
		int64_t n = counts[i / channels];
		if (acc->kind == AZ_WIDE_F64)
			acc->d[i] = n ? acc->d[i] / (double)n : 0;
		else
			acc->f[i] = n ? acc->f[i] / (float)n : 0;
	}
}

bool az_eval_pool(az_eval *e)
{
	const az_op *op = e->op;
	const az_type *xt = e->args[0]->type, *yt = e->results[0].type;
	pool p = {0};
	az_reduction kind = AZ_reduction_sum;
	int64_t zero = 0, *counts = NULL;
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	if (op->code == AZ_OP_max_pool) {
		const az_attrs_max_pool *a = &op->attr.max_pool;
		pool_shape(&p, xt, yt, a->window, a->stride, a->pad, a->dilation);
		kind = AZ_reduction_max;
	} else if (op->code == AZ_OP_avg_pool) {
		const az_attrs_avg_pool *a = &op->attr.avg_pool;
		pool_shape(&p, xt, yt, a->window, a->stride, a->pad, a->dilation);
		p.include_pad = a->include_pad;
		counts = az_new_array(e->scratch, int64_t, (size_t)y.count + 1);
	} else {
		const az_attrs_sum_pool *a = &op->attr.sum_pool;
		pool_shape(&p, xt, yt, a->window, a->stride, a->pad, a->dilation);
		zero = a->zero;
	}
	az_wide_fill(&y, kind, xt->elem);
	if (y.count)
		fold_windows(&p, kind, &y, &x, xt->dim[0], zero, counts);
	if (counts)
		divide(&y, counts, p.channels);
	az_wide_store(&y, &e->results[0]);
	return true;
}

bool az_eval_reduce(az_eval *e)
{
	const az_attrs_reduce *attr = &e->op->attr.reduce;
	const az_type *xt = e->args[0]->type;
	bool over[AZ_RANK_MAX] = {false};
	for (uint32_t i = 0; i < attr->axes.count; i++)
		over[az_axis_normalize(attr->axes.v[i], xt->rank)] = true;
	int64_t step[AZ_RANK_MAX] = {0}, kept = 1, reduced = 1;
	for (uint32_t i = xt->rank; i-- > 0;) {
		step[i] = over[i] ? 0 : kept;
		if (over[i])
			reduced *= xt->dim[i];
		else
			kept *= xt->dim[i];
	}
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	az_wide_fill(&y, attr->kind, xt->elem);
	int64_t index[AZ_RANK_MAX] = {0}, at = 0;
	for (uint64_t i = 0; i < x.count; i++) {
		az_wide_fold(attr->kind, &y, (uint64_t)at, &x, i, 1, attr->zero);
		for (uint32_t k = xt->rank; k-- > 0;) {
			at += step[k];
			if (++index[k] < xt->dim[k])
				break;
			at -= step[k] * xt->dim[k];
			index[k] = 0;
		}
	}
	for (uint64_t i = 0; attr->kind == AZ_reduction_mean && i < y.count; i++) {
		if (y.kind == AZ_WIDE_F64)
			y.d[i] = y.d[i] / (double)reduced;
		else
			y.f[i] = y.f[i] / (float)reduced;
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}

/* a before b? NaN is before nothing. */
static bool beats(const az_wide *x, int64_t a, int64_t b, az_extremum kind, bool ties)
{
	if (kind == AZ_extremum_min) {
		int64_t swap = a;
		a = b;
		b = swap;
	}
	if (x->kind == AZ_WIDE_F32)
		return x->f[a] > x->f[b] || (ties && x->f[a] == x->f[b]);
	if (x->kind == AZ_WIDE_F64)
		return x->d[a] > x->d[b] || (ties && x->d[a] == x->d[b]);
	if (x->huge)
		return (uint64_t)x->i[a] > (uint64_t)x->i[b] || (ties && x->i[a] == x->i[b]);
	return x->i[a] > x->i[b] || (ties && x->i[a] == x->i[b]);
}

bool az_eval_arg_reduce(az_eval *e)
{
	const az_attrs_arg_reduce *attr = &e->op->attr.arg_reduce;
	az_axis_view view = az_axis_view_of(e->args[0]->type, attr->axis);
	az_wide x = az_wide_load(e->scratch, e->args[0]);
	az_wide y = az_wide_result(e->scratch, &e->results[0]);
	for (int64_t i = 0; i < (int64_t)y.count; i++) {
		int64_t line = i / view.inner * view.length * view.inner + i % view.inner;
		int64_t best = 0;
		for (int64_t k = 1; k < view.length; k++)
			if (beats(&x, line + k * view.inner, line + best * view.inner, attr->kind,
				    attr->last))
				best = k;
		y.i[i] = best;
	}
	az_wide_store(&y, &e->results[0]);
	return true;
}
