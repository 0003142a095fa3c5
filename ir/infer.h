/* SPDX-License-Identifier: Apache-2.0
 *
 * What the inference hooks share (ir/infer_*.c): reporting with the operation's name in front, the
 * checks that many operations need, and making result types within base/limits.h. Every function
 * that returns false has reported. */
#ifndef AZ_IR_INFER_H
#define AZ_IR_INFER_H

#include "ir/graph.h"
#include "ir/op.h"

/* The spatial part of an operation on x [N, spatial..., C], lists filled out with their defaults. */
typedef struct az_window {
	uint32_t count; /* spatial dimensions, 1 .. AZ_SPATIAL_MAX */
	int64_t size[3], stride[3], dilation[3], begin[3], end[3];
} az_window;

#define AZ_SPATIAL_MAX 3

/* Reports "<op>: <message>" and returns false. */
bool az_infer_error(const az_infer *in, const char *format, ...) AZ_PRINTF(2, 3);
/* Operand count within the table's, required operands present. Every hook starts with it. */
bool az_infer_begin(const az_infer *in);
/* Type of operand i, NULL when absent. */
const az_type *az_infer_arg(const az_infer *in, uint32_t i);
/* Text for messages. */
const char *az_infer_elem(const az_infer *in, az_elem elem);
const char *az_infer_shape(const az_infer *in, const az_type *type);

/* Result i; `in->result_count` must cover it. */
bool az_infer_result(az_infer *in, uint32_t i, az_elem elem, uint32_t rank, const int64_t *dim);
/* The only result. */
bool az_infer_one(az_infer *in, az_elem elem, uint32_t rank, const int64_t *dim);

bool az_infer_want_float(const az_infer *in, const az_type *type, const char *what);
bool az_infer_same_elem(const az_infer *in, const az_type *a, const az_type *b);
/* Non-negative axis into *out. */
bool az_infer_axis(const az_infer *in, int64_t axis, uint32_t rank, uint32_t *out);
/* Lists: at most `most` entries, each within [lo, hi]. */
bool az_infer_list(const az_infer *in, const char *name, az_ints list, uint32_t most, int64_t lo,
	int64_t hi);
bool az_infer_list_exact(const az_infer *in, const char *name, az_ints list, uint32_t count);
/* A zero point that the element can hold. */
bool az_infer_zero(const az_infer *in, int64_t zero, az_elem elem, const char *what);
/* Real clamp bounds: none, or lo <= hi on a float result. */
bool az_infer_clamp_real(const az_infer *in, az_reals clamp, az_elem result);
/* Mean and deviation of each of so many channels, or none; -1: of any number. */
bool az_infer_normal(const az_infer *in, az_reals normal, int64_t channels);
/* Clamp bounds in stored units: none, or lo <= hi within the element. */
bool az_infer_clamp_int(const az_infer *in, az_ints clamp, az_elem result);
/* Integer sums: i32 unless i64 is wanted (an element of 32 bits and more keeps itself). */
bool az_infer_accumulator(const az_infer *in, az_elem from, az_elem *out);

/* Checks the lists against x's spatial dimensions and window sizes and fills out `window`. */
bool az_infer_window(const az_infer *in, const az_type *x, const int64_t *size, az_ints stride,
	az_ints pad, az_ints dilation, az_window *window);
/* Output length of one dimension; -1 after reporting that the window does not fit. */
int64_t az_infer_window_out(const az_infer *in, const az_type *x, const az_window *window,
	uint32_t i, bool ceil);

#endif
