/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights that a kernel decodes in registers: `dequantize @w` for floats, `lookup @w, @table` for codebooks, and
 * one behind the other. Nothing is rounded differently than these operations round: a real weight is
 * f32(q - zero) * scale. q - zero comes without a conversion: the bits of 2^23 hold q in their lowest ones, and
 * 2^23 + zero is subtracted. */
#include <string.h>

#include "backend/contract.h"
#include "backend/expr.h"

/* --- Reading ------------------------------------------------------------------------------------------ */

static uint32_t param_of(const az_value *value)
{
	return value && value->kind == AZ_VALUE_PARAM ? value->index : UINT32_MAX;
}

/* One scale, one per output channel, or groups along the input channels. */
static bool scales_fit(const az_op *op, const az_op *dq)
{
	const az_type *w = dq->args[0].value->type, *scale = dq->args[1].value->type;
	bool product = op->code == AZ_OP_matmul;
	int64_t axis = az_axis_normalize(dq->attr.dequantize.axis, w->rank);
	if (product && w->rank != 2)
		return false;
	if (dq->attr.dequantize.group > 0)
		return axis == (product ? 0 : w->rank - 1);
	return az_type_numel(scale) == 1 || axis == (product ? 1 : 0);
}

static bool read_dequantize(const az_op *op, const az_op *dq, az_decode *out)
{
	const az_value *zero = az_op_arg(dq, 2), *scale = dq->args[1].value;
	out->scale = param_of(scale);
	out->zero = param_of(zero);
	out->group = dq->attr.dequantize.group;
	bool fits = az_type_numel(scale->type) == 1 || !zero || az_type_numel(zero->type) == 1 ||
		    az_type_numel(zero->type) == az_type_numel(scale->type);
	return out->scale != UINT32_MAX && (!zero || out->zero != UINT32_MAX) && fits &&
	       az_elem_equal(dq->results[0]->type->elem, AZ_F32) && scales_fit(op, dq);
}

static bool read_lookup(const az_op *lookup, az_decode *out)
{
	const az_value *table = lookup->args[1].value;
	out->table = param_of(table);
	out->table_elem = table->type->elem;
	bool whole = az_elem_is_integer(out->table_elem) && out->table_elem.bits <= 16;
	/* Integers: what the dot products take. */
	bool fits = out->scale != UINT32_MAX || az_elem_is_signed(out->table_elem);
	return out->table != UINT32_MAX && whole && fits && out->zero == UINT32_MAX;
}

bool az_decode_read(const az_op *op, az_decode *out, const az_value **stored)
{
	*out = (az_decode){.table = UINT32_MAX, .scale = UINT32_MAX, .zero = UINT32_MAX};
	const az_value *v = op->args[1].value;
	const az_op *maker = az_value_op(v);
	if (maker && maker->code == AZ_OP_dequantize) {
		if (!read_dequantize(op, maker, out))
			return false;
		v = maker->args[0].value;
		maker = az_value_op(v);
	}
	if (maker && maker->code == AZ_OP_lookup) {
		if (!read_lookup(maker, out))
			return false;
		v = maker->args[0].value;
	}
	*stored = v;
	return v->type->elem.kind != AZ_KIND_BIPOLAR || out->zero == UINT32_MAX;
}

static const az_const *constant(az_value *const *args, uint32_t index)
{
	return index == UINT32_MAX ? NULL : az_value_const(args[index]);
}

bool az_decode_bind(az_contract *c, az_value *const *args)
{
	az_decode *d = &c->decode;
	d->book = constant(args, d->table);
	c->zero_of = constant(args, c->zeros);
	if ((c->zeros != UINT32_MAX && !c->zero_of) ||
		(c->scales != UINT32_MAX && !constant(args, c->scales)))
		return false;
	return (d->table == UINT32_MAX || d->book) &&
	       (d->scale == UINT32_MAX || constant(args, d->scale)) &&
	       (d->zero == UINT32_MAX || constant(args, d->zero));
}

bool az_contract_is_wide(const az_contract *c)
{
	return c->decode.scale != UINT32_MAX;
}

/* Groups of input channels. */
static int64_t groups_of(const az_contract *c)
{
	int64_t group = c->decode.group;
	return group > 0 ? (c->group_in + group - 1) / group : 1;
}

int64_t az_decode_rows(const az_contract *c)
{
	return c->decode.group > 0 ? c->kernel_h * c->kernel_w * groups_of(c) : 1;
}

int64_t az_decode_row(const az_contract *c, int64_t kh, int64_t kw, int64_t i)
{
	if (c->decode.group == 0)
		return 0;
	return (kh * c->kernel_w + kw) * groups_of(c) + i / c->decode.group;
}

/* --- Packing ------------------------------------------------------------------------------------------ */

/* Place of the scale of a row and channel among those of the operand. */
static uint64_t scale_index(const az_contract *c, int64_t row, int64_t o)
{
	if (c->decode.group == 0)
		return (uint64_t)o;
	return (uint64_t)(c->is_matmul ? row * c->out_channels + o : o * az_decode_rows(c) + row);
}

static float scale_of(const az_const *s, uint64_t i)
{
	float v = (float)az_const_get(s, i);
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	return (bits & 0x7fffffffu) < 0x00800000u ? 0.0f : v; /* subnormals count as 0 */
}

static void pack_rows(const az_contract *c, const az_const *from, bool zeros, az_arena *arena,
	const void **data, size_t *size)
{
	bool one = az_type_numel(from->value.type) == 1;
	int64_t rows = one ? 1 : az_decode_rows(c), channels = one ? 1 : c->out_channels;
	int64_t lowest = az_elem_min(c->w_elem);
	float *out = az_new_array(arena, float, (size_t)(rows * channels));
	for (int64_t r = 0; r < rows; r++)
		for (int64_t o = 0; o < channels; o++) {
			uint64_t i = one ? 0 : scale_index(c, r, o);
			out[r * channels + o] =
				zeros ? (float)(8388608 + az_const_get_int(from, i) - lowest)
				      : scale_of(from, i);
		}
	*data = out;
	*size = (size_t)(rows * channels) * sizeof *out;
}

void az_decode_pack(const az_contract *c, az_value *const *args, uint32_t index, az_arena *arena,
	const void **data, size_t *size)
{
	const az_decode *d = &c->decode;
	if (index == UINT32_MAX)
		return;
	if (index == d->scale || index == d->zero) {
		pack_rows(c, az_value_const(args[index]), index == d->zero, arena, data, size);
	} else if (index == d->table && d->scale == UINT32_MAX) {
		az_decode_pack_table(c, arena, data, size);
	} else if (index == d->table) {
		int64_t count = az_type_numel(d->book->value.type);
		float *out = az_new_array(arena, float, (size_t)AZ_MAX(count, 16));
		for (int64_t i = 0; i < AZ_MAX(count, 16); i++)
			out[i] = (float)az_const_get_int(d->book, (uint64_t)(i % count));
		*data = out;
		*size = (size_t)AZ_MAX(count, 16) * sizeof *out;
	}
}

/* --- Emitting ----------------------------------------------------------------------------------------- */

static uint32_t table_reach(const az_decoder *d)
{
	const az_target *t = d->e->target;
	if (t->arch != AZ_ARCH_X86_64 || t->vector_bytes < d->lanes * 4)
		return 0;
	return d->lanes >= 8 ? d->lanes : 0;
}

/* Few bits without a zero point: a table of their own numbers costs one operation less than arithmetic. */
static void plain_table(az_decoder *d)
{
	az_elem elem = d->c->w_elem;
	bool bipolar = elem.kind == AZ_KIND_BIPOLAR;
	LLVMValueRef v[16];
	if (1u << elem.bits > d->reach || d->c->decode.zero != UINT32_MAX)
		return;
	for (uint32_t i = 0; i < d->reach; i++) {
		uint32_t u = i & ((1u << elem.bits) - 1);
		double q = bipolar ? 2.0 * u - 1 : (double)u + (double)az_elem_min(elem);
		v[i] = LLVMConstReal(d->e->f32, q);
	}
	d->table[0] = LLVMConstVector(v, d->reach);
}

void az_decode_begin(az_decoder *d, az_emitter *e, const az_contract *c, const LLVMValueRef *params,
	uint32_t lanes)
{
	*d = (az_decoder){.e = e, .c = c, .params = params, .lanes = lanes};
	if (!az_contract_is_wide(c)) {
		if (c->decode.table != UINT32_MAX)
			az_decode_load_table(d);
		return;
	}
	d->reach = table_reach(d);
	if (c->decode.table == UINT32_MAX) {
		plain_table(d);
		return;
	}
	uint32_t entries = 1u << c->w_elem.bits;
	for (uint32_t i = 0; d->reach && i * d->reach < entries; i++)
		d->table[i] = az_load(e, az_vec_type(e->f32, d->reach),
			az_at_const(e, params[c->decode.table], (int64_t)i * d->reach * 4), 4);
}

/* Entries that lane numbers name: parts of the table are permuted, then chosen by the higher bits. */
static LLVMValueRef permuted(az_decoder *d, LLVMValueRef stored)
{
	az_emitter *e = d->e;
	const char *name =
		d->reach == 16 ? "llvm.x86.avx512.permvar.sf.512" : "llvm.x86.avx2.permps";
	uint32_t bits = d->c->w_elem.bits, low = d->reach == 16 ? 4 : 3;
	uint32_t count = bits > low ? 1u << (bits - low) : 1;
	LLVMTypeRef type = LLVMTypeOf(stored);
	LLVMValueRef part[32];
	/* Only the low bits of an index count; tables repeat where the numbers have fewer. */
	for (uint32_t i = 0; i < count; i++) {
		LLVMValueRef args[2] = {d->table[i], stored};
		part[i] = az_intrinsic(e, name, NULL, 0, args, 2);
	}
	for (uint32_t bit = low; count > 1; bit++, count /= 2) {
		LLVMValueRef set = LLVMBuildAnd(e->b, stored, az_int(e, type, 1 << bit), "");
		set = az_icmp(e, LLVMIntNE, set, LLVMConstNull(type));
		for (uint32_t i = 0; i < count / 2; i++)
			part[i] = LLVMBuildSelect(e->b, set, part[2 * i + 1], part[2 * i], "");
	}
	return part[0];
}

/* The same, one lane after the other. */
static LLVMValueRef gathered(az_decoder *d, LLVMValueRef stored)
{
	az_emitter *e = d->e;
	LLVMTypeRef type = LLVMTypeOf(stored);
	LLVMValueRef base = d->params[d->c->decode.table];
	LLVMValueRef index =
		LLVMBuildAnd(e->b, stored, az_int(e, type, (1 << d->c->w_elem.bits) - 1), "");
	if (d->lanes == 1) {
		index = LLVMBuildZExt(e->b, index, e->i64, "");
		return az_load(e, e->f32, az_at(e, base, az_mul(e, index, 4)), 4);
	}
	LLVMValueRef out = LLVMGetPoison(az_vec_type(e->f32, d->lanes));
	for (uint32_t i = 0; i < d->lanes; i++) {
		LLVMValueRef lane = LLVMConstInt(e->i32, i, 0);
		LLVMValueRef k = LLVMBuildExtractElement(e->b, index, lane, "");
		k = LLVMBuildZExt(e->b, k, e->i64, "");
		k = az_load(e, e->f32, az_at(e, base, az_mul(e, k, 4)), 4);
		out = LLVMBuildInsertElement(e->b, out, k, lane, "");
	}
	return out;
}

static LLVMValueRef load_row(az_decoder *d, uint32_t index, LLVMValueRef row, LLVMValueRef channel)
{
	az_emitter *e = d->e;
	LLVMValueRef base = d->params[index];
	if (az_type_numel(d->c->anchor->func->params.v[index]->type) == 1)
		return az_splat(e, az_load(e, e->f32, base, 4), d->lanes);
	LLVMValueRef at = az_add(e, az_mul(e, row, d->c->out_channels), channel);
	return az_load(e, az_vec_type(e->f32, d->lanes), az_at(e, base, az_mul(e, at, 4)), 4);
}

LLVMValueRef az_decode_scale(az_decoder *d, LLVMValueRef row, LLVMValueRef channel)
{
	return load_row(d, d->c->decode.scale, row, channel);
}

LLVMValueRef az_decode_zero(az_decoder *d, LLVMValueRef row, LLVMValueRef channel)
{
	uint32_t index = d->c->decode.zero;
	return index == UINT32_MAX ? NULL : load_row(d, index, row, channel);
}

LLVMValueRef az_decode_real(az_decoder *d, LLVMValueRef stored, LLVMValueRef scale,
	LLVMValueRef zero)
{
	az_emitter *e = d->e;
	const az_contract *c = d->c;
	LLVMTypeRef type = LLVMTypeOf(stored), real = az_vec_type(e->f32, d->lanes);
	LLVMValueRef q;
	if (c->decode.table != UINT32_MAX || d->table[0]) {
		q = d->reach ? permuted(d, stored) : gathered(d, stored);
	} else if (c->w_elem.kind == AZ_KIND_BIPOLAR) {
		/* The stored bit turns the sign of -1. */
		q = LLVMBuildShl(e->b, stored, az_int(e, type, 31), "");
		q = LLVMBuildXor(e->b, q, az_int(e, type, 0xBF800000), "");
		q = LLVMBuildBitCast(e->b, q, real, "");
	} else {
		q = LLVMBuildAnd(e->b, stored, az_int(e, type, (1 << c->w_elem.bits) - 1), "");
		q = LLVMBuildOr(e->b, q, az_int(e, type, 0x4B000000), "");
		q = LLVMBuildBitCast(e->b, q, real, "");
		if (!zero)
			zero = az_real(e, real, 8388608.0 - (double)az_elem_min(c->w_elem));
		q = LLVMBuildFSub(e->b, q, zero, "");
	}
	return scale ? LLVMBuildFMul(e->b, q, scale, "") : q;
}
