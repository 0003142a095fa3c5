/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting spills. The code generator's comments are the only witness: "64-byte Spill", "16-byte
 * Folded Reload", "Unknown-size Folded Spill" (RISC-V vectors); a block's comment says when it is
 * the innermost loop. Scalar spills are not counted: they are addresses, outside the hot path,
 * except on targets that compute in scalar registers. */
#include "backend/probe.h"

#include <stdlib.h>
#include <string.h>

#include "backend/llvm.h"
#include "backend/select.h"

static const char *find(const char *line, size_t length, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i + n <= length; i++)
		if (memcmp(line + i, word, n) == 0)
			return line + i;
	return NULL;
}

/* The number before "-byte", 0 when the line is no spill; unknown sizes are vectors. */
static uint32_t spill_bytes(const char *line, size_t length)
{
	if (!find(line, length, "Spill") && !find(line, length, "Reload"))
		return 0;
	if (find(line, length, "Unknown-size"))
		return 64;
	const char *at = find(line, length, "-byte");
	if (!at)
		return 0;
	const char *digits = at;
	while (digits > line && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	return (uint32_t)strtoul(digits, NULL, 10);
}

/* The first line of a basic block: ".LBB0_1:" or, where no jump leads, a comment "%bb.1:". */
static bool starts_block(const char *line, size_t length)
{
	return (line[0] == '.' && memchr(line, ':', length)) ||
	       find(line, AZ_MIN(length, (size_t)8), "%bb.");
}

/* Lines after it that hold nothing but comments. */
static bool continues_label(const char *line, size_t length)
{
	return find(line, length, "Loop") && !find(line, length, "\t.");
}

static void count(const char *text, uint32_t least_bytes, az_probe *out)
{
	bool innermost = false, in_label = false;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		if (starts_block(line, length)) {
			in_label = true;
			innermost = false;
		} else if (in_label) {
			in_label = continues_label(line, length);
		}
		if (in_label && find(line, length, "Inner Loop Header"))
			innermost = true;
		if (spill_bytes(line, length) >= least_bytes) {
			out->spills++;
			out->loop_spills += innermost;
		}
		line += length + (line[length] == '\n');
	}
}

static bool probe(az_ctx *ctx, const az_target *target, bool fast, const az_func *func,
	const az_kernel *kernel, const az_tile *tile, az_probe *out)
{
	az_llvm llvm = {0};
	az_arena scratch;
	az_arena_init(&scratch, &ctx->oom);
	const void *text = NULL;
	size_t size = 0;
	bool ok = az_llvm_open(&llvm, ctx, target, fast, "probe") &&
		  az_llvm_kernel(&llvm, "probe", func, kernel, tile, false) &&
		  az_llvm_codegen(&llvm, AZ_CODE_ASM_COMMENTED, &scratch, &text, &size);
	*out = (az_probe){0};
	if (ok) {
		bool scalar = az_float_lanes(target, fast) == 1;
		count(text, scalar ? 4 : 16, out);
	}
	az_arena_free(&scratch);
	az_llvm_close(&llvm);
	return ok;
}

bool az_emit_probe(az_ctx *ctx, const az_target *target, bool fast, const az_func *func,
	const az_kernel *kernel, const az_tile *tile, az_probe_memo *memo, az_probe *out)
{
	if (!memo)
		return probe(ctx, target, fast, func, kernel, tile, out);
	az_text key = {.arena = memo->arena};
	az_text_add(&key, "%s %s %s %d%d %s", target->triple, target->cpu, target->features, fast,
		target->compact, az_func_key(func, kernel->name, tile, memo->arena));
	az_name name = az_name_intern(ctx, key.v, key.count);
	const az_probe *known = az_map_get(&memo->known, name);
	if (known) {
		*out = *known;
		return true;
	}
	if (!probe(ctx, target, fast, func, kernel, tile, out))
		return false;
	az_map_put(memo->arena, &memo->known, name, az_arena_dup(memo->arena, out, sizeof *out));
	return true;
}
