/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scanner, the parser and the builder of IR text share. The parser's actions are one call
 * each; everything they need between two calls stands in the state. Numbers stay slices of the text
 * until it is known what they must be, so that each is read exactly as its type wants it. */
#ifndef AZ_GRAMMAR_ADZ_BUILD_H
#define AZ_GRAMMAR_ADZ_BUILD_H

#include "base/file.h"
#include "base/vec.h"
#include "ir/graph.h"

#define AZ_ADZ_TEXT_MAX   (1u << 30) /* bytes; the scanner counts in int */
#define AZ_ADZ_NUMBER_MAX 63         /* characters of one number */

typedef struct az_adz_num {
	uint32_t offset, length; /* in the text */
} az_adz_num;

typedef struct az_adz_list {
	uint32_t count;
	const az_adz_num *v;
} az_adz_list;

typedef enum az_adz_form {
	AZ_ADZ_FORM_NUM,
	AZ_ADZ_FORM_LIST,
	AZ_ADZ_FORM_STRING,
	AZ_ADZ_FORM_WORD,
	AZ_ADZ_FORM_GLOBAL,
} az_adz_form;

/* The value of an attribute as written. */
typedef struct az_adz_written {
	az_adz_form form;
	az_adz_num num;
	az_adz_list list;
	az_name name;
	az_loc loc;
} az_adz_written;

typedef struct az_adz_attr {
	az_name name;
	az_loc loc;
	az_adz_written value;
} az_adz_attr;

/* A type and the facts behind it; type NULL: a fault was reported. */
typedef struct az_adz_typed {
	const az_type *type;
	const az_quant *quant;
	az_range range;
	int64_t at;
	az_loc loc;
} az_adz_typed;

typedef struct az_adz_named {
	az_name name; /* NULL: none */
	az_loc loc;
	az_adz_typed typed;
} az_adz_named;

typedef enum az_adz_data_form {
	AZ_ADZ_DATA_LIST,
	AZ_ADZ_DATA_SPLAT,
	AZ_ADZ_DATA_BLOB,
} az_adz_data_form;

/* What stands behind the `=` of a constant. */
typedef struct az_adz_data {
	az_adz_data_form form;
	az_adz_list list;
	az_adz_num num; /* of a splat; the size of a blob */
	az_name hash;
	az_loc loc;
} az_adz_data;

typedef struct az_adz_quant_decl {
	az_adz_list scale, zero, table;
	az_adz_num axis, group;
	bool has_scale, has_zero, has_table, has_axis, has_group, odd;
	bool wrong; /* something was stated twice */
} az_adz_quant_decl;

/* One operation, as far as read. */
typedef struct az_adz_op {
	AZ_VEC(az_adz_named) results;
	AZ_VEC(az_value *) args;
	AZ_VEC(az_adz_attr) attrs;
	AZ_VEC(az_adz_typed) types;
	az_name callee;
	az_loc callee_loc;
	az_name node, op;
	bool wrong; /* an operand could not be found */
} az_adz_op;

typedef struct az_adz_state {
	az_ctx *ctx;
	az_module *module;
	az_arena arena; /* of the scanner and the module's tables here */
	az_arena line;  /* of one line; reset after it */
	az_name file;
	const char *text, *blob_folder;
	size_t size;
	az_bytes mapped; /* the blob being read */

	void *scanner;
	uint32_t offset, row, col; /* of the next character; row and col from 1 */
	int last_token;

	AZ_VEC(az_adz_num) nums; /* the list being read */
	az_adz_quant_decl quant;
	az_adz_data data;
	az_adz_op op;
	AZ_VEC(az_adz_named) params, rets;

	az_func *func; /* being read; NULL outside, or when its head was wrong */
	bool returned;
	AZ_VEC(az_adz_named) func_rets;                /* of func */
	az_map lost_locals, lost_globals, lost_quants; /* names whose definition was wrong */
} az_adz_state;

/* adz.l */
void az_adz_scan_open(az_adz_state *s);

/* adz_number.c: all report and return false. */
az_loc az_adz_num_loc(const az_adz_state *s, az_adz_num num);
bool az_adz_int(az_adz_state *s, az_adz_num num, int64_t least, int64_t most, int64_t *out);
bool az_adz_real(az_adz_state *s, az_adz_num num, float *out);
/* Element i of packed data. */
bool az_adz_element(az_adz_state *s, az_adz_num num, az_elem elem, void *data, uint64_t i);
void az_adz_list_add(az_adz_state *s, az_adz_num num);
az_adz_list az_adz_list_take(az_adz_state *s);

/* adz_build.c */
void az_adz_header(az_adz_state *s, az_loc loc, az_adz_num version, az_name name, az_name stage,
	az_loc stage_loc);
void az_adz_math(az_adz_state *s, az_loc loc, az_name word);
void az_adz_done(az_adz_state *s, az_name pass);
void az_adz_quant(az_adz_state *s, az_loc loc, az_name name);
void az_adz_quant_lost(az_adz_state *s, az_name name);
void az_adz_const_lost(az_adz_state *s, az_name name);
void az_adz_twice(az_adz_state *s, az_loc loc, bool *has);
void az_adz_const(az_adz_state *s, az_loc loc, az_name name, const az_adz_typed *typed);
const az_type *az_adz_type(az_adz_state *s, az_loc loc, az_name elem, az_adz_list dims);
const az_quant *az_adz_quant_ref(az_adz_state *s, az_loc loc, az_name name);
const az_quant *az_adz_quant_plain(az_adz_state *s, az_adz_num scale, const az_adz_num *zero);
az_range az_adz_range(az_adz_state *s, az_loc loc, az_adz_num lo, az_adz_num hi);
int64_t az_adz_at(az_adz_state *s, az_adz_num num);
void az_adz_param(az_adz_state *s, az_loc loc, az_name name, const az_adz_typed *typed);
void az_adz_ret(az_adz_state *s, az_loc loc, az_name name, const az_type *type,
	const az_quant *quant);
void az_adz_func_lost(az_adz_state *s);
void az_adz_func(az_adz_state *s, az_loc loc, az_name name);
void az_adz_func_end(az_adz_state *s, az_loc loc);
void az_adz_line_end(az_adz_state *s);

/* adz_op.c */
void az_adz_result(az_adz_state *s, az_loc loc, az_name name);
void az_adz_result_type(az_adz_state *s, const az_adz_typed *typed);
void az_adz_callee(az_adz_state *s, az_loc loc, az_name name);
void az_adz_local(az_adz_state *s, az_loc loc, az_name name);
void az_adz_global(az_adz_state *s, az_loc loc, az_name name);
void az_adz_absent(az_adz_state *s, az_loc loc);
void az_adz_attr_add(az_adz_state *s, az_loc loc, az_name name, az_adz_written value);
void az_adz_op_end(az_adz_state *s, az_loc loc, az_name name);
void az_adz_op_lost(az_adz_state *s); /* forgets the results */
void az_adz_return(az_adz_state *s, az_loc loc);

/* adz_attr.c: reads the written attributes of s->op. */
bool az_adz_find_func(az_adz_state *s, az_loc loc, az_name name, az_func **out);
bool az_adz_attrs(az_adz_state *s, az_opcode code, az_attrs *out);

/* Reports `what "name"`, with the nearest name in the map when there is one. */
bool az_adz_unknown(az_adz_state *s, az_loc loc, const char *what, az_name name, const az_map *map);

#endif
