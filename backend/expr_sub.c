/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements of fewer than 8 bits in memory, one at a time: element i of b bits is bits [i b, i b + b) of a
 * little-endian bit string. An element touches one byte or two neighbours; both are always bytes of the
 * tensor. A store leaves the other bits of its bytes as they were. */
#include "backend/expr.h"

typedef struct spot {
	LLVMValueRef first, last; /* bytes that hold the lowest and the highest bit */
	LLVMValueRef shift;       /* of the lowest bit in the first byte, i32 */
} spot;

bool az_elem_is_packed(az_elem elem)
{
	return elem.bits < 8;
}

static spot find(az_emitter *e, az_elem elem, LLVMValueRef base, LLVMValueRef index)
{
	LLVMValueRef bit = az_mul(e, index, elem.bits), three = az_index(e, 3);
	LLVMValueRef end = az_add(e, bit, az_index(e, elem.bits - 1));
	LLVMValueRef low = LLVMBuildAnd(e->b, bit, az_index(e, 7), "");
	return (spot){
		.first = az_at(e, base, LLVMBuildLShr(e->b, bit, three, "")),
		.last = az_at(e, base, LLVMBuildLShr(e->b, end, three, "")),
		.shift = LLVMBuildTrunc(e->b, low, e->i32, ""),
	};
}

static LLVMValueRef byte_at(az_emitter *e, LLVMValueRef at)
{
	return LLVMBuildZExt(e->b, az_load(e, e->i8, at, 1), e->i32, "");
}

/* Widths that divide 8 lie in one byte. */
static bool in_one_byte(az_elem elem)
{
	return 8 % elem.bits == 0;
}

LLVMValueRef az_load_packed(az_emitter *e, az_elem elem, LLVMValueRef base, LLVMValueRef index)
{
	spot at = find(e, elem, base, index);
	LLVMValueRef x = byte_at(e, at.first);
	if (!in_one_byte(elem)) {
		LLVMValueRef high =
			LLVMBuildShl(e->b, byte_at(e, at.last), LLVMConstInt(e->i32, 8, 0), "");
		x = LLVMBuildOr(e->b, x, high, "");
	}
	x = LLVMBuildLShr(e->b, x, at.shift, "");
	if (elem.kind == AZ_KIND_BIPOLAR) { /* 0, 1 to -1, 1 */
		LLVMValueRef one = LLVMConstInt(e->i32, 1, 0);
		x = LLVMBuildShl(e->b, LLVMBuildAnd(e->b, x, one, ""), one, "");
		return LLVMBuildSub(e->b, x, one, "");
	}
	return az_to_grid(e, elem, x);
}

static void put(az_emitter *e, LLVMValueRef at, LLVMValueRef mask, LLVMValueRef bits)
{
	LLVMValueRef kept = LLVMBuildAnd(e->b, byte_at(e, at), LLVMBuildNot(e->b, mask, ""), "");
	LLVMValueRef byte = LLVMBuildOr(e->b, kept, bits, "");
	az_store(e, LLVMBuildTrunc(e->b, byte, e->i8, ""), at, 1);
}

void az_store_packed(az_emitter *e, az_elem elem, LLVMValueRef value, LLVMValueRef base,
	LLVMValueRef index)
{
	spot at = find(e, elem, base, index);
	LLVMValueRef ones = LLVMConstInt(e->i32, (1u << elem.bits) - 1, 0);
	LLVMValueRef bits =
		LLVMTypeOf(value) == e->i32 ? value : LLVMBuildTrunc(e->b, value, e->i32, "");
	if (elem.kind == AZ_KIND_BIPOLAR) {
		LLVMValueRef one = az_icmp(e, LLVMIntSGT, bits, LLVMConstInt(e->i32, 0, 0));
		bits = LLVMBuildZExt(e->b, one, e->i32, "");
	}
	bits = LLVMBuildShl(e->b, LLVMBuildAnd(e->b, bits, ones, ""), at.shift, "");
	LLVMValueRef mask = LLVMBuildShl(e->b, ones, at.shift, "");
	put(e, at.first, mask, bits);
	if (in_one_byte(elem))
		return;
	/* Nothing is left for the last byte where it is the first. */
	LLVMValueRef eight = LLVMConstInt(e->i32, 8, 0);
	put(e, at.last, LLVMBuildLShr(e->b, mask, eight, ""), LLVMBuildLShr(e->b, bits, eight, ""));
}
