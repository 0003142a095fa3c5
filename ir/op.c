/* SPDX-License-Identifier: Apache-2.0
 *
 * The operation table made from ir/ops.def. A missing inference hook is a link error. */
#include "ir/op.h"

#include <math.h>
#include <string.h>

#include "base/diag.h"
#include "base/map.h"
#include "ir/stage.h"

const char *const az_stage_words[AZ_STAGE_COUNT_] = {
	[AZ_STAGE_IMPORTED] = "imported",
	[AZ_STAGE_CANONICAL] = "canonical",
	[AZ_STAGE_FOLDED] = "folded",
	[AZ_STAGE_SELECTED] = "selected",
	[AZ_STAGE_PLACED] = "placed",
};

#define ONES  {.i = 1, .r = 1.0f, .fill = true}
#define ZEROS {.fill = true}
#define EMPTY {.fill = false}

#define OP(name, ...)             static const az_attr_desc attrs_##name[] = {
#define ATTR(op, kind, name, ...) {#name, AZ_ATTR_##kind, offsetof(az_attrs, op.name), __VA_ARGS__},
#define END(op) {0}}                                                                               \
	;
#include "ir/ops.def"

#define A(least, most) least, most
#define R(least, most) least, most
#define ALL            ((1 << AZ_STAGE_COUNT_) - 1)
#define PURE           AZ_TRAIT_PURE
#define ELTWISE        AZ_TRAIT_ELTWISE
#define COMMUTES       AZ_TRAIT_COMMUTES
#define VIEW           AZ_TRAIT_VIEW
#define FLOAT          AZ_TRAIT_FLOAT
#define ELEM           AZ_TRAIT_ELEM
#define MAPS           AZ_TRAIT_MAPS
#define MOVES          AZ_TRAIT_MOVES

/* A and R expand to two columns each, so the row passes through here unnamed. */
#define OP(name, family, args, results, stages, traits, doc)                                       \
	[AZ_OP_##name] = {#name, #family, doc, args, results, stages, traits, az_infer_##family,   \
		attrs_##name, AZ_COUNT(attrs_##name) - 1},

const az_op_desc az_op_table[AZ_OP_COUNT_] = {
#include "ir/ops.def"
};

az_opcode az_opcode_find(const char *name)
{
	for (int i = 0; i < AZ_OP_COUNT_; i++) {
		if (strcmp(az_op_table[i].name, name) == 0)
			return (az_opcode)i;
	}
	return AZ_OP_COUNT_;
}

static const char *next_name(void *state)
{
	int *i = state;
	return *i < AZ_OP_COUNT_ ? az_op_table[(*i)++].name : NULL;
}

const char *az_opcode_nearest(const char *name)
{
	int i = 0;
	return az_nearest_word(name, next_name, &i);
}
