/* SPDX-License-Identifier: Apache-2.0
 *
 * See precision.h. A layer is known by the name of its node in the source network or by that of its
 * result; `params` is the number of its weights. */
#include "passes/precision.h"

#include "passes/rewrite.h"

static bool check_weight(az_pass_ctx *pass, const az_recipe_rule *rule)
{
	const az_precision *p = &rule->weight;
	char text[16];
	if (!p->given)
		return true;
	if (p->is_float || p->elem.kind != AZ_KIND_INT || p->elem.bits < 2 || p->elem.bits > 8)
		return az_error(pass->ctx, rule->loc,
			"weights can be made i2 to i8, the rule asks for %s",
			p->is_float ? "float" : az_elem_print(text, p->elem));
	if (p->granularity == AZ_PER_TENSOR || p->granularity == AZ_PER_GROUP)
		return az_error(pass->ctx, rule->loc,
			"weights are made with one scale per channel");
	return true;
}

static bool check_act(az_pass_ctx *pass, const az_recipe_rule *rule)
{
	const az_precision *p = &rule->act;
	char text[16];
	if (p->given && (p->is_float || p->elem.kind != AZ_KIND_UINT || p->elem.bits < 2 ||
				p->elem.bits > 8))
		return az_error(pass->ctx, rule->loc,
			"activations can be made u2 to u8, the rule asks for %s",
			p->is_float ? "float" : az_elem_print(text, p->elem));
	return true;
}

bool az_precisions_init(az_precisions *p, az_pass_ctx *pass, int weight_bits, int act_bits)
{
	const az_recipe *recipe = pass->env->recipe;
	*p = (az_precisions){pass, weight_bits, act_bits, NULL};
	if (!recipe)
		return true;
	bool ok = true;
	for (uint32_t i = 0; i < recipe->rule_count; i++) {
		ok &= check_weight(pass, &recipe->rule[i]);
		ok &= check_act(pass, &recipe->rule[i]);
	}
	p->matched = az_new_array(&pass->scratch, bool, recipe->rule_count + 1);
	return ok;
}

static bool matches(const az_recipe_rule *rule, const az_op *op)
{
	if (!op)
		return !rule->op && !rule->name && !rule->compare;
	const az_value *w = az_op_arg(op, 1);
	int64_t params = w && az_value_is_const(w) ? az_type_numel(w->type) : 0;
	return az_recipe_matches(rule, op->code, op->loc.node, params) ||
	       az_recipe_matches(rule, op->code, op->results[0]->name, params);
}

/* The last rule that decides, by `weight` or by `act`. */
static int decide(az_precisions *p, const az_op *op, bool weight, int bits)
{
	const az_recipe *recipe = p->pass->env->recipe;
	for (uint32_t i = 0; recipe && i < recipe->rule_count; i++) {
		const az_recipe_rule *rule = &recipe->rule[i];
		const az_precision *precision = weight ? &rule->weight : &rule->act;
		if (!matches(rule, op))
			continue;
		p->matched[i] = true;
		if (precision->given)
			bits = precision->elem.bits;
	}
	return bits;
}

int az_precision_weight(az_precisions *p, const az_op *op)
{
	return decide(p, op, true, p->weight_bits);
}

int az_precision_act(az_precisions *p, const az_op *op)
{
	return decide(p, op, false, p->act_bits);
}

void az_precisions_finish(const az_precisions *p)
{
	const az_recipe *recipe = p->pass->env->recipe;
	for (uint32_t i = 0; recipe && i < recipe->rule_count; i++)
		if (!p->matched[i])
			az_warning(p->pass->ctx, recipe->rule[i].loc, "this rule matches no layer");
}
