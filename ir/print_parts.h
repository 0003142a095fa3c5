/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces that the files of the printer share. */
#ifndef AZ_IR_PRINT_PARTS_H
#define AZ_IR_PRINT_PARTS_H

#include "ir/print.h"

/* %name, or %"any name" when it is not plain. */
void az_print_name(az_text *out, char sigil, az_name name);
void az_print_real(az_text *out, float v);
void az_print_type(az_text *out, const az_type *type);
/* " {quant} in [lo, hi] at N", as far as known. */
void az_print_facts(az_text *out, const az_value *value);
/* "const @name : type facts = ...\n" */
void az_print_const(az_text *out, const az_const *constant);

#endif
