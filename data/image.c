/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG through libpng's simplified interface, JPEG through libjpeg, PPM and PGM by hand. */
#include "data/image.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jpeglib.h>
#include <png.h>

#define SIDE_MAX   65535
#define PIXELS_MAX ((uint64_t)1 << 28) /* a small file may claim a huge picture */

bool az_image_is(const char *name)
{
	static const char *const endings[] = {".png", ".jpg", ".jpeg", ".ppm", ".pgm"};
	size_t n = strlen(name);
	for (size_t i = 0; i < AZ_COUNT(endings); i++) {
		size_t m = strlen(endings[i]);
		if (n > m && strcasecmp(name + n - m, endings[i]) == 0)
			return true;
	}
	return false;
}

static uint8_t *new_pixels(az_arena *arena, const az_picture *p)
{
	return az_arena_alloc(arena, (size_t)p->width * (size_t)p->height * (size_t)p->channels,
		64);
}

static bool decode_png(az_ctx *ctx, az_arena *arena, const char *path, const void *data,
	size_t size, az_picture *out)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	bool ok = png_image_begin_read_from_memory(&image, data, size);
	if (ok && (uint64_t)image.width * image.height > PIXELS_MAX) {
		png_image_free(&image);
		return az_error(ctx, AZ_LOC_NONE, "%s: more than %llu pixels", path,
			(unsigned long long)PIXELS_MAX);
	}
	if (ok) {
		image.format = PNG_FORMAT_RGB;
		*out = (az_picture){(int32_t)image.width, (int32_t)image.height, 3, NULL};
		out->pixel = new_pixels(arena, out);
		png_color black = {0, 0, 0};
		ok = png_image_finish_read(&image, &black, out->pixel, 0, NULL);
	}
	if (!ok)
		az_error(ctx, AZ_LOC_NONE, "%s: not a readable PNG: %s", path, image.message);
	png_image_free(&image);
	return ok;
}

typedef struct jpeg_failure {
	struct jpeg_error_mgr manager;
	jmp_buf jump;
	char text[JMSG_LENGTH_MAX];
} jpeg_failure;

static void jpeg_failed(j_common_ptr info)
{
	jpeg_failure *failure = (jpeg_failure *)info->err;
	info->err->format_message(info, failure->text);
	longjmp(failure->jump, 1);
}

static void jpeg_silent(j_common_ptr info, int level)
{
	(void)info;
	(void)level;
}

/* Fills pixels, or leaves through the jump. */
static void read_jpeg(struct jpeg_decompress_struct *jpeg, az_arena *arena, az_picture *out)
{
	jpeg->out_color_space = JCS_RGB;
	jpeg_start_decompress(jpeg);
	*out = (az_picture){(int32_t)jpeg->output_width, (int32_t)jpeg->output_height, 3, NULL};
	out->pixel = new_pixels(arena, out);
	while (jpeg->output_scanline < jpeg->output_height) {
		JSAMPROW row = out->pixel + (size_t)jpeg->output_scanline * jpeg->output_width * 3;
		jpeg_read_scanlines(jpeg, &row, 1);
	}
	jpeg_finish_decompress(jpeg);
}

static bool decode_jpeg(az_ctx *ctx, az_arena *arena, const char *path, const void *data,
	size_t size, az_picture *out)
{
	struct jpeg_decompress_struct jpeg;
	jpeg_failure failure;
	jpeg.err = jpeg_std_error(&failure.manager);
	failure.manager.error_exit = jpeg_failed;
	failure.manager.emit_message = jpeg_silent;
	if (setjmp(failure.jump)) {
		jpeg_destroy_decompress(&jpeg);
		return az_error(ctx, AZ_LOC_NONE, "%s: not a readable JPEG: %s", path,
			failure.text);
	}
	jpeg_create_decompress(&jpeg);
	jpeg_mem_src(&jpeg, data, size);
	jpeg_read_header(&jpeg, TRUE);
	if ((uint64_t)jpeg.image_width * jpeg.image_height > PIXELS_MAX) {
		jpeg_destroy_decompress(&jpeg);
		return az_error(ctx, AZ_LOC_NONE, "%s: more than %llu pixels", path,
			(unsigned long long)PIXELS_MAX);
	}
	read_jpeg(&jpeg, arena, out);
	jpeg_destroy_decompress(&jpeg);
	return true;
}

/* The next number of a PPM header; -1 when there is none. */
static int32_t ppm_number(const char *p, size_t size, size_t *at)
{
	while (*at < size && (isspace((unsigned char)p[*at]) || p[*at] == '#')) {
		if (p[*at] == '#')
			while (*at < size && p[*at] != '\n')
				(*at)++;
		else
			(*at)++;
	}
	int32_t v = -1;
	for (; *at < size && isdigit((unsigned char)p[*at]) && v <= SIDE_MAX; (*at)++)
		v = (v < 0 ? 0 : v) * 10 + (p[*at] - '0');
	return v;
}

static bool decode_ppm(az_ctx *ctx, az_arena *arena, const char *path, const char *p, size_t size,
	az_picture *out)
{
	size_t at = 2;
	int32_t width = ppm_number(p, size, &at), height = ppm_number(p, size, &at);
	int32_t largest = ppm_number(p, size, &at);
	if (width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX || largest != 255)
		return az_error(ctx, AZ_LOC_NONE,
			"%s: not a PPM or PGM of 8 bits with sides up to %d", path, SIDE_MAX);
	at++;
	*out = (az_picture){width, height, p[1] == '6' ? 3 : 1, NULL};
	size_t bytes = (size_t)width * (size_t)height * (size_t)out->channels;
	if (at > size || size - at < bytes)
		return az_error(ctx, AZ_LOC_NONE, "%s: the picture ends early", path);
	out->pixel = new_pixels(arena, out);
	memcpy(out->pixel, p + at, bytes);
	return true;
}

bool az_image_decode(az_ctx *ctx, az_arena *arena, const char *path, const void *data, size_t size,
	az_picture *out)
{
	const unsigned char *p = data;
	if (size >= 8 && memcmp(p, "\x89PNG", 4) == 0)
		return decode_png(ctx, arena, path, data, size, out);
	if (size >= 4 && p[0] == 0xff && p[1] == 0xd8)
		return decode_jpeg(ctx, arena, path, data, size, out);
	if (size >= 8 && p[0] == 'P' && (p[1] == '6' || p[1] == '5'))
		return decode_ppm(ctx, arena, path, data, size, out);
	return az_error(ctx, AZ_LOC_NONE, "%s: not a PNG, JPEG, PPM or PGM picture", path);
}
