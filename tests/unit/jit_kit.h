/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparing compiled code with the interpreter: random networks of one operation and what may follow it, run by
 * the JIT on the x86-64 families that this machine runs, in turns; outputs are equal bit for bit, except float
 * convolutions and what the kernels compute in f32 where the interpreter has f64. Every few cases one is
 * compiled for every target of the table as well.
 *
 * A network may say what it has (`has`). Then it is compiled only when two of its properties, the family
 * counting as one, have not met in those before it. AZ_LONG: all are. */
#ifndef AZ_TESTS_JIT_KIT_H
#define AZ_TESTS_JIT_KIT_H

#include "tests/unit/unit.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "base/bits.h"
#include "ir/eval/eval.h"
#include "ir/print.h"
#include "passes/pass.h"

#define INPUTS_MAX  16
#define RESULTS_MAX 4
#define PROPERTIES  12 /* at most, each of at most 16 values */

/* One random network of one operation and what may follow it. */
typedef struct net {
	az_ctx *ctx;
	az_module *module;
	az_builder at;
	az_tensor in[INPUTS_MAX];
	uint32_t count;
	bool close; /* floats are compared closely */
	uint32_t properties, property[PROPERTIES];
} net;

static const az_elem all_elems[] = {{AZ_KIND_FLOAT, 32}, {AZ_KIND_FLOAT, 64}, {AZ_KIND_FLOAT, 16},
	{AZ_KIND_BFLOAT, 16}, {AZ_KIND_INT, 8}, {AZ_KIND_UINT, 8}, {AZ_KIND_INT, 16},
	{AZ_KIND_UINT, 16}, {AZ_KIND_INT, 32}, {AZ_KIND_UINT, 32}, {AZ_KIND_INT, 64},
	{AZ_KIND_UINT, 64}, {AZ_KIND_BOOL, 8}};
enum { FLOATS = 4, FIRST_INT = 4, NUMBERS = 12, ALL = 13 };

static uint64_t seed = 1;

static inline int64_t pick(int64_t lo, int64_t hi)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return lo + (int64_t)((seed >> 33) % (uint64_t)(hi - lo + 1));
}

static inline az_elem pick_float(void)
{
	return all_elems[pick(0, FLOATS - 1)];
}

/* An integer of at most `bits` bits. */
static inline az_elem pick_int(int bits)
{
	az_elem e;
	do
		e = all_elems[pick(FIRST_INT, NUMBERS - 1)];
	while (e.bits > bits);
	return e;
}

static inline double number(az_elem elem, double range)
{
	static const double special[] = {INFINITY, -INFINITY, NAN, 0, -0.0, 1e-40, -3e38, 70000.5};
	if (az_elem_is_float(elem)) {
		if (range < 0 && pick(0, 12) == 0)
			return special[pick(0, 7)];
		return (double)pick(-1000000, 1000000) / 1000000.0 * fabs(range);
	}
	double lo = fmax((double)az_elem_min(elem), -1e9),
	       hi = fmin((double)az_elem_max(elem), 1e9);
	return (double)(pick(0, 1) ? pick((int64_t)lo, (int64_t)hi)
				   : pick((int64_t)fmax(lo, -9), (int64_t)fmin(hi, 9)));
}

/* A random operand; a negative range also gives infinities, NaN and subnormals. */
static inline az_value *input(net *n, az_elem elem, uint32_t rank, const int64_t *dim, double range)
{
	const az_type *type = az_type_get(n->ctx, elem, rank, dim);
	az_tensor t = az_tensor_new(&n->module->arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++) {
		az_tensor_set(&t, (uint64_t)i, number(elem, range));
		if (az_elem_equal(elem, AZ_ELEM(UINT, 64)) && pick(0, 2) == 0) /* 2^63 and more */
			az_bits_set(t.data, (uint64_t)i, 64, (uint64_t)pick(-9, -1));
	}
	n->in[n->count++] = t;
	return az_func_add_param(n->at.func, "x", type);
}

static inline az_value *one_number(net *n, az_elem elem, double v)
{
	int64_t dim[1] = {1};
	az_value *x = input(n, elem, 1, dim, 1);
	az_tensor_set(&n->in[n->count - 1], 0, v);
	return x;
}

static inline az_ints ints(net *n, uint32_t count, const int64_t *v)
{
	return az_ints_copy(n->module, count, v);
}

static inline uint32_t pick_shape(int64_t *dim, uint32_t most)
{
	uint32_t rank = (uint32_t)pick(1, most);
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = pick(0, 2) && i + 1 < rank ? pick(1, 5) : pick(1, 37);
	return rank;
}

/* A shape that broadcasts to the one given. */
static inline uint32_t pick_under(uint32_t rank, const int64_t *dim, int64_t *out)
{
	uint32_t drop = pick(0, 2) ? 0 : (uint32_t)pick(0, rank);
	for (uint32_t i = drop; i < rank; i++)
		out[i - drop] = pick(0, 3) ? dim[i] : 1;
	return rank - drop;
}

/* The network's next property, below 16; every network of a list says the same ones in the same order. */
static inline void has(net *n, uint32_t value)
{
	assert(n->properties < PROPERTIES && value < 16);
	n->property[n->properties++] = value;
}

/* --- Running ------------------------------------------------------------------------------------- */

typedef struct family {
	const char *cpu, *attrs;
} family;

static const family families[] = {
	{"x86-64", ""}, {"x86-64-v3", ""}, {"x86-64-v4", ""}, {"native", NULL}};

static inline bool equal(const az_tensor *a, const az_tensor *b, bool close)
{
	az_elem elem = a->type->elem;
	for (uint64_t i = 0; i < (uint64_t)az_type_numel(a->type); i++) {
		double u = az_tensor_get(a, i), v = az_tensor_get(b, i);
		if (az_bits_get(a->data, i, elem.bits) == az_bits_get(b->data, i, elem.bits))
			continue;
		bool is_float = az_elem_is_float(elem);
		if (is_float && isnan(u) && isnan(v)) /* which NaN is open */
			continue;
		double step = elem.bits == 16 ? 2e-2 : 1e-4;
		if (is_float && close && fabs(u - v) <= step * fabs(u) + step)
			continue;
		printf("\nelement %llu is %.9g, not %.9g\n", (unsigned long long)i, v, u);
		return false;
	}
	return true;
}

static inline bool pass(az_module *m, const az_target *target, const char *text)
{
	az_arena scratch;
	az_arena_init(&scratch, &m->ctx->oom);
	az_pass_env env = {.backend = az_backend_pass, .backend_data = (void *)(uintptr_t)target};
	az_pipeline pipeline = {0};
	bool ok = az_parse_pipeline(m->ctx, &scratch, "test", text, &pipeline) &&
		  az_pipeline_run(m, &pipeline, &env);
	az_arena_free(&scratch);
	return ok;
}

static inline bool run(const az_exec_api *api, const az_module *m, const az_tensor *in,
	az_tensor *out)
{
	az_exec *exec = api->compile(m);
	bool ok = exec && api->run(exec, in, out);
	if (exec)
		api->free(exec);
	return ok;
}

static inline void new_results(const net *n, az_tensor *out)
{
	const az_func *f = n->at.func;
	for (uint32_t i = 0; i < f->results.count; i++)
		out[i] = az_tensor_new(&n->module->arena, f->results.v[i].use->value->type);
}

static inline bool compare(const net *n, uint32_t which)
{
	az_tensor expected[RESULTS_MAX], actual[RESULTS_MAX];
	new_results(n, expected);
	bool ok = run(&az_eval_exec, n->module, n->in, expected);
	/* The families take turns. */
	for (uint32_t i = which % AZ_COUNT(families); ok && i < AZ_COUNT(families);) {
		const az_target *t =
			az_target_get(n->ctx, NULL, families[i].cpu, families[i].attrs);
		if (!t || !t->native) {
			i++;
			continue;
		}
		az_module *copy = az_module_clone(n->module, true);
		new_results(n, actual);
		ok = pass(copy, t, "select-kernels,pack-weights") &&
		     run(&az_backend_jit, copy, n->in, actual);
		for (uint32_t k = 0; ok && k < n->at.func->results.count; k++)
			ok = equal(&expected[k], &actual[k], n->close);
		if (!ok)
			printf("on %s:\n", families[i].cpu);
		az_module_free(copy);
		break;
	}
	return ok;
}

static inline bool emits_everywhere(const net *n)
{
	az_target_row row;
	bool ok = true;
	for (uint32_t i = 0; ok && az_target_row_get(i, &row); i++) {
		const az_target *t = az_target_get(n->ctx, row.triple, row.cpu, row.attrs);
		az_module *copy = az_module_clone(n->module, true);
		az_emit_options options = {.emit = AZ_EMIT_OBJ, .name = "net"};
		az_arena arena;
		az_arena_init(&arena, &n->ctx->oom);
		const void *data;
		size_t size = 0;
		ok = t &&
		     pass(copy, t, "select-kernels,pack-weights,reorder-operations,plan-memory") &&
		     az_backend_emit(copy, t, &options, &arena, &data, &size) && size > 0;
		if (!ok)
			printf("\nfor %s:\n", row.name);
		az_arena_free(&arena);
		az_module_free(copy);
	}
	return ok;
}

/* --- Frame ----------------------------------------------------------------------------------------- */

/* Builds the case; false when the random choice makes no sense and the next is to be tried. */
typedef bool maker(net *n, uint32_t i);

/* Do two of the network's properties meet for the first time? All of them have met then. */
static inline bool meets(const net *n, bool met[PROPERTIES][16][PROPERTIES][16])
{
	const char *all = getenv("AZ_LONG");
	bool news = n->properties == 1 || (all && *all); /* the family alone */
	for (uint32_t a = 0; a < n->properties; a++)
		for (uint32_t b = 0; b < a; b++) {
			bool *pair = &met[a][n->property[a]][b][n->property[b]];
			news |= !*pair;
			*pair = true;
		}
	return news;
}

/* Cases of a kind; every `stride`th that is compiled is so for all targets too (0: none). */
static inline void many(maker *make, uint32_t count, uint32_t stride)
{
	static bool met[PROPERTIES][16][PROPERTIES][16];
	memset(met, 0, sizeof met);
	for (uint32_t i = 0, compiled = 0; i < count; i++) {
		if (!unit_takes(i))
			continue;
		seed = (uint64_t)i * 7919 + count;
		net n = {.ctx = az_ctx_new()};
		n.module = az_module_new(n.ctx, "case");
		n.module->stage = AZ_STAGE_FOLDED;
		n.at.func = az_func_new(n.module, "main");
		has(&n, i % AZ_COUNT(families));
		if (make(&n, i) && meets(&n, met)) {
			const az_op *last = n.at.func->last;
			for (uint32_t k = 0; k < last->result_count; k++)
				az_func_add_result(n.at.func, "y", last->results[k]);
			bool everywhere = stride && compiled++ % stride == 0;
			bool ok = compare(&n, i) && (!everywhere || emits_everywhere(&n));
			CU_ASSERT_TRUE(ok);
			if (!ok) {
				az_text text = {.arena = &n.module->arena};
				az_module_print(&text, n.module);
				printf("case %u\n%s%s\n", i, text.v, unit_message(n.ctx, 0));
			}
		}
		az_module_free(n.module);
		az_ctx_free(n.ctx);
	}
}

static inline az_value *make(net *n, az_opcode code, uint32_t count, az_value **args,
	const az_attrs *attrs, az_elem want)
{
	return az_build(&n->at, code, count, args, attrs, want);
}

static inline bool made(net *n, az_opcode code, uint32_t count, az_value **args,
	const az_attrs *attrs, az_elem want)
{
	return make(n, code, count, args, attrs, want) != NULL;
}

/* What select-kernels fuses behind an anchor: requantize, lookup, add, relu, quantize, pad. */
static inline bool follow(net *n, az_value *y)
{
	if (!y)
		return false;
	const az_type *t = y->type;
	int64_t dim[AZ_RANK_MAX], table[1] = {256};
	az_attrs attrs;
	if (az_elem_equal(t->elem, AZ_I32) && t->rank && pick(0, 1)) {
		az_value *args[2] = {y, input(n, AZ_F32, 1, &t->dim[t->rank - 1], 0.01)};
		az_attrs_init(AZ_OP_requantize, &attrs);
		attrs.requantize.zero = pick(-20, 20);
		y = make(n, AZ_OP_requantize, 2, args, &attrs, AZ_I8);
		if (pick(0, 1)) {
			az_value *look[2] = {y, input(n, AZ_I8, 1, table, 1)};
			y = make(n, AZ_OP_lookup, 2, look, NULL, AZ_ELEM_NONE);
		}
	} else if (az_elem_equal(t->elem, AZ_F32) && pick(0, 1)) {
		uint32_t rank = pick_under(t->rank, t->dim, dim);
		az_value *args[2] = {y, input(n, AZ_F32, rank, dim, 2)};
		y = make(n, AZ_OP_add, 2, args, NULL, AZ_ELEM_NONE);
		if (pick(0, 1)) {
			az_value *q[3] = {y, one_number(n, AZ_F32, 0.05), one_number(n, AZ_I8, 3)};
			y = make(n, AZ_OP_quantize, 3, q, NULL, AZ_I8);
		}
	}
	if (!y || pick(0, 3) || y->type->elem.kind == AZ_KIND_BOOL)
		return y != NULL;
	for (uint32_t i = 0; i < 2u * t->rank; i++)
		dim[i % AZ_RANK_MAX] = pick(0, 2);
	az_attrs_init(AZ_OP_pad, &attrs);
	int64_t pad[2 * AZ_RANK_MAX];
	for (uint32_t i = 0; i < 2u * t->rank; i++)
		pad[i] = pick(0, 2) ? 0 : pick(1, 2);
	attrs.pad.pad = ints(n, 2u * t->rank, pad);
	attrs.pad.value = 3;
	return made(n, AZ_OP_pad, 1, &y, &attrs, AZ_ELEM_NONE);
}

#define JIT_CASE(name, count, stride)                                                              \
	static void run_##name(void)                                                               \
	{                                                                                          \
		many(name, (count), (stride));                                                     \
	}

#endif
