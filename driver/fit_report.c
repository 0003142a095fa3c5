/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fit found, as a table and as JSON (keys: docs/cli.md). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver/fit.h"

static json_object *number(double v)
{
	return isfinite(v) ? json_object_new_double(v) : NULL;
}

static json_object *bytes(uint64_t v)
{
	return json_object_new_int64((int64_t)v);
}

static json_object *point_json(const az_fit_point *p)
{
	json_object *o = json_object_new_object(), *bits = json_object_new_object();
	json_object_object_add(o, "width", json_object_new_double(p->ratio));
	json_object_object_add(o, "policy", json_object_new_string(p->policy));
	json_object_object_add(o, "flash_bytes", bytes(p->text_bytes + p->rodata_bytes));
	/* Where no bits fit there is but the size that shows it. */
	json_object_object_add(o, "text_bytes", p->no_bits ? NULL : bytes(p->text_bytes));
	json_object_object_add(o, "rodata_bytes", p->no_bits ? NULL : bytes(p->rodata_bytes));
	json_object_object_add(o, "weight_bytes", p->no_bits ? NULL : bytes(p->weight_bytes));
	json_object_object_add(o, "arena_bytes", p->no_bits ? NULL : bytes(p->arena_bytes));
	json_object_object_add(o, "ram_bytes", p->no_bits ? NULL : bytes(p->ram_bytes));
	json_object_object_add(o, "macs", p->no_bits ? NULL : bytes(p->macs));
	json_object_object_add(o, "bitops", p->no_bits ? NULL : bytes(p->bitops));
	json_object_object_add(o, "seconds_by_table", number(p->seconds));
	json_object_object_add(o, "seconds_measured", p->measured > 0 ? number(p->measured) : NULL);
	json_object_object_add(o, "top1_percent", number(p->top1));
	json_object_object_add(o, "sqnr_db", number(p->sqnr));
	json_object_object_add(o, "mean_squared_error", number(p->mean_squared));
	json_object_object_add(o, "compact", json_object_new_boolean(p->compact));
	json_object_object_add(o, "no_bits", json_object_new_boolean(p->no_bits));
	json_object_object_add(o, "fits", json_object_new_boolean(p->fits));
	json_object_object_add(o, "slower", json_object_new_boolean(p->slower));
	json_object_object_add(o, "chosen", json_object_new_boolean(p->chosen));
	for (uint32_t i = 0; i < p->bits.list.count; i++)
		json_object_object_add(bits, p->bits.list.v[i].layer,
			json_object_new_int(p->bits.list.v[i].bits));
	json_object_object_add(o, "bits", bits);
	return o;
}

static json_object *layers_json(const az_fit_point *p)
{
	json_object *list = json_object_new_array();
	for (uint32_t i = 0; i < p->layer_count; i++) {
		const az_fit_layer *l = &p->layer[i];
		json_object *o = json_object_new_object();
		json_object_object_add(o, "name", json_object_new_string(l->name));
		json_object_object_add(o, "op", json_object_new_string(l->op));
		json_object_object_add(o, "kernel", json_object_new_string(l->kernel));
		json_object_object_add(o, "bits", json_object_new_int((int)l->bits));
		json_object_object_add(o, "channels", bytes(l->channels));
		json_object_object_add(o, "weight_bytes", bytes(l->weight_bytes));
		json_object_object_add(o, "constant_bytes", bytes(l->constant_bytes));
		json_object_object_add(o, "code_bytes", bytes(l->code_bytes));
		json_object_object_add(o, "seconds_by_table", number(l->seconds));
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *arena_json(const az_fit_point *p)
{
	json_object *list = json_object_new_array();
	for (uint32_t i = 0; i < p->value_count; i++) {
		const az_fit_value *v = &p->value[i];
		json_object *o = json_object_new_object();
		json_object_object_add(o, "name", json_object_new_string(v->name ? v->name : ""));
		json_object_object_add(o, "at", bytes(v->at));
		json_object_object_add(o, "bytes", bytes(v->size_bytes));
		json_object_object_add(o, "first", json_object_new_int((int)v->first));
		json_object_object_add(o, "last", json_object_new_int((int)v->last));
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *network_json(const az_fit_point *p)
{
	json_object *o = point_json(p);
	json_object_object_add(o, "layers", layers_json(p));
	json_object_object_add(o, "arena", arena_json(p));
	return o;
}

json_object *az_fit_json(const az_fit *fit, const az_fit_point *best)
{
	json_object *o = json_object_new_object(), *budget = json_object_new_object();
	json_object *points = json_object_new_array(), *real = json_object_new_object();
	const az_options *options = &fit->job->options;
	json_object_object_add(o, "model",
		json_object_new_string(az_path_base(&fit->job->arena, options->args[0])));
	json_object_object_add(o, "target", json_object_new_string(fit->job->target->triple));
	json_object_object_add(o, "cpu", json_object_new_string(fit->job->target->cpu));
	json_object_object_add(o, "samples", bytes(fit->data->count));
	json_object_object_add(budget, "flash_bytes", fit->flash ? bytes(fit->flash) : NULL);
	json_object_object_add(budget, "arena_bytes", fit->ram ? bytes(fit->ram) : NULL);
	json_object_object_add(budget, "macs", fit->macs ? bytes(fit->macs) : NULL);
	json_object_object_add(budget, "bitops", fit->bitops ? bytes(fit->bitops) : NULL);
	json_object_object_add(o, "budget", budget);
	json_object_object_add(real, "top1_percent", number(fit->float_top1));
	json_object_object_add(real, "mean_squared_error", number(fit->float_mean_squared));
	json_object_object_add(o, "float", real);
	json_object_object_add(o, "int8", network_json(&fit->full));
	for (uint32_t i = 0; i < fit->points.count; i++)
		json_object_array_add(points, point_json(&fit->points.v[i]));
	json_object_object_add(o, "points", points);
	json_object_object_add(o, "chosen", best ? network_json(best) : NULL);
	return o;
}

static void print_point(const az_fit_point *p, const char *name)
{
	if (p->no_bits) {
		printf("%-9s %6.3f %10llu%s  too large with the fewest bits\n", "", p->ratio,
			(unsigned long long)p->text_bytes, p->compact ? "  compact" : "");
		return;
	}
	printf("%-9s %6.3f %10llu %10llu %10llu %12llu %8.2f", name, p->ratio,
		(unsigned long long)(p->text_bytes + p->rodata_bytes),
		(unsigned long long)p->weight_bytes, (unsigned long long)p->arena_bytes,
		(unsigned long long)p->macs, p->sqnr);
	if (!isnan(p->top1))
		printf(" %7.2f", p->top1);
	if (!isnan(p->mean_squared))
		printf(" %10.5g", p->mean_squared);
	printf("%s%s\n", p->compact ? "  compact" : "",
		p->chosen   ? "  chosen"
		: p->slower ? "  slower than 8 bits"
		: p->fits   ? ""
			    : "  too large");
}

/* Is another point at least as small and as good, and better in one of them? */
static bool is_beaten(const az_fit *fit, const az_fit_point *p)
{
	for (uint32_t i = 0; i < fit->points.count; i++) {
		const az_fit_point *q = &fit->points.v[i];
		uint64_t a = q->text_bytes + q->rodata_bytes, b = p->text_bytes + p->rodata_bytes;
		if (q != p && a <= b && az_fit_better(fit, q, p))
			return true;
	}
	return false;
}

void az_fit_print(const az_fit *fit, const az_fit_point *best)
{
	printf("%-9s %6s %10s %10s %10s %12s %8s%s%s\n", "", "width", "flash", "weights", "arena",
		"MACs", "dB", isnan(fit->float_top1) ? "" : "   top-1",
		isnan(fit->float_mean_squared) ? "" : "  error");
	if (!isnan(fit->float_top1))
		printf("float: top-1 %.2f %%\n", fit->float_top1);
	if (!isnan(fit->float_mean_squared))
		printf("float: mean squared error %.5g\n", fit->float_mean_squared);
	print_point(&fit->full, "8 bits");
	for (uint32_t i = 0; i < fit->points.count; i++)
		print_point(&fit->points.v[i], is_beaten(fit, &fit->points.v[i]) ? "" : "pareto");
	for (uint32_t i = 0; best && i < best->bits.list.count; i++)
		printf("%2u bits  %s\n", best->bits.list.v[i].bits, best->bits.list.v[i].layer);
}
