/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph: a module has constants and functions; a function is a straight list of operations in
 * SSA form, operands before their users. Structs hold facts, never scratch: analyses live in side
 * tables indexed by value->id (below func->value_count for values of the function; constants have
 * ids of their own, below module->const_count).
 *
 * Ownership: everything lives in the module's arena and goes with it. Erased operations stay
 * allocated. Use lists are kept by the functions below; write no field marked (kept) by hand. */
#ifndef AZ_IR_GRAPH_H
#define AZ_IR_GRAPH_H

#include "base/diag.h"
#include "base/map.h"
#include "base/vec.h"
#include "ir/op.h"
#include "ir/quant.h"
#include "ir/stage.h"

typedef struct az_value az_value;
typedef struct az_const az_const;

/* One place where a value is used: operand `index` of `user`, or result `index` of `func`
 * (then user is NULL). */
typedef struct az_use {
	az_value *value; /* (kept) NULL: absent optional operand */
	az_op *user;
	az_func *func;
	uint32_t index;
	struct az_use *next, **link; /* (kept) list of the uses of value */
} az_use;

typedef enum az_value_kind { AZ_VALUE_PARAM, AZ_VALUE_RESULT, AZ_VALUE_CONST } az_value_kind;

struct az_value {
	uint32_t id;
	uint8_t kind;   /* az_value_kind */
	uint32_t index; /* which parameter, or which result of op */
	az_name name;   /* unique in its function (constants: in the module); printed */
	const az_type *type;
	const az_quant *quant; /* NULL: the stored number is the value */
	az_range range;
	int64_t at;   /* byte offset in the activation arena; -1: none */
	az_use *uses; /* (kept) */
	union {
		az_op *op;
		az_func *func; /* of a parameter */
		az_const *constant;
	} def;
};

struct az_op {
	az_opcode code;
	uint32_t arg_count, result_count;
	az_use *args;       /* array */
	az_value **results; /* array */
	az_attrs attr;
	az_loc loc;
	az_func *func;      /* NULL once erased */
	az_op *prev, *next; /* (kept) */
};

/* Data is little-endian and packed (base/bits.h), row-major; floats as IEEE bits. */
struct az_const {
	az_value value;
	az_module *module;
	az_loc loc;
	const void *data;  /* one element when splat */
	size_t size_bytes; /* of data */
	bool splat;        /* every element equals the first */
	const void *full;  /* az_const_data's expansion of a splat (kept) */
	az_name hash;      /* SHA-256 of the bytes at `hashed`, once somebody asked (kept) */
	const void *hashed;
};

typedef struct az_result {
	az_name name; /* as the outside knows it */
	az_use *use;  /* use->value is what is returned */
} az_result;

struct az_func {
	az_name name;
	az_module *module;
	AZ_VEC(az_value *) params; /* a parameter's value->name is its outside name */
	AZ_VEC(az_result) results;
	az_op *first, *last;  /* (kept) */
	uint32_t value_count; /* ids handed out */
	uint32_t next_number; /* (kept) all smaller numbers are taken as names */
	uint32_t op_count;    /* (kept) */
	az_map names;         /* az_name -> az_value */
	az_loc loc;
};

/* One entry of a module's history: a pass with its options as canonical pipeline text. */
struct az_module {
	az_ctx *ctx;
	az_arena arena;
	az_name name;
	az_stage stage;
	bool fast_math; /* compiled with --float: numerics.md 8; printed as `math fast` */
	az_name target, cpu, features; /* from selected on; NULL before */
	AZ_VEC(az_name) done;          /* passes run so far, e.g. "plan-memory{align=64}" */
	AZ_VEC(az_const *) consts;
	AZ_VEC(az_func *) funcs;         /* callees before callers; main is the last */
	AZ_VEC(const az_quant *) quants; /* the named ones, in declaration order */
	uint32_t const_count;
	uint32_t next_number; /* (kept) as in az_func, for constants */
	az_map const_names, func_names, quant_names;
};

az_module *az_module_new(az_ctx *ctx, const char *name);
void az_module_free(az_module *module);
/* A deep copy in the same context (constant data is shared while the original lives if
 * share_data, else copied). */
az_module *az_module_clone(const az_module *module, bool share_data);
az_func *az_module_main(const az_module *module); /* the last function, NULL if none */
az_func *az_module_func(const az_module *module, az_name name);

/* Functions are appended; a taken name is made unique by a suffix. */
az_func *az_func_new(az_module *module, const char *name);
az_value *az_func_add_param(az_func *func, const char *name, const az_type *type);
void az_func_add_result(az_func *func, const char *name, az_value *value);
void az_func_set_result(az_func *func, uint32_t index, az_value *value);
void az_func_erase(az_func *func); /* must not be called by anything */
/* Moves the function before `before` in the module's list (callees come first). */
void az_func_move_before(az_func *func, az_func *before);

/* Unnamed (NULL) values get the smallest free number. A taken name is made unique by ".1", ".2", ... */
void az_value_rename(az_value *value, const char *name);
bool az_value_is_const(const az_value *value);
az_const *az_value_const(const az_value *value); /* NULL if it is none */
az_op *az_value_op(const az_value *value);       /* the operation that makes it, or NULL */
uint32_t az_value_use_count(const az_value *value);
void az_value_replace_uses(az_value *value, az_value *with); /* facts are not moved */

/* Constants. data is packed, size az_type_size; it is copied unless `borrow` (then it must outlive
 * the module). az_const_new finds out by itself when all elements are equal (splat). */
az_const *az_const_new(az_module *module, const char *name, const az_type *type, const void *data,
	bool borrow);
az_const *az_const_splat(az_module *module, const char *name, const az_type *type,
	const void *element);
az_const *az_const_f32(az_module *module, const char *name, uint32_t rank, const int64_t *dim,
	const float *v);
az_const *az_const_f32_scalar(az_module *module, const char *name, float v);
az_const *az_const_i64s(az_module *module, const char *name, uint32_t count, const int64_t *v);
const void *az_const_data(az_const *constant); /* all elements, packed, expanded if splat */
/* Element i as a number (floats exactly, integers below 2^53; bipolar as -1 or 1). */
double az_const_get(const az_const *constant, uint64_t i);
int64_t az_const_get_int(const az_const *constant, uint64_t i);
void az_const_erase(az_const *constant); /* must have no uses */

/* Making operations. A builder is a place and a location. */
typedef struct az_builder {
	az_func *func;
	az_op *before; /* NULL: append */
	az_loc loc;
} az_builder;

/* Are all operands but the first constants, or absent? */
bool az_op_parameters_const(const az_op *op);

/* Infers the result types; on failure reports and returns NULL, leaving the graph as it was.
 * `attrs` NULL takes the defaults; lists inside are copied. Results are unnamed. */
az_op *az_op_new(az_builder *at, az_opcode code, uint32_t arg_count, az_value *const *args,
	const az_attrs *attrs, az_elem want);
/* The common case: one result, returned. */
az_value *az_build(az_builder *at, az_opcode code, uint32_t arg_count, az_value *const *args,
	const az_attrs *attrs, az_elem want);
void az_op_erase(az_op *op); /* results must have no uses */
void az_op_set_arg(az_op *op, uint32_t index, az_value *value);
void az_op_move_before(az_op *op, az_op *before); /* same function; NULL: to the end */
/* Runs inference again after operands or attributes changed; the results' types are replaced. */
bool az_op_reinfer(az_op *op) AZ_NODISCARD;
/* A copy of op at the builder's place, its operands mapped by `map` (old value -> new value;
 * constants stay); results are entered into the map. NULL on failure. */
az_op *az_op_clone(az_builder *at, const az_op *op, az_map *map);

/* Where the operation has its clamp; NULL: it has none. */
az_reals *az_op_clamp_at(az_op *op);
az_reals az_op_clamp(const az_op *op); /* empty when it has none */
int64_t az_op_groups(const az_op *op); /* of a convolution; of all else 1 */

static inline az_value *az_op_arg(const az_op *op, uint32_t i)
{
	return i < op->arg_count ? op->args[i].value : NULL;
}

/* Quantizers, interned by content in the context; a name makes it declared in the module. */
const az_quant *az_quant_get(az_module *module, const az_quant *like);
const az_quant *az_quant_scalar(az_module *module, float scale, int32_t zero);

#endif
