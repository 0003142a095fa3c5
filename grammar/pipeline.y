/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar of pipeline text: pass{key=value,flag},(pass,pass)*3. Repetitions are unrolled as they
 * are read; nesting and total length are limited. After a fault the parser goes on behind the next
 * comma or bracket. */
%define api.pure full
%define api.prefix {az_pipe_}
%define api.value.type union
%define api.location.type {az_loc}
%define parse.error detailed
%define lr.type ielr
%define lr.default-reduction consistent
%locations
%expect 0
%param {az_pipe_state *s}

%code requires {
#include "grammar/pipeline_build.h"
}

%code provides {
int az_pipe_lex(AZ_PIPE_STYPE *value, az_loc *loc, az_pipe_state *s);
}

%code {
#include <string.h>

/* A thing is where its first token is. */
#define YYLLOC_DEFAULT(current, rhs, n) ((current) = YYRHSLOC(rhs, (n) ? 1 : 0))
#define YYMALLOC(size) az_arena_alloc(&s->scratch, (size), 16)
#define YYFREE(block)  ((void)(block))

static void az_pipe_error(const az_loc *loc, az_pipe_state *s, const char *message)
{
	static const char lead[] = "syntax error, ";
	if (strncmp(message, lead, sizeof lead - 1) == 0)
		message += sizeof lead - 1;
	if (!az_error_limit(s->ctx))
		az_error(s->ctx, *loc, "%s", message);
}
}

%initial-action { @$ = (az_loc){.file = s->file, .line = 1, .col = 1, .len = 1}; }

%token <az_name> WORD "word"
%type <az_pipe_steps> steps item unit

%%

pipeline:
	%empty
|	steps                   { *s->out = (az_pipeline){$steps.count, $steps.v}; }
;

steps:
	item
|	steps[left] ',' item    { $$ = $left; if (!az_pipe_join(s, @item, &$$, $item)) YYABORT; }
;

item:
	unit
|	unit '*' WORD           { $$ = $unit; if (!az_pipe_repeat(s, @WORD, &$$, $WORD)) YYERROR; }
|	error                   { $$ = (az_pipe_steps){0}; }
;

unit:
	WORD options            { $$ = az_pipe_step(s, @WORD, $WORD); }
|	'(' { if (!az_pipe_enter(s, @1)) YYABORT; } steps ')'
		{ $$ = $steps; s->depth--; }
;

options:
	%empty
|	'{' '}'
|	'{' option_list '}'
;

option_list:
	option
|	option_list ',' option
;

option:
	WORD                    { az_pipe_option(s, @WORD, $WORD, NULL); }
|	WORD[key] '=' WORD[value] { az_pipe_option(s, @key, $key, $value); }
;
