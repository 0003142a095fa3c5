/* SPDX-License-Identifier: Apache-2.0
 *
 * Two walks over the same bytes. The first checks everything and notes the reduced size of every
 * message in the order in which they begin; the second, which need not check again, writes. The walks
 * recurse once per message, at most AZ_DEPTH_MAX deep. */
#include "frontend/wire.h"

#include <limits.h>
#include <string.h>

#include "base/limits.h"
#include "base/vec.h"

/* One file cannot hold more messages than this: each becomes a struct of some hundred bytes. */
#define MESSAGES_MAX (UINT32_C(1) << 22)

typedef enum message_id {
	MESSAGE_NONE,
#define MESSAGE(id, name) MESSAGE_##id,
#define FIELD(number, kind, child, many)
#define MESSAGE_END(id)
#include "frontend/wire.def"
	MESSAGE_COUNT_,
} message_id;

typedef enum field_kind { VARINT, F32, F64, TEXT, BYTES, RAW, CHILD } field_kind;

typedef struct field_rule {
	uint8_t number;
	uint8_t kind;
	uint8_t child;
	bool many;
} field_rule;

#define MESSAGE(id, name)                static const field_rule rules_##id[] = {
#define FIELD(number, kind, child, many) {number, kind, MESSAGE_##child, many},
#define MESSAGE_END(id)                  {0}}                                                      \
	;
#include "frontend/wire.def"

static const struct {
	const char *name;
	const field_rule *rules;
} messages[] = {
	[MESSAGE_NONE] = {"", NULL},
#define MESSAGE(id, name) [MESSAGE_##id] = {name, rules_##id},
#define FIELD(number, kind, child, many)
#define MESSAGE_END(id)
#include "frontend/wire.def"
};

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct walk {
	az_ctx *ctx;
	az_loc loc;
	az_arena *arena;
	az_bytes file;
	AZ_VEC(size_t) sizes; /* reduced size of each message */
	uint32_t next;        /* second walk: the message whose size is wanted */
	uint8_t *to;
} walk;

/* One field as it stands in the file. */
typedef struct item {
	const uint8_t *at; /* the key */
	uint64_t number;
	unsigned wire;
	uint64_t value;       /* of a varint */
	const uint8_t *bytes; /* the payload */
	size_t size;
	const field_rule *rule; /* NULL: not wanted */
} item;

static bool fault(walk *w, const uint8_t *at, message_id id, const char *what)
{
	return az_error(w->ctx, w->loc, "byte %zu, in %s: %s",
		(size_t)(at - (const uint8_t *)w->file.data), messages[id].name, what);
}

/* Base 128, least significant group first; false if it does not end within 10 bytes or the range. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (*at == end)
			return false;
		uint8_t byte = *(*at)++;
		if (shift < 64)
			*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static size_t varint_size(uint64_t value)
{
	size_t n = 1;
	for (; value >= 0x80; value >>= 7)
		n++;
	return n;
}

static uint8_t *write_varint(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

static const field_rule *find_rule(message_id id, uint64_t number)
{
	for (const field_rule *rule = messages[id].rules; rule->number; rule++)
		if (rule->number == number)
			return rule;
	return NULL;
}

/* Reads the field at *at, moving behind it. */
static bool read_item(walk *w, message_id id, const uint8_t **at, const uint8_t *end, item *out)
{
	uint64_t key;
	out->at = *at;
	if (!read_varint(at, end, &key))
		return fault(w, out->at, id, "the file ends within a field's key");
	out->number = key >> 3;
	out->wire = (unsigned)(key & 7);
	if (out->number == 0 || out->number > UINT64_C(0x1fffffff))
		return fault(w, out->at, id, "a field number that cannot be");
	size_t left = (size_t)(end - *at);
	out->bytes = *at;
	switch (out->wire) {
	case WIRE_VARINT:
		if (!read_varint(at, end, &out->value))
			return fault(w, out->at, id, "a number that does not end");
		out->size = (size_t)(*at - out->bytes);
		break;
	case WIRE_64:
	case WIRE_32:
		out->size = out->wire == WIRE_64 ? 8 : 4;
		if (left < out->size)
			return fault(w, out->at, id, "the message ends within a number");
		*at += out->size;
		break;
	case WIRE_BYTES:
		if (!read_varint(at, end, &out->value))
			return fault(w, out->at, id, "a length that does not end");
		if (out->value > (uint64_t)(end - *at))
			return fault(w, out->at, id,
				"a length that goes past the end of the message");
		out->bytes = *at;
		out->size = (size_t)out->value;
		*at += out->size;
		break;
	default:
		return fault(w, out->at, id, "a wire type that cannot be");
	}
	out->rule = find_rule(id, out->number);
	return true;
}

static bool check_packed(walk *w, message_id id, const item *it)
{
	if (it->rule->kind == F32 && it->size % 4)
		return fault(w, it->at, id, "a packed list that is not a multiple of 4 bytes");
	if (it->rule->kind == F64 && it->size % 8)
		return fault(w, it->at, id, "a packed list that is not a multiple of 8 bytes");
	uint64_t value;
	const uint8_t *end = it->bytes + it->size;
	if (it->rule->kind == VARINT)
		for (const uint8_t *at = it->bytes; at != end;)
			if (!read_varint(&at, end, &value))
				return fault(w, it->at, id,
					"a packed list that ends within a number");
	return true;
}

/* The wire type must be the one the schema gives: protobuf-c would take the field as unknown. */
static bool check_kind(walk *w, message_id id, const item *it)
{
	static const uint8_t wires[] = {[VARINT] = WIRE_VARINT,
		[F32] = WIRE_32,
		[F64] = WIRE_64,
		[TEXT] = WIRE_BYTES,
		[BYTES] = WIRE_BYTES,
		[RAW] = WIRE_BYTES,
		[CHILD] = WIRE_BYTES};
	const field_rule *rule = it->rule;
	if (rule->kind <= F64 && rule->many && it->wire == WIRE_BYTES)
		return check_packed(w, id, it);
	if (it->wire != wires[rule->kind])
		return az_error(w->ctx, w->loc,
			"byte %zu, in %s: field %u has wire type %u, wanted %u",
			(size_t)(it->at - (const uint8_t *)w->file.data), messages[id].name,
			(unsigned)rule->number, it->wire, (unsigned)wires[rule->kind]);
	if (rule->kind == TEXT && it->size > AZ_NAME_MAX)
		return fault(w, it->at, id, "a name of more than 4096 bytes");
	if (rule->kind == TEXT && it->size && memchr(it->bytes, 0, it->size))
		return fault(w, it->at, id, "a name with a zero byte in it");
	return true;
}

static bool measure(walk *w, message_id id, const uint8_t *at, const uint8_t *end, unsigned depth,
	size_t *size);

static bool measure_item(walk *w, message_id id, const item *it, unsigned depth, size_t *size)
{
	size_t key = varint_size(it->number << 3 | it->wire);
	size_t n = it->size;
	if (!check_kind(w, id, it))
		return false;
	if (it->rule->kind == RAW)
		n = AZ_WIRE_MARKER_SIZE;
	if (it->rule->kind == CHILD &&
		!measure(w, it->rule->child, it->bytes, it->bytes + it->size, depth + 1, &n))
		return false;
	*size += key + n + (it->wire == WIRE_BYTES ? varint_size(n) : 0);
	return true;
}

/* Checks the message in [at, end) and gives its reduced size. */
static bool measure(walk *w, message_id id, const uint8_t *at, const uint8_t *end, unsigned depth,
	size_t *size)
{
	uint32_t seen = 0; /* single messages, by field number */
	if (depth > AZ_DEPTH_MAX)
		return fault(w, at, id, "messages nested more than 64 deep");
	if (w->sizes.count == MESSAGES_MAX)
		return fault(w, at, id, "more than 4194304 messages");
	uint32_t index = w->sizes.count;
	az_vec_push(w->arena, &w->sizes, 0);
	*size = 0;
	while (at != end) {
		item it;
		if (!read_item(w, id, &at, end, &it))
			return false;
		if (!it.rule)
			continue;
		if (it.rule->kind == CHILD && !it.rule->many) {
			if (seen & UINT32_C(1) << it.number)
				return fault(w, it.at, id,
					"a message that may stand once is given twice");
			seen |= UINT32_C(1) << it.number;
		}
		if (!measure_item(w, id, &it, depth, size))
			return false;
	}
	w->sizes.v[index] = *size;
	if (*size > INT_MAX) /* protobuf's own limit */
		return fault(w, end, id, "more than 2 GiB besides raw tensor bytes");
	return true;
}

static void write_marker(walk *w, const item *it)
{
	uint64_t place[2] = {(uint64_t)(it->bytes - (const uint8_t *)w->file.data), it->size};
	_Static_assert(sizeof place == AZ_WIRE_MARKER_SIZE, "a marker is two numbers");
	memcpy(w->to, place, sizeof place);
	w->to += sizeof place;
}

static bool copy(walk *w, message_id id, const uint8_t *at, const uint8_t *end)
{
	w->next++;
	while (at != end) {
		item it;
		if (!read_item(w, id, &at, end, &it))
			return false; /* cannot be: the first walk has read it */
		if (!it.rule)
			continue;
		w->to = write_varint(w->to, it.number << 3 | it.wire);
		if (it.rule->kind == RAW) {
			w->to = write_varint(w->to, AZ_WIRE_MARKER_SIZE);
			write_marker(w, &it);
		} else if (it.rule->kind == CHILD) {
			w->to = write_varint(w->to, w->sizes.v[w->next]);
			if (!copy(w, it.rule->child, it.bytes, it.bytes + it.size))
				return false;
		} else {
			if (it.wire == WIRE_BYTES)
				w->to = write_varint(w->to, it.size);
			if (it.size)
				memcpy(w->to, it.bytes, it.size);
			w->to += it.size;
		}
	}
	return true;
}

bool az_wire_reduce(az_ctx *ctx, az_loc loc, az_arena *arena, az_wire_root root, az_bytes file,
	az_bytes *out)
{
	walk w = {.ctx = ctx, .loc = loc, .arena = arena, .file = file};
	message_id id = root == AZ_WIRE_MODEL ? MESSAGE_MODEL : MESSAGE_TENSOR;
	const uint8_t *from = file.data;
	size_t size;
	if (!measure(&w, id, from, from + file.size, 1, &size))
		return false;
	uint8_t *bytes = az_arena_alloc(arena, size + 1, 1);
	w.to = bytes;
	if (!copy(&w, id, from, from + file.size))
		return false;
	*out = (az_bytes){bytes, size};
	return true;
}

az_bytes az_wire_marked(az_bytes file, const void *marker)
{
	uint64_t place[2];
	memcpy(place, marker, sizeof place);
	return (az_bytes){(const uint8_t *)file.data + place[0], (size_t)place[1]};
}
