/* SPDX-License-Identifier: Apache-2.0
 *
 * From a triple, a CPU and attributes to an az_target. What LLVM is told is written out in full
 * (normalized triple, CPU name, feature list) and is what the module's header records, so that
 * asking again with the recorded texts gives the same target on any machine. */
#include "backend/target.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <string.h>

#include "backend/features.h"
#include "base/text.h"
#include "base/vec.h"

typedef struct family {
	az_arch arch;
	const char *word, *name, *triple, *cpu, *base, *required, *abi, *runtime;
} family;

/* clang-format off */
static const family families[] = {
#define FAMILY(arch, word, name, triple, cpu, base, required, abi, runtime) \
	{AZ_ARCH_##arch, word, name, triple, cpu, base, required, abi, runtime},
#include "backend/targets.def"
};

static const az_target_row rows[] = {
#define TARGET(name, triple, cpu, attrs, doc) {name, triple, cpu, attrs, doc},
#include "backend/targets.def"
};

typedef struct cpu_feature {
	az_arch arch;
	const char *name;
	uint32_t bit;
} cpu_feature;

#define AZ_ARCH_x86_64  AZ_ARCH_X86_64
#define AZ_ARCH_aarch64 AZ_ARCH_AARCH64
#define AZ_ARCH_arm     AZ_ARCH_ARM
#define AZ_ARCH_riscv64 AZ_ARCH_RISCV64
static const cpu_feature cpu_features[] = {
#define CPU(architecture, feature, bit) {AZ_ARCH_##architecture, feature, bit},
#include "runtime/cpu.def"
};
/* clang-format on */

bool az_target_row_get(uint32_t index, az_target_row *out)
{
	if (index >= AZ_COUNT(rows))
		return false;
	*out = rows[index];
	return true;
}

const char *az_dot_name(az_dot dot)
{
	static const char *const words[] = {
		[AZ_DOT_GENERIC] = "generic",
		[AZ_DOT_SSE2] = "sse2",
		[AZ_DOT_AVX2] = "avx2",
		[AZ_DOT_VNNI128] = "vnni128",
		[AZ_DOT_VNNI256] = "vnni256",
		[AZ_DOT_VNNI512] = "vnni512",
		[AZ_DOT_AVX512BW] = "avx512bw",
		[AZ_DOT_NEON] = "neon",
		[AZ_DOT_NEON_DOT] = "dotprod",
		[AZ_DOT_NEON_I8MM] = "i8mm",
		[AZ_DOT_RVV] = "rvv",
	};
	return words[dot];
}

uint32_t az_float_lanes(const az_target *target, bool fast)
{
	return target->arch == AZ_ARCH_ARM && !fast ? 1 : target->vector_bytes / 4;
}

/* --- Triples -------------------------------------------------------------------------------- */

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static const family *family_of(const char *triple)
{
	size_t length = strcspn(triple, "-");
	for (size_t i = 0; i < AZ_COUNT(families); i++)
		if (starts(triple, families[i].word) &&
			(strlen(families[i].word) == length || families[i].arch == AZ_ARCH_ARM))
			return &families[i];
	return NULL;
}

static bool refuse_triple(az_ctx *ctx, const char *triple, const char *why)
{
	az_text list = {.arena = &ctx->arena};
	for (size_t i = 0; i < AZ_COUNT(rows); i++)
		if (i == 0 || strcmp(rows[i].triple, rows[i - 1].triple) != 0)
			az_text_add(&list, "%s%s", i ? ", " : "", rows[i].triple);
	return az_error(ctx, AZ_LOC_NONE, "%s \"%s\"; there is code for %s", why, triple, list.v);
}

/* The last part decides how floats are passed and how large pointers are: only the ordinary
 * environments are taken. */
static bool environment_known(const family *f, const char *normalized)
{
	const char *environment = strrchr(normalized, '-') + 1;
	if (f->arch == AZ_ARCH_ARM)
		return strcmp(environment, "gnueabihf") == 0 ||
		       strcmp(environment, "musleabihf") == 0 || strcmp(environment, "eabihf") == 0;
	return strcmp(environment, "gnu") == 0 || strcmp(environment, "musl") == 0 ||
	       strcmp(environment, "elf") == 0;
}

/* Normalized, with the family's own environment where none is stated. NULL after reporting. */
static const char *normalize(az_ctx *ctx, const family *f, const char *triple)
{
	char *made = LLVMNormalizeTargetTriple(triple);
	char *text = az_arena_copy(&ctx->arena, made, strlen(made));
	LLVMDisposeMessage(made);
	const char *vendor = strchr(text, '-');
	const char *system = vendor ? strchr(vendor + 1, '-') : NULL;
	bool bare = !system; /* "x86_64" alone */
	if (!bare && !starts(system + 1, "linux")) {
		(void)refuse_triple(ctx, triple, "unknown system in triple");
		return NULL;
	}
	if (bare)
		return f->triple;
	const char *environment = strchr(system + 1, '-');
	if (!environment)
		text = az_arena_printf(&ctx->arena, "%s-%s", text, strrchr(f->triple, '-') + 1);
	if (environment_known(f, text))
		return text;
	(void)refuse_triple(ctx, triple, "unsupported environment in triple");
	return NULL;
}

/* --- Features ------------------------------------------------------------------------------- */

typedef AZ_VEC(const char *) feature_list;

/* "+f" or "-f"; a later mention of f replaces the earlier one. */
static void add_feature(az_arena *arena, feature_list *list, const char *signed_name)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (strcmp(list->v[i] + 1, signed_name + 1) == 0) {
			list->v[i] = signed_name;
			return;
		}
	}
	az_vec_push(arena, list, signed_name);
}

static bool add_features(az_ctx *ctx, feature_list *list, const char *text)
{
	for (const char *at = text; *at;) {
		size_t length = strcspn(at, ",");
		if (length < 2 || (*at != '+' && *at != '-'))
			return az_error(ctx, AZ_LOC_NONE,
				"attribute \"%.*s\" is neither +FEATURE nor -FEATURE", (int)length,
				at);
		add_feature(&ctx->arena, list, az_arena_copy(&ctx->arena, at, length));
		at += length + (at[length] == ',');
	}
	return true;
}

static char *join(az_arena *arena, const feature_list *list)
{
	az_text text = {.arena = arena};
	az_text_add(&text, "%s", "");
	for (uint32_t i = 0; i < list->count; i++)
		az_text_add(&text, "%s%s", i ? "," : "", list->v[i]);
	return text.v;
}

/* Which of the features of runtime/cpu.def the CPU with these features has, as bits. */
static bool feature_bits(az_ctx *ctx, az_arch arch, const char *triple, const char *cpu,
	const char *features, uint32_t *bits)
{
	const char *name[AZ_COUNT(cpu_features)];
	uint32_t bit[AZ_COUNT(cpu_features)], count = 0;
	bool has[AZ_COUNT(cpu_features)];
	for (size_t i = 0; i < AZ_COUNT(cpu_features); i++) {
		if (cpu_features[i].arch != arch)
			continue;
		bit[count] = cpu_features[i].bit;
		name[count++] = cpu_features[i].name;
	}
	if (!az_features_query(ctx, triple, cpu, features, count, name, has))
		return false;
	*bits = 0;
	for (uint32_t i = 0; i < count; i++)
		*bits |= has[i] ? UINT32_C(1) << bit[i] : 0;
	return true;
}

static bool has(const az_target *target, const char *feature)
{
	for (size_t i = 0; i < AZ_COUNT(cpu_features); i++)
		if (cpu_features[i].arch == target->arch &&
			strcmp(cpu_features[i].name, feature) == 0)
			return target->cpu_check >> cpu_features[i].bit & 1;
	return false;
}

/* --- This machine --------------------------------------------------------------------------- */

typedef struct host {
	const family *family;
	const char *triple, *cpu;
	uint32_t bits; /* features that it really has */
} host;

/* "+name" in the host's own list: LLVM reads it from the processor, so that features switched off
 * by a hypervisor are missing although the CPU's name implies them. */
static uint32_t host_bits(az_arch arch, const char *list)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < AZ_COUNT(cpu_features); i++) {
		size_t n = strlen(cpu_features[i].name);
		for (const char *at = list; (at = strstr(at, cpu_features[i].name)); at += n)
			if (cpu_features[i].arch == arch && at > list && at[-1] == '+' &&
				(at[n] == ',' || at[n] == 0))
				bits |= UINT32_C(1) << cpu_features[i].bit;
	}
	return bits;
}

static bool host_get(az_ctx *ctx, host *out)
{
	char *triple = LLVMGetDefaultTargetTriple(), *cpu = LLVMGetHostCPUName();
	char *features = LLVMGetHostCPUFeatures();
	out->family = family_of(triple);
	bool ok = out->family != NULL;
	if (ok) {
		out->triple = normalize(ctx, out->family, triple);
		out->cpu = az_name_of(ctx, cpu);
		out->bits = host_bits(out->family->arch, features);
		ok = out->triple != NULL;
	}
	LLVMDisposeMessage(triple);
	LLVMDisposeMessage(cpu);
	LLVMDisposeMessage(features);
	return ok;
}

/* The CPU's name with what this machine has more or less of than the name says. */
static bool add_host_features(az_ctx *ctx, const host *h, feature_list *list)
{
	uint32_t named = 0;
	az_arch arch = h->family->arch;
	if (!feature_bits(ctx, arch, h->triple, h->cpu, join(&ctx->arena, list), &named))
		return false;
	for (size_t i = 0; i < AZ_COUNT(cpu_features); i++) {
		uint32_t bit = UINT32_C(1) << cpu_features[i].bit;
		if (cpu_features[i].arch == arch && ((named ^ h->bits) & bit))
			add_feature(&ctx->arena, list,
				az_arena_printf(&ctx->arena, "%c%s", h->bits & bit ? '+' : '-',
					cpu_features[i].name));
	}
	return true;
}

/* --- The target ----------------------------------------------------------------------------- */

static void set_x86(az_target *t)
{
	bool wide =
		has(t, "avx512f") && has(t, "avx512bw") && has(t, "avx512dq") && has(t, "avx512vl");
	t->vector_bytes = wide ? 64 : has(t, "avx2") ? 32 : 16;
	t->vector_registers = wide ? 32 : 16;
	t->has_fma = has(t, "fma");
	t->counts_bytes = wide && has(t, "avx512bitalg");
	t->counts_words = wide && has(t, "avx512vpopcntdq");
	if (wide) {
		t->dot = has(t, "avx512vnni") ? AZ_DOT_VNNI512 : AZ_DOT_AVX512BW;
	} else if (has(t, "avx2")) {
		/* The same instruction in two encodings. */
		bool vnni = has(t, "avxvnni") || (has(t, "avx512vnni") && has(t, "avx512vl"));
		t->dot = vnni ? AZ_DOT_VNNI256 : AZ_DOT_AVX2;
	} else {
		t->dot = AZ_DOT_SSE2;
	}
}

static void set_vectors(az_target *t)
{
	t->vector_bytes = 16;
	t->vector_registers = 32;
	t->has_fma = true;
	switch (t->arch) {
	case AZ_ARCH_X86_64:
		set_x86(t);
		break;
	case AZ_ARCH_AARCH64:
		t->dot = has(t, "i8mm") && has(t, "dotprod") ? AZ_DOT_NEON_I8MM
			 : has(t, "dotprod")                 ? AZ_DOT_NEON_DOT
							     : AZ_DOT_NEON;
		t->counts_bytes = true;
		break;
	case AZ_ARCH_ARM:
		t->dot = AZ_DOT_NEON;
		t->counts_bytes = true;
		t->vector_registers = 16;
		t->has_fma = has(t, "vfp4");
		break;
	case AZ_ARCH_RISCV64:
		t->dot = has(t, "v") ? AZ_DOT_RVV : AZ_DOT_GENERIC;
		t->vector_bytes = has(t, "v") ? 16 : 4;
		break;
	}
}

static bool has_required(az_ctx *ctx, const family *f, const az_target *t)
{
	bool found = false;
	if (!az_features_query(ctx, t->triple, t->cpu, t->features, 1, &f->required, &found))
		return false;
	return found || az_error(ctx, AZ_LOC_NONE,
				"%s code needs the feature \"%s\", which CPU \"%s\" lacks here",
				f->name, f->required, t->cpu);
}

/* CPU names that need no checking: those of the tables, and what LLVM itself called this machine. */
static bool cpu_known(const family *f, const char *cpu, const host *h)
{
	if (strcmp(cpu, f->cpu) == 0 ||
		(h && h->family->arch == f->arch && strcmp(cpu, h->cpu) == 0))
		return true;
	for (size_t i = 0; i < AZ_COUNT(rows); i++)
		if (family_of(rows[i].triple)->arch == f->arch && strcmp(rows[i].cpu, cpu) == 0)
			return true;
	return false;
}

static bool features_known(const family *f, const feature_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		bool known = list->v[i][0] == '+' && strstr(f->base, list->v[i]);
		for (size_t k = 0; !known && k < AZ_COUNT(cpu_features); k++)
			known = cpu_features[k].arch == f->arch &&
				strcmp(cpu_features[k].name, list->v[i] + 1) == 0;
		if (!known)
			return false;
	}
	return true;
}

/* AVX-512 without the VL extension is given up: LLVM 19 fails to select code for shorter vectors. */
static bool set_bits(az_ctx *ctx, const family *f, az_target *t, feature_list *list)
{
	if (!feature_bits(ctx, f->arch, t->triple, t->cpu, t->features, &t->cpu_check))
		return false;
	if (t->arch != AZ_ARCH_X86_64 || !has(t, "avx512f") || has(t, "avx512vl"))
		return true;
	add_feature(&ctx->arena, list, "-avx512f");
	t->features = az_name_of(ctx, join(&ctx->arena, list));
	return feature_bits(ctx, f->arch, t->triple, t->cpu, t->features, &t->cpu_check);
}

static const az_target *build(az_ctx *ctx, const family *f, const host *h, const char *triple,
	const char *cpu, const char *attrs)
{
	feature_list list = {0};
	bool is_native = strcmp(cpu, "native") == 0;
	if (is_native)
		cpu = h->cpu;
	else if (strcmp(cpu, "generic") == 0)
		cpu = f->cpu;
	if (!add_features(ctx, &list, f->base) ||
		(is_native && !add_host_features(ctx, h, &list)) ||
		!add_features(ctx, &list, attrs))
		return NULL;
	az_target *t = az_new(&ctx->arena, az_target);
	*t = (az_target){.triple = az_name_of(ctx, triple),
		.cpu = az_name_of(ctx, cpu),
		.features = az_name_of(ctx, join(&ctx->arena, &list)),
		.abi = f->abi,
		.arch = f->arch,
		.pointer_bytes = f->arch == AZ_ARCH_ARM ? 4 : 8,
		.runtime = f->runtime};
	bool checked = cpu_known(f, t->cpu, h) && features_known(f, &list);
	if (!checked && !az_features_check(ctx, t->triple, t->cpu, t->features))
		return NULL;
	if (!has_required(ctx, f, t) || !set_bits(ctx, f, t, &list))
		return NULL;
	t->native = h && h->family->arch == f->arch && (t->cpu_check & ~h->bits) == 0;
	set_vectors(t);
	return t;
}

static const az_target *get(az_ctx *ctx, const char *triple, const char *cpu, const char *attrs)
{
	az_llvm_init();
	host here = {0};
	bool have_host = host_get(ctx, &here);
	if (!triple && !have_host) {
		(void)az_error(ctx, AZ_LOC_NONE,
			"there is no code for this machine; name a target");
		return NULL;
	}
	const family *f = triple ? family_of(triple) : here.family;
	if (!f) {
		(void)refuse_triple(ctx, triple, "unknown target");
		return NULL;
	}
	const char *normalized = triple ? normalize(ctx, f, triple) : here.triple;
	if (!normalized)
		return NULL;
	if (!cpu)
		cpu = triple ? f->cpu : "native";
	if (strcmp(cpu, "native") == 0 && (!have_host || here.family->arch != f->arch)) {
		(void)az_error(ctx, AZ_LOC_NONE,
			"CPU \"native\" is this machine's, which is not \"%s\"", normalized);
		return NULL;
	}
	return build(ctx, f, have_host ? &here : NULL, normalized, cpu, attrs ? attrs : "");
}

const az_target *az_target_get(az_ctx *ctx, const char *triple, const char *cpu, const char *attrs)
{
	AZ_GUARD(ctx, return NULL);
	const az_target *target = get(ctx, triple, cpu, attrs);
	AZ_UNGUARD(ctx);
	return target;
}
