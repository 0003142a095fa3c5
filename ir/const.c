/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants. Invariants: a constant is a splat exactly when it has two elements or more, all of the
 * same bits; bits behind the last element are zero, so that equal constants have equal bytes. */
#include <assert.h>
#include <string.h>

#include "base/bits.h"
#include "ir/internal.h"

static az_const *new_const(az_module *module, const char *name, const az_type *type)
{
	az_const *constant = az_new(&module->arena, az_const);
	constant->module = module;
	constant->value.id = module->const_count++;
	constant->value.kind = AZ_VALUE_CONST;
	constant->value.type = type;
	constant->value.at = -1;
	constant->value.def.constant = constant;
	az_vec_push(&module->arena, &module->consts, constant);
	az_value_rename(&constant->value, name);
	return constant;
}

/* Elements of whole bytes are compared with their neighbours, which is one memcmp. */
static bool all_equal(const az_type *type, const void *data)
{
	uint64_t count = (uint64_t)az_type_numel(type);
	unsigned bits = type->elem.bits;
	const unsigned char *bytes = data;
	if (count < 2)
		return false;
	if (bits % 8 == 0)
		return memcmp(bytes, bytes + bits / 8, (size_t)(count - 1) * (bits / 8)) == 0;
	uint64_t first = az_bits_get(data, 0, bits);
	for (uint64_t i = 1; i < count; i++) {
		if (az_bits_get(data, i, bits) != first)
			return false;
	}
	return true;
}

/* The bits of the last byte that belong to elements; 0xff when all do. */
static unsigned char tail_mask(const az_type *type)
{
	uint64_t used = (uint64_t)az_type_numel(type) % 8 * type->elem.bits % 8;
	return (unsigned char)(used ? (1u << used) - 1 : 0xff);
}

static void set_splat(az_const *constant, const void *element)
{
	unsigned bits = constant->value.type->elem.bits;
	unsigned char *data = az_arena_alloc(&constant->module->arena, 8, 8);
	az_bits_set(data, 0, bits, az_bits_get(element, 0, bits));
	constant->data = data;
	constant->size_bytes = az_bits_size(1, bits);
	constant->splat = true;
}

az_const *az_const_new(az_module *module, const char *name, const az_type *type, const void *data,
	bool borrow)
{
	az_const *constant = new_const(module, name, type);
	size_t size = az_type_size(type);
	if (all_equal(type, data)) {
		set_splat(constant, data);
		return constant;
	}
	unsigned char mask = tail_mask(type);
	bool clean = size == 0 || !(((const unsigned char *)data)[size - 1] & ~mask);
	constant->size_bytes = size;
	constant->data = data;
	if (!borrow || !clean || size == 0) {
		unsigned char *copy = az_arena_dup(&module->arena, data, size);
		if (size)
			copy[size - 1] &= mask;
		constant->data = copy;
	}
	return constant;
}

az_const *az_const_splat(az_module *module, const char *name, const az_type *type,
	const void *element)
{
	int64_t count = az_type_numel(type);
	if (count < 2)
		return az_const_new(module, name, type, element, false);
	az_const *constant = new_const(module, name, type);
	set_splat(constant, element);
	return constant;
}

/* Bytes of numbers as they lie in a constant: little-endian whatever the machine. */
static void *pack(az_arena *arena, uint64_t count, unsigned bits, const void *v)
{
	unsigned char *data = az_arena_alloc(arena, az_bits_size(count, bits), 8);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t element = 0;
		if (bits == 32) {
			uint32_t low;
			memcpy(&low, (const char *)v + i * 4, sizeof low);
			element = low;
		} else {
			memcpy(&element, (const char *)v + i * 8, sizeof element);
		}
		az_bits_set(data, i, bits, element);
	}
	return data;
}

az_const *az_const_f32(az_module *module, const char *name, uint32_t rank, const int64_t *dim,
	const float *v)
{
	const az_type *type = az_type_get(module->ctx, AZ_F32, rank, dim);
	void *data = pack(&module->arena, (uint64_t)az_type_numel(type), 32, v);
	return az_const_new(module, name, type, data, true);
}

az_const *az_const_f32_scalar(az_module *module, const char *name, float v)
{
	return az_const_f32(module, name, 0, NULL, &v);
}

az_const *az_const_i64s(az_module *module, const char *name, uint32_t count, const int64_t *v)
{
	const int64_t dim = count;
	const az_type *type = az_type_get(module->ctx, AZ_I64, 1, &dim);
	return az_const_new(module, name, type, pack(&module->arena, count, 64, v), true);
}

/* One element, then doubling copies: whole bytes as far as the width allows. */
static void *expand(const az_const *constant)
{
	const az_type *type = constant->value.type;
	unsigned bits = type->elem.bits;
	size_t size = az_type_size(type);
	unsigned char *full = az_arena_alloc(&constant->module->arena, size, 64);
	uint64_t element = az_bits_get(constant->data, 0, bits);
	uint64_t count = (uint64_t)az_type_numel(type);
	uint64_t start = AZ_MIN(count, 8); /* eight elements are a whole number of bytes */
	for (uint64_t i = 0; i < start; i++)
		az_bits_set(full, i, bits, element);
	for (size_t done = bits; done < size; done *= 2)
		memcpy(full + done, full, AZ_MIN(done, size - done));
	if (size)
		full[size - 1] &= tail_mask(type);
	return full;
}

const void *az_const_data(az_const *constant)
{
	if (!constant->splat)
		return constant->data;
	if (!constant->full)
		constant->full = expand(constant);
	return constant->full;
}

double az_const_get(const az_const *constant, uint64_t i)
{
	return az_elem_load(constant->data, constant->splat ? 0 : i, constant->value.type->elem);
}

int64_t az_const_get_int(const az_const *constant, uint64_t i)
{
	return az_elem_load_int(constant->data, constant->splat ? 0 : i,
		constant->value.type->elem);
}

void az_const_erase(az_const *constant)
{
	az_module *module = constant->module;
	assert(!constant->value.uses);
	az_value_unname(&constant->value);
	/* From the end: whoever erases many goes through them backwards. */
	uint32_t at = module->consts.count;
	while (module->consts.v[at - 1] != constant)
		at--;
	memmove(module->consts.v + at - 1, module->consts.v + at,
		(module->consts.count - at) * sizeof *module->consts.v);
	module->consts.count--;
}
