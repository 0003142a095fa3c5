/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes ONNX files that no exporter would: make_onnx KIND [ARGUMENT] >FILE. One network of one or two
 * nodes, with one thing wrong. Kinds: the table at the end. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message under construction; pieces are copied, nothing is freed: the program ends soon. */
typedef struct message {
	size_t size;
	char *data;
} message;

static void add_bytes(message *m, const void *data, size_t size)
{
	m->data = realloc(m->data, m->size + size + 1);
	if (!m->data)
		exit(2);
	memcpy(m->data + m->size, data, size);
	m->size += size;
}

static void add_varint(message *m, uint64_t v)
{
	do {
		char byte = (char)(unsigned char)((v & 127) | (v > 127 ? 128 : 0));
		add_bytes(m, &byte, 1);
		v >>= 7;
	} while (v);
}

static void add_number(message *m, unsigned field, uint64_t v)
{
	add_varint(m, field << 3);
	add_varint(m, v);
}

static void add_block(message *m, unsigned field, const void *data, size_t size)
{
	add_varint(m, field << 3 | 2);
	add_varint(m, size);
	add_bytes(m, data, size);
}

static void add_message(message *m, unsigned field, message part)
{
	add_block(m, field, part.data ? part.data : "", part.size);
}

static void add_text(message *m, unsigned field, const char *text)
{
	add_block(m, field, text, strlen(text));
}

enum { FLOAT = 1, INT64 = 7, STRING = 8, EXTERNAL = 1 };

/* What may be wrong; the rest is a valid network: y = Add(x, w), x f32[2]. */
typedef struct plan {
	const char *operator, * domain, *second_input, *output;
	int64_t x_size, opset, ir_version;
	int64_t w_size, w_bytes, w_type;
	const char *w_location; /* external data */
	const char *w_offset;
	int nodes;
	int int_attribute; /* an attribute that Add has not */
} plan;

static message value_info(const char *name, int64_t size)
{
	message dim = {0}, shape = {0}, tensor = {0}, type = {0}, value = {0};
	add_number(&dim, 1, (uint64_t)size);
	add_message(&shape, 1, dim);
	add_number(&tensor, 1, FLOAT);
	add_message(&tensor, 2, shape);
	add_message(&type, 1, tensor);
	add_text(&value, 1, name);
	add_message(&value, 2, type);
	return value;
}

static message entry(const char *key, const char *text)
{
	message m = {0};
	add_text(&m, 1, key);
	add_text(&m, 2, text);
	return m;
}

static message weights(const plan *p)
{
	message tensor = {0};
	char *raw = calloc((size_t)p->w_bytes + 1, 1);
	add_number(&tensor, 1, (uint64_t)p->w_size);
	add_number(&tensor, 2, (uint64_t)p->w_type);
	add_text(&tensor, 8, "w");
	if (p->w_location) {
		add_message(&tensor, 13, entry("location", p->w_location));
		if (p->w_offset)
			add_message(&tensor, 13, entry("offset", p->w_offset));
		add_number(&tensor, 14, EXTERNAL);
	} else {
		add_block(&tensor, 9, raw, (size_t)p->w_bytes);
	}
	return tensor;
}

static message node(const plan *p, const char *first, const char *output)
{
	message m = {0};
	add_text(&m, 1, first);
	add_text(&m, 1, p->second_input);
	add_text(&m, 2, output);
	add_text(&m, 3, "the node");
	add_text(&m, 4, p->operator);
	if (p->int_attribute) {
		message a = {0};
		add_text(&a, 1, "no_such_attribute");
		add_number(&a, 3, 1);
		add_number(&a, 20, 2);
		add_message(&m, 5, a);
	}
	add_text(&m, 7, p->domain);
	return m;
}

static message model(const plan *p)
{
	message graph = {0}, opset = {0}, m = {0};
	add_message(&graph, 1, node(p, "x", "y"));
	for (int i = 1; i < p->nodes; i++) /* a second y */
		add_message(&graph, 1, node(p, "x", "y"));
	add_text(&graph, 2, "made");
	add_message(&graph, 5, weights(p));
	add_message(&graph, 11, value_info("x", p->x_size));
	add_message(&graph, 12, value_info(p->output, 2));
	add_text(&opset, 1, "");
	add_number(&opset, 2, (uint64_t)p->opset);
	add_number(&m, 1, (uint64_t)p->ir_version);
	add_message(&m, 7, graph);
	add_message(&m, 8, opset);
	return m;
}

/* model { graph { node { attribute { g { node ... depth times. */
static message nested(int depth)
{
	static const unsigned fields[] = {6, 5, 1};
	message m = {0};
	for (int i = 0; i < depth; i++) {
		message outer = {0};
		add_message(&outer, fields[i % 3], m);
		free(m.data);
		m = outer;
	}
	message whole = {0};
	add_number(&whole, 1, 7);
	add_message(&whole, 7, m);
	return whole;
}

static int set_kind(plan *p, const char *kind, const char *argument)
{
	if (strcmp(kind, "good") == 0)
		return 1;
	if (strcmp(kind, "operator") == 0)
		return p->operator= argument, 1;
	if (strcmp(kind, "domain") == 0)
		return p->domain = argument, 1;
	if (strcmp(kind, "input") == 0)
		return p->second_input = argument, 1;
	if (strcmp(kind, "output") == 0)
		return p->output = argument, 1;
	if (strcmp(kind, "opset") == 0)
		return p->opset = atoll(argument), 1;
	if (strcmp(kind, "ir-version") == 0)
		return p->ir_version = atoll(argument), 1;
	if (strcmp(kind, "weight-size") == 0)
		return p->w_size = atoll(argument), 1;
	if (strcmp(kind, "weight-bytes") == 0)
		return p->w_bytes = atoll(argument), 1;
	if (strcmp(kind, "weight-type") == 0)
		return p->w_type = atoll(argument), 1;
	if (strcmp(kind, "input-size") == 0)
		return p->x_size = atoll(argument), 1;
	if (strcmp(kind, "location") == 0)
		return p->w_location = argument, 1;
	if (strcmp(kind, "offset") == 0)
		return p->w_location = "weights.bin", p->w_offset = argument, 1;
	if (strcmp(kind, "twice") == 0)
		return p->nodes = 2, 1;
	if (strcmp(kind, "attribute") == 0)
		return p->int_attribute = 1, 1;
	return 0;
}

int main(int argc, char **argv)
{
	plan p = {.operator= "Add",
		.domain = "",
		.second_input = "w",
		.output = "y",
		.x_size = 2,
		.opset = 13,
		.ir_version = 7,
		.w_size = 2,
		.w_bytes = 8,
		.w_type = FLOAT,
		.nodes = 1};
	const char *kind = argc > 1 ? argv[1] : "good", *argument = argc > 2 ? argv[2] : "";
	message m = {0};
	if (strcmp(kind, "nested") == 0)
		m = nested(atoi(argument));
	else if (set_kind(&p, kind, argument))
		m = model(&p);
	else
		return 2;
	return fwrite(m.data, m.size, 1, stdout) == 1 && fflush(stdout) == 0 ? 0 : 1;
}
