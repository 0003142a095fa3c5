/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers of fewer than 8 bits that lie packed in memory, as bytes and as vectors. Nothing outside the elements
 * asked for is read or written. */
#ifndef AZ_BACKEND_PACKED_BYTES_H
#define AZ_BACKEND_PACKED_BYTES_H

#include "backend/emit.h"

/* Emits the (un)packing of `count` elements, whole bytes of them, from address to address. */
void az_unpack_bytes(az_emitter *e, az_elem elem, LLVMValueRef to, LLVMValueRef from,
	int64_t count);
void az_pack_bytes(az_emitter *e, az_elem elem, LLVMValueRef to, LLVMValueRef from, int64_t count);

/* Can so many elements, beginning with a byte, be converted at once? Then they are, from and to register form. */
bool az_packs_lanes(az_emitter *e, az_elem elem, uint32_t lanes);
LLVMValueRef az_unpack_lanes(az_emitter *e, az_elem elem, LLVMValueRef at, uint32_t lanes);
void az_pack_lanes(az_emitter *e, az_elem elem, LLVMValueRef value, LLVMValueRef at);

#endif
