/* SPDX-License-Identifier: Apache-2.0
 *
 * --bench and --profile. */
#include <stddef.h>

#include "runtime/program.h"
#include "runtime/sys.h"
#include "runtime/text.h"

static void sort(uint64_t *v, int64_t n)
{
	/* Shell sort: no recursion, no library */
	for (int64_t gap = n / 2; gap; gap /= 2)
		for (int64_t i = gap; i < n; i++) {
			uint64_t x = v[i];
			int64_t k = i;
			for (; k >= gap && v[k - gap] > x; k -= gap)
				v[k] = v[k - gap];
			v[k] = x;
		}
}

static double from_ns(uint64_t ns)
{
	return (double)(uint32_t)(ns >> 32) * 4294967296.0 + (double)(uint32_t)ns;
}

static void put_time(const char *what, double ns, double unit, const char *name)
{
	put_text(what);
	put_text(" ");
	put_fixed(ns / unit, 3);
	put_text(" ");
	put_text(name);
	put_text(" ");
}

int run_bench(program_buffers *b, int64_t runs)
{
	uint64_t *t = sys_memory((uint64_t)runs * sizeof *t);
	double sum = 0;
	if (!t)
		return fail("out of memory for that many runs", NULL, NULL);
	for (int64_t i = 0; i < 1 + runs / 10; i++)
		run_all(b);
	for (int64_t i = 0; i < runs; i++) {
		uint64_t start = sys_now_ns();
		run_all(b);
		t[i] = sys_now_ns() - start;
		sum += from_ns(t[i]);
	}
	sort(t, runs);
	double median = (from_ns(t[runs / 2]) + from_ns(t[(runs - 1) / 2])) / 2;
	double unit = median < 1e6 ? 1e3 : median < 1e9 ? 1e6 : 1e9;
	const char *name = median < 1e6 ? "us" : median < 1e9 ? "ms" : "s";
	put_time("min", from_ns(t[0]), unit, name);
	put_time("median", median, unit, name);
	put_time("mean", sum / (double)(int32_t)runs, unit, name);
	put_text("over ");
	put_integer(runs);
	put_text(" runs\n");
	return 1;
}

/* Each layer's shortest time over the repetitions: what disturbs one run does not show. */
static int measure_layers(program_buffers *b, uint64_t *best)
{
	enum { REPETITIONS = 20 };
	uint32_t n = adze_model.layer_count;
	uint64_t *stamps = sys_memory((n + 1) * sizeof *stamps);
	if (!stamps)
		return fail("out of memory", NULL, NULL);
	for (uint32_t i = 0; i < n; i++)
		best[i] = UINT64_MAX;
	for (int r = 0; r < REPETITIONS; r++) {
		adze_model.profile((const void *const *)b->input, b->output, b->arena, NULL,
			sys_now_ns, stamps);
		for (uint32_t i = 0; i < n; i++)
			if (stamps[i + 1] - stamps[i] < best[i])
				best[i] = stamps[i + 1] - stamps[i];
	}
	return 1;
}

int run_profile(program_buffers *b)
{
	uint32_t n = adze_model.layer_count;
	uint64_t *best = sys_memory((n + 1) * sizeof *best);
	double total = 0;
	if (!adze_model.profile)
		return fail("compiled without --profile support", NULL, NULL);
	if (!best || !measure_layers(b, best))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		total += from_ns(best[i]);
	for (uint32_t i = 0; i < n; i++) {
		const adze_layer *layer = &adze_model.layers[i];
		double ns = from_ns(best[i]);
		put_fixed(ns / 1e3, 3);
		put_text(" us  ");
		put_fixed(total > 0 ? 100 * ns / total : 0, 1);
		put_text(" %  ");
		put_padded(layer->kernel, 20);
		put_text(" ");
		put_text(layer->name);
		put_text("\n");
	}
	put_fixed(total / 1e3, 3);
	put_text(" us in all\n");
	return 1;
}
