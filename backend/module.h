/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering a placed module to one LLVM module: kernel functions, constants, and
 *     int NAME_run(const void *const inputs[], void *const outputs[], void *arena, const void *pool)
 * with, on request, NAME_profile and the description that executables carry (runtime/model.h). */
#ifndef AZ_BACKEND_MODULE_H
#define AZ_BACKEND_MODULE_H

#include "backend/constants.h"
#include "backend/cost_table.h"
#include "backend/kept.h"
#include "base/file.h"
#include "ir/cost.h"

typedef struct az_lower_options {
	const char *name; /* prefix of symbols: a C identifier */
	bool profile;     /* NAME_profile as well */
	bool describe;    /* adze_model; needs profile */
	bool kept;        /* kernels stay in the objects that the context keeps, where it does */
	const char *info; /* text in adze_model; may be NULL */
	uint32_t argument_count; /* options that the executable begins with */
	const char *const *arguments;
} az_lower_options;

/* A constant operand of a layer, by the symbol that holds it. */
typedef struct az_layer_constant {
	uint32_t layer;
	bool weights;
	az_name symbol;
} az_layer_constant;

typedef struct az_lowered {
	az_llvm llvm;
	const char *prefix;   /* of the names of all symbols */
	uint32_t layer_count; /* one per call of main, in order */
	az_layer_cost *layer; /* bytes and seconds not filled in */
	az_name *symbol;      /* of the kernel function of each layer */
	AZ_VEC(az_layer_constant) constants;
	az_kept_list kept; /* the kernels that stand in objects of their own, each once */
	uint64_t macs, weight_bytes;
} az_lowered;

/* In the arena, but for LLVM's own memory: az_llvm_close(&out->llvm) also after failure. Reports. */
bool az_module_lower(const az_module *module, const az_target *target,
	const az_lower_options *options, az_arena *arena, az_lowered *out) AZ_NODISCARD;

/* Records of adze_model; no part of the network. */
#define AZ_INFO_SECTION ".data.rel.ro.adze_info"

/* Adds the constant adze_model. */
void az_model_describe(az_lowered *lowered, const az_module *module,
	const az_lower_options *options, LLVMValueRef run, LLVMValueRef profile, az_arena *arena);

/* The costs of a lowered module from the object made of it; what only executables carry (the
 * description, NAME_profile) is not counted. Rates are those of the table (NULL: the built-in one). In
 * the arena. Reports. */
bool az_cost_read(const az_module *module, az_lowered *lowered, az_bytes object,
	const az_cost_table *table, az_arena *arena, az_cost *out) AZ_NODISCARD;

#endif
