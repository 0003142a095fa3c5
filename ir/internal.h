/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of ir/ (and the parser, which builds graphs too) share and nobody else needs. */
#ifndef AZ_IR_INTERNAL_H
#define AZ_IR_INTERNAL_H

#include "ir/graph.h"

/* Content-interned objects of the context: open addressing, at most half full. */
typedef struct az_intern_set {
	const void **slot; /* NULL = free */
	uint32_t count, capacity;
} az_intern_set;

struct az_type_table {
	az_intern_set types, quants;
};

struct az_type_table *az_type_table_of(az_ctx *ctx);

typedef uint64_t az_intern_hash(const void *item);
typedef bool az_intern_equal(const void *a, const void *b);

/* The slot holding an item equal to `like`, or the free slot where it belongs (then the caller fills
 * it and adds one to count). */
const void **az_intern_find(az_ctx *ctx, az_intern_set *set, const void *like, az_intern_hash *hash,
	az_intern_equal *equal);

/* Elements of packed data as numbers. */
double az_elem_load(const void *data, uint64_t i, az_elem elem);
int64_t az_elem_load_int(const void *data, uint64_t i, az_elem elem);
void az_elem_store(void *data, uint64_t i, az_elem elem, double v); /* rounds to even, saturates */

/* A value of func that has an id but neither a name nor a type yet. */
az_value *az_value_new(az_func *func, az_value_kind kind);
/* Frees the value's name; the caller gives it another one. */
void az_value_unname(az_value *value);
void az_use_link(az_use *use, az_value *value);
void az_use_unlink(az_use *use);
/* `name`, or `name` with the first free suffix ".1", ".2", ... that is not in the map. */
az_name az_name_unique(az_ctx *ctx, const az_map *taken, az_name name);
/* An operation with room for operands and results, linked into the function, without types. */
az_op *az_op_alloc(az_builder *at, az_opcode code, uint32_t arg_count, az_value *const *args,
	const az_attrs *attrs, uint32_t result_count);
/* Copies the lists of attrs into the module's arena. */
void az_attrs_copy(az_module *module, az_opcode code, az_attrs *attrs);
/* Whether a quantizer can be printed in place, without a declaration. */
bool az_quant_is_plain(const az_quant *quant);
/* How many scales a quantizer along an axis of this type has: one per index, or one per group of
 * indices at every place of the other dimensions. */
int64_t az_quant_scales(const az_quant *quant, const az_type *type);
/* The blob file of a constant is named by this hash of its packed bytes: 64 hexadecimal digits. It is
 * computed once; whoever changes a constant puts other data in its place. */
az_name az_const_hash(const az_const *constant);
/* Whether the text writes the constant as a blob. */
bool az_const_is_blob(const az_const *constant);

#endif
