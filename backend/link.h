/* SPDX-License-Identifier: Apache-2.0
 *
 * Linking with ld.lld, the linker of the LLVM that Adze is built with. */
#ifndef AZ_BACKEND_LINK_H
#define AZ_BACKEND_LINK_H

#include "backend/target.h"
#include "base/file.h"

/* A static executable of the objects (entry _start), or with `shared` a shared object that needs
 * no other. The bytes are in the arena. Reports. */
bool az_link(az_ctx *ctx, bool shared, uint32_t count, const az_bytes *object, az_arena *arena,
	az_bytes *out) AZ_NODISCARD;

#endif
