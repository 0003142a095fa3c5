/* SPDX-License-Identifier: Apache-2.0
 *
 * frontend/onnx_ops.def as tables. */
#include "frontend/onnx_ops.h"

#include <string.h>

const az_onnx_row az_onnx_rows[] = {
#define ONNX(domain, name, since, until, importer, code)                                           \
	{domain, #name, since, until, az_onnx_##importer, code},
#include "frontend/onnx_ops.def"
	{0},
};

const az_onnx_op_info az_onnx_op_infos[] = {
#define ONNX(domain, name, since, until, importer, code) {domain, #name, since, until},
#include "frontend/onnx_ops.def"
	{0},
};

static const struct {
	const char *name, *reason;
} refusals[] = {
#define REFUSED(name, reason) {#name, reason},
#include "frontend/onnx_ops.def"
};

const char *az_onnx_refusal(const char *name)
{
	for (size_t i = 0; i < AZ_COUNT(refusals); i++)
		if (!strcmp(refusals[i].name, name))
			return refusals[i].reason;
	return NULL;
}
