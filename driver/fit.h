/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of `adze fit` share. A *point* is one network that was tried: a width ratio, the bits of
 * each layer, what the emitted object takes and what the network gives on the calibration samples. */
#ifndef AZ_DRIVER_FIT_H
#define AZ_DRIVER_FIT_H

#include "driver/driver.h"
#include "passes/assign.h"
#include "passes/channels.h"

typedef struct az_fit_layer {
	const char *name, *op, *kernel;
	unsigned bits;
	uint64_t channels; /* of its result */
	uint64_t weight_bytes, constant_bytes, code_bytes;
	double seconds; /* by the table of rates; 0: not known */
} az_fit_layer;

/* A value in the arena, from the call that makes it to the last that reads it. */
typedef struct az_fit_value {
	const char *name;
	uint64_t at, size_bytes;
	uint32_t first, last;
} az_fit_value;

typedef struct az_fit_point {
	double ratio;
	const char *policy;
	unsigned least; /* bits that the policy gives at least */
	uint64_t text_bytes, rodata_bytes, weight_bytes, ram_bytes, arena_bytes, macs, bitops;
	double seconds;      /* by the table of rates; of the layers whose time is known */
	double measured;     /* seconds of one run on this machine; 0: not measured */
	double top1;         /* percent on the labelled samples; NAN without labels */
	double sqnr;         /* dB of the first output against the float network */
	double mean_squared; /* error of a reconstruction; NAN where the output is not like the input */
	bool fits,
		slower; /* within every budget; slower than the 8-bit network under --never-slower */
	bool compact;   /* kernels of little code */
	bool packed; /* activations of few bits lie packed, inputs are quantized where they are read */
	bool no_bits; /* even the fewest take too much: text_bytes has the size with them, nothing was run */
	bool chosen;
	az_assignment bits;
	uint32_t layer_count;
	const az_fit_layer *layer;
	uint32_t value_count;
	const az_fit_value *value;
} az_fit_point;

typedef struct az_fit {
	az_job *job;
	az_module *base;  /* canonical, float */
	az_stream *all;   /* calibration samples, labels and all */
	az_stream *data;  /* those that networks are made with */
	az_stream *apart; /* those that networks are compared on; the same where there are few */
	uint64_t flash, ram, macs, bitops; /* budgets; 0: none */
	double widest;                     /* ratio at which they are met but for flash */
	float **reference;                 /* by sample: the float network's first output */
	double energy;                     /* sum of its squares */
	double float_top1, float_mean_squared;
	az_channels channels; /* of base */
	az_fit_point least;   /* the smallest of all that were measured */
	az_fit_point full;    /* the network with 8 bits everywhere and all its channels */
	AZ_VEC(az_fit_point) points;
	uint64_t smallest_arena; /* of all that was measured */
	struct az_fit_journal *journal;
	double begun;                /* seconds; when the search did */
	uint32_t steps, steps_ahead; /* of the search: done; to come, at most */
	bool probing;                /* only sizes are asked for: narrowing need not be good */
	bool wide_acts; /* probes under a budget of memory: activations as the options say, not of the fewest bits */
} az_fit;

/* driver/fit_data.c: fills in `all`, `data` and `apart`, which live in the job's arena. */
void az_fit_split_data(az_fit *fit, az_stream *all);

/* driver/fit_point.c */
/* What is left of the road behind a folded network: to where kernels are chosen, "" or ending in a comma; from
 * there. */
const char *az_fit_to_bytes(const az_fit_point *point);
const char *az_fit_to_placed(const az_fit *fit, const az_fit_point *point);
/* Widths are multiples of that many channels. */
int64_t az_fit_multiple(const az_fit *fit);
/* The float network's outputs. Reports. */
bool az_fit_reference(az_fit *fit);
unsigned az_fit_fewest(const az_fit *fit); /* bits of weights: --least */
az_fit_point az_fit_new_point(const az_fit *fit, double ratio, bool compact);
/* All layers with so many bits at this ratio: measured, not run. Narrowing without its fit and weights rounded
 * to nearest: sizes hardly depend on it. */
bool az_fit_probe(az_fit *fit, double ratio, unsigned bits, bool compact, az_fit_point *out);
/* Makes the network of a point: canonical base, narrowed, calibrated, bits assigned (flash 0: 8 bits
 * everywhere), rounded, quantized, folded. NULL after reporting, or with *too_small set silently when no bits
 * fit; point->bits is filled in. */
az_module *az_fit_network(az_fit *fit, az_fit_point *point, uint64_t flash, bool *too_small);
/* Emits and measures; runs over the samples. The module is at stage folded and stays so. */
bool az_fit_measure(az_fit *fit, az_module *module, az_fit_point *point);
bool az_fit_evaluate(az_fit *fit, az_module *module, az_fit_point *point);
/* How far the first output of a float network is from the reference, at most, in parts of the largest output. */
bool az_fit_difference(az_fit *fit, az_module *module, double *most);
/* The base with a width ratio, float; not fitted. NULL after reporting. */
az_module *az_fit_rescaled(az_fit *fit, double ratio);
/* Is a better than b, both measured? */
bool az_fit_better(const az_fit *fit, const az_fit_point *a, const az_fit_point *b);

/* driver/fit_ratio.c */
#define AZ_FIT_SMALLEST 0.05                        /* ratio below which nothing is tried */
#define AZ_FIT_USED     0.97                        /* of a budget of bytes: that is close enough */
uint64_t az_fit_flash_bytes(const az_fit_point *p); /* .text and .rodata */
/* Within every budget; without `flash`, that of flash does not count. */
bool az_fit_within(const az_fit *fit, const az_fit_point *p, bool flash);
unsigned az_fit_most(const az_fit *fit); /* bits of weights: --most */
/* Do two ratios give every group as many channels? */
bool az_fit_same_widths(const az_fit *fit, double a, double b);
/* The largest ratio up to `most` whose object with so many bits everywhere meets the budgets; 0: none. Within 3 % of
 * the budget of flash, or such that one channel more anywhere would not fit. *smallest: becomes the least size that was
 * found. Reports. */
bool az_fit_largest_ratio(az_fit *fit, double most, unsigned bits, bool compact, bool flash,
	double *out, uint64_t *smallest);

/* driver/fit_search.c: tries points until the budgets are used well. Reports; *smallest is the least
 * .text + .rodata that was found when nothing fits. */
bool az_fit_search(az_fit *fit, az_fit_point **best, uint64_t *smallest);

/* driver/fit_sizes.c: --sizes: what every number of bits takes at the width ratios that the option lists, and, where
 * they widen, that the float network stays the same. Prints. Reports. */
bool az_fit_sizes(az_fit *fit);

/* driver/fit_budget.c */
bool az_fit_check_budgets(az_job *job); /* as far as the text tells. Reports. */
bool az_fit_read_budgets(az_fit *fit);  /* `full` must be measured. Reports. */
/* Why nothing meets the budgets, for people; smallest: as az_fit_search gives it. */
void az_fit_explain(const az_fit *fit, uint64_t smallest);

/* driver/fit_journal.c: what was measured, line by line, so that an interrupted search goes on, and others
 * of the same network. A file of another network, or of one measured otherwise, is begun anew. */
bool az_fit_journal_open(az_fit *fit, const char *path);
/* A point of this ratio and policy that was measured before: fills it in and returns true. */
bool az_fit_journal_find(az_fit *fit, az_fit_point *point);
void az_fit_journal_add(az_fit *fit, const az_fit_point *point);
/* Losses known for a policy go into the assignment, and new ones come back through it. */
void az_fit_journal_losses(az_fit *fit, const char *policy, az_assignment *bits);
void az_fit_journal_close(az_fit *fit, bool done); /* done: the file goes */

/* driver/fit_report.c */
/* Adds {"name": bits, ...}. */
void az_fit_add_bits(json_object *o, const char *key, const az_assigned_list *list);
json_object *az_fit_json(const az_fit *fit, const az_fit_point *best);
void az_fit_print(const az_fit *fit, const az_fit_point *best);
/* driver/fit_page.c: the same as one page of HTML that needs nothing else. Reports. */
bool az_fit_page(const az_fit *fit, const az_fit_point *best, const char *path);

#endif
