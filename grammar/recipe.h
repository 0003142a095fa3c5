/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: what a person has decided about widths and budgets (docs/recipes.md). Later rules win,
 * field by field. Reading reports every fault with line, column and caret. */
#ifndef AZ_GRAMMAR_RECIPE_H
#define AZ_GRAMMAR_RECIPE_H

#include "ir/graph.h"

/* AZ_PER_DEFAULT: not said; weights have one scale per channel, activations one per tensor. */
typedef enum az_granularity {
	AZ_PER_DEFAULT,
	AZ_PER_TENSOR,
	AZ_PER_CHANNEL,
	AZ_PER_GROUP
} az_granularity;

/* How the numbers of a weight or activation are stored. */
typedef struct az_precision {
	bool given;
	bool is_float; /* left in float */
	az_elem elem;  /* iN, uN, bipolar */
	az_granularity granularity;
	int32_t group; /* elements per scale, with AZ_PER_GROUP */
} az_precision;

typedef struct az_recipe_rule {
	az_loc loc;
	az_name op;   /* operation of the IR; NULL: any */
	az_name name; /* pattern over the layer's name, * and ? as in file names; NULL: any */
	int compare;  /* of the number of weights with `params`: 0 none, else a az_recipe_compare */
	int64_t params;
	az_precision weight, act;
} az_recipe_rule;

enum az_recipe_compare {
	AZ_COMPARE_NONE,
	AZ_COMPARE_LE,
	AZ_COMPARE_LT,
	AZ_COMPARE_GE,
	AZ_COMPARE_GT
};

typedef struct az_recipe {
	uint32_t rule_count;
	const az_recipe_rule *rule; /* in the order of the text; `default` rules match everything */
	uint64_t flash_bytes, ram_bytes; /* 0: no limit stated */
} az_recipe;

/* In the arena. `file` names the text in messages. */
bool az_parse_recipe(az_ctx *ctx, az_arena *arena, const char *file, const char *text, size_t size,
	az_recipe *out) AZ_NODISCARD;
bool az_parse_recipe_file(az_ctx *ctx, az_arena *arena, const char *path,
	az_recipe *out) AZ_NODISCARD;

/* Does the rule match a layer of this operation, name and number of weights? */
bool az_recipe_matches(const az_recipe_rule *rule, az_opcode op, const char *name, int64_t params);

#endif
