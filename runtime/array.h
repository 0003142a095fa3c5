/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays from files: .npy, ONNX TensorProto .pb, binary .ppm and .pgm; and .npy out. */
#ifndef ADZE_RUNTIME_ARRAY_H
#define ADZE_RUNTIME_ARRAY_H

#include "runtime/model.h"

typedef struct array {
	uint32_t kind, bits; /* ADZE_..., 8 to 64 bits */
	uint32_t rank;
	int64_t dim[ADZE_RANK_MAX];
	const uint8_t *data; /* little-endian, row-major, as long as dim says */
	int is_picture;      /* u8 [height, width, channels] from a picture file */
} array;

/* 0 after saying what is wrong with `path`. */
int array_read(const char *path, array *out);
/* Writes .npy through a temporary file; first dimension multiplied by `times`. */
int array_write(const char *path, const adze_tensor *type, int64_t times, const void *data);

int64_t array_count(const array *a); /* elements */
/* Element i as a double. */
double element_get(uint32_t kind, uint32_t bits, const void *data, int64_t i);
/* The stored number for a real one: as `quantize` does it, less the saturating. */
double element_stored(float real, float scale, int32_t zero);
/* Rounds half to even and saturates integers. */
void element_set(uint32_t kind, uint32_t bits, void *data, int64_t i, double v);

#endif
