/* SPDX-License-Identifier: Apache-2.0
 *
 * The freestanding runtime, compiled for every target family when Adze is built and carried
 * inside it (cmake/runtime.cmake generates the definitions). */
#ifndef AZ_BACKEND_RUNTIME_OBJECTS_H
#define AZ_BACKEND_RUNTIME_OBJECTS_H

#include <stddef.h>

/* One relocatable ELF object holding the whole runtime for az_target.runtime: "x86_64",
 * "aarch64", "arm", "riscv64". NULL when this build does not carry it. Static storage. */
const unsigned char *az_runtime_object(const char *name, size_t *size);

#endif
