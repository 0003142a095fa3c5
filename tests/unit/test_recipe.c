/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: what they say, what they match, and messages for those that are wrong. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "grammar/recipe.h"

static bool parse(az_ctx *ctx, const char *text, az_recipe *out)
{
	return az_parse_recipe(ctx, &ctx->arena, "r", text, strlen(text), out);
}

static void whole(void)
{
	az_ctx *ctx = az_ctx_new();
	az_recipe r;
	CU_ASSERT_TRUE_FATAL(parse(ctx,
		"recipe 1 # comment\n"
		"default { weight = i8 per channel, act = u8 per tensor }\n"
		"match op conv and params >= 10 { weight = i4 per group(32) }\n"
		"match name \"/head/*\" { act = float, weight = bipolar }\n"
		"match first { weight = u4 grid codebook }\n"
		"match last and op matmul { weight = ternary per tensor grid power-of-two }\n"
		"limit flash 256 KiB\nlimit ram 1 M\n",
		&r));
	CU_ASSERT_EQUAL_FATAL(r.rule_count, 5);
	CU_ASSERT_EQUAL(r.limit_loc.line, 7);
	CU_ASSERT_EQUAL(r.rule[3].edge, AZ_EDGE_FIRST);
	CU_ASSERT_EQUAL(r.rule[3].weight.grid, AZ_WEIGHT_CODEBOOK);
	CU_ASSERT_EQUAL(r.rule[4].edge, AZ_EDGE_LAST);
	CU_ASSERT_TRUE(r.rule[4].weight.ternary);
	CU_ASSERT_EQUAL(r.rule[4].weight.granularity, AZ_PER_TENSOR);
	CU_ASSERT_EQUAL(r.rule[4].weight.grid, AZ_WEIGHT_POWER);
	CU_ASSERT_EQUAL(r.flash_bytes, 256 * 1024);
	CU_ASSERT_EQUAL(r.ram_bytes, 1 << 20);
	CU_ASSERT_TRUE(az_elem_equal(r.rule[0].weight.elem, AZ_I8));
	CU_ASSERT_EQUAL(r.rule[0].weight.granularity, AZ_PER_CHANNEL);
	CU_ASSERT_EQUAL(r.rule[1].weight.group, 32);
	CU_ASSERT_FALSE(r.rule[1].act.given);
	CU_ASSERT_TRUE(r.rule[2].act.is_float);
	CU_ASSERT_EQUAL(r.rule[2].weight.elem.kind, AZ_KIND_BIPOLAR);
	az_ctx_free(ctx);
}

static void matching(void)
{
	az_ctx *ctx = az_ctx_new();
	az_recipe r;
	CU_ASSERT_TRUE_FATAL(parse(ctx,
		"recipe 1 match op conv and name \"a*b?d\" and params < 9 { weight = i2 }", &r));
	CU_ASSERT_TRUE(az_recipe_matches(&r.rule[0], AZ_OP_conv, "axxbbcd", 8, 0));
	CU_ASSERT_TRUE(az_recipe_matches(&r.rule[0], AZ_OP_conv, "abbbd", 8, 0));
	CU_ASSERT_FALSE(az_recipe_matches(&r.rule[0], AZ_OP_conv, "axxbd", 8, 0));
	CU_ASSERT_FALSE(az_recipe_matches(&r.rule[0], AZ_OP_conv, "axxbbcd", 9, 0));
	CU_ASSERT_FALSE(az_recipe_matches(&r.rule[0], AZ_OP_matmul, "axxbbcd", 8, 0));
	CU_ASSERT_TRUE_FATAL(parse(ctx, "recipe 1 match last { weight = i2 }", &r));
	CU_ASSERT_TRUE(az_recipe_matches(&r.rule[0], AZ_OP_conv, "a", 8, AZ_EDGE_LAST));
	CU_ASSERT_TRUE(az_recipe_matches(&r.rule[0], AZ_OP_conv, "a", 8,
		AZ_EDGE_FIRST | AZ_EDGE_LAST));
	CU_ASSERT_FALSE(az_recipe_matches(&r.rule[0], AZ_OP_conv, "a", 8, AZ_EDGE_FIRST));
	az_ctx_free(ctx);
}

static void faults(void)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"recipe 2", "recipe version 2; this build reads version 1"},
		{"recipe 1 match op cnv { weight = i4 }",
			"unknown operation 'cnv'; did you mean 'conv'?"},
		{"recipe 1 default { weight = i99 }", "unknown precision 'i99'"},
		{"recipe 1 default { weigth = i4 }", "unknown setting 'weigth'"},
		{"recipe 1 default { weight = i4, weight = i4 }", "'weight' is given twice"},
		{"recipe 1 default { weight = i4 per group }", "a group has a positive size"},
		{"recipe 1 default { act = u4 per channel }",
			"activations have one scale per tensor"},
		{"recipe 1 default { weight = i4 grid log }", "unknown grid 'log'"},
		{"recipe 1 default { weight = bipolar grid odd }", "lie on no other grid"},
		{"recipe 1 default { act = u4 grid odd }", "activations lie on the affine grid"},
		{"recipe 1 match first and last { weight = i4 }",
			"'first' or 'last' is given twice"},
		{"recipe 1 limit flash 3 furlongs", "unknown unit 'furlongs'"},
		{"recipe 1 limit time 3", "unknown limit 'time'"},
		{"recipe 1 match { weight = i4 }", "unexpected '{'"},
		{"recipe 1 default { weight = \"i4", "the string does not end on its line"},
	};
	for (size_t i = 0; i < AZ_COUNT(rows); i++) {
		az_ctx *ctx = az_ctx_new();
		az_recipe r;
		CU_ASSERT_FALSE(parse(ctx, rows[i].text, &r));
		CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), rows[i].message));
		if (!strstr(unit_message(ctx, 0), rows[i].message))
			printf("\n%s", unit_message(ctx, 0));
		az_ctx_free(ctx);
	}
}

/* One run reports every rule that is wrong. */
static void several(void)
{
	az_ctx *ctx = az_ctx_new();
	az_recipe r;
	CU_ASSERT_FALSE(parse(ctx,
		"recipe 1\nmatch op cnv { weight = i4 }\ndefault { weight i8 }\ndefault { act = q3 "
		"}\n",
		&r));
	CU_ASSERT_EQUAL(ctx->diag.error_count, 3);
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 2),
		"r:4:17: error: unknown precision 'q3'"));
	az_ctx_free(ctx);
}

void test_recipe(void)
{
	unit_suite("recipe", AZ_CASES({"whole", whole}, {"matching", matching}, {"faults", faults},
				     {"several", several}));
}
