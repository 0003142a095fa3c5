/* SPDX-License-Identifier: Apache-2.0
 *
 * Contractions of every width (tests/unit/widths.h) for tests/kernels/run.sh:
 *
 *   kernels_net make FOLDER CASES        writes FOLDER/net.adz, its blobs and FOLDER/x.npy; prints a line for each
 *                                        case, its number and how many bytes its packed weights may take
 *   kernels_net differ CASES GOT WANTED  names the first case and element in which two results differ
 *
 * CASES is sample:OPERATION, all:OPERATION or the number of one case. */
#include "tests/unit/widths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ir/print.h"

typedef struct cases {
	uint32_t count, *numbers;
	uint64_t *sizes, *bytes;
	az_module *module;
} cases;

static bool read_cases(az_ctx *ctx, const char *text, cases *out)
{
	const char *colon = strchr(text, ':');
	uint32_t op = 0;
	while (colon && op < WIDTHS_OPS && strcmp(colon + 1, widths_op_name[op]) != 0)
		op++;
	if (op == WIDTHS_OPS)
		return az_error(ctx, AZ_LOC_NONE, "no operation \"%s\"", colon + 1);
	if (colon) {
		bool all = strncmp(text, "all:", 4) == 0;
		out->count = widths_list(&ctx->arena, all, (widths_op)op, &out->numbers);
	} else {
		out->count = 1;
		out->numbers = az_new(&ctx->arena, uint32_t);
		out->numbers[0] = (uint32_t)strtoul(text, NULL, 10) % WIDTHS_CASES;
	}
	out->sizes = az_new_array(&ctx->arena, uint64_t, out->count);
	out->bytes = az_new_array(&ctx->arena, uint64_t, out->count);
	out->module = widths_module(ctx, out->numbers, out->count, out->sizes, out->bytes);
	return out->module != NULL;
}

static bool write_input(az_ctx *ctx, const char *path)
{
	unsigned char *file = az_new_array(&ctx->arena, unsigned char, 128 + WIDTHS_INPUT * 2);
	int length = snprintf((char *)file, 128,
		"\x93NUMPY\x01%cv%c{'descr': '<i2', 'fortran_order': False, 'shape': (%d,), }", 0,
		0, WIDTHS_INPUT);
	for (int i = length; i < 127; i++)
		file[i] = ' ';
	file[127] = '\n';
	uint64_t seed = 7;
	for (int i = 128; i < 128 + WIDTHS_INPUT * 2; i++) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		file[i] = (unsigned char)(seed >> 40);
	}
	FILE *out = fopen(path, "wb");
	bool ok = out && fwrite(file, 1, 128 + WIDTHS_INPUT * 2, out) == 128 + WIDTHS_INPUT * 2;
	return (!out || fclose(out) == 0) && ok;
}

static bool make(az_ctx *ctx, const char *folder, const char *text)
{
	cases c = {0};
	if (!read_cases(ctx, text, &c))
		return false;
	const char *net = az_arena_printf(&ctx->arena, "%s/net.adz", folder);
	const char *blobs = az_arena_printf(&ctx->arena, "%s/net.adz.blobs", folder);
	bool ok = az_module_write(c.module, net, blobs) &&
		  write_input(ctx, az_arena_printf(&ctx->arena, "%s/x.npy", folder));
	for (uint32_t i = 0; ok && i < c.count; i++)
		printf("%u %llu\n", c.numbers[i], (unsigned long long)c.bytes[i]);
	az_module_free(c.module);
	return ok;
}

/* The i32 of a .npy of version 1, `count` of them. */
static const int32_t *read_numbers(az_ctx *ctx, const char *path, uint64_t count)
{
	int32_t *out = az_new_array(&ctx->arena, int32_t, (size_t)count);
	unsigned char head[10];
	FILE *in = fopen(path, "rb");
	bool ok = in && fread(head, 1, sizeof head, in) == sizeof head &&
		  fseek(in, head[8] + 256 * head[9], SEEK_CUR) == 0 &&
		  fread(out, 4, (size_t)count, in) == count;
	if (in && fclose(in) != 0)
		ok = false;
	return ok ? out : NULL;
}

static bool differ(az_ctx *ctx, const char *text, const char *got_path, const char *wanted_path)
{
	cases c = {0};
	if (!read_cases(ctx, text, &c))
		return false;
	az_module_free(c.module);
	uint64_t total = 0, at = 0, bad = 0;
	for (uint32_t i = 0; i < c.count; i++)
		total += c.sizes[i];
	const int32_t *got = read_numbers(ctx, got_path, total);
	const int32_t *wanted = read_numbers(ctx, wanted_path, total);
	if (!got || !wanted)
		return az_error(ctx, AZ_LOC_NONE, "%s does not hold %llu numbers",
			got ? wanted_path : got_path, (unsigned long long)total);
	for (uint32_t i = 0; i < c.count; at += c.sizes[i++])
		for (uint64_t k = 0; k < c.sizes[i]; k++) {
			if (got[at + k] == wanted[at + k])
				continue;
			if (bad++ == 0)
				printf("%s\nelement %llu of %llu: got %d, wanted %d\n%u\n",
					widths_text(&ctx->arena, c.numbers[i]),
					(unsigned long long)k, (unsigned long long)c.sizes[i],
					got[at + k], wanted[at + k], c.numbers[i]);
			break;
		}
	printf("%llu of %u cases differ\n", (unsigned long long)bad, c.count);
	return true;
}

int main(int argc, char **argv)
{
	az_ctx *ctx = az_ctx_new();
	bool ok = false;
	if (argc == 4 && strcmp(argv[1], "make") == 0)
		ok = make(ctx, argv[2], argv[3]);
	else if (argc == 5 && strcmp(argv[1], "differ") == 0)
		ok = differ(ctx, argv[2], argv[3], argv[4]);
	if (!ok)
		fprintf(stderr, "%s\n",
			ctx->diag.first ? ctx->diag.first->text
					: "usage: kernels_net make|differ ...");
	az_ctx_free(ctx);
	return ok ? 0 : 1;
}
