/* SPDX-License-Identifier: Apache-2.0
 *
 * NAME.h: the C interface of an object or shared object, with what a caller must know of shapes,
 * element types, quantization and memory. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/plan.h"
#include "base/num.h"
#include "base/text.h"

typedef struct writer {
	az_text out;
	const char *name;
	char upper[256];
} writer;

static void set_upper(writer *w)
{
	size_t n = 0;
	for (; w->name[n] && n + 1 < sizeof w->upper; n++)
		w->upper[n] = (char)toupper((unsigned char)w->name[n]);
	w->upper[n] = 0;
}

/* Names come from the network: nothing in them may end the comment they stand in. */
static char *comment_safe(az_arena *arena, const char *text)
{
	char *copy = az_arena_copy(arena, text, strlen(text));
	for (char *c = copy; *c; c++)
		if (*c == '*' || *c == '\\' || iscntrl((unsigned char)*c))
			*c = '?';
	return copy;
}

static const char *c_type(az_elem elem)
{
	switch (elem.kind) {
	case AZ_KIND_FLOAT:
		return elem.bits == 32   ? "float"
		       : elem.bits == 64 ? "double"
					 : "uint16_t, IEEE half";
	case AZ_KIND_BFLOAT:
		return "uint16_t, bfloat16";
	case AZ_KIND_BOOL:
		return "uint8_t, 0 or 1";
	case AZ_KIND_UINT:
		return elem.bits == 8    ? "uint8_t"
		       : elem.bits == 16 ? "uint16_t"
		       : elem.bits == 32 ? "uint32_t"
		       : elem.bits == 64 ? "uint64_t"
					 : "packed unsigned, lowest bits first";
	default:
		return elem.bits == 8    ? "int8_t"
		       : elem.bits == 16 ? "int16_t"
		       : elem.bits == 32 ? "int32_t"
		       : elem.bits == 64 ? "int64_t"
					 : "packed signed, lowest bits first";
	}
}

static void add_scale(writer *w, const az_quant *q)
{
	if (!q || q->count != 1 || q->grid != AZ_GRID_AFFINE)
		return;
	char number[AZ_NUM_SIZE];
	az_f32_print(number, q->scale[0]);
	az_text_add(&w->out, ", real = %s * (stored - %d)", number, q->zero ? q->zero[0] : 0);
}

static void add_buffer(writer *w, const char *array, uint32_t index, const char *name,
	const az_value *value)
{
	char *type = az_type_print(w->out.arena, value->type);
	az_text_add(&w->out, " *   %s[%u]  \"%s\"  %s (%s), %zu bytes", array, index,
		comment_safe(w->out.arena, name), type, c_type(value->type->elem),
		az_type_size(value->type));
	add_scale(w, value->quant);
	az_text_add(&w->out, "\n");
}

static void add_buffers(writer *w, const az_func *main)
{
	for (uint32_t i = 0; i < main->params.count; i++)
		add_buffer(w, "inputs", i, main->params.v[i]->name, main->params.v[i]);
	for (uint32_t i = 0; i < main->results.count; i++)
		add_buffer(w, "outputs", i, main->results.v[i].name, main->results.v[i].use->value);
}

static void add_sizes(writer *w, const az_func *main, uint64_t arena_bytes)
{
	az_text *out = &w->out;
	az_text_add(out, "#define %s_INPUT_COUNT %u\n", w->upper, main->params.count);
	az_text_add(out, "#define %s_OUTPUT_COUNT %u\n", w->upper, main->results.count);
	for (uint32_t i = 0; i < main->params.count; i++)
		az_text_add(out, "#define %s_INPUT_%u_BYTES %zu\n", w->upper, i,
			az_type_size(main->params.v[i]->type));
	for (uint32_t i = 0; i < main->results.count; i++)
		az_text_add(out, "#define %s_OUTPUT_%u_BYTES %zu\n", w->upper, i,
			az_type_size(main->results.v[i].use->value->type));
	az_text_add(out, "#define %s_ARENA_BYTES %" PRIu64 "\n", w->upper, arena_bytes);
	az_text_add(out, "#define %s_ARENA_ALIGN %d\n", w->upper, AZ_ARENA_ALIGN);
}

/* As they are in the object that the header describes. */
static void add_costs(writer *w, const az_cost *cost)
{
	az_text *out = &w->out;
	az_text_add(out,
		" *\n * Flash: %" PRIu64 " bytes (code %" PRIu64 ", weights %" PRIu64
		", other constants %" PRIu64 ").\n",
		cost->text_bytes + cost->rodata_bytes, cost->text_bytes, cost->weight_bytes,
		cost->rodata_bytes - cost->weight_bytes);
	az_text_add(out,
		" * RAM: arena %" PRIu64 ", inputs %" PRIu64 ", outputs %" PRIu64 ", stack %" PRIu64
		" bytes. Work: %" PRIu64 " multiply-accumulates.\n",
		cost->arena_bytes, cost->input_bytes, cost->output_bytes, cost->stack_bytes,
		cost->macs);
}

static void add_cost_constants(writer *w, const az_cost *cost)
{
	const struct {
		const char *name;
		uint64_t v;
	} rows[] = {
		{"TEXT_BYTES", cost->text_bytes},
		{"RODATA_BYTES", cost->rodata_bytes},
		{"WEIGHT_BYTES", cost->weight_bytes},
		{"STACK_BYTES", cost->stack_bytes},
	};
	for (size_t i = 0; i < AZ_COUNT(rows); i++)
		az_text_add(&w->out, "#define %s_%s %" PRIu64 "\n", w->upper, rows[i].name,
			rows[i].v);
}

char *az_backend_header(const az_module *module, const az_target *target, const char *name,
	const az_cost *cost, az_arena *arena)
{
	writer w = {.out = {.arena = arena}, .name = name};
	const az_func *main = az_module_main(module);
	az_text *out = &w.out;
	set_upper(&w);
	az_text_add(out, "/* Network \"%s\" for %s, CPU %s%s%s.\n *\n",
		comment_safe(arena, module->name ? module->name : name), target->triple,
		target->cpu, *target->features ? " with " : "", target->features);
	add_buffers(&w, main);
	add_costs(&w, cost);
	az_text_add(out,
		" *\n"
		" * Tensors are row-major and little-endian. Buffers must be aligned to their "
		"elements and must not\n"
		" * overlap. arena points to %s_ARENA_BYTES bytes aligned to %s_ARENA_ALIGN, for "
		"use during\n"
		" * the call only. The function allocates nothing, writes no globals and may run "
		"in several threads at\n"
		" * once, each with its own arena. pool is NULL: one thread. It returns 0. */\n",
		w.upper, w.upper);
	az_text_add(out, "#ifndef %s_H\n#define %s_H\n\n#include <stdint.h>\n\n", w.upper, w.upper);
	add_sizes(&w, main, az_plan_arena_bytes(module));
	add_cost_constants(&w, cost);
	az_text_add(out,
		"\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\nstruct adze_parallel;\n\n"
		"int %s_run(const void *const inputs[], void *const outputs[], void *arena,\n"
		"\tconst struct adze_parallel *pool);\n\n"
		"/* The same (in the object, not in a shared object), and now() is called at the "
		"start and after each\n"
		" * of the %" PRIu32 " layers; stamps gets what it returns. */\n"
		"int %s_profile(const void *const inputs[], void *const outputs[], void *arena,\n"
		"\tconst struct adze_parallel *pool, uint64_t (*now)(void), uint64_t *stamps);\n"
		"\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
		name, cost->layer_count, name);
	return out->v;
}
