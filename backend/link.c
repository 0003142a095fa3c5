/* SPDX-License-Identifier: Apache-2.0
 *
 * Linking: objects go into a temporary folder, ld.lld runs there in a child process, its output
 * is read back and the folder removed. The LLVM C API has no linker. */
#include "backend/link.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

#define OBJECTS_MAX 8

extern char **environ;

typedef struct linking {
	az_ctx *ctx;
	az_arena *arena;
	const char *folder, *output, *messages;
	const char *input[OBJECTS_MAX];
	uint32_t count;
} linking;

static bool make_folder(linking *l)
{
	const char *base = getenv("TMPDIR");
	char *folder = az_arena_printf(l->arena, "%s/adze-XXXXXX", base && *base ? base : P_tmpdir);
	if (!mkdtemp(folder))
		return az_error(l->ctx, AZ_LOC_NONE, "cannot make a temporary folder \"%s\": %s",
			folder, strerror(errno));
	l->folder = folder;
	l->output = az_path_join(l->arena, folder, "out");
	l->messages = az_path_join(l->arena, folder, "messages");
	return true;
}

static void remove_folder(linking *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		(void)unlink(l->input[i]);
	(void)unlink(l->output);
	(void)unlink(l->messages);
	(void)rmdir(l->folder);
}

static bool write_objects(linking *l, uint32_t count, const az_bytes *object)
{
	for (uint32_t i = 0; i < count; i++) {
		l->input[i] =
			az_path_join(l->arena, l->folder, az_arena_printf(l->arena, "%u.o", i));
		l->count = i + 1;
		if (!az_file_write(l->ctx, l->input[i], object[i].data, object[i].size, false))
			return false;
	}
	return true;
}

/* The first linker of these names that can be started. Returns its process, or -1. */
static pid_t start(linking *l, char **args)
{
	static const char *const names[] = {AZ_LLVM_BIN "/ld.lld", "ld.lld-19", "ld.lld"};
	posix_spawn_file_actions_t actions;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	pid_t pid = -1;
	bool ready = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, l->messages,
			     O_WRONLY | O_CREAT | O_TRUNC, 0600) == 0 &&
		     posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
			     O_WRONLY, 0) == 0;
	for (uint32_t i = 0; ready && pid < 0 && i < AZ_COUNT(names); i++)
		if (posix_spawnp(&pid, names[i], &actions, NULL, args, environ) != 0)
			pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static bool report_failure(linking *l)
{
	az_bytes said = {0};
	const char *text = "no message";
	if (az_file_exists(l->messages) && az_file_map(l->ctx, l->messages, &said) &&
		said.size > 0) {
		const char *begin = said.data, *end = memchr(begin, '\n', said.size);
		text = az_arena_copy(l->arena, begin, end ? (size_t)(end - begin) : said.size);
	}
	if (said.data)
		az_file_unmap(said);
	return az_error(l->ctx, AZ_LOC_NONE, "linking failed: %s", text);
}

static bool run(linking *l, char **args)
{
	pid_t pid = start(l, args);
	if (pid < 0)
		return az_error(l->ctx, AZ_LOC_NONE,
			"cannot start the linker ld.lld of LLVM 19 (Debian package lld-19)");
	int status = 1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return az_error(l->ctx, AZ_LOC_NONE,
			"cannot start the linker ld.lld of LLVM 19 (Debian package lld-19)");
	return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || report_failure(l);
}

static bool read_output(linking *l, az_bytes *out)
{
	az_bytes file = {0};
	if (!az_file_map(l->ctx, l->output, &file))
		return false;
	void *copy = az_arena_alloc(l->arena, file.size + 1, 8);
	memcpy(copy, file.data, file.size);
	*out = (az_bytes){copy, file.size};
	az_file_unmap(file);
	return true;
}

static bool link_in_folder(linking *l, bool shared, uint32_t count, const az_bytes *object,
	az_bytes *out)
{
	static const char *const exe[] = {"-static", "-nostdlib", "-e", "_start", "-s"};
	static const char *const so[] = {"-shared", "-nostdlib", "-z", "defs", "--hash-style=gnu"};
	if (!write_objects(l, count, object))
		return false;
	const char *args[16 + OBJECTS_MAX] = {
		"ld.lld", "--gc-sections", "--build-id=none", "-z", "noexecstack", "-o", l->output};
	uint32_t n = 7;
	for (uint32_t i = 0; i < AZ_COUNT(exe); i++)
		args[n++] = shared ? so[i] : exe[i];
	for (uint32_t i = 0; i < count; i++)
		args[n++] = l->input[i];
	/* posix_spawn takes char *const[] for historical reasons and changes nothing. */
	char *argv[AZ_COUNT(args) + 1];
	memcpy(argv, args, sizeof args);
	argv[n] = NULL;
	return run(l, argv) && read_output(l, out);
}

bool az_link(az_ctx *ctx, bool shared, uint32_t count, const az_bytes *object, az_arena *arena,
	az_bytes *out)
{
	linking l = {.ctx = ctx, .arena = arena};
	if (count > OBJECTS_MAX)
		return az_error(ctx, AZ_LOC_NONE, "%u objects to link, at most %d", count,
			OBJECTS_MAX);
	if (!make_folder(&l))
		return false;
	bool ok = link_in_folder(&l, shared, count, object, out);
	remove_folder(&l);
	return ok;
}
