/* SPDX-License-Identifier: Apache-2.0
 *
 * Einsum: operands are joined one after the other, each by a batched matrix product over the letters that both
 * have and nobody needs any more; what is left is summed away and put in order. */
#include <string.h>

#include "frontend/onnx_ops.h"

#define ELLIPSIS 128 /* letters of the dimensions that "..." stands for, counted from the last */

typedef struct term {
	az_value *value;
	uint32_t count;
	uint8_t letter[AZ_RANK_MAX];
} term;

static bool has(const term *t, uint8_t letter)
{
	return memchr(t->letter, letter, t->count) != NULL;
}

static int64_t length_of(const term *t, uint8_t letter)
{
	const uint8_t *at = memchr(t->letter, letter, t->count);
	return at ? t->value->type->dim[at - t->letter] : 1;
}

/* One operand's or the result's letters; `dots` is how many dimensions "..." stands for. Returns what follows,
 * NULL after reporting. */
static const char *read_term(az_node *n, const char *at, uint32_t dots, term *out)
{
	bool seen = false;
	for (; *at && *at != ',' && strncmp(at, "->", 2) != 0; at++) {
		uint32_t more = 1;
		bool ellipsis = !strncmp(at, "...", 3) && !seen, space = *at == ' ';
		bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
		if (space)
			continue;
		if (ellipsis)
			more = dots;
		if ((!letter && !ellipsis) || out->count + more > AZ_RANK_MAX) {
			az_node_error(n, "the equation cannot be read at \"%s\"", at);
			return NULL;
		}
		if (letter && has(out, (uint8_t)*at)) {
			az_node_error(n, "letter %c twice in one operand is not supported", *at);
			return NULL;
		}
		for (uint32_t i = 0; i < more; i++)
			out->letter[out->count++] =
				ellipsis ? (uint8_t)(ELLIPSIS + dots - 1 - i) : (uint8_t)*at;
		at += ellipsis ? 2 : 0;
		seen = seen || ellipsis;
	}
	return at;
}

/* How many dimensions of an operand of this rank "..." stands for. */
static uint32_t dots_of(const char *at, uint32_t rank)
{
	uint32_t letters = 0;
	for (; *at && *at != ',' && strncmp(at, "->", 2) != 0; at++)
		letters += *at != '.' && *at != ' ';
	return rank > letters ? rank - letters : 0;
}

static bool read_operands(az_node *n, const char **at, term *terms, uint32_t *dots)
{
	for (uint32_t i = 0; i < n->in_count; i++) {
		terms[i].value = az_node_need(n, i, "operand");
		if (!terms[i].value)
			return false;
		uint32_t rank = terms[i].value->type->rank, mine = dots_of(*at, rank);
		*at = read_term(n, *at, mine, &terms[i]);
		if (!*at)
			return false;
		*dots = AZ_MAX(*dots, mine);
		if (terms[i].count != rank)
			return az_node_error(n,
				"operand %u is %s, the equation gives it %u letters", i,
				az_type_print(&n->im->scratch, terms[i].value->type),
				terms[i].count);
		if ((**at == ',') != (i + 1 < n->in_count))
			return az_node_error(n, "the equation has not one term for each operand");
		*at += **at == ',';
	}
	return true;
}

static bool lengths_agree(az_node *n, const term *terms)
{
	for (uint32_t i = 0; i < n->in_count; i++)
		for (uint32_t k = 0; k < terms[i].count; k++)
			for (uint32_t j = 0; j < i; j++) {
				uint8_t letter = terms[i].letter[k];
				int64_t a = length_of(&terms[i], letter);
				int64_t b = length_of(&terms[j], letter);
				if (has(&terms[j], letter) && a != b)
					return az_node_error(n,
						"a letter has length %lld in operand %u and %lld "
						"in "
						"operand %u",
						(long long)b, j, (long long)a, i);
			}
	return true;
}

/* Without "->" the result has the letters that occur once, in alphabetical order, behind "...". */
static void implied(const term *terms, uint32_t count, uint32_t dots, term *out)
{
	for (uint32_t i = 0; i < dots; i++)
		out->letter[out->count++] = (uint8_t)(ELLIPSIS + dots - 1 - i);
	for (uint8_t letter = 'A'; letter <= 'z'; letter++) {
		uint32_t seen = 0;
		for (uint32_t i = 0; i < count; i++)
			seen += has(&terms[i], letter);
		if (seen == 1 && out->count < AZ_RANK_MAX)
			out->letter[out->count++] = letter;
	}
}

/* Sums away the letters that `keep` does not name. */
static void sum_others(az_node *n, term *t, const bool *keep)
{
	int64_t axes[AZ_RANK_MAX];
	uint32_t gone = 0, left = 0;
	for (uint32_t i = 0; i < t->count; i++) {
		if (!keep[t->letter[i]])
			axes[gone++] = i;
		else
			t->letter[left++] = t->letter[i];
	}
	t->count = left;
	t->value = az_emit_reduce(n, AZ_reduction_sum, t->value, gone, axes, true);
}

static void put_in_order(az_node *n, term *t, const uint8_t *order, uint32_t count)
{
	int64_t perm[AZ_RANK_MAX];
	for (uint32_t i = 0; i < count; i++)
		perm[i] = (const uint8_t *)memchr(t->letter, order[i], t->count) - t->letter;
	t->value = az_emit_transpose(n, t->value, perm);
	memcpy(t->letter, order, count);
}

/* Letters of t: those that are in `with` or not, and that are kept or not, appended to the list. */
static uint32_t choose(const term *t, const term *with, bool shared, const bool *keep, int kept,
	uint8_t *list, uint32_t at)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (has(with, t->letter[i]) == shared && (kept < 0 || keep[t->letter[i]] == kept))
			list[at++] = t->letter[i];
	return at;
}

static int64_t product_of(const term *t, const uint8_t *letter, uint32_t count)
{
	int64_t n = 1;
	for (uint32_t i = 0; i < count; i++)
		n *= length_of(t, letter[i]);
	return n;
}

/* a and b as [batch, rows, inner] and [batch, inner, columns], multiplied. */
static bool join(az_node *n, term *a, term *b, const bool *keep)
{
	uint8_t left[AZ_RANK_MAX], right[AZ_RANK_MAX], all[2 * AZ_RANK_MAX];
	bool keep_a[256], keep_b[256];
	for (uint32_t i = 0; i < 256; i++) {
		keep_a[i] = keep[i] || has(b, (uint8_t)i);
		keep_b[i] = keep[i] || has(a, (uint8_t)i);
	}
	sum_others(n, a, keep_a);
	sum_others(n, b, keep_b);
	if (!a->value || !b->value)
		return false;
	uint32_t batch = choose(a, b, true, keep, 1, left, 0);
	uint32_t rows = choose(a, b, false, keep, -1, left, batch);
	uint32_t inner = choose(a, b, true, keep, 0, left, rows) - rows;
	memcpy(right, left, batch);
	memcpy(right + batch, left + rows, inner);
	uint32_t columns = choose(b, a, false, keep, -1, right, batch + inner) - batch - inner;
	uint32_t count = rows + columns;
	memcpy(all, left, rows);
	memcpy(all + rows, right + batch + inner, columns);
	if (count > AZ_RANK_MAX)
		return az_node_error(n, "more than %d dimensions between two operands",
			AZ_RANK_MAX);
	int64_t dim[AZ_RANK_MAX], groups = product_of(a, left, batch);
	int64_t m = product_of(a, left + batch, rows - batch),
		k = product_of(a, left + rows, inner);
	int64_t w = product_of(b, right + batch + inner, columns);
	for (uint32_t i = 0; i < count; i++)
		dim[i] = length_of(i < rows ? a : b, all[i]);
	put_in_order(n, a, left, a->count);
	put_in_order(n, b, right, b->count);
	az_value *y = az_emit_matmul(n, az_emit_reshape(n, a->value, 3, (int64_t[]){groups, m, k}),
		az_emit_reshape(n, b->value, 3, (int64_t[]){groups, k, w}));
	a->value = az_emit_reshape(n, y, count, dim);
	a->count = count;
	memcpy(a->letter, all, count);
	return a->value != NULL;
}

bool az_onnx_einsum(az_node *n)
{
	const char *equation = az_node_word(n, "equation", ""), *at = equation;
	term *terms = az_new_array(&n->im->scratch, term, n->in_count + 1u), out = {0};
	uint32_t dots = 0;
	if (n->in_count == 0)
		return az_node_error(n, "no operands");
	if (n->bad || !read_operands(n, &at, terms, &dots) || !lengths_agree(n, terms))
		return false;
	if (!*at)
		implied(terms, n->in_count, dots, &out);
	else if (!read_term(n, at + 2, dots, &out))
		return false;
	for (uint32_t i = 0; i < out.count; i++) {
		bool known = false;
		for (uint32_t k = 0; k < n->in_count; k++)
			known = known || has(&terms[k], out.letter[i]);
		if (!known)
			return az_node_error(n, "the result has a letter that no operand has");
	}
	for (uint32_t i = 0; i < n->in_count; i++) {
		bool keep[256] = {false};
		for (uint32_t k = 0; k < out.count; k++)
			keep[out.letter[k]] = true;
		for (uint32_t j = i + 1; j < n->in_count; j++)
			for (uint32_t k = 0; k < terms[j].count; k++)
				keep[terms[j].letter[k]] = true;
		if (i == 0 && n->in_count == 1)
			sum_others(n, &terms[0], keep);
		else if (i > 0 && !join(n, &terms[0], &terms[i], keep))
			return false;
	}
	if (!terms[0].value)
		return false;
	put_in_order(n, &terms[0], out.letter, out.count);
	return az_node_set(n, 0, terms[0].value);
}
