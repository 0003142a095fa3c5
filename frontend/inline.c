/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of the model are written out where they are called, and so is the branch that a constant
 * condition chooses: the IR has no control flow. */
#include <string.h>

#include "frontend/onnx_ops.h"
#include "frontend/wire.h"

#define PREFIX_MAX 512 /* bytes; deeper values are told apart by suffixes */

static az_name function_key(az_import *im, const char *domain, const char *name,
	const char *overload)
{
	if (!domain || !strcmp(domain, "ai.onnx"))
		domain = "";
	return az_name_of(im->ctx,
		az_arena_printf(&im->scratch, "%s\n%s\n%s", domain, name ? name : "", overload));
}

const Onnx__FunctionProto *az_function_find(az_import *im, const char *domain, const char *name,
	const char *overload)
{
	if (im->functions.count == 0)
		return NULL;
	return az_map_get(&im->functions, function_key(im, domain, name, overload));
}

bool az_functions_declare(az_import *im)
{
	for (size_t i = 0; i < im->model->n_functions; i++) {
		const Onnx__FunctionProto *f = im->model->functions[i];
		az_bytes overload = {"", 0};
		az_onnx_unknown_field(&f->base, 13, 0, &overload);
		az_name key = function_key(im, f->domain, f->name,
			az_arena_copy(&im->scratch, overload.data, overload.size));
		if (az_map_get(&im->functions, key))
			return az_error(im->ctx, (az_loc){.file = im->file},
				"function \"%s\" is given twice", f->name ? f->name : "");
		az_map_put(&im->scratch, &im->functions, key, (void *)(uintptr_t)f);
	}
	return true;
}

/* The attributes of the call, then the defaults of the function's own (IR version 9). */
static bool bind_attributes(az_node *n, const Onnx__FunctionProto *function, az_scope *body)
{
	az_import *im = n->im;
	AZ_VEC(az_bound_attr) bound = {0};
	for (size_t i = 0; i < n->proto->n_attribute; i++) {
		const char *name = n->proto->attribute[i]->name;
		const Onnx__AttributeProto *attr = name ? az_node_attr(n, name) : NULL;
		if (attr)
			az_vec_push(&im->scratch, &bound, ((az_bound_attr){name, attr}));
	}
	az_bytes bytes;
	for (unsigned i = 0; az_onnx_unknown_field(&function->base, 11, i, &bytes); i++) {
		const Onnx__AttributeProto *attr = az_onnx_unpack_attribute(&im->scratch, bytes);
		if (!attr || !attr->name)
			return az_node_error(n, "a default of function \"%s\" has no name",
				function->name);
		az_vec_push(&im->scratch, &bound, ((az_bound_attr){attr->name, attr}));
	}
	body->bound = bound.v;
	body->bound_count = bound.count;
	return true;
}

static bool check_call(az_node *n, const Onnx__FunctionProto *function)
{
	const char *name = function->name ? function->name : "";
	if (n->proto->n_input > function->n_input)
		return az_node_error(n, "%zu operands for the %zu of function \"%s\"",
			n->proto->n_input, function->n_input, name);
	if (n->proto->n_output > function->n_output)
		return az_node_error(n, "%zu outputs for the %zu of function \"%s\"",
			n->proto->n_output, function->n_output, name);
	if (n->scope->depth >= AZ_DEPTH_MAX)
		return az_node_error(n, "functions and branches nested more than %d deep",
			AZ_DEPTH_MAX);
	for (const az_scope *scope = n->scope; scope;
		scope = scope->parent ? scope->parent : scope->caller)
		if (scope->function == function)
			return az_node_error(n, "function \"%s\" calls itself", name);
	return true;
}

/* An absent operand is absent in the body too: it is entered nowhere and its name is read as "". */
static bool bind_operands(az_node *n, const Onnx__FunctionProto *function, az_scope *body)
{
	for (size_t i = 0; i < function->n_input; i++) {
		az_value *value = az_node_in(n, (uint32_t)i);
		az_name name = az_name_of(n->im->ctx, function->input[i]);
		if (!az_scope_set(body, n->loc, name, value ? value : &az_absent))
			return false;
	}
	return true;
}

static bool return_values(az_node *n, az_scope *body, size_t count, const char *const *names)
{
	bool ok = true;
	for (uint32_t i = 0; i < n->out_count && i < count; i++) {
		if (!n->out_name[i])
			continue;
		az_value *value = az_scope_find(body, az_name_of(n->im->ctx, names[i]));
		if (!value || value == &az_absent)
			ok = az_node_error(n, "output \"%s\" of the body is not made by anything",
				names[i]);
		else if (value == &az_poison)
			ok = false; /* reported where it failed */
		else
			ok = az_node_set(n, i, value) && ok;
	}
	return ok;
}

bool az_function_inline(az_node *n, const Onnx__FunctionProto *function)
{
	az_import *im = n->im;
	if (!check_call(n, function))
		return false;
	az_scope *body = az_scope_new(im, NULL);
	body->caller = n->scope;
	body->function = function;
	body->depth = n->scope->depth + 1;
	body->prefix = n->scope->prefix;
	if (strlen(body->prefix) + strlen(n->loc.node) < PREFIX_MAX)
		body->prefix = az_arena_printf(&im->scratch, "%s%s/", body->prefix, n->loc.node);
	body->opsets = function->opset_import;
	body->opset_count = function->n_opset_import;
	if (function->n_opset_import == 0) {
		body->opsets = im->model->opset_import;
		body->opset_count = im->model->n_opset_import;
	}
	if (!bind_attributes(n, function, body) || !bind_operands(n, function, body) ||
		!az_scope_declare(body, 0, NULL, function->n_node, function->node)) {
		n->bad = true;
		return false;
	}
	for (uint32_t i = 0; i < n->out_count; i++)
		if (n->out_name[i])
			az_scope_need(body, az_name_of(im->ctx, function->output[i]));
	az_graph_import(body, function->n_node, function->node);
	return return_values(n, body, function->n_output, (const char *const *)function->output);
}

bool az_onnx_if(az_node *n)
{
	az_import *im = n->im;
	az_value *condition = az_node_need(n, 0, "condition");
	if (!condition)
		return false;
	const az_const *constant = az_value_const(condition);
	if (!constant || az_type_numel(condition->type) != 1)
		return az_node_error(n, "the condition is computed at run time; only an If whose "
					"condition is constant is "
					"supported");
	const char *which = az_const_get(constant, 0) != 0 ? "then_branch" : "else_branch";
	const Onnx__AttributeProto *attr = az_node_attr(n, which);
	if (!attr || !attr->g)
		return az_node_error(n, "attribute \"%s\" is missing", which);
	if (n->scope->depth >= AZ_DEPTH_MAX)
		return az_node_error(n, "functions and branches nested more than %d deep",
			AZ_DEPTH_MAX);
	const Onnx__GraphProto *graph = attr->g;
	az_scope *body = az_scope_new(im, n->scope);
	body->depth = n->scope->depth + 1;
	body->prefix = n->scope->prefix;
	if (graph->n_output < n->out_count)
		return az_node_error(n, "%u outputs for the %zu of \"%s\"", n->out_count,
			graph->n_output, which);
	if (!az_scope_declare(body, graph->n_initializer, graph->initializer, graph->n_node,
		    graph->node)) {
		n->bad = true;
		return false;
	}
	const char **names = az_new_array(&im->scratch, const char *, graph->n_output);
	for (size_t i = 0; i < graph->n_output; i++) {
		names[i] = graph->output[i]->name ? graph->output[i]->name : "";
		if (i < n->out_count && n->out_name[i])
			az_map_put(&im->scratch, &body->needed, az_name_of(im->ctx, names[i]),
				body);
	}
	az_graph_import(body, graph->n_node, graph->node);
	return return_values(n, body, graph->n_output, names);
}
