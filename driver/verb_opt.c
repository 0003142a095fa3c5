/* SPDX-License-Identifier: Apache-2.0
 *
 * adze opt: read, verify, run passes, print. Without passes it is the identity on IR text. */
#include <stdio.h>
#include <string.h>

#include "driver/driver.h"
#include "ir/print.h"
#include "ir/verify.h"

static bool print_module(az_job *job, const az_module *module)
{
	const az_options *o = &job->options;
	if (o->output)
		return az_module_write(module, o->output, o->blobs);
	az_text text = {.arena = &job->arena};
	az_module_print(&text, module);
	if (o->blobs && !az_blobs_write(module, o->blobs))
		return false;
	return fwrite(text.v, 1, text.count, stdout) == text.count;
}

static bool optimize(az_job *job, az_module *module)
{
	const az_options *o = &job->options;
	if (!az_job_target(job) || !az_module_verify(module))
		return false;
	if (o->road && !az_job_road(job, module, false))
		return false;
	if (o->pipeline && !az_job_pipeline(job, module, o->pipeline))
		return false;
	return print_module(job, module);
}

int az_verb_opt(az_job *job)
{
	if (job->options.road && job->options.pipeline) {
		fprintf(stderr, "adze: error: --road and -p exclude each other\n");
		return AZ_EXIT_USAGE;
	}
	az_module *module = az_job_load(job, job->options.args[0]);
	if (!module)
		return AZ_EXIT_REFUSED;
	bool ok = optimize(job, module);
	az_module_free(module);
	return ok ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
}
