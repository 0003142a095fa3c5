/* SPDX-License-Identifier: Apache-2.0
 *
 * channel-groups: reports which channels change together (passes/channels.h), as a table; the network
 * stays as it is.
 *
 *   group  width  weights/channel  channels of
 *       1     16              297  conv_1 out, conv_2 in, ...
 *
 * Requires: stage imported or canonical. Terminates: one walk over the operations, one over the labels. */
#include "passes/channels.h"

/* What people call a constant: the node that reads it. */
static const char *name_of(const az_const *c)
{
	const az_use *use = c->value.uses;
	const az_op *op = use ? use->user : NULL;
	return op && op->loc.node ? op->loc.node : c->value.name;
}

static bool is_weights(const az_const *c)
{
	const az_use *use = c->value.uses;
	const az_op *op = use ? use->user : NULL;
	return op && use->index <= 1 &&
	       (op->code == AZ_OP_conv || op->code == AZ_OP_conv_transpose ||
		       op->code == AZ_OP_matmul);
}

static void print_group(const az_channels *ch, uint32_t g, az_text *text)
{
	const az_channel_group *group = &ch->groups[g];
	az_text_add(text, "%5u %6u %16llu  ", g + 1, group->units,
		(unsigned long long)group->weights);
	const char *between = "";
	for (uint32_t i = 0; i < group->slice_count; i++) {
		const az_channel_slice *s = &group->slices[i];
		if (!is_weights(s->constant))
			continue;
		az_text_add(text, "%s%s %s", between, name_of(s->constant),
			s->contracted ? "in" : "out");
		if (s->count > 1)
			az_text_add(text, " x%u", s->count);
		between = ", ";
	}
	az_text_add(text, "%s\n", group->repeatable ? "" : " (only narrower)");
}

void az_channels_print(const az_channels *channels, az_text *text)
{
	az_text_add(text, "group  width  weights/channel  channels of\n");
	for (uint32_t g = 0; g < channels->group_count; g++)
		print_group(channels, g, text);
	for (uint32_t i = 0; i < channels->fixed.count; i++) {
		const az_channel_fixed *f = &channels->fixed.v[i];
		az_text_add(text, "fixed: %s out: %s\n",
			f->op->loc.node ? f->op->loc.node : f->op->results[0]->name, f->why);
	}
}

bool az_pass_channel_groups(az_pass_ctx *pass)
{
	az_channels channels;
	az_text text = {.arena = &pass->scratch};
	az_channels_make(pass->module, &pass->scratch, &channels);
	az_channels_print(&channels, &text);
	if (pass->env->report)
		pass->env->report(pass->env->report_data, text.v);
	return true;
}
