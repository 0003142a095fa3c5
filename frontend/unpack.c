/* SPDX-License-Identifier: Apache-2.0
 *
 * protobuf-c with its memory in an arena. */
#include "frontend/tensor.h"

static void *take(void *data, size_t size)
{
	return az_arena_alloc(data, size, 16);
}

static void give_back(void *data, void *memory)
{
	(void)data;
	(void)memory; /* goes with the arena */
}

static void *unpack(az_arena *arena, const ProtobufCMessageDescriptor *descriptor, az_bytes reduced)
{
	ProtobufCAllocator allocator = {take, give_back, arena};
	return protobuf_c_message_unpack(descriptor, &allocator, reduced.size, reduced.data);
}

const Onnx__ModelProto *az_onnx_unpack_model(az_arena *arena, az_bytes reduced)
{
	return unpack(arena, &onnx__model_proto__descriptor, reduced);
}

const Onnx__TensorProto *az_onnx_unpack_tensor(az_arena *arena, az_bytes reduced)
{
	return unpack(arena, &onnx__tensor_proto__descriptor, reduced);
}

const Onnx__AttributeProto *az_onnx_unpack_attribute(az_arena *arena, az_bytes reduced)
{
	return unpack(arena, &onnx__attribute_proto__descriptor, reduced);
}

bool az_onnx_unknown_field(const ProtobufCMessage *message, uint32_t number, unsigned nth,
	az_bytes *out)
{
	for (unsigned i = 0; i < message->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];
		if (field->tag != number ||
			field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
			continue;
		if (nth--)
			continue;
		size_t prefix = 0; /* the length stands before the payload */
		while (prefix < field->len && field->data[prefix] & 0x80)
			prefix++;
		*out = (az_bytes){field->data + prefix + 1, field->len - prefix - 1};
		return true;
	}
	return false;
}
