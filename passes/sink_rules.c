/* SPDX-License-Identifier: Apache-2.0
 *
 * How a transpose passes each kind of operation. */
#include "passes/sink.h"

az_perm az_perm_of(const az_op *transpose)
{
	az_perm perm = {.rank = transpose->attr.transpose.perm.count};
	for (uint32_t i = 0; i < perm.rank; i++)
		perm.v[i] = transpose->attr.transpose.perm.v[i];
	return perm;
}

az_perm az_perm_invert(const az_perm *perm)
{
	az_perm inverse = {.rank = perm->rank};
	az_perm_inverse(perm->rank, perm->v, inverse.v);
	return inverse;
}

static bool perms_equal(const az_perm *a, az_ints b)
{
	bool same = a->rank == b.count;
	for (uint32_t i = 0; same && i < b.count; i++)
		same = a->v[i] == b.v[i];
	return same;
}

az_value *az_sink_pull(az_builder *at, az_value *v, const az_perm *perm, bool broadcast)
{
	const az_op *t = az_def_is(v, AZ_OP_transpose);
	if (t && perms_equal(perm, t->attr.transpose.perm))
		return t->args[0].value;
	if (broadcast && az_type_numel(v->type) == 1 && v->type->rank <= perm->rank)
		return v;
	if (v->type->rank > perm->rank || (!broadcast && v->type->rank != perm->rank))
		return NULL;
	int64_t dim[AZ_RANK_MAX], moved[AZ_RANK_MAX];
	uint32_t missing = perm->rank - v->type->rank;
	for (uint32_t i = 0; i < perm->rank; i++)
		dim[i] = i < missing ? 1 : v->type->dim[i - missing];
	az_perm inverse = az_perm_invert(perm);
	if (az_value_is_const(v)) {
		az_const *full = az_const_reshaped(az_value_const(v), perm->rank, dim);
		return &az_const_transposed(full, inverse.v)->value;
	}
	for (uint32_t i = 0; i < perm->rank; i++)
		moved[i] = dim[inverse.v[i]];
	if (az_perm_is_view((az_ints){perm->rank, inverse.v}, dim))
		return az_build_reshape(at, v, perm->rank, moved);
	const az_op *dq = az_def_is(v, AZ_OP_dequantize);
	if (!dq || !az_value_is_const(dq->args[0].value))
		return NULL;
	/* Canonicalization moves these two onto the stored constant. */
	az_value *full = az_build_reshape(at, v, perm->rank, dim);
	return full ? az_build_transpose(at, full, perm->rank, inverse.v) : NULL;
}

bool az_sink_replace(az_op *op, az_value *made, const az_perm *perm)
{
	if (!made)
		return false;
	az_value *old = op->results[0];
	az_name name = old->name;
	made->range = old->range;
	if (old->quant && old->quant->axis < 0)
		made->quant = old->quant;
	az_builder at = az_before(op);
	az_value *back = az_build_transpose(&at, made, perm->rank, perm->v);
	if (!back)
		return false;
	if (made->kind == AZ_VALUE_RESULT && !az_name_generated(name) &&
		az_name_generated(made->name)) {
		az_value_rename(old, NULL);
		az_value_rename(made, name);
	}
	az_replace_op(op, back);
	return true;
}

/* The permutation of the first operand that is a transpose of full rank. */
static bool find_perm(const az_op *op, uint32_t rank, uint32_t from, uint32_t count, az_perm *perm)
{
	for (uint32_t i = from; i < count; i++) {
		const az_op *t = az_def_is(op->args[i].value, AZ_OP_transpose);
		if (!t || t->attr.transpose.perm.count != rank)
			continue;
		*perm = az_perm_of(t);
		return true;
	}
	return false;
}

/* The operation again, with operands from before the transpose. */
static bool rebuild(az_op *op, az_value **args, const az_attrs *attrs, const az_perm *back)
{
	az_builder at = az_before(op);
	az_elem elem = op->results[0]->type->elem;
	bool chosen = az_op_table[op->code].traits & AZ_TRAIT_ELEM;
	return az_sink_replace(op,
		az_build(&at, op->code, op->arg_count, args, attrs, chosen ? elem : AZ_ELEM_NONE),
		back);
}

static bool push_eltwise(az_op *op, bool broadcast, const az_attrs *attrs, az_arena *scratch)
{
	az_perm perm;
	uint32_t rank = op->results[0]->type->rank;
	for (uint32_t from = 0; find_perm(op, rank, from, op->arg_count, &perm); from++) {
		az_value **args = az_new_array(scratch, az_value *, op->arg_count);
		az_builder at = az_before(op);
		bool ok = true;
		for (uint32_t i = 0; i < op->arg_count && ok; i++) {
			args[i] = az_sink_pull(&at, op->args[i].value, &perm, broadcast);
			ok = args[i] != NULL;
		}
		if (!ok)
			continue;
		az_attrs changed = *attrs;
		if (op->code == AZ_OP_concat)
			changed.concat.axis = perm.v[az_axis_normalize(attrs->concat.axis, rank)];
		return rebuild(op, args, &changed, &perm);
	}
	return false;
}

/* Operations on one operand of a given permutation; the rest of the operands stay. */
typedef struct single {
	az_op *op;
	az_perm perm;
	az_value *args[5];
	az_attrs attrs;
} single;

static bool single_of(az_op *op, single *s)
{
	const az_op *t = az_def_is(az_op_arg(op, 0), AZ_OP_transpose);
	if (!t || op->arg_count > 5)
		return false;
	s->op = op;
	s->perm = az_perm_of(t);
	s->attrs = op->attr;
	s->args[0] = t->args[0].value;
	for (uint32_t i = 1; i < op->arg_count; i++)
		s->args[i] = op->args[i].value;
	return true;
}

/* An axis of the transposed value as one of the operand. */
static int64_t mapped(const single *s, int64_t axis)
{
	int at = az_axis_normalize(axis, s->perm.rank);
	return at < 0 ? axis : s->perm.v[at];
}

static bool push_axis(single *s)
{
	switch (s->op->code) {
	case AZ_OP_softmax:
		s->attrs.softmax.axis = mapped(s, s->attrs.softmax.axis);
		break;
	case AZ_OP_log_softmax:
		s->attrs.log_softmax.axis = mapped(s, s->attrs.log_softmax.axis);
		break;
	case AZ_OP_lrn:
		s->attrs.lrn.axis = mapped(s, s->attrs.lrn.axis);
		break;
	case AZ_OP_batch_norm:
		s->attrs.batch_norm.axis = mapped(s, s->attrs.batch_norm.axis);
		break;
	case AZ_OP_quantize:
		if (s->attrs.quantize.group > 0)
			return false;
		if (az_type_numel(s->args[1]->type) > 1)
			s->attrs.quantize.axis = mapped(s, s->attrs.quantize.axis);
		break;
	default:
		if (s->attrs.dequantize.group > 0)
			return false;
		if (az_type_numel(s->args[1]->type) > 1)
			s->attrs.dequantize.axis = mapped(s, s->attrs.dequantize.axis);
		break;
	}
	return rebuild(s->op, s->args, &s->attrs, &s->perm);
}

/* The permutation left when the dimensions marked in `dropped` (of the transposed value) go. */
static az_perm without(const az_perm *perm, const bool *dropped)
{
	az_perm left = {0};
	for (uint32_t i = 0; i < perm->rank; i++) {
		if (dropped[i])
			continue;
		int64_t place = 0; /* of perm[i] among the operand's dimensions that stay */
		for (uint32_t j = 0; j < perm->rank; j++)
			place += !dropped[j] && perm->v[j] < perm->v[i];
		left.v[left.rank++] = place;
	}
	return left;
}

static bool push_reduce(single *s)
{
	az_ints axes = s->attrs.reduce.axes;
	bool reduced[AZ_RANK_MAX] = {false}, moved[AZ_RANK_MAX] = {false};
	int64_t list[AZ_RANK_MAX];
	uint32_t count = 0;
	for (uint32_t i = 0; i < axes.count; i++) {
		int axis = az_axis_normalize(axes.v[i], s->perm.rank);
		reduced[axis] = true;
		moved[s->perm.v[axis]] = true;
	}
	for (uint32_t i = 0; i < s->perm.rank; i++) {
		if (moved[i])
			list[count++] = i;
	}
	s->attrs.reduce.axes = (az_ints){count, list};
	az_perm back = s->attrs.reduce.drop ? without(&s->perm, reduced) : s->perm;
	return rebuild(s->op, s->args, &s->attrs, &back);
}

static bool push_arg_reduce(single *s)
{
	bool reduced[AZ_RANK_MAX] = {false};
	reduced[az_axis_normalize(s->attrs.arg_reduce.axis, s->perm.rank)] = true;
	s->attrs.arg_reduce.axis = mapped(s, s->attrs.arg_reduce.axis);
	az_perm back = s->attrs.arg_reduce.drop ? without(&s->perm, reduced) : s->perm;
	return rebuild(s->op, s->args, &s->attrs, &back);
}

static bool push_gather(single *s)
{
	uint32_t rank = s->args[1]->type->rank;
	bool taken[AZ_RANK_MAX] = {false};
	if (rank > 1)
		return false;
	taken[az_axis_normalize(s->attrs.gather.axis, s->perm.rank)] = true;
	s->attrs.gather.axis = mapped(s, s->attrs.gather.axis);
	az_perm back = rank == 0 ? without(&s->perm, taken) : s->perm;
	return rebuild(s->op, s->args, &s->attrs, &back);
}

/* A list with `width` entries per dimension in the operand's order of dimensions. */
static az_ints list_moved(const single *s, az_ints list, uint32_t width, int64_t fill, int64_t *out)
{
	for (uint32_t i = 0; i < s->perm.rank; i++) {
		for (uint32_t j = 0; j < width; j++)
			out[(uint32_t)s->perm.v[i] * width + j] =
				az_ints_at(list, i * width + j, fill);
	}
	return (az_ints){s->perm.rank * width, out};
}

static bool push_lists(single *s)
{
	int64_t a[2 * AZ_RANK_MAX], b[AZ_RANK_MAX], c[AZ_RANK_MAX];
	float scale[AZ_RANK_MAX];
	az_attrs *attrs = &s->attrs;
	switch (s->op->code) {
	case AZ_OP_slice:
		attrs->slice.begin = list_moved(s, attrs->slice.begin, 1, 0, a);
		attrs->slice.size = list_moved(s, attrs->slice.size, 1, 1, b);
		attrs->slice.step = list_moved(s, attrs->slice.step, 1, 1, c);
		break;
	case AZ_OP_pad:
		attrs->pad.pad = list_moved(s, attrs->pad.pad, 2, 0, a);
		break;
	case AZ_OP_tile:
		attrs->tile.repeats = list_moved(s, attrs->tile.repeats, 1, 1, a);
		break;
	case AZ_OP_expand:
		if (s->op->results[0]->type->rank != s->perm.rank)
			return false;
		attrs->expand.shape = list_moved(s,
			(az_ints){s->perm.rank, s->op->results[0]->type->dim}, 1, 1, a);
		break;
	default:
		attrs->resize.size = list_moved(s, attrs->resize.size, 1, 1, a);
		for (uint32_t i = 0; i < attrs->resize.scale.count; i++)
			scale[s->perm.v[i]] = attrs->resize.scale.v[i];
		attrs->resize.scale.v = scale;
		break;
	}
	return rebuild(s->op, s->args, attrs, &s->perm);
}

static bool push_transpose(single *s)
{
	az_perm both = {.rank = s->perm.rank};
	for (uint32_t i = 0; i < both.rank; i++)
		both.v[i] = s->perm.v[s->attrs.transpose.perm.v[i]];
	az_builder at = az_before(s->op);
	az_value *made = az_build_transpose(&at, s->args[0], both.rank, both.v);
	if (made)
		az_replace_op(s->op, made);
	return made != NULL;
}

bool az_sink_push(az_op *op, az_arena *scratch)
{
	single s;
	if (op->result_count != 1)
		return false;
	if (op->code == AZ_OP_concat)
		return push_eltwise(op, false, &op->attr, scratch);
	if (az_op_table[op->code].traits & AZ_TRAIT_ELTWISE)
		return push_eltwise(op, true, &op->attr, scratch);
	if (!single_of(op, &s))
		return false;
	switch (op->code) {
	case AZ_OP_softmax:
	case AZ_OP_log_softmax:
	case AZ_OP_lrn:
	case AZ_OP_batch_norm:
	case AZ_OP_quantize:
	case AZ_OP_dequantize:
		return push_axis(&s);
	case AZ_OP_reduce:
		return push_reduce(&s);
	case AZ_OP_arg_reduce:
		return push_arg_reduce(&s);
	case AZ_OP_gather:
		return push_gather(&s);
	case AZ_OP_slice:
	case AZ_OP_pad:
	case AZ_OP_tile:
	case AZ_OP_expand:
	case AZ_OP_resize:
		return push_lists(&s);
	case AZ_OP_transpose:
		return push_transpose(&s);
	case AZ_OP_reshape:
		return az_sink_push_reshape(op, scratch);
	default:
		return false;
	}
}
