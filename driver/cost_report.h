/* SPDX-License-Identifier: Apache-2.0
 *
 * Costs as people and programs read them: the report of `info` and of `compile`. */
#ifndef AZ_DRIVER_COST_REPORT_H
#define AZ_DRIVER_COST_REPORT_H

#include "driver/driver.h"
#include "passes/float_left.h"

/* --costs: the rates that times are made of; *out NULL without it. Reports. */
bool az_job_rates(az_job *job, const struct az_cost_table **out);

/* What stays float in a quantized network that is placed; nothing for networks that are float. */
void az_job_float_left(az_job *job, const az_module *module, az_float_left_list *out);

void az_cost_print_layers(az_job *job, const az_cost *cost);
void az_cost_print_totals(const az_cost *cost);
/* Layers slower than with 8 bits, and what stays float, as lines; nothing when there are none. */
void az_cost_print_remarks(az_job *job, const az_cost *cost, const az_float_left_list *left);

/* All of it; docs/cli.md lists the keys. */
json_object *az_cost_json(az_job *job, const az_cost *cost, const az_target *target,
	const az_float_left_list *left);

#endif
