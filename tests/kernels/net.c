/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a module of random contractions (tests/unit/widths.h) and its input for tests/kernels/run.sh:
 * kernels_net FOLDER FIRST COUNT makes FOLDER/net.adz, its blobs and FOLDER/x.npy. */
#include "tests/unit/widths.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "ir/print.h"

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

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	az_ctx *ctx = az_ctx_new();
	const char *folder = argv[1];
	az_module *m = widths_module(ctx, (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]));
	const char *net = az_arena_printf(&ctx->arena, "%s/net.adz", folder);
	const char *blobs = az_arena_printf(&ctx->arena, "%s/net.adz.blobs", folder);
	bool ok = m && az_module_write(m, net, blobs) &&
		  write_input(ctx, az_arena_printf(&ctx->arena, "%s/x.npy", folder));
	if (!ok)
		fprintf(stderr, "%s\n", ctx->diag.first ? ctx->diag.first->text : folder);
	if (m)
		az_module_free(m);
	az_ctx_free(ctx);
	return ok ? 0 : 1;
}
