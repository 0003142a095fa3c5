/* SPDX-License-Identifier: Apache-2.0
 *
 * What this CPU can do, held against what the code needs (runtime/cpu.def). */
#ifndef ADZE_RUNTIME_CPU_H
#define ADZE_RUNTIME_CPU_H

#include <stdint.h>

void cpu_remember(const uintptr_t *auxiliary); /* the auxiliary vector, at start */
/* Name of the first feature in `needed` that is missing, or NULL. */
const char *cpu_missing(uint32_t needed);

#endif
