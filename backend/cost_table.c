/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking up rates and making times of them: a layer takes the time of a call and its work over the rate. */
#include "backend/cost_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define CALL_SECONDS 15e-9
#define SLOWER       1.1 /* than with 8 bits */

static const az_cost_row rows[] = {
#define COST(dot, work, input_bits, weight_bits, rate) {#dot, #work, input_bits, weight_bits, rate},
#include "backend/cost_table.def"
};

const az_cost_table az_cost_rates = {.count = AZ_COUNT(rows), .row = rows};

/* --- Files ---------------------------------------------------------------------------------------------- */

static bool read_row(az_arena *arena, const char *line, az_cost_row *out)
{
	char dot[17], work[17];
	int end = 0;
	if (sscanf(line, " COST( %16[a-z0-9_] , %16[a-z0-9_] , %d , %d , %lf )%n", dot, work,
		    &out->input_bits, &out->weight_bits, &out->rate, &end) != 5 ||
		end == 0 || line[(size_t)end + strspn(line + end, " \t\r")] != 0)
		return false;
	out->dot = az_arena_copy(arena, dot, strlen(dot));
	out->work = az_arena_copy(arena, work, strlen(work));
	return out->rate > 0 && isfinite(out->rate) && out->input_bits >= 0 &&
	       out->weight_bits >= 0;
}

bool az_cost_table_read(az_ctx *ctx, az_arena *arena, const char *path, az_cost_table *out)
{
	az_bytes bytes;
	if (!az_file_map(ctx, path, &bytes))
		return false;
	const char *text = az_arena_copy(arena, bytes.data, bytes.size);
	az_file_unmap(bytes);
	AZ_VEC(az_cost_row) list = {0};
	az_loc at = {.file = az_name_of(ctx, path), .line = 1};
	for (; *text; at.line++) {
		size_t length = strcspn(text, "\n");
		const char *line = az_arena_copy(arena, text, length);
		const char *first = line + strspn(line, " \t\r");
		az_cost_row row = {0};
		text += length + (text[length] == '\n');
		if (*first == 0 || *first == '#' || *first == '/')
			continue;
		if (!read_row(arena, line, &row))
			return az_error(ctx, at,
				"expected COST(dot, work, input bits, weight bits, rate), found "
				"\"%s\"",
				first);
		az_vec_push(arena, &list, row);
	}
	if (list.count == 0)
		return az_error(ctx, at, "no rates in this file");
	*out = (az_cost_table){list.count, list.v, &az_cost_rates};
	return true;
}

/* --- Looking up ----------------------------------------------------------------------------------------- */

static double find(const az_cost_table *table, const char *dot, const char *work, int input_bits,
	int weight_bits)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const az_cost_row *r = &table->row[i];
		if (r->input_bits == input_bits && r->weight_bits == weight_bits &&
			strcmp(r->dot, dot) == 0 && strcmp(r->work, work) == 0)
			return r->rate;
	}
	return 0;
}

/* Inputs of fewer bits lie in bytes: without a row of their own they are computed as bytes are. */
static double rate_of(const az_cost_table *table, const char *dot, const char *work, int input_bits,
	int weight_bits)
{
	double rate = 0;
	for (; table && rate == 0; table = table->next) {
		rate = find(table, dot, work, input_bits, weight_bits);
		if (rate == 0 && input_bits < 8)
			rate = find(table, dot, work, 8, weight_bits);
	}
	return rate;
}

const char *az_layer_work(const az_layer_cost *layer)
{
	bool scalar = layer->kernel && strcmp(layer->kernel, "scalar") == 0;
	if (layer->macs == 0)
		return layer->kernel;
	if (scalar)
		return NULL;
	if (layer->weight_elem.kind == AZ_KIND_NONE)
		return "product";
	return layer->depthwise ? "depthwise" : layer->pixels ? "conv" : "row";
}

static double seconds(const az_cost_table *table, const char *dot, const az_layer_cost *layer,
	int input_bits, int weight_bits)
{
	const char *work = az_layer_work(layer);
	if (!work)
		return 0;
	double rate = rate_of(table, dot, work, input_bits, weight_bits);
	if (rate == 0)
		return 0;
	uint64_t units = layer->macs ? layer->macs : layer->elements;
	return CALL_SECONDS + (double)units / (rate * 1e9);
}

/* What requantizing finer numbers, or comparing with levels, adds to a requantize. */
static double seconds_of_steps(const az_cost_table *table, const char *dot,
	const az_layer_cost *layer)
{
	double rate = layer->steps ? rate_of(table, dot, "epilogue", 8, 0) : 0;
	double steps = (double)layer->steps * (double)az_type_numel(layer->output);
	return rate > 0 ? steps / (rate * 1e9) : 0;
}

bool az_layer_is_slower(const az_layer_cost *layer)
{
	return layer->seconds_at8 > 0 && layer->seconds > layer->seconds_at8 * SLOWER;
}

void az_cost_estimate(const az_cost_table *table, const az_target *target, az_layer_cost *layer,
	uint32_t count)
{
	const char *dot = az_dot_name(target->dot);
	if (!table)
		table = &az_cost_rates;
	for (uint32_t i = 0; i < count; i++) {
		az_layer_cost *l = &layer[i];
		int x = l->input_elem.bits, w = l->weight_elem.bits;
		l->seconds = seconds(table, dot, l, x, w);
		bool narrow = x <= 8 && w <= 8 && (x < 8 || w < 8) && l->macs > 0 && w > 0;
		bool few = narrow || l->output_elem.bits < 8;
		l->seconds_at8 = few && l->steps + narrow > 0 && l->seconds > 0
					 ? seconds(table, dot, l, 8, 8)
					 : 0;
		if (l->seconds > 0)
			l->seconds += seconds_of_steps(table, dot, l);
	}
}
