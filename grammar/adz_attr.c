/* SPDX-License-Identifier: Apache-2.0
 *
 * Written attributes become the fields of an operation's attribute struct, each as its descriptor
 * says. What is not written keeps its default. */
#include <string.h>

#include "grammar/adz_build.h"

void az_adz_attr_add(az_adz_state *s, az_loc loc, az_name name, az_adz_written value)
{
	az_adz_attr attr = {name, loc, value};
	if (s->op.attrs.count < AZ_ARGS_MAX) {
		az_vec_push(&s->line, &s->op.attrs, attr);
		return;
	}
	if (!s->op.wrong)
		az_error(s->ctx, loc, "too many attributes");
	s->op.wrong = true;
}

typedef struct walk {
	const az_op_desc *op;
	uint32_t next;
} walk;

static const char *next_attr(void *state)
{
	walk *w = state;
	return w->next < w->op->attr_count ? w->op->attrs[w->next++].name : NULL;
}

typedef struct word_walk {
	const char *const *word;
	uint32_t next, count;
} word_walk;

static const char *next_word(void *state)
{
	word_walk *w = state;
	return w->next < w->count ? w->word[w->next++] : NULL;
}

static bool wrong_form(az_adz_state *s, const az_adz_attr *attr, az_attr_kind kind)
{
	return az_error(s->ctx, attr->value.loc, "attribute \"%s\" wants a %s", attr->name,
		az_attr_kind_name(kind));
}

static bool read_ints(az_adz_state *s, const az_adz_attr *attr, az_ints *out)
{
	az_adz_list list = attr->value.list;
	if (list.count > AZ_ARGS_MAX)
		return az_error(s->ctx, attr->value.loc, "a list holds at most %d numbers",
			AZ_ARGS_MAX);
	int64_t *v = az_new_array(&s->line, int64_t, list.count);
	for (uint32_t i = 0; i < list.count; i++) {
		if (!az_adz_int(s, list.v[i], INT64_MIN, INT64_MAX, &v[i]))
			return false;
	}
	*out = (az_ints){list.count, v};
	return true;
}

/* As long as a list may be: some have numbers for each channel. */
static bool read_reals(az_adz_state *s, const az_adz_attr *attr, az_reals *out)
{
	az_adz_list list = attr->value.list;
	float *v = az_new_array(&s->line, float, list.count);
	for (uint32_t i = 0; i < list.count; i++) {
		if (!az_adz_real(s, list.v[i], &v[i]))
			return false;
	}
	*out = (az_reals){list.count, v};
	return true;
}

static bool read_flag(az_adz_state *s, const az_adz_attr *attr, bool *out)
{
	bool yes = strcmp(attr->value.name, "true") == 0;
	if (!yes && strcmp(attr->value.name, "false") != 0)
		return az_error(s->ctx, attr->value.loc, "attribute \"%s\" is true or false",
			attr->name);
	*out = yes;
	return true;
}

bool az_adz_find_func(az_adz_state *s, az_loc loc, az_name name, az_func **out)
{
	*out = az_module_func(s->module, name);
	if (*out && *out == s->func)
		return az_error(s->ctx, loc, "function \"%s\" cannot refer to itself", name);
	return *out || az_adz_unknown(s, loc, "function", name, &s->module->func_names);
}

static bool read_enum(az_adz_state *s, const az_adz_attr *attr, az_attr_kind kind, void *out)
{
	word_walk w = {0};
	w.word = az_enum_words(kind, &w.count);
	for (unsigned i = 0; i < w.count; i++) {
		if (strcmp(w.word[i], attr->value.name) == 0) {
			memcpy(out, &i, sizeof i);
			return true;
		}
	}
	const char *near = az_nearest_word(attr->value.name, next_word, &w);
	if (near)
		return az_error(s->ctx, attr->value.loc, "\"%s\" is no %s; did you mean \"%s\"?",
			attr->value.name, az_attr_kind_name(kind), near);
	return az_error(s->ctx, attr->value.loc, "\"%s\" is no %s", attr->value.name,
		az_attr_kind_name(kind));
}

static az_adz_form form_of(az_attr_kind kind)
{
	switch (kind) {
	case AZ_ATTR_int:
	case AZ_ATTR_real:
		return AZ_ADZ_FORM_NUM;
	case AZ_ATTR_ints:
	case AZ_ATTR_reals:
		return AZ_ADZ_FORM_LIST;
	case AZ_ATTR_word:
		return AZ_ADZ_FORM_STRING;
	case AZ_ATTR_func:
		return AZ_ADZ_FORM_GLOBAL;
	default:
		return AZ_ADZ_FORM_WORD;
	}
}

static bool read_attr(az_adz_state *s, const az_adz_attr *attr, const az_attr_desc *desc, void *out)
{
	if (attr->value.form != form_of(desc->kind))
		return wrong_form(s, attr, desc->kind);
	switch (desc->kind) {
	case AZ_ATTR_int:
		return az_adz_int(s, attr->value.num, INT64_MIN, INT64_MAX, out);
	case AZ_ATTR_real:
		return az_adz_real(s, attr->value.num, out);
	case AZ_ATTR_flag:
		return read_flag(s, attr, out);
	case AZ_ATTR_ints:
		return read_ints(s, attr, out);
	case AZ_ATTR_reals:
		return read_reals(s, attr, out);
	case AZ_ATTR_word:
		*(az_attr_word *)out = attr->value.name;
		return true;
	case AZ_ATTR_func:
		return az_adz_find_func(s, attr->value.loc, attr->value.name, out);
	default:
		return read_enum(s, attr, desc->kind, out);
	}
}

/* The callee of a call has its own place in text. */
static const az_attr_desc *find(const az_op_desc *op, az_opcode code, az_name name)
{
	for (uint32_t i = 0; i < op->attr_count; i++) {
		bool callee = code == AZ_OP_call && op->attrs[i].kind == AZ_ATTR_func;
		if (!callee && strcmp(op->attrs[i].name, name) == 0)
			return &op->attrs[i];
	}
	return NULL;
}

static bool unknown_attr(az_adz_state *s, const az_adz_attr *attr, const az_op_desc *op)
{
	walk w = {op, 0};
	const char *near = az_nearest_word(attr->name, next_attr, &w);
	if (near && strcmp(near, attr->name) != 0)
		return az_error(s->ctx, attr->loc,
			"%s has no attribute \"%s\"; did you mean \"%s\"?", op->name, attr->name,
			near);
	return az_error(s->ctx, attr->loc, "%s has no attribute \"%s\"", op->name, attr->name);
}

bool az_adz_attrs(az_adz_state *s, az_opcode code, az_attrs *out)
{
	const az_op_desc *op = &az_op_table[code];
	bool seen[AZ_ARGS_MAX] = {false};
	bool ok = true;
	for (uint32_t i = 0; i < s->op.attrs.count; i++) {
		const az_adz_attr *attr = &s->op.attrs.v[i];
		const az_attr_desc *desc = find(op, code, attr->name);
		if (!desc) {
			ok = unknown_attr(s, attr, op);
			continue;
		}
		if (seen[desc - op->attrs])
			ok = az_error(s->ctx, attr->loc, "attribute \"%s\" is given twice",
				attr->name);
		seen[desc - op->attrs] = true;
		ok &= read_attr(s, attr, desc, (char *)out + desc->offset);
	}
	return ok;
}
