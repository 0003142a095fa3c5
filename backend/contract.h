/* SPDX-License-Identifier: Apache-2.0
 *
 * Contractions with constant weights: convolutions without padding (1 or 2 spatial dimensions, any
 * stride, dilation, groups) and matrix products are one thing here. For every output pixel the inputs
 * that count are `kernel_h * taps` runs of `run` consecutive elements; every run is a row of K.
 *
 * Packed weights: for each group, for each block of at most `nr` vectors of output channels,
 * [kernel_h][taps][granules][vectors of the block][lanes][granule], zeros where a run or the channels
 * end. A granule is what one dot product eats: 4 bytes, or one element where there is none. Packed
 * integer weights are always signed: unsigned ones less 128.
 *
 * Zero points: sum (x - zx)(w - zw) = sum x' w' + d * sum x' + correction, where x' and w' are what the
 * dot product sees (shifted by 128 where it wants another sign), d = (shift of w) - zw, and the
 * correction per channel goes into the packed bias. d is zero whenever all w - zw fit into i8. */
#ifndef AZ_BACKEND_CONTRACT_H
#define AZ_BACKEND_CONTRACT_H

#include "backend/epilogue.h"
#include "backend/kernel.h"

/* Entries of the tile: rows x columns of output pixels, vectors of output channels, granules per
 * iteration, lanes of a vector, sums of activations (AZ_SUMS_), what is proven (AZ_PROVEN_). */
enum {
	AZ_TILE_H,
	AZ_TILE_W,
	AZ_TILE_NR,
	AZ_TILE_UK,
	AZ_TILE_LANES,
	AZ_TILE_SUMS,
	AZ_TILE_SAFE,
	AZ_TILE_CONTRACT_COUNT,
};

/* Sums of activations: not needed, for the zero points of weights that fit into no signed byte, for packed
 * weights whose parts are multiplied where they stand. */
enum { AZ_SUMS_NONE, AZ_SUMS_ZEROS, AZ_SUMS_SPLIT };

/* How stored weights become the anchor's: looked up, dequantized, both, neither (backend/decode.c). Indices
 * of parameters, UINT32_MAX: none. A scale (and zero point) is one number; or there is one per output channel
 * and row, where rows are groups of `group` input channels of every tap, or the whole (group 0). */
typedef struct az_decode {
	uint32_t table, scale, zero;
	az_elem table_elem;
	int64_t group;
	const az_const *book; /* the table, once az_decode_bind has been called */
} az_decode;

typedef struct az_contract {
	const az_op *anchor; /* conv or matmul */
	az_elem x_elem, w_elem;
	bool is_float, is_matmul;
	bool flat;           /* all pixels stand in one row */
	bool batched;        /* matmul whose second operand has matrices of its own per image */
	uint32_t x, w, bias; /* parameter indices; bias UINT32_MAX when absent */
	int64_t batch, height, width, channels; /* of the input */
	int64_t out_h, out_w, out_channels;
	int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, groups;
	int64_t group_in, group_out; /* channels of one group */
	int64_t taps, run;           /* per kernel row: runs, and elements of each */
	int64_t zx, zw;
	az_decode decode;
	/* Zero points of the weights by channel, and scales of the sums of `group` input channels: parameters,
	 * UINT32_MAX when absent. */
	uint32_t zeros, scales;
	int64_t group;
	const az_const
		*zero_of; /* the constant behind `zeros`, once az_decode_bind has been called */
	/* Weights of one output channel; place of the first weight of what is looked at. */
	int64_t filter, origin;
	az_epilogue epilogue;
} az_contract;

/* Integers of 8 and 16 bits. */
bool az_contract_takes_inputs(az_elem e);
/* Integers of 1 to 8 bits, and bipolar. */
bool az_contract_takes_weights(az_elem e);
/* false when the function is none of these, or does more after it than the epilogue can. */
bool az_contract_read(const az_func *func, az_contract *out);
/* The same with weights that are decoded, zero points by channel, scaled sums. */
bool az_contract_read_any(const az_func *func, az_contract *out);
bool az_contract_is_plain(const az_contract *c);

/* How dot products are made on a target. */
typedef enum az_dot_form {
	AZ_FORM_F32, /* multiply and add */
	AZ_FORM_VPDPBUSD,
	AZ_FORM_PMADDWD, /* even and odd bytes as pairs of 16 bits */
	AZ_FORM_SDOT,
	AZ_FORM_SMULL, /* widening multiply, pairwise accumulate: two accumulators */
	AZ_FORM_WIDEN, /* one element at a time */
	AZ_FORM_PAIR,  /* two of 16 bits */
	AZ_FORM_WORD,  /* one of 16 bits */
	AZ_FORM_RAW,   /* the same on stored bytes of both operands, less their zero points */
} az_dot_form;

typedef struct az_dot_kit {
	az_emitter *e;
	az_dot_form form;
	uint32_t lanes, granule, parts; /* parts: accumulators per vector of outputs */
	uint32_t elem_bytes, w_bytes;   /* of an element of x, of the weights */
	bool x_signed;                  /* as stored */
	bool x_shifted; /* the dot product sees x + 128 (of i8) or x - 128 (of u8) */
	bool mixed;     /* usdot is there */
	int64_t w_rest; /* PAIR and WORD: added to weights of 8 bits as stored */
	bool w_signed;  /* raw form: as stored, and the zero points */
	int64_t zx, zw;
	LLVMTypeRef acc_type;
} az_dot_kit;

typedef struct az_dot_operand {
	LLVMValueRef v[2];
} az_dot_operand;

az_dot_form az_dot_form_of(const az_target *target, bool is_float);
/* The same for 16-bit inputs as well. */
az_dot_form az_contract_form(const az_target *target, const az_contract *c);
uint32_t az_form_granule(az_dot_form form);
uint32_t az_form_parts(az_dot_form form);
/* What is added to stored x before it is multiplied: 0, 128, -128 or -32768. */
int64_t az_form_shift(const az_target *target, az_dot_form form, bool x_signed);

/* For the contraction c, whose weights are stored less `shift`. */
void az_dot_kit_contract(az_dot_kit *kit, az_emitter *e, const az_contract *c, int64_t shift,
	uint32_t lanes);
void az_dot_kit_init(az_dot_kit *kit, az_emitter *e, bool is_float, bool x_signed, uint32_t lanes);
/* The raw form, for two operands that are both known at run time only. */
void az_dot_kit_raw(az_dot_kit *kit, const az_contract *c);
az_dot_operand az_dot_weights(az_dot_kit *kit, LLVMValueRef at);
/* Weights of 1. */
az_dot_operand az_dot_ones(az_dot_kit *kit);
/* Weights from a constant vector of lanes * granule bytes. */
az_dot_operand az_dot_constant(az_dot_kit *kit, LLVMValueRef bytes);
az_dot_operand az_dot_broadcast(az_dot_kit *kit, LLVMValueRef at);
/* Lanes * granule consecutive elements instead of one granule repeated. */
az_dot_operand az_dot_consecutive(az_dot_kit *kit, LLVMValueRef at);
/* From registers: a vector of lanes * 4 bytes. */
az_dot_operand az_dot_from_bytes(az_dot_kit *kit, LLVMValueRef bytes);
void az_dot_step(az_dot_kit *kit, LLVMValueRef *acc, az_dot_operand x, az_dot_operand w);
/* One vector out of `parts` accumulators. */
LLVMValueRef az_dot_finish(az_dot_kit *kit, const LLVMValueRef *acc);
LLVMValueRef az_dot_zero(az_dot_kit *kit);

/* What decoding needs in registers. */
typedef struct az_decoder {
	az_emitter *e;
	const az_contract *c;
	const LLVMValueRef *params;
	uint32_t lanes;
	uint32_t reach;         /* entries that one permutation reaches; 0: there is none */
	LLVMValueRef table[32]; /* its parts */
} az_decoder;

/* One function being emitted. */
typedef struct az_contract_code {
	az_emitter *e;
	const az_contract *c;
	const az_tile *tile;
	const LLVMValueRef *params;
	az_dot_kit kit;
	az_epilogue_code ep;
	/* Where weights lie: bytes from one granule to the next, and from one vector to the next. */
	bool packed;
	int64_t w_step, w_vector, w_image; /* and of one image to those of the next */
	LLVMValueRef
		sums; /* i32 per pixel of the tile, already multiplied by d; NULL: not needed */
	int64_t d;
	LLVMValueRef rest[16]; /* 16-bit activations: what is missing of the weights' zero points */
	LLVMValueRef offsets;  /* of contract_sub.c: a table, made when first needed */
	LLVMValueRef masks;    /* and one of the weights that exist, for bipolar ones */
	LLVMValueRef rows;     /* of contract_wide.c: the same for rows of scales */
	az_decoder decoder;
} az_contract_code;

/* A rectangle of output pixels and a block of channels. */
typedef struct az_patch {
	LLVMValueRef x;                  /* first input element of the first pixel, of the group */
	LLVMValueRef w;                  /* weights of the block */
	LLVMValueRef image, row, column; /* of the first pixel, i64 */
	LLVMValueRef channel;            /* first output channel of the block */
	uint32_t h, w_pixels, vectors, last_lanes;
} az_patch;

void az_contract_patch(az_contract_code *code, const az_patch *patch);
/* One granule of every pixel of the patch against the weights of every vector. */
void az_contract_step(az_contract_code *code, const az_patch *patch, LLVMValueRef x,
	const az_dot_operand *weight, LLVMValueRef *acc);
/* Fills code->sums for the rectangle of the patch. */
void az_contract_sums(az_contract_code *code, const az_patch *patch);
int64_t az_contract_granules(const az_contract *c, uint32_t granule);
/* Bytes of the weights of one block of so many vectors. */
int64_t az_contract_block_bytes(const az_contract *c, uint32_t granule, uint32_t lanes,
	uint32_t elem_bytes, int64_t vectors);
/* The loops over groups, blocks and pixels. */
void az_contract_nest(az_contract_code *code);

/* Element (output channel, kernel row, kernel column, channel within the group) of the weights: as the
 * anchor sees it, and as it is stored. */
int64_t az_contract_stored(const az_contract *c, const az_const *w, int64_t o, int64_t kh,
	int64_t kw, int64_t i);
int64_t az_contract_weight(const az_contract *c, const az_const *w, int64_t o, int64_t kh,
	int64_t kw, int64_t i);
uint64_t az_contract_weight_index(const az_contract *c, int64_t o, int64_t kh, int64_t kw,
	int64_t i);
/* The bias less `times` the sum of each channel's weights (less their zero point), in 32 bits that wrap as
 * the sums do. */
void az_contract_pack_bias(const az_contract *c, const az_const *w, const az_const *bias,
	int64_t times, az_arena *arena, const void **data, size_t *size);
/* What stored weights are less, so that they are signed bytes: 0, 128, or zw when all fit. */
int64_t az_contract_weight_shift(const az_contract *c, const az_const *w);

/* Weights of fewer than 8 bits (contract_sub.c): bytes of a block, the accumulation, packing. */
bool az_contract_is_sub(const az_contract *c);
int64_t az_sub_block_bytes(const az_contract *c, uint32_t granule, uint32_t lanes, int64_t vectors);
void az_sub_steps(az_contract_code *code, const az_patch *p, uint32_t count, LLVMValueRef *acc);
/* `vectors` vectors of outputs of a group, from `first` on; the place behind them. split: for az_split_steps. */
uint8_t *az_sub_pack_block(const az_contract *c, const az_const *w, uint32_t lanes,
	uint32_t granule, bool split, int64_t group, int64_t first, int64_t vectors, uint8_t *out);
void az_sub_pack(const az_contract *c, const az_const *w, uint32_t lanes, uint32_t granule,
	int64_t nr, bool split, az_arena *arena, const void **data, size_t *size);

/* The same for one output pixel (contract_split.c): its sums are of stored numbers less the lowest, and sums of
 * activations make up for the zero points. Its tile has AZ_SUMS_SPLIT. */
bool az_split_fits(const az_contract *c, const az_target *target);
void az_split_tile(const az_contract *c, const az_target *target, az_tile *tile);
void az_split_steps(az_contract_code *code, const az_patch *p, LLVMValueRef *acc);

/* Lanes of a vector of outputs, at most those given: the widest that does not leave most of it empty. */
uint32_t az_contract_lanes(const az_contract *c, uint32_t lanes);
/* --- Weights that are decoded (backend/decode.c) --- */

/* Reads operand 1 of op through lookup and dequantize down to a parameter; false when it is nothing of the
 * kind that kernels decode. */
bool az_decode_read(const az_op *op, az_decode *out, const az_value **stored);
/* Gives the contraction the constants behind the parameters; false when one is no constant. */
bool az_decode_bind(az_contract *c, az_value *const *args);
/* Floats times weights of 1 to 8 bits? */
bool az_contract_is_wide(const az_contract *c);
/* Rows of scales, and the row of an input. */
int64_t az_decode_rows(const az_contract *c);
int64_t az_decode_row(const az_contract *c, int64_t kh, int64_t kw, int64_t i);
/* The bytes of parameter `index` as emitters read them: scales as f32 [row][channel], zero points as the f32
 * 2^23 + zero - lowest stored number, tables as f32. *size stays 0 for any other parameter. */
void az_decode_pack(const az_contract *c, az_value *const *args, uint32_t index, az_arena *arena,
	const void **data, size_t *size);

/* Loads what all weights need; at the beginning of the function. */
void az_decode_begin(az_decoder *d, az_emitter *e, const az_contract *c, const LLVMValueRef *params,
	uint32_t lanes);
/* Scale and zero point (NULL: none) of the channels from `channel` on in a row; i64 both. */
LLVMValueRef az_decode_scale(az_decoder *d, LLVMValueRef row, LLVMValueRef channel);
LLVMValueRef az_decode_zero(az_decoder *d, LLVMValueRef row, LLVMValueRef channel);
/* Reals of stored numbers less the lowest (i32 lanes, only the low bits count); without their scale when that is
 * NULL. */
LLVMValueRef az_decode_real(az_decoder *d, LLVMValueRef stored, LLVMValueRef scale,
	LLVMValueRef zero);
/* Codebooks of integers (decode_table.c): packing, loading at the beginning of a function, entries in 16 bits. */
void az_decode_pack_table(const az_contract *c, az_arena *arena, const void **data, size_t *size);
void az_decode_load_table(az_decoder *d);
LLVMValueRef az_decode_words(az_decoder *d, LLVMValueRef bytes);
/* Table entries of stored numbers in bytes, as weights of a dot product. */
az_dot_operand az_decode_entries(az_decoder *d, az_dot_kit *kit, LLVMValueRef bytes);

/* Floats times packed weights (contract_wide.c), as the functions above. */
int64_t az_wide_channel_bytes(const az_contract *c);
void az_wide_limit(const az_contract *c, az_tile *tile);
void az_wide_steps(az_contract_code *code, const az_patch *p, uint32_t count, LLVMValueRef *acc);
/* Code that may reassociate multiplies the sums with the scales of the channels, not each weight. */
bool az_wide_scales_last(const az_contract_code *code);
void az_wide_scale(az_contract_code *code, const az_patch *p, LLVMValueRef *acc);
void az_wide_pack(const az_contract *c, const az_const *w, uint32_t lanes, int64_t nr,
	az_arena *arena, const void **data, size_t *size);

/* Scaled sums (contract_scaled.c). A piece is the part of a contraction that one scale belongs to: its
 * number in order, and a contraction of its own. */
bool az_contract_is_scaled(const az_contract *c);
int64_t az_scaled_block_bytes(const az_contract *c, uint32_t granule, uint32_t lanes,
	uint32_t elem_bytes, int64_t vectors);
az_contract az_scaled_piece(const az_contract *c, int64_t row);
void az_scaled_limit(const az_contract *c, az_tile *tile, uint32_t registers, uint32_t parts);
void az_scaled_patch(az_contract_code *code, const az_patch *p, LLVMValueRef *out);
/* Corrections (bias of each row and channel), factors of sums of activations, scales: [row][channel]. */
void az_scaled_pack(const az_contract *c, az_value *const *args, const az_const *w, uint32_t index,
	int64_t times, int64_t kept, uint32_t granule, az_arena *arena, const void **data,
	size_t *size);
/* Accumulates the contraction of p into acc: kernel rows, taps and granules. */
void az_contract_steps(az_contract_code *code, const az_patch *p, uint32_t count,
	LLVMValueRef *acc);
/* The sum of the activations of one run. */
LLVMValueRef az_contract_sum_run(az_contract_code *code, LLVMValueRef x);

/* The tile for `registers` vector registers. `sums`: activation sums are needed. */
void az_contract_tile(const az_contract *c, const az_target *target, az_tile *tile);
bool az_tile_shrink(az_tile *tile);
/* AZ_PROVEN_: is |what is requantized * scale| < 2^31 for every output, is the factor a power of two? For
 * integers whose epilogue is a requantize with constant operands. */
int64_t az_contract_proofs(const az_contract *c, az_value *const *args);

#endif
