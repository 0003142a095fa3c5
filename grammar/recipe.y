/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar of recipes. After a fault the parser goes on behind the next closing brace. */
%define api.pure full
%define api.prefix {az_rec_}
%define api.value.type union
%define api.location.type {az_loc}
%define parse.error detailed
%locations
%expect 0
%param {az_rec_state *s}

%code requires {
#include "grammar/recipe_build.h"
}

%code provides {
int az_rec_lex(AZ_REC_STYPE *value, az_loc *loc, az_rec_state *s);
}

%code {
#include <string.h>

/* A thing is where its first token is. */
#define YYLLOC_DEFAULT(current, rhs, n) ((current) = YYRHSLOC(rhs, (n) ? 1 : 0))
#define YYMALLOC(size) az_arena_alloc(&s->scratch, (size), 16)
#define YYFREE(block)  ((void)(block))

static void az_rec_error(const az_loc *loc, az_rec_state *s, const char *message)
{
	static const char lead[] = "syntax error, ";
	if (strncmp(message, lead, sizeof lead - 1) == 0)
		message += sizeof lead - 1;
	if (!az_error_limit(s->ctx))
		az_error(s->ctx, *loc, "%s", message);
}
}

%initial-action { @$ = (az_loc){.file = s->file, .line = 1, .col = 1, .len = 1}; }

%token RECIPE "recipe" DEFAULT "default" MATCH "match" LIMIT "limit" AND "and" OP "op" NAME "name" PER "per"
%token GRID "grid" FIRST "first" LAST "last"
%token <az_name> WORD "word" STRING "string"
%token <int64_t> NUMBER "number"
%token <int> COMPARE "comparison"
%type <az_precision> precision numbers
%type <az_name> unit

%%

recipe:
	RECIPE NUMBER { az_rec_version(s, @NUMBER, $NUMBER); } rules
;

rules:
	%empty
|	rules rule
;

rule:
	DEFAULT { az_rec_begin(s, @1); } body
|	MATCH { az_rec_begin(s, @1); } conditions body
|	LIMIT WORD NUMBER unit { az_rec_limit(s, @WORD, $WORD, $NUMBER, $unit); }
|	error '}'
;

unit:
	%empty { $$ = NULL; }
|	WORD
;

conditions:
	condition
|	conditions AND condition
;

condition:
	OP WORD                { az_rec_match_op(s, @WORD, $WORD); }
|	NAME STRING            { az_rec_match_name(s, @STRING, $STRING); }
|	FIRST                  { az_rec_match_edge(s, @FIRST, AZ_EDGE_FIRST); }
|	LAST                   { az_rec_match_edge(s, @LAST, AZ_EDGE_LAST); }
|	WORD COMPARE NUMBER    { az_rec_match_params(s, @WORD, $WORD, $COMPARE, $NUMBER); }
;

body:
	'{' settings '}'       { az_rec_end(s); }
;

settings:
	setting
|	settings ',' setting
;

setting:
	WORD '=' precision     { az_rec_set(s, @WORD, $WORD, $precision); }
;

precision:
	numbers
|	numbers GRID WORD[grid]
		{ $$ = $numbers; az_rec_grid(s, @grid, &$$, $grid); }
;

numbers:
	WORD                   { $$ = az_rec_precision(s, @WORD, $WORD); }
|	WORD[elem] PER WORD[how]
		{ $$ = az_rec_precision(s, @elem, $elem); az_rec_granularity(s, @how, &$$, $how, 0); }
|	WORD[elem] PER WORD[how] '(' NUMBER ')'
		{ $$ = az_rec_precision(s, @elem, $elem); az_rec_granularity(s, @how, &$$, $how, $NUMBER); }
;
