/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a module while its text is parsed: header, quantizers, types, functions. A definition that
 * is wrong is remembered as lost, so that its uses are not faults of their own. */
#include "grammar/adz_build.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/internal.h"

#define AT_MAX (INT64_C(1) << 48) /* far above any arena; sums of it cannot overflow */

typedef struct walk {
	const az_map *map;
	uint32_t next;
} walk;

static const char *next_name(void *state)
{
	walk *w = state;
	while (w->next < w->map->count) {
		const az_map_entry *entry = &w->map->entry[w->next++];
		if (entry->value)
			return entry->key;
	}
	return NULL;
}

bool az_adz_unknown(az_adz_state *s, az_loc loc, const char *what, az_name name, const az_map *map)
{
	walk w = {map, 0};
	const char *near = az_nearest_word(name, next_name, &w);
	if (near)
		return az_error(s->ctx, loc, "unknown %s \"%s\"; did you mean \"%s\"?", what, name,
			near);
	return az_error(s->ctx, loc, "unknown %s \"%s\"", what, name);
}

void az_adz_line_end(az_adz_state *s)
{
	memset(&s->nums, 0, sizeof s->nums);
	memset(&s->quant, 0, sizeof s->quant);
	memset(&s->data, 0, sizeof s->data);
	memset(&s->op, 0, sizeof s->op);
	memset(&s->params, 0, sizeof s->params);
	memset(&s->rets, 0, sizeof s->rets);
	az_arena_free(&s->line);
}

/* ---- Header ---- */

static bool find_word(const char *const *words, uint32_t count, az_name word, uint32_t *out)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(words[i], word) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

void az_adz_header(az_adz_state *s, az_loc loc, az_adz_num version, az_name name, az_name stage,
	az_loc stage_loc)
{
	int64_t number;
	uint32_t i = 0;
	(void)loc;
	az_adz_int(s, version, 1, 1, &number);
	s->module->name = name;
	if (!find_word(az_stage_words, AZ_STAGE_COUNT_, stage, &i))
		az_error(s->ctx, stage_loc,
			"unknown stage \"%s\"; stages are imported, canonical, folded, selected, "
			"placed",
			stage);
	s->module->stage = (az_stage)i;
}

void az_adz_math(az_adz_state *s, az_loc loc, az_name word)
{
	if (strcmp(word, "fast") == 0)
		s->module->fast_math = true;
	else
		az_error(s->ctx, loc, "unknown math \"%s\"; only \"fast\" is stated", word);
}

void az_adz_done(az_adz_state *s, az_name pass)
{
	az_vec_push(&s->module->arena, &s->module->done, pass);
}

/* ---- Quantizers ---- */

void az_adz_twice(az_adz_state *s, az_loc loc, bool *has)
{
	if (*has) {
		az_error(s->ctx, loc, "stated twice");
		s->quant.wrong = true;
	}
	*has = true;
}

static bool read_i32s(az_adz_state *s, az_adz_list list, const int32_t **out)
{
	int32_t *v = az_new_array(&s->line, int32_t, list.count);
	for (uint32_t i = 0; i < list.count; i++) {
		int64_t value;
		if (!az_adz_int(s, list.v[i], INT32_MIN, INT32_MAX, &value))
			return false;
		v[i] = (int32_t)value;
	}
	*out = v;
	return true;
}

static bool read_scale(az_adz_state *s, az_adz_num num, float *out)
{
	if (!az_adz_real(s, num, out))
		return false;
	if (!isfinite(*out) || signbit(*out))
		return az_error(s->ctx, az_adz_num_loc(s, num),
			"a scale is finite and not negative");
	return true;
}

static bool read_scales(az_adz_state *s, az_adz_list list, const float **out)
{
	float *v = az_new_array(&s->line, float, list.count);
	for (uint32_t i = 0; i < list.count; i++) {
		if (!read_scale(s, list.v[i], &v[i]))
			return false;
	}
	*out = v;
	return true;
}

static bool read_axis_group(az_adz_state *s, az_quant *q)
{
	int64_t value = -1;
	if (s->quant.has_axis && !az_adz_int(s, s->quant.axis, 0, AZ_RANK_MAX - 1, &value))
		return false;
	q->axis = (int16_t)value;
	value = 0;
	if (s->quant.has_group && !az_adz_int(s, s->quant.group, 1, INT32_MAX, &value))
		return false;
	q->group = (int32_t)value;
	return true;
}

static bool read_quant(az_adz_state *s, az_loc loc, az_quant *q)
{
	const az_adz_quant_decl *d = &s->quant;
	if (d->wrong || !read_axis_group(s, q))
		return false;
	if (!d->has_scale || !d->scale.count)
		return az_error(s->ctx, loc, "quantizer \"%s\" has no scale", q->name);
	if (d->odd && d->has_table)
		return az_error(s->ctx, loc, "quantizer \"%s\" is odd and has a codebook", q->name);
	if (d->has_table && !d->table.count)
		return az_error(s->ctx, loc, "quantizer \"%s\": the codebook is empty", q->name);
	if (d->has_zero && (d->odd || d->has_table))
		return az_error(s->ctx, loc, "quantizer \"%s\": only affine grids have zeros",
			q->name);
	if (d->has_zero && d->zero.count != d->scale.count)
		return az_error(s->ctx, loc, "quantizer \"%s\" has %u scales and %u zeros", q->name,
			d->scale.count, d->zero.count);
	if (!d->has_axis && (d->has_group || d->scale.count != 1))
		return az_error(s->ctx, loc, "quantizer \"%s\" wants an axis", q->name);
	q->grid = d->odd ? AZ_GRID_ODD : d->has_table ? AZ_GRID_CODEBOOK : AZ_GRID_AFFINE;
	q->count = d->scale.count;
	q->table_count = d->table.count;
	return read_scales(s, d->scale, &q->scale) &&
	       (!d->has_zero || read_i32s(s, d->zero, &q->zero)) &&
	       (!d->has_table || read_i32s(s, d->table, &q->table));
}

void az_adz_quant(az_adz_state *s, az_loc loc, az_name name)
{
	az_quant q = {.name = name};
	if (az_map_get(&s->module->quant_names, name))
		az_error(s->ctx, loc, "quantizer \"%s\" is declared twice", name);
	else if (read_quant(s, loc, &q))
		az_quant_get(s->module, &q);
	else
		az_adz_quant_lost(s, name);
}

void az_adz_quant_lost(az_adz_state *s, az_name name)
{
	az_map_put(&s->arena, &s->lost_quants, name, s);
}

const az_quant *az_adz_quant_ref(az_adz_state *s, az_loc loc, az_name name)
{
	const az_quant *quant = az_map_get(&s->module->quant_names, name);
	if (!quant && !az_map_get(&s->lost_quants, name))
		az_adz_unknown(s, loc, "quantizer", name, &s->module->quant_names);
	return quant;
}

const az_quant *az_adz_quant_plain(az_adz_state *s, az_adz_num scale, const az_adz_num *zero)
{
	float value;
	int64_t shift = 0;
	if (!read_scale(s, scale, &value))
		return NULL;
	if (zero && !az_adz_int(s, *zero, INT32_MIN, INT32_MAX, &shift))
		return NULL;
	return az_quant_scalar(s->module, value, (int32_t)shift);
}

/* ---- Types and facts ---- */

const az_type *az_adz_type(az_adz_state *s, az_loc loc, az_name elem, az_adz_list dims)
{
	int64_t dim[AZ_RANK_MAX] = {0};
	az_elem e;
	if (!az_elem_parse(elem, &e)) {
		az_error(s->ctx, loc, "unknown element type \"%s\"", elem);
		return NULL;
	}
	if (dims.count > AZ_RANK_MAX) {
		az_error(s->ctx, loc, "a tensor has at most %d dimensions", AZ_RANK_MAX);
		return NULL;
	}
	for (uint32_t i = 0; i < dims.count; i++) {
		if (!az_adz_int(s, dims.v[i], 0, AZ_DIM_MAX, &dim[i]))
			return NULL;
	}
	if (!az_shape_valid(dims.count, dim)) {
		az_error(s->ctx, loc, "a tensor has at most %" PRId64 " elements", AZ_NUMEL_MAX);
		return NULL;
	}
	return az_type_get(s->ctx, e, dims.count, dim);
}

az_range az_adz_range(az_adz_state *s, az_loc loc, az_adz_num lo, az_adz_num hi)
{
	az_range range = {.known = true};
	if (!az_adz_real(s, lo, &range.lo) || !az_adz_real(s, hi, &range.hi))
		return (az_range){0};
	if (!(range.lo <= range.hi)) {
		az_error(s->ctx, loc, "the range's lower end is above the upper");
		return (az_range){0};
	}
	return range;
}

int64_t az_adz_at(az_adz_state *s, az_adz_num num)
{
	int64_t at = -1;
	return az_adz_int(s, num, 0, AT_MAX, &at) ? at : -1;
}

/* ---- Functions ---- */

void az_adz_param(az_adz_state *s, az_loc loc, az_name name, const az_adz_typed *typed)
{
	az_adz_named param = {name, loc, *typed};
	if (s->params.count == AZ_ARGS_MAX)
		az_error(s->ctx, loc, "a function has at most %d parameters", AZ_ARGS_MAX);
	if (s->params.count <= AZ_ARGS_MAX)
		az_vec_push(&s->line, &s->params, param);
}

void az_adz_ret(az_adz_state *s, az_loc loc, az_name name, const az_type *type,
	const az_quant *quant)
{
	az_adz_named ret = {name, loc, {.type = type, .quant = quant, .loc = loc}};
	if (s->rets.count == AZ_ARGS_MAX)
		az_error(s->ctx, loc, "a function has at most %d results", AZ_ARGS_MAX);
	if (s->rets.count <= AZ_ARGS_MAX)
		az_vec_push(&s->line, &s->rets, ret);
}

void az_adz_func_lost(az_adz_state *s)
{
	s->func = NULL;
	s->returned = false;
}

/* A parameter whose type was wrong is lost; the function is read all the same. */
static void add_params(az_adz_state *s)
{
	for (uint32_t i = 0; i < s->params.count; i++) {
		const az_adz_named *param = &s->params.v[i];
		if (!param->typed.type) {
			az_map_put(&s->arena, &s->lost_locals, param->name, s);
			continue;
		}
		if (az_map_get(&s->func->names, param->name)) {
			az_error(s->ctx, param->loc, "\"%s\" is defined twice", param->name);
			continue;
		}
		az_value *value = az_func_add_param(s->func, param->name, param->typed.type);
		value->quant = param->typed.quant;
		value->range = param->typed.range;
		value->at = param->typed.at;
	}
}

void az_adz_func(az_adz_state *s, az_loc loc, az_name name)
{
	az_adz_func_lost(s);
	memset(&s->lost_locals, 0, sizeof s->lost_locals);
	if (az_module_func(s->module, name)) {
		az_error(s->ctx, loc, "function \"%s\" is defined twice", name);
		return;
	}
	s->func = az_func_new(s->module, name);
	s->func->loc = loc;
	add_params(s);
	memset(&s->func_rets, 0, sizeof s->func_rets);
	for (uint32_t i = 0; i < s->rets.count; i++)
		az_vec_push(&s->arena, &s->func_rets, s->rets.v[i]);
	az_adz_line_end(s);
}

void az_adz_func_end(az_adz_state *s, az_loc loc)
{
	if (s->func && !s->returned)
		az_error(s->ctx, loc, "function \"%s\" does not return", s->func->name);
	az_adz_func_lost(s);
}
