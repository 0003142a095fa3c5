/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar of IR text (docs/ir.md). Actions are one call of the builder. After a fault the parser
 * goes on at the next line, so that one run reports several; the names that the line would have
 * defined are lost, which silences their users. Lines are far enough apart that the first fault of
 * each is worth its message: hence yyerrok. All lists are left-recursive: the stack
 * does not grow with the input. If a change makes a conflict, restate the grammar: %expect stays 0. */
%define api.pure full
%define api.prefix {az_adz_}
%define api.value.type union
%define api.location.type {az_loc}
%define parse.error detailed
%define lr.type ielr
%define lr.default-reduction consistent
%locations
%expect 0
%param {az_adz_state *s}

%code requires {
#include "grammar/adz_build.h"
}

%code provides {
int az_adz_lex(AZ_ADZ_STYPE *value, az_loc *loc, az_adz_state *s);
}

%code {
#include <string.h>

/* A thing is where its first token is. */
#define YYLLOC_DEFAULT(current, rhs, n) ((current) = YYRHSLOC(rhs, (n) ? 1 : 0))
#define YYMALLOC(size) az_arena_alloc(&s->arena, (size), 16)
#define YYFREE(block)  ((void)(block))

/* "syntax error, unexpected X, expecting Y" without its first words; what follows the end that the
 * error limit makes is not worth a message. */
static void az_adz_error(const az_loc *loc, az_adz_state *s, const char *message)
{
	static const char lead[] = "syntax error, ";
	if (strncmp(message, lead, sizeof lead - 1) == 0)
		message += sizeof lead - 1;
	if (!az_error_limit(s->ctx))
		az_error(s->ctx, *loc, "%s", message);
}
}

%initial-action { @$ = (az_loc){.file = s->file, .line = 1, .col = 1, .len = 1}; }

%token END_OF_LINE "end of line" ARROW "->"
%token <az_name> LOCAL "%name" GLOBAL "@name" QUANT "!name" STRING "string" WORD "word"
%token <az_adz_num> NUMBER "number"
%token <az_name>
	KW_ADZE "adze" KW_AT "at" KW_AXIS "axis" KW_BLOB "blob" KW_BYTES "bytes"
	KW_CODEBOOK "codebook" KW_CONST "const" KW_CPU "cpu" KW_DONE "done" KW_FEATURES "features"
	KW_FUNC "func" KW_GROUP "group" KW_IN "in" KW_LOC "loc" KW_MATH "math" KW_MODULE "module"
	KW_ODD "odd" KW_QUANT "quant" KW_RETURN "return" KW_SCALE "scale" KW_SPLAT "splat"
	KW_STAGE "stage" KW_TARGET "target" KW_ZERO "zero"

%type <az_name> word
%type <az_adz_list> list
%type <const az_type *> type
%type <const az_quant *> quant quant_facts
%type <az_range> range_fact
%type <int64_t> at_fact
%type <az_adz_typed> typed
%type <az_adz_written> written

%%

file:
	header items
;

header:
	KW_ADZE NUMBER KW_MODULE STRING KW_STAGE word
		{ az_adz_header(s, @1, $NUMBER, $STRING, $word, @word); }
	header_facts END_OF_LINE
;

header_facts:
	%empty
|	header_facts header_fact
;

header_fact:
	KW_MATH word                    { az_adz_math(s, @word, $word); }
|	KW_TARGET STRING                { s->module->target = $STRING; }
|	KW_CPU STRING                   { s->module->cpu = $STRING; }
|	KW_FEATURES STRING              { s->module->features = $STRING; }
|	KW_DONE '[' passes ']'
;

passes:
	STRING                          { az_adz_done(s, $STRING); }
|	passes ',' STRING               { az_adz_done(s, $STRING); }
;

items:
	%empty
|	items item                      { az_adz_line_end(s); }
;

item:
	KW_QUANT QUANT '=' quant_parts END_OF_LINE
		{ az_adz_quant(s, @QUANT, $QUANT); }
|	KW_CONST GLOBAL ':' typed '=' data END_OF_LINE
		{ az_adz_const(s, @GLOBAL, $GLOBAL, &$typed); }
|	KW_QUANT QUANT error END_OF_LINE { yyerrok; az_adz_quant_lost(s, $QUANT); }
|	KW_CONST GLOBAL error END_OF_LINE { yyerrok; az_adz_const_lost(s, $GLOBAL); }
|	func_head lines '}' { az_adz_func_end(s, @3); } END_OF_LINE
|	error END_OF_LINE               { yyerrok; }
;

quant_parts:
	quant_part
|	quant_parts quant_part
;

quant_part:
	KW_ODD                          { az_adz_twice(s, @1, &s->quant.odd); }
|	KW_CODEBOOK list                { az_adz_twice(s, @1, &s->quant.has_table); s->quant.table = $list; }
|	KW_AXIS NUMBER                  { az_adz_twice(s, @1, &s->quant.has_axis); s->quant.axis = $NUMBER; }
|	KW_GROUP NUMBER                 { az_adz_twice(s, @1, &s->quant.has_group); s->quant.group = $NUMBER; }
|	KW_SCALE list                   { az_adz_twice(s, @1, &s->quant.has_scale); s->quant.scale = $list; }
|	KW_ZERO list                    { az_adz_twice(s, @1, &s->quant.has_zero); s->quant.zero = $list; }
;

data:
	list
		{ s->data = (az_adz_data){AZ_ADZ_DATA_LIST, .list = $list, .loc = @list}; }
|	KW_SPLAT NUMBER
		{ s->data = (az_adz_data){AZ_ADZ_DATA_SPLAT, .num = $NUMBER, .loc = @NUMBER}; }
|	KW_BLOB STRING NUMBER KW_BYTES
		{ s->data = (az_adz_data){AZ_ADZ_DATA_BLOB, .num = $NUMBER, .hash = $STRING, .loc = @STRING}; }
;

/* Numbers in brackets; only one list is read at a time. */
list:
	'[' ']'                         { $$ = az_adz_list_take(s); }
|	'[' numbers ']'                 { $$ = az_adz_list_take(s); }
;

numbers:
	NUMBER                          { s->nums.count = 0; az_adz_list_add(s, $NUMBER); }
|	numbers ',' NUMBER              { az_adz_list_add(s, $NUMBER); }
;

type:
	word list                       { $$ = az_adz_type(s, @word, $word, $list); }
;

quant:
	'{' QUANT '}'                   { $$ = az_adz_quant_ref(s, @QUANT, $QUANT); }
|	'{' NUMBER '}'                  { $$ = az_adz_quant_plain(s, $NUMBER, NULL); }
|	'{' NUMBER[scale] ':' NUMBER[zero] '}'
		{ $$ = az_adz_quant_plain(s, $scale, &$zero); }
;

typed:
	type quant_facts range_fact at_fact
		{ $$ = (az_adz_typed){$type, $quant_facts, $range_fact, $at_fact, @type}; }
;

quant_facts:
	%empty                          { $$ = NULL; }
|	quant
;

range_fact:
	%empty                          { $$ = (az_range){0}; }
|	KW_IN '[' NUMBER[lo] ',' NUMBER[hi] ']'
		{ $$ = az_adz_range(s, @1, $lo, $hi); }
;

at_fact:
	%empty                          { $$ = -1; }
|	KW_AT NUMBER                    { $$ = az_adz_at(s, $NUMBER); }
;

/* A head that is wrong still opens a body, whose lines are read and dropped. */
func_head:
	KW_FUNC GLOBAL '(' params_opt ')' ARROW '(' rets_opt ')' '{' END_OF_LINE
		{ az_adz_func(s, @GLOBAL, $GLOBAL); }
|	KW_FUNC error END_OF_LINE       { yyerrok; az_adz_func_lost(s); }
;

params_opt:
	%empty
|	params
;

params:
	param
|	params ',' param
;

param:
	LOCAL ':' typed                 { az_adz_param(s, @LOCAL, $LOCAL, &$typed); }
;

rets_opt:
	%empty
|	rets
;

rets:
	ret
|	rets ',' ret
;

ret:
	STRING ':' type quant_facts     { az_adz_ret(s, @STRING, $STRING, $type, $quant_facts); }
|	type quant_facts                { az_adz_ret(s, @type, NULL, $type, $quant_facts); }
;

lines:
	%empty
|	lines line                      { az_adz_line_end(s); }
;

line:
	results '=' word arguments ':' types location END_OF_LINE
		{ az_adz_op_end(s, @word, $word); }
|	results '=' error END_OF_LINE
		{ yyerrok; az_adz_op_lost(s); }
|	KW_RETURN operands_opt END_OF_LINE
		{ az_adz_return(s, @1); }
|	error END_OF_LINE               { yyerrok; }
;

results:
	LOCAL                           { az_adz_result(s, @LOCAL, $LOCAL); }
|	results ',' LOCAL               { az_adz_result(s, @LOCAL, $LOCAL); }
;

/* A call's callee stands before its operands. */
arguments:
	%empty
|	arguments_some
|	callee
|	callee ',' attrs
;

callee:
	GLOBAL '(' operands_opt ')'     { az_adz_callee(s, @GLOBAL, $GLOBAL); }
;

arguments_some:
	operands
|	operands ',' attrs
|	attrs
;

operands_opt:
	%empty
|	operands
;

operands:
	operand
|	operands ',' operand
;

operand:
	LOCAL                           { az_adz_local(s, @LOCAL, $LOCAL); }
|	GLOBAL                          { az_adz_global(s, @GLOBAL, $GLOBAL); }
|	'_'                             { az_adz_absent(s, @1); }
;

attrs:
	attr
|	attrs ',' attr
;

attr:
	word '=' written                { az_adz_attr_add(s, @word, $word, $written); }
;

written:
	NUMBER  { $$ = (az_adz_written){AZ_ADZ_FORM_NUM, .num = $1, .loc = @1}; }
|	list    { $$ = (az_adz_written){AZ_ADZ_FORM_LIST, .list = $1, .loc = @1}; }
|	STRING  { $$ = (az_adz_written){AZ_ADZ_FORM_STRING, .name = $1, .loc = @1}; }
|	word    { $$ = (az_adz_written){AZ_ADZ_FORM_WORD, .name = $1, .loc = @1}; }
|	GLOBAL  { $$ = (az_adz_written){AZ_ADZ_FORM_GLOBAL, .name = $1, .loc = @1}; }
;

types:
	typed                           { az_adz_result_type(s, &$typed); }
|	types ',' typed                 { az_adz_result_type(s, &$typed); }
;

location:
	%empty
|	KW_LOC STRING                   { s->op.node = $STRING; }
|	KW_LOC STRING[node] STRING[op]  { s->op.node = $node; s->op.op = $op; }
;

/* Keywords are words wherever a word may stand. */
word:
	WORD
|	KW_ADZE | KW_AT | KW_AXIS | KW_BLOB | KW_BYTES | KW_CODEBOOK | KW_CONST | KW_CPU | KW_DONE
|	KW_FEATURES | KW_FUNC | KW_GROUP | KW_IN | KW_LOC | KW_MATH | KW_MODULE | KW_ODD | KW_QUANT
|	KW_RETURN | KW_SCALE | KW_SPLAT | KW_STAGE | KW_TARGET | KW_ZERO
;
