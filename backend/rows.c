/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the structure (backend/rows.h) and making the function of a strip. */
#include "backend/rows.h"

#include "backend/expr.h"
#include "backend/select.h"

#define SCRATCH_WANTED 4096 /* bytes: strips are as high as these allow ... */
#define SCRATCH_LEAST  512  /* ... or these, of small layers */
#define SCRATCH_MAX    (128 * 1024)

static bool is_packed(az_elem e)
{
	return az_elem_is_integer(e) && e.bits < 8;
}

static bool casts(const az_op *op, bool from_packed)
{
	if (!op || op->code != AZ_OP_cast || az_value_is_const(op->args[0].value))
		return false;
	az_elem x = op->args[0].value->type->elem, y = op->results[0]->type->elem;
	az_elem narrow = from_packed ? x : y, wide = from_packed ? y : x;
	return is_packed(narrow) && wide.bits == 8 && wide.kind == narrow.kind;
}

bool az_unpacks(const az_op *op)
{
	return casts(op, true);
}

bool az_packs(const az_op *op)
{
	return casts(op, false);
}

az_rows_shape az_rows_shape_of(const az_type *t)
{
	az_rows_shape shape = {.dim = t->rank > 2, .images = 1, .elements = 1};
	shape.rows = t->dim[shape.dim];
	if (shape.dim)
		shape.images = t->dim[0];
	for (uint32_t d = shape.dim + 1; d < t->rank; d++)
		shape.elements *= t->dim[d];
	return shape;
}

/* The type with one image and so many rows. */
static const az_type *with_rows(const az_rows *r, const az_type *t, az_elem elem, int64_t rows)
{
	int64_t dim[4];
	for (uint32_t d = 0; d < t->rank; d++)
		dim[d] = t->dim[d];
	dim[0] = 1;
	dim[az_rows_shape_of(t).dim] = rows;
	return az_type_get(r->func->module->ctx, elem, t->rank, dim);
}

/* --- The anchor ------------------------------------------------------------------------------- */

typedef struct window {
	az_ints stride, pad, dilation;
	int64_t size;
} window;

static window window_of(const az_op *op)
{
	if (op->code == AZ_OP_conv) {
		const az_attrs_conv *a = &op->attr.conv;
		return (window){a->stride, a->pad, a->dilation, op->args[1].value->type->dim[1]};
	}
	if (op->code == AZ_OP_max_pool) {
		const az_attrs_max_pool *a = &op->attr.max_pool;
		return (window){a->stride, a->pad, a->dilation, az_ints_at(a->window, 0, 1)};
	}
	if (op->code == AZ_OP_matmul)
		return (window){.size = 1};
	const az_attrs_sum_pool *a = &op->attr.sum_pool;
	return (window){a->stride, a->pad, a->dilation, az_ints_at(a->window, 0, 1)};
}

static bool is_anchor(const az_op *op)
{
	return op->code == AZ_OP_conv || op->code == AZ_OP_max_pool || op->code == AZ_OP_sum_pool ||
	       op->code == AZ_OP_matmul;
}

/* A product with one matrix for all images. */
static bool takes_product(const az_op *op)
{
	const az_value *w = op->args[1].value;
	uint32_t rank = op->args[0].value->type->rank;
	return rank >= 2 && rank <= 4 && w->type->rank == 2 &&
	       (!az_value_op(w) || az_decodes_weights(az_value_op(w)));
}

bool az_rows_takes(const az_op *op)
{
	if (!is_anchor(op))
		return false;
	const az_type *x = op->args[0].value->type, *y = op->results[0]->type;
	window w = window_of(op);
	if (op->code == AZ_OP_matmul)
		return takes_product(op) && y->rank == x->rank && x->elem.bits == 8 &&
		       az_elem_is_integer(x->elem);
	return x->rank == 4 && y->rank == 4 && op->result_count == 1 && x->elem.bits == 8 &&
	       az_elem_is_integer(x->elem) &&
	       (op->code == AZ_OP_conv || (!az_ints_at(w.pad, 0, 0) && !az_ints_at(w.pad, 2, 0)));
}

static bool read_window(az_rows *r)
{
	window w = window_of(r->anchor);
	r->stride = az_ints_at(w.stride, 0, 1);
	r->extent = (w.size - 1) * az_ints_at(w.dilation, 0, 1) + 1;
	int64_t in = az_rows_shape_of(r->padded).rows;
	int64_t out = az_rows_shape_of(r->anchor->results[0]->type).rows;
	return az_rows_takes(r->anchor) && !az_ints_at(w.pad, 0, 0) && !az_ints_at(w.pad, 2, 0) &&
	       out > 0 && (out - 1) * r->stride + r->extent <= in;
}

/* --- The parameters --------------------------------------------------------------------------- */

static bool whole_bytes(const az_type *type)
{
	return az_rows_shape_of(type).elements * type->elem.bits % 8 == 0;
}

/* Constant borders of rows and columns only. */
static bool is_plain_pad(const az_op *op)
{
	const az_attrs_pad *a = &op->attr.pad;
	if (op->results[0]->type->rank != 4 || a->mode != AZ_padding_constant)
		return false;
	for (uint32_t i = 0; i < 8; i++) {
		int64_t v = az_ints_at(a->pad, i, 0);
		if (v < 0 || (v && i / 2 != 1 && i / 2 != 2))
			return false;
	}
	return true;
}

/* An operand of what follows the anchor: in step with the result, or the same for all rows. */
static bool classify_operand(az_rows *r, const az_op *op, uint32_t i)
{
	const az_value *v = op->args[i].value;
	if (!v || v->kind != AZ_VALUE_PARAM)
		return true;
	const az_type *t = v->type, *y = r->body;
	bool tables = i > 0 && (op->code == AZ_OP_lookup || op->code == AZ_OP_threshold ||
				       op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize ||
				       op->code == AZ_OP_requantize);
	if (tables || az_type_numel(t) == 1)
		return !is_packed(t->elem) || !az_unpacks(op);
	if (az_unpacks(op)) {
		r->kind[v->index] = AZ_ROWS_COPIED;
		return az_type_same_shape(t, y) && whole_bytes(t);
	}
	uint32_t inner = y->rank - 1 - az_rows_shape_of(y).dim; /* dimensions of one row */
	if (t->rank <= inner || (t->rank == inner + 1 && t->dim[0] == 1))
		return true;
	if (t->rank != y->rank || t->elem.bits % 8)
		return false;
	az_rows_shape own = az_rows_shape_of(t), body = az_rows_shape_of(y);
	if (own.images == 1 && own.rows == 1)
		return true;
	r->kind[v->index] = AZ_ROWS_SLICED;
	return own.images == body.images && own.rows == body.rows;
}

/* Is operand i, from outside, one number? */
static bool is_number(const az_op *op, uint32_t i)
{
	const az_value *v = op->args[i].value;
	return !v || (v->kind == AZ_VALUE_PARAM && v->type->elem.bits % 8 == 0 &&
			     az_type_numel(v->type) == 1);
}

/* What makes bytes of an input, from its last operation on; the operand of the first, or NULL. */
static const az_value *find_source(az_rows *r, const az_op *last)
{
	const az_op *op = last;
	const az_value *v = last->results[0];
	for (; op && az_expr_takes(op); op = az_value_op(v)) {
		if (!az_type_same_shape(op->results[0]->type, last->results[0]->type))
			return NULL;
		for (uint32_t i = 1; i < op->arg_count; i++)
			if (!is_number(op, i))
				return NULL;
		v = op->args[0].value;
	}
	r->source = last;
	if (op && op->code == AZ_OP_transpose) {
		r->turn = op;
		return op->args[0].value;
	}
	return az_type_same_shape(v->type, last->results[0]->type) ? v : NULL;
}

/* The parameter that the anchor's activations come from, through border and unpacking or making. */
static bool find_x(az_rows *r)
{
	const az_value *v = r->anchor->args[0].value;
	r->padded = v->type;
	const az_op *op = az_value_op(v);
	if (op && op->code == AZ_OP_pad) {
		r->border = op;
		v = op->args[0].value;
		op = az_value_op(v);
	}
	r->x_type = v->type;
	bool unpacked = az_unpacks(op);
	if (unpacked) {
		v = op->args[0].value;
		r->x_type = v->type;
	} else if (op) {
		v = find_source(r, op);
	}
	if (!v || v->kind != AZ_VALUE_PARAM || (v->type->elem.bits % 8 != 0) != unpacked ||
		(r->border && !is_plain_pad(r->border)))
		return false;
	r->x = v->index;
	bool copied = op || r->border;
	r->kind[v->index] = copied ? AZ_ROWS_COPIED : AZ_ROWS_SLICED;
	return v->uses && !v->uses->next && whole_bytes(r->x_type);
}

bool az_rows_makes(const az_rows *r, const az_op *op)
{
	for (const az_op *at = r->source; at; at = az_value_op(at->args[0].value))
		if (at == op)
			return true;
	return false;
}

static bool before_anchor(const az_rows *r, const az_op *op)
{
	return op == r->border || az_rows_makes(r, op) ||
	       (az_unpacks(op) && op->args[0].value == r->func->params.v[r->x]) ||
	       az_decodes_weights(op);
}

/* What the function returns, less margin and packing. */
static bool find_body(az_rows *r)
{
	const az_op *last = r->func->last;
	if (r->func->results.count != 1 || r->func->results.v[0].use->value != last->results[0])
		return false;
	if (az_packs(last)) {
		r->packing = last;
		r->body = last->args[0].value->type;
		return whole_bytes(last->results[0]->type);
	}
	r->body = last->results[0]->type;
	if (last->code == AZ_OP_pad) {
		r->margin = last;
		r->body = last->args[0].value->type;
		return is_plain_pad(last) && last->results[0]->type->elem.bits % 8 == 0;
	}
	return true;
}

bool az_rows_read(const az_func *func, az_rows *r)
{
	*r = (az_rows){.func = func};
	bool strips = false;
	for (const az_op *op = func->first; op; op = op->next) {
		strips = strips || az_unpacks(op) || az_packs(op);
		if (!r->anchor && is_anchor(op))
			r->anchor = op;
	}
	if (!r->anchor || !az_rows_takes(r->anchor) || func->params.count > AZ_ARGS_MAX ||
		!find_x(r) || !(strips || r->source) || !read_window(r) || !find_body(r) ||
		!az_type_same_shape(r->body, r->anchor->results[0]->type))
		return false;
	for (const az_op *op = func->first; op; op = op->next) {
		if (op == r->anchor || op == r->margin || op == r->packing || before_anchor(r, op))
			continue;
		for (uint32_t i = 0; i < op->arg_count; i++)
			if (!classify_operand(r, op, i))
				return false;
	}
	return true;
}

bool az_rows_made_of(const az_func *func, uint32_t i)
{
	az_rows rows;
	return az_rows_read(func, &rows) && rows.source && rows.x == i;
}

/* --- Strips ----------------------------------------------------------------------------------- */

int64_t az_rows_span(const az_rows *r)
{
	return (r->height - 1) * r->stride + r->extent;
}

int64_t az_rows_scratch(const az_rows *r, uint32_t i)
{
	if (r->kind[i] != AZ_ROWS_COPIED)
		return 0;
	const az_type *t = i == r->x ? r->padded : r->body;
	return (i == r->x ? az_rows_span(r) : r->height) * az_rows_shape_of(t).elements;
}

int64_t az_rows_result_scratch(const az_rows *r)
{
	int64_t elements = r->height * az_rows_shape_of(r->body).elements;
	return r->packing || r->margin ? elements * (r->body->elem.bits / 8) : 0;
}

static int64_t all_scratch(const az_rows *r)
{
	int64_t sum = az_rows_result_scratch(r);
	for (uint32_t i = 0; i < r->func->params.count; i++)
		sum += az_rows_scratch(r, i);
	return sum;
}

/* A quarter of what the whole would take is little beside what packing saves. */
void az_rows_choose(az_rows *r)
{
	int64_t rows = r->height = az_rows_shape_of(r->body).rows;
	int64_t wanted = AZ_MAX(AZ_MIN(all_scratch(r) / 4, SCRATCH_WANTED), SCRATCH_LEAST);
	for (; r->height > 1; r->height--)
		if (rows % r->height == 0 && all_scratch(r) <= wanted)
			return;
	if (all_scratch(r) > SCRATCH_MAX)
		r->height = 0;
}

static const az_type *strip_type(const az_rows *r, uint32_t i)
{
	const az_type *t = r->func->params.v[i]->type;
	if (r->kind[i] == AZ_ROWS_WHOLE)
		return t;
	const az_type *like = i == r->x ? r->padded : t;
	az_elem elem = like->elem;
	if (is_packed(elem))
		elem.bits = 8;
	return with_rows(r, like, elem, i == r->x ? az_rows_span(r) : r->height);
}

static bool fill_core(const az_rows *r, az_module *module)
{
	az_func *core = az_func_new(module, "strip");
	az_map map = {0};
	const az_func *func = r->func;
	for (uint32_t i = 0; i < func->params.count; i++)
		az_map_put(&module->arena, &map, func->params.v[i],
			az_func_add_param(core, func->params.v[i]->name, strip_type(r, i)));
	az_builder at = {core, NULL, AZ_LOC_NONE};
	const az_value *body = func->results.v[0].use->value;
	if (r->packing || r->margin)
		body = func->last->args[0].value;
	for (const az_op *op = func->first; op; op = op->next) {
		if (op == r->margin || op == r->packing)
			continue;
		const az_value *from = op->args[0].value;
		bool copied = from->kind == AZ_VALUE_PARAM && az_unpacks(op);
		if (az_rows_makes(r, op))
			az_map_put(&module->arena, &map, op->results[0], core->params.v[r->x]);
		else if (copied || op == r->border)
			az_map_put(&module->arena, &map, op->results[0], az_map_get(&map, from));
		else if (!az_op_clone(&at, op, &map))
			return false;
	}
	az_func_add_result(core, "r", az_map_get(&map, body));
	const az_type *made = core->results.v[0].use->value->type;
	return az_rows_shape_of(made).rows == r->height && made->rank == r->body->rank &&
	       az_rows_shape_of(made).elements == az_rows_shape_of(r->body).elements;
}

az_module *az_rows_core(const az_rows *r)
{
	az_ctx *ctx = r->func->module->ctx;
	az_module *module = az_module_new(ctx, "strip");
	module->fast_math = r->func->module->fast_math;
	AZ_GUARD(ctx, {
		az_module_free(module);
		return NULL;
	});
	bool ok = fill_core(r, module);
	AZ_UNGUARD(ctx);
	if (ok)
		return module;
	az_module_free(module);
	return NULL;
}
