/* SPDX-License-Identifier: Apache-2.0
 *
 * The only writer of IR text (docs/ir.md). Law: print(parse(print(m))) == print(m), byte for byte.
 * Constants of AZ_BLOB_MIN bytes and more are named by the SHA-256 of their packed bytes and stored as
 * one file per constant ("<hex>.bin") in the blob folder. */
#ifndef AZ_IR_PRINT_H
#define AZ_IR_PRINT_H

#include "base/text.h"
#include "ir/graph.h"

#define AZ_BLOB_MIN 256

void az_module_print(az_text *out, const az_module *module);
/* The value of one attribute as text writes it. */
void az_attr_print(az_text *out, const az_attr_desc *desc, const az_attrs *attrs);
void az_func_print(az_text *out, const az_func *func); /* alone, for merging equal functions */
/* Writes the blobs that the text refers to and that are not there yet. Reports. */
bool az_blobs_write(const az_module *module, const char *folder) AZ_NODISCARD;
/* Prints into path (atomically) with blobs in blob_folder (NULL: "<path>.blobs"). Reports. */
bool az_module_write(const az_module *module, const char *path,
	const char *blob_folder) AZ_NODISCARD;

#endif
