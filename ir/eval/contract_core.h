/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of contractions for one number type; included once for each with T (the type) and
 * SUFFIX defined. Every sum runs in index order on its own; 32 of them run side by side. Unsigned types
 * serve integers: the sums are exact modulo 2^32 or 2^64. */
#define PASTE2(a, b) a##_##b
#define PASTE(a, b)  PASTE2(a, b)
#define NAME(name)   PASTE(name, SUFFIX)

enum { NAME(WIDTH) = 32 };

/* out[j] = sum over k of x[k] * w[k * stride + j], for the `n` columns j. */
static void NAME(dot_columns)(const T *x, const T *w, int64_t depth, int64_t stride, int64_t n,
	T *out)
{
	T acc[NAME(WIDTH)] = {0};
	if (n == NAME(WIDTH)) {
		for (int64_t k = 0; k < depth; k++) {
			T a = x[k];
			const T *row = w + k * stride;
			for (int j = 0; j < NAME(WIDTH); j++)
				acc[j] += a * row[j];
		}
	} else {
		for (int64_t k = 0; k < depth; k++) {
			T a = x[k];
			const T *row = w + k * stride;
			for (int64_t j = 0; j < n; j++)
				acc[j] += a * row[j];
		}
	}
	for (int64_t j = 0; j < n; j++)
		out[j] = acc[j];
}

/* out [rows, columns] with rows out_stride apart = x [rows, depth] * w [depth, columns], both packed. */
static void NAME(product)(const T *x, const T *w, int64_t rows, int64_t depth, int64_t columns,
	T *out, int64_t out_stride)
{
	for (int64_t j = 0; j < columns; j += NAME(WIDTH)) {
		int64_t n = AZ_MIN(columns - j, (int64_t)NAME(WIDTH));
		for (int64_t i = 0; i < rows; i++)
			NAME(dot_columns)(x + i * depth, w + j, depth, columns, n,
				out + i * out_stride + j);
	}
}

/* Weights O x taps x I/groups as, for each group, [taps x I/groups, O/groups]. */
static T *NAME(turn_weights)(az_arena *arena, const T *w, const conv_shape *s)
{
	int64_t depth = s->taps * s->in_group;
	T *turned = az_new_array(arena, T, (size_t)(s->groups * depth * s->out_group));
	for (int64_t g = 0; g < s->groups; g++)
		for (int64_t o = 0; o < s->out_group; o++) {
			const T *from = w + (g * s->out_group + o) * depth;
			T *to = turned + g * depth * s->out_group + o;
			for (int64_t k = 0; k < depth; k++)
				to[k * s->out_group] = from[k];
		}
	return turned;
}

/* What the result at `position` sees of image x: [groups][taps][in_group], zero in the padding. */
static void NAME(gather_patch)(const conv_shape *s, const T *x, int64_t position, T *patch)
{
	int64_t at[AZ_SPATIAL_MAX];
	for (uint32_t i = s->window.count; i-- > 0;) {
		at[i] = position % s->out[i];
		position /= s->out[i];
	}
	for (int64_t tap = 0; tap < s->taps; tap++) {
		int64_t pixel = conv_source(s, at, tap);
		for (int64_t g = 0; g < s->groups; g++) {
			T *to = patch + (g * s->taps + tap) * s->in_group;
			if (pixel < 0)
				memset(to, 0, (size_t)s->in_group * sizeof(T));
			else
				memcpy(to, x + (pixel * s->groups + g) * s->in_group,
					(size_t)s->in_group * sizeof(T));
		}
	}
}

/* Several positions at a time, so that weights are read from memory once for all of them. */
static void NAME(convolve)(az_arena *arena, const conv_shape *s, const T *x, const T *w, T *y)
{
	enum { POSITIONS = 32 };
	int64_t depth = s->taps * s->in_group, row = s->groups * depth;
	int64_t channels = s->groups * s->out_group;
	const T *turned = NAME(turn_weights)(arena, w, s);
	T *patch = az_new_array(arena, T, (size_t)row);
	T *patches = az_new_array(arena, T, (size_t)(POSITIONS * row));
	for (int64_t n = 0; n < s->images; n++, x += s->in_pixels * s->groups * s->in_group) {
		for (int64_t p = 0; p < s->positions; p += POSITIONS) {
			int64_t rows = AZ_MIN(s->positions - p, (int64_t)POSITIONS);
			for (int64_t i = 0; i < rows; i++) {
				NAME(gather_patch)(s, x, p + i, patch);
				for (int64_t g = 0; g < s->groups; g++)
					memcpy(patches + (g * rows + i) * depth, patch + g * depth,
						(size_t)depth * sizeof(T));
			}
			T *out = y + (n * s->positions + p) * channels;
			for (int64_t g = 0; g < s->groups; g++)
				NAME(product)(patches + g * rows * depth,
					turned + g * depth * s->out_group, rows, depth,
					s->out_group, out + g * s->out_group, channels);
		}
	}
}

static void NAME(add_bias)(T *y, const T *bias, int64_t rows, int64_t columns)
{
	for (int64_t i = 0; i < rows; i++)
		for (int64_t j = 0; j < columns; j++)
			y[i * columns + j] += bias[j];
}

#undef PASTE2
#undef PASTE
#undef NAME
#undef T
#undef SUFFIX
