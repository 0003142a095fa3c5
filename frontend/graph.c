/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking a graph: names, which nodes are needed, one node after the other. A node that fails leaves
 * poison in its outputs and the walk goes on, so that one run reports every node that is not
 * supported and none that only depends on such a node. */
#include <string.h>

#include "frontend/import.h"

az_value az_poison, az_absent;

az_scope *az_scope_new(az_import *im, az_scope *parent)
{
	az_scope *scope = az_new(&im->scratch, az_scope);
	scope->im = im;
	scope->parent = parent;
	scope->prefix = "";
	return scope;
}

static az_loc file_loc(const az_import *im)
{
	return (az_loc){.file = im->file};
}

az_value *az_tensor_value(az_import *im, az_loc loc, const char *name, const Onnx__TensorProto *t)
{
	const az_type *type;
	const void *data;
	bool mapped;
	if (!az_onnx_tensor(&im->tensors, loc, t, &type, &data, &mapped))
		return NULL;
	/* What was made lies in the scratch arena, which goes first; what is mapped is copied in the
	 * end, if anything still uses it. */
	return &az_const_new(im->module, name, type, data, mapped)->value;
}

az_value *az_scope_find(az_scope *scope, az_name name)
{
	for (; scope; scope = scope->parent) {
		az_value *value = az_map_get(&scope->values, name);
		if (value)
			return value;
		const Onnx__TensorProto *tensor = az_map_get(&scope->tensors, name);
		if (!tensor)
			continue;
		az_import *im = scope->im;
		const char *full = az_arena_printf(&im->scratch, "%s%s", scope->prefix, name);
		value = az_tensor_value(im, file_loc(im), full, tensor);
		if (!value) {
			im->failed = true;
			value = &az_poison;
		}
		az_map_put(&im->scratch, &scope->values, name, value);
		return value;
	}
	return NULL;
}

void az_scope_need(az_scope *scope, az_name name)
{
	for (; scope; scope = scope->parent)
		az_map_put(&scope->im->scratch, &scope->needed, name, scope);
}

bool az_scope_set(az_scope *scope, az_loc loc, az_name name, az_value *value)
{
	if (az_map_get(&scope->values, name))
		return az_error(scope->im->ctx, loc, "value \"%s\" is made twice", name);
	az_map_put(&scope->im->scratch, &scope->values, name, value);
	return true;
}

static az_loc node_loc(const az_import *im, const Onnx__NodeProto *proto, size_t index)
{
	az_ctx *ctx = im->ctx;
	az_loc loc = {.file = im->file};
	const char *op = proto->op_type ? proto->op_type : "";
	loc.op = az_name_of(ctx, op);
	if (proto->name && *proto->name) {
		loc.node = az_name_of(ctx, proto->name);
	} else {
		loc.node = az_name_of(ctx, az_arena_printf(&ctx->arena, "%s_%zu", op, index));
	}
	return loc;
}

bool az_scope_declare(az_scope *scope, size_t tensor_count, Onnx__TensorProto *const *tensors,
	size_t node_count, Onnx__NodeProto *const *nodes)
{
	az_import *im = scope->im;
	bool ok = true;
	for (size_t i = 0; i < tensor_count; i++) {
		az_name name = az_name_of(im->ctx, tensors[i]->name);
		if (!name || !*name)
			ok = az_error(im->ctx, file_loc(im), "initializer %zu has no name", i);
		else if (az_map_get(&scope->tensors, name))
			ok = az_error(im->ctx, file_loc(im), "initializer \"%s\" is given twice",
				name);
		else
			az_map_put(&im->scratch, &scope->tensors, name, tensors[i]);
	}
	for (size_t i = 0; i < node_count && !az_error_limit(im->ctx); i++)
		for (size_t k = 0; k < nodes[i]->n_output; k++) {
			az_name name = az_name_of(im->ctx, nodes[i]->output[k]);
			if (!*name)
				continue;
			if (az_map_get(&scope->makers, name) || az_map_get(&scope->tensors, name) ||
				az_map_get(&scope->values, name))
				ok = az_error(im->ctx, node_loc(im, nodes[i], i),
					"value \"%s\" is made twice", name);
			az_map_put(&im->scratch, &scope->makers, name, nodes[i]);
		}
	return ok;
}

/* What a branch reads from outside cannot be told apart by name alone: everything it names. */
static void need_graph(az_scope *scope, const Onnx__GraphProto *graph)
{
	az_ctx *ctx = scope->im->ctx;
	for (size_t i = 0; i < graph->n_output; i++)
		if (graph->output[i]->name)
			az_scope_need(scope, az_name_of(ctx, graph->output[i]->name));
	for (size_t i = 0; i < graph->n_node; i++) {
		const Onnx__NodeProto *node = graph->node[i];
		for (size_t k = 0; k < node->n_input; k++)
			az_scope_need(scope, az_name_of(ctx, node->input[k]));
		for (size_t k = 0; k < node->n_attribute; k++)
			if (node->attribute[k]->g)
				need_graph(scope, node->attribute[k]->g);
	}
}

/* Is any output needed? Then its operands are too. */
static bool mark_needed(az_scope *scope, const Onnx__NodeProto *node)
{
	az_ctx *ctx = scope->im->ctx;
	bool needed = false;
	for (size_t k = 0; k < node->n_output; k++)
		needed = needed || az_map_get(&scope->needed, az_name_of(ctx, node->output[k]));
	if (!needed)
		return false;
	for (size_t k = 0; k < node->n_input; k++)
		if (*node->input[k])
			az_scope_need(scope, az_name_of(ctx, node->input[k]));
	for (size_t k = 0; k < node->n_attribute; k++)
		if (node->attribute[k]->g)
			need_graph(scope, node->attribute[k]->g);
	return true;
}

static bool same_domain(const char *a, const char *b)
{
	if (!a || !strcmp(a, "ai.onnx"))
		a = "";
	if (!b || !strcmp(b, "ai.onnx"))
		b = "";
	return !strcmp(a, b);
}

/* 0: the domain is not imported. */
static int64_t find_opset(const az_scope *scope, const char *domain)
{
	while (!scope->function && scope->parent)
		scope = scope->parent;
	for (size_t i = 0; i < scope->opset_count; i++)
		if (same_domain(scope->opsets[i]->domain, domain))
			return scope->opsets[i]->version;
	return 0;
}

/* Operands into n->in. False: one is poison (silent) or not there (reported). */
static bool find_operands(az_node *n)
{
	bool ok = true, sound = true;
	for (uint32_t i = 0; i < n->in_count; i++) {
		az_name name = az_name_of(n->im->ctx, n->proto->input[i]);
		if (!*name)
			continue;
		n->in[i] = az_scope_find(n->scope, name);
		if (!n->in[i] && az_map_get(&n->scope->makers, name))
			ok = az_node_error(n,
				"operand \"%s\" is made by a later node; nodes must stand behind "
				"those "
				"they depend on",
				name);
		else if (!n->in[i])
			ok = az_node_error(n, "operand \"%s\" is not made by anything", name);
		sound = sound && n->in[i] != &az_poison;
		if (n->in[i] == &az_absent)
			n->in[i] = NULL;
	}
	return ok && sound;
}

typedef struct row_names {
	const char *domain;
	size_t at;
} row_names;

static const char *next_row(void *state)
{
	row_names *names = state;
	while (az_onnx_rows[names->at].name) {
		const az_onnx_row *row = &az_onnx_rows[names->at++];
		if (same_domain(row->domain, names->domain))
			return row->name;
	}
	return NULL;
}

static bool unsupported(az_node *n, const char *domain, const char *op)
{
	const az_onnx_row *other = NULL;
	for (const az_onnx_row *row = az_onnx_rows; row->name; row++)
		if (same_domain(row->domain, domain) && !strcmp(row->name, op))
			other = row;
	if (other && other->until && other->until < n->opset)
		return az_node_error(n,
			"operator %s of opset %lld is not supported; it is supported up to opset "
			"%d",
			op, (long long)n->opset, other->until);
	if (other)
		return az_node_error(n,
			"operator %s of opset %lld is not supported; it is supported from opset %d",
			op, (long long)n->opset, other->since);
	const char *reason = az_onnx_refusal(op);
	if (*domain)
		return az_node_error(n, "operator %s of domain \"%s\" is not supported%s%s", op,
			domain, reason ? ": " : "", reason ? reason : "");
	if (reason)
		return az_node_error(n, "operator %s (opset %lld) is not supported: %s", op,
			(long long)n->opset, reason);
	row_names names = {domain, 0};
	const char *near = az_nearest_word(op, next_row, &names);
	if (near && *near != *op) /* another word, not a misspelt one */
		near = NULL;
	return az_node_error(n, "operator %s (opset %lld) is not supported%s%s", op,
		(long long)n->opset, near ? "; the nearest that is: " : "", near ? near : "");
}

static const az_onnx_row *find_row(const char *domain, const char *op, int64_t opset)
{
	for (const az_onnx_row *row = az_onnx_rows; row->name; row++)
		if (same_domain(row->domain, domain) && !strcmp(row->name, op) &&
			row->since <= opset && (row->until == 0 || opset <= row->until))
			return row;
	return NULL;
}

static bool run_importer(az_node *n)
{
	const char *domain = n->proto->domain ? n->proto->domain : "";
	const char *op = n->proto->op_type ? n->proto->op_type : "";
	if (same_domain(domain, ""))
		domain = "";
	az_bytes overload = {"", 0};
	az_onnx_unknown_field(&n->proto->base, 8, 0, &overload);
	const Onnx__FunctionProto *function = az_function_find(n->im, domain, op,
		az_arena_copy(&n->im->scratch, overload.data, overload.size));
	n->opset = find_opset(n->scope, domain);
	if (function)
		return az_function_inline(n, function);
	if (n->opset <= 0 && !*domain)
		return az_node_error(n, "the model does not say which opset it uses");
	const az_onnx_row *row = find_row(domain, op, n->opset);
	if (!row)
		return unsupported(n, domain, op);
	n->code = row->code;
	return az_schema_check(n, domain, op) && row->import(n);
}

static void bind_outputs(az_node *n, bool ok)
{
	for (uint32_t i = 0; i < n->out_count; i++) {
		az_name name = az_name_of(n->im->ctx, n->proto->output[i]);
		if (!*name)
			continue;
		if (ok && !n->out[i] && n->out_name[i])
			ok = az_node_error(n, "output %u (\"%s\") is not supported", i, name);
		az_value *value = ok && n->out[i] ? n->out[i] : &az_poison;
		az_map_put(&n->im->scratch, &n->scope->values, name, value);
	}
	if (!ok)
		n->im->failed = true;
}

static az_node *node_new(az_scope *scope, const Onnx__NodeProto *proto, size_t index)
{
	az_import *im = scope->im;
	az_node *n = az_new(&im->scratch, az_node);
	n->im = im;
	n->scope = scope;
	n->proto = proto;
	n->loc = node_loc(im, proto, index);
	n->at = (az_builder){im->func, NULL, n->loc};
	n->in_count = (uint32_t)AZ_MIN(proto->n_input, AZ_ARGS_MAX);
	n->out_count = (uint32_t)AZ_MIN(proto->n_output, AZ_ARGS_MAX);
	n->in = az_new_array(&im->scratch, az_value *, n->in_count);
	n->out = az_new_array(&im->scratch, az_value *, n->out_count);
	n->out_name = az_new_array(&im->scratch, az_name, n->out_count);
	for (uint32_t i = 0; i < n->out_count; i++) {
		az_name name = az_name_of(im->ctx, proto->output[i]);
		if (*name && az_map_get(&scope->needed, name))
			n->out_name[i] = name;
	}
	return n;
}

static bool check_counts(az_node *n)
{
	if (n->proto->n_input > AZ_ARGS_MAX || n->proto->n_output > AZ_ARGS_MAX)
		return az_node_error(n, "%zu operands and %zu outputs, at most %d are supported",
			n->proto->n_input, n->proto->n_output, AZ_ARGS_MAX);
	if (++n->im->node_count > AZ_OPS_MAX)
		return az_node_error(n, "more than %d nodes, functions written out", AZ_OPS_MAX);
	return true;
}

static void import_node(az_scope *scope, const Onnx__NodeProto *proto, size_t index)
{
	az_import *im = scope->im;
	if (az_error_limit(im->ctx)) { /* only counted from here on */
		const char *op = proto->op_type ? proto->op_type : "";
		const char *domain = proto->domain ? proto->domain : "";
		if (!find_row(domain, op, find_opset(scope, domain)))
			im->unsupported++;
		return;
	}
	az_node *n = node_new(scope, proto, index);
	if (!check_counts(n)) {
		bind_outputs(n, false);
		return;
	}
	bool ok = find_operands(n);
	n->first_value = im->func->value_count;
	n->first_const = im->module->const_count;
	if (ok)
		ok = run_importer(n) && !n->bad;
	bind_outputs(n, ok);
	az_ctx_progress(im->ctx, "import", im->node_count, 0);
}

bool az_graph_import(az_scope *scope, size_t node_count, Onnx__NodeProto *const *nodes)
{
	az_import *im = scope->im;
	/* A function that is called often is looked at often, whatever little of it is needed. */
	im->scanned += node_count;
	if (im->scanned > 8 * (uint64_t)AZ_OPS_MAX) {
		im->failed = true;
		return az_error(im->ctx, file_loc(im), "more than %d nodes, functions written out",
			8 * AZ_OPS_MAX);
	}
	bool *needed = az_new_array(&im->scratch, bool, node_count + 1);
	for (size_t i = node_count; i-- > 0;)
		needed[i] = mark_needed(scope, nodes[i]);
	for (size_t i = 0; i < node_count; i++)
		if (needed[i] && im->node_count <= AZ_OPS_MAX)
			import_node(scope, nodes[i], i);
	return !im->failed;
}
