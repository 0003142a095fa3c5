/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that move elements without looking at them: bits are copied, so NaNs and stored
 * integers of every width come through unchanged. */
#include <string.h>

#include "ir/eval/part.h"
#include "ir/internal.h"

static unsigned bits_of(const az_eval *e)
{
	return e->results[0].type->elem.bits;
}

bool az_eval_reshape(az_eval *e)
{
	az_copy_run(e->results[0].data, 0, e->args[0]->data, 0,
		(uint64_t)az_type_numel(e->results[0].type), bits_of(e));
	return true;
}

bool az_eval_transpose(az_eval *e)
{
	const az_type *x = e->args[0]->type;
	az_ints perm = e->op->attr.transpose.perm;
	az_strided map = {.rank = x->rank};
	int64_t stride[AZ_RANK_MAX];
	az_row_major(x->rank, x->dim, stride);
	for (uint32_t i = 0; i < x->rank; i++) {
		map.dim[i] = x->dim[perm.v[i]];
		map.stride[i] = stride[perm.v[i]];
	}
	az_copy_strided(e->results[0].data, e->args[0]->data, &map, bits_of(e));
	return true;
}

bool az_eval_slice(az_eval *e)
{
	const az_attrs_slice *attr = &e->op->attr.slice;
	const az_type *x = e->args[0]->type;
	az_strided map = {.rank = x->rank};
	int64_t stride[AZ_RANK_MAX];
	az_row_major(x->rank, x->dim, stride);
	for (uint32_t i = 0; i < x->rank; i++) {
		map.dim[i] = attr->size.v[i];
		map.stride[i] = az_ints_at(attr->step, i, 1) * stride[i];
		map.base += attr->begin.v[i] * stride[i];
	}
	az_copy_strided(e->results[0].data, e->args[0]->data, &map, bits_of(e));
	return true;
}

bool az_eval_expand(az_eval *e)
{
	az_strided map = az_strided_broadcast(e->args[0]->type, e->results[0].type);
	az_copy_strided(e->results[0].data, e->args[0]->data, &map, bits_of(e));
	return true;
}

bool az_eval_tile(az_eval *e)
{
	const az_type *x = e->args[0]->type;
	az_strided map = {.rank = 2u * x->rank};
	int64_t stride[AZ_RANK_MAX];
	az_row_major(x->rank, x->dim, stride);
	for (uint32_t i = 0; i < x->rank; i++) {
		map.dim[2 * i] = e->op->attr.tile.repeats.v[i];
		map.dim[2 * i + 1] = x->dim[i];
		map.stride[2 * i + 1] = stride[i];
	}
	az_copy_strided(e->results[0].data, e->args[0]->data, &map, bits_of(e));
	return true;
}

bool az_eval_concat(az_eval *e)
{
	int64_t axis = e->op->attr.concat.axis;
	az_axis_view all = az_axis_view_of(e->results[0].type, axis);
	int64_t at = 0;
	for (uint32_t k = 0; k < e->op->arg_count; k++) {
		az_axis_view part = az_axis_view_of(e->args[k]->type, axis);
		int64_t run = part.length * part.inner;
		for (int64_t o = 0; o < all.outer; o++)
			az_copy_run(e->results[0].data,
				(uint64_t)(o * all.length * all.inner + at * all.inner),
				e->args[k]->data, (uint64_t)(o * run), (uint64_t)run, bits_of(e));
		at += part.length;
	}
	return true;
}

bool az_eval_split(az_eval *e)
{
	int64_t axis = e->op->attr.split.axis;
	az_axis_view all = az_axis_view_of(e->args[0]->type, axis);
	int64_t at = 0;
	for (uint32_t k = 0; k < e->op->result_count; k++) {
		az_axis_view part = az_axis_view_of(e->results[k].type, axis);
		int64_t run = part.length * part.inner;
		for (int64_t o = 0; o < all.outer; o++)
			az_copy_run(e->results[k].data, (uint64_t)(o * run), e->args[0]->data,
				(uint64_t)(o * all.length * all.inner + at * all.inner),
				(uint64_t)run, bits_of(e));
		at += part.length;
	}
	return true;
}

/* The place that `place` (possibly outside) of a dimension shows; -1: the constant. */
static int64_t pad_source(int64_t place, int64_t length, az_padding mode)
{
	if (place >= 0 && place < length)
		return place;
	if (mode == AZ_padding_constant || length == 0)
		return -1;
	if (mode == AZ_padding_edge)
		return place < 0 ? 0 : length - 1;
	if (mode == AZ_padding_wrap) {
		int64_t r = place % length;
		return r < 0 ? r + length : r;
	}
	/* Mirrored at both ends without repeating them: the period is 2 (length - 1). */
	int64_t period = length > 1 ? 2 * (length - 1) : 1;
	int64_t r = place % period;
	r = r < 0 ? r + period : r;
	return r < length ? r : period - r;
}

bool az_eval_pad(az_eval *e)
{
	const az_attrs_pad *attr = &e->op->attr.pad;
	const az_type *x = e->args[0]->type, *y = e->results[0].type;
	int64_t stride[AZ_RANK_MAX], index[AZ_RANK_MAX] = {0};
	az_row_major(x->rank, x->dim, stride);
	unsigned char value[8] = {0};
	az_elem_store(value, 0, x->elem, (double)attr->value);
	int64_t count = az_type_numel(y);
	for (int64_t i = 0; i < count; i++) {
		int64_t from = 0;
		for (uint32_t k = 0; k < x->rank && from >= 0; k++) {
			int64_t place =
				pad_source(index[k] - attr->pad.v[2 * k], x->dim[k], attr->mode);
			from = place < 0 ? -1 : from + place * stride[k];
		}
		if (from < 0)
			az_copy_run(e->results[0].data, (uint64_t)i, value, 0, 1, bits_of(e));
		else
			az_copy_run(e->results[0].data, (uint64_t)i, e->args[0]->data,
				(uint64_t)from, 1, bits_of(e));
		for (uint32_t k = x->rank; k-- > 0;) {
			if (++index[k] < y->dim[k])
				break;
			index[k] = 0;
		}
	}
	return true;
}

bool az_eval_gather(az_eval *e)
{
	const az_type *data = e->args[0]->type;
	az_axis_view view = az_axis_view_of(data, e->op->attr.gather.axis);
	az_wide index = az_wide_load(e->scratch, e->args[1]);
	for (uint64_t i = 0; i < index.count; i++) {
		int64_t at = index.i[i] < 0 ? index.i[i] + view.length : index.i[i];
		if (at < 0 || at >= view.length)
			return az_eval_error(e, "index %lld is outside an axis of %lld places",
				(long long)index.i[i], (long long)view.length);
		for (int64_t o = 0; o < view.outer; o++)
			az_copy_run(e->results[0].data,
				((uint64_t)o * index.count + i) * (uint64_t)view.inner,
				e->args[0]->data, (uint64_t)((o * view.length + at) * view.inner),
				(uint64_t)view.inner, bits_of(e));
	}
	return true;
}
