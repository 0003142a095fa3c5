/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX tensors into packed little-endian bytes. */
#include "frontend/tensor.h"

#include <string.h>

#include "base/bits.h"
#include "frontend/external.h"
#include "frontend/onnx.h"
#include "frontend/wire.h"

/* Which typed field holds the elements when there are no raw bytes. */
typedef enum typed_field { NO_FIELD, FLOATS, INT32S, INT64S, DOUBLES, UINT64S } typed_field;

typedef struct known_type {
	const char *name;
	az_elem elem; /* kind NONE: not supported */
	typed_field field;
} known_type;

/* Indexed by TensorProto.DataType. */
static const known_type data_types[] = {
	[0] = {"undefined", {0}, NO_FIELD},
	[1] = {"float", {AZ_KIND_FLOAT, 32}, FLOATS},
	[2] = {"uint8", {AZ_KIND_UINT, 8}, INT32S},
	[3] = {"int8", {AZ_KIND_INT, 8}, INT32S},
	[4] = {"uint16", {AZ_KIND_UINT, 16}, INT32S},
	[5] = {"int16", {AZ_KIND_INT, 16}, INT32S},
	[6] = {"int32", {AZ_KIND_INT, 32}, INT32S},
	[7] = {"int64", {AZ_KIND_INT, 64}, INT64S},
	[8] = {"string", {0}, NO_FIELD},
	[9] = {"bool", {AZ_KIND_BOOL, 8}, INT32S},
	[10] = {"float16", {AZ_KIND_FLOAT, 16}, INT32S},
	[11] = {"double", {AZ_KIND_FLOAT, 64}, DOUBLES},
	[12] = {"uint32", {AZ_KIND_UINT, 32}, UINT64S},
	[13] = {"uint64", {AZ_KIND_UINT, 64}, UINT64S},
	[14] = {"complex64", {0}, NO_FIELD},
	[15] = {"complex128", {0}, NO_FIELD},
	[16] = {"bfloat16", {AZ_KIND_BFLOAT, 16}, INT32S},
	[17] = {"float8e4m3fn", {0}, NO_FIELD},
	[18] = {"float8e4m3fnuz", {0}, NO_FIELD},
	[19] = {"float8e5m2", {0}, NO_FIELD},
	[20] = {"float8e5m2fnuz", {0}, NO_FIELD},
	[21] = {"uint4", {AZ_KIND_UINT, 4}, INT32S},
	[22] = {"int4", {AZ_KIND_INT, 4}, INT32S},
	[23] = {"float4e2m1", {0}, NO_FIELD},
	[24] = {"float8e8m0", {0}, NO_FIELD},
	[25] = {"uint2", {AZ_KIND_UINT, 2}, INT32S},
	[26] = {"int2", {AZ_KIND_INT, 2}, INT32S},
};

bool az_onnx_elem(az_ctx *ctx, az_loc loc, int64_t data_type, const char *what, const char *name,
	az_elem *out)
{
	if (data_type < 0 || data_type >= (int64_t)AZ_COUNT(data_types))
		return az_error(ctx, loc,
			"%s \"%s\" has data type %lld, which ONNX does not define", what, name,
			(long long)data_type);
	*out = data_types[data_type].elem;
	if (out->kind == AZ_KIND_NONE)
		return az_error(ctx, loc, "%s \"%s\" has data type %s, which is not supported",
			what, name, data_types[data_type].name);
	return true;
}

static bool find_type(az_ctx *ctx, az_loc loc, const Onnx__TensorProto *proto, const char *name,
	const az_type **type)
{
	az_elem elem;
	if (!az_onnx_elem(ctx, loc, proto->data_type, "tensor", name, &elem))
		return false;
	if (proto->n_dims > AZ_RANK_MAX)
		return az_error(ctx, loc,
			"tensor \"%s\" has %zu dimensions, at most %d are supported", name,
			proto->n_dims, AZ_RANK_MAX);
	if (!az_shape_valid((uint32_t)proto->n_dims, proto->dims))
		return az_error(ctx, loc,
			"tensor \"%s\" has a dimension that is negative or too large", name);
	*type = az_type_get(ctx, elem, (uint32_t)proto->n_dims, proto->dims);
	return true;
}

static size_t field_count(const Onnx__TensorProto *proto, typed_field field)
{
	switch (field) {
	case FLOATS:
		return proto->n_float_data;
	case INT32S:
		return proto->n_int32_data;
	case INT64S:
		return proto->n_int64_data;
	case DOUBLES:
		return proto->n_double_data;
	case UINT64S:
		return proto->n_uint64_data;
	default:
		return 0;
	}
}

static uint64_t field_bits(const Onnx__TensorProto *proto, typed_field field, size_t i)
{
	uint32_t word;
	uint64_t bits = 0;
	switch (field) {
	case FLOATS:
		memcpy(&word, &proto->float_data[i], sizeof word);
		return word;
	case INT32S:
		return (uint64_t)(int64_t)proto->int32_data[i];
	case INT64S:
		return (uint64_t)proto->int64_data[i];
	case DOUBLES:
		memcpy(&bits, &proto->double_data[i], sizeof bits);
		return bits;
	case UINT64S:
		return proto->uint64_data[i];
	default:
		return 0;
	}
}

/* Elements narrower than a byte share entries of the field: one entry is one packed byte. */
static bool read_typed(az_tensor_source *source, az_loc loc, const Onnx__TensorProto *proto,
	const char *name, const az_type *type, void *to)
{
	typed_field field = data_types[proto->data_type].field;
	unsigned bits = type->elem.bits < 8 ? 8 : type->elem.bits;
	size_t wanted = az_type_size(type) / (bits / 8);
	size_t count = field_count(proto, field);
	if (count != wanted)
		return az_error(source->ctx, loc,
			"tensor \"%s\" of type %s holds %zu entries, wanted %zu", name,
			az_type_print(source->arena, type), count, wanted);
	for (size_t i = 0; i < count; i++)
		az_bits_set(to, i, bits, field_bits(proto, field, i));
	return true;
}

/* What stands in the file may hold bits that mean nothing: bools other than 0 and 1, and the rest of
 * the last byte of narrow elements. */
static void clean(const az_type *type, uint8_t *data)
{
	size_t size = az_type_size(type);
	if (type->elem.kind == AZ_KIND_BOOL)
		for (size_t i = 0; i < size; i++)
			data[i] = data[i] != 0;
	uint64_t used = (uint64_t)az_type_numel(type) * type->elem.bits % 8;
	if (used)
		data[size - 1] &= (uint8_t)((1u << used) - 1);
}

static bool find_raw(az_tensor_source *source, az_loc loc, const Onnx__TensorProto *proto,
	const char *name, const az_type *type, az_bytes *raw)
{
	if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
		if (!az_onnx_external(source, loc, proto, raw))
			return false;
	} else {
		*raw = az_wire_marked(source->file, proto->raw_data.data);
	}
	if (raw->size != az_type_size(type))
		return az_error(source->ctx, loc,
			"tensor \"%s\" of type %s holds %zu bytes, wanted %zu", name,
			az_type_print(source->arena, type), raw->size, az_type_size(type));
	return true;
}

bool az_onnx_tensor(az_tensor_source *source, az_loc loc, const Onnx__TensorProto *proto,
	const az_type **type, const void **data, bool *mapped)
{
	const char *name = proto->name ? proto->name : "";
	bool external = proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
	*mapped = false;
	if (!find_type(source->ctx, loc, proto, name, type))
		return false;
	size_t size = az_type_size(*type);
	if (external || proto->has_raw_data) {
		az_bytes raw;
		if (!find_raw(source, loc, proto, name, *type, &raw))
			return false;
		*mapped = (*type)->elem.bits >= 8 && (*type)->elem.kind != AZ_KIND_BOOL;
		*data = raw.data;
		if (*mapped)
			return true;
		uint8_t *own = az_arena_alloc(source->arena, size + 1, 8);
		if (size)
			memcpy(own, raw.data, size);
		clean(*type, own);
		*data = own;
		return true;
	}
	/* Checked before the memory is asked for: dimensions alone must not make it. */
	size_t entries = field_count(proto, data_types[proto->data_type].field);
	if (size / 8 > entries)
		return az_error(source->ctx, loc, "tensor \"%s\" of type %s holds %zu entries",
			name, az_type_print(source->arena, *type), entries);
	uint8_t *own = az_arena_alloc(source->arena, size + 1, 8);
	if (!read_typed(source, loc, proto, name, *type, own))
		return false;
	clean(*type, own);
	*data = own;
	return true;
}

bool az_tensor_source_holds(const az_tensor_source *source, const void *data)
{
	uintptr_t at = (uintptr_t)data;
	uintptr_t from = (uintptr_t)source->file.data;
	if (at >= from && at - from < source->file.size)
		return true;
	for (uint32_t i = 0; i < source->external.count; i++) {
		from = (uintptr_t)source->external.v[i].bytes.data;
		if (at >= from && at - from < source->external.v[i].bytes.size)
			return true;
	}
	return false;
}

void az_tensor_source_close(az_tensor_source *source)
{
	for (uint32_t i = 0; i < source->external.count; i++)
		if (source->external.v[i].bytes.data)
			az_file_unmap(source->external.v[i].bytes);
	source->external.count = 0;
}
