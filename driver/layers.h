/* SPDX-License-Identifier: Apache-2.0
 *
 * Signal to quantization noise of every layer: a network against another one whose values have the same
 * names. Noise accumulates from the input on, as it does when the network runs. */
#ifndef AZ_DRIVER_LAYERS_H
#define AZ_DRIVER_LAYERS_H

#include "driver/driver.h"

typedef struct az_layer_noise {
	az_name name, op;
	const az_type *type;  /* as stored in the first network */
	double signal, noise; /* sums of squares */
} az_layer_noise;

/* Runs both over the samples of `data` and measures every value of the first network that is a float or
 * has a quantizer and whose name and number of elements the second one has too. In the arena of the
 * job, in the order of the network. Reports. */
bool az_layers_compare(az_job *job, const az_module *module, const az_module *reference,
	const az_stream *data, uint64_t samples, const az_layer_noise **layers, uint32_t *count);

#endif
