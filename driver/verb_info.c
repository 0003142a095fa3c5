/* SPDX-License-Identifier: Apache-2.0
 *
 * adze info: what a network holds and what it costs, layer by layer. */
#include <inttypes.h>
#include <stdio.h>

#include "driver/cost_report.h"
#include "ir/print.h"

static json_object *value_json(az_job *job, const char *name, const az_type *type)
{
	json_object *v = json_object_new_object();
	az_json_add_text(v, "name", name);
	az_json_add_text(v, "type", az_type_print(&job->arena, type));
	return v;
}

static void add_values(az_job *job, json_object *o, const az_func *main)
{
	json_object *in = json_object_new_array(), *out = json_object_new_array();
	for (uint32_t i = 0; i < main->params.count; i++)
		json_object_array_add(in,
			value_json(job, main->params.v[i]->name, main->params.v[i]->type));
	for (uint32_t i = 0; i < main->results.count; i++)
		json_object_array_add(out, value_json(job, main->results.v[i].name,
						   main->results.v[i].use->value->type));
	json_object_object_add(o, "inputs", in);
	json_object_object_add(o, "outputs", out);
}

static void print_text(az_job *job, const az_func *main, const az_cost *cost,
	const az_float_left_list *left)
{
	for (uint32_t i = 0; i < main->params.count; i++)
		printf("input   %s: %s\n", main->params.v[i]->name,
			az_type_print(&job->arena, main->params.v[i]->type));
	for (uint32_t i = 0; i < main->results.count; i++)
		printf("output  %s: %s\n", main->results.v[i].name,
			az_type_print(&job->arena, main->results.v[i].use->value->type));
	printf("target  %s, CPU %s%s%s\nparameters %" PRIu64 "\n\n", job->target->triple,
		job->target->cpu, *job->target->features ? " " : "", job->target->features,
		cost->parameters);
	az_cost_print_layers(job, cost);
	az_cost_print_totals(cost);
	az_cost_print_remarks(job, cost, left);
}

static bool describe(az_job *job, az_module *module)
{
	az_cost cost;
	az_cost_api api = az_backend_cost;
	az_float_left_list left;
	if (!az_job_rates(job, &api.table) || !az_job_compile(job, module) ||
		!api.measure(&api, module, &job->arena, &cost))
		return false;
	/* IR text may be placed for another target than the options name. */
	job->target = az_target_get(job->ctx, module->target, module->cpu, module->features);
	if (!job->target)
		return false;
	az_job_float_left(job, module, &left);
	const az_func *main = az_module_main(module);
	if (!job->options.json) {
		print_text(job, main, &cost, &left);
		return true;
	}
	json_object *o = az_cost_json(job, &cost, job->target, &left);
	add_values(job, o, main);
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
