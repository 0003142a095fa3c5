/* SPDX-License-Identifier: Apache-2.0
 *
 * Which labels each operation ties together (passes/channels.h). What no rule describes is fixed, so an
 * operation that is new to this file makes networks less flexible, never wrong. */
#include "passes/channels.h"

static int64_t size_of(const az_value *value, uint32_t dim)
{
	return value->type->dim[dim];
}

static uint32_t last_of(const az_value *value)
{
	return value->type->rank - 1u;
}

static void unite(az_channels *ch, const az_value *a, uint32_t da, int64_t i, const az_value *b,
	uint32_t db, int64_t k)
{
	az_channel_unite(ch, az_channel_label(ch, a, da, i), az_channel_label(ch, b, db, k));
}

/* Index i here is index i there. */
static void same(az_channels *ch, const az_value *a, uint32_t da, const az_value *b, uint32_t db)
{
	for (int64_t i = 0; i < size_of(a, da); i++)
		unite(ch, a, da, i, b, db, i);
}

static void fix(az_channels *ch, const az_value *v, uint32_t dim, const char *why)
{
	for (int64_t i = 0; i < size_of(v, dim); i++)
		az_channel_fix(ch, az_channel_label(ch, v, dim, i), why);
}

static void fix_value(az_channels *ch, const az_value *v, const char *why)
{
	for (uint32_t d = 0; d < v->type->rank; d++)
		fix(ch, v, d, why);
}

static void fix_op(az_channels *ch, const az_op *op, const char *why)
{
	for (uint32_t i = 0; i < op->arg_count; i++) {
		if (op->args[i].value)
			fix_value(ch, op->args[i].value, why);
	}
	for (uint32_t i = 0; i < op->result_count; i++)
		fix_value(ch, op->results[i], why);
}

static bool is_fixed(az_channels *ch, const az_value *v, uint32_t dim)
{
	for (int64_t i = 0; i < size_of(v, dim); i++) {
		if (!az_channel_is_fixed(ch, az_channel_label(ch, v, dim, i)))
			return false;
	}
	return true;
}

/* Dimensions aligned at their ends; those of length 1 stretch. */
static void broadcast(az_channels *ch, const az_value *x, const az_value *y, uint32_t from_last)
{
	for (uint32_t k = from_last; k < x->type->rank && k < y->type->rank; k++) {
		uint32_t dx = last_of(x) - k, dy = last_of(y) - k;
		if (size_of(x, dx) == size_of(y, dy))
			same(ch, x, dx, y, dy);
	}
}

static void all_same(az_channels *ch, const az_value *x, const az_value *y)
{
	for (uint32_t d = 0; d < x->type->rank; d++)
		same(ch, x, d, y, d);
}

static void contract(az_channels *ch, const az_value *w, uint32_t dim)
{
	if (az_value_is_const(w))
		ch->contracted[w->id] |= (uint8_t)(1u << dim);
}

/* --- Convolutions -------------------------------------------------------------------------------- */

/* One filter per input channel: the channel goes with its filters. */
static void depthwise(az_channels *ch, const az_value *x, const az_value *w, int64_t groups)
{
	int64_t each = size_of(w, 0) / groups;
	fix(ch, w, last_of(w), "one input channel per filter");
	for (int64_t o = 0; o < size_of(w, 0); o++) {
		unite(ch, x, last_of(x), o / each, w, 0, o);
		if (each > 1)
			az_channel_only_remove(ch, az_channel_label(ch, w, 0, o));
	}
}

/* Groups keep equal sizes: what goes from one goes from all, at the same place. */
static void grouped(az_channels *ch, const az_value *x, const az_value *w, int64_t groups)
{
	uint32_t in = last_of(w);
	int64_t inputs = size_of(w, in), outputs = size_of(w, 0) / groups;
	contract(ch, w, in);
	for (int64_t i = 0; i < size_of(x, last_of(x)); i++)
		unite(ch, x, last_of(x), i, w, in, i % inputs);
	for (int64_t o = 0; o < size_of(w, 0); o++)
		unite(ch, w, 0, o, w, 0, o % outputs);
}

static void convolution(az_channels *ch, const az_op *op)
{
	const az_value *x = op->args[0].value, *w = op->args[1].value, *bias = az_op_arg(op, 2);
	const az_value *y = op->results[0];
	int64_t groups = az_op_groups(op);
	same(ch, x, 0, y, 0);
	for (uint32_t d = 1; d < last_of(x); d++) {
		fix(ch, x, d, "a spatial dimension");
		fix(ch, w, d, "a spatial dimension");
		fix(ch, y, d, "a spatial dimension");
	}
	same(ch, w, 0, y, last_of(y));
	if (bias)
		same(ch, w, 0, bias, 0);
	if (groups > 1 && size_of(w, last_of(w)) == 1)
		depthwise(ch, x, w, groups);
	else
		grouped(ch, x, w, groups);
}

static void product(az_channels *ch, const az_op *op)
{
	const az_value *a = op->args[0].value, *b = op->args[1].value, *bias = az_op_arg(op, 2);
	const az_value *y = op->results[0];
	uint32_t k = last_of(b) - 1;
	broadcast(ch, a, y, 1);
	broadcast(ch, b, y, 2);
	same(ch, b, last_of(b), y, last_of(y));
	if (bias)
		same(ch, bias, 0, y, last_of(y));
	same(ch, a, last_of(a), b, k);
	contract(ch, b, k);
	if (!az_value_is_const(b))
		contract(ch, a, last_of(a));
	for (int64_t i = 0; !az_value_is_const(a) && !az_value_is_const(b) && i < size_of(b, k);
		i++)
		az_channel_only_remove(ch, az_channel_label(ch, b, k, i));
}

/* --- Shapes -------------------------------------------------------------------------------------- */

typedef struct block {
	uint32_t count;
	uint32_t dim[AZ_RANK_MAX];
	int64_t size;
} block;

/* Which of several dimensions that become one carries the channels: the only one that may change, else
 * the longest, the last of equals. -1: none may. */
static int carrier_of(az_channels *ch, const az_value *v, const block *parts)
{
	int best = -1;
	for (uint32_t i = 0; i < parts->count; i++) {
		if (is_fixed(ch, v, parts->dim[i]))
			continue;
		if (best < 0 || size_of(v, parts->dim[i]) >= size_of(v, parts->dim[best]))
			best = (int)i;
	}
	return best;
}

/* One dimension here is several there. */
static void split_dim(az_channels *ch, const az_value *whole, uint32_t dim, const az_value *v,
	const block *parts)
{
	int carrier = is_fixed(ch, whole, dim) ? -1 : carrier_of(ch, v, parts);
	for (uint32_t i = 0; i < parts->count; i++) {
		if ((int)i != carrier)
			fix(ch, v, parts->dim[i], "part of a reshaped dimension");
	}
	if (carrier < 0) {
		fix(ch, whole, dim, "a reshaped dimension");
		return;
	}
	int64_t stride = 1, length = size_of(v, parts->dim[carrier]);
	for (uint32_t i = (uint32_t)carrier + 1; i < parts->count; i++)
		stride *= size_of(v, parts->dim[i]);
	for (int64_t i = 0; i < parts->size; i++) {
		unite(ch, whole, dim, i, v, parts->dim[carrier], i / stride % length);
		if (stride > 1)
			az_channel_only_remove(ch, az_channel_label(ch, whole, dim, i));
	}
}

static bool next_part(const az_value *v, uint32_t *at, block *out)
{
	while (*at < v->type->rank && size_of(v, *at) == 1)
		++*at;
	if (*at == v->type->rank)
		return false;
	out->size *= size_of(v, *at);
	out->dim[out->count++] = (*at)++;
	return true;
}

/* Both shapes as runs of dimensions with equal products. */
static void reshape(az_channels *ch, const az_value *x, const az_value *y)
{
	uint32_t i = 0, k = 0;
	for (;;) {
		block a = {.size = 1}, b = {.size = 1};
		if (!next_part(x, &i, &a) || !next_part(y, &k, &b))
			return;
		while (a.size != b.size) {
			if (!(a.size < b.size ? next_part(x, &i, &a) : next_part(y, &k, &b)))
				break;
		}
		if (a.count == 1 && b.count == 1) {
			same(ch, x, a.dim[0], y, b.dim[0]);
		} else if (a.count == 1) {
			split_dim(ch, x, a.dim[0], y, &b);
		} else if (b.count == 1) {
			split_dim(ch, y, b.dim[0], x, &a);
		} else {
			for (uint32_t n = 0; n < a.count; n++)
				fix(ch, x, a.dim[n], "reshaped with its neighbours");
			for (uint32_t n = 0; n < b.count; n++)
				fix(ch, y, b.dim[n], "reshaped with its neighbours");
		}
	}
}

static void slice(az_channels *ch, const az_op *op)
{
	const az_value *x = op->args[0].value, *y = op->results[0];
	const az_attrs_slice *attr = &op->attr.slice;
	for (uint32_t d = 0; d < x->type->rank; d++) {
		int64_t begin = attr->begin.v[d], step = az_ints_at(attr->step, d, 1);
		for (int64_t i = 0; i < size_of(y, d); i++)
			unite(ch, x, d, begin + i * step, y, d, i);
		if (step != 1)
			fix(ch, x, d, "taken in steps");
	}
}

static void pieces(az_channels *ch, const az_value *whole, uint32_t axis, const az_value *part,
	int64_t offset)
{
	for (uint32_t d = 0; d < whole->type->rank; d++) {
		for (int64_t i = 0; i < size_of(part, d); i++)
			unite(ch, part, d, i, whole, d, d == axis ? offset + i : i);
	}
}

static void concat(az_channels *ch, const az_op *op)
{
	const az_value *y = op->results[0];
	uint32_t axis = (uint32_t)az_axis_normalize(op->attr.concat.axis, y->type->rank);
	int64_t offset = 0;
	for (uint32_t i = 0; i < op->arg_count; i++) {
		pieces(ch, y, axis, op->args[i].value, offset);
		offset += size_of(op->args[i].value, axis);
	}
}

static void split(az_channels *ch, const az_op *op)
{
	const az_value *x = op->args[0].value;
	uint32_t axis = (uint32_t)az_axis_normalize(op->attr.split.axis, x->type->rank);
	int64_t offset = 0;
	for (uint32_t i = 0; i < op->result_count; i++) {
		pieces(ch, x, axis, op->results[i], offset);
		offset += size_of(op->results[i], axis);
	}
}

static void pad(az_channels *ch, const az_op *op)
{
	const az_value *x = op->args[0].value, *y = op->results[0];
	for (uint32_t d = 0; d < x->type->rank; d++) {
		int64_t begin = az_ints_at(op->attr.pad.pad, 2 * d, 0);
		int64_t end = az_ints_at(op->attr.pad.pad, 2 * d + 1, 0);
		if ((begin || end) &&
			(op->attr.pad.mode != AZ_padding_constant || begin < 0 || end < 0)) {
			fix(ch, x, d, "padded with its own elements");
			fix(ch, y, d, "padded with its own elements");
			continue;
		}
		for (int64_t i = 0; i < size_of(x, d); i++)
			unite(ch, x, d, i, y, d, begin + i);
	}
}

/* Dimensions that keep their length are the same, the others are made anew. */
static void stretched(az_channels *ch, const az_value *x, const az_value *y, const char *why)
{
	for (uint32_t d = 0; d < x->type->rank; d++) {
		if (size_of(x, d) == size_of(y, d)) {
			same(ch, x, d, y, d);
			continue;
		}
		fix(ch, x, d, why);
		fix(ch, y, d, why);
	}
}

static void transpose(az_channels *ch, const az_op *op)
{
	const az_value *x = op->args[0].value, *y = op->results[0];
	for (uint32_t d = 0; d < y->type->rank; d++)
		same(ch, x, (uint32_t)op->attr.transpose.perm.v[d], y, d);
}

static void gather(az_channels *ch, const az_op *op)
{
	const az_value *x = op->args[0].value, *y = op->results[0];
	uint32_t axis = (uint32_t)az_axis_normalize(op->attr.gather.axis, x->type->rank);
	uint32_t indices = op->args[1].value->type->rank;
	fix_value(ch, op->args[1].value, "indices");
	fix(ch, x, axis, "picked from by index");
	for (uint32_t d = 0; d < x->type->rank; d++) {
		if (d != axis)
			same(ch, x, d, y, d < axis ? d : d + indices - 1);
	}
	for (uint32_t d = axis; d < axis + indices; d++)
		fix(ch, y, d, "picked by index");
}

/* --- Windows, reductions, quantizers ------------------------------------------------------------- */

static void pool(az_channels *ch, const az_value *x, const az_value *y)
{
	same(ch, x, 0, y, 0);
	same(ch, x, last_of(x), y, last_of(y));
	for (uint32_t d = 1; d < last_of(x); d++) {
		fix(ch, x, d, "a spatial dimension");
		fix(ch, y, d, "a spatial dimension");
	}
}

/* `gone`: a bit per dimension of x that is reduced; dropped from y or of length 1 there. */
static void reduced(az_channels *ch, const az_value *x, const az_value *y, unsigned gone, bool drop)
{
	uint32_t to = 0;
	for (uint32_t d = 0; d < x->type->rank; d++) {
		if (gone >> d & 1) {
			fix(ch, x, d, "reduced");
			if (!drop)
				to++;
			continue;
		}
		same(ch, x, d, y, to++);
	}
}

static void reduction(az_channels *ch, const az_op *op)
{
	const az_value *x = op->args[0].value;
	unsigned gone = 0;
	for (uint32_t i = 0; i < op->attr.reduce.axes.count; i++)
		gone |= 1u << az_axis_normalize(op->attr.reduce.axes.v[i], x->type->rank);
	reduced(ch, x, op->results[0], gone, op->attr.reduce.drop);
}

/* Along `axis` everything depends on everything. */
static void along(az_channels *ch, const az_op *op, int64_t axis, const char *why)
{
	const az_value *x = op->args[0].value;
	fix(ch, x, (uint32_t)az_axis_normalize(axis, x->type->rank), why);
	all_same(ch, x, op->results[0]);
}

/* Parameters that stand along one dimension of x. */
static void per_axis(az_channels *ch, const az_op *op, int64_t axis)
{
	const az_value *x = op->args[0].value;
	uint32_t d = (uint32_t)az_axis_normalize(axis, x->type->rank);
	all_same(ch, x, op->results[0]);
	for (uint32_t i = 1; i < op->arg_count; i++) {
		const az_value *p = op->args[i].value;
		if (p && p->type->rank == 1 && size_of(p, 0) == size_of(x, d))
			same(ch, p, 0, x, d);
	}
}

static void quantizer(az_channels *ch, const az_op *op, int64_t axis, int64_t group)
{
	if (group)
		fix_op(ch, op, "quantized in groups");
	per_axis(ch, op, axis);
}

static void elementwise(az_channels *ch, const az_op *op)
{
	for (uint32_t i = 0; i < op->arg_count; i++)
		broadcast(ch, op->args[i].value, op->results[0], 0);
}

/* Operations that move elements. */
static bool moving(az_channels *ch, const az_op *op)
{
	const az_value *x = az_op_arg(op, 0), *y = op->results[0];
	switch (op->code) {
	case AZ_OP_reshape:
		reshape(ch, x, y);
		break;
	case AZ_OP_transpose:
		transpose(ch, op);
		break;
	case AZ_OP_slice:
		slice(ch, op);
		break;
	case AZ_OP_concat:
		concat(ch, op);
		break;
	case AZ_OP_split:
		split(ch, op);
		break;
	case AZ_OP_pad:
		pad(ch, op);
		break;
	case AZ_OP_expand:
		broadcast(ch, x, y, 0);
		break;
	case AZ_OP_tile:
		stretched(ch, x, y, "repeated");
		break;
	case AZ_OP_resize:
		stretched(ch, x, y, "resized");
		break;
	case AZ_OP_gather:
		gather(ch, op);
		break;
	default:
		return false;
	}
	return true;
}

void az_channel_rules(az_channels *ch, const az_op *op)
{
	const az_value *x = az_op_arg(op, 0), *y = op->results[0];
	if (moving(ch, op))
		return;
	switch (op->code) {
	case AZ_OP_conv:
	case AZ_OP_conv_transpose:
		convolution(ch, op);
		break;
	case AZ_OP_matmul:
		product(ch, op);
		break;
	case AZ_OP_batch_norm:
		per_axis(ch, op, op->attr.batch_norm.axis);
		break;
	case AZ_OP_quantize:
		quantizer(ch, op, op->attr.quantize.axis, op->attr.quantize.group);
		break;
	case AZ_OP_dequantize:
		quantizer(ch, op, op->attr.dequantize.axis, op->attr.dequantize.group);
		break;
	case AZ_OP_requantize:
		elementwise(ch, op);
		break;
	case AZ_OP_lookup:
		fix_value(ch, op->args[1].value, "a table");
		all_same(ch, x, y);
		break;
	case AZ_OP_lrn:
		along(ch, op, op->attr.lrn.axis, "normalized with its neighbours");
		break;
	case AZ_OP_softmax:
		along(ch, op, op->attr.softmax.axis, "a softmax over it");
		break;
	case AZ_OP_log_softmax:
		along(ch, op, op->attr.log_softmax.axis, "a softmax over it");
		break;
	case AZ_OP_max_pool:
	case AZ_OP_avg_pool:
	case AZ_OP_sum_pool:
		pool(ch, x, y);
		break;
	case AZ_OP_reduce:
		reduction(ch, op);
		break;
	case AZ_OP_arg_reduce:
		reduced(ch, x, y, 1u << az_axis_normalize(op->attr.arg_reduce.axis, x->type->rank),
			op->attr.arg_reduce.drop);
		break;
	default:
		if (az_op_table[op->code].traits & AZ_TRAIT_ELTWISE)
			elementwise(ch, op);
		else
			fix_op(ch, op, "an operation without a rule for channels");
	}
}
