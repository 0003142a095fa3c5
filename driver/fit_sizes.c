/* SPDX-License-Identifier: Apache-2.0
 *
 * fit --sizes: sizes of emitted objects by width ratio and bits, without a search. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver/fit.h"

typedef struct width {
	double ratio, difference; /* difference: NAN where it narrows */
	az_fit_point by_bits[AZ_BITS_MOST + 1];
} width;

static bool measure(az_fit *fit, width *w)
{
	w->difference = (double)NAN;
	if (w->ratio >= 1) {
		az_module *module = az_fit_rescaled(fit, w->ratio);
		bool ok = module && az_fit_difference(fit, module, &w->difference);
		if (module)
			az_module_free(module);
		if (!ok)
			return false;
	}
	for (unsigned b = 1; b <= AZ_BITS_MOST; b++) {
		az_ctx_progress(fit->job->ctx, "fit: sizes", b - 1, AZ_BITS_MOST);
		if (!az_fit_probe(fit, w->ratio, b, fit->job->options.size, &w->by_bits[b]))
			return false;
	}
	az_ctx_progress(fit->job->ctx, "fit: sizes", AZ_BITS_MOST, AZ_BITS_MOST);
	return true;
}

static void print(const width *w)
{
	printf("%6.3f", w->ratio);
	for (unsigned b = 1; b <= AZ_BITS_MOST; b++)
		printf(" %9llu", (unsigned long long)(w->by_bits[b].text_bytes +
						      w->by_bits[b].rodata_bytes));
	printf(" %9llu %13llu", (unsigned long long)w->by_bits[AZ_BITS_MOST].arena_bytes,
		(unsigned long long)w->by_bits[AZ_BITS_MOST].macs);
	if (!isnan(w->difference))
		printf("  %.1e", w->difference);
	putchar('\n');
}

static json_object *to_json(const width *w)
{
	json_object *o = json_object_new_object(), *list = json_object_new_array();
	az_json_add_real(o, "width", w->ratio);
	az_json_add_real(o, "float_difference", w->difference);
	for (unsigned b = 1; b <= AZ_BITS_MOST; b++) {
		const az_fit_point *p = &w->by_bits[b];
		json_object *at = json_object_new_object();
		az_json_add_count(at, "bits", b);
		az_json_add_count(at, "text_bytes", p->text_bytes);
		az_json_add_count(at, "rodata_bytes", p->rodata_bytes);
		az_json_add_count(at, "weight_bytes", p->weight_bytes);
		az_json_add_count(at, "arena_bytes", p->arena_bytes);
		az_json_add_count(at, "macs", p->macs);
		json_object_array_add(list, at);
	}
	json_object_object_add(o, "by_bits", list);
	return o;
}

static bool read_ratio(az_fit *fit, const char **at, double *out)
{
	char *end;
	*out = strtod(*at, &end);
	if (end == *at || (*end && *end != ',') || !(*out > 0 && *out <= 8))
		return az_error(fit->job->ctx, AZ_LOC_NONE,
			"--sizes wants width ratios above 0 and at most 8, such as 0.5,1,1.4; "
			"found '%s'",
			*at);
	*at = end + (*end == ',');
	return true;
}

bool az_fit_sizes(az_fit *fit)
{
	const az_options *o = &fit->job->options;
	json_object *list = o->json ? json_object_new_array() : NULL;
	bool ok = true;
	if (!o->json)
		printf("%6s %9s %9s %9s %9s %9s %9s %9s %9s %9s %13s  %s\n", "width", "1 bit", "2",
			"3", "4", "5", "6", "7", "8", "arena", "MACs", "float differs by");
	for (const char *at = o->sizes; ok && *at;) {
		width *w = az_new(&fit->job->arena, width);
		ok = read_ratio(fit, &at, &w->ratio) && measure(fit, w);
		if (ok && o->json)
			json_object_array_add(list, to_json(w));
		else if (ok)
			print(w);
	}
	if (list) {
		json_object *all = json_object_new_object();
		json_object_object_add(all, "sizes", list);
		if (ok)
			az_print_json(all);
		else
			json_object_put(all);
	}
	return ok;
}
