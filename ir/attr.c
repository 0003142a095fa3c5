/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes through their descriptors: defaults, comparison, copying. No operation is known here. */
#include "ir/attr.h"

#include <string.h>

#include "ir/internal.h"

#define ENUM(name)        static const char *const words_##name[] = {
#define VALUE(name, word) #word,
#define ENUM_END(name)                                                                             \
	}                                                                                          \
	;
#include "ir/enums.def"

static const char *const *const enum_words[AZ_ATTR_COUNT_] = {
#define ENUM(name) [AZ_ATTR_##name] = words_##name,
#include "ir/enums.def"
};

static const uint8_t enum_count[AZ_ATTR_COUNT_] = {
#define ENUM(name) [AZ_ATTR_##name] = AZ_##name##_COUNT_,
#include "ir/enums.def"
};

static const char *const kind_names[AZ_ATTR_COUNT_] = {
	[AZ_ATTR_int] = "integer",
	[AZ_ATTR_real] = "number",
	[AZ_ATTR_flag] = "flag",
	[AZ_ATTR_ints] = "list of integers",
	[AZ_ATTR_reals] = "list of numbers",
	[AZ_ATTR_word] = "string",
	[AZ_ATTR_func] = "function",
#define ENUM(name) [AZ_ATTR_##name] = #name,
#include "ir/enums.def"
};

const char *const *az_enum_words(az_attr_kind kind, uint32_t *count)
{
	*count = enum_count[kind];
	return enum_words[kind];
}

const char *az_attr_kind_name(az_attr_kind kind)
{
	return kind_names[kind];
}

az_ints az_ints_copy(az_module *module, uint32_t count, const int64_t *v)
{
	az_ints out = {.count = count};
	if (count)
		out.v = az_arena_dup(&module->arena, v, count * sizeof *v);
	return out;
}

az_reals az_reals_copy(az_module *module, uint32_t count, const float *v)
{
	az_reals out = {.count = count};
	if (count)
		out.v = az_arena_dup(&module->arena, v, count * sizeof *v);
	return out;
}

static void *field(az_attrs *attrs, const az_attr_desc *desc)
{
	return (char *)attrs + desc->offset;
}

static const void *const_field(const az_attrs *attrs, const az_attr_desc *desc)
{
	return (const char *)attrs + desc->offset;
}

/* Enumerations are stored as C enums, whose type the compiler may choose; all ours are the size of an
 * unsigned int. */
static unsigned enum_at(const void *at)
{
	unsigned value;
	memcpy(&value, at, sizeof value);
	return value;
}

_Static_assert(sizeof(az_rounding) == sizeof(unsigned), "enumerations are read as unsigned");

void az_attrs_init(az_opcode code, az_attrs *out)
{
	const az_op_desc *op = &az_op_table[code];
	memset(out, 0, sizeof *out);
	for (uint32_t i = 0; i < op->attr_count; i++) {
		const az_attr_desc *desc = &op->attrs[i];
		unsigned word = (unsigned)desc->init.i;
		switch (desc->kind) {
		case AZ_ATTR_int:
			*(az_attr_int *)field(out, desc) = desc->init.i;
			break;
		case AZ_ATTR_real:
			*(az_attr_real *)field(out, desc) = desc->init.r;
			break;
		case AZ_ATTR_flag:
			*(az_attr_flag *)field(out, desc) = desc->init.i != 0;
			break;
		case AZ_ATTR_ints:
		case AZ_ATTR_reals:
		case AZ_ATTR_word:
		case AZ_ATTR_func:
			break;
		default:
			memcpy(field(out, desc), &word, sizeof word);
			break;
		}
	}
}

static bool same_float(float a, float b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

static bool equal_ints(const az_attr_default *init, az_ints a, az_ints b)
{
	if (!init->fill && a.count != b.count)
		return false;
	for (uint32_t i = 0; i < AZ_MAX(a.count, b.count); i++) {
		if (az_ints_at(a, i, init->i) != az_ints_at(b, i, init->i))
			return false;
	}
	return true;
}

static float reals_at(az_reals list, uint32_t i, float fill)
{
	return i < list.count ? list.v[i] : fill;
}

static bool equal_reals(const az_attr_default *init, az_reals a, az_reals b)
{
	if (!init->fill && a.count != b.count)
		return false;
	for (uint32_t i = 0; i < AZ_MAX(a.count, b.count); i++) {
		if (!same_float(reals_at(a, i, init->r), reals_at(b, i, init->r)))
			return false;
	}
	return true;
}

static bool equal_one(const az_attr_desc *desc, const az_attrs *a, const az_attrs *b)
{
	const void *x = const_field(a, desc), *y = const_field(b, desc);
	switch (desc->kind) {
	case AZ_ATTR_int:
		return *(const az_attr_int *)x == *(const az_attr_int *)y;
	case AZ_ATTR_real:
		return same_float(*(const az_attr_real *)x, *(const az_attr_real *)y);
	case AZ_ATTR_flag:
		return *(const az_attr_flag *)x == *(const az_attr_flag *)y;
	case AZ_ATTR_ints:
		return equal_ints(&desc->init, *(const az_ints *)x, *(const az_ints *)y);
	case AZ_ATTR_reals:
		return equal_reals(&desc->init, *(const az_reals *)x, *(const az_reals *)y);
	case AZ_ATTR_word:
		return *(const az_attr_word *)x == *(const az_attr_word *)y;
	case AZ_ATTR_func:
		return *(const az_attr_func *)x == *(const az_attr_func *)y;
	default:
		return enum_at(x) == enum_at(y);
	}
}

bool az_attrs_same(az_opcode code, const az_attrs *a, const az_attrs *b)
{
	const az_op_desc *op = &az_op_table[code];
	for (uint32_t i = 0; i < op->attr_count; i++) {
		if (!equal_one(&op->attrs[i], a, b))
			return false;
	}
	return true;
}

bool az_attr_is_default(const az_attr_desc *desc, const az_attrs *attrs)
{
	const void *at = const_field(attrs, desc);
	switch (desc->kind) {
	case AZ_ATTR_int:
		return *(const az_attr_int *)at == desc->init.i;
	case AZ_ATTR_real:
		return same_float(*(const az_attr_real *)at, desc->init.r);
	case AZ_ATTR_flag:
		return *(const az_attr_flag *)at == (desc->init.i != 0);
	case AZ_ATTR_ints:
		return equal_ints(&desc->init, *(const az_ints *)at, (az_ints){0});
	case AZ_ATTR_reals:
		return equal_reals(&desc->init, *(const az_reals *)at, (az_reals){0});
	case AZ_ATTR_word:
		return !*(const az_attr_word *)at;
	case AZ_ATTR_func:
		return !*(const az_attr_func *)at;
	default:
		return enum_at(at) == (unsigned)desc->init.i;
	}
}

void az_attrs_copy(az_module *module, az_opcode code, az_attrs *attrs)
{
	const az_op_desc *op = &az_op_table[code];
	for (uint32_t i = 0; i < op->attr_count; i++) {
		const az_attr_desc *desc = &op->attrs[i];
		if (desc->kind == AZ_ATTR_ints) {
			az_ints *list = field(attrs, desc);
			*list = az_ints_copy(module, list->count, list->v);
		} else if (desc->kind == AZ_ATTR_reals) {
			az_reals *list = field(attrs, desc);
			*list = az_reals_copy(module, list->count, list->v);
		}
	}
}
