/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes are an ONNX model or are refused with a message; what is accepted is a valid module. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "frontend/onnx.h"
#include "ir/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	az_ctx *ctx = az_ctx_new();
	if (!ctx)
		return 0;
	az_module *module = az_onnx_import_bytes(ctx, "fuzz.onnx", data, size, NULL, NULL);
	if (!module && ctx->diag.error_count == 0)
		abort();
	if (module && (ctx->diag.error_count || !az_module_verify(module)))
		abort();
	if (module)
		az_module_free(module);
	az_ctx_free(ctx);
	return 0;
}
