/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of one import, and what the importers of operators (frontend/onnx_<family>.c) use.
 *
 * An importer reads the node's attributes and operands, builds operations, and sets the node's
 * outputs. Every helper reports its own faults; those that return a value return NULL then and take
 * NULL operands silently, so that calls nest: az_emit2(n, AZ_OP_add, az_emit1(...), b). Attribute
 * readers report and set n->bad. */
#ifndef AZ_FRONTEND_IMPORT_H
#define AZ_FRONTEND_IMPORT_H

#include "frontend/onnx.h"
#include "frontend/tensor.h"
#include "ir/graph.h"

/* Constants are folded while importing up to this size; larger ones are left as operations. */
#define AZ_FOLD_MAX ((size_t)64 << 20)

/* A constant that is another one in a new order: it takes over the name if the other one goes. */
typedef struct az_moved {
	az_value *value;
	az_name name, wanted; /* as long as it is still called name */
} az_moved;

typedef struct az_import {
	az_ctx *ctx;
	az_module *module;
	az_func *func;
	az_arena scratch; /* messages of protobuf-c, temporaries; goes with the import */
	az_arena fold;    /* reset after each folded operation */
	az_name file;
	const Onnx__ModelProto *model;
	const az_onnx_options *options;
	az_tensor_source tensors;
	az_map functions; /* "domain\nname\noverload" -> Onnx__FunctionProto */
	AZ_VEC(az_moved) moved;
	az_map batch;         /* az_name -> anything: symbols of first dimensions */
	uint64_t folded;      /* bytes that folding has read and written */
	uint64_t scanned;     /* nodes looked at, needed or not */
	uint32_t node_count;  /* imported so far, bodies of functions included */
	uint32_t unsupported; /* nodes without an importer that were not reported one by one */
	bool failed, owns_file, done;
} az_import;

typedef struct az_bound_attr {
	az_name name;
	const Onnx__AttributeProto *attr;
} az_bound_attr;

/* Names of one graph: main, a branch that was inlined (sees its parent), a function's body. */
typedef struct az_scope {
	struct az_import *im;
	struct az_scope *parent;
	struct az_scope *caller; /* of a function's body, for the check of recursion */
	const Onnx__FunctionProto *function;
	const char *prefix; /* put before the names of values; "" in main */
	az_map values;      /* az_name -> az_value, az_poison for what failed */
	az_map tensors;     /* az_name -> Onnx__TensorProto, initializers not yet used */
	az_map makers;      /* az_name -> Onnx__NodeProto that makes it */
	az_map needed;      /* az_name -> anything: read by a needed node or returned */
	size_t opset_count;
	Onnx__OperatorSetIdProto **opsets;
	uint32_t bound_count;
	const az_bound_attr *bound; /* attributes of the call of a function */
	uint32_t depth;
} az_scope;

/* Stands for the outputs of a node that failed: nodes that read it are passed over silently. */
extern az_value az_poison;
/* Stands for an optional operand that the call of a function leaves out. */
extern az_value az_absent;

typedef struct az_node {
	az_import *im;
	az_scope *scope;
	const Onnx__NodeProto *proto;
	az_loc loc;
	int64_t opset; /* version of the node's domain */
	int code;      /* of the row in onnx_ops.def */
	az_builder at;
	uint32_t in_count, out_count;
	az_value **in;                     /* NULL: absent */
	az_value **out;                    /* filled by the importer */
	az_name *out_name;                 /* NULL: absent or never read */
	uint32_t first_value, first_const; /* ids from which on values are this node's own */
	bool bad;
} az_node;

typedef bool az_importer(az_node *n);

typedef struct az_onnx_row {
	const char *domain, *name;
	int since, until;
	az_importer *import;
	int code;
} az_onnx_row;
extern const az_onnx_row az_onnx_rows[]; /* ends with name NULL */
/* Why an operator cannot be supported, if that is known; else NULL. */
const char *az_onnx_refusal(const char *name);

/* --- graph.c: walking --- */
bool az_graph_import(az_scope *scope, size_t node_count, Onnx__NodeProto *const *nodes);
/* The value of a name, made from its initializer at need; NULL when there is none (not reported). */
az_value *az_scope_find(az_scope *scope, az_name name);
void az_scope_need(az_scope *scope, az_name name);
/* Makes room for a graph or body: opsets, binding and depth are the caller's to fill. */
az_scope *az_scope_new(az_import *im, az_scope *parent);
/* Enters initializers and the names that nodes make; reports names made twice. */
bool az_scope_declare(az_scope *scope, size_t tensor_count, Onnx__TensorProto *const *tensors,
	size_t node_count, Onnx__NodeProto *const *nodes);
bool az_scope_set(az_scope *scope, az_loc loc, az_name name, az_value *value);
az_value *az_tensor_value(az_import *im, az_loc loc, const char *name, const Onnx__TensorProto *t);

/* --- schema.c: what operators are written with --- */
/* Reports operands that the operator does not have; warns of such attributes. */
bool az_schema_check(az_node *n, const char *domain, const char *op);

/* --- inline.c: functions of the model, branches --- */
const Onnx__FunctionProto *az_function_find(az_import *im, const char *domain, const char *name,
	const char *overload);
bool az_functions_declare(az_import *im);
bool az_function_inline(az_node *n, const Onnx__FunctionProto *function);

/* --- node.c: a node's attributes and operands --- */
bool az_node_error(az_node *n, const char *format, ...) AZ_PRINTF(2, 3);
const Onnx__AttributeProto *az_node_attr(az_node *n, const char *name);
bool az_node_has(az_node *n, const char *name);
int64_t az_node_int(az_node *n, const char *name, int64_t missing);
float az_node_real(az_node *n, const char *name, float missing);
const char *az_node_word(az_node *n, const char *name, const char *missing);
az_ints az_node_ints(az_node *n, const char *name);   /* nothing when absent */
az_reals az_node_reals(az_node *n, const char *name); /* nothing when absent */
/* Index of the attribute's word in a NULL-terminated list; reports, naming the list. -1: bad. */
int az_node_choice(az_node *n, const char *name, const char *missing, const char *const *words);
az_value *az_node_in(az_node *n, uint32_t i); /* NULL: absent */
/* Operand i, which must be there; reports. */
az_value *az_node_need(az_node *n, uint32_t i, const char *what);
/* The elements of operand i, which must be constant. False when it is absent (*there false) or bad. */
bool az_node_const_ints(az_node *n, uint32_t i, const char *what, bool *there, az_ints *out);
bool az_node_const_reals(az_node *n, uint32_t i, const char *what, bool *there, az_reals *out);
/* attribute up to some opset, then operand i: whichever is there. */
bool az_node_ints_either(az_node *n, const char *name, uint32_t i, bool *there, az_ints *out);
/* The attribute `axis` made non-negative for the rank; -1 after reporting. */
int az_node_axis(az_node *n, const char *name, int64_t missing, uint32_t rank);
bool az_node_axis_of(az_node *n, int64_t axis, uint32_t rank, uint32_t *out);
bool az_node_set(az_node *n, uint32_t i, az_value *value);
bool az_node_wants(az_node *n, uint32_t i); /* is output i read by anything? */
/* Reports when output i is read. */
bool az_node_refuse_output(az_node *n, uint32_t i, const char *what);

/* --- emit.c: building operations, folding constants --- */
az_value *az_emit(az_node *n, az_opcode code, uint32_t count, az_value *const *args,
	const az_attrs *attrs, az_elem want);
/* All results, in an array of the scratch arena. */
az_value **az_emit_all(az_node *n, az_opcode code, uint32_t count, az_value *const *args,
	const az_attrs *attrs, az_elem want);
az_value *az_emit1(az_node *n, az_opcode code, az_value *a);
az_value *az_emit2(az_node *n, az_opcode code, az_value *a, az_value *b);
az_value *az_emit3(az_node *n, az_opcode code, az_value *a, az_value *b, az_value *c);
az_value *az_emit_attr(az_node *n, az_opcode code, az_value *a, const az_attrs *attrs);
az_value *az_emit_cast(az_node *n, az_value *x, az_elem to);
az_value *az_emit_reshape(az_node *n, az_value *x, uint32_t rank, const int64_t *dim);
az_value *az_emit_transpose(az_node *n, az_value *x, const int64_t *perm);
az_value *az_emit_slice(az_node *n, az_value *x, const int64_t *begin, const int64_t *size,
	const int64_t *step);
az_value *az_emit_reduce(az_node *n, az_reduction kind, az_value *x, uint32_t count,
	const int64_t *axes, bool drop);
/* A scalar constant of an element type. */
az_value *az_emit_scalar(az_node *n, az_elem elem, double v);
az_value *az_emit_ints(az_node *n, uint32_t count, const int64_t *v);
az_value *az_emit_const(az_node *n, const az_type *type, const void *data);
az_value *az_emit_splat(az_node *n, const az_type *type, const void *element);
/* NCHW... -> NHWC... and back. */
az_value *az_emit_channels_last(az_node *n, az_value *x);
az_value *az_emit_channels_first(az_node *n, az_value *x);

#endif
