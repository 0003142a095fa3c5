/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening an LLVM module for a target, functions with their attributes, code generation.
 *
 * No optimization pipeline runs: kernels are emitted as they should be (SSA, constant strides),
 * the code generator's own passes do the rest. Stack frames are learned from LLVM's frame-size
 * warnings, which the attribute "warn-stack-size"="0" asks for. */
#include "backend/llvm.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/features.h"

/* "stack frame size (N) exceeds limit (0) in function 'NAME'". NAME_profile is for measuring and
 * not counted. */
static void note_frame(az_llvm *llvm, const char *text)
{
	uint64_t bytes = strtoull(text + strlen("stack frame size ("), NULL, 10);
	const char *quote = strchr(text, '\'');
	const char *name = quote ? quote + 1 : "";
	size_t length = strcspn(name, "'"), suffix = strlen("_profile");
	if (length > suffix && memcmp(name + length - suffix, "_profile", suffix) == 0)
		return;
	if (llvm->frame_count < llvm->frame_room)
		llvm->frame[llvm->frame_count++] =
			(az_frame){az_hash_bytes(AZ_HASH_SEED, name, length), bytes};
	bool entry = llvm->entry && strlen(llvm->entry) == length &&
		     memcmp(name, llvm->entry, length) == 0;
	uint64_t *most = entry ? &llvm->entry_frame_bytes : &llvm->other_frame_bytes;
	*most = AZ_MAX(*most, bytes);
}

/* LLVM calls this from the middle of its work, so nothing here allocates from an arena (which might
 * jump): the first error is kept as text, frames as numbers. */
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *data)
{
	az_llvm *llvm = data;
	char *text = LLVMGetDiagInfoDescription(info);
	const char *frame = strstr(text, "stack frame size (");
	if (LLVMGetDiagInfoSeverity(info) == LLVMDSError) {
		if (!llvm->fault[0])
			(void)snprintf(llvm->fault, sizeof llvm->fault, "%s", text);
	} else if (frame) {
		note_frame(llvm, frame);
	}
	LLVMDisposeMessage(text);
}

static LLVMTargetMachineRef machine_new(const az_target *target)
{
	LLVMTargetRef handle = NULL;
	char *message = NULL;
	if (LLVMGetTargetFromTriple(target->triple, &handle, &message)) {
		LLVMDisposeMessage(message);
		return NULL;
	}
	LLVMTargetMachineOptionsRef options = LLVMCreateTargetMachineOptions();
	LLVMTargetMachineOptionsSetCPU(options, target->cpu);
	LLVMTargetMachineOptionsSetFeatures(options, target->features);
	if (target->abi && *target->abi)
		LLVMTargetMachineOptionsSetABI(options, target->abi);
	LLVMTargetMachineOptionsSetCodeGenOptLevel(options, LLVMCodeGenLevelDefault);
	LLVMTargetMachineOptionsSetRelocMode(options, LLVMRelocPIC);
	LLVMTargetMachineRef machine =
		LLVMCreateTargetMachineWithOptions(handle, target->triple, options);
	LLVMDisposeTargetMachineOptions(options);
	return machine;
}

static void set_types(az_emitter *e)
{
	e->i1 = LLVMInt1TypeInContext(e->llvm);
	e->i8 = LLVMInt8TypeInContext(e->llvm);
	e->i16 = LLVMInt16TypeInContext(e->llvm);
	e->i32 = LLVMInt32TypeInContext(e->llvm);
	e->i64 = LLVMInt64TypeInContext(e->llvm);
	e->f32 = LLVMFloatTypeInContext(e->llvm);
	e->f64 = LLVMDoubleTypeInContext(e->llvm);
	e->ptr = LLVMPointerTypeInContext(e->llvm, 0);
	e->void_type = LLVMVoidTypeInContext(e->llvm);
}

static void add_flag(az_emitter *e, LLVMModuleFlagBehavior behavior, const char *key,
	LLVMValueRef value)
{
	LLVMAddModuleFlag(e->module, behavior, key, strlen(key), LLVMValueAsMetadata(value));
}

/* What clang writes for -fPIC, and the ABI, which the linker checks. */
static void set_flags(az_emitter *e)
{
	add_flag(e, LLVMModuleFlagBehaviorOverride, "PIC Level", LLVMConstInt(e->i32, 2, 0));
	if (e->target->arch == AZ_ARCH_RISCV64)
		LLVMAddModuleFlag(e->module, LLVMModuleFlagBehaviorError, "target-abi",
			strlen("target-abi"),
			LLVMMDStringInContext2(e->llvm, e->target->abi, strlen(e->target->abi)));
}

bool az_llvm_open(az_llvm *llvm, az_ctx *ctx, const az_target *target, bool fast, const char *name)
{
	az_llvm_init();
	*llvm = (az_llvm){.e = {.ctx = ctx, .target = target, .fast = fast}};
	llvm->machine = machine_new(target);
	if (!llvm->machine)
		return az_error(ctx, AZ_LOC_NONE, "this LLVM cannot make code for \"%s\"",
			target->triple);
	az_emitter *e = &llvm->e;
	e->llvm = LLVMContextCreate();
	LLVMContextSetDiagnosticHandler(e->llvm, on_diagnostic, llvm);
	e->module = LLVMModuleCreateWithNameInContext(name, e->llvm);
	e->b = LLVMCreateBuilderInContext(e->llvm);
	set_types(e);
	LLVMSetTarget(e->module, target->triple);
	LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(llvm->machine);
	LLVMSetModuleDataLayout(e->module, layout);
	LLVMDisposeTargetData(layout);
	set_flags(e);
	return true;
}

void az_llvm_close(az_llvm *llvm)
{
	if (llvm->e.b)
		LLVMDisposeBuilder(llvm->e.b);
	if (llvm->e.module)
		LLVMDisposeModule(llvm->e.module);
	if (llvm->e.llvm)
		LLVMContextDispose(llvm->e.llvm);
	if (llvm->machine)
		LLVMDisposeTargetMachine(llvm->machine);
	*llvm = (az_llvm){0};
}

static void add_attr(az_emitter *e, LLVMValueRef func, LLVMAttributeIndex index, const char *name)
{
	unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
	LLVMAddAttributeAtIndex(func, index, LLVMCreateEnumAttribute(e->llvm, kind, 0));
}

static void add_text_attr(az_emitter *e, LLVMValueRef func, const char *key, const char *value)
{
	LLVMAttributeRef attr = LLVMCreateStringAttribute(e->llvm, key, (unsigned)strlen(key),
		value, (unsigned)strlen(value));
	LLVMAddAttributeAtIndex(func, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attr);
}

LLVMValueRef az_llvm_function(az_llvm *llvm, const char *symbol, LLVMTypeRef type, bool internal)
{
	az_emitter *e = &llvm->e;
	LLVMValueRef func = LLVMAddFunction(e->module, symbol, type);
	LLVMSetLinkage(func, internal ? LLVMInternalLinkage : LLVMExternalLinkage);
	add_attr(e, func, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, "nounwind");
	add_text_attr(e, func, "target-cpu", e->target->cpu);
	if (*e->target->features)
		add_text_attr(e, func, "target-features", e->target->features);
	add_text_attr(e, func, "warn-stack-size", "0");
	if (e->target->vector_bytes == 64) /* some AVX-512 CPUs are tuned for 256 bits otherwise */
		add_text_attr(e, func, "prefer-vector-width", "512");
	e->func = func;
	LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->llvm, func, ""));
	return func;
}

LLVMTypeRef az_llvm_kernel_type(az_llvm *llvm, const az_func *func)
{
	LLVMTypeRef params[2 * AZ_ARGS_MAX];
	uint32_t count = func->params.count + func->results.count;
	for (uint32_t i = 0; i < count; i++)
		params[i] = llvm->e.ptr;
	return LLVMFunctionType(llvm->e.void_type, params, count, 0);
}

LLVMValueRef az_llvm_kernel(az_llvm *llvm, const char *symbol, const az_func *func,
	const az_kernel *kernel, const az_tile *tile, bool in_place)
{
	az_emitter *e = &llvm->e;
	LLVMValueRef made = az_llvm_function(llvm, symbol, az_llvm_kernel_type(llvm, func), true);
	LLVMValueRef params[2 * AZ_ARGS_MAX];
	uint32_t count = func->params.count + func->results.count;
	for (uint32_t i = 0; i < count; i++) {
		params[i] = LLVMGetParam(made, i);
		if (!in_place)
			add_attr(e, made, i + 1, "noalias");
	}
	if (!kernel->emit(e, func, tile, params))
		return NULL;
	if (!LLVMGetBasicBlockTerminator(LLVMGetInsertBlock(e->b)))
		LLVMBuildRetVoid(e->b);
	return made;
}

static bool check(az_llvm *llvm)
{
	char *message = NULL;
	bool bad = LLVMVerifyModule(llvm->e.module, LLVMReturnStatusAction, &message);
	if (bad)
		(void)az_error(llvm->e.ctx, AZ_LOC_NONE, "emitted code is not well formed: %s",
			message);
	LLVMDisposeMessage(message);
	return !bad;
}

/* --- Code generation ------------------------------------------------------------------------ */

/* LLVM ends the process when it cannot select an instruction. Nothing emitted should come to that,
 * but CPUs and features may be combined in ways nobody tried, so its handler jumps back here. What
 * LLVM held at that moment is lost: the module is abandoned, not freed. */
static _Thread_local jmp_buf *fatal_jump;
static _Thread_local char fatal_text[256];

static void on_fatal(const char *reason)
{
	if (!fatal_jump)
		return;
	(void)snprintf(fatal_text, sizeof fatal_text, "%.*s", (int)strcspn(reason, "\n"), reason);
	longjmp(*fatal_jump, 1);
}

static bool generate(az_llvm *llvm, LLVMCodeGenFileType type, char **message,
	LLVMMemoryBufferRef *buffer)
{
	jmp_buf jump;
	if (setjmp(jump)) {
		fatal_jump = NULL;
		LLVMResetFatalErrorHandler();
		llvm->e.module = NULL;
		llvm->e.b = NULL;
		llvm->e.llvm = NULL;
		llvm->machine = NULL;
		(void)snprintf(llvm->fault, sizeof llvm->fault, "%s", fatal_text);
		return false;
	}
	fatal_jump = &jump;
	LLVMInstallFatalErrorHandler(on_fatal);
	bool failed = LLVMTargetMachineEmitToMemoryBuffer(llvm->machine, llvm->e.module, type,
		message, buffer);
	LLVMResetFatalErrorHandler();
	fatal_jump = NULL;
	return !failed;
}

/* Room for what note_frame, which must not allocate, will note. */
static void make_frames(az_llvm *llvm, az_arena *arena)
{
	llvm->frame_count = llvm->frame_room = 0;
	for (LLVMValueRef f = LLVMGetFirstFunction(llvm->e.module); f; f = LLVMGetNextFunction(f))
		llvm->frame_room++;
	llvm->frame = az_new_array(arena, az_frame, llvm->frame_room + 1);
}

uint64_t az_llvm_frame(const az_llvm *llvm, const char *symbol)
{
	uint64_t name = az_hash_bytes(AZ_HASH_SEED, symbol, strlen(symbol));
	for (uint32_t i = 0; i < llvm->frame_count; i++)
		if (llvm->frame[i].name == name)
			return llvm->frame[i].bytes;
	return 0;
}

bool az_llvm_codegen(az_llvm *llvm, az_code code, az_arena *arena, const void **data, size_t *size)
{
	if (!check(llvm))
		return false;
	make_frames(llvm, arena);
	LLVMSetTargetMachineAsmVerbosity(llvm->machine, code == AZ_CODE_ASM_COMMENTED);
	LLVMMemoryBufferRef buffer = NULL;
	char *message = NULL;
	bool ok = generate(llvm, code == AZ_CODE_OBJECT ? LLVMObjectFile : LLVMAssemblyFile,
		&message, &buffer);
	if (!ok || llvm->fault[0]) {
		(void)az_error(llvm->e.ctx, AZ_LOC_NONE, "code generation failed: %s",
			llvm->fault[0] ? llvm->fault : message);
		if (message)
			LLVMDisposeMessage(message);
		if (buffer)
			LLVMDisposeMemoryBuffer(buffer);
		return false;
	}
	*size = LLVMGetBufferSize(buffer);
	void *copy = az_arena_alloc(arena, *size + 1, 8);
	memcpy(copy, LLVMGetBufferStart(buffer), *size);
	*data = copy;
	LLVMDisposeMemoryBuffer(buffer);
	return true;
}

char *az_llvm_print(az_llvm *llvm, az_arena *arena)
{
	char *text = LLVMPrintModuleToString(llvm->e.module);
	char *copy = az_arena_copy(arena, text, strlen(text));
	LLVMDisposeMessage(text);
	return copy;
}
