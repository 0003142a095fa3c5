/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel scalar: convolution, transposed convolution and matrix product in the plain way, for the element
 * types, shapes, zero points and groups that the fast kernels leave. One result at a time; input channels
 * (columns of b for products) are taken in vectors. */
#include "backend/chain.h"
#include "backend/expr.h"
#include "backend/kernels.h"

#define SPATIAL_MAX 3

typedef struct contraction {
	az_chain chain;
	const az_op *op;
	az_view x, w, bias; /* w of matmul: b */
	az_elem x_elem, w_elem, to;
	int64_t zero[2];
	/* Zero points of the weights by channel (or by scale), scales: parameters' bases, NULL when absent; sums of
	 * `group` inputs have a scale each and are added in f32. */
	LLVMValueRef zeros, scales;
	az_elem zeros_elem;
	LLVMValueRef zero_now; /* of the weights at hand, as the accumulator's type */
	int64_t group;
	az_reals clamp;
	/* convolutions */
	uint32_t spatial;
	int64_t in[SPATIAL_MAX], window[SPATIAL_MAX], stride[SPATIAL_MAX], begin[SPATIAL_MAX];
	int64_t dilation[SPATIAL_MAX];
	int64_t depth; /* input channels per group, or K */
	int64_t outputs_per_group;
	bool transposed;
	uint32_t lanes;
} contraction;

/* --- Products ------------------------------------------------------------------------------------------------ */

static LLVMTypeRef acc_type(az_emitter *e, const contraction *c, uint32_t lanes)
{
	return az_vec_type(az_register_type(e, c->to), lanes);
}

/* An operand element as the accumulator sees it, its zero point taken away. */
static LLVMValueRef factor(az_emitter *e, const contraction *c, az_elem elem, int64_t zero,
	LLVMValueRef v)
{
	if (az_elem_is_float(elem))
		return v;
	LLVMTypeRef type = acc_type(e, c, az_lanes(LLVMTypeOf(v)));
	if (elem.bits > 32 && c->to.bits <= 32)
		v = LLVMBuildTrunc(e->b, v, type, "");
	else if (elem.bits <= 32 && c->to.bits > 32)
		v = az_elem_is_signed(elem) ? LLVMBuildSExt(e->b, v, type, "")
					    : LLVMBuildZExt(e->b, v, type, "");
	return zero ? LLVMBuildSub(e->b, v, az_int(e, type, zero), "") : v;
}

static LLVMValueRef multiply_add(az_emitter *e, const contraction *c, LLVMValueRef acc,
	LLVMValueRef x, LLVMValueRef w)
{
	x = factor(e, c, c->x_elem, c->zero[0], x);
	w = factor(e, c, c->w_elem, c->zero[1], w);
	if (c->zero_now) {
		uint32_t lanes = az_lanes(LLVMTypeOf(w));
		bool one = az_lanes(LLVMTypeOf(c->zero_now)) != lanes;
		w = LLVMBuildSub(e->b, w, one ? az_splat(e, c->zero_now, lanes) : c->zero_now, "");
	}
	if (az_elem_is_float(c->to))
		return az_fadd(e, acc, az_fmul(e, x, w));
	return LLVMBuildAdd(e->b, acc, LLVMBuildMul(e->b, x, w, ""), "");
}

static LLVMValueRef add(az_emitter *e, const contraction *c, LLVMValueRef a, LLVMValueRef b)
{
	return az_elem_is_float(c->to) ? az_fadd(e, a, b) : LLVMBuildAdd(e->b, a, b, "");
}

/* Bias, clamp, and what follows. */
static bool finish(az_emitter *e, contraction *c, const az_place *place, LLVMValueRef acc)
{
	az_elem result = c->op->results[0]->type->elem;
	if (az_op_arg(c->op, 2)) {
		LLVMValueRef bias = az_view_load(e, &c->bias, place);
		acc = az_elem_is_float(result) ? az_fadd(e, acc, bias)
					       : LLVMBuildAdd(e->b, acc, bias, "");
	}
	if (c->clamp.count == 2)
		acc = az_clip(e, acc, c->clamp.v[0], c->clamp.v[1]);
	return az_chain_finish(e, &c->chain, place, az_to_grid(e, result, acc));
}

static bool row(az_emitter *e, void *data, const az_place *place)
{
	contraction *c = data;
	az_chain_row(e, &c->chain, place);
	return true;
}

/* --- Convolution ------------------------------------------------------------------------------------------- */

/* Partial sums of one result: by lane, and of the channels that fill no vector. */
typedef struct sums {
	LLVMValueRef v[2];
} sums;

/* Consecutive elements, the first of which stands at `index`; one only where they are packed. */
static LLVMValueRef load_factors(az_emitter *e, const az_view *view, LLVMValueRef index,
	uint32_t lanes)
{
	uint32_t bytes = view->elem.bits / 8u;
	if (az_elem_is_packed(view->elem))
		return az_load_packed(e, view->elem, view->base, index);
	return az_load_elems(e, view->elem, az_at(e, view->base, az_mul(e, index, bytes)), lanes,
		bytes);
}

/* --- Scaled sums --- */

/* Element `index` of the zero points, as the accumulator's type. */
static LLVMValueRef load_zero(az_emitter *e, const contraction *c, LLVMValueRef index)
{
	az_view view = {.base = c->zeros, .elem = c->zeros_elem};
	return factor(e, c, c->zeros_elem, 0, load_factors(e, &view, index, 1));
}

/* One group: adds f32(sum over count elements of x and w from x_at, w_at on, w_step apart) * scale `line`. */
static LLVMValueRef scaled_group(az_emitter *e, contraction *c, LLVMValueRef x_at,
	LLVMValueRef w_at, int64_t w_step, int64_t count, LLVMValueRef line, LLVMValueRef total)
{
	az_loop loop;
	LLVMValueRef sum = LLVMConstNull(acc_type(e, c, 1));
	c->zero_now = c->zeros ? load_zero(e, c, line) : NULL;
	az_loop_begin(e, &loop, az_index(e, 0), az_index(e, count), 1, 1, &sum);
	sum = multiply_add(e, c, loop.carried[0],
		load_factors(e, &c->x, az_add(e, x_at, loop.i), 1),
		load_factors(e, &c->w, az_add(e, w_at, az_mul(e, loop.i, w_step)), 1));
	az_loop_end(e, &loop, &sum);
	LLVMValueRef scale = az_load(e, e->f32, az_at(e, c->scales, az_mul(e, line, 4)), 4);
	LLVMValueRef bits = az_bits_of(e, az_fabs(e, scale));
	LLVMValueRef none = az_icmp(e, LLVMIntSLT, bits, az_int(e, e->i32, 0x00800000));
	scale = az_choose(e, none, az_real(e, e->f32, 0), scale);
	LLVMValueRef real = az_int_to_float(e, c->to, loop.carried[0], e->f32);
	return LLVMBuildFAdd(e->b, total, LLVMBuildFMul(e->b, real, scale, ""), "");
}

/* All groups of one row of inputs: scale g is number line + g * line_step. */
static LLVMValueRef scaled_row(az_emitter *e, contraction *c, LLVMValueRef x_at, LLVMValueRef w_at,
	int64_t w_step, LLVMValueRef line, int64_t line_step, LLVMValueRef total)
{
	int64_t whole = c->depth / c->group, rest = c->depth % c->group;
	if (whole > 0) {
		az_loop loop;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, whole), 1, 1, &total);
		LLVMValueRef k = az_mul(e, loop.i, c->group);
		total = scaled_group(e, c, az_add(e, x_at, k),
			az_add(e, w_at, az_mul(e, k, w_step)), w_step, c->group,
			az_add(e, line, az_mul(e, loop.i, line_step)), loop.carried[0]);
		az_loop_end(e, &loop, &total);
		total = loop.carried[0];
	}
	if (rest == 0)
		return total;
	LLVMValueRef k = az_index(e, whole * c->group);
	return scaled_group(e, c, az_add(e, x_at, k), az_add(e, w_at, az_mul(e, k, w_step)), w_step,
		rest, az_add(e, line, az_index(e, whole * line_step)), total);
}

/* x and w: indices of the first elements. */
static sums dot_part(az_emitter *e, const contraction *c, LLVMValueRef x, LLVMValueRef w,
	int64_t begin, int64_t end, uint32_t lanes, sums acc, uint32_t which)
{
	az_loop loop;
	if (begin >= end)
		return acc;
	az_loop_begin(e, &loop, az_index(e, begin), az_index(e, end), lanes, 1, &acc.v[which]);
	LLVMValueRef next = multiply_add(e, c, loop.carried[0],
		load_factors(e, &c->x, az_add(e, x, loop.i), lanes),
		load_factors(e, &c->w, az_add(e, w, loop.i), lanes));
	az_loop_end(e, &loop, &next);
	acc.v[which] = loop.carried[0];
	return acc;
}

static sums dot(az_emitter *e, contraction *c, LLVMValueRef x, LLVMValueRef w, sums acc)
{
	if (c->scales) { /* their order is that of the weights: output channel, tap, group */
		int64_t groups = (c->depth + c->group - 1) / c->group;
		LLVMValueRef line = az_mul(e, az_index_div(e, w, c->depth), groups);
		acc.v[1] = scaled_row(e, c, x, w, 1, line, 1, acc.v[1]);
		return acc;
	}
	int64_t whole = c->lanes > 1 ? c->depth / c->lanes * c->lanes : 0;
	acc = dot_part(e, c, x, w, 0, whole, c->lanes, acc, 0);
	return dot_part(e, c, x, w, whole, c->depth, 1, acc, 1);
}

/* Input place of tap k at output place o in dimension i, and whether there is one. */
static LLVMValueRef input_place(az_emitter *e, const contraction *c, uint32_t i, LLVMValueRef o,
	LLVMValueRef k, LLVMValueRef *exists)
{
	LLVMValueRef tap = az_mul(e, k, c->dilation[i]), zero = az_index(e, 0), at;
	if (!c->transposed) {
		at = az_add(e, az_mul(e, o, c->stride[i]), az_index(e, -c->begin[i]));
		at = az_add(e, at, tap);
		*exists = az_icmp(e, LLVMIntSGE, at, zero);
	} else {
		LLVMValueRef spread = az_add(e, o, az_index(e, c->begin[i]));
		spread = LLVMBuildSub(e->b, spread, tap, "");
		*exists = az_icmp(e, LLVMIntSGE, spread, zero);
		at = az_index_div(e, az_index_max(e, spread, zero), c->stride[i]);
		LLVMValueRef even = az_icmp(e, LLVMIntEQ, az_mul(e, at, c->stride[i]), spread);
		*exists = LLVMBuildAnd(e->b, *exists, even, "");
	}
	LLVMValueRef below = az_icmp(e, LLVMIntSLT, at, az_index(e, c->in[i]));
	*exists = LLVMBuildAnd(e->b, *exists, below, "");
	return at;
}

/* All taps from dimension `dim` on; x_at and w_at are the indices so far. */
static sums over_taps(az_emitter *e, contraction *c, const az_place *place, uint32_t dim,
	LLVMValueRef x_at, LLVMValueRef w_at, sums acc)
{
	if (dim == c->spatial)
		return dot(e, c, x_at, w_at, acc);
	az_loop taps, inside;
	LLVMValueRef exists;
	az_loop_begin(e, &taps, az_index(e, 0), az_index(e, c->window[dim]), 1, 2, acc.v);
	LLVMValueRef at = input_place(e, c, dim, place->index[1 + dim], taps.i, &exists);
	/* A span of one turn or none is a condition. */
	LLVMValueRef turns = LLVMBuildZExt(e->b, exists, e->i64, "");
	az_span_begin(e, &inside, az_index(e, 0), turns, 2, taps.carried);
	sums next = {{inside.carried[0], inside.carried[1]}};
	next = over_taps(e, c, place, dim + 1, az_add(e, x_at, az_mul(e, at, c->x.stride[1 + dim])),
		az_add(e, w_at, az_mul(e, taps.i, c->w.stride[1 + dim])), next);
	az_span_end(e, &inside, next.v);
	az_loop_end(e, &taps, inside.carried);
	return (sums){{taps.carried[0], taps.carried[1]}};
}

static LLVMValueRef fold_lanes(az_emitter *e, const contraction *c, LLVMValueRef v)
{
	for (uint32_t n = az_lanes(LLVMTypeOf(v)); n > 1; n /= 2)
		v = add(e, c, az_lanes_of(e, v, 0, n / 2), az_lanes_of(e, v, n / 2, n / 2));
	return v;
}

static bool conv_body(az_emitter *e, void *data, const az_place *place)
{
	contraction *c = data;
	LLVMValueRef channel = place->index[place->rank - 1];
	LLVMValueRef group = az_index_div(e, channel, c->outputs_per_group);
	LLVMValueRef x_at = az_mul(e, place->index[0], c->x.stride[0]);
	x_at = az_add(e, x_at, az_mul(e, group, c->depth));
	sums acc = {{LLVMConstNull(acc_type(e, c, c->lanes)), LLVMConstNull(acc_type(e, c, 1))}};
	if (c->scales)
		acc.v[1] = LLVMConstNull(e->f32);
	else if (c->zeros)
		c->zero_now = load_zero(e, c, channel);
	acc = over_taps(e, c, place, 0, x_at, az_mul(e, channel, c->w.stride[0]), acc);
	LLVMValueRef total = c->lanes > 1 && c->depth >= c->lanes
				     ? add(e, c, fold_lanes(e, c, acc.v[0]), acc.v[1])
				     : acc.v[1];
	return finish(e, c, place, total);
}

static void read_conv(contraction *c)
{
	const az_op *op = c->op;
	c->transposed = op->code == AZ_OP_conv_transpose;
	const az_attrs_conv *a = &op->attr.conv;
	const az_attrs_conv_transpose *t = &op->attr.conv_transpose;
	az_ints stride = c->transposed ? t->stride : a->stride,
		pad = c->transposed ? t->pad : a->pad;
	az_ints dilation = c->transposed ? t->dilation : a->dilation;
	az_ints zero = c->transposed ? t->zero : a->zero;
	int64_t groups = c->transposed ? t->groups : a->groups;
	const az_type *x = az_op_arg(op, 0)->type, *w = az_op_arg(op, 1)->type;
	c->clamp = c->transposed ? t->clamp : a->clamp;
	c->zero[0] = az_ints_at(zero, 0, 0);
	c->zero[1] = az_ints_at(zero, 1, 0);
	c->spatial = x->rank - 2u;
	for (uint32_t i = 0; i < c->spatial; i++) {
		c->in[i] = x->dim[1 + i];
		c->window[i] = w->dim[1 + i];
		c->stride[i] = az_ints_at(stride, i, 1);
		c->begin[i] = az_ints_at(pad, 2 * i, 0);
		c->dilation[i] = az_ints_at(dilation, i, 1);
	}
	c->depth = w->dim[w->rank - 1];
	c->outputs_per_group = w->dim[0] / groups;
}

/* --- Matrix product ---------------------------------------------------------------------------------------- */

/* One more dimension in front, with its index and stride. */
static void place_before(az_view *view, az_place *place, LLVMValueRef index, int64_t stride)
{
	for (uint32_t d = place->rank; d-- > 0;) {
		view->stride[d + 1] = view->stride[d];
		view->group[d + 1] = view->group[d];
		place->index[d + 1] = place->index[d];
	}
	view->stride[0] = stride;
	view->group[0] = 1;
	place->index[0] = index;
	place->rank++;
}

static bool scaled_product(az_emitter *e, contraction *c, const az_place *place)
{
	int64_t columns = az_op_arg(c->op, 1)->type->dim[1];
	LLVMValueRef column = place->index[place->rank - 1];
	LLVMValueRef total = scaled_row(e, c, az_view_index(e, &c->x, place), column, columns,
		column, columns, LLVMConstNull(e->f32));
	return finish(e, c, place, total);
}

static bool matmul_body(az_emitter *e, void *data, const az_place *place)
{
	contraction *c = data;
	if (c->scales)
		return scaled_product(e, c, place);
	LLVMValueRef acc = LLVMConstNull(acc_type(e, c, place->lanes));
	if (c->zeros) {
		az_view view = {.base = c->zeros, .elem = c->zeros_elem};
		view.stride[place->rank - 1] = 1;
		for (uint32_t d = 0; d < place->rank; d++)
			view.group[d] = 1;
		c->zero_now = factor(e, c, c->zeros_elem, 0, az_view_load(e, &view, place));
	}
	const az_type *b = az_op_arg(c->op, 1)->type;
	if (c->depth > 0) {
		az_loop loop;
		az_place one = *place;
		one.lanes = one.valid = 1;
		az_loop_begin(e, &loop, az_index(e, 0), az_index(e, c->depth), 1, 1, &acc);
		az_view a_row = c->x, b_row = c->w;
		/* The walked index of the reduction is one dimension more, at the front. */
		place_before(&a_row, &one, loop.i, 1);
		az_place row = *place;
		place_before(&b_row, &row, loop.i, b->dim[b->rank - 1]);
		LLVMValueRef a = az_splat(e, az_view_load(e, &a_row, &one), place->lanes);
		LLVMValueRef next =
			multiply_add(e, c, loop.carried[0], a, az_view_load(e, &b_row, &row));
		az_loop_end(e, &loop, &next);
		acc = loop.carried[0];
	}
	return finish(e, c, place, acc);
}

/* a is [..., M, K], b [..., K, N], in the space [..., M, N]. */
static void matmul_views(contraction *c, LLVMValueRef a_base, LLVMValueRef b_base)
{
	const az_type *a = az_op_arg(c->op, 0)->type, *b = az_op_arg(c->op, 1)->type;
	uint32_t rank = c->op->results[0]->type->rank;
	az_view_broadcast(&c->x, a_base, a, rank);
	az_view_broadcast(&c->w, b_base, b, rank);
	c->x.stride[rank - 1] = 0;
	c->w.stride[rank - 2] = 0;
	c->w.stride[rank - 1] = 1;
	c->x.stride[rank - 2] = a->dim[a->rank - 1];
	c->depth = a->dim[a->rank - 1];
	c->clamp = c->op->attr.matmul.clamp;
	c->zero[0] = az_ints_at(c->op->attr.matmul.zero, 0, 0);
	c->zero[1] = az_ints_at(c->op->attr.matmul.zero, 1, 0);
}

/* --- Both -------------------------------------------------------------------------------------------------- */

static bool is_contraction(const az_func *func, az_chain *chain)
{
	return az_chain_is(func, chain, AZ_OP_conv) ||
	       az_chain_is(func, chain, AZ_OP_conv_transpose) ||
	       az_chain_is(func, chain, AZ_OP_matmul);
}

bool az_scalar_match(const az_target *target, const az_func *func, az_value *const *args,
	az_tile *tile)
{
	az_chain chain;
	(void)target;
	(void)args;
	tile->count = 0;
	return is_contraction(func, &chain);
}

bool az_scalar_emit(az_emitter *e, const az_func *func, const az_tile *tile,
	const LLVMValueRef *params)
{
	contraction c = {.lanes = 1};
	(void)tile;
	if (!is_contraction(func, &c.chain))
		return az_error(e->ctx, func->loc, "scalar: \"%s\" is no contraction", func->name);
	const az_op *op = c.op = c.chain.anchor;
	const az_type *x = az_op_arg(op, 0)->type, *w = az_op_arg(op, 1)->type;
	const az_type *y = op->results[0]->type;
	const az_value *bias = az_op_arg(op, 2);
	c.x_elem = x->elem, c.w_elem = w->elem, c.to = y->elem;
	c.lanes = az_chain_lanes(e, &c.chain);
	const az_value *zeros = az_op_arg(op, 3), *scales = az_op_arg(op, 4);
	if (zeros) {
		c.zeros = az_chain_base(e, func, zeros, params);
		c.zeros_elem = zeros->type->elem;
	}
	if (scales) {
		c.scales = az_chain_base(e, func, scales, params);
		c.group = op->code == AZ_OP_conv ? op->attr.conv.group : op->attr.matmul.group;
		c.to = AZ_I64;
		c.lanes = 1;
	}
	bool packed = az_elem_is_packed(x->elem) || az_elem_is_packed(w->elem);
	if (packed && op->code != AZ_OP_matmul)
		c.lanes = 1;
	az_chain_bind(e, &c.chain, params);
	if (bias)
		az_view_broadcast(&c.bias, az_chain_base(e, func, bias, params), bias->type,
			y->rank);
	int64_t zero[AZ_ITER_RANK] = {0}, size[AZ_ITER_RANK] = {0};
	for (uint32_t d = 0; d < y->rank; d++)
		size[d] = y->dim[d];
	LLVMValueRef x_base = az_chain_base(e, func, az_op_arg(op, 0), params);
	LLVMValueRef w_base = az_chain_base(e, func, az_op_arg(op, 1), params);
	bool product = op->code == AZ_OP_matmul;
	if (product) {
		matmul_views(&c, x_base, w_base);
	} else {
		az_view_dense(&c.x, x_base, x->elem, x->rank, x->dim);
		az_view_dense(&c.w, w_base, w->elem, w->rank, w->dim);
		read_conv(&c);
	}
	return az_iterate(e, y->rank, zero, size, product ? c.lanes : 1, row,
		       product ? matmul_body : conv_body, &c) &&
	       az_chain_fill_pad(e, &c.chain);
}
