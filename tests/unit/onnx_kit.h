/* SPDX-License-Identifier: Apache-2.0
 *
 * Little ONNX networks in a line per node, imported, interpreted, and compiled by the default road for this
 * machine: code and interpreter must agree bit for bit.
 *
 *     kit k = kit_new();
 *     kit_input(&k, "x", AZ_F32, DIMS(1, 4), 4, (double[]){1, 2, 3, 4});
 *     kit_const(&k, "s", AZ_F32, SCALAR, 1, (double[]){0.5});
 *     kit_node(&k, "QuantizeLinear: x s -> y", "", "axis=1");
 *     ... kit_run(&k) ... kit_at(&k, 0) ... kit_free(&k);
 */
#ifndef AZ_TESTS_ONNX_KIT_H
#define AZ_TESTS_ONNX_KIT_H

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "frontend/onnx.h"
#include "ir/eval/eval.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "tests/unit/onnx_writer.h"
#include "tests/unit/unit.h"

#define DIMS(...) ((const int64_t[]){__VA_ARGS__, -1})
#define SCALAR    ((const int64_t[]){-1})

typedef struct kit {
	az_ctx *ctx;
	az_text graph;
	az_tensor in[4], out;
	uint32_t inputs;
	int64_t opset, domain_opset;
	bool interpret_only;
} kit;

static inline kit kit_new(void)
{
	kit k = {.ctx = az_ctx_new(), .opset = 21, .domain_opset = 1};
	k.graph.arena = &k.ctx->arena;
	return k;
}

static inline void kit_free(kit *k)
{
	az_ctx_free(k->ctx);
}

static inline int kit_type(az_elem elem)
{
	bool sign = elem.kind == AZ_KIND_INT;
	if (elem.kind == AZ_KIND_BOOL)
		return ONNX_BOOL;
	if (elem.kind == AZ_KIND_FLOAT)
		return elem.bits == 16 ? 10 : elem.bits == 64 ? 11 : ONNX_FLOAT;
	switch (elem.bits) {
	case 2:
		return sign ? 26 : 25;
	case 4:
		return sign ? ONNX_INT4 : 21;
	case 8:
		return sign ? ONNX_INT8 : 2;
	case 16:
		return sign ? 5 : 4;
	case 32:
		return sign ? 6 : 12;
	default:
		return sign ? ONNX_INT64 : 13;
	}
}

static inline az_tensor kit_tensor(kit *k, az_elem elem, const int64_t *dims, uint32_t count,
	const double *v)
{
	uint32_t rank = 0;
	while (dims[rank] >= 0)
		rank++;
	az_tensor t = az_tensor_new(&k->ctx->arena, az_type_get(k->ctx, elem, rank, dims));
	for (int64_t i = 0; i < az_type_numel(t.type); i++)
		az_tensor_set(&t, (uint64_t)i, v[i % count]);
	return t;
}

/* The values are repeated up to the size of the shape. */
static inline void kit_const(kit *k, const char *name, az_elem elem, const int64_t *dims,
	uint32_t count, const double *v)
{
	az_tensor t = kit_tensor(k, elem, dims, count, v);
	az_text tensor = onnx_tensor(&k->ctx->arena, name, kit_type(elem), dims, t.data,
		az_type_size(t.type));
	put_message(&k->graph, 5, &tensor);
}

static inline void kit_input(kit *k, const char *name, az_elem elem, const int64_t *dims,
	uint32_t count, const double *v)
{
	k->in[k->inputs++] = kit_tensor(k, elem, dims, count, v);
	az_text value = onnx_value(&k->ctx->arena, name, kit_type(elem), dims);
	put_message(&k->graph, 11, &value);
}

/* One attribute: an integer, a float (with a point), integers (with a comma), else a string. */
static inline void kit_attr(az_text *node, const char *name, const char *value)
{
	az_text attr = {.arena = node->arena};
	char *end;
	long long number = strtoll(value, &end, 10);
	put_text(&attr, 1, name);
	bool word = isalpha((unsigned char)*value);
	if (strchr(value, ',') && !word) {
		for (const char *at = value; *at; at += *at == ',') {
			put_int(&attr, 8, strtoll(at, &end, 10));
			at = end;
		}
		put_int(&attr, 20, 7);
	} else if (*value && !*end) {
		put_int(&attr, 3, number);
		put_int(&attr, 20, 2);
	} else if (strchr(value, '.') && !word) {
		float real = strtof(value, NULL);
		put_varint(&attr, 2 << 3 | 5);
		az_text_add_bytes(&attr, (const char *)&real, sizeof real);
		put_int(&attr, 20, 1);
	} else {
		put_text(&attr, 4, value);
		put_int(&attr, 20, 3);
	}
	put_message(node, 5, &attr);
}

/* "op: in in -> out" and "name=value name=value". */
static inline void kit_node(kit *k, const char *text, const char *domain, const char *attrs)
{
	az_text node = onnx_node(&k->ctx->arena, text);
	if (*domain)
		put_text(&node, 7, domain);
	char *list = az_arena_printf(&k->ctx->arena, "%s", attrs), *next;
	for (char *at = list; *at; at = next) {
		next = at + strcspn(at, " ");
		if (*next)
			*next++ = 0;
		char *value = strchr(at, '=');
		*value++ = 0;
		kit_attr(&node, at, value);
	}
	put_message(&k->graph, 1, &node);
}

static inline az_module *kit_import(kit *k)
{
	static const char *const domains[] = {"", "com.microsoft", "onnx.brevitas",
		"qonnx.custom_op.general", "finn.custom_op.general"};
	az_arena *arena = &k->ctx->arena;
	az_text y = {.arena = arena}, model = {.arena = arena};
	put_text(&y, 1, "y");
	put_message(&k->graph, 12, &y);
	put_int(&model, 1, 10);
	for (size_t i = 0; i < AZ_COUNT(domains); i++) {
		az_text set = {.arena = arena};
		put_text(&set, 1, domains[i]);
		put_int(&set, 2, i ? k->domain_opset : k->opset);
		put_message(&model, 8, &set);
	}
	put_message(&model, 7, &k->graph);
	return az_onnx_import_bytes(k->ctx, "t.onnx", model.v, model.count, NULL, NULL);
}

static inline bool kit_native(kit *k, az_module *module, az_tensor *out)
{
	const az_target *target = az_target_get(k->ctx, NULL, "native", NULL);
	az_road road = {0};
	az_pass_env env = {.backend = az_backend_pass, .backend_data = (void *)(uintptr_t)target};
	az_pipeline pipeline = {0};
	char *text = az_road_text(&k->ctx->arena, module, &road);
	if (!target || !az_parse_pipeline(k->ctx, &k->ctx->arena, "road", text, &pipeline) ||
		!az_pipeline_run(module, &pipeline, &env))
		return false;
	az_exec *exec = az_backend_jit.compile(module);
	*out = az_tensor_new(&k->ctx->arena, k->out.type);
	bool ok = exec && az_backend_jit.run(exec, k->in, out);
	if (exec)
		az_backend_jit.free(exec);
	return ok;
}

/* False: refused (the message is in the context), or code and interpreter differ (a failed check). */
static inline bool kit_run(kit *k)
{
	az_module *module = kit_import(k);
	if (!module)
		return false;
	const az_func *f = az_module_main(module);
	bool ok = az_module_verify(module) && f->params.count == k->inputs &&
		  az_eval_func(f, &k->ctx->arena, k->in, &k->out);
	az_tensor native;
	if (ok && !k->interpret_only) {
		ok = kit_native(k, module, &native);
		for (int64_t i = 0; ok && i < az_type_numel(k->out.type); i++) {
			double a = az_tensor_get(&k->out, (uint64_t)i),
			       b = az_tensor_get(&native, (uint64_t)i);
			ok = a == b || (isnan(a) && isnan(b));
			if (!ok)
				printf("\nelement %lld is %.9g, interpreted %.9g\n", (long long)i,
					b, a);
		}
		CU_ASSERT_TRUE(ok);
	}
	az_module_free(module);
	return ok;
}

static inline double kit_at(const kit *k, uint64_t i)
{
	return az_tensor_get(&k->out, i);
}

/* Runs and compares with the values, which are repeated; frees. */
static inline void kit_gives(kit *k, uint32_t count, const double *wanted)
{
	bool ok = kit_run(k);
	CU_ASSERT_TRUE(ok);
	if (!ok)
		printf("\n%s\n", unit_message(k->ctx, 0));
	for (int64_t i = 0; ok && i < az_type_numel(k->out.type); i++) {
		double a = kit_at(k, (uint64_t)i), b = wanted[i % count];
		ok = a == b || (isnan(a) && isnan(b));
		CU_ASSERT_TRUE(ok);
		if (!ok)
			printf("\nelement %lld is %.9g, wanted %.9g\n", (long long)i, a, b);
	}
	kit_free(k);
}

/* Refused with a message that holds the text; frees. */
static inline void kit_refuses(kit *k, const char *text)
{
	CU_ASSERT_FALSE(kit_run(k));
	const char *found = unit_message(k->ctx, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(found, text));
	if (!strstr(found, text))
		printf("\nfound:  %swanted: %s\n", found, text);
	kit_free(k);
}

#endif
