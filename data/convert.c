/* SPDX-License-Identifier: Apache-2.0
 *
 * One sample to one network input: layout, preprocessing, element type. */
#include <string.h>

#include "data/data.h"
#include "runtime/picture.h"

/* A shape without its dimensions of length 1. */
typedef struct core_shape {
	uint32_t rank;
	int64_t dim[AZ_RANK_MAX];
} core_shape;

static core_shape core_of(const az_type *type)
{
	core_shape s = {0};
	for (uint32_t i = 0; i < type->rank; i++)
		if (type->dim[i] != 1)
			s.dim[s.rank++] = type->dim[i];
	return s;
}

static bool same_core(core_shape a, core_shape b)
{
	return a.rank == b.rank && memcmp(a.dim, b.dim, a.rank * sizeof *a.dim) == 0;
}

static bool is_channel_count(int64_t n)
{
	return n == 1 || n == 3 || n == 4;
}

/* Where the last three dimensions hold a picture: channels first or last. */
static bool find_picture(const az_type *type, const az_preprocess *pre, bool *nchw, int64_t *height,
	int64_t *width, int64_t *channels)
{
	if (type->rank < 3 || type->rank > 4 || (type->rank == 4 && type->dim[0] != 1))
		return false;
	const int64_t *d = type->dim + type->rank - 3;
	bool first = is_channel_count(d[0]), last = is_channel_count(d[2]);
	if (!first && !last)
		return false;
	*nchw = first && (!last || !pre->layout_set || pre->layout == AZ_LAYOUT_NCHW);
	*channels = *nchw ? d[0] : d[2];
	*height = *nchw ? d[1] : d[0];
	*width = *nchw ? d[2] : d[1];
	return true;
}

static az_picture new_picture(az_arena *arena, int64_t width, int64_t height, int32_t channels)
{
	az_picture p = {(int32_t)width, (int32_t)height, channels, NULL};
	p.pixel = az_arena_alloc(arena, (size_t)(width * height * channels), 64);
	return p;
}

static bool fit_picture(az_ctx *ctx, az_arena *arena, const char *what, const az_preprocess *pre,
	az_picture *picture, int64_t width, int64_t height, int32_t channels)
{
	if (pre->resize_width) {
		az_picture to = new_picture(arena, pre->resize_width, pre->resize_height,
			picture->channels);
		uint64_t scratch =
			az_picture_resize_scratch(picture->height, picture->channels, to.width);
		az_picture_resize(picture, &to, az_arena_alloc(arena, scratch, 64));
		*picture = to;
	}
	if (pre->crop_width) {
		if (pre->crop_width > picture->width || pre->crop_height > picture->height)
			return az_error(ctx, AZ_LOC_NONE,
				"%s: %dx%d is smaller than --crop=%lldx%lld", what, picture->width,
				picture->height, (long long)pre->crop_width,
				(long long)pre->crop_height);
		az_picture to =
			new_picture(arena, pre->crop_width, pre->crop_height, picture->channels);
		az_picture_crop(picture, &to);
		*picture = to;
	}
	if (picture->width != width || picture->height != height)
		return az_error(ctx, AZ_LOC_NONE,
			"%s: %dx%d pixels, the network wants %lldx%lld; --resize=%lldx%lld would "
			"make them fit",
			what, picture->width, picture->height, (long long)width, (long long)height,
			(long long)width, (long long)height);
	if (picture->channels != channels) {
		az_picture to = new_picture(arena, width, height, channels);
		az_picture_channels(picture, &to);
		*picture = to;
	}
	return true;
}

static az_normalize normalize_of(const az_preprocess *pre)
{
	return (az_normalize){.scale = pre->scale,
		.mean_count = pre->mean_count,
		.std_count = pre->std_count,
		.mean = pre->mean,
		.std = pre->std,
		.swap = pre->bgr};
}

static bool check_counts(az_ctx *ctx, const char *what, const az_preprocess *pre, int64_t channels)
{
	if ((pre->mean_count > 1 && pre->mean_count != channels) ||
		(pre->std_count > 1 && pre->std_count != channels))
		return az_error(ctx, AZ_LOC_NONE,
			"%s: %lld channels, --input-mean has %u and --input-std %u", what,
			(long long)channels, pre->mean_count, pre->std_count);
	return true;
}

static void store(az_tensor *to, const float *v)
{
	int64_t n = az_type_numel(to->type);
	if (az_elem_equal(to->type->elem, AZ_F32)) {
		memcpy(to->data, v, (size_t)n * sizeof *v);
		return;
	}
	for (int64_t i = 0; i < n; i++)
		az_tensor_set(to, (uint64_t)i, (double)v[i]);
}

static bool convert_picture(az_ctx *ctx, az_arena *arena, const char *what, const az_tensor *from,
	const az_preprocess *pre, az_tensor *to)
{
	bool nchw;
	int64_t height, width, channels;
	if (!find_picture(to->type, pre, &nchw, &height, &width, &channels))
		return az_error(ctx, AZ_LOC_NONE, "%s: a picture does not fit input %s", what,
			az_type_print(arena, to->type));
	az_picture p = {(int32_t)from->type->dim[1], (int32_t)from->type->dim[0],
		(int32_t)from->type->dim[2], from->data};
	if (!check_counts(ctx, what, pre, channels) ||
		!fit_picture(ctx, arena, what, pre, &p, width, height, (int32_t)channels))
		return false;
	az_normalize n = normalize_of(pre);
	n.nchw = nchw;
	float *v = az_new_array(arena, float, (size_t)(width * height * channels));
	az_picture_normalize(&p, &n, v);
	store(to, v);
	return true;
}

/* from is [H,W,C] and the input [C,H,W], or the other way round: the place in from of element i. */
typedef struct permutation {
	bool swap;
	int64_t channels, pixels;
	bool to_planes;
} permutation;

static int64_t permuted(const permutation *p, int64_t i)
{
	if (!p->swap)
		return i;
	return p->to_planes ? i % p->pixels * p->channels + i / p->pixels
			    : i % p->channels * p->pixels + i / p->channels;
}

static bool find_permutation(const az_type *from, const az_type *to, const az_preprocess *pre,
	permutation *p)
{
	core_shape a = core_of(from), b = core_of(to);
	*p = (permutation){0};
	if (same_core(a, b) && !pre->layout_set)
		return true;
	if (same_core(a, b) && a.rank < 3)
		return true;
	if (a.rank == 3 && b.rank == 3) {
		core_shape last_first = {3, {a.dim[2], a.dim[0], a.dim[1]}};
		core_shape first_last = {3, {a.dim[1], a.dim[2], a.dim[0]}};
		bool from_last = !pre->layout_set || pre->layout == AZ_LAYOUT_NHWC;
		bool from_first = !pre->layout_set || pre->layout == AZ_LAYOUT_NCHW;
		if (from_last && same_core(last_first, b)) {
			*p = (permutation){true, a.dim[2], a.dim[0] * a.dim[1], true};
			return true;
		}
		if (from_first && same_core(first_last, b) && is_channel_count(a.dim[0])) {
			*p = (permutation){true, a.dim[0], a.dim[1] * a.dim[2], false};
			return true;
		}
	}
	return same_core(a, b);
}

/* Channel of element i of the input, for per-channel means. */
static uint32_t channel_of(const az_type *type, const az_preprocess *pre, int64_t i)
{
	bool nchw;
	int64_t height, width, channels;
	if (!find_picture(type, pre, &nchw, &height, &width, &channels))
		return 0;
	return (uint32_t)(nchw ? i / (height * width) : i % channels);
}

static bool convert_array(az_ctx *ctx, az_arena *arena, const char *what, const az_tensor *from,
	const az_preprocess *pre, az_tensor *to)
{
	permutation p;
	if (az_type_numel(from->type) != az_type_numel(to->type) ||
		!find_permutation(from->type, to->type, pre, &p))
		return az_error(ctx, AZ_LOC_NONE, "%s: a sample is %s, the network wants %s", what,
			az_type_print(arena, from->type), az_type_print(arena, to->type));
	int64_t n = az_type_numel(to->type);
	if (!pre->set) {
		if (!p.swap && az_elem_equal(from->type->elem, to->type->elem)) {
			memcpy(to->data, from->data, az_type_size(to->type));
			return true;
		}
		for (int64_t i = 0; i < n; i++)
			az_tensor_set(to, (uint64_t)i,
				az_tensor_get(from, (uint64_t)permuted(&p, i)));
		return true;
	}
	az_normalize normalize = normalize_of(pre);
	uint32_t counts = AZ_MAX(pre->mean_count, pre->std_count);
	float *v = az_new_array(arena, float, (size_t)n);
	for (int64_t i = 0; i < n; i++) {
		uint32_t channel = counts > 1 ? channel_of(to->type, pre, i) : 0;
		if (counts > 1 && channel >= counts)
			return check_counts(ctx, what, pre, (int64_t)channel + 1);
		double x = az_tensor_get(from, (uint64_t)permuted(&p, i));
		v[i] = az_normalize_value(&normalize, (float)x, channel);
	}
	store(to, v);
	return true;
}

/* Arrays of u8 [H,W,3] are pictures when anything is to be resized or reordered. */
static bool wants_picture(const az_tensor *from, const az_preprocess *pre)
{
	const az_type *t = from->type;
	return (pre->resize_width || pre->crop_width || pre->bgr) && t->rank == 3 &&
	       az_elem_equal(t->elem, AZ_U8) && is_channel_count(t->dim[2]);
}

bool az_data_convert(az_ctx *ctx, az_arena *arena, const char *what, const az_tensor *from,
	bool is_image, const az_preprocess *preprocess, az_tensor *to)
{
	if (is_image || wants_picture(from, preprocess))
		return convert_picture(ctx, arena, what, from, preprocess, to);
	return convert_array(ctx, arena, what, from, preprocess, to);
}
