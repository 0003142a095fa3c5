/* SPDX-License-Identifier: Apache-2.0
 *
 * Types: element kind and width, and a shape that is always fully known. Types hold storage only
 * (how the numbers lie in memory); what a number means stands beside the type (ir/quant.h). Interned
 * in the context: equal types are equal pointers. */
#ifndef AZ_IR_TYPE_H
#define AZ_IR_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/limits.h"

typedef enum az_kind {
	AZ_KIND_NONE,    /* no element type stated */
	AZ_KIND_BOOL,    /* 8 bits stored, 0 or 1 */
	AZ_KIND_INT,     /* i1 .. i64, two's complement */
	AZ_KIND_UINT,    /* u1 .. u64 */
	AZ_KIND_FLOAT,   /* f16 f32 f64 */
	AZ_KIND_BFLOAT,  /* bf16 */
	AZ_KIND_BIPOLAR, /* {-1, +1} stored as one bit {0, 1} */
} az_kind;

typedef struct az_elem {
	uint8_t kind; /* az_kind */
	uint8_t bits; /* as stored: bool 8, bipolar 1 */
} az_elem;

#define AZ_ELEM(k, b) ((az_elem){AZ_KIND_##k, (b)})
#define AZ_ELEM_NONE  AZ_ELEM(NONE, 0)
#define AZ_F32        AZ_ELEM(FLOAT, 32)
#define AZ_F64        AZ_ELEM(FLOAT, 64)
#define AZ_F16        AZ_ELEM(FLOAT, 16)
#define AZ_BF16       AZ_ELEM(BFLOAT, 16)
#define AZ_I8         AZ_ELEM(INT, 8)
#define AZ_I16        AZ_ELEM(INT, 16)
#define AZ_I32        AZ_ELEM(INT, 32)
#define AZ_I64        AZ_ELEM(INT, 64)
#define AZ_U8         AZ_ELEM(UINT, 8)
#define AZ_BOOL8      AZ_ELEM(BOOL, 8)

typedef struct az_type {
	az_elem elem;
	uint8_t rank;
	int64_t dim
		[AZ_RANK_MAX]; /* zero past rank; an element of a shape may be 0 (empty tensor) */
} az_type;

/* Interned. Dimensions are checked by the reader of whatever they came from (base/limits.h). */
const az_type *az_type_get(az_ctx *ctx, az_elem elem, uint32_t rank, const int64_t *dim);
const az_type *az_type_with_elem(az_ctx *ctx, const az_type *type, az_elem elem);

bool az_elem_equal(az_elem a, az_elem b);
bool az_elem_is_float(az_elem e);   /* f16 bf16 f32 f64 */
bool az_elem_is_integer(az_elem e); /* iN uN (not bool, not bipolar) */
bool az_elem_is_signed(az_elem e);  /* iN and bipolar */
/* Smallest and largest stored value of an integer, bool or bipolar element ({-1, 1}); uN and iN of 64
 * bits are clamped to int64_t. */
int64_t az_elem_min(az_elem e);
int64_t az_elem_max(az_elem e);
/* The narrowest integers of the kind of `stored` that hold lo and hi; `stored` when none do. */
az_elem az_elem_narrowest(az_elem stored, int64_t lo, int64_t hi);
/* "f32", "i4", "bipolar", ... into out; returns out. */
const char *az_elem_print(char out[16], az_elem e);
bool az_elem_parse(const char *text, az_elem *out); /* the whole text */

int64_t az_type_numel(const az_type *type);
size_t az_type_size(const az_type *type); /* bytes, packed */
bool az_type_same_shape(const az_type *a, const az_type *b);
/* "f32[1,8,8,3]" in the arena. */
char *az_type_print(az_arena *arena, const az_type *type);
/* false when the shape is outside base/limits.h (product included). */
bool az_shape_valid(uint32_t rank, const int64_t *dim);
/* axis in [-rank, rank) made non-negative; -1 when outside. */
int az_axis_normalize(int64_t axis, uint32_t rank);
/* Multidirectional (numpy) broadcasting of two shapes; false when they do not fit. */
bool az_shape_broadcast(uint32_t a_rank, const int64_t *a, uint32_t b_rank, const int64_t *b,
	uint32_t *rank, int64_t *dim);

#endif
