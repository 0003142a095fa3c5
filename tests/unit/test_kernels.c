/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels against the interpreter: random convolutions and products of every kind (odd channels,
 * strides, dilations, groups, padding, ragged rows, batches, zero points, what may follow), compiled for every
 * x86-64 family that this machine runs, outputs compared bit for bit (integers) or closely (floats). */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "ir/eval/eval.h"
#include "ir/print.h"
#include "passes/pass.h"

typedef enum after {
	AFTER_NOTHING,
	AFTER_REQUANTIZE,
	AFTER_RESIDUAL,
	AFTER_DEQUANTIZE,
	AFTER_LOOKUP,
	AFTER_FRACTION, /* requantize (y * f + b) */
	AFTER_THRESHOLD,
} after;

typedef struct spec {
	bool matmul, run_time, is_float;
	int64_t n, h, w, c, o, kh, kw, sh, sw, dh, dw, groups, pad[4];
	bool line; /* one spatial dimension */
	az_elem x, weight, y;
	int64_t zx, zw, zy;
	after after;
	bool pad_after; /* another padded convolution behind */
} spec;

static uint64_t seed = 1;

static int64_t pick(int64_t lo, int64_t hi)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return lo + (int64_t)((seed >> 33) % (uint64_t)(hi - lo + 1));
}

static void fill(void *data, const az_type *type)
{
	az_tensor t = {type, data};
	int64_t n = az_type_numel(type);
	for (int64_t i = 0; i < n; i++) {
		double v = az_elem_is_float(type->elem)
				   ? (double)pick(-1000, 1000) / 512.0
				   : (double)pick(AZ_MAX(az_elem_min(type->elem), -10000),
					     AZ_MIN(az_elem_max(type->elem), 10000));
		az_tensor_set(&t, (uint64_t)i, v);
	}
}

static az_value *random_const(az_module *m, const char *name, az_elem elem, uint32_t rank,
	const int64_t *dim)
{
	const az_type *type = az_type_get(m->ctx, elem, rank, dim);
	az_tensor t = az_tensor_new(&m->arena, type);
	fill(t.data, type);
	return &az_const_new(m, name, type, t.data, false)->value;
}

static az_value *scales(az_module *m, int64_t channels, float about)
{
	float *v = az_new_array(&m->arena, float, (size_t)channels);
	for (int64_t i = 0; i < channels; i++)
		v[i] = about * (0.5f + (float)pick(0, 1000) / 1000.0f);
	return &az_const_f32(m, "scale", 1, &channels, v)->value;
}

static az_value *conv(az_module *m, az_builder *at, const spec *s, az_value *x, int64_t channels,
	const int64_t *pad)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv, &attrs);
	int64_t stride[2] = {s->sh, s->sw}, dilation[2] = {s->dh, s->dw}, zero[2] = {s->zx, s->zw};
	int64_t pads[4] = {pad[0], pad[1], pad[2], pad[3]};
	uint32_t skip = s->line;
	attrs.conv.stride = az_ints_copy(m, 2 - skip, stride + skip);
	attrs.conv.dilation = az_ints_copy(m, 2 - skip, dilation + skip);
	attrs.conv.pad = az_ints_copy(m, 4 - 2 * skip, pads + 2 * skip);
	attrs.conv.groups = s->groups;
	if (!s->is_float)
		attrs.conv.zero = az_ints_copy(m, 2, zero);
	int64_t shape[4] = {s->o, s->kh, s->kw, channels / s->groups};
	if (s->line)
		memmove(shape + 1, shape + 2, 2 * sizeof *shape);
	az_elem acc = s->is_float ? AZ_F32 : AZ_I32;
	az_value *args[3] = {x, random_const(m, "w", s->weight, 4 - skip, shape), NULL};
	bool bias = pick(0, 2) > 0;
	if (bias)
		args[2] = random_const(m, "b", acc, 1, &s->o);
	return az_build(at, AZ_OP_conv, 2 + bias, args, &attrs, acc);
}

static az_value *matmul(az_module *m, az_builder *at, const spec *s, az_value *a, az_value *b)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_matmul, &attrs);
	int64_t zero[2] = {s->zx, s->zw}, shape[2] = {s->c, s->o};
	if (!s->is_float)
		attrs.matmul.zero = az_ints_copy(m, 2, zero);
	az_elem acc = s->is_float ? AZ_F32 : AZ_I32;
	az_value *args[3] = {a, b ? b : random_const(m, "w", s->weight, 2, shape), NULL};
	bool bias = pick(0, 1) > 0;
	if (bias)
		args[2] = random_const(m, "b", acc, 1, &s->o);
	return az_build(at, AZ_OP_matmul, 2 + bias, args, &attrs, acc);
}

static az_value *requantize(az_module *m, az_builder *at, const spec *s, az_value *x)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_requantize, &attrs);
	attrs.requantize.zero = s->zy;
	float k = (float)(s->kh * s->kw * s->c / s->groups);
	int64_t channels = x->type->dim[x->type->rank - 1];
	az_value *args[2] = {x, scales(m, channels, 60.0f / (sqrtf(k) * 6000.0f))};
	return az_build(at, AZ_OP_requantize, 2, args, &attrs, s->y);
}

/* dequantize(y) + dequantize(residual), quantized: the residual connection of a quantized network. */
static az_value *residual(az_module *m, az_builder *at, const spec *s, az_value *y, az_value *other)
{
	az_attrs attrs;
	az_attrs_init(AZ_OP_quantize, &attrs);
	az_value *one = &az_const_f32_scalar(m, "s1", 0.02f)->value;
	az_value *two = &az_const_f32_scalar(m, "s2", 0.031f)->value;
	az_value *a[2] = {y, one}, *b[2] = {other, two};
	az_value *sum[2] = {az_build(at, AZ_OP_dequantize, 2, a, NULL, AZ_F32),
		az_build(at, AZ_OP_dequantize, 2, b, NULL, AZ_F32)};
	az_value *args[2] = {az_build(at, AZ_OP_add, 2, sum, NULL, AZ_ELEM_NONE), two};
	return az_build(at, AZ_OP_quantize, 2, args, &attrs, s->y);
}

/* y * f + b: mostly a power of two and a number per channel; sums may wrap. */
static az_value *fraction(az_module *m, az_builder *at, az_value *y)
{
	int64_t channels = y->type->dim[y->type->rank - 1], one = 1;
	int32_t factor = pick(0, 5) ? (int32_t)1 << pick(0, 30) : (int32_t)pick(-1000, 1000);
	if (pick(0, 1))
		factor = (int32_t)1 << pick(0, 5);
	const az_type *type = az_type_get(m->ctx, AZ_I32, 0, NULL);
	az_value *f = &az_const_new(m, "f", type, &factor, false)->value;
	az_value *b = random_const(m, "b", AZ_I32, 1, pick(0, 4) ? &channels : &one);
	bool swap = pick(0, 1);
	az_value *factors[2] = {swap ? f : y, swap ? y : f};
	az_value *sum[2] = {az_build(at, AZ_OP_mul, 2, factors, NULL, AZ_I32), b};
	if (pick(0, 3) == 0) /* one of them alone */
		return swap ? sum[0]
			    : az_build(at, AZ_OP_add, 2, (az_value *[]){y, b}, NULL, AZ_I32);
	return az_build(at, AZ_OP_add, 2, sum, NULL, AZ_I32);
}

static az_value *threshold(az_module *m, az_builder *at, const spec *s, az_value *y)
{
	int64_t channels = y->type->dim[y->type->rank - 1];
	int64_t dim[2] = {pick(1, 4), pick(0, 3) ? channels : 1};
	az_value *args[3] = {y, random_const(m, "levels", AZ_I32, 2, dim)};
	uint32_t count = 2;
	if (pick(0, 2) == 0) {
		int32_t *flip = az_new_array(&m->arena, int32_t, (size_t)channels);
		for (int64_t i = 0; i < channels; i++)
			flip[i] = (int32_t)pick(-1, 0);
		const az_type *type = az_type_get(m->ctx, AZ_I32, 1, &channels);
		args[count++] = &az_const_new(m, "flip", type, flip, true)->value;
	}
	az_attrs attrs;
	az_attrs_init(AZ_OP_threshold, &attrs);
	attrs.threshold.base = az_elem_min(s->y);
	return az_build(at, AZ_OP_threshold, count, args, &attrs, s->y);
}

static az_value *after_anchor(az_module *m, az_builder *at, const spec *s, az_value *y)
{
	az_func *f = at->func;
	if (s->is_float) {
		if (s->after == AFTER_NOTHING)
			return y;
		az_value *args[2] = {y, az_func_add_param(f, "r", y->type)};
		az_value *sum = az_build(at, AZ_OP_add, 2, args, NULL, AZ_ELEM_NONE);
		if (s->after == AFTER_DEQUANTIZE) {
			az_value *each[2] = {sum, scales(m, y->type->dim[y->type->rank - 1], 1.0f)};
			sum = az_build(at, AZ_OP_mul, 2, each, NULL, AZ_ELEM_NONE);
			return az_build(at, AZ_OP_hard_swish, 1, &sum, NULL, AZ_ELEM_NONE);
		}
		return az_build(at, AZ_OP_relu, 1, &sum, NULL, AZ_ELEM_NONE);
	}
	if (s->after == AFTER_DEQUANTIZE) {
		az_value *args[2] = {y, scales(m, s->o, 0.01f)};
		return az_build(at, AZ_OP_dequantize, 2, args, NULL, AZ_F32);
	}
	if (s->after == AFTER_NOTHING)
		return y;
	if (s->after == AFTER_THRESHOLD)
		return threshold(m, at, s, y);
	if (s->after == AFTER_FRACTION)
		y = fraction(m, at, y);
	y = requantize(m, at, s, y);
	if (s->after == AFTER_LOOKUP) {
		int64_t entries = 256;
		az_value *args[2] = {y, random_const(m, "table", s->y, 1, &entries)};
		return az_build(at, AZ_OP_lookup, 2, args, NULL, AZ_ELEM_NONE);
	}
	if (s->after == AFTER_REQUANTIZE || s->after == AFTER_FRACTION)
		return y;
	const az_type *type = az_type_with_elem(m->ctx, y->type, s->y);
	return residual(m, at, s, y, az_func_add_param(f, "r", type));
}

static az_module *build(az_ctx *ctx, const spec *s)
{
	az_module *m = az_module_new(ctx, "case");
	m->stage = AZ_STAGE_FOLDED;
	az_func *f = az_func_new(m, "main");
	az_builder at = {f, NULL, AZ_LOC_NONE};
	int64_t xdim[4] = {s->n, s->h, s->w, s->c}, bdim[3] = {s->n, s->c, s->o};
	uint32_t rank = s->matmul ? 3 : s->line ? 3 : 4;
	int64_t *dim = xdim;
	if (s->matmul || s->line) {
		xdim[1] = s->n;
		dim = xdim + 1;
	}
	az_value *x = az_func_add_param(f, "x", az_type_get(ctx, s->x, rank, dim)), *y;
	if (s->matmul) {
		az_value *b = NULL;
		if (s->run_time)
			b = az_func_add_param(f, "k", az_type_get(ctx, s->weight, 3, bdim));
		y = matmul(m, &at, s, x, b);
	} else {
		y = conv(m, &at, s, x, s->c, s->pad);
	}
	y = y ? after_anchor(m, &at, s, y) : NULL;
	if (y && s->pad_after && !s->matmul && az_elem_equal(y->type->elem, s->x)) {
		spec next = *s;
		next.c = next.groups = 1;
		next.sh = next.sw = next.dh = next.dw = 1;
		next.kh = next.kw = 3;
		next.zx = s->zy;
		y = conv(m, &at, &next, y, s->o, (int64_t[]){1, 1, 1, 1});
	}
	if (y)
		az_func_add_result(f, "y", y);
	return m;
}

static spec random_spec(bool is_float)
{
	static const az_elem bytes[2] = {{AZ_KIND_INT, 8}, {AZ_KIND_UINT, 8}};
	spec s = {.is_float = is_float, .n = pick(1, 2), .h = pick(1, 9), .w = pick(1, 17)};
	static const int64_t channels[] = {1, 2, 3, 4, 5, 8, 13, 16, 17, 24, 32, 33, 64, 70};
	s.c = channels[pick(0, 13)];
	s.o = channels[pick(0, 13)];
	s.kh = pick(1, 4);
	s.kw = pick(1, 4);
	s.sh = pick(1, 2);
	s.sw = pick(1, 3);
	s.dh = pick(0, 4) ? 1 : 2;
	s.dw = pick(0, 4) ? 1 : 2;
	s.groups = 1;
	int64_t kind = pick(0, 9);
	if (kind < 3)
		s.groups = s.o = s.c;
	else if (kind == 3)
		s.groups = s.c, s.o = 2 * s.c;
	else if (kind == 4)
		s.groups = 2, s.c *= 2, s.o *= 2;
	else if (kind == 5)
		s.kh = s.kw = s.sh = s.sw = s.dh = s.dw = 1;
	s.line = pick(0, 6) == 0;
	if (s.line)
		s.h = s.kh = s.sh = s.dh = 1;
	for (uint32_t i = 0; i < 4; i++)
		s.pad[i] = s.line && i < 2 ? 0 : pick(0, 2);
	s.h = AZ_MAX(s.h, (s.kh - 1) * s.dh + 1 - s.pad[0] - s.pad[1]);
	s.w = AZ_MAX(s.w, (s.kw - 1) * s.dw + 1 - s.pad[2] - s.pad[3]);
	s.x = is_float ? AZ_F32 : bytes[pick(0, 1)];
	s.weight = is_float ? AZ_F32 : bytes[pick(0, 3) == 0];
	s.y = s.x;
	s.zx = pick(0, 2) ? pick(az_elem_min(s.x), az_elem_max(s.x)) : 0;
	s.zw = pick(0, 3) ? 0 : pick(az_elem_min(s.weight), az_elem_max(s.weight));
	s.zy = pick(az_elem_min(s.y), az_elem_max(s.y));
	s.after = (after)pick(0, 6);
	s.pad_after = pick(0, 2) == 0;
	if (is_float)
		s.zx = s.zw = s.zy = 0;
	return s;
}

static spec random_matmul(bool is_float)
{
	spec s = random_spec(is_float);
	s.matmul = true;
	s.run_time = pick(0, 2) == 0;
	s.groups = s.kh = s.kw = 1;
	s.c = pick(1, 150);
	s.o = pick(1, 150);
	s.w = pick(0, 1) ? 1 : pick(1, 40);
	return s;
}

/* --- Running ------------------------------------------------------------------------------------------ */

typedef struct family {
	const char *cpu, *attrs;
} family;

static const family families[] = {{"x86-64", ""}, {"x86-64-v3", ""}, {"x86-64-v3", "+avxvnni"},
	{"x86-64-v4", ""}, {"x86-64-v4", "+avx512vnni"}, {"native", NULL}};

static bool same(const az_tensor *a, const az_tensor *b, const char *what, const char *cpu)
{
	int64_t n = az_type_numel(a->type);
	double largest = 1e-30, worst = 0;
	for (int64_t i = 0; i < n; i++) {
		double u = az_tensor_get(a, (uint64_t)i), v = az_tensor_get(b, (uint64_t)i);
		largest = fmax(largest, fabs(u));
		worst = fmax(worst, u == v ? 0 : fabs(u - v));
	}
	bool is_float = az_elem_is_float(a->type->elem);
	if (is_float ? worst <= 1e-4 * largest : worst == 0)
		return true;
	printf("\n%s on %s: differs by %g of %g\n", what, cpu, worst, largest);
	return false;
}

static bool run_passes(az_module *m, const az_target *target, const char *text)
{
	az_arena scratch;
	az_arena_init(&scratch, &m->ctx->oom);
	az_pass_env env = {.backend = az_backend_pass,
		.backend_data = (void *)(uintptr_t)target,
		.verify_each = true};
	az_pipeline pipeline = {0};
	bool ok = az_parse_pipeline(m->ctx, &scratch, "test", text, &pipeline) &&
		  az_pipeline_run(m, &pipeline, &env);
	az_arena_free(&scratch);
	return ok;
}

static bool run_one(const az_exec_api *api, const az_module *m, const az_tensor *in, az_tensor *out)
{
	az_exec *exec = api->compile(m);
	if (!exec)
		return false;
	bool ok = api->run(exec, in, out);
	api->free(exec);
	return ok;
}

#define GUARD 192

/* An output with bytes around it that must not change. */
static az_tensor guarded(az_arena *arena, const az_type *type)
{
	size_t size = az_type_size(type);
	uint8_t *data = az_arena_alloc(arena, size + 2 * GUARD, 64);
	memset(data, 0xa5, size + 2 * GUARD);
	return (az_tensor){type, data + GUARD};
}

static bool untouched(const az_tensor *t, const char *what)
{
	size_t size = az_type_size(t->type);
	const uint8_t *data = t->data;
	bool ok = true;
	for (size_t i = 1; i <= GUARD; i++)
		ok = ok && data[-(ptrdiff_t)i] == 0xa5 && data[size + i - 1] == 0xa5;
	if (!ok)
		printf("\n%s: writes outside its result\n", what);
	return ok;
}

static void new_tensors(const az_module *m, az_arena *arena, az_tensor *in, az_tensor *out)
{
	const az_func *f = az_module_main(m);
	for (uint32_t i = 0; in && i < f->params.count; i++) {
		in[i] = az_tensor_new(arena, f->params.v[i]->type);
		fill(in[i].data, in[i].type);
	}
	out[0] = guarded(arena, f->results.v[0].use->value->type);
}

static bool compare(az_ctx *ctx, const az_module *m, const char *what)
{
	az_arena arena;
	az_arena_init(&arena, &ctx->oom);
	az_tensor in[4], expected, actual;
	new_tensors(m, &arena, in, &expected);
	bool ok = run_one(&az_eval_exec, m, in, &expected);
	for (uint32_t i = 0; ok && i < AZ_COUNT(families); i++) {
		const az_target *t = az_target_get(ctx, NULL, families[i].cpu, families[i].attrs);
		if (!t || !t->native)
			continue;
		az_module *copy = az_module_clone(m, true);
		new_tensors(m, &arena, NULL, &actual);
		ok = run_passes(copy, t, "select-kernels,pack-weights") &&
		     run_one(&az_backend_jit, copy, in, &actual) &&
		     same(&expected, &actual, what, az_dot_name(t->dot)) &&
		     untouched(&actual, what);
		if (!ok) {
			az_text text = {.arena = &arena};
			az_module_print(&text, copy);
			printf("%s\n", text.v);
		}
		az_module_free(copy);
	}
	for (const az_message *msg = ctx->diag.first; msg; msg = msg->next)
		printf("\n%s", az_message_format(&arena, ctx, msg));
	az_arena_free(&arena);
	return ok;
}

static void many(spec (*make)(bool), bool is_float, uint32_t count)
{
	const char *more = getenv("KERNEL_CASES");
	count = more ? (uint32_t)atoi(more) : count;
	for (uint32_t i = 0; i < count; i++) {
		if (!unit_takes(i))
			continue;
		seed = (uint64_t)i * 977 + (is_float ? 13 : 5) +
		       (make == random_matmul ? 1000003 : 0);
		spec s = make(is_float);
		az_ctx *ctx = az_ctx_new();
		az_module *m = build(ctx, &s);
		char what[200];
		snprintf(what, sizeof what,
			"case %u: x %lldx%lldx%lldx%lld o %lld kernel %lldx%lld groups %lld zx "
			"%lld "
			"zw %lld after %d",
			i, (long long)s.n, (long long)s.h, (long long)s.w, (long long)s.c,
			(long long)s.o, (long long)s.kh, (long long)s.kw, (long long)s.groups,
			(long long)s.zx, (long long)s.zw, (int)s.after);
		bool ok = az_module_main(m)->results.count == 1 && compare(ctx, m, what);
		CU_ASSERT_TRUE(ok);
		az_module_free(m);
		az_ctx_free(ctx);
		if (!ok) {
			printf("%s\n", what);
			return;
		}
	}
}

/* Code for a target that need not be this machine; whether it is right is seen under an emulator. */
static bool emits(az_ctx *ctx, const spec *s, const az_target_row *row)
{
	az_arena arena;
	az_arena_init(&arena, &ctx->oom);
	const az_target *t = az_target_get(ctx, row->triple, row->cpu, row->attrs);
	az_module *m = build(ctx, s);
	az_emit_options options = {.emit = AZ_EMIT_OBJ, .name = "net"};
	const void *data = NULL;
	size_t size = 0;
	bool ok = t && run_passes(m, t, "select-kernels,pack-weights,plan-memory") &&
		  az_backend_emit(m, t, &options, &arena, &data, &size) && size > 0;
	for (const az_message *msg = ctx->diag.first; msg; msg = msg->next)
		printf("\n%s: %s", row->name, az_message_format(&arena, ctx, msg));
	az_module_free(m);
	az_arena_free(&arena);
	return ok;
}

static void every_target(void)
{
	az_target_row row;
	for (uint32_t i = 0; az_target_row_get(i, &row); i++)
		for (uint32_t k = 0; k < 8; k++) {
			if (!unit_takes(i + k))
				continue;
			seed = k * 31 + 7;
			spec s = k < 6 ? random_spec(k % 2) : random_matmul(k % 2);
			az_ctx *ctx = az_ctx_new();
			CU_ASSERT_TRUE(emits(ctx, &s, &row));
			az_ctx_free(ctx);
		}
}

static void int_convolutions(void)
{
	many(random_spec, false, 40);
}

static void float_convolutions(void)
{
	many(random_spec, true, 20);
}

static void int_products(void)
{
	many(random_matmul, false, 15);
}

static void float_products(void)
{
	many(random_matmul, true, 15);
}

void test_kernels(void)
{
	unit_suite("kernels",
		AZ_CASES({"integer convolutions", int_convolutions},
			{"float convolutions", float_convolutions},
			{"integer products", int_products}, {"float products", float_products},
			{"every target", every_target}));
}
