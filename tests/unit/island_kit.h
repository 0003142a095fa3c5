/* SPDX-License-Identifier: Apache-2.0
 *
 * Testing islands of dequantize, operation, quantize as IR text: what fold-quantizers makes of one is at most a
 * step away from what the interpreter made of the island, and the code of every x86-64 family of this machine
 * gives the folded network's bits; every target gets code. In the text `~count:lo:hi~` stands for a list of that
 * many random numbers. Every island may use the constants of `prelude`. */
#ifndef AZ_TESTS_ISLAND_KIT_H
#define AZ_TESTS_ISLAND_KIT_H

#include "tests/unit/jit_kit.h"

#include "grammar/parse.h"
#include "passes/float_left.h"

typedef enum expected {
	INTEGER,   /* nothing in main computes on floats */
	REGISTERS, /* floats in registers only */
	BORDER,    /* something stays float and is listed */
	ANY,
} expected;

typedef struct island {
	const char *name;
	expected expected;
	const char *text;
} island;

static const char prelude[] = "adze 1 module \"island\" stage canonical\n"
			      "const @s : f32[] = [0.05]\n"
			      "const @t : f32[] = [0.03]\n"
			      "const @u : f32[] = [0.4]\n"
			      "const @z : u8[] = [7]\n"
			      "const @y : u8[] = [130]\n"
			      "const @n : i8[] = [-3]\n"
			      "const @h : u16[] = [4000]\n"
			      "const @zs : f32[3] = [0.02, 0.3, 0.007]\n";

static inline void expand(az_text *out, const char *text)
{
	while (*text) {
		if (*text != '~') {
			az_text_add(out, "%c", *text++);
			continue;
		}
		long count, lo, hi;
		if (sscanf(text, "~%ld:%ld:%ld~", &count, &lo, &hi) != 3)
			return;
		for (long i = 0; i < count; i++)
			az_text_add(out, "%s%ld", i ? ", " : "[", (long)pick(lo, hi));
		az_text_add(out, "]");
		text = strchr(text + 1, '~') + 1;
	}
}

/* Floats among the inputs are about as large as stored numbers times scales, now and then not finite. */
static inline void fill_inputs(net *n)
{
	n->count = 0;
	for (uint32_t i = 0; i < n->at.func->params.count; i++) {
		const az_type *type = n->at.func->params.v[i]->type;
		az_tensor t = az_tensor_new(&n->module->arena, type);
		for (uint64_t k = 0; k < (uint64_t)az_type_numel(type); k++) {
			if (az_elem_is_float(type->elem))
				az_tensor_set(&t, k, number(type->elem, -6));
			else
				az_bits_set(t.data, k, type->elem.bits,
					(uint64_t)pick(0, INT64_MAX - 1));
		}
		n->in[n->count++] = t;
	}
}

static inline bool within_a_step(const az_tensor *a, const az_tensor *b)
{
	for (uint64_t i = 0; i < (uint64_t)az_type_numel(a->type); i++) {
		double u = az_tensor_get(a, i), v = az_tensor_get(b, i);
		double room = az_elem_is_float(a->type->elem) ? 1e-5 * fabs(u) + 1e-6 : 1;
		if (!(fabs(u - v) <= room) && !(isnan(u) && isnan(v)) && u != v) {
			printf("\nelement %llu was %.9g and is %.9g\n", (unsigned long long)i, u,
				v);
			return false;
		}
	}
	return true;
}

static inline bool computes_float(const az_func *main)
{
	for (const az_op *op = main->first; op; op = op->next)
		for (uint32_t i = 0; i < op->result_count; i++)
			if (az_elem_is_float(op->results[i]->type->elem))
				return true;
	return false;
}

static inline uint32_t left_after_selection(const net *n)
{
	const az_target *t = az_target_get(n->ctx, NULL, "x86-64", "");
	az_module *copy = az_module_clone(n->module, true);
	az_float_left_list left = {0};
	if (pass(copy, t, "widen-activations,select-kernels,pack-weights"))
		az_float_left_find(copy, &copy->arena, &left);
	az_module_free(copy);
	return left.count;
}

static inline bool as_expected(const net *n, expected e)
{
	bool floats = computes_float(n->at.func);
	uint32_t left = left_after_selection(n);
	bool ok = e == INTEGER ? !floats : e == REGISTERS ? left == 0 : e == BORDER ? left > 0 : 1;
	if (!ok)
		printf("\nfloats: %d, %u left\n", floats, left);
	return ok;
}

static inline bool check_island(net *n, const island *c, uint32_t which)
{
	const az_target *t = az_target_get(n->ctx, NULL, "x86-64", "");
	az_tensor was[RESULTS_MAX], is[RESULTS_MAX];
	new_results(n, was);
	bool ok =
		run(&az_eval_exec, n->module, n->in, was) && pass(n->module, t, "fold-quantizers");
	n->at.func = az_module_main(n->module);
	if (!ok)
		return false;
	new_results(n, is);
	ok = run(&az_eval_exec, n->module, n->in, is) && as_expected(n, c->expected) &&
	     pass(n->module, t, "widen-activations");
	for (uint32_t i = 0; ok && i < n->at.func->results.count; i++)
		ok = within_a_step(&was[i], &is[i]);
	for (uint32_t i = 0; ok && i < AZ_COUNT(families); i++)
		ok = compare(n, i);
	return ok && (which % 4 || emits_everywhere(n));
}

static inline void check_islands(const island *cases, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		seed = i * 7919u + 1;
		net n = {.ctx = az_ctx_new()};
		az_arena arena;
		az_arena_init(&arena, &n.ctx->oom);
		az_text text = {.arena = &arena};
		expand(&text, prelude);
		expand(&text, cases[i].text);
		n.module = az_parse_module(n.ctx, cases[i].name, text.v, text.count, NULL);
		bool ok = n.module != NULL;
		if (ok) {
			n.at.func = az_module_main(n.module);
			fill_inputs(&n);
			ok = check_island(&n, &cases[i], i);
		}
		CU_ASSERT_TRUE(ok);
		if (!ok) {
			az_text out = {.arena = &arena};
			if (n.module)
				az_module_print(&out, n.module);
			printf("\n%s: %s%s\n", cases[i].name, out.v ? out.v : "",
				unit_message(n.ctx, 0));
		}
		if (n.module)
			az_module_free(n.module);
		az_arena_free(&arena);
		az_ctx_free(n.ctx);
	}
}

#endif
