/* SPDX-License-Identifier: Apache-2.0
 *
 * fold-batchnorm: per-channel scale and shift, written as batch_norm or as mul, add, sub, div with a
 * constant, go into the weights and bias of the convolution or product before them.
 *
 *   %c = conv %x, @w, @b                            %c = conv %x, @w.1, @b.1
 *   %t = transpose %c, perm = [0, 3, 1, 2]          %n = transpose %c, perm = [0, 3, 1, 2]
 *   %n = batch_norm %t, @g, @h, @m, @v, axis = 1
 *
 * where @w.1 = @w * a per output channel, @b.1 = @b * a + d, a = g / sqrt(v + epsilon), d = h - m * a,
 * computed in double and rounded once. That the result has mean h and deviation |g| over the data it was
 * trained on is noted as its `normal`, for quantizing without data. Where nothing takes it in (batch-norm before the convolution, a
 * sum in between), a batch_norm becomes mul and add, and chains of such operations become one pair.
 *
 * Requires: constants folded. Guarantees: no batch_norm with constant parameters is left. Terminates:
 * every step removes an operation or turns a batch_norm or a chain of two or more operations into at
 * most mul and add, which alone are not a chain that is touched again. */
#include <math.h>
#include <string.h>

#include "passes/normal.h"
#include "passes/rewrite.h"

/* y = x * a[c] + d[c] along one dimension of x. */
typedef struct affine {
	az_value *x;
	int64_t axis;  /* -1: the same for all channels */
	int64_t count; /* entries of a and d: 1 or channels */
	double *a, *d;
	/* What a batch_norm says of y: mean and deviation by channel; NULL: nothing is known. */
	double *mean, *deviation;
} affine;

/* The dimension of x along which a constant operand varies: -1 none, -2 several or not a constant that
 * only broadcasts. */
static int64_t constant_axis(const az_value *c, const az_value *x)
{
	int64_t axis = -1;
	const az_type *type = c->type;
	if (!az_const_f32_of(c) || type->rank > x->type->rank)
		return -2;
	for (uint32_t i = 0; i < type->rank; i++) {
		uint32_t at = x->type->rank - type->rank + i;
		if (type->dim[i] == 1)
			continue;
		if (axis >= 0 || type->dim[i] != x->type->dim[at])
			return -2;
		axis = at;
	}
	return axis;
}

static bool from_batch_norm(const az_op *op, az_arena *arena, affine *out)
{
	for (uint32_t i = 1; i < 5; i++) {
		if (!az_const_f32_of(op->args[i].value))
			return false;
	}
	out->x = op->args[0].value;
	out->axis = az_axis_normalize(op->attr.batch_norm.axis, out->x->type->rank);
	out->count = out->x->type->dim[out->axis];
	out->a = az_new_array(arena, double, (size_t)out->count);
	out->d = az_new_array(arena, double, (size_t)out->count);
	out->mean = az_new_array(arena, double, (size_t)out->count);
	out->deviation = az_new_array(arena, double, (size_t)out->count);
	for (int64_t c = 0; c < out->count; c++) {
		double p[4];
		for (uint32_t i = 0; i < 4; i++)
			p[i] = az_const_get(az_value_const(op->args[i + 1].value), (uint64_t)c);
		out->a[c] = p[0] / sqrt(p[3] + (double)op->attr.batch_norm.epsilon);
		out->d[c] = p[1] - p[2] * out->a[c];
		out->mean[c] = p[1];
		out->deviation[c] = fabs(out->a[c]) * sqrt(p[3]);
	}
	return true;
}

/* What was noted with an addition. */
static void recall_normal(const az_reals *normal, az_arena *arena, affine *out)
{
	if (!normal->count || normal->count != 2 * out->count)
		return;
	out->mean = az_new_array(arena, double, (size_t)out->count);
	out->deviation = az_new_array(arena, double, (size_t)out->count);
	for (int64_t i = 0; i < out->count; i++) {
		out->mean[i] = (double)normal->v[2 * i];
		out->deviation[i] = (double)normal->v[2 * i + 1];
	}
}

static bool from_binary(const az_op *op, az_arena *arena, affine *out)
{
	az_value *x = op->args[0].value;
	const az_value *c = op->args[1].value;
	if (x->type != op->results[0]->type || az_op_clamp(op).count)
		return false;
	out->mean = out->deviation = NULL;
	out->axis = constant_axis(c, x);
	if (out->axis == -2)
		return false;
	out->x = x;
	out->count = az_type_numel(c->type);
	out->a = az_new_array(arena, double, (size_t)out->count);
	out->d = az_new_array(arena, double, (size_t)out->count);
	for (int64_t i = 0; i < out->count; i++) {
		double v = az_const_get(az_value_const(c), (uint64_t)i);
		bool shift = op->code == AZ_OP_add || op->code == AZ_OP_sub;
		out->a[i] = shift ? 1.0 : op->code == AZ_OP_mul ? v : 1.0 / v;
		out->d[i] = op->code == AZ_OP_add ? v : op->code == AZ_OP_sub ? -v : 0.0;
		if (!isfinite(out->a[i]))
			return false;
	}
	if (op->code == AZ_OP_add)
		recall_normal(&op->attr.add.normal, arena, out);
	return true;
}

static bool affine_of(const az_op *op, az_arena *arena, affine *out)
{
	if (!az_elem_equal(op->results[0]->type->elem, AZ_F32))
		return false;
	switch (op->code) {
	case AZ_OP_batch_norm:
		return from_batch_norm(op, arena, out);
	case AZ_OP_add:
	case AZ_OP_sub:
	case AZ_OP_mul:
	case AZ_OP_div:
		return from_binary(op, arena, out);
	default:
		return false;
	}
}

/* What is known of g's result, or of f's and so of what g makes of it. */
static void compose_normal(const affine *f, const affine *g, az_arena *arena, affine *out)
{
	const affine *from = g->mean ? g : f;
	out->mean = out->deviation = NULL;
	if (!from->mean || from->count != out->count)
		return;
	out->mean = az_new_array(arena, double, (size_t)out->count);
	out->deviation = az_new_array(arena, double, (size_t)out->count);
	for (int64_t i = 0; i < out->count; i++) {
		int64_t gi = g->count > 1 ? i : 0;
		bool known = from == g;
		out->mean[i] = known ? g->mean[i] : f->mean[i] * g->a[gi] + g->d[gi];
		out->deviation[i] = known ? g->deviation[i] : f->deviation[i] * fabs(g->a[gi]);
	}
}

/* f then g, along f's axis or, where f is uniform, along g's. */
static bool compose(const affine *f, const affine *g, az_arena *arena, affine *out)
{
	if (f->axis >= 0 && g->axis >= 0 && f->axis != g->axis)
		return false;
	*out = *f;
	out->axis = f->axis >= 0 ? f->axis : g->axis;
	out->count = AZ_MAX(f->count, g->count);
	out->a = az_new_array(arena, double, (size_t)out->count);
	out->d = az_new_array(arena, double, (size_t)out->count);
	for (int64_t i = 0; i < out->count; i++) {
		int64_t fi = f->count > 1 ? i : 0, gi = g->count > 1 ? i : 0;
		out->a[i] = f->a[fi] * g->a[gi];
		out->d[i] = f->d[fi] * g->a[gi] + g->d[gi];
	}
	compose_normal(f, g, arena, out);
	return true;
}

/* The contraction behind single-use transposes whose output channel is dimension `axis` of value; its
 * weights must be constant. axis -1 fits any. */
static az_op *producer(az_value *value, int64_t axis)
{
	az_op *op = az_value_op(value);
	while (op && op->code == AZ_OP_transpose && az_used_once(value)) {
		axis = axis < 0 ? axis : op->attr.transpose.perm.v[axis];
		value = op->args[0].value;
		op = az_value_op(value);
	}
	if (!op || !az_used_once(value))
		return NULL;
	bool conv = (op->code == AZ_OP_conv && op->attr.conv.clamp.count == 0) ||
		    (op->code == AZ_OP_conv_transpose && op->attr.conv_transpose.clamp.count == 0);
	bool product = op->code == AZ_OP_matmul && op->attr.matmul.clamp.count == 0 &&
		       op->args[1].value->type->rank == 2;
	if (!conv && !product)
		return NULL;
	return axis < 0 || axis == value->type->rank - 1 ? op : NULL;
}

static bool uniform(const double *v, int64_t count)
{
	for (int64_t i = 1; i < count; i++) {
		if (v[i] != v[0])
			return false;
	}
	return true;
}

/* Weights times a per output channel: the first dimension of a convolution's, the last of a matrix. */
static az_value *scaled_weights(const az_op *op, const affine *f)
{
	az_const *w = az_value_const(op->args[1].value);
	const az_type *type = w->value.type;
	az_module *module = op->func->module;
	int64_t numel = az_type_numel(type);
	if (uniform(f->a, f->count) && f->a[0] == 1.0)
		return &w->value;
	if (w->splat && uniform(f->a, f->count)) {
		float v = (float)(az_const_get(w, 0) * f->a[0]);
		return &az_const_splat(module, w->value.name, type, &v)->value;
	}
	bool last = op->code == AZ_OP_matmul;
	int64_t channels = last ? type->dim[type->rank - 1] : type->dim[0];
	int64_t inner = numel / channels;
	const float *from = az_const_data(w);
	float *to = az_new_array(&module->arena, float, (size_t)numel);
	for (int64_t i = 0; i < numel; i++) {
		int64_t c = f->count == 1 ? 0 : last ? i % channels : i / inner;
		to[i] = (float)((double)from[i] * f->a[c]);
	}
	return &az_const_new(module, w->value.name, type, to, true)->value;
}

static az_value *shifted_bias(const az_op *op, const affine *f)
{
	az_module *module = op->func->module;
	const az_type *type = op->results[0]->type;
	int64_t channels = type->dim[type->rank - 1];
	const az_const *bias = op->arg_count > 2 ? az_const_f32_of(op->args[2].value) : NULL;
	float *v = az_new_array(&module->arena, float, (size_t)channels);
	bool zero = true;
	for (int64_t c = 0; c < channels; c++) {
		int64_t i = f->count == 1 ? 0 : c;
		double old = bias ? az_const_get(bias, (uint64_t)c) : 0.0;
		v[c] = (float)(old * f->a[i] + f->d[i]);
		zero &= v[c] == 0.0f;
	}
	if (zero && !bias)
		return NULL;
	const char *name = bias ? bias->value.name : NULL;
	if (!name && !az_name_generated(op->args[1].value->name))
		name = az_arena_printf(&module->arena, "%s.bias", op->args[1].value->name);
	const az_type *made = az_type_get(module->ctx, AZ_F32, 1, &channels);
	return &az_const_new(module, name, made, v, true)->value;
}

/* An operation has a fixed number of operands, so a bias is added by building it anew. */
static bool set_weights(az_op *op, az_value *weights, az_value *bias)
{
	az_op_set_arg(op, 1, weights);
	if (op->arg_count > 2 || !bias) {
		if (bias)
			az_op_set_arg(op, 2, bias);
		return true;
	}
	az_value *args[3] = {op->args[0].value, weights, bias};
	az_builder at = az_before(op);
	az_value *made = az_build(&at, op->code, 3, args, &op->attr, op->results[0]->type->elem);
	if (!made)
		return false;
	az_replace_op(op, made);
	return true;
}

/* Notes what is known of the values that op gives once f is part of it. */
static void note_normal(az_op *op, const affine *f)
{
	az_reals *normal = az_normal_of(op);
	const az_type *type = op->results[0]->type;
	int64_t channels = op->code == AZ_OP_add ? f->count : type->dim[type->rank - 1];
	bool before = !f->mean && normal->count == 2 * channels;
	if (!before && (!f->mean || f->count != channels)) {
		*normal = (az_reals){0};
		return;
	}
	az_module *module = op->func->module;
	float *v = az_new_array(&module->arena, float, 2 * (size_t)channels);
	bool finite = true;
	for (int64_t c = 0; c < channels; c++) {
		int64_t i = f->count > 1 ? c : 0;
		double mean = before ? (double)normal->v[2 * c] * f->a[i] + f->d[i] : f->mean[c];
		double deviation =
			before ? (double)normal->v[2 * c + 1] * fabs(f->a[i]) : f->deviation[c];
		v[2 * c] = (float)mean;
		v[2 * c + 1] = (float)deviation;
		finite &= isfinite(v[2 * c]) && isfinite(v[2 * c + 1]);
	}
	*normal = finite ? az_reals_copy(module, 2 * (uint32_t)channels, v) : (az_reals){0};
}

/* Takes f into what computes its operand; false when nothing does. */
static bool absorb(const affine *f)
{
	az_op *op = producer(f->x, f->axis);
	if (!op || !az_const_f32_of(op->args[1].value))
		return false;
	az_value *bias = az_op_arg(op, 2);
	if (bias && !az_const_f32_of(bias))
		return false;
	const az_type *type = op->results[0]->type;
	if (f->count > 1 && f->count != type->dim[type->rank - 1])
		return false;
	op->results[0]->range.known = false;
	note_normal(op, f);
	return set_weights(op, scaled_weights(op, f), shifted_bias(op, f));
}

/* x + a dequantized constant after a product without bias: the constant becomes the bias. */
static bool absorb_stored_bias(az_op *add)
{
	az_value *c = add->args[1].value;
	const az_op *dq = az_def_is(c, AZ_OP_dequantize);
	if (!dq || !az_value_is_const(dq->args[0].value) || az_op_clamp(add).count ||
		c->type->rank != 1)
		return false;
	az_op *op = producer(add->args[0].value, add->args[0].value->type->rank - 1);
	const az_type *type = op ? op->results[0]->type : NULL;
	if (!op || az_op_arg(op, 2) || add->results[0]->type != add->args[0].value->type ||
		c->type->dim[0] != type->dim[type->rank - 1])
		return false;
	az_op_move_before((az_op *)(uintptr_t)dq, op);
	if (!set_weights(op, op->args[1].value, c))
		return false;
	az_replace_op(add, add->args[0].value);
	return true;
}

/* The pair (or less) of operations that computes f at the place of `op`. */
static az_value *build_affine(az_op *op, const affine *f)
{
	az_module *module = op->func->module;
	uint32_t rank = f->axis < 0 ? 0 : f->x->type->rank - (uint32_t)f->axis;
	int64_t dim[AZ_RANK_MAX];
	az_value *x = f->x;
	az_builder at = az_before(op);
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = i == 0 ? f->count : 1;
	for (int step = 0; step < 2; step++) {
		const double *from = step == 0 ? f->a : f->d;
		if (uniform(from, f->count) && from[0] == (step == 0 ? 1.0 : 0.0))
			continue;
		float *v = az_new_array(&module->arena, float, (size_t)f->count);
		for (int64_t i = 0; i < f->count; i++)
			v[i] = (float)from[i];
		const az_type *type = az_type_get(module->ctx, AZ_F32, rank, dim);
		az_value *args[2] = {x, &az_const_new(module, NULL, type, v, true)->value};
		x = az_build(&at, step == 0 ? AZ_OP_mul : AZ_OP_add, 2, args, NULL, AZ_ELEM_NONE);
		if (!x)
			return NULL;
		if (step == 1 && f->mean)
			note_normal(az_value_op(x), f);
	}
	return x;
}

/* The chain of affine operations that starts at `first`, each the only user of the one before. */
static az_op *chain_from(az_op *first, az_arena *arena, affine *f, uint32_t *length)
{
	az_op *last = first, *next;
	*length = 1;
	while ((next = az_only_user(last->results[0])) != NULL) {
		affine g, both;
		if (next->args[0].value != last->results[0] || !affine_of(next, arena, &g) ||
			!compose(f, &g, arena, &both))
			break;
		*f = both;
		last = next;
		++*length;
	}
	return last;
}

/* What is there already: mul, add, or mul followed by add. */
static bool settled(const az_op *first, const az_op *last, uint32_t length)
{
	if (length == 1)
		return first->code != AZ_OP_batch_norm;
	return length == 2 && first->code == AZ_OP_mul && last->code == AZ_OP_add;
}

static bool fold(az_op *op, az_arena *scratch)
{
	affine f;
	uint32_t length;
	if (op->code == AZ_OP_add && absorb_stored_bias(op))
		return true;
	if (!affine_of(op, scratch, &f))
		return false;
	az_op *last = chain_from(op, scratch, &f, &length);
	az_value *with = f.x;
	if (!absorb(&f)) {
		if (settled(op, last, length))
			return false;
		with = build_affine(last, &f);
		if (!with)
			return false;
	}
	/* f.x may have been rebuilt by absorb; the operand of op is what stands now. */
	if (with == f.x)
		with = op->args[0].value;
	/* The value that ends the layer keeps the layer's last name. */
	az_name name = last->results[0]->name;
	az_value_rename(last->results[0], NULL);
	az_replace_op(last, with);
	if (with->kind == AZ_VALUE_RESULT)
		az_value_rename(with, name);
	return true;
}

bool az_pass_fold_batchnorm(az_pass_ctx *pass)
{
	for (uint32_t i = 0; i < pass->module->funcs.count; i++) {
		az_func *func = pass->module->funcs.v[i];
		az_op *op = func->first;
		while (op) {
			az_arena_mark mark = az_arena_mark_get(&pass->scratch);
			az_op *before = op->prev;
			bool changed = fold(op, &pass->scratch);
			if (changed)
				az_sweep(pass->module);
			az_arena_reset(&pass->scratch, mark);
			if (!changed)
				op = op->next;
			else
				op = before && before->func ? before->next : func->first;
		}
	}
	return true;
}
