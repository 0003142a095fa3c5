/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes are an ONNX model or are refused with a message; what is accepted is a valid module. Most
 * random changes break a length and end in the first check, so the mutator knows the wire format: it
 * changes, drops, repeats or exchanges one field somewhere in the tree and writes the lengths anew. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx.h"
#include "ir/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	az_ctx *ctx = az_ctx_new();
	if (!ctx)
		return 0;
	az_module *module = az_onnx_import_bytes(ctx, "fuzz.onnx", data, size, NULL, NULL);
	if (!module && ctx->diag.error_count == 0)
		abort();
	if (module && (ctx->diag.error_count || !az_module_verify(module)))
		abort();
	if (module)
		az_module_free(module);
	az_ctx_free(ctx);
	return 0;
}

#define FIELDS_MAX 256

typedef struct field {
	const uint8_t *at, *payload; /* the key; what stands behind key and length */
	size_t size, payload_size;   /* the whole field; the payload */
	unsigned wire;
} field;

static unsigned state;

static unsigned roll(unsigned sides)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % sides;
}

static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t byte = *(*at)++;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* The fields of a message; 0 when the bytes are none. */
static size_t split(const uint8_t *at, size_t size, field *out)
{
	const uint8_t *end = at + size;
	size_t count = 0;
	while (at < end && count < FIELDS_MAX) {
		field *f = &out[count++];
		uint64_t key, value = 0;
		f->at = at;
		if (!varint(&at, end, &key) || key >> 3 == 0)
			return 0;
		f->wire = (unsigned)(key & 7);
		f->payload = at;
		if (f->wire == 0) {
			if (!varint(&at, end, &value))
				return 0;
		} else if (f->wire == 2) {
			if (!varint(&at, end, &value) || value > (uint64_t)(end - at))
				return 0;
			f->payload = at;
			at += value;
		} else if (f->wire == 5 && end - at >= 4) {
			at += 4;
		} else if (f->wire == 1 && end - at >= 8) {
			at += 8;
		} else {
			return 0;
		}
		f->payload_size = (size_t)(at - f->payload);
		f->size = (size_t)(at - f->at);
	}
	return at == end ? count : 0;
}

/* The field with another payload; its key is kept. */
static size_t rewrite(const field *f, const uint8_t *payload, size_t size, uint8_t *to)
{
	size_t n = 0;
	do
		to[n] = f->at[n];
	while (f->at[n++] & 0x80);
	if (f->wire == 2) {
		size_t left = size;
		for (; left >= 0x80; left >>= 7)
			to[n++] = (uint8_t)(left | 0x80);
		to[n++] = (uint8_t)left;
	}
	memcpy(to + n, payload, size);
	return n + size;
}

static size_t mutate(const uint8_t *data, size_t size, uint8_t *to, size_t room);

/* A changed payload: of a message, most often, something inside it. */
static size_t mutate_field(const field *f, uint8_t *to, size_t room)
{
	field inner[FIELDS_MAX];
	uint8_t *payload = malloc(room + 16);
	size_t size;
	if (f->wire == 2 && roll(8) && split(f->payload, f->payload_size, inner)) {
		size = mutate(f->payload, f->payload_size, payload, room);
	} else {
		size = f->payload_size;
		memcpy(payload, f->payload, size);
		size = f->wire == 2 ? LLVMFuzzerMutate(payload, size, room)
				    : LLVMFuzzerMutate(payload, size, size);
	}
	size = rewrite(f, payload, size, to);
	free(payload);
	return size;
}

static size_t mutate(const uint8_t *data, size_t size, uint8_t *to, size_t room)
{
	field fields[FIELDS_MAX];
	size_t count = split(data, size, fields), n = 0;
	if (count == 0) {
		memcpy(to, data, size);
		return size;
	}
	size_t at = roll((unsigned)count), other = roll((unsigned)count);
	unsigned what = roll(12);
	for (size_t i = 0; i < count; i++) {
		const field *f = &fields[i];
		if (what == 0 && i == at)
			continue;
		if (what == 1 && (i == at || i == other))
			f = &fields[i == at ? other : at];
		if (what >= 3 && i == at) {
			size_t spare = room > size ? (room - size) / 2 : 0;
			n += mutate_field(f, to + n, f->payload_size + spare / 2);
			continue;
		}
		memcpy(to + n, f->at, f->size);
		n += f->size;
		if (what == 2 && i == at && size + f->size < room) {
			memcpy(to + n, f->at, f->size);
			n += f->size;
		}
	}
	return n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	field fields[FIELDS_MAX];
	state = seed;
	if (size == 0 || roll(16) == 0 || !split(data, size, fields))
		return LLVMFuzzerMutate(data, size, max_size);
	/* Every nested length may grow by some bytes. */
	uint8_t *to = malloc(4 * (size + max_size) + 4096);
	size_t n = mutate(data, size, to, max_size);
	if (n > max_size)
		n = size; /* unchanged */
	else
		memcpy(data, to, n);
	free(to);
	return n;
}
