/* SPDX-License-Identifier: Apache-2.0
 *
 * Measuring the rates of kernels on this machine, for estimated times (backend/cost_table.h). */
#ifndef AZ_BACKEND_RATES_H
#define AZ_BACKEND_RATES_H

#include "backend/cost_table.h"
#include "base/text.h"

/* Times one network after the other, for the target, which must be able to run here, and adds a row to
 * the text for each; half a minute. Reports. */
bool az_rates_measure(az_ctx *ctx, const az_target *target, az_text *out) AZ_NODISCARD;

#endif
