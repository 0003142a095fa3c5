/* SPDX-License-Identifier: Apache-2.0
 *
 * The public entry points, and the frame of a model: versions, inputs with their dimensions, outputs,
 * cleaning up. */
#include "frontend/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "frontend/wire.h"

static az_loc file_loc(const az_import *im)
{
	return (az_loc){.file = im->file};
}

static const az_onnx_dim *find_dim(const az_import *im, az_name name)
{
	for (uint32_t i = 0; im->options && i < im->options->dim_count; i++)
		if (im->options->dim[i].name == name)
			return &im->options->dim[i];
	return NULL;
}

/* The name by which --dim calls a dimension: its own, or "input:index". */
static az_name dim_name(az_import *im, const char *input, size_t index,
	const Onnx__TensorShapeProto__Dimension *dim)
{
	if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
		dim->dim_param && *dim->dim_param)
		return az_name_of(im->ctx, dim->dim_param);
	return az_name_of(im->ctx, az_arena_printf(&im->ctx->arena, "%s:%zu", input, index));
}

static bool is_known(const Onnx__TensorShapeProto__Dimension *dim)
{
	return dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
	       dim->dim_value >= 0;
}

static const Onnx__TypeProto__Tensor *tensor_type(const Onnx__ValueInfoProto *info)
{
	if (!info->type || info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
		return NULL;
	return info->type->tensor_type;
}

/* Symbols of first dimensions are the batch: 1 unless bound. */
static void note_batch(az_import *im, const Onnx__ValueInfoProto *info)
{
	const Onnx__TypeProto__Tensor *tensor = tensor_type(info);
	if (!tensor || !tensor->shape || tensor->shape->n_dim == 0 ||
		is_known(tensor->shape->dim[0]))
		return;
	az_name name = dim_name(im, info->name ? info->name : "", 0, tensor->shape->dim[0]);
	az_map_put(&im->scratch, &im->batch, name, im);
}

static bool find_length(az_import *im, const char *input, size_t index,
	const Onnx__TensorShapeProto__Dimension *dim, int64_t *out)
{
	*out = dim->dim_value;
	if (is_known(dim))
		return true;
	az_name name = dim_name(im, input, index, dim);
	const az_onnx_dim *given = find_dim(im, name);
	*out = given ? given->size : 1;
	if (given || az_map_get(&im->batch, name))
		return true;
	return az_error(im->ctx, file_loc(im),
		"dimension %zu of input \"%s\" is not known; give its length with --dim %s=N",
		index, input, name);
}

static bool input_type(az_import *im, const Onnx__ValueInfoProto *info, const az_type **type)
{
	const char *name = info->name;
	const Onnx__TypeProto__Tensor *tensor = tensor_type(info);
	az_elem elem;
	int64_t dim[AZ_RANK_MAX];
	bool ok = true;
	if (!tensor)
		return az_error(im->ctx, file_loc(im), "input \"%s\" is not a tensor", name);
	if (!az_onnx_elem(im->ctx, file_loc(im), tensor->elem_type, "input", name, &elem))
		return false;
	if (!tensor->shape)
		return az_error(im->ctx, file_loc(im), "input \"%s\" has no shape", name);
	size_t rank = tensor->shape->n_dim;
	if (rank > AZ_RANK_MAX)
		return az_error(im->ctx, file_loc(im),
			"input \"%s\" has %zu dimensions, at most %d are supported", name, rank,
			AZ_RANK_MAX);
	for (size_t i = 0; i < rank; i++)
		ok = find_length(im, name, i, tensor->shape->dim[i], &dim[i]) && ok;
	if (ok && !az_shape_valid((uint32_t)rank, dim))
		return az_error(im->ctx, file_loc(im), "input \"%s\" is too large", name);
	if (ok)
		*type = az_type_get(im->ctx, elem, (uint32_t)rank, dim);
	return ok;
}

static bool add_inputs(az_import *im, az_scope *scope, const Onnx__GraphProto *graph)
{
	bool ok = true;
	for (size_t i = 0; i < graph->n_input; i++)
		note_batch(im, graph->input[i]);
	for (size_t i = 0; i < graph->n_input && !az_error_limit(im->ctx); i++) {
		const Onnx__ValueInfoProto *info = graph->input[i];
		az_name name = az_name_of(im->ctx, info->name);
		const az_type *type = NULL;
		if (!name || !*name) {
			ok = az_error(im->ctx, file_loc(im), "input %zu has no name", i);
			continue;
		}
		if (az_map_get(&scope->tensors, name))
			continue; /* an initializer gives its value: it is a constant */
		if (az_map_get(&scope->values, name)) {
			ok = az_error(im->ctx, file_loc(im), "input \"%s\" is given twice", name);
			continue;
		}
		if (!input_type(im, info, &type)) {
			ok = false;
			az_map_put(&im->scratch, &scope->values, name, &az_poison);
			continue;
		}
		az_value *param = az_func_add_param(im->func, name, type);
		az_map_put(&im->scratch, &scope->values, name, param);
	}
	return ok;
}

static const Onnx__ValueInfoProto *declared_output(const Onnx__GraphProto *graph, az_name name)
{
	for (size_t i = 0; i < graph->n_output; i++)
		if (graph->output[i]->name && !strcmp(graph->output[i]->name, name))
			return graph->output[i];
	return NULL;
}

/* What the file says of an output's type must agree with what was inferred. */
static bool check_output(az_import *im, const Onnx__GraphProto *graph, az_name name,
	const az_type *type)
{
	const Onnx__ValueInfoProto *info = declared_output(graph, name);
	const Onnx__TypeProto__Tensor *tensor = info ? tensor_type(info) : NULL;
	if (!tensor)
		return true;
	az_elem elem;
	if (tensor->has_elem_type && tensor->elem_type != 0) {
		if (!az_onnx_elem(im->ctx, file_loc(im), tensor->elem_type, "output", name, &elem))
			return false;
		if (!az_elem_equal(elem, type->elem)) {
			char wanted[16], found[16];
			return az_error(im->ctx, file_loc(im),
				"output \"%s\" is declared as %s but computed as %s", name,
				az_elem_print(wanted, elem), az_elem_print(found, type->elem));
		}
	}
	if (!tensor->shape)
		return true;
	bool same = tensor->shape->n_dim == type->rank;
	for (uint32_t i = 0; same && i < type->rank; i++)
		same = !is_known(tensor->shape->dim[i]) ||
		       tensor->shape->dim[i]->dim_value == type->dim[i];
	if (!same)
		az_warning(im->ctx, file_loc(im),
			"output \"%s\" is declared with another shape than the %s it has", name,
			az_type_print(&im->scratch, type));
	return true;
}

static bool add_outputs(az_import *im, az_scope *scope, const Onnx__GraphProto *graph,
	uint32_t count, const az_name *names)
{
	bool ok = true;
	for (uint32_t i = 0; i < count && !az_error_limit(im->ctx); i++) {
		az_value *value = az_scope_find(scope, names[i]);
		if (!value)
			ok = az_error(im->ctx, file_loc(im),
				"output \"%s\" is not made by anything", names[i]);
		else if (value == &az_poison)
			ok = false;
		else if (!check_output(im, graph, names[i], value->type))
			ok = false;
		else
			az_func_add_result(im->func, names[i], value);
	}
	return ok;
}

/* The graph's outputs, or those that the options choose. */
static bool list_outputs(az_import *im, const Onnx__GraphProto *graph, uint32_t *count,
	const az_name **names)
{
	if (im->options && im->options->output_count) {
		*count = im->options->output_count;
		*names = im->options->output;
		return true;
	}
	if (graph->n_output == 0)
		return az_error(im->ctx, file_loc(im), "the graph has no outputs");
	if (graph->n_output > AZ_ARGS_MAX || graph->n_input > AZ_INLINE_MAX)
		return az_error(im->ctx, file_loc(im),
			"the graph has %zu outputs, at most %d are supported", graph->n_output,
			AZ_ARGS_MAX);
	az_name *list = az_new_array(&im->scratch, az_name, graph->n_output);
	for (size_t i = 0; i < graph->n_output; i++) {
		list[i] = az_name_of(im->ctx, graph->output[i]->name);
		if (!list[i] || !*list[i])
			return az_error(im->ctx, file_loc(im), "output %zu has no name", i);
	}
	*count = (uint32_t)graph->n_output;
	*names = list;
	return true;
}

/* Operations and constants that nothing uses are gone; bytes still in the file are copied. */
static void clean_up(az_import *im)
{
	for (az_op *op = im->func->last, *prev; op; op = prev) {
		bool used = false;
		prev = op->prev;
		for (uint32_t i = 0; i < op->result_count; i++)
			used = used || op->results[i]->uses;
		if (!used)
			az_op_erase(op);
	}
	for (uint32_t i = im->module->consts.count; i-- > 0;) {
		az_const *constant = im->module->consts.v[i];
		if (!constant->value.uses)
			az_const_erase(constant);
		else if (az_tensor_source_holds(&im->tensors, constant->data))
			constant->data = az_arena_dup(&im->module->arena, constant->data,
				constant->size_bytes);
	}
}

/* Weights that were permuted keep the name they have in the file, unless both forms are used. */
static void restore_names(az_import *im)
{
	for (uint32_t i = 0; i < im->moved.count; i++) {
		const az_moved *moved = &im->moved.v[i];
		if (moved->value->uses && moved->value->name == moved->name &&
			!az_map_get(&im->module->const_names, moved->wanted))
			az_value_rename(moved->value, moved->wanted);
	}
}

static bool check_model(az_import *im)
{
	const Onnx__ModelProto *model = im->model;
	if (!model->has_ir_version)
		return az_error(im->ctx, file_loc(im),
			"the file is not an ONNX model: no IR version");
	if (model->ir_version < 3)
		return az_error(im->ctx, file_loc(im),
			"IR version %lld is not supported, the oldest is 3",
			(long long)model->ir_version);
	if (!model->graph)
		return az_error(im->ctx, file_loc(im), "the model has no graph");
	for (size_t i = 0; i < model->graph->n_sparse_initializer; i++) {
		const Onnx__SparseTensorProto *sparse = model->graph->sparse_initializer[i];
		return az_error(im->ctx, file_loc(im),
			"initializer \"%s\" is sparse, which is not supported",
			sparse->values && sparse->values->name ? sparse->values->name : "");
	}
	return true;
}

static bool import_graph(az_import *im)
{
	const Onnx__GraphProto *graph = im->model->graph;
	az_scope *scope = az_scope_new(im, NULL);
	uint32_t count = 0;
	const az_name *names = NULL;
	scope->opsets = im->model->opset_import;
	scope->opset_count = im->model->n_opset_import;
	if (!list_outputs(im, graph, &count, &names) || !az_functions_declare(im))
		return false;
	/* Initializers first: an input of the same name is a constant, not a parameter. */
	if (!az_scope_declare(scope, graph->n_initializer, graph->initializer, 0, NULL))
		return false;
	bool ok = add_inputs(im, scope, graph);
	if (!az_scope_declare(scope, 0, NULL, graph->n_node, graph->node))
		return false;
	for (uint32_t i = 0; i < count; i++)
		az_scope_need(scope, names[i]);
	ok = az_graph_import(scope, graph->n_node, graph->node) && ok;
	if (im->unsupported)
		az_error(im->ctx, file_loc(im),
			"%u more nodes have operators that are not supported", im->unsupported);
	return add_outputs(im, scope, graph, count, names) && ok && !im->failed;
}

static bool import_model(az_import *im)
{
	az_bytes reduced;
	if (!az_wire_reduce(im->ctx, file_loc(im), &im->scratch, AZ_WIRE_MODEL, im->tensors.file,
		    &reduced))
		return false;
	im->model = az_onnx_unpack_model(&im->scratch, reduced);
	if (!im->model)
		return az_error(im->ctx, file_loc(im), "the file is not an ONNX model");
	if (!check_model(im))
		return false;
	im->module = az_module_new(im->ctx, az_path_stem(&im->scratch, im->file));
	im->func = az_func_new(im->module, "main");
	im->func->loc = file_loc(im);
	if (!import_graph(im))
		return false;
	clean_up(im);
	restore_names(im);
	return true;
}

/* Everything but a finished module, which the caller has by then. */
static void close_import(az_import *im)
{
	if (!im)
		return;
	if (im->module && !im->done)
		az_module_free(im->module);
	az_tensor_source_close(&im->tensors);
	if (im->owns_file && im->tensors.file.data)
		az_file_unmap(im->tensors.file);
	az_arena_free(&im->fold);
	az_arena_free(&im->scratch);
	free(im);
}

/* Lives outside the arenas, so that it can be closed after a jump out of them. */
static az_import *open_import(az_ctx *ctx, const az_onnx_options *options)
{
	az_import *im = calloc(1, sizeof *im);
	if (!im)
		az_arena_exhausted(&ctx->arena);
	im->ctx = ctx;
	im->options = options;
	az_arena_init(&im->scratch, &ctx->oom);
	az_arena_init(&im->fold, &ctx->oom);
	im->tensors.ctx = ctx;
	im->tensors.arena = &im->scratch;
	return im;
}

static az_module *run_import(az_import *im, const char *name, const char *folder)
{
	im->file = az_name_of(im->ctx, name);
	im->tensors.folder = folder;
	im->done = import_model(im);
	return im->done ? im->module : NULL;
}

az_module *az_onnx_import_bytes(az_ctx *ctx, const char *name, const void *data, size_t size,
	const char *folder, const az_onnx_options *options)
{
	az_import *volatile im = NULL;
	AZ_GUARD(ctx, {
		close_import(im);
		return NULL;
	});
	im = open_import(ctx, options);
	im->tensors.file = (az_bytes){data, size};
	az_module *module = run_import(im, name, folder);
	close_import(im);
	AZ_UNGUARD(ctx);
	return module;
}

az_module *az_onnx_import(az_ctx *ctx, const char *path, const az_onnx_options *options)
{
	az_import *volatile im = NULL;
	AZ_GUARD(ctx, {
		close_import(im);
		return NULL;
	});
	im = open_import(ctx, options);
	az_module *module = NULL;
	if (az_file_map(ctx, path, &im->tensors.file)) {
		im->owns_file = true;
		module = run_import(im, path, az_path_folder(&im->scratch, path));
	}
	close_import(im);
	AZ_UNGUARD(ctx);
	return module;
}

static bool read_tensor(az_import *im, az_arena *arena, const char *path, az_tensor *out,
	az_name *name)
{
	az_bytes reduced;
	const void *data;
	bool mapped;
	im->file = az_name_of(im->ctx, path);
	az_loc loc = {.file = im->file};
	if (!az_file_map(im->ctx, path, &im->tensors.file))
		return false;
	im->owns_file = true;
	if (!az_wire_reduce(im->ctx, loc, &im->scratch, AZ_WIRE_TENSOR, im->tensors.file, &reduced))
		return false;
	const Onnx__TensorProto *proto = az_onnx_unpack_tensor(&im->scratch, reduced);
	if (!proto || !proto->has_data_type)
		return az_error(im->ctx, loc, "the file is not an ONNX tensor");
	im->tensors.folder = az_path_folder(&im->scratch, path);
	if (!az_onnx_tensor(&im->tensors, loc, proto, &out->type, &data, &mapped))
		return false;
	*out = az_tensor_new(arena, out->type);
	if (az_type_size(out->type))
		memcpy(out->data, data, az_type_size(out->type));
	if (name)
		*name = proto->name && *proto->name ? az_name_of(im->ctx, proto->name) : NULL;
	return true;
}

bool az_onnx_read_tensor(az_ctx *ctx, az_arena *arena, const char *path, az_tensor *out,
	az_name *name)
{
	az_import *volatile im = NULL;
	AZ_GUARD(ctx, {
		close_import(im);
		return false;
	});
	im = open_import(ctx, NULL);
	bool ok = read_tensor(im, arena, path, out, name);
	close_import(im);
	AZ_UNGUARD(ctx);
	return ok;
}
