/* SPDX-License-Identifier: Apache-2.0
 *
 * What assign-activations knows of a network: groups of activations with one quantizer, whose bits may be
 * lowered, and how much of the arena they take when. */
#ifndef AZ_PASSES_ASSIGN_ACTS_H
#define AZ_PASSES_ASSIGN_ACTS_H

#include "passes/assign.h"

typedef struct az_act_group {
	AZ_VEC(az_name) members; /* values of the canonical network */
	const char *loss_name;   /* of the first, as losses are known by */
	const az_quant *quant;   /* in the trial network that the moments were read from */
	uint8_t most, bits;      /* as the options say; as chosen */
	bool placed; /* lies packed in memory at some moment, if it has fewer than 8 bits */
	double loss[AZ_BITS_MOST + 1];
} az_act_group;

/* What is in the arena while one operation runs. */
typedef struct az_moment {
	uint64_t fixed;     /* bytes that no group can change */
	uint64_t *elements; /* by group */
	const char *name;   /* of the operation */
} az_moment;

typedef struct az_acts {
	az_pass_ctx *pass;
	uint32_t count;
	az_act_group *group;
	AZ_VEC(az_moment) moments;
} az_acts;

/* Groups of main's activations that are integers of at most 8 bits; inputs of the network are none. Reports. */
bool az_acts_find(az_acts *acts, az_pass_ctx *pass) AZ_NODISCARD;
/* Enters the bits of a group, of all, into an assignment. */
void az_acts_assign_group(const az_act_group *group, az_assignment *out);
void az_acts_assign(const az_acts *acts, az_assignment *out);
/* Reads the moments off a trial network in which every group is packed. Reports. */
bool az_acts_read_moments(az_acts *acts, bool compact) AZ_NODISCARD;
/* Bytes of the arena with the bits of the groups, as it would be placed. Reports. */
bool az_acts_measure(az_acts *acts, bool compact, uint64_t *bytes) AZ_NODISCARD;
/* Bytes of the group's elements with so many bits. */
uint64_t az_acts_bytes(uint64_t elements, unsigned bits);

#endif
