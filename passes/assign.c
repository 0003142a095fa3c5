/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeping assignments, and trying them on a clone. */
#include "passes/assign.h"

#include <string.h>

#include "passes/manager.h"

static az_assigned *find(const az_assigned_list *list, az_name name)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->v[i].layer == name)
			return &list->v[i];
	}
	return NULL;
}

static unsigned bits_of(const az_assigned_list *list, az_name name)
{
	const az_assigned *known = find(list, name);
	return known ? known->bits : 0;
}

static void set_bits(az_arena *arena, az_assigned_list *list, az_name name, unsigned bits)
{
	az_assigned *known = find(list, name);
	if (known)
		known->bits = (uint8_t)bits;
	else
		az_vec_push(arena, list, ((az_assigned){name, (uint8_t)bits}));
}

unsigned az_assigned_bits(const az_assignment *assignment, az_name layer)
{
	return assignment ? bits_of(&assignment->list, layer) : 0;
}

void az_assign(az_assignment *assignment, az_name layer, unsigned bits)
{
	set_bits(assignment->arena, &assignment->list, layer, bits);
}

unsigned az_assigned_act_bits(const az_assignment *assignment, az_name value)
{
	return assignment ? bits_of(&assignment->acts, value) : 0;
}

void az_assign_act(az_assignment *assignment, az_name value, unsigned bits)
{
	set_bits(assignment->arena, &assignment->acts, value, bits);
}

unsigned az_bits_short_code(unsigned bits)
{
	unsigned power = 1;
	while (power < bits)
		power *= 2;
	return power;
}

const az_bit_loss *az_assigned_loss(const az_assignment *assignment, az_name layer)
{
	for (uint32_t i = 0; i < assignment->losses.count; i++) {
		if (assignment->losses.v[i].layer == layer)
			return &assignment->losses.v[i];
	}
	return NULL;
}

void az_bit_layers_of(az_module *module, az_arena *arena, az_bit_layers *out)
{
	const az_func *main = az_module_main(module);
	*out = (az_bit_layers){.op = az_new_array(arena, az_op *, main->op_count + 1u),
		.weights = az_new_array(arena, uint64_t, main->op_count + 1u)};
	for (az_op *op = main->first; op; op = op->next) {
		if (!az_has_weights(op))
			continue;
		out->weights[out->count] = (uint64_t)az_type_numel(op->args[1].value->type);
		out->op[out->count++] = op;
	}
}

uint32_t az_assign_all(az_assignment *assignment, az_module *module, unsigned bits)
{
	az_bit_layers layers;
	az_bit_layers_of(module, assignment->arena, &layers);
	for (uint32_t i = 0; i < layers.count; i++)
		az_assign(assignment, layers.op[i]->results[0]->name, bits);
	return layers.count;
}

/* A step with `own` options and those of the running pass that insert-quantizers has as well. */
static char *step_text(az_pass_ctx *pass, const char *name, const char *own)
{
	const az_pass_desc *insert = az_pass_find("insert-quantizers");
	az_text text = {.arena = &pass->scratch};
	const char *between = *own ? "," : "{";
	az_text_add(&text, "%s%s%s", name, *own ? "{" : "", own);
	for (uint32_t i = 0; i < pass->step->option_count; i++) {
		const az_pipeline_option *o = &pass->step->option[i];
		for (const az_option_desc *d = insert->options; d->name; d++) {
			if (strcmp(d->name, o->key) != 0)
				continue;
			az_text_add(&text, "%s%s%s%s", between, o->key, *o->value ? "=" : "",
				o->value);
			between = ",";
		}
	}
	az_text_add(&text, "%s", between[0] == ',' ? "}" : "");
	return text.v;
}

static bool run_trial(az_pass_ctx *pass, az_assignment *bits, const char *text, az_module *clone)
{
	if (!bits->acts.count && pass->env->assigned)
		bits->acts = pass->env->assigned->acts;
	az_pass_env env = {.exec = pass->env->exec,
		.calib = pass->env->calib,
		.cost = pass->env->cost,
		.recipe = pass->env->recipe,
		.backend = pass->env->backend,
		.backend_data = pass->env->backend_data,
		.assigned = bits};
	az_pipeline pipeline;
	return az_parse_pipeline(pass->ctx, &pass->scratch, "pipeline", text, &pipeline) &&
	       az_pipeline_run(clone, &pipeline, &env);
}

static az_module *try_text(az_pass_ctx *pass, az_assignment *bits, const char *text)
{
	az_module *clone = az_module_clone(pass->module, true);
	AZ_GUARD(pass->ctx, {
		az_module_free(clone);
		return NULL;
	});
	bool ok = run_trial(pass, bits, text, clone);
	AZ_UNGUARD(pass->ctx);
	if (ok)
		return clone;
	az_module_free(clone);
	return NULL;
}

az_module *az_trial(az_pass_ctx *pass, az_assignment *bits, const char *tail)
{
	return try_text(pass, bits,
		az_arena_printf(&pass->scratch, "%s%s%s", step_text(pass, "insert-quantizers", ""),
			*tail ? "," : "", tail));
}

az_module *az_trial_calibrated(az_pass_ctx *pass, az_assignment *bits, const char *tail,
	int64_t samples)
{
	const char *own = az_arena_printf(&pass->scratch, "samples=%lld", (long long)samples);
	return try_text(pass, bits,
		az_arena_printf(&pass->scratch, "%s,%s%s%s", step_text(pass, "calibrate", own),
			step_text(pass, "insert-quantizers", ""), *tail ? "," : "", tail));
}

const char *az_trial_to_placed(az_pass_ctx *pass, bool compact, bool packed)
{
	return az_arena_printf(&pass->scratch,
		"fold-quantizers,widen-activations%s,select-kernels%s,pack-weights,"
		"reorder-operations,plan-memory",
		packed ? ",pack-activations" : "", compact ? "{size}" : "");
}
