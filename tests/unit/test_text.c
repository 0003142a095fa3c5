/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts built up in an arena. */
#include "tests/unit/unit.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

static void adds(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text text = {.arena = &ctx->arena};
	az_text_add(&text, "%s", "");
	CHECK_TEXT(text.v, "");
	az_text_add(&text, "%d,", 12);
	az_text_add_char(&text, 'x');
	az_text_add_bytes(&text, "yz!", 2);
	az_text_add_bytes(&text, NULL, 0);
	CHECK_TEXT(text.v, "12,xyz");
	CU_ASSERT_EQUAL(text.count, 6);
	az_ctx_free(ctx);
}

static void grows(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text text = {.arena = &ctx->arena};
	for (int i = 0; i < 10000; i++)
		az_text_add(&text, "%04d", i);
	CU_ASSERT_EQUAL(text.count, 40000);
	CU_ASSERT_EQUAL(strlen(text.v), 40000);
	CU_ASSERT_EQUAL(memcmp(text.v + 4 * 1234, "1234", 4), 0);
	CU_ASSERT_EQUAL(memcmp(text.v + 4 * 9999, "9999", 4), 0);
	az_ctx_free(ctx);
}

static void quotes(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text text = {.arena = &ctx->arena};
	az_text_add_quoted(&text, "a\"b\\c\n\x01\x7f\xc3\xa9/");
	CHECK_TEXT(text.v, "\"a\\22b\\5cc\\0a\\01\\7f\xc3\xa9/\"");
	az_ctx_free(ctx);
}

static bool build(az_ctx *ctx)
{
	az_text text = {.arena = &ctx->arena};
	AZ_GUARD(ctx, return false);
	for (int i = 0; i < 500; i++)
		az_text_add_quoted(&text, "some text");
	AZ_UNGUARD(ctx);
	return text.count == 5500;
}

static void too_long(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text text = {.arena = &ctx->arena};
	volatile bool jumped = false;
	jmp_buf jump;
	ctx->oom.jump = &jump;
	if (setjmp(jump))
		jumped = true;
	else
		az_text_add_bytes(&text, "", SIZE_MAX - 3);
	CU_ASSERT_TRUE(jumped);
	az_ctx_free(ctx);
}

static void every_allocation_fails(void)
{
	unit_every_allocation_fails(build);
}

void test_text(void)
{
	unit_suite("text", AZ_CASES({"adds", adds}, {"grows", grows}, {"quotes", quotes},
				   {"too long", too_long},
				   {"every allocation fails once", every_allocation_fails}));
}
