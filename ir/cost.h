/* SPDX-License-Identifier: Apache-2.0
 *
 * What a network costs on its target, layer by layer: the resource model. Sizes are read from the emitted
 * object, never computed; work is counted on the operations; time is work over the rates of a table that
 * was measured (backend/cost_table.def, or a file that `adze targets --measure` wrote). The backend
 * implements it. */
#ifndef AZ_IR_COST_H
#define AZ_IR_COST_H

#include "ir/graph.h"

#define AZ_COST_TILE_MAX 12
#define AZ_COST_SLACK    512

/* One call of a kernel function. Bytes of a function or constant that several layers share count for the
 * first of them; the others say so. */
typedef struct az_layer_cost {
	az_name name; /* location of the anchor operation, or its value's name */
	az_name op;   /* the anchor: conv, matmul, pool, ... */
	az_name kernel;
	uint32_t tile_count;
	int64_t tile[AZ_COST_TILE_MAX];
	const az_type *output; /* as stored */
	/* The numbers that activations take, e.g. u4 also where they lie in bytes. */
	az_elem input_elem, output_elem;
	az_elem weight_elem; /* AZ_ELEM_NONE: the layer has no weights */
	const char *
		weight_kind; /* "float", "affine", "odd", "codebook", "bipolar", "ternary"; or "" */
	const char *weight_scales;        /* "tensor", "channel", "group"; "" without quantizer */
	uint64_t parameters;              /* weights and biases */
	uint64_t macs, bitops;            /* bitops: macs * bits of a weight * bits of an input */
	uint64_t elements;                /* of input or output, whichever has more */
	uint64_t weight_bytes;            /* as packed in the object */
	uint64_t constant_bytes;          /* other constants: biases, scales, tables */
	uint64_t code_bytes;              /* of the kernel function */
	uint64_t stack_bytes;             /* its frame */
	bool code_shared, weights_shared; /* counted for an earlier layer */
	bool pixels;                      /* a contraction of more than one row of outputs */
	bool depthwise;
	uint32_t
		steps; /* on each output of a contraction of few bits, besides those of a requantize */
	double seconds; /* by the table of rates; 0: not known */
	double seconds_at8; /* the same layer with 8 bits: weights, inputs, a requantize; 0: not known, or it is that */
} az_layer_cost;

typedef struct az_cost {
	/* Sections. rodata = weights + constants + literals (of the code generator). */
	uint64_t text_bytes, rodata_bytes, weight_bytes, constant_bytes, literal_bytes;
	uint64_t data_bytes, bss_bytes;
	uint64_t entry_bytes; /* NAME_run, part of text */
	uint64_t arena_bytes, arena_lower_bound_bytes, stack_bytes;
	uint64_t input_bytes, output_bytes, io_bytes; /* the caller's buffers; io: both */
	uint64_t parameters, macs, bitops;
	double seconds;   /* of the layers whose time is known */
	uint32_t unknown; /* layers whose time is not */
	uint32_t slower;  /* layers slower than with 8 bits by more than 10 % */
	uint32_t layer_count;
	const az_layer_cost *layer; /* in the arena given */
} az_cost;

struct az_cost_table;

typedef struct az_cost_api az_cost_api;
struct az_cost_api {
	const char *name;
	const struct az_cost_table *table; /* rates; NULL: the committed ones */
	/* Make the very object that is emitted, also where code is kept: without it .rodata may then be off by
	 * AZ_COST_SLACK bytes (backend/kept.h). */
	bool whole;
	/* The module must be placed. Reports. */
	bool (*measure)(const az_cost_api *api, const az_module *module, az_arena *arena,
		az_cost *out);
	/* Bytes of a placed module's arena: no code is made. */
	uint64_t (*arena_bytes)(const az_module *module);
};

/* Multiply-accumulates of one operation (convolutions and matrix products; 0 for others). */
uint64_t az_op_macs(const az_op *op);

/* Is the layer slower than the same layer with 8 bits, by more than 10 %? */
bool az_layer_is_slower(const az_layer_cost *layer);

#endif
