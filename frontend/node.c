/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node says: attributes (those of a function's body may refer to the call's), operands that
 * must be constant, outputs. */
#include <stdarg.h>
#include <string.h>

#include "frontend/import.h"

bool az_node_error(az_node *n, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const char *text = az_arena_vprintf(&n->im->scratch, format, args);
	va_end(args);
	n->bad = true;
	return az_error(n->im->ctx, n->loc, "%s", text);
}

/* In a function's body an attribute may name one of the call instead of holding a value. */
static const Onnx__AttributeProto *resolve(const az_node *n, const Onnx__AttributeProto *attr)
{
	if (!attr->ref_attr_name || !*attr->ref_attr_name)
		return attr;
	const az_scope *scope = n->scope;
	while (scope && !scope->function)
		scope = scope->parent;
	for (uint32_t i = 0; scope && i < scope->bound_count; i++)
		if (!strcmp(scope->bound[i].name, attr->ref_attr_name))
			return scope->bound[i].attr;
	return NULL; /* the call leaves it out: so does the node */
}

const Onnx__AttributeProto *az_node_attr(az_node *n, const char *name)
{
	for (size_t i = 0; i < n->proto->n_attribute; i++) {
		const Onnx__AttributeProto *attr = n->proto->attribute[i];
		if (attr->name && !strcmp(attr->name, name))
			return resolve(n, attr);
	}
	return NULL;
}

bool az_node_has(az_node *n, const char *name)
{
	return az_node_attr(n, name) != NULL;
}

/* The attribute if it is there and of the kind; one without a kind (old files) is what it holds. */
static const Onnx__AttributeProto *typed(az_node *n, const char *name,
	Onnx__AttributeProto__AttributeType type, const char *what)
{
	const Onnx__AttributeProto *attr = az_node_attr(n, name);
	if (!attr || !attr->has_type ||
		attr->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
		return attr;
	if (attr->type == type)
		return attr;
	az_node_error(n, "attribute \"%s\" must be %s", name, what);
	return NULL;
}

int64_t az_node_int(az_node *n, const char *name, int64_t missing)
{
	const Onnx__AttributeProto *attr =
		typed(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, "an integer");
	return attr ? attr->i : missing;
}

float az_node_real(az_node *n, const char *name, float missing)
{
	const Onnx__AttributeProto *attr =
		typed(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "a float");
	return attr ? attr->f : missing;
}

const char *az_node_word(az_node *n, const char *name, const char *missing)
{
	const Onnx__AttributeProto *attr =
		typed(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, "a string");
	if (!attr)
		return missing;
	if (attr->s.len > AZ_NAME_MAX || (attr->s.len && memchr(attr->s.data, 0, attr->s.len))) {
		az_node_error(n, "attribute \"%s\" is not a word", name);
		return missing;
	}
	return az_arena_copy(&n->im->scratch, (const char *)attr->s.data, attr->s.len);
}

az_ints az_node_ints(az_node *n, const char *name)
{
	const Onnx__AttributeProto *attr =
		typed(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, "a list of integers");
	if (!attr)
		return (az_ints){0};
	if (attr->n_ints > AZ_INLINE_MAX) {
		az_node_error(n, "attribute \"%s\" has %zu entries, at most %d are supported", name,
			attr->n_ints, AZ_INLINE_MAX);
		return (az_ints){0};
	}
	return (az_ints){(uint32_t)attr->n_ints, attr->ints};
}

az_reals az_node_reals(az_node *n, const char *name)
{
	const Onnx__AttributeProto *attr =
		typed(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS, "a list of floats");
	if (!attr)
		return (az_reals){0};
	if (attr->n_floats > AZ_INLINE_MAX) {
		az_node_error(n, "attribute \"%s\" has %zu entries, at most %d are supported", name,
			attr->n_floats, AZ_INLINE_MAX);
		return (az_reals){0};
	}
	return (az_reals){(uint32_t)attr->n_floats, attr->floats};
}

int az_node_choice(az_node *n, const char *name, const char *missing, const char *const *words)
{
	const char *word = az_node_word(n, name, missing);
	az_text list = {.arena = &n->im->scratch};
	for (int i = 0; words[i]; i++) {
		if (!strcmp(word, words[i]))
			return i;
		az_text_add(&list, "%s%s", i ? ", " : "", words[i]);
	}
	az_node_error(n, "attribute \"%s\" is \"%s\", supported are %s", name, word, list.v);
	return -1;
}

az_value *az_node_in(az_node *n, uint32_t i)
{
	return i < n->in_count ? n->in[i] : NULL;
}

az_value *az_node_need(az_node *n, uint32_t i, const char *what)
{
	az_value *value = az_node_in(n, i);
	if (!value)
		az_node_error(n, "operand %u (%s) is missing", i, what);
	return value;
}

/* A constant list operand; NULL with *there when it is bad. */
static const az_const *const_list(az_node *n, uint32_t i, const char *what, bool *there)
{
	az_value *value = az_node_in(n, i);
	*there = value != NULL;
	if (!value)
		return NULL;
	const az_const *constant = az_value_const(value);
	if (!constant) {
		az_node_error(n,
			"operand %u (%s) is computed at run time; it must be constant, because "
			"shapes "
			"are fixed when a network is compiled",
			i, what);
		return NULL;
	}
	if (value->type->rank > 1 || az_type_numel(value->type) > AZ_INLINE_MAX) {
		az_node_error(n, "operand %u (%s) must be a list, not %s", i, what,
			az_type_print(&n->im->scratch, value->type));
		return NULL;
	}
	return constant;
}

bool az_node_const_ints(az_node *n, uint32_t i, const char *what, bool *there, az_ints *out)
{
	*out = (az_ints){0};
	const az_const *constant = const_list(n, i, what, there);
	if (!constant)
		return false;
	if (az_elem_is_float(constant->value.type->elem))
		return az_node_error(n, "operand %u (%s) must hold integers", i, what);
	uint32_t count = (uint32_t)az_type_numel(constant->value.type);
	int64_t *v = az_new_array(&n->im->scratch, int64_t, count);
	for (uint32_t k = 0; k < count; k++)
		v[k] = az_const_get_int(constant, k);
	*out = (az_ints){count, v};
	return true;
}

bool az_node_const_reals(az_node *n, uint32_t i, const char *what, bool *there, az_reals *out)
{
	*out = (az_reals){0};
	const az_const *constant = const_list(n, i, what, there);
	if (!constant)
		return false;
	uint32_t count = (uint32_t)az_type_numel(constant->value.type);
	float *v = az_new_array(&n->im->scratch, float, count);
	for (uint32_t k = 0; k < count; k++)
		v[k] = (float)az_const_get(constant, k);
	*out = (az_reals){count, v};
	return true;
}

bool az_node_ints_either(az_node *n, const char *name, uint32_t i, bool *there, az_ints *out)
{
	*there = az_node_has(n, name);
	if (*there) {
		*out = az_node_ints(n, name);
		return !n->bad;
	}
	az_node_const_ints(n, i, name, there, out);
	return !n->bad;
}

bool az_node_axis_of(az_node *n, int64_t axis, uint32_t rank, uint32_t *out)
{
	int at = az_axis_normalize(axis, rank);
	if (at < 0)
		return az_node_error(n, "axis %lld is outside a shape of rank %u", (long long)axis,
			rank);
	*out = (uint32_t)at;
	return true;
}

int az_node_axis(az_node *n, const char *name, int64_t missing, uint32_t rank)
{
	uint32_t out = 0;
	if (!az_node_axis_of(n, az_node_int(n, name, missing), rank, &out))
		return -1;
	return (int)out;
}

/* Made by this node, and not by an earlier one? Then it takes the output's name. */
static bool is_own(const az_node *n, const az_value *value)
{
	return value->kind == AZ_VALUE_CONST    ? value->id >= n->first_const
	       : value->kind == AZ_VALUE_RESULT ? value->id >= n->first_value
						: false;
}

bool az_node_set(az_node *n, uint32_t i, az_value *value)
{
	if (!value)
		return false;
	if (i >= n->out_count)
		return true;
	n->out[i] = value;
	const char *name = n->proto->output[i];
	if (*name && is_own(n, value))
		az_value_rename(value,
			az_arena_printf(&n->im->scratch, "%s%s", n->scope->prefix, name));
	return true;
}

bool az_node_wants(az_node *n, uint32_t i)
{
	return i < n->out_count && n->out_name[i];
}

bool az_node_refuse_output(az_node *n, uint32_t i, const char *what)
{
	if (az_node_wants(n, i))
		return az_node_error(n, "output %u (%s) is used, which is not supported", i, what);
	return true;
}
