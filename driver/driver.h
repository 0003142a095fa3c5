/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs share: one job (context, options, target, data), loading a network, running the
 * default road, and running networks over data. Each verb is one file with one function. */
#ifndef AZ_DRIVER_DRIVER_H
#define AZ_DRIVER_DRIVER_H

#include "backend/backend.h"
#include "base/file.h"
#include "data/data.h"
#include "driver/json.h"
#include "driver/options.h"
#include "ir/graph.h"
#include "passes/pass.h"

typedef struct az_job {
	az_ctx *ctx;
	az_arena arena;
	az_options options;
	const az_target *target;
	az_stream *calib; /* NULL without --calib */
	az_recipe recipe; /* of --recipe */
} az_job;

/* A verb: returns the exit code. */
int az_verb_compile(az_job *job);
int az_verb_opt(az_job *job);
int az_verb_run(az_job *job);
int az_verb_verify(az_job *job);
int az_verb_eval(az_job *job);
int az_verb_info(az_job *job);
int az_verb_fit(az_job *job);
int az_verb_targets(az_job *job);
int az_verb_ops(az_job *job);
int az_verb_passes(az_job *job);

/* driver/load.c: .onnx, .onnx.xz, .onnx.gz or .adz, told by content. Reports. */
az_module *az_job_load(az_job *job, const char *path);
/* --name, else the model's file name made a C identifier. */
const char *az_job_symbol(az_job *job, const char *path);

/* driver/road.c: finds the target and opens --calib for the network's inputs. Reports. */
bool az_job_target(az_job *job);
/* Runs what is left of the default road, up to the `placed` stage or (to_canonical) up to the last
 * stage that is the same for every target. Reports. */
bool az_job_road(az_job *job, az_module *module, bool to_canonical);
/* The whole road to `placed`, with what --io and --io-layout ask for. Reports. */
bool az_job_compile(az_job *job, az_module *module);
/* Runs a pipeline with the job's options (--print-after and so on). Reports. */
bool az_job_pipeline(az_job *job, az_module *module, const char *text);
bool az_module_is_quantized(const az_module *module); /* has (de|re)quantizers */

/* driver/batch.c: a network and how it is executed. */
typedef struct az_runner {
	az_job *job;
	const az_func *main;
	const az_exec_api *api;
	az_exec *exec;
} az_runner;
bool az_runner_open(az_runner *runner, az_job *job, az_module *module, bool interpret);
void az_runner_close(az_runner *runner);
/* Zeroed tensors of the types of main's parameters or results, in the arena of the job. */
az_tensor *az_job_tensors(az_job *job, const az_func *main, bool results);
/* Runs N batches when every input's first dimension is N times the network's and every output's
 * first dimension is the batch; outputs are stacked. Results in the arena. Reports. */
bool az_runner_run(az_runner *runner, az_arena *arena, const az_tensor *inputs, az_tensor *outputs);
/* Reads and converts INPUT... ([NAME=]FILE) to the network's inputs (batched or not). Reports. */
bool az_job_inputs(az_job *job, const az_func *main, uint32_t count, const char **texts,
	az_tensor *inputs);

/* driver/report.c */
void az_report_attach(az_ctx *ctx);      /* diagnostics and progress to stderr */
double az_seconds_now(void);             /* of a clock that nobody sets */
void az_print_left(double seconds);      /* as "1:05 left", to stderr */
void az_print_json(json_object *object); /* prints and releases */
/* As az_print_json prints it; belongs to the object. */
const char *az_json_text(json_object *object);
void az_print_top(const az_tensor *output, int64_t row, int64_t count, char *const *labels,
	uint64_t label_count);
/* Indices of the k largest of n values, ties to the lowest index. */
void az_top_k(const double *v, int64_t n, int64_t k, int64_t *index);

/* driver/preprocess.c: the --input-* options. Reports. */
bool az_job_preprocess(az_job *job, az_preprocess *out);

#endif
