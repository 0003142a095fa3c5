/* SPDX-License-Identifier: Apache-2.0
 *
 * Proves channel groups on a network: channels FILE.adz [SEED]
 *
 * 1. A third of the units of every group, chosen at random, have their weights and biases set to zero in
 *    one copy of the network and are removed from another: the interpreter must give the same numbers.
 * 2. Repeatable units are repeated at random: the outputs stay within 1e-5 of the largest. Only in float
 *    networks; weights on a grid cannot be halved.
 * 3. The units are sorted by random scores: the outputs stay within 1e-5 of the largest. Sums in another order differ
 *    in their last bit, which a quantizer may turn into a whole step: those of activations are left out then.
 *
 * The network is at stage canonical. Prints one line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/file.h"
#include "grammar/parse.h"
#include "ir/eval/eval.h"
#include "ir/verify.h"
#include "passes/channels.h"
#include "passes/sort_channels.h"

#define VALUES_MAX 64

static uint64_t state;

static uint32_t pick(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

static az_module *read_module(az_ctx *ctx, const char *path)
{
	az_bytes file;
	if (!az_file_map(ctx, path, &file))
		return NULL;
	const char *blobs = az_arena_printf(&ctx->arena, "%s.blobs", path);
	return az_parse_module(ctx, path, file.data, file.size, blobs);
}

static bool evaluate(az_ctx *ctx, const az_module *module, az_tensor *out)
{
	const az_func *main = az_module_main(module);
	az_tensor in[VALUES_MAX];
	uint64_t kept = state;
	state = 7;
	for (uint32_t i = 0; i < main->params.count; i++) {
		in[i] = az_tensor_new(&ctx->arena, main->params.v[i]->type);
		for (int64_t k = 0; k < az_type_numel(in[i].type); k++)
			az_tensor_set(&in[i], (uint64_t)k, (double)pick(2001) / 1000 - 1);
	}
	state = kept;
	return az_eval_func(main, &ctx->arena, in, out);
}

static bool is_layer(const az_op *op)
{
	return op && (op->code == AZ_OP_conv || op->code == AZ_OP_conv_transpose ||
			     op->code == AZ_OP_matmul);
}

/* The dequantize between a constant and its layer, if there is one. */
static const az_op *dequantize_of(const az_const *c)
{
	const az_op *user = c->value.uses->user;
	bool dequantized = user && user->code == AZ_OP_dequantize && c->value.uses->index == 0;
	return dequantized && user->results[0]->uses ? user : NULL;
}

/* The stored number that stands for zero there; zero points are per tensor or along one axis. */
static int64_t zero_at(const az_op *dequantize, uint64_t element)
{
	const az_value *zero = dequantize ? az_op_arg(dequantize, 2) : NULL;
	if (!zero)
		return 0;
	const az_type *type = dequantize->args[0].value->type;
	uint32_t axis = (uint32_t)az_axis_normalize(dequantize->attr.dequantize.axis, type->rank);
	uint64_t stride = 1;
	for (uint32_t d = axis + 1; d < type->rank; d++)
		stride *= (uint64_t)type->dim[d];
	bool single = az_type_numel(zero->type) == 1;
	return az_const_get_int(az_value_const(zero),
		single ? 0 : element / stride % (uint64_t)type->dim[axis]);
}

/* Sets the elements of weights and biases that belong to units without copies to zero. */
static void silence(const az_channels *ch, az_const *c, const uint8_t *copies)
{
	const az_type *type = c->value.type;
	const az_op *dequantize = c->value.uses ? dequantize_of(c) : NULL;
	const az_use *use = dequantize ? dequantize->results[0]->uses : c->value.uses;
	if (!use || !is_layer(use->user))
		return;
	void *data = az_arena_dup(&ch->module->arena, az_const_data(c), az_type_size(type));
	uint64_t stride = 1;
	for (uint32_t d = type->rank; d-- > 0;) {
		for (uint64_t i = 0; i < (uint64_t)az_type_numel(type); i++) {
			int64_t at = (int64_t)(i / stride % (uint64_t)type->dim[d]);
			uint32_t unit = ch->unit[az_channel_label(ch, &c->value, d, at)];
			if (unit != AZ_CHANNEL_FIXED && !copies[unit])
				az_bits_set(data, i, type->elem.bits,
					(uint64_t)zero_at(dequantize, i));
		}
		stride *= (uint64_t)type->dim[d];
	}
	c->data = data;
	c->splat = false;
	c->full = NULL;
	c->size_bytes = az_type_size(type);
}

/* Which units go or come, the same for every copy of the network. */
static uint8_t *choose(az_ctx *ctx, const az_channels *ch, uint64_t seed, bool widen,
	uint32_t *changed)
{
	uint8_t *copies = az_new_array(&ctx->arena, uint8_t, ch->unit_count + 1);
	state = seed;
	*changed = 0;
	for (uint32_t g = 0; g < ch->group_count; g++) {
		const az_channel_group *group = &ch->groups[g];
		for (uint32_t u = 0; u < group->units; u++) {
			/* The first unit stays, so that no dimension empties. */
			bool change = pick(3) == 0 && (widen ? group->repeatable : u > 0);
			copies[group->first_unit + u] = (uint8_t)(change ? (widen ? 2 : 0) : 1);
			*changed += change;
		}
	}
	return copies;
}

static double difference(const az_func *main, const az_tensor *a, const az_tensor *b)
{
	double most = 0, largest = 1e-30;
	for (uint32_t r = 0; r < main->results.count; r++) {
		if (a[r].type != b[r].type)
			return INFINITY;
		for (int64_t i = 0; i < az_type_numel(a[r].type); i++) {
			double x = az_tensor_get(&a[r], (uint64_t)i);
			double y = az_tensor_get(&b[r], (uint64_t)i);
			if (isnan(x) && isnan(y))
				continue;
			most = fmax(most, isnan(x - y) && x != y ? INFINITY : fabs(x - y));
			largest = fmax(largest, fabs(x));
		}
	}
	return most / largest;
}

/* The difference between the network with `copies` applied and one without, or with zeros. */
static bool compare(az_ctx *ctx, const az_module *module, uint64_t seed, bool widen, double *found,
	uint32_t *changed, uint32_t *units)
{
	az_module *plain = az_module_clone(module, false), *shaped = az_module_clone(module, false);
	az_tensor a[VALUES_MAX], b[VALUES_MAX];
	az_channels ch;
	az_channels_make(plain, &plain->arena, &ch);
	uint8_t *copies = choose(ctx, &ch, seed, widen, changed);
	*units = ch.unit_count;
	uint32_t consts = plain->consts.count;
	for (uint32_t i = 0; !widen && i < consts; i++)
		silence(&ch, plain->consts.v[i], copies);
	az_channels_make(shaped, &shaped->arena, &ch);
	bool ok = az_channels_resize(&ch, copies) && az_module_verify(shaped) &&
		  evaluate(ctx, plain, a) && evaluate(ctx, shaped, b);
	if (ok)
		*found = difference(az_module_main(plain), a, b);
	az_module_free(plain);
	az_module_free(shaped);
	return ok;
}

/* Values pass their quantizers as they are. */
static void drop_quantizers(az_module *module)
{
	for (az_op *op = az_module_main(module)->first; op; op = op->next) {
		const az_op *maker = az_value_op(op->args[0].value);
		if (op->code == AZ_OP_dequantize && maker && maker->code == AZ_OP_quantize)
			az_value_replace_uses(op->results[0], maker->args[0].value);
	}
}

static bool sorted(az_ctx *ctx, const az_module *module, uint64_t seed, double *found)
{
	az_module *plain = az_module_clone(module, false);
	az_module *shuffled = az_module_clone(module, false);
	az_tensor a[VALUES_MAX], b[VALUES_MAX];
	az_channels ch;
	az_channels_make(shuffled, &shuffled->arena, &ch);
	double *score = az_new_array(&shuffled->arena, double, ch.unit_count + 1u);
	state = seed;
	for (uint32_t u = 0; u < ch.unit_count; u++)
		score[u] = pick(1000);
	az_channels_sort(&ch, score);
	drop_quantizers(plain);
	drop_quantizers(shuffled);
	bool ok =
		az_module_verify(shuffled) && evaluate(ctx, plain, a) && evaluate(ctx, shuffled, b);
	if (ok)
		*found = difference(az_module_main(plain), a, b);
	az_module_free(plain);
	az_module_free(shuffled);
	return ok;
}

static bool is_quantized(const az_module *module)
{
	const az_op *op = az_module_main(module)->first;
	while (op && op->code != AZ_OP_dequantize)
		op = op->next;
	return op;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	az_ctx *ctx = az_ctx_new();
	az_module *module = read_module(ctx, argv[1]);
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	double removed = 0, widened = 0, moved = 0;
	uint32_t gone = 0, added = 0, units = 0;
	bool ok = module && az_module_verify(module) &&
		  compare(ctx, module, seed, false, &removed, &gone, &units) &&
		  (is_quantized(module) ||
			  compare(ctx, module, seed + 1, true, &widened, &added, &units)) &&
		  sorted(ctx, module, seed + 2, &moved);
	for (const az_message *m = ctx->diag.first; m; m = m->next)
		fputs(az_message_format(&ctx->arena, ctx, m), stderr);
	if (ok)
		printf("%u units: %u removed, difference %g; %u repeated, difference %.2g of the "
		       "largest; sorted, %.2g\n",
			units, gone, removed, added, widened, moved);
	ok = ok && removed == 0 && widened <= 1e-5 && moved <= 1e-5;
	if (module)
		az_module_free(module);
	az_ctx_free(ctx);
	return ok ? 0 : 1;
}
