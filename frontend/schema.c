/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes and operands that an operator does not have. An operand more would change what is computed,
 * so it is an error; an attribute is mostly an exporter's remark, so it is a warning. */
#include <string.h>

#include "frontend/import.h"

typedef struct schema {
	const char *domain, *name;
	uint32_t operands;
	const char *attributes;
} schema;

static const schema schemas[] = {
#define SCHEMA(domain, name, operands, attributes) {domain, #name, operands, attributes},
#include "frontend/onnx_schemas.def"
};

static const schema *find(const char *domain, const char *name)
{
	const schema *other = NULL;
	for (size_t i = 0; i < AZ_COUNT(schemas); i++) {
		if (strcmp(schemas[i].name, name) != 0)
			continue;
		if (!strcmp(schemas[i].domain, domain))
			return &schemas[i];
		if (*domain && *schemas[i].domain)
			other = &schemas[i];
	}
	return other;
}

typedef struct words {
	char *list, *next;
} words;

/* The next word of a copy of the list. */
static const char *next_word(void *state)
{
	words *w = state;
	char *word = w->next;
	if (!*word)
		return NULL;
	char *end = word + strcspn(word, " ");
	w->next = end + (*end != 0);
	*end = 0;
	return word;
}

static bool has_word(az_arena *arena, const char *list, const char *word)
{
	char *copy = az_arena_printf(arena, "%s", list);
	words w = {copy, copy};
	for (const char *each; (each = next_word(&w));)
		if (!strcmp(each, word))
			return true;
	return false;
}

static void check_attribute(az_node *n, const schema *s, const char *name)
{
	az_arena *arena = &n->im->scratch;
	if (has_word(arena, s->attributes, name))
		return;
	char *copy = az_arena_printf(arena, "%s", s->attributes);
	words w = {copy, copy};
	const char *near = az_nearest_word(name, next_word, &w);
	az_warning(n->im->ctx, n->loc, "%s has no attribute \"%s\": it is ignored%s%s%s", s->name,
		name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

bool az_schema_check(az_node *n, const char *domain, const char *op)
{
	const schema *s = find(domain, op);
	uint32_t count = n->in_count;
	while (count && !*n->proto->input[count - 1])
		count--;
	if (!s)
		return true;
	if (count > s->operands)
		return az_node_error(n, "%u operands, %s takes at most %u", count, op, s->operands);
	for (size_t i = 0; i < n->proto->n_attribute; i++)
		if (n->proto->attribute[i]->name)
			check_attribute(n, s, n->proto->attribute[i]->name);
	return true;
}
