/* SPDX-License-Identifier: Apache-2.0
 *
 * A walk through a network from layer to layer, with the calibration samples. Between two layers it keeps,
 * for every sample, the values that later operations read (a cut), so that the next layer's input costs
 * only what lies between. A cut that would take too much memory is not made: the next layer's input is
 * then computed from the cut before. */
#ifndef AZ_PASSES_WALK_H
#define AZ_PASSES_WALK_H

#include "passes/pass.h"

/* The values that operations from some place on need, of all samples. */
typedef struct az_cut {
	az_arena arena;
	uint32_t count;
	az_value **value; /* parameters of main or results before the place */
	size_t *offset;   /* of each value in a sample's bytes */
	size_t size_bytes;
	unsigned char **stored; /* by sample; NULL: parameters only, read anew from the stream */
} az_cut;

typedef struct az_walk {
	az_pass_ctx *pass;
	az_func *main;
	uint64_t samples;
	az_cut cut, next; /* `next` is under way while open */
	bool moves;       /* `next` replaces `cut` at the end */
	/* While open: what leads from the cut to the layer's input. */
	az_module *clone;
	az_exec *exec; /* NULL: nothing is to be computed */
	az_tensor *in, *out;
	int32_t *source; /* by value of the cut: its parameter of the clone */
	int32_t *result; /* by value of `next`: its result, or -1 - its place in the cut */
	int32_t wanted;  /* the layer's input, in the same way */
} az_walk;

/* So many samples at most; they are in env->calib. */
void az_walk_begin(az_walk *walk, az_pass_ctx *pass, az_func *main, int64_t samples);
void az_walk_end(az_walk *walk); /* also after a failure or a jump, with whatever is open */

/* Makes ready what leads to operand 0 of layer. Layers come in the order of main; earlier operations must
 * not change afterwards. */
bool az_walk_open(az_walk *walk, const az_op *layer) AZ_NODISCARD;
/* That operand for one sample, until the next call; NULL on failure. Samples come in order, each once. */
const az_tensor *az_walk_run(az_walk *walk, uint64_t sample);
/* After the last sample. */
void az_walk_close(az_walk *walk);

#endif
