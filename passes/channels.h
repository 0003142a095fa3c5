/* SPDX-License-Identifier: Apache-2.0
 *
 * Channel groups: which channels of a network must come and go together, and how a network is narrowed
 * or widened by them (the dependency graph of DepGraph, 2301.12900, taken index by index).
 *
 * Every index of every dimension of every value and constant of main is a *label*. An operation unites the
 * labels that it ties together: output channel 3 of a convolution is index 3 of the last dimension of its
 * result, of the first of its weights, and of its bias; through an addition it is index 3 of the other
 * operand, behind a concat index 3 + offset, in a flattened row many indices at once. A set of united
 * labels that reaches no place which cannot change (inputs, results, space, a softmax over it) is a *unit*:
 * the smallest thing that may be removed or repeated. Units that touch the same dimensions of the same
 * constants are one *group*: their number is the group's width. */
#ifndef AZ_PASSES_CHANNELS_H
#define AZ_PASSES_CHANNELS_H

#include "base/text.h"
#include "passes/rewrite.h"

#define AZ_CHANNEL_FIXED UINT32_MAX

typedef struct az_channel_slice {
	az_const *constant;
	uint32_t dim;
	uint32_t count;  /* indices of that dimension that belong to one unit */
	bool contracted; /* the dimension is summed over: these are the readers' weights */
} az_channel_slice;

typedef struct az_channel_group {
	uint32_t units;      /* how many there are: the width */
	uint32_t first_unit; /* units of a group are numbered one after the other */
	uint64_t weights;    /* elements of constants that go with one unit */
	bool repeatable;     /* units may be repeated (az_channels_resize), not only removed */
	uint32_t slice_count;
	az_channel_slice *slices;
} az_channel_group;

/* What cannot change though weights make it, and why. */
typedef struct az_channel_fixed {
	const az_op *op; /* the convolution or product whose output channels stay */
	const char *why;
} az_channel_fixed;

typedef struct az_channels {
	az_module *module;
	az_arena *arena;
	uint32_t label_count, unit_count, group_count;
	uint32_t *value_base, *const_base; /* by id: label of index 0 of dimension 0 */
	uint32_t *unit;                    /* by label, AZ_CHANNEL_FIXED where nothing may change */
	az_channel_group *groups;
	AZ_VEC(az_channel_fixed) fixed;
	/* While the groups are made: a union-find forest of the labels. */
	uint32_t *parent;
	const char **why;     /* by root: why it is fixed; NULL: it is not */
	bool *removable_only; /* by root: repeating it would not repeat neighbours alike */
	uint8_t *contracted;  /* by constant id: a bit per dimension */
} az_channels;

/* Finds the groups of main. Small constants that several operations share become one for each of them
 * first, since they tie nothing together. The arena keeps everything; the module must not change while
 * the result is in use. */
void az_channels_make(az_module *module, az_arena *arena, az_channels *out);

/* Removes and repeats units: copies[u] = 0 removes unit u, 1 keeps it, k repeats it k times side by
 * side. Weights that read a repeated channel are divided by k, so the function stays the same. At least
 * one unit of every dimension must stay. Types of main are derived again. Reports. */
bool az_channels_resize(const az_channels *channels, const uint8_t *copies) AZ_NODISCARD;

/* The groups as a table for people. */
void az_channels_print(const az_channels *channels, az_text *text);

/* --- For the rules (channel_rules.c) ------------------------------------------------------------- */

uint32_t az_channel_label(const az_channels *ch, const az_value *value, uint32_t dim,
	int64_t index);
void az_channel_unite(az_channels *ch, uint32_t a, uint32_t b);
void az_channel_fix(az_channels *ch, uint32_t label, const char *why);
void az_channel_only_remove(az_channels *ch, uint32_t label);
bool az_channel_is_fixed(az_channels *ch, uint32_t label);

/* Unites what one operation ties together. */
void az_channel_rules(az_channels *ch, const az_op *op);

#endif
