/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels in another order, the same function. */
#ifndef AZ_PASSES_SORT_CHANNELS_H
#define AZ_PASSES_SORT_CHANNELS_H

#include "passes/channels.h"

/* Gives the units of every group the order of their scores, the largest first, as far as they may change
 * places: constants are permuted, nothing else changes. The network computes the same but for the order of
 * its sums. `score` by unit. */
void az_channels_sort(const az_channels *channels, const double *score);

#endif
