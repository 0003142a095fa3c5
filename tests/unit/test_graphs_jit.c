/* SPDX-License-Identifier: Apache-2.0
 *
 * Random networks with random widths: convolutions of all kinds, pools, sums of values of different widths,
 * concatenations, products, functions by table, one to three images, odd channel counts. A recipe gives each layer
 * its own width; calibrate, insert-quantizers and fold-quantizers make the integer network, and what it computes
 * is the same in the interpreter and in the code of the x86-64 families that this machine runs, in turns, with
 * activations as bytes and packed.
 * AZ_LONG: many more. AZ_CASE=N: only that one, with its text; AZ_WRITE=FOLDER: and its files, net.adz, x.npy and
 * for each result what the interpreter gives, wanted0.npy, ..., for other targets (tests/kernels/run_graphs.sh). */
#include "tests/unit/jit_kit.h"

#include "base/file.h"
#include "data/data.h"
#include "grammar/parse.h"
#include "grammar/recipe.h"

#define LIVE_MAX 24
#define SAMPLES  4

typedef struct graph {
	net n;
	az_value *live[LIVE_MAX];
	uint32_t count, layers;
	bool eights; /* convolutions make 8, 16 or 24 channels */
	az_text recipe;
} graph;

static az_value *constant(graph *g, uint32_t rank, const int64_t *dim, double range)
{
	const az_type *type = az_type_get(g->n.ctx, AZ_F32, rank, dim);
	az_tensor t = az_tensor_new(&g->n.module->arena, type);
	for (int64_t i = 0; i < az_type_numel(type); i++)
		az_tensor_set(&t, (uint64_t)i, (double)pick(-1000, 1000) / 1000.0 * range);
	return &az_const_new(g->n.module, "w", type, t.data, false)->value;
}

static az_value *one(graph *g, az_opcode code, az_value *x, const az_attrs *attrs)
{
	return x ? make(&g->n, code, 1, &x, attrs, AZ_ELEM_NONE) : NULL;
}

static void clamp(graph *g, az_reals *out)
{
	static const float bounds[3][2] = {{0, INFINITY}, {0, 6}, {-1, 1}};
	int64_t which = pick(0, 4);
	if (which > 2)
		return;
	float *v = az_new_array(&g->n.module->arena, float, 2);
	memcpy(v, bounds[which], sizeof bounds[which]);
	*out = (az_reals){2, v};
}

static const char *integer(graph *g, const char *words, int64_t widest)
{
	char kind = words[pick(0, (int64_t)strlen(words) - 1)];
	int64_t bits = pick(kind == 'i' ? 2 : 1, widest);
	return az_arena_printf(&g->n.ctx->arena, "%c%d", kind, (int)bits);
}

/* What a recipe may say of weights. */
static const char *weight_rule(graph *g)
{
	static const char *const grids[] = {"odd", "power-of-two", "codebook"};
	az_arena *arena = &g->n.ctx->arena;
	const char *per = "", *grid = "";
	switch (pick(0, 15)) {
	case 0:
		return "float";
	case 1:
		return "bipolar";
	case 2:
		return "ternary";
	default:
		break;
	}
	int64_t way = pick(0, 7);
	if (way == 0)
		per = " per tensor";
	else if (way == 1)
		per = az_arena_printf(arena, " per group(%d)", (int)pick(1, 12));
	else if (way == 2)
		grid = az_arena_printf(arena, " grid %s", grids[pick(0, 2)]);
	return az_arena_printf(arena, "%s%s%s", integer(g, "iiu", 8), per, grid);
}

static const char *act_rule(graph *g)
{
	switch (pick(0, 15)) {
	case 0:
		return "float";
	case 1:
		return "bipolar";
	case 2:
		return "i16";
	case 3:
		return "u16";
	default:
		return integer(g, "iuuu", 8);
	}
}

/* A layer with weights gets a name, and mostly a rule of its own. */
static az_value *layer(graph *g, az_value *y)
{
	if (!y)
		return NULL;
	const char *name = az_arena_printf(&g->n.ctx->arena, "layer%u.", g->layers++);
	az_value_rename(y, az_name_of(g->n.ctx, name));
	const char *w = weight_rule(g), *x = act_rule(g);
	if (pick(0, 7))
		az_text_add(&g->recipe, "match name \"%s\" { weight = %s, act = %s }\n", name, w,
			x);
	return y;
}

/* --- Operations --------------------------------------------------------------------------------------- */

static az_value *convolve(graph *g, az_value *x, int64_t out, bool same)
{
	int64_t in = x->type->dim[3], kernel[2], stride[2], pad[4], dilation[2], groups = 1;
	int64_t way = same ? 3 : pick(0, 5);
	if (way == 0) { /* depthwise, sometimes with two outputs a channel */
		groups = in;
		out = in * pick(1, pick(0, 3) ? 1 : 2);
	} else if (way == 1 && in % 2 == 0) {
		groups = 2;
		out += out % 2;
	}
	for (uint32_t i = 0; i < 2; i++) {
		int64_t length = x->type->dim[1 + i];
		kernel[i] = way == 3 ? 1 : pick(1, 3);
		stride[i] = same ? 1 : pick(1, 2);
		dilation[i] = pick(0, 4) ? 1 : 2;
		int64_t span = (kernel[i] - 1) * dilation[i] + 1;
		pad[2 * i] = pad[2 * i + 1] = pick(0, 2) ? span / 2 : 0;
		if (length + 2 * pad[2 * i] < span)
			pad[2 * i] = pad[2 * i + 1] = span / 2;
	}
	int64_t shape[4] = {out, kernel[0], kernel[1], in / groups};
	double range = 2 / sqrt((double)(kernel[0] * kernel[1] * shape[3]));
	az_value *args[3] = {x, constant(g, 4, shape, range), NULL};
	uint32_t count = 2 + (pick(0, 4) > 0);
	if (count == 3)
		args[2] = constant(g, 1, &out, 0.5);
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv, &attrs);
	attrs.conv.stride = ints(&g->n, 2, stride);
	attrs.conv.pad = ints(&g->n, 4, pad);
	attrs.conv.dilation = ints(&g->n, 2, dilation);
	attrs.conv.groups = groups;
	clamp(g, &attrs.conv.clamp);
	return layer(g, make(&g->n, AZ_OP_conv, count, args, &attrs, AZ_ELEM_NONE));
}

static az_value *transposed(graph *g, az_value *x)
{
	int64_t out = pick(1, 9), kernel = pick(1, 3), stride[2] = {2, 2}, in = x->type->dim[3];
	int64_t shape[4] = {out, kernel, kernel, in};
	az_value *args[3] = {x, constant(g, 4, shape, 2 / sqrt((double)(in * kernel))),
		constant(g, 1, &out, 0.5)};
	az_attrs attrs;
	az_attrs_init(AZ_OP_conv_transpose, &attrs);
	attrs.conv_transpose.stride = ints(&g->n, 2, stride);
	return layer(g, make(&g->n, AZ_OP_conv_transpose, 2 + (pick(0, 1) > 0), args, &attrs,
				AZ_ELEM_NONE));
}

static az_value *pool(graph *g, az_value *x)
{
	az_opcode code = pick(0, 1) ? AZ_OP_max_pool : AZ_OP_avg_pool;
	int64_t window[2], stride[2], pad[4];
	for (uint32_t i = 0; i < 2; i++) {
		window[i] = AZ_MIN(2 + (int64_t)(seed >> 40 & 1), x->type->dim[1 + i]);
		stride[i] = pick(1, 2);
		pad[2 * i] = pad[2 * i + 1] = window[i] > 1 ? pick(0, 1) : 0;
	}
	az_attrs attrs;
	az_attrs_init(code, &attrs);
	attrs.max_pool.window = ints(&g->n, 2, window);
	attrs.max_pool.stride = ints(&g->n, 2, stride);
	attrs.max_pool.pad = ints(&g->n, 4, pad);
	return one(g, code, x, &attrs);
}

static bool alike(const az_value *a, const az_value *b, uint32_t dims)
{
	for (uint32_t i = 0; i < dims; i++)
		if (a->type->dim[i] != b->type->dim[i])
			return false;
	return true;
}

/* x with another value of as many pixels: added, multiplied or one behind the other. */
static az_value *join(graph *g, az_value *x)
{
	az_value *others[LIVE_MAX];
	uint32_t count = 0;
	for (uint32_t i = 0; i < g->count; i++)
		if (g->live[i] != x && alike(x, g->live[i], 3))
			others[count++] = g->live[i];
	az_value *y =
		count ? others[pick(0, (int64_t)count - 1)] : convolve(g, x, x->type->dim[3], true);
	az_attrs attrs;
	az_value *args[2] = {x, y};
	if (!y)
		return NULL;
	if (pick(0, 2) == 0) {
		az_attrs_init(AZ_OP_concat, &attrs);
		attrs.concat.axis = 3;
		return make(&g->n, AZ_OP_concat, 2, args, &attrs, AZ_ELEM_NONE);
	}
	if (!alike(x, y, 4))
		args[1] = convolve(g, y, x->type->dim[3], true);
	az_opcode code = pick(0, 4) ? AZ_OP_add : AZ_OP_mul;
	az_attrs_init(code, &attrs);
	if (code == AZ_OP_add)
		clamp(g, &attrs.add.clamp);
	return args[1] ? make(&g->n, code, 2, args, &attrs, AZ_ELEM_NONE) : NULL;
}

static az_value *enlarge(graph *g, az_value *x)
{
	int64_t size[4];
	az_attrs attrs;
	az_attrs_init(AZ_OP_resize, &attrs);
	memcpy(size, x->type->dim, sizeof size);
	size[1] = AZ_MIN(2 * size[1], 12);
	size[2] = AZ_MIN(2 * size[2], 12);
	attrs.resize.size = ints(&g->n, 4, size);
	return one(g, AZ_OP_resize, x, &attrs);
}

/* A border of rows and columns, or channels more. */
static az_value *border(graph *g, az_value *x)
{
	int64_t pad[8] = {0};
	az_attrs attrs;
	az_attrs_init(AZ_OP_pad, &attrs);
	if (pick(0, 1))
		pad[6] = 8 * pick(0, 1), pad[7] = pick(0, 1) ? 8 : pick(0, 3);
	else
		for (uint32_t i = 2; i < 6; i++)
			pad[i] = pick(0, 1);
	attrs.pad.pad = ints(&g->n, 8, pad);
	return one(g, AZ_OP_pad, x, &attrs);
}

static az_value *part(graph *g, az_value *x)
{
	int64_t size[4], begin[4] = {0}, step[4] = {1, 1, 1, 1};
	az_attrs attrs;
	az_attrs_init(AZ_OP_slice, &attrs);
	memcpy(size, x->type->dim, sizeof size);
	bool channels = pick(0, 1);
	for (uint32_t i = 1; i < (channels ? 4 : 3); i++) {
		step[i] = i < 3 ? pick(1, 2) : 1;
		int64_t most = (size[i] + step[i] - 1) / step[i];
		size[i] = pick((most + 1) / 2, most);
		begin[i] = pick(0, x->type->dim[i] - (size[i] - 1) * step[i] - 1);
	}
	attrs.slice.begin = ints(&g->n, 4, begin);
	attrs.slice.size = ints(&g->n, 4, size);
	attrs.slice.step = ints(&g->n, 4, step);
	return one(g, AZ_OP_slice, x, &attrs);
}

/* Two pieces of the channels; the first is seen later as well. */
static az_value *pieces(graph *g, az_value *x)
{
	int64_t channels = x->type->dim[3], sizes[2];
	if (channels < 2 || g->count == LIVE_MAX)
		return part(g, x);
	sizes[0] = channels % 16 == 0 ? 8 : pick(1, channels - 1);
	sizes[1] = channels - sizes[0];
	az_attrs attrs;
	az_attrs_init(AZ_OP_split, &attrs);
	attrs.split.axis = 3;
	attrs.split.sizes = ints(&g->n, 2, sizes);
	az_op *op = az_op_new(&g->n.at, AZ_OP_split, 1, &x, &attrs, AZ_ELEM_NONE);
	if (!op)
		return NULL;
	g->live[g->count++] = op->results[0];
	return op->results[1];
}

static az_value *move(graph *g, az_value *x)
{
	switch (pick(0, 3)) {
	case 0:
		return enlarge(g, x);
	case 1:
		return border(g, x);
	case 2:
		return pieces(g, x);
	default:
		return part(g, x);
	}
}

static az_value *function(graph *g, az_value *x)
{
	static const az_opcode codes[] = {
		AZ_OP_tanh, AZ_OP_sigmoid, AZ_OP_abs, AZ_OP_neg, AZ_OP_exp};
	return one(g, codes[pick(0, (int64_t)AZ_COUNT(codes) - 1)], x, NULL);
}

/* Each pixel times a matrix: of a picture, or of as many rows as it has pixels. */
static az_value *product(graph *g, az_value *x)
{
	const int64_t *dim = x->type->dim;
	int64_t out = g->eights ? 8 * pick(1, 3) : pick(1, 9), shape[2] = {dim[3], out};
	int64_t tokens[3] = {dim[0], dim[1] * dim[2], dim[3]};
	int64_t picture[4] = {dim[0], dim[1], dim[2], out};
	bool flat = pick(0, 1);
	az_attrs attrs;
	az_attrs_init(AZ_OP_reshape, &attrs);
	if (flat) {
		attrs.reshape.shape = ints(&g->n, 3, tokens);
		x = one(g, AZ_OP_reshape, x, &attrs);
	}
	az_value *args[3] = {
		x, constant(g, 2, shape, 2 / sqrt((double)shape[0])), constant(g, 1, &out, 0.5)};
	az_attrs none;
	az_attrs_init(AZ_OP_matmul, &none);
	uint32_t count = 2 + (pick(0, 1) > 0);
	x = x ? layer(g, make(&g->n, AZ_OP_matmul, count, args, &none, AZ_ELEM_NONE)) : NULL;
	attrs.reshape.shape = ints(&g->n, 4, picture);
	return flat && x ? one(g, AZ_OP_reshape, x, &attrs) : x;
}

/* A mean over the pixels or all of them in one row, a product, sometimes a softmax. */
static az_value *head(graph *g, az_value *x)
{
	int64_t n = x->type->dim[0], axes[2] = {1, 2}, row[2] = {n, az_type_numel(x->type) / n};
	az_attrs attrs;
	if (pick(0, 1)) {
		az_attrs_init(AZ_OP_reduce, &attrs);
		attrs.reduce.kind = AZ_reduction_mean;
		attrs.reduce.axes = ints(&g->n, 2, axes);
		attrs.reduce.drop = true;
		x = one(g, AZ_OP_reduce, x, &attrs);
	} else {
		az_attrs_init(AZ_OP_reshape, &attrs);
		attrs.reshape.shape = ints(&g->n, 2, row);
		x = one(g, AZ_OP_reshape, x, &attrs);
	}
	if (!x)
		return NULL;
	int64_t shape[2] = {x->type->dim[1], pick(1, 19)};
	az_value *args[3] = {x, constant(g, 2, shape, 2 / sqrt((double)shape[0])),
		constant(g, 1, &shape[1], 0.5)};
	az_attrs_init(AZ_OP_matmul, &attrs);
	x = layer(g, make(&g->n, AZ_OP_matmul, 2 + (pick(0, 1) > 0), args, &attrs, AZ_ELEM_NONE));
	az_attrs_init(AZ_OP_softmax, &attrs);
	return pick(0, 3) ? x : one(g, AZ_OP_softmax, x, &attrs);
}

/* --- Networks ------------------------------------------------------------------------------------------- */

static az_value *step(graph *g, az_value *x)
{
	switch (g->count == 1 && pick(0, 1) ? 15 : pick(0, 15)) {
	case 0:
	case 1:
		return pool(g, x);
	case 2:
	case 3:
	case 4:
		return join(g, x);
	case 5:
		return x->type->dim[1] * x->type->dim[2] < 40 ? transposed(g, x) : pool(g, x);
	case 6:
	case 7:
	case 8:
		return move(g, x);
	case 9:
		return function(g, x);
	case 10:
	case 11:
		return product(g, x);
	default:
		return convolve(g, x, g->eights ? 8 * pick(1, 3) : pick(1, pick(0, 2) ? 9 : 40),
			false);
	}
}

/* The network's input: as layers read it, or plane by plane, perhaps shifted. */
static az_value *first(graph *g)
{
	int64_t dim[4] = {pick(1, 3), pick(1, 9), pick(1, 9), pick(1, 9)};
	static const int64_t planes_last[4] = {0, 2, 3, 1};
	if (pick(0, 5) == 0)
		dim[1] = dim[2] = 1;
	bool planes = pick(0, 1);
	if (planes)
		dim[1] = pick(1, 4);
	const az_type *type = az_type_get(g->n.ctx, AZ_F32, 4, dim);
	az_value *x = az_func_add_param(g->n.at.func, "x", type);
	az_attrs attrs;
	if (planes) {
		az_attrs_init(AZ_OP_transpose, &attrs);
		attrs.transpose.perm = ints(&g->n, 4, planes_last);
		x = one(g, AZ_OP_transpose, x, &attrs);
	}
	if (x && pick(0, 2) == 0) {
		az_value *args[2] = {x, constant(g, 0, NULL, 1)};
		az_attrs_init(AZ_OP_add, &attrs);
		x = make(&g->n, AZ_OP_add, 2, args, &attrs, AZ_ELEM_NONE);
	}
	return x;
}

static bool build(graph *g)
{
	az_func *f = g->n.at.func;
	az_value *x = first(g);
	if (!x)
		return false;
	g->live[g->count++] = x;
	g->eights = pick(0, 1);
	for (int64_t left = pick(2, 8); left > 0; left--) {
		uint32_t from = pick(0, 2) ? g->count - 1 : (uint32_t)pick(0, g->count - 1);
		az_value *y = step(g, g->live[from]);
		if (!y)
			return false;
		if (az_type_numel(y->type) <= 6000 && g->count < LIVE_MAX)
			g->live[g->count++] = y;
	}
	az_value *last = convolve(g, g->live[g->count - 1], pick(1, 9), false);
	if (last && pick(0, 1))
		last = head(g, last);
	if (!last)
		return false;
	az_func_add_result(f, "y", last);
	/* A value in the middle is seen from outside as well. */
	if (g->count > 2 && pick(0, 3) == 0)
		az_func_add_result(f, "z", g->live[g->count - 2]);
	return true;
}

static void fill(az_tensor *x, uint64_t which)
{
	uint64_t kept = seed;
	seed = which * 977 + 5;
	for (int64_t i = 0; i < az_type_numel(x->type); i++)
		az_tensor_set(x, (uint64_t)i, (double)pick(-1000, 1000) / 500.0);
	seed = kept;
}

static bool sample(void *data, uint64_t i, az_tensor *inputs)
{
	(void)data;
	fill(&inputs[0], i);
	return true;
}

static bool quantize(graph *g)
{
	static const az_stream samples = {.count = SAMPLES, .get = sample};
	az_ctx *ctx = g->n.ctx;
	az_recipe recipe = {0};
	const char *text = az_arena_printf(&ctx->arena,
		"dead-code,calibrate,insert-quantizers{weights=%d,acts=%d},fold-quantizers",
		(int)pick(2, 8), (int)pick(2, 8));
	az_pass_env env = {
		.exec = &az_eval_exec, .calib = &samples, .recipe = &recipe, .verify_each = true};
	az_pipeline pipeline;
	return az_parse_recipe(ctx, &ctx->arena, "net.recipe", g->recipe.v, g->recipe.count,
		       &recipe) &&
	       az_parse_pipeline(ctx, &ctx->arena, "pipeline", text, &pipeline) &&
	       az_pipeline_run(g->n.module, &pipeline, &env);
}

static bool write_files(graph *g, const char *folder, const az_tensor *x, const az_tensor *results)
{
	az_ctx *ctx = g->n.ctx;
	bool ok = az_module_write(g->n.module, az_path_join(&ctx->arena, folder, "net.adz"),
			  az_path_join(&ctx->arena, folder, "net.adz.blobs")) &&
		  az_npy_write(ctx, az_path_join(&ctx->arena, folder, "x.npy"), x);
	for (uint32_t i = 0; ok && i < g->n.at.func->results.count; i++)
		ok = az_npy_write(ctx, az_arena_printf(&ctx->arena, "%s/wanted%u.npy", folder, i),
			&results[i]);
	return ok;
}

/* Activations as bytes, and packed. */
static const char *const ways[] = {"widen-activations,select-kernels,pack-weights",
	"widen-activations,pack-activations,select-kernels,pack-weights"};

/* Calls in all cases: of the kernel of packed activations, those of them that read an input of the network, and
 * moves of packed values. */
static uint32_t in_rows, from_input, moved_packed;

static void count_calls(const az_module *module)
{
	for (const az_op *op = az_module_main(module)->first; op; op = op->next) {
		if (op->code != AZ_OP_call)
			continue;
		bool rows = strcmp(op->attr.call.kernel, "rows") == 0, reads_input = false;
		for (uint32_t i = 0; i < op->arg_count; i++)
			reads_input = reads_input || op->args[i].value->kind == AZ_VALUE_PARAM;
		in_rows += rows;
		from_input += rows && reads_input;
		moved_packed += strcmp(op->attr.call.kernel, "move") == 0 &&
				op->results[0]->type->elem.bits < 8;
	}
}

/* Sums of floats may be taken in another order. */
static bool has_float_sums(const az_module *module)
{
	for (const az_op *op = az_module_main(module)->first; op; op = op->next)
		if ((op->code == AZ_OP_conv || op->code == AZ_OP_conv_transpose ||
			    op->code == AZ_OP_matmul) &&
			az_elem_is_float(op->args[0].value->type->elem))
			return true;
	return false;
}

/* Interpreter and code on one family. */
static bool same(graph *g, const family *f)
{
	const char *folder = getenv("AZ_WRITE");
	az_tensor x = az_tensor_new(&g->n.module->arena, g->n.at.func->params.v[0]->type);
	az_tensor expected[RESULTS_MAX], actual[RESULTS_MAX];
	const az_target *t = az_target_get(g->n.ctx, NULL, f->cpu, f->attrs);
	fill(&x, SAMPLES + 1);
	new_results(&g->n, expected);
	new_results(&g->n, actual);
	if (!run(&az_eval_exec, g->n.module, &x, expected) ||
		(folder && !write_files(g, folder, &x, expected)))
		return false;
	if (!t || !t->native)
		return true;
	bool ok = true;
	for (uint32_t way = 0; ok && way < AZ_COUNT(ways); way++) {
		az_module *copy = az_module_clone(g->n.module, true);
		ok = pass(copy, t, ways[way]) && run(&az_backend_jit, copy, &x, actual);
		for (uint32_t k = 0; ok && k < g->n.at.func->results.count; k++)
			ok = equal(&expected[k], &actual[k], has_float_sums(g->n.module));
		count_calls(copy);
		az_module_free(copy);
	}
	return ok;
}

static bool one_graph(uint32_t i, bool show)
{
	graph g = {.n.ctx = az_ctx_new()};
	az_ctx *ctx = g.n.ctx;
	g.n.module = az_module_new(ctx, "graph");
	g.n.module->stage = AZ_STAGE_CANONICAL;
	g.n.at.func = az_func_new(g.n.module, "main");
	g.recipe.arena = &ctx->arena;
	az_text_add(&g.recipe, "recipe 1\n");
	seed = (uint64_t)i * 7919 + 31;
	for (int k = 0; k < 4; k++)
		(void)pick(0, 1);
	const family *f = &families[i % AZ_COUNT(families)];
	bool ok = build(&g) && quantize(&g) && same(&g, f);
	if (!ok || show) {
		az_text text = {.arena = &ctx->arena};
		az_module_print(&text, g.n.module);
		printf("AZ_CASE=%u on %s\n%s%.6000s\n%s\n", i, f->cpu, g.recipe.v, text.v,
			unit_message(ctx, 0));
	}
	az_module_free(g.n.module);
	az_ctx_free(ctx);
	return ok;
}

static void run_graphs(void)
{
	const char *all = getenv("AZ_LONG"), *only = getenv("AZ_CASE");
	if (only && *only) {
		CU_ASSERT_TRUE(one_graph((uint32_t)strtoul(only, NULL, 10), true));
		return;
	}
	uint32_t tried = 0;
	for (uint32_t i = 0; i < (all && *all ? 1000 : 60); i++) {
		if (!unit_takes(i))
			continue;
		CU_ASSERT_TRUE(one_graph(i, false));
		tried++;
	}
	CU_ASSERT_TRUE(in_rows * 3 > tried);
	CU_ASSERT_TRUE(from_input * 30 > tried);
	CU_ASSERT_TRUE(moved_packed * 30 > tried);
}

void test_graphs_jit(void)
{
	unit_suite("graphs compiled", AZ_CASES({"random widths", run_graphs}));
}
