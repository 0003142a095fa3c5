/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scanner, the parser and the builder of recipes share. */
#ifndef AZ_GRAMMAR_RECIPE_BUILD_H
#define AZ_GRAMMAR_RECIPE_BUILD_H

#include "base/vec.h"
#include "grammar/recipe.h"

#define AZ_RECIPE_RULES_MAX 4096

typedef struct az_rec_state {
	az_ctx *ctx;
	az_arena *arena; /* of the result */
	az_arena scratch;
	az_name file;
	const char *text;
	size_t size;
	void *scanner;
	uint32_t row, col;
	az_recipe_rule rule; /* being read */
	AZ_VEC(az_recipe_rule) rules;
	az_recipe *out;
} az_rec_state;

/* recipe.l */
void az_rec_scan_open(az_rec_state *s);

/* recipe_build.c: each reports what is wrong; reading goes on. */
void az_rec_version(az_rec_state *s, az_loc loc, int64_t version);
void az_rec_begin(az_rec_state *s, az_loc loc);
void az_rec_end(az_rec_state *s);
void az_rec_match_op(az_rec_state *s, az_loc loc, az_name op);
void az_rec_match_name(az_rec_state *s, az_loc loc, az_name pattern);
void az_rec_match_edge(az_rec_state *s, az_loc loc, int edge);
void az_rec_match_params(az_rec_state *s, az_loc loc, az_name field, int compare, int64_t count);
void az_rec_set(az_rec_state *s, az_loc loc, az_name what, az_precision precision);
az_precision az_rec_precision(az_rec_state *s, az_loc loc, az_name elem);
void az_rec_granularity(az_rec_state *s, az_loc loc, az_precision *p, az_name word, int64_t group);
void az_rec_grid(az_rec_state *s, az_loc loc, az_precision *p, az_name word);
void az_rec_limit(az_rec_state *s, az_loc loc, az_name what, int64_t size, az_name unit);

#endif
