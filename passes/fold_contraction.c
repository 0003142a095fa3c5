/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions and matrix products on stored numbers. Everything that the accumulator must hold is known
 * here: stored weights, zero points, bias; so its width is proven, not guessed (numerics.md 3). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "passes/fold_quantizers.h"

typedef struct contraction {
	az_op *op;
	az_op *x, *w; /* the dequantizes */
	az_params px, pw;
	az_const *stored;     /* weights; NULL for a second operand that is computed */
	const az_const *book; /* what they are looked up in, or NULL */
	az_value *zeros;      /* zero points of the weights that differ between channels, or NULL */
	int64_t channels;
	bool last;     /* channels are the last dimension of the weights */
	float *step;   /* per channel: f32(sx * sw) */
	int64_t *bias; /* per channel, NULL: none */
	int64_t zero[2];
	int fraction; /* bits that accumulator and bias have behind the point where they meet */
	bool none;    /* some steps are zero: whatever x is, these channels are their bias */
} contraction;

static bool read_operands(contraction *c)
{
	c->x = az_plain_dequantized(c->op->args[0].value, &c->px);
	c->w = az_dequantized(c->op->args[1].value, &c->pw);
	if (!c->x || !c->w)
		return false;
	const az_type *type = c->w->args[0].value->type, *result = c->op->results[0]->type;
	c->stored = az_value_const(c->w->args[0].value);
	const az_op *lookup = az_def_is(c->w->args[0].value, AZ_OP_lookup);
	if (lookup && az_value_is_const(lookup->args[0].value) && !c->pw.zero) {
		c->stored = az_value_const(lookup->args[0].value);
		c->book = az_value_const(lookup->args[1].value);
		if (!c->book)
			return false;
	}
	c->last = c->op->code == AZ_OP_matmul;
	c->channels = result->dim[result->rank - 1];
	if (c->pw.axis >= 0 && c->pw.axis != (c->last ? type->rank - 1 : 0))
		return false;
	/* Weights that are computed, or matrices in a batch, have one scale and no bias of ours. */
	return c->stored ? c->pw.axis < 0 || type->rank == 2 || !c->last : c->pw.axis < 0;
}

static bool make_steps(contraction *c, az_arena *scratch)
{
	c->step = az_new_array(scratch, float, (size_t)c->channels);
	for (int64_t i = 0; i < c->channels; i++) {
		c->step[i] = az_params_scale(&c->px, 0) * az_params_scale(&c->pw, i);
		if (!isfinite(c->step[i]))
			return false;
		if (fabsf(c->step[i]) < 0x1p-126f) {
			c->step[i] = 0.0f; /* subnormal counts as zero */
			c->none = true;
		}
	}
	return true;
}

/* A bias that is stored in steps of its own: the numbers as they are when the steps agree. */
static int64_t stored_bias(const contraction *c, const az_const *q, const az_params *p, int64_t i)
{
	int64_t k = az_const_get_int(q, (uint64_t)i) - az_params_zero(p, i);
	float scale = az_params_scale(p, i);
	if (c->step[i] == 0 || fabsf(scale - c->step[i]) <= fabsf(c->step[i]) * 1e-5f)
		return k;
	return (int64_t)rintf((float)k * scale / c->step[i]);
}

static bool make_bias(contraction *c, az_arena *scratch)
{
	az_value *value = az_op_arg(c->op, 2);
	az_params p;
	if (!value)
		return true;
	const az_const *f = az_const_f32_of(value), *q = NULL;
	if (!f) {
		const az_op *dq = az_dequantized(value, &p);
		q = dq ? az_value_const(dq->args[0].value) : NULL;
	}
	if (!f && !q)
		return false;
	c->bias = az_new_array(scratch, int64_t, (size_t)c->channels);
	for (int64_t i = 0; i < c->channels; i++) {
		float b = f ? rintf((float)az_const_get(f, (uint64_t)i) / c->step[i]) : 0;
		if (!(fabsf(b) < 0x1p62f))
			return false;
		c->bias[i] = f ? (int64_t)b : stored_bias(c, q, &p, i);
	}
	return true;
}

static uint64_t place(const contraction *c, int64_t channel, int64_t i, int64_t inner)
{
	return (uint64_t)(c->last ? i * c->channels + channel : channel * inner + i);
}

/* The number that stored weight `at` means, zero point and scale apart. */
static int64_t weight(const contraction *c, uint64_t at)
{
	int64_t v = az_const_get_int(c->stored, at);
	az_elem elem = c->stored->value.type->elem;
	if (!c->book)
		return v;
	bool bipolar = elem.kind == AZ_KIND_BIPOLAR;
	return az_const_get_int(c->book, (uint64_t)(bipolar ? v > 0 : v - az_elem_min(elem)));
}

static int64_t weight_zero(const contraction *c, int64_t channel)
{
	return c->zeros ? az_params_zero(&c->pw, channel) : c->zero[1];
}

/* Zero points that differ between channels are an operand of their own. */
static bool make_zeros(contraction *c)
{
	c->zero[0] = az_params_zero(&c->px, 0);
	c->zero[1] = az_params_zero(&c->pw, 0);
	bool same = true;
	for (int64_t i = 1; c->pw.axis >= 0 && i < c->channels; i++)
		same &= az_params_zero(&c->pw, i) == c->zero[1];
	if (same)
		return true;
	const az_type *type = c->pw.zero->value.type;
	if (type->rank != 1 || type->dim[0] != c->channels)
		return false;
	c->zeros = (az_value *)(uintptr_t)&c->pw.zero->value;
	c->zero[1] = 0;
	return true;
}

static double largest(az_elem elem, int64_t zero)
{
	return fmax((double)(az_elem_max(elem) - zero), (double)(zero - az_elem_min(elem)));
}

/* max over channels of sum |w - zw| * max |x - zx| + |bias|, as it must fit the accumulator. */
static double bound(const contraction *c)
{
	double most_x = largest(c->x->args[0].value->type->elem, c->zero[0]), most = 0;
	const az_type *type = c->w->args[0].value->type;
	if (!c->stored || (c->last && type->rank != 2)) {
		double terms = c->last ? (double)type->dim[type->rank - 2] : 0;
		most = terms * most_x * largest(type->elem, c->zero[1]);
		for (int64_t o = 0; c->bias && o < c->channels; o++)
			most = fmax(most, terms * most_x * largest(type->elem, c->zero[1]) +
						  fabs((double)c->bias[o]));
		return most;
	}
	int64_t inner = az_type_numel(type) / c->channels;
	for (int64_t o = 0; o < c->channels; o++) {
		double sum = 0;
		for (int64_t i = 0; i < inner; i++) {
			int64_t w = weight(c, place(c, o, i, inner));
			sum += fabs((double)(w - weight_zero(c, o)));
		}
		most = fmax(most, sum * most_x + (c->bias ? fabs((double)c->bias[o]) : 0));
	}
	return most;
}

static az_value *bias_const(contraction *c, az_elem elem)
{
	az_module *module = c->op->func->module;
	const az_value *old = az_op_arg(c->op, 2);
	const az_op *dq = az_def_is(old, AZ_OP_dequantize);
	az_name name = dq ? dq->args[0].value->name : old->name;
	const az_type *type = az_type_get(module->ctx, elem, 1, &c->channels);
	void *data = az_arena_alloc(&module->arena, az_type_size(type), 64);
	for (int64_t i = 0; i < c->channels; i++)
		az_bits_set(data, (uint64_t)i, elem.bits, (uint64_t)c->bias[i]);
	return &az_const_new(module, az_name_generated(name) ? NULL : name, type, data, true)
			->value;
}

static az_value *build_acc(contraction *c)
{
	az_attrs attrs = c->op->attr;
	az_ints zero = {c->zero[0] || c->zero[1] ? 2 : 0, c->zero};
	switch (c->op->code) {
	case AZ_OP_conv:
		attrs.conv.zero = zero;
		attrs.conv.clamp.count = 0;
		break;
	case AZ_OP_conv_transpose:
		attrs.conv_transpose.zero = zero;
		attrs.conv_transpose.clamp.count = 0;
		break;
	default:
		attrs.matmul.zero = zero;
		attrs.matmul.clamp.count = 0;
		break;
	}
	/* No accumulator takes the two outermost numbers: thresholds mean "never" by them. */
	az_elem elem = bound(c) < 0x1p31 - 2 ? AZ_I32 : AZ_I64;
	bool plain = c->stored && !c->book;
	az_value *args[4] = {c->x->args[0].value, plain ? &c->stored->value : c->w->args[0].value,
		NULL, c->zeros};
	if (c->bias)
		args[2] = bias_const(c, elem);
	az_builder at = az_before(c->op);
	return az_build(&at, c->op->code, c->zeros ? 4 : c->bias ? 3 : 2, args, &attrs, elem);
}

/* step / divisor per channel; one number where all are equal. */
static az_value *scale_const(const contraction *c, float divisor, az_arena *scratch)
{
	az_module *module = c->op->func->module;
	az_name layer = c->op->results[0]->name;
	const char *name = NULL;
	if (!az_name_generated(layer))
		name = az_arena_printf(scratch, "%s.step", layer);
	float *v = az_new_array(&module->arena, float, (size_t)c->channels);
	bool same = true;
	for (int64_t i = 0; i < c->channels; i++) {
		v[i] = c->step[i] / divisor;
		if (isinf(v[i])) /* so does the largest float saturate, and 0 stays 0 */
			v[i] = copysignf(FLT_MAX, v[i]);
		same &= v[i] == v[0];
	}
	if (same)
		return &az_const_f32_scalar(module, name, v[0])->value;
	const az_type *type = az_type_get(module->ctx, AZ_F32, 1, &c->channels);
	return &az_const_new(module, name, type, v, true)->value;
}

/* Stored weights say what they mean, whoever made them. */
static void note_weights(const contraction *c, az_arena *scratch)
{
	if (!c->stored || c->stored->value.quant)
		return;
	for (int64_t i = 0; i < c->channels; i++) {
		if (az_params_scale(&c->pw, i) < 0) /* a fact of no grid */
			return;
	}
	uint32_t count = c->pw.axis >= 0 ? (uint32_t)c->channels : 1;
	float *scale = az_new_array(scratch, float, count);
	int32_t *zero = az_new_array(scratch, int32_t, count);
	for (uint32_t i = 0; i < count; i++) {
		scale[i] = az_params_scale(&c->pw, i);
		zero[i] = (int32_t)weight_zero(c, i);
	}
	int64_t entries = c->book ? az_type_numel(c->book->value.type) : 0;
	int32_t *table = az_new_array(scratch, int32_t, (size_t)entries + 1);
	for (int64_t i = 0; i < entries; i++)
		table[i] = (int32_t)az_const_get_int(c->book, (uint64_t)i);
	az_quant quant = {.name = c->stored->value.name,
		.grid = c->book ? AZ_GRID_CODEBOOK : AZ_GRID_AFFINE,
		.axis = (int16_t)c->pw.axis,
		.count = count,
		.scale = scale,
		.zero = c->zero[1] || c->zeros ? zero : NULL,
		.table_count = (uint32_t)entries,
		.table = entries ? table : NULL};
	c->stored->value.quant = az_quant_get(c->op->func->module, &quant);
}

/* What is not quantized again: the accumulator in reals, then the clamp. */
static bool dequantize_rest(contraction *c, az_value *acc, az_arena *scratch)
{
	az_value *layer = c->op->results[0];
	az_reals clamp = az_op_clamp(c->op);
	az_builder at = az_before(c->op);
	az_value *args[2] = {acc, scale_const(c, 1.0f, scratch)};
	az_value *made = az_build(&at, AZ_OP_dequantize, 2, args, NULL, AZ_F32);
	if (made && clamp.count == 2) {
		az_attrs attrs;
		az_attrs_init(AZ_OP_clip, &attrs);
		attrs.clip.lo = clamp.v[0];
		attrs.clip.hi = clamp.v[1];
		made = az_build(&at, AZ_OP_clip, 1, &made, &attrs, AZ_ELEM_NONE);
	}
	if (made)
		az_replace_value(layer, made);
	return made != NULL;
}

/* Is everything that reads the layer a quantizer to at most 2 bits? Up to three comparisons cost what a
 * requantize costs; seven or fifteen made ResNet-20 16 and 40 % slower. */
static bool read_by_thresholds(const az_value *layer)
{
	for (const az_use *use = layer->uses; use; use = use->next) {
		if (!use->user || use->user->code != AZ_OP_quantize ||
			use->user->results[0]->type->elem.bits > 2)
			return false;
	}
	return true;
}

/* Thresholds hold the bias as it is: no step of the accumulator is too coarse for it (numerics.md 5). */
static bool add_behind(az_op *op)
{
	az_value *bias = az_op_arg(op, 2), *args[2] = {op->args[0].value, op->args[1].value};
	az_attrs attrs = op->attr, sum;
	az_attrs_init(AZ_OP_add, &sum);
	sum.add.clamp = az_op_clamp(op);
	if (op->code == AZ_OP_conv)
		attrs.conv.clamp.count = 0;
	else if (op->code == AZ_OP_conv_transpose)
		attrs.conv_transpose.clamp.count = 0;
	else
		attrs.matmul.clamp.count = 0;
	az_builder at = az_before(op);
	az_value *y = az_build(&at, op->code, 2, args, &attrs, AZ_F32);
	if (!y)
		return false;
	az_value *both[2] = {y, bias};
	az_value *made = az_build(&at, AZ_OP_add, 2, both, &sum, AZ_F32);
	if (made)
		az_replace_op(op, made);
	return made != NULL;
}

/* Channels whose step is zero and that have a bias: their weights become zero and their step one that holds
 * the bias exactly, 2^-23 of its power of two. */
static bool silence(contraction *c)
{
	const az_value *bias = az_op_arg(c->op, 2);
	if (!c->none || !bias)
		return true;
	const az_const *f = az_const_f32_of(bias);
	const az_type *type = c->w->args[0].value->type;
	if (!f || !c->stored || c->book || (c->last && type->rank != 2))
		return false;
	az_module *module = c->op->func->module;
	int64_t inner = az_type_numel(type) / c->channels;
	void *data = az_arena_alloc(&module->arena, az_type_size(type), 64);
	memcpy(data, az_const_data(c->stored), az_type_size(type));
	for (int64_t o = 0; o < c->channels; o++) {
		if (c->step[o] != 0)
			continue;
		float b = (float)az_const_get(f, (uint64_t)o);
		int exponent = 0;
		if (type->elem.kind == AZ_KIND_BIPOLAR || !isfinite(b))
			return false;
		(void)frexpf(b, &exponent);
		c->step[o] = ldexpf(1.0f, AZ_MAX(exponent - 24, -126));
		for (int64_t i = 0; i < inner; i++)
			az_bits_set(data, place(c, o, i, inner), type->elem.bits,
				(uint64_t)az_params_zero(&c->pw, o));
	}
	c->stored = az_const_new(module, c->stored->value.name, type, data, true);
	return true;
}

/* The coarsest step of the accumulator as seen from what reads the layer, in steps of the result; 0 when
 * something else than quantizers reads it, or every bias is a whole number of steps. */
static double coarseness(const contraction *c, const az_const *bias)
{
	double most = 0;
	bool whole = true;
	az_params y;
	for (int64_t i = 0; i < c->channels; i++) {
		double b = az_const_get(bias, (uint64_t)i);
		if (c->step[i] != 0)
			whole &= b / (double)c->step[i] == rint(b / (double)c->step[i]);
	}
	for (const az_use *use = c->op->results[0]->uses; use; use = use->next) {
		if (!az_tensor_quantize(use->user, &y))
			return 0;
		for (int64_t i = 0; i < c->channels; i++)
			most = fmax(most,
				fabs((double)c->step[i] / (double)az_params_scale(&y, 0)));
	}
	return whole ? 0 : most;
}

/* Where a step of the accumulator is more than 2^-6 of the result's, the bias gets bits behind the point, as
 * many as 32 bits have room for (numerics.md 5); steps are those of the finer numbers from here on. */
static void choose_fraction(contraction *c)
{
	const az_value *value = az_op_arg(c->op, 2);
	const az_const *bias = value ? az_const_f32_of(value) : NULL;
	double coarse = bias ? coarseness(c, bias) : 0;
	int exponent;
	if (!(coarse > 0x1p-6) || !isfinite(coarse))
		return;
	(void)frexp(coarse * 0x1p6, &exponent);
	double least = bound(c), most = 0;
	for (int64_t i = 0; i < c->channels; i++) {
		double b = az_const_get(bias, (uint64_t)i);
		if (c->step[i] != 0)
			most = fmax(most, fabs(b / (double)c->step[i]));
	}
	while (exponent > 0 && !(ldexp(least + most + 1, exponent) < 0x1p31 - 2))
		exponent--;
	for (int64_t i = 0; i < c->channels; i++) {
		if (c->step[i] != 0 && fabsf(ldexpf(c->step[i], -exponent)) < 0x1p-126f)
			return;
	}
	c->fraction = exponent;
	for (int64_t i = 0; i < c->channels; i++)
		c->step[i] = ldexpf(c->step[i], -exponent);
}

/* (acc << fraction) + bias, as i32 operations that the kernels compute in registers. */
static az_value *build_fine_acc(contraction *c)
{
	int64_t *bias = c->bias;
	int32_t factor = (int32_t)1 << c->fraction;
	az_module *module = c->op->func->module;
	c->bias = NULL;
	az_value *acc = build_acc(c);
	c->bias = bias;
	if (!acc)
		return NULL;
	az_builder at = az_before(c->op);
	const az_type *type = az_type_get(module->ctx, AZ_I32, 0, NULL);
	az_value *args[2] = {acc, &az_const_new(module, NULL, type, &factor, false)->value};
	args[0] = az_build(&at, AZ_OP_mul, 2, args, NULL, AZ_I32);
	args[1] = bias_const(c, AZ_I32);
	return args[0] ? az_build(&at, AZ_OP_add, 2, args, NULL, AZ_I32) : NULL;
}

bool az_fold_contraction(az_op *op, az_arena *scratch)
{
	contraction c = {.op = op};
	az_value *layer = op->results[0];
	if (layer->uses && read_operands(&c) && az_op_arg(op, 2) &&
		az_const_f32_of(op->args[2].value) && read_by_thresholds(layer))
		return add_behind(op);
	if (!layer->uses || !read_operands(&c) || !make_steps(&c, scratch) || !silence(&c) ||
		!make_zeros(&c))
		return false;
	choose_fraction(&c);
	if (!make_bias(&c, scratch))
		return false;
	note_weights(&c, scratch);
	az_value *acc = c.fraction ? build_fine_acc(&c) : build_acc(&c);
	if (!acc)
		return false;
	az_reals clamp = az_op_clamp(op);
	float lo = clamp.count == 2 ? clamp.v[0] : -INFINITY;
	float hi = clamp.count == 2 ? clamp.v[1] : INFINITY;
	az_use *next;
	for (az_use *use = layer->uses; use; use = next) {
		az_params y;
		next = use->next;
		if (!use->user || !az_tensor_quantize(use->user, &y))
			continue;
		az_value *scale = scale_const(&c, az_params_scale(&y, 0), scratch);
		if (!az_fold_requantize(use->user, acc, scale, lo, hi, layer))
			return false;
	}
	if (layer->uses && !dequantize_rest(&c, acc, scratch))
		return false;
	az_op_erase(op);
	return true;
}

bool az_fold_accumulator(az_op *op, az_arena *scratch)
{
	az_params y, p;
	az_value *layer = op->args[0].value;
	float lo = -INFINITY, hi = INFINITY;
	const az_op *clip = az_def_is(layer, AZ_OP_clip);
	if (clip) {
		lo = clip->attr.clip.lo;
		hi = clip->attr.clip.hi;
		layer = clip->args[0].value;
	}
	const az_op *dq = az_tensor_quantize(op, &y) ? az_dequantized(layer, &p) : NULL;
	if (!dq || dq->args[0].value->type->elem.bits < 32 || p.zero)
		return false;
	const az_type *type = layer->type;
	if (p.axis >= 0 && p.axis != type->rank - 1)
		return false;
	contraction c = {.op = az_value_op(layer)};
	c.channels = p.axis < 0 ? 1 : type->dim[p.axis];
	c.step = az_new_array(scratch, float, (size_t)c.channels);
	for (int64_t i = 0; i < c.channels; i++)
		c.step[i] = az_params_scale(&p, i);
	az_value *scale = scale_const(&c, az_params_scale(&y, 0), scratch);
	return az_fold_requantize(op, dq->args[0].value, scale, lo, hi, op->args[0].value);
}
