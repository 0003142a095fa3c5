/* SPDX-License-Identifier: Apache-2.0
 *
 * What passes share: looking at the graph around an operation, replacing a value without losing its
 * name and facts, and making constants. */
#ifndef AZ_PASSES_REWRITE_H
#define AZ_PASSES_REWRITE_H

#include "ir/tensor.h"
#include "passes/pass.h"

/* The operation that makes the value if it has this code, else NULL. */
az_op *az_def_is(const az_value *value, az_opcode code);
/* The only user, NULL when there are several, none, or the use is a function result. */
az_op *az_only_user(const az_value *value);
bool az_used_once(const az_value *value);
bool az_is_result(const az_value *value); /* returned by its function */
/* No name, or a number that was given for want of one. */
bool az_name_generated(az_name name);

az_builder az_before(az_op *op); /* builds before op, at its location */

/* Every use of the only result of op becomes `with`; op goes. A `with` that an operation makes and that
 * has no name of its own takes over name, range, and (types being equal) quantizer. */
void az_replace_op(az_op *op, az_value *with);
/* The same for one result value whose operation stays or has others. */
void az_replace_value(az_value *old, az_value *with);

/* Other numbers of f32 (in the module's arena) in the place of a constant operand: a constant under its name when
 * nothing else uses the old one, which goes then. Its quantizer, if any, is `meaning`. */
void az_replace_numbers(az_op *op, uint32_t index, const float *v, const az_quant *meaning);

/* Removes what nobody uses: operations, constants, functions. True when something went. */
bool az_sweep(az_module *module);

/* Permutations: result dimension i is operand dimension perm[i]. */
bool az_perm_identity(az_ints perm);
/* Does it only move dimensions of length 1, so that the bytes stay where they are? `dim` is the
 * operand's shape. */
bool az_perm_is_view(az_ints perm, const int64_t *dim);
void az_perm_inverse(uint32_t rank, const int64_t *perm, int64_t *inverse);

/* Makers of the common data movements; they return the operand itself when nothing would move. */
az_value *az_build_reshape(az_builder *at, az_value *x, uint32_t rank, const int64_t *dim);
az_value *az_build_transpose(az_builder *at, az_value *x, uint32_t rank, const int64_t *perm);

/* The value all elements have: of one element, or a splat. */
bool az_const_uniform(const az_value *value, double *x);
/* f32 constant whose elements are all finite? */
az_const *az_const_f32_of(const az_value *value); /* the constant if it is one of f32, else NULL */

/* A constant with permuted dimensions or another shape. Names come from the old one. */
az_const *az_const_transposed(az_const *from, const int64_t *perm);
az_const *az_const_reshaped(az_const *from, uint32_t rank, const int64_t *dim);

/* op on constants only: its results as constants, or false (reported) when it cannot be evaluated. */
bool az_fold_op(az_op *op, az_arena *scratch, az_value **results);

/* Structural equality of two operations: code, attributes, operands. */
bool az_ops_equal(const az_op *a, const az_op *b);
/* Identical operations and constants become one. True when something changed. */
bool az_merge_equal(az_module *module, az_arena *scratch);

/* The rounding and saturating of numerics.md 2 for one number, in f32. */
int64_t az_quantize_one(float x, float scale, int64_t zero, int64_t lo, int64_t hi);

#endif
