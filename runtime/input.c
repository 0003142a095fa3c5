/* SPDX-License-Identifier: Apache-2.0
 *
 * From what a file holds to what the network takes: the same steps as in the compiler's readers. */
#include <stddef.h>

#include "runtime/program.h"
#include "runtime/sys.h"
#include "runtime/text.h"

static int64_t model_count(const adze_tensor *t)
{
	int64_t n = 1;
	for (uint32_t i = 0; i < t->rank; i++)
		n *= t->dim[i];
	return n;
}

static int is_channel_count(int64_t n)
{
	return n == 1 || n == 3 || n == 4;
}

typedef struct picture_shape {
	int64_t height, width, channels;
	int nchw;
} picture_shape;

/* The last three dimensions of a batch of one as a picture. */
static int find_picture(const program_options *o, const adze_tensor *t, picture_shape *s)
{
	if (t->rank < 3 || t->rank > 4 || (t->rank == 4 && t->dim[0] != 1))
		return 0;
	const int64_t *d = t->dim + t->rank - 3;
	int first = is_channel_count(d[0]), last = is_channel_count(d[2]);
	s->nchw = first && (!last || !o->layout_set || !o->nhwc);
	s->channels = s->nchw ? d[0] : d[2];
	s->height = s->nchw ? d[1] : d[0];
	s->width = s->nchw ? d[2] : d[1];
	return first || last;
}

static int new_picture(az_picture *p, int64_t width, int64_t height, int32_t channels)
{
	*p = (az_picture){(int32_t)width, (int32_t)height, channels, NULL};
	p->pixel = sys_memory((uint64_t)(width * height) * (uint64_t)channels);
	return p->pixel ? 1 : fail("out of memory", NULL, NULL);
}

static int fit(const program_options *o, const char *path, const picture_shape *s, az_picture *p)
{
	az_picture to;
	if (o->resize_width) {
		uint64_t n =
			az_picture_resize_scratch(p->height, p->channels, (int32_t)o->resize_width);
		uint8_t *scratch = sys_memory(n);
		if (!scratch || !new_picture(&to, o->resize_width, o->resize_height, p->channels))
			return fail("out of memory", NULL, NULL);
		az_picture_resize(p, &to, scratch);
		*p = to;
	}
	if (o->crop_width) {
		if (o->crop_width > p->width || o->crop_height > p->height)
			return fail(path, ": smaller than --crop", NULL);
		if (!new_picture(&to, o->crop_width, o->crop_height, p->channels))
			return 0;
		az_picture_crop(p, &to);
		*p = to;
	}
	if (p->width != s->width || p->height != s->height)
		return fail(path,
			": not the size that the network wants; --info shows it, --resize=WxH "
			"changes it",
			NULL);
	if (p->channels != s->channels) {
		if (!new_picture(&to, s->width, s->height, (int32_t)s->channels))
			return 0;
		az_picture_channels(p, &to);
		*p = to;
	}
	return 1;
}

static az_normalize normalize_of(const program_options *o)
{
	return (az_normalize){.scale = o->scale,
		.mean_count = o->mean_count,
		.std_count = o->std_count,
		.mean = o->mean,
		.std = o->std,
		.swap = o->bgr};
}

static int counts_fit(const program_options *o, int64_t channels)
{
	if ((o->mean_count > 1 && o->mean_count != channels) ||
		(o->std_count > 1 && o->std_count != channels))
		return fail("--input-mean and --input-std want one number or one per channel", NULL,
			NULL);
	return 1;
}

/* Real numbers are quantized for an input that is stored so. */
static void set_real(const adze_tensor *type, void *data, int64_t i, double v)
{
	if (type->quantized && type->kind != ADZE_FLOAT && type->kind != ADZE_BFLOAT)
		v = element_stored((float)v, type->scale, type->zero);
	element_set(type->kind, type->bits, data, i, v);
}

static int convert_picture(const program_options *o, const char *path, const array *from,
	const adze_tensor *type, void *data)
{
	picture_shape s;
	az_picture p = {(int32_t)from->dim[1], (int32_t)from->dim[0], (int32_t)from->dim[2],
		(uint8_t *)(uintptr_t)from->data};
	if (!find_picture(o, type, &s))
		return fail(path, ": the network does not take a picture", NULL);
	if (!counts_fit(o, s.channels) || !fit(o, path, &s, &p))
		return 0;
	int64_t n = s.width * s.height * s.channels;
	float *v = sys_memory((uint64_t)n * sizeof *v);
	if (!v)
		return fail("out of memory", NULL, NULL);
	az_normalize normalize = normalize_of(o);
	normalize.nchw = s.nchw;
	az_picture_normalize(&p, &normalize, v);
	for (int64_t i = 0; i < n; i++)
		set_real(type, data, i, (double)v[i]);
	return 1;
}

/* The last three dimensions, behind leading ones; 0 when there are not three. */
static int core(const int64_t *dim, uint32_t rank, int64_t out[3])
{
	if (rank < 3)
		return 0;
	for (int k = 0; k < 3; k++)
		out[k] = dim[rank - 3 + (uint32_t)k];
	return 1;
}

/* 1: data is [H,W,C] and the network [C,H,W]; 2: the reverse; 0: as it is. */
static int permutation_of(const program_options *o, const array *from, const adze_tensor *type)
{
	int64_t a[3], b[3];
	if (!core(from->dim, from->rank, a) || !core(type->dim, type->rank, b))
		return 0;
	int same = a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
	if (same && !o->layout_set)
		return 0;
	int planes = a[2] == b[0] && a[0] == b[1] && a[1] == b[2];
	int pixels = a[0] == b[2] && a[1] == b[0] && a[2] == b[1] && is_channel_count(a[0]);
	if (planes && (!o->layout_set || o->nhwc))
		return 1;
	return pixels && (!o->layout_set || !o->nhwc) ? 2 : 0;
}

static void convert_array(const program_options *o, const array *from, const adze_tensor *type,
	void *data, int64_t count)
{
	int64_t n = model_count(type), a[3] = {1, 1, 1};
	int kind = permutation_of(o, from, type);
	core(from->dim, from->rank, a);
	int64_t channels = kind == 1 ? a[2] : a[0];
	int64_t pixels = kind == 1 ? a[0] * a[1] : a[1] * a[2], sample = channels * pixels;
	picture_shape s;
	int per_channel = (o->mean_count > 1 || o->std_count > 1) && find_picture(o, type, &s);
	int plain = !o->scaled && !o->mean_count && !o->std_count;
	/* Integers as they stand in the file are stored numbers already. */
	int real = !plain || from->kind == ADZE_FLOAT || from->kind == ADZE_BFLOAT;
	az_normalize normalize = normalize_of(o);
	for (int64_t i = 0; i < count; i++) {
		int64_t place = i, k = i % n;
		if (kind) {
			int64_t in = i % sample;
			place = i - in +
				(kind == 1 ? in % pixels * channels + in / pixels
					   : in % channels * pixels + in / channels);
		}
		double v = element_get(from->kind, from->bits, from->data, place);
		uint32_t channel = 0;
		if (per_channel)
			channel = (uint32_t)(s.nchw ? k / (s.height * s.width) % s.channels
						    : k % s.channels);
		if (!plain)
			v = (double)az_normalize_value(&normalize, (float)v, channel);
		if (real)
			set_real(type, data, i, v);
		else
			element_set(type->kind, type->bits, data, i, v);
	}
}

int input_convert(const program_options *o, const char *path, const array *from,
	const adze_tensor *type, void **data, int64_t *times)
{
	int64_t n = model_count(type), count = array_count(from);
	*times = 1;
	if (!from->is_picture) {
		if (n == 0 || count == 0 || count % n)
			return fail(path, ": not the shape that the network wants; --info shows it",
				NULL);
		*times = count / n;
	}
	/* Samples begin at bytes. */
	if (type->bits < 8 && *times > 1 && n * type->bits % 8)
		return fail(path, ": several samples of packed elements that fill no bytes", NULL);
	*data = sys_memory((uint64_t)*times * type->size_bytes + 64);
	if (!*data)
		return fail("out of memory", NULL, NULL);
	if (from->is_picture)
		return convert_picture(o, path, from, type, *data);
	picture_shape s;
	if ((o->mean_count > 1 || o->std_count > 1) &&
		(!find_picture(o, type, &s) || !counts_fit(o, s.channels)))
		return fail(path, ": one mean and std per channel wants a picture", NULL);
	convert_array(o, from, type, *data, count);
	return 1;
}
