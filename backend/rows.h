/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution, pool or product whose activations lie packed in memory, seen as strips of rows: each strip's inputs
 * are unpacked into scratch, another kernel computes the strip from bytes (its *core*), and the result is
 * packed again. The function of such a group:
 *
 *   %x8 = cast %x : u8     unpacking; also of other operands of the result's shape
 *   (or what makes bytes of an input of the network, which then lies nowhere as bytes:
 *   %t  = transpose %x     any order of dimensions (or none)
 *   %x8 = quantize %t, ... element by element, other operands one number)
 *   %p  = pad %x8          a constant border (or none)
 *   %a  = conv %p, ...     the anchor, and what follows it element by element
 *   %m  = pad ...          a constant border of the result (or none), where it is not packed
 *   %r  = cast ... : u4    packing (or none) */
#ifndef AZ_BACKEND_ROWS_H
#define AZ_BACKEND_ROWS_H

#include "backend/kernel.h"

/* A tensor as rows of elements: [images, rows, columns, channels], [images, rows, columns] or [rows, columns]. */
typedef struct az_rows_shape {
	uint32_t dim; /* the dimension of rows */
	int64_t images, rows, elements;
} az_rows_shape;

az_rows_shape az_rows_shape_of(const az_type *type);

typedef enum az_rows_kind {
	AZ_ROWS_WHOLE,  /* as it is, for every strip */
	AZ_ROWS_SLICED, /* the strip's rows, where they stand */
	AZ_ROWS_COPIED, /* unpacked or bordered, in scratch */
} az_rows_kind;

typedef struct az_rows {
	const az_func *func;
	const az_op *anchor, *border, *margin, *packing; /* the last three may be NULL */
	const az_op *turn, *source; /* the transpose; the last that makes bytes of x; NULL: none */
	uint32_t x;                 /* parameter of the anchor's activations */
	const az_type *x_type,
		*padded;        /* of what is unpacked or made of it; of what the anchor reads */
	const az_type *body;    /* of the result before margin and packing */
	int64_t stride, extent; /* of the window, in rows */
	int64_t height;         /* rows of a strip of the result */
	az_rows_kind kind[AZ_ARGS_MAX]; /* by parameter */
} az_rows;

/* Could the operation be an anchor, by what it is? */
bool az_rows_takes(const az_op *op);
/* Is the operation a cast that only unpacks (packs) integers of fewer than 8 bits? */
bool az_unpacks(const az_op *op);
bool az_packs(const az_op *op);

/* Is the operation among those that make bytes of x? */
bool az_rows_makes(const az_rows *rows, const az_op *op);

/* Is parameter i of such a function the input that bytes are made of? Not a byte outside it is read then. */
bool az_rows_made_of(const az_func *func, uint32_t i);

/* Reads the structure; false: the function is no such group. height is 0: choose one with
 * az_rows_choose, or set one that divides the rows of the result. */
bool az_rows_read(const az_func *func, az_rows *out);
void az_rows_choose(az_rows *rows);
/* Rows of the padded input that a strip reads. */
int64_t az_rows_span(const az_rows *rows);
/* Bytes of scratch for parameter i, and for the result, without what lies behind for kernels that read on. */
int64_t az_rows_scratch(const az_rows *rows, uint32_t i);
int64_t az_rows_result_scratch(const az_rows *rows);

/* The function of one strip, in a module of its own (the caller frees it): parameters in the same order. NULL
 * after reporting. */
az_module *az_rows_core(const az_rows *rows);

/* Emits what makes row `row` (of image `image`; both i64) of the bytes that the anchor reads, at `to`. */
bool az_rows_emit_source(az_emitter *e, const az_rows *rows, const LLVMValueRef *params,
	LLVMValueRef to, LLVMValueRef image, LLVMValueRef row);

#endif
