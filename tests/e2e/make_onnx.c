/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes ONNX files that no exporter would: make_onnx KIND [ARGUMENT] >FILE. One network of one or two
 * nodes, with one thing wrong. Kinds: the table at the end. And one with nothing wrong, to be quantized:
 * "network [even]" has a layer of every kind, "samples" are 6 inputs for it. */
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

static message shaped(const char *name, int rank, const int64_t *dims)
{
	message shape = {0}, tensor = {0}, type = {0}, value = {0};
	for (int i = 0; i < rank; i++) {
		message dim = {0};
		add_number(&dim, 1, (uint64_t)dims[i]);
		add_message(&shape, 1, dim);
	}
	add_number(&tensor, 1, FLOAT);
	add_message(&tensor, 2, shape);
	add_message(&type, 1, tensor);
	add_text(&value, 1, name);
	add_message(&value, 2, type);
	return value;
}

static message value_info(const char *name, int64_t size)
{
	return shaped(name, 1, &size);
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

/* --- A network to be quantized ------------------------------------------------------------------- */

static uint32_t noise_state = 1;

static float noise(void) /* -0.5 to 0.5 */
{
	noise_state = noise_state * 1664525u + 1013904223u;
	return (float)(noise_state >> 8) * 0x1p-24f - 0.5f;
}

static void add_weights(message *graph, const char *name, int rank, const int *dim, float scale)
{
	message tensor = {0};
	size_t count = 1;
	for (int i = 0; i < rank; i++) {
		add_number(&tensor, 1, (uint64_t)dim[i]);
		count *= (size_t)dim[i];
	}
	add_number(&tensor, 2, FLOAT);
	add_text(&tensor, 8, name);
	float *v = calloc(count, sizeof *v);
	for (size_t i = 0; v && i < count; i++)
		v[i] = noise() * scale;
	add_block(&tensor, 9, v, v ? count * sizeof *v : 0);
	add_message(graph, 5, tensor);
}

static void add_ints(message *m, const char *name, int count, int value)
{
	message a = {0};
	add_text(&a, 1, name);
	for (int i = 0; i < count; i++)
		add_number(&a, 8, (uint64_t)value);
	add_number(&a, 20, 7);
	add_message(m, 5, a);
}

static void add_int(message *m, const char *name, int value)
{
	message a = {0};
	add_text(&a, 1, name);
	add_number(&a, 3, (uint64_t)value);
	add_number(&a, 20, 2);
	add_message(m, 5, a);
}

/* Names of inputs are separated by blanks; the output has the name of the node. */
static message begin_node(const char *kind, const char *inputs, const char *name)
{
	message m = {0};
	while (*inputs) {
		size_t n = strcspn(inputs, " ");
		add_block(&m, 1, inputs, n);
		inputs += n + strspn(inputs + n, " ");
	}
	add_text(&m, 2, name);
	add_text(&m, 3, name);
	add_text(&m, 4, kind);
	return m;
}

static void add_plain(message *graph, const char *kind, const char *inputs, const char *name)
{
	add_message(graph, 1, begin_node(kind, inputs, name));
}

static void add_conv(message *graph, const char *input, const char *name, int out, int in,
	int kernel, int groups, int stride)
{
	char inputs[96], w[32], b[32];
	snprintf(w, sizeof w, "%s.w", name);
	snprintf(b, sizeof b, "%s.b", name);
	snprintf(inputs, sizeof inputs, "%s %s %s", input, w, b);
	message m = begin_node("Conv", inputs, name);
	add_ints(&m, "pads", 4, kernel / 2);
	add_ints(&m, "strides", 2, stride);
	add_int(&m, "group", groups);
	add_message(graph, 1, m);
	add_weights(graph, w, 4, (int[]){out, in / groups, kernel, kernel},
		3.0f / (float)(in / groups * kernel));
	add_weights(graph, b, 1, &out, 0.2f);
}

/* Convolution, depthwise, of one place, a sum of both branches, pools, a product. Channels are odd, or `even`
 * multiples of what processors read at once. */
static message network(int even)
{
	message graph = {0}, opset = {0}, m = {0};
	int a = even ? 16 : 9, b = even ? 32 : 15, c = even ? 64 : 33, out = even ? 16 : 5;
	add_conv(&graph, "x", "stem", a, 3, 3, 1, 1);
	add_plain(&graph, "Relu", "stem", "stem.relu");
	add_conv(&graph, "stem.relu", "deep", a, a, 3, a, 2);
	add_plain(&graph, "Relu", "deep", "deep.relu");
	add_conv(&graph, "deep.relu", "point", b, a, 1, 1, 1);
	add_conv(&graph, "stem.relu", "short", b, a, 3, even ? 1 : 3, 2);
	add_plain(&graph, "Add", "point short", "sum");
	add_plain(&graph, "Relu", "sum", "sum.relu");
	add_conv(&graph, "sum.relu", "wide", c, b, 3, 1, 1);
	add_plain(&graph, "Relu", "wide", "wide.relu");
	add_plain(&graph, "GlobalAveragePool", "wide.relu", "mean");
	add_plain(&graph, "Flatten", "mean", "flat");
	add_plain(&graph, "Gemm", "flat full.w full.b", "y");
	add_weights(&graph, "full.w", 2, (int[]){c, out}, 0.5f);
	add_weights(&graph, "full.b", 1, &out, 0.2f);
	add_text(&graph, 2, "made");
	add_message(&graph, 11, shaped("x", 4, (int64_t[]){1, 3, 10, 10}));
	add_message(&graph, 12, shaped("y", 2, (int64_t[]){1, out}));
	add_text(&opset, 1, "");
	add_number(&opset, 2, 13);
	add_number(&m, 1, 7);
	add_message(&m, 7, graph);
	add_message(&m, 8, opset);
	return m;
}

/* 6 inputs as .npy; neighbours resemble each other. */
static message samples(void)
{
	static const char form[] =
		"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 3, 10, 10), }";
	message m = {0};
	char header[128];
	memset(header, ' ', sizeof header);
	memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
	memcpy(header + 10, form, sizeof form - 1);
	header[127] = '\n';
	add_bytes(&m, header, sizeof header);
	float at = 0;
	for (int i = 0; i < 6 * 300; i++) {
		at = 0.8f * at + noise();
		add_bytes(&m, &at, sizeof at);
	}
	return m;
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
	else if (strcmp(kind, "network") == 0)
		m = network(strcmp(argument, "even") == 0);
	else if (strcmp(kind, "samples") == 0)
		m = samples();
	else if (set_kind(&p, kind, argument))
		m = model(&p);
	else
		return 2;
	return fwrite(m.data, m.size, 1, stdout) == 1 && fflush(stdout) == 0 ? 0 : 1;
}
