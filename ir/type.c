/* SPDX-License-Identifier: Apache-2.0
 *
 * Types: interning, element types and shapes. The table of interned objects lives in the context and
 * is made when the first type is asked for. */
#include "ir/type.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/map.h"
#include "ir/internal.h"

#define CAPACITY_MIN 64u

struct az_type_table *az_type_table_of(az_ctx *ctx)
{
	if (!ctx->types)
		ctx->types = az_new(&ctx->arena, struct az_type_table);
	return ctx->types;
}

static const void **probe(const az_intern_set *set, const void *like, az_intern_hash *hash,
	az_intern_equal *equal)
{
	uint64_t h = hash(like);
	uint32_t mask = set->capacity - 1;
	uint32_t i = (uint32_t)(h ^ h >> 32) & mask;
	while (set->slot[i] && !equal(set->slot[i], like))
		i = (i + 1) & mask;
	return &set->slot[i];
}

const void **az_intern_find(az_ctx *ctx, az_intern_set *set, const void *like, az_intern_hash *hash,
	az_intern_equal *equal)
{
	if (set->count >= set->capacity / 2) {
		az_intern_set bigger = {
			.count = set->count, .capacity = AZ_MAX(set->capacity * 2, CAPACITY_MIN)};
		bigger.slot = az_new_array(&ctx->arena, const void *, bigger.capacity);
		for (uint32_t i = 0; i < set->capacity; i++) {
			if (set->slot[i])
				*probe(&bigger, set->slot[i], hash, equal) = set->slot[i];
		}
		*set = bigger;
	}
	return probe(set, like, hash, equal);
}

static uint64_t hash_type(const void *item)
{
	const az_type *type = item;
	const uint8_t head[3] = {type->elem.kind, type->elem.bits, type->rank};
	uint64_t hash = az_hash_bytes(AZ_HASH_SEED, head, sizeof head);
	return az_hash_bytes(hash, type->dim, type->rank * sizeof type->dim[0]);
}

static bool equal_types(const void *a, const void *b)
{
	const az_type *x = a, *y = b;
	return az_elem_equal(x->elem, y->elem) && x->rank == y->rank &&
	       memcmp(x->dim, y->dim, x->rank * sizeof x->dim[0]) == 0;
}

const az_type *az_type_get(az_ctx *ctx, az_elem elem, uint32_t rank, const int64_t *dim)
{
	assert(rank <= AZ_RANK_MAX);
	az_type like = {.elem = elem, .rank = (uint8_t)rank};
	for (uint32_t i = 0; i < rank; i++)
		like.dim[i] = dim[i];
	az_intern_set *set = &az_type_table_of(ctx)->types;
	const void **slot = az_intern_find(ctx, set, &like, hash_type, equal_types);
	if (!*slot) {
		*slot = az_arena_dup(&ctx->arena, &like, sizeof like);
		set->count++;
	}
	return *slot;
}

const az_type *az_type_with_elem(az_ctx *ctx, const az_type *type, az_elem elem)
{
	return az_type_get(ctx, elem, type->rank, type->dim);
}

bool az_elem_equal(az_elem a, az_elem b)
{
	return a.kind == b.kind && a.bits == b.bits;
}

bool az_elem_is_float(az_elem e)
{
	return e.kind == AZ_KIND_FLOAT || e.kind == AZ_KIND_BFLOAT;
}

bool az_elem_is_integer(az_elem e)
{
	return e.kind == AZ_KIND_INT || e.kind == AZ_KIND_UINT;
}

bool az_elem_is_signed(az_elem e)
{
	return e.kind == AZ_KIND_INT || e.kind == AZ_KIND_BIPOLAR;
}

int64_t az_elem_min(az_elem e)
{
	switch ((az_kind)e.kind) {
	case AZ_KIND_INT:
		return -1 - az_elem_max(e);
	case AZ_KIND_BIPOLAR:
		return -1;
	case AZ_KIND_NONE:
	case AZ_KIND_BOOL:
	case AZ_KIND_UINT:
	case AZ_KIND_FLOAT:
	case AZ_KIND_BFLOAT:
		break;
	}
	return 0;
}

int64_t az_elem_max(az_elem e)
{
	switch ((az_kind)e.kind) {
	case AZ_KIND_INT:
		return (int64_t)((UINT64_C(1) << (e.bits - 1)) - 1);
	case AZ_KIND_UINT:
		return e.bits >= 63 ? INT64_MAX : (INT64_C(1) << e.bits) - 1;
	case AZ_KIND_BOOL:
	case AZ_KIND_BIPOLAR:
		return 1;
	case AZ_KIND_NONE:
	case AZ_KIND_FLOAT:
	case AZ_KIND_BFLOAT:
		break;
	}
	return 0;
}

az_elem az_elem_narrowest(az_elem stored, int64_t lo, int64_t hi)
{
	az_elem e = stored;
	for (e.bits = 1; e.bits < stored.bits; e.bits++)
		if (az_elem_min(e) <= lo && hi <= az_elem_max(e))
			break;
	return e;
}

const char *az_elem_print(char out[16], az_elem e)
{
	static const char *const format[] = {
		[AZ_KIND_NONE] = "none",
		[AZ_KIND_BOOL] = "bool",
		[AZ_KIND_INT] = "i%u",
		[AZ_KIND_UINT] = "u%u",
		[AZ_KIND_FLOAT] = "f%u",
		[AZ_KIND_BFLOAT] = "bf%u",
		[AZ_KIND_BIPOLAR] = "bipolar",
	};
	const char *text = format[e.kind];
	const char *percent = strchr(text, '%');
	if (percent)
		snprintf(out, 16, "%.*s%u", (int)(percent - text), text, (unsigned)e.bits);
	else
		snprintf(out, 16, "%s", text);
	return out;
}

/* One or two decimal digits, no leading zero, in [1, 64]. */
static bool parse_width(const char *text, uint8_t *bits)
{
	unsigned value = 0;
	size_t n = strlen(text);
	if (n < 1 || n > 2 || text[0] == '0')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*bits = (uint8_t)value;
	return value <= 64;
}

bool az_elem_parse(const char *text, az_elem *out)
{
	static const struct {
		const char *name;
		az_elem elem;
	} fixed[] = {{"bool", {AZ_KIND_BOOL, 8}}, {"bipolar", {AZ_KIND_BIPOLAR, 1}},
		{"f16", {AZ_KIND_FLOAT, 16}}, {"f32", {AZ_KIND_FLOAT, 32}},
		{"f64", {AZ_KIND_FLOAT, 64}}, {"bf16", {AZ_KIND_BFLOAT, 16}}};
	for (size_t i = 0; i < AZ_COUNT(fixed); i++) {
		if (strcmp(text, fixed[i].name) == 0) {
			*out = fixed[i].elem;
			return true;
		}
	}
	if ((text[0] != 'i' && text[0] != 'u') || !parse_width(text + 1, &out->bits))
		return false;
	out->kind = text[0] == 'i' ? AZ_KIND_INT : AZ_KIND_UINT;
	return true;
}

int64_t az_type_numel(const az_type *type)
{
	int64_t n = 1;
	for (uint32_t i = 0; i < type->rank; i++)
		n *= type->dim[i];
	return n;
}

bool az_type_same_shape(const az_type *a, const az_type *b)
{
	return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0;
}

size_t az_type_size(const az_type *type)
{
	return az_bits_size((uint64_t)az_type_numel(type), type->elem.bits);
}

char *az_type_print(az_arena *arena, const az_type *type)
{
	char elem[16];
	az_text text = {.arena = arena};
	az_text_add(&text, "%s[", az_elem_print(elem, type->elem));
	for (uint32_t i = 0; i < type->rank; i++)
		az_text_add(&text, "%s%lld", i ? "," : "", (long long)type->dim[i]);
	az_text_add_char(&text, ']');
	return text.v;
}

/* Zero dimensions do not hide the others: partial products must stay small too. */
bool az_shape_valid(uint32_t rank, const int64_t *dim)
{
	int64_t n = 1;
	if (rank > AZ_RANK_MAX)
		return false;
	for (uint32_t i = 0; i < rank; i++) {
		if (dim[i] < 0 || dim[i] > AZ_DIM_MAX)
			return false;
		if (dim[i] == 0)
			continue;
		if (n > AZ_NUMEL_MAX / dim[i])
			return false;
		n *= dim[i];
	}
	return true;
}

int az_axis_normalize(int64_t axis, uint32_t rank)
{
	if (axis < -(int64_t)rank || axis >= (int64_t)rank)
		return -1;
	return (int)(axis < 0 ? axis + (int64_t)rank : axis);
}

bool az_shape_broadcast(uint32_t a_rank, const int64_t *a, uint32_t b_rank, const int64_t *b,
	uint32_t *rank, int64_t *dim)
{
	uint32_t n = AZ_MAX(a_rank, b_rank);
	for (uint32_t i = 0; i < n; i++) { /* from the last dimension on */
		int64_t x = i < a_rank ? a[a_rank - 1 - i] : 1;
		int64_t y = i < b_rank ? b[b_rank - 1 - i] : 1;
		if (x != y && x != 1 && y != 1)
			return false;
		dim[n - 1 - i] = x == 1 ? y : x;
	}
	*rank = n;
	return true;
}
