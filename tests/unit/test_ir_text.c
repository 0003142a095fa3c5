/* SPDX-License-Identifier: Apache-2.0
 *
 * IR text: the law print(parse(print(m))) == print(m) on random modules, the completeness of the golden
 * file of operations, files with blobs, and running out of memory at every allocation. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/file.h"
#include "grammar/parse.h"
#include "ir/print.h"
#include "ir/verify.h"

static uint64_t state;

/* xorshift64*: the tests are the same on every machine. */
static uint32_t draw(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % below;
}

static const char *print(const az_module *module)
{
	az_text text = {.arena = &module->ctx->arena};
	az_module_print(&text, module);
	return text.v;
}

static az_elem random_elem(void)
{
	static const az_elem fixed[] = {{AZ_KIND_FLOAT, 32}, {AZ_KIND_FLOAT, 32},
		{AZ_KIND_FLOAT, 16}, {AZ_KIND_FLOAT, 64}, {AZ_KIND_BFLOAT, 16}, {AZ_KIND_BOOL, 8},
		{AZ_KIND_BIPOLAR, 1}, {AZ_KIND_INT, 64}};
	uint32_t i = draw(AZ_COUNT(fixed) + 4);
	if (i < AZ_COUNT(fixed))
		return fixed[i];
	return (az_elem){draw(2) ? AZ_KIND_INT : AZ_KIND_UINT, (uint8_t)(1 + draw(64))};
}

static const az_type *random_type(az_ctx *ctx)
{
	int64_t dim[4];
	uint32_t rank = draw(5);
	for (uint32_t i = 0; i < rank; i++)
		dim[i] = draw(8) ? 1 + draw(4) : draw(2);
	return az_type_get(ctx, random_elem(), rank, dim);
}

static const char *random_name(az_arena *arena)
{
	static const char *const fixed[] = {"x", "y/z.w", "conv 1", "\"", "\\", "a\tb\n", "0", "17",
		"-", "_", "w$-", "\xc3\xa9", "", "return", "%", "loc"};
	uint32_t i = draw(2 * AZ_COUNT(fixed));
	return i < AZ_COUNT(fixed) ? fixed[i] : az_arena_printf(arena, "v%u", draw(50));
}

static float random_float(void)
{
	static const float fixed[] = {0, 1, -1, 0.1f, 1e-45f, 3.4e38f, 0.5f};
	uint32_t bits = draw(UINT32_MAX);
	float x;
	memcpy(&x, &bits, sizeof x);
	return draw(2) ? fixed[draw(AZ_COUNT(fixed))] : x;
}

static const az_quant *random_quant(az_module *module, const az_type *type)
{
	int32_t zero[256], table[3] = {-5, 0, 7};
	float scale[256];
	for (uint32_t i = 0; i < 256; i++) {
		scale[i] = (float)draw(1000) / 997;
		zero[i] = draw(2) ? (int32_t)draw(256) - 128 : 0;
	}
	az_quant q = {.axis = -1, .count = 1, .scale = scale, .zero = zero};
	if (draw(2))
		q.name = az_name_of(module->ctx, random_name(&module->arena));
	if (type->rank && draw(2)) {
		q.axis = (int16_t)draw(type->rank);
		q.count = (uint32_t)type->dim[q.axis];
	}
	q.grid = (uint8_t)draw(3);
	if (q.grid != AZ_GRID_AFFINE)
		q.zero = NULL;
	if (q.grid == AZ_GRID_CODEBOOK) {
		q.table = table;
		q.table_count = 1 + draw(3);
	}
	return q.count ? az_quant_get(module, &q) : NULL;
}

static void random_facts(az_module *module, az_value *value)
{
	if (draw(3) == 0)
		value->quant = random_quant(module, value->type);
	if (draw(3) == 0) {
		value->range = (az_range){true, random_float(), random_float()};
		if (!(value->range.lo <= value->range.hi))
			value->range.known = false;
	}
	if (draw(4) == 0)
		value->at = draw(1u << 30);
}

static az_value *random_const(az_module *module)
{
	const az_type *type = random_type(module->ctx);
	az_elem elem = type->elem;
	uint64_t count = (uint64_t)az_type_numel(type);
	unsigned char *data = az_arena_alloc(&module->arena, az_type_size(type) + 8, 8);
	bool splat = draw(4) == 0;
	uint64_t element = 0;
	for (uint64_t i = 0; i < count; i++) {
		if (!splat || i == 0)
			element = (uint64_t)draw(UINT32_MAX) << 32 | draw(UINT32_MAX);
		if (elem.kind == AZ_KIND_BOOL)
			element &= 1;
		az_bits_set(data, i, elem.bits, element);
	}
	az_const *c = az_const_new(module, random_name(&module->arena), type, data, true);
	random_facts(module, &c->value);
	return &c->value;
}

static int64_t random_int(void)
{
	return draw(4) ? (int64_t)draw(5) - 1 : (int64_t)((uint64_t)draw(UINT32_MAX) << 32);
}

static void random_attr(az_module *module, const az_attr_desc *desc, void *at)
{
	int64_t ints[4];
	float reals[4];
	unsigned word;
	uint32_t count = draw(5);
	for (int i = 0; i < 4; i++) {
		ints[i] = random_int();
		reals[i] = random_float();
	}
	switch (desc->kind) {
	case AZ_ATTR_int:
		*(az_attr_int *)at = random_int();
		break;
	case AZ_ATTR_real:
		*(az_attr_real *)at = random_float();
		break;
	case AZ_ATTR_flag:
		*(az_attr_flag *)at = draw(2);
		break;
	case AZ_ATTR_ints:
		*(az_ints *)at = az_ints_copy(module, count, ints);
		break;
	case AZ_ATTR_reals:
		*(az_reals *)at = az_reals_copy(module, count, reals);
		break;
	case AZ_ATTR_word:
		*(az_attr_word *)at = az_name_of(module->ctx, random_name(&module->arena));
		break;
	case AZ_ATTR_func:
		*(az_attr_func *)at = module->funcs.v[draw(module->funcs.count)];
		break;
	default:
		az_enum_words(desc->kind, &count);
		word = draw(count);
		memcpy(at, &word, sizeof word);
		break;
	}
}

/* Most of these are refused; what is accepted is in the module. */
static void random_op(az_builder *at, az_value **pool, uint32_t *pool_count)
{
	az_module *module = at->func->module;
	az_opcode code = (az_opcode)draw(AZ_OP_COUNT_);
	const az_op_desc *desc = &az_op_table[code];
	az_value *args[5];
	az_attrs attrs;
	uint32_t count = desc->args_min + draw(2);
	az_attrs_init(code, &attrs);
	for (uint32_t i = 0; i < desc->attr_count; i++) {
		if (draw(3) == 0 || desc->attrs[i].kind == AZ_ATTR_func)
			random_attr(module, &desc->attrs[i],
				(char *)&attrs + desc->attrs[i].offset);
	}
	for (uint32_t i = 0; i < count && i < 5; i++)
		args[i] = draw(20) ? pool[draw(*pool_count)] : NULL;
	if (attrs.call.callee == at->func || count > 5)
		return;
	at->loc.node = draw(2) ? az_name_of(module->ctx, random_name(&module->arena)) : NULL;
	at->loc.op = draw(2) ? az_name_of(module->ctx, "Op \"x\"") : NULL;
	az_elem want = draw(2) ? AZ_ELEM_NONE : random_elem();
	az_op *op = az_op_new(at, code, count, args, &attrs, want);
	for (uint32_t i = 0; op && i < op->result_count; i++) {
		if (draw(2))
			az_value_rename(op->results[i], random_name(&module->arena));
		random_facts(module, op->results[i]);
		if (*pool_count < 200)
			pool[(*pool_count)++] = op->results[i];
	}
}

static void random_func(az_module *module, az_value **pool, uint32_t const_count)
{
	az_func *func = az_func_new(module, random_name(&module->arena));
	az_builder at = {.func = func};
	uint32_t count = const_count;
	for (uint32_t i = draw(5); i; i--) {
		az_value *param = az_func_add_param(func, random_name(&module->arena),
			random_type(module->ctx));
		random_facts(module, param);
		pool[count++] = param;
	}
	for (int i = 0; i < 400; i++)
		random_op(&at, pool, &count);
	for (uint32_t i = draw(4); i; i--) {
		const char *name = draw(3) ? random_name(&module->arena) : NULL;
		az_func_add_result(func, name, pool[draw(count)]);
	}
}

static az_module *random_module(az_ctx *ctx, uint64_t seed)
{
	az_value *pool[256];
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	az_module *module = az_module_new(ctx, random_name(&ctx->arena));
	module->stage = (az_stage)draw(3);
	module->fast_math = draw(2);
	if (draw(2))
		module->target = az_name_of(ctx, random_name(&module->arena));
	if (draw(2))
		module->features = az_name_of(ctx, random_name(&module->arena));
	for (uint32_t i = draw(3); i; i--)
		az_vec_push(&module->arena, &module->done, az_name_of(ctx, "pass{a=1,b}"));
	uint32_t count = 1 + draw(20);
	for (uint32_t i = 0; i < count; i++)
		pool[i] = random_const(module);
	for (uint32_t i = 1 + draw(3); i; i--)
		random_func(module, pool, count);
	return module;
}

static void ignore(void *data, az_ctx *ctx, const az_message *message)
{
	(void)data;
	(void)ctx;
	(void)message;
}

static void check_law(uint64_t seed)
{
	az_ctx *ctx = az_ctx_new();
	char *blobs = unit_path(ctx, "law");
	ctx->diag.handler = ignore;
	az_module *module = random_module(ctx, seed);
	ctx->diag.handler = NULL;
	ctx->diag.error_count = 0;
	CU_ASSERT_TRUE(az_module_verify(module));
	CU_ASSERT_TRUE(az_blobs_write(module, blobs));
	const char *first = print(module);
	az_module *again = az_parse_module(ctx, "first", first, strlen(first), blobs);
	if (!again) {
		printf("\nseed %llu: %s%s\n", (unsigned long long)seed, unit_message(ctx, 0),
			first);
		CU_FAIL("the printed module is refused");
	} else {
		CHECK_TEXT(print(again), first);
	}
	az_module *copy = az_module_clone(module, true);
	CHECK_TEXT(print(copy), first);
	az_module_free(copy);
	az_module_free(again);
	az_module_free(module);
	az_ctx_free(ctx);
}

static void law(void)
{
	for (uint64_t seed = 1; seed <= 200; seed++)
		check_law(seed);
}

/* Whether any operation of the module has the attribute at another value than its default. */
static bool stated(const az_module *module, az_opcode code, const az_attr_desc *desc)
{
	for (uint32_t i = 0; i < module->funcs.count; i++) {
		for (const az_op *op = module->funcs.v[i]->first; op; op = op->next) {
			if (op->code == code && (!desc || !az_attr_is_default(desc, &op->attr)))
				return true;
		}
	}
	return false;
}

static void golden_is_complete(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = az_parse_file(ctx, "tests/ir/ops.adz", NULL);
	for (int i = 0; module && i < AZ_OP_COUNT_; i++) {
		const az_op_desc *op = &az_op_table[i];
		if (!stated(module, (az_opcode)i, NULL))
			printf("\n%s is not in tests/ir/ops.adz\n", op->name);
		CU_ASSERT_TRUE(stated(module, (az_opcode)i, NULL));
		for (uint32_t k = 0; k < op->attr_count; k++) {
			bool found = stated(module, (az_opcode)i, &op->attrs[k]);
			if (!found)
				printf("\n%s: %s is not in tests/ir/ops.adz\n", op->name,
					op->attrs[k].name);
			CU_ASSERT_TRUE(found);
		}
	}
	CU_ASSERT_PTR_NOT_NULL(module);
	CU_ASSERT_EQUAL(ctx->diag.error_count, 0);
	az_module_free(module);
	az_ctx_free(ctx);
}

/* A module with one blob of 300 bytes, written; its path. */
static char *write_blob_module(az_ctx *ctx)
{
	unsigned char data[300];
	const int64_t dim = 300;
	char *path = unit_path(ctx, "blob.adz");
	for (unsigned i = 0; i < 300; i++)
		data[i] = (unsigned char)(i * 7);
	az_module *module = az_module_new(ctx, "blob");
	az_const *c = az_const_new(module, "c", az_type_get(ctx, AZ_U8, 1, &dim), data, true);
	az_func_add_result(az_func_new(module, "main"), "c", &c->value);
	CU_ASSERT_TRUE(az_module_write(module, path, NULL));
	az_module_free(module);
	return path;
}

static void blobs(void)
{
	az_ctx *ctx = az_ctx_new();
	char *path = write_blob_module(ctx);
	az_module *module = az_parse_file(ctx, path, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	const char *text = print(module);
	const char *hash = strstr(text, "blob \"") + 6;
	char *file = az_arena_printf(&ctx->arena, "%s.blobs/%.64s.bin", path, hash);
	CU_ASSERT_TRUE(az_file_write(ctx, file, "short", 5, false));
	CU_ASSERT_PTR_NULL(az_parse_file(ctx, path, NULL));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), "has 5 bytes, u8[300] wants 300"));
	char *wrong = az_arena_alloc(&ctx->arena, 300, 1);
	CU_ASSERT_TRUE(az_file_write(ctx, file, wrong, 300, false));
	CU_ASSERT_PTR_NULL(az_parse_file(ctx, path, NULL));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 1), "was changed"));
	CU_ASSERT_PTR_NULL(az_parse_file(ctx, path, unit_path(ctx, "nowhere")));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 3), "constant \"c\" is stored in it"));
	CU_ASSERT_PTR_NULL(az_parse_module(ctx, "text", text, strlen(text), NULL));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 4), "there is no blob folder"));
	CU_ASSERT_TRUE(remove(file) == 0);
	az_module_free(module);
	az_ctx_free(ctx);
}

/* At most AZ_ERRORS_MAX messages, however wrong the text. */
static void error_limit(void)
{
	az_ctx *ctx = az_ctx_new();
	az_text text = {.arena = &ctx->arena};
	az_text_add(&text, "adze 1 module \"m\" stage imported\n");
	for (int i = 0; i < 1000; i++)
		az_text_add(&text, "nonsense\n");
	CU_ASSERT_PTR_NULL(az_parse_module(ctx, "m", text.v, text.count, NULL));
	CU_ASSERT_EQUAL(ctx->diag.error_count, AZ_ERRORS_MAX);
	az_ctx_free(ctx);
}

static const char sample[] = "adze 1 module \"m\" stage imported done [\"p\"]\n"
			     "quant !q = axis 0 scale [1, 2] zero [1, 2]\n"
			     "const @c : f32[2] {!q} = [1, 2]\n"
			     "func @f(%x: f32[2]) -> (f32[2]) {\n"
			     "  %y = add %x, @c, clamp = [0, 1] : f32[2] {!q} loc \"n\"\n"
			     "  return %y\n"
			     "}\n"
			     "func @main(%x: f32[2] in [0, 1]) -> (\"a\": f32[1], f32[1]) {\n"
			     "  %y = call @f(%x), kernel = \"k\" : f32[2]\n"
			     "  %a, %b = split %y, sizes = [1, 1] : f32[1], f32[1]\n"
			     "  return %a, %b\n"
			     "}\n";

static bool parse_sample(az_ctx *ctx)
{
	az_module *module = az_parse_module(ctx, "m", sample, sizeof sample - 1, NULL);
	az_module_free(module);
	return module != NULL;
}

/* What batch norms said of more channels than an operation may have operands. */
static void lists_by_channel(void)
{
	az_ctx *ctx = az_ctx_new();
	const unsigned channels = 700;
	az_text text = {.arena = &ctx->arena};
	az_text_add(&text,
		"adze 1 module \"m\" stage canonical\n\nconst @w : f32[%u,1,1,2] = splat 0.5\n\n"
		"func @main(%%x: f32[1,2,2,2]) -> (\"y\": f32[1,2,2,%u]) {\n"
		"  %%y = conv %%x, @w, normal = [",
		channels, channels);
	for (unsigned i = 0; i < channels; i++)
		az_text_add(&text, "%s%u.25, %u.5", i ? ", " : "", i, i);
	az_text_add(&text, "] : f32[1,2,2,%u]\n  return %%y\n}\n", channels);
	az_module *module = az_parse_module(ctx, "m", text.v, text.count, NULL);
	CHECK_TEXT(unit_message(ctx, 0), "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(module);
	CU_ASSERT_TRUE(az_module_verify(module));
	CHECK_TEXT(print(module), text.v);
	az_module_free(module);
	az_ctx_free(ctx);
}

static void out_of_memory(void)
{
	unit_every_allocation_fails(parse_sample);
}

void test_ir_text(void)
{
	unit_suite("ir_text",
		AZ_CASES({"printing and parsing agree on random modules", law},
			{"tests/ir/ops.adz holds every operation and attribute",
				golden_is_complete},
			{"lists with numbers for many channels", lists_by_channel},
			{"blobs are checked", blobs}, {"errors are limited", error_limit},
			{"every allocation may fail", out_of_memory}));
}
