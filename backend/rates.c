/* SPDX-License-Identifier: Apache-2.0
 *
 * Each row is the fastest of many runs of one layer of middle size in a network of its own, through the JIT.
 * The networks are IR text: a layer that makes the input, then the one that is timed. */
#include "backend/rates.h"

#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "grammar/parse.h"
#include "ir/tensor.h"

#define RUNS 60

/* Shapes as they stand behind element types. */
typedef struct work_row {
	const char *work, *input, *weights, *output;
	const char *op;
} work_row;

static const work_row contractions[] = {
	{"conv", "[1,16,16,64]", "[64,3,3,64]", "[1,14,14,64]", "conv %0, @w, @b"},
	{"row", "[1,1024]", "[1024,512]", "[1,512]", "matmul %0, @w, @b"},
	{"depthwise", "[1,30,30,128]", "[128,3,3,1]", "[1,28,28,128]",
		"conv %0, @w, @b, groups = 128"},
};

/* The rest, on bytes and on floats. */
static const struct {
	const char *work;
	int bits;
	const char *text;
} others[] = {
	{"eltwise", 32, "%0 = quantize %x, @q : u8[1,28,28,128]\n  return %0\n"},
	{"move", 8,
		"%0 = quantize %x, @q : u8[1,28,28,128]\n"
		"  %1 = pad %0, pad = [0, 0, 1, 1, 1, 1, 0, 0] : u8[1,30,30,128]\n  return %1\n"},
	{"move", 32,
		"%0 = relu %x : f32[1,28,28,128]\n"
		"  %1 = transpose %0, perm = [0, 3, 1, 2] : f32[1,128,28,28]\n  return %1\n"},
	{"pool", 8,
		"%0 = quantize %x, @q : u8[1,28,28,128]\n"
		"  %1 = max_pool %0, window = [2, 2], stride = [2, 2] : u8[1,14,14,128]\n  return "
		"%1\n"},
	{"pool", 32,
		"%0 = relu %x : f32[1,28,28,128]\n"
		"  %1 = max_pool %0, window = [2, 2], stride = [2, 2] : f32[1,14,14,128]\n"
		"  return %1\n"},
	{"reduce", 8,
		"%0 = quantize %x, @q : u8[1,28,28,128]\n"
		"  %1 = reduce %0, axes = [1, 2] : i32[1,1,1,128]\n"
		"  %2 = requantize %1, @q : u8[1,1,1,128]\n  return %2\n"},
	{"reduce", 32,
		"%0 = relu %x : f32[1,28,28,128]\n"
		"  %1 = reduce %0, axes = [1, 2] : f32[1,1,1,128]\n  return %1\n"},
	{"softmax", 32,
		"%0 = relu %x : f32[1,28,28,128]\n"
		"  %1 = softmax %0, axis = 3 : f32[1,28,28,128]\n  return %1\n"},
};

typedef struct meter {
	az_ctx *ctx;
	const az_target *target;
	az_arena arena; /* of one network */
	az_text *out;
	uint64_t done, total;
	double time; /* of the last layer timed, ns */
} meter;

/* The last layer's fastest time, per unit of its work, as a row; no row for inputs of no bits. */
static bool add_row(meter *m, az_exec *exec, const az_tensor *in, const char *work, int input_bits,
	int weight_bits)
{
	const az_layer_cost *layer;
	const uint64_t *time;
	uint32_t count = az_backend_jit_times(exec, in, RUNS, &m->arena, &layer, &time);
	for (uint32_t i = count; i-- > 0;) {
		const char *is = az_layer_work(&layer[i]);
		if (!is || strcmp(is, work) != 0)
			continue;
		uint64_t units = layer[i].macs ? layer[i].macs : layer[i].elements;
		m->time = (double)time[i];
		if (input_bits == 0)
			return true;
		az_text_add(m->out, "COST(%s, %s, %d, %d, %.3g)\n", az_dot_name(m->target->dot),
			work, input_bits, weight_bits,
			(double)units / (double)AZ_MAX(time[i], UINT64_C(1)));
		return true;
	}
	return true; /* this target computes it in another way */
}

static bool time_network(meter *m, const char *text, const char *work, int input_bits,
	int weight_bits)
{
	az_module *module = az_parse_module(m->ctx, "rates", text, strlen(text), NULL);
	if (!module)
		return false;
	module->target = az_name_of(m->ctx, m->target->triple);
	module->cpu = az_name_of(m->ctx, m->target->cpu);
	module->features = az_name_of(m->ctx, m->target->features);
	az_exec *exec = az_backend_jit.compile(module);
	bool ok = exec != NULL;
	if (ok) {
		const az_func *main = az_module_main(module);
		az_tensor in = az_tensor_new(&m->arena, main->params.v[0]->type);
		ok = add_row(m, exec, &in, work, input_bits, weight_bits);
		az_backend_jit.free(exec);
	}
	az_module_free(module);
	az_ctx_progress(m->ctx, "measuring kernels", ++m->done, m->total);
	return ok;
}

/* --- Networks ------------------------------------------------------------------------------------------- */

/* The last dimension of the result, with the bracket behind it. */
static const char *channels_of(const work_row *row)
{
	return strrchr(row->output, ',') + 1;
}

static bool time_integer(meter *m, const work_row *row, int input_bits, int weight_bits)
{
	az_text text = {.arena = &m->arena};
	const char *weights =
		weight_bits == 1 ? "bipolar" : az_arena_printf(&m->arena, "i%d", weight_bits);
	az_text_add(&text,
		"adze 1 module \"rates\" stage folded\n\n"
		"const @q : f32[] = [0.1]\nconst @s : f32[] = [0.001]\n"
		"const @w : %s%s = splat 1\nconst @b : i32[%s = splat 1\n\n"
		"func @main(%%x: f32%s) -> (\"y\": u8%s) {\n"
		"  %%0 = quantize %%x, @q : u%d%s\n"
		"  %%1 = %s : i32%s\n"
		"  %%2 = requantize %%1, @s : u8%s\n"
		"  return %%2\n}\n",
		weights, row->weights, channels_of(row), row->input, row->output, input_bits,
		row->input, row->op, row->output, row->output);
	return time_network(m, text.v, row->work, input_bits, weight_bits);
}

static bool time_float(meter *m, const work_row *row)
{
	az_text text = {.arena = &m->arena};
	az_text_add(&text,
		"adze 1 module \"rates\" stage folded\n\n"
		"const @w : f32%s = splat 0.5\nconst @b : f32[%s = splat 1\n\n"
		"func @main(%%x: f32%s) -> (\"y\": f32%s) {\n"
		"  %%0 = relu %%x : f32%s\n  %%1 = %s : f32%s\n  return %%1\n}\n",
		row->weights, channels_of(row), row->input, row->output, row->input, row->op,
		row->output);
	return time_network(m, text.v, row->work, 32, 32);
}

/* A short product for many outputs, requantized with or without a factor and a sum before. */
static bool time_point(meter *m, bool steps)
{
	az_text text = {.arena = &m->arena};
	az_text_add(&text, "adze 1 module \"rates\" stage folded\n\n"
			   "const @q : f32[] = [0.1]\nconst @s : f32[] = [0.001]\n"
			   "const @w : i8[64,1,1,64] = splat 1\nconst @b : i32[64] = splat 1\n"
			   "const @f : i32[] = [8]\nconst @c : i32[64] = splat 3\n\n"
			   "func @main(%%x: f32[1,28,28,64]) -> (\"y\": u8[1,28,28,64]) {\n"
			   "  %%0 = quantize %%x, @q : u8[1,28,28,64]\n"
			   "  %%1 = conv %%0, @w, @b : i32[1,28,28,64]\n");
	if (steps)
		az_text_add(&text, "  %%2 = mul %%1, @f : i32[1,28,28,64]\n"
				   "  %%3 = add %%2, @c : i32[1,28,28,64]\n");
	az_text_add(&text, "  %%4 = requantize %%%d, @s : u8[1,28,28,64]\n  return %%4\n}\n",
		steps ? 3 : 1);
	return time_network(m, text.v, "conv", 0, 0);
}

/* The rate of such steps: two for each output. */
static bool time_epilogue(meter *m)
{
	if (!time_point(m, false))
		return false;
	double plain = m->time;
	if (!time_point(m, true))
		return false;
	if (m->time > plain)
		az_text_add(m->out, "COST(%s, epilogue, 8, 0, %.3g)\n", az_dot_name(m->target->dot),
			2.0 * 28 * 28 * 64 / (m->time - plain));
	return true;
}

static bool time_other(meter *m, uint32_t i)
{
	az_text text = {.arena = &m->arena};
	const char *result = strrchr(others[i].text, ':') + 2;
	az_text_add(&text,
		"adze 1 module \"rates\" stage folded\n\nconst @q : f32[] = [0.1]\n\n"
		"func @main(%%x: f32[1,28,28,128]) -> (\"y\": %.*s) {\n  %s}\n",
		(int)strcspn(result, "\n"), result, others[i].text);
	return time_network(m, text.v, others[i].work, others[i].bits, 0);
}

static bool measure(meter *m)
{
	static const int inputs[] = {1, 2, 3, 4, 5, 6, 7, 8, 16};
	az_arena_mark start = az_arena_mark_get(&m->arena);
	m->total = AZ_COUNT(contractions) * (AZ_COUNT(inputs) * 8 + 1) + AZ_COUNT(others) + 2;
	for (uint32_t c = 0; c < AZ_COUNT(contractions); c++) {
		for (uint32_t i = 0; i < AZ_COUNT(inputs); i++)
			for (int w = 8; w >= 1; w--) {
				if (!time_integer(m, &contractions[c], inputs[i], w))
					return false;
				az_arena_reset(&m->arena, start);
			}
		if (!time_float(m, &contractions[c]))
			return false;
	}
	for (uint32_t i = 0; i < AZ_COUNT(others); i++)
		if (!time_other(m, i))
			return false;
	return time_epilogue(m);
}

bool az_rates_measure(az_ctx *ctx, const az_target *target, az_text *out)
{
	if (!target->native)
		return az_error(ctx, AZ_LOC_NONE,
			"rates are measured by running: this machine cannot run code for \"%s\", "
			"CPU \"%s\"",
			target->triple, target->cpu);
	meter m = {.ctx = ctx, .target = target, .out = out};
	az_arena_init(&m.arena, &ctx->oom);
	bool ok = measure(&m);
	az_arena_free(&m.arena);
	return ok;
}
