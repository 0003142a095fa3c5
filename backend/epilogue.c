/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and emitting what follows an anchor (backend/epilogue.h), vector by vector. */
#include "backend/epilogue.h"

#include <string.h>

#include "backend/epilogue_pack.h"
#include "backend/expr.h"

/* --- Reading ------------------------------------------------------------------------------------------ */

static bool spread_of(const az_epilogue *ep, const az_type *type, uint8_t *spread)
{
	const az_type *whole = ep->anchor->results[0]->type;
	int64_t count = az_type_numel(type);
	if (type->elem.bits % 8 || type->elem.kind == AZ_KIND_BIPOLAR)
		return false;
	if (count == 1)
		*spread = AZ_SPREAD_ONE;
	else if (count == ep->channels && type->dim[type->rank - 1] == ep->channels)
		*spread = AZ_SPREAD_CHANNEL;
	else if (count == az_type_numel(whole) && type->rank <= whole->rank)
		*spread = AZ_SPREAD_FULL;
	else
		return false;
	return true;
}

/* Scales of (de)quantizers follow the last dimension or are one number. */
static bool quantizer_fits(const az_op *op)
{
	int64_t axis, group;
	if (op->code == AZ_OP_quantize) {
		axis = op->attr.quantize.axis;
		group = op->attr.quantize.group;
	} else if (op->code == AZ_OP_dequantize) {
		axis = op->attr.dequantize.axis;
		group = op->attr.dequantize.group;
	} else {
		return true;
	}
	const az_type *x = op->args[0].value->type, *scale = op->args[1].value->type;
	if (group != 0)
		return false;
	return az_type_numel(scale) == 1 || az_axis_normalize(axis, x->rank) == x->rank - 1;
}

static bool is_second_operand(const az_op *anchor, const az_value *param)
{
	for (uint32_t i = 1; i < anchor->arg_count; i++)
		if (anchor->args[i].value == param)
			return true;
	return false;
}

static bool read_value(az_epilogue *ep, const az_value *value)
{
	if (value == ep->anchor->results[0])
		return true;
	if (value->id >= AZ_EPILOGUE_VALUES)
		return false;
	if (value->kind == AZ_VALUE_PARAM) {
		uint8_t spread;
		if (value->index >= AZ_EPILOGUE_PARAMS || !spread_of(ep, value->type, &spread))
			return false;
		ep->spread[value->index] = spread;
		ep->shares |= is_second_operand(ep->anchor, value);
		return true;
	}
	const az_op *op = az_value_op(value);
	if (!op || !az_expr_takes(op) || !quantizer_fits(op))
		return false;
	if (op->code == AZ_OP_lookup) {
		const az_value *table = op->args[1].value;
		if (table->kind != AZ_VALUE_PARAM || table->index >= AZ_EPILOGUE_PARAMS ||
			table->type->elem.bits % 8)
			return false;
		ep->spread[table->index] = AZ_SPREAD_TABLE;
		return read_value(ep, op->args[0].value);
	}
	if (op->code == AZ_OP_threshold) {
		const az_value *levels = op->args[1].value, *flip = az_op_arg(op, 2);
		if (levels->kind != AZ_VALUE_PARAM || levels->index >= AZ_EPILOGUE_PARAMS)
			return false;
		ep->spread[levels->index] = AZ_SPREAD_LEVELS;
		return read_value(ep, op->args[0].value) && (!flip || read_value(ep, flip));
	}
	for (uint32_t i = 0; i < op->arg_count; i++)
		if (op->args[i].value && !read_value(ep, op->args[i].value))
			return false;
	return true;
}

/* A border that memset can write, in spatial dimensions only. */
static bool read_pad(az_epilogue *ep, const az_op *op)
{
	const az_attrs_pad *attr = &op->attr.pad;
	const az_type *type = op->args[0].value->type;
	if (ep->anchor->code != AZ_OP_conv || attr->mode != AZ_padding_constant)
		return false;
	for (uint32_t i = 0; i < attr->pad.count; i++)
		if (attr->pad.v[i] < 0)
			return false;
	uint32_t last = type->rank - 1u;
	for (uint32_t i = 0; i < 2; i++)
		if (az_ints_at(attr->pad, i, 0) || az_ints_at(attr->pad, 2 * last + i, 0))
			return false;
	uint32_t zero_bits;
	memcpy(&zero_bits, &attr->value, sizeof zero_bits);
	if (type->elem.bits % 8 || (type->elem.bits != 8 && zero_bits != 0))
		return false;
	if (type->rank == 4) {
		ep->top = az_ints_at(attr->pad, 2, 0);
		ep->rows += ep->top + az_ints_at(attr->pad, 3, 0);
	}
	ep->left = az_ints_at(attr->pad, 2 * last - 2, 0);
	ep->columns += ep->left + az_ints_at(attr->pad, 2 * last - 1, 0);
	ep->pad = op;
	return true;
}

static bool is_i32(const az_value *value)
{
	return az_elem_equal(value->type->elem, AZ_I32);
}

/* The operand of `value`, a product or sum of 32 bits, that is a parameter of at most this spread; the other one
 * goes to *rest. NULL when there is none. */
static const az_value *i32_operand(const az_epilogue *ep, const az_value *value, az_opcode code,
	az_spread most, const az_value **rest)
{
	const az_op *op = az_value_op(value);
	if (!op || op->code != code || !is_i32(value) || !is_i32(op->args[0].value) ||
		!is_i32(op->args[1].value) ||
		(code == AZ_OP_add ? op->attr.add.clamp : op->attr.mul.clamp).count > 0)
		return NULL;
	for (uint32_t i = 0; i < 2; i++) {
		const az_value *param = op->args[i].value;
		if (param->kind != AZ_VALUE_PARAM || ep->spread[param->index] > most)
			continue;
		*rest = op->args[1 - i].value;
		return param;
	}
	return NULL;
}

/* A requantize to 8 bits that rounds to even, of nothing but the anchor times a factor plus a constant. */
static void read_requantize(az_epilogue *ep, const az_op *op)
{
	az_elem elem = op->results[0]->type->elem;
	if (op->code != AZ_OP_requantize || op->attr.requantize.rounding != AZ_rounding_even ||
		elem.bits != 8 || !az_elem_is_integer(elem))
		return;
	const az_value *x = op->args[0].value, *scale = op->args[1].value;
	if (scale->kind != AZ_VALUE_PARAM || ep->spread[scale->index] > AZ_SPREAD_CHANNEL)
		return;
	const az_value *addend = i32_operand(ep, x, AZ_OP_add, AZ_SPREAD_CHANNEL, &x);
	const az_value *factor = i32_operand(ep, x, AZ_OP_mul, AZ_SPREAD_ONE, &x);
	if (x != ep->anchor->results[0])
		return;
	ep->requantize = op;
	ep->addend = addend;
	ep->factor = factor;
}

bool az_epilogue_read(const az_func *func, const az_op *anchor, int64_t batch, int64_t height,
	int64_t width, int64_t channels, az_epilogue *out)
{
	az_epilogue ep = {.func = func, .anchor = anchor, .batch = batch, .height = height};
	ep.width = ep.columns = width;
	ep.rows = height;
	ep.channels = channels;
	if (func->results.count != 1 || anchor->result_count != 1)
		return false;
	const az_value *value = func->results.v[0].use->value;
	const az_op *op = az_value_op(value);
	if (op && op->code == AZ_OP_pad) {
		if (!read_pad(&ep, op))
			return false;
		value = op->args[0].value;
		op = az_value_op(value);
	}
	const az_type *type = value->type, *whole = anchor->results[0]->type;
	if (!op || type->elem.bits % 8 || type->elem.kind == AZ_KIND_BIPOLAR ||
		type->rank != whole->rank || memcmp(type->dim, whole->dim, sizeof type->dim) != 0)
		return false;
	ep.value = value;
	if (!read_value(&ep, value))
		return false;
	read_requantize(&ep, op);
	*out = ep;
	return true;
}

/* --- Emitting ----------------------------------------------------------------------------------------- */

LLVMValueRef az_first_lanes(az_emitter *e, LLVMValueRef x, uint32_t n)
{
	if (n == az_lanes(LLVMTypeOf(x)))
		return x;
	if (n == 1)
		return LLVMBuildExtractElement(e->b, x, LLVMConstInt(e->i32, 0, 0), "");
	LLVMValueRef index[64];
	for (uint32_t i = 0; i < n; i++)
		index[i] = LLVMConstInt(e->i32, i, 0);
	return LLVMBuildShuffleVector(e->b, x, LLVMGetPoison(LLVMTypeOf(x)),
		LLVMConstVector(index, n), "");
}

void az_allow_vectors(az_emitter *e, uint32_t bytes)
{
	if (e->target->arch != AZ_ARCH_X86_64 || bytes < 64)
		return;
	static const char *const names[2] = {"prefer-vector-width", "min-legal-vector-width"};
	for (uint32_t i = 0; i < 2; i++) {
		LLVMAttributeRef attr = LLVMCreateStringAttribute(e->llvm, names[i],
			(unsigned)strlen(names[i]), "512", 3);
		LLVMAddAttributeAtIndex(e->func, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
			attr);
	}
}

void az_epilogue_begin(az_epilogue_code *code, LLVMValueRef image, LLVMValueRef row,
	LLVMValueRef column, LLVMValueRef channel, uint32_t lanes)
{
	az_emitter *e = code->e;
	const az_epilogue *ep = code->ep;
	LLVMValueRef line = az_add(e, az_mul(e, image, ep->height), row);
	code->pixel = az_add(e, az_mul(e, line, ep->width), column);
	line = az_add(e, az_mul(e, image, ep->rows), az_add(e, row, az_index(e, ep->top)));
	code->stored =
		az_add(e, az_mul(e, line, ep->columns), az_add(e, column, az_index(e, ep->left)));
	code->channel = channel;
	code->lanes = lanes;
	memset(code->by_channel, 0, sizeof code->by_channel);
	memset(code->by_one, 0, sizeof code->by_one);
	code->shift = NULL;
}

typedef struct place {
	int64_t row, column;
	uint32_t j;
	LLVMValueRef x; /* the anchor's result here */
	LLVMValueRef memo[AZ_EPILOGUE_VALUES];
} place;

static LLVMValueRef load_param(az_epilogue_code *code, const place *at, const az_value *param)
{
	az_emitter *e = code->e;
	const az_epilogue *ep = code->ep;
	uint32_t i = param->index;
	az_elem elem = param->type->elem;
	int64_t bytes = elem.bits / 8;
	LLVMValueRef base = code->params[i], index;
	switch ((az_spread)ep->spread[i]) {
	case AZ_SPREAD_TABLE:
	case AZ_SPREAD_LEVELS: /* loaded row by row */
		return base;
	case AZ_SPREAD_ONE:
		if (!code->by_one[i])
			code->by_one[i] = az_splat(e,
				az_load_elems(e, elem, base, 1, (uint32_t)bytes), code->lanes);
		return code->by_one[i];
	case AZ_SPREAD_CHANNEL:
		if (!code->by_channel[i][at->j]) {
			LLVMValueRef from = az_at(e, base, az_mul(e, code->channel, bytes));
			from = az_at_const(e, from, (int64_t)at->j * code->lanes * bytes);
			code->by_channel[i][at->j] =
				az_load_elems(e, elem, from, code->lanes, (uint32_t)bytes);
		}
		return code->by_channel[i][at->j];
	case AZ_SPREAD_FULL:
		break;
	}
	index = az_add(e, az_mul(e, code->pixel, ep->channels), code->channel);
	LLVMValueRef from = az_at(e, base, az_mul(e, index, bytes));
	int64_t offset = (at->row * ep->width + at->column) * ep->channels + at->j * code->lanes;
	return az_load_elems(e, elem, az_at_const(e, from, offset * bytes), code->lanes,
		(uint32_t)bytes);
}

LLVMValueRef az_epilogue_operand(az_epilogue_code *code, const az_value *param, uint32_t j)
{
	place at = {.j = j};
	return load_param(code, &at, param);
}

/* The anchor's own clamp. */
static LLVMValueRef anchor_value(az_epilogue_code *code, LLVMValueRef x)
{
	const az_op *op = code->ep->anchor;
	az_reals clamp = {0, NULL};
	if (op->code == AZ_OP_conv)
		clamp = op->attr.conv.clamp;
	else if (op->code == AZ_OP_matmul)
		clamp = op->attr.matmul.clamp;
	if (clamp.count != 2 || !az_is_real(code->e, x))
		return x;
	return az_clip(code->e, x, clamp.v[0], clamp.v[1]);
}

/* Levels of a threshold for the channels of vector j. */
static void load_levels(az_epilogue_code *code, const place *at, const az_value *levels,
	LLVMValueRef *out)
{
	az_emitter *e = code->e;
	const az_type *type = levels->type;
	int64_t bytes = type->elem.bits / 8, channels = type->dim[1];
	int64_t pitch = code->level_pitch && channels > 1 ? code->level_pitch : channels;
	LLVMValueRef base = code->params[levels->index];
	if (channels > 1) {
		base = az_at(e, base, az_mul(e, code->channel, bytes));
		base = az_at_const(e, base, (int64_t)at->j * code->lanes * bytes);
	}
	for (int64_t i = 0; i < type->dim[0]; i++) {
		LLVMValueRef from = az_at_const(e, base, i * pitch * bytes);
		uint32_t lanes = channels > 1 ? code->lanes : 1;
		LLVMValueRef v = az_load_elems(e, type->elem, from, lanes, (uint32_t)bytes);
		out[i] = channels > 1 ? v : az_splat(e, v, code->lanes);
	}
}

static LLVMValueRef value_at(az_epilogue_code *code, place *at, const az_value *value)
{
	if (value == code->ep->anchor->results[0])
		return at->x;
	if (value->kind == AZ_VALUE_PARAM)
		return load_param(code, at, value);
	if (at->memo[value->id])
		return at->memo[value->id];
	const az_op *op = value->def.op;
	LLVMValueRef args[AZ_EXPR_ARGS] = {NULL};
	if (op->code == AZ_OP_threshold) {
		args[0] = value_at(code, at, op->args[0].value);
		if (az_op_arg(op, 2))
			args[AZ_EXPR_FLIP] = value_at(code, at, op->args[2].value);
		load_levels(code, at, op->args[1].value, args + AZ_EXPR_LEVELS);
		return at->memo[value->id] = az_expr(code->e, op, args);
	}
	for (uint32_t i = 0; i < op->arg_count && i < AZ_EXPR_ARGS; i++)
		if (op->args[i].value)
			args[i] = value_at(code, at, op->args[i].value);
	return at->memo[value->id] = az_expr(code->e, op, args);
}

LLVMValueRef az_epilogue_address(az_epilogue_code *code, int64_t row, int64_t column, uint32_t j)
{
	az_emitter *e = code->e;
	const az_epilogue *ep = code->ep;
	int64_t bytes = ep->value->type->elem.bits / 8;
	LLVMValueRef index = az_add(e, az_mul(e, code->stored, ep->channels), code->channel);
	LLVMValueRef base = az_at(e, code->params[ep->func->params.count], az_mul(e, index, bytes));
	int64_t offset = (row * ep->columns + column) * ep->channels + (int64_t)j * code->lanes;
	return az_at_const(e, base, offset * bytes);
}

LLVMValueRef az_epilogue_value(az_epilogue_code *code, LLVMValueRef x, int64_t row, int64_t column,
	uint32_t j)
{
	place at = {.row = row, .column = column, .j = j, .x = anchor_value(code, x)};
	return value_at(code, &at, code->ep->value);
}

LLVMValueRef az_epilogue_shift(az_epilogue_code *code)
{
	az_emitter *e = code->e;
	if (!code->shift) {
		LLVMValueRef factor = az_load(e, e->i32, code->params[code->ep->factor->index], 4);
		LLVMValueRef args[2] = {factor, LLVMConstInt(LLVMInt1TypeInContext(e->llvm), 1, 0)};
		code->shift =
			az_splat(e, az_intrinsic(e, "llvm.cttz", &e->i32, 1, args, 2), code->lanes);
	}
	return code->shift;
}

bool az_epilogue_vector(az_epilogue_code *code, LLVMValueRef x, int64_t row, int64_t column,
	uint32_t j, uint32_t valid)
{
	az_emitter *e = code->e;
	LLVMValueRef y = az_epilogue_value(code, x, row, column, j);
	if (!y)
		return false;
	az_elem elem = code->ep->value->type->elem;
	LLVMValueRef to = az_epilogue_address(code, row, column, j);
	az_store_elems(e, elem, az_first_lanes(e, y, valid), to, elem.bits / 8u);
	return true;
}

bool az_epilogue_patch(az_epilogue_code *code, LLVMValueRef *x, uint32_t rows, uint32_t columns,
	uint32_t vectors, uint32_t last_lanes)
{
	if (az_epilogue_pack(code, x, rows, columns, vectors, last_lanes))
		return true;
	for (uint32_t m = 0; m < rows * columns; m++)
		for (uint32_t j = 0; j < vectors; j++) {
			uint32_t valid = j + 1 == vectors ? last_lanes : code->lanes;
			if (!az_epilogue_vector(code, x[m * vectors + j], m / columns, m % columns,
				    j, valid))
				return false;
		}
	return true;
}

/* --- The border --------------------------------------------------------------------------------------- */

static void fill(az_emitter *e, LLVMValueRef at, int64_t byte, int64_t bytes)
{
	if (bytes > 0)
		az_fill_bytes(e, at, (uint8_t)byte, bytes, 1);
}

void az_epilogue_border(az_emitter *e, const az_epilogue *ep, LLVMValueRef result)
{
	if (!ep->pad)
		return;
	int64_t pixel = ep->channels * ep->value->type->elem.bits / 8, line = ep->columns * pixel;
	int64_t byte = ep->value->type->elem.bits == 8 ? (int64_t)ep->pad->attr.pad.value : 0;
	int64_t right = ep->columns - ep->width - ep->left,
		bottom = ep->rows - ep->height - ep->top;
	az_loop images;
	az_loop_begin(e, &images, az_index(e, 0), az_index(e, ep->batch), 1, 0, NULL);
	LLVMValueRef image = az_at(e, result, az_mul(e, images.i, ep->rows * line));
	fill(e, image, byte, ep->top * line + ep->left * pixel);
	/* The right border of a row and the left one of the next are neighbours. */
	if (ep->height > 1 && ep->left + right > 0) {
		az_loop rows;
		az_loop_begin(e, &rows, az_index(e, 1), az_index(e, ep->height), 1, 0, NULL);
		LLVMValueRef row = az_at(e, image, az_mul(e, rows.i, line));
		fill(e, az_at_const(e, row, ep->top * line - right * pixel), byte,
			(ep->left + right) * pixel);
		az_loop_end(e, &rows, NULL);
	}
	fill(e, az_at_const(e, image, (ep->top + ep->height) * line - right * pixel), byte,
		right * pixel + bottom * line);
	az_loop_end(e, &images, NULL);
}
