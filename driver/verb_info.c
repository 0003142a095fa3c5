/* SPDX-License-Identifier: Apache-2.0
 *
 * adze info: what a network holds and what it costs, layer by layer. */
#include <stdio.h>

#include "driver/driver.h"
#include "ir/print.h"

static uint64_t count_parameters(const az_module *module, uint64_t *bytes)
{
	uint64_t n = 0;
	*bytes = 0;
	for (uint32_t i = 0; i < module->consts.count; i++) {
		const az_type *type = module->consts.v[i]->value.type;
		n += (uint64_t)az_type_numel(type);
		*bytes += az_type_size(type);
	}
	return n;
}

static json_object *values_json(az_job *job, const az_func *main)
{
	json_object *o = json_object_new_object(), *in = json_object_new_array(),
		    *out = json_object_new_array();
	for (uint32_t i = 0; i < main->params.count; i++) {
		json_object *v = json_object_new_object();
		json_object_object_add(v, "name", json_object_new_string(main->params.v[i]->name));
		json_object_object_add(v, "type",
			json_object_new_string(az_type_print(&job->arena,
				main->params.v[i]->type)));
		json_object_array_add(in, v);
	}
	for (uint32_t i = 0; i < main->results.count; i++) {
		json_object *v = json_object_new_object();
		json_object_object_add(v, "name", json_object_new_string(main->results.v[i].name));
		json_object_object_add(v, "type",
			json_object_new_string(az_type_print(&job->arena,
				main->results.v[i].use->value->type)));
		json_object_array_add(out, v);
	}
	json_object_object_add(o, "inputs", in);
	json_object_object_add(o, "outputs", out);
	return o;
}

static json_object *layers_json(const az_cost *cost)
{
	json_object *layers = json_object_new_array();
	for (uint32_t i = 0; i < cost->layer_count; i++) {
		const az_layer_cost *l = &cost->layer[i];
		json_object *o = json_object_new_object();
		json_object_object_add(o, "name", json_object_new_string(l->name ? l->name : ""));
		json_object_object_add(o, "op", json_object_new_string(l->op ? l->op : ""));
		json_object_object_add(o, "kernel",
			json_object_new_string(l->kernel ? l->kernel : ""));
		json_object_object_add(o, "macs", json_object_new_int64((int64_t)l->macs));
		json_object_object_add(o, "weight_bytes",
			json_object_new_int64((int64_t)l->weight_bytes));
		json_object_object_add(o, "code_bytes",
			json_object_new_int64((int64_t)l->code_bytes));
		json_object_array_add(layers, o);
	}
	return layers;
}

static void print_text(az_job *job, const az_func *main, uint64_t parameters, uint64_t bytes,
	const az_cost *cost)
{
	for (uint32_t i = 0; i < main->params.count; i++)
		printf("input   %s: %s\n", main->params.v[i]->name,
			az_type_print(&job->arena, main->params.v[i]->type));
	for (uint32_t i = 0; i < main->results.count; i++)
		printf("output  %s: %s\n", main->results.v[i].name,
			az_type_print(&job->arena, main->results.v[i].use->value->type));
	printf("parameters %llu (%llu bytes), multiply-accumulates %llu\n\n",
		(unsigned long long)parameters, (unsigned long long)bytes,
		(unsigned long long)cost->macs);
	printf("%-32s %-12s %-20s %12s %10s %8s\n", "layer", "operation", "kernel", "MACs",
		"weights", "code");
	for (uint32_t i = 0; i < cost->layer_count; i++) {
		const az_layer_cost *l = &cost->layer[i];
		printf("%-32.32s %-12s %-20s %12llu %10llu %8llu\n", l->name ? l->name : "",
			l->op ? l->op : "", l->kernel ? l->kernel : "", (unsigned long long)l->macs,
			(unsigned long long)l->weight_bytes, (unsigned long long)l->code_bytes);
	}
	printf("\nflash %llu bytes (code %llu, constants %llu of which weights %llu)\n",
		(unsigned long long)(cost->text_bytes + cost->rodata_bytes),
		(unsigned long long)cost->text_bytes, (unsigned long long)cost->rodata_bytes,
		(unsigned long long)cost->weight_bytes);
	printf("ram   arena %llu (at least %llu), inputs and outputs %llu, stack %llu\n",
		(unsigned long long)cost->arena_bytes,
		(unsigned long long)cost->arena_lower_bound_bytes,
		(unsigned long long)cost->io_bytes, (unsigned long long)cost->stack_bytes);
}

static bool describe(az_job *job, az_module *module)
{
	az_cost cost;
	uint64_t bytes, parameters = count_parameters(module, &bytes);
	if (!az_job_road(job, module, false) ||
		!az_backend_cost.measure(module, &job->arena, &cost))
		return false;
	const az_func *main = az_module_main(module);
	if (!job->options.json) {
		print_text(job, main, parameters, bytes, &cost);
		return true;
	}
	json_object *o = values_json(job, main);
	json_object_object_add(o, "parameters", json_object_new_int64((int64_t)parameters));
	json_object_object_add(o, "macs", json_object_new_int64((int64_t)cost.macs));
	json_object_object_add(o, "text_bytes", json_object_new_int64((int64_t)cost.text_bytes));
	json_object_object_add(o, "rodata_bytes",
		json_object_new_int64((int64_t)cost.rodata_bytes));
	json_object_object_add(o, "weight_bytes",
		json_object_new_int64((int64_t)cost.weight_bytes));
	json_object_object_add(o, "arena_bytes", json_object_new_int64((int64_t)cost.arena_bytes));
	json_object_object_add(o, "layers", layers_json(&cost));
	az_print_json(o);
	return true;
}

int az_verb_info(az_job *job)
{
	az_module *module = az_job_load(job, job->options.args[0]);
	bool ok = module && describe(job, module);
	if (module)
		az_module_free(module);
	return ok ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
}
