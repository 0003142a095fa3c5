/* SPDX-License-Identifier: Apache-2.0
 *
 * Multiply-accumulates of one operation, counting padded places: the number that papers report. */
#include "ir/cost.h"

/* Weights per output channel: window places times channels of one group. */
static uint64_t taps(const az_type *weights)
{
	uint64_t n = 1;
	for (uint32_t i = 1; i < weights->rank; i++)
		n *= (uint64_t)weights->dim[i];
	return n;
}

uint64_t az_op_macs(const az_op *op)
{
	switch (op->code) {
	case AZ_OP_conv:
		return (uint64_t)az_type_numel(op->results[0]->type) *
		       taps(op->args[1].value->type);
	case AZ_OP_conv_transpose: {
		/* Every place of x meets every weight once: taps * O / (I / groups) weights per channel. */
		const az_type *x = op->args[0].value->type, *w = op->args[1].value->type;
		uint64_t places = (uint64_t)(az_type_numel(x) / x->dim[x->rank - 1]);
		return places * taps(w) * (uint64_t)w->dim[0];
	}
	case AZ_OP_matmul: {
		const az_type *a = op->args[0].value->type;
		return (uint64_t)az_type_numel(op->results[0]->type) *
		       (uint64_t)a->dim[a->rank - 1];
	}
	default:
		return 0;
	}
}
