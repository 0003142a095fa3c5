/* SPDX-License-Identifier: Apache-2.0
 *
 * See array.h. Everything read is checked against the size of its file. */
#include "runtime/array.h"

#include <stddef.h>

#include "runtime/file.h"
#include "runtime/sys.h"
#include "runtime/text.h"

int64_t array_count(const array *a)
{
	int64_t n = 1;
	for (uint32_t i = 0; i < a->rank; i++)
		n *= a->dim[i];
	return n;
}

/* Dimensions in range, product included. */
static int shape_is_valid(const array *a)
{
	uint64_t n = 1;
	for (uint32_t i = 0; i < a->rank; i++) {
		if (a->dim[i] < 0 || a->dim[i] > INT64_C(1) << 31)
			return 0;
		n *= (uint64_t)a->dim[i];
		if (n > UINT64_C(1) << 31)
			return 0;
	}
	return 1;
}

static int set_data(array *a, const char *path, const uint8_t *data, uint64_t size)
{
	a->data = data;
	if (!shape_is_valid(a) || (uint64_t)array_count(a) * (a->bits / 8) > size)
		return fail(path, ": fewer numbers than its shape says", NULL);
	return 1;
}

/* --- .npy: a dictionary as text, then the numbers --- */

static const char *find(const char *text, const char *end, const char *key)
{
	uint64_t n = text_length(key);
	for (; text + n <= end; text++) {
		uint64_t k = 0;
		while (k < n && text[k] == key[k])
			k++;
		if (k == n)
			return text + n;
	}
	return NULL;
}

static int npy_elem(const char *p, array *out)
{
	static const char kinds[] = "?biuf";
	uint32_t bytes = (uint32_t)(p[2] - '0');
	out->kind = 0;
	for (uint32_t k = 1; kinds[k]; k++)
		if (p[1] == kinds[k])
			out->kind = k;
	out->bits = 8 * bytes;
	return out->kind && p[0] != '>' && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) &&
	       (out->kind != ADZE_FLOAT || bytes > 1) && (out->kind != ADZE_BOOL || bytes == 1);
}

static int npy_shape(const char *p, array *out)
{
	out->rank = 0;
	for (p++; *p && *p != ')';) {
		if (*p == ',' || *p == ' ')
			p++;
		else if (out->rank == ADZE_RANK_MAX || !read_integer(&p, &out->dim[out->rank]))
			return 0;
		else
			out->rank++;
	}
	return *p == ')';
}

static int read_npy(const char *path, file_bytes f, array *out)
{
	uint64_t start = f.data[6] == 1 ? 10 : 12;
	uint64_t length = f.data[8] | (uint64_t)f.data[9] << 8;
	if (start == 12)
		length |= (uint64_t)f.data[10] << 16 | (uint64_t)f.data[11] << 24;
	if (start + length > f.size)
		return fail(path, ": not a complete .npy file", NULL);
	const char *text = (const char *)f.data + start, *end = text + length;
	const char *elem = find(text, end, "'descr': '"), *shape = find(text, end, "'shape': ");
	if (find(text, end, "'fortran_order': True"))
		return fail(path, ": column-major arrays are not read", NULL);
	if (!elem || !shape || *shape != '(' || !npy_elem(elem, out) || !npy_shape(shape, out))
		return fail(path, ": the header is not understood", NULL);
	return set_data(out, path, f.data + start + length, f.size - start - length);
}

/* --- ONNX TensorProto: dims = 1, data_type = 2, typed fields 4 5 7 10 11, raw_data = 9 --- */

typedef struct wire {
	const uint8_t *p, *end;
	int broken;
} wire;

static uint64_t varint(wire *w)
{
	uint64_t v = 0;
	for (uint32_t shift = 0; w->p < w->end && shift < 64; shift += 7) {
		uint8_t b = *w->p++;
		v |= (uint64_t)(b & 127) << shift;
		if (!(b & 128))
			return v;
	}
	w->broken = 1;
	return 0;
}

typedef struct field {
	uint32_t number, type;
	uint64_t value; /* varint */
	wire bytes;     /* type 2 */
} field;

static int next_field(wire *w, field *f)
{
	if (w->p >= w->end || w->broken)
		return 0;
	uint64_t key = varint(w);
	*f = (field){.number = (uint32_t)(key >> 3), .type = key & 7};
	uint64_t length = 0;
	if (f->type == 0)
		f->value = varint(w);
	else if (f->type == 2)
		length = varint(w);
	else
		length = f->type == 1 ? 8 : 4;
	if (w->broken || length > (uint64_t)(w->end - w->p)) {
		w->broken = 1;
		return 0;
	}
	f->bytes = (wire){w->p, w->p + length, 0};
	w->p += length;
	return 1;
}

static int pb_elem(uint64_t type, array *out)
{
	static const struct {
		uint8_t type, kind, bits;
	} rows[] = {{1, ADZE_FLOAT, 32}, {2, ADZE_UINT, 8}, {3, ADZE_INT, 8}, {4, ADZE_UINT, 16},
		{5, ADZE_INT, 16}, {6, ADZE_INT, 32}, {7, ADZE_INT, 64}, {9, ADZE_BOOL, 8},
		{10, ADZE_FLOAT, 16}, {11, ADZE_FLOAT, 64}, {12, ADZE_UINT, 32},
		{13, ADZE_UINT, 64}, {16, ADZE_BFLOAT, 16}};
	for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].type == type) {
			out->kind = rows[i].kind;
			out->bits = rows[i].bits;
			return 1;
		}
	return 0;
}

/* Packed varints (int32_data, int64_data, uint64_data) to elements. */
static const uint8_t *unpack_varints(wire w, const array *a, uint64_t *size)
{
	uint32_t bytes = a->bits / 8;
	uint8_t *out = sys_memory((uint64_t)(w.end - w.p) * bytes);
	*size = 0;
	while (out && w.p < w.end && !w.broken) {
		uint64_t v = varint(&w);
		for (uint32_t k = 0; k < bytes; k++)
			out[(*size)++] = (uint8_t)(v >> (8 * k));
	}
	return w.broken ? NULL : out;
}

static int read_pb(const char *path, file_bytes f, array *out)
{
	wire w = {f.data, f.data + f.size, 0}, typed = {0}, raw = {0};
	uint64_t type = 0, size = 0;
	field x;
	while (next_field(&w, &x)) {
		if (x.number == 1 && x.type == 0 && out->rank < ADZE_RANK_MAX)
			out->dim[out->rank++] = (int64_t)x.value;
		else if (x.number == 1 && x.type == 2)
			while (x.bytes.p < x.bytes.end && out->rank < ADZE_RANK_MAX &&
				!x.bytes.broken)
				out->dim[out->rank++] = (int64_t)varint(&x.bytes);
		else if (x.number == 2)
			type = x.value;
		else if (x.number == 9)
			raw = x.bytes;
		else if (x.type == 2 && (x.number == 4 || x.number == 5 || x.number == 7 ||
						x.number == 10 || x.number == 11))
			typed = x.bytes;
	}
	if (w.broken || !pb_elem(type, out))
		return fail(path, ": not a TensorProto of a supported element type", NULL);
	if (raw.p)
		return set_data(out, path, raw.p, (uint64_t)(raw.end - raw.p));
	if (out->kind == ADZE_FLOAT && out->bits >= 32)
		return set_data(out, path, typed.p, (uint64_t)(typed.end - typed.p));
	const uint8_t *data = unpack_varints(typed, out, &size);
	return data ? set_data(out, path, data, size) : fail(path, ": damaged", NULL);
}

/* --- binary PPM and PGM --- */

static int64_t ppm_number(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *q = *p;
	int64_t v = -1;
	for (; q < end && (*q <= ' ' || *q == '#'); q++)
		if (*q == '#')
			while (q < end && *q != '\n')
				q++;
	for (; q < end && *q >= '0' && *q <= '9' && v < 100000; q++)
		v = (v < 0 ? 0 : v) * 10 + (*q - '0');
	*p = q;
	return v;
}

static int read_ppm(const char *path, file_bytes f, array *out)
{
	const uint8_t *p = f.data + 2, *end = f.data + f.size;
	int64_t width = ppm_number(&p, end), height = ppm_number(&p, end),
		most = ppm_number(&p, end);
	if (width < 1 || height < 1 || width > 65535 || height > 65535 || most != 255 || p >= end)
		return fail(path, ": not a picture of 8 bits with sides up to 65535", NULL);
	*out = (array){.kind = ADZE_UINT,
		.bits = 8,
		.rank = 3,
		.is_picture = 1,
		.dim = {height, width, f.data[1] == '6' ? 3 : 1}};
	return set_data(out, path, p + 1, (uint64_t)(end - p - 1));
}

int array_read(const char *path, array *out)
{
	file_bytes f;
	*out = (array){0};
	if (!file_read(path, &f))
		return 0;
	if (f.size >= 12 && f.data[0] == 0x93 && f.data[1] == 'N')
		return read_npy(path, f, out);
	if (f.size >= 8 && f.data[0] == 'P' && (f.data[1] == '6' || f.data[1] == '5') &&
		f.data[2] <= ' ')
		return read_ppm(path, f, out);
	if (text_ends(path, ".pb"))
		return read_pb(path, f, out);
	return fail(path, ": neither .npy nor .pb nor .ppm", NULL);
}

/* --- .npy out --- */

static char *add_text(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	return to;
}

static char *add_integer(char *to, int64_t v)
{
	char text[24], *p = text + 23;
	*p = 0;
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return add_text(to, p);
}

/* Elements of fewer than 8 bits as bytes. */
static uint8_t *unpack(const adze_tensor *type, int64_t times, const void *data)
{
	int64_t n = 1;
	for (uint32_t i = 0; i < type->rank; i++)
		n *= type->dim[i];
	uint8_t *out = sys_memory((uint64_t)(n * times) + 1);
	for (int64_t t = 0; out && t < times; t++)
		for (int64_t i = 0; i < n; i++)
			element_set(type->kind == ADZE_UINT ? ADZE_UINT : ADZE_INT, 8, out,
				t * n + i,
				element_get(type->kind, type->bits,
					(const uint8_t *)data + (uint64_t)t * type->size_bytes, i));
	return out;
}

int array_write(const char *path, const adze_tensor *type, int64_t times, const void *data)
{
	static const char kinds[] = "?biufVi";
	static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
	char header[512] = {0}, *p = header + 10;
	for (uint32_t i = 0; i < 8; i++)
		header[i] = (char)magic[i];
	p = add_text(p, "{'descr': '");
	p = add_text(p, type->bits > 8 ? "<" : "|");
	*p++ = kinds[type->kind];
	p = add_integer(p, type->bits < 8 ? 1 : type->bits / 8);
	p = add_text(p, "', 'fortran_order': False, 'shape': (");
	for (uint32_t i = 0; i < type->rank; i++) { /* as numpy writes it: (), (n,), (n, m) */
		p = add_text(p, i ? ", " : "");
		p = add_integer(p, i == 0 ? type->dim[0] * times : type->dim[i]);
	}
	p = add_text(p, type->rank == 1 ? ",), }" : "), }");
	while ((p - header + 1) % 64)
		*p++ = ' ';
	*p++ = '\n';
	header[8] = (char)((p - header - 10) & 255);
	header[9] = (char)((p - header - 10) >> 8);
	file_bytes parts[] = {{(const uint8_t *)header, (uint64_t)(p - header)},
		{data, type->size_bytes * (uint64_t)times}};
	if (type->bits < 8) {
		parts[1].data = unpack(type, times, data);
		if (!parts[1].data)
			return fail("out of memory", NULL, NULL);
		parts[1].size = (uint64_t)times;
		for (uint32_t i = 0; i < type->rank; i++)
			parts[1].size *= (uint64_t)type->dim[i];
	}
	return file_write(path, parts, 2);
}
