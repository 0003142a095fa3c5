/* SPDX-License-Identifier: Apache-2.0
 *
 * Attribute kinds and the typed attribute structs, one per operation, all made from ir/ops.def and
 * ir/enums.def: `op->attr.conv.stride`. The descriptors drive printer, parser, compare, hash and
 * clone, so none of those knows any operation. */
#ifndef AZ_IR_ATTR_H
#define AZ_IR_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "base/text.h"

typedef struct az_func az_func;
typedef struct az_module az_module;

/* clang-format off */
/* Enumerations: az_rounding with AZ_rounding_even, ... */
#define ENUM(name)        typedef enum az_##name {
#define VALUE(name, word)         AZ_##name##_##word,
#define ENUM_END(name)            AZ_##name##_COUNT_ } az_##name;
#include "ir/enums.def"
/* clang-format on */

typedef struct az_ints {
	uint32_t count;
	const int64_t *v; /* in the module's arena */
} az_ints;

typedef struct az_reals {
	uint32_t count;
	const float *v;
} az_reals;

/* clang-format off */
/* C types of the attribute kinds, so that ATTR(op, kind, ...) declares `az_attr_kind name`. */
typedef int64_t az_attr_int;
typedef float az_attr_real;
typedef bool az_attr_flag;
typedef az_ints az_attr_ints;
typedef az_reals az_attr_reals;
typedef az_name az_attr_word;   /* printed as a quoted string */
typedef az_func *az_attr_func;  /* printed as @name */
#define ENUM(name)     typedef az_##name az_attr_##name;
#define VALUE(name, word)
#define ENUM_END(name)
#include "ir/enums.def"

typedef enum az_attr_kind {
	AZ_ATTR_int,
	AZ_ATTR_real,
	AZ_ATTR_flag,
	AZ_ATTR_ints,
	AZ_ATTR_reals,
	AZ_ATTR_word,
	AZ_ATTR_func,
#define ENUM(name) AZ_ATTR_##name,
#define VALUE(name, word)
#define ENUM_END(name)
#include "ir/enums.def"
	AZ_ATTR_COUNT_,
} az_attr_kind;

#define OP(name, ...)                     typedef struct az_attrs_##name {
#define ATTR(op, kind, name, ...)                 az_attr_##kind name;
#define END(op)                                   char end_; } az_attrs_##op;
#include "ir/ops.def"

typedef union az_attrs {
#define OP(name, ...) az_attrs_##name name;
#include "ir/ops.def"
} az_attrs;
/* clang-format on */

/* The default of an attribute: a value; for lists, what a missing entry counts as (a list of nothing
 * but fill is not printed; `fill` false: only the empty list is the default). */
typedef struct az_attr_default {
	int64_t i;
	float r;
	bool fill;
} az_attr_default;

typedef struct az_attr_desc {
	const char *name;
	az_attr_kind kind;
	size_t offset; /* in az_attrs */
	az_attr_default init;
} az_attr_desc;

/* Entry i of a list whose missing entries count as `fill`. */
static inline int64_t az_ints_at(az_ints list, uint32_t i, int64_t fill)
{
	return i < list.count ? list.v[i] : fill;
}

/* The words of an enumerated kind, indexed by value; NULL for other kinds. */
const char *const *az_enum_words(az_attr_kind kind, uint32_t *count);
const char *az_attr_kind_name(az_attr_kind kind);

/* Copies a list into the module's arena. */
az_ints az_ints_copy(az_module *module, uint32_t count, const int64_t *v);
az_reals az_reals_copy(az_module *module, uint32_t count, const float *v);

#endif
