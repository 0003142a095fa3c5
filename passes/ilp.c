/* SPDX-License-Identifier: Apache-2.0
 *
 * The integer program (passes/ilp.h): one 0-1 variable per item that no other of its class beats in
 * everything; one equation per class, one inequality per budget that can bind. Losses and budgets are scaled to
 * numbers near 1, and what comes back is checked in whole numbers: should rounding have let a budget be
 * exceeded, it is tightened by the excess and asked for again.
 *
 * GLPK prints nothing here, and its faults, running out of memory included, come back as AZ_ILP_FAILED: its
 * handler jumps to where it was called, and its environment is freed as a whole. No memory of an arena is
 * asked for while it runs, so that no other jump can pass it by. The search ends after NODES_MAX nodes, not by
 * the clock: the same question has the same answer everywhere. */
#include "passes/ilp.h"

#include <glpk.h>
#include <math.h>
#include <setjmp.h>
#include <string.h>

#define NODES_MAX 200000
#define TIGHTEN   8

typedef struct program {
	uint32_t count, budgets, columns, entries;
	const az_ilp_class *classes;
	const uint64_t *capacity; /* as asked for */
	uint64_t *room;           /* by budget: as tightened */
	uint32_t *item;           /* by column: of its class */
	uint32_t *first;          /* by class, and behind the last: column */
	int *row, *column;        /* entries of the matrix, from 1 */
	double *value;
	double unit; /* of losses */
	uint32_t *chosen;
} program;

/* Is item b of the class no better than a in anything, and not the same item? */
static bool beaten(const az_ilp_class *c, uint32_t budgets, uint32_t a, uint32_t b)
{
	const az_ilp_item *x = &c->item[a], *y = &c->item[b];
	bool equal = x->loss == y->loss;
	if (x->loss > y->loss)
		return false;
	for (uint32_t i = 0; i < budgets; i++) {
		if (x->weight[i] > y->weight[i])
			return false;
		equal = equal && x->weight[i] == y->weight[i];
	}
	return !equal || a < b;
}

static void prepare(program *p, az_arena *scratch)
{
	uint32_t items = 0;
	for (uint32_t i = 0; i < p->count; i++)
		items += p->classes[i].count;
	p->item = az_new_array(scratch, uint32_t, items + 1u);
	p->first = az_new_array(scratch, uint32_t, p->count + 1u);
	p->room = az_new_array(scratch, uint64_t, p->budgets + 1u);
	size_t most = (size_t)items * (p->budgets + 1u) + 1;
	p->row = az_new_array(scratch, int, most);
	p->column = az_new_array(scratch, int, most);
	p->value = az_new_array(scratch, double, most);
	for (uint32_t i = 0; i < p->budgets; i++)
		p->room[i] = p->capacity[i];
	for (uint32_t i = 0; i < p->count; i++) {
		const az_ilp_class *c = &p->classes[i];
		for (uint32_t k = 0; k < c->count; k++) {
			bool kept = true;
			for (uint32_t other = 0; kept && other < c->count; other++)
				kept = other == k || !beaten(c, p->budgets, other, k);
			if (!kept)
				continue;
			p->item[p->columns++] = k;
			p->unit = fmax(p->unit, fabs(c->item[k].loss));
		}
		p->first[i + 1] = p->columns;
	}
	if (p->unit == 0)
		p->unit = 1;
}

static void add_entry(program *p, uint32_t row, uint32_t column, double value)
{
	p->entries++;
	p->row[p->entries] = (int)row + 1;
	p->column[p->entries] = (int)column + 1;
	p->value[p->entries] = value;
}

static void state_problem(program *p, glp_prob *lp)
{
	p->entries = 0;
	glp_set_obj_dir(lp, GLP_MIN);
	glp_add_rows(lp, (int)(p->count + p->budgets));
	glp_add_cols(lp, (int)p->columns);
	for (uint32_t b = 0; b < p->budgets; b++)
		glp_set_row_bnds(lp, (int)(p->count + b + 1), GLP_UP, 0,
			(double)p->room[b] / (double)AZ_MAX(p->capacity[b], 1));
	for (uint32_t i = 0; i < p->count; i++) {
		glp_set_row_bnds(lp, (int)i + 1, GLP_FX, 1, 1);
		for (uint32_t at = p->first[i]; at < p->first[i + 1]; at++) {
			const az_ilp_item *item = &p->classes[i].item[p->item[at]];
			glp_set_col_kind(lp, (int)at + 1, GLP_BV);
			glp_set_obj_coef(lp, (int)at + 1, item->loss / p->unit);
			add_entry(p, i, at, 1);
			for (uint32_t b = 0; b < p->budgets; b++)
				if (item->weight[b])
					add_entry(p, p->count + b, at,
						(double)item->weight[b] /
							(double)AZ_MAX(p->capacity[b], 1));
		}
	}
	glp_load_matrix(lp, (int)p->entries, p->row, p->column, p->value);
}

static void watch(glp_tree *tree, void *unused)
{
	int total;
	(void)unused;
	glp_ios_tree_size(tree, NULL, NULL, &total);
	if (total > NODES_MAX)
		glp_ios_terminate(tree);
}

static void read_choice(program *p, glp_prob *lp)
{
	for (uint32_t i = 0; i < p->count; i++) {
		uint32_t best = p->first[i];
		for (uint32_t at = best + 1; at < p->first[i + 1]; at++)
			if (glp_mip_col_val(lp, (int)at + 1) > glp_mip_col_val(lp, (int)best + 1))
				best = at;
		p->chosen[i] = p->item[best];
	}
}

static az_ilp_result ask(program *p)
{
	glp_prob *lp = glp_create_prob();
	glp_iocp how;
	state_problem(p, lp);
	glp_init_iocp(&how);
	how.presolve = GLP_ON;
	how.cov_cuts = GLP_ON;
	how.cb_func = watch;
	int fault = glp_intopt(lp, &how), status = glp_mip_status(lp);
	az_ilp_result result = AZ_ILP_FAILED;
	if (fault == GLP_ENOPFS || fault == GLP_ENODFS || (fault == 0 && status == GLP_NOFEAS))
		result = AZ_ILP_NONE;
	else if (fault == 0 && status == GLP_OPT)
		result = AZ_ILP_BEST;
	else if (fault == GLP_ESTOP && status == GLP_FEAS)
		result = AZ_ILP_GOOD;
	if (result == AZ_ILP_BEST || result == AZ_ILP_GOOD)
		read_choice(p, lp);
	glp_delete_prob(lp);
	return result;
}

/* Nonzero: printed nowhere. GLPK turns its output on for what it says of a fault. */
static int say_nothing(void *unused, const char *text)
{
	(void)unused;
	(void)text;
	return 1;
}

static void on_fault(void *data)
{
	longjmp(*(jmp_buf *)data, 1);
}

/* After a fault GLPK's environment is of no use: it goes with all that was in it. */
static az_ilp_result ask_guarded(program *p)
{
	jmp_buf fault;
	volatile bool begun = glp_init_env() == 0;
	if (setjmp(fault)) {
		glp_error_hook(NULL, NULL);
		glp_free_env();
		return AZ_ILP_FAILED;
	}
	glp_term_hook(say_nothing, NULL);
	glp_error_hook(on_fault, &fault);
	az_ilp_result result = ask(p);
	glp_error_hook(NULL, NULL);
	glp_term_hook(NULL, NULL);
	if (begun)
		glp_free_env();
	return result;
}

/* Takes what was exceeded off the room of the budgets; false: nothing was. */
static bool tighten(program *p)
{
	bool exceeded = false;
	for (uint32_t b = 0; b < p->budgets; b++) {
		uint64_t sum = 0;
		for (uint32_t i = 0; i < p->count; i++)
			sum += p->classes[i].item[p->chosen[i]].weight[b];
		if (sum <= p->capacity[b])
			continue;
		exceeded = true;
		p->room[b] -= AZ_MIN(p->room[b], sum - p->capacity[b]);
	}
	return exceeded;
}

az_ilp_result az_ilp(az_arena *scratch, uint32_t count, const az_ilp_class *classes,
	uint32_t budgets, const uint64_t *capacity, uint32_t *chosen)
{
	program p = {.count = count,
		.budgets = budgets,
		.classes = classes,
		.capacity = capacity,
		.chosen = chosen};
	if (count == 0)
		return AZ_ILP_BEST;
	prepare(&p, scratch);
	for (int i = 0; i < TIGHTEN; i++) {
		az_ilp_result result = ask_guarded(&p);
		if ((result != AZ_ILP_BEST && result != AZ_ILP_GOOD) || !tighten(&p))
			return result;
	}
	return AZ_ILP_FAILED;
}
