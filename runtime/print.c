/* SPDX-License-Identifier: Apache-2.0
 *
 * --info, and outputs as text. */
#include <stddef.h>

#include "runtime/file.h"
#include "runtime/program.h"
#include "runtime/sys.h"
#include "runtime/text.h"

static void put_type(const adze_tensor *t)
{
	static const char *const kinds[] = {"?", "bool", "i", "u", "f", "bf"};
	put_text(kinds[t->kind]);
	if (t->kind != ADZE_BOOL)
		put_integer(t->bits);
	put_text("[");
	for (uint32_t i = 0; i < t->rank; i++) {
		put_text(i ? "," : "");
		put_integer(t->dim[i]);
	}
	put_text("]");
}

static void put_tensors(const char *what, const adze_tensor *t, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		put_padded(what, 8);
		put_text(t[i].name);
		put_text(": ");
		put_type(&t[i]);
		put_text("\n");
	}
}

void print_info(void)
{
	put_text(adze_model.name);
	put_text(adze_model.info[0] ? " from " : "");
	put_text(adze_model.info);
	put_text("\ntarget  ");
	put_text(adze_model.target);
	put_text(", ");
	put_text(adze_model.cpu);
	put_text("\n");
	put_tensors("input", adze_model.inputs, adze_model.input_count);
	put_tensors("output", adze_model.outputs, adze_model.output_count);
	put_text("weights ");
	put_integer((int64_t)adze_model.weight_bytes);
	put_text(" bytes\narena   ");
	put_integer((int64_t)adze_model.arena_bytes);
	put_text(" bytes\nlayers  ");
	put_integer(adze_model.layer_count);
	put_text("\nwork    ");
	put_integer((int64_t)adze_model.macs);
	put_text(" multiply-accumulates\n");
	for (uint32_t i = 0; i < adze_model.argument_count; i++) {
		put_text(i ? " " : "begins  ");
		put_text(adze_model.arguments[i]);
	}
	put_text(adze_model.argument_count ? "\n" : "");
}

/* Line `index` of the labels; NULL past the end. */
static const char *label(file_bytes labels, int64_t index)
{
	char *p = (char *)(uintptr_t)labels.data, *end = p + labels.size;
	for (; index && p < end; p++)
		index -= *p == '\n' || *p == 0;
	if (p >= end)
		return NULL;
	for (char *q = p; q < end; q++)
		if (*q == '\n' || *q == '\r')
			*q = 0;
	return p;
}

/* The k largest of one row, ties to the lowest index. */
static int print_row(const program_options *o, const adze_tensor *t, const void *data, int64_t row,
	int64_t n, file_bytes labels)
{
	int64_t k = o->top < n ? o->top : n;
	uint8_t *taken = sys_memory((uint64_t)n);
	if (!taken)
		return fail("out of memory", NULL, NULL);
	for (int64_t i = 0; i < k; i++) {
		int64_t best = -1;
		double best_v = 0;
		for (int64_t j = 0; j < n; j++) {
			double v = element_get(t->kind, t->bits, data, row * n + j);
			if (!taken[j] && (best < 0 || v > best_v)) {
				best = j;
				best_v = v;
			}
		}
		taken[best] = 1;
		const char *name = labels.size ? label(labels, best) : NULL;
		put_integer_padded(best, 5);
		put_text("  ");
		put_real(t->quantized ? (double)t->scale * (best_v - (double)t->zero) : best_v);
		put_text(name ? "  " : "");
		put_text(name ? name : "");
		put_text("\n");
	}
	return 1;
}

int print_outputs(const program_options *o, const program_buffers *b)
{
	file_bytes labels = {0};
	if (o->labels && !file_read(o->labels, &labels))
		return 0;
	for (uint32_t i = 0; i < adze_model.output_count; i++) {
		const adze_tensor *t = &adze_model.outputs[i];
		int64_t n = 1, rows = b->times;
		for (uint32_t d = 0; d < t->rank; d++)
			n *= t->dim[d];
		if (t->rank > 1) {
			n = t->dim[0] ? n / t->dim[0] : 0;
			rows *= t->dim[0];
		}
		put_text(t->name);
		put_text(" ");
		put_type(t);
		put_text("\n");
		for (int64_t row = 0; row < rows; row++)
			if (!print_row(o, t, b->output[i], row, n, labels))
				return 0;
	}
	return 1;
}
