/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact number text. A float prints with the fewest digits that read back to the same bits; what is
 * not finite, and negative zero, prints as 0f and the eight hexadecimal digits of its bits (0d and
 * sixteen for f64). Independent of the locale. */
#ifndef AZ_BASE_NUM_H
#define AZ_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

#define AZ_NUM_SIZE 40 /* bytes enough for any number */

void az_f32_print(char out[AZ_NUM_SIZE], float x);
void az_f64_print(char out[AZ_NUM_SIZE], double x);
bool az_f32_parse(const char *text, float *x);  /* the whole text, decimal or 0f form */
bool az_f64_parse(const char *text, double *x); /* decimal, 0f or 0d form */

/* IEEE binary16 and bfloat16, round to nearest even. */
float az_f16_to_f32(uint16_t h);
uint16_t az_f32_to_f16(float x);
float az_bf16_to_f32(uint16_t h);
uint16_t az_f32_to_bf16(float x);

/* "64K", "64KiB", "1.5M", "300B", "300": bytes. false if it is none of these. */
bool az_size_parse(const char *text, uint64_t *bytes);

#endif
