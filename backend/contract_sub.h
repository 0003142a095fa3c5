/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two ways of multiplying packed weights share (backend/contract_sub.c has the layout): weights that
 * become whole bytes first, and parts of weights multiplied where they stand (backend/contract_split.c). */
#ifndef AZ_BACKEND_CONTRACT_SUB_H
#define AZ_BACKEND_CONTRACT_SUB_H

#include "backend/contract.h"

/* Bits [low, low + bits) of every weight. */
typedef struct az_sub_plane {
	uint32_t bits, low;
} az_sub_plane;

/* Planes of a width, from the low bits on, and the steps of a turn. */
typedef struct az_sub_planes {
	uint32_t count, period;
	az_sub_plane v[4];
} az_sub_planes;

/* A turn of `steps` steps whose weights begin at `at`. */
typedef struct az_sub_turn {
	az_contract_code *code;
	const az_sub_planes *planes;
	LLVMValueRef at;
	int64_t steps;
	uint32_t vectors; /* of outputs */
} az_sub_turn;

az_sub_planes az_sub_planes_of(uint32_t bits);
int64_t az_sub_step_count(const az_contract *c, uint32_t granule);
/* Vectors of one vector of outputs in a turn of so many steps. */
int64_t az_sub_turn_vectors(const az_sub_planes *p, int64_t steps);

/* The vector of plane `index` that holds the step. */
LLVMValueRef az_sub_load(const az_sub_turn *t, uint32_t index, int64_t step, uint32_t output);
/* Bits [shift, shift + p.bits) of every byte, moved to bit p.low. */
LLVMValueRef az_sub_field(az_emitter *e, LLVMValueRef bytes, uint32_t shift, az_sub_plane p);
/* Makes the table of where the inputs of a step lie, if there is more than one run and no table yet. */
void az_sub_offsets(az_contract_code *code);
/* The inputs of step first + u of the first pixel. */
LLVMValueRef az_sub_input(az_contract_code *code, const az_patch *p, LLVMValueRef first, int64_t u);

#endif
