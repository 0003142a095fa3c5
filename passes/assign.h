/* SPDX-License-Identifier: Apache-2.0
 *
 * Bits chosen for layers, and what they were chosen by. Whoever runs a pipeline lends an assignment through
 * az_pass_env.assigned; assign-bits fills it in, the passes that quantize read it, and it outlives them. */
#ifndef AZ_PASSES_ASSIGN_H
#define AZ_PASSES_ASSIGN_H

#include "passes/quantize_plan.h"

#define AZ_BITS_MOST 8

/* How much the network loses when one layer alone gets so many bits, in parts of its output's energy or in
 * whatever the policy counts: comparable between layers and widths. */
typedef struct az_bit_loss {
	az_name layer; /* of the layer's result */
	double loss[AZ_BITS_MOST + 1];
} az_bit_loss;

typedef struct az_assigned {
	az_name layer;
	uint8_t bits;
} az_assigned;

typedef struct az_assignment {
	az_arena *arena;
	AZ_VEC(az_assigned) list;
	AZ_VEC(az_bit_loss) losses; /* known ones are not measured again */
	/* Told of every loss that was measured; may be NULL. */
	void (*measured)(void *data, const az_bit_loss *loss);
	void *data;
	/* After assign-bits: .text + .rodata of the choice; or, where the budget is too small, of the
	 * smallest one there is. */
	uint64_t size_bytes;
	bool too_small;
	uint32_t emitted; /* objects that were made to find out */
} az_assignment;

/* Bits of the layer with that result; 0: not assigned. `assignment` may be NULL. */
unsigned az_assigned_bits(const az_assignment *assignment, az_name layer);
void az_assign(az_assignment *assignment, az_name layer, unsigned bits);
const az_bit_loss *az_assigned_loss(const az_assignment *assignment, az_name layer);

/* The layers whose weights get bits, in order. */
typedef struct az_bit_layers {
	uint32_t count;
	az_op **op;
	uint64_t *weights; /* elements */
} az_bit_layers;
void az_bit_layers_of(az_module *module, az_arena *arena, az_bit_layers *out);

/* Fills assignment->losses of every layer, by policy: sensitivity, hessian or orthogonality
 * (bit_loss.c). Reports. */
bool az_bit_losses(az_pass_ctx *pass, const az_bit_layers *layers, const char *policy,
	int64_t samples) AZ_NODISCARD;

/* A clone of the running pass's module with these bits, quantized with the pass's own options and then
 * taken through `tail` (pipeline text, "" for none). Freed by the caller; NULL after reporting. */
az_module *az_trial(az_pass_ctx *pass, az_assignment *bits, const char *tail);

#endif
