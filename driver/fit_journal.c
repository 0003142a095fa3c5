/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal: a text file with one JSON object on a line, appended and flushed as things are measured. The
 * first line says what was measured with what; a last line that was cut off by the interruption is ignored.
 * Points say which budgets they were made for, so that one journal serves several searches. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/fit.h"

typedef struct az_fit_journal {
	az_fit *fit;
	const char *path;
	FILE *file;
	AZ_VEC(json_object *) lines;
	const char *policy; /* of the losses that come in */
} az_fit_journal;

/* --- Which search this is ------------------------------------------------------------------------- */

static const char *word(const char *text)
{
	return text ? text : "";
}

static void add_calibration(az_text *t, const az_options *o)
{
	az_text_add(t, "|%s|%lld|%s|%s|%lld|%s|%s|%s|%s|%s|%s|%s", word(o->calib),
		(long long)o->calib_limit.v, word(o->calib_every), word(o->calib_labels),
		(long long)o->label_offset.v, word(o->input_layout), word(o->input_scale),
		word(o->input_mean), word(o->input_std), word(o->input_order), word(o->resize),
		word(o->crop));
}

static bool identify(az_fit *fit, char out[65])
{
	const az_options *o = &fit->job->options;
	const void *data;
	size_t size;
	char model[65];
	if (!az_data_read(fit->job->ctx, &fit->job->arena, o->args[0], &data, &size))
		return false;
	az_sha256_hex(model, data, size);
	az_text t = {.arena = &fit->job->arena};
	az_text_add(&t, "%s|%s|%s|%s|%s", AZ_VERSION, model, fit->job->target->triple,
		fit->job->target->cpu, fit->job->target->features);
	add_calibration(&t, o);
	az_text_add(&t, "|%llu made, %llu compared", (unsigned long long)fit->data->count,
		(unsigned long long)fit->apart->count);
	az_text_add(&t, "|%s|%s|%s|%d|%d|%lld|%s", word(o->acts), word(o->range), word(o->round),
		o->correct_bias != NULL, o->split, (long long)o->multiple.v, word(o->importance));
	if (o->recipe) {
		char recipe[65];
		if (!az_data_read(fit->job->ctx, &fit->job->arena, o->recipe, &data, &size))
			return false;
		az_sha256_hex(recipe, data, size);
		az_text_add(&t, "|%s", recipe);
	}
	az_sha256_hex(out, t.v, t.count);
	return true;
}

/* --- Reading --------------------------------------------------------------------------------------- */

static const char *text_at(json_object *o, const char *key)
{
	json_object *v;
	return json_object_object_get_ex(o, key, &v) ? word(json_object_get_string(v)) : "";
}

static double number_at(json_object *o, const char *key)
{
	json_object *v;
	bool there = json_object_object_get_ex(o, key, &v) && v;
	return there ? json_object_get_double(v) : (double)NAN;
}

static void read_lines(az_fit_journal *j, const char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		const char *end = memchr(text + at, '\n', size - at);
		if (!end)
			return;
		size_t length = (size_t)(end - text) - at;
		char *line = az_arena_copy(&j->fit->job->arena, text + at, length);
		json_object *o = json_tokener_parse(line);
		if (o)
			az_vec_push(&j->fit->job->arena, &j->lines, o);
		at += length + 1;
	}
}

static bool write_line(az_fit_journal *j, json_object *o)
{
	fprintf(j->file, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	return fflush(j->file) == 0;
}

bool az_fit_journal_open(az_fit *fit, const char *path)
{
	char key[65];
	const void *data;
	size_t size;
	if (!identify(fit, key))
		return false;
	az_fit_journal *j = az_new(&fit->job->arena, az_fit_journal);
	*j = (az_fit_journal){.fit = fit, .path = path};
	bool known = az_file_exists(path);
	if (known && !az_data_read(fit->job->ctx, &fit->job->arena, path, &data, &size))
		return false;
	if (known)
		read_lines(j, data, size);
	bool same = j->lines.count && strcmp(text_at(j->lines.v[0], "search"), key) == 0;
	/* A line that was cut off must not swallow the next one. */
	bool whole = known && size && ((const char *)data)[size - 1] == '\n';
	j->file = fopen(path, same ? "a" : "w");
	if (!j->file)
		return az_error(fit->job->ctx, AZ_LOC_NONE, "%s: cannot be written: %s", path,
			strerror(errno));
	fit->journal = j;
	if (same && !whole)
		fputc('\n', j->file);
	if (same) {
		fprintf(stderr, "adze: note: going on with the search in %s\n", path);
		return true;
	}
	for (uint32_t i = 0; i < j->lines.count; i++)
		json_object_put(j->lines.v[i]);
	j->lines.count = 0;
	json_object *head = json_object_new_object();
	az_json_add_text(head, "search", key);
	return write_line(j, head) || az_error(fit->job->ctx, AZ_LOC_NONE,
					      "%s: cannot be written: %s", path, strerror(errno));
}

void az_fit_journal_close(az_fit *fit, bool done)
{
	az_fit_journal *j = fit->journal;
	if (!j)
		return;
	for (uint32_t i = 0; i < j->lines.count; i++)
		json_object_put(j->lines.v[i]);
	fclose(j->file);
	if (done)
		unlink(j->path);
	fit->journal = NULL;
}

/* --- Points ----------------------------------------------------------------------------------------- */

/* What else a point was made for. */
static const char *purpose(const az_fit *fit, const az_fit_point *point)
{
	const az_options *o = &fit->job->options;
	return az_arena_printf(&fit->job->arena,
		"flash %llu, ram %llu, macs %llu, bitops %llu, bits %u to %lld, activations from "
		"%lld%s",
		(unsigned long long)fit->flash, (unsigned long long)fit->ram,
		(unsigned long long)fit->macs, (unsigned long long)fit->bitops, point->least,
		(long long)(o->most.set ? o->most.v : AZ_BITS_MOST),
		(long long)(o->least_acts.set ? o->least_acts.v : 2),
		o->never_slower ? ", never slower" : "");
}

static const struct {
	const char *key;
	size_t offset;
	bool real;
} fields[] = {
#define FIELD(name, real) {#name, offsetof(az_fit_point, name), real},
	FIELD(text_bytes, false) FIELD(rodata_bytes, false) FIELD(weight_bytes, false)
		FIELD(ram_bytes, false) FIELD(arena_bytes, false) FIELD(macs, false)
			FIELD(bitops, false) FIELD(seconds, true) FIELD(measured, true)
				FIELD(top1, true) FIELD(sqnr, true) FIELD(mean_squared, true)
#undef FIELD
};

void az_fit_journal_add(az_fit *fit, const az_fit_point *point)
{
	json_object *o = json_object_new_object();
	az_json_add_text(o, "point", point->policy);
	az_json_add_text(o, "for", purpose(fit, point));
	az_json_add_real(o, "ratio", point->ratio);
	az_json_add_flag(o, "compact", point->compact);
	az_json_add_flag(o, "slower", point->slower);
	az_json_add_flag(o, "no_bits", point->no_bits);
	for (size_t i = 0; i < AZ_COUNT(fields); i++) {
		const char *at = (const char *)point + fields[i].offset;
		double real = fields[i].real ? *(const double *)at : 0;
		json_object *v = !fields[i].real
					 ? json_object_new_int64((int64_t)*(const uint64_t *)at)
				 : isfinite(real) ? json_object_new_double(real)
						  : NULL;
		json_object_object_add(o, fields[i].key, v);
	}
	az_fit_add_bits(o, "bits", &point->bits.list);
	az_fit_add_bits(o, "acts", &point->bits.acts);
	write_line(fit->journal, o);
}

bool az_fit_journal_find(az_fit *fit, az_fit_point *point)
{
	const az_fit_journal *j = fit->journal;
	const char *wanted = purpose(fit, point);
	for (uint32_t i = 0; i < j->lines.count; i++) {
		json_object *o = j->lines.v[i], *bits, *slower, *compact, *none, *acts;
		if (!json_object_object_get_ex(o, "compact", &compact) ||
			json_object_get_boolean(compact) != point->compact)
			continue;
		if (strcmp(text_at(o, "point"), point->policy) != 0 ||
			strcmp(text_at(o, "for"), wanted) != 0 ||
			!(fabs(number_at(o, "ratio") - point->ratio) < 1e-9) ||
			!json_object_object_get_ex(o, "bits", &bits))
			continue;
		for (size_t k = 0; k < AZ_COUNT(fields); k++) {
			char *at = (char *)point + fields[k].offset;
			double v = number_at(o, fields[k].key);
			if (fields[k].real)
				*(double *)at = v;
			else
				*(uint64_t *)at = (uint64_t)fmax(v, 0);
		}
		if (json_object_object_get_ex(o, "no_bits", &none))
			point->no_bits = json_object_get_boolean(none);
		if (json_object_object_get_ex(o, "slower", &slower))
			point->slower = json_object_get_boolean(slower);
		json_object_object_foreach(bits, layer, width) az_assign(&point->bits,
			az_name_of(fit->job->ctx, layer), (unsigned)json_object_get_int(width));
		if (json_object_object_get_ex(o, "acts", &acts)) {
			json_object_object_foreach(acts, value, few)
				az_assign_act(&point->bits, az_name_of(fit->job->ctx, value),
					(unsigned)json_object_get_int(few));
		}
		point->bits.acts_known = true;
		return true;
	}
	return false;
}

/* --- Losses ----------------------------------------------------------------------------------------- */

static void add_loss(void *data, const az_bit_loss *loss)
{
	az_fit_journal *j = data;
	json_object *o = json_object_new_object(), *v = json_object_new_array();
	az_json_add_text(o, "loss", j->policy);
	az_json_add_text(o, "layer", loss->layer);
	for (int b = 0; b <= AZ_BITS_MOST; b++)
		json_object_array_add(v, json_object_new_double(loss->loss[b]));
	json_object_object_add(o, "by_bits", v);
	/* Kept for the points to come, too: losses are measured once, at the first ratio. */
	az_vec_push(&j->fit->job->arena, &j->lines, json_object_get(o));
	write_line(j, o);
}

void az_fit_journal_losses(az_fit *fit, const char *policy, az_assignment *bits)
{
	az_fit_journal *j = fit->journal;
	bits->measured = add_loss;
	bits->data = j;
	j->policy = policy;
	if (fit->widest != 1) /* measured on a narrower network */
		j->policy = az_arena_printf(bits->arena, "%s at %.6g", policy, fit->widest);
	for (uint32_t i = 0; i < j->lines.count; i++) {
		json_object *o = j->lines.v[i], *v;
		if (strcmp(text_at(o, "loss"), j->policy) != 0 ||
			!json_object_object_get_ex(o, "by_bits", &v) ||
			json_object_array_length(v) != AZ_BITS_MOST + 1)
			continue;
		az_bit_loss loss = {.layer = az_name_of(fit->job->ctx, text_at(o, "layer"))};
		for (size_t b = 0; b <= AZ_BITS_MOST; b++)
			loss.loss[b] = json_object_get_double(json_object_array_get_idx(v, b));
		az_vec_push(bits->arena, &bits->losses, loss);
	}
}
