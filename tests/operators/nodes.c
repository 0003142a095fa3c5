/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs ONNX backend test cases: each folder named on standard input holds model.onnx and
 * test_data_set_<k>/{input,output}_<i>.pb. The model is imported and interpreted, and the outputs are
 * compared; with the argument --native it then goes the default road to code of this machine, which must
 * give the stored outputs as well. Operands that decide about shapes are graph inputs in these files; they are made constant
 * when the model is refused without: first all inputs but the first, then all.
 *
 * One line per case: "pass", "interprets" (and the compiler refuses it), "differs" or "refused", a tab, the operators with opset, a tab, the
 * folder, a tab, the first message. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "base/file.h"
#include "frontend/onnx.h"
#include "ir/eval/eval.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "tests/unit/onnx_writer.h"

#define INPUTS_MAX 64

typedef enum outcome { PASS, INTERPRETS, DIFFERS, REFUSED } outcome;

static bool native;
static const char *const words[] = {"pass", "interprets", "differs", "refused"};

typedef struct cursor {
	const uint8_t *at, *end;
} cursor;

/* The next field of a message that is known to be sound; *bytes is what stands behind the key, or the
 * payload of a message or text. */
static bool next_field(cursor *c, unsigned *number, az_bytes *bytes, uint64_t *value)
{
	uint64_t key[2] = {0, 0};
	unsigned wire = 0;
	if (c->at >= c->end)
		return false;
	for (int k = 0; k < 2; k++) {
		if (k && wire != 0 && wire != 2)
			break;
		for (unsigned shift = 0; c->at < c->end; shift += 7) {
			uint8_t byte = *c->at++;
			if (shift < 64)
				key[k] |= (uint64_t)(byte & 0x7f) << shift;
			if (!(byte & 0x80))
				break;
		}
		wire = (unsigned)(key[0] & 7);
	}
	*number = (unsigned)(key[0] >> 3);
	*value = key[1];
	size_t size = wire == 2 ? (size_t)key[1] : wire == 5 ? 4 : wire == 1 ? 8 : 0;
	*bytes = (az_bytes){c->at, size};
	c->at += size;
	return true;
}

static cursor fields_of(az_bytes bytes)
{
	return (cursor){bytes.data, (const uint8_t *)bytes.data + bytes.size};
}

/* The nth field of a number in a message, as text. */
static bool find_field(az_bytes message, unsigned wanted, uint32_t n, az_bytes *out)
{
	unsigned number;
	uint64_t value;
	cursor c = fields_of(message);
	while (next_field(&c, &number, out, &value))
		if (number == wanted && n-- == 0)
			return true;
	return false;
}

static char *text_of(az_arena *arena, az_bytes bytes)
{
	return az_arena_copy(arena, bytes.data, bytes.size);
}

/* "Conv, Relu (13)": what the case is about. */
static char *describe(az_arena *arena, az_bytes model)
{
	az_text out = {.arena = arena};
	az_bytes graph, node, op, set;
	long long opset = 0;
	if (!find_field(model, 7, 0, &graph))
		return "";
	for (uint32_t i = 0; find_field(graph, 1, i, &node); i++)
		if (find_field(node, 4, 0, &op) && (!out.v || !strstr(out.v, text_of(arena, op))) &&
			i < 8)
			az_text_add(&out, "%s%s", out.count ? ", " : "", text_of(arena, op));
	for (uint32_t i = 0; find_field(model, 8, i, &set); i++) {
		unsigned number;
		uint64_t value;
		az_bytes domain, bytes;
		cursor c = fields_of(set);
		if (find_field(set, 1, 0, &domain) && domain.size)
			continue;
		while (next_field(&c, &number, &bytes, &value))
			if (number == 2)
				opset = (long long)value;
	}
	az_text_add(&out, " (%lld)", opset);
	return out.v;
}

/* The model with input i and those behind it given by their files, as initializers. */
static bool bind(az_ctx *ctx, az_bytes model, const char *folder, uint32_t from, az_text *out)
{
	az_arena *arena = &ctx->arena;
	unsigned number;
	uint64_t value;
	az_bytes bytes, graph, input, name;
	if (!find_field(model, 7, 0, &graph))
		return false;
	az_text bound = {.arena = arena};
	az_text_add_bytes(&bound, graph.data, graph.size);
	for (uint32_t i = from; find_field(graph, 11, i, &input); i++) {
		az_bytes file;
		const char *path = az_arena_printf(arena, "%s/input_%u.pb", folder, i);
		if (!find_field(input, 1, 0, &name) || !az_file_exists(path) ||
			!az_file_map(ctx, path, &file))
			continue;
		az_text tensor = {.arena = arena};
		az_text_add_bytes(&tensor, file.data, file.size);
		put_text(&tensor, 8, text_of(arena, name));
		put_message(&bound, 5, &tensor);
		az_file_unmap(file);
	}
	*out = (az_text){.arena = arena};
	cursor c = fields_of(model);
	for (const uint8_t *at = c.at; next_field(&c, &number, &bytes, &value); at = c.at)
		if (number == 7)
			put_message(out, 7, &bound);
		else
			az_text_add_bytes(out, (const char *)at, (size_t)(c.at - at));
	return true;
}

static bool same(const az_tensor *found, const az_tensor *wanted)
{
	if (found->type != wanted->type)
		return false;
	bool real = az_elem_is_float(wanted->type->elem);
	bool half = real && wanted->type->elem.bits == 16;
	double absolute = half ? 1e-2 : 1e-5, relative = !real ? 0 : half ? 1e-2 : 1e-3;
	for (int64_t i = 0; i < az_type_numel(wanted->type); i++) {
		double x = az_tensor_get(found, (uint64_t)i),
		       y = az_tensor_get(wanted, (uint64_t)i);
		if (x == y || (isnan(x) && isnan(y)))
			continue;
		if (!(fabs(x - y) <= absolute + relative * fabs(y)))
			return false;
	}
	return true;
}

/* The inputs by their names: a bound one is no parameter. */
static bool read_inputs(az_ctx *ctx, const az_func *f, az_bytes model, const char *folder,
	az_tensor *in)
{
	az_bytes graph, input, name;
	if (!find_field(model, 7, 0, &graph))
		return false;
	for (uint32_t i = 0; i < f->params.count; i++)
		for (uint32_t k = 0; find_field(graph, 11, k, &input); k++) {
			if (!find_field(input, 1, 0, &name) ||
				strcmp(text_of(&ctx->arena, name), f->params.v[i]->name) != 0)
				continue;
			const char *path =
				az_arena_printf(&ctx->arena, "%s/input_%u.pb", folder, k);
			if (!az_onnx_read_tensor(ctx, &ctx->arena, path, &in[i], NULL) ||
				in[i].type != f->params.v[i]->type)
				return false;
		}
	return true;
}

static bool outputs_same(az_ctx *ctx, const az_func *f, const char *folder, const az_tensor *out)
{
	az_tensor wanted;
	for (uint32_t i = 0; i < f->results.count; i++) {
		const char *path = az_arena_printf(&ctx->arena, "%s/output_%u.pb", folder, i);
		if (!az_onnx_read_tensor(ctx, &ctx->arena, path, &wanted, NULL) ||
			!same(&out[i], &wanted))
			return false;
	}
	return true;
}

/* The default road to code of this machine. */
static bool compile(az_ctx *ctx, az_module *module)
{
	const az_target *target = az_target_get(ctx, NULL, "native", NULL);
	az_road road = {0};
	az_pass_env env = {.backend = az_backend_pass, .backend_data = (void *)(uintptr_t)target};
	az_pipeline pipeline = {0};
	char *text = az_road_text(&ctx->arena, module, &road);
	return target && az_parse_pipeline(ctx, &ctx->arena, "road", text, &pipeline) &&
	       az_pipeline_run(module, &pipeline, &env);
}

static outcome run_native(az_ctx *ctx, az_module *module, const char *folder, const az_tensor *in)
{
	if (!compile(ctx, module))
		return INTERPRETS;
	const az_func *f = az_module_main(module);
	az_exec *exec = az_backend_jit.compile(module);
	if (!exec)
		return INTERPRETS;
	az_tensor out[INPUTS_MAX] = {{0}};
	for (uint32_t i = 0; i < f->results.count; i++)
		out[i] = az_tensor_new(&ctx->arena, f->results.v[i].use->value->type);
	bool ok = az_backend_jit.run(exec, in, out) && outputs_same(ctx, f, folder, out);
	az_backend_jit.free(exec);
	return ok ? PASS : DIFFERS;
}

static outcome run_set(az_ctx *ctx, az_module *module, az_bytes model, const char *folder)
{
	az_tensor in[INPUTS_MAX] = {{0}}, out[INPUTS_MAX] = {{0}};
	const az_func *f = az_module_main(module);
	if (f->params.count > INPUTS_MAX || f->results.count > INPUTS_MAX ||
		!read_inputs(ctx, f, model, folder, in) || !az_eval_func(f, &ctx->arena, in, out) ||
		!outputs_same(ctx, f, folder, out))
		return DIFFERS;
	return native ? run_native(ctx, module, folder, in) : PASS;
}

/* Binds inputs from `from` on; INPUTS_MAX: none. */
static outcome run_case(az_ctx *ctx, az_bytes model, const char *folder, uint32_t from)
{
	outcome all = PASS;
	for (uint32_t set = 0; all == PASS; set++) {
		const char *data = az_arena_printf(&ctx->arena, "%s/test_data_set_%u", folder, set);
		if (!az_file_exists(data))
			break;
		az_text text = {.v = (char *)(uintptr_t)model.data, .count = model.size};
		if (from < INPUTS_MAX && !bind(ctx, model, data, from, &text))
			return REFUSED;
		az_module *module =
			az_onnx_import_bytes(ctx, folder, text.v, text.count, folder, NULL);
		if (!module)
			return REFUSED;
		all = az_module_verify(module) ? run_set(ctx, module, model, data) : DIFFERS;
		az_module_free(module);
	}
	return all;
}

static void report(const char *folder)
{
	static const uint32_t tries[] = {INPUTS_MAX, 1, 0};
	outcome result = REFUSED;
	for (size_t i = 0; i < AZ_COUNT(tries) && result == REFUSED; i++) {
		az_ctx *ctx = az_ctx_new();
		az_bytes model;
		if (!ctx)
			return;
		const char *path = az_path_join(&ctx->arena, folder, "model.onnx");
		if (az_file_map(ctx, path, &model)) {
			result = run_case(ctx, model, folder, tries[i]);
			bool last = result != REFUSED || i + 1 == AZ_COUNT(tries);
			const char *text = ctx->diag.first ? ctx->diag.first->text : "";
			if (last)
				printf("%s\t%s\t%s\t%s\n", words[result],
					describe(&ctx->arena, model), folder,
					result == PASS ? "" : text);
			az_file_unmap(model);
		}
		az_ctx_free(ctx);
	}
}

int main(int argc, char **argv)
{
	native = argc > 1 && !strcmp(argv[1], "--native");
	char line[4096];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		report(line);
	}
	return 0;
}
