/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. Borders, where a convolution reads padding, are taken to be like the rest. */
#include "passes/normal.h"

#include <math.h>

#include "passes/quantize_plan.h"
#include "passes/rewrite.h"

#define NUMBERS 256 /* of a channel, for counting */

typedef struct follower {
	az_arena *arena;
	az_normal *known; /* by value id */
} follower;

az_reals *az_normal_of(az_op *op)
{
	switch (op->code) {
	case AZ_OP_conv:
		return &op->attr.conv.normal;
	case AZ_OP_conv_transpose:
		return &op->attr.conv_transpose.normal;
	case AZ_OP_matmul:
		return &op->attr.matmul.normal;
	case AZ_OP_add:
		return &op->attr.add.normal;
	default:
		return NULL;
	}
}

void az_normals_drop(az_module *module)
{
	for (uint32_t i = 0; i < module->funcs.count; i++) {
		for (az_op *op = module->funcs.v[i]->first; op; op = op->next) {
			az_reals *normal = az_normal_of(op);
			if (normal)
				*normal = (az_reals){0};
		}
	}
}

/* --- One distribution ------------------------------------------------------------------------------------ */

static double density(double x)
{
	return isinf(x) ? 0 : exp(-0.5 * x * x) * 0.3989422804014327;
}

static double below(double x)
{
	return 0.5 * erfc(-x * 0.7071067811865476);
}

/* Mean and variance of min(max(x, lo), hi) for a normally distributed x. */
static void clip(double *mean, double *variance, double lo, double hi)
{
	double m = *mean, s = sqrt(*variance);
	if (!(s > 1e-12 * fabs(m)) || s == 0) {
		*mean = fmin(fmax(m, lo), hi);
		*variance = 0;
		return;
	}
	double a = (lo - m) / s, b = (hi - m) / s;
	double left = below(a), right = below(-b), middle = 1 - left - right;
	/* Of x - m, so that little is lost where the deviation is small beside the mean. */
	double first = s * (density(a) - density(b)), at_lo = lo - m, at_hi = hi - m;
	double second = s * s * middle;
	if (!isinf(lo)) {
		first += at_lo * left;
		second += at_lo * at_lo * left + s * at_lo * density(a);
	}
	if (!isinf(hi)) {
		first += at_hi * right;
		second += at_hi * at_hi * right - s * at_hi * density(b);
	}
	*mean = m + first;
	*variance = fmax(second - first * first, 0);
}

static az_normal new_normal(const follower *f, int64_t count)
{
	az_normal made = {.count = count, .lo = -INFINITY, .hi = INFINITY};
	made.mean = az_new_array(f->arena, double, (size_t)count + 1);
	made.variance = az_new_array(f->arena, double, (size_t)count + 1);
	made.centre = made.mean;
	made.spread = made.variance;
	return made;
}

/* With centres and spreads of their own. */
static az_normal new_parts(const follower *f, int64_t count)
{
	az_normal made = new_normal(f, count);
	made.centre = az_new_array(f->arena, double, (size_t)count + 1);
	made.spread = az_new_array(f->arena, double, (size_t)count + 1);
	return made;
}

static void copy_channel(az_normal *to, int64_t c, const az_normal *from, int64_t at)
{
	to->mean[c] = from->mean[at];
	to->variance[c] = from->variance[at];
	to->centre[c] = from->centre[at];
	to->spread[c] = from->spread[at];
}

static void clip_by(const follower *f, az_normal *n, az_reals clamp)
{
	if (!n->count || clamp.count != 2)
		return;
	double lo = (double)clamp.v[0], hi = (double)clamp.v[1];
	az_normal was = *n;
	*n = new_normal(f, was.count);
	n->centre = was.mean;
	n->spread = was.variance;
	for (int64_t c = 0; c < n->count; c++) {
		n->mean[c] = was.mean[c];
		n->variance[c] = was.variance[c];
		clip(&n->mean[c], &n->variance[c], lo, hi);
	}
	n->lo = fmin(fmax(was.lo, lo), hi);
	n->hi = fmax(fmin(was.hi, hi), lo);
}

static int64_t channels_of(const az_value *value)
{
	return value->type->rank ? value->type->dim[value->type->rank - 1] : 1;
}

/* --- Operations ----------------------------------------------------------------------------------------- */

/* What a batch norm said. */
static az_normal noted(const follower *f, const az_op *op)
{
	az_reals *normal = az_normal_of((az_op *)(uintptr_t)op);
	int64_t channels = channels_of(op->results[0]);
	if (!normal || !normal->count || normal->count != 2 * channels)
		return (az_normal){0};
	/* That of an addition follows its constant, whose channels must be the last dimension. */
	for (uint32_t i = 0; op->code == AZ_OP_add && i < 2; i++) {
		const az_value *c = op->args[i].value;
		if (az_value_is_const(c) && channels > 1 && channels_of(c) != channels)
			return (az_normal){0};
	}
	az_normal made = new_normal(f, channels);
	for (int64_t c = 0; c < channels; c++) {
		double deviation = (double)normal->v[2 * c + 1];
		made.mean[c] = (double)normal->v[2 * c];
		made.variance[c] = deviation * deviation;
	}
	return made;
}

/* A constant's number for a channel, if it has one for all places. */
static bool constant_at(const az_value *value, int64_t channels, int64_t c, double *out)
{
	const az_const *k = az_const_f32_of(value);
	int64_t numel = k ? az_type_numel(value->type) : 0;
	if (!k || (numel != 1 && (numel != channels || channels_of(value) != channels)))
		return false;
	*out = az_const_get(k, numel == 1 ? 0 : (uint64_t)c);
	return true;
}

static az_normal with_constant(const follower *f, const az_op *op, const az_normal *x,
	const az_value *constant)
{
	az_normal made = new_normal(f, x->count);
	double lo = INFINITY, hi = -INFINITY;
	for (int64_t c = 0; c < x->count; c++) {
		double k;
		if (!constant_at(constant, x->count, c, &k))
			return (az_normal){0};
		bool scales = op->code == AZ_OP_mul || op->code == AZ_OP_div;
		double a = op->code == AZ_OP_div ? 1 / k : op->code == AZ_OP_mul ? k : 1;
		double d = scales ? 0 : op->code == AZ_OP_sub ? -k : k;
		if (!isfinite(a) || a == 0 || !isfinite(d))
			return (az_normal){0};
		made.mean[c] = x->mean[c] * a + d;
		made.variance[c] = x->variance[c] * a * a;
		lo = fmin(lo, fmin(x->lo * a, x->hi * a) + d);
		hi = fmax(hi, fmax(x->lo * a, x->hi * a) + d);
	}
	made.lo = lo;
	made.hi = hi;
	return made;
}

static az_normal of_binary(const follower *f, const az_op *op)
{
	const az_value *x = op->args[0].value, *y = op->args[1].value;
	const az_normal *p = az_value_is_const(x) ? NULL : &f->known[x->id];
	const az_normal *q = az_value_is_const(y) ? NULL : &f->known[y->id];
	int64_t channels = channels_of(op->results[0]);
	if (p && !q && p->count == channels)
		return with_constant(f, op, p, y);
	bool sums = op->code == AZ_OP_add || op->code == AZ_OP_sub;
	if (!p || !q || p->count != channels || q->count != channels || !sums)
		return (az_normal){0};
	az_normal made = new_normal(f, channels);
	bool minus = op->code == AZ_OP_sub;
	for (int64_t c = 0; c < channels; c++) {
		made.mean[c] = p->mean[c] + (minus ? -q->mean[c] : q->mean[c]);
		made.variance[c] = p->variance[c] + q->variance[c];
	}
	made.lo = p->lo + (minus ? -q->hi : q->lo);
	made.hi = p->hi + (minus ? -q->lo : q->hi);
	return made;
}

/* Channels that come again and again along the last dimension. */
static az_normal of_repeated(const follower *f, const az_normal *x, int64_t channels)
{
	if (!x->count || channels % x->count)
		return (az_normal){0};
	az_normal made = new_parts(f, channels);
	made.lo = x->lo;
	made.hi = x->hi;
	for (int64_t c = 0; c < channels; c++)
		copy_channel(&made, c, x, c % x->count);
	return made;
}

static az_normal of_concat(const follower *f, const az_op *op)
{
	const az_value *y = op->results[0];
	int64_t channels = channels_of(y), at = 0;
	if (az_axis_normalize(op->attr.concat.axis, y->type->rank) != y->type->rank - 1)
		return (az_normal){0};
	az_normal made = new_parts(f, channels);
	made.lo = INFINITY;
	made.hi = -INFINITY;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		const az_value *x = op->args[i].value;
		if (az_value_is_const(x) || !f->known[x->id].count)
			return (az_normal){0};
		const az_normal *part = &f->known[x->id];
		for (int64_t c = 0; c < part->count; c++, at++)
			copy_channel(&made, at, part, c);
		made.lo = fmin(made.lo, part->lo);
		made.hi = fmax(made.hi, part->hi);
	}
	return at == channels ? made : (az_normal){0};
}

/* Channels from `begin` on, and before and behind them others that are all `value`. */
static az_normal of_window(const follower *f, const az_normal *x, int64_t begin, int64_t channels,
	double value)
{
	if (!x->count)
		return (az_normal){0};
	az_normal made = new_parts(f, channels);
	made.lo = x->lo;
	made.hi = x->hi;
	for (int64_t c = 0; c < channels; c++) {
		int64_t from = c + begin;
		bool inside = from >= 0 && from < x->count;
		made.mean[c] = inside ? x->mean[from] : value;
		made.variance[c] = inside ? x->variance[from] : 0;
		made.centre[c] = inside ? x->centre[from] : value;
		made.spread[c] = inside ? x->spread[from] : 0;
		if (!inside) {
			made.lo = fmin(made.lo, value);
			made.hi = fmax(made.hi, value);
		}
	}
	return made;
}

/* Padding of places is taken for more of the same. */
static az_normal of_pad(const follower *f, const az_op *op, const az_normal *x)
{
	uint32_t last = op->results[0]->type->rank - 1u;
	int64_t begin = az_ints_at(op->attr.pad.pad, 2 * last, 0);
	int64_t channels = channels_of(op->results[0]);
	if (channels != x->count && op->attr.pad.mode != AZ_padding_constant)
		return (az_normal){0};
	return of_window(f, x, -begin, channels, (double)op->attr.pad.value);
}

static az_normal of_slice(const follower *f, const az_op *op, const az_normal *x)
{
	uint32_t last = op->results[0]->type->rank - 1u;
	int64_t step = az_ints_at(op->attr.slice.step, last, 1);
	if (step != 1)
		return (az_normal){0};
	return of_window(f, x, az_ints_at(op->attr.slice.begin, last, 0),
		channels_of(op->results[0]), 0);
}

/* A layer without a batch norm of its own, all of whose taps read something. */
static az_normal of_layer(const follower *f, const az_op *op, const az_normal *x)
{
	const az_const *w = az_value_const(op->args[1].value);
	const az_value *bias = az_op_arg(op, 2);
	bool last = op->code == AZ_OP_matmul;
	int64_t channels = channels_of(op->results[0]);
	int64_t groups = az_op_groups(op);
	int64_t outputs = channels / groups, in_group = x->count / groups;
	int64_t inner = channels ? az_type_numel(w->value.type) / channels : 0;
	/* Where a transposed convolution strides, only some of the taps do. */
	if (op->code == AZ_OP_conv_transpose || !x->count || in_group == 0 || inner % in_group)
		return (az_normal){0};
	az_normal made = new_normal(f, channels);
	for (int64_t c = 0; c < channels; c++) {
		double mean = bias ? az_const_get(az_value_const(bias), (uint64_t)c) : 0;
		double variance = 0;
		for (int64_t i = 0; i < inner; i++) {
			int64_t from = c / outputs * in_group + i % in_group;
			double v = az_const_get(w,
				(uint64_t)(last ? i * channels + c : c * inner + i));
			mean += v * x->mean[from];
			variance += v * v * x->variance[from];
		}
		if (!isfinite(mean) || !isfinite(variance))
			return (az_normal){0};
		made.mean[c] = mean;
		made.variance[c] = variance;
	}
	return made;
}

/* Operations that take means over places, or move numbers, and leave the channels where they are. */
static bool keeps_channels(const az_op *op)
{
	const az_type *x = op->args[0].value->type, *y = op->results[0]->type;
	switch (op->code) {
	case AZ_OP_avg_pool:
	case AZ_OP_reshape:
		return true;
	case AZ_OP_reduce:
		return op->attr.reduce.kind == AZ_reduction_mean && y->rank &&
		       y->dim[y->rank - 1] == x->dim[x->rank - 1];
	case AZ_OP_transpose:
		return op->attr.transpose.perm.v[x->rank - 1] == x->rank - 1;
	case AZ_OP_resize:
		return y->dim[y->rank - 1] == x->dim[x->rank - 1];
	default:
		return false;
	}
}

static az_normal follow(const follower *f, const az_op *op)
{
	const az_value *x = op->arg_count ? op->args[0].value : NULL;
	if (!x || az_value_is_const(x))
		return (az_normal){0};
	az_normal made = {0};
	switch (op->code) {
	case AZ_OP_add:
	case AZ_OP_sub:
	case AZ_OP_mul:
	case AZ_OP_div:
		made = of_binary(f, op);
		break;
	case AZ_OP_concat:
		made = of_concat(f, op);
		break;
	case AZ_OP_pad:
		made = of_pad(f, op, &f->known[x->id]);
		break;
	case AZ_OP_slice:
		made = of_slice(f, op, &f->known[x->id]);
		break;
	case AZ_OP_conv:
	case AZ_OP_matmul:
		if (az_has_weights(op))
			made = of_layer(f, op, &f->known[x->id]);
		break;
	case AZ_OP_clip:
		made = of_repeated(f, &f->known[x->id], channels_of(op->results[0]));
		break;
	default:
		if (keeps_channels(op))
			made = of_repeated(f, &f->known[x->id], channels_of(op->results[0]));
	}
	return made;
}

static az_reals bounds_of(const az_op *op, float bounds[2])
{
	if (op->code != AZ_OP_clip)
		return az_op_clamp(op);
	bounds[0] = op->attr.clip.lo;
	bounds[1] = op->attr.clip.hi;
	return (az_reals){2, bounds};
}

az_normal *az_normals_of(const az_func *main, az_arena *arena)
{
	follower f = {arena, az_new_array(arena, az_normal, main->value_count + 1u)};
	for (const az_op *op = main->first; op; op = op->next) {
		if (op->result_count != 1 || !az_elem_equal(op->results[0]->type->elem, AZ_F32))
			continue;
		float bounds[2];
		az_normal made = noted(&f, op);
		if (!made.count)
			made = follow(&f, op);
		clip_by(&f, &made, bounds_of(op, bounds));
		f.known[op->results[0]->id] = made;
	}
	return f.known;
}

az_range az_normal_range(const az_normal *n, double deviations)
{
	double lo = INFINITY, hi = -INFINITY;
	for (int64_t c = 0; c < n->count; c++) {
		double away = deviations * sqrt(n->spread[c]);
		lo = fmin(lo, n->centre[c] - away);
		hi = fmax(hi, n->centre[c] + away);
	}
	lo = fmin(fmax(lo, n->lo), n->hi);
	hi = fmin(fmax(hi, n->lo), n->hi);
	return (az_range){n->count > 0, (float)lo, (float)hi};
}

/* x with that much of the normal distribution below it. */
static double quantile(double share)
{
	double lo = -10, hi = 10;
	for (int i = 0; i < 50; i++) {
		double middle = (lo + hi) / 2;
		if (below(middle) < share)
			lo = middle;
		else
			hi = middle;
	}
	return lo;
}

void az_normal_numbers(const az_normal *n, az_arena *scratch,
	void (*see)(void *data, const float *v, int64_t count), void *data)
{
	double at[NUMBERS];
	float *v = az_new_array(scratch, float, NUMBERS);
	for (int i = 0; i < NUMBERS; i++)
		at[i] = quantile((i + 0.5) / NUMBERS);
	for (int64_t c = 0; c < n->count; c++) {
		for (int i = 0; i < NUMBERS; i++) {
			double x = n->centre[c] + at[i] * sqrt(n->spread[c]);
			v[i] = (float)fmin(fmax(x, n->lo), n->hi);
		}
		see(data, v, NUMBERS);
	}
}
