/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking LLVM about CPUs.
 *
 * What a CPU implies: an empty function of the CPU calls, for each feature, an empty function of
 * the same CPU with the feature added. LLVM's inliner removes a call exactly when the callee
 * needs nothing that the caller lacks, so the calls that are left name the missing features.
 *
 * What exists: the CPU name "help" makes LLVM print its lists on standard error; a child process
 * with a pipe there does it, then builds a function for the real CPU, which aborts if the CPU
 * cannot run code of this triple (a 32-bit CPU for a 64-bit triple). */
#include "backend/features.h"

#include <errno.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/vec.h"

void az_llvm_init(void)
{
#define INIT(name)                                                                                 \
	LLVMInitialize##name##TargetInfo();                                                        \
	LLVMInitialize##name##Target();                                                            \
	LLVMInitialize##name##TargetMC();                                                          \
	LLVMInitialize##name##AsmPrinter()
	INIT(X86);
	INIT(AArch64);
	INIT(ARM);
	INIT(RISCV);
#undef INIT
}

static LLVMTargetMachineRef machine(const char *triple, const char *cpu, const char *features)
{
	LLVMTargetRef target = NULL;
	char *message = NULL;
	if (LLVMGetTargetFromTriple(triple, &target, &message)) {
		LLVMDisposeMessage(message);
		return NULL;
	}
	return LLVMCreateTargetMachine(target, triple, cpu, features, LLVMCodeGenLevelDefault,
		LLVMRelocPIC, LLVMCodeModelDefault);
}

static void set_attr(LLVMContextRef llvm, LLVMValueRef func, const char *key, const char *value)
{
	LLVMAttributeRef attr = LLVMCreateStringAttribute(llvm, key, (unsigned)strlen(key), value,
		(unsigned)strlen(value));
	LLVMAddAttributeAtIndex(func, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attr);
}

static LLVMValueRef empty_function(LLVMModuleRef module, LLVMBuilderRef b, const char *name,
	const char *cpu, const char *features)
{
	LLVMContextRef llvm = LLVMGetModuleContext(module);
	LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(llvm), NULL, 0, 0);
	LLVMValueRef func = LLVMAddFunction(module, name, type);
	LLVMSetLinkage(func, LLVMInternalLinkage);
	set_attr(llvm, func, "target-cpu", cpu);
	set_attr(llvm, func, "target-features", features);
	LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(llvm, func, ""));
	LLVMBuildRetVoid(b);
	return func;
}

static void callee_name(char out[16], uint32_t i)
{
	(void)snprintf(out, 16, "f%u", i);
}

static void build_calls(LLVMModuleRef module, az_arena *arena, const char *cpu,
	const char *features, uint32_t count, const char *const *name)
{
	LLVMBuilderRef b = LLVMCreateBuilderInContext(LLVMGetModuleContext(module));
	LLVMValueRef caller = empty_function(module, b, "caller", cpu, features);
	LLVMSetLinkage(caller, LLVMExternalLinkage);
	for (uint32_t i = 0; i < count; i++) {
		char label[16];
		callee_name(label, i);
		LLVMValueRef callee = empty_function(module, b, label, cpu,
			az_arena_printf(arena, "%s%s+%s", features, *features ? "," : "", name[i]));
		LLVMPositionBuilderBefore(b,
			LLVMGetBasicBlockTerminator(LLVMGetEntryBasicBlock(caller)));
		LLVMBuildCall2(b, LLVMGlobalGetValueType(callee), callee, NULL, 0, "");
	}
	LLVMDisposeBuilder(b);
}

static bool inline_calls(LLVMModuleRef module, LLVMTargetMachineRef m)
{
	LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
	LLVMErrorRef error = LLVMRunPasses(module, "cgscc(inline)", m, options);
	LLVMDisposePassBuilderOptions(options);
	if (error)
		LLVMConsumeError(error);
	return !error;
}

/* A callee whose only call was inlined is deleted by the pass. */
static void read_calls(LLVMModuleRef module, uint32_t count, bool *has)
{
	for (uint32_t i = 0; i < count; i++) {
		char label[16];
		callee_name(label, i);
		has[i] = LLVMGetNamedFunction(module, label) == NULL;
	}
}

bool az_features_query(az_ctx *ctx, const char *triple, const char *cpu, const char *features,
	uint32_t count, const char *const *name, bool *has)
{
	LLVMTargetMachineRef m = machine(triple, cpu, features);
	if (!m)
		return az_error(ctx, AZ_LOC_NONE, "this LLVM cannot make code for \"%s\"", triple);
	LLVMContextRef llvm = LLVMContextCreate();
	LLVMModuleRef module = LLVMModuleCreateWithNameInContext("features", llvm);
	LLVMSetTarget(module, triple);
	build_calls(module, &ctx->arena, cpu, features, count, name);
	bool ok = inline_calls(module, m);
	if (ok)
		read_calls(module, count, has);
	LLVMDisposeModule(module);
	LLVMContextDispose(llvm);
	LLVMDisposeTargetMachine(m);
	return ok || az_error(ctx, AZ_LOC_NONE, "cannot find out the features of \"%s\"", cpu);
}

/* --- Names, in a child process -------------------------------------------------------------- */

/* Never returns; what LLVM prints goes into `out`. */
static void child(int out, const char *triple, const char *cpu, const char *features)
{
	if (dup2(out, STDERR_FILENO) < 0)
		_exit(2);
	LLVMTargetMachineRef m = machine(triple, "help", "");
	if (!m)
		_exit(2);
	/* Lists printed; from here on LLVM may abort. */
	(void)!write(STDERR_FILENO, "\n\f\n", 3);
	m = machine(triple, cpu, features);
	LLVMContextRef llvm = LLVMContextCreate();
	LLVMModuleRef module = LLVMModuleCreateWithNameInContext("check", llvm);
	LLVMSetTarget(module, triple);
	LLVMBuilderRef b = LLVMCreateBuilderInContext(llvm);
	(void)empty_function(module, b, "f", cpu, features);
	LLVMMemoryBufferRef object = NULL;
	char *message = NULL;
	_exit(LLVMTargetMachineEmitToMemoryBuffer(m, module, LLVMObjectFile, &message, &object)
			? 1
			: 0);
}

static bool read_all(int in, az_text *out)
{
	char buffer[4096];
	for (;;) {
		ssize_t n = read(in, buffer, sizeof buffer);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		az_text_add_bytes(out, buffer, (size_t)n);
	}
}

/* The child's text; *usable tells whether it survived. */
static bool ask_child(az_ctx *ctx, const char *triple, const char *cpu, const char *features,
	az_text *text, bool *usable)
{
	int pipe_ends[2];
	if (pipe(pipe_ends) != 0)
		return az_error(ctx, AZ_LOC_NONE, "cannot make a pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		child(pipe_ends[1], triple, cpu, features);
	(void)close(pipe_ends[1]);
	bool ok = pid > 0 && read_all(pipe_ends[0], text);
	(void)close(pipe_ends[0]);
	int status = 1;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	*usable = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return ok || az_error(ctx, AZ_LOC_NONE, "cannot run a child process: %s", strerror(errno));
}

typedef struct names {
	const char *at, *end;
	char word[64];
} names;

/* Lines of a list are "  name   - description". */
static const char *next_name(void *state)
{
	names *n = state;
	while (n->at < n->end) {
		const char *line = n->at, *stop = memchr(line, '\n', (size_t)(n->end - line));
		n->at = stop ? stop + 1 : n->end;
		if (line + 2 >= n->end || line[0] != ' ' || line[1] != ' ' || line[2] == ' ')
			continue;
		size_t length = strcspn(line + 2, " \n");
		if (length >= sizeof n->word)
			continue;
		memcpy(n->word, line + 2, length);
		n->word[length] = 0;
		return n->word;
	}
	return NULL;
}

static bool listed(names list, const char *word)
{
	for (const char *name; (name = next_name(&list));)
		if (strcmp(name, word) == 0)
			return true;
	return false;
}

/* az_nearest_word keeps the pointers it is given, so the names are copied out first. */
typedef struct copies {
	AZ_VEC(const char *) name;
	uint32_t at;
} copies;

static const char *next_copy(void *state)
{
	copies *c = state;
	return c->at < c->name.count ? c->name.v[c->at++] : NULL;
}

static bool unknown(az_ctx *ctx, names list, const char *what, const char *word, const char *triple)
{
	copies c = {0};
	for (const char *name; (name = next_name(&list));)
		az_vec_push(&ctx->arena, &c.name, az_arena_copy(&ctx->arena, name, strlen(name)));
	const char *near = az_nearest_word(word, next_copy, &c);
	if (near)
		return az_error(ctx, AZ_LOC_NONE,
			"unknown %s \"%s\" for \"%s\"; did you mean \"%s\"?", what, word, triple,
			near);
	return az_error(ctx, AZ_LOC_NONE, "unknown %s \"%s\" for \"%s\"", what, word, triple);
}

static bool check_features(az_ctx *ctx, names list, const char *features, const char *triple)
{
	bool ok = true;
	for (const char *at = features; *at;) {
		size_t length = strcspn(at, ",");
		const char *word = az_arena_copy(&ctx->arena, at + 1, length - 1);
		if (!listed(list, word))
			ok = unknown(ctx, list, "feature", word, triple);
		at += length + (at[length] == ',');
	}
	return ok;
}

bool az_features_check(az_ctx *ctx, const char *triple, const char *cpu, const char *features)
{
	az_text text = {.arena = &ctx->arena};
	bool usable = false;
	if (!ask_child(ctx, triple, cpu, features, &text, &usable))
		return false;
	const char *all = text.v ? text.v : "";
	const char *middle = strstr(all, "\nAvailable features"), *end = strchr(all, '\f');
	if (!middle || !end)
		return az_error(ctx, AZ_LOC_NONE, "this LLVM does not list the CPUs of \"%s\"",
			triple);
	if (!listed((names){.at = all, .end = middle}, cpu))
		return unknown(ctx, (names){.at = all, .end = middle}, "CPU", cpu, triple);
	if (!check_features(ctx, (names){.at = middle, .end = end}, features, triple))
		return false;
	return usable ||
	       az_error(ctx, AZ_LOC_NONE, "CPU \"%s\" with features \"%s\" cannot run \"%s\" code",
		       cpu, features, triple);
}
