/* SPDX-License-Identifier: Apache-2.0
 *
 * Testing single operations with tensors as text: "f32[2,2] 1 2 nan -inf". One test is one call of
 * kit_check: operation, attributes, wanted element ("" none), operands (NULL: absent), and the printed
 * results, several separated by "; ", or the message when inference or evaluation refuses. */
#ifndef AZ_TESTS_EVAL_KIT_H
#define AZ_TESTS_EVAL_KIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "ir/eval/eval.h"
#include "tests/unit/unit.h"

typedef struct kit_case {
	const char *args[8];
	const char *want;
	const char *result;
	az_opcode code;
	uint32_t count; /* of args; 0: up to the first NULL */
} kit_case;

static inline az_tensor kit_tensor(az_ctx *ctx, az_arena *arena, const char *text)
{
	const char *bracket = strchr(text, '[');
	az_elem elem = AZ_ELEM_NONE;
	int64_t dim[AZ_RANK_MAX];
	uint32_t rank = 0;
	CU_ASSERT_TRUE_FATAL(bracket &&
			     az_elem_parse(az_arena_copy(arena, text, (size_t)(bracket - text)),
				     &elem));
	char *at = (char *)bracket + 1;
	while (*at != ']') {
		dim[rank++] = strtoll(at, &at, 10);
		at += *at == ',';
	}
	az_tensor tensor = az_tensor_new(arena, az_type_get(ctx, elem, rank, dim));
	int64_t count = az_type_numel(tensor.type);
	at++;
	for (int64_t i = 0; i < count; i++)
		az_tensor_set(&tensor, (uint64_t)i, strtod(at, &at));
	return tensor;
}

static inline void kit_print(az_text *out, az_arena *arena, const az_tensor *tensor)
{
	az_text_add(out, "%s", az_type_print(arena, tensor->type));
	int64_t count = az_type_numel(tensor->type);
	for (int64_t i = 0; i < count; i++) {
		double v = az_tensor_get(tensor, (uint64_t)i);
		if (v != v)
			az_text_add(out, " nan");
		else
			az_text_add(out, " %.9g", v);
	}
}

static inline void kit_run(az_module *module, const kit_case *c, const az_attrs *attrs,
	az_text *out)
{
	az_ctx *ctx = module->ctx;
	az_builder at = {.func = az_func_new(module, "f")};
	az_value *values[8] = {0};
	az_tensor tensors[8];
	const az_tensor *args[8] = {0};
	az_elem want = AZ_ELEM_NONE;
	uint32_t count = c->count;
	while (!c->count && count < 8 && c->args[count])
		count++;
	for (uint32_t i = 0; i < count; i++) {
		if (!c->args[i])
			continue;
		tensors[i] = kit_tensor(ctx, &module->arena, c->args[i]);
		args[i] = &tensors[i];
		values[i] = az_func_add_param(at.func, "p", tensors[i].type);
	}
	if (c->want)
		CU_ASSERT_TRUE(az_elem_parse(c->want, &want));
	az_op *op = az_op_new(&at, c->code, count, values, attrs, want);
	az_tensor results[8];
	if (!op || !az_eval_op(op, &module->arena, args, results)) {
		az_text_add(out, "%s", unit_message(ctx, 0));
		return;
	}
	for (uint32_t i = 0; i < op->result_count; i++) {
		az_text_add(out, i ? "; " : "");
		kit_print(out, &module->arena, &results[i]);
	}
}

/* The attributes of a case are those that `set` changes from the defaults (NULL: none). */
static inline void kit_check_at(const kit_case *c, void (*set)(az_attrs *attrs), unsigned line)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = az_module_new(ctx, "test");
	az_attrs attrs;
	az_attrs_init(c->code, &attrs);
	if (set)
		set(&attrs);
	az_text text = {.arena = &module->arena};
	kit_run(module, c, &attrs, &text);
	unit_check_text(text.v, c->result, "kit case", line);
	az_module_free(module);
	az_ctx_free(ctx);
}

#define ARGS(...)       .args = {__VA_ARGS__}
#define CHECK(set, ...) kit_check_at(&(const kit_case){__VA_ARGS__}, (set), __LINE__)
#define LIST(...)                                                                                  \
	(az_ints)                                                                                  \
	{                                                                                          \
		sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[])        \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

#endif
