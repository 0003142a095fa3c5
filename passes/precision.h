/* SPDX-License-Identifier: Apache-2.0
 *
 * How many bits each layer gets: the options of insert-quantizers, then the rules of a recipe that match
 * it, later ones winning. */
#ifndef AZ_PASSES_PRECISION_H
#define AZ_PASSES_PRECISION_H

#include "passes/pass.h"

typedef struct az_precisions {
	az_pass_ctx *pass;
	int weight_bits, act_bits; /* where no rule says anything */
	bool *matched;             /* by rule */
} az_precisions;

/* Checks that the rules ask for what insert-quantizers can do. Reports. */
bool az_precisions_init(az_precisions *p, az_pass_ctx *pass, int weight_bits, int act_bits);
/* Bits of the weights of op and of what it gives; NULL: an input of the network. */
int az_precision_weight(az_precisions *p, const az_op *op);
int az_precision_act(az_precisions *p, const az_op *op);
/* Warns of rules that matched nothing. */
void az_precisions_finish(const az_precisions *p);

#endif
