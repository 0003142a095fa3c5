/* SPDX-License-Identifier: Apache-2.0
 *
 * split-channels: layers in parts, so that their output channels may have different widths in bits.
 *
 *   %y = conv %x, @w, @b    ->    %y.0 = conv %x, @w.0, @b.0       the channels that lose most at few bits
 *                                 %y.1 = conv %x, @w.1, @b.1       the others
 *                                 %y = concat %y.0, %y.1
 *
 * The channels are sorted first (sort_channels.c), by what they lose when they are rounded: the squared step of the
 * weights that make a channel, which grows with the largest of them, times the squared weights that read it. So
 * each part is one contiguous product that one kernel computes (channel-wise mixed precision with sorted
 * channels, as in CMix-NN and Rusci et al., 1905.13082, but by the order rather than per channel).
 *
 * Requires: stage canonical. Guarantees: the same function but for the order of sums; parts are multiples of
 * `multiple` channels. Terminates: one walk over the layers. */
#include <math.h>
#include <string.h>

#include "passes/rescale.h"
#include "passes/normal.h"
#include "passes/sort_channels.h"

static double *losses(az_channels *ch)
{
	double *made = az_new_array(ch->arena, double, ch->unit_count + 1u);
	double *read = az_new_array(ch->arena, double, ch->unit_count + 1u);
	az_op *op = az_next_weighted(az_module_main(ch->module)->first);
	for (; op; op = az_next_weighted(op->next)) {
		const az_value *w = op->args[1].value;
		uint32_t out = az_weights_output_dim(op), in = az_weights_input_dim(op);
		double *step = az_channel_measure(ch->arena, az_value_const(w), out, false);
		for (int64_t i = 0; i < w->type->dim[out]; i++)
			step[i] *= step[i];
		az_channel_add_shares(ch, w, out, step, made);
		az_channel_add_shares(ch, w, in,
			az_channel_measure(ch->arena, az_value_const(w), in, true), read);
	}
	for (uint32_t u = 0; u < ch->unit_count; u++)
		made[u] *= read[u];
	return made;
}

/* May all output channels of the layer be sorted, and is there enough for two parts? */
static bool may_split(const az_channels *ch, const az_op *op, int64_t multiple, int64_t least)
{
	const az_value *w = op->args[1].value;
	uint32_t out = az_weights_output_dim(op);
	bool plain =
		op->code == AZ_OP_matmul || (op->code == AZ_OP_conv && op->attr.conv.groups == 1);
	if (!plain || w->type->dim[out] < 2 * multiple || az_type_numel(w->type) < least)
		return false;
	for (int64_t i = 0; i < w->type->dim[out]; i++) {
		if (ch->unit[az_channel_label(ch, w, out, i)] == AZ_CHANNEL_FIXED)
			return false;
	}
	return true;
}

/* Indices [begin, begin + count) of one dimension of an f32 constant. */
static az_value *slice_of(const az_value *value, uint32_t dim, int64_t begin, int64_t count,
	const char *suffix, az_arena *scratch)
{
	az_const *c = az_value_const(value);
	const az_type *type = value->type;
	size_t stride = 1, size = (size_t)type->dim[dim], taken = (size_t)count;
	int64_t shape[AZ_RANK_MAX];
	memcpy(shape, type->dim, sizeof *shape * type->rank);
	shape[dim] = count;
	for (uint32_t d = dim + 1; d < type->rank; d++)
		stride *= (size_t)type->dim[d];
	size_t outer = (size_t)az_type_numel(type) / (stride * size);
	float *data = az_new_array(&c->module->arena, float, outer *taken *stride + 1);
	const float *from = az_const_data(c);
	for (size_t o = 0; o < outer; o++)
		memcpy(data + o * taken * stride, from + (o * size + (size_t)begin) * stride,
			taken * stride * sizeof *data);
	const char *name = az_arena_printf(scratch, "%s%s", value->name, suffix);
	return &az_const_f32(c->module, name, type->rank, shape, data)->value;
}

static az_value *part(az_op *op, int64_t begin, int64_t count, const char *suffix,
	az_arena *scratch)
{
	const az_value *bias = az_op_arg(op, 2);
	az_value *args[3] = {op->args[0].value,
		slice_of(op->args[1].value, az_weights_output_dim(op), begin, count, suffix,
			scratch),
		bias ? slice_of(bias, bias->type->rank - 1u, begin, count, suffix, scratch) : NULL};
	az_builder at = az_before(op);
	az_value *y = az_build(&at, op->code, bias ? 3 : 2, args, &op->attr, AZ_F32);
	const char *name = op->results[0]->name;
	if (y && !az_name_generated(name))
		az_value_rename(y, az_arena_printf(scratch, "%s%s", name, suffix));
	return y;
}

static bool split(az_op *op, int64_t multiple, az_arena *scratch)
{
	const az_value *w = op->args[1].value;
	int64_t channels = w->type->dim[az_weights_output_dim(op)];
	int64_t first = channels / 2 / multiple * multiple;
	az_value *parts[2] = {part(op, 0, first, ".0", scratch),
		part(op, first, channels - first, ".1", scratch)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_concat, &attrs);
	attrs.concat.axis = op->results[0]->type->rank - 1;
	az_builder at = az_before(op);
	if (!parts[0] || !parts[1])
		return false;
	az_value *y = az_build(&at, AZ_OP_concat, 2, parts, &attrs, AZ_F32);
	if (!y)
		return false;
	az_replace_op(op, y);
	return true;
}

bool az_pass_split_channels(az_pass_ctx *pass)
{
	int64_t multiple = az_pass_int(pass, "multiple"), least = az_pass_int(pass, "least");
	if (multiple < 1 || multiple > 4096)
		return az_error(pass->ctx, pass->step->loc,
			"split-channels: multiple = %lld must be 1 to 4096", (long long)multiple);
	if (!az_module_main(pass->module))
		return true;
	/* Channels change their places, and layers get parts: samples say what batch norms said. */
	az_normals_drop(pass->module);
	az_channels channels;
	az_channels_make(pass->module, &pass->scratch, &channels);
	az_channels_sort(&channels, losses(&channels));
	AZ_VEC(az_op *) chosen = {0};
	az_op *op = az_next_weighted(az_module_main(pass->module)->first);
	for (; op; op = az_next_weighted(op->next)) {
		if (may_split(&channels, op, multiple, least))
			az_vec_push(&pass->scratch, &chosen, op);
	}
	for (uint32_t i = 0; i < chosen.count; i++) {
		if (!split(chosen.v[i], multiple, &pass->scratch))
			return false;
	}
	az_sweep(pass->module);
	return true;
}
