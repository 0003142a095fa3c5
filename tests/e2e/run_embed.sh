#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The network inside somebody else's program: object and header linked by the C compiler, shared object
# opened at run time. Both give the bytes that the JIT gives.
. tests/e2e/lib.sh
model=$example/digits.onnx
input=$example/test_data_set_0/input_0.pb
int8=(--calib="$example/calibration.npy")
[ "$(uname -m)" = x86_64 ] || { echo "the test's program is for x86-64"; exit 77; }

try_run "jit" "$ADZE" run $model "${int8[@]}" $input -o "$work/jit.npy" || finish
tail -c 40 "$work/jit.npy" >"$work/wanted"
tail -c 256 $input >"$work/input" # f32 [1,1,8,8], the end of the TensorProto's raw data

try_run "object" "$ADZE" compile $model "${int8[@]}" --emit=obj --name=digits -o "$work/digits.o" || finish
try_run "shared object" "$ADZE" compile $model "${int8[@]}" --emit=so --name=digits -o "$work/libdigits.so" || finish
[ -s "$work/digits.h" ] || fail "no header beside the object"

cat >"$work/main.c" <<'C'
#include <stdio.h>
#include <stdlib.h>

#include "digits.h"

int main(void)
{
	static float image[64], probabilities[10];
	const void *inputs[] = {image};
	void *outputs[] = {probabilities};
	if (fread(image, sizeof image, 1, stdin) != 1)
		return 2;
	void *arena = aligned_alloc(DIGITS_ARENA_ALIGN, (DIGITS_ARENA_BYTES + DIGITS_ARENA_ALIGN - 1) /
	                                                       DIGITS_ARENA_ALIGN * DIGITS_ARENA_ALIGN);
	if (!arena || digits_run(inputs, outputs, arena, NULL) != 0)
		return 3;
	fwrite(probabilities, sizeof probabilities, 1, stdout);
	free(arena);
	return 0;
}
C
for compiler in gcc clang-19 "$CC"; do
	command -v "$compiler" >/dev/null || continue
	for standard in c99 c11; do
		try_run "link with $compiler -std=$standard" "$compiler" -std=$standard -Wall -Wextra -Werror -pedantic -D_ISOC11_SOURCE \
			-I"$work" "$work/main.c" "$work/digits.o" -o "$work/program" || continue
		"$work/program" <"$work/input" >"$work/got" || fail "$compiler: the program exits with $?"
		same "object linked by $compiler" "$work/got" "$work/wanted"
	done
done

sed 's/digits_run(/run(/; s/^\tvoid \*arena/\tvoid *library = dlopen(LIBRARY, RTLD_NOW);\
	int (*run)(const void *const *, void *const *, void *, const void *) =\
	        library ? (int (*)(const void *const *, void *const *, void *, const void *))dlsym(library, "digits_run") : NULL;\
	if (!run)\
		return 4;\
	void *arena/; s/^#include <stdio.h>/#include <dlfcn.h>\n#include <stdio.h>/' "$work/main.c" >"$work/open.c"
try_run "program for dlopen" gcc -I"$work" -DLIBRARY="\"$work/libdigits.so\"" "$work/open.c" -o "$work/open" -ldl &&
	{ "$work/open" <"$work/input" >"$work/got" || fail "dlopen: the program exits with $?"; } &&
	same "shared object" "$work/got" "$work/wanted"

# The header in C++ too, when there is a compiler.
if command -v g++ >/dev/null; then
	echo '#include "digits.h"
int main() { return DIGITS_ARENA_BYTES > 0 ? 0 : 1; }' >"$work/plus.cc"
	try_run "header in C++" g++ -Wall -Wextra -Werror -I"$work" "$work/plus.cc" -o "$work/plus" && "$work/plus" || fail "C++"
fi

# Nothing outside is wanted by the object, and nothing in it is writable.
nm -u "$work/digits.o" | grep -v '^$' && fail "the object has undefined symbols"
size -A "$work/digits.o" | awk '($1 ~ /^\.(data|bss)/) && $2 > 0 { print; bad = 1 } END { exit bad }' ||
	fail "the object has writable data"
finish
