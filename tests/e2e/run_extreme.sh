#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Calibration and inputs that nobody hopes for: one sample, samples that are constant, not a number or infinite.
# Whatever comes out, code and interpreter give the same bits, or Adze says what it found.
. tests/e2e/lib.sh
model=$PWD/$example/digits.onnx adze=$(realpath "$ADZE")

# npy NAME SHAPE COUNT BYTES: float32, the element (printf escapes) repeated
npy() {
	local dict="{'descr': '<f4', 'fortran_order': False, 'shape': $2, }"
	{
		printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$dict"
		for ((i = 0; i < $3; i++)); do printf '%b' "$4"; done
	} >"$work/$1.npy"
}
npy zero '(1, 1, 8, 8)' 64 '\x00\x00\x00\x00'
npy zeros '(3, 1, 8, 8)' 192 '\x00\x00\x00\x00'
npy one '(1, 1, 8, 8)' 64 '\x00\x00\x80\x3f'
npy tiny '(1, 1, 8, 8)' 64 '\x01\x00\x00\x00'
npy large '(1, 1, 8, 8)' 64 '\xff\xff\x7f\x7f'
npy nan '(1, 1, 8, 8)' 64 '\x00\x00\xc0\x7f'
npy infinity '(1, 1, 8, 8)' 64 '\x00\x00\x80\x7f'
npy minus '(1, 1, 8, 8)' 64 '\x00\x00\x80\xff'

# agree WHAT OPTIONS...: the network made with the options gives the same bits both ways for every input.
agree() {
	local what=$1
	shift
	rm -rf "$work"/net.adz*
	try_run "$what" "$ADZE" opt "$model" --road --stop-after=fold-quantizers "$@" -o "$work/net.adz" || return
	try_run "$what: compile" "$ADZE" compile "$work/net.adz" -o "$work/net" || return
	for input in zero one tiny large nan infinity minus; do
		try_run "$what: interpret $input" "$ADZE" run "$work/net.adz" "$work/$input.npy" --interpret -o "$work/wanted.npy" || continue
		try_run "$what: run $input" "$work/net" "$work/$input.npy" -o "$work/got.npy" || continue
		same "$what: $input" "$work/got.npy" "$work/wanted.npy"
	done
}
agree "good samples" --calib=$example/calibration.npy
agree "one sample" --calib=$example/calibration.npy --calib-limit=1
agree "one sample of zeros" --calib="$work/zero.npy"
agree "constant samples" --calib="$work/zeros.npy"
agree "subnormal samples" --calib="$work/tiny.npy"
agree "four bits of constant samples" --calib="$work/one.npy" --weights=4 --acts=4

# refused WHAT TEXT OPTIONS...: with a message that holds the text
refused() {
	local what=$1 text=$2
	shift 2
	# in a folder that goes away: the module before the failed pass is kept in crash.adz
	if (cd "$work" && "$adze" compile "$model" "$@" -o net) >"$work/said" 2>&1; then
		fail "$what: not refused"
	else
		grep -q -- "$text" "$work/said" || { fail "$what: wanted \"$text\""; tail -n 3 "$work/said"; }
	fi
}
agree "samples of the largest float" --calib="$work/large.npy"
refused "samples that are not numbers" 'no number of value "image" is finite in any sample' --calib="$work/nan.npy"
refused "infinite samples" 'no number of value "image" is finite in any sample' --calib="$work/infinity.npy"
finish
