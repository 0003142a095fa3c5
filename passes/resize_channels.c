/* SPDX-License-Identifier: Apache-2.0
 *
 * Removing and repeating channels. Every index of every dimension gets as many copies as its unit says;
 * constants are taken apart and put together again by that, attributes that name lengths follow, and
 * inference derives the types. A channel that is repeated k times is read with weights divided by k
 * (Net2WiderNet, 1511.05641, section 3.2), so that the sum over its copies is what it was. */
#include <string.h>

#include "base/bits.h"
#include "passes/channels.h"
#include "passes/normal.h"

typedef struct resizer {
	const az_channels *ch;
	const uint8_t *copies;
} resizer;

static int64_t copies_of(const resizer *r, const az_value *v, uint32_t dim, int64_t index)
{
	uint32_t unit = r->ch->unit[az_channel_label(r->ch, v, dim, index)];
	return unit == AZ_CHANNEL_FIXED ? 1 : r->copies[unit];
}

/* How many indices there are in place of [0, end) of a dimension. */
static int64_t copies_before(const resizer *r, const az_value *v, uint32_t dim, int64_t end)
{
	int64_t n = 0;
	for (int64_t i = 0; i < end; i++)
		n += copies_of(r, v, dim, i);
	return n;
}

/* The new shape; `dim` has room for AZ_RANK_MAX. Returns whether it, or the order in it, differs. */
static bool new_shape(const resizer *r, const az_value *v, int64_t *dim)
{
	bool changed = false;
	for (uint32_t d = 0; d < v->type->rank; d++) {
		dim[d] = 0;
		for (int64_t i = 0; i < v->type->dim[d]; i++) {
			int64_t n = copies_of(r, v, d, i);
			changed |= n != 1;
			dim[d] += n;
		}
	}
	return changed;
}

static az_ints shape_list(const resizer *r, const az_value *v)
{
	int64_t dim[AZ_RANK_MAX];
	new_shape(r, v, dim);
	return az_ints_copy(r->ch->module, v->type->rank, dim);
}

/* --- Constants ----------------------------------------------------------------------------------- */

/* Along one dimension: which old index stands at each new one, and how many copies share it. */
typedef struct axis_map {
	int64_t count, *from, *shared;
	uint64_t stride; /* of the old constant, in elements */
} axis_map;

static void map_axes(const resizer *r, const az_value *c, const int64_t *dim, axis_map *maps)
{
	uint64_t stride = 1;
	for (uint32_t d = c->type->rank; d-- > 0;) {
		axis_map *m = &maps[d];
		m->count = 0;
		m->from = az_new_array(r->ch->arena, int64_t, (size_t)dim[d] + 1);
		m->shared = az_new_array(r->ch->arena, int64_t, (size_t)dim[d] + 1);
		m->stride = stride;
		stride *= (uint64_t)c->type->dim[d];
		bool contracted = r->ch->contracted[c->id] >> d & 1;
		for (int64_t i = 0; i < c->type->dim[d]; i++) {
			int64_t n = copies_of(r, c, d, i);
			for (int64_t k = 0; k < n; k++) {
				m->from[m->count] = i;
				m->shared[m->count++] = contracted ? n : 1;
			}
		}
	}
}

static void copy_element(const az_const *from, uint64_t at, unsigned bits, int64_t shared, void *to,
	uint64_t place)
{
	uint64_t raw = az_bits_get(from->data, from->splat ? 0 : at, bits);
	if (shared > 1) {
		uint32_t word = (uint32_t)raw;
		float x;
		memcpy(&x, &word, sizeof x);
		x /= (float)shared;
		memcpy(&word, &x, sizeof x);
		raw = word;
	}
	az_bits_set(to, place, bits, raw);
}

static void copy_elements(const az_const *from, const axis_map *maps, void *to)
{
	uint32_t rank = from->value.type->rank;
	int64_t at[AZ_RANK_MAX] = {0};
	for (uint64_t place = 0;; place++) {
		uint64_t old = 0;
		int64_t shared = 1;
		for (uint32_t d = 0; d < rank; d++) {
			old += (uint64_t)maps[d].from[at[d]] * maps[d].stride;
			shared *= maps[d].shared[at[d]];
		}
		copy_element(from, old, from->value.type->elem.bits, shared, to, place);
		uint32_t d = rank;
		while (d > 0 && ++at[d - 1] == maps[d - 1].count)
			at[--d] = 0;
		if (!d)
			return;
	}
}

static bool splits(const resizer *r, const az_value *c)
{
	for (uint32_t d = 0; d < c->type->rank; d++) {
		for (int64_t i = 0; r->ch->contracted[c->id] >> d & 1 && i < c->type->dim[d]; i++) {
			if (copies_of(r, c, d, i) > 1)
				return true;
		}
	}
	return false;
}

static bool resize_const(const resizer *r, az_const *c, az_const **out)
{
	az_module *module = r->ch->module;
	int64_t dim[AZ_RANK_MAX] = {0};
	*out = NULL;
	if (!c->value.uses || !new_shape(r, &c->value, dim))
		return true;
	for (uint32_t d = 0; d < c->value.type->rank; d++) {
		if (!dim[d])
			return az_error(module->ctx, c->loc,
				"channels: nothing would be left of dimension %u of \"%s\"", d,
				c->value.name);
	}
	bool divided = splits(r, &c->value);
	if (divided && !az_elem_equal(c->value.type->elem, AZ_F32))
		return az_error(module->ctx, c->loc,
			"channels: \"%s\" reads repeated channels and holds no f32", c->value.name);
	const az_type *type =
		az_type_get(module->ctx, c->value.type->elem, c->value.type->rank, dim);
	if (c->splat && !divided) {
		*out = az_const_splat(module, c->value.name, type, c->data);
		return true;
	}
	axis_map maps[AZ_RANK_MAX];
	map_axes(r, &c->value, dim, maps);
	void *data = az_arena_alloc(&module->arena, az_type_size(type) + 8, 64);
	copy_elements(c, maps, data);
	*out = az_const_new(module, c->value.name, type, data, true);
	return true;
}

/* --- Attributes ---------------------------------------------------------------------------------- */

static void resize_conv(const resizer *r, az_op *op)
{
	int64_t *groups =
		op->code == AZ_OP_conv ? &op->attr.conv.groups : &op->attr.conv_transpose.groups;
	const az_value *x = op->args[0].value, *w = op->args[1].value;
	uint32_t last = x->type->rank - 1u;
	if (*groups > 1 && w->type->dim[w->type->rank - 1] == 1)
		*groups = copies_before(r, x, last, x->type->dim[last]);
}

static void resize_slice(const resizer *r, az_op *op)
{
	const az_value *x = op->args[0].value;
	int64_t begin[AZ_RANK_MAX];
	for (uint32_t d = 0; d < x->type->rank; d++)
		begin[d] = copies_before(r, x, d, op->attr.slice.begin.v[d]);
	op->attr.slice.begin = az_ints_copy(r->ch->module, x->type->rank, begin);
	op->attr.slice.size = shape_list(r, op->results[0]);
}

static void resize_split(const resizer *r, az_op *op)
{
	const az_value *x = op->args[0].value;
	uint32_t axis = (uint32_t)az_axis_normalize(op->attr.split.axis, x->type->rank);
	int64_t *sizes = az_new_array(r->ch->arena, int64_t, op->result_count);
	for (uint32_t i = 0; i < op->result_count; i++) {
		const az_value *y = op->results[i];
		sizes[i] = copies_before(r, y, axis, y->type->dim[axis]);
	}
	op->attr.split.sizes = az_ints_copy(r->ch->module, op->result_count, sizes);
}

static void resize_pad(const resizer *r, az_op *op)
{
	const az_value *y = op->results[0];
	int64_t pad[2 * AZ_RANK_MAX];
	for (uint32_t d = 0; d < y->type->rank; d++) {
		int64_t size = y->type->dim[d];
		int64_t begin = az_ints_at(op->attr.pad.pad, 2 * d, 0);
		int64_t end = az_ints_at(op->attr.pad.pad, 2 * d + 1, 0);
		pad[2 * d] = begin <= 0 ? begin : copies_before(r, y, d, begin);
		pad[2 * d + 1] = end <= 0 ? end
					  : copies_before(r, y, d, size) -
						    copies_before(r, y, d, size - end);
	}
	op->attr.pad.pad = az_ints_copy(r->ch->module, 2u * y->type->rank, pad);
}

/* Mean and deviation of the channels that stay. */
static void resize_normal(const resizer *r, az_op *op)
{
	az_reals *normal = az_normal_of(op);
	const az_value *y = op->results[0];
	uint32_t count = 0, last = y->type->rank - 1u;
	if (!normal || !normal->count)
		return;
	if (normal->count != 2 * y->type->dim[last]) {
		*normal = (az_reals){0};
		return;
	}
	float *v = az_new_array(r->ch->arena, float,
		2 * (size_t)copies_before(r, y, last, y->type->dim[last]) + 1);
	for (int64_t c = 0; c < y->type->dim[last]; c++) {
		for (int64_t k = copies_of(r, y, last, c); k > 0; k--) {
			v[count++] = normal->v[2 * c];
			v[count++] = normal->v[2 * c + 1];
		}
	}
	*normal = az_reals_copy(r->ch->module, count, v);
}

static void resize_attributes(const resizer *r, az_op *op)
{
	if (az_normal_of(op))
		resize_normal(r, op);
	switch (op->code) {
	case AZ_OP_conv:
	case AZ_OP_conv_transpose:
		resize_conv(r, op);
		break;
	case AZ_OP_reshape:
		op->attr.reshape.shape = shape_list(r, op->results[0]);
		break;
	case AZ_OP_expand:
		op->attr.expand.shape = shape_list(r, op->results[0]);
		break;
	case AZ_OP_resize:
		op->attr.resize.size = shape_list(r, op->results[0]);
		break;
	case AZ_OP_slice:
		resize_slice(r, op);
		break;
	case AZ_OP_split:
		resize_split(r, op);
		break;
	case AZ_OP_pad:
		resize_pad(r, op);
		break;
	default:
		break;
	}
}

/* The new constant takes the old one's place and name. */
static void replace_const(az_const *old, az_const *with)
{
	const char *name = old->value.name;
	az_value_replace_uses(&old->value, &with->value);
	with->value.range = old->value.range;
	with->loc = old->loc;
	az_const_erase(old);
	az_value_rename(&with->value, name);
}

bool az_channels_resize(const az_channels *channels, const uint8_t *copies)
{
	resizer r = {channels, copies};
	az_module *module = channels->module;
	az_func *main = az_module_main(module);
	uint32_t count = module->consts.count;
	az_const **old = az_new_array(channels->arena, az_const *, count + 1u);
	az_const **new = az_new_array(channels->arena, az_const *, count + 1u);
	for (uint32_t i = 0; i < count; i++) {
		old[i] = module->consts.v[i];
		if (!resize_const(&r, old[i], &new[i]))
			return false;
	}
	for (az_op *op = main->first; op; op = op->next)
		resize_attributes(&r, op);
	for (uint32_t i = 0; i < count; i++) {
		if (new[i])
			replace_const(old[i], new[i]);
	}
	for (az_op *op = main->first; op; op = op->next) {
		if (!az_op_reinfer(op))
			return false;
	}
	return true;
}
