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

/* The numbers that stored weights stand for, before the scale: whole ones; odd ones; whole ones with a
 * scale that is a power of two; the entries of a table fitted to the layer. */
typedef enum az_weight_grid {
	AZ_WEIGHT_AFFINE,
	AZ_WEIGHT_ODD,
	AZ_WEIGHT_POWER,
	AZ_WEIGHT_CODEBOOK
} az_weight_grid;

/* How the numbers of a weight or activation are stored. */
typedef struct az_precision {
	bool given;
	bool is_float; /* left in float */
	bool by_sign;  /* one bit: u1 where the numbers are not negative, else bipolar */
	bool ternary;  /* i2 without -2 */
	az_elem elem;  /* iN, uN, bipolar */
	az_granularity granularity;
	int32_t group; /* elements per scale, with AZ_PER_GROUP */
	az_weight_grid grid;
} az_precision;

enum az_recipe_edge { AZ_EDGE_NONE, AZ_EDGE_FIRST, AZ_EDGE_LAST };

typedef struct az_recipe_rule {
	az_loc loc;
	az_name op;   /* operation of the IR; NULL: any */
	az_name name; /* pattern over the layer's name, * and ? as in file names; NULL: any */
	int compare;  /* of the number of weights with `params`: 0 none, else a az_recipe_compare */
	int64_t params;
	int edge; /* az_recipe_edge: of the first or the last layers only */
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
	az_loc limit_loc;                /* of the first limit */
} az_recipe;

/* In the arena. `file` names the text in messages. */
bool az_parse_recipe(az_ctx *ctx, az_arena *arena, const char *file, const char *text, size_t size,
	az_recipe *out) AZ_NODISCARD;
bool az_parse_recipe_file(az_ctx *ctx, az_arena *arena, const char *path,
	az_recipe *out) AZ_NODISCARD;

/* Does the rule match a layer of this operation, name and number of weights, at this edge
 * (az_recipe_edge bits) of the network? */
bool az_recipe_matches(const az_recipe_rule *rule, az_opcode op, const char *name, int64_t params,
	unsigned edges);

/* "float", "bipolar", "ternary", "i4", "u8", ...; false: no such word. */
bool az_precision_parse(const char *word, az_precision *out);
/* "affine", "odd", "power-of-two", "codebook"; false: no such word. */
bool az_weight_grid_parse(const char *word, az_weight_grid *out);

#endif
