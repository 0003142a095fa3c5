/* SPDX-License-Identifier: Apache-2.0
 *
 * The protobuf wire format, checked before protobuf-c sees it. A reduced copy of the message is
 * made: every length, nesting depth, wire type and string has been checked, fields that the importer
 * never reads are gone, and each `raw_data` of a tensor is replaced by a marker of 16 bytes that
 * says where its bytes lie in the file, so that weights stay mapped ranges. Unpacking the copy cannot
 * fail and cannot nest deeper than AZ_DEPTH_MAX. */
#ifndef AZ_FRONTEND_WIRE_H
#define AZ_FRONTEND_WIRE_H

#include "base/diag.h"
#include "base/file.h"

typedef enum az_wire_root { AZ_WIRE_MODEL, AZ_WIRE_TENSOR } az_wire_root;

#define AZ_WIRE_MARKER_SIZE 16

/* Reports with the byte offset; the copy is in the arena. */
bool az_wire_reduce(az_ctx *ctx, az_loc loc, az_arena *arena, az_wire_root root, az_bytes file,
	az_bytes *out) AZ_NODISCARD;

/* The bytes of `file` that a marker stands for. */
az_bytes az_wire_marked(az_bytes file, const void *marker);

#endif
