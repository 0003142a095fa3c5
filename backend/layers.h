/* SPDX-License-Identifier: Apache-2.0
 *
 * What the calls of a placed module are about: the part of the costs that the graph knows. */
#ifndef AZ_BACKEND_LAYERS_H
#define AZ_BACKEND_LAYERS_H

#include "ir/cost.h"

/* One layer per call of main, in order; *count of them. In the arena. */
az_layer_cost *az_layers_describe(const az_module *module, az_arena *arena, uint32_t *count);

#endif
