/* SPDX-License-Identifier: Apache-2.0
 *
 * Scales and shifts between a contraction of quantized values and its quantizer go into the contraction:
 *
 *   %w = dequantize @wq, @sw, axis = 0            %w = dequantize @wq, @(sw * k), axis = 0
 *   %y = conv %x, %w, @b                          %z = conv %x, %w, @(b * k + d)
 *   %m = mul %y, @k
 *   %z = add %m, @d
 *
 * The stored weights stay; a scale may become negative, which the requantize multiplies by like any other
 * number. Chains that end in a quantizer of at most 4 bits are left to thresholds, which are exact, and those
 * that are not quantized again stay as they are. Computed in double, rounded once. */
#include <math.h>

#include "passes/fold_quantizers.h"

/* y = a x + d, channel by channel. */
typedef struct linear {
	double *a, *d;
	int64_t channels;
} linear;

/* Entry i of a finite constant that is one number or one per channel of the last dimension. */
static bool number(const az_value *value, int64_t channels, int64_t i, double *out)
{
	const az_const *c = az_const_f32_of(value);
	const az_type *type = value->type;
	int64_t count = az_type_numel(type);
	if (!c || (count != 1 && (count != channels || type->dim[type->rank - 1] != channels)))
		return false;
	*out = az_const_get(c, count == 1 ? 0 : (uint64_t)i);
	return isfinite(*out);
}

static bool read_batch_norm(const az_op *op, int64_t channels, int64_t i, double *a, double *d)
{
	double v[4];
	for (uint32_t k = 0; k < 4; k++) {
		if (!number(op->args[1 + k].value, channels, i, &v[k]))
			return false;
	}
	*a = v[0] / sqrt(v[3] + (double)op->attr.batch_norm.epsilon);
	*d = v[1] - v[2] * *a;
	return az_axis_normalize(op->attr.batch_norm.axis, op->results[0]->type->rank) ==
	       op->results[0]->type->rank - 1;
}

static bool read_channel(const az_op *op, int64_t channels, int64_t i, double *a, double *d)
{
	double k;
	*a = 1;
	*d = 0;
	if (op->code == AZ_OP_batch_norm)
		return read_batch_norm(op, channels, i, a, d);
	if (op->code == AZ_OP_neg) {
		*a = -1;
		return true;
	}
	if (op->arg_count != 2 || !number(op->args[1].value, channels, i, &k))
		return false;
	switch (op->code) {
	case AZ_OP_mul:
		*a = k;
		return true;
	case AZ_OP_div:
		*a = 1 / k;
		return k != 0;
	case AZ_OP_add:
		*d = k;
		return true;
	case AZ_OP_sub:
		*d = -k;
		return true;
	default:
		return false;
	}
}

/* Does an unbranched chain of such operations lead to a quantizer of more than 4 bits? */
static bool reaches_quantizer(const az_op *op, int64_t channels)
{
	double a, d;
	az_params y;
	for (;;) {
		op = az_only_user(op->results[0]);
		if (!op)
			return false;
		if (op->code == AZ_OP_quantize)
			return az_tensor_quantize(op, &y) && op->results[0]->type->elem.bits > 4;
		if (op->code != AZ_OP_clip && !read_channel(op, channels, 0, &a, &d))
			return false;
	}
}

static bool read_linear(const az_op *op, linear *out, az_arena *scratch)
{
	const az_type *type = op->results[0]->type;
	out->channels = type->dim[type->rank - 1];
	out->a = az_new_array(scratch, double, (size_t)out->channels);
	out->d = az_new_array(scratch, double, (size_t)out->channels);
	for (int64_t i = 0; i < out->channels; i++) {
		if (!read_channel(op, out->channels, i, &out->a[i], &out->d[i]))
			return false;
	}
	return true;
}

static az_value *vector_const(az_module *module, const az_value *like, const float *v,
	int64_t channels)
{
	az_name name = like && !az_name_generated(like->name) ? like->name : NULL;
	return &az_const_f32(module, name, 1, &channels, v)->value;
}

/* The scales of the weights, one per output channel, times a; NULL when one cannot be. */
static az_value *scaled_weights(const az_op *dq, const az_params *p, const linear *by, bool last,
	az_arena *scratch)
{
	az_module *module = dq->func->module;
	float *v = az_new_array(scratch, float, (size_t)by->channels);
	for (int64_t i = 0; i < by->channels; i++) {
		double s = (double)az_params_scale(p, i) * by->a[i];
		v[i] = (float)s;
		if (!isfinite(v[i]) || (s != 0 && fabs(s) < 0x1p-126))
			return NULL;
	}
	az_attrs attrs = dq->attr;
	attrs.dequantize.axis = last ? 1 : 0;
	az_value *args[3] = {
		dq->args[0].value, vector_const(module, dq->args[1].value, v, by->channels), NULL};
	if (p->zero && p->axis < 0) { /* of one number, which goes with any scales */
		int64_t one = 1;
		args[2] = &az_const_reshaped(az_value_const(dq->args[2].value), 1, &one)->value;
	} else if (p->zero) {
		args[2] = dq->args[2].value;
	}
	az_builder at = az_before((az_op *)dq);
	return az_build(&at, AZ_OP_dequantize, args[2] ? 3 : 2, args, &attrs, AZ_F32);
}

static az_value *shifted_bias(const az_op *op, const linear *by, az_arena *scratch)
{
	const az_value *old = az_op_arg(op, 2);
	float *v = az_new_array(scratch, float, (size_t)by->channels);
	for (int64_t i = 0; i < by->channels; i++) {
		double b = old ? az_const_get(az_const_f32_of(old), (uint64_t)i) : 0;
		v[i] = (float)(b * by->a[i] + by->d[i]);
		if (!isfinite(v[i]))
			return NULL;
	}
	return vector_const(op->func->module, old, v, by->channels);
}

static void set_clamp(az_opcode code, az_attrs *attrs, az_reals clamp)
{
	if (code == AZ_OP_conv)
		attrs->conv.clamp = clamp;
	else if (code == AZ_OP_conv_transpose)
		attrs->conv_transpose.clamp = clamp;
	else
		attrs->matmul.clamp = clamp;
}

bool az_fold_scale(az_op *inner, az_arena *scratch)
{
	az_op *op = az_only_user(inner->results[0]);
	az_params px, pw;
	linear by;
	if (!op || op->args[0].value != inner->results[0] || az_op_clamp(inner).count ||
		inner->results[0]->type != op->results[0]->type ||
		!az_plain_dequantized(inner->args[0].value, &px))
		return false;
	const az_op *dq = az_dequantized(inner->args[1].value, &pw);
	const az_value *bias = az_op_arg(inner, 2);
	bool last = inner->code == AZ_OP_matmul;
	if (!dq || !az_value_is_const(dq->args[0].value) || (bias && !az_const_f32_of(bias)) ||
		(last && inner->args[1].value->type->rank != 2) ||
		(pw.axis >= 0 && pw.axis != (last ? 1 : 0)) || !read_linear(op, &by, scratch) ||
		!reaches_quantizer(op, by.channels))
		return false;
	az_value *args[3] = {inner->args[0].value, scaled_weights(dq, &pw, &by, last, scratch)};
	args[2] = args[1] ? shifted_bias(inner, &by, scratch) : NULL;
	if (!args[2])
		return false;
	az_attrs attrs = inner->attr;
	set_clamp(inner->code, &attrs, az_op_clamp(op));
	az_builder at = az_before(op);
	az_value *made = az_build(&at, inner->code, 3, args, &attrs, AZ_F32);
	if (!made)
		return false;
	az_replace_op(op, made);
	return true;
}
