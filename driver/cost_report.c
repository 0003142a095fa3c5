/* SPDX-License-Identifier: Apache-2.0
 *
 * See cost_report.h. Text on standard output; keys of the JSON stay as they are from version to version. */
#include "driver/cost_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/cost_table.h"
#include "ir/print.h"

bool az_job_rates(az_job *job, const az_cost_table **out)
{
	*out = NULL;
	if (!job->options.costs)
		return true;
	az_cost_table *table = az_new(&job->arena, az_cost_table);
	if (!az_cost_table_read(job->ctx, &job->arena, job->options.costs, table))
		return false;
	*out = table;
	return true;
}

/* An operation of a kernel function stands for every layer that calls it. */
static void add_callers(az_job *job, const az_func *main, const az_float_left *left,
	az_float_left_list *out)
{
	for (const az_op *op = main->first; op; op = op->next) {
		if (op->code != AZ_OP_call || op->attr.call.callee != left->op->func)
			continue;
		az_float_left one = *left;
		one.layer = op->loc.node ? op->loc.node : op->results[0]->name;
		bool listed = false;
		for (uint32_t i = 0; i < out->count; i++)
			listed = listed || (out->v[i].op == one.op && out->v[i].layer == one.layer);
		if (!listed)
			az_vec_push(&job->arena, out, one);
	}
}

void az_job_float_left(az_job *job, const az_module *module, az_float_left_list *out)
{
	const az_func *main = az_module_main(module);
	az_float_left_list found = {0};
	*out = (az_float_left_list){0};
	if (!az_module_is_quantized(module))
		return;
	az_float_left_find(module, &job->arena, &found);
	for (uint32_t i = 0; i < found.count; i++) {
		if (found.v[i].op->func == main)
			az_vec_push(&job->arena, out, found.v[i]);
		else
			add_callers(job, main, &found.v[i], out);
	}
}

/* --- Text ----------------------------------------------------------------------------------------------- */

static const char *elem_text(char out[16], az_elem e)
{
	return e.kind == AZ_KIND_NONE ? "-" : az_elem_print(out, e);
}

/* "1x32x32x16" */
static const char *shape_text(az_arena *arena, const az_type *type)
{
	az_text out = {.arena = arena};
	az_text_add(&out, "%s", type->rank ? "" : "scalar");
	for (uint32_t i = 0; i < type->rank; i++)
		az_text_add(&out, "%s%" PRId64, i ? "x" : "", type->dim[i]);
	return out.v;
}

/* "contract[1,8,2,4,16,0,1]" */
static const char *kernel_text(az_arena *arena, const az_layer_cost *l)
{
	az_text out = {.arena = arena};
	az_text_add(&out, "%s", l->kernel ? l->kernel : "");
	for (uint32_t i = 0; i < l->tile_count; i++)
		az_text_add(&out, "%c%" PRId64, i ? ',' : '[', l->tile[i]);
	az_text_add(&out, "%s", l->tile_count ? "]" : "");
	return out.v;
}

/* Bytes, with a mark when they are counted for an earlier layer. */
static const char *bytes_text(az_arena *arena, uint64_t bytes, bool shared)
{
	return az_arena_printf(arena, "%" PRIu64 "%s", bytes, shared ? "=" : "");
}

static const char *weight_text(az_arena *arena, const az_layer_cost *l)
{
	char elem[16];
	const char *name = elem_text(elem, l->weight_elem);
	bool plain = !*l->weight_kind || strcmp(l->weight_kind, "affine") == 0 ||
		     strcmp(l->weight_kind, "float") == 0 || strcmp(l->weight_kind, name) == 0;
	return az_arena_printf(arena, "%s%s%s", name, plain ? "" : " ",
		plain ? "" : l->weight_kind);
}

static void print_layer(az_job *job, const az_layer_cost *l)
{
	az_arena *arena = &job->arena;
	char in[16], out[16], time[32] = "-";
	if (l->seconds > 0)
		(void)snprintf(time, sizeof time, "%.2f", l->seconds * 1e6);
	printf("%-24.24s %-14s %-16s %-9s %-5s %-5s %9" PRIu64 " %9s %7" PRIu64 " %7s %6" PRIu64
	       " %11" PRIu64 " %12" PRIu64 " %8s  %s\n",
		l->name ? l->name : "", l->op, shape_text(arena, l->output), weight_text(arena, l),
		elem_text(in, l->input_elem), elem_text(out, l->output_elem), l->parameters,
		bytes_text(arena, l->weight_bytes, l->weights_shared), l->constant_bytes,
		bytes_text(arena, l->code_bytes, l->code_shared), l->stack_bytes, l->macs,
		l->bitops, time, kernel_text(arena, l));
}

void az_cost_print_layers(az_job *job, const az_cost *cost)
{
	bool shared = false;
	printf("%-24s %-14s %-16s %-9s %-5s %-5s %9s %9s %7s %7s %6s %11s %12s %8s  %s\n", "layer",
		"operation", "output", "weights", "in", "out", "params", "w bytes", "const", "code",
		"stack", "MACs", "BitOPs", "us", "kernel");
	for (uint32_t i = 0; i < cost->layer_count; i++) {
		print_layer(job, &cost->layer[i]);
		shared = shared || cost->layer[i].code_shared || cost->layer[i].weights_shared;
	}
	if (shared)
		printf("= shared with a layer above and counted there\n");
	printf("\n");
}

void az_cost_print_totals(const az_cost *cost)
{
	printf("  flash  %10" PRIu64 " bytes  (code %" PRIu64 ", constants %" PRIu64
	       ": weights %" PRIu64 ", other %" PRIu64 ", literals %" PRIu64 ")\n",
		cost->text_bytes + cost->rodata_bytes, cost->text_bytes, cost->rodata_bytes,
		cost->weight_bytes, cost->constant_bytes, cost->literal_bytes);
	printf("  ram    %10" PRIu64 " bytes  (arena %" PRIu64 ", at least %" PRIu64
	       "; inputs and outputs %" PRIu64 ", stack %" PRIu64 ")\n",
		cost->arena_bytes + cost->io_bytes + cost->stack_bytes + cost->data_bytes +
			cost->bss_bytes,
		cost->arena_bytes, cost->arena_lower_bound_bytes, cost->io_bytes,
		cost->stack_bytes);
	printf("  work   %10" PRIu64 " multiply-accumulates, %" PRIu64 " bit operations\n",
		cost->macs, cost->bitops);
	if (cost->unknown < cost->layer_count && cost->seconds > 0)
		printf("  time   %10.1f us     (estimated%s)\n", cost->seconds * 1e6,
			cost->unknown ? "; layers of unknown time left out" : "");
}

/* Why fewer bits may take longer. */
static const char *slower_reason(const az_layer_cost *l)
{
	if (l->steps > 0 && l->weight_elem.bits == 8)
		return "its results are compared with levels, or get a finer bias";
	if (l->steps > 0)
		return "unpacking its weights, and levels or a finer bias for its results, take "
		       "longer "
		       "than reading fewer bytes saves";
	if (l->weight_elem.bits == 8)
		return "inputs of fewer than 8 bits are computed as bytes or bit by bit";
	return "unpacking its weights takes longer than reading fewer bytes saves";
}

void az_cost_print_remarks(az_job *job, const az_cost *cost, const az_float_left_list *left)
{
	char w[16], x[16];
	(void)job;
	for (uint32_t i = 0; i < cost->layer_count; i++) {
		const az_layer_cost *l = &cost->layer[i];
		if (az_layer_is_slower(l))
			printf("  slower than with 8 bits: %s (%s, %s x %s): %.2f us against %.2f; "
			       "%s\n",
				l->name, l->op, elem_text(w, l->weight_elem),
				elem_text(x, l->input_elem), l->seconds * 1e6, l->seconds_at8 * 1e6,
				slower_reason(l));
	}
	for (uint32_t i = 0; i < left->count; i++)
		printf("  float: %s: %s\n", left->v[i].layer, left->v[i].reason);
}

/* --- JSON ----------------------------------------------------------------------------------------------- */

static void add_elem(json_object *o, const char *key, az_elem e)
{
	char text[16];
	az_json_add_text(o, key, e.kind == AZ_KIND_NONE ? NULL : az_elem_print(text, e));
}

static void add_bits(json_object *o, const char *key, az_elem e)
{
	json_object_object_add(o, key, e.kind == AZ_KIND_NONE ? NULL : json_object_new_int(e.bits));
}

/* Seconds; null when they are not known. */
static void add_seconds(json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, v > 0 ? json_object_new_double(v) : NULL);
}

static json_object *layer_json(az_job *job, const az_layer_cost *l)
{
	json_object *o = json_object_new_object(), *tile = json_object_new_array(),
		    *shape = json_object_new_array();
	for (uint32_t i = 0; i < l->tile_count; i++)
		json_object_array_add(tile, json_object_new_int64(l->tile[i]));
	for (uint32_t i = 0; i < l->output->rank; i++)
		json_object_array_add(shape, json_object_new_int64(l->output->dim[i]));
	az_json_add_text(o, "name", l->name ? l->name : "");
	az_json_add_text(o, "op", l->op);
	az_json_add_text(o, "kernel", l->kernel ? l->kernel : "");
	json_object_object_add(o, "tile", tile);
	json_object_object_add(o, "output_shape", shape);
	az_json_add_text(o, "output_stored", az_type_print(&job->arena, l->output));
	add_elem(o, "weight_type", l->weight_elem);
	add_bits(o, "weight_bits", l->weight_elem);
	az_json_add_text(o, "weight_kind", *l->weight_kind ? l->weight_kind : NULL);
	az_json_add_text(o, "weight_scales", *l->weight_scales ? l->weight_scales : NULL);
	add_elem(o, "input_type", l->input_elem);
	add_bits(o, "input_bits", l->input_elem);
	add_elem(o, "output_type", l->output_elem);
	add_bits(o, "output_bits", l->output_elem);
	az_json_add_count(o, "parameters", l->parameters);
	az_json_add_count(o, "macs", l->macs);
	az_json_add_count(o, "bitops", l->bitops);
	az_json_add_count(o, "weight_bytes", l->weight_bytes);
	az_json_add_count(o, "constant_bytes", l->constant_bytes);
	az_json_add_count(o, "code_bytes", l->code_bytes);
	az_json_add_count(o, "stack_bytes", l->stack_bytes);
	az_json_add_flag(o, "code_shared", l->code_shared);
	az_json_add_flag(o, "weights_shared", l->weights_shared);
	add_seconds(o, "seconds", l->seconds);
	add_seconds(o, "seconds_at_8_bits", l->seconds_at8);
	az_json_add_flag(o, "slower", az_layer_is_slower(l));
	az_json_add_text(o, "slower_reason", az_layer_is_slower(l) ? slower_reason(l) : NULL);
	return o;
}

static json_object *left_json(const az_float_left_list *left)
{
	json_object *list = json_object_new_array();
	for (uint32_t i = 0; i < left->count; i++) {
		json_object *o = json_object_new_object();
		az_json_add_text(o, "name", left->v[i].layer);
		az_json_add_text(o, "op", az_op_table[left->v[i].op->code].name);
		az_json_add_text(o, "reason", left->v[i].reason);
		json_object_array_add(list, o);
	}
	return list;
}

json_object *az_cost_json(az_job *job, const az_cost *cost, const az_target *target,
	const az_float_left_list *left)
{
	json_object *o = json_object_new_object(), *layers = json_object_new_array();
	az_json_add_text(o, "target", target->triple);
	az_json_add_text(o, "cpu", target->cpu);
	az_json_add_text(o, "features", target->features);
	az_json_add_text(o, "dot", az_dot_name(target->dot));
	const struct {
		const char *key;
		uint64_t v;
	} rows[] = {
		{"parameters", cost->parameters},
		{"macs", cost->macs},
		{"bitops", cost->bitops},
		{"flash_bytes", cost->text_bytes + cost->rodata_bytes},
		{"text_bytes", cost->text_bytes},
		{"entry_bytes", cost->entry_bytes},
		{"rodata_bytes", cost->rodata_bytes},
		{"weight_bytes", cost->weight_bytes},
		{"constant_bytes", cost->constant_bytes},
		{"literal_bytes", cost->literal_bytes},
		{"data_bytes", cost->data_bytes},
		{"bss_bytes", cost->bss_bytes},
		{"ram_bytes", cost->arena_bytes + cost->io_bytes + cost->stack_bytes +
				      cost->data_bytes + cost->bss_bytes},
		{"arena_bytes", cost->arena_bytes},
		{"arena_lower_bound_bytes", cost->arena_lower_bound_bytes},
		{"input_bytes", cost->input_bytes},
		{"output_bytes", cost->output_bytes},
		{"io_bytes", cost->io_bytes},
		{"stack_bytes", cost->stack_bytes},
		{"layers_of_unknown_time", cost->unknown},
		{"layers_slower_than_8_bits", cost->slower},
	};
	for (size_t i = 0; i < AZ_COUNT(rows); i++)
		az_json_add_count(o, rows[i].key, rows[i].v);
	add_seconds(o, "seconds", cost->seconds);
	for (uint32_t i = 0; i < cost->layer_count; i++)
		json_object_array_add(layers, layer_json(job, &cost->layer[i]));
	json_object_object_add(o, "layers", layers);
	json_object_object_add(o, "float", left_json(left));
	return o;
}
