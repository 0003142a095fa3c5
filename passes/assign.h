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
typedef AZ_VEC(az_assigned) az_assigned_list;

typedef struct az_assignment {
	az_arena *arena;
	az_assigned_list list;
	az_assigned_list acts; /* bits of values, by name; those of others are as the options say */
	bool acts_known;       /* assign-activations has nothing to choose */
	AZ_VEC(az_bit_loss) losses; /* known ones are not measured again */
	/* Told of every loss that was measured; may be NULL. */
	void (*measured)(void *data, const az_bit_loss *loss);
	void *data;
	/* After assign-bits: .text + .rodata of the choice; or, where the budget is too small, of the
	 * smallest one there is. */
	uint64_t size_bytes;
	bool too_small;
	uint64_t
		arena_bytes; /* after assign-activations: of the choice, or the smallest there is */
	bool too_small_arena;
	uint32_t emitted; /* objects that were made to find out */
} az_assignment;

/* Bits of the layer with that result; 0: not assigned. `assignment` may be NULL. */
unsigned az_assigned_bits(const az_assignment *assignment, az_name layer);
void az_assign(az_assignment *assignment, az_name layer, unsigned bits);
/* The same of activations. */
unsigned az_assigned_act_bits(const az_assignment *assignment, az_name value);
void az_assign_act(az_assignment *assignment, az_name value, unsigned bits);
const az_bit_loss *az_assigned_loss(const az_assignment *assignment, az_name layer);

/* The fewest bits from `bits` on that little code unpacks, 1, 2, 4 or 8: small layers may take less with them. */
unsigned az_bits_short_code(unsigned bits);

/* The layers whose weights get bits, in order. */
typedef struct az_bit_layers {
	uint32_t count;
	az_op **op;
	uint64_t *weights; /* elements */
} az_bit_layers;
void az_bit_layers_of(az_module *module, az_arena *arena, az_bit_layers *out);
/* All of them get so many bits; how many they are. */
uint32_t az_assign_all(az_assignment *assignment, az_module *module, unsigned bits);

/* Fills assignment->losses of every layer, by policy: sensitivity, hessian or orthogonality
 * (bit_loss.c). Reports. */
bool az_bit_losses(az_pass_ctx *pass, const az_bit_layers *layers, const char *policy,
	int64_t samples) AZ_NODISCARD;

/* A clone of the running pass's module with these bits, quantized with the pass's own options and then
 * taken through `tail` (pipeline text, "" for none). Activations that `bits` does not know have the bits of
 * env->assigned. Freed by the caller; NULL after reporting. */
az_module *az_trial(az_pass_ctx *pass, az_assignment *bits, const char *tail);
/* The same, calibrated anew before with so many samples: ranges suit the bits. */
az_module *az_trial_calibrated(az_pass_ctx *pass, az_assignment *bits, const char *tail,
	int64_t samples);
/* What stands behind the folded network on the way to a placed one, for `tail`. */
const char *az_trial_to_placed(az_pass_ctx *pass, bool compact, bool packed);

/* Measures errors of the first output over calibration samples, in parts of the float network's energy. Lives in
 * the running pass's scratch. */
typedef struct az_error_meter az_error_meter;
az_error_meter *az_error_meter_open(az_pass_ctx *pass, int64_t samples);
/* The module goes whatever happens; NULL fails. */
bool az_error_measure(az_error_meter *meter, az_module *module, double *error) AZ_NODISCARD;
/* Enters a loss among the known ones and tells of it; fewer bits never lose less. */
void az_note_loss(az_pass_ctx *pass, az_bit_loss *loss);

#endif
