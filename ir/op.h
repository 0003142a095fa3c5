/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operation table says, as data: enumeration, descriptors, hooks. */
#ifndef AZ_IR_OP_H
#define AZ_IR_OP_H

#include "ir/attr.h"
#include "ir/type.h"

typedef struct az_op az_op;

typedef enum az_opcode {
#define OP(name, ...) AZ_OP_##name,
#include "ir/ops.def"
	AZ_OP_COUNT_,
} az_opcode;

enum {
	AZ_TRAIT_PURE = 1,
	AZ_TRAIT_ELTWISE = 2,
	AZ_TRAIT_COMMUTES = 4,
	AZ_TRAIT_VIEW = 8,
	AZ_TRAIT_FLOAT = 16,
	AZ_TRAIT_ELEM = 32,
	AZ_TRAIT_MAPS = 64,
	AZ_TRAIT_MOVES = 128,
};

/* What an inference hook gets and gives. It checks operand types and attributes, reports what is
 * wrong (with op->loc, the operation's name first: "conv: ...") and returns false, or fills in the
 * result types. `want` is the element type asked for (AZ_KIND_NONE: the hook's default; operations
 * with the ELEM trait must honour it or report). Interning goes through ctx. */
typedef struct az_infer {
	az_ctx *ctx;
	const az_op *op;
	az_elem want;
	uint32_t result_count;  /* in: results expected, 0 = not known; out: how many */
	const az_type **result; /* room for AZ_ARGS_MAX */
} az_infer;

/* Levels per channel of `threshold`: results of up to 4 bits. */
#define AZ_LEVELS_MAX 15

typedef bool az_infer_hook(az_infer *in);

/* Several operations share a family: the repeated declarations agree. */
#define OP(name, family, ...) az_infer_hook az_infer_##family;
#include "ir/ops.def"

typedef struct az_op_desc {
	const char *name, *family, *doc;
	uint16_t args_min, args_max, results_min, results_max;
	uint8_t stages; /* bit per az_stage */
	uint8_t traits;
	az_infer_hook *infer;
	const az_attr_desc *attrs; /* in printing order */
	uint32_t attr_count;
} az_op_desc;

extern const az_op_desc az_op_table[AZ_OP_COUNT_];

/* AZ_OP_COUNT_ when there is none. */
az_opcode az_opcode_find(const char *name);
const char *az_opcode_nearest(const char *name); /* NULL when none is near */

/* The attributes with every default filled in. */
void az_attrs_init(az_opcode code, az_attrs *out);
bool az_attrs_same(az_opcode code, const az_attrs *a, const az_attrs *b);
bool az_attr_is_default(const az_attr_desc *desc, const az_attrs *attrs);

#endif
