/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipeline text: what it unrolls to, what is refused, and running out of memory. */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/text.h"
#include "grammar/parse.h"

/* "pass[key=value][flag] pass ..." or the first message. */
static const char *read(az_ctx *ctx, const char *text)
{
	az_pipeline pipeline;
	az_text out = {.arena = &ctx->arena};
	if (!az_parse_pipeline(ctx, &ctx->arena, "-p", text, &pipeline))
		return ctx->diag.first ? ctx->diag.first->text : "no message";
	az_text_add(&out, "%s", "");
	for (uint32_t i = 0; i < pipeline.count; i++) {
		const az_pipeline_step *step = &pipeline.step[i];
		az_text_add(&out, "%s%s", i ? " " : "", step->pass);
		for (uint32_t k = 0; k < step->option_count; k++)
			az_text_add(&out, "[%s=%s]", step->option[k].key, step->option[k].value);
	}
	return out.v;
}

static void check(const char *text, const char *wanted)
{
	az_ctx *ctx = az_ctx_new();
	CHECK_TEXT(read(ctx, text), wanted);
	az_ctx_free(ctx);
}

static void accepted(void)
{
	check("", "");
	check(" \n ", "");
	check("dead-code", "dead-code");
	check("a,b , c\n", "a b c");
	check("a{}", "a");
	check("a{k=v,flag,size=64KiB}", "a[k=v][flag=][size=64KiB]");
	check("a{list=[1, 2],text=\"x, y\"}", "a[list=[1, 2]][text=x, y]");
	check("a*3", "a a a");
	check("(a,b{x})*2,c", "a b[x=] a b[x=] c");
	check("((a,b)*2,c)*2", "a b a b c a b a b c");
	check("(a)", "a");
}

static void refused(void)
{
	check(",", "unexpected ',', expecting end of file or word or '('");
	check("a,", "unexpected end of file, expecting word or '('");
	check("(a", "unexpected end of file, expecting ',' or ')'");
	check("a)", "unexpected ')', expecting end of file or ','");
	check("a b", "unexpected word");
	check("a{k=}", "unexpected '}', expecting word");
	check("a{k,k=1}", "option \"k\" is given twice");
	check("a*0", "a step is repeated at least once");
	check("a*x", "\"x\" is no number of repetitions");
	check("a*99999", "\"99999\" is no number of repetitions");
	check("a*9999", "a pipeline has at most 4096 steps");
	check("((a*4096)*4096)*4096", "a pipeline has at most 4096 steps");
	check("a{k=\"v}", "the string does not end on its line");
	check("()", "unexpected ')', expecting word or '('");
}

static void several_faults(void)
{
	az_ctx *ctx = az_ctx_new();
	read(ctx, "a{k,k},\nb*x,(c*0,d)");
	CHECK_TEXT(unit_message(ctx, 0), "-p:1:5: error: option \"k\" is given twice\n"
					 "    1 | a{k,k},\n"
					 "      |     ^\n");
	CHECK_TEXT(unit_message(ctx, 1), "-p:2:3: error: \"x\" is no number of repetitions\n"
					 "    2 | b*x,(c*0,d)\n"
					 "      |   ^\n");
	CHECK_TEXT(unit_message(ctx, 2), "-p:2:8: error: a step is repeated at least once\n"
					 "    2 | b*x,(c*0,d)\n"
					 "      |        ^\n");
	az_ctx_free(ctx);
}

static void deep(void)
{
	az_ctx *ctx = az_ctx_new();
	char text[100001];
	memset(text, '(', sizeof text - 1);
	text[sizeof text - 1] = 0;
	CHECK_TEXT(read(ctx, text), "brackets are nested more than 64 deep");
	az_ctx_free(ctx);
}

static bool parse(az_ctx *ctx)
{
	az_pipeline pipeline;
	return az_parse_pipeline(ctx, &ctx->arena, "-p", "a{k=v},(b,c)*3", &pipeline);
}

static void out_of_memory(void)
{
	unit_every_allocation_fails(parse);
}

void test_pipeline(void)
{
	unit_suite("pipeline",
		AZ_CASES({"accepted", accepted}, {"refused", refused},
			{"several faults in one run", several_faults}, {"deep nesting", deep},
			{"every allocation may fail", out_of_memory}));
}
