/* SPDX-License-Identifier: Apache-2.0
 *
 * How a transpose passes a reshape. Three ways, tried in order: it only moves dimensions of length 1 and
 * vanishes; the reshape splits and merges dimensions that lie together before the transpose too, so
 * that both can change places; the reshape flattens for matrix products with constant rows, which are
 * put into the other order instead. */
#include "passes/sink.h"

/* A run of dimensions that the reshape turns into another run with as many elements. */
typedef struct segment {
	uint32_t from, from_end; /* dimensions of the reshape's operand, T(x) */
	uint32_t to, to_end;     /* dimensions of its result */
	int64_t place;           /* where it begins in x */
} segment;

static uint32_t segments_of(const az_type *from, const az_type *to, segment *out)
{
	uint32_t count = 0, i = 0, j = 0;
	while (i < from->rank && j < to->rank) {
		segment s = {i, i + 1, j, j + 1, 0};
		int64_t a = from->dim[i++], b = to->dim[j++];
		while (a != b) {
			if (a < b && i < from->rank)
				a *= from->dim[i++];
			else if (b < a && j < to->rank)
				b *= to->dim[j++];
			else
				return 0;
		}
		s.from_end = i;
		s.to_end = j;
		out[count++] = s;
	}
	/* Only dimensions of length 1 can be left. */
	if (count > 0) {
		out[count - 1].from_end = from->rank;
		out[count - 1].to_end = to->rank;
	}
	return count;
}

/* Do the segment's dimensions lie together and in order in x? Finds where. */
static bool together(segment *s, const az_perm *perm, const az_type *type, const az_type *x)
{
	int64_t last = -1;
	s->place = perm->v[s->from];
	for (uint32_t i = s->from; i < s->from_end; i++) {
		if (type->dim[i] == 1)
			continue;
		int64_t at = perm->v[i];
		if (last < 0) {
			s->place = at;
		} else {
			if (at < last)
				return false;
			for (int64_t d = last + 1; d < at; d++) {
				if (x->dim[d] != 1)
					return false;
			}
		}
		last = at;
	}
	return true;
}

static bool exchange(az_op *op, const az_op *t)
{
	const az_type *type = t->results[0]->type, *to = op->results[0]->type;
	az_value *x = t->args[0].value;
	az_perm perm = az_perm_of(t), back = {.rank = to->rank};
	segment s[AZ_RANK_MAX], *order[AZ_RANK_MAX];
	uint32_t count = segments_of(type, to, s);
	if (count == 0)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!together(&s[i], &perm, type, x->type))
			return false;
		uint32_t at = i;
		for (; at > 0 && order[at - 1]->place > s[i].place; at--)
			order[at] = order[at - 1];
		order[at] = &s[i];
	}
	int64_t dim[AZ_RANK_MAX];
	uint32_t rank = 0;
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t d = order[i]->to; d < order[i]->to_end; d++) {
			back.v[d] = rank;
			dim[rank++] = to->dim[d];
		}
	}
	az_builder at = az_before(op);
	return az_sink_replace(op, az_build_reshape(&at, x, rank, dim), &back);
}

/* The stored or plain constant of a product's second operand, if its rows can be permuted freely. */
static az_const *rows_of(const az_op *matmul)
{
	az_value *b = matmul->args[1].value;
	const az_op *dq = az_def_is(b, AZ_OP_dequantize);
	if (b->type->rank != 2)
		return NULL;
	if (!dq)
		return az_value_const(b);
	bool columns = az_axis_normalize(dq->attr.dequantize.axis, 2) == 1;
	if (dq->attr.dequantize.group > 0 ||
		(az_type_numel(dq->args[1].value->type) > 1 && !columns))
		return NULL;
	return az_value_const(dq->args[0].value);
}

/* Element-wise in one operand: the order of elements is all the same to it. */
static bool keeps_order(const az_op *op, const az_value *v)
{
	if (op->args[0].value != v || op->result_count != 1)
		return false;
	if (op->code == AZ_OP_quantize || op->code == AZ_OP_dequantize)
		return op->attr.quantize.group == 0 && az_type_numel(op->args[1].value->type) == 1;
	if (!(az_op_table[op->code].traits & AZ_TRAIT_ELTWISE))
		return false;
	for (uint32_t i = 1; i < op->arg_count; i++) {
		if (az_type_numel(op->args[i].value->type) != 1)
			return false;
	}
	return op->results[0]->type->rank == v->type->rank;
}

typedef struct products {
	AZ_VEC(az_op *) list;
} products;

/* Every way that the value takes ends in a product; collects them. */
static bool ends_in_products(az_value *v, products *out, az_arena *scratch)
{
	for (const az_use *use = v->uses; use; use = use->next) {
		az_op *user = use->user;
		if (!user)
			return false;
		if (user->code == AZ_OP_matmul && use->index == 0 && rows_of(user) &&
			user->args[1].value != v) {
			az_vec_push(scratch, &out->list, user);
			continue;
		}
		if (!keeps_order(user, v) || !ends_in_products(user->results[0], out, scratch))
			return false;
	}
	return v->uses != NULL;
}

/* Row k of the matrix belongs to place k of T(x) flattened; the new one follows x. */
static bool permute_rows(az_op *matmul, const az_perm *perm, const az_type *type)
{
	az_const *rows = rows_of(matmul);
	int64_t columns = rows->value.type->dim[1], order[AZ_RANK_MAX], dim[AZ_RANK_MAX];
	az_perm inverse = az_perm_invert(perm);
	uint32_t n = 0;
	for (uint32_t d = 0; d < perm->rank; d++) {
		if (inverse.v[d] != 0)
			order[n++] = inverse.v[d] - 1;
		if (d > 0)
			dim[d - 1] = type->dim[d];
	}
	order[n] = n;
	dim[n] = columns;
	az_const *moved = az_const_transposed(az_const_reshaped(rows, n + 1, dim), order);
	moved = az_const_reshaped(moved, 2, rows->value.type->dim);
	const az_op *dq = az_def_is(matmul->args[1].value, AZ_OP_dequantize);
	az_value *made = &moved->value;
	if (dq) {
		az_value *args[3] = {made, dq->args[1].value, az_op_arg(dq, 2)};
		az_builder at = az_before(matmul);
		made = az_build(&at, AZ_OP_dequantize, dq->arg_count, args, &dq->attr,
			dq->results[0]->type->elem);
		if (!made)
			return false;
	}
	az_op_set_arg(matmul, 1, made);
	return true;
}

static bool into_rows(az_op *op, const az_op *t, az_arena *scratch)
{
	const az_type *type = t->results[0]->type, *to = op->results[0]->type;
	az_perm perm = az_perm_of(t);
	products found = {0};
	bool batch_stays = type->dim[0] == 1 || perm.v[0] == 0;
	if (to->rank != 2 || to->dim[0] != type->dim[0] || !batch_stays || perm.rank < 2 ||
		!ends_in_products(op->results[0], &found, scratch))
		return false;
	for (uint32_t i = 0; i < found.list.count; i++) {
		if (!permute_rows(found.list.v[i], &perm, type))
			return false;
	}
	az_op_set_arg(op, 0, t->args[0].value);
	return true;
}

bool az_sink_push_reshape(az_op *op, az_arena *scratch)
{
	const az_op *t = az_def_is(op->args[0].value, AZ_OP_transpose);
	az_value *x = t->args[0].value;
	if (az_type_numel(x->type) == 0)
		return false;
	if (az_perm_is_view(t->attr.transpose.perm, x->type->dim)) {
		az_op_set_arg(op, 0, x);
		return true;
	}
	return exchange(op, t) || into_rows(op, t, scratch);
}
