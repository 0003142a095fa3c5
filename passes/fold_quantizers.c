/* SPDX-License-Identifier: Apache-2.0
 *
 * fold-quantizers: turns what stands between dequantize and quantize into integer operations.
 *
 *   %x = dequantize %xq, @sx, @zx                 %acc = conv %xq, @wq, @bq, zero = [3, 0] : i32[..]
 *   %w = dequantize @wq, @sw, axis = 0            %yq = requantize %acc, @s, zero = 7 : u8[..]
 *   %y = conv %x, %w, @b, clamp = [0, 6]
 *   %yq = quantize %y, @sy, @zy
 *
 * with @s = f32(f32(sx * sw) / sy) and the bias in steps of f32(sx * sw) (numerics.md 2 and 5). The
 * accumulator is i32 where the real weights prove that it suffices, else i64. A result that nobody
 * quantizes is dequantized from the accumulator. The other rules:
 *
 *   averages                         sums of (x - zero), requantized by f32(f32(sx / sy) / n)
 *   movement, max_pool, concat       on the stored numbers; differing quantizers of a concat become
 *                                    tables on its operands
 *   clip within one quantizer        on the stored numbers, and into the requantize before it
 *   element-wise in one operand      a table of at most 256 entries, computed by the interpreter
 *   quantize of dequantize           nothing, when both have the same parameters
 *   an accumulator to 4 bits         comparisons with integer levels, whatever monotone chain leads there
 *
 * Element-wise operations on two quantized values keep their definition (dequantize, compute, quantize)
 * and are fused by the backend.
 *
 * Requires: stage canonical; constant scales and zero points for what is to be folded. Guarantees: what
 * still computes in float has no integer form here, and is visible as such. Terminates: every rule
 * removes a quantize or a dequantize from in front of a computation, or moves a dequantize towards the
 * results and a quantize towards the parameters past one operation. */
#include "passes/fold_quantizers.h"

#include "passes/canonical_rules.h"

static bool fold(az_op *op, az_arena *scratch)
{
	switch (op->code) {
	case AZ_OP_quantize:
		return az_fold_zero(op) || az_fold_cancel(op) || az_fold_pad(op) ||
		       az_fold_concat(op, scratch) || az_fold_clip(op) ||
		       az_fold_lookup(op, scratch) || az_fold_accumulator(op, scratch) ||
		       az_fold_threshold(op, scratch);
	case AZ_OP_conv:
	case AZ_OP_conv_transpose:
	case AZ_OP_matmul:
		return az_fold_scale(op, scratch) || az_fold_contraction(op, scratch) ||
		       az_fold_groups(op, scratch);
	case AZ_OP_reduce:
		return az_fold_average(op, scratch) || az_fold_sink(op, scratch);
	case AZ_OP_avg_pool:
		return az_fold_average(op, scratch);
	default:
		return az_fold_sink(op, scratch);
	}
}

/* One walk. The operation before `op` is remembered because rules erase operations on either side. */
static bool walk(az_func *func, az_arena *scratch)
{
	bool changed = false;
	for (az_op *op = func->first; op;) {
		az_op *next = op->next;
		az_arena_mark mark = az_arena_mark_get(scratch);
		bool folded = fold(op, scratch);
		az_arena_reset(scratch, mark);
		changed |= folded;
		if (folded && next && !next->func)
			next = func->first; /* the next one went with this one */
		op = next;
	}
	return changed;
}

/* What stays a quantize says what its numbers mean. */
static void note_quantizers(az_func *func)
{
	az_params p;
	for (az_op *op = func->first; op; op = op->next) {
		if (az_tensor_quantize(op, &p) && !op->results[0]->quant)
			op->results[0]->quant = az_quant_scalar(func->module,
				az_params_scale(&p, 0), (int32_t)az_params_zero(&p, 0));
	}
}

bool az_pass_fold_quantizers(az_pass_ctx *pass)
{
	az_func *main = az_module_main(pass->module);
	uint32_t errors = pass->ctx->diag.error_count;
	az_canonicalize(pass->module, &pass->scratch);
	while (main && walk(main, &pass->scratch) && pass->ctx->diag.error_count == errors)
		az_sweep(pass->module);
	az_canonicalize(pass->module, &pass->scratch);
	if (main)
		note_quantizers(main);
	return pass->ctx->diag.error_count == errors;
}
