/* SPDX-License-Identifier: Apache-2.0
 *
 * How near the kernels come to what this machine's multiply-accumulate instruction can do. Each layer is
 * compiled for this machine and timed as the difference between a network of several copies and of one,
 * so that what surrounds it cancels; the peak is a loop of independent dot products (or fused
 * multiply-adds) timed in between. Then the layers that say what few bits are worth, at every width of weights
 * and activations that has a row, with the ratio to 8 bits of the same run, and packed weights times floats with
 * the ratio to floats. Usage:
 * bench_kernels [part of a layer's name [CPU [features]]] */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backend/backend.h"
#include "ir/tensor.h"
#include "passes/pass.h"

#define COPIES    5
#define TEXT_SIZE 80

typedef struct layer {
	const char *name;
	int64_t size, c, o, kernel, stride, groups; /* size: of the output, square; 0: a vector */
} layer;

static const layer layers[] = {
	{"3x3 64-64 @56", 56, 64, 64, 3, 1, 1},
	{"3x3 s2 128-128 @28", 28, 128, 128, 3, 2, 1},
	{"3x3 256-256 @14", 14, 256, 256, 3, 1, 1},
	{"3x3 512-512 @7", 7, 512, 512, 3, 1, 1},
	{"3x3 16-16 @32", 32, 16, 16, 3, 1, 1},
	{"3x3 32-32 @16", 16, 32, 32, 3, 1, 1},
	{"3x3 64-64 @8", 8, 64, 64, 3, 1, 1},
	{"3x3 s2 3-32 @112", 112, 3, 32, 3, 2, 1},
	{"1x1 32-64 @112", 112, 32, 64, 1, 1, 1},
	{"1x1 64-128 @56", 56, 64, 128, 1, 1, 1},
	{"1x1 128-128 @56", 56, 128, 128, 1, 1, 1},
	{"1x1 256-256 @28", 28, 256, 256, 1, 1, 1},
	{"1x1 512-512 @14", 14, 512, 512, 1, 1, 1},
	{"1x1 1024-1024 @7", 7, 1024, 1024, 1, 1, 1},
	{"1x1 96-24 @56", 56, 96, 24, 1, 1, 1},
	{"1x1 24-144 @56", 56, 24, 144, 1, 1, 1},
	{"dense 1024-1000", 0, 1024, 1000, 1, 1, 1},
	{"dense 640-128", 0, 640, 128, 1, 1, 1},
	{"depthwise 3x3 32 @112", 112, 32, 32, 3, 1, 32},
	{"depthwise 3x3 s2 64 @56", 56, 64, 64, 3, 2, 64},
	{"depthwise 3x3 128 @56", 56, 128, 128, 3, 1, 128},
	{"depthwise 3x3 512 @14", 14, 512, 512, 3, 1, 512},
	{"depthwise 3x3 1024 @7", 7, 1024, 1024, 3, 1, 1024},
};

/* Measured at every precision: a convolution, and one row against weights that no cache holds. */
static const layer narrow_layers[] = {
	{"bits 3x3 64-64 @56", 56, 64, 64, 3, 1, 1},
	{"bits 1x1 256-256 @28", 28, 256, 256, 1, 1, 1},
	{"bits dense 16384-8192", 0, 16384, 8192, 1, 1, 1},
};

/* Packed weights times floats, against floats. */
static const layer wide_layers[] = {
	{"wide 3x3 64-64 @56", 56, 64, 64, 3, 1, 1},
	{"wide dense 8192-8192", 0, 8192, 8192, 1, 1, 1},
};

/* Elements of weights and activations; inputs that share a scale, 0: all of an output. */
typedef struct precision {
	const char *name;
	az_elem w, x;
	int64_t group;
} precision;

#define INT(b)  {AZ_KIND_INT, (b)}
#define UINT(b) {AZ_KIND_UINT, (b)}
#define BIPOLAR {AZ_KIND_BIPOLAR, 1}
#define REAL    {AZ_KIND_FLOAT, 32}
static const precision float_precision = {"f32", REAL, REAL, 0};
static const precision wide_precisions[] = {
	{"f32", REAL, REAL, 0},
	{"w8", INT(8), REAL, 0},
	{"w4", INT(4), REAL, 0},
	{"w4/32", INT(4), REAL, 32},
	{"w3", INT(3), REAL, 0},
	{"w2", INT(2), REAL, 0},
	{"w1", BIPOLAR, REAL, 0},
};
/* The first is what the others are held against. */
static const precision precisions[] = {
	{"int8", INT(8), UINT(8), 0},
	{"w7 a8", INT(7), UINT(8), 0},
	{"w6 a8", INT(6), UINT(8), 0},
	{"w5 a8", INT(5), UINT(8), 0},
	{"w4 a8", INT(4), UINT(8), 0},
	{"w3 a8", INT(3), UINT(8), 0},
	{"w2 a8", INT(2), UINT(8), 0},
	{"w1 a8", BIPOLAR, UINT(8), 0},
	{"w1 a4", BIPOLAR, UINT(4), 0},
	{"w4 a1", INT(4), UINT(1), 0},
	{"w2 a2", INT(2), UINT(2), 0},
	{"w1 a2", BIPOLAR, UINT(2), 0},
	{"w1 a1", BIPOLAR, BIPOLAR, 0},
};

/* Processor time: what else runs on the machine does not count. */
static double now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- The peak --------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define TWELVE(a, b, r)                                                                            \
	a r "0" b a r "1" b a r "2" b a r "3" b a r "4" b a r "5" b a r "6" b a r "7" b a r        \
	    "8" b a r "9" b a r "10" b a r "11" b
#define LOOP(instruction, r)                                                                       \
	__asm__ volatile("1:\n" TWELVE(instruction " %%" r "13, %%" r "12, %%", "\n",              \
		r) "dec %0\n"                                                                      \
		   "jnz 1b"                                                                        \
		: "+r"(n)::"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
		"xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "cc")

static void burn(const az_target *t, bool is_float, long n)
{
	if (is_float && t->vector_bytes == 64)
		LOOP("vfmadd231ps", "zmm");
	else if (is_float && t->has_fma)
		LOOP("vfmadd231ps", "ymm");
	else if (is_float)
		LOOP("vmulps", "xmm");
	else if (t->dot == AZ_DOT_VNNI512)
		LOOP("vpdpbusd", "zmm");
	else if (t->dot == AZ_DOT_VNNI256)
		LOOP("%{vex%} vpdpbusd", "ymm");
	else if (t->dot == AZ_DOT_AVX512BW)
		LOOP("vpmaddwd", "zmm");
	else
		LOOP("vpmaddwd", "ymm");
}

static double macs_per_instruction(const az_target *t, bool is_float)
{
	if (is_float)
		return t->vector_bytes == 64 ? 16 : t->has_fma ? 8 : 2;
	switch (t->dot) {
	case AZ_DOT_VNNI512:
		return 64;
	case AZ_DOT_VNNI256:
	case AZ_DOT_AVX512BW:
		return 32;
	default:
		return 16;
	}
}

/* Multiply-accumulates a second. */
static double peak(const az_target *t, bool is_float)
{
	double best = 1e9;
	for (int i = 0; i < 40; i++) {
		double start = now();
		burn(t, is_float, 20000);
		best = fmin(best, now() - start);
	}
	return 20000.0 * 12 * macs_per_instruction(t, is_float) / best;
}
#else
static double peak(const az_target *t, bool is_float)
{
	(void)t;
	(void)is_float;
	return 0;
}
#endif

/* --- The layers ------------------------------------------------------------------------------------- */

/* Any of the type, in turn. */
static double number(az_elem elem, int64_t i)
{
	if (elem.kind == AZ_KIND_BIPOLAR)
		return i * 7 % 11 < 5 ? -1 : 1;
	int64_t lo = AZ_MAX(az_elem_min(elem), -125), hi = AZ_MIN(az_elem_max(elem), 125);
	return (double)(lo + i % (hi - lo + 1));
}

static az_value *constant(az_module *m, az_elem elem, uint32_t rank, const int64_t *dim)
{
	const az_type *type = az_type_get(m->ctx, elem, rank, dim);
	az_tensor t = az_tensor_new(&m->arena, type);
	int64_t n = az_type_numel(type);
	for (int64_t i = 0; i < n; i++)
		az_tensor_set(&t, (uint64_t)i,
			az_elem_is_float(elem) ? 0.001 * (double)(i % 97) : number(elem, i));
	return &az_const_new(m, "k", type, t.data, false)->value;
}

static bool is_float(const precision *p)
{
	return az_elem_is_float(p->x);
}

/* Stored weights as floats where the activations are. */
static az_value *weights(az_builder *at, const layer *l, const precision *p, uint32_t rank,
	const int64_t *dim)
{
	az_module *m = at->func->module;
	az_value *w = constant(m, p->w, rank, dim);
	if (!is_float(p) || az_elem_is_float(p->w))
		return w;
	az_attrs attrs;
	az_attrs_init(AZ_OP_dequantize, &attrs);
	int64_t scales[4] = {dim[0], dim[1], rank > 2 ? dim[2] : 0, rank > 2 ? dim[3] : 0};
	bool grouped = p->group > 0;
	attrs.dequantize.group = p->group;
	attrs.dequantize.axis = rank == 2 ? !grouped : grouped ? 3 : 0;
	if (grouped)
		scales[attrs.dequantize.axis] /= p->group;
	else
		scales[0] = l->o;
	az_value *args[2] = {w, constant(m, AZ_F32, grouped ? rank : 1, scales)};
	return az_build(at, AZ_OP_dequantize, 2, args, &attrs, AZ_F32);
}

static az_value *contraction(az_builder *at, const layer *l, const precision *p, az_value *x)
{
	az_module *m = at->func->module;
	az_attrs attrs;
	az_elem acc = is_float(p) ? AZ_F32 : AZ_I32;
	int64_t shape[4] = {l->o, l->kernel, l->kernel, l->c / l->groups};
	int64_t dense[2] = {l->c, l->o}, stride[2] = {l->stride, l->stride};
	az_value *args[3] = {x, NULL, constant(m, acc, 1, &l->o)};
	if (l->size == 0) {
		args[1] = weights(at, l, p, 2, dense);
		return az_build(at, AZ_OP_matmul, 3, args, NULL, acc);
	}
	az_attrs_init(AZ_OP_conv, &attrs);
	attrs.conv.stride = az_ints_copy(m, 2, stride);
	attrs.conv.groups = l->groups;
	args[1] = weights(at, l, p, 4, shape);
	return az_build(at, AZ_OP_conv, 3, args, &attrs, acc);
}

/* `copies` times the layer on one input that holds its border already. */
static az_module *network(az_ctx *ctx, const layer *l, const precision *p, uint32_t copies)
{
	az_module *m = az_module_new(ctx, "layer");
	m->stage = AZ_STAGE_FOLDED;
	m->fast_math = is_float(p);
	az_func *f = az_func_new(m, "main");
	az_builder at = {f, NULL, AZ_LOC_NONE};
	int64_t side = (l->size - 1) * l->stride + l->kernel, dim[4] = {1, side, side, l->c};
	if (l->size == 0)
		dim[1] = l->c;
	const az_type *type = az_type_get(ctx, p->x, l->size ? 4 : 2, dim);
	az_value *x = az_func_add_param(f, "x", type);
	for (uint32_t i = 0; i < copies; i++) {
		az_value *y = contraction(&at, l, p, x);
		if (y && !is_float(p)) {
			float *scale = az_new_array(&m->arena, float, (size_t)l->o);
			for (int64_t k = 0; k < l->o; k++)
				scale[k] = 1e-4f;
			az_value *args[2] = {y, &az_const_f32(m, "s", 1, &l->o, scale)->value};
			y = az_build(&at, AZ_OP_requantize, 2, args, NULL, AZ_U8);
		} else if (y) {
			y = az_build(&at, AZ_OP_relu, 1, &y, NULL, AZ_ELEM_NONE);
		}
		if (!y)
			return NULL;
		az_func_add_result(f, "y", y);
	}
	return m;
}

static bool place(az_module *m, const az_target *target)
{
	az_arena scratch;
	az_arena_init(&scratch, &m->ctx->oom);
	az_pass_env env = {.backend = az_backend_pass, .backend_data = (void *)(uintptr_t)target};
	az_pipeline steps = {0};
	bool ok = az_parse_pipeline(m->ctx, &scratch, "bench",
			  "widen-activations,select-kernels,pack-weights,plan-memory", &steps) &&
		  az_pipeline_run(m, &steps, &env);
	az_arena_free(&scratch);
	return ok;
}

/* What select-kernels chose. */
static void describe(const az_module *m, char *out, size_t size)
{
	const az_op *op = az_module_main(m)->last;
	if (!op || op->code != AZ_OP_call)
		return;
	int n = snprintf(out, size, "%s", op->attr.call.kernel);
	for (uint32_t i = 0; i < op->attr.call.tile.count && (size_t)n < size; i++)
		n += snprintf(out + n, size - (size_t)n, " %lld",
			(long long)op->attr.call.tile.v[i]);
}

/* Seconds of the fastest run; negative after a failure. */
static double seconds(az_ctx *ctx, const az_target *target, const layer *l, const precision *p,
	uint32_t copies, char *text)
{
	double best = -1;
	az_arena arena;
	az_arena_init(&arena, &ctx->oom);
	az_module *m = network(ctx, l, p, copies);
	az_exec *exec = m && place(m, target) ? az_backend_jit.compile(m) : NULL;
	if (exec) {
		describe(m, text, TEXT_SIZE);
		const az_func *f = az_module_main(m);
		az_tensor in = az_tensor_new(&arena, f->params.v[0]->type), out[COPIES];
		for (uint32_t i = 0; i < copies; i++)
			out[i] = az_tensor_new(&arena, f->results.v[i].use->value->type);
		double start = now();
		for (int i = 0; i < 2000 && (i < 5 || now() - start < 0.15); i++) {
			double before = now();
			if (!az_backend_jit.run(exec, &in, out))
				break;
			double took = now() - before;
			best = best < 0 || took < best ? took : best;
		}
		az_backend_jit.free(exec);
	}
	if (m)
		az_module_free(m);
	az_arena_free(&arena);
	return best;
}

/* Seconds of one layer; negative after a failure. */
static double measure(az_ctx *ctx, const az_target *target, const layer *l, const precision *p,
	char *text)
{
	/* What is large needs no correction for what surrounds it, and no copies in memory. */
	bool large = l->size == 0 && l->c * l->o > 1 << 24;
	double one = large ? 0 : seconds(ctx, target, l, p, 1, text);
	double all = seconds(ctx, target, l, p, large ? 1 : COPIES, text);
	if (one < 0 || all < 0) {
		for (const az_message *msg = ctx->diag.first; msg; msg = msg->next)
			fprintf(stderr, "%s", az_message_format(&ctx->arena, ctx, msg));
		return -1;
	}
	return large ? all : (all - one) / (COPIES - 1);
}

static double macs_of(const layer *l)
{
	double pixels = l->size ? (double)(l->size * l->size) : 1;
	return pixels * (double)(l->o * l->c / l->groups * l->kernel * l->kernel);
}

static void print_line(const layer *l, const precision *p, double each)
{
	printf("%-26s %-5s %9.1f us %8.1f GMAC/s", l->name, p->name, each * 1e6,
		macs_of(l) / each * 1e-9);
}

static bool bench(az_ctx *ctx, const az_target *target, const layer *l, const precision *p)
{
	double top = peak(target, is_float(p));
	char text[TEXT_SIZE] = "";
	double each = measure(ctx, target, l, p, text);
	if (each < 0)
		return false;
	top = fmax(top, peak(target, is_float(p)));
	print_line(l, p, each);
	if (top > 0)
		printf(" %6.1f %% of %.0f", 100 * macs_of(l) / each / top, top * 1e-9);
	printf("  %s\n", text);
	fflush(stdout);
	return true;
}

/* Each with the ratio to the first. */
static bool bench_precisions(az_ctx *ctx, const az_target *target, const layer *l,
	const precision *list, size_t count)
{
	double first = 0;
	for (size_t i = 0; i < count; i++) {
		char text[TEXT_SIZE] = "";
		double each = measure(ctx, target, l, &list[i], text);
		if (each < 0)
			return false;
		first = i == 0 ? each : first;
		print_line(l, &list[i], each);
		printf(" %5.2f x  %s\n", first / each, text);
		fflush(stdout);
	}
	return true;
}

int main(int argc, char **argv)
{
	az_ctx *ctx = az_ctx_new();
	const char *cpu = argc > 2 ? argv[2] : NULL;
	const az_target *target =
		ctx ? az_target_get(ctx, NULL, cpu, argc > 3 ? argv[3] : NULL) : NULL;
	if (!target)
		return 1;
	printf("%s, %s\n", target->cpu, az_dot_name(target->dot));
	bool ok = true;
	for (int f = 0; f < 2; f++)
		for (size_t i = 0; ok && i < AZ_COUNT(layers); i++)
			if (argc < 2 || strstr(layers[i].name, argv[1]))
				ok = bench(ctx, target, &layers[i],
					f ? &float_precision : precisions);
	for (size_t i = 0; ok && i < AZ_COUNT(narrow_layers); i++)
		if (argc < 2 || strstr(narrow_layers[i].name, argv[1]))
			ok = bench_precisions(ctx, target, &narrow_layers[i], precisions,
				AZ_COUNT(precisions));
	for (size_t i = 0; ok && i < AZ_COUNT(wide_layers); i++)
		if (argc < 2 || strstr(wide_layers[i].name, argv[1]))
			ok = bench_precisions(ctx, target, &wide_layers[i], wide_precisions,
				AZ_COUNT(wide_precisions));
	az_ctx_free(ctx);
	return ok ? 0 : 1;
}
