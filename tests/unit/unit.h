/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame of the unit tests. A file test_NAME.c defines `void test_NAME(void)`, which hands its
 * cases to unit_suite; it is found by its name and listed nowhere.
 *
 *     void test_map(void)
 *     {
 *             unit_suite("map", AZ_CASES({"keeps insertion order", order}, {"grows", grows}));
 *     }
 */
#ifndef AZ_TESTS_UNIT_H
#define AZ_TESTS_UNIT_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"

typedef struct unit_case {
	const char *name;
	void (*run)(void);
} unit_case;

#define AZ_CASES(...)                                                                              \
	(const unit_case[]){__VA_ARGS__},                                                          \
		sizeof((const unit_case[]){__VA_ARGS__}) / sizeof(unit_case)

void unit_suite(const char *name, const unit_case *cases, size_t count);

/* Runs `work` again and again, on a new context each time, with allocation 0, 1, 2, ... failing,
 * until it needs no more allocations than that. Every failed run must return false with exactly
 * "out of memory" reported, and the first run that has enough must return true. */
void unit_every_allocation_fails(bool (*work)(az_ctx *ctx));

/* Whether to take case i of many random ones: yes, but under the sanitizers one of three. They look at the
 * compiler, which goes the same ways for most, not at what it makes. AZ_LONG: every one. */
bool unit_takes(uint32_t i);

/* The text of the nth message of a context without handler, laid out as text; "" when there is
 * none. Lives as long as the context. */
const char *unit_message(az_ctx *ctx, unsigned n);

/* Compares and, when they differ, prints both. */
#define CHECK_TEXT(actual, expected) unit_check_text((actual), (expected), __FILE__, __LINE__)
void unit_check_text(const char *actual, const char *expected, const char *file, unsigned line);

/* A folder of its own for this run, removed with what is in it at the end. */
const char *unit_folder(void);
/* unit_folder()/name, in the context's arena. */
char *unit_path(az_ctx *ctx, const char *name);

#define SUITE(name) void test_##name(void);
#include "tests/suites.def"
#undef SUITE

#endif
