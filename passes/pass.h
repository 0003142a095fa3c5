/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes and the pass manager. A pass is one row of passes/passes.def and one function
 * `az_pass_<name>`; backend passes (select-kernels to plan-memory) are rows too, their
 * functions are handed in by the driver through az_pass_env.backend so that passes/ never includes
 * backend/. A pipeline whose stages do not fit is refused before anything runs. */
#ifndef AZ_PASSES_PASS_H
#define AZ_PASSES_PASS_H

#include "grammar/parse.h"
#include "grammar/recipe.h"
#include "ir/cost.h"
#include "ir/exec.h"
#include "ir/graph.h"

typedef struct az_pass_ctx az_pass_ctx;
typedef bool az_pass_fn(az_pass_ctx *pass);

/* What a pass keeps of the network's meaning; --check-each compares by it. */
typedef enum az_keeps {
	AZ_KEEPS_BITS,    /* outputs identical */
	AZ_KEEPS_FLOAT,   /* equal up to float rounding */
	AZ_KEEPS_STEP,    /* at most one quantization step */
	AZ_KEEPS_NOTHING, /* changes the function on purpose */
} az_keeps;

typedef enum az_option_kind {
	AZ_OPTION_flag,
	AZ_OPTION_int,
	AZ_OPTION_real,
	AZ_OPTION_size, /* bytes */
	AZ_OPTION_word,
} az_option_kind;

typedef struct az_option_desc {
	const char *name;
	az_option_kind kind;
	const char *init; /* default as text */
	const char *doc;
} az_option_desc;

typedef struct az_pass_desc {
	const char *name; /* as in pipelines: "fold-batchnorm" */
	uint8_t takes;    /* bit per az_stage that it accepts */
	int gives;        /* az_stage, or -1: keeps the stage */
	az_keeps keeps;
	az_pass_fn *run;               /* NULL: provided by the backend under the same name */
	const az_option_desc *options; /* ends with a NULL name */
	const char *doc;
} az_pass_desc;

extern const az_pass_desc az_pass_table[];
extern const uint32_t az_pass_count;

/* What the surroundings lend to passes. Any pointer may be NULL; a pass that needs what is missing
 * refuses. */
typedef struct az_pass_env {
	const az_exec_api *exec; /* how to run networks: the JIT, or the interpreter */
	const az_stream *calib;  /* calibration samples */
	const az_cost_api *cost;
	const az_recipe *recipe;        /* --recipe: widths of layers, for insert-quantizers */
	struct az_assignment *assigned; /* bits of layers: assign-bits writes, quantizing reads */
	az_pass_fn *(*backend)(const char *name);
	void *backend_data; /* the target, for backend passes */
	bool verify_each, check_each, time_passes;
	/* Called after each pass that changed the module (for --print-after); index counts passes. */
	bool (*after)(void *data, const az_module *module, const char *pass, uint32_t index);
	void *after_data;
	/* Takes text that a reporting pass made for people; NULL: nobody reads it. */
	void (*report)(void *data, const char *text);
	void *report_data;
	const char *stop_after; /* pass name, or NULL */
	const char *crash_path; /* where a failing pass leaves the module; NULL: nowhere */
} az_pass_env;

struct az_pass_ctx {
	az_ctx *ctx;
	az_module *module;
	const az_pass_env *env;
	const az_pipeline_step *step;
	const az_pass_desc *desc;
	az_arena scratch; /* reset after the pass */
};

/* Options of the running pass, checked against its row before it runs. */
int64_t az_pass_int(const az_pass_ctx *pass, const char *key);
float az_pass_real(const az_pass_ctx *pass, const char *key);
bool az_pass_flag(const az_pass_ctx *pass, const char *key);
const char *az_pass_word(const az_pass_ctx *pass, const char *key);

/* Checks names, options and stages of the whole pipeline, then runs it; done[] of the module is
 * extended. Reports. time_passes prints nothing: read times with az_pipeline_times. */
bool az_pipeline_run(az_module *module, const az_pipeline *pipeline,
	const az_pass_env *env) AZ_NODISCARD;

typedef struct az_pass_time {
	const char *pass;
	double seconds;
} az_pass_time;
/* The times of the last az_pipeline_run with time_passes, in order. */
uint32_t az_pipeline_times(const az_ctx *ctx, const az_pass_time **times);

/* The passes of the default road that are still to be done for this module, as pipeline text in the
 * arena. `quantize`: make an int8 network (calib must be given at run time); `data` NULL for float. */
typedef struct az_road {
	bool quantize;     /* calibrate, insert-quantizers, ... */
	bool weights_only; /* quantize without calibrating: activations stay float */
	bool requantize;   /* take the quantizers of a quantized network off first */
	/* As the options of insert-quantizers (passes.def); NULL or 0: their defaults. */
	const char *weights, *acts, *grid;
	int edges, group, fine_layers;
	bool exact_weights;
	bool equalize;          /* before calibrate */
	bool absorb;            /* equalize moves biases, too */
	bool normal_ranges;     /* calibrate asks batch norms first */
	const char *range;      /* method of calibrate, "percentile=99.9" too; NULL: its default */
	const char *round;      /* method of round-weights; NULL or "nearest": no such pass */
	int effort;             /* of round-weights; 0: its default */
	bool correct_bias;      /* round-weights corrects the biases, whatever its method */
	bool analytic;          /* by batch norms */
	bool match_ort;         /* match-ort behind fold-quantizers */
	bool to_canonical_only; /* stop before select-kernels */
} az_road;
char *az_road_text(az_arena *arena, const az_module *module, const az_road *road);

#define az_pass(name) az_pass_fn az_pass_##name

/* The passes of this folder. */
#define PASS(id, ...) az_pass_fn az_pass_##id;
#include "passes/passes.def"

#endif
