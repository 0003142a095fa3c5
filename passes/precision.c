/* SPDX-License-Identifier: Apache-2.0
 *
 * See precision.h. A layer is known by the name of its node in the source network or by that of its
 * result; `params` is the number of its weights. */
#include "passes/precision.h"

#include <stdlib.h>
#include <string.h>

#include "passes/assign.h"

/* --- What may be asked for ---------------------------------------------------------------------- */

static const char weights_known[] =
	"weights can be made float, bipolar, ternary, i2 to i8, u1 to u8";
static const char acts_known[] =
	"activations can be made float, bipolar, u1 to u8, i2 to i8, i16, u16";

static bool weight_fits(const az_precision *p)
{
	if (p->is_float || p->elem.kind == AZ_KIND_BIPOLAR)
		return true;
	return p->elem.bits <= 8 && p->elem.bits >= (p->elem.kind == AZ_KIND_INT ? 2 : 1);
}

static bool act_fits(const az_precision *p)
{
	return weight_fits(p) || p->elem.bits == 16;
}

static bool check_rules(az_pass_ctx *pass)
{
	const az_recipe *recipe = pass->env->recipe;
	bool ok = true;
	char text[16];
	for (uint32_t i = 0; recipe && i < recipe->rule_count; i++) {
		const az_recipe_rule *rule = &recipe->rule[i];
		if (rule->weight.given && !weight_fits(&rule->weight))
			ok = az_error(pass->ctx, rule->loc, "%s, the rule asks for %s",
				weights_known, az_elem_print(text, rule->weight.elem));
		if (rule->act.given && !act_fits(&rule->act))
			ok = az_error(pass->ctx, rule->loc, "%s, the rule asks for %s", acts_known,
				az_elem_print(text, rule->act.elem));
	}
	return ok;
}

/* "4" is i4 for weights and u4 for activations; 1 and 16 are the usual forms of so many bits. */
static bool parse_width(const char *text, bool weight, az_precision *out)
{
	char *end;
	long bits = strtol(text, &end, 10);
	*out = (az_precision){.given = true};
	if (end == text || *end)
		return az_precision_parse(text, out);
	out->elem = weight || bits == 16 ? AZ_ELEM(INT, 0) : AZ_ELEM(UINT, 0);
	out->elem.bits = (uint8_t)(bits < 0 || bits > 99 ? 99 : bits);
	out->by_sign = !weight && bits == 1;
	if (weight && bits == 1)
		out->elem = AZ_ELEM(BIPOLAR, 1);
	return bits > 0;
}

static bool read_weight(az_precisions *p)
{
	const char *text = az_pass_word(p->pass, "weights"), *grid = az_pass_word(p->pass, "grid");
	const az_loc loc = p->pass->step->loc;
	int64_t group = az_pass_int(p->pass, "group");
	if (!parse_width(text, true, &p->weight) || !weight_fits(&p->weight))
		return az_error(p->pass->ctx, loc, "%s: weights = %s must be 1 to 8 bits; %s",
			p->pass->desc->name, text, weights_known);
	if (!az_weight_grid_parse(grid, &p->weight.grid))
		return az_error(p->pass->ctx, loc,
			"%s: grid = %s must be affine, odd, power-of-two or codebook",
			p->pass->desc->name, grid);
	if (group < 0 || group > INT32_MAX)
		return az_error(p->pass->ctx, loc, "%s: group = %lld must be positive",
			p->pass->desc->name, (long long)group);
	if (group) {
		p->weight.granularity = AZ_PER_GROUP;
		p->weight.group = (int32_t)group;
	}
	return true;
}

bool az_precisions_init(az_precisions *p, az_pass_ctx *pass)
{
	const char *acts = az_pass_word(pass, "acts");
	int64_t edges = az_pass_int(pass, "edges");
	*p = (az_precisions){.pass = pass, .fine = az_pass_int(pass, "fine")};
	p->exact = az_pass_flag(pass, "exact");
	if (!read_weight(p))
		return false;
	if (!parse_width(acts, false, &p->act) || !act_fits(&p->act))
		return az_error(pass->ctx, pass->step->loc,
			"%s: acts = %s must be 1 to 8 bits, 16 or float; %s", pass->desc->name,
			acts, acts_known);
	if (edges < 0 || edges > 8)
		return az_error(pass->ctx, pass->step->loc, "%s: edges = %lld must be 0 to 8 bits",
			pass->desc->name, (long long)edges);
	p->edges = (int)edges;
	const az_recipe *recipe = pass->env->recipe;
	p->matched = az_new_array(&pass->scratch, bool, recipe ? recipe->rule_count + 1u : 1u);
	return check_rules(pass);
}

/* --- First and last layers ---------------------------------------------------------------------- */

/* Operands that are computed. */
static uint32_t count_locals(const az_op *op)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < op->arg_count; i++)
		count += op->args[i].value && !az_value_is_const(op->args[i].value);
	return count;
}

/* A parameter of main, or one number for each of its numbers, whatever its place. */
static bool from_input(const az_value *x)
{
	while (x->kind != AZ_VALUE_PARAM) {
		const az_op *op = az_value_op(x);
		if (!op || az_has_weights(op) || !op->arg_count || !op->args[0].value ||
			count_locals(op) != 1 || az_value_is_const(op->args[0].value))
			return false;
		x = op->args[0].value;
	}
	return true;
}

static void mark(az_precisions *p, const az_op *op, unsigned edge)
{
	p->edge[op->results[0]->id] |= (uint8_t)edge;
	p->edge_operand[op->args[0].value->id] = true;
}

/* Of the layers that a result depends on with no layer between, the one that stands last. */
static const az_op *last_layer(const az_func *main, const az_value *result, bool *reached)
{
	memset(reached, 0, main->value_count * sizeof *reached);
	reached[result->id] = true;
	for (const az_op *op = main->last; op; op = op->prev) {
		bool here = false;
		for (uint32_t i = 0; i < op->result_count; i++)
			here |= reached[op->results[i]->id];
		if (here && az_has_weights(op))
			return op;
		for (uint32_t i = 0; here && i < op->arg_count; i++) {
			if (op->args[i].value && !az_value_is_const(op->args[i].value))
				reached[op->args[i].value->id] = true;
		}
	}
	return NULL;
}

void az_precisions_see(az_precisions *p, const az_func *main)
{
	az_arena *arena = &p->pass->scratch;
	p->count = main->value_count;
	p->edge = az_new_array(arena, uint8_t, p->count + 1u);
	p->edge_operand = az_new_array(arena, bool, p->count + 1u);
	for (const az_op *op = main->first; op; op = op->next) {
		if (az_has_weights(op) && from_input(op->args[0].value))
			mark(p, op, AZ_EDGE_FIRST);
	}
	bool *reached = az_new_array(arena, bool, p->count + 1u);
	for (uint32_t i = 0; i < main->results.count; i++) {
		const az_value *result = main->results.v[i].use->value;
		const az_op *op =
			az_value_is_const(result) ? NULL : last_layer(main, result, reached);
		if (op)
			mark(p, op, AZ_EDGE_LAST);
	}
}

/* --- Deciding ----------------------------------------------------------------------------------- */

static unsigned edges_of(const az_precisions *p, const az_value *value)
{
	return value && value->id < p->count ? p->edge[value->id] : 0;
}

static bool is_default(const az_recipe_rule *rule)
{
	return !rule->op && !rule->name && !rule->compare && !rule->edge;
}

/* op NULL: an input of the network. */
static bool matches(const az_precisions *p, const az_recipe_rule *rule, const az_op *op)
{
	if (!op)
		return is_default(rule);
	const az_value *w = az_op_arg(op, 1);
	int64_t params = w && az_value_is_const(w) ? az_type_numel(w->type) : 0;
	unsigned edges = edges_of(p, op->results[0]);
	return az_recipe_matches(rule, op->code, op->loc.node, params, edges) ||
	       az_recipe_matches(rule, op->code, op->results[0]->name, params, edges);
}

/* The last rule that decides, by `weight` or by `act`. An operation that only moves numbers asks for nothing
 * unless a rule means it. */
static az_precision decide(az_precisions *p, const az_op *op, bool weight, az_precision init)
{
	const az_recipe *recipe = p->pass->env->recipe;
	bool moves = op && az_shares_quantizer(op);
	if (moves)
		init.given = false;
	for (uint32_t i = 0; recipe && i < recipe->rule_count; i++) {
		const az_recipe_rule *rule = &recipe->rule[i];
		const az_precision *precision = weight ? &rule->weight : &rule->act;
		if (!matches(p, rule, op))
			continue;
		p->matched[i] = true;
		if (precision->given && !(moves && is_default(rule)))
			init = *precision;
	}
	return init;
}

az_precision az_precision_weight(az_precisions *p, const az_op *op)
{
	az_precision init = p->weight;
	if (edges_of(p, op->results[0]) && !init.is_float && init.elem.bits < p->edges) {
		if (init.elem.kind == AZ_KIND_BIPOLAR)
			init.elem.kind = AZ_KIND_INT;
		init.elem.bits = (uint8_t)AZ_MAX(p->edges, 2);
		init.grid = AZ_WEIGHT_AFFINE;
	}
	unsigned assigned = az_assigned_bits(p->pass->env->assigned, op->results[0]->name);
	if (assigned)
		init = (az_precision){.given = true,
			.elem = assigned > 1 ? AZ_ELEM(INT, (uint8_t)assigned)
					     : AZ_ELEM(BIPOLAR, 1)};
	return decide(p, op, true, init);
}

/* What op gives; NULL: an input. `edge`: a first or last layer reads it. */
static az_precision decide_act(az_precisions *p, const az_op *op, bool edge)
{
	az_precision init = p->act;
	if (edge && !init.is_float && init.elem.bits < p->edges) {
		if (init.elem.kind == AZ_KIND_BIPOLAR)
			init.elem.kind = AZ_KIND_UINT;
		init.elem.bits = (uint8_t)p->edges;
		init.by_sign = p->edges == 1;
	}
	unsigned assigned =
		op ? az_assigned_act_bits(p->pass->env->assigned, op->results[0]->name) : 0;
	if (assigned && !init.is_float) {
		init.given = true;
		init.elem.bits = (uint8_t)assigned;
		init.by_sign = false;
	}
	return decide(p, op, false, init);
}

az_precision az_precision_input(az_precisions *p)
{
	return decide_act(p, NULL, true);
}

/* Of two: float, else more bits, else the one that holds any range. */
static az_precision wider(az_precision a, az_precision b)
{
	if (!a.given || b.is_float)
		return b;
	if (a.is_float || a.elem.bits != b.elem.bits)
		return a.is_float || a.elem.bits > b.elem.bits ? a : b;
	bool holds_all = b.elem.kind == AZ_KIND_UINT && (b.elem.bits > 1 || b.by_sign);
	return holds_all ? b : a;
}

/* Calls for the values that are to be quantized, with their roots. */
typedef void visit_fn(az_precisions *p, const az_value *value, uint32_t root, void *data);

static void visit_wanted(az_precisions *p, const az_func *main, const az_quantize_plan *plan,
	visit_fn *visit, void *data)
{
	for (uint32_t i = 0; i < main->params.count; i++) {
		const az_value *value = main->params.v[i];
		if (plan->wanted[value->id])
			visit(p, value, az_quantize_plan_root(plan, value->id), data);
	}
	for (const az_op *op = main->first; op; op = op->next) {
		for (uint32_t i = 0; i < op->result_count; i++) {
			const az_value *value = op->results[i];
			if (plan->wanted[value->id])
				visit(p, value, az_quantize_plan_root(plan, value->id), data);
		}
	}
}

static void see_edge(az_precisions *p, const az_value *value, uint32_t root, void *data)
{
	((bool *)data)[root] |= value->kind == AZ_VALUE_PARAM || p->edge_operand[value->id];
}

typedef struct decided {
	const bool *edge;
	az_precision *act;
} decided;

static void see_act(az_precisions *p, const az_value *value, uint32_t root, void *data)
{
	decided *d = data;
	az_precision act = decide_act(p, az_value_op(value), d->edge[root]);
	if (act.given)
		d->act[root] = wider(d->act[root], act);
}

/* Moved numbers that were not quantized where they come from. */
static void see_rest(az_precisions *p, const az_value *value, uint32_t root, void *data)
{
	decided *d = data;
	(void)value;
	if (!d->act[root].given)
		d->act[root] = decide_act(p, NULL, d->edge[root]);
}

az_precision *az_precisions_acts(az_precisions *p, const az_func *main,
	const az_quantize_plan *plan)
{
	az_arena *arena = &p->pass->scratch;
	bool *edge = az_new_array(arena, bool, main->value_count + 1u);
	decided d = {edge, az_new_array(arena, az_precision, main->value_count + 1u)};
	visit_wanted(p, main, plan, see_edge, edge);
	visit_wanted(p, main, plan, see_act, &d);
	visit_wanted(p, main, plan, see_rest, &d);
	return d.act;
}

az_elem az_precision_elem(const az_precision *p, const az_range *range)
{
	return p->by_sign && range->known && range->lo < 0 ? AZ_ELEM(BIPOLAR, 1) : p->elem;
}

void az_precisions_finish(const az_precisions *p)
{
	const az_recipe *recipe = p->pass->env->recipe;
	for (uint32_t i = 0; recipe && i < recipe->rule_count; i++) {
		if (!p->matched[i])
			az_warning(p->pass->ctx, recipe->rule[i].loc, "this rule matches no layer");
	}
}
