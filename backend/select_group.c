/* SPDX-License-Identifier: Apache-2.0
 *
 * Which operations are computed together: an anchor (convolution, product, pool, reduction, ...), then
 * element-wise operations of its shape whose other operands are ready before, then a constant pad behind
 * those that can write one. Chains without an anchor join where they meet, and join the anchored group
 * that they feed. */
#include "backend/select.h"

#include <string.h>

#include "backend/epilogue.h"
#include "backend/expr.h"
#include "backend/rows.h"
#include "ir/moves.h"

#define GROUP_OPS_MAX    24
#define GROUP_PARAMS_MAX AZ_EPILOGUE_PARAMS
#define READER_ROOM                                                                                \
	4 /* operands of what computes on a dequantized value, and of the quantize behind */

bool az_stays_in_main(const az_op *op)
{
	return (az_op_table[op->code].traits & AZ_TRAIT_VIEW) != 0;
}

static const az_op *only_user(const az_value *value)
{
	const az_use *use = value->uses;
	return use && !use->next ? use->user : NULL;
}

static bool is_weights(const az_value *value)
{
	const az_op *user = only_user(value);
	return user && (user->code == AZ_OP_conv || user->code == AZ_OP_matmul) &&
	       user->args[1].value == value;
}

bool az_decodes_weights(const az_op *op)
{
	if ((op->code != AZ_OP_dequantize && op->code != AZ_OP_lookup) ||
		!az_op_parameters_const(op))
		return false;
	const az_op *user = only_user(op->results[0]);
	const az_op *maker = az_value_op(op->args[0].value);
	if (maker ? !az_decodes_weights(maker) : !az_value_is_const(op->args[0].value))
		return false;
	if (user && op->code == AZ_OP_lookup && user->code == AZ_OP_dequantize)
		return user->args[0].value == op->results[0] && az_op_parameters_const(user) &&
		       is_weights(user->results[0]);
	return is_weights(op->results[0]);
}

static bool sub_byte(const az_value *value)
{
	return value->type->elem.bits % 8 != 0;
}

/* What grouping knows: the groups so far and, of the operations at hand, their places from 1 and the anchors that
 * they bring activations to. */
typedef struct grouper {
	az_arena *arena;
	az_map group_of, order, brought;
	bool scarce; /* is memory scarcer than time? */
} grouper;

static uintptr_t place(const grouper *g, const az_op *op)
{
	return (uintptr_t)az_map_get(&g->order, op);
}

/* Operands from outside that the operations would have together. */
static uint32_t outside_operands(const az_group *group)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < group->ops.count; i++)
		count += group->ops.v[i]->arg_count;
	return count + 1 - group->ops.count;
}

/* The group whose tail is operand i of op, if op may continue it. */
static az_group *feeding(const grouper *g, const az_op *op, uint32_t i)
{
	const az_value *x = az_op_arg(op, i);
	az_op *maker = x ? az_value_op(x) : NULL;
	az_group *group = maker ? az_map_get(&g->group_of, maker) : NULL;
	if (!group || group->tail != x || sub_byte(x) || !x->uses || x->uses->next ||
		!x->uses->user)
		return NULL;
	/* Floats that the next group would read from memory are made there instead. */
	uint32_t wanted = op->arg_count - 1 + (op->code == AZ_OP_dequantize ? READER_ROOM : 0);
	if (group->ops.count >= GROUP_OPS_MAX ||
		outside_operands(group) + wanted > GROUP_PARAMS_MAX)
		return NULL;
	return group;
}

static void add_op(grouper *g, az_group *group, az_op *op)
{
	az_vec_push(g->arena, &group->ops, op);
	az_map_put(g->arena, &g->group_of, op, group);
	group->tail = op->result_count == 1 ? op->results[0] : NULL;
}

/* Moves the operations of `from` into `to`, both in main's order; `from` is left empty. */
static void absorb(grouper *g, az_group *to, az_group *from)
{
	az_op_list all = {0};
	uint32_t a = 0, b = 0;
	while (a < to->ops.count || b < from->ops.count) {
		bool take_to = b == from->ops.count;
		if (a < to->ops.count && b < from->ops.count)
			take_to = place(g, to->ops.v[a]) < place(g, from->ops.v[b]);
		az_op *op = take_to ? to->ops.v[a++] : from->ops.v[b++];
		az_vec_push(g->arena, &all, op);
		az_map_put(g->arena, &g->group_of, op, to);
	}
	to->ops = all;
	if (!to->anchor) {
		to->anchor = from->anchor;
		to->first = from->first;
	}
	from->ops.count = 0;
	from->tail = NULL;
}

/* Operands that stand at the same place as the result: not scales, zero points or tables. */
static uint32_t streamed_operands(const az_op *op)
{
	return az_op_table[op->code].traits & AZ_TRAIT_MAPS ? 1 : op->arg_count;
}

/* Stored integers lie in memory between two groups, not the floats that they stand for: a dequantize at the
 * end of `from` goes to the group that reads it. */
static void hand_over(grouper *g, az_group *to, az_group *from)
{
	az_op *last = from->ops.v[from->ops.count - 1];
	az_value *stored = last->args[0].value;
	if (last->code != AZ_OP_dequantize || from->ops.count == 1 || last == from->anchor ||
		stored->type->elem.bits > 16 || sub_byte(stored) ||
		outside_operands(to) + last->arg_count > GROUP_PARAMS_MAX)
		return;
	az_group alone = {0};
	az_vec_push(g->arena, &alone.ops, last);
	from->ops.count--;
	from->tail = stored;
	absorb(g, to, &alone);
}

/* Alone, so cheap enough to be done again for each place that it is broadcast to. */
static bool is_dequantize(const az_group *group)
{
	const az_op *op = group->ops.v[0];
	return !group->anchor && group->ops.count == 1 && op->code == AZ_OP_dequantize &&
	       az_type_numel(op->args[1].value->type) == 1;
}

/* Of two groups that stay two, does `a` go on, with the result of b as an operand? The one without an anchor,
 * for it is smaller; of two anchored ones the one that computes, or the later. */
static bool goes_on(const grouper *g, const az_group *a, const az_group *b)
{
	if (!a->anchor || !b->anchor)
		return !a->anchor;
	if (az_op_only_moves(a->anchor) != az_op_only_moves(b->anchor))
		return az_op_only_moves(b->anchor);
	return place(g, a->anchor) > place(g, b->anchor);
}

static az_group *join(grouper *g, az_op *op)
{
	az_group *into = NULL, *smaller = NULL;
	for (uint32_t i = 0; i < streamed_operands(op); i++) {
		az_group *group = feeding(g, op, i);
		if (!group)
			continue;
		if (!az_type_same_shape(group->tail->type, op->results[0]->type)) {
			smaller = is_dequantize(group) ? group : smaller;
			continue;
		}
		if (!into) {
			into = group;
			continue;
		}
		if (!(into->anchor && group->anchor) &&
			outside_operands(into) + outside_operands(group) <= GROUP_PARAMS_MAX) {
			absorb(g, into, group);
			continue;
		}
		az_group *from = into;
		if (goes_on(g, into, group))
			from = group;
		else
			into = group;
		hand_over(g, into, from);
	}
	if (into && smaller &&
		outside_operands(into) + outside_operands(smaller) <= GROUP_PARAMS_MAX)
		absorb(g, into, smaller);
	return into;
}

static bool is_elementwise(const az_op *op)
{
	return op->result_count == 1 && az_expr_takes(op);
}

/* Every kernel of the group's kind writes into the middle of a larger result and fills the border. */
static bool takes_pad(const az_group *group, const az_op *pad)
{
	const az_attrs_pad *attr = &pad->attr.pad;
	if (attr->mode != AZ_padding_constant)
		return false;
	for (uint32_t i = 0; i < attr->pad.count; i++)
		if (attr->pad.v[i] < 0)
			return false;
	if (!group->anchor)
		return true;
	switch (group->anchor->code) {
	case AZ_OP_conv:
	case AZ_OP_max_pool:
	case AZ_OP_avg_pool:
	case AZ_OP_sum_pool:
	case AZ_OP_transpose:
	case AZ_OP_resize:
		return true;
	case AZ_OP_concat: /* with nothing between */
		return group->tail == group->anchor->results[0];
	default:
		return false;
	}
}

/* Puts an operation before the anchor, if it is among those at hand. */
static void add_first(grouper *g, az_group *group, az_op *op)
{
	if (!op || !az_map_get(&g->order, op))
		return;
	az_vec_push(g->arena, &group->first, op);
	add_op(g, group, op);
}

/* What decodes the weights of the group's contraction. */
static void add_decoders(grouper *g, az_group *group, const az_op *anchor)
{
	az_op *last = anchor->arg_count > 1 && anchor->args[1].value
			      ? az_value_op(anchor->args[1].value)
			      : NULL;
	if (!last || !az_decodes_weights(last))
		return;
	add_first(g, group, az_value_op(last->args[0].value));
	add_first(g, group, last);
}

/* An input of the network, perhaps in another shape. */
static bool is_input(const az_value *value)
{
	const az_op *maker = az_value_op(value);
	return maker ? az_stays_in_main(maker) && is_input(maker->args[0].value)
		     : value->kind == AZ_VALUE_PARAM;
}

/* Is it the last of what makes bytes of an input: a transpose (or none), then element by element? */
static bool is_source(const az_op *op)
{
	const az_value *x = op->args[0].value;
	if (!only_user(op->results[0]) || !az_op_parameters_const(op) || az_value_is_const(x))
		return false;
	if (is_input(x))
		return op->code == AZ_OP_transpose || az_expr_takes(op);
	return az_value_op(x) && az_expr_takes(op) && is_source(az_value_op(x));
}

/* What only brings activations to the convolution or pool that reads them: unpacks them or, where memory is scarce,
 * makes them of the network's input, and gives them their border. Such an anchor's kernel does it strip by strip
 * (backend/rows.h). From the last on; returns how many, 0 where there is nothing to bring. */
static uint32_t bringers(const grouper *g, const az_op *anchor, az_op **out)
{
	uint32_t count = 0;
	az_op *op = az_rows_takes(anchor) ? az_value_op(anchor->args[0].value) : NULL;
	if (op && op->code == AZ_OP_pad && only_user(op->results[0])) {
		out[count++] = op;
		op = az_value_op(op->args[0].value);
	}
	if (!op || !only_user(op->results[0]))
		return 0;
	if (az_unpacks(op)) {
		out[count++] = op;
		return count;
	}
	if (!g->scarce || !is_source(op))
		return 0;
	for (; count < GROUP_OPS_MAX / 2; op = az_value_op(op->args[0].value)) {
		out[count++] = op;
		if (is_input(op->args[0].value))
			return count;
	}
	return 0;
}

static void add_bringers(grouper *g, az_group *group, const az_op *anchor)
{
	az_op *list[GROUP_OPS_MAX];
	for (uint32_t i = bringers(g, anchor, list); i-- > 0;)
		add_first(g, group, list[i]);
}

static void note_places(grouper *g, const az_op_list *ops)
{
	az_op *list[GROUP_OPS_MAX];
	for (uint32_t i = 0; i < ops->count; i++)
		az_map_put(g->arena, &g->order, ops->v[i], (void *)(uintptr_t)(i + 1));
	for (uint32_t i = 0; i < ops->count; i++)
		for (uint32_t k = bringers(g, ops->v[i], list); k-- > 0;)
			az_map_put(g->arena, &g->brought, list[k], ops->v[i]);
}

/* Is it in the group of the anchor that reads it? Only if that is among the operations as well. */
static bool goes_with_reader(const grouper *g, const az_op *op)
{
	if (az_map_get(&g->brought, op))
		return true;
	if (!az_decodes_weights(op))
		return false;
	const az_op *user = only_user(op->results[0]);
	if (user->code == AZ_OP_dequantize)
		user = only_user(user->results[0]);
	return az_map_get(&g->order, user) != NULL;
}

/* May packed numbers be what the group makes? */
static bool ends_packed(const az_group *group)
{
	return !group->anchor || az_rows_takes(group->anchor);
}

/* The group that the operation continues; NULL: none. */
static az_group *continued(grouper *g, az_op *op)
{
	az_group *group = NULL;
	if (is_elementwise(op) && !sub_byte(op->results[0]))
		group = join(g, op);
	if (op->code == AZ_OP_pad) {
		group = feeding(g, op, 0);
		if (group && !takes_pad(group, op))
			group = NULL;
	}
	if (az_packs(op)) {
		group = feeding(g, op, 0);
		if (group && !ends_packed(group))
			group = NULL;
	}
	return group;
}

static az_group *begin(grouper *g, az_op *op)
{
	az_group *group = az_new(g->arena, az_group);
	if (is_elementwise(op))
		return group;
	group->anchor = op;
	add_bringers(g, group, op);
	add_decoders(g, group, op);
	return group;
}

void az_group_ops(const az_op_list *ops, bool scarce, az_arena *arena, az_group_list *out)
{
	grouper g = {.arena = arena, .scarce = scarce};
	note_places(&g, ops);
	for (uint32_t i = 0; i < ops->count; i++) {
		az_op *op = ops->v[i];
		if (goes_with_reader(&g, op))
			continue;
		az_group *group = continued(&g, op);
		if (!group) {
			group = begin(&g, op);
			az_vec_push(arena, out, group);
		}
		add_op(&g, group, op);
		if (op->code == AZ_OP_pad || az_packs(op))
			group->tail = NULL;
	}
	uint32_t kept = 0;
	for (uint32_t i = 0; i < out->count; i++)
		if (out->v[i]->ops.count > 0)
			out->v[kept++] = out->v[i];
	out->count = kept;
}
