/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing ONNX files for tests, byte by byte, so that wrong ones can be written too. A message is a
 * text being built; a message inside another is built first and then put into it. Field numbers are
 * those of onnx.proto. */
#ifndef AZ_TESTS_ONNX_WRITER_H
#define AZ_TESTS_ONNX_WRITER_H

#include <stdint.h>
#include <string.h>

#include "base/text.h"

enum { ONNX_FLOAT = 1, ONNX_INT8 = 3, ONNX_INT64 = 7, ONNX_BOOL = 9, ONNX_INT4 = 22 };

static inline void put_varint(az_text *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		az_text_add_char(to, (char)(value | 0x80));
	az_text_add_char(to, (char)value);
}

static inline void put_int(az_text *to, unsigned field, int64_t value)
{
	put_varint(to, field << 3);
	put_varint(to, (uint64_t)value);
}

static inline void put_bytes(az_text *to, unsigned field, const void *bytes, size_t n)
{
	put_varint(to, field << 3 | 2);
	put_varint(to, n);
	az_text_add_bytes(to, bytes, n);
}

static inline void put_text(az_text *to, unsigned field, const char *text)
{
	put_bytes(to, field, text, strlen(text));
}

static inline void put_message(az_text *to, unsigned field, const az_text *message)
{
	put_bytes(to, field, message->count ? message->v : "", message->count);
}

/* TensorProto with raw bytes; dims ends with -1. */
static inline az_text onnx_tensor(az_arena *arena, const char *name, int type, const int64_t *dims,
	const void *raw, size_t n)
{
	az_text t = {.arena = arena};
	for (; *dims >= 0; dims++)
		put_int(&t, 1, *dims);
	put_int(&t, 2, type);
	if (name)
		put_text(&t, 8, name);
	if (raw)
		put_bytes(&t, 9, raw, n);
	return t;
}

/* ValueInfoProto of a tensor; a dimension of -2 is the symbol "n", -3 is open. dims ends with -1. */
static inline az_text onnx_value(az_arena *arena, const char *name, int type, const int64_t *dims)
{
	az_text value = {.arena = arena}, info = {.arena = arena}, tensor = {.arena = arena};
	az_text shape = {.arena = arena};
	for (; *dims != -1; dims++) {
		az_text dim = {.arena = arena};
		if (*dims == -2)
			put_text(&dim, 2, "n");
		else if (*dims >= 0)
			put_int(&dim, 1, *dims);
		put_message(&shape, 1, &dim);
	}
	put_int(&tensor, 1, type);
	put_message(&tensor, 2, &shape);
	put_message(&info, 1, &tensor);
	put_text(&value, 1, name);
	put_message(&value, 2, &info);
	return value;
}

/* NodeProto: "op: in in -> out out"; "_" is an absent operand. */
static inline az_text onnx_node(az_arena *arena, const char *text)
{
	az_text node = {.arena = arena};
	const char *colon = strchr(text, ':');
	az_text op = {.arena = arena};
	az_text_add_bytes(&op, text, (size_t)(colon - text));
	unsigned field = 1;
	for (const char *at = colon + 1; *at;) {
		size_t n = strcspn(at, " ");
		if (n == 2 && !memcmp(at, "->", 2))
			field = 2;
		else if (n == 1 && *at == '_')
			put_bytes(&node, field, "", 0);
		else if (n)
			put_bytes(&node, field, at, n);
		at += n + (at[n] == ' ');
	}
	put_message(&node, 4, &op);
	return node;
}

static inline void onnx_attr_int(az_text *node, const char *name, int64_t value)
{
	az_text attr = {.arena = node->arena};
	put_text(&attr, 1, name);
	put_int(&attr, 3, value);
	put_int(&attr, 20, 2);
	put_message(node, 5, &attr);
}

static inline void onnx_attr_ints(az_text *node, const char *name, uint32_t count, const int64_t *v)
{
	az_text attr = {.arena = node->arena};
	put_text(&attr, 1, name);
	for (uint32_t i = 0; i < count; i++)
		put_int(&attr, 8, v[i]);
	put_int(&attr, 20, 7);
	put_message(node, 5, &attr);
}

static inline void onnx_attr_message(az_text *node, const char *name, unsigned field, int type,
	const az_text *message)
{
	az_text attr = {.arena = node->arena};
	put_text(&attr, 1, name);
	put_message(&attr, field, message);
	put_int(&attr, 20, type);
	put_message(node, 5, &attr);
}

/* ModelProto of IR version 8 around a graph; opset 0: none stated. */
static inline az_text onnx_model(az_arena *arena, const az_text *graph, int64_t opset)
{
	az_text model = {.arena = arena}, set = {.arena = arena};
	put_int(&model, 1, 8);
	if (opset) {
		put_int(&set, 2, opset);
		put_message(&model, 8, &set);
	}
	put_message(&model, 7, graph);
	return model;
}

#endif
