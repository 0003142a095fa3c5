/* SPDX-License-Identifier: Apache-2.0
 *
 * The context: what one compilation shares (names, types, diagnostics). Not thread-safe; use one
 * per thread. A public entry point guards itself with AZ_GUARD so that running out of memory
 * anywhere below returns false with the error reported. The guarded function is a thin shell around
 * the work, which stands in a function of its own:
 *
 *     bool az_thing_make(az_ctx *ctx, ...)
 *     {
 *             AZ_GUARD(ctx, return false);
 *             bool ok = make(ctx, ...);
 *             AZ_UNGUARD(ctx);
 *             return ok;
 *     }
 *
 * Two reasons: every way out passes AZ_UNGUARD, and no variable changes between the setjmp and a
 * possible jump (C leaves such variables indeterminate; one that on_failure must read, to close a
 * file for example, is volatile). */
#ifndef AZ_BASE_CTX_H
#define AZ_BASE_CTX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/name.h"

struct az_type_table; /* ir/type.c */
struct az_pass_time;  /* passes/pass.h */
struct az_kept;       /* backend/kept.h */

typedef struct az_ctx {
	az_oom oom;
	az_arena arena; /* names, types, quantizers: lives as long as the context */
	az_name_table names;
	struct az_type_table *types;
	az_diag diag;
	uint32_t guard_depth; /* entry points that are under way */
	/* Called with done <= total; NULL = silent. total 0 means unknown. */
	void (*progress)(void *data, const char *what, uint64_t done, uint64_t total);
	void *progress_data;
	const struct az_pass_time *pass_times; /* of the last pipeline that was timed */
	uint32_t pass_time_count;
	struct az_kept *kept; /* code shared by the networks of a search; NULL: none is kept */
} az_ctx;

/* NULL when even the context cannot be had. */
az_ctx *az_ctx_new(void);
void az_ctx_free(az_ctx *ctx);
void az_ctx_progress(az_ctx *ctx, const char *what, uint64_t done, uint64_t total);

/* Reports "out of memory" as an error. */
void az_ctx_report_oom(az_ctx *ctx);

/* The place to jump to, and that of the entry point around this one. */
typedef struct az_guard {
	jmp_buf jump;
	jmp_buf *outer;
} az_guard;

/* Entry points nest: each gets its own failure back, releases what it holds and returns false to the one
 * around it. The setjmp stands alone in its `if`: C11 7.13.1.1 allows it in no larger expression. */
#define AZ_GUARD(ctx, on_failure)                                                                  \
	az_guard az_guard_ = {.outer = (ctx)->oom.jump};                                           \
	(ctx)->oom.jump = &az_guard_.jump;                                                         \
	(ctx)->guard_depth++;                                                                      \
	if (setjmp(az_guard_.jump)) {                                                              \
		AZ_UNGUARD(ctx);                                                                   \
		az_ctx_report_oom(ctx);                                                            \
		on_failure;                                                                        \
	}
#define AZ_UNGUARD(ctx) ((ctx)->oom.jump = az_guard_.outer, (ctx)->guard_depth--)

#endif
