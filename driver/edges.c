/* SPDX-License-Identifier: Apache-2.0
 *
 * What only `compile` and `info` do to a network: --io and --io-layout change its edges between the two halves
 * of the road, --packed packs its activations, --size chooses its kernels for little code. */
#include <string.h>

#include "base/text.h"
#include "driver/driver.h"

/* The passes that the options ask for after the network is folded, with those that stand before them on
 * the road; "" when they ask for nothing. */
static bool read_options(az_job *job, const char **passes)
{
	const az_options *o = &job->options;
	bool stored = o->io && strcmp(o->io, "quantized") == 0;
	bool nhwc = o->io_layout && strcmp(o->io_layout, "nhwc") == 0;
	az_text text = {.arena = &job->arena};
	if (o->io && !stored && strcmp(o->io, "real") != 0)
		return az_error(job->ctx, AZ_LOC_NONE, "--io wants real or quantized, found '%s'",
			o->io);
	if (o->io_layout && !nhwc)
		return az_error(job->ctx, AZ_LOC_NONE, "--io-layout wants nhwc, found '%s'",
			o->io_layout);
	az_text_add(&text, "%s", "");
	if (stored || nhwc)
		az_text_add(&text, "expose-edges{%s%s%s}", stored ? "stored" : "",
			stored && nhwc ? "," : "", nhwc ? "nhwc" : "");
	if (o->packed || o->size)
		az_text_add(&text, "%swiden-activations%s%s", text.count ? "," : "",
			o->packed ? ",pack-activations" : "",
			o->size ? ",select-kernels{size}" : "");
	*passes = text.v;
	return true;
}

bool az_job_compile(az_job *job, az_module *module)
{
	const char *passes = "";
	if (!read_options(job, &passes))
		return false;
	if (!*passes)
		return az_job_road(job, module, false);
	if (module->stage > AZ_STAGE_FOLDED)
		return az_error(job->ctx, AZ_LOC_NONE,
			"--io, --io-layout, --packed and --size want a network whose kernels are "
			"not chosen "
			"yet; "
			"this one is %s",
			az_stage_words[module->stage]);
	if (!az_job_road(job, module, true))
		return false;
	if (job->options.io && strcmp(job->options.io, "quantized") == 0 &&
		!az_module_is_quantized(module))
		return az_error(job->ctx, AZ_LOC_NONE,
			"--io=quantized wants a quantized network; this one is float");
	return az_job_pipeline(job, module, passes) && az_job_road(job, module, false);
}
