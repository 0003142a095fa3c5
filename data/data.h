/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading tensors and images from files: .npy, .npy.gz, .npy.xz, .npz:key, .pb, .png, .jpg, .ppm, folders of images
 * and .tar files of images; and the preprocessing that turns a picture into an input. The image and
 * compression libraries are used only here. */
#ifndef AZ_DATA_DATA_H
#define AZ_DATA_DATA_H

#include "ir/exec.h"
#include "ir/tensor.h"

/* The whole content of a file, decompressed when its name ends with .gz or .xz. */
bool az_data_read(az_ctx *ctx, az_arena *arena, const char *path, const void **data, size_t *size);

/* One array: .npy, .npy.gz/.xz, .npz:key (key may be left out when there is one), TensorProto .pb. */
bool az_data_tensor(az_ctx *ctx, az_arena *arena, const char *path, az_tensor *out);
/* Writes .npy (C order, little-endian; types numpy lacks are widened). */
bool az_npy_write(az_ctx *ctx, const char *path, const az_tensor *tensor);

typedef enum az_layout { AZ_LAYOUT_NCHW, AZ_LAYOUT_NHWC } az_layout;

/* --input-layout, --input-scale, --input-mean, --input-std, --input-order, --resize, --crop:
 * resize (bilinear), crop (centre), order, then x = (pixel * scale - mean) / std. With nothing set
 * the numbers are taken as they are. Applies to images (u8 pixels) and, when set, to arrays. */
typedef struct az_preprocess {
	bool set;
	bool layout_set;
	az_layout layout; /* of the data (arrays); images are NHWC */
	float scale;      /* default 1 */
	uint32_t mean_count, std_count;
	float mean[8], std[8]; /* 1 or C values; default 0 and 1 */
	bool bgr;
	int64_t resize_width, resize_height, crop_width, crop_height; /* 0 = none */
} az_preprocess;

/* Opens a data source as a stream for an input type whose image layout is found from its shape
 * ([1,C,H,W] or [1,H,W,C]): an array whose first dimension counts samples (times the batch), a
 * folder or .tar of images in name order, or one image. `labels` (may be NULL): .npy of integers, or .tsv/.txt with
 * file name and class. `every`/`offset` keep samples i with i % every == offset (every 0 or 1: all);
 * `invert` keeps the others. Lives in the arena. Reports. */
typedef struct az_data_options {
	az_preprocess preprocess;
	const char *labels;
	uint64_t every, offset, limit; /* limit 0 = no limit */
	bool invert;
} az_data_options;
az_stream *az_data_open(az_ctx *ctx, az_arena *arena, const char *path, uint32_t input_count,
	const az_type *const *input_type, const az_data_options *options);

/* Samples without data: noise that resembles pictures, or normal numbers. Refuses inputs that are not of
 * floats. Lives in the arena. Reports. */
az_stream *az_data_synthetic(az_ctx *ctx, az_arena *arena, uint32_t input_count,
	const az_type *const *input_type, const az_preprocess *preprocess);

/* Converts and preprocesses one array or picture into a tensor of type `want`. */
bool az_data_convert(az_ctx *ctx, az_arena *arena, const char *what, const az_tensor *from,
	bool is_image, const az_preprocess *preprocess, az_tensor *to);

#endif
