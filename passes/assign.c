/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeping assignments, and trying them on a clone. */
#include "passes/assign.h"

#include <string.h>

#include "passes/manager.h"

unsigned az_assigned_bits(const az_assignment *assignment, az_name layer)
{
	for (uint32_t i = 0; assignment && i < assignment->list.count; i++) {
		if (assignment->list.v[i].layer == layer)
			return assignment->list.v[i].bits;
	}
	return 0;
}

void az_assign(az_assignment *assignment, az_name layer, unsigned bits)
{
	for (uint32_t i = 0; i < assignment->list.count; i++) {
		if (assignment->list.v[i].layer == layer) {
			assignment->list.v[i].bits = (uint8_t)bits;
			return;
		}
	}
	az_vec_push(assignment->arena, &assignment->list, ((az_assigned){layer, (uint8_t)bits}));
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

/* Those options of the running pass that insert-quantizers has as well. */
static char *insert_text(az_pass_ctx *pass)
{
	const az_pass_desc *insert = az_pass_find("insert-quantizers");
	az_text text = {.arena = &pass->scratch};
	const char *between = "{";
	az_text_add(&text, "insert-quantizers");
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

static bool run_trial(az_pass_ctx *pass, az_assignment *bits, const char *tail, az_module *clone)
{
	az_pass_env env = {.exec = pass->env->exec,
		.calib = pass->env->calib,
		.cost = pass->env->cost,
		.recipe = pass->env->recipe,
		.backend = pass->env->backend,
		.backend_data = pass->env->backend_data,
		.assigned = bits};
	const char *text = az_arena_printf(&pass->scratch, "%s%s%s", insert_text(pass),
		*tail ? "," : "", tail);
	az_pipeline pipeline;
	return az_parse_pipeline(pass->ctx, &pass->scratch, "pipeline", text, &pipeline) &&
	       az_pipeline_run(clone, &pipeline, &env);
}

az_module *az_trial(az_pass_ctx *pass, az_assignment *bits, const char *tail)
{
	az_module *clone = az_module_clone(pass->module, true);
	AZ_GUARD(pass->ctx, {
		az_module_free(clone);
		return NULL;
	});
	bool ok = run_trial(pass, bits, tail, clone);
	AZ_UNGUARD(pass->ctx);
	if (ok)
		return clone;
	az_module_free(clone);
	return NULL;
}
