/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fit found, as a table and as JSON (keys: docs/cli.md). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver/fit.h"

static void add_known(json_object *o, const char *key, bool known, uint64_t v)
{
	if (known)
		az_json_add_count(o, key, v);
	else
		json_object_object_add(o, key, NULL);
}

void az_fit_add_bits(json_object *o, const char *key, const az_assigned_list *list)
{
	json_object *bits = json_object_new_object();
	for (uint32_t i = 0; i < list->count; i++)
		json_object_object_add(bits, list->v[i].layer,
			json_object_new_int(list->v[i].bits));
	json_object_object_add(o, key, bits);
}

static json_object *point_json(const az_fit_point *p)
{
	json_object *o = json_object_new_object();
	az_json_add_real(o, "width", p->ratio);
	az_json_add_text(o, "policy", p->policy);
	az_json_add_count(o, "flash_bytes", az_fit_flash_bytes(p));
	/* Where no bits fit there is but the size that shows it. */
	add_known(o, "text_bytes", !p->no_bits, p->text_bytes);
	add_known(o, "rodata_bytes", !p->no_bits, p->rodata_bytes);
	add_known(o, "weight_bytes", !p->no_bits, p->weight_bytes);
	add_known(o, "arena_bytes", !p->no_bits, p->arena_bytes);
	add_known(o, "ram_bytes", !p->no_bits, p->ram_bytes);
	add_known(o, "macs", !p->no_bits, p->macs);
	add_known(o, "bitops", !p->no_bits, p->bitops);
	az_json_add_real(o, "seconds_by_table", p->seconds);
	az_json_add_real(o, "seconds_measured", p->measured > 0 ? p->measured : NAN);
	az_json_add_real(o, "top1_percent", p->top1);
	az_json_add_real(o, "sqnr_db", p->sqnr);
	az_json_add_real(o, "mean_squared_error", p->mean_squared);
	az_json_add_flag(o, "compact", p->compact);
	az_json_add_flag(o, "no_bits", p->no_bits);
	az_json_add_flag(o, "fits", p->fits);
	az_json_add_flag(o, "slower", p->slower);
	az_json_add_flag(o, "chosen", p->chosen);
	az_fit_add_bits(o, "bits", &p->bits.list);
	az_fit_add_bits(o, "activation_bits", &p->bits.acts);
	return o;
}

static json_object *layers_json(const az_fit_point *p)
{
	json_object *list = json_object_new_array();
	for (uint32_t i = 0; i < p->layer_count; i++) {
		const az_fit_layer *l = &p->layer[i];
		json_object *o = json_object_new_object();
		az_json_add_text(o, "name", l->name);
		az_json_add_text(o, "op", l->op);
		az_json_add_text(o, "kernel", l->kernel);
		az_json_add_count(o, "bits", l->bits);
		az_json_add_count(o, "channels", l->channels);
		az_json_add_count(o, "weight_bytes", l->weight_bytes);
		az_json_add_count(o, "constant_bytes", l->constant_bytes);
		az_json_add_count(o, "code_bytes", l->code_bytes);
		az_json_add_real(o, "seconds_by_table", l->seconds);
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
		az_json_add_text(o, "name", v->name ? v->name : "");
		az_json_add_count(o, "at", v->at);
		az_json_add_count(o, "bytes", v->size_bytes);
		az_json_add_count(o, "first", v->first);
		az_json_add_count(o, "last", v->last);
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
	az_json_add_text(o, "model", az_path_base(&fit->job->arena, options->args[0]));
	az_json_add_text(o, "target", fit->job->target->triple);
	az_json_add_text(o, "cpu", fit->job->target->cpu);
	az_json_add_count(o, "samples", fit->data->count);
	az_json_add_count(o, "compared_samples", fit->apart->count);
	add_known(budget, "flash_bytes", fit->flash > 0, fit->flash);
	add_known(budget, "arena_bytes", fit->ram > 0, fit->ram);
	add_known(budget, "macs", fit->macs > 0, fit->macs);
	add_known(budget, "bitops", fit->bitops > 0, fit->bitops);
	json_object_object_add(o, "budget", budget);
	az_json_add_real(real, "top1_percent", fit->float_top1);
	az_json_add_real(real, "mean_squared_error", fit->float_mean_squared);
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
		(unsigned long long)az_fit_flash_bytes(p), (unsigned long long)p->weight_bytes,
		(unsigned long long)p->arena_bytes, (unsigned long long)p->macs, p->sqnr);
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
		uint64_t a = az_fit_flash_bytes(q), b = az_fit_flash_bytes(p);
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
	for (uint32_t i = 0; best && i < best->bits.acts.count; i++)
		printf("%2u bits  activation %s\n", best->bits.acts.v[i].bits,
			best->bits.acts.v[i].layer);
}
