/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a function as a contraction (backend/contract.h), and the facts about its weights that
 * decide how it is computed. */
#include "backend/contract.h"

#include <math.h>

bool az_contract_takes_inputs(az_elem e)
{
	return az_elem_is_integer(e) && (e.bits == 8 || e.bits == 16);
}

bool az_contract_takes_weights(az_elem e)
{
	return e.kind == AZ_KIND_BIPOLAR || (az_elem_is_integer(e) && e.bits <= 8);
}

/* The position of a value among the parameters; UINT32_MAX when it is none. */
static uint32_t param_index(const az_value *value)
{
	return value && value->kind == AZ_VALUE_PARAM ? value->index : UINT32_MAX;
}

static bool read_operands(const az_op *op, az_contract *c)
{
	const az_value *x = az_op_arg(op, 0), *w = NULL, *bias = az_op_arg(op, 2);
	if (!az_decode_read(op, &c->decode, &w))
		return false;
	c->x = param_index(x);
	c->w = param_index(w);
	c->bias = param_index(bias);
	if (c->x == UINT32_MAX || c->w == UINT32_MAX || (bias && c->bias == UINT32_MAX))
		return false;
	c->x_elem = x->type->elem;
	c->w_elem = w->type->elem;
	az_elem result = op->results[0]->type->elem;
	const az_value *zeros = az_op_arg(op, 3), *scales = az_op_arg(op, 4);
	c->zeros = param_index(zeros);
	c->scales = param_index(scales);
	if ((zeros && c->zeros == UINT32_MAX) || (scales && c->scales == UINT32_MAX))
		return false;
	if (zeros && (c->w_elem.kind == AZ_KIND_BIPOLAR || c->decode.table != UINT32_MAX))
		return false;
	bool plain = c->decode.scale == UINT32_MAX;
	if (plain && az_contract_takes_inputs(c->x_elem) && az_contract_takes_weights(c->w_elem) &&
		az_elem_equal(result, scales ? AZ_F32 : AZ_I32))
		return c->decode.table == UINT32_MAX || c->x_elem.bits == 16 ||
		       c->decode.table_elem.bits == 8;
	if (zeros || scales)
		return false;
	c->is_float = true;
	return az_elem_equal(c->x_elem, AZ_F32) &&
	       (plain ? az_elem_equal(c->w_elem, AZ_F32) : az_contract_takes_weights(c->w_elem));
}

static bool read_conv(const az_op *op, az_contract *c)
{
	const az_attrs_conv *attr = &op->attr.conv;
	const az_type *x = op->args[0].value->type, *w = op->args[1].value->type;
	const az_type *y = op->results[0]->type;
	uint32_t spatial = x->rank - 2u;
	if (spatial < 1 || spatial > 2)
		return false;
	for (uint32_t i = 0; i < attr->pad.count; i++)
		if (attr->pad.v[i] != 0)
			return false;
	bool plane = spatial == 2;
	c->batch = x->dim[0];
	c->height = plane ? x->dim[1] : 1;
	c->width = x->dim[spatial];
	c->channels = x->dim[spatial + 1];
	c->out_h = plane ? y->dim[1] : 1;
	c->out_w = y->dim[spatial];
	c->out_channels = w->dim[0];
	c->kernel_h = plane ? w->dim[1] : 1;
	c->kernel_w = w->dim[spatial];
	c->stride_h = plane ? az_ints_at(attr->stride, 0, 1) : 1;
	c->stride_w = az_ints_at(attr->stride, spatial - 1, 1);
	c->dilation_h = plane ? az_ints_at(attr->dilation, 0, 1) : 1;
	c->dilation_w = az_ints_at(attr->dilation, spatial - 1, 1);
	c->groups = attr->groups;
	c->group = attr->group;
	c->zx = az_ints_at(attr->zero, 0, 0);
	c->zw = az_ints_at(attr->zero, 1, 0);
	return true;
}

static bool read_matmul(const az_op *op, az_contract *c)
{
	const az_attrs_matmul *attr = &op->attr.matmul;
	const az_type *a = op->args[0].value->type, *b = op->args[1].value->type;
	c->is_matmul = true;
	c->group = attr->group;
	c->batch = c->height = c->out_h = 1;
	c->channels = b->dim[b->rank - 2];
	c->out_channels = b->dim[b->rank - 1];
	if (c->channels == 0 || c->out_channels == 0)
		return false;
	c->batched = b->rank > 2;
	if (c->batched) {
		/* As many matrices on each side: none is repeated. */
		c->batch = az_type_numel(b) / (c->channels * c->out_channels);
		int64_t rows = a->dim[a->rank - 2] * c->batch;
		if (az_type_numel(a) != rows * c->channels ||
			az_type_numel(op->results[0]->type) != rows * c->out_channels)
			return false;
	}
	if (c->batch == 0)
		return false;
	c->width = c->out_w = az_type_numel(a) / c->channels / c->batch;
	c->kernel_h = c->kernel_w = c->stride_h = c->stride_w = 1;
	c->dilation_h = c->dilation_w = c->groups = 1;
	c->zx = az_ints_at(attr->zero, 0, 0);
	c->zw = az_ints_at(attr->zero, 1, 0);
	return true;
}

/* All pixels in one row where neither input nor output skips any. */
static void flatten(az_contract *c)
{
	bool point = c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1;
	if (!point || c->epilogue.pad || c->batched)
		return;
	c->flat = true;
	c->width = c->out_w = c->batch * c->out_h * c->out_w;
	c->batch = c->height = c->out_h = 1;
	c->epilogue.batch = c->epilogue.height = c->epilogue.rows = 1;
	c->epilogue.width = c->epilogue.columns = c->out_w;
}

static const az_op *find_anchor(const az_func *func)
{
	const az_op *anchor = NULL;
	for (const az_op *op = func->first; op; op = op->next) {
		if (op->code != AZ_OP_conv && op->code != AZ_OP_matmul)
			continue;
		if (anchor)
			return NULL;
		anchor = op;
	}
	return anchor;
}

bool az_contract_is_plain(const az_contract *c)
{
	return c->decode.table == UINT32_MAX && c->decode.scale == UINT32_MAX &&
	       c->zeros == UINT32_MAX && c->scales == UINT32_MAX;
}

bool az_contract_is_scaled(const az_contract *c)
{
	return c->scales != UINT32_MAX;
}

bool az_contract_read(const az_func *func, az_contract *out)
{
	return az_contract_read_any(func, out) && az_contract_is_plain(out);
}

bool az_contract_read_any(const az_func *func, az_contract *out)
{
	az_contract c = {.anchor = find_anchor(func)};
	if (!c.anchor || !read_operands(c.anchor, &c))
		return false;
	bool conv = c.anchor->code == AZ_OP_conv;
	if (conv ? !read_conv(c.anchor, &c) : !read_matmul(c.anchor, &c))
		return false;
	if (!az_epilogue_read(func, c.anchor, c.batch, c.out_h, c.out_w, c.out_channels,
		    &c.epilogue))
		return false;
	if (c.batch * c.out_h * c.out_w == 0)
		return false;
	flatten(&c);
	c.group_in = c.channels / c.groups;
	c.group_out = c.out_channels / c.groups;
	/* Neighbouring columns follow one another when nothing lies between them. */
	bool joined = c.dilation_w == 1 && c.groups == 1;
	c.taps = joined ? 1 : c.kernel_w;
	c.run = joined ? c.kernel_w * c.channels : c.group_in;
	c.filter = c.kernel_h * c.kernel_w * c.group_in;
	*out = c;
	/* One zero point for all and one by channel would have to be joined; nothing makes both. */
	return c.zw == 0 || (c.zeros == UINT32_MAX && c.decode.table == UINT32_MAX);
}

uint64_t az_contract_weight_index(const az_contract *c, int64_t o, int64_t kh, int64_t kw,
	int64_t i)
{
	if (c->is_matmul)
		return (uint64_t)(c->origin + i * c->out_channels + o);
	return (uint64_t)(c->origin + o * c->filter + (kh * c->kernel_w + kw) * c->group_in + i);
}

int64_t az_contract_stored(const az_contract *c, const az_const *w, int64_t o, int64_t kh,
	int64_t kw, int64_t i)
{
	return az_const_get_int(w, az_contract_weight_index(c, o, kh, kw, i));
}

int64_t az_contract_weight(const az_contract *c, const az_const *w, int64_t o, int64_t kh,
	int64_t kw, int64_t i)
{
	int64_t v = az_contract_stored(c, w, o, kh, kw, i);
	if (c->zero_of && c->scales == UINT32_MAX)
		return v - az_const_get_int(c->zero_of, (uint64_t)o);
	if (!c->decode.book)
		return v;
	bool bipolar = c->w_elem.kind == AZ_KIND_BIPOLAR;
	return az_const_get_int(c->decode.book,
		(uint64_t)(bipolar ? v > 0 : v - az_elem_min(c->w_elem)));
}

int64_t az_contract_weight_shift(const az_contract *c, const az_const *w)
{
	if (az_contract_is_sub(c)) /* the zero point goes while they are unpacked */
		return c->zw;
	if (c->zw == 0 && az_elem_is_signed(c->w_elem))
		return 0;
	int64_t count = w->splat ? 1 : az_type_numel(w->value.type), lo = 0, hi = 0;
	for (int64_t i = 0; i < count; i++) {
		int64_t v = az_const_get_int(w, (uint64_t)i);
		lo = i == 0 ? v : AZ_MIN(lo, v);
		hi = i == 0 ? v : AZ_MAX(hi, v);
	}
	if (lo - c->zw >= -128 && hi - c->zw <= 127)
		return c->zw;
	return az_elem_is_signed(c->w_elem) ? 0 : 128;
}

/* The sum of |w - zw| times the largest |x - zx|, plus |bias|: no accumulator is larger. */
static double largest(const az_contract *c, const az_const *w, const az_const *bias, int64_t o)
{
	int64_t sum = 0;
	for (int64_t kh = 0; kh < c->kernel_h; kh++)
		for (int64_t kw = 0; kw < c->kernel_w; kw++)
			for (int64_t i = 0; i < c->group_in; i++) {
				int64_t v = az_contract_weight(c, w, o, kh, kw, i) - c->zw;
				sum += v < 0 ? -v : v;
			}
	int64_t lo = c->zx - az_elem_min(c->x_elem), hi = az_elem_max(c->x_elem) - c->zx;
	int64_t b = bias ? az_const_get_int(bias, (uint64_t)o) : 0;
	return (double)sum * (double)AZ_MAX(lo, hi) + fabs((double)b);
}

static const az_const *const_arg(const az_value *param, az_value *const *args)
{
	return param ? az_value_const(args[param->index]) : NULL;
}

/* The largest that 32 bits can be after the epilogue's factor and addend: where they may wrap, 2^31. */
static double largest_affine(double acc, const az_const *factor, const az_const *addend, int64_t o)
{
	double sum = fmin(acc, 0x1p31);
	if (factor)
		sum *= fabs((double)az_const_get_int(factor, 0));
	if (addend) {
		bool one = az_type_numel(addend->value.type) == 1;
		sum += fabs((double)az_const_get_int(addend, one ? 0 : (uint64_t)o));
	}
	return fmin(sum, 0x1p31);
}

static bool in_range(const az_contract *c, az_value *const *args)
{
	const az_op *op = c->epilogue.requantize;
	const az_const *scale = const_arg(op->args[1].value, args);
	const az_const *w = az_value_const(args[c->w]);
	const az_const *bias = c->bias == UINT32_MAX ? NULL : az_value_const(args[c->bias]);
	const az_const *factor = const_arg(c->epilogue.factor, args);
	const az_const *addend = const_arg(c->epilogue.addend, args);
	if (!scale || !w || (c->bias != UINT32_MAX && !bias) || (c->epilogue.factor && !factor) ||
		(c->epilogue.addend && !addend))
		return false;
	bool one = az_type_numel(scale->value.type) == 1;
	for (int64_t o = 0; o < c->out_channels; o++) {
		double s = az_const_get(scale, one ? 0 : (uint64_t)o);
		/* A quarter of the range leaves room for the roundings. */
		double most = largest_affine(largest(c, w, bias, o), factor, addend, o);
		if (!(most * fabs(s) < 0x1p29))
			return false;
	}
	return true;
}

int64_t az_contract_proofs(const az_contract *c, az_value *const *args)
{
	if (!c->epilogue.requantize)
		return 0;
	const az_const *factor = const_arg(c->epilogue.factor, args);
	int64_t f = factor ? az_const_get_int(factor, 0) : 0;
	int64_t shift = f > 0 && (f & (f - 1)) == 0 ? AZ_PROVEN_SHIFT : 0;
	return shift | (in_range(c, args) ? AZ_PROVEN_RANGE : 0);
}
