#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Weights and activations of every width in convolutions, depthwise convolutions and products
# (tests/unit/widths.h): executables of all targets give the bits of the interpreter. Short: 51 cases, every
# element of activations with every kind once; long: all 816. Then the operator tests of ONNX with elements of
# fewer than 8 bits, compiled.
. tests/e2e/lib.sh

# widths FIRST COUNT: one executable per target.
widths() {
	try_run "making cases from $1 on" "$BUILD/kernels_net" "$work" "$1" "$2" || return
	try_run "the interpreter from $1 on" "$ADZE" run "$work/net.adz" "$work/x.npy" --interpret -o "$work/wanted.npy" || return
	for name in $target_names; do
		pick "$name" || continue
		rm -f "$work/got.npy"
		# shellcheck disable=SC2086
		try_run "cases from $1 on for $name" "$ADZE" compile "$work/net.adz" $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "cases from $1 on on $name" timeout 600 $runner "$work/net" "$work/x.npy" -o "$work/got.npy" || continue
		same "cases from $1 on on $name" "$work/got.npy" "$work/wanted.npy"
	done
}

# packed IN OUT: a network whose input and output have elements of fewer than 8 bits, from and to files.
packed() {
	printf '%s\n' 'adze 1 module "packed" stage canonical' 'const @s : f32[1] = [0.5]' \
		"func @main(%x: $1[8192]) -> (\"y\": $2[8192]) {" '  %1 = dequantize %x, @s : f32[8192]' \
		"  %2 = quantize %1, @s : $2[8192]" '  return %2' '}' >"$work/packed.adz"
	try_run "$1 to $2 interpreted" "$ADZE" run "$work/packed.adz" "$work/x.npy" --interpret -o "$work/wanted.npy" || return
	for name in native armv7a riscv64gcv-128; do
		pick "$name" || continue
		rm -f "$work/got.npy"
		# shellcheck disable=SC2086
		try_run "$1 to $2 for $name" "$ADZE" compile "$work/packed.adz" $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "$1 to $2 on $name" $runner "$work/net" "$work/x.npy" -o "$work/got.npy" || continue
		same "$1 to $2 on $name" "$work/got.npy" "$work/wanted.npy"
	done
}

# One folder of an operator test: the code against the interpreter, which tests/operators compares.
node() {
	local inputs=()
	for input in "$1"/test_data_set_0/input_*.pb; do
		[ -f "$input" ] && inputs+=("$input")
	done
	try_run "$(basename "$1") interpreted" "$ADZE" run "$1/model.onnx" "${inputs[@]}" --interpret -o "$work/wanted.npy" || return
	try_run "$(basename "$1") compiled" "$ADZE" run "$1/model.onnx" "${inputs[@]}" -o "$work/got.npy" || return
	same "$(basename "$1")" "$work/got.npy" "$work/wanted.npy"
}

if [ -n "${AZ_LONG:-}" ]; then
	for first in 0 51 102 153 204 255 306 357 408 459 510 561 612 663 714 765; do
		widths $first 51
	done
else
	widths 0 51
fi

packed u4 i4
packed i3 bipolar
packed bipolar u7
packed u1 i5

archive=../shared/data/onnx-node-tests/onnx-node-tests.tar.gz
if [ -f $archive ]; then
	mkdir "$work/set" && tar xzf $archive -C "$work/set"
	for model in "$work"/set/node/test_*[Ii][Nn][Tt][24]*/model.onnx "$work"/set/node/test_*quantizelinear*/model.onnx; do
		[ -f "$model" ] && node "$(dirname "$model")"
	done
fi
finish
