#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# --embed-preprocessing: the executable does by itself what its command line would ask for.
. tests/e2e/lib.sh
[ "$(uname -m)" = x86_64 ] || { echo "runs executables for x86-64"; exit 77; }
model=$example/digits.onnx
how=(--input-scale=0.25 --input-mean=1.5 --input-std 2 --resize=8x8)
# A picture of 16x16, so that it must be made smaller.
{
	printf 'P5\n16 16\n255\n'
	for i in $(seq 0 255); do
		printf "\\$(printf %o $((i * 7 % 64)))"
	done
} >"$work/x.pgm"

try_run "told" "$ADZE" compile $model --float -o "$work/told" || finish
try_run "embedded" "$ADZE" compile $model --float "${how[@]}" --embed-preprocessing -o "$work/embedded" || finish
try_run "not embedded" "$ADZE" compile $model --float "${how[@]}" -o "$work/plain" || finish
try_run "told runs" "$work/told" "$work/x.pgm" "${how[@]}" -o "$work/wanted.npy" || finish
try_run "embedded runs" "$work/embedded" "$work/x.pgm" -o "$work/got.npy" || finish
same "embedded" "$work/got.npy" "$work/wanted.npy"
try_run "in memory" "$ADZE" run $model "$work/x.pgm" --float "${how[@]}" -o "$work/memory.npy" || finish
same "in memory" "$work/memory.npy" "$work/wanted.npy"
"$work/plain" "$work/x.pgm" -o "$work/plain.npy" 2>/dev/null && fail "preprocessing is embedded though nobody asked"
"$work/embedded" --info | grep -q -e '--input-scale=0.25 --input-mean=1.5 --input-std=2 --resize=8x8' || fail "--info does not show it"

# The command line has the last word.
other=(--input-scale=1 --input-mean=0 --input-std=1)
try_run "other" "$work/told" "$work/x.pgm" "${other[@]}" --resize=8x8 -o "$work/wanted.npy" || finish
try_run "overridden" "$work/embedded" "$work/x.pgm" "${other[@]}" -o "$work/got.npy" || finish
same "overridden" "$work/got.npy" "$work/wanted.npy"
cmp -s "$work/got.npy" "$work/memory.npy" && fail "the preprocessing makes no difference"

refuses() {
	local pattern=$1
	shift
	"$ADZE" compile $model --float "$@" -o "$work/out" >/dev/null 2>"$work/said" && fail "$*: not refused"
	grep -q -e "$pattern" "$work/said" || fail "$*: $(head -n 2 "$work/said")"
}
refuses "finds nothing to embed" --embed-preprocessing
refuses "is for executables, not for --emit=obj" --embed-preprocessing "${how[@]}" --emit=obj
refuses "wants positive numbers" --embed-preprocessing --input-std=0
finish
