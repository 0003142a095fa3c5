/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants in text and as blobs. Elements are printed in their own exactness: integers as integers,
 * f32 and narrower through f32 (which holds them exactly), f64 as f64. */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/file.h"
#include "base/num.h"
#include "ir/internal.h"
#include "ir/print_parts.h"

bool az_const_is_blob(const az_const *constant)
{
	return !constant->splat && constant->size_bytes >= AZ_BLOB_MIN;
}

/* A memo: the constant is the same to everybody else. */
az_name az_const_hash(const az_const *constant)
{
	az_const *memo = (az_const *)constant;
	char hash[65];
	if (memo->hash && memo->hashed == memo->data)
		return memo->hash;
	az_sha256_hex(hash, memo->data, memo->size_bytes);
	memo->hash = az_name_of(memo->module->ctx, hash);
	memo->hashed = memo->data;
	return memo->hash;
}

/* From the bits, not through a double: that would quiet signalling NaNs. */
static float as_f32(uint64_t raw, az_elem elem)
{
	if (elem.kind == AZ_KIND_BFLOAT)
		return az_bf16_to_f32((uint16_t)raw);
	if (elem.bits == 16)
		return az_f16_to_f32((uint16_t)raw);
	uint32_t low = (uint32_t)raw;
	float x;
	memcpy(&x, &low, sizeof x);
	return x;
}

static void print_element(az_text *out, const az_const *constant, uint64_t i)
{
	char number[AZ_NUM_SIZE];
	az_elem elem = constant->value.type->elem;
	uint64_t raw = az_bits_get(constant->data, i, elem.bits);
	if (az_elem_is_float(elem) && elem.bits == 64) {
		double x;
		memcpy(&x, &raw, sizeof x);
		az_f64_print(number, x);
		az_text_add(out, "%s", number);
	} else if (az_elem_is_float(elem)) {
		az_print_real(out, as_f32(raw, elem));
	} else if (elem.kind == AZ_KIND_UINT) {
		az_text_add(out, "%" PRIu64, raw);
	} else {
		az_text_add(out, "%" PRId64, az_const_get_int(constant, i));
	}
}

void az_print_const(az_text *out, const az_const *constant)
{
	az_text_add(out, "const ");
	az_print_name(out, '@', constant->value.name);
	az_text_add(out, " : ");
	az_print_type(out, constant->value.type);
	az_print_facts(out, &constant->value);
	if (constant->splat) {
		az_text_add(out, " = splat ");
		print_element(out, constant, 0);
	} else if (az_const_is_blob(constant)) {
		az_text_add(out, " = blob \"%s\" %zu bytes", az_const_hash(constant),
			constant->size_bytes);
	} else {
		uint64_t count = (uint64_t)az_type_numel(constant->value.type);
		az_text_add(out, " = [");
		for (uint64_t i = 0; i < count; i++) {
			az_text_add_bytes(out, ", ", i ? 2 : 0);
			print_element(out, constant, i);
		}
		az_text_add_char(out, ']');
	}
	az_text_add_char(out, '\n');
}
