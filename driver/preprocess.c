/* SPDX-License-Identifier: Apache-2.0
 *
 * The --input-* options, turned into the one preprocessing that calibration, evaluation and running
 * share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

static bool read_reals(az_job *job, const char *option, const char *text, float *out,
	uint32_t *count)
{
	*count = 0;
	for (const char *p = text; *p;) {
		char *end;
		float v = strtof(p, &end);
		if (end == p || (*end && *end != ',') || *count == 8)
			return az_error(job->ctx, AZ_LOC_NONE,
				"%s wants up to 8 numbers separated by commas, found '%s'", option,
				text);
		out[(*count)++] = v;
		p = *end ? end + 1 : end;
	}
	return true;
}

static bool read_size(az_job *job, const char *option, const char *text, int64_t *width,
	int64_t *height)
{
	long long w, h;
	char rest;
	if (sscanf(text, "%lldx%lld%c", &w, &h, &rest) != 2 || w < 1 || h < 1 || w > 65536 ||
		h > 65536)
		return az_error(job->ctx, AZ_LOC_NONE, "%s wants WIDTHxHEIGHT, found '%s'", option,
			text);
	*width = w;
	*height = h;
	return true;
}

/* text is one of two words; *second says which. */
static bool read_choice(az_job *job, const char *option, const char *text, const char *first_word,
	const char *second_word, bool *second)
{
	*second = strcmp(text, second_word) == 0;
	if (!*second && strcmp(text, first_word) != 0)
		return az_error(job->ctx, AZ_LOC_NONE, "%s wants %s or %s, found '%s'", option,
			first_word, second_word, text);
	return true;
}

bool az_job_preprocess(az_job *job, az_preprocess *out)
{
	const az_options *o = &job->options;
	*out = (az_preprocess){.scale = 1.0f};
	bool nhwc = false, ok = true;
	if (o->input_layout) {
		ok &= read_choice(job, "--input-layout", o->input_layout, "nchw", "nhwc", &nhwc);
		out->layout_set = true;
		out->layout = nhwc ? AZ_LAYOUT_NHWC : AZ_LAYOUT_NCHW;
	}
	if (o->input_scale) {
		uint32_t n = 0;
		float v[8] = {1.0f};
		ok &= read_reals(job, "--input-scale", o->input_scale, v, &n);
		out->scale = v[0];
	}
	if (o->input_mean)
		ok &= read_reals(job, "--input-mean", o->input_mean, out->mean, &out->mean_count);
	if (o->input_std)
		ok &= read_reals(job, "--input-std", o->input_std, out->std, &out->std_count);
	if (o->input_order)
		ok &= read_choice(job, "--input-order", o->input_order, "rgb", "bgr", &out->bgr);
	if (o->resize)
		ok &= read_size(job, "--resize", o->resize, &out->resize_width,
			&out->resize_height);
	if (o->crop)
		ok &= read_size(job, "--crop", o->crop, &out->crop_width, &out->crop_height);
	for (uint32_t i = 0; i < out->std_count; i++)
		if (!(out->std[i] > 0))
			ok = az_error(job->ctx, AZ_LOC_NONE,
				"--input-std wants positive numbers, found %g",
				(double)out->std[i]);
	out->set = o->input_scale || o->input_mean || o->input_std || o->input_order || o->resize ||
		   o->crop;
	return ok;
}
