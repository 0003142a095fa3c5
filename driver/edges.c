/* SPDX-License-Identifier: Apache-2.0
 *
 * --io and --io-layout: the road with a stop between its two halves, where the edges are changed. */
#include <string.h>

#include "driver/driver.h"

/* *pass: the pipeline that does it, NULL when nothing is asked for. */
static bool read_options(az_job *job, const char **pass)
{
	const az_options *o = &job->options;
	bool stored = o->io && strcmp(o->io, "quantized") == 0;
	bool nhwc = o->io_layout && strcmp(o->io_layout, "nhwc") == 0;
	*pass = NULL;
	if (o->io && !stored && strcmp(o->io, "real") != 0)
		return az_error(job->ctx, AZ_LOC_NONE, "--io wants real or quantized, found '%s'",
			o->io);
	if (o->io_layout && !nhwc)
		return az_error(job->ctx, AZ_LOC_NONE, "--io-layout wants nhwc, found '%s'",
			o->io_layout);
	if (stored || nhwc)
		*pass = az_arena_printf(&job->arena, "expose-edges{%s%s%s}", stored ? "stored" : "",
			stored && nhwc ? "," : "", nhwc ? "nhwc" : "");
	return true;
}

bool az_job_compile(az_job *job, az_module *module)
{
	const char *pass;
	if (!read_options(job, &pass))
		return false;
	if (!pass)
		return az_job_road(job, module, false);
	if (module->stage > AZ_STAGE_FOLDED)
		return az_error(job->ctx, AZ_LOC_NONE,
			"--io and --io-layout want a network whose kernels are not chosen yet; "
			"this one "
			"is %s",
			az_stage_words[module->stage]);
	if (!az_job_road(job, module, true))
		return false;
	if (job->options.io && strcmp(job->options.io, "quantized") == 0 &&
		!az_module_is_quantized(module))
		return az_error(job->ctx, AZ_LOC_NONE,
			"--io=quantized wants a quantized network; this one is float");
	return az_job_pipeline(job, module, pass) && az_job_road(job, module, false);
}
