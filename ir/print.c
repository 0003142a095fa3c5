/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer of IR text: header, quantizers, functions, operations. Constants are in
 * ir/print_const.c. Everything is written in one fixed way, so that equal modules have equal text. */
#include "ir/print.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "ir/print_parts.h"

static bool name_char(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')
		return true;
	return !first && c && strchr("./$-", c);
}

void az_print_name(az_text *out, char sigil, az_name name)
{
	bool plain = name_char(name[0], true);
	for (const char *c = name; plain && *c; c++)
		plain = name_char(*c, c == name);
	az_text_add_char(out, sigil);
	if (plain)
		az_text_add_bytes(out, name, strlen(name));
	else
		az_text_add_quoted(out, name);
}

void az_print_real(az_text *out, float v)
{
	char number[AZ_NUM_SIZE];
	az_f32_print(number, v);
	az_text_add_bytes(out, number, strlen(number));
}

void az_print_type(az_text *out, const az_type *type)
{
	char elem[16];
	az_text_add(out, "%s[", az_elem_print(elem, type->elem));
	for (uint32_t i = 0; i < type->rank; i++)
		az_text_add(out, i ? ",%" PRId64 : "%" PRId64, type->dim[i]);
	az_text_add_char(out, ']');
}

static void print_reals(az_text *out, uint32_t count, const float *v)
{
	az_text_add_char(out, '[');
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			az_text_add_bytes(out, ", ", 2);
		az_print_real(out, v[i]);
	}
	az_text_add_char(out, ']');
}

static void print_i32s(az_text *out, uint32_t count, const int32_t *v)
{
	az_text_add_char(out, '[');
	for (uint32_t i = 0; i < count; i++)
		az_text_add(out, i ? ", %" PRId32 : "%" PRId32, v[i]);
	az_text_add_char(out, ']');
}

static void print_ints(az_text *out, uint32_t count, const int64_t *v)
{
	az_text_add_char(out, '[');
	for (uint32_t i = 0; i < count; i++)
		az_text_add(out, i ? ", %" PRId64 : "%" PRId64, v[i]);
	az_text_add_char(out, ']');
}

static void print_quant(az_text *out, const az_quant *quant)
{
	az_text_add_bytes(out, " {", 2);
	if (quant->name) {
		az_print_name(out, '!', quant->name);
	} else {
		az_print_real(out, quant->scale[0]);
		if (quant->zero)
			az_text_add(out, ":%" PRId32, quant->zero[0]);
	}
	az_text_add_char(out, '}');
}

void az_print_facts(az_text *out, const az_value *value)
{
	if (value->quant)
		print_quant(out, value->quant);
	if (value->range.known) {
		az_text_add(out, " in [");
		az_print_real(out, value->range.lo);
		az_text_add_bytes(out, ", ", 2);
		az_print_real(out, value->range.hi);
		az_text_add_char(out, ']');
	}
	if (value->at >= 0)
		az_text_add(out, " at %" PRId64, value->at);
}

static void print_quant_decl(az_text *out, const az_quant *quant)
{
	static const char *const grid[] = {
		[AZ_GRID_AFFINE] = "", [AZ_GRID_ODD] = " odd", [AZ_GRID_CODEBOOK] = ""};
	az_text_add(out, "quant ");
	az_print_name(out, '!', quant->name);
	az_text_add(out, " =%s", grid[quant->grid]);
	if (quant->grid == AZ_GRID_CODEBOOK) {
		az_text_add(out, " codebook ");
		print_i32s(out, quant->table_count, quant->table);
	}
	if (quant->axis >= 0)
		az_text_add(out, " axis %d", quant->axis);
	if (quant->group)
		az_text_add(out, " group %" PRId32, quant->group);
	az_text_add(out, " scale ");
	print_reals(out, quant->count, quant->scale);
	if (quant->zero) {
		az_text_add(out, " zero ");
		print_i32s(out, quant->count, quant->zero);
	}
	az_text_add_char(out, '\n');
}

static void print_value(az_text *out, const az_value *value)
{
	if (value)
		az_print_name(out, value->kind == AZ_VALUE_CONST ? '@' : '%', value->name);
	else
		az_text_add_char(out, '_');
}

void az_attr_print(az_text *out, const az_attr_desc *desc, const az_attrs *attrs)
{
	const void *at = (const char *)attrs + desc->offset;
	unsigned word;
	uint32_t count;
	switch (desc->kind) {
	case AZ_ATTR_int:
		az_text_add(out, "%" PRId64, *(const az_attr_int *)at);
		break;
	case AZ_ATTR_real:
		az_print_real(out, *(const az_attr_real *)at);
		break;
	case AZ_ATTR_flag:
		az_text_add(out, "%s", *(const az_attr_flag *)at ? "true" : "false");
		break;
	case AZ_ATTR_ints:
		print_ints(out, ((const az_ints *)at)->count, ((const az_ints *)at)->v);
		break;
	case AZ_ATTR_reals:
		print_reals(out, ((const az_reals *)at)->count, ((const az_reals *)at)->v);
		break;
	case AZ_ATTR_word:
		az_text_add_quoted(out, *(const az_attr_word *)at);
		break;
	case AZ_ATTR_func:
		az_print_name(out, '@', (*(const az_attr_func *)at)->name);
		break;
	default:
		memcpy(&word, at, sizeof word);
		az_text_add(out, "%s", az_enum_words(desc->kind, &count)[word]);
		break;
	}
}

/* A call's callee stands before its operands, which are in parentheses; it is no attribute in text. */
static void print_operands(az_text *out, const az_op *op)
{
	bool call = op->code == AZ_OP_call;
	if (call) {
		az_text_add_char(out, ' ');
		az_print_name(out, '@', op->attr.call.callee->name);
		az_text_add_char(out, '(');
	}
	for (uint32_t i = 0; i < op->arg_count; i++) {
		if (i)
			az_text_add_char(out, ',');
		if (i || !call)
			az_text_add_char(out, ' ');
		print_value(out, op->args[i].value);
	}
	if (call)
		az_text_add_char(out, ')');
}

static void print_attrs(az_text *out, const az_op *op)
{
	const az_op_desc *desc = &az_op_table[op->code];
	bool first = op->arg_count == 0 && op->code != AZ_OP_call;
	for (uint32_t i = 0; i < desc->attr_count; i++) {
		const az_attr_desc *attr = &desc->attrs[i];
		bool callee = op->code == AZ_OP_call && attr->kind == AZ_ATTR_func;
		if (callee || az_attr_is_default(attr, &op->attr))
			continue;
		az_text_add(out, "%s %s = ", first ? "" : ",", attr->name);
		az_attr_print(out, attr, &op->attr);
		first = false;
	}
}

static void print_loc(az_text *out, az_loc loc)
{
	if (!loc.node && !loc.op)
		return;
	az_text_add(out, " loc ");
	az_text_add_quoted(out, loc.node ? loc.node : "");
	if (loc.op) {
		az_text_add_char(out, ' ');
		az_text_add_quoted(out, loc.op);
	}
}

static void print_op(az_text *out, const az_op *op)
{
	for (uint32_t i = 0; i < op->result_count; i++) {
		az_text_add_bytes(out, i ? ", " : "  ", 2);
		print_value(out, op->results[i]);
	}
	az_text_add(out, " = %s", az_op_table[op->code].name);
	print_operands(out, op);
	print_attrs(out, op);
	az_text_add(out, " :");
	for (uint32_t i = 0; i < op->result_count; i++) {
		az_text_add(out, i ? ", " : " ");
		az_print_type(out, op->results[i]->type);
		az_print_facts(out, op->results[i]);
	}
	print_loc(out, op->loc);
	az_text_add_char(out, '\n');
}

static void print_signature(az_text *out, const az_func *func)
{
	az_text_add(out, "func ");
	az_print_name(out, '@', func->name);
	az_text_add_char(out, '(');
	for (uint32_t i = 0; i < func->params.count; i++) {
		const az_value *param = func->params.v[i];
		az_text_add_bytes(out, ", ", i ? 2 : 0);
		print_value(out, param);
		az_text_add(out, ": ");
		az_print_type(out, param->type);
		az_print_facts(out, param);
	}
	az_text_add(out, ") -> (");
	for (uint32_t i = 0; i < func->results.count; i++) {
		const az_result *result = &func->results.v[i];
		az_text_add_bytes(out, ", ", i ? 2 : 0);
		if (result->name) {
			az_text_add_quoted(out, result->name);
			az_text_add(out, ": ");
		}
		az_print_type(out, result->use->value->type);
		if (result->use->value->quant)
			print_quant(out, result->use->value->quant);
	}
	az_text_add(out, ") {\n");
}

void az_func_print(az_text *out, const az_func *func)
{
	print_signature(out, func);
	for (const az_op *op = func->first; op; op = op->next)
		print_op(out, op);
	az_text_add(out, "  return");
	for (uint32_t i = 0; i < func->results.count; i++) {
		az_text_add(out, i ? ", " : " ");
		print_value(out, func->results.v[i].use->value);
	}
	az_text_add(out, "\n}\n");
}

static void print_header_text(az_text *out, const char *key, az_name value)
{
	if (!value)
		return;
	az_text_add(out, " %s ", key);
	az_text_add_quoted(out, value);
}

static void print_header(az_text *out, const az_module *module)
{
	az_text_add(out, "adze 1 module ");
	az_text_add_quoted(out, module->name ? module->name : "");
	az_text_add(out, " stage %s", az_stage_words[module->stage]);
	if (module->fast_math)
		az_text_add(out, " math fast");
	print_header_text(out, "target", module->target);
	print_header_text(out, "cpu", module->cpu);
	print_header_text(out, "features", module->features);
	for (uint32_t i = 0; i < module->done.count; i++) {
		az_text_add(out, i ? ", " : " done [");
		az_text_add_quoted(out, module->done.v[i]);
	}
	az_text_add(out, module->done.count ? "]\n" : "\n");
}

void az_module_print(az_text *out, const az_module *module)
{
	print_header(out, module);
	for (uint32_t i = 0; i < module->quants.count; i++) {
		if (!i)
			az_text_add_char(out, '\n');
		print_quant_decl(out, module->quants.v[i]);
	}
	for (uint32_t i = 0; i < module->consts.count; i++) {
		if (!i)
			az_text_add_char(out, '\n');
		az_print_const(out, module->consts.v[i]);
	}
	for (uint32_t i = 0; i < module->funcs.count; i++) {
		az_text_add_char(out, '\n');
		az_func_print(out, module->funcs.v[i]);
	}
}
